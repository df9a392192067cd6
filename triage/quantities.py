"""Durations, percentages, points, bytes and rates as people write them, parsed into plain numbers."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_DURATION_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
                   "w": 604800.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|min|s|m|h|d|w)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:us|µs|ms|min|s|m|h|d|w)\s*)+")
MAX_DURATION = 100 * 365 * 86400.0
"""Seconds; longer ones are slips, and would overflow the arithmetic of dates."""
_BYTE_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30,
               "Ti": 2**40}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(Ki|Mi|Gi|Ti|k|M|G|T)?B?")


def parse_duration(value: Any) -> float:
    """``"500ms"``, ``"30d"`` or ``"1h30m"`` in seconds; ``m`` is minutes. Numbers without a unit are refused."""
    if isinstance(value, str) and _DURATION.fullmatch(value.strip()):
        seconds = sum(float(n) * _DURATION_UNITS[unit] for n, unit in _DURATION_PART.findall(value))
        if 0 < seconds <= MAX_DURATION:
            return seconds
        raise ValueError("must be longer than zero and at most a hundred years\nsuch as 500ms, 30s, 5m, 1h30m or 30d")
    raise ValueError(f"is not a duration: {_said(value)}\nwrite a number and a unit, such as 500ms, 30s, 5m, 1h30m or "
                     "30d")


def format_duration(seconds: float) -> str:
    """The shortest exact spelling that :func:`parse_duration` and Prometheus read: 5400 → ``1h30m``."""
    milliseconds = round(seconds * 1000)
    if milliseconds <= 0:
        return f"{seconds * 1e6:g}us"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_percent(value: Any) -> float:
    """``99.9`` or ``"99.9%"`` as 99.9; above 0, at most 100. A fraction such as 0.999 is refused as a likely slip."""
    number = _number(value.strip().removesuffix("%").strip() if isinstance(value, str) else value)
    if number is None:
        raise ValueError(f"is not a percentage: {_said(value)}\nwrite a number above 0 and at most 100, such as 99.9")
    if not 0 < number <= 100:
        raise ValueError(f"must be above 0 and at most 100 percent, not {number:g}\nsuch as 99.9")
    if number < 1 and not (isinstance(value, str) and value.strip().endswith("%")):
        raise ValueError(f"is {number:g}, a fraction where percent is meant\nwrite {number * 100:g}, or "
                         f"\"{number:g}%\" if that is what you mean")
    return number


def parse_share(value: Any) -> float:
    """``"5%"`` as 0.05."""
    if isinstance(value, str) and value.strip().endswith("%"):
        number = _number(value.strip()[:-1].strip())
        if number is not None and number >= 0:
            return number / 100
    raise ValueError(f"is not a share: {_said(value)}\nwrite a percentage with its sign, such as 5%")


def parse_points(value: Any) -> float:
    """``"0.5pt"`` (percentage points) as 0.5; a plain number is in the metric's own unit and kept."""
    number = _number(value.strip().removesuffix("pt").strip() if isinstance(value, str) else value)
    if number is None or number < 0:
        raise ValueError(f"is not a difference: {_said(value)}\nwrite percentage points as 0.5pt, or a number in the "
                         "unit of the metric")
    return number


def parse_bytes(value: Any) -> int:
    """``"4Gi"`` or ``"500M"`` in bytes, as Kubernetes counts."""
    match = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"is not a size: {_said(value)}\nwrite a number and a unit, such as 512Mi or 4Gi")
    size = float(match[1]) * _BYTE_UNITS[match[2] or ""]
    if not math.isfinite(size):
        raise ValueError("is larger than any size\nwrite a number and a unit, such as 512Mi or 4Gi")
    return round(size)


def parse_rate(value: Any) -> float:
    """``"5/s"``, ``"300/min"`` or ``"2/h"`` in events per second."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*(s|min|m|h|d)", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"is not a rate: {_said(value)}\nwrite events per time, such as 5/s, 300/min or 2/h")
    rate = float(match[1]) / _DURATION_UNITS[match[2]]
    if not math.isfinite(rate):
        raise ValueError("is larger than any rate\nwrite events per time, such as 5/s, 300/min or 2/h")
    return rate


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _said(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else "nothing" if value is None else str(value)


def _text_schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Duration = Annotated[float, BeforeValidator(parse_duration),
                     _text_schema(r"^(\d+(\.\d+)?\s*(us|µs|ms|min|s|m|h|d|w)\s*)+$", "500ms", "30s", "30d")]
"""Seconds; written with a unit."""
Percent = Annotated[float, BeforeValidator(parse_percent),
                    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                                              {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%?$"}]})]
"""0 < percent <= 100."""
Share = Annotated[float, BeforeValidator(parse_share), _text_schema(r"^\d+(\.\d+)?\s*%$", "5%")]
"""A fraction; written as a percentage."""
Points = Annotated[float, BeforeValidator(parse_points),
                   WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0},
                                             {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(pt)?$"}]})]
"""Percentage points, or the unit of the metric."""
Bytes = Annotated[int, BeforeValidator(parse_bytes), _text_schema(r"^\d+(\.\d+)?\s*(Ki|Mi|Gi|Ti|k|M|G|T)?B?$", "4Gi")]
"""Bytes; written with a unit."""
Rate = Annotated[float, BeforeValidator(parse_rate), _text_schema(r"^\d+(\.\d+)?\s*/\s*(s|min|m|h|d)$", "5/s")]
"""Events per second; written per time."""
