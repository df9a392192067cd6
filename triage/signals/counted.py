"""The manifest's counted figures from the sums of their counters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from triage.signals.quality import (
    SHARES,
    Confusion,
    Expected,
    Figure,
    click_through,
    from_confusion,
    lift,
    per_class_accuracy,
    regression,
)

if TYPE_CHECKING:
    from triage.notebook.quality import CountedMetric, QualityMetric

_OUTCOMES: Mapping[str, str] = {
    "tp": "tp", "true_positive": "tp", "fp": "fp", "false_positive": "fp", "fn": "fn", "false_negative": "fn",
    "tn": "tn", "true_negative": "tn"}


@dataclass(frozen=True, slots=True)
class Sums:
    """Increases of a counted figure's counters over one window."""

    outcomes: Mapping[str, float] = field(default_factory=dict)
    """By the outcome label."""
    events: Mapping[str, float] = field(default_factory=dict)
    """By class where the figure is by class, else under ""; empty without such a series."""
    total: Mapping[str, float] = field(default_factory=dict)
    all_events: float | None = None
    all_total: float | None = None
    squared: float | None = None
    window_seconds: float | None = None
    sampled_at: float | None = None
    """Unix seconds of the newest sample."""


def confusion(outcomes: Mapping[str, float]) -> Confusion | None:
    """Labelled decisions from counts by outcome; an outcome without a series never happened.

    None without any known outcome, and when an unknown one holds events: what it means would have to be guessed.
    """
    found = dict.fromkeys(("tp", "fp", "fn", "tn"), 0.0)
    known = False
    for name, count in outcomes.items():
        key = _OUTCOMES.get(name.strip().lower().replace("-", "_").replace(" ", "_"))
        if not math.isfinite(count) or (key is None and count > 0):
            return None
        if key is not None:
            found[key] += max(0.0, count)
            known = True
    return Confusion(**found) if known else None


def figures(metric: CountedMetric, sums: Sums) -> tuple[Figure, ...]:
    """The figure by the manifest's name; of ``per_class_accuracy`` one for each class, most events first."""
    if metric.figure == "per_class_accuracy":
        found = per_class_accuracy(sums.events, sums.total) or (_absent("right decisions of the class"),)
        return tuple(_dated(f, f"{metric.name} {f.name.removeprefix('accuracy of ')}".strip(), sums) for f in found)
    events, total = _all(sums.events), _all(sums.total)
    if metric.figure in SHARES:
        counts = confusion(sums.outcomes)
        one = _absent("labelled decisions by outcome") if counts is None else from_confusion(metric.figure, counts)
    elif metric.figure == "click_through":
        # A counter that has not counted anything yet has no series; impressions without clicks are no clicks.
        one = _absent("clicks of impressions") if total is None else click_through(events or 0.0, total)
    elif metric.figure == "lift":
        complete = total is not None and sums.all_events is not None and sums.all_total is not None
        one = lift(events or 0.0, total or 0.0, sums.all_events or 0.0, sums.all_total or 0.0) if complete else \
            replace(_absent("rate of hits among the chosen over that among all"), unit="x")
    else:
        one = regression(metric.figure, total or 0.0, absolute=events if metric.figure == "mae" else None,
                         signed=events if metric.figure == "bias" else None, squared=sums.squared, unit=metric.unit)
    return (_dated(one, metric.name, sums),)


def expected(metric: CountedMetric | QualityMetric) -> Expected:
    """What the manifest expects of a figure."""
    return Expected(getattr(metric, "baseline", None), getattr(metric, "tolerance", None), metric.at_least,
                    metric.at_most, metric.min_labels)


def _all(counts: Mapping[str, float]) -> float | None:
    return math.fsum(counts.values()) if counts else None


def _absent(method: str) -> Figure:
    return Figure("", None, None, None, 0.0, "ratio", True, method)


def _dated(figure: Figure, name: str, sums: Sums) -> Figure:
    return replace(figure, name=name, window_seconds=sums.window_seconds, sampled_at=sums.sampled_at)
