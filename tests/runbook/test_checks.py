"""What checks come to: from the model's state, from PromQL, and from what is not there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.tui import drifts, snapshots, trials
from triage.facts.alerts import AlertState
from triage.facts.expressions import ExpressionsReading
from triage.facts.outcome import Failure, FailureKind, SourceHealth, SourceState
from triage.facts.replies import Reply
from triage.facts.samples import Sample
from triage.live.snapshot import Snapshot
from triage.runbook.checks import Seen, look
from triage.runbook.criterion import Criterion, parse_criterion
from triage.runbook.events import Outcome
from triage.runbook.observe import Observed, observe, parse_signal
from triage.runbook.steps import Check, Query
from triage.signals.feature_freshness import ViewExpected, ViewSeen, view_state
from triage.signals.feature_store_reading import FeatureStoreReading
from triage.signals.model import ModelState, SloKind, VersionCount
from triage.signals.reading import Quality, Reading, Verdict

NOW = snapshots.NOW
PASSED, FAILED, UNKNOWN = Outcome.PASSED, Outcome.FAILED, Outcome.UNKNOWN


def model(snapshot: Snapshot) -> ModelState:
    return snapshot.models[0]


def with_slo(**more: object) -> Snapshot:
    return snapshots.with_model(snapshots.healthy(), slos=(snapshots.latency(**more),))


def signalled(snapshot: Snapshot, name: str, expect: str = "pass", version: str = "") -> Seen:
    return look(snapshot, model(snapshot), Check("", parse_signal(name, version), parse_criterion(expect)), NOW)


def seen_as(snapshot: Snapshot, name: str) -> Observed:
    return observe(snapshot, model(snapshot), parse_signal(name), NOW)


@pytest.mark.parametrize(("expect", "outcome"), [(">= 99", PASSED), (">= 99.7", FAILED), ("pass", PASSED)])
def test_an_objective_is_compared_in_percent(expect: str, outcome: Outcome) -> None:
    seen = signalled(with_slo(), "slo/latency", expect)
    assert (seen.outcome, seen.said, seen.age_seconds(NOW)) == (outcome, "99.6 %, n 37,800", 3)


@pytest.mark.parametrize("quality", [q for q in Quality if q is not Quality.OK])
def test_a_value_that_is_not_sound_decides_nothing(quality: Quality) -> None:
    snapshot = with_slo(now=snapshots.ratio(0.9999, quality=quality))
    for expect in (">= 1", "<= 1", "pass"):
        assert signalled(snapshot, "slo/latency", expect).outcome is UNKNOWN


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.PENDING, Verdict.LOW_N, Verdict.NOT_JUDGED])
def test_a_verdict_that_says_nothing_is_never_a_pass(verdict: Verdict) -> None:
    assert signalled(with_slo(verdict=verdict), "slo/latency", "not fail").outcome is UNKNOWN


def test_a_burn_rate_and_a_budget_are_numbers() -> None:
    snapshot = with_slo()
    assert signalled(snapshot, "slo/latency/burn/1h", "< 2") == Seen(PASSED, "0.4x, n 37,800", NOW - 3)
    assert signalled(snapshot, "slo/latency/budget", "> 95").outcome is FAILED
    assert signalled(snapshot, "slo/latency/budget", "> 90").said == "91 % left"


def test_a_level_is_said_with_its_limit() -> None:
    level = snapshots.latency(now=Reading(7200.0, "s", Quality.OK, None, None, NOW), threshold=3600.0,
                              kind=SloKind.FRESHNESS, verdict=Verdict.FAIL)
    snapshot = snapshots.with_model(snapshots.healthy(), slos=(level,))
    assert signalled(snapshot, "slo/latency") == Seen(FAILED, "120 min, at most 60 min", NOW)
    assert signalled(snapshot, "slo/latency", "< 7201").outcome is PASSED


def test_a_budget_that_is_not_known_is_not_spent() -> None:
    poor = replace(snapshots.budget(-3), quality=Quality.LOW_N, note="too few events")
    assert signalled(with_slo(budget=poor), "slo/latency/budget", "> 0") == Seen(UNKNOWN, "too few events", None)
    assert signalled(with_slo(budget=None), "slo/latency/budget", "> 0").outcome is UNKNOWN


COUNTS = (VersionCount("v7", 3600, 90, 9000), VersionCount("v8", 3600, None, 900))


def test_an_objective_can_be_asked_of_one_version() -> None:
    snapshot = snapshots.with_model(snapshots.canary_failing(), slos=(snapshots.latency(by_version=COUNTS),))
    assert signalled(snapshot, "slo/latency", ">= 99", "stable").said == "on v7: 99.0 %, n 9,000"
    assert signalled(snapshot, "slo/latency", ">= 99", "canary") == Seen(UNKNOWN, "on v8: no events", None)
    assert signalled(snapshot, "slo/latency", ">= 99", "v6").said == "on v6: not counted by itself"
    alone = snapshots.with_model(snapshots.healthy(), slos=(snapshots.latency(by_version=COUNTS),),
                                 versions=replace(model(snapshot).versions, items=()))
    assert signalled(alone, "slo/latency", ">= 99", "canary").said == "no version is canary"


@pytest.mark.parametrize("name", ["slo/none", "slo/latency/burn/7h", "canary", "canary/latency", "drift",
                                  "drift/amount", "quality/accuracy", "registry", "features", "features/user"])
def test_what_is_not_there_is_unknown_and_said(name: str) -> None:
    snapshot = snapshots.with_model(with_slo(), canary=None, drift=None, quality=None, lineage=None,
                                    feature_store=None)
    seen = seen_as(snapshot, name)
    assert (seen.value, seen.verdict) == (None, Verdict.UNKNOWN)
    assert seen.said


def test_the_comparison_with_stable_is_the_judges() -> None:
    snapshot = snapshots.on_trial_at(trials.failing)
    assert signalled(snapshot, "canary").outcome is FAILED
    state = model(snapshot).canary
    assert state is not None
    assert state.state is not None
    name = state.state.metrics[0].name
    assert signalled(snapshot, f"canary/{name}").said.startswith(f"{state.canary} ")
    assert signalled(snapshot, "canary/none").outcome is UNKNOWN
    old = replace(snapshot, models=(replace(model(snapshot), canary=replace(state, read_to=0.0)),))
    assert signalled(old, "canary").outcome is UNKNOWN


def test_drift_is_that_of_the_arm_that_stands_worse() -> None:
    snapshot = snapshots.drifted("apart")
    assert signalled(snapshot, "drift").said == "1 drifting, 2 not known of 3 features"
    assert signalled(snapshot, "drift").outcome is FAILED
    assert signalled(snapshot, "drift/merchant_age").said == "stale on v8"
    assert signalled(snapshot, "drift/merchant_age").outcome is UNKNOWN


def test_drift_has_a_score_and_a_verdict() -> None:
    snapshot = snapshots.with_model(snapshots.healthy(), drift=drifts.moved(NOW))
    reading = model(snapshot).drift
    assert reading is not None
    assert reading.state is not None
    name = next(f.feature for f in reading.state.features if f.verdict == "drift" and not f.is_prediction)
    assert signalled(snapshot, f"drift/{name}", "< 0.1").outcome is FAILED
    assert signalled(snapshot, "drift").outcome is FAILED
    assert signalled(snapshot, "drift/none").said == "none is not watched"
    old = replace(snapshot, models=(replace(model(snapshot), drift=replace(reading, answered_at=0.0)),))
    assert signalled(old, f"drift/{name}", "< 100").outcome is UNKNOWN


def test_a_feature_view_has_an_age_and_a_verdict() -> None:
    views = tuple(view_state(ViewSeen(name, seconds, NOW, 9), ViewExpected(3600), NOW)
                  for name, seconds in (("user", 60.0), ("shop", 7200.0)))
    snapshot = snapshots.with_model(snapshots.healthy(), feature_store=FeatureStoreReading(views, NOW, 60))
    assert signalled(snapshot, "features/user", "< 100").outcome is PASSED
    assert signalled(snapshot, "features").said.startswith("shop: materialised up to 2 h 00 m ago")
    assert signalled(snapshot, "features").outcome is FAILED
    assert signalled(snapshot, "features/none") == Seen(UNKNOWN, "none is no feature view of the model", None)
    old = snapshots.with_model(snapshot, feature_store=FeatureStoreReading(views, NOW - 120, 60))
    assert signalled(old, "features").outcome is UNKNOWN


def test_an_alert_passes_when_whoever_knows_says_that_it_does_not_fire() -> None:
    quiet = snapshots.with_model(snapshots.healthy(), alerts=())
    assert signalled(quiet, "alert/Slow") == Seen(PASSED, "does not fire", NOW - 3)
    for state, outcome in ((AlertState.FIRING, FAILED), (AlertState.PENDING, FAILED), (AlertState.SILENCED, UNKNOWN)):
        loud = snapshots.with_model(quiet, alerts=(snapshots.group(snapshots.alert("Slow", state)),))
        seen = signalled(loud, "alert/Slow")
        assert (seen.outcome, seen.age_seconds(NOW)) == (outcome, 3)
    lost = replace(quiet, sources=tuple(replace(s, state=SourceState.DOWN) for s in quiet.sources))
    assert signalled(lost, "alert/Slow") == Seen(UNKNOWN, "nobody says which alerts fire", NOW - 3)


def test_while_prometheus_is_silent_checks_wait() -> None:
    snapshot = with_slo()
    lost = replace(snapshot, sources=(SourceHealth("prometheus", SourceState.DOWN),))
    assert signalled(lost, "slo/latency", ">= 1") == Seen(UNKNOWN, "waits for fresh data", None)


def test_the_model_as_a_whole_is_a_signal() -> None:
    assert signalled(snapshots.canary_failing(), "model").outcome is FAILED
    assert signalled(snapshots.healthy(), "model").outcome is PASSED


def asked(*values: float, expect: str | None = "< 10", unit: str = "", names: bool = False, **reply: Any) -> Seen:
    samples = tuple(Sample({"pod": f"p{n}"} if names else {}, value, NOW) for n, value in enumerate(values))
    known = replace(Reply(NOW - 2, 15, samples), **reply)
    snapshot = replace(snapshots.healthy(), expressions=ExpressionsReading("fraud-scorer", {"x": known}))
    criterion: Criterion | None = parse_criterion(expect) if expect is not None else None
    does = Query("x", unit) if criterion is None else Check("x", None, criterion, unit=unit)
    return look(snapshot, model(snapshot), does, NOW)


@pytest.mark.parametrize(("values", "outcome", "said"), [
    ((4.0,), PASSED, "4 requests"), ((10.0,), FAILED, "10 requests"), ((), UNKNOWN, "no data"),
    ((math.nan,), UNKNOWN, "not a number"), ((math.inf,), UNKNOWN, "not a number")])
def test_a_number_is_compared_with_its_limit(values: tuple[float, ...], outcome: Outcome, said: str) -> None:
    assert asked(*values, unit="requests") == Seen(outcome, said, NOW - 2)


def test_of_several_series_all_must_hold_and_the_worst_stand_first() -> None:
    seen = asked(1, 30, 2, 20, 3, unit="requests", names=True)
    assert (seen.outcome, seen.said) == (FAILED, "p1 30, p3 20, p4 3, 2 more requests")
    assert asked(1, math.nan, names=True).outcome is UNKNOWN


def test_seconds_are_written_in_the_unit_that_fits() -> None:
    assert asked(93_600, expect=None, unit="s").said == "26 h"
    assert asked(0.5, 7200, expect=None, unit="s", names=True).said == "p1 120 min, p0 500 ms"


@pytest.mark.parametrize(("reply", "said"), [
    ({"failure": Failure(FailureKind.BAD_QUERY, "no such function")}, "bad query: no such function"),
    ({"answered_at": NOW - 60}, "waits for fresh data"),
    ({"warnings": ("a store is gone",)}, "partial: a store is gone")])
def test_an_answer_that_is_not_whole_decides_nothing(reply: dict[str, Any], said: str) -> None:
    seen = asked(1, **reply)
    assert (seen.outcome, seen.said) == (UNKNOWN, said)


def test_what_is_being_asked_has_no_outcome_yet() -> None:
    assert asked(1, answered_at=None) == Seen(None, "asking", None)
    snapshot = replace(snapshots.healthy(), expressions=ExpressionsReading("another", {}))
    assert look(snapshot, model(snapshot), Query("x"), NOW) == Seen(None, "asking", None)


def test_the_events_of_other_versions_say_nothing_of_one_that_has_few() -> None:
    counts = (VersionCount("v7", 3600, 20, 9000), VersionCount("v8", 3600, 0, 1), VersionCount("v9", 3600, 50, 2000))
    snapshot = snapshots.with_model(snapshots.canary_failing(), slos=(snapshots.latency(by_version=counts),))
    assert signalled(snapshot, "slo/latency", ">= 99", "v8") == Seen(UNKNOWN, "on v8: (100 %, n 1) too few", NOW - 3)
    assert [signalled(snapshot, "slo/latency", "pass", version).outcome for version in ("v7", "v8", "v9")] == [
        PASSED, UNKNOWN, FAILED]
    manifest_says = snapshots.with_model(snapshot, slos=(snapshots.latency(by_version=counts, min_events=9001),))
    assert signalled(manifest_says, "slo/latency", ">= 99", "v7").outcome is UNKNOWN


def test_half_an_answer_about_alerts_tells_what_fires_and_not_what_does_not() -> None:
    quiet = snapshots.with_model(snapshots.healthy(), alerts=())
    partly = replace(quiet, sources=tuple(replace(s, state=SourceState.PARTIAL) for s in quiet.sources))
    assert signalled(partly, "alert/Slow").outcome is UNKNOWN
    loud = snapshots.with_model(partly, alerts=(snapshots.group(snapshots.alert("Slow")),))
    assert signalled(loud, "alert/Slow").outcome is FAILED
