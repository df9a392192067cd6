"""``metadata.managedFields``: who wrote which field last, by the name that a writer gives itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triage.lab.cluster.objects import Json, timestamp
from triage.lab.cluster.resources import Resource

_SYSTEM = frozenset({"uid", "creationTimestamp", "generation", "resourceVersion", "managedFields", "name", "namespace"})
_MISSING = object()


def changed_fields(before: Any, after: Any) -> Json | None:
    """The fields in which two values differ, in the form of ``FieldsV1`` (``f:spec``); None when they are equal."""
    if before == after:
        return None
    if before is _MISSING and isinstance(after, Mapping):
        return {f"f:{key}": changed_fields(_MISSING, value) or {} for key, value in after.items()}
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return {}
    fields = {}
    for key in before.keys() | after.keys():
        difference = changed_fields(before.get(key, _MISSING), after.get(key, _MISSING))
        if difference is not None:
            fields[f"f:{key}"] = difference
    return fields


def _union(left: Json, right: Json) -> Json:
    return left | {key: _union(left.get(key, {}), value) for key, value in right.items()}


def _without(fields: Json, taken: Json) -> Json:
    """``fields`` that are not among the leaves of ``taken``."""
    remaining: Json = {}
    for key, value in fields.items():
        if key not in taken:
            remaining[key] = value
        elif taken[key]:
            rest = _without(value, taken[key]) if value else {}
            if rest:
                remaining[key] = rest
    return remaining


def managed_fields(resource: Resource, before: Json | None, after: Json, manager: str, subresource: str,
                   at: float) -> list[Json]:
    """The list for ``after``, which ``manager`` just wrote: it owns what it changed, and nobody else still does."""
    previous = (before or {}).get("metadata", {}).get("managedFields") or []
    fields = changed_fields(_writable(before or {}), _writable(after)) or {}
    if not fields:
        return list(previous)
    entry: Json = {"manager": manager, "operation": "Update", "apiVersion": resource.api_version,
                   "time": timestamp(at), "fieldsType": "FieldsV1", "fieldsV1": fields}
    if subresource:
        entry["subresource"] = subresource
    entries = []
    for other in previous:
        if (other["manager"], other.get("subresource", "")) == (manager, subresource):
            entry["fieldsV1"] = _union(other["fieldsV1"], fields)
        elif rest := _without(other["fieldsV1"], fields):
            entries.append(other | {"fieldsV1": rest})
    return [*entries, entry]


def _writable(item: Json) -> Json:
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in _SYSTEM}
    return {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata")} | {
        "metadata": metadata}
