"""Pods that were killed for memory lately are a finding: a ticket, never a page."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.signals.building import NOW, reply
from triage.facts.outcome import Failure, FailureKind
from triage.facts.replies import PODS, Part, Question, Reply
from triage.signals.killed import KILLED_SECONDS, killed_reasons
from triage.signals.model import Reason
from triage.signals.reading import Urgency, Verdict

KILLED = Question(PODS, 0, Part.KILLED, KILLED_SECONDS)


def found(**restarts: float) -> Reply:
    return reply(*(({"pod": pod, "container": "server"}, count) for pod, count in restarts.items()))


def said(answer: Reply, now: float = NOW) -> list[Reason]:
    return list(killed_reasons({KILLED: answer}, now))


def test_one_that_was_killed_is_a_ticket_that_names_it() -> None:
    [reason] = said(found(a=3.0))
    assert (reason.verdict, reason.urgency, reason.rule) == (Verdict.WARN, Urgency.TICKET, "pods")
    assert reason.text == "1 pod was killed for memory in the last 30 min (OOMKilled): a 3x"


def test_of_several_the_worst_are_named_and_it_still_pages_nobody() -> None:
    [reason] = said(found(a=1.0, b=9.0, c=2.0))
    assert reason.text == "3 pods were killed for memory in the last 30 min (OOMKilled): b 9x, c 2x and 1 more"
    assert reason.urgency is Urgency.TICKET


def test_containers_of_a_pod_are_counted_together() -> None:
    [reason] = said(reply(({"pod": "a", "container": "server"}, 1.0), ({"pod": "a", "container": "sidecar"}, 2.0)))
    assert "a 3x" in reason.text


@pytest.mark.parametrize("answer", [
    found(), found(a=0.0), found(a=math.nan), reply(({"container": "server"}, 2.0)),
    replace(found(a=2.0), answered_at=None, failure=Failure(FailureKind.TIMEOUT, "slow")),
])
def test_what_is_not_known_to_be_killed_is_no_finding(answer: Reply) -> None:
    assert said(answer) == []
    assert list(killed_reasons({}, NOW)) == []


def test_an_answer_that_is_too_old_speaks_of_no_present() -> None:
    assert said(found(a=2.0), NOW + 100_000) == []


def test_a_partial_answer_tells_of_those_that_it_knows() -> None:
    assert len(said(replace(found(a=2.0), warnings=("store eu-2 did not answer",)))) == 1
