"""Names of what a canary is compared by that is no SLO, proxy or quality figure, and which of it a manifest has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triage.notebook.manifest import Spec

SCORE_MEAN = "score_mean"
"""Mean of the scores in the histogram of ``drift.prediction``."""
CLASSES = "classes"
"""Shares of the predicted classes: one margin for each of them."""


@dataclass(frozen=True, slots=True)
class Classes:
    """What the model answers, as a counter."""

    counter: str
    """Vector selector."""
    label: str
    """Label with the class."""
    values: tuple[str, ...]


def predicted_classes(spec: Spec) -> Classes | None:
    """The classes of ``canary.classes``, else those of the prediction's reference; None where neither names any.

    They come from the manifest and never from what is seen: a class that comes and goes would move the threshold.
    """
    named, prediction = spec.canary.classes, spec.drift.prediction if spec.drift is not None else None
    if named is not None:
        return Classes(named.counter, named.label, tuple(named.values))
    if prediction is None or prediction.categories is None or prediction.reference is None:
        return None
    values = tuple(prediction.reference.categories or ())
    return Classes(prediction.categories, prediction.category_label, values) if len(values) > 1 else None


def compared_names(spec: Spec) -> frozenset[str]:
    """Those of these names that a margin of the manifest may use."""
    prediction = spec.drift.prediction if spec.drift is not None else None
    scores = prediction is not None and prediction.histogram is not None
    return frozenset({*([SCORE_MEAN] if scores else []), *([CLASSES] if predicted_classes(spec) is not None else [])})
