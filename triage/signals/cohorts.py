"""Labels that come late: cohorts of predictions, how complete their labels are, and the gap they reveal.

A cohort is the predictions of one span of *prediction time*. Only those whose labels are nearly complete are compared:
labels that arrive fast are not a sample of all labels, so an immature cohort is wrong, not merely noisy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from triage.signals import wording
from triage.signals.proportions import ERROR, Interval, wilson
from triage.signals.quality import Confusion, Figure, from_confusion
from triage.signals.tails import normal_z

WEEK = 7 * 86400.0
USUAL_COHORTS = 3
"""Matured cohorts that a usual coverage is made of, at least."""
COVERAGE_FALL = 0.05
"""Fall of coverage under its usual level, from 0 to 1, that is worth saying."""


class Maturity(StrEnum):
    """How far the labels of a cohort are in."""

    MATURE = "mature"
    PENDING = "pending"
    """Labels are not due yet."""
    OVERDUE = "overdue"
    """Labels should be in and are not."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Predictions made from ``start`` to ``end`` (Unix seconds) and the labels that came for them so far."""

    start: float
    end: float
    predictions: float
    labels: float
    counts: Confusion | None = None
    """Of the labelled ones; None where they are not counted by outcome."""
    predicted: float | None = None
    """Sum of scores, or predicted positives, of the cohort's *labelled* predictions; None when not exported."""
    positives: float | None = None
    """Labels that are positive; by default those of ``counts``."""

    @property
    def coverage(self) -> float | None:
        """Labels over predictions, at most 1; None without predictions."""
        return min(1.0, self.labels / self.predictions) if self.predictions > 0 else None

    @property
    def observed(self) -> float | None:
        """Positive labels; None when they are not known."""
        if self.positives is not None:
            return self.positives
        return None if self.counts is None else self.counts.tp + self.counts.fn


@dataclass(frozen=True, slots=True)
class Waiting:
    """When labels are expected."""

    expected_delay_seconds: float
    """Until a prediction's label is usually known; 0 for instant feedback."""
    maturity: float = 0.95
    """Coverage from which a cohort is comparable."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How complete labels are, over all cohorts."""

    mature: tuple[Cohort, ...]
    """Oldest first."""
    pending: int
    overdue: int
    labels: float
    predictions: float
    """Of the mature ones."""
    share: float | None
    next_due_at: float | None
    """Unix seconds at which the oldest pending cohort should be in; None when none is pending."""
    notes: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Realised:
    """A quality figure over mature cohorts only, with the coverage it rests on."""

    figure: Figure
    coverage: Coverage
    start: float | None
    end: float | None
    """Span of prediction time it is about; None without mature cohorts."""

    @property
    def pending(self) -> str:
        """Why the figure is absent for now, for ``quality.judge``; "" when it should be there."""
        if self.coverage.mature or (self.coverage.overdue and not self.coverage.pending):
            return ""
        return self.coverage.sentence


@dataclass(frozen=True, slots=True)
class WeekGap:
    """One week of prediction time."""

    start: float
    """Unix seconds; weeks begin on Mondays, UTC."""
    predicted: float
    observed: float
    """Shares, 0 to 1."""
    observed_low: float
    observed_high: float
    """Wilson interval, 95 %."""
    gap: float
    """``predicted - observed``: above 0 the model expects more than happens."""
    n: float
    coverage: float
    weight: float
    """1 for the newest week, halved with every half-life before it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Predicted against observed by week, the recent weeks counting more."""

    weeks: tuple[WeekGap, ...]
    """Mature weeks, oldest first."""
    value: Interval | None
    """Weighted gap with its 95 % interval; None without a mature week."""
    n: float
    half_life_weeks: float
    immature: int
    """Weeks left out."""
    sentence: str


def cohorts_by_delay(predictions: Mapping[float, float], labels: Mapping[float, float], step_seconds: float,
                     delay_seconds: float) -> tuple[Cohort, ...]:
    """Cohorts from two plain counters, where nobody exports labels by prediction time.

    Both map the start of a span (Unix seconds, on one grid) to its increase. Labels are taken to belong to the
    predictions made ``delay_seconds`` before them, rounded to whole spans: right for a fixed delay (an instalment that
    was due), only roughly right for one that scatters (chargebacks). They carry coverage, not outcomes.
    """
    shift = round(delay_seconds / step_seconds) * step_seconds
    return tuple(Cohort(start, start + step_seconds, count, labels.get(start + shift, 0.0))
                 for start, count in sorted(predictions.items()))


def maturity(cohort: Cohort, waiting: Waiting, now: float) -> Maturity:
    """Where a cohort stands at ``now``; coverage decides, the delay only says whether labels are late."""
    coverage = cohort.coverage
    if coverage is not None and coverage >= waiting.maturity and now >= cohort.end:
        return Maturity.MATURE
    return Maturity.OVERDUE if now >= cohort.end + waiting.expected_delay_seconds else Maturity.PENDING


def coverage(cohorts: Sequence[Cohort], waiting: Waiting, now: float) -> Coverage:
    """How complete the labels of these cohorts are; those without predictions are left out."""
    filled = sorted((c for c in cohorts if c.predictions > 0), key=lambda c: c.start)
    state = [(c, maturity(c, waiting, now)) for c in filled]
    mature = tuple(c for c, m in state if m is Maturity.MATURE)
    pending = [c for c, m in state if m is Maturity.PENDING]
    overdue = [c for c, m in state if m is Maturity.OVERDUE]
    labels, predictions = math.fsum(c.labels for c in mature), math.fsum(c.predictions for c in mature)
    share = min(1.0, labels / predictions) if predictions else None
    due = min((c.end + waiting.expected_delay_seconds for c in pending), default=None)
    notes = []
    if overdue:
        worst = min(c.coverage or 0.0 for c in overdue)
        notes.append(f"{len(overdue)} cohort{'s' if len(overdue) > 1 else ''} past the expected delay "
                     f"with {wording.percent(worst)} of the labels, {wording.percent(waiting.maturity)} expected: "
                     "what came early is no fair sample")
    if len(mature) > USUAL_COHORTS:
        *before, last = mature
        usual = sorted(c.coverage or 0.0 for c in before)[len(before) // 2]
        if wilson(last.labels, last.predictions).high < usual - COVERAGE_FALL:
            notes.append(f"coverage fell to {wording.percent(last.coverage or 0.0)} from its usual "
                         f"{wording.percent(usual)}")
    return Coverage(mature, len(pending), len(overdue), labels, predictions, share, due, tuple(notes),
                    _coverage_sentence(mature, share, due, now, len(overdue)))


def _coverage_sentence(mature: Sequence[Cohort], share: float | None, due: float | None, now: float,
                       overdue: int) -> str:
    if mature and share is not None:
        return (f"{len(mature)} mature cohort{'s' if len(mature) > 1 else ''} up to "
                f"{wording.age(now - mature[-1].end)} ago, {wording.percent(share)} of the labels in")
    if due is not None:
        return f"no cohort is mature: labels are due in {wording.age(due - now)}"
    return "labels are overdue: no cohort is complete" if overdue else "no predictions to wait for"


def realised(name: str, cohorts: Sequence[Cohort], waiting: Waiting, now: float) -> Realised:
    """A figure of ``quality.SHARES`` over the mature cohorts that are counted by outcome."""
    found = coverage(cohorts, waiting, now)
    counted = [c for c in found.mature if c.counts is not None]
    total = Confusion(0.0, 0.0, 0.0, 0.0)
    for cohort in counted:
        total += cohort.counts or Confusion(0.0, 0.0, 0.0, 0.0)
    start, end = (counted[0].start, max(c.end for c in counted)) if counted else (None, None)
    span = None if start is None or end is None else end - start
    return Realised(from_confusion(name, total, span, end), found, start, end)


def week_of(at: float) -> float:
    """Start of the week that holds ``at``: Monday 00:00 UTC, Unix seconds. (The epoch was a Thursday.)"""
    return (at + 3 * 86400) // WEEK * WEEK - 3 * 86400


def weekly_gap(cohorts: Sequence[Cohort], waiting: Waiting, now: float, half_life_weeks: float = 4.0) -> Gap:
    """Predicted against observed positives by week of prediction time, over mature weeks.

    A week is mature when its cohorts together are. Weights halve every ``half_life_weeks``; within a week events count
    alike. The interval takes weeks as independent and the predicted share as known.
    """
    weeks: dict[float, list[Cohort]] = {}
    for cohort in cohorts:
        if cohort.predictions > 0 and cohort.predicted is not None and cohort.observed is not None:
            weeks.setdefault(week_of(cohort.start), []).append(cohort)
    summed = [Cohort(start, max(max(c.end for c in items), min(start + WEEK, now)),
                     math.fsum(c.predictions for c in items), math.fsum(c.labels for c in items), None,
                     math.fsum(c.predicted or 0.0 for c in items), math.fsum(c.observed or 0.0 for c in items))
              for start, items in sorted(weeks.items())]
    mature = [c for c in summed if c.labels > 0 and maturity(c, waiting, now) is Maturity.MATURE]
    newest = mature[-1].start if mature else 0.0
    found = []
    for cohort in mature:
        observed = wilson(cohort.positives or 0.0, cohort.labels)
        predicted = (cohort.predicted or 0.0) / cohort.labels
        weight = 0.5 ** ((newest - cohort.start) / WEEK / half_life_weeks)
        found.append(WeekGap(cohort.start, predicted, observed.value, observed.low, observed.high,
                             predicted - observed.value, cohort.labels, cohort.coverage or 0.0, weight))
    left_out = len(summed) - len(mature)
    if not found:
        return Gap((), None, 0.0, half_life_weeks, left_out, "no mature week yet")
    # Each week's weight is shared by its events, so that a thin week does not outvote a full one.
    weights = [week.weight * week.n for week in found]
    total = math.fsum(weights)
    gap = math.fsum(w * week.gap for w, week in zip(weights, found, strict=True)) / total
    variance = math.fsum((w / total) ** 2 * _variance(week) for w, week in zip(weights, found, strict=True))
    half = normal_z(ERROR) * math.sqrt(variance)
    n = math.fsum(week.n for week in found)
    direction = "more" if gap > 0 else "fewer"
    clear = abs(gap) > half
    sentence = (f"predicts {wording.percent(abs(gap))} {direction} positives than come (±{wording.percent(half)})"
                if clear else f"predicted and observed agree within ±{wording.percent(half)}")
    return Gap(tuple(found), Interval(gap, gap - half, gap + half), n, half_life_weeks, left_out,
               f"{sentence}; {len(found)} mature week{'s' if len(found) > 1 else ''}, n {wording.count(n)}, half-life "
               f"{wording.significant(half_life_weeks)} weeks")


def _variance(week: WeekGap) -> float:
    """Of the observed share; add half an event so that a week without any is not taken for certain."""
    share = (week.observed * week.n + 0.5) / (week.n + 1)
    return share * (1 - share) / week.n
