"""The blocks of a manifest about how good the answers are, and whether the world has moved."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from triage.notebook.names import Date, LabelName, Name, refuse_twice
from triage.notebook.slis import SelectorText, Strict
from triage.quantities import Duration, Points, Share, format_duration

MOST_AWAITED = 10_000
"""Cohorts whose labels may be awaited at once: Prometheus answers with 11,000 points of a series at most."""


class Feedback(Strict):
    """How true labels come back."""

    regime: Literal["instant", "delayed", "none"] = Field(description="Whether and when labels arrive.")
    expected_delay: Duration | None = Field(None, description="Time until a prediction's label is usually known.")
    join_key: str | None = Field(None, description="Field that joins predictions and labels.")
    maturity: float = Field(0.95, gt=0, le=1, description="Share of labels that makes a cohort of predictions "
                            "comparable.")
    labels: SelectorText | None = Field(None, description="Counter of labels that arrived, for coverage.")
    predictions: SelectorText | None = Field(None, description="Counter of the predictions that get labels; by default "
                                             "that of the requests.")
    sampled: Share | None = Field(None, description="Share of them that is ever labelled, such as those that reviewers "
                                  "look at; by default all.")
    cohort: Duration | None = Field(None, description="Span of prediction time whose labels are looked at together; by "
                                    "default 1d, for instant feedback 1h.")
    cohort_label: LabelName | None = Field(None, description="Label of labels and outcomes with the UTC day or time of "
                                           "the predictions that they are about: 2026-11-02, 2026-11-02T14:00Z or Unix "
                                           "seconds. By default they are matched by the expected delay.")
    half_life: Duration = Field(28 * 86400.0, validate_default=False, description="Age at which a week counts half in "
                                "the gap between predicted and observed.")

    @model_validator(mode="after")
    def _cohorts_can_be_asked_for(self) -> Feedback:
        if self.cohort is not None and (self.expected_delay or 0.0) / self.cohort > MOST_AWAITED:
            raise ValueError(f"has cohorts so short that more than {MOST_AWAITED:,} of them would wait for labels at "
                             f"once\nPrometheus answers no more: give cohorts of "
                             f"{format_duration(math.ceil((self.expected_delay or 0.0) / MOST_AWAITED))} or longer")
        return self


class Proxy(Strict):
    """A stand-in for quality while labels are missing."""

    name: Name = Field(description="Name.")
    metric: SelectorText = Field(description="Gauge or counter (vector selector).")
    kind: Literal["gauge", "counter"] = Field("gauge", description="How to read it.")
    expected: float | None = Field(None, description="Usual value, in the metric's unit.")
    tolerance: Points | None = Field(None, description="Deviation from it that is still usual.")


class QualityMetric(Strict):
    """A quality figure computed elsewhere, or from counters of labelled predictions."""

    name: Name = Field(description="Name, such as precision.")
    metric: SelectorText = Field(description="Gauge with the figure (vector selector).")
    at_least: float | None = Field(None, description="Lowest acceptable value.")
    at_most: float | None = Field(None, description="Highest acceptable value.")
    min_labels: int = Field(100, ge=1, description="Labels needed before it is judged; where feedback.labels counts "
                            "none, a figure with min_labels is never judged, and one without by its limit alone.")


class CountedMetric(Strict):
    """A quality figure computed here, from counters of labelled predictions."""

    name: Name = Field(description="Name, such as precision.")
    figure: Literal["precision", "recall", "specificity", "false_positive_rate", "accuracy", "f1", "per_class_accuracy",
                    "click_through", "lift", "mae", "rmse", "bias"] = Field(description="What is computed.")
    outcomes: SelectorText | None = Field(None, description="Counter of labelled decisions by outcome: tp, fp, fn, tn.")
    outcome_label: LabelName = Field("outcome", description="Label with the outcome.")
    events: SelectorText | None = Field(None, description="Counter of what is asked about: right decisions, clicks, "
                                        "hits among the chosen; for mae summed absolute errors; for bias a gauge "
                                        "of summed signed errors (it may fall).")
    total: SelectorText | None = Field(None, description="Counter of what they are of: labelled decisions, "
                                       "impressions, the chosen; for errors the labelled predictions.")
    all_events: SelectorText | None = Field(None, description="For lift: counter of hits among everyone.")
    all_total: SelectorText | None = Field(None, description="For lift: counter of everyone.")
    squared: SelectorText | None = Field(None, description="For errors: counter of summed squared errors; rmse needs "
                                         "it, the others take their interval from it.")
    class_label: LabelName = Field("class", description="For per_class_accuracy: label with the true class.")
    unit: str = Field("", description="For errors: unit of what is predicted.")
    baseline: float | None = Field(None, description="Usual value, in the figure's own unit (shares from 0 to 1).")
    tolerance: float | None = Field(None, ge=0, description="Deviation from the baseline that is still usual, in the "
                                    "same unit.")
    at_least: float | None = Field(None, description="Lowest acceptable value.")
    at_most: float | None = Field(None, description="Highest acceptable value.")
    min_labels: int = Field(100, ge=1, description="Labels needed before it is judged.")

    @model_validator(mode="after")
    def _counters_fit(self) -> CountedMetric:
        needed = {"per_class_accuracy": ("events", "total"), "click_through": ("events", "total"),
                  "lift": ("events", "total", "all_events", "all_total"), "mae": ("events", "total"),
                  "bias": ("events", "total"), "rmse": ("squared", "total")}.get(self.figure, ("outcomes",))
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"cannot be computed without {' and '.join(missing)}\n{self.figure} needs "
                             f"{', '.join(needed)}")
        if (self.baseline is None) != (self.tolerance is None):
            raise ValueError("needs baseline and tolerance together\nor at_least, at_most")
        return self


class Slice(Strict):
    """Subgroups whose quality is compared."""

    name: LabelName = Field(description="Label with the subgroup.")
    values: list[str] = Field(min_length=2, description="Subgroups; the first is the reference.")
    max_difference: Points | None = Field(None, description="Largest acceptable difference between subgroups.")
    fairness: list[Literal["demographic_parity", "equal_opportunity", "equalized_odds", "error_rate"]] = Field(
        ["error_rate"], description="What is compared (definitions as in fairlearn).")
    outcomes: SelectorText | None = Field(None, description="Counter of labelled decisions by subgroup and outcome "
                                          "(tp, fp, fn, tn); by default that of the first counted metric with one.")
    outcome_label: LabelName = Field("outcome", description="Label with the outcome.")
    decisions: SelectorText | None = Field(None, description="Counter of decisions by subgroup, labelled or not, for "
                                           "demographic parity; by default the labelled ones.")
    decision_label: LabelName = Field("decision", description="Label with the decision.")
    positive: list[str] = Field([], description="Decisions that count as positive, such as approve.")

    @model_validator(mode="after")
    def _positive_is_said(self) -> Slice:
        if self.decisions is not None and not self.positive:
            raise ValueError("counts decisions, but does not say which are positive\ngive positive, such as [approve]")
        return self


class Quality(Strict):
    """How good the answers are, as far as it can be known."""

    feedback: Feedback = Field(description="How true labels come back.")
    proxies: list[Proxy] = Field([], description="Stand-ins until labels are in.")
    metrics: list[QualityMetric] = Field([], description="Figures from labels.")
    counted: list[CountedMetric] = Field([], description="Figures computed from counters of labelled predictions.")
    calibrated: bool | None = Field(None, description="Whether scores are probabilities: of those at 0.8, eight of ten "
                                    "are positive. Quality is estimated before labels are in unless false.")
    decision_threshold: float | None = Field(None, gt=0, lt=1, description="Score above which the decision is "
                                             "positive; an edge of the prediction's histogram.")
    slices: list[Slice] = Field([], description="Subgroups to compare.")

    @model_validator(mode="after")
    def _names_unique(self) -> Quality:
        refuse_twice("proxy or metric", (*(p.name for p in self.proxies), *(m.name for m in self.metrics),
                                         *(c.name for c in self.counted)))
        refuse_twice("slice", (s.name for s in self.slices))
        return self


class Reference(Strict):
    """Distribution that the present one is compared with."""

    edges: list[float] | None = Field(None, description="Upper bucket bounds, ascending, without +Inf.")
    counts: list[float] | None = Field(None, description="Events per bucket, one more than edges (the last is above "
                                       "all).")
    categories: dict[str, float] | None = Field(None, description="Events per category.")
    null_share: float | None = Field(None, ge=0, le=1, description="Share of rows without a value, from 0 to 1; by "
                                     "default 0 for required inputs, else not known.")
    registered: bool = Field(False, description="Whether the distribution is the one registered with the version "
                             "(references.yaml); what stands here is used until the registry has answered.")
    mean: float | None = Field(None, description="Mean of the values.")
    window_scores: list[float] = Field([], description="Scores of six and more reference windows against the rest of "
                                       "the reference; limits rise to their mean plus three standard deviations.")
    data: str | None = Field(None, description="Data reference (by name) the counts were taken from.")
    at: Date | None = Field(None, description="When they were taken.")

    @model_validator(mode="after")
    def _counts_fit(self) -> Reference:
        if (self.edges is None) != (self.counts is None):
            raise ValueError("needs edges and counts together\ncounts has one number more than edges")
        if self.edges is not None and self.counts is not None:
            if len(self.counts) != len(self.edges) + 1:
                raise ValueError(f"has {len(self.counts)} counts for {len(self.edges)} edges\ncounts has one number "
                                 "more than edges")
            if any(b <= a for a, b in zip(self.edges, self.edges[1:], strict=False)):
                raise ValueError("has edges that do not ascend\nsort them and remove equal ones")
        events = [*(self.counts or ()), *(self.categories or {}).values()]
        if any(count < 0 for count in events) or (events and not sum(events)):
            raise ValueError("has counts under zero, or none at all\ncounts are numbers of events")
        return self


class PredictedClasses(Strict):
    """What the model answers, counted by class."""

    counter: SelectorText = Field(description="Counter of predictions by predicted class.")
    label: LabelName = Field("class", description="Label with the class.")
    values: list[str] = Field(min_length=2, max_length=20, description="Classes whose shares are compared.")


class DriftFeature(Strict):
    """One feature watched for drift."""

    name: str = Field(description="Feature name; value of the feature label.")
    histogram: SelectorText | None = Field(None, description="Histogram of its values (without _bucket).")
    categories: SelectorText | None = Field(None, description="Counter per category.")
    category_label: LabelName = Field("category", description="Label with the category.")
    gauge: SelectorText | None = Field(None, description="Drift score computed elsewhere.")
    direction: Literal["high-is-drift", "low-is-drift"] = Field("high-is-drift", description="Reading of a score "
                                                                "computed elsewhere; p-values are low-is-drift.")
    method: Literal["psi", "js", "kl", "hellinger", "tv", "ks"] = Field("psi", description="Divergence.")
    warning: float = Field(0.1, ge=0, description="Score from which it is watched.")
    critical: float = Field(0.25, ge=0, description="Score from which it is drift.")
    smoothing: Literal["jeffreys", "laplace", "evidently"] = Field("jeffreys", description="What fills empty bins for "
                                                                   "psi and kl: half an event, one event, or "
                                                                   "Evidently's constant.")
    nulls: SelectorText | None = Field(None, description="Counter of events without a value.")
    min_samples: int | None = Field(None, ge=1, description="Events needed; by default from the number of buckets.")
    importance: float = Field(1.0, ge=0, description="Weight for ordering.")
    reference: Reference | None = Field(None, description="What it is compared with.")

    @model_validator(mode="after")
    def _one_source(self) -> DriftFeature:
        if sum(x is not None for x in (self.histogram, self.categories, self.gauge)) != 1:
            raise ValueError("needs exactly one of histogram, categories and gauge")
        if self.gauge is None and self.reference is None:
            raise ValueError("has no reference to compare with\ngive edges and counts, or categories")
        reference = self.reference
        if reference is not None and reference.registered and self.gauge is not None:
            raise ValueError("has a score computed elsewhere, and a registered reference\ndrop the reference")
        awaited = reference is not None and reference.registered and not (reference.edges or reference.categories)
        if reference is not None and not awaited:
            if self.histogram is not None and reference.edges is None:
                raise ValueError("has a histogram, but a reference without edges\ngive edges and counts")
            if self.categories is not None and reference.categories is None:
                raise ValueError("has categories, but a reference without them\ngive categories with their counts")
        if self.direction == "high-is-drift" and self.critical < self.warning:
            raise ValueError("has a critical score below its warning score")
        if self.direction == "low-is-drift" and self.critical > self.warning:
            raise ValueError("has a critical p-value above its warning one\nlow-is-drift reads p-values: give warning, "
                             "such as 0.05, and a lower critical, such as 0.01")
        return self


class Drift(Strict):
    """Whether the world has moved."""

    window: Duration = Field(3600.0, validate_default=False, description="Detection window.")
    feature_label: LabelName = Field("feature", description="Label with the feature name.")
    features: list[DriftFeature] = Field([], description="Features.")
    prediction: DriftFeature | None = Field(None, description="The model's output.")
    design_effect: float = Field(1.0, ge=1, description="Events that stand for one independent event, such as 5 when "
                                 "each customer sends five.")
    false_discovery_rate: float = Field(0.01, gt=0, lt=1, description="Benjamini-Hochberg level across the features.")

    @model_validator(mode="after")
    def _names_unique(self) -> Drift:
        refuse_twice("feature", (f.name for f in self.features))
        return self
