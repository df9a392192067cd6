"""``CloserReading``: what is known only while somebody looks closely: one feature's past, labels, attributions."""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.facts.closer_look import CloserLook
from triage.facts.log_reading import Told
from triage.signals.attributions import Attribution
from triage.signals.labels_reading import LabelHistory


@dataclass(frozen=True, slots=True)
class ScoreHistory:
    """The drift score of one feature over time, all versions together."""

    feature: str
    is_prediction: bool
    method: str
    """Key of ``distances.METHODS``, or ``gauge``."""
    start: float
    """Unix seconds of the first point."""
    step: float
    values: tuple[float | None, ...]
    """Finite scores of the window that ends at each point; None where there is none."""
    warning: float
    critical: float
    low_is_drift: bool
    window_seconds: float
    """Of each score; 0 for scores computed elsewhere."""


@dataclass(frozen=True, slots=True)
class CloserReading:
    """The newest answers, and why there are no newer ones."""

    wanted: CloserLook
    range_seconds: float
    """How far back the scores were asked for."""
    end: float | None
    """Unix seconds up to which; None: up to the present."""
    stale_after: float
    """Seconds after which an answer no longer describes the present."""
    scores: Told[ScoreHistory] = field(default_factory=Told)
    attributions: Told[tuple[Attribution, ...]] = field(default_factory=Told)
    """Without an answer and without a failure where the notebook names none."""
    labels: Told[LabelHistory] = field(default_factory=Told)
    """The same where no labels are counted."""
    labels_counted: bool = False
    """Whether the notebook names a counter of labels, so that an answer is awaited."""
    attributions_named: bool = False
