"""The ``/scale`` subresource: a workload's number of replicas as an ``autoscaling/v1`` object."""

from __future__ import annotations

from triage.lab.cluster import refusals
from triage.lab.cluster.objects import Json


def as_scale(workload: Json) -> Json:
    """The Scale of a workload."""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = workload["spec"]["selector"].get("matchLabels", {})
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {field: workload["metadata"][field] for field in kept},
        "spec": {"replicas": workload["spec"].get("replicas", 1)},
        "status": {"replicas": (workload.get("status") or {}).get("replicas", 0),
                   "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items()))},
    }


def with_scale(workload: Json, scale: Json) -> Json:
    """The workload with the replicas, and the resource version and UID, that a Scale asks for."""
    if (scale.get("apiVersion"), scale.get("kind")) != ("autoscaling/v1", "Scale"):
        raise refusals.bad_request(f"the object provided is {scale.get('kind')}, not Scale in version autoscaling/v1")
    asked = scale.get("metadata") or {}
    conditions = {field: asked[field] for field in ("resourceVersion", "uid", "name", "namespace") if field in asked}
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    return {**workload, "metadata": {**workload["metadata"], **conditions},
            "spec": {**workload["spec"], "replicas": replicas}}
