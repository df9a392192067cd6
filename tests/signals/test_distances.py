"""Distances against independent computations with NumPy and pandas, and against what holds for all distributions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.signals.binning import Smoothing, shares, smoothed
from triage.signals.distances import (
    METHODS,
    benjamini_hochberg,
    chi_square,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    kullback_leibler,
    merged_for_test,
    psi,
    psi_parts,
    total_variation,
)
from triage.signals.reference_windows import score_of

REFERENCE = (589.0, 1428.0, 3177.0, 4723.0, 4739.0, 3253.0, 1485.0, 483.0, 102.0, 21.0)
PRESENT = (80.25, 190.5, 410.0, 705.0, 760.75, 640.5, 390.0, 150.0, 45.0, 12.0)
QUICK = settings(max_examples=60)
counts = st.lists(st.floats(0.5, 1e6), min_size=2, max_size=20)


@st.composite
def two_samples(draw: st.DrawFn, least: float = 0.0) -> tuple[list[float], list[float]]:
    size = draw(st.integers(2, 15))
    one = st.lists(st.one_of(st.just(least), st.floats(max(least, 1e-3), 1e6)), min_size=size, max_size=size)
    n, m = draw(one), draw(one)
    n[draw(st.integers(0, size - 1))] += 10
    m[draw(st.integers(0, size - 1))] += 10
    return n, m


def arrays() -> tuple[np.ndarray, np.ndarray]:
    p, q = np.array(REFERENCE), np.array(PRESENT)
    return p / p.sum(), q / q.sum()


def test_psi_is_that_of_numpy() -> None:
    p, q = arrays()
    assert psi(shares(REFERENCE), shares(PRESENT)) == pytest.approx(float(((q - p) * np.log(q / p)).sum()), rel=1e-12)


def test_kullback_leibler_is_that_of_numpy_and_goes_from_the_reference() -> None:
    p, q = arrays()
    forward, back = float((p * np.log(p / q)).sum()), float((q * np.log(q / p)).sum())
    assert kullback_leibler(shares(REFERENCE), shares(PRESENT)) == pytest.approx(forward, rel=1e-12)
    assert forward != pytest.approx(back, rel=1e-3)
    assert psi(shares(REFERENCE), shares(PRESENT)) == pytest.approx(forward + back, rel=1e-12)


def test_jensen_shannon_is_the_base_2_distance() -> None:
    p, q = arrays()
    mu = (p + q) / 2
    divergence = float((p * np.log2(p / mu)).sum() + (q * np.log2(q / mu)).sum()) / 2
    found = jensen_shannon(shares(REFERENCE), shares(PRESENT))
    assert found == pytest.approx(math.sqrt(divergence), rel=1e-9)
    natural = math.sqrt(divergence * math.log(2))
    assert found / natural == pytest.approx(1.2011, abs=1e-4)


def test_hellinger_total_variation_and_ks_are_those_of_numpy() -> None:
    p, q = arrays()
    a, b = shares(REFERENCE), shares(PRESENT)
    assert hellinger(a, b) == pytest.approx(math.sqrt(1 - float(np.sqrt(p * q).sum())), rel=1e-9)
    assert total_variation(a, b) == pytest.approx(float(np.abs(p - q).sum()) / 2, rel=1e-12)
    assert kolmogorov_smirnov(a, b) == pytest.approx(float(np.abs(np.cumsum(p) - np.cumsum(q)).max()), rel=1e-12)


def test_chi_square_is_the_contingency_table_of_pandas() -> None:
    table = pd.DataFrame([REFERENCE, PRESENT])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.to_numpy().sum()
    statistic = float(((table.to_numpy() - expected) ** 2 / expected).sum())
    found = chi_square(REFERENCE, PRESENT)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.dof == 9


def test_ks_at_the_edges_is_a_lower_bound_of_that_of_the_samples() -> None:
    source = np.random.default_rng(7)
    first, second = source.normal(0, 1, 5000), source.normal(0.25, 1.1, 4000)
    both = np.sort(np.concatenate([first, second]))
    exact = float(np.abs(np.searchsorted(np.sort(first), both, "right") / 5000
                         - np.searchsorted(np.sort(second), both, "right") / 4000).max())
    edges = [-np.inf, *np.linspace(-3, 3, 11), np.inf]
    binned = kolmogorov_smirnov(shares(np.histogram(first, edges)[0].tolist()),
                                shares(np.histogram(second, edges)[0].tolist()))
    assert exact * 0.85 < binned <= exact + 1e-12


def test_two_categories_are_the_uncorrected_z_test() -> None:
    # NannyML's chi-square keeps Yates' correction here, and so comes out lower.
    n, m, a, b = 400.0, 250.0, 80.0, 75.0
    pooled = (a + b) / (n + m)
    z = (a / n - b / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    found = chi_square((a, n - a), (b, m - b))
    assert found.statistic == pytest.approx(z * z, rel=1e-9)
    assert found.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-9)


@QUICK
@given(method=st.sampled_from(["psi", "js", "hellinger", "tv", "ks"]), pair=two_samples())
def test_every_distance_but_kl_is_symmetric(method: str, pair: tuple[list[float], list[float]]) -> None:
    n, m = pair
    assert score_of(n, m, method) == pytest.approx(score_of(m, n, method), rel=1e-9, abs=1e-9)


@QUICK
@given(method=st.sampled_from(list(METHODS)), pair=two_samples())
def test_distances_are_finite_and_within_their_bounds(method: str, pair: tuple[list[float], list[float]]) -> None:
    found = score_of(*pair, method)
    assert 0 <= found < (math.inf if method in ("psi", "kl") else 1 + 1e-12)


@QUICK
@given(method=st.sampled_from(list(METHODS)), sample=counts)
def test_equal_samples_are_no_distance_apart(method: str, sample: list[float]) -> None:
    assert score_of(sample, sample, method) == pytest.approx(0, abs=1e-7)


@QUICK
@given(method=st.sampled_from(list(METHODS)), pair=two_samples(), factor=st.floats(0.01, 1000))
def test_a_distance_of_shares_does_not_know_how_many_events_there_were(method: str, factor: float,
                                                                       pair: tuple[list[float], list[float]]) -> None:
    n, m = pair
    distance = METHODS[method]
    plain = distance(shares(n), shares(m))
    scaled = distance(shares([c * factor for c in n]), shares([c * factor for c in m]))
    assert scaled == plain or scaled == pytest.approx(plain, rel=1e-9, abs=1e-7)


@QUICK
@given(method=st.sampled_from(list(METHODS)), pair=two_samples(least=0.01), data=st.data())
def test_coarser_bins_never_raise_a_distance(method: str, data: st.DataObject,
                                             pair: tuple[list[float], list[float]]) -> None:
    n, m = pair
    cuts = sorted(data.draw(st.sets(st.integers(1, len(n) - 1))) | {0, len(n)})
    pooled = [[math.fsum(side[a:b]) for a, b in pairwise(cuts)] for side in (n, m)]
    distance = METHODS[method]
    fine, coarse = distance(shares(n), shares(m)), distance(shares(pooled[0]), shares(pooled[1]))
    assert coarse <= fine + 1e-9 * max(1.0, fine) + 1e-7


@QUICK
@given(pair=two_samples())
def test_pooling_for_the_test_loses_no_event_and_leaves_no_thin_bin(pair: tuple[list[float], list[float]]) -> None:
    n, m = pair
    for ordered in (True, False):
        a, b = merged_for_test(n, m, ordered=ordered)
        assert math.fsum(a) == pytest.approx(math.fsum(n))
        assert math.fsum(b) == pytest.approx(math.fsum(m))
        rarer = min(math.fsum(n), math.fsum(m)) / (math.fsum(n) + math.fsum(m))
        of_smaller = a if math.fsum(n) <= math.fsum(m) else b
        if len(a) > 1:
            assert all((x + y) * rarer >= 5 - 1e-9 or own >= 5 for x, y, own in zip(a, b, of_smaller, strict=True))


@pytest.mark.parametrize("ordered", [True, False])
def test_bins_that_a_busy_model_has_left_are_not_pooled_away(ordered: bool) -> None:
    reference, present = (250.0,) * 4, (240_000.0, 100.0, 100.0, 100.0)
    for first, second in ((reference, present), (present, reference)):
        assert merged_for_test(first, second, ordered=ordered) == (first, second)


def test_a_few_more_than_expected_are_pooled_as_before() -> None:
    # Expected are two of 500: six of them happen by chance, sixteen do not.
    assert len(merged_for_test((494.0, 6.0), (49_800.0, 200.0), ordered=True)[0]) == 1
    assert len(merged_for_test((484.0, 16.0), (49_800.0, 200.0), ordered=True)[0]) == 2


@QUICK
@given(pair=two_samples())
def test_parts_of_the_psi_are_never_negative_and_sum_to_it(pair: tuple[list[float], list[float]]) -> None:
    p, q = smoothed(pair[0]), smoothed(pair[1])
    parts = psi_parts(p, q)
    assert min(parts) >= 0
    assert math.fsum(parts) == psi(p, q)


def test_adjusted_p_values_are_those_of_the_step_up_procedure() -> None:
    # Benjamini and Hochberg's own example: at 0.05 the four smallest of fifteen are discoveries.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
         0.7590, 1.0]
    adjusted = benjamini_hochberg(p)
    assert [a < 0.05 for a in adjusted] == [True] * 4 + [False] * 11
    assert adjusted[0] == pytest.approx(0.0015)


@QUICK
@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusting_keeps_the_order_and_never_lowers_a_p_value(p_values: list[float]) -> None:
    adjusted = benjamini_hochberg(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


@pytest.mark.parametrize(("how", "shares_expected"), [
    (Smoothing.JEFFREYS, [0.5 / 41.5, 10.5 / 41.5, 30.5 / 41.5]), (Smoothing.LAPLACE, [1 / 43, 11 / 43, 31 / 43]),
    (Smoothing.EVIDENTLY, [0.0001, 0.25, 0.75])])
def test_empty_bins_are_filled_as_each_way_says(how: Smoothing, shares_expected: list[float]) -> None:
    assert smoothed((0.0, 10.0, 30.0), how) == pytest.approx(shares_expected)


def test_evidentlys_kl_renormalises_what_it_filled_and_its_psi_does_not() -> None:
    p, q = np.array([0.0, 0.4, 0.6]), np.array([0.1, 0.5, 0.4])
    filled = np.where(p == 0, 0.0001, p)
    kl = filled / filled.sum()
    counts_p, counts_q = (0.0, 400.0, 600.0), (100.0, 500.0, 400.0)
    assert score_of(counts_p, counts_q, "kl", Smoothing.EVIDENTLY) == pytest.approx(
        float((kl * np.log(kl / q)).sum()), rel=1e-9)
    assert score_of(counts_p, counts_q, "psi", Smoothing.EVIDENTLY) == pytest.approx(
        float(((q - filled) * np.log(q / filled)).sum()), rel=1e-9)


def test_half_an_event_fades_with_the_number_of_events_and_a_constant_does_not() -> None:
    empty = (0.0, 100.0, 100.0)
    many = tuple(c * 1000 for c in empty)
    assert smoothed(many)[0] < smoothed(empty)[0] / 900
    assert smoothed(many, Smoothing.EVIDENTLY)[0] == smoothed(empty, Smoothing.EVIDENTLY)[0] == 0.0001


def test_an_epsilon_above_the_smallest_share_would_turn_a_rise_into_a_fall() -> None:
    # A bin that was empty and now holds 3 of 100,000: whatever stands for "empty" must be less than that.
    reference, present = (50_000.0, 50_000.0, 0.0), (50_000.0, 49_997.0, 3.0)
    for how in (Smoothing.JEFFREYS, Smoothing.EVIDENTLY):
        if how is Smoothing.JEFFREYS:
            assert smoothed(reference, how)[2] < smoothed(present, how)[2]
    # Evidently's constant stands above the present share: there the bin seems to have lost events.
    assert smoothed(reference, Smoothing.EVIDENTLY)[2] > smoothed(present, Smoothing.EVIDENTLY)[2]
    rare = (50_000.0, 49_995.0, 5.0, 0.0)
    assert smoothed(rare, Smoothing.EVIDENTLY)[3] == pytest.approx(5e-5 / 1e6)


def test_the_same_counts_give_another_psi_with_every_way_to_fill_an_empty_bin() -> None:
    reference, present = (470.0, 530.0, 0.0), (440.0, 500.0, 60.0)
    found = [score_of(reference, present, "psi", how) for how in Smoothing]
    assert len({round(score, 2) for score in found}) == 3
