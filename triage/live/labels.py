"""What is asked about labels by prediction time: one range query over whole cohorts, asked only for a closer look."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from triage.facts.replies import Part, Question
from triage.facts.samples import Sample, Series
from triage.live.retrain import Past, columns
from triage.notebook.resolve import requests_selectors
from triage.notebook.selector import Selector, parse_selector
from triage.quantities import format_duration
from triage.signals.binning import category_counts
from triage.signals.cohorts import WEEK, Waiting
from triage.signals.counted import confusion
from triage.signals.labels_reading import FIGURES, Counted, LabelHistory, Promised, label_history
from triage.signals.quality import SHARES, Confusion

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.notebook.quality import Quality

COHORTS = "cohorts"
"""In place of an objective's name in questions' addresses."""
DAY, HOUR = 86400.0, 3600.0
MATURE_SHOWN = 28
"""Cohorts that are asked for beyond those whose labels are awaited."""
_BY_COHORT = frozenset({Part.GOOD, Part.GROUPS})


def _quality(notebook: Notebook) -> Quality | None:
    """The manifest's quality block, where it counts labels."""
    quality = notebook.manifest.spec.quality
    return quality if quality is not None and quality.feedback.labels is not None else None


def cohort_seconds(quality: Quality) -> float:
    """Span of one cohort."""
    return quality.feedback.cohort or (HOUR if quality.feedback.regime == "instant" else DAY)


def label_past(notebook: Notebook, now: float) -> Past | None:
    """The ends of the cohorts that are asked for, up to ``now``; None where no labels are counted."""
    quality = _quality(notebook)
    if quality is None:
        return None
    step = cohort_seconds(quality)
    delay = quality.feedback.expected_delay or 0.0
    # However long labels take: a span that ends before they are due would have them awaited for ever.
    return Past(math.floor(now / step) * step, step, math.ceil(delay / step) + MATURE_SHOWN)


def label_questions(notebook: Notebook) -> tuple[tuple[Question, str], ...]:
    """What is asked over those; () where no labels are counted."""
    quality = _quality(notebook)
    return () if quality is None else tuple(_questions(notebook, quality))


def _questions(notebook: Notebook, quality: Quality) -> Iterator[tuple[Question, str]]:
    spec, feedback = notebook.manifest.spec, quality.feedback
    step = cohort_seconds(quality)
    span = f"[{format_duration(step)}]"

    def selector(text: str) -> Selector:
        return parse_selector(text).where(spec.metrics.selector)

    def ask(part: Part, expression: str, index: int = 0) -> tuple[Question, str]:
        return Question(COHORTS, index, part, step), expression

    for index, counter in enumerate(_counters(notebook, quality)):
        yield ask(Part.TOTAL, f"sum(increase({counter}{span}))", index)
    day = feedback.cohort_label
    counter = selector(feedback.labels or "")
    # What is told by cohort is read as it stands: its series begin with the first label, which no increase tells.
    yield ask(Part.GOOD, f"sum by ({day}) ({counter})" if day else f"sum(increase({counter}{span}))")
    outcomes = _outcomes(quality)
    if outcomes is not None:
        text, label = outcomes
        yield ask(Part.GROUPS, f"sum by ({day}, {label}) ({selector(text)})" if day else
                  f"sum by ({label}) (increase({selector(text)}{span}))")
    prediction = spec.drift.prediction if spec.drift is not None else None
    if quality.calibrated and prediction is not None and prediction.histogram is not None:
        scores = selector(prediction.histogram)
        yield ask(Part.VALUE_SUM, f"sum(increase({scores.suffixed('_sum')}{span})) / "
                                  f"sum(increase({scores.suffixed('_count')}{span}))")


def _counters(notebook: Notebook, quality: Quality) -> tuple[Selector, ...]:
    """Counters of the predictions that labels are expected of; their number is the sum."""
    if quality.feedback.predictions is not None:
        return (parse_selector(quality.feedback.predictions).where(notebook.manifest.spec.metrics.selector),)
    traffic = requests_selectors(notebook.manifest)
    return traffic[0].selectors if traffic else ()


def _by_cohort(series: Mapping[Question, Sequence[Series]], day: str, label: str,
               step: float) -> tuple[dict[float, float], dict[float, Confusion]]:
    """(labels, labelled decisions) by the start of their cohort, where series name it.

    The highest value counts: whoever exports them may begin anew, or leave out days that are long past.
    """
    found: dict[float, float] = {}
    outcomes: dict[float, list[Sample]] = {}
    for question, items in series.items():
        for item in items if question.part in _BY_COHORT else ():
            start = cohort_start(item.labels.get(day, ""), step)
            highest = max((value for value in item.values if math.isfinite(value)), default=None)
            if start is None or highest is None:
                continue
            if question.part is Part.GOOD:
                found[start] = found.get(start, 0.0) + highest
            else:
                outcomes.setdefault(start, []).append(Sample(item.labels, highest, item.times[-1]))
    counted = {start: confusion(category_counts(samples, label)) for start, samples in outcomes.items()}
    return found, {start: counts for start, counts in counted.items() if counts is not None}


def cohort_start(text: str, step: float) -> float | None:
    """Unix seconds of the span of ``step`` seconds that a label's value names; None when it names no time."""
    try:
        if re.fullmatch(r"\d{9,11}", text, re.ASCII):
            at = float(text)
        else:
            named = datetime.fromisoformat(text)
            at = (named if named.tzinfo is not None else named.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return math.floor(at / step) * step


def _outcomes(quality: Quality) -> tuple[str, str] | None:
    """(counter of labelled decisions by outcome, its outcome label); None where the manifest names none."""
    found = [(c.outcomes, c.outcome_label) for c in quality.counted]
    found += [(s.outcomes, s.outcome_label) for s in quality.slices]
    return next(((counter, label) for counter, label in found if counter is not None), None)


def labels(notebook: Notebook, series: Mapping[Question, Sequence[Series]], at: Past,
           now: float) -> LabelHistory | None:
    """What was answered to :func:`label_questions`; None where no labels are counted."""
    quality = _quality(notebook)
    if quality is None:
        return None
    step, feedback, outcomes = cohort_seconds(quality), quality.feedback, _outcomes(quality)
    label = outcomes[1] if outcomes is not None else ""
    single: dict[Part, dict[float, float]] = {Part.TOTAL: {}, Part.GOOD: {}, Part.VALUE_SUM: {}}
    decisions: dict[float, Confusion] = {}
    if feedback.cohort_label is not None:
        single[Part.GOOD], decisions = _by_cohort(series, feedback.cohort_label, label, step)
        series = {question: items for question, items in series.items() if question.part not in _BY_COHORT}
    for time, found in zip(at.times, columns(series, at), strict=True):
        start = time - step
        for question, samples in found.items():
            for sample in samples:
                if question.part in single and math.isfinite(sample.value):
                    values = single[question.part]
                    values[start] = values.get(start, 0.0) + max(0.0, sample.value)
        counts = confusion(category_counts(found.get(Question(COHORTS, 0, Part.GROUPS, step), ()), label))
        if counts is not None:
            decisions[start] = counts
    counted = Counted(single[Part.TOTAL], single[Part.GOOD], decisions, single[Part.VALUE_SUM])
    named = tuple(dict.fromkeys((*(c.figure for c in quality.counted if c.figure in SHARES),
                                 *(m.name for m in quality.metrics if m.name in SHARES)))) or FIGURES
    promised = Promised(step, Waiting(feedback.expected_delay or 0.0, feedback.maturity), feedback.sampled or 1.0,
                        bool(quality.calibrated), feedback.half_life / WEEK, named, feedback.cohort_label or "")
    return label_history(counted, promised, now)
