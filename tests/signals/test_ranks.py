"""Rank comparison of latencies that come as buckets.

Measured over 120 intervals of log-normal latencies in the buckets of the Prometheus client, margin 10 %:

    requests of the canary per interval    2             20         200
    alike: flagged / proven inside         0 / 34 %      0 / all    0 / all
    10 % slower: flagged / proven inside   0.5 / 2.3 %   0 / 0      0 / 0       (400, 40 and 20 runs)
    50 % slower: flagged                   all           all        all

Taking observations as even within these buckets makes 10 % slower look like 9.5 % (an effect of 0.4975, not 0.5), so
over 720 intervals of 20 requests a canary exactly at the margin is proven inside it in 3 of 30 runs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.signals.histogram import Buckets
from triage.signals.ranks import RankEvidence, percentiles, rank_evidence, rank_growth, superiority
from triage.signals.sequential import first_reached

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
THRESHOLD = math.log(20)


def histogram(values: np.ndarray, unit: float = 1.0) -> Buckets:
    bounds = tuple(b * unit for b in BOUNDS)
    return Buckets(bounds, tuple(float((values * unit <= b).sum()) for b in bounds))


def trial(slowdown: float, requests: int, intervals: int = 120, *, seed: int = 1, spread: float = 0.6,
          margin: float = 0.1, unit: float = 1.0) -> RankEvidence:
    rng = np.random.default_rng(seed)

    def arm(median: float, n: int) -> list[Buckets | None]:
        return [histogram(rng.lognormal(math.log(median), spread, n), unit) for _ in range(intervals)]
    return rank_evidence(arm(0.08 * slowdown, requests), arm(0.08, requests * 9), margin, (math.inf,) * intervals)


def test_alike_distributions_have_an_even_chance() -> None:
    one = histogram(np.random.default_rng(1).lognormal(-2, 1, 2000))
    assert superiority(one, one) == pytest.approx(0.5)


def test_the_effect_is_the_share_of_pairs_in_which_the_canary_is_slower() -> None:
    fast, slow = Buckets((1.0, 2.0, 3.0, math.inf), (4.0, 4.0, 4.0, 4.0)), Buckets((1.0, 2.0, 3.0, math.inf),
                                                                                  (1.0, 1.0, 4.0, 4.0))
    # Three of four are slower for certain, the fourth lies in the same bucket: a tie.
    assert superiority(slow, fast) == pytest.approx(0.875)
    assert superiority(fast, slow) == pytest.approx(0.125)


def test_what_lies_beyond_the_last_bucket_is_slower_than_everything_else_and_ties_with_its_like() -> None:
    beyond, within = Buckets((1.0, math.inf), (0.0, 5.0)), Buckets((1.0, math.inf), (5.0, 5.0))
    assert superiority(beyond, within) == 1
    assert superiority(beyond, beyond) == 0.5


def test_a_slowdown_of_stable_is_what_the_canary_is_held_against() -> None:
    even = Buckets((1.0, 2.0, 4.0, math.inf), (10.0, 20.0, 40.0, 40.0))
    slower = Buckets((1.5, 3.0, 6.0, math.inf), (10.0, 20.0, 40.0, 40.0))
    assert superiority(slower, even, 1.5) == pytest.approx(0.5)


def test_without_observations_there_is_no_effect() -> None:
    empty, some = Buckets((1.0, math.inf), (0.0, 0.0)), Buckets((1.0, math.inf), (1.0, 2.0))
    assert superiority(empty, some) is None
    assert superiority(some, empty) is None
    assert percentiles(None).p95 is None


def test_a_percentile_beyond_the_last_bucket_says_that_it_is_at_least_that() -> None:
    found = percentiles(Buckets((1.0, 2.0, math.inf), (90.0, 95.0, 100.0)))
    assert found.p50 == pytest.approx(0.5556, abs=1e-3)
    assert (found.p99, found.at_least) == (2.0, True)


@pytest.mark.parametrize("requests", [2, 20])
def test_canaries_at_the_margin_are_flagged_no_more_often_than_stated(requests: int) -> None:
    """Twice 60 trials with a look at each interval; every one lies exactly at the margin."""
    found = [trial(1.1, requests, 60, seed=s) for s in range(60)]
    assert sum(first_reached(f.slower, THRESHOLD) is not None for f in found) <= 3
    assert sum(first_reached(f.not_slower, THRESHOLD) is not None for f in found) <= 3


def test_a_slower_canary_is_found() -> None:
    found = trial(1.5, 20)
    assert found.effect == pytest.approx(0.68, abs=0.03)
    at = first_reached(found.slower, THRESHOLD)
    assert at is not None
    assert at < 60


def test_an_equal_canary_is_proven_inside_the_margin() -> None:
    found = trial(1.0, 200)
    assert found.not_slower[-1] > THRESHOLD
    assert max(found.slower) < THRESHOLD


def test_an_interval_with_three_requests_counts_less_than_one_with_thousands() -> None:
    many, few = histogram(np.full(3000, 0.04)), histogram(np.full(3, 0.4))
    slow = rank_evidence([many, *[few] * 50], [many, *[histogram(np.full(3, 0.04))] * 50], 0.1, (math.inf,) * 51)
    assert max(slow.slower) < 1


def test_a_histogram_of_one_bucket_is_too_coarse() -> None:
    inside = Buckets((1.0, 2.0, math.inf), (0.0, 100.0, 100.0))
    assert rank_evidence([inside] * 3, [inside] * 3, 0.1, (math.inf,) * 3).too_coarse
    assert not trial(1.0, 20, 5).too_coarse


def test_missing_intervals_say_nothing() -> None:
    found = rank_evidence([None] * 5, [histogram(np.full(9, 0.1))] * 5, 0.1, (math.inf,) * 5)
    assert found.effect is None
    assert found.slower == pytest.approx((0.0,) * 5)


def test_growth_needs_an_effect_to_tell_from_one_half() -> None:
    assert rank_growth(0.5) == 0
    assert rank_growth(0.4) == pytest.approx(math.log1p(0.19))


@given(st.lists(st.integers(0, 30), min_size=3, max_size=8), st.lists(st.integers(0, 30), min_size=3, max_size=8),
       st.sampled_from([1e-3, 1e3, 1e6]))
@settings(max_examples=60, deadline=None)
def test_the_unit_of_the_latency_does_not_matter(one: list[int], other: list[int], unit: float) -> None:
    def buckets(parts: list[int], scale: float) -> Buckets:
        bounds = (*(scale * 2.0 ** i for i in range(len(parts) - 1)), math.inf)
        return Buckets(bounds, tuple(float(sum(parts[:i + 1])) for i in range(len(parts))))
    plain = superiority(buckets(one, 1.0), buckets(other, 1.0), 1.1)
    scaled = superiority(buckets(one, unit), buckets(other, unit), 1.1)
    assert (plain is None) == (scaled is None)
    if plain is not None and scaled is not None:
        assert 0 <= plain <= 1
        assert scaled == pytest.approx(plain, abs=1e-9)
