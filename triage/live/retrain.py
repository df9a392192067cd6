"""What the manifest's retrain triggers are judged by: past verdicts on a grid, from one range query.

The grid is aligned to whole steps, so that the first look of all and an hour of looking say the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.replies import Part, Question
from triage.facts.samples import Sample, Series
from triage.live.drift import DRIFT, drift_questions, drift_state_at, watching
from triage.live.quality import COUNTED, FIGURE, LABELS, quality_questions, quality_reading
from triage.signals.reading import Verdict
from triage.signals.retrain import Moment, Trigger, triggers

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.notebook.load import Notebook
    from triage.signals.references import Registered

STEPS = 6
"""Points in the time that the shortest trigger must last."""
MOST_POINTS = 120
_NO_VERDICT = frozenset({Part.VALUE_SUM, Part.NATIVE})
"""What is asked about drift and decides nothing."""
_FIGURE_PARTS = frozenset({Part.LEVEL, Part.SAMPLED_AT, Part.PUSHED_AT})


@dataclass(frozen=True, slots=True)
class Past:
    """The points in time that are looked at."""

    end: float
    """Unix seconds of the last one, a whole number of steps."""
    step: float
    count: int

    @property
    def start(self) -> float:
        return self.end - (self.count - 1) * self.step

    @property
    def times(self) -> tuple[float, ...]:
        return tuple(self.start + number * self.step for number in range(self.count))


def past(notebook: Notebook, now: float) -> Past | None:
    """The grid up to ``now``; None without triggers."""
    retrain = notebook.manifest.spec.retrain
    if retrain is None or not retrain.when:
        return None
    longest = max(rule.sustained for rule in retrain.when)
    step = max(60.0, min(rule.sustained for rule in retrain.when) / STEPS, longest / MOST_POINTS)
    # One point more than the time holds: the oldest must lie at its beginning or before.
    return Past(math.floor(now / step) * step, step, math.ceil(longest / step) + 2)


def retrain_questions(notebook: Notebook) -> tuple[tuple[Question, str], ...]:
    """What is asked over the grid; () when no trigger can be judged by it."""
    retrain = notebook.manifest.spec.retrain
    if retrain is None:
        return ()
    asked: list[tuple[Question, str]] = []
    if any(rule.drift is not None for rule in retrain.when):
        asked += _of_drift(notebook)
    if any(rule.quality is not None for rule in retrain.when):
        asked += [(q, text) for q, text in quality_questions(notebook)
                  if q.objective in (LABELS, COUNTED) or (q.objective == FIGURE and q.part in _FIGURE_PARTS)]
    return tuple(asked)


def _of_drift(notebook: Notebook) -> Iterator[tuple[Question, str]]:
    """Everything that decides on drift. Resets are rare: of moments without one, neither they nor the number of
    processes are answered."""
    every = [(q, text) for q, text in drift_questions(notebook, by_version=False) if q.part not in _NO_VERDICT]
    reset = {q.candidate: f"{text} > 0" for q, text in every if q.part is Part.RESETS}
    for question, text in every:
        if question.part is Part.RESETS:
            yield question, reset[question.candidate]
        elif question.part is Part.SERIES:
            yield question, f"{text} and {reset[question.candidate]}"
        else:
            yield question, text


def retrain(notebook: Notebook, series: Mapping[Question, Sequence[Series]], at: Past, now: float,
            registered: Registered | Failure | None = None, warnings: tuple[str, ...] = ()) -> tuple[Trigger, ...]:
    """The triggers at ``now``, from what was answered to :func:`retrain_questions`, by the verdicts of the screen.

    ``registered``: the references kept with the version in the registry, None until it has answered; ``warnings``:
    what the server said about an answer that is partial.
    """
    drifted: dict[str, list[Moment]] = {}
    figures: dict[str, list[Moment]] = {}
    of = watching(notebook, registered) if any(q.objective == DRIFT for q in series) else None
    for time, found in zip(at.times, columns(series, at), strict=True):
        for feature in drift_state_at(of, found, time, warnings).features if of is not None else ():
            drifted.setdefault(feature.feature, []).append(Moment(time, feature.verdict))
        reading = quality_reading(notebook, found, warnings, time, 0.0)
        verdicts: dict[str, list[Verdict]] = {}
        for item in reading.figures if reading is not None else ():
            verdicts.setdefault(item.judged.figure.name, []).append(item.judged.verdict)
        for name, of_versions in verdicts.items():
            known = [v for v in of_versions if v in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)]
            # A trigger speaks of the model: a version that does well is what would be trained anew anyway.
            worst = None if not known else Verdict.FAIL if all(v is Verdict.FAIL for v in known) else Verdict.PASS
            figures.setdefault(name, []).append(Moment(time, worst))
    return triggers(notebook.manifest, drifted, figures, now, at.step)


def columns(series: Mapping[Question, Sequence[Series]], at: Past) -> list[dict[Question, list[Sample]]]:
    """The samples at each point of the grid."""
    found: list[dict[Question, list[Sample]]] = [{q: [] for q in series} for _ in range(at.count)]
    for question, items in series.items():
        for item in items:
            for time, value in zip(item.times, item.values, strict=True):
                place = round((time - at.start) / at.step)
                if 0 <= place < at.count:
                    found[place][question].append(Sample(item.labels, value, time))
    return found
