"""Label and field selectors of lists and watches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from triage.lab.cluster import refusals
from triage.lab.cluster.objects import labels_of
from triage.lab.cluster.resources import EVENTS, PODS, Resource

Matches = Callable[[Mapping[str, Any]], bool]

_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUALITY = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_EXISTS = re.compile(r"(?P<not>!\s*)?(?P<key>[^\s!=,()]+)")
_FIELDS: Mapping[Resource, frozenset[str]] = {
    EVENTS: frozenset({"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                       "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
                       "reason", "reportingComponent", "source", "type"}),
    PODS: frozenset({"spec.nodeName", "spec.restartPolicy", "status.phase"}),
}
_EVERYWHERE = frozenset({"metadata.name", "metadata.namespace"})


def selection(resource: Resource, labels: str, fields: str) -> Matches:
    """Whether an object has these labels and fields. Raises a 400 :class:`Refusal` for what cannot be read."""
    conditions = [*_label_conditions(labels), *_field_conditions(resource, fields)]
    return lambda item: all(condition(item) for condition in conditions)


def _label_conditions(text: str) -> list[Matches]:
    conditions: list[Matches] = []
    rest = text.strip()
    while rest:
        for pattern, build in ((_SET, _set_condition), (_EQUALITY, _equality_condition), (_EXISTS, _exists_condition)):
            found = pattern.match(rest)
            if found and (found.end() == len(rest) or rest[found.end():].lstrip().startswith(",")):
                conditions.append(build(found))
                rest = rest[found.end():].lstrip().removeprefix(",").strip()
                break
        else:
            raise refusals.bad_request(f"unable to parse requirement: found '{rest}', expected: a label, then =, !=, "
                                       "in or notin")
    return conditions


def _set_condition(found: re.Match[str]) -> Matches:
    key, values = found["key"], {value.strip() for value in found["values"].split(",")}
    if found["operator"] == "in":
        return lambda item: labels_of(item).get(key) in values
    return lambda item: labels_of(item).get(key) not in values


def _equality_condition(found: re.Match[str]) -> Matches:
    key, value = found["key"], found["value"]
    if found["operator"] == "!=":
        return lambda item: labels_of(item).get(key) != value
    return lambda item: labels_of(item).get(key) == value


def _exists_condition(found: re.Match[str]) -> Matches:
    key, wanted = found["key"], found["not"] is None
    return lambda item: (key in labels_of(item)) == wanted


def _field_conditions(resource: Resource, text: str) -> list[Matches]:
    conditions: list[Matches] = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if found is None:
            raise refusals.bad_request(f"invalid field selector: '{part}'; can't understand '{part}'")
        path, operator, value = found.groups()
        if path not in _EVERYWHERE | _FIELDS.get(resource, frozenset()):
            raise refusals.bad_request(f"field label not supported: {path}")
        conditions.append(_field_condition(path, operator != "!=", value))
    return conditions


def _field_condition(path: str, equal: bool, value: str) -> Matches:
    def condition(item: Mapping[str, Any]) -> bool:
        found: Any = item
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return (("" if found is None else str(found)) == value) == equal

    return condition
