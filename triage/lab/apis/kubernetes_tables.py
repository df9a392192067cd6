"""Lists as tables (``meta.k8s.io/v1`` ``Table``), which is what ``kubectl get`` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from triage.lab.cluster.objects import Json, moment, name_of
from triage.lab.cluster.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    Resource,
)

_Cell = Callable[[Json, float], Any]


def wants_table(accept: str) -> bool:
    """Whether a client prefers tables."""
    return "as=Table" in accept and "g=meta.k8s.io" in accept


def table(resource: Resource, items: Sequence[Json], revision: int, now: float, *, include: str = "Metadata") -> Json:
    """The table of ``items`` at ``now`` (epoch seconds). ``include`` says how much of each object goes with its row."""
    columns = [("Name", "string", _name), *_COLUMNS.get(resource, ()), ("Age", "string", _age)]
    if resource is EVENTS:
        columns = list(_COLUMNS[EVENTS])
    definitions = [{"name": name, "type": kind, "format": "name" if name == "Name" else "", "description": name,
                    "priority": 0} for name, kind, _ in columns]
    rows = []
    for item in items:
        row: Json = {"cells": [cell(item, now) for _, _, cell in columns]}
        if include != "None":
            row["object"] = item if include == "Object" else {
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
        rows.append(row)
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": str(revision)},
            "columnDefinitions": definitions, "rows": rows}


def human_duration(seconds: float) -> str:
    """An age as kubectl writes it: the two largest units while they matter (``5m3s``, ``25m``, ``30d``)."""
    seconds = max(int(seconds), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def _name(item: Json, _now: float) -> str:
    return name_of(item)


def _age(item: Json, now: float) -> str:
    return human_duration(now - moment(item["metadata"]["creationTimestamp"]))


def _spec(field: str) -> _Cell:
    return lambda item, _now: (item.get("spec") or {}).get(field, 0)


def _status(field: str) -> _Cell:
    return lambda item, _now: (item.get("status") or {}).get(field, 0)


def _ready_of_desired(item: Json, _now: float) -> str:
    return f"{(item.get('status') or {}).get('readyReplicas', 0)}/{item['spec'].get('replicas', 1)}"


def _containers(item: Json) -> list[Json]:
    found: list[Json] = (item.get("status") or {}).get("containerStatuses") or []
    return found


def _pod_ready(item: Json, _now: float) -> str:
    return f"{sum(bool(each['ready']) for each in _containers(item))}/{len(item['spec']['containers'])}"


def _pod_status(item: Json, _now: float) -> str:
    reasons = [each["state"]["waiting"]["reason"] for each in _containers(item) if "waiting" in each["state"]]
    return str(reasons[0] if reasons else item["status"]["phase"])


def _pod_restarts(item: Json, _now: float) -> int:
    return sum(int(each["restartCount"]) for each in _containers(item))


def _last_seen(item: Json, now: float) -> str:
    seen = item.get("lastTimestamp") or item["metadata"]["creationTimestamp"]
    try:
        return human_duration(now - moment(str(seen)))
    except ValueError:
        return "<unknown>"


def _event_object(item: Json, _now: float) -> str:
    about = item.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _scales(item: Json, _now: float) -> str:
    aim = item["spec"]["scaleTargetRef"]
    return f"{aim['kind']}/{aim['name']}"


def _field(field: str) -> _Cell:
    return lambda item, _now: str(item.get(field) or "")


_COLUMNS: dict[Resource, tuple[tuple[str, str, _Cell], ...]] = {
    PODS: (("Ready", "string", _pod_ready), ("Status", "string", _pod_status), ("Restarts", "integer", _pod_restarts)),
    REPLICA_SETS: (("Desired", "integer", _spec("replicas")), ("Current", "integer", _status("replicas")),
                   ("Ready", "integer", _status("readyReplicas"))),
    DEPLOYMENTS: (("Ready", "string", _ready_of_desired), ("Up-to-date", "integer", _status("updatedReplicas")),
                  ("Available", "integer", _status("availableReplicas"))),
    ROLLOUTS: (("Desired", "integer", _spec("replicas")), ("Current", "integer", _status("replicas")),
               ("Up-to-date", "integer", _status("updatedReplicas")),
               ("Available", "integer", _status("availableReplicas"))),
    AUTOSCALERS: (("Reference", "string", _scales), ("MinPods", "integer", _spec("minReplicas")),
                  ("MaxPods", "integer", _spec("maxReplicas"))),
    LEASES: (("Holder", "string", lambda item, _now: (item.get("spec") or {}).get("holderIdentity", "")),),
    EVENTS: (("Last Seen", "string", _last_seen), ("Type", "string", _field("type")),
             ("Reason", "string", _field("reason")), ("Object", "string", _event_object),
             ("Message", "string", _field("message"))),
}
