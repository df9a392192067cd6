"""The reference and the present on the same bins: nothing invented, nothing lost, nothing hidden."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals.drifting import COUNTS, EDGES, buckets
from triage.facts.samples import Sample
from triage.signals.binning import NULL, UNSEEN, Binned, Categories, Refused, category_bins, histogram_bins, smoothed


def bins(*samples: tuple[str, float], edges: tuple[float, ...] = (1.0, 2.0, 5.0),
         counts: tuple[float, ...] = (10.0, 20.0, 30.0, 40.0)) -> Binned | Refused:
    return histogram_bins(edges, counts, [Sample({"le": le}, value, 0.0) for le, value in samples])


def test_bounds_are_numbers_however_they_are_spelt() -> None:
    found = bins(("1.0", 1), ("2e0", 3), ("5.000", 6), ("Inf", 10))
    assert isinstance(found, Binned)
    assert found.current == (1, 2, 3, 4)
    assert found.note == ""


def test_fractional_increases_are_kept() -> None:
    found = bins(("1", 0.25), ("2", 1.5), ("5", 1.75), ("+Inf", 2.125))
    assert isinstance(found, Binned)
    assert found.current == (0.25, 1.25, 0.25, 0.375)


def test_counts_that_fall_with_the_bound_are_raised_first() -> None:
    # Scraped between two increments: the bucket at 2 is ahead of the one at 5.
    found = bins(("1", 4), ("2", 9), ("5", 8), ("+Inf", 12))
    assert isinstance(found, Binned)
    assert found.current == (4, 5, 0, 3)


def test_a_histogram_without_infinity_is_refused() -> None:
    found = bins(("1", 1), ("2", 2), ("5", 3))
    assert isinstance(found, Refused)
    assert "+Inf" in found.reason


def test_a_negative_increase_is_a_reset_that_nobody_corrected() -> None:
    found = bins(("1", -4), ("2", 2), ("5", 3), ("+Inf", 3))
    assert isinstance(found, Refused)
    assert "reset" in found.reason


def test_other_buckets_are_brought_to_the_common_edges_and_it_says_so() -> None:
    found = bins(("1", 1), ("1.5", 2), ("2", 3), ("10", 8), ("20", 9), ("+Inf", 9), edges=(1.0, 2.0, 5.0, 10.0),
                 counts=(10.0, 20.0, 30.0, 40.0, 50.0))
    assert isinstance(found, Binned)
    assert found.edges == (1.0, 2.0, 10.0)
    assert found.reference == (10, 20, 70, 50)
    assert found.current == (1, 2, 5, 1)
    assert found.note == "compared at 3 of 4 edges: 5 is no bucket"


def test_fewer_than_three_common_edges_cannot_be_compared_and_the_others_are_named() -> None:
    found = bins(("1", 1), ("2", 3), ("4", 8), ("+Inf", 9))
    assert isinstance(found, Refused)
    assert "only 2 of the reference's 3 edges are buckets: 5 are not" in found.reason
    assert "1, 2, 4" in found.reason


def test_a_reference_of_one_edge_is_compared_when_it_is_a_bucket() -> None:
    found = bins(("0.5", 3), ("+Inf", 9), edges=(0.5,), counts=(1.0, 2.0))
    assert isinstance(found, Binned)
    assert found.current == (3, 6)


def test_an_outlier_moves_no_edge() -> None:
    # Edges come from the reference: a single absurd value lands in the last bin and changes nothing else.
    plain = histogram_bins(EDGES, COUNTS, buckets([c / 10 for c in COUNTS]))
    outlier = histogram_bins(EDGES, COUNTS, buckets([*(c / 10 for c in COUNTS[:-1]), COUNTS[-1] / 10 + 1]))
    assert isinstance(plain, Binned)
    assert isinstance(outlier, Binned)
    assert outlier.edges == plain.edges
    assert outlier.current[:-1] == plain.current[:-1]


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=12), st.data())
def test_coarsening_loses_no_event_on_either_side(counts: list[float], data: st.DataObject) -> None:
    edges = tuple(float(i) for i in range(len(counts) - 1))
    kept = data.draw(st.sets(st.sampled_from(edges), min_size=3))
    samples = [s for s in buckets(counts, edges) if s.labels["le"] == "+Inf" or float(s.labels["le"]) in kept]
    found = histogram_bins(edges, counts, samples)
    assert isinstance(found, Binned)
    assert len(found.current) == len(kept) + 1
    assert found.n_current == pytest.approx(math.fsum(counts), abs=1e-6)
    assert found.n_reference == pytest.approx(math.fsum(counts), abs=1e-6)
    assert found.reference == pytest.approx(found.current, rel=1e-6, abs=1e-6)


def test_unseen_categories_are_one_bin_however_many_they_are() -> None:
    flood = {f"x{i}": 2.0 for i in range(500)}
    found = category_bins({"a": 10.0, "b": 20.0}, {"a": 5.0, "b": 9.0, **flood})
    assert isinstance(found, Categories)
    assert found.binned.labels == ("a", "b", UNSEEN)
    assert found.binned.current == (5, 9, 1000)
    assert len(found.unseen) == 500


def test_events_without_a_value_are_in_no_bin() -> None:
    found = category_bins({"a": 10.0, "b": 20.0, NULL: 3.0}, {"a": 5.0, "b": 9.0, NULL: 40.0})
    assert isinstance(found, Categories)
    assert found.binned.labels == ("a", "b")
    assert (found.nulls, found.reference_nulls) == (40, 3)


def test_categories_that_stopped_coming_are_named() -> None:
    found = category_bins({"a": 10.0, "b": 20.0, "c": 1.0}, {"b": 9.0, "c": 0.0})
    assert isinstance(found, Categories)
    assert found.vanished == {"a": 10.0, "c": 1.0}


def test_a_single_category_has_nowhere_to_move() -> None:
    assert isinstance(category_bins({"a": 10.0}, {"a": 5.0}), Refused)


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=20))
def test_half_an_event_leaves_no_empty_bin_and_shares_sum_to_one(counts: list[float]) -> None:
    found = smoothed(counts)
    assert min(found) > 0
    assert math.fsum(found) == pytest.approx(1)
