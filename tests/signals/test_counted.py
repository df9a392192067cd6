"""Counted figures from the manifest's block to a verdict."""

from __future__ import annotations

import pytest

from tests.signals.building import SUCCESS, notebook
from triage.errors import TriageError
from triage.notebook.quality import CountedMetric
from triage.signals.counted import Sums, confusion, expected, figures
from triage.signals.quality import judge
from triage.signals.reading import Verdict


def metric(text: str) -> CountedMetric:
    book = notebook(SUCCESS, more=f"quality: {{feedback: {{regime: instant}}, counted: [{{{text}}}]}}")
    assert book.manifest.spec.quality is not None
    return book.manifest.spec.quality.counted[0]


OUTCOMES = {"tp": 340.0, "fp": 580.0, "fn": 160.0, "tn": 98_920.0}


def test_recall_from_outcomes_is_judged_by_the_manifests_baseline_and_tolerance() -> None:
    item = metric("name: frauds-found, figure: recall, outcomes: labelled_total, baseline: 0.68, tolerance: 0.05")
    [found] = figures(item, Sums(OUTCOMES, window_seconds=604_800.0))
    assert (found.name, found.value, found.n, found.window_seconds) == ("frauds-found", 0.68, 500, 604_800)
    assert judge(found, expected(item)).verdict is Verdict.PASS
    [worse] = figures(item, Sums({**OUTCOMES, "tp": 250.0, "fn": 250.0}))
    assert judge(worse, expected(item)).verdict is Verdict.FAIL


def test_outcomes_are_known_by_their_long_names_and_absent_ones_are_zero() -> None:
    found = confusion({"True Positive": 5.0, "false-negative": 3.0})
    assert found is not None
    assert (found.tp, found.fp, found.fn, found.tn) == (5, 0, 3, 0)


def test_an_outcome_of_unknown_meaning_is_not_guessed() -> None:
    assert confusion({**OUTCOMES, "maybe": 40.0}) is None
    assert confusion({}) is None
    [found] = figures(metric("name: r, figure: recall, outcomes: labelled_total"), Sums({"yes": 3.0}))
    assert found.value is None


def test_accuracy_by_class_is_one_figure_for_each() -> None:
    item = metric("name: accuracy, figure: per_class_accuracy, events: right_total, total: labelled_total")
    found = figures(item, Sums(events={"cat": 90.0, "dog": 10.0}, total={"cat": 100.0, "dog": 40.0}))
    assert [(f.name, f.value) for f in found] == [("accuracy cat", 0.9), ("accuracy dog", 0.25)]
    assert [f.value for f in figures(item, Sums())] == [None]


def test_impressions_without_clicks_are_a_rate_of_zero() -> None:
    item = metric("name: ctr, figure: click_through, events: clicks_total, total: shown_total")
    assert figures(item, Sums(total={"": 500.0}))[0].value == 0
    assert figures(item, Sums())[0].value is None


def test_lift_needs_all_four_counters() -> None:
    item = metric("name: lift, figure: lift, events: a, total: b, all_events: c, all_total: d")
    assert figures(item, Sums(events={"": 30.0}, total={"": 100.0}, all_events=100.0, all_total=1000.0))[0].value == \
        pytest.approx(3)
    assert figures(item, Sums(events={"": 30.0}, total={"": 100.0}))[0].value is None


@pytest.mark.parametrize(("figure", "events", "value"), [
    ("mae", 240.0, 2.4), ("bias", -50.0, -0.5), ("rmse", 0.0, 3.0)])
def test_errors_carry_the_unit_of_what_is_predicted(figure: str, events: float, value: float) -> None:
    item = metric(f"name: error, figure: {figure}, events: e, total: n, squared: s, unit: min")
    [found] = figures(item, Sums(events={"": events}, total={"": 100.0}, squared=900.0))
    assert found.value == pytest.approx(value)
    assert found.unit == "min"


@pytest.mark.parametrize(("text", "said"), [
    ("name: r, figure: recall", "cannot be computed without outcomes"),
    ("name: l, figure: lift, events: a, total: b", "without all_events and all_total"),
    ("name: r, figure: recall, outcomes: a, baseline: 0.5", "baseline and tolerance together")])
def test_a_figure_without_its_counters_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(TriageError, match=said):
        metric(text)


def test_a_retrain_trigger_may_name_a_counted_figure_but_no_name_stands_twice() -> None:
    with pytest.raises(TriageError, match="twice"):
        notebook(SUCCESS, more="quality: {feedback: {regime: instant}, metrics: [{name: recall, metric: m}], "
                 "counted: [{name: recall, figure: recall, outcomes: labelled_total}]}")
