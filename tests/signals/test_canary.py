"""What a canary's figures mean: the verdict of each metric and of all, and the words for it."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals.building import notebook
from triage.signals.canary import (
    CanaryState,
    CanaryVerdict,
    EventMetric,
    Kind,
    LatencyMetric,
    LevelMetric,
    Margin,
    Metric,
    Policy,
    Traffic,
    Trial,
    Worse,
    counts_of,
    policy_of,
    worst,
)
from triage.signals.histogram import Buckets
from triage.signals.judge import judge, waiting
from triage.signals.sequential import NOTHING, Counts

START = 1_800_000_000.0
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, math.inf)
HALF_POINT = Margin(absolute=0.005)
FIVE_PERCENT = Margin(relative=0.05)


def arm(rng: np.random.Generator, share: float, requests: int, intervals: int) -> Counts:
    happened = rng.binomial(requests, share, intervals).astype(float)
    return Counts(tuple(happened.tolist()), (float(requests),) * intervals)


def events(canary: float, stable: float, intervals: int = 120, *, name: str = "success", before: float | None = None,
           requests: int = 100, others: int = 900, seed: int = 1, margin: Margin = HALF_POINT,
           worse: Worse = Worse.HIGHER, gates: bool = True) -> EventMetric:
    """A canary with 10 % of the traffic; shares of bad events of both arms and of stable before."""
    rng = np.random.default_rng(seed)
    past = arm(rng, stable if before is None else before, requests + others, 60)
    return EventMetric(name, arm(rng, canary, requests, intervals), arm(rng, stable, others, intervals), margin, past,
                       worse, shown_good=worse is Worse.HIGHER, gates=gates)


def latency(slowdown: float, intervals: int = 120, unit: float = 1.0, margin: Margin | None = None) -> LatencyMetric:
    rng = np.random.default_rng(1)
    bounds = tuple(b * unit for b in BOUNDS)

    def one(median: float, n: int) -> Buckets:
        values = rng.lognormal(math.log(median), 0.5, n) * unit
        return Buckets(bounds, tuple(float((values <= b).sum()) for b in bounds))
    return LatencyMetric("latency", tuple(one(0.08 * slowdown, 50) for _ in range(intervals)),
                         tuple(one(0.08, 450) for _ in range(intervals)),
                         margin or Margin(relative=0.1, given=False))


def level(factor: float, unit: float = 1.0, margin: Margin | None = FIVE_PERCENT, intervals: int = 120,
          worse: Worse = Worse.EITHER) -> LevelMetric:
    rng = np.random.default_rng(1)
    canary, stable = ((50 + rng.normal(size=intervals)) * unit for _ in range(2))
    return LevelMetric("score_mean", "", tuple((canary * factor).tolist()), tuple(stable.tolist()), margin, worse)


def state(*metrics: Metric, policy: Policy | None = None, traffic: Traffic | None = None,
          trouble: str = "") -> CanaryState:
    return judge(Trial("7", "8", "traffic", START, 60.0, metrics, traffic, trouble), policy or Policy())


def cut(metric: EventMetric, n: int) -> EventMetric:
    return replace(metric, canary=metric.canary.first(n), stable=metric.stable.first(n))


def test_an_equal_canary_passes_with_its_numbers() -> None:
    found = state(events(0.002, 0.002))
    assert found.verdict is CanaryVerdict.PASS
    assert found.reason == "inside the margin on success (at least 12,000 of the canary)"
    one = found.metrics[0]
    assert (one.kind, one.unit, one.n_canary, one.n_stable) == (Kind.EVENTS, "ratio", 12_000, 108_000)
    assert one.stable == pytest.approx(0.998, abs=0.001)
    assert one.delta == pytest.approx((one.canary or 0) - (one.stable or 0))
    assert one.sentence.endswith("inside 0.5 pt")


def test_a_worse_canary_fails_and_the_sentence_says_by_what() -> None:
    found = state(events(0.03, 0.002))
    assert found.verdict is CanaryVerdict.FAIL
    assert found.reason.startswith("success: 96.98 % of 12,000, stable 99.82 % of 108,000: worse by more than 0.5 pt")
    assert found.metrics[0].failed_at is not None
    assert START + 600 < found.metrics[0].failed_at < START + 3600
    assert found.metrics[0].p is not None
    assert found.metrics[0].p < 0.001
    assert found.pages


def test_few_events_say_how_many_more_and_how_long() -> None:
    found = state(events(0.002, 0.002, 30, requests=2, others=18))
    assert found.verdict is CanaryVerdict.INSUFFICIENT
    assert found.more_events is not None
    assert found.more_events >= 140
    assert found.more_seconds == pytest.approx(found.more_events * 30)
    assert "more of the canary, about" in found.reason
    assert waiting(found).startswith("about ")


def test_as_many_more_events_as_it_says_are_about_what_it_takes() -> None:
    early = state(events(0.004, 0.004, 10))
    assert early.more_events is not None
    needed = 10 + early.more_events / 100
    passing = next(n for n in range(10, 400) if state(events(0.004, 0.004, n)).verdict is CanaryVerdict.PASS)
    assert needed / 2 < passing < needed * 2


def test_enough_events_at_the_margin_are_inconclusive() -> None:
    found = state(events(0.007, 0.002, 720, requests=400))
    assert found.verdict is CanaryVerdict.INCONCLUSIVE
    assert "about as large as the margin" in found.reason


def test_a_canary_fails_on_no_fewer_than_five_bad_events_and_the_events_asked_for() -> None:
    four = EventMetric("success", Counts((1.0,) * 4 + (0.0,) * 56, (10.0,) * 60), Counts((0.0,) * 60, (90.0,) * 60),
                       Margin(absolute=0.0001), Counts((0.0,) * 60, (100.0,) * 60))
    assert state(four, policy=Policy(sustained_seconds=0)).verdict is not CanaryVerdict.FAIL
    every = replace(four, canary=Counts((3.0,) * 60, (3.0,) * 60))
    assert state(every, policy=Policy(min_events=200)).verdict is CanaryVerdict.INSUFFICIENT
    assert state(every, policy=Policy(min_events=180)).verdict is CanaryVerdict.FAIL
    assert state(every, policy=Policy(min_events=180)).metrics[0].failed_at == START + 60 * 60


def test_a_moment_of_errors_is_no_failure_until_it_has_lasted() -> None:
    def trial(bad: int) -> EventMetric:
        clean = events(0.002, 0.002, 60)
        happened = (*clean.canary.events[:20], *(60.0,) * bad, *clean.canary.events[20 + bad:])
        return replace(clean, canary=Counts(happened, clean.canary.exposure))
    assert state(trial(5)).verdict is not CanaryVerdict.FAIL
    assert state(trial(20)).verdict is CanaryVerdict.FAIL
    assert state(trial(5), policy=Policy(sustained_seconds=120)).verdict is CanaryVerdict.FAIL


def test_what_failed_stays_failed_when_it_gets_better() -> None:
    bad, good = events(0.03, 0.002, 60), events(0.002, 0.002, 600)
    joined = replace(bad, canary=Counts(bad.canary.events + good.canary.events,
                                        bad.canary.exposure + good.canary.exposure),
                     stable=Counts(bad.stable.events + good.stable.events, bad.stable.exposure + good.stable.exposure))
    found = state(joined)
    assert found.verdict is CanaryVerdict.FAIL
    assert found.metrics[0].failed_at == state(bad).metrics[0].failed_at
    assert "less so since, which does not undo it" in found.reason


def test_a_split_that_changes_is_not_taken_for_a_difference() -> None:
    rng = np.random.default_rng(3)
    canary = tuple(float(n) for n in np.repeat([50, 100, 250, 500], 40))
    stable = tuple(1000 - n for n in canary)
    made = [Counts(tuple(float(rng.binomial(int(n), 0.01)) for n in one), one) for one in (canary, stable)]
    found = state(EventMetric("success", made[0], made[1], HALF_POINT, arm(rng, 0.01, 1000, 60)))
    assert found.verdict is CanaryVerdict.PASS


def test_both_arms_moved_says_that_rolling_back_would_not_help() -> None:
    found = state(events(0.05, 0.05, before=0.002))
    assert found.verdict is not CanaryVerdict.FAIL
    assert found.both_moved.startswith("success: both arms got worse, seen since ")
    assert found.both_moved.endswith("rolling back would not help")
    assert found.reason.startswith(found.both_moved)


def test_both_arms_that_move_long_after_the_start_are_seen_too() -> None:
    calm, worse_now = events(0.002, 0.002, 200), events(0.05, 0.05, 40)
    joined = replace(calm, canary=Counts(calm.canary.events + worse_now.canary.events,
                                         calm.canary.exposure + worse_now.canary.exposure),
                     stable=Counts(calm.stable.events + worse_now.stable.events,
                                   calm.stable.exposure + worse_now.stable.exposure))
    found = state(joined)
    assert "both arms got worse" in found.both_moved
    assert found.verdict is not CanaryVerdict.FAIL
    assert state(calm).both_moved == ""


@pytest.mark.parametrize("metric", [events(0.05, 0.002), events(0.002, 0.002), events(0.002, 0.05, before=0.002),
                                    replace(events(0.05, 0.05), before=NOTHING)])
def test_without_both_arms_worse_than_before_there_is_no_such_finding(metric: EventMetric) -> None:
    assert state(metric).both_moved == ""


@pytest.mark.parametrize(("canary", "verdict"), [(0.08, CanaryVerdict.PASS), (0.12, CanaryVerdict.FAIL),
                                                 (0.05, CanaryVerdict.FAIL)])
def test_a_share_that_should_not_change_fails_either_way(canary: float, verdict: CanaryVerdict) -> None:
    metric = events(canary, 0.08, 240, name="share of fraud", margin=Margin(relative=0.2), worse=Worse.EITHER,
                    requests=300, others=700)
    assert state(metric).verdict is verdict


def test_a_metric_that_could_not_be_read_never_passes_and_does_not_hide_a_failure() -> None:
    unread = replace(events(0.002, 0.002, name="validity"), trouble="prometheus answered 503")
    found = state(events(0.002, 0.002), unread)
    assert (found.verdict, found.reason) == (CanaryVerdict.ERROR, "validity: prometheus answered 503")
    assert state(events(0.05, 0.002), unread).verdict is CanaryVerdict.FAIL
    assert state(events(0.002, 0.002), trouble="no such version").verdict is CanaryVerdict.ERROR


def test_a_source_that_comes_and_goes_does_not_move_the_threshold_of_the_others() -> None:
    other = events(0.002, 0.002, name="validity")
    with_it, without = (state(events(0.012, 0.002), m) for m in (other, replace(other, trouble="timed out")))
    assert [m.failed_at for m in with_it.metrics if m.name == "success"] == [
        m.failed_at for m in without.metrics if m.name == "success"]


def test_the_worst_metric_decides_and_one_that_is_only_shown_does_not() -> None:
    shown = events(0.05, 0.002, name="fallback", gates=False)
    found = state(shown, events(0.002, 0.002))
    assert found.verdict is CanaryVerdict.PASS
    assert [m.name for m in found.metrics] == ["success", "fallback"]
    assert found.metrics[1].verdict is CanaryVerdict.FAIL
    assert worst(list(CanaryVerdict)) is CanaryVerdict.FAIL
    assert worst([CanaryVerdict.PASS, CanaryVerdict.INSUFFICIENT, CanaryVerdict.ERROR]) is CanaryVerdict.ERROR
    assert state().verdict is CanaryVerdict.INSUFFICIENT


def test_a_shadow_never_pages() -> None:
    found = state(events(0.05, 0.002), policy=Policy(arm="shadow"))
    assert found.verdict is CanaryVerdict.FAIL
    assert not found.pages


def test_a_zero_rate_passes_a_margin_in_points_and_not_one_in_percent() -> None:
    assert state(events(0.0, 0.0, margin=Margin(absolute=0.001))).verdict is CanaryVerdict.PASS
    found = state(events(0.0, 0.0, margin=Margin(relative=0.05)))
    assert found.verdict is CanaryVerdict.INSUFFICIENT
    assert "none of this kind happened: a margin of 5 % needs at least " in found.reason
    assert "an absolute one needs fewer" in found.reason
    assert found.more_events is not None
    assert found.more_events > 1_000_000
    assert found.more_seconds == pytest.approx(found.more_events / 100 * 60)


def test_a_canary_or_a_stable_without_events_is_insufficient() -> None:
    whole = events(0.002, 0.002)
    nothing = Counts((0.0,) * 120, (0.0,) * 120)
    silent = state(replace(whole, canary=nothing))
    assert silent.reason == "success: the canary has had no events yet; it needs 200 at least"
    assert (silent.more_events, silent.more_seconds) == (200, None)
    assert "stable has no events to compare with" in state(replace(whole, stable=nothing)).reason
    empty = state(replace(whole, canary=NOTHING, stable=NOTHING), latency(1.0, 0), level(1.0, intervals=0))
    assert empty.verdict is CanaryVerdict.INSUFFICIENT
    assert [m.more_events for m in empty.metrics] == [200, 200, 60]


@pytest.mark.parametrize(("slowdown", "verdict"), [(1.0, CanaryVerdict.PASS), (1.1, CanaryVerdict.INCONCLUSIVE),
                                                   (1.5, CanaryVerdict.FAIL)])
def test_a_latency_is_judged_by_how_much_slower_it_is(slowdown: float, verdict: CanaryVerdict) -> None:
    found = state(latency(slowdown)).metrics[0]
    assert found.verdict is verdict
    assert found.canary_percentiles is not None
    assert found.canary == found.canary_percentiles.p95
    assert found.effect is not None
    assert "slower with probability" in found.sentence


def test_latencies_that_lie_in_one_bucket_are_shown_and_do_not_decide() -> None:
    mine, others = (Buckets((1.0, 5.0, math.inf), (n, n, n)) for n in (50.0, 450.0))
    coarse = LatencyMetric("latency", (mine,) * 60, (others,) * 60, Margin(relative=0.1, given=False))
    found = state(coarse, events(0.002, 0.002))
    assert found.verdict is CanaryVerdict.PASS
    assert "no test" in found.metrics[1].sentence
    promised = replace(coarse, margin=Margin(relative=0.1))
    assert state(promised, events(0.002, 0.002)).verdict is CanaryVerdict.INCONCLUSIVE


@pytest.mark.parametrize(("factor", "worse", "verdict"), [
    (1.0, Worse.EITHER, CanaryVerdict.PASS), (1.2, Worse.EITHER, CanaryVerdict.FAIL),
    (0.8, Worse.EITHER, CanaryVerdict.FAIL), (0.8, Worse.HIGHER, CanaryVerdict.PASS),
    (1.2, Worse.LOWER, CanaryVerdict.PASS), (1.05, Worse.EITHER, CanaryVerdict.INCONCLUSIVE)])
def test_a_gauge_is_judged_by_its_difference(factor: float, worse: Worse, verdict: CanaryVerdict) -> None:
    assert state(level(factor, worse=worse)).verdict is verdict


def test_a_gauge_that_moved_for_both_arms_says_so() -> None:
    rng = np.random.default_rng(2)
    before = tuple((50 + rng.normal(size=60)).tolist())
    same, moved = level(1.0), level(1.0, unit=1.2)
    assert state(replace(same, before=before)).both_moved == ""
    found = state(replace(moved, before=before))
    assert found.verdict is CanaryVerdict.PASS
    assert found.both_moved.startswith("score_mean: both arms moved (stable ")
    assert found.reason.startswith(found.both_moved)
    assert state(replace(moved, before=before, worse=Worse.LOWER)).both_moved == ""
    assert state(replace(moved, before=())).both_moved == ""


def test_a_gauge_that_moved_for_both_arms_hours_after_the_trial_began_says_so() -> None:
    rng = np.random.default_rng(3)
    before, calm, moved = (tuple((mean + rng.normal(size=n)).tolist()) for mean, n in ((50, 120), (50, 240), (80, 120)))
    canary = tuple((value + rng.normal(0, 0.2)) for value in (*calm, *moved))
    metric = LevelMetric("score_mean", "", canary, (*calm, *moved), Margin(relative=0.1), before=before)
    found = state(metric)
    assert found.verdict is CanaryVerdict.PASS
    assert found.both_moved.startswith("score_mean: both arms moved (stable 50")
    assert state(replace(metric, canary=(*calm, *calm), stable=(*calm, *calm), before=before)).both_moved == ""


@pytest.mark.parametrize("now", [0.5, 0.3])
def test_classes_of_predictions_move_either_way_and_do_not_get_worse(now: float) -> None:
    metric = events(now, now, before=0.4, margin=Margin(absolute=0.02), worse=Worse.EITHER)
    assert ": both arms moved, seen since" in state(metric).both_moved
    assert "(stable 40" in state(metric).both_moved


def test_a_gauge_without_a_margin_is_shown_and_does_not_decide() -> None:
    found = state(level(1.5, margin=None), events(0.002, 0.002))
    assert found.verdict is CanaryVerdict.PASS
    assert "not judged, it has no max_delta" in found.metrics[1].sentence


@pytest.mark.parametrize("unit", [1e-3, 1e3, 1e9])
@pytest.mark.parametrize("factor", [1.0, 1.1, 1.5])
def test_no_verdict_depends_on_the_unit(unit: float, factor: float) -> None:
    plain, scaled = (state(latency(factor, unit=u), level(factor, unit=u)) for u in (1.0, unit))
    assert plain.verdict is scaled.verdict
    assert [(m.name, m.verdict, m.failed_at, m.more_events) for m in plain.metrics] == [
        (m.name, m.verdict, m.failed_at, m.more_events) for m in scaled.metrics]


def requests(canary: int, intervals: int = 120, asked: float | None = 0.1) -> Traffic:
    rng = np.random.default_rng(1)
    return Traffic(tuple(rng.poisson(canary, intervals).astype(float).tolist()),
                   tuple(rng.poisson(1000 - canary, intervals).astype(float).tolist()), (asked,) * intervals, asked)


def test_traffic_that_is_not_split_as_asked_is_a_finding_and_does_not_fail_the_canary() -> None:
    found = state(events(0.002, 0.002), traffic=requests(30))
    assert found.verdict is CanaryVerdict.PASS
    assert found.split == "the canary takes 3 % of the requests, 10 % asked: the split is not what was asked for"
    assert found.weight_asked == 0.1
    assert found.weight_real == pytest.approx(0.03, abs=0.005)
    assert state(events(0.002, 0.002), traffic=requests(100)).split == ""
    assert state(events(0.002, 0.002), traffic=requests(30, asked=None)).split == ""


def test_a_split_that_nobody_can_test_says_why_beside_what_was_asked() -> None:
    found = state(events(0.002, 0.002), traffic=replace(
        requests(30), asked=(None,) * 120, untested="10 % asked, but the controller does not say since when"))
    assert (found.verdict, found.split, found.weight_asked) == (CanaryVerdict.PASS, "", 0.1)
    [row] = [m for m in found.metrics if m.kind is Kind.SPLIT]
    assert (row.verdict, row.gates, row.stable, row.n_canary) == (CanaryVerdict.INCONCLUSIVE, False, 0.1, sum(
        n or 0 for n in requests(30).canary))
    assert row.sentence == ("takes 3 % of the requests: not tested, 10 % asked, but the controller does not say since "
                            "when")
    nothing = replace(requests(30), canary=(None,) * 120, untested="nobody says what share it was to take")
    assert "takes an unknown share of the requests: not tested" in state(
        events(0.002, 0.002), traffic=replace(nothing, asked=(None,) * 120)).metrics[1].sentence


def test_a_split_that_was_as_asked_and_looks_off_now_is_not_said_to_be_as_asked() -> None:
    whole = requests(100, 300)
    lately = replace(whole, canary=(*whole.canary[:290], *(160.0,) * 10))
    [before], [now] = ([m for m in state(events(0.002, 0.002, 300), traffic=t).metrics if m.kind is Kind.SPLIT]
                       for t in (whole, lately))
    assert before.verdict is CanaryVerdict.PASS
    assert now.verdict is CanaryVerdict.INCONCLUSIVE
    assert "10 % asked; it looks off since about " in now.sentence


def test_an_experiment_whose_arms_were_not_filled_as_planned_cannot_be_trusted() -> None:
    found = state(events(0.002, 0.002), traffic=requests(30), policy=Policy(arm="experiment"))
    assert found.verdict is CanaryVerdict.ERROR
    assert found.reason.startswith("traffic split: takes 3 % of the requests, 10 % asked")


def test_alpha_is_split_over_the_metrics() -> None:
    """A canary with five metrics at their margins, a hundred times: together they fail it as rarely as stated."""
    failed = 0
    for seed in range(100):
        metrics = [events(0.007, 0.002, 60, name=str(i), seed=1000 * seed + i) for i in range(5)]
        failed += state(*metrics, policy=Policy(sustained_seconds=0)).verdict is CanaryVerdict.FAIL
    assert failed <= 9


@given(st.integers(1, 119), st.sampled_from([0.002, 0.01, 0.03]))
@settings(max_examples=25, deadline=None)
def test_an_hour_old_screen_and_one_shot_say_the_same(at: int, canary: float) -> None:
    """What is proven at an interval was proven, at the same time, for everyone who looks later."""
    whole = events(canary, 0.002)
    early, late = state(cut(whole, at)), state(whole)
    assert state(cut(whole, at)) == early
    if early.metrics[0].failed_at is not None:
        assert late.metrics[0].failed_at == early.metrics[0].failed_at
    if late.metrics[0].failed_at is not None and late.metrics[0].failed_at <= START + at * 60:
        assert early.verdict is CanaryVerdict.FAIL


def test_the_manifest_says_on_what_terms() -> None:
    book = notebook("{name: success, sli: {good: a, total: b}, objective: 99.9}", more=(
        "canary: {min_events: 500, sustained: 5m, arm: shadow, max_delta: [{metric: success, absolute: 0.5pt}, "
        "{metric: score_mean, relative: 5%}, {metric: latency percentiles, relative: 20%}]}"))
    policy = policy_of(book.manifest.spec.canary)
    assert (policy.min_events, policy.sustained_seconds, policy.arm) == (500, 300.0, "shadow")
    assert policy.for_events("success", 99.9) == Margin(absolute=0.005)
    assert policy.for_events("validity", 99.9) == Margin(absolute=0.0005, given=False)
    assert policy.for_events("validity", 100).words() == "0.1 pt by default"
    assert policy.for_level("score_mean") == Margin(relative=0.05)
    assert policy.for_level("other") is None
    assert policy.for_latency("latency percentiles").relative == 0.2
    assert policy.for_latency("latency").words() == "10 % by default"


def test_a_longer_interval_gives_the_same_verdict() -> None:
    def merged(one: Counts) -> Counts:
        return Counts(tuple(a + b for a, b in zip(one.events[::2], one.events[1::2], strict=True)),
                      tuple(a + b for a, b in zip(one.exposure[::2], one.exposure[1::2], strict=True)))
    for share in (0.002, 0.03):
        fine = events(share, 0.002, 240)
        coarse = replace(fine, canary=merged(fine.canary), stable=merged(fine.stable), before=merged(fine.before))
        assert judge(Trial("7", "8", "traffic", START, 120.0, (coarse,)), Policy()).verdict is state(fine).verdict


def test_counts_from_a_range_leave_out_what_is_not_known() -> None:
    found = counts_of([1.0, None, 3.0, math.nan, -1.0, 7.1, 0.0], [10.0, 10.0, None, 10.0, 10.0, 7.0, 0.0])
    assert found == Counts((1.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0), (10.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0))


def test_the_words_of_a_verdict_do_not_need_numpy() -> None:
    code = "import sys, triage.signals.canary, triage.signals.judge; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
