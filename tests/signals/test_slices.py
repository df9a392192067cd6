"""Subgroups compared as fairlearn does, judged by intervals of all pairs together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from tests.signals.building import SUCCESS, notebook
from triage.errors import TriageError
from triage.facts.samples import Sample
from triage.signals.quality import Confusion
from triage.signals.reading import Quality, Verdict
from triage.signals.slices import SubgroupCounts, disparity, limit_of, subgroups


def group(tp: float, fp: float, fn: float, tn: float, times: float = 1.0) -> SubgroupCounts:
    counts = Confusion(tp * times, fp * times, fn * times, tn * times)
    return SubgroupCounts(counts.tp + counts.fp, counts.n, counts)


FAIRLEARN = {"A": group(40, 10, 20, 130), "B": group(15, 15, 15, 55)}
"""fairlearn 0.15 on these labels: see the expected values below."""


@pytest.mark.parametrize(("definition", "difference", "ratio"), [
    ("demographic_parity", 0.05, 0.8333), ("equal_opportunity", 0.1667, 0.75), ("equalized_odds", 0.1667, 0.3333)])
def test_differences_and_ratios_are_those_of_fairlearn(definition: str, difference: float, ratio: float) -> None:
    found = disparity(definition, FAIRLEARN, ["A", "B"])
    assert found.difference == pytest.approx(difference, abs=5e-5)
    assert found.ratio == pytest.approx(ratio, abs=5e-5)


def test_the_error_rate_counts_both_kinds_of_errors() -> None:
    assert disparity("error_rate", FAIRLEARN, ["A", "B"]).difference == pytest.approx(0.3 - 0.15)


def test_every_rate_stands_with_its_n_and_interval() -> None:
    found = disparity("equalized_odds", FAIRLEARN, ["A", "B"])
    assert [(r.group, r.of, r.n) for r in found.rates] == [
        ("A", "true positive", 60), ("B", "true positive", 30),
        ("A", "false positive", 140), ("B", "false positive", 70)]
    assert all(r.low is not None and r.value is not None and r.high is not None and r.low < r.value < r.high
               for r in found.rates)


@pytest.mark.parametrize(("times", "limit", "verdict"), [
    (100, 0.10, Verdict.FAIL), (100, 0.25, Verdict.PASS), (1, 0.15, Verdict.UNKNOWN), (1, None, Verdict.NOT_JUDGED)])
def test_a_limit_is_judged_by_the_interval_of_the_difference(times: float, limit: float | None,
                                                            verdict: Verdict) -> None:
    groups = {"A": group(40, 10, 20, 130, times), "B": group(15, 15, 15, 55, times)}
    assert disparity("equal_opportunity", groups, ["A", "B"], limit).verdict is verdict


def test_few_events_say_so_instead_of_passing() -> None:
    groups = {"A": group(40, 10, 20, 130), "B": group(5, 1, 2, 20)}
    found = disparity("equal_opportunity", groups, ["A", "B"], 0.9)
    assert found.verdict is Verdict.UNKNOWN
    assert found.quality is Quality.LOW_N
    assert found.sentence.startswith("too few events of B")


def test_demographic_parity_needs_no_labels_and_names_the_four_fifths() -> None:
    groups = {"A": SubgroupCounts(3000, 10_000), "B": SubgroupCounts(2000, 10_000)}
    found = disparity("demographic_parity", groups, ["A", "B"], 0.05)
    assert found.verdict is Verdict.FAIL
    assert "ratio 0.67, under four fifths" in found.sentence


def test_the_others_wait_for_labels() -> None:
    groups = {"A": SubgroupCounts(3000, 10_000), "B": SubgroupCounts(2000, 10_000)}
    found = disparity("equal_opportunity", groups, ["A", "B"], 0.05, pending="labels are due in 9 d")
    assert found.verdict is Verdict.PENDING
    assert disparity("equal_opportunity", groups, ["A", "B"], 0.05).verdict is Verdict.UNKNOWN


def test_a_subgroup_without_counts_is_named_and_never_left_out() -> None:
    big = {"A": group(4000, 1000, 2000, 13_000), "B": group(4000, 1000, 2000, 13_000)}
    found = disparity("error_rate", big, ["A", "B", "C"], 0.05)
    assert found.verdict is Verdict.UNKNOWN
    assert found.sentence.startswith("no counts of C")


def test_what_is_proven_between_two_stays_proven_without_the_third() -> None:
    found = disparity("error_rate", {"A": group(4000, 100, 100, 9000), "B": group(2000, 900, 2100, 9000)},
                      ["A", "B", "C"], 0.05)
    assert found.verdict is Verdict.FAIL


def test_a_subgroup_that_the_manifest_does_not_name_is_compared_too() -> None:
    groups = {**FAIRLEARN, "Z": group(1, 50, 50, 40)}
    assert "Z" in disparity("error_rate", groups, ["A", "B"]).sentence


def test_equal_subgroups_are_seldom_found_different() -> None:
    source = np.random.default_rng(14)
    names = [f"g{i}" for i in range(6)]
    cried = 0
    for _ in range(300):
        groups = {n: SubgroupCounts(float(source.binomial(800, 0.3)), 800.0) for n in names}
        cried += disparity("demographic_parity", groups, names, 0.0).verdict is Verdict.FAIL
    assert cried / 300 <= 0.06


def test_the_scale_of_the_counts_changes_the_interval_and_not_the_difference() -> None:
    small, large = (disparity("error_rate", {"A": group(40, 10, 20, 130, k), "B": group(15, 15, 15, 55, k)}, ["A", "B"])
                    for k in (1.0, 50.0))
    assert small.difference == pytest.approx(large.difference)
    assert small.high is not None
    assert large.high is not None
    assert large.high < small.high


def samples(label: str, counts: Mapping[tuple[str, str], float]) -> list[Sample]:
    return [Sample({"region": region, label: value}, count, 0.0) for (region, value), count in counts.items()]


def test_subgroups_are_read_from_counters_by_outcome() -> None:
    found = subgroups("region", samples("outcome", {("A", "tp"): 40, ("A", "fp"): 10, ("A", "fn"): 20, ("A", "tn"): 130,
                                                    ("B", "tp"): 15, ("", "tp"): 99}))
    assert found == {"A": FAIRLEARN["A"], "B": SubgroupCounts(15, 15, Confusion(15, 0, 0, 0))}


def test_decisions_without_labels_are_enough_for_selection_rates() -> None:
    found = subgroups("region", [], decisions=samples("decision", {("A", "approve"): 60, ("A", "decline"): 40,
                                                                   ("B", "refer"): 10}), positive=["approve"])
    assert found == {"A": SubgroupCounts(60, 100), "B": SubgroupCounts(0, 10)}


def test_all_decisions_go_before_the_labelled_ones_for_selection_rates() -> None:
    found = subgroups("region", samples("outcome", {("A", "tp"): 5, ("A", "tn"): 5}),
                      decisions=samples("decision", {("A", "approve"): 60, ("A", "decline"): 40}), positive=["approve"])
    assert found["A"] == SubgroupCounts(60, 100, Confusion(5, 0, 0, 5))


def test_the_manifests_limit_is_in_percentage_points() -> None:
    book = notebook(SUCCESS, more="quality: {feedback: {regime: instant}, slices: [{name: region, values: [A, B], "
                    "max_difference: 5pt}, {name: age, values: [A, B]}]}")
    assert book.manifest.spec.quality is not None
    assert [limit_of(item) for item in book.manifest.spec.quality.slices] == [0.05, None]


def test_counted_decisions_must_say_which_are_positive() -> None:
    with pytest.raises(TriageError, match="which are positive"):
        notebook(SUCCESS, more="quality: {feedback: {regime: instant}, slices: [{name: region, values: [A, B], "
                 "decisions: decisions_total}]}")
