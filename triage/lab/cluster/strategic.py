"""Strategic merge patch of workloads: lists of objects are merged by their key.

Source: Kubernetes' "Strategic Merge Patch" design notes (community repository, ``sig-api-machinery``), and the merge
keys that the API reference names for the fields of a pod template.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from triage.lab.cluster.patching import Malformed

_MERGE_KEYS = {"containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name",
               "env": "name", "imagePullSecrets": "name", "ports": "containerPort", "volumeMounts": "mountPath",
               "volumeDevices": "devicePath", "hostAliases": "ip", "conditions": "type", "ownerReferences": "uid"}
_MERGED_PRIMITIVES = frozenset({"finalizers"})


def strategic_merge(target: Any, patch: Any) -> Any:
    """``target`` after a strategic merge patch. Raises :class:`Malformed` for a directive that is not known."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise Malformed(f"Unknown patch type found: {directive}")
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(result, key, value)
    _directives(result, patch)
    return result


def _merge_field(result: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list) and key in _MERGE_KEYS:
        result[key] = _merge_list(result.get(key) or [], value, _MERGE_KEYS[key])
    elif isinstance(value, list) and key in _MERGED_PRIMITIVES:
        present = list(result.get(key) or [])
        result[key] = present + [item for item in value if item not in present]
    else:
        result[key] = strategic_merge(result.get(key), value)


def _merge_list(target: list[Any], patch: list[Any], merge_key: str) -> list[Any]:
    if any(isinstance(item, Mapping) and item.get("$patch") == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if item.get("$patch") != "replace"]
    result = list(target)
    for item in patch:
        if not isinstance(item, Mapping) or merge_key not in item:
            raise Malformed(f"map: {item} does not contain declared merge key: {merge_key}")
        places = [place for place, other in enumerate(result) if other.get(merge_key) == item[merge_key]]
        if item.get("$patch") == "delete":
            result = [other for place, other in enumerate(result) if place not in places]
        elif places:
            result[places[0]] = strategic_merge(result[places[0]], item)
        else:
            result.append(strategic_merge({}, item))
    return result


def _directives(result: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for directive, wanted in patch.items():
        name, _, field = directive.partition("/")
        if name == "$retainKeys":
            for key in [key for key in result if key not in wanted]:
                del result[key]
        elif name == "$deleteFromPrimitiveList" and field in result:
            result[field] = [item for item in result[field] if item not in wanted]
        elif name == "$setElementOrder" and isinstance(result.get(field), list):
            result[field] = _ordered(result[field], wanted, _MERGE_KEYS.get(field))


def _ordered(items: list[Any], wanted: list[Any], merge_key: str | None) -> list[Any]:
    """``items`` in the order of ``wanted``; what it does not name stays behind what it names."""
    if merge_key is None:
        places = {value: place for place, value in enumerate(wanted)}
        return sorted(items, key=lambda item: places.get(item, len(places)))
    places = {entry.get(merge_key): place for place, entry in enumerate(wanted)}
    return sorted(items, key=lambda item: places.get(item.get(merge_key), len(places)))
