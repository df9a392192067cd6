"""Durations as a Rollout's pause steps write them."""

from __future__ import annotations

import re

_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[hms]))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[hms])", re.ASCII)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: object) -> float | None:
    """Length of a pause: whole seconds, or text such as ``90``, ``10m`` or ``1h30m``; None when it is neither."""
    if isinstance(duration, int) and not isinstance(duration, bool):
        return float(duration) if duration >= 0 else None
    if not isinstance(duration, str):
        return None
    if duration.isascii() and duration.isdigit():
        return float(duration)
    if not _WHOLE.fullmatch(duration):
        return None
    return sum(float(count) * _UNIT_SECONDS[unit] for count, unit in _PART.findall(duration))
