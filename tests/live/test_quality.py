"""Quality is read from the manifest's figures, counters and subgroups, by version, in the same request as drift."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from tests.signals.building import SUCCESS, notebook
from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.lab.promql.engine import Engine
from triage.lab.promql.results import Vector
from triage.lab.promql.store import Store
from triage.live.drift import DRIFT
from triage.live.quality import (
    COUNTED,
    FIGURE,
    LABELS,
    PROXY,
    SLICED,
    WINDOW,
    estimates,
    quality_questions,
    quality_reading,
)
from triage.signals.estimated import Estimated
from triage.signals.model import Versions, VersionState
from triage.signals.quality_reading import QualityReading
from triage.signals.quality_reasons import quality_reasons
from triage.signals.reading import Quality, Reading, Urgency, Verdict

NOW = 1_795_400_100.0
FIGURES = ("quality: {feedback: {regime: delayed, expected_delay: 14d, labels: labels_total}, "
           "metrics: [{name: recall, metric: recall, at_least: 0.6, min_labels: 500}]}")
SLICES = ("quality: {feedback: {regime: instant, labels: labels_total}, "
          "metrics: [{name: helpful, metric: helpful, at_least: 0.75, min_labels: 200}], "
          "slices: [{name: language, values: [en, de, pl], max_difference: 10pt}]}")
COUNTERS = ("quality: {feedback: {regime: instant}, counted: [{name: recall, figure: recall, "
            "outcomes: labelled_total, baseline: 0.7, tolerance: 0.05}], "
            "slices: [{name: region, values: [DE, FR], max_difference: 5pt, fairness: [equal_opportunity]}]}")
PROXIES = ("quality: {feedback: {regime: none}, "
           "proxies: [{name: rejected, metric: rejected_ratio, expected: 0.018, tolerance: 0.006}]}")


def samples(*found: tuple[Mapping[str, str], float]) -> list[Sample]:
    return [Sample(labels, value, NOW) for labels, value in found]


def of(version: str, **labels: str) -> dict[str, str]:
    return {"model_version": version, **labels}


def read(more: str, found: Mapping[Question, list[Sample]]) -> QualityReading:
    reading = quality_reading(notebook(SUCCESS, more=more), found, (), NOW, 180.0)
    assert reading is not None
    return reading


def exported(value: float, labels: float, version: str = "7") -> dict[Question, list[Sample]]:
    return {Question(FIGURE, 0, Part.LEVEL): samples((of(version), value)),
            Question(FIGURE, 0, Part.SERIES): samples((of(version), 1.0)),
            Question(LABELS, 0, Part.TOTAL, WINDOW): samples((of(version), labels))}


def test_nothing_is_asked_where_the_manifest_says_nothing() -> None:
    book = notebook(SUCCESS)
    assert quality_questions(book) == ()
    assert quality_reading(book, {}, (), NOW, 180.0) is None


def test_figures_labels_and_subgroups_are_asked_by_version() -> None:
    asked = {(q.objective, q.part): text for q, text in quality_questions(notebook(SUCCESS, more=SLICES))}
    assert asked[LABELS, Part.TOTAL] == 'sum by (model_version) (increase(labels_total{model="m"}[1w]))'.replace(
        "1w", "7d")
    assert asked[f"{SLICED} 0", Part.LEVEL] == (
        'avg by (model_version, language) (helpful{model="m",language=~"en|de|pl"})')


@pytest.mark.parametrize(("value", "labels", "verdict"), [
    (0.68, 600.0, Verdict.PASS), (0.55, 600.0, Verdict.FAIL), (0.55, 100.0, Verdict.UNKNOWN)])
def test_a_figure_is_judged_on_the_labels_of_its_version(value: float, labels: float, verdict: Verdict) -> None:
    [figure] = read(FIGURES, exported(value, labels)).figures
    assert (figure.version, figure.judged.verdict, figure.judged.figure.n) == ("7", verdict, labels)


def test_a_figure_that_nobody_exports_yet_is_awaited_where_labels_come_late() -> None:
    [figure] = read(FIGURES, {}).figures
    assert (figure.judged.verdict, figure.judged.quality) == (Verdict.PENDING, Quality.PENDING)
    [figure] = read(SLICES, {}).figures
    assert figure.judged.verdict is Verdict.UNKNOWN


def test_a_mean_of_several_series_says_so() -> None:
    found = exported(0.68, 600.0) | {Question(FIGURE, 0, Part.SERIES): samples((of("7"), 4.0))}
    assert "mean of 4 series" in read(FIGURES, found).figures[0].judged.sentence


UNCOUNTED = ("quality: {feedback: {regime: delayed, expected_delay: 14d}, "
             "metrics: [{name: recall, metric: recall, at_least: 0.6}]}")
DAY = 86400.0


def test_an_n_that_nobody_counts_is_not_known_and_never_the_number_that_is_needed() -> None:
    asked_for = UNCOUNTED.replace("at_least: 0.6", "at_least: 0.6, min_labels: 5000")
    found = {Question(FIGURE, 0, Part.LEVEL): samples((of("7"), 0.9))}
    [figure] = read(asked_for, found).figures
    assert (figure.judged.figure.n, figure.judged.verdict) == (None, Verdict.UNKNOWN)
    assert figure.judged.sentence == ("recall 0.900, n not known: 5000 labels needed; nobody counts its labels "
                                      "(quality.feedback.labels)")
    [figure] = read(UNCOUNTED, found).figures
    assert (figure.judged.figure.n, figure.judged.verdict) == (None, Verdict.PASS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 7.0, -0.1])
def test_a_figure_that_cannot_be_right_is_unknown_and_neither_awaited_nor_fine(value: float) -> None:
    found = {Question(FIGURE, 0, Part.LEVEL): samples((of("7"), value), (of("8"), 0.9))}
    figures = read(UNCOUNTED, found).figures
    assert [(f.version, f.judged.verdict, f.judged.quality) for f in figures] == [
        ("7", Verdict.UNKNOWN, Quality.SUSPECT), ("8", Verdict.PASS, Quality.OK)]


def test_a_figure_in_percent_is_no_share_above_one() -> None:
    percent = UNCOUNTED.replace("0.6", "60")
    found = {Question(FIGURE, 0, Part.LEVEL): samples((of("7"), 71.0), (of("8"), 101.0))}
    assert [f.judged.verdict for f in read(percent, found).figures] == [Verdict.PASS, Verdict.UNKNOWN]


@pytest.mark.parametrize(("part", "age", "words"), [
    (Part.SAMPLED_AT, 301.0, "newest sample is 5 m 01 s old"),
    (Part.PUSHED_AT, 9 * DAY, "pushed 9 d ago, and not since")])
def test_a_figure_that_was_pushed_long_ago_says_nothing_of_the_present(part: Part, age: float, words: str) -> None:
    found = exported(0.68, 600.0) | {Question(FIGURE, 0, part): samples((of("7"), NOW - age))}
    [figure] = read(FIGURES, found).figures
    assert (figure.judged.quality, figure.judged.verdict) == (Quality.STALE, Verdict.UNKNOWN)
    assert (figure.judged.figure.value, figure.judged.figure.sampled_at) == (0.68, NOW - age)
    assert words in figure.judged.sentence
    young = found | {Question(FIGURE, 0, part): samples((of("7"), NOW - 200))}
    assert read(FIGURES, young).figures[0].judged.verdict is Verdict.PASS


def test_the_oldest_push_counts_although_what_was_pushed_is_scraped_and_though_it_is_no_number() -> None:
    store = Store()
    for name, value, labels in (
            ("recall", 0.9, {"model_version": "7", "job": "weekly"}),
            ("push_time_seconds", NOW - DAY, {"job": "weekly"}),
            ("recall", math.nan, {"model_version": "7", "job": "gone"}),
            ("push_time_seconds", NOW - 9 * DAY, {"job": "gone"}), ("push_time_seconds", NOW, {"job": "another"}),
            ("recall", 0.9, {"model_version": "8", "job": "scraped"})):
        store.append({"__name__": name, "model": "m", "instance": "", **labels}, np.array([round(NOW * 1000)]),
                     np.array([value]))
    found = {}
    for question, expression in quality_questions(notebook(SUCCESS, more=UNCOUNTED)):
        vector = Engine(store).instant(expression, NOW).value
        assert isinstance(vector, Vector)
        found[question] = [Sample(labels, value, NOW) for labels, value in vector.samples]
    assert {s.labels["model_version"]: s.value for s in found[Question(FIGURE, 0, Part.PUSHED_AT)]} == {
        "7": NOW - 9 * DAY}
    old, scraped = read(UNCOUNTED, found).figures
    assert (old.judged.quality, scraped.judged.verdict) == (Quality.SUSPECT, Verdict.PASS)
    assert scraped.judged.figure.sampled_at == NOW


def test_the_age_of_figures_and_stand_ins_is_asked_for() -> None:
    for more, name in ((FIGURES, FIGURE), (PROXIES, PROXY)):
        asked = {q.part: text for q, text in quality_questions(notebook(SUCCESS, more=more)) if q.objective == name}
        assert asked[Part.SAMPLED_AT].startswith("max by (model_version) (timestamp(")
        assert "push_time_seconds" in asked[Part.PUSHED_AT]


@pytest.mark.parametrize(("value", "age"), [(math.nan, 0.0), (0.018, 9 * DAY)])
def test_a_stand_in_that_is_no_number_or_old_is_not_usual(value: float, age: float) -> None:
    [figure] = read(PROXIES, {Question(PROXY, 0, Part.LEVEL): samples((of("7"), value)),
                              Question(PROXY, 0, Part.PUSHED_AT): samples((of("7"), NOW - age))}).figures
    assert figure.judged.verdict is Verdict.UNKNOWN


def test_a_counter_that_is_no_number_is_not_taken_for_one_without_events() -> None:
    broken = [s for s in outcomes(0.0, 300.0) if s.labels["outcome"] != "tp"]
    broken += samples((of("7", outcome="tp"), math.nan))
    [figure] = read(COUNTERS, {Question(COUNTED, 0, Part.GROUPS, WINDOW): broken}).figures
    assert (figure.judged.quality, figure.judged.verdict) == (Quality.SUSPECT, Verdict.UNKNOWN)


def test_a_subgroup_with_a_counter_that_is_no_number_is_named_and_not_compared() -> None:
    counts = [*outcomes(900.0, 100.0, region="DE"), *outcomes(600.0, 400.0, region="FR")]
    counts = [s._replace(value=math.nan) if s.labels["region"] == "FR" and s.labels["outcome"] == "tp" else s
              for s in counts]
    [slice_] = read(COUNTERS, {Question(f"{SLICED} 0", 0, Part.GROUPS, WINDOW): counts}).slices
    assert slice_.disparity.verdict is Verdict.UNKNOWN
    assert "FR" in slice_.disparity.sentence


def test_subgroups_of_a_figure_pushed_long_ago_are_not_compared_as_of_the_present() -> None:
    found = by_language(en=0.82, de=0.81, pl=0.80) | {
        Question(FIGURE, 0, Part.LEVEL): samples((of("7"), 0.81)),
        Question(FIGURE, 0, Part.PUSHED_AT): samples((of("7"), NOW - 9 * DAY))}
    [slice_] = read(SLICES, found).slices
    assert (slice_.disparity.quality, slice_.disparity.verdict) == (Quality.STALE, Verdict.UNKNOWN)
    assert "pushed 9 d ago" in slice_.disparity.sentence


def test_subgroups_without_any_number_are_not_left_out() -> None:
    [slice_] = read(SLICES, by_language(en=math.nan, de=math.nan, pl=math.nan)).slices
    assert slice_.disparity.verdict is Verdict.UNKNOWN


def test_a_stand_in_beyond_its_usual_range_warns_and_never_fails() -> None:
    def verdict(value: float) -> Verdict:
        [figure] = read(PROXIES, {Question(PROXY, 0, Part.LEVEL): samples((of("7"), value))}).figures
        assert figure.is_proxy
        return figure.judged.verdict

    assert (verdict(0.02), verdict(0.2)) == (Verdict.PASS, Verdict.WARN)


def test_figures_and_stand_ins_that_nothing_exports_are_not_left_out() -> None:
    [proxy] = read(PROXIES, {}).figures
    assert (proxy.is_proxy, proxy.judged.quality, proxy.judged.sentence) == (
        True, Quality.NO_DATA, "rejected: no such series")
    [counted] = read(COUNTERS, {}).figures
    assert (counted.judged.verdict, counted.judged.sentence) == (
        Verdict.UNKNOWN, "recall: no labelled events to compute it from")
    [awaited] = read(COUNTERS.replace("instant", "delayed, expected_delay: 14d"), {}).figures
    assert (awaited.judged.verdict, awaited.judged.sentence) == (Verdict.PENDING, "recall: labels are awaited")


def outcomes(tp: float, fn: float, **labels: str) -> list[Sample]:
    return samples(*((of("7", outcome=name, **labels), count)
                     for name, count in (("tp", tp), ("fn", fn), ("fp", 100.0), ("tn", 9000.0))))


@pytest.mark.parametrize(("tp", "fn", "verdict"), [
    (700.0, 300.0, Verdict.PASS), (500.0, 500.0, Verdict.FAIL), (900.0, 100.0, Verdict.WARN)])
def test_counted_decisions_are_judged_by_baseline_and_tolerance(tp: float, fn: float, verdict: Verdict) -> None:
    [figure] = read(COUNTERS, {Question(COUNTED, 0, Part.GROUPS, WINDOW): outcomes(tp, fn)}).figures
    assert (figure.judged.figure.name, figure.judged.verdict) == ("recall", verdict)
    assert figure.judged.figure.value == pytest.approx(tp / (tp + fn))


def test_subgroups_are_compared_on_counted_decisions_with_an_interval() -> None:
    counts = [*outcomes(900.0, 100.0, region="DE"), *outcomes(600.0, 400.0, region="FR")]
    [slice_] = read(COUNTERS, {Question(f"{SLICED} 0", 0, Part.GROUPS, WINDOW): counts}).slices
    assert slice_.disparity.verdict is Verdict.FAIL
    assert slice_.disparity.difference == pytest.approx(0.3)
    assert slice_.disparity.low is not None
    assert slice_.disparity.limit == pytest.approx(0.05)


def by_language(**values: float) -> dict[Question, list[Sample]]:
    return {Question(f"{SLICED} 0", 0, Part.LEVEL): samples(*((of("7", language=k), v) for k, v in values.items()))}


def test_one_bad_subgroup_is_named_where_only_a_figure_is_exported() -> None:
    [slice_] = read(SLICES, by_language(en=0.82, de=0.81, pl=0.47)).slices
    assert slice_.disparity.verdict is Verdict.FAIL
    assert "47.00 % in pl" in slice_.disparity.sentence
    assert "n by subgroup is not exported" in slice_.disparity.sentence


def test_a_subgroup_that_is_missing_is_never_called_fine() -> None:
    [slice_] = read(SLICES, by_language(en=0.82, de=0.81)).slices
    assert slice_.disparity.verdict is Verdict.UNKNOWN
    assert slice_.disparity.sentence.startswith("no values of pl")


def test_equal_subgroups_pass() -> None:
    [slice_] = read(SLICES, by_language(en=0.82, de=0.81, pl=0.80)).slices
    assert slice_.disparity.verdict is Verdict.PASS


def versions(*names: str) -> Versions:
    share = Reading(0.5, "ratio", Quality.OK)
    return Versions("traffic", tuple(VersionState(name, "stable", share, None, None) for name in names))


def test_a_figure_beyond_its_limit_warns_and_opens_a_ticket() -> None:
    [reason] = quality_reasons(read(FIGURES, exported(0.55, 600.0)), versions("7"), NOW)
    assert (reason.verdict, reason.urgency, reason.subject) == (Verdict.WARN, Urgency.TICKET, "recall")
    assert reason.text.startswith("7: recall 0.550")


def test_versions_that_have_gone_are_no_reason() -> None:
    assert not list(quality_reasons(read(FIGURES, exported(0.55, 600.0, "6")), versions("7"), NOW))


def test_what_is_too_old_is_no_reason() -> None:
    assert not list(quality_reasons(read(FIGURES, exported(0.55, 600.0)), versions("7"), NOW + 181))
    assert not list(quality_reasons(None, versions("7"), NOW))


OWN = ("quality: {feedback: {regime: delayed, expected_delay: 14d}, slices: [{name: age, values: [old, young], "
       "max_difference: 5pt, fairness: [demographic_parity, equal_opportunity], outcomes: labelled_total, "
       "decisions: decided_total, decision_label: what, positive: [yes, maybe]}]}")
ESTIMATED = ("quality: {feedback: {regime: none}, calibrated: true, decision_threshold: 0.5}\n"
             "drift: {prediction: {name: score, histogram: score, "
             "reference: {edges: [0.25, 0.5, 1], counts: [1, 1, 1, 0]}}}")


def test_a_slice_asks_its_own_counters_of_labelled_decisions_and_of_all() -> None:
    asked = {q.part: text for q, text in quality_questions(notebook(SUCCESS, more=OWN))}
    assert asked[Part.GROUPS].startswith('sum by (model_version, age, outcome) (increase(labelled_total{model="m",')
    assert asked[Part.CATEGORIES].startswith('sum by (model_version, age, what) (increase(decided_total{model="m",')


def test_parity_is_of_all_decisions_while_rates_that_need_labels_are_awaited() -> None:
    counts = samples(*((of("7", age=group, what=what), count) for group, yes in (("old", 600.0), ("young", 900.0))
                       for what, count in (("yes", yes - 50), ("maybe", 50.0), ("no", 1500.0 - yes))))
    found = {s.disparity.definition: s.disparity
             for s in read(OWN, {Question(f"{SLICED} 0", 0, Part.CATEGORIES, WINDOW): counts}).slices}
    assert found["demographic_parity"].verdict is Verdict.FAIL
    assert found["demographic_parity"].difference == pytest.approx(0.2)
    assert (found["equal_opportunity"].verdict, found["equal_opportunity"].sentence) == (
        Verdict.PENDING, "labels are awaited")


def test_subgroups_that_nobody_counts_are_shown_as_awaited_and_not_left_out() -> None:
    assert [(s.version, s.disparity.verdict) for s in read(OWN, {}).slices] == [("", Verdict.PENDING)] * 2


def test_quality_is_estimated_from_the_scores_that_drift_asks_for() -> None:
    book = notebook(SUCCESS, more=ESTIMATED)
    counts = samples(*((of("7", le=le), count) for le, count in (
        ("0.25", 800.0), ("0.5", 800.0), ("1", 1000.0), ("+Inf", 1000.0))))
    [found] = estimates(book, {Question(DRIFT, 0, Part.BUCKETS, 3600.0): counts})
    assert found.version == "7"
    assert isinstance(found.estimated, Estimated)
    accuracy = found.estimated.figure("accuracy")
    assert accuracy is not None
    assert accuracy.value == pytest.approx(0.8 * 0.875 + 0.2 * 0.75)


@pytest.mark.parametrize("more", [FIGURES, ESTIMATED.replace(", decision_threshold: 0.5", ""),
                                  ESTIMATED.partition("\n")[0]])
def test_nothing_is_estimated_where_the_manifest_does_not_say_how(more: str) -> None:
    assert estimates(notebook(SUCCESS, more=more), {}) == ()
