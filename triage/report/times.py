"""Moments as reports write them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: float | None) -> str | None:
    """Unix seconds as ``2026-11-23T14:33:00.000Z`` (RFC 3339, UTC); None for None and for what no calendar holds."""
    moment = _moment(at)
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spoken(at: float | None) -> str:
    """Unix seconds as ``2026-11-23 14:33:00 UTC``; ``-`` for None and for what no calendar holds."""
    moment = _moment(at)
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _moment(at: float | None) -> datetime | None:
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None
