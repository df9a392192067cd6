"""``feature_store``, ``labels`` and ``attributions`` of ``triage.status/v1``, and the text about feature views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from triage.report.characters import Characters
from triage.report.times import iso
from triage.signals import wording
from triage.signals.labels_reading import CohortState, LabelHistory
from triage.signals.model import ModelState
from triage.signals.reading import Verdict

_DEEPER = (0, 0, 0, 2)


def feature_store_json(model: ModelState, at: float) -> dict[str, Any] | None:
    """The views that the model reads; None where the notebook names none, or nothing has been answered yet."""
    reading = model.feature_store
    if reading is None:
        return None
    state = ("error" if reading.answered_at is None else "stale" if reading.is_stale(at) else
             "partial" if reading.warnings else "ok")
    return {"answered_at": iso(reading.answered_at), "quality": state,
            "failure": "" if reading.failure is None else reading.failure.sentence(),
            "warnings": list(reading.warnings),
            "views": [{"view": view.view, "verdict": str(view.verdict), "sentence": view.sentence,
                       "freshness_seconds": view.freshness.value, "quality": str(view.freshness.quality),
                       "sampled_at": iso(view.freshness.sampled_at), "found_share": view.missing.value,
                       "lookups": view.missing.n, "notes": list(view.notes)} for view in reading.views]}


def labels_json(model: ModelState) -> dict[str, Any] | None:
    """Labels by prediction time; None where none are counted, or they were not asked for: a closer look asks."""
    reading = model.closer
    if reading is None or not reading.labels_counted:
        return None
    told, found = reading.labels, reading.labels.answer
    return {"answered_at": iso(told.answered_at),
            "failure": "" if told.failure is None else told.failure.sentence(),
            **(_history(found) if found is not None else dict.fromkeys(
                ("sentence", "coverage", "cohort_seconds", "expected_delay_seconds", "maturity", "next_due_at"))
               | {"figures": [], "cohorts": [], "gap": None, "notes": []})}


def _history(found: LabelHistory) -> dict[str, Any]:
    return {"sentence": found.coverage.sentence, "coverage": found.coverage.share,
            "cohort_seconds": found.cohort_seconds,
            "expected_delay_seconds": found.waiting.expected_delay_seconds, "maturity": found.waiting.maturity,
            "next_due_at": iso(found.coverage.next_due_at),
            "figures": [{"name": item.figure.name, "value": item.figure.value, "low": item.figure.low,
                         "high": item.figure.high, "n": item.figure.n, "start": iso(item.start), "end": iso(item.end)}
                        for item in found.figures],
            "cohorts": [_cohort(state) for state in found.states],
            "gap": None if found.gap is None else {
                "predicted_by": found.predicted_by, "sentence": found.gap.sentence,
                "value": None if found.gap.value is None else found.gap.value.value,
                "low": None if found.gap.value is None else found.gap.value.low,
                "high": None if found.gap.value is None else found.gap.value.high, "n": found.gap.n,
                "half_life_weeks": found.gap.half_life_weeks,
                "weeks": [{"start": iso(week.start), "predicted": week.predicted, "observed": week.observed,
                           "observed_low": week.observed_low, "observed_high": week.observed_high, "n": week.n,
                           "coverage": week.coverage, "weight": week.weight} for week in found.gap.weeks]},
            "notes": [*found.coverage.notes, *found.notes]}


def _cohort(state: CohortState) -> dict[str, Any]:
    figure = state.figure
    return {"start": iso(state.cohort.start), "end": iso(state.cohort.end), "maturity": str(state.maturity),
            "predictions": state.cohort.predictions, "labels": state.cohort.labels, "coverage": state.cohort.coverage,
            "figure": None if figure is None else figure.name, "value": None if figure is None else figure.value,
            "low": None if figure is None else figure.low, "high": None if figure is None else figure.high}


def attributions_json(model: ModelState) -> list[dict[str, Any]]:
    """What the features are worth; [] where that is not exported, or was not asked for: a closer look asks."""
    found = None if model.closer is None else model.closer.attributions.answer
    return [{"feature": item.feature, "value": item.value, "share": item.share, "usual_share": item.usual_share}
            for item in found or ()]


def feature_store_parts(model: ModelState, at: float, chars: Characters,
                        styles: Mapping[Verdict, str]) -> Iterator[RenderableType]:
    """How many views are fine, and a row for each that is not. What is old is in brackets."""
    reading = model.feature_store
    if reading is None:
        return
    head = Text("features  ", "dim")
    if reading.answered_at is None:
        failure = "" if reading.failure is None else f": {reading.failure.sentence()}"
        yield head.append(chars.say(f"not known{failure}"), styles[Verdict.UNKNOWN])
        return
    fine = sum(view.verdict is Verdict.PASS for view in reading.views)
    said = f"{fine} of {len(reading.views)} views fresh"
    stale = reading.is_stale(at)
    age = f" {wording.age(at - reading.answered_at)} old" if stale else ""
    yield head.append(f"({said}){age}" if stale else said, "dim" if stale else "")
    for view in reading.views:
        if view.verdict is not Verdict.PASS:
            shown = Verdict.WARN if view.verdict is Verdict.FAIL else view.verdict
            yield Padding(Text.assemble((f"{chars.glyph(shown)} ", styles.get(shown, "")),
                                        chars.say(f"{view.view}: {view.sentence}")), _DEEPER)
