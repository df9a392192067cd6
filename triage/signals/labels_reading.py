"""``LabelHistory``: predictions against the labels that came for them, by cohort of prediction time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from triage.signals import wording
from triage.signals.cohorts import (
    Cohort,
    Coverage,
    Gap,
    Maturity,
    Realised,
    Waiting,
    cohorts_by_delay,
    coverage,
    maturity,
    realised,
    weekly_gap,
)
from triage.signals.quality import Confusion, Figure, from_confusion

FIGURES = ("precision", "recall")
"""Shown by cohort where the notebook names no figure of a confusion matrix."""
MOST_LABELS = 1.1
"""Labels for each prediction from which they cannot be its own: scattered delays move a few across cohorts."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Increases by cohort: each maps the start of a span of time (Unix seconds, on one grid) to what came in it."""

    predictions: Mapping[float, float]
    labels: Mapping[float, float]
    outcomes: Mapping[float, Confusion]
    """Labelled decisions; empty where they are not counted. Both by the time that labels *came*, unless
    :attr:`Promised.cohort_label` tells them by that of their predictions."""
    mean_score: Mapping[float, float]
    """Mean score of the predictions; empty where scores have no sum."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What the notebook says about labels."""

    cohort_seconds: float
    waiting: Waiting
    sampled: float = 1.0
    """Share of the predictions that is ever labelled."""
    calibrated: bool = False
    """Whether scores are probabilities, so that their sum is what is expected to come true."""
    half_life_weeks: float = 4.0
    figures: tuple[str, ...] = FIGURES
    """Names of ``quality.SHARES``."""
    cohort_label: str = ""
    """Label by which labels are told by cohort; "": they are known by when they came."""


@dataclass(frozen=True, slots=True)
class CohortState:
    """One cohort and where it stands."""

    cohort: Cohort
    maturity: Maturity
    figure: Figure | None
    """The first of the notebook's figures; None where its labels are not mature, or not counted by outcome."""


@dataclass(frozen=True, slots=True)
class LabelHistory:
    """Everything that is known of labels by prediction time."""

    states: tuple[CohortState, ...]
    """Oldest first; those without predictions are left out."""
    cohort_seconds: float
    waiting: Waiting
    coverage: Coverage
    figures: tuple[Realised, ...]
    """Each figure over the mature cohorts; () where decisions are not counted by outcome."""
    gap: Gap | None
    """Predicted against observed by week; None where there is nothing to compare."""
    predicted_by: str
    """What "predicted" is in the gap, in words; "" without a gap."""
    notes: tuple[str, ...]
    """How labels were matched to predictions, and what stands in the way."""


def label_history(counted: Counted, promised: Promised, now: float) -> LabelHistory:
    """Cohorts from plain counters. Labels are of the predictions that their label names; without one they are taken to
    be those of the predictions of one delay before them."""
    step, waiting = promised.cohort_seconds, promised.waiting
    delay = 0.0 if promised.cohort_label else waiting.expected_delay_seconds
    shift = round(delay / step) * step
    expected = {start: count * promised.sampled for start, count in counted.predictions.items()}
    every = [_filled(cohort, counted, promised, shift) for cohort in
             cohorts_by_delay(expected, counted.labels, step, delay)
             if cohort.predictions > 0]
    cohorts = [cohort for cohort in every if cohort.labels <= MOST_LABELS * cohort.predictions + 3]
    first = promised.figures[0] if promised.figures else ""
    states = tuple(_state(cohort, waiting, first, now) for cohort in cohorts)
    comparable = any(cohort.predicted is not None for cohort in cohorts)
    return LabelHistory(
        states, step, waiting, coverage(cohorts, waiting, now),
        tuple(realised(name, cohorts, waiting, now) for name in promised.figures) if counted.outcomes else (),
        weekly_gap(cohorts, waiting, now, promised.half_life_weeks) if comparable else None,
        "" if not comparable else "mean score" if promised.calibrated else "positive decisions",
        tuple(_notes(counted, cohorts, promised, now, len(every) - len(cohorts))))


def _filled(cohort: Cohort, counted: Counted, promised: Promised, shift: float) -> Cohort:
    counts = counted.outcomes.get(cohort.start + shift)
    mean = counted.mean_score.get(cohort.start)
    predicted = None
    if promised.calibrated:
        # Which of the cohort's predictions were labelled is not known: the mean of all stands for theirs.
        predicted = None if mean is None or not math.isfinite(mean) else mean * cohort.labels
    elif counts is not None:
        predicted = counts.tp + counts.fp
    return replace(cohort, counts=counts, predicted=predicted)


def _state(cohort: Cohort, waiting: Waiting, figure: str, now: float) -> CohortState:
    stands = maturity(cohort, waiting, now)
    counted = figure and stands is Maturity.MATURE and cohort.counts is not None
    return CohortState(cohort, stands, from_confusion(figure, cohort.counts, cohort.end - cohort.start, cohort.end)
                       if counted and cohort.counts is not None else None)


def _notes(counted: Counted, cohorts: Sequence[Cohort], promised: Promised, now: float, left_out: int) -> list[str]:
    delay = promised.waiting.expected_delay_seconds
    out = []
    if left_out:
        out.append(f"{left_out} cohort{'s' if left_out > 1 else ''} left out, with more labels than predictions: the "
                   "server does not hold all of their predictions, or quality.feedback.predictions counts too few")
    if promised.cohort_label:
        out.append(f"labels are told by the time of their predictions ({promised.cohort_label})")
    elif delay >= promised.cohort_seconds:
        out.append(f"labels are taken to be those of the predictions {wording.span(delay)} before them: right for a "
                   "fixed delay, roughly right for one that scatters")
    oldest = min(counted.predictions, default=None)
    if not promised.cohort_label and oldest is not None and now - oldest < delay + promised.cohort_seconds:
        out.append(f"the server holds predictions of {wording.age(max(0.0, now - oldest))}, and labels come after "
                   f"{wording.span(delay)}: none can be matched yet")
    if promised.sampled < 1:
        out.append(f"{wording.percent(promised.sampled)} of the predictions are ever labelled")
    if promised.calibrated and any(c.predicted is not None for c in cohorts):
        out.append("the mean score of all predictions stands for that of the labelled ones")
    return out
