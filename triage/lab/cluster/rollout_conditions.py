"""A Rollout's conditions, among them whether it still makes progress (Argo Rollouts 1.9, ``utils/conditions``)."""

from __future__ import annotations

import math

from triage.lab.cluster.conditions import Condition, truth, updated
from triage.lab.cluster.objects import Json, moment
from triage.lab.cluster.rolling import bounds

_DEADLINE_SECONDS = 600.0


def rollout_conditions(spec: Json, before: Json, status: Json, replica_set: str, revision: str,
                       at: float) -> list[Json]:
    """The conditions of ``status``, which follows ``before``; the first one is about progress."""
    replicas = int(spec.get("replicas", 1))
    entries = before.get("conditions") or []
    progress = _progress(spec, before, status, replica_set, revision, at)
    complete = status.get("stableRS") == status.get("currentPodHash") and not status.get("abort")
    serving = status.get("availableReplicas", 0)
    paused = bool(spec.get("paused") or status.get("pauseConditions"))
    enough = serving >= replicas - bounds(spec["strategy"]["canary"], replicas)[1]
    healthy = complete and serving >= replicas and status.get("updatedReplicas", 0) >= replicas
    statements = [
        progress,
        Condition("Available", truth(enough), "AvailableReason",
                  "Rollout has minimum availability" if enough else "Rollout does not have minimum availability"),
        Condition("Paused", truth(paused), "RolloutPaused", "Rollout is paused" if paused else "Rollout is not paused"),
        Condition("Completed", truth(complete), "RolloutCompleted", f"Rollout completed update to revision {revision}"
                  if complete else "Rollout is not complete"),
        Condition("Healthy", truth(healthy), "RolloutHealthy",
                  "Rollout is healthy" if healthy else "Rollout is not healthy"),
    ]
    moved = _moved(before, status) or _was_held(entries)
    return updated(entries, statements, at, touched="Progressing" if moved else "")


def _progress(spec: Json, before: Json, status: Json, replica_set: str, revision: str, at: float) -> Condition:
    if status.get("abort"):
        return Condition("Progressing", "False", "RolloutAborted", f"Rollout aborted update to revision {revision}")
    if spec.get("paused") or status.get("pauseConditions"):
        return Condition("Progressing", "Unknown", "RolloutPaused", "Rollout is paused")
    if status.get("stableRS") == status.get("currentPodHash"):
        return Condition("Progressing", "True", "NewReplicaSetAvailable",
                         f'ReplicaSet "{replica_set}" has successfully progressed.')
    entries = before.get("conditions") or []
    late = not _moved(before, status) and not _was_held(entries) and at >= deadline(spec, before)
    if late and spec.get("progressDeadlineAbort"):
        return Condition("Progressing", "False", "RolloutAborted", f"Rollout aborted update to revision {revision}")
    if late:
        return Condition("Progressing", "False", "ProgressDeadlineExceeded",
                         f'ReplicaSet "{replica_set}" has timed out progressing.')
    return Condition("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{replica_set}" is progressing.')


def _moved(before: Json, status: Json) -> bool:
    """Whether anything came nearer to the goal."""
    if any(before.get(field) != status.get(field) for field in ("currentPodHash", "currentStepIndex", "stableRS")):
        return True
    more = any(status.get(field, 0) > before.get(field, 0) for field in ("updatedReplicas", "availableReplicas"))
    return more or bool(status.get("replicas", 0) < before.get("replicas", 0))


def _was_held(entries: list[Json]) -> bool:
    """Whether the rollout was paused or aborted: its clock starts anew."""
    return any(each["type"] == "Progressing" and each["reason"] in ("RolloutPaused", "RolloutAborted")
               for each in entries)


def deadline(spec: Json, status: Json) -> float:
    """When missing progress will be called a failure (epoch seconds); infinity when it will not."""
    limit = float(spec.get("progressDeadlineSeconds", _DEADLINE_SECONDS))
    for entry in status.get("conditions") or []:
        if entry["type"] == "Progressing":
            if entry["reason"] == "ProgressDeadlineExceeded":
                return -math.inf
            if entry["reason"] == "ReplicaSetUpdated":
                return moment(entry["lastUpdateTime"]) + limit
    return math.inf
