"""HorizontalPodAutoscalers in a cluster without metrics: all that they do is keep the replicas within their bounds.

Source: the Kubernetes documentation, "Horizontal Pod Autoscaling": without a metric the bounds still hold, and a
workload of no replicas is left alone.
"""

from __future__ import annotations

from triage.lab.cluster.objects import Json, name_of, namespace_of
from triage.lab.cluster.resources import AUTOSCALERS, WORKLOADS, Resource, of_kind
from triage.lab.cluster.storage import Storage


def aim_of(autoscaler: Json) -> tuple[Resource, str, str] | None:
    """(kind, namespace, name) of the workload that it scales; None when this cluster has no such kind."""
    aim = autoscaler["spec"]["scaleTargetRef"]
    resource = of_kind(aim.get("apiVersion"), aim.get("kind"))
    return (resource, namespace_of(autoscaler), aim["name"]) if resource in WORKLOADS and resource else None


def bounded(storage: Storage, resource: Resource, workload: Json) -> int | None:
    """The replicas that an autoscaler makes of the workload's; None when it leaves them, or there is none."""
    replicas = int(workload["spec"].get("replicas", 1))
    found = next((each["spec"] for each in storage.all(AUTOSCALERS, namespace_of(workload))
                  if aim_of(each) == (resource, namespace_of(workload), name_of(workload))), None)
    if found is None or replicas == 0:
        return None
    kept = min(max(replicas, int(found.get("minReplicas", 1))), int(found["maxReplicas"]))
    return kept if kept != replicas else None
