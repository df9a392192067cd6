"""Retrain triggers are judged by past verdicts on an aligned grid, asked once a step, and only said."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
import yaml

from tests.live.conftest import Asked, active
from tests.live.test_drift import ONE, OTHER, SAME, Notebooks
from tests.signals.building import SUCCESS, notebook
from triage.clock import ManualClock
from triage.facts.replies import Part, Question
from triage.facts.samples import Series
from triage.live.drift import DRIFT
from triage.live.poller import Poller
from triage.live.quality import FIGURE, LABELS, WINDOW
from triage.live.retrain import past, retrain, retrain_questions
from triage.notebook.load import Notebook, load_all
from triage.signals.model import Reason
from triage.signals.reading import Urgency, Verdict
from triage.signals.retrain import TriggerState
from triage.signals.retrain_reasons import retrain_reasons

NOW = 1_795_400_100.0
HOUR = 3600.0
DRIFTED = f"{ONE}\nretrain: {{when: [{{drift: critical, sustained: 6h}}], approval: required}}"
QUALITY = ("quality: {feedback: {regime: instant, labels: labels_total}, metrics: [{name: recall, metric: recall, "
           "at_least: 0.6, min_labels: 500}]}\nretrain: {when: [{quality: recall, sustained: 6h}], approval: none}")


def book(more: str) -> Notebook:
    return notebook(SUCCESS, more=more)


def drifting_for(hours: float) -> tuple[TriggerState, str, list[Reason]]:
    """The state after drift that began so long ago."""
    at = past(book(DRIFTED), NOW)
    assert at is not None
    rows = [tuple(accumulate(OTHER if time > NOW - hours * HOUR else SAME)) for time in at.times]
    series = [Series({"feature": "a", "le": le}, at.times, tuple(row[number] for row in rows))
              for number, le in enumerate(("1", "2", "3", "+Inf"))]
    found = retrain(book(DRIFTED), {Question(DRIFT, 0, Part.BUCKETS, HOUR): series}, at, NOW)
    return found[0].state, found[0].sentence, list(retrain_reasons(found))


def test_nothing_is_asked_without_triggers() -> None:
    assert past(book(ONE), NOW) is None
    assert retrain_questions(book(ONE)) == ()


def test_the_grid_is_the_same_whenever_one_looks_within_a_step() -> None:
    first, later = past(book(DRIFTED), NOW), past(book(DRIFTED), NOW + 600)
    assert first is not None
    assert first == later
    assert first.step == HOUR
    assert first.end <= NOW < first.end + HOUR
    assert first.start <= NOW - 6 * HOUR


def test_a_trigger_that_held_all_of_its_time_asks_for_retraining_by_name() -> None:
    state, sentence, [reason] = drifting_for(9)
    assert state is TriggerState.ASKED
    assert sentence == "drift critical on 1 feature for 6 h: retrain asked, needs approval by on-call team"
    assert (reason.verdict, reason.urgency, reason.rule) == (Verdict.WARN, Urgency.TICKET, "retrain")


def test_one_that_only_begins_to_hold_is_no_reason() -> None:
    state, _, reasons = drifting_for(3)
    assert (state, reasons) == (TriggerState.BUILDING, [])


def test_without_drift_it_is_quiet() -> None:
    assert drifting_for(0)[0] is TriggerState.QUIET


@pytest.mark.parametrize(("value", "state"), [(0.5, TriggerState.ASKED), (0.7, TriggerState.QUIET)])
def test_a_figure_beyond_its_limit_asks_too(value: float, state: TriggerState) -> None:
    at = past(book(QUALITY), NOW)
    assert at is not None
    series = {Question(FIGURE, 0, Part.LEVEL): [Series({"model_version": "7"}, at.times, (value,) * at.count)],
              Question(LABELS, 0, Part.TOTAL, WINDOW): [Series({"model_version": "7"}, at.times, (900.0,) * at.count)]}
    [trigger] = retrain(book(QUALITY), series, at, NOW)
    assert (trigger.state, trigger.approval) == (state, "")


def test_nothing_known_of_the_past_is_unknown() -> None:
    at = past(book(DRIFTED), NOW)
    assert at is not None
    [trigger] = retrain(book(DRIFTED), {Question(DRIFT, 0, Part.BUCKETS, HOUR): []}, at, NOW)
    assert trigger.state is TriggerState.UNKNOWN


async def test_the_past_is_asked_once_a_step(notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=1)
    path = folder / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"] |= yaml.safe_load(DRIFTED)
    path.write_text(yaml.safe_dump(manifest))
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock)
    poller.watch(["m"])

    def asked() -> int:
        return sum(r.path.endswith("query_range") and "value_bucket" in r.fields["query"][0]
                   for r in prometheus.server.requests)

    try:
        snapshot = await poller.refresh_once()
        assert (asked(), poller.requests_sent) == (1, 9)
        assert snapshot.models[0].retrain[0].state is TriggerState.UNKNOWN
        clock.advance(math.floor(HOUR - clock.now() % HOUR) - 10)
        await poller.refresh_once()
        assert asked() == 1
        clock.advance(20)
        await poller.refresh_once()
        assert asked() == 2
    finally:
        await poller.aclose()
