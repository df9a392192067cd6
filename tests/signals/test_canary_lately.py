"""That ``pass`` is about the present: a canary that was fine for hours and is not any more does not keep it, and one
that is as good as stable reaches it once and keeps it at every look.

Looked at every minute of twelve hours, 40 canaries as good as stable of each kind that is simulated below: at most 3 of
them lost ``pass`` for a while. Without :func:`holds` three in four did, several times each. A canary of 200 requests a
minute that was at 0.5 % for eight hours, where half a point more is allowed, was still said to pass so much later:

    share of bad events from then on    1.2 %     1.5 %    2 %      3 %      10 %
    by all that is known alone          > 4 h     > 4 h    3 h      90 min   20 min
    with the newest intervals           110 min   23 min   11 min   6 min    4 min
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from triage.signals.canary import (
    CanaryVerdict,
    EventMetric,
    LatencyMetric,
    LevelMetric,
    Margin,
    Metric,
    MetricVerdict,
    Policy,
    Trial,
    Worse,
)
from triage.signals.histogram import Buckets
from triage.signals.judge import judge
from triage.signals.judge_events import Terms, batched
from triage.signals.sequential import Comparison, Counts, holds, lately

HOURS = 480
"""Minutes of good behaviour."""
TERMS = Terms(Policy(), 0.0, 60.0, 0.05)
HALF_POINT = Margin(absolute=0.005)


def verdict(metric: Metric, policy: Policy | None = None) -> MetricVerdict:
    return judge(Trial("7", "8", "traffic", 0.0, 60.0, (metric,)), policy or Policy()).metrics[0]


def counted(seed: int, shares: np.ndarray, stable: float, requests: float, margin: Margin, *, spread: float = 1.0,
            worse: Worse = Worse.HIGHER) -> EventMetric:
    """A canary with a tenth of the traffic and these shares of bad events by the minute."""
    rng = np.random.default_rng(seed)

    def arm(mean: np.ndarray, exposure: float) -> Counts:
        p = 1 / spread
        drawn = (rng.poisson(mean * exposure) if spread == 1
                 else rng.negative_binomial(np.maximum(mean * exposure * p / (1 - p), 1e-12), p))
        return Counts(tuple(drawn.astype(float).tolist()), (exposure,) * len(mean))
    return EventMetric("success", arm(shares, requests), arm(np.full(len(shares), stable), 9 * requests), margin,
                       arm(np.full(120, stable), 9 * requests), worse)


def until(metric: EventMetric, minutes: int) -> EventMetric:
    return replace(metric, canary=metric.canary.first(minutes), stable=metric.stable.first(minutes))


@pytest.mark.parametrize(("later", "minutes"), [(0.015, 60), (0.02, 30), (0.03, 15), (0.1, 6)])
def test_a_canary_that_was_fine_for_hours_does_not_pass_while_it_looks_beyond_its_margin(later: float,
                                                                                        minutes: int) -> None:
    shares = np.where(np.arange(HOURS + minutes) < HOURS, 0.005, later)
    whole = counted(1, shares, 0.005, 200, HALF_POINT)
    assert verdict(until(whole, HOURS)).verdict is CanaryVerdict.PASS
    found = verdict(whole)
    assert found.verdict in (CanaryVerdict.INCONCLUSIVE, CanaryVerdict.FAIL)
    if found.verdict is CanaryVerdict.INCONCLUSIVE:
        assert "inside 0.5 pt as a whole, but it looks worse by more than that since about " in found.sentence


def test_since_when_it_looks_worse_is_about_when_it_got_worse() -> None:
    whole = counted(1, np.where(np.arange(HOURS + 10) < HOURS, 0.005, 0.03), 0.005, 200, HALF_POINT)
    [tests] = batched([whole], TERMS)
    assert tests.passed(TERMS)
    assert TERMS.is_beyond(tests.lately)
    assert tests.lately.first == pytest.approx(HOURS, abs=3)


def test_when_it_is_good_again_it_passes_again() -> None:
    shares = np.full(HOURS + 100, 0.005)
    shares[HOURS:HOURS + 8] = 0.03
    whole = counted(1, shares, 0.005, 200, HALF_POINT)
    assert [verdict(until(whole, at)).verdict for at in (HOURS, HOURS + 8, HOURS + 60)] == [
        CanaryVerdict.PASS, CanaryVerdict.INCONCLUSIVE, CanaryVerdict.PASS]


def test_a_moment_of_errors_does_not_take_the_pass_away_unless_a_moment_is_enough_to_fail() -> None:
    shares = np.full(HOURS + 2, 0.005)
    shares[HOURS:] = 0.3
    whole = counted(1, shares, 0.005, 200, HALF_POINT)
    assert verdict(whole).verdict is CanaryVerdict.PASS
    assert verdict(whole, Policy(sustained_seconds=120)).verdict is CanaryVerdict.INCONCLUSIVE


@pytest.mark.parametrize("spread", [1.0, 5.0])
@pytest.mark.parametrize(("stable", "requests", "margin", "worse"), [
    (0.005, 200, HALF_POINT, Worse.HIGHER), (0.01, 1000, Margin(relative=0.2), Worse.EITHER),
    (0.02, 10_000, Margin(relative=0.05), Worse.HIGHER), (0.01, 5, Margin(absolute=0.01), Worse.HIGHER),
    (0.3, 100, Margin(absolute=0.03), Worse.EITHER)])
def test_a_canary_as_good_as_stable_reaches_pass_and_keeps_it_at_every_look(
        stable: float, requests: float, margin: Margin, worse: Worse, spread: float) -> None:
    flapped, passed = 0, 0
    for seed in range(10):
        whole = counted(seed, np.full(720, stable), stable, requests, margin, spread=spread, worse=worse)
        [tests] = batched([whole], TERMS)
        levels = [min(each) for each in zip(*tests.within, strict=True)]
        reached = next((n for n, level in enumerate(levels) if level >= TERMS.pass_threshold), None)
        if reached is not None:
            passed += 1
            flapped += any(not holds(levels[:at], TERMS.pass_threshold) or _looks_beyond(whole, at, tests.dispersion)
                           for at in range(reached + 1, 720, 3))
    assert passed >= (9 if spread == 1 else 2)
    assert flapped <= 1


def _looks_beyond(whole: EventMetric, at: int, spread: tuple[float, ...]) -> bool:
    early, margin = until(whole, at), whole.margin
    sides = [(1 + margin.relative, margin.absolute, True), (1 - margin.relative, -margin.absolute, False)]
    found = lately([Comparison(early.canary, early.stable, *side, spread[:at])
                    for side in sides[:2 if whole.worse is Worse.EITHER else 1]], TERMS.most_lately(at))
    return any(TERMS.is_beyond(each) for each in found)


def test_a_pass_holds_until_what_proved_it_is_used_up() -> None:
    assert not holds((), 3.0)
    assert not holds((1.0, 2.9), 3.0)
    assert holds((1.0, 3.0, 0.1), 3.0)
    assert not holds((1.0, 3.0, -0.1, 2.9), 3.0)
    assert holds((1.0, 3.0, -0.1, 3.0), 3.0)


def test_intervals_without_data_begin_no_stretch_and_end_none() -> None:
    one, none = (100.0,) * 10, (0.0,) * 10
    canary = Counts((*(1.0,) * 10, *none, *(9.0,) * 10, *none), (*one, *none, *one, *none))
    stable = Counts((*(1.0,) * 10, *none, *(1.0,) * 10, *none), (*one, *none, *one, *none))
    [found] = lately([Comparison(canary, stable, 1.0, 0.0, True, (1.0,) * 40)], (0.6,) * 40)
    assert found.first == 20
    assert found.evidence == pytest.approx(6.0)


def histograms(medians: list[float], requests: int, seed: int) -> tuple[Buckets, ...]:
    rng, bounds = np.random.default_rng(seed), (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, math.inf)
    drawn = (rng.lognormal(math.log(median), 0.5, requests) for median in medians)
    return tuple(Buckets(bounds, tuple(float((values <= b).sum()) for b in bounds)) for values in drawn)


def test_a_latency_that_gets_worse_after_hours_does_not_pass() -> None:
    slow = LatencyMetric("latency", histograms([*[0.08] * 240, *[0.11] * 25], 100, 1),
                         histograms([0.08] * 265, 900, 2), Margin(relative=0.1))
    early = replace(slow, canary=slow.canary[:240], stable=slow.stable[:240])
    assert verdict(early).verdict is CanaryVerdict.PASS
    found = verdict(slow)
    assert found.verdict is CanaryVerdict.INCONCLUSIVE
    assert "inside 10 % as a whole, but it looks slower by more than that since about 04:" in found.sentence


def gauge(shift: float, minutes: int, seed: int = 1, correlation: float = 0.0) -> LevelMetric:
    """Eight hours of alike values, and so many minutes that are off."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(2, HOURS + minutes)) * math.sqrt(1 - correlation ** 2)
    values = np.empty_like(steps)
    values[:, 0] = rng.normal(size=2)
    for n in range(1, steps.shape[1]):
        values[:, n] = correlation * values[:, n - 1] + steps[:, n]
    values[0, HOURS:] += shift
    return LevelMetric("score_mean", "", tuple((50 + values[0]).tolist()), tuple((50 + values[1]).tolist()),
                       Margin(relative=0.05))


def test_a_gauge_that_moves_between_two_looks_does_not_pass() -> None:
    assert verdict(gauge(0.0, 50)).verdict is CanaryVerdict.PASS
    found = verdict(gauge(10.0, 50))
    assert found.verdict is CanaryVerdict.INCONCLUSIVE
    assert "inside 5 % as a whole, but the newest 60 values look off by more than that (" in found.sentence


def test_a_gauge_that_stands_still_off_its_margin_does_not_pass() -> None:
    moved = gauge(0.0, 60)
    still = replace(moved, canary=(*moved.canary[:HOURS], *(60.0,) * 60), stable=(*moved.stable[:HOURS], *(50.0,) * 60))
    assert verdict(still).verdict is CanaryVerdict.INCONCLUSIVE


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_a_gauge_as_good_as_stable_keeps_its_pass_between_looks(correlation: float) -> None:
    lost = 0
    for seed in range(10):
        whole = gauge(0.0, 240, seed, correlation)
        looks = [replace(whole, canary=whole.canary[:n], stable=whole.stable[:n]) for n in range(HOURS, 720, 60)]
        lost += any(verdict(replace(look, margin=Margin(absolute=1.5))).verdict is not CanaryVerdict.PASS
                    for look in looks)
    assert lost <= 1


def test_an_insufficient_gauge_says_how_many_more_values_and_how_long() -> None:
    young = gauge(0.0, 0)
    early = verdict(replace(young, canary=young.canary[:30], stable=young.stable[:30]))
    assert (early.verdict, early.more_events, early.more_seconds) == (CanaryVerdict.INSUFFICIENT, 30, 1800.0)
    assert early.sentence.endswith("needs about 30 more values of both, about 30 min")
    narrow = replace(young, margin=Margin(absolute=0.35))
    few = verdict(replace(narrow, canary=narrow.canary[:70], stable=narrow.stable[:70]))
    assert few.verdict is CanaryVerdict.INSUFFICIENT
    assert few.more_events in (170, 410)
    assert few.more_seconds == 60.0 * few.more_events


def test_a_gauge_whose_difference_is_about_its_margin_is_inconclusive_as_are_shares() -> None:
    off = gauge(0.0, 0)
    shifted = replace(off, canary=tuple(v + 2.5 for v in off.canary if v is not None))
    found = verdict(shifted)
    assert found.verdict is CanaryVerdict.INCONCLUSIVE
    assert found.sentence.endswith("the difference is about as large as the margin of 5 %")


def test_a_margin_in_percent_of_nothing_cannot_be_tested() -> None:
    rng = np.random.default_rng(1)
    canary = rng.normal(size=120)
    none = LevelMetric("queue", "", tuple(canary.tolist()), (0.0,) * 120, Margin(relative=0.05))
    assert verdict(none).sentence.endswith("a margin of 5 % cannot be tested where stable is 0")


def test_a_margin_too_narrow_for_the_rate_says_so() -> None:
    found = verdict(counted(1, np.full(200, 0.5), 0.5, 300, Margin(relative=0.002)))
    assert found.verdict is CanaryVerdict.INCONCLUSIVE
    assert "a margin of 0.2 % is too narrow to be tested at this rate" in found.sentence


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("requests", [100_000, 1_000_000])
def test_a_busy_canary_is_judged_without_a_number_that_is_too_large(requests: int) -> None:
    assert verdict(counted(1, np.full(60, 0.001), 0.001, requests, HALF_POINT)).verdict is CanaryVerdict.PASS
    assert verdict(counted(1, np.full(60, 0.5), 0.001, requests, HALF_POINT)).verdict is CanaryVerdict.FAIL
