"""What features are worth is told as shares, beside the usual ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.signals.attributions import attributions

WORTH = st.dictionaries(st.text(max_size=4), st.floats(0, 1e6), max_size=6)


def test_shares_are_of_the_sum_and_the_largest_comes_first() -> None:
    found = attributions({"age": 1.0, "amount": 3.0}, {"age": 2.0, "amount": 2.0})
    assert [(item.feature, item.share, item.usual_share) for item in found] == [
        ("amount", 0.75, 0.5), ("age", 0.25, 0.5)]
    assert [item.change for item in found] == [0.25, -0.25]


def test_without_a_usual_value_there_is_no_change() -> None:
    [only] = attributions({"age": 2.0}, {})
    assert (only.usual_share, only.change) == (None, None)


def test_a_feature_that_nobody_noted_makes_the_others_no_smaller_than_they_were() -> None:
    found = {item.feature: item for item in attributions({"a": 1.0, "b": 1.0, "new": 2.0}, {"a": 5.0, "b": 5.0})}
    assert found["a"].change == pytest.approx(0.0)
    assert found["new"].usual_share is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_amount_is_left_out(value: float) -> None:
    assert [item.feature for item in attributions({"a": 1.0, "b": value}, {})] == ["a"]


def test_nothing_but_zeros_says_nothing() -> None:
    assert attributions({"a": 0.0}, {"a": 1.0}) == ()
    assert attributions({}, {}) == ()


@given(WORTH, WORTH)
def test_shares_add_up_to_one(values: dict[str, float], usual: dict[str, float]) -> None:
    found = attributions(values, usual)
    assert not found or math.fsum(item.share for item in found) == pytest.approx(1.0)
    assert sum(item.usual_share or 0.0 for item in found) <= 1 + 1e-9
