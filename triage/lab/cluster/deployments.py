"""The controller of Deployments: pods are replaced gradually, and each served template stays as a ReplicaSet."""

from __future__ import annotations

import copy
import math

from triage.lab.cluster.conditions import Condition, truth, updated
from triage.lab.cluster.events import Events
from triage.lab.cluster.objects import Json, annotations_of, condition, moment, name_of
from triage.lab.cluster.replicasets import ReplicaSets, available, spec_replicas
from triage.lab.cluster.resources import DEPLOYMENTS
from triage.lab.cluster.rolling import Part, bounds, next_counts
from triage.lab.cluster.storage import Storage
from triage.lab.cluster.templates import template_hash

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
_DEADLINE_SECONDS = 600.0


class Deployments:
    """Acts on Deployments of the strategy RollingUpdate. Times are epoch seconds."""

    def __init__(self, storage: Storage, replica_sets: ReplicaSets, events: Events) -> None:
        self._storage = storage
        self._sets = replica_sets
        self._events = events

    def reconcile(self, deployment: Json, at: float) -> float:
        """Do what can be done now. Returns when to look again (infinity: after a change)."""
        spec = deployment["spec"]
        replicas = int(spec.get("replicas", 1))
        current = self._current(deployment, at)
        sets = self._sets.owned(deployment)
        sets.sort(key=lambda each: current is None or name_of(each) != name_of(current))
        surge, unavailable = bounds((spec.get("strategy") or {}).get("rollingUpdate") or {}, replicas)
        # A paused deployment is scaled, but its pods keep their template: the largest set gets the difference.
        if current is None or spec.get("paused"):
            served = max(sets, key=spec_replicas, default=None)
            others = sum(spec_replicas(each) for each in sets if each is not served)
            targets = [max(replicas - others, 0) if each is served else spec_replicas(each) for each in sets]
        else:
            targets = [replicas, *[0] * (len(sets) - 1)]
        parts = [Part(spec_replicas(each), available(each), target) for each, target in zip(sets, targets, strict=True)]
        for each, count in zip(sets, next_counts(parts, replicas, surge, unavailable), strict=True):
            if count != spec_replicas(each):
                direction = "up" if count > spec_replicas(each) else "down"
                self._events.record(deployment, "ScalingReplicaSet", f"Scaled {direction} replica set {name_of(each)} "
                                    f"from {spec_replicas(each)} to {count}", at)
                self._sets.scale(each, count)
        return self._write(deployment, current, at)

    def _current(self, deployment: Json, at: float) -> Json | None:
        """The set of the present template; a paused deployment makes none, so there may be none yet."""
        if not deployment["spec"].get("paused"):
            return self._sets.ensure(deployment, at)
        hash_ = template_hash(deployment["spec"]["template"])
        return next((each for each in self._sets.owned(deployment) if self._sets.hash_of(each) == hash_), None)

    def _write(self, deployment: Json, current: Json | None, at: float) -> float:
        sets = self._sets.owned(deployment)
        current = next((each for each in sets if current is not None and name_of(each) == name_of(current)), None)
        before = deployment.get("status") or {}
        replicas = int(deployment["spec"].get("replicas", 1))
        counts = {field: sum(int(each["status"].get(field, 0)) for each in sets)
                  for field in ("replicas", "readyReplicas", "availableReplicas")}
        counts["updatedReplicas"] = int(current["status"].get("replicas", 0)) if current else 0
        counts["unavailableReplicas"] = max(replicas - counts["availableReplicas"], 0)
        status: Json = {key: count for key, count in counts.items() if count}
        status["observedGeneration"] = deployment["metadata"]["generation"]
        status["conditions"] = _conditions(deployment, before, status, current, at)
        annotations = annotations_of(deployment)
        if current is not None:
            annotations = {**annotations, REVISION_ANNOTATION: str(self._sets.revision(current))}
        metadata = copy.copy(deployment["metadata"]) | ({"annotations": annotations} if annotations else {})
        stored = self._storage.replace(DEPLOYMENTS, {**deployment, "metadata": metadata, "status": status})
        keep = int(deployment["spec"].get("revisionHistoryLimit", 10))
        self._sets.forget_old(stored, keep, {self._sets.hash_of(current)} if current else set())
        due = _deadline(stored)
        return due if due > at else math.inf


def _conditions(deployment: Json, before: Json, status: Json, current: Json | None, at: float) -> list[Json]:
    spec = deployment["spec"]
    replicas = int(spec.get("replicas", 1))
    unavailable = bounds((spec.get("strategy") or {}).get("rollingUpdate") or {}, replicas)[1]
    enough = status.get("availableReplicas", 0) >= replicas - unavailable
    name = name_of(current) if current else ""
    done = (status.get("updatedReplicas", 0) == status.get("replicas", 0) == status.get("availableReplicas", 0)
            == replicas)
    moved = any(before.get(field, 0) != status.get(field, 0)
                for field in ("replicas", "updatedReplicas", "availableReplicas"))
    known = condition(deployment, "Progressing")
    settled = known is not None and known["reason"] == "NewReplicaSetAvailable"
    if spec.get("paused"):
        progress = Condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    elif done or (settled and status.get("updatedReplicas", 0) == status.get("replicas", 0)):
        progress = Condition("Progressing", "True", "NewReplicaSetAvailable",
                             f'ReplicaSet "{name}" has successfully progressed.')
    elif not moved and at >= _deadline(deployment):
        progress = Condition("Progressing", "False", "ProgressDeadlineExceeded",
                             f'ReplicaSet "{name}" has timed out progressing.')
    else:
        progress = Condition("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
    serving = Condition("Available", truth(enough),
                        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
                        f"Deployment {'has' if enough else 'does not have'} minimum availability.")
    return updated(before.get("conditions") or [], [serving, progress], at, touched="Progressing" if moved else "")


def _deadline(deployment: Json) -> float:
    """When missing progress will be called a failure (epoch seconds); infinity when it will not."""
    entry = condition(deployment, "Progressing")
    if entry is None or entry["reason"] not in ("ReplicaSetUpdated", "ProgressDeadlineExceeded"):
        return math.inf
    if entry["reason"] == "ProgressDeadlineExceeded":
        return -math.inf
    return moment(entry["lastUpdateTime"]) + float(deployment["spec"].get("progressDeadlineSeconds", _DEADLINE_SECONDS))
