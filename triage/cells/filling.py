"""The parameters that triage fills from what it knows of a model at the time of a run."""

from __future__ import annotations

import json
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
           capture: str | None = None, then: tuple[str | None, str | None] = (None, None)) -> Mapping[str, Value]:
    """Values by name. ``start`` and ``end``: the time range that is looked at, Unix seconds; ``model`` None: nothing is
    known of it but ``then``, the :func:`versions_then` of a capture."""
    stable, trial = then if model is None else (
        None if (found := model.versions.arm(arm)) is None else found.version for arm in ("stable", "canary"))
    return {WINDOW_START: round(start, 3), WINDOW_END: round(end, 3), LIVE_VERSION: trial or stable,
            LIVE_STABLE: stable, INCIDENT: incident, CAPTURE: capture}


def versions_then(facts: str, model: str) -> tuple[str | None, str | None]:
    """(the version that served, the one on trial) by the status document of a capture; None where it does not say."""
    try:
        for found in json.loads(facts)["models"]:
            if found["model"] == model:
                return found["versions"]["stable"], found["versions"]["canary"]
    except (ValueError, LookupError, TypeError):
        pass
    return None, None
