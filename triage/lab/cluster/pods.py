"""Pods as a ReplicaSet makes them and as a node reports them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from triage.lab.cluster.objects import Json, condition, digest, moment, name_of, owner_reference, timestamp
from triage.lab.cluster.templates import images

_NODES = ("node-a", "node-b", "node-c")
PULL_FAILURES = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
"""Reasons of a container that never started; with any other reason it started and ended."""


@dataclass(frozen=True, slots=True)
class PodView:
    """What a world needs to know of a pod."""

    name: str
    version: str
    ready: bool
    created_at: float
    """Epoch seconds."""
    ready_since: float | None
    """Epoch seconds; None while it is not ready."""
    restarts: int
    node: str
    out_of_memory: bool = False
    """Not ready because it was killed for want of memory."""


def new_pod(replica_set: Json, serial: int, uid: str, at: float) -> Json:
    """The pod that a ReplicaSet makes next, not yet started. ``serial`` makes its name its own."""
    template = replica_set["spec"]["template"]
    name = f"{name_of(replica_set)}-{digest([replica_set['metadata']['uid'], serial], 5)}"
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{name_of(replica_set)}-",
            "namespace": replica_set["metadata"]["namespace"],
            "uid": uid,
            "creationTimestamp": timestamp(at),
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(replica_set)],
        },
        "spec": {**template["spec"], "nodeName": _NODES[serial % len(_NODES)], "restartPolicy": "Always"},
        "status": {"phase": "Pending"},
    }


def waiting_status(pod: Json, reason: str, at: float, *, restarts: int = 0, ended: Json | None = None) -> Json:
    """Status of a pod whose containers do not serve: ``reason`` says why (``ContainerCreating``, ``CrashLoopBackOff``).

    ``ended`` is the terminated state of the run before (``reason``, ``exitCode``, ``finishedAt``).
    """
    started = reason not in PULL_FAILURES and reason != "ContainerCreating"
    waiting = {"waiting": {"reason": reason}}
    return {
        "phase": "Running" if started else "Pending",
        "startTime": pod["metadata"]["creationTimestamp"],
        "conditions": _conditions(pod, ready=False, at=at),
        "containerStatuses": _containers(pod, waiting, ready=False, restarts=restarts, ended=ended),
    }


def ready_status(pod: Json, at: float, *, restarts: int = 0, ended: Json | None = None) -> Json:
    """Status of a pod that serves."""
    running = {"running": {"startedAt": timestamp(at)}}
    return {
        "phase": "Running",
        "startTime": pod["metadata"]["creationTimestamp"],
        "conditions": _conditions(pod, ready=True, at=at),
        "containerStatuses": _containers(pod, running, ready=True, restarts=restarts, ended=ended),
    }


def _conditions(pod: Json, *, ready: bool, at: float) -> list[Json]:
    entries = []
    for kind in ("Initialized", "PodScheduled", "ContainersReady", "Ready"):
        status = "True" if ready or kind in ("Initialized", "PodScheduled") else "False"
        before = condition(pod, kind)
        same = before is not None and before["status"] == status
        changed = before["lastTransitionTime"] if same and before else timestamp(at)
        entry = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": changed}
        entries.append(entry if status == "True" else entry | {"reason": "ContainersNotReady"})
    return entries


def _containers(pod: Json, state: Json, *, ready: bool, restarts: int, ended: Json | None) -> list[Json]:
    names = [container["name"] for container in pod["spec"]["containers"]]
    started = ready or restarts > 0
    return [{"name": name, "image": image, "imageID": _image_id(image) if started else "", "ready": ready,
             "started": ready, "restartCount": restarts, "state": state,
             "lastState": {"terminated": ended} if ended else {}}
            for name, image in zip(names, images(pod), strict=True)]


def _image_id(image: str) -> str:
    """What the node pulled: the digest that it pins, else one that its tag stands for."""
    name, _, digest = image.partition("@")
    if not digest:
        repository, colon, _ = name.rpartition(":")
        digest = f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"
        name = repository if colon and "/" in repository else name
    return f"{name}@{digest}"


def ready_since(pod: Json) -> float | None:
    """Epoch seconds since when the pod has been ready; None when it is not."""
    entry = condition(pod, "Ready")
    return moment(entry["lastTransitionTime"]) if entry is not None and entry["status"] == "True" else None


def restarts(pod: Json) -> int:
    """How often its first container was started again."""
    containers = pod["status"].get("containerStatuses") or [{}]
    return int(containers[0].get("restartCount", 0))


def last_end(pod: Json) -> Json | None:
    """The terminated state of the first container's run before this one."""
    containers = pod["status"].get("containerStatuses") or [{}]
    ended: Json | None = (containers[0].get("lastState") or {}).get("terminated")
    return ended


def is_out_of_memory(pod: Json) -> bool:
    """Whether it is not ready because it was killed for want of memory."""
    return ready_since(pod) is None and (last_end(pod) or {}).get("reason") == "OOMKilled"
