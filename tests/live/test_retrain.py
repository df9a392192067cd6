"""Retrain triggers are judged by past verdicts on an aligned grid, asked once a step, and only said."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
import pytest
import yaml

from tests.live.conftest import Asked, active
from tests.live.test_drift import ONE, OTHER, SAME, Notebooks
from tests.signals.building import SUCCESS, notebook
from triage.clock import ManualClock
from triage.facts.replies import Part, Question
from triage.facts.samples import Series
from triage.lab.promql.engine import Engine
from triage.lab.promql.results import Vector
from triage.lab.promql.store import Store
from triage.live.drift import DRIFT
from triage.live.poller import Poller
from triage.live.quality import FIGURE, LABELS, WINDOW
from triage.live.retrain import Past, past, retrain, retrain_questions
from triage.notebook.load import Notebook, load_all
from triage.notebook.references import References
from triage.signals.model import Reason
from triage.signals.reading import Urgency, Verdict
from triage.signals.references import Registered
from triage.signals.retrain import Trigger, TriggerState
from triage.signals.retrain_reasons import retrain_reasons

NOW = 1_795_400_100.0
HOUR = 3600.0
TRIGGER = "retrain: {when: [{drift: critical, sustained: 6h}], approval: required}"
DRIFTED = f"{ONE}\n{TRIGGER}"
GAUGE = "drift: {features: [{name: a, gauge: drift_score, direction: high-is-drift, warning: 0.1, critical: 0.25}]}"
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


def question(notebook: Notebook, part: Part) -> Question:
    """The one question about this part that is asked over the grid."""
    [found] = [q for q, _ in retrain_questions(notebook) if q.part is part]
    return found


def constant(at: Past, value: float | Callable[[float], float], **labels: str) -> Series:
    """A series at every point of the grid; ``value`` may depend on the time."""
    return Series(labels, at.times, tuple(value(time) if callable(value) else value for time in at.times))


def buckets(at: Past, counts: Sequence[float], feature: str = "a") -> list[Series]:
    return [constant(at, count, feature=feature, le=le)
            for le, count in zip(("1", "2", "3", "+Inf"), accumulate(counts), strict=True)]


def judged(notebook: Notebook, series: Callable[[Past], dict[Question, list[Series]]],
           registered: Registered | None = None, warnings: tuple[str, ...] = ()) -> Trigger:
    at = past(notebook, NOW)
    assert at is not None
    [trigger] = retrain(notebook, series(at), at, NOW, registered, warnings)
    return trigger


def test_what_decides_on_the_screen_is_asked_over_the_grid_too_and_not_by_version() -> None:
    counted = book(DRIFTED.replace("histogram: value,", "histogram: value, nulls: nulls_total,"))
    assert {q.part for q, _ in retrain_questions(counted)} == {
        Part.BUCKETS, Part.NULLS, Part.RESETS, Part.SERIES, Part.COVERED, Part.SAMPLED_AT}
    gauge = book(f"{GAUGE}\n{TRIGGER}")
    assert {q.part for q, _ in retrain_questions(gauge)} == {
        Part.LEVEL, Part.SAMPLED_AT, Part.CHANGES, Part.PUSHED_AT}
    assert not [text for of in (counted, gauge) for _, text in retrain_questions(of) if "model_version" in text]


def test_of_moments_without_a_reset_nothing_is_said_of_resets() -> None:
    store = Store()
    times = np.arange(0, 10 * HOUR + 1, 60)
    store.append({"__name__": "value_count", "model": "m", "feature": "a"}, np.round(times * 1000).astype(int),
                 np.where(times < 5 * HOUR, times, times - 5 * HOUR).astype(float))

    def told(part: Part, at: float) -> list[float]:
        [text] = [text for q, text in retrain_questions(book(DRIFTED)) if q.part is part]
        vector = Engine(store).instant(text, at).value
        assert isinstance(vector, Vector)
        return [value for _, value in vector.samples]

    assert (told(Part.RESETS, 5.5 * HOUR), told(Part.SERIES, 5.5 * HOUR)) == ([1.0], [1.0])
    assert (told(Part.RESETS, 8 * HOUR), told(Part.SERIES, 8 * HOUR)) == ([], [])


@pytest.mark.parametrize(("nulls", "state"), [(4000.0, TriggerState.ASKED), (60.0, TriggerState.QUIET)])
def test_a_feature_that_turned_null_asks_for_retraining(nulls: float, state: TriggerState) -> None:
    of = book(DRIFTED.replace("histogram: value,", "histogram: value, nulls: nulls_total,")
              .replace("reference: {", "reference: {null_share: 0.01, "))
    assert judged(of, lambda at: {question(of, Part.BUCKETS): buckets(at, SAME),
                                  question(of, Part.NULLS): [constant(at, nulls, feature="a")]}).state is state


@pytest.mark.parametrize(("pushed", "state"), [
    (lambda time: time - 600, TriggerState.ASKED), (lambda time: NOW - 9 * 86400, TriggerState.UNKNOWN)])
def test_a_score_that_was_pushed_long_ago_asks_for_nothing(pushed: Callable[[float], float],
                                                           state: TriggerState) -> None:
    of = book(f"{GAUGE}\n{TRIGGER}")
    assert judged(of, lambda at: {question(of, Part.LEVEL): [constant(at, 0.9, feature="a")],
                                  question(of, Part.PUSHED_AT): [constant(at, pushed, feature="a")]}).state is state


def test_a_score_that_stands_still_asks_for_nothing() -> None:
    of = book(f"{GAUGE}\n{TRIGGER}")
    assert judged(of, lambda at: {question(of, Part.LEVEL): [constant(at, 0.9, feature="a")],
                                  question(of, Part.CHANGES): [constant(at, 0.0, feature="a")]}
                  ).state is TriggerState.UNKNOWN


@pytest.mark.parametrize(("part", "value"), [
    (Part.COVERED, 30.0), (Part.RESETS, 30.0), (Part.SAMPLED_AT, lambda time: time - 900)])
def test_counts_that_do_not_describe_their_time_ask_for_nothing(part: Part,
                                                                value: float | Callable[[float], float]) -> None:
    of = book(DRIFTED)
    assert judged(of, lambda at: {question(of, Part.BUCKETS): buckets(at, OTHER)}).state is TriggerState.ASKED
    assert judged(of, lambda at: {question(of, Part.BUCKETS): buckets(at, OTHER),
                                  question(of, part): [constant(at, value, feature="a")]}
                  ).state is TriggerState.UNKNOWN


def test_a_partial_answer_is_not_quiet() -> None:
    of = book(DRIFTED)
    found = judged(of, lambda at: {question(of, Part.BUCKETS): buckets(at, SAME)}, warnings=("a store is gone",))
    assert found.state is TriggerState.UNKNOWN


def test_features_are_compared_with_the_registered_references() -> None:
    of = book(f"drift: {{features: [{{name: a, histogram: value, reference: {{registered: true}}}}]}}\n{TRIGGER}")

    def state(registered: Registered | None) -> TriggerState:
        return judged(of, lambda at: {question(of, Part.BUCKETS): buckets(at, OTHER)}, registered).state

    kept = References.model_validate({
        "apiVersion": "triage/v1alpha1", "kind": "References",
        "features": {"a": {"edges": [1, 2, 3], "counts": list(SAME)}}})
    assert state(None) is TriggerState.UNKNOWN
    assert state(Registered("7", kept)) is TriggerState.ASKED


def test_a_trigger_is_quiet_only_where_every_feature_is_known() -> None:
    features = ", ".join(ONE.partition("[")[2].removesuffix("]}").replace("name: a", f"name: f{i}") for i in range(10))
    of = book(f"drift: {{features: [{features}]}}\n{TRIGGER}")

    def told(known: int) -> tuple[TriggerState, str]:
        found = judged(of, lambda at: {question(of, Part.BUCKETS): [
            series for i in range(known) for series in buckets(at, SAME, f"f{i}")]})
        return found.state, found.sentence

    assert told(10) == (TriggerState.QUIET, "drift critical: not so now")
    assert told(1) == (TriggerState.UNKNOWN,
                       "drift critical: 9 of 10 features not known at present, the others are not so")
    assert told(0) == (TriggerState.UNKNOWN, "drift critical: not known at present")


@pytest.mark.parametrize(("pushed", "state"), [
    (lambda time: time - 600, TriggerState.ASKED), (lambda time: NOW - 30 * 86400, TriggerState.UNKNOWN)])
def test_a_figure_that_was_pushed_long_ago_asks_for_nothing(pushed: Callable[[float], float],
                                                            state: TriggerState) -> None:
    of = book(QUALITY)
    labels = Question(LABELS, 0, Part.TOTAL, WINDOW)
    assert judged(of, lambda at: {Question(FIGURE, 0, Part.LEVEL): [constant(at, 0.5, model_version="7")],
                                  labels: [constant(at, 900.0, model_version="7")],
                                  question(of, Part.PUSHED_AT): [constant(at, pushed, model_version="7")]}
                  ).state is state


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
