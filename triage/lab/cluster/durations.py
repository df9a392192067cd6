"""Durations as a Rollout's pause steps write them."""

from __future__ import annotations

import re

_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[hms]))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[hms])", re.ASCII)
_LONGEST = 2**63 / 1e9
"""Go counts the nanoseconds of a duration in an int64."""
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: object) -> float | None:
    """Length of a pause: whole seconds, or text such as ``90``, ``10m`` or ``1h30m``; None when it is neither."""
    if isinstance(duration, int) and not isinstance(duration, bool):
        return float(duration) if 0 <= duration <= _LONGEST else None
    if not isinstance(duration, str):
        return None
    if duration.isascii() and duration.isdigit():
        length = float(duration)
    elif _WHOLE.fullmatch(duration):
        length = sum(float(count) * _UNIT_SECONDS[unit] for count, unit in _PART.findall(duration))
    else:
        return None
    return length if length <= _LONGEST else None
