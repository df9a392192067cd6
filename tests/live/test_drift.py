"""Drift is asked in one request a minute, scored when the answer comes, and told apart by feature and version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.live.conftest import Asked, active, parts
from tests.signals.building import SUCCESS, notebook
from triage.clock import ManualClock
from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.lab.promql.engine import Engine
from triage.lab.promql.results import Vector
from triage.lab.promql.store import Store
from triage.live.drift import DRIFT, drift, drift_questions, watching
from triage.live.drift import scored as answers_scored
from triage.live.poller import Poller
from triage.notebook.load import load_all
from triage.signals.drift_model import FeatureDrift
from triage.signals.drift_reading import moved
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.model import Versions, VersionState
from triage.signals.reading import Quality as Known
from triage.signals.reading import Reading, Urgency, Verdict

NOW = 1_795_400_100.0
HOUR = 3600.0
Notebooks = Callable[..., Path]
REFERENCE = "reference: {edges: [1, 2, 3], counts: [1000, 2000, 2000, 1000]}"
ONE = f"drift: {{features: [{{name: a, histogram: value, {REFERENCE}}}]}}"
TWO = (f"drift: {{features: [{{name: a, histogram: value, {REFERENCE}}}, {{name: b, histogram: value, {REFERENCE}}}], "
       f"prediction: {{name: score, histogram: score, {REFERENCE}}}}}")
SAME, OTHER = (1000.0, 2000.0, 2000.0, 1000.0), (3000.0, 2000.0, 800.0, 200.0)


def expressions(more: str) -> dict[tuple[int, Part], str]:
    return {(q.candidate, q.part): text for q, text in drift_questions(notebook(SUCCESS, more=more))}


def grown(counts: Iterable[float], **labels: str) -> list[Sample]:
    total, out = 0.0, []
    for le, count in zip(("1.0", "2.0", "3.0", "+Inf"), counts, strict=True):
        total += count
        out.append(Sample({**labels, "le": le}, total, NOW))
    return out


def scored(more: str, *samples: Sample, warnings: tuple[str, ...] = (),
           others: dict[Part, list[Sample]] | None = None) -> dict[str, FeatureDrift]:
    found = {Question(DRIFT, 0, Part.BUCKETS, HOUR): list(samples)}
    found |= {Question(DRIFT, 0, part, HOUR): items for part, items in (others or {}).items()}
    reading = drift(notebook(SUCCESS, more=more), found, warnings, NOW, 180.0)
    assert reading is not None
    assert reading.state is not None
    return {f.feature: f for f in reading.state.features}


def test_nothing_is_asked_where_nothing_is_watched() -> None:
    book = notebook(SUCCESS)
    assert drift_questions(book) == ()
    assert drift(book, {}, (), NOW, 180.0) is None


def test_features_of_one_metric_are_one_question_by_feature_and_version() -> None:
    buckets = expressions(TWO)[1, Part.BUCKETS]
    assert buckets == ('sum by (feature, model_version, le) '
                       '(increase(value_bucket{model="m",feature=~"a|b|"}[1h]))')


def test_the_prediction_needs_no_feature_label() -> None:
    assert "feature=~" not in expressions(TWO)[0, Part.BUCKETS]


def test_two_hundred_features_of_one_metric_are_as_many_questions_as_one() -> None:
    names = ", ".join(f"{{name: f{i}, histogram: value, {REFERENCE}}}" for i in range(200))
    assert len(expressions(f"drift: {{features: [{names}]}}")) == len(expressions(ONE))


def test_a_feature_that_the_manifest_selects_by_itself_is_not_selected_twice() -> None:
    own = ONE.replace("histogram: value", "histogram: 'value{feature=\"amt\"}'")
    assert 'feature="amt"' in expressions(own)[0, Part.BUCKETS]
    assert "feature=~" not in expressions(own)[0, Part.BUCKETS]
    assert scored(own, *grown(SAME, feature="amt"))["a"].verdict is DriftVerdict.OK


def test_the_smallest_p_value_of_all_processes_counts() -> None:
    gauge = "drift: {features: [{name: a, gauge: p, direction: low-is-drift, warning: 0.05, critical: 0.01}]}"
    assert expressions(gauge)[0, Part.LEVEL].startswith("min by (feature, model_version) (p{")
    found = {Question(DRIFT, 0, Part.LEVEL, HOUR): [Sample({"feature": "a"}, 0.001, NOW)]}
    reading = drift(notebook(SUCCESS, more=gauge), found, (), NOW, 180.0)
    assert reading is not None
    assert reading.state is not None
    assert reading.state.features[0].verdict is DriftVerdict.DRIFT


def test_a_score_that_was_pushed_long_ago_is_stale_although_it_is_scraped() -> None:
    gauge = "drift: {features: [{name: a, gauge: p}]}"
    store = Store()
    for name, value, labels in (("p", 0.02, {"model": "m", "feature": "a"}), ("push_time_seconds", NOW - 3 * 86400, {}),
                                ("push_time_seconds", NOW, {"job": "another"})):
        store.append({"__name__": name, "job": "nightly", "instance": "", **labels},
                     np.array([round(NOW * 1000)]), np.array([value]))
    found = {}
    for question, expression in drift_questions(notebook(SUCCESS, more=gauge)):
        vector = Engine(store).instant(expression, NOW).value
        assert isinstance(vector, Vector)
        found[question] = [Sample(labels, value, NOW) for labels, value in vector.samples]
    reading = drift(notebook(SUCCESS, more=gauge), found, (), NOW, 180.0)
    assert reading is not None
    assert reading.state is not None
    assert reading.state.features[0].sentence == "pushed 3 d ago, and not since"


def test_each_feature_gets_its_own_samples_of_all_versions() -> None:
    more = TWO.partition("], prediction")[0] + "]}"
    found = scored(more, *grown(SAME, feature="a", model_version="7"), *grown(SAME, feature="a", model_version="8"),
                   *grown(OTHER, feature="b", model_version="7"))
    assert (found["a"].verdict, found["b"].verdict) == (DriftVerdict.OK, DriftVerdict.DRIFT)
    assert found["a"].n_current == pytest.approx(12_000)


def test_series_without_the_feature_label_are_those_of_the_only_feature() -> None:
    assert scored(ONE, *grown(OTHER))["a"].verdict is DriftVerdict.DRIFT


def test_series_without_the_feature_label_are_nobodys_where_there_are_two() -> None:
    more = TWO.partition("], prediction")[0] + "]}"
    assert {f.verdict for f in scored(more, *grown(OTHER)).values()} == {DriftVerdict.STALE}


def test_a_window_with_a_gap_is_stale() -> None:
    covered = {Part.COVERED: [Sample({"feature": "a"}, 30.0, NOW)]}
    found = scored(ONE, *grown(SAME, feature="a"), others=covered)["a"]
    assert found.verdict is DriftVerdict.STALE
    assert "50.00 % of the window" in found.sentence


def test_old_samples_are_no_present() -> None:
    old = {Part.SAMPLED_AT: [Sample({"feature": "a"}, NOW - 900, NOW)]}
    assert scored(ONE, *grown(SAME, feature="a"), others=old)["a"].verdict is DriftVerdict.STALE


def test_a_partial_answer_calls_nothing_ok() -> None:
    assert scored(ONE, *grown(SAME, feature="a"), warnings=("a store is gone",))["a"].verdict is DriftVerdict.STALE


def test_a_native_histogram_is_told_from_no_series() -> None:
    found = scored(ONE, others={Part.NATIVE: [Sample({"feature": "a"}, 2.0, NOW)]})["a"]
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert "native" in found.sentence


def test_events_without_a_value_are_counted_beside_the_histogram() -> None:
    more = ONE.replace("histogram: value,", "histogram: value, nulls: nulls_total,")
    book = notebook(SUCCESS, more=more)
    [nulls] = [q for q, _ in drift_questions(book) if q.part is Part.NULLS]
    found = {Question(DRIFT, 0, Part.BUCKETS, HOUR): grown(SAME, feature="a"),
             nulls: [Sample({"feature": "a"}, 2000.0, NOW)]}
    reading = drift(book, found, (), NOW, 180.0)
    assert reading is not None
    assert reading.state is not None
    [line] = [line for line in reading.state.features[0].lines if line.kind == "null share"]
    assert line.share == pytest.approx(0.25)


def test_versions_are_scored_by_themselves_where_there_are_several() -> None:
    def reading(*samples: Sample) -> dict[str, DriftVerdict]:
        found = drift(notebook(SUCCESS, more=ONE), {Question(DRIFT, 0, Part.BUCKETS, HOUR): samples}, (), NOW, 180.0)
        assert found is not None
        return {version: state.verdict for version, state in found.by_version}

    assert reading(*grown(SAME, feature="a", model_version="7")) == {}
    both = (*grown(SAME, feature="a", model_version="7"), *grown(OTHER, feature="a", model_version="8"))
    assert reading(*both) == {"7": DriftVerdict.OK, "8": DriftVerdict.DRIFT}


def told(more: str, found: dict[Question, list[Sample]]) -> list[tuple[str, str, str]]:
    """Each feature with its verdict and where that comes from, while version 8 is on trial against 7."""
    reading = drift(notebook(SUCCESS, more=more), found, (), NOW, 180.0)
    assert reading is not None
    share = Reading(0.5, "ratio", Known.OK)
    trial = Versions("traffic", tuple(VersionState(version, arm, share, None, None)
                                      for version, arm in (("7", "stable"), ("8", "canary"))))
    return [(item.feature.feature, str(item.verdict), item.where) for item in moved(reading, trial)]


PAIR = TWO.partition("], prediction")[0] + "]}"
BUCKETS = Question(DRIFT, 0, Part.BUCKETS, HOUR)
MISSING = "canary 8 cannot be told: stale; all together ok"


def test_a_canary_that_lost_one_feature_or_all_of_them_is_told() -> None:
    both = [*grown(SAME, feature="a", model_version="7"), *grown(SAME, feature="b", model_version="7")]
    one = grown(SAME, feature="a", model_version="8")
    assert told(PAIR, {BUCKETS: [*both, *one]}) == [("b", "stale", MISSING), ("a", "ok", "")]
    assert told(PAIR, {BUCKETS: both}) == [("a", "stale", MISSING), ("b", "stale", MISSING)]


def test_a_score_that_does_not_say_its_version_is_lost_in_no_arm() -> None:
    more = f"{PAIR.removesuffix(']}')}, {{name: c, gauge: p}}]}}"
    found = {BUCKETS: [s for feature in "ab" for version in "78"
                       for s in grown(SAME, feature=feature, model_version=version)],
             Question(DRIFT, 1, Part.LEVEL, HOUR): [Sample({"feature": "c"}, 0.01, NOW)]}
    assert set(told(more, found)) == {("a", "ok", ""), ("b", "ok", ""), ("c", "ok", "")}


def test_a_score_of_each_version_is_told_apart_also_where_no_distribution_is() -> None:
    more = "drift: {features: [{name: c, gauge: p, warning: 0.1, critical: 0.25}]}"
    level = Question(DRIFT, 0, Part.LEVEL, HOUR)
    found = {level: [Sample({"feature": "c", "model_version": version}, value, NOW)
                     for version, value in (("7", 0.01), ("8", 0.5))]}
    assert told(more, found) == [("c", "drift", "only on canary 8, not on 7")]


@pytest.mark.parametrize("second", [("a", "b"), ("a",), ()])
def test_how_a_version_without_series_stands_is_told_for_the_features_of_each_answer(second: tuple[str, ...]) -> None:
    book = notebook(SUCCESS, more=PAIR)
    kept = watching(book)
    assert kept is not None
    for names, at in ((("a", "b"), NOW - 60), (second, NOW)):
        found = {BUCKETS: [s for name in names for s in grown(SAME, feature=name, model_version="7")]}
        anew = watching(book)
        assert anew is not None
        again, expected = (answers_scored(of, found, ("partial",), at, 180.0) for of in (kept, anew))
        assert again == expected


@pytest.fixture
def watched(notebooks: Notebooks) -> Path:
    """The notebook of a model that watches one feature."""
    folder = notebooks(m=1)
    path = folder / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"] |= yaml.safe_load(ONE.replace("edges: [1, 2, 3]", "edges: [0.5]")
                                       .replace("[1000, 2000, 2000, 1000]", "[10, 9990]"))
    path.write_text(yaml.safe_dump(manifest))
    return folder


def asked(prometheus: Asked) -> list[str]:
    return [e for e in prometheus.expressions if "resets(" in e]


async def test_it_is_one_request_a_minute(watched: Path, prometheus: Asked, clock: ManualClock) -> None:
    poller = Poller(active(watched, prometheus.server.url), load_all([watched]), clock)
    poller.watch(["m"])
    try:
        await poller.refresh_once()
        assert len(asked(prometheus)) == 1
        assert poller.requests_sent <= 10
        for _ in range(11):
            clock.advance(5)
            await poller.refresh_once()
        assert len(asked(prometheus)) == 1
        clock.advance(5)
        await poller.refresh_once()
        assert len(asked(prometheus)) == 2
    finally:
        await poller.aclose()


async def test_it_is_scored_when_it_is_answered_and_not_with_every_look(watched: Path, prometheus: Asked,
                                                                        clock: ManualClock) -> None:
    poller = Poller(active(watched, prometheus.server.url), load_all([watched]), clock)
    poller.watch(["m"])
    try:
        assert poller.snapshot().models[0].asked == ("drift",)
        model = (await poller.refresh_once()).models[0]
        first = model.drift
        assert model.asked == ()
        assert first is not None
        assert first.state is not None
        assert poller.snapshot().models[0].drift is first
    finally:
        await poller.aclose()


async def test_what_drifts_warns_and_opens_a_ticket(watched: Path, prometheus: Asked, clock: ManualClock) -> None:
    poller = Poller(active(watched, prometheus.server.url), load_all([watched]), clock)
    poller.watch(["m"])
    try:
        model = (await poller.refresh_once()).models[0]
        # The fake's histogram has nearly all events under 0.5, the reference nearly none.
        [reason] = [r for r in model.reasons if r.rule == "drift"]
        assert (model.verdict, model.urgency, reason.urgency) == (Verdict.WARN, Urgency.TICKET, Urgency.TICKET)
    finally:
        await poller.aclose()


async def test_a_failure_leaves_what_was_known_until_it_is_too_old(watched: Path, prometheus: Asked,
                                                                   clock: ManualClock) -> None:
    poller = Poller(active(watched, prometheus.server.url), load_all([watched]), clock)
    poller.watch(["m"])
    try:
        await poller.refresh_once()
        prometheus.fake.refuse = lambda expression: "resets(" in expression
        clock.advance(61)
        model = (await poller.refresh_once()).models[0]
        assert model.drift is not None
        assert model.drift.state is not None
        assert model.drift.failure is not None
        assert "too complicated" in model.drift.failure.sentence()
        assert any(r.rule == "drift" for r in model.reasons)
        clock.advance(150)
        model = (await poller.refresh_once()).models[0]
        assert model.drift is not None
        assert model.drift.is_stale(clock.now())
        assert not any(r.rule == "drift" for r in model.reasons)
    finally:
        await poller.aclose()


async def test_a_slow_answer_about_drift_holds_nothing_up(watched: Path, prometheus: Asked, clock: ManualClock) -> None:
    prometheus.fake.hold = lambda expression: "resets(" in expression
    poller = Poller(active(watched, prometheus.server.url), load_all([watched]), clock)
    poller.watch(["m"])
    try:
        snapshot = await poller.refresh_once(0.5)
        assert snapshot.models[0].drift is None
        assert snapshot.models[0].slos[0].verdict is Verdict.PASS
        assert len([e for e in prometheus.expressions if "resets(" in e]) == 1
        assert parts(asked(prometheus)[0])
    finally:
        prometheus.fake.released.set()
        await asyncio.sleep(0)
        await poller.aclose()
