"""``drift`` of ``triage.status/v1``: one row for every watched feature, as it stands worst, and by arm."""

from __future__ import annotations

from typing import Any

from triage.report.times import iso
from triage.signals.drift_model import contract
from triage.signals.drift_reading import Moved, moved, verdicts
from triage.signals.drift_verdicts import told, worst
from triage.signals.model import ModelState


def drift(model: ModelState) -> list[dict[str, Any]]:
    """What drifts first; [] where nothing is watched, or nothing is known: ``drift_reading`` says which."""
    return [] if model.drift is None else [_feature(item) for item in moved(model.drift, model.versions)]


def drift_reading(model: ModelState, at: float) -> dict[str, Any] | None:
    """How old and how sure the rows are; None where nothing is watched, or nothing has been answered yet."""
    reading = model.drift
    if reading is None:
        return None
    state = reading.state
    found = verdicts(reading, model.versions)
    age = None if reading.answered_at is None else round(max(0.0, at - reading.answered_at), 3)
    quality = ("error" if state is None else "stale" if reading.is_stale(at) else
               "partial" if reading.warnings else "ok")
    return {"answered_at": iso(reading.answered_at), "age_seconds": age, "quality": quality,
            "failure": "" if reading.failure is None else reading.failure.sentence(),
            "warnings": list(reading.warnings), "verdict": None if state is None else str(worst(found)),
            "sentence": "" if state is None else told(found),
            "false_discovery_rate": None if state is None else state.false_discovery_rate,
            "tested": None if state is None else state.tested}


def _feature(item: Moved) -> dict[str, Any]:
    """All versions together, or the arm that stands worse by itself: ``where`` names it, as on screen."""
    row = contract(item.worst)
    row["sampled_at"] = iso(item.worst.sampled_at)
    row["where"] = item.where
    row["arms"] = [{"arm": arm.arm, "version": arm.version, "score": arm.feature.score, "n": arm.feature.n_current,
                    "verdict": str(arm.feature.verdict), "sentence": arm.feature.sentence} for arm in item.arms]
    return row
