"""The fields of a Rollout and their types, as its CustomResourceDefinition has them (Argo Rollouts 1.9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from triage.lab.cluster.objects import Json
from triage.lab.cluster.refusals import Cause

_OBJECT, _LIST, _TEXT, _WHOLE, _TRUTH = "object", "array", "string", "integer", "boolean"
_PYTHON = {_OBJECT: Mapping, _LIST: list, _TEXT: str, _WHOLE: int, _TRUTH: bool}

_SPEC = {
    "analysis": _OBJECT, "minReadySeconds": _WHOLE, "paused": _TRUTH, "progressDeadlineAbort": _TRUTH,
    "progressDeadlineSeconds": _WHOLE, "replicas": _WHOLE, "restartAt": _TEXT, "revisionHistoryLimit": _WHOLE,
    "rollbackWindow": _OBJECT, "selector": _OBJECT, "strategy": _OBJECT, "template": _OBJECT, "workloadRef": _OBJECT,
}
_STATUS = {
    "HPAReplicas": _WHOLE, "abort": _TRUTH, "abortedAt": _TEXT, "alb": _OBJECT, "albs": _LIST,
    "availableReplicas": _WHOLE, "blueGreen": _OBJECT, "canary": _OBJECT, "collisionCount": _WHOLE,
    "conditions": _LIST, "controllerPause": _TRUTH, "currentPodHash": _TEXT, "currentStepHash": _TEXT,
    "currentStepIndex": _WHOLE, "message": _TEXT, "observedGeneration": _TEXT, "pauseConditions": _LIST,
    "phase": _TEXT, "promoteFull": _TRUTH, "readyReplicas": _WHOLE, "replicas": _WHOLE, "restartedAt": _TEXT,
    "selector": _TEXT, "stableRS": _TEXT, "updatedReplicas": _WHOLE, "workloadObservedGeneration": _TEXT,
}
_TOP = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _OBJECT, "spec": _OBJECT, "status": _OBJECT}
_DEEPER = {
    ("spec", "strategy"): {"canary": _OBJECT, "blueGreen": _OBJECT},
    ("spec", "strategy", "canary"): {"steps": _LIST, "trafficRouting": _OBJECT, "canaryService": _TEXT,
                                     "stableService": _TEXT},
    ("spec", "rollbackWindow"): {"revisions": _WHOLE},
    ("status", "canary"): {"weights": _OBJECT},
}
_LEVELS: dict[tuple[str, ...], dict[str, str]] = {(): _TOP, ("spec",): _SPEC, ("status",): _STATUS}
"""Levels that are known completely: a field that is not in them is unknown."""


def prune(item: Json) -> tuple[Json, list[str]]:
    """``item`` without unknown fields and without nulls, and the unknown fields' paths (``spec.pausd``)."""
    unknown = []
    for path, known in _LEVELS.items():
        level = _at(item, path)
        if not isinstance(level, Mapping):
            continue
        unknown += [".".join((*path, key)) for key in level if key not in known]
        kept = {key: value for key, value in level.items() if key in known and value is not None}
        item = {**item, path[0]: kept} if path else kept
    return item, unknown


def findings(item: Json) -> Iterator[Cause]:
    """Fields of a wrong type, and what is needed for the rest to be looked at."""
    for path, known in (_LEVELS | _DEEPER).items():
        level = _at(item, path)
        if not isinstance(level, Mapping):
            continue
        for key, kind in known.items():
            value = level.get(key)
            truth_for_number = kind == _WHOLE and isinstance(value, bool)
            if value is not None and (not isinstance(value, _PYTHON[kind]) or truth_for_number):
                field = ".".join((*path, key))
                yield Cause(field, f'Invalid value: "{_kind_of(value)}": {field} in body must be of type {kind}: '
                            f'"{_kind_of(value)}"', "FieldValueTypeInvalid")
    if item.get("spec") is None:
        yield Cause("spec", "Required value", "FieldValueRequired")
    for field in ("currentStepIndex", "updatedReplicas", "availableReplicas"):
        value = _at(item, ("status", field))
        if isinstance(value, int) and value < 0:
            yield Cause(f"status.{field}", f"Invalid value: {value}: must be greater than or equal to 0")


def _at(item: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return _TRUTH
    names = {int: _WHOLE, float: "number", str: _TEXT, list: _LIST}
    return names.get(type(value), _OBJECT)
