"""The cluster as the lab's world sees it: objects are added, time goes on, traffic follows."""

from __future__ import annotations

import copy
import heapq
import itertools
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress

from triage.lab.clock import Clock
from triage.lab.cluster import deployments, rollouts
from triage.lab.cluster.access import Access
from triage.lab.cluster.apiserver import ApiServer, Options
from triage.lab.cluster.autoscalers import aim_of, bounded
from triage.lab.cluster.deployments import Deployments
from triage.lab.cluster.events import Events
from triage.lab.cluster.kubelet import Kubelet
from triage.lab.cluster.objects import (
    Json,
    controller_of,
    created_at,
    labels_of,
    name_of,
    namespace_of,
    new_uid,
    timestamp,
    uid_of,
)
from triage.lab.cluster.pods import PodView, is_out_of_memory, ready_since, restarts
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.replicasets import ReplicaSets
from triage.lab.cluster.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    WORKLOADS,
    Resource,
    of_kind,
)
from triage.lab.cluster.rollouts import Rollouts
from triage.lab.cluster.storage import Change, Storage
from triage.lab.cluster.templates import (
    APP_LABEL,
    DEPLOYMENT_HASH_LABEL,
    ROLLOUT_HASH_LABEL,
    version_of,
    with_version,
)
from triage.lab.cluster.traffic import Split, split_of

_Key = tuple[Resource, str, str]
_MOST_PASSES = 500
"""Controllers that change objects so often without time passing would never end."""


class Cluster:
    """Objects, controllers and permissions. It lives on virtual time: nothing happens before :meth:`advance`.

    Not safe for several threads: one event loop asks and advances it.
    """

    def __init__(self, clock: Clock, access: Access | None = None, *, history: int = 4096) -> None:
        self.access = access or Access()
        self.storage = Storage(history)
        self.server = ApiServer(self.storage, lambda: self.time)
        self.time = -math.inf
        """How far the controllers have got, epoch seconds."""
        self._clock = clock
        self._events = Events(self.storage, "rollouts-controller")
        self._kubelet = Kubelet(self.storage, Events(self.storage, "kubelet"))
        self._sets: dict[Resource, ReplicaSets] = {
            ROLLOUTS: ReplicaSets(self.storage, self._kubelet, hash_label=ROLLOUT_HASH_LABEL,
                                  revision_annotation=rollouts.REVISION_ANNOTATION),
            DEPLOYMENTS: ReplicaSets(self.storage, self._kubelet, hash_label=DEPLOYMENT_HASH_LABEL,
                                     revision_annotation=deployments.REVISION_ANNOTATION)}
        self._controllers: dict[Resource, Rollouts | Deployments] = {
            ROLLOUTS: Rollouts(self.storage, self._sets[ROLLOUTS], self._events),
            DEPLOYMENTS: Deployments(self.storage, self._sets[DEPLOYMENTS],
                                     Events(self.storage, "deployment-controller"))}
        self._wakes: dict[_Key, float] = {}
        self._owners: dict[str, _Key] = {}
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._plan_numbers = itertools.count()
        self._splits: defaultdict[tuple[str, str], list[tuple[float, Split]]] = defaultdict(list)
        self.storage.listen(self._changed)

    # Making a past and a future.

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Let ``action`` happen at that time (epoch seconds), in the past of the next :meth:`advance` or in the future.

        Raises ValueError for a time that the cluster has already passed.
        """
        if at < self.time:
            raise ValueError(f"the cluster is {self.time - at:g} s past that time: a past is made before advancing")
        heapq.heappush(self._plans, (at, next(self._plan_numbers), action))

    def add(self, item: Mapping[str, object], at: float | None = None) -> None:
        """Create an object at that time (epoch seconds, default now), with its namespace when that is missing.

        Raises ValueError for a kind that the cluster does not know, and as :meth:`schedule` does. An object that is not
        valid raises a :class:`Refusal` when its time has come.
        """
        resource = of_kind(item.get("apiVersion"), item.get("kind"))
        if resource is None:
            raise ValueError(f"{item.get('apiVersion')} {item.get('kind')}: the lab's cluster knows no such kind")
        body = copy.deepcopy(dict(item))
        self.schedule(self._clock.now() if at is None else at, lambda: self._create(resource, body))

    def deploy(self, namespace: str, name: str, version: str, *, image: str = "", at: float | None = None,
               manager: str = "deployer") -> None:
        """Give a workload another version at that time (epoch seconds, default now), as a delivery pipeline does.

        Without ``image`` the first container keeps its repository and takes the version as its tag.
        """
        def change() -> None:
            resource, workload = self._workloads(namespace, name)[0]
            template = with_version(workload["spec"]["template"], version, image)
            self.server.patch(resource, namespace, name, "", "merge", {"spec": {"template": template}},
                              Options(manager=manager))

        self.schedule(self._clock.now() if at is None else at, change)

    def break_image(self, image: str, reason: str = "ImagePullBackOff") -> None:
        """From now on no new pod with this image becomes ready."""
        self._kubelet.break_image(image, reason)

    def mend_image(self, image: str) -> None:
        """Pods with this image start again."""
        self._kubelet.mend_image(image, self.time)

    def crash(self, namespace: str, pod: str, reason: str = "OOMKilled", *, at: float | None = None,
              down_seconds: float | None = None) -> None:
        """The pod's containers end at that time (epoch seconds, default now) and start anew within ``down_seconds``
        (default: as long as its start takes). What became known late may be told of the past.

        Raises a 404 :class:`Refusal` when there is no such pod; one that is gone when the time comes cannot crash.
        """
        if at is None or at <= self.time:
            self._kubelet.crash(namespace, pod, reason, self.time if at is None else at, down_seconds)
            return

        def end() -> None:
            with suppress(Refusal):
                self._kubelet.crash(namespace, pod, reason, at, down_seconds)

        self.schedule(at, end)

    # Time.

    def advance(self, now: float | None = None) -> None:
        """Let everything happen that is due until ``now`` (epoch seconds, default the clock's time)."""
        now = self._clock.now() if now is None else now
        passes = 0
        while (due := self._next_due()) <= now:
            passes = passes + 1 if due <= self.time else 0
            if passes > _MOST_PASSES:
                raise RuntimeError(f"the controllers do not settle: {sorted(key[2] for key in self._wakes)}")
            self.time = max(self.time, due)
            self._step()
        if now > self.time:
            self.time = now
        self._events.prune(self.time)

    @property
    def next_due(self) -> float:
        """When something happens next without anybody's doing, epoch seconds; infinity when nothing will."""
        return self._next_due()

    def _next_due(self) -> float:
        plan = self._plans[0][0] if self._plans else math.inf
        return min(plan, self._kubelet.next_due, min(self._wakes.values(), default=math.inf))

    def _step(self) -> None:
        self._kubelet.step(self.time)
        while self._plans and self._plans[0][0] <= self.time:
            heapq.heappop(self._plans)[2]()
        for key in [key for key, due in self._wakes.items() if due <= self.time]:
            del self._wakes[key]
            self._reconcile(key)

    def _reconcile(self, key: _Key) -> None:
        resource, namespace, name = key
        workload = self.storage.find(*key)
        if workload is None:
            return
        replicas = bounded(self.storage, resource, workload)
        if replicas is not None:
            # Written as the autoscaler does it, and seen by the controller as any other change.
            self.server.patch(resource, namespace, name, "scale", "merge", {"spec": {"replicas": replicas}},
                              Options(manager="kube-controller-manager"))
            return
        again = self._controllers[resource].reconcile(workload, self.time)
        for replica_set in self._sets[resource].owned(workload):
            again = min(again, self._sets[resource].reconcile(replica_set, self.time))
        if again < math.inf:
            self._wakes[key] = min(again, self._wakes.get(key, math.inf))
        for known_as in {name, labels_of(workload).get(APP_LABEL, name)}:
            self._note_split(namespace, known_as)

    def _note_split(self, namespace: str, name: str) -> None:
        split = split_of([(workload, self._sets[resource].owned(workload))
                          for resource, workload in self._workloads(namespace, name)])
        history = self._splits[namespace, name]
        if history and history[-1][0] == self.time:
            history.pop()
        if not history or history[-1][1] != split:
            history.append((self.time, split))

    def _changed(self, change: Change) -> None:
        """Somebody changed something: its workload's controller must look."""
        if change.resource in WORKLOADS:
            key = (change.resource, namespace_of(change.item), name_of(change.item))
            self._owners[uid_of(change.item)] = key
        elif change.resource is REPLICA_SETS:
            owner = self._owners.get(controller_of(change.item) or "")
            if owner is None:
                return
            key = owner
            self._owners[uid_of(change.item)] = owner
        elif change.resource is PODS:
            owner = self._owners.get(controller_of(change.item) or "")
            if owner is None:
                return
            key = owner
        elif change.resource is AUTOSCALERS:
            aim = aim_of(change.item)
            if aim is None:
                return
            key = aim
        else:
            return
        self._wakes[key] = self.time

    def _create(self, resource: Resource, body: Json) -> None:
        namespace = body.get("metadata", {}).get("namespace", "default") if resource.namespaced else ""
        if namespace and self.storage.find(NAMESPACES, "", namespace) is None:
            self.storage.create(NAMESPACES, {
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": namespace, "uid": new_uid("namespace", namespace),
                             "creationTimestamp": timestamp(self.time),
                             "labels": {"kubernetes.io/metadata.name": namespace}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
        self.server.create(resource, namespace, body, Options(manager="deployer"))

    # What the world asks.

    def split(self, namespace: str, name: str, at: float | None = None) -> dict[str, float]:
        """Percent of the requests that each version of a workload gets; together 100, or empty when nothing serves.

        ``name`` is that of a workload, or of an application whose versions are workloads of their own (label
        ``app.kubernetes.io/name``); a Service in front of those gives every pod the same share.
        ``at`` (epoch seconds) asks for the past; None means as far as the cluster has got.
        """
        history = self._splits[namespace, name]
        place = bisect_right(history, self.time if at is None else at, key=lambda entry: entry[0])
        return dict(history[place - 1][1]) if place else {}

    def splits(self, namespace: str, name: str) -> list[tuple[float, dict[str, float]]]:
        """(since when, split) of every change of a workload's split, oldest first."""
        return [(since, dict(split)) for since, split in self._splits[namespace, name]]

    def pods(self, namespace: str, name: str) -> list[PodView]:
        """The pods of a workload, or of all of an application, oldest first. Raises LookupError when there is none."""
        pods = [(pod, version_of(replica_set["spec"]["template"]))
                for resource, workload in self._workloads(namespace, name)
                for replica_set in self._sets[resource].owned(workload)
                for pod in self._sets[resource].pods(replica_set)]
        views = [PodView(name_of(pod), version, ready_since(pod) is not None, created_at(pod), ready_since(pod),
                         restarts(pod), pod["spec"]["nodeName"], is_out_of_memory(pod)) for pod, version in pods]
        return sorted(views, key=lambda view: (view.created_at, view.name))

    def _workloads(self, namespace: str, name: str) -> list[tuple[Resource, Json]]:
        """The workload of that name; without one, those of the application of that name."""
        named = [(resource, workload) for resource in WORKLOADS
                 if (workload := self.storage.find(resource, namespace, name)) is not None]
        found = named[:1] or [(resource, workload) for resource in WORKLOADS
                              for workload in self.storage.all(resource, namespace)
                              if labels_of(workload).get(APP_LABEL) == name]
        if not found:
            raise LookupError(f"there is no Rollout or Deployment {name} in the namespace {namespace} at {self.time:g}")
        return found
