"""When pods become ready: they need time to start, and some images never do."""

from __future__ import annotations

import math

from triage.lab.cluster.events import Events
from triage.lab.cluster.objects import Json, name_of, namespace_of, scattered, timestamp, uid_of
from triage.lab.cluster.pods import last_end, ready_since, ready_status, restarts, waiting_status
from triage.lab.cluster.resources import PODS
from triage.lab.cluster.storage import Change, Storage
from triage.lab.cluster.templates import images, start_seconds

_JITTER = 0.2
"""Pods of one template start within this share of one another."""
_EXIT_CODES = {"OOMKilled": 137, "Error": 1}


class Kubelet:
    """The nodes' part: it starts the containers of new pods and reports on them. Times are epoch seconds."""

    def __init__(self, storage: Storage, events: Events) -> None:
        self._storage = storage
        self._events = events
        self._ready_at: dict[tuple[str, str], float] = {}
        self._broken: dict[str, str] = {}
        storage.listen(self._forget)

    @property
    def next_due(self) -> float:
        """When the next pod becomes ready; infinity when none will."""
        return min(self._ready_at.values(), default=math.inf)

    def start(self, pod: Json, at: float) -> Json:
        """Create the pod in the storage and begin to start it."""
        reason = self._reason(pod)
        pod = self._storage.create(PODS, {**pod, "status": waiting_status(pod, reason or "ContainerCreating", at)})
        if reason:
            self._events.record(pod, "Failed", f"Error: {reason}", at, kind="Warning")
        self._ready_at[namespace_of(pod), name_of(pod)] = math.inf if reason else at + self._start_seconds(pod)
        return pod

    def step(self, at: float) -> None:
        """Report the pods that have become ready by now, since when they have been."""
        for key, due in list(self._ready_at.items()):
            if due <= at:
                del self._ready_at[key]
                pod = self._storage.get(PODS, *key)
                status = ready_status(pod, due, restarts=restarts(pod), ended=last_end(pod))
                self._storage.replace(PODS, {**pod, "status": status})

    def break_image(self, image: str, reason: str) -> None:
        """From now on no new pod with this image becomes ready, for this reason (``ImagePullBackOff``)."""
        self._broken[image] = reason

    def mend_image(self, image: str, at: float) -> None:
        """The image works again; pods that wait for it start."""
        self._broken.pop(image, None)
        for key, due in self._ready_at.items():
            pod = self._storage.get(PODS, *key)
            if due == math.inf and not self._reason(pod):
                self._ready_at[key] = at + self._start_seconds(pod)

    def crash(self, namespace: str, name: str, reason: str, at: float, down_seconds: float | None = None) -> None:
        """The pod's containers end (``OOMKilled``) and start anew: not ready for ``down_seconds``, by default as long
        as a start takes."""
        self.step(at)
        pod = self._storage.get(PODS, namespace, name)
        ended = {"reason": reason, "exitCode": _EXIT_CODES.get(reason, 1),
                 "startedAt": timestamp(ready_since(pod) or at), "finishedAt": timestamp(at)}
        status = waiting_status(pod, "CrashLoopBackOff", at, restarts=restarts(pod) + 1, ended=ended)
        self._storage.replace(PODS, {**pod, "status": status})
        self._events.record(pod, "BackOff", f"Back-off restarting failed container {_first_container(pod)} in pod "
                            f"{name}_{namespace}({uid_of(pod)})", at, kind="Warning")
        self._ready_at[namespace, name] = at + (self._start_seconds(pod) if down_seconds is None else down_seconds)

    def _reason(self, pod: Json) -> str:
        return next((self._broken[image] for image in images(pod) if image in self._broken), "")

    def _start_seconds(self, pod: Json) -> float:
        share = scattered(uid_of(pod)) / 2**64
        return start_seconds(pod) * (1.0 + _JITTER * share)

    def _forget(self, change: Change) -> None:
        if change.resource is PODS and change.kind == "DELETED":
            self._ready_at.pop((namespace_of(change.item), name_of(change.item)), None)


def _first_container(pod: Json) -> str:
    return str(pod["spec"]["containers"][0]["name"])
