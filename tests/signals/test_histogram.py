"""Thresholds on real buckets, and percentiles by Prometheus' own rule."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.facts.samples import Sample
from triage.signals.histogram import Buckets, buckets_from, count_at_most, merged, quantile, snap

INF = math.inf


def samples(*pairs: tuple[str, float]) -> list[Sample]:
    return [Sample({"le": le}, value, 0.0) for le, value in pairs]


@pytest.mark.parametrize("spelling", ["0.5", "0.50", "5e-1", "0.5000", ".5", "+0.5"])
def test_a_threshold_is_exact_however_the_bucket_is_spelt(spelling: str) -> None:
    found = buckets_from(samples(("0.1", 1), (spelling, 2), ("+Inf", 3)), "s")
    assert found is not None
    assert snap(0.5, found.bounds, "exact").bound == 0.5
    assert snap(0.5, found.bounds, "exact").note == ""
    assert count_at_most(found, 0.5) == 2


def test_spellings_of_one_bound_are_one_bucket() -> None:
    found = buckets_from(samples(("1", 2), ("1.0", 3), ("+Inf", 6)), "s")
    assert found == Buckets((1.0, INF), (5.0, 6.0))


@pytest.mark.parametrize("infinity", ["+Inf", "Inf", "inf", "+inf"])
def test_infinity_is_known_in_every_spelling(infinity: str) -> None:
    found = buckets_from(samples(("1", 2), (infinity, 6)), "s")
    assert found is not None
    assert found.total == 6


@pytest.mark.parametrize(("unit", "spelling"), [("s", "0.3"), ("ms", "300"), ("us", "300000.0"), ("ms", "3e2")])
def test_bounds_are_seconds_whatever_unit_the_metric_has(unit: str, spelling: str) -> None:
    found = buckets_from(samples((spelling, 2), ("+Inf", 3)), unit)
    assert found is not None
    assert found.bounds == (0.3, INF)
    assert snap(0.3, found.bounds, "exact").bound == 0.3


@pytest.mark.parametrize(("how", "bound", "note"), [
    ("exact", None, "500 ms is not a bucket; nearest: 250 ms and 1 s"),
    ("lower", 0.25, "read at 250 ms, the bucket below 500 ms"),
    ("upper", 1.0, "read at 1 s, the bucket above 500 ms"),
])
def test_a_threshold_between_buckets_is_snapped_as_told_or_refused(how: str, bound: float | None, note: str) -> None:
    found = snap(0.5, (0.1, 0.25, 1.0, 2.5, INF), how)
    assert (found.bound, found.note) == (bound, note)


@pytest.mark.parametrize("how", ["lower", "upper"])
def test_a_threshold_that_is_a_bucket_is_never_snapped_elsewhere(how: str) -> None:
    assert snap(0.5, (0.25, 0.5, 1.0, INF), how).bound == 0.5


@pytest.mark.parametrize(("threshold", "how", "nearest"), [
    (0.05, "lower", "100 ms"), (5.0, "upper", "1 s"), (0.05, "exact", "100 ms"), (5.0, "exact", "1 s"),
])
def test_a_threshold_outside_all_buckets_is_refused_with_the_nearest(threshold: float, how: str, nearest: str) -> None:
    found = snap(threshold, (0.1, 1.0, INF), how)
    assert found.bound is None
    assert found.note.endswith(f"is not a bucket; nearest: {nearest}")


def test_a_histogram_of_infinity_alone_has_no_bucket_for_a_threshold() -> None:
    assert snap(0.5, (INF,), "upper").bound is None
    assert "nearest: none" in snap(0.5, (INF,), "upper").note


def test_without_the_inf_bucket_there_is_no_histogram() -> None:
    assert buckets_from(samples(("0.1", 1), ("0.5", 2)), "s") is None
    assert buckets_from([], "s") is None


def test_an_inf_bucket_that_is_no_number_is_missing() -> None:
    assert buckets_from(samples(("0.1", 1), ("+Inf", math.nan)), "s") is None


def test_bounds_that_are_no_numbers_are_left_out() -> None:
    found = buckets_from([*samples(("x", 9), ("NaN", 9), ("1", 2), ("+Inf", 3)), Sample({}, 9, 0.0)], "s")
    assert found == Buckets((1.0, INF), (2.0, 3.0))


def test_counts_that_fall_with_a_rising_bound_are_raised() -> None:
    found = buckets_from(samples(("0.1", 10), ("0.5", 9), ("1", 12), ("+Inf", 11)), "s")
    assert found is not None
    assert found.counts == (10, 10, 12, 12)


def test_samples_come_in_any_order() -> None:
    found = buckets_from(samples(("+Inf", 3), ("10", 2), ("9", 1)), "s")
    assert found == Buckets((9.0, 10.0, INF), (1.0, 2.0, 3.0))


LATENCY = Buckets((0.1, 0.2, 0.5, 1.0, INF), (50.0, 80.0, 95.0, 100.0, 100.0))


@pytest.mark.parametrize(("q", "expected"), [
    (0.5, 0.1),                     # rank 50: the end of the first bucket
    (0.25, 0.05),                   # rank 25: half of the first, which starts at 0
    (0.65, 0.15),                   # rank 65: half of 0.1 to 0.2
    (0.9, 0.4),                     # rank 90: two thirds of 0.2 to 0.5
    (0.95, 0.5),
    (0.99, 0.9),                    # rank 99: four fifths of 0.5 to 1
    (1.0, 1.0),
])
def test_percentiles_are_those_of_histogram_quantile(q: float, expected: float) -> None:
    found = quantile(LATENCY, q)
    assert found is not None
    assert found[0] == pytest.approx(expected)
    assert found[1] is False


def test_a_saturated_last_bucket_says_at_least() -> None:
    assert quantile(Buckets((0.1, 1.0, INF), (10.0, 50.0, 100.0)), 0.99) == (1.0, True)


def test_everything_beyond_the_last_bound_says_at_least() -> None:
    assert quantile(Buckets((1.0, INF), (0.0, 100.0)), 0.5) == (1.0, True)


def test_a_first_bucket_under_zero_is_its_own_upper_bound_as_in_prometheus() -> None:
    assert quantile(Buckets((-1.0, 1.0, INF), (10.0, 20.0, 20.0)), 0.25) == (-1.0, False)


@pytest.mark.parametrize("buckets", [
    Buckets((), ()), Buckets((INF,), (5.0,)), Buckets((0.1, INF), (0.0, 0.0)),
])
def test_no_observations_or_no_finite_bound_have_no_percentile(buckets: Buckets) -> None:
    assert quantile(buckets, 0.5) is None


def test_an_empty_histogram_has_a_total_of_nothing() -> None:
    assert Buckets((), ()).total == 0


@st.composite
def histograms(draw: st.DrawFn) -> Buckets:
    bounds = sorted(draw(st.sets(st.integers(1, 100_000), min_size=1, max_size=12)))
    grown = draw(st.lists(st.integers(0, 1000), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    counts = tuple(float(sum(grown[:i + 1])) for i in range(len(grown)))
    return Buckets((*(b / 1000 for b in bounds), INF), counts)


@given(histograms(), st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_a_higher_percentile_is_never_lower_and_stays_within_the_bounds(buckets: Buckets, qs: list[float]) -> None:
    found = [quantile(buckets, q) for q in sorted(qs)]
    if buckets.total == 0:
        assert found == [None] * len(qs)
        return
    values = [item[0] for item in found if item is not None]
    assert len(values) == len(qs)
    assert all(low <= high + 1e-9 for low, high in pairwise(values))
    assert all(-1e-9 <= v <= buckets.bounds[-2] + 1e-9 for v in values)


@given(histograms(), st.floats(0, 1))
def test_only_what_lies_beyond_the_last_bound_is_called_at_least(buckets: Buckets, q: float) -> None:
    found = quantile(buckets, q)
    if found is not None and found[1]:
        assert buckets.counts[-2] < q * buckets.total
        assert found[0] == buckets.bounds[-2]


@given(histograms())
def test_buckets_read_from_samples_are_the_buckets_written(buckets: Buckets) -> None:
    written = samples(*((f"{b * 1000:g}" if b < INF else "+Inf", c)
                        for b, c in zip(buckets.bounds, buckets.counts, strict=True)))
    read = buckets_from(written, "ms")
    assert read is not None
    assert read.bounds == pytest.approx(buckets.bounds)
    assert read.counts == buckets.counts


SPELLINGS = {"0.1": 0.1, "0.10": 0.1, "1": 1.0, "1.0": 1.0, "+Inf": INF, "inf": INF, "x": None, "": None}


@given(st.lists(st.tuples(st.sampled_from(sorted(SPELLINGS)), st.floats(0, 100) | st.sampled_from([math.nan, INF]))))
def test_bounds_are_summed_however_they_are_spelt_and_ordered(told: list[tuple[str, float]]) -> None:
    sums: dict[float, float] = {}
    for spelling, value in told:
        if (bound := SPELLINGS[spelling]) is not None and math.isfinite(value):
            sums[bound] = sums.get(bound, 0.0) + value
    found = buckets_from([Sample({"le": spelling}, value, 0.0) for spelling, value in told], "s")
    if math.inf not in sums:
        assert found is None
        return
    assert found is not None
    assert found.bounds == tuple(sorted(sums))
    for bound, count in zip(found.bounds, found.counts, strict=True):
        assert count == pytest.approx(max(sums[b] for b in sums if b <= bound))


def test_versions_with_the_same_buckets_add_up() -> None:
    one, two = Buckets((0.1, 1.0, INF), (1.0, 2.0, 3.0)), Buckets((0.1, 1.0, INF), (10.0, 20.0, 30.0))
    assert merged([one, two]) == Buckets((0.1, 1.0, INF), (11.0, 22.0, 33.0))


def test_versions_with_other_buckets_share_only_the_common_ones() -> None:
    one, two = Buckets((0.1, 0.5, INF), (1.0, 2.0, 3.0)), Buckets((0.25, 0.5, INF), (10.0, 20.0, 30.0))
    assert merged([one, two]) == Buckets((0.5, INF), (22.0, 33.0))


def test_one_version_is_its_own_sum_and_none_is_none() -> None:
    assert merged([LATENCY]) == LATENCY
    assert merged([]) is None
