"""One number with its provenance, as ``triage.status/v1`` writes it."""

from __future__ import annotations

from typing import Any

from triage.signals.reading import Reading


def reading_json(reading: Reading, at: float) -> dict[str, Any]:
    """``value`` is null where there is none; ``quality`` and ``note`` say why. ``at`` is what the age is counted to."""
    return {"value": reading.value, "at_least": reading.at_least, "unit": reading.unit,
            "quality": str(reading.quality), "note": reading.note, "n": reading.n,
            "window_seconds": reading.window_seconds, "age_seconds": reading.age_seconds(at),
            "origin": str(reading.origin)}
