"""Tail probabilities against closed forms, numerical integration and published tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.signals.tails import chi_square_tail, kolmogorov_tail, normal_two_sided, normal_z


@settings(max_examples=40)
@given(st.floats(1e-6, 400), st.integers(1, 60))
def test_even_degrees_of_freedom_are_the_poisson_sum(statistic: float, half: int) -> None:
    # Q(k, x) of whole k is the chance that a Poisson variable of mean x is under k.
    x = statistic / 2
    expected = math.fsum(math.exp(-x + i * math.log(x) - math.lgamma(i + 1)) for i in range(half))
    assert chi_square_tail(statistic, 2 * half) == pytest.approx(expected, rel=1e-10, abs=1e-290)


@settings(max_examples=40)
@given(st.floats(1e-9, 700))
def test_one_degree_of_freedom_is_the_squared_normal(statistic: float) -> None:
    assert chi_square_tail(statistic, 1) == pytest.approx(math.erfc(math.sqrt(statistic / 2)), rel=1e-10)


@pytest.mark.parametrize(("statistic", "dof"), [(3.0, 3), (30.0, 9), (9.0, 9), (120.0, 99), (540.0, 499), (480.0, 499)])
def test_odd_degrees_of_freedom_are_the_integral_of_the_density(statistic: float, dof: int) -> None:
    x = np.linspace(statistic, statistic + 60 * math.sqrt(2 * dof), 400_001)
    density = np.exp((dof / 2 - 1) * np.log(x) - x / 2 - math.lgamma(dof / 2) - dof / 2 * math.log(2))
    assert chi_square_tail(statistic, dof) == pytest.approx(float(np.trapezoid(density, x)), rel=1e-6)


@pytest.mark.parametrize(("dof", "point"), [(1, 3.841), (4, 9.488), (9, 16.919), (19, 30.144), (29, 42.557),
                                            (100, 124.342)])
def test_the_printed_table_of_five_percent_points_is_met(dof: int, point: float) -> None:
    assert chi_square_tail(point, dof) == pytest.approx(0.05, abs=2e-5)


def test_the_ends_are_certain_and_impossible() -> None:
    assert chi_square_tail(0, 5) == 1
    assert chi_square_tail(math.inf, 5) == 0
    assert chi_square_tail(5000, 5) == 0


@pytest.mark.parametrize(("statistic", "dof"), [(1.0, 0.0), (math.nan, 3.0)])
def test_no_degrees_of_freedom_are_refused(statistic: float, dof: float) -> None:
    with pytest.raises(ValueError, match="needs a positive number"):
        chi_square_tail(statistic, dof)


@settings(max_examples=40)
@given(st.floats(0.001, 3), st.floats(0.001, 3))
def test_a_larger_distance_is_never_more_likely(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert kolmogorov_tail(low, 500, 500) >= kolmogorov_tail(high, 500, 500) - 1e-12


def test_both_series_of_the_kolmogorov_distribution_agree_where_they_meet() -> None:
    n = 1e16  # so large that Stephens' correction vanishes
    root = math.sqrt(n / 2)
    assert kolmogorov_tail(1.1799999 / root, n, n) == pytest.approx(kolmogorov_tail(1.1800001 / root, n, n), abs=1e-6)
    assert kolmogorov_tail(1.3581 / root, n, n) == pytest.approx(0.05, abs=1e-5)


def exact_tail(distance: float, n: int, m: int) -> float:
    """P(D >= distance) by counting the lattice paths that stay inside (Hodges 1957)."""
    inside = [[0] * (m + 1) for _ in range(n + 1)]
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i / n - j / m) < distance - 1e-12:
                inside[i][j] = 1 if i == j == 0 else (inside[i - 1][j] if i else 0) + (inside[i][j - 1] if j else 0)
    return 1 - inside[n][m] / math.comb(n + m, n)


@pytest.mark.parametrize(("distance", "n", "m"), [(0.2, 50, 40), (0.28, 50, 40), (0.36, 50, 40), (0.12, 200, 150)])
def test_the_kolmogorov_tail_is_near_the_exact_one_of_small_samples(distance: float, n: int, m: int) -> None:
    assert kolmogorov_tail(distance, n, m) == pytest.approx(exact_tail(distance, n, m), rel=0.06)


@pytest.mark.parametrize(("error", "z"), [(0.05, 1.959964), (0.01, 2.575829), (0.3173105, 1.0), (1e-6, 4.891638)])
def test_z_is_the_point_of_the_normal_table(error: float, z: float) -> None:
    assert normal_z(error) == pytest.approx(z, abs=1e-5)
    assert normal_two_sided(normal_z(error)) == pytest.approx(error, rel=1e-9)
