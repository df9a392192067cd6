"""What a rehearsed change would change: the lines in which two Kubernetes objects differ. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from triage.sources.kubernetes import Json
from triage.text import clean

_OF_THE_SERVER = frozenset({"metadata.managedFields", "metadata.resourceVersion", "metadata.generation"})
_MOST_LINES = 60
_MOST_NAME = 400
_MOST_VALUE = 4_000_000
"""More than any Kubernetes object holds: values are whole, and whoever shows them shortens them."""


def difference(before: Json, after: Json) -> tuple[str, ...]:
    """``spec.template.spec.containers[model].image: fraud:8 -> fraud:7``, one line per field that differs.

    Values are whole, and two that differ are two texts that differ; between them stands the only ``->`` of the line.
    Values of environment variables are never shown, since they may be secrets. After 60 lines only their number.
    """
    lines = list(_lines("", before, after, hidden=False))
    if len(lines) > _MOST_LINES:
        return (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more fields")
    return tuple(lines)


def _lines(path: str, before: Any, after: Any, *, hidden: bool) -> Iterator[str]:
    if path in _OF_THE_SERVER or before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            inside = f"{path}.{clean(key, limit=_MOST_NAME)}" if path else clean(key, limit=_MOST_NAME)
            yield from _lines(inside, before.get(key), after.get(key), hidden=hidden or key == "env")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(path, before, after, hidden=hidden)
    elif hidden and not path.endswith(".name"):
        yield f"{path}: another value (not shown)"
    else:
        old, new = _shown(before), _shown(after)
        if old == new:
            old, new = _spelt(before), _spelt(after)
        yield f"{path}: {old} -> {new}"


def _of_lists(path: str, before: list[Any], after: list[Any], *, hidden: bool) -> Iterator[str]:
    """Things that have names are compared by name, others by place."""
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        old = {str(place): each for place, each in enumerate(before)}
        new = {str(place): each for place, each in enumerate(after)}
    for key in [*old, *(each for each in new if each not in old)]:
        yield from _lines(f"{path}[{clean(key, limit=_MOST_NAME)}]", old.get(key), new.get(key), hidden=hidden)


def _by_name(listed: list[Any]) -> dict[str, Any] | None:
    named = {each["name"]: each for each in listed if isinstance(each, Mapping) and isinstance(each.get("name"), str)}
    return named if len(named) == len(listed) else None


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping | list):
        one, many = ("field", "fields") if isinstance(value, Mapping) else ("entry", "entries")
        return f"({len(value)} {one if len(value) == 1 else many})"
    shown = clean(value, limit=_MOST_VALUE)
    return _spelt(value) if "->" in shown else shown


def _spelt(value: Any) -> str:
    """As JSON of letters that every terminal shows, with no arrow: a text ``"1"`` is not the number 1."""
    return json.dumps(value, sort_keys=True).replace("->", "-\\u003e")
