"""Differences of gauges by block bootstrap.

Measured in 2500 runs: both gauges autoregressive and alike, 480 intervals, every look, alpha 0.05.

    correlation of neighbours    0        0.3      0.5      0.7      0.8      0.9
    flagged at any look          4.0 %    4.2 %    4.5 %    4.5 %    3.3 %    3.8 %    (standard error 0.4)
    tested at all                all      all      all      99 %     90 %     55 %

Without what is lost to the ends of blocks it was up to 6.3 %.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from triage.signals.differences import FIRST_LOOK, looks, next_look


def wandering(correlation: float, n: int, rng: np.random.Generator) -> list[float]:
    steps = rng.normal(size=n)
    values = [float(steps[0]) / math.sqrt(1 - correlation ** 2)]
    for step in steps[1:]:
        values.append(correlation * values[-1] + float(step))
    return values


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.7, 0.9])
def test_gauges_that_differ_by_chance_are_flagged_as_rarely_as_stated(correlation: float) -> None:
    rng = np.random.default_rng(2)
    flagged = 0
    for _ in range(200):
        found = looks([10 + d for d in wandering(correlation, 240, rng)], [10.0] * 240, 0.05)
        flagged += any(look.low > 0 or look.high < 0 for look in found)
    assert flagged / 200 <= 0.05 + math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("correlation", [0.5, 0.7])
def test_an_interval_is_as_wide_as_the_median_of_values_that_hang_together_varies(correlation: float) -> None:
    """Of Gaussian values the variance of the median is the sum of ``asin(rho_k)`` over all lags, by their number."""
    n, rng, found = 480, np.random.default_rng(3), []
    variance = 1 / (1 - correlation ** 2)
    expected = variance / n * math.fsum(math.asin(correlation ** abs(k)) for k in range(-200, 201))
    for _ in range(100):
        look = looks(wandering(correlation, n, rng), [0.0] * n, 0.05)[-1]
        if not look.no_test:
            found.append(((look.high - look.low) / 2 / student(1 - 0.05 / 20 / 2, n // look.block - 1)) ** 2)
    assert len(found) > 90
    assert 0.97 < float(np.mean(found)) / expected < 1.15


def student(share: float, df: int) -> float:
    """Student's quantile to the second term of Cornish and Fisher, as the product takes it."""
    z = NormalDist().inv_cdf(share)
    return z + (z ** 3 + z) / (4 * df) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * df ** 2)


def test_looks_are_taken_when_the_data_have_doubled() -> None:
    rng = np.random.default_rng(3)
    canary = rng.normal(size=500).tolist()
    found = looks(canary, [0.0] * 500, 0.05)
    assert [look.pairs for look in found] == [60, 120, 240, 480]
    assert looks(canary[:300], [0.0] * 300, 0.05) == found[:3]
    assert looks(canary[:FIRST_LOOK - 1], [0.0] * (FIRST_LOOK - 1), 0.05) == ()
    assert (next_look(0), next_look(60), next_look(100)) == (60, 120, 120)


def test_pairs_need_both_values() -> None:
    found = looks([1.0, None] * 60 + [2.0] * 10, [0.0, 1.0] * 60 + [None] * 10, 0.05)
    assert [look.pairs for look in found] == [60]
    assert found[0].index == 118


def test_values_that_hang_together_for_long_are_not_tested() -> None:
    slow = [math.sin(i / 40) for i in range(120)]
    found = looks(slow, [0.0] * 120, 0.05)
    assert "too few independent" in found[-1].no_test
    assert found[-1].low == -math.inf


def test_a_difference_that_never_changes_is_not_tested() -> None:
    assert looks([3.0] * 60, [1.0] * 60, 0.05)[0].no_test == "the difference never changes"


def test_one_outlier_does_not_move_the_difference() -> None:
    rng = np.random.default_rng(4)
    canary = (5 + rng.normal(scale=0.1, size=60)).tolist()
    canary[7] = 1e6
    found = looks(canary, [5.0] * 60, 0.05)[0]
    assert found.difference == pytest.approx(0, abs=0.05)
    assert found.high < 0.2


@pytest.mark.parametrize("unit", [1e-3, 1024.0])
def test_the_unit_changes_nothing_but_the_numbers(unit: float) -> None:
    rng = np.random.default_rng(5)
    canary, stable = (rng.normal(5, 1, 120).tolist() for _ in range(2))
    plain = looks(canary, stable, 0.05)
    scaled = looks([c * unit for c in canary], [s * unit for s in stable], 0.05)
    assert [look.low * unit for look in plain] == pytest.approx([look.low for look in scaled])
    assert [look.high * unit for look in plain] == pytest.approx([look.high for look in scaled])
