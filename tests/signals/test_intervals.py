"""Intervals that get longer and are never divided anew, and what is judged on them over days.

Equal arms over 1,500 intervals (two and a half days), ever flagged at alpha 0.05, events a minute of the canary 0.4, 4
and 40; 400 runs, standard error 0.8 at most, of which the tests repeat some with a fixed seed:

    Poisson                                                            2.8 %   1.8 %   1.5 %
    a quarter of an hour with 1.5 times as many, a third of the time   2.5 %   0.5 %   0.0 %
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.signals.canary import CanaryVerdict, EventMetric, LevelMetric, Margin, Policy, Trial, Worse
from triage.signals.intervals import end_of, ending, full_intervals, joints, lengths, newest, stretches
from triage.signals.judge import judge
from triage.signals.sequential import Comparison, Counts, dispersions, first_reached, first_sustained, log_evidence

START = 1_800_000_000.0
DAYS = {12 * 60: 720, 24 * 60: 1080, 48 * 60: 1440, 96 * 60: 1800, 14 * 24 * 60: 2430}
"""Full intervals by age in minutes."""
THRESHOLD = math.log(20)


def added(minutes: np.ndarray) -> np.ndarray:
    """Counts by minute as counts by interval."""
    ends = [0, *ending(full_intervals(len(minutes)))]
    return np.diff(np.concatenate(([0.0], np.cumsum(minutes)))[ends])


def floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(values.astype(float).tolist())


def arm(minutes: np.ndarray, requests: float) -> Counts:
    events = added(minutes)
    return Counts(floats(events), tuple(requests * length for length in lengths(len(events))))


@pytest.mark.parametrize(("minutes", "count"), DAYS.items())
def test_as_many_intervals_lie_before_a_length_as_it_is_long(minutes: int, count: int) -> None:
    assert full_intervals(minutes) == count
    assert full_intervals(minutes - 0.01) == count - 1
    assert end_of(count - 1) == minutes


@given(st.integers(0, 3000))
def test_intervals_follow_each_other_without_a_gap(count: int) -> None:
    each = lengths(count)
    assert list(ending(count)) == np.cumsum(each).tolist()
    assert sum(found.count for found in stretches(count)) == count
    assert full_intervals(end_of(count - 1)) == count
    assert lengths(count + 1)[:count] == each


@given(st.integers(1, 3000), st.floats(0, 5000))
def test_the_newest_intervals_make_up_the_time_and_one_less_would_not(count: int, span: float) -> None:
    taken = newest(count, span)
    made_up = end_of(count - 1) - end_of(count - 1 - taken) if taken <= count else math.inf
    assert taken >= 1
    assert made_up >= span or taken == count
    assert taken == 1 or end_of(count - 1) - end_of(count - taken) < span


@given(st.integers(0, 130), st.integers(1, 2600))
def test_intervals_join_to_longer_ones_that_lie_on_them(before: int, count: int) -> None:
    for each in stretches(count):
        at = joints(before, each.first + each.count, each.length)
        ends = [place - before if place <= before else end_of(place - before - 1) for place in at]
        assert set(np.diff(ends).tolist()) == {each.length}
        assert ends[-1] == each.ends
        assert ends[0] >= -before
        assert ends[0] - each.length < -before


def test_dispersion_is_of_intervals_as_long_as_those_that_are_judged() -> None:
    """Bursts of half an hour are no dispersion of minutes beside each other, but of intervals of four."""
    rng = np.random.default_rng(1)
    rates = np.repeat(rng.choice([5.0, 25.0], 100), 30)
    found = dispersions(arm(rng.poisson(rates[:2880]), 1000.0))
    assert found[1439] > 1.5 * found[719]
    smooth = dispersions(arm(rng.poisson(15.0, 2880), 1000.0))
    assert max(smooth[30:]) < 1.5


@given(st.integers(20, 1500))
@settings(max_examples=15, deadline=None)
def test_dispersion_at_an_interval_depends_on_earlier_ones_alone(at: int) -> None:
    rng = np.random.default_rng(2)
    past = Counts(floats(rng.poisson(10.0, 120)), (900.0,) * 120)
    whole = arm(rng.poisson(10.0, full_minutes(1500)), 900.0)
    assert dispersions(whole.first(at), past) == dispersions(whole, past)[:at]


def full_minutes(count: int) -> int:
    return end_of(count - 1)


def reached(events: float, burst: float, runs: int = 120) -> float:
    """How often equal arms are ever flagged, a tenth of the traffic on the canary, stable's past two hours."""
    rng = np.random.default_rng(3)
    minutes = full_minutes(1500)
    tests = []
    for _ in range(runs):
        wave = np.repeat(np.where(rng.random(minutes // 15 + 20) < 0.3, burst, 1.0), 15)
        counts = [rng.poisson(rate * wave[:120 + minutes]) for rate in (events, 9 * events)]
        before = Counts(floats(counts[1][:120]), (9.0,) * 120)
        canary, stable = (arm(values[120:], exposure) for values, exposure in zip(counts, (1.0, 9.0), strict=True))
        tests.append(Comparison(canary, stable, 1.0, 0.0, True, dispersions(stable, before)))
    return float(np.mean([first_reached(log_e, THRESHOLD) is not None for log_e in log_evidence(tests)]))


@pytest.mark.parametrize("events", [0.4, 4.0, 40.0])
@pytest.mark.parametrize("burst", [1.0, 1.5])
def test_equal_arms_are_flagged_no_more_often_than_stated_in_days_of_looks(events: float, burst: float) -> None:
    assert reached(events, burst) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 120)


@pytest.mark.parametrize("days", [0.4, 1.5, 4.0, 13.0])
def test_a_late_regression_is_found_soon_however_old_the_canary_is(days: float) -> None:
    quiet = round(days * 1440)
    events = arm(np.repeat([4.0, 12.0], [quiet, 1440]), 1000.0)
    stable = arm(np.full(quiet + 1440, 4.0), 1000.0)
    test = Comparison(events, stable, 1.0, 0.0, True, (1.0,) * len(events.events))
    found = first_reached(log_evidence([test])[0], THRESHOLD)
    assert found is not None
    # A quarter of an hour of the first day, or three intervals where they are longer.
    assert quiet < end_of(found) <= quiet + max(15, 3 * lengths(len(events.events))[-1])


def test_what_must_last_lasts_as_long_in_longer_intervals() -> None:
    """Thirty minutes of errors after fifty hours: seven intervals of eight minutes begin within forty, not thirty."""
    def evidence(bad: int) -> tuple[float, ...]:
        minutes = np.ones(60 * 60)
        minutes[50 * 60:50 * 60 + bad] = 30.0
        canary = arm(minutes, 100.0)
        stable = arm(np.full(60 * 60, 9.0), 900.0)
        return log_evidence([Comparison(canary, stable, 1.0, 0.005, True, (1.0,) * len(canary.events), THRESHOLD)])[0]
    assert first_sustained(evidence(30), THRESHOLD, 40) is None
    assert first_sustained(evidence(120), THRESHOLD, 40) is not None


def trial(metric: EventMetric | LevelMetric) -> Trial:
    return Trial("7", "8", "traffic", START, 60.0, (metric,))


@pytest.fixture(scope="module")
def burst() -> EventMetric:
    """Three days; sixteen minutes of errors in the second hour, just enough to be proven."""
    rng = np.random.default_rng(5)
    share = np.full(3 * 1440, 0.005)
    share[60:76] = 0.1
    before = Counts(floats(rng.poisson(4.5, 120)), (900.0,) * 120)
    return EventMetric("success", arm(rng.poisson(100 * share), 100.0), arm(rng.poisson(4.5, 3 * 1440), 900.0),
                       Margin(0.005), before, Worse.HIGHER, shown_good=True)


@given(st.integers(0, 1700))
@settings(max_examples=25, deadline=None)
def test_what_is_proven_after_some_interval_is_proven_after_all_later_ones(burst: EventMetric, at: int) -> None:
    whole = len(burst.canary.events)
    last = judge(trial(burst), Policy()).metrics[0]
    assert last.verdict is CanaryVerdict.FAIL
    first = next(n for n in range(60, whole) if START + end_of(n) * 60 == last.failed_at)
    seen = min(whole, first + 1 + at)
    found = judge(trial(replace(burst, canary=burst.canary.first(seen), stable=burst.stable.first(seen))), Policy())
    assert (found.verdict, found.metrics[0].failed_at) == (CanaryVerdict.FAIL, last.failed_at)


@pytest.mark.parametrize("count", [700, 720, 721, 1079, 1080, 1081, 1440, 1500])
def test_a_gauge_that_was_proven_off_stays_so(count: int) -> None:
    rng = np.random.default_rng(6)
    canary = np.concatenate((rng.normal(60, 1, 500), rng.normal(50, 1, 1000)))
    metric = LevelMetric("score", "", floats(canary[:count]), floats(rng.normal(50, 1, count)), Margin(relative=0.05))
    found = judge(trial(metric), Policy()).metrics[0]
    assert found.verdict is CanaryVerdict.FAIL
    assert found.failed_at == START + 60 * 60
