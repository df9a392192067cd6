"""The parameters that triage fills from what it knows of a model at the time of a run."""

from __future__ import annotations

from collections.abc import Mapping

from triage.cells.parameters import (
    CAPTURE,
    INCIDENT,
    LIVE_STABLE,
    LIVE_VERSION,
    WINDOW_END,
    WINDOW_START,
    Value,
)
from triage.signals.model import ModelState


def registered_digest(model: ModelState | None) -> str | None:
    """Digest of the notebook's file as it was registered with the version that the notebook describes.

    None when the registry does not say, and when the manifest on disk is the registered one, which says it itself.
    """
    promise = model.lineage.promise if model is not None and model.lineage is not None else None
    return (promise.notebook_sha256 or None) if promise is not None else None


def filled(model: ModelState | None, *, start: float, end: float, incident: str = "",
           capture: str | None = None) -> Mapping[str, Value]:
    """Values by name. ``start`` and ``end``: the time range that is looked at, Unix seconds; ``model`` None: nothing is
    known of it."""
    stable = model.versions.arm("stable") if model is not None else None
    trial = model.versions.arm("canary") if model is not None else None
    newest = trial or stable
    return {WINDOW_START: round(start, 3), WINDOW_END: round(end, 3),
            LIVE_VERSION: newest.version if newest is not None else None,
            LIVE_STABLE: stable.version if stable is not None else None,
            INCIDENT: incident, CAPTURE: capture}
