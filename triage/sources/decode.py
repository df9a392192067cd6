"""Bytes of an answer into plain, cleaned data: JSON of any shape, and RFC 3339 times."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from triage.text import clean

OFF_LOOP_BYTES = 256_000
"""Bodies from this size on are decoded in a thread, to keep keys responsive."""

_FRACTION = re.compile(r"(\.\d{1,6})\d*")


class NotJson(ValueError):
    """The bytes are no JSON document."""


def load_json(body: bytes) -> Any:
    """``body`` as JSON. Raises :class:`NotJson`, also for documents too deep or with numbers too long to read."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotJson(type(error).__name__) from None


def clean_tree(value: Any, *, limit: int = 1000) -> Any:
    """Decoded JSON with every string in it cleaned, keys too. Raises :class:`NotJson` when it is nested too deep."""
    try:
        return _cleaned(value, limit, {})
    except RecursionError:
        raise NotJson("too deep") from None


def _cleaned(value: Any, limit: int, seen: dict[str, str]) -> Any:
    if isinstance(value, str):
        known = seen.get(value)
        if known is None:
            known = seen[value] = clean(value, limit=limit)
        return known
    if isinstance(value, dict):
        return {_cleaned(key, limit, seen): _cleaned(item, limit, seen) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, limit, seen) for item in value]
    return value


def parse_time(text: object) -> float | None:
    """An RFC 3339 time, nanoseconds and zone included, in Unix seconds (to the microsecond).

    None for anything else, and for Go's zero time (year 1), which stands for "not set".
    """
    if not isinstance(text, str) or not 19 <= len(text) <= 64:
        return None
    spelt = _FRACTION.sub(r"\1", text.upper(), count=1)
    # A leap second is a valid RFC 3339 time that datetime cannot hold.
    if spelt[16:19] == ":60":
        spelt = spelt[:16] + ":59" + spelt[19:]
    try:
        when = datetime.fromisoformat(spelt)
        if when.year <= 1:
            return None
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
