"""Drift as plain frozen values: what is watched, what was seen, and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from triage.facts.samples import Sample
from triage.signals.binning import Binned, Smoothing, shares, smoothed
from triage.signals.distances import psi_parts
from triage.signals.drift_verdicts import DriftVerdict, LineKind
from triage.signals.reading import Quality
from triage.signals.references import reference_of

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.notebook.manifest import Drift, DriftFeature, InputField
    from triage.signals.references import Registered


class Kind(StrEnum):
    """Where a feature's score comes from."""

    HISTOGRAM = "histogram"
    CATEGORIES = "categories"
    GAUGE = "gauge"
    """Computed elsewhere."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the manifest says about one feature."""

    name: str
    kind: Kind
    method: str = "psi"
    """A key of ``distances.METHODS``; not used for gauges."""
    warning: float = 0.1
    critical: float = 0.25
    min_samples: int | None = None
    """Events needed at present; None: 200 for ten bins, in proportion to ``bins - 1``."""
    importance: float = 1.0
    is_prediction: bool = False
    low_is_drift: bool = False
    """Of gauges: p-values, where a small one speaks for drift."""
    category_label: str = "category"
    edges: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    """Reference counts, one more than ``edges``."""
    categories: Mapping[str, float] = field(default_factory=dict)
    null_share: float | None = None
    """Share of events without a value in the reference; None: not known, so the present one is shown but not judged."""
    lowest: float | None = None
    """Smallest valid value, None without one."""
    highest: float | None = None
    mean: float | None = None
    """Mean of the reference, None when it was not noted."""
    smoothing: Smoothing = Smoothing.JEFFREYS
    design_effect: float = 1.0
    """Events per independent event: 5 when each comes five times. Divides n and m in every test."""
    window_scores: tuple[float, ...] = ()
    """Scores of reference windows against the rest of the reference; empty when there are none."""
    reference_from: str = ""
    """Where the reference comes from, in words; "" where that is not told."""
    has_reference: bool = True
    """False: there is nothing to compare with, and ``reference_from`` says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the series of one feature said over the detection window."""

    samples: tuple[Sample, ...] = ()
    """Increases by ``le`` (with ``+Inf``) or by category; of gauges the present value, one sample."""
    window_seconds: float = 3600.0
    newest_at: float | None = None
    """Unix seconds of the newest scraped sample; None when that is not known."""
    covered: float | None = None
    """Share of the window's scrapes that exist, 0 to 1; None when it was not asked."""
    resets: float = 0.0
    """Counter resets in the window, over all of its series."""
    series: int = 1
    """Processes that count (each reset loses up to one scrape interval of one of them)."""
    native: bool = False
    """The answer was a native histogram."""
    nulls: float | None = None
    """Events without a value, where a counter of their own exists; None without one."""
    value_sum: float | None = None
    """Sum of the values over the window (``_sum``); NaN as sent; None when it was not asked."""
    trouble: tuple[Quality, str] | None = None
    """What stands in the way of using the answer, from ``counts.trouble``; None when nothing does."""
    pushed_at: float | None = None
    """Of gauges behind a push gateway: ``push_time_seconds``, Unix seconds."""
    changes: float | None = None
    """Of gauges: ``changes()`` over ``changes_window_seconds``; None when it was not asked."""
    changes_window_seconds: float = 0.0


NOTHING = Seen()


@dataclass(frozen=True, slots=True)
class Around:
    """The time at which drift is judged, and how old samples may be."""

    now: float
    """World time in Unix seconds."""
    scrape_interval: float = 15.0
    gauge_stale_after: float = 86400.0
    """Seconds after which a score computed elsewhere is stale: longer than the interval of the job that computes it."""

    @property
    def stale_after(self) -> float:
        """Seconds; older samples do not describe the present (Prometheus itself looks back five minutes)."""
        return max(300.0, 5 * self.scrape_interval)


@dataclass(frozen=True, slots=True)
class Line:
    """One share beside the score."""

    kind: LineKind
    share: float
    """0 to 1, of the present's events; of vanished values the share they had in the reference."""
    low: float
    high: float
    """Wilson interval of ``share``, 95 %."""
    events: float
    n: float
    """Events that ``share`` is of."""
    reference_share: float | None
    p_value: float | None
    """Adjusted for the number of lines; None where there is nothing to compare with."""
    verdict: DriftVerdict | None
    """None: shown, not judged."""
    names: tuple[str, ...]
    """Categories or bins it is about, largest first."""
    sentence: str


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """How one feature stands."""

    feature: str
    kind: Kind
    is_prediction: bool
    method: str
    """Key of ``distances.METHODS``, or ``gauge``."""
    score: float | None
    """In the method's own unit; None when there is none. Finite."""
    p_value: float | None
    """Of no drift; None where no test was made."""
    p_adjusted: float | None
    """After Benjamini-Hochberg over the features tested together."""
    test: str
    """``chi-square`` or ``kolmogorov-smirnov``; "" without one."""
    n_reference: float | None
    n_current: float | None
    """Events in the detection window; None for gauges, whose n nobody exports."""
    n_needed: float | None
    bins: int | None
    """Bins the score is over."""
    window_seconds: float
    warning: float
    critical: float
    """The limits used, after raising them to what reference windows reach by themselves."""
    by_chance: float | None
    """PSI to be expected without any drift at these n and m; None for other methods."""
    distribution: DriftVerdict
    """Of the score alone."""
    verdict: DriftVerdict
    """Of the score and the lines."""
    sentence: str
    lines: tuple[Line, ...]
    binned: Binned | None
    """Both distributions, for the overlay; None when they could not be brought together."""
    smoothing: str
    """How empty bins were treated; "" where the method needs nothing."""
    design_effect: float
    importance: float
    consequence: float
    """Importance times score over its critical limit, for ordering; 0 without a score."""
    sampled_at: float | None
    mean: float | None
    """Of the present values, None when not exported."""
    reference_mean: float | None
    low_is_drift: bool
    notes: tuple[str, ...]
    reference_from: str = ""
    """Where the reference comes from, in words; "" where that is not told, and for gauges."""

    def age_seconds(self, now: float) -> float | None:
        """Age of the newest sample; None when it is not known."""
        return None if self.sampled_at is None else max(0.0, now - self.sampled_at)


@dataclass(frozen=True, slots=True)
class DriftState:
    """All features of a model, and the one verdict there is about them."""

    features: tuple[FeatureDrift, ...]
    """By consequence: prediction first, then the worst."""
    verdict: DriftVerdict
    """The worst; what is not known outranks ``ok``."""
    false_discovery_rate: float
    tested: int
    """Features that the p-values are adjusted for."""

    def feature(self, name: str) -> FeatureDrift | None:
        """The feature of this name, None when it is not watched."""
        return next((f for f in self.features if f.feature == name and not f.is_prediction), None)

    @property
    def prediction(self) -> FeatureDrift | None:
        """The model's output, None when it is not watched."""
        return next((f for f in self.features if f.is_prediction), None)


@dataclass(frozen=True, slots=True)
class BinShare:
    """One bin of the overlay."""

    label: str
    reference: float
    current: float
    """Plain shares, 0 to 1."""
    psi_part: float
    """What the bin adds to the PSI, smoothed as the feature is."""


def bin_shares(feature: FeatureDrift) -> tuple[BinShare, ...]:
    """The two distributions side by side; empty when there is nothing to show."""
    binned = feature.binned
    if binned is None or binned.n_reference <= 0 or binned.n_current <= 0:
        return ()
    how = Smoothing(feature.smoothing or Smoothing.JEFFREYS)
    parts = psi_parts(smoothed(binned.reference, how), smoothed(binned.current, how))
    return tuple(map(BinShare, binned.labels, shares(binned.reference), shares(binned.current), parts))


def watched(drift: Drift, inputs: Sequence[InputField] = (),
            registered: Registered | Failure | None = None) -> tuple[Watched, ...]:
    """Everything that a manifest's ``drift`` block watches, the prediction first.

    ``registered``: the references kept with the version, where the manifest refers to them.
    """
    fields = {f.name: f for f in inputs}
    found = [] if drift.prediction is None else [_watched(drift, drift.prediction, None, registered)]
    return (*found, *(_watched(drift, feature, fields.get(feature.name), registered) for feature in drift.features))


def _watched(drift: Drift, feature: DriftFeature, declared: InputField | None,
             registered: Registered | Failure | None) -> Watched:
    kind = Kind.GAUGE if feature.gauge else Kind.CATEGORIES if feature.categories else Kind.HISTOGRAM
    reference, where = reference_of(feature, registered, is_prediction=feature is drift.prediction)
    nulls = reference.null_share if reference else None
    if nulls is None and declared is not None and declared.required:
        # A request without a required field is invalid, so the reference holds none.
        nulls = 0.0
    return Watched(
        feature.name, kind, feature.method, feature.warning, feature.critical, feature.min_samples,
        feature.importance, feature is drift.prediction, feature.direction == "low-is-drift", feature.category_label,
        tuple(reference.edges or ()) if reference else (), tuple(reference.counts or ()) if reference else (),
        dict(reference.categories or {}) if reference else {}, nulls, declared.min if declared else None,
        declared.max if declared else None, reference.mean if reference else None, Smoothing(feature.smoothing),
        drift.design_effect, tuple(reference.window_scores) if reference else (),
        where, kind is Kind.GAUGE or reference is not None)


def contract(feature: FeatureDrift) -> dict[str, object]:
    """One row of ``drift[]`` in JSON. ``n`` is the present's events, ``n_reference`` the reference's."""
    def rounded(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")

    return {
        "feature": feature.feature, "prediction": feature.is_prediction, "method": feature.method,
        "score": rounded(feature.score), "n": rounded(feature.n_current), "verdict": str(feature.verdict),
        "distribution_verdict": str(feature.distribution), "sentence": feature.sentence,
        "n_reference": rounded(feature.n_reference), "n_needed": rounded(feature.n_needed), "bins": feature.bins,
        "window_seconds": feature.window_seconds, "p_value": rounded(feature.p_value),
        "p_adjusted": rounded(feature.p_adjusted), "test": feature.test, "warning": rounded(feature.warning),
        "critical": rounded(feature.critical), "sampled_at": feature.sampled_at,
        "reference_from": feature.reference_from, "notes": list(feature.notes),
        "lines": [{"kind": str(line.kind), "share": rounded(line.share), "n": rounded(line.n),
                   "reference_share": rounded(line.reference_share),
                   "verdict": None if line.verdict is None else str(line.verdict), "sentence": line.sentence}
                  for line in feature.lines]}
