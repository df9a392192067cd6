"""Events: what controllers and nodes tell about an object, kept for an hour as clusters keep them."""

from __future__ import annotations

from triage.lab.cluster.objects import Json, digest, moment, name_of, namespace_of, new_uid, timestamp, uid_of
from triage.lab.cluster.resources import EVENTS
from triage.lab.cluster.storage import Storage

KEPT_SECONDS = 3600.0
"""Default of kube-apiserver's ``--event-ttl``."""


class Events:
    """Writes core/v1 Events; the same one again only counts up."""

    def __init__(self, storage: Storage, component: str) -> None:
        self._storage = storage
        self._component = component

    def record(self, about: Json, reason: str, message: str, at: float, *, kind: str = "Normal") -> None:
        """Tell that something happened to ``about`` at this time (epoch seconds). ``kind``: Normal or Warning."""
        namespace = namespace_of(about)
        name = f"{name_of(about)}.{digest([uid_of(about), reason, message], 13)}"
        known = self._storage.find(EVENTS, namespace, name)
        if known is not None:
            self._storage.replace(EVENTS, {**known, "count": known["count"] + 1, "lastTimestamp": timestamp(at)})
            return
        self._storage.create(EVENTS, {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace, "uid": new_uid("event", name, self._storage.revision),
                         "creationTimestamp": timestamp(at)},
            "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], "namespace": namespace,
                               "name": name_of(about), "uid": uid_of(about),
                               "resourceVersion": about["metadata"].get("resourceVersion", "")},
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": self._component},
            "firstTimestamp": timestamp(at),
            "lastTimestamp": timestamp(at),
            "count": 1,
        })

    def prune(self, at: float) -> None:
        """Forget what is too old at this time."""
        for event in self._storage.all(EVENTS):
            last = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
            if moment(last) < at - KEPT_SECONDS:
                self._storage.remove(EVENTS, namespace_of(event), name_of(event))
