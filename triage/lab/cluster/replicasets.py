"""ReplicaSets: one for each pod template that a workload has had, kept at a number of pods."""

from __future__ import annotations

import math

from triage.lab.cluster.events import Events
from triage.lab.cluster.kubelet import Kubelet
from triage.lab.cluster.objects import (
    Json,
    annotations_of,
    controller_of,
    created_at,
    name_of,
    namespace_of,
    new_uid,
    owner_reference,
    timestamp,
    uid_of,
)
from triage.lab.cluster.pods import new_pod, ready_since
from triage.lab.cluster.resources import PODS, REPLICA_SETS
from triage.lab.cluster.storage import Storage
from triage.lab.cluster.templates import template_hash, without_hash


def spec_replicas(replica_set: Json | None) -> int:
    """Pods that it shall have; 0 for none."""
    return int(replica_set["spec"]["replicas"]) if replica_set else 0


def available(replica_set: Json | None) -> int:
    """Pods of it that serve and are meant to stay."""
    if replica_set is None:
        return 0
    return min(int(replica_set["status"].get("availableReplicas", 0)), spec_replicas(replica_set))


class ReplicaSets:
    """The ReplicaSet controller, and what workloads do with their sets.

    ``hash_label`` and ``revision_annotation`` are those of the kind of workload.
    """

    def __init__(self, storage: Storage, kubelet: Kubelet, *, hash_label: str, revision_annotation: str) -> None:
        self._storage = storage
        self._events = Events(storage, "replicaset-controller")
        self._kubelet = kubelet
        self._hash_label = hash_label
        self._revision_annotation = revision_annotation
        self._serial = 0

    def owned(self, workload: Json) -> list[Json]:
        """The sets of a workload, oldest first."""
        mine = [each for each in self._storage.all(REPLICA_SETS, namespace_of(workload))
                if controller_of(each) == uid_of(workload)]
        return sorted(mine, key=lambda each: (created_at(each), self.revision(each)))

    def hash_of(self, replica_set: Json) -> str:
        return str(replica_set["metadata"]["labels"][self._hash_label])

    def revision(self, replica_set: Json) -> int:
        return int(annotations_of(replica_set).get(self._revision_annotation, 0))

    def ensure(self, workload: Json, at: float) -> Json:
        """The set of the workload's present template, made when there is none, with the highest revision."""
        template = workload["spec"]["template"]
        hash_ = template_hash(template)
        sets = self.owned(workload)
        current = next((each for each in sets if self.hash_of(each) == hash_), None)
        newest = max((self.revision(each) for each in sets if each is not current), default=0)
        if current is None:
            return self._storage.create(REPLICA_SETS, self._new(workload, hash_, newest + 1, at))
        if self.revision(current) > newest:
            return current
        history = annotations_of(current).get(f"{self._revision_annotation}-history", "")
        past = f"{history},{self.revision(current)}".lstrip(",")
        return self.annotate(current, {self._revision_annotation: str(newest + 1),
                                       f"{self._revision_annotation}-history": past})

    def _new(self, workload: Json, hash_: str, revision: int, at: float) -> Json:
        template = without_hash(workload["spec"]["template"])
        labels = {**template["metadata"]["labels"], self._hash_label: hash_}
        name = f"{name_of(workload)}-{hash_}"
        selector = {**workload["spec"]["selector"]["matchLabels"], self._hash_label: hash_}
        return {
            "apiVersion": REPLICA_SETS.api_version,
            "kind": REPLICA_SETS.kind,
            "metadata": {"name": name, "namespace": namespace_of(workload), "generation": 1, "labels": labels,
                         "uid": new_uid(uid_of(workload), hash_), "creationTimestamp": timestamp(at),
                         "annotations": {self._revision_annotation: str(revision)},
                         "ownerReferences": [owner_reference(workload)]},
            "spec": {"replicas": 0, "selector": {"matchLabels": selector},
                     "minReadySeconds": int(workload["spec"].get("minReadySeconds", 0)),
                     "template": {**template, "metadata": {**template["metadata"], "labels": labels}}},
            "status": {"replicas": 0},
        }

    def annotate(self, replica_set: Json, annotations: dict[str, str | None]) -> Json:
        """Set annotations; None removes one."""
        merged = {**annotations_of(replica_set), **annotations}
        kept = {key: value for key, value in merged.items() if value is not None}
        metadata = {**replica_set["metadata"], "annotations": kept}
        return self._storage.replace(REPLICA_SETS, {**replica_set, "metadata": metadata})

    def scale(self, replica_set: Json, replicas: int) -> Json:
        """Ask for a number of pods; :meth:`reconcile` makes or deletes them."""
        if spec_replicas(replica_set) == replicas:
            return replica_set
        metadata = {**replica_set["metadata"], "generation": replica_set["metadata"]["generation"] + 1}
        spec = {**replica_set["spec"], "replicas": replicas}
        return self._storage.replace(REPLICA_SETS, {**replica_set, "metadata": metadata, "spec": spec})

    def forget_old(self, workload: Json, keep: int, used: set[str]) -> None:
        """Delete the oldest empty sets beyond ``keep``; those whose hash is in ``used`` stay."""
        empty = [each for each in self.owned(workload)
                 if self.hash_of(each) not in used and not spec_replicas(each) and not each["status"].get("replicas")]
        empty.sort(key=self.revision)
        for each in empty[:max(len(empty) - keep, 0)]:
            self._storage.remove(REPLICA_SETS, namespace_of(each), name_of(each))

    def pods(self, replica_set: Json) -> list[Json]:
        """Its pods, those that may go first at the end: the oldest that serve come first."""
        mine = [pod for pod in self._storage.all(PODS, namespace_of(replica_set))
                if controller_of(pod) == uid_of(replica_set)]
        return sorted(mine, key=lambda pod: (ready_since(pod) is None, created_at(pod), name_of(pod)))

    def delete_pod(self, pod: Json) -> None:
        self._storage.remove(PODS, namespace_of(pod), name_of(pod))

    def reconcile(self, replica_set: Json, at: float) -> float:
        """Make or delete pods and count them. Returns when to look again (epoch seconds; infinity: after a change)."""
        pods, wanted = self.pods(replica_set), spec_replicas(replica_set)
        for pod in pods[wanted:]:
            self.delete_pod(pod)
            self._events.record(replica_set, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", at)
        pods = pods[:wanted]
        for _ in range(wanted - len(pods)):
            pods.append(self._kubelet.start(self._new_pod(replica_set, at), at))
            self._events.record(replica_set, "SuccessfulCreate", f"Created pod: {name_of(pods[-1])}", at)
        settle = float(replica_set["spec"].get("minReadySeconds", 0))
        available_at = [since + settle for pod in pods if (since := ready_since(pod)) is not None]
        counts = {"replicas": len(pods), "fullyLabeledReplicas": len(pods), "readyReplicas": len(available_at),
                  "availableReplicas": sum(due <= at for due in available_at)}
        status = {key: count for key, count in counts.items() if count or key == "replicas"}
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        self._storage.replace(REPLICA_SETS, {**replica_set, "status": status})
        return min((due for due in available_at if due > at), default=math.inf)

    def _new_pod(self, replica_set: Json, at: float) -> Json:
        """A pod whose name nobody has: two serial numbers can end in the same five characters."""
        while True:
            self._serial += 1
            pod = new_pod(replica_set, self._serial, new_uid(uid_of(replica_set), self._serial), at)
            if self._storage.find(PODS, namespace_of(pod), name_of(pod)) is None:
                return pod
