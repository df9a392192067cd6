"""Intervals of shares: known values, what must always hold, and how often they cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.signals.proportions import difference, same_share, wilson


@pytest.mark.parametrize(("events", "n", "low", "high"), [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)])
def test_wilsons_interval_is_that_of_newcombes_table(events: float, n: float, low: float, high: float) -> None:
    found = wilson(events, n)
    assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)


@pytest.mark.parametrize(("a", "m", "b", "n", "low", "high"), [
    (56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090), (10, 10, 0, 20, 0.6791, 1.0)])
def test_the_difference_is_that_of_newcombes_table(a: float, m: float, b: float, n: float, low: float,
                                                   high: float) -> None:
    found = difference(wilson(a, m), wilson(b, n))
    assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)


@settings(max_examples=60)
@given(st.floats(0, 1), st.floats(0.01, 1e9))
def test_the_interval_holds_its_share_and_stays_between_none_and_all(share: float, n: float) -> None:
    found = wilson(share * n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(11).binomial(60, 0.04, size=3000)
    covered = sum((w := wilson(float(k), 60)).low <= 0.04 <= w.high for k in drawn)
    assert covered / 3000 == pytest.approx(0.95, abs=0.03)


def test_a_share_of_no_events_is_refused() -> None:
    with pytest.raises(ValueError, match="needs events"):
        wilson(0, 0)


def test_equal_shares_are_equal_and_nothing_is_told_from_nothing() -> None:
    assert same_share(10, 100, 100, 1000) == pytest.approx(1)
    assert same_share(0, 0, 5, 10) == 1
    assert same_share(0, 50, 0, 70) == 1
    assert same_share(50, 100, 20, 100) < 1e-4
