"""What the API server and the controllers demand of objects, as far as a client can get it wrong.

Fields that Argo Rollouts knows and the lab's controller does not act on are refused rather than ignored: a world that
quietly does less would teach wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from triage.lab.cluster import rollout_schema
from triage.lab.cluster.durations import seconds
from triage.lab.cluster.objects import Json, moment
from triage.lab.cluster.refusals import Cause
from triage.lab.cluster.resources import AUTOSCALERS, DEPLOYMENTS, EVENTS, LEASES, ROLLOUTS, Resource

_STEPS = ("setWeight", "pause", "setCanaryScale")
_CANARY = frozenset({"steps", "maxSurge", "maxUnavailable", "canaryService", "stableService", "trafficRouting",
                     "scaleDownDelaySeconds", "abortScaleDownDelaySeconds"})
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_PERCENT = re.compile(r"0*(?:100|[0-9]{1,2})%")
_LONGEST_NAME = 253
_INT32 = 2**31 - 1
_MOST_PODS = 200
"""Of one workload: the lab makes each of them, and more would stop its clock for everybody."""
_NO_CONTROLLER = "Forbidden: this cluster has no controller for it"


def findings(resource: Resource, item: Json, before: Json | None) -> list[Cause]:
    """What is wrong with ``item``, which would follow ``before``. Shapes first: what has none is not looked into."""
    causes = list(_metadata(item, before))
    if resource is ROLLOUTS:
        causes += rollout_schema.findings(item)
    if resource in (ROLLOUTS, DEPLOYMENTS) and not causes:
        causes += _workload(item, before)
    if resource is ROLLOUTS and not causes:
        causes += _rollout(item)
    if resource is AUTOSCALERS:
        causes += _autoscaler(item)
    if resource is LEASES:
        causes += _lease(item)
    if resource is EVENTS:
        causes += _event(item)
    return causes


def _metadata(item: Json, before: Json | None) -> Iterator[Cause]:
    metadata = item["metadata"]
    name = metadata["name"]
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        yield Cause("metadata.name", f"Invalid value: {name!r}: a lowercase RFC 1123 subdomain must consist of lower "
                    "case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character")
    if before is not None and metadata.get("uid") not in (None, "", before["metadata"]["uid"]):
        yield Cause("metadata.uid", f'Invalid value: "{metadata["uid"]}": field is immutable')
    for field in ("labels", "annotations"):
        value = metadata.get(field) or {}
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            yield Cause(f"metadata.{field}", "Invalid value: must be a map of strings")


def _workload(item: Json, before: Json | None) -> Iterator[Cause]:
    spec = _map(item.get("spec"))
    replicas = spec.get("replicas", 1)
    if not _is_count(replicas, _MOST_PODS):
        yield Cause("spec.replicas", f"Invalid value: {replicas!r}: must be from 0 to {_MOST_PODS} in this cluster")
    for field in ("progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit"):
        if not _is_count(spec.get(field, 0)):
            yield Cause(f"spec.{field}", f"Invalid value: {spec[field]!r}: must be greater than or equal to 0")
    if not isinstance(spec.get("paused", False), bool):
        yield Cause("spec.paused", f"Invalid value: {spec['paused']!r}: must be of type boolean")
    selector = _map(_map(spec.get("selector")).get("matchLabels"))
    if not selector:
        yield Cause("spec.selector", "Required value", "FieldValueRequired")
    if before is not None and before["spec"]["selector"] != spec.get("selector"):
        yield Cause("spec.selector", "Invalid value: field is immutable")
    yield from _template(_map(spec.get("template")), selector)
    strategy = spec.get("strategy") or {}
    rolling = _map(strategy).get("rollingUpdate") or {}
    if not isinstance(strategy, Mapping) or not isinstance(rolling, Mapping):
        yield Cause("spec.strategy", f"Invalid value: {strategy!r}: must be an object", "FieldValueTypeInvalid")
    yield from _bounds("spec.strategy.rollingUpdate", _map(rolling))


def _template(template: Mapping[str, Any], selector: Mapping[str, Any]) -> Iterator[Cause]:
    containers = _map(template.get("spec")).get("containers")
    if not isinstance(containers, list) or not containers:
        yield Cause("spec.template.spec.containers", "Required value", "FieldValueRequired")
    for place, container in enumerate(containers if isinstance(containers, list) else ()):
        yield from _container(f"spec.template.spec.containers[{place}]", container)
    for field in ("labels", "annotations"):
        texts = _map(template.get("metadata")).get(field) or {}
        if not isinstance(texts, Mapping) or not all(isinstance(text, str) for text in texts.values()):
            yield Cause(f"spec.template.metadata.{field}", "Invalid value: must be a map of strings")
    labels = _map(_map(template.get("metadata")).get("labels"))
    if any(labels.get(key) != value for key, value in selector.items()):
        yield Cause("spec.template.metadata.labels",
                    f"Invalid value: {dict(labels)!r}: `selector` does not match template `labels`")


def _container(field: str, container: Any) -> Iterator[Cause]:
    for name in ("name", "image"):
        if not isinstance(_map(container).get(name), str):
            yield Cause(f"{field}.{name}", "Required value", "FieldValueRequired")
    probe = _map(container).get("readinessProbe") or {}
    if not isinstance(probe, Mapping) or not _is_count(probe.get("initialDelaySeconds", 0)):
        yield Cause(f"{field}.readinessProbe", f"Invalid value: {probe!r}: initialDelaySeconds must be whole seconds")


def _bounds(parent: str, level: Mapping[str, Any]) -> Iterator[Cause]:
    """``maxSurge`` and ``maxUnavailable``: counts or percentages, not both nothing."""
    values = [level.get("maxSurge", "25%"), level.get("maxUnavailable", "25%")]
    for field, value in zip(("maxSurge", "maxUnavailable"), values, strict=True):
        percent = isinstance(value, str) and _PERCENT.fullmatch(value)
        if not percent and not _is_count(value, _MOST_PODS):
            yield Cause(f"{parent}.{field}", f"Invalid value: {value!r}: must be a percentage up to 100%, or a count "
                        f"up to {_MOST_PODS} in this cluster")
    if all(value in (0, "0%") for value in values):
        yield Cause(f"{parent}.maxUnavailable", "Invalid value: 0: may not be 0 when `maxSurge` is 0")


def _rollout(item: Json) -> Iterator[Cause]:
    spec = item["spec"]
    for field in ("workloadRef", "analysis"):
        if field in spec:
            yield Cause(f"spec.{field}", _NO_CONTROLLER, "FieldValueForbidden")
    canary = _map(spec.get("strategy")).get("canary")
    if not isinstance(canary, Mapping):
        yield Cause("spec.strategy.canary", "Required value: this cluster rolls out by canary", "FieldValueRequired")
        return
    for field in sorted(canary.keys() - _CANARY):
        yield Cause(f"spec.strategy.canary.{field}", _NO_CONTROLLER, "FieldValueForbidden")
    yield from _bounds("spec.strategy.canary", canary)
    routed = bool(canary.get("trafficRouting"))
    if routed and not (canary.get("canaryService") and canary.get("stableService")):
        yield Cause("spec.strategy.canary.canaryService", "Required value: trafficRouting needs both services",
                    "FieldValueRequired")
    for field in ("scaleDownDelaySeconds", "abortScaleDownDelaySeconds"):
        if not _is_count(canary.get(field, 0)):
            yield Cause(f"spec.strategy.canary.{field}", f"Invalid value: {canary[field]!r}: must be whole seconds")
    for place, step in enumerate(canary.get("steps") or []):
        yield from _step(f"spec.strategy.canary.steps[{place}]", step, routed)
    yield from _times(item)
    yield from _status(_map(item.get("status")))


def _status(status: Mapping[str, Any]) -> Iterator[Cause]:
    """What a client may write into the parts of the status that the controller reads back."""
    for field, needed in (("conditions", ("type", "status", "reason", "message", "lastUpdateTime",
                                          "lastTransitionTime")), ("pauseConditions", ("reason", "startTime"))):
        for place, entry in enumerate(status.get(field) or []):
            for name in needed:
                if not isinstance(_map(entry).get(name), str):
                    yield Cause(f"status.{field}[{place}].{name}", "Required value", "FieldValueRequired")
    weights = _map(status.get("canary")).get("weights")
    if weights is not None:
        for arm in ("canary", "stable"):
            weight = _map(_map(weights).get(arm)).get("weight")
            if not isinstance(weight, int) or not 0 <= weight <= 100:
                yield Cause(f"status.canary.weights.{arm}.weight", f"Invalid value: {weight!r}: must be from 0 to 100")


def _step(field: str, step: Any, routed: bool) -> Iterator[Cause]:
    names = list(step) if isinstance(step, Mapping) else []
    if len(names) != 1 or names[0] not in _STEPS:
        yield Cause(field, f"Invalid value: {step!r}: a step of this cluster is one of {', '.join(_STEPS)}")
        return
    value = step[names[0]]
    if names[0] == "setWeight" and not (_is_count(value) and value <= 100):
        yield Cause(f"{field}.setWeight", f"Invalid value: {value!r}: must be from 0 to 100")
    if names[0] == "pause":
        duration = _map(value).get("duration", 0)
        if not isinstance(value, Mapping) or seconds(duration) is None:
            yield Cause(f"{field}.pause.duration", f"Invalid value: {duration!r}: must be a duration such as 10m")
    if names[0] == "setCanaryScale":
        yield from _canary_scale(f"{field}.setCanaryScale", value, routed)


def _canary_scale(field: str, value: Any, routed: bool) -> Iterator[Cause]:
    if not routed:
        yield Cause(field, "Invalid value: it works only with trafficRouting")
    match value:
        case {"replicas": count, **rest} if not rest and _is_count(count, _MOST_PODS):
            return
        case {"weight": percent, **rest} if not rest and _is_count(percent) and percent <= 100:
            return
        case {"matchTrafficWeight": bool(), **rest} if not rest:
            return
        case _:
            yield Cause(field, f"Invalid value: {value!r}: must be one of replicas, weight, matchTrafficWeight")


def _times(item: Json) -> Iterator[Cause]:
    """Times that the controller will read."""
    pauses = _map(item.get("status")).get("pauseConditions") or []
    times = {f"status.pauseConditions[{place}].startTime": _map(pause).get("startTime")
             for place, pause in enumerate(pauses)}
    times |= {f"status.conditions[{place}].lastUpdateTime": _map(entry).get("lastUpdateTime")
              for place, entry in enumerate(_map(item.get("status")).get("conditions") or [])}
    if "restartAt" in item["spec"]:
        times["spec.restartAt"] = item["spec"]["restartAt"]
    for field, text in times.items():
        try:
            moment(str(text))
        except ValueError:
            yield Cause(field, f"Invalid value: {text!r}: must be of type date-time", "FieldValueTypeInvalid")


def _autoscaler(item: Json) -> Iterator[Cause]:
    spec = _map(item.get("spec"))
    aim = _map(spec.get("scaleTargetRef"))
    for field in ("kind", "name"):
        if not isinstance(aim.get(field), str) or not aim[field]:
            yield Cause(f"spec.scaleTargetRef.{field}", "Required value", "FieldValueRequired")
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if not isinstance(most, int) or not _is_count(most, _MOST_PODS) or most == 0:
        yield Cause("spec.maxReplicas", f"Invalid value: {most!r}: must be from 1 to {_MOST_PODS} in this cluster")
    elif not _is_count(least, most) or least == 0:
        yield Cause("spec.minReplicas", f"Invalid value: {least!r}: must be from 1 to `maxReplicas`")
    for field in ("metrics", "behavior"):
        if field in spec:
            yield Cause(f"spec.{field}", "Forbidden: this cluster has no metrics to scale by", "FieldValueForbidden")


def _lease(item: Json) -> Iterator[Cause]:
    spec = item.get("spec") or {}
    if not isinstance(spec, Mapping):
        yield Cause("spec", "Invalid value: must be an object", "FieldValueTypeInvalid")
        return
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and not (_is_count(duration) and duration > 0):
        yield Cause("spec.leaseDurationSeconds", f"Invalid value: {duration!r}: must be greater than 0")
    if spec.get("holderIdentity") == "":
        yield Cause("spec.holderIdentity", 'Invalid value: "": must not be empty')


def _event(item: Json) -> Iterator[Cause]:
    about = item.get("involvedObject")
    if not isinstance(about, Mapping):
        yield Cause("involvedObject", "Required value", "FieldValueRequired")
    elif about.get("namespace", item["metadata"].get("namespace")) != item["metadata"].get("namespace"):
        yield Cause("involvedObject.namespace",
                    f"Invalid value: {about['namespace']!r}: does not match event.namespace")
    for field in ("firstTimestamp", "lastTimestamp", "eventTime"):
        text = item.get(field)
        try:
            if text is not None:
                moment(str(text))
        except ValueError:
            yield Cause(field, f"Invalid value: {text!r}: must be of type date-time", "FieldValueTypeInvalid")


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_count(value: Any, most: int = _INT32) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
