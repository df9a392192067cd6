"""Quality estimated before labels are in, from the scores alone: confidence-based performance estimation (CBPE).

If a score of 0.8 means that eight of ten are positive, the scores say how many decisions are right. The idea and its
assumptions: NannyML, "How it works: performance estimation".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from triage.signals import wording
from triage.signals.histogram import Buckets
from triage.signals.proportions import ERROR
from triage.signals.tails import normal_z

ASSUMPTIONS = ("the scores are calibrated: of those at 0.8, eight of ten are positive",
               "no concept drift: what a score means has not changed (this method cannot see that)",
               "no inputs from regions that the model never learned")


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimated figure."""

    name: str
    value: float
    low: float
    high: float
    """Where it lies whatever the scores inside their buckets are (of auc: however they are ordered there); not a
    confidence interval."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """Estimated quality of a binary classifier over one window."""

    figures: tuple[Estimate, ...]
    """accuracy, precision, recall, specificity, f1, auc; those without a denominator are left out."""
    n: float
    bins: int
    threshold: float
    sampling_half_width: float
    """Half of the 95 % range that the realised accuracy of ``n`` events would scatter over by chance."""
    method: str
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    sentence: str

    def figure(self, name: str) -> Estimate | None:
        """The figure of this name, None when it cannot be estimated."""
        return next((f for f in self.figures if f.name == name), None)


@dataclass(frozen=True, slots=True)
class NotEstimated:
    """Why nothing can be estimated."""

    reason: str


def estimate(scores: Buckets, threshold: float, *, calibrated: bool | None = None,
             min_events: float = 100.0) -> Estimated | NotEstimated:
    """Expected accuracy, precision, recall and so on of deciding "positive" above ``threshold``.

    ``scores``: cumulative counts by upper bound, scores from 0 to 1. ``threshold`` must be one of the bounds: inside a
    bucket nobody knows who is on which side. ``calibrated``: what the notebook says; None when it says nothing.
    """
    finite = [b for b in scores.bounds if math.isfinite(b)]
    if calibrated is False:
        return NotEstimated("the scores are not calibrated, so they say nothing about how many are right")
    edge = next((b for b in finite if math.isclose(b, threshold, rel_tol=1e-9, abs_tol=1e-12)), None)
    if edge is None:
        below = max((b for b in finite if b < threshold), default=None)
        above = min((b for b in finite if b > threshold), default=None)
        near = " and ".join(f"{b:g}" for b in (below, above) if b is not None) or "none"
        return NotEstimated(f"the decision threshold {threshold:g} is not a bucket (nearest: {near}); add one there")
    n = scores.total
    if n < max(1.0, min_events):
        return NotEstimated(f"{wording.count(n)} of {wording.count(max(1.0, min_events))} scores needed")
    spans, refusal = _spans(scores, n)
    if refusal:
        return NotEstimated(refusal)
    widest = max(high - low for low, high, count in spans if count > 0)
    figures = _figures(spans, edge)
    spread = math.fsum(c * (low + high) * (2 - low - high) / 4 for low, high, c in spans)
    half = normal_z(ERROR) * math.sqrt(spread) / n
    notes = []
    if calibrated is None:
        notes.append("the notebook does not say whether the scores are calibrated")
    if widest > 0.1:
        notes.append(f"the widest bucket with scores spans {widest:g}: the limits are as wide as that makes them")
    accuracy = figures[0]
    sentence = (f"estimated accuracy {wording.percent(accuracy.value)} ({wording.percent(accuracy.low)} to "
                f"{wording.percent(accuracy.high)}), n {wording.count(n)}, {len(spans)} bins; assumes calibrated "
                "scores and no concept drift")
    return Estimated(tuple(figures), n, len(spans), edge, half, "CBPE from bucket midpoints", ASSUMPTIONS,
                     tuple(notes), sentence)


def _spans(scores: Buckets, n: float) -> tuple[list[tuple[float, float, float]], str]:
    """(lower score, upper score, events) of each bucket, and why there are none."""
    spans = []
    before, previous = 0.0, 0.0
    for bound, cumulative in zip(scores.bounds, scores.counts, strict=True):
        count, before = cumulative - before, cumulative
        low, high = min(1.0, max(0.0, previous)), min(1.0, max(0.0, bound))
        if count > 1e-9 * n and (previous >= 1 or bound < 0):
            return [], f"scores {'above 1' if previous >= 1 else 'below 0'} are no probabilities"
        if count > 0:
            spans.append((low, high, count))
        previous = bound
    return spans, ""


def _figures(spans: list[tuple[float, float, float]], edge: float) -> list[Estimate]:
    """Each figure at the midpoints, and at the ends of the buckets that make it lowest and highest."""
    chosen = [span for span in spans if span[0] >= edge - 1e-12]
    others = [span for span in spans if span[0] < edge - 1e-12]
    yes, no = math.fsum(c for *_, c in chosen), math.fsum(c for *_, c in others)
    tp, fn = _positives(chosen), _positives(others)

    def estimated(name: str, function: Callable[[float, float], tuple[float, float]]) -> Estimate | None:
        # Each figure is monotonic in both, so its extremes are at the corners.
        parts = [function(tp[i], fn[j]) for i, j in ((1, 1), (0, 2), (2, 0), (0, 0), (2, 2))]
        if any(whole <= 0 for _, whole in parts):
            return None
        values = [part / whole for part, whole in parts]
        return Estimate(name, values[0], min(values), max(values))

    found = [estimated("accuracy", lambda t, f: (t + no - f, yes + no)),
             estimated("precision", lambda t, f: (t, yes)),
             estimated("recall", lambda t, f: (t, t + f)),
             estimated("specificity", lambda t, f: (no - f, no - f + yes - t)),
             estimated("f1", lambda t, f: (2 * t, yes + t + f))]
    return [f for f in (*found, _auc(spans)) if f is not None]


def _positives(spans: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Expected positives: at the lower ends of the buckets, at midpoints, at the upper ends."""
    lowest = math.fsum(c * low for low, _, c in spans)
    highest = math.fsum(c * high for _, high, c in spans)
    return lowest, (lowest + highest) / 2, highest


def _auc(spans: list[tuple[float, float, float]]) -> Estimate | None:
    """Area under the ROC curve of the expected classes; ties inside a bucket count half, for the limits not or all."""
    wins = ties = below = 0.0
    positives = 0.0
    for low, high, count in sorted(spans):
        s = (low + high) / 2
        wins += count * s * below
        ties += count * s * count * (1 - s)
        below += count * (1 - s)
        positives += count * s
    if positives <= 0 or below <= 0:
        return None
    return Estimate("auc", (wins + ties / 2) / (positives * below), wins / (positives * below),
                    (wins + ties) / (positives * below))
