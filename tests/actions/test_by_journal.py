"""How far the journal's word goes on how long a version served: not over what others did, nor over what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.actions.building import DAY, NOW, circumstances, model, observed, plan, revision, rollout, snapshot
from triage.actions.guards import check
from triage.actions.guards.checking import Verdict
from triage.actions.history import Attempt, Deed, History, Outcome
from triage.actions.plan import Action, State
from triage.actions.proven import NOT_ASKED, Proven, Service
from triage.actions.system import Change, Fate, Recorded
from triage.facts.rollouts import RolloutFacts
from triage.signals.model import Versions

SILENT = Proven({}, 0.0, "prometheus: no answer")
NEVER = Proven({"9": Service(7 * DAY, 1e6, ())}, 7 * DAY)
"""Seven days of which v7 had nothing."""


def deed(at: float, after: str = "7", action: Action = Action.ROLLBACK) -> Deed:
    of = plan(action, after=State(after, 2))
    return Deed("a" * 16, of, "ana", at, (Attempt(0, at, Fate.DONE, ""),), Outcome.DONE)


def standing(stable_age: float = 29 * DAY, **changes: Any) -> RolloutFacts:
    """v9 is stable, rolled out so long ago; v8 is on trial; v7 is what was."""
    nine, eight, seven = revision("9", 5, age=stable_age), revision("8", 6, age=3600), revision("7", 2, age=90 * DAY)
    return rollout(**({"stable": nine, "canary": eight, "revisions": (eight, nine, seven)} | changes))


def said(history: History, facts: RolloutFacts | None, past: Proven = SILENT, **changes: Any) -> tuple[Verdict, str]:
    of = circumstances(history=history, observed=replace(observed(), rollout=facts), proven=past, **changes)
    found = next(each for each in check(of) if each.name == "known-good")
    return found.verdict, found.sentence


def test_a_version_that_was_left_by_others_served_until_then() -> None:
    before = History((deed(NOW - 30 * DAY),))
    assert "took all traffic for 25 d by the journal, until 5 d ago" in said(before, standing(5 * DAY))[1]
    verdict, sentence = said(History((deed(NOW - 5 * DAY),)), standing(4.5 * DAY))
    assert verdict is Verdict.CANNOT_TELL
    assert "by the journal" not in sentence


def test_what_was_long_ago_tells_nothing_of_today() -> None:
    verdict, sentence = said(History((deed(NOW - 30 * DAY),)), standing(20 * DAY))
    assert verdict is Verdict.CANNOT_TELL
    assert "by the journal" not in sentence


def test_what_the_system_recorded_ends_it_as_well() -> None:
    facts = rollout(canary=None, revisions=(revision("7", 2),))
    of = circumstances(history=History((deed(NOW - 30 * DAY),)), proven=SILENT)
    for at, words in ((NOW - 29.9 * DAY, ""), (NOW - 5 * DAY, "took all traffic for 25 d by the journal, until 5 d")):
        changed = replace(observed(facts), recorded=Recorded((Change(at, "kubectl-edit wrote it"),), "managedFields"))
        sentence = next(each.sentence for each in check(replace(of, observed=changed)) if each.name == "known-good")
        assert ("by the journal" in sentence, words in sentence) == (bool(words), True)


def test_while_it_is_still_the_stable_one_it_counts_until_now() -> None:
    facts = rollout(canary=None, revisions=(revision("7", 2),))
    assert "took all traffic for 3 d by the journal;" in said(History((deed(NOW - 3 * DAY),)), facts)[1]


def test_where_another_stands_and_nothing_says_since_when_it_is_no_evidence() -> None:
    elsewhere = rollout(stable=replace(revision("9", 5), created_at=None), canary=None, revisions=())
    assert "by the journal" not in said(History((deed(NOW - 30 * DAY),)), elsewhere)[1]


@pytest.mark.parametrize(("stable", "counts"), [("7", True), ("v7", True), ("9", False), (None, False)])
def test_of_a_system_without_roles_the_requests_say_what_stands(stable: str | None, counts: bool) -> None:
    found = model()
    items = () if stable is None else (replace(found.versions.items[0], version=stable),)
    shown = snapshot(replace(found, versions=Versions("traffic", items)))
    sentence = said(History((deed(NOW - 30 * DAY),)), None, snapshot=shown)[1]
    assert ("by the journal" in sentence) is counts


def test_where_prometheus_saw_who_served_its_word_counts() -> None:
    facts = rollout(canary=None, revisions=(revision("7", 2),))
    for since in (6 * DAY, 30 * DAY):
        assert "by the journal" not in said(History((deed(NOW - since),)), facts, NEVER)[1]
        for past in (SILENT, NOT_ASKED, Proven({"": Service(7 * DAY, 1e6, ())}, 7 * DAY)):
            assert "by the journal;" in said(History((deed(NOW - since),)), facts, past)[1]


def test_a_stretch_ends_with_the_next_action_of_triage() -> None:
    past = History((deed(NOW - 30 * DAY), deed(NOW - 29.9 * DAY, "9", Action.PROMOTE_FULL)))
    assert "by the journal" not in said(past, standing(90 * DAY))[1]
