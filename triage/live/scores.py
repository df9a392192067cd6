"""What is asked for a closer look at one feature: its drift score over time, and what the features are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from triage.facts.closer_look import CloserLook
from triage.facts.replies import Part, Question
from triage.facts.samples import Sample, Series
from triage.live.drift import drift_questions, drift_state_at, watching
from triage.live.retrain import Past, columns
from triage.notebook.selector import parse_selector
from triage.quantities import format_duration
from triage.signals.attributions import Attribution, attributions
from triage.signals.closer_reading import ScoreHistory

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.notebook.load import Notebook
    from triage.signals.references import Registered

ATTRIBUTED = "attributions"
"""In place of an objective's name in questions' addresses."""
POINTS = 60
WINDOWS_SHOWN = 6
"""Detection windows that the past of a score holds at least: neighbouring scores share most of their events."""
_PARTS = (Part.BUCKETS, Part.CATEGORIES, Part.LEVEL)


def only(notebook: Notebook, wanted: CloserLook) -> Notebook | None:
    """The notebook as if it watched nothing but the wanted feature; None when it does not watch it."""
    spec = notebook.manifest.spec
    if spec.drift is None:
        return None
    if wanted.is_prediction:
        if spec.drift.prediction is None or spec.drift.prediction.name != wanted.feature:
            return None
        one = spec.drift.model_copy(update={"features": []})
    else:
        features = [feature for feature in spec.drift.features if feature.name == wanted.feature]
        if not features:
            return None
        one = spec.drift.model_copy(update={"features": features, "prediction": None})
    manifest = notebook.manifest.model_copy(update={"spec": spec.model_copy(update={"drift": one})})
    return replace(notebook, manifest=manifest)


def score_past(notebook: Notebook, range_seconds: float, end: float) -> Past:
    """The points in time of the score: the range of the charts, or several detection windows where those are longer."""
    drift = notebook.manifest.spec.drift
    span = max(range_seconds, WINDOWS_SHOWN * drift.window if drift is not None else 0.0)
    step = max(60.0, math.ceil(span / POINTS))
    return Past(math.floor(end / step) * step, step, math.floor(span / step) + 1)


def score_questions(notebook: Notebook, wanted: CloserLook) -> tuple[tuple[Question, str], ...]:
    """What is asked over those points; () where the feature is not watched."""
    one = only(notebook, wanted)
    return () if one is None else tuple((q, text) for q, text in drift_questions(one) if q.part in _PARTS)


def scores(notebook: Notebook, wanted: CloserLook, series: Mapping[Question, Sequence[Series]], at: Past,
           registered: Registered | Failure | None = None) -> ScoreHistory | None:
    """What was answered to :func:`score_questions`; None where the feature is not watched."""
    one = only(notebook, wanted)
    of = watching(one, registered) if one is not None else None
    if of is None:
        return None
    [feature] = of.features
    values: list[float | None] = []
    warning, critical, window = feature.warning, feature.critical, of.promised.window
    for time, found in zip(at.times, columns(series, at), strict=True):
        [scored] = drift_state_at(of, found, time).features
        values.append(scored.score if any(found.values()) else None)
        warning, critical = scored.warning, scored.critical
    method = "gauge" if feature.kind == "gauge" else feature.method
    return ScoreHistory(wanted.feature, wanted.is_prediction, method, at.start, at.step, tuple(values), warning,
                        critical, feature.low_is_drift, 0.0 if method == "gauge" else window)


def attribution_questions(notebook: Notebook) -> tuple[tuple[Question, str], ...]:
    """What is asked about attributions; () where the manifest names none."""
    spec = notebook.manifest.spec
    named = spec.attributions
    if named is None:
        return ()
    question = Question(ATTRIBUTED, 0, Part.LEVEL)
    if named.gauge is not None:
        selector = parse_selector(named.gauge).where(spec.metrics.selector)
        return ((question, f"avg by ({named.feature_label}) ({selector})"),)
    selector = parse_selector(named.histogram or "").where(spec.metrics.selector)
    window = format_duration(spec.drift.window if spec.drift is not None else 3600.0)
    mean = " / ".join(f"sum by ({named.feature_label}) (increase({selector.suffixed(suffix)}[{window}]))"
                      for suffix in ("_sum", "_count"))
    return ((question, mean),)


def attributed(notebook: Notebook, found: Sequence[Sample]) -> tuple[Attribution, ...]:
    """What was answered to :func:`attribution_questions`."""
    named = notebook.manifest.spec.attributions
    if named is None:
        return ()
    return attributions({s.labels.get(named.feature_label, ""): s.value for s in found}, named.reference)
