"""Times and durations as the servers of the Prometheus family read and write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DAY_MS = 86_400_000
_UNIT_MS = {"y": 365 * _DAY_MS, "w": 7 * _DAY_MS, "d": _DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_LONGEST_MS = 2**63 // 1_000_000
"""Go counts the nanoseconds of a duration in an int64."""
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _UNIT_MS))
_FIRST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse_duration(text: str) -> float:
    """``"1h30m"`` in seconds. Raises ValueError for anything that Prometheus' own configuration does not take."""
    if text == "0":
        return 0.0
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise ValueError(f'not a valid duration string: "{text}"')
    milliseconds = sum(float(count) * _UNIT_MS[unit] for unit, count in found.groupdict().items() if count)
    if milliseconds > _LONGEST_MS:
        raise ValueError("duration out of range")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """Seconds as Prometheus writes a duration: ``1h30m``; years and weeks only where nothing is left over."""
    left = round(seconds * 1000)
    if left == 0:
        return "0s"
    parts: list[str] = []
    for unit, length in _UNIT_MS.items():
        if unit in ("y", "w") and left % length:
            # 90d reads better than 12w6d.
            continue
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_time(text: str) -> float:
    """An RFC 3339 time with its zone, in Unix seconds (to the microsecond).

    Raises ValueError, also for what is not in the years 1 to 9999 of UTC and could not be written again.
    """
    found = _RFC3339.fullmatch(text)
    if not found:
        raise ValueError(f'cannot parse "{text}" as a time')
    clock, fraction, zone = found.groups()
    read = datetime.fromisoformat(f"{clock.upper()}{(fraction or '.0')[:7].ljust(7, '0')}{zone.upper()}").timestamp()
    if not _FIRST <= read < _LAST:
        raise ValueError(f'"{text}" is not in the years 1 to 9999')
    return read


def milliseconds(at: float) -> str:
    """``2026-11-23T13:16:14.562Z``: Unix seconds as Alertmanager writes them."""
    return _written(round(at * 1000) / 1000, "milliseconds")


def nanoseconds(at: float) -> str:
    """Unix seconds as Prometheus writes them: as many digits of a second as there are."""
    text = _written(at, "microseconds").rstrip("Z0")
    return f"{text.removesuffix('.')}Z"


def _written(at: float, to: str) -> str:
    # Not strftime, whose %Y leaves the zeros of early years out.
    return f"{datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec=to)}Z"
