"""The traffic as it really is from the opening on: what the cluster's rollouts and the registry's aliases say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from triage.lab.cluster import Cluster
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.objects import annotations_of
from triage.lab.cluster.pods import PodView
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import DEPLOYMENTS
from triage.lab.registry import Registry, RegistryError
from triage.lab.world.fleet import FLEET, Member
from triage.lab.world.furnish import CANARY_ALIAS, STABLE_ALIAS, deployed, knative_deployment, worker_deployment
from triage.lab.world.memory import DOWN_SECONDS
from triage.lab.world.plan import Plan, Traffic
from triage.lab.world.pods import Pod

_MIN_SCALE = "autoscaling.knative.dev/min-scale"
_MOST_KEPT = 50


class Steering:
    """Asks the cluster and the registry, and scales the Deployments of models whose versions are Deployments."""

    def __init__(self, cluster: Cluster, registry: Registry, plans: dict[str, Plan]) -> None:
        self._cluster = cluster
        self._registry = registry
        self._plans = plans
        self._known: dict[str, dict[str, float]] = {}
        self._scaled = {version: replicas for plan in plans.values() if plan.member.rollout == "deployments"
                        for version, replicas in deployed(plan.member, plan.release).items()}
        """Replicas of each Deployment."""
        self._killed: dict[str, int] = {}
        """Kills by the pod's name that the cluster was told of."""

    def traffic(self, name: str, at: float) -> Traffic:
        """Shares and replicas of one model now; T is 1."""
        member = FLEET[name]
        if member.rollout == "argo":
            percent = self._cluster.split(member.namespace, name, at)
            ready: dict[str, int] = {}
            for view in self._views(member.namespace, name):
                ready[view.version] = ready.get(view.version, 0) + _counts(view)
            if not ready:
                # Nobody is asked for what nobody offers: not even a refusal is counted.
                percent = {}
            return _traffic(member, {version: share / 100 for version, share in percent.items()}, ready)
        shares = self._aliased(member)
        wanted = {version: math.ceil(share * member.replicas) for version, share in shares.items()}
        if member.rollout == "deployments":
            self._scale(member, wanted)
            wanted = {version: sum(map(_counts, self._views(member.namespace, version))) for version in shares}
        return _traffic(member, shares, wanted)

    def _aliased(self, member: Member) -> dict[str, float]:
        """The stable alias serves; what the canary alias names gets the release's weight while there is such an alias.

        An alias that names nothing that could serve leaves the traffic where it was.
        """
        release = self._plans[member.name].release
        stable, canary = (self._named(member, alias) for alias in (STABLE_ALIAS, CANARY_ALIAS))
        if stable is None:
            return self._known.get(member.name, {release.stable: 1.0})
        shares = {stable: 1.0}
        if canary is not None and canary != stable:
            weight = (release.steps[-1].weight if release.steps else member.steps[0]) / 100
            shares = {stable: 1.0 if release.arm == "shadow" else 1 - weight, canary: weight}
        self._known[member.name] = shares
        return shares

    def _named(self, member: Member, alias: str) -> str | None:
        """The version that an alias names; None without such an alias, model or version."""
        try:
            return member.by_number(self._registry.alias(member.name, alias) or "")
        except RegistryError:
            return None

    def _views(self, namespace: str, workload: str) -> list[PodView]:
        """The pods of a workload; [] when somebody deleted it."""
        try:
            return self._cluster.pods(namespace, workload)
        except LookupError:
            return []

    def _scale(self, member: Member, wanted: dict[str, int]) -> None:
        """Let each version's Deployment have the pods that its share needs, as the team's operator would."""
        for version in member.versions:
            replicas = wanted.get(version, 0)
            if version == self._plans[member.name].release.stable and replicas:
                replicas = member.replicas
            if version in self._scaled and self._scaled[version] != replicas:
                self._scaled[version] = replicas
                self._resize(member.namespace, version, replicas, "assist-operator")

    def _resize(self, namespace: str, deployment: str, replicas: int, manager: str) -> None:
        # A Deployment that somebody deleted is not made again.
        with suppress(Refusal):
            self._cluster.server.patch(DEPLOYMENTS, namespace, deployment, "", "merge",
                                       {"spec": {"replicas": replicas}}, Options(manager=manager))

    def pods(self, name: str) -> Sequence[Pod]:
        """The pods of a model."""
        member = FLEET[name]
        names = {"argo": (name,), "deployments": member.versions, "worker": (worker_deployment(member),),
                 "knative": tuple(map(knative_deployment, member.versions))}[member.rollout]
        found = []
        for workload in names:
            found += [Pod(view.name, view.version, view.created_at, view.restarts - self._killed.get(view.name, 0))
                      for view in self._views(member.namespace, workload)]
        return found

    def autoscale(self, name: str, scaled: Iterable[tuple[float, str, int]]) -> None:
        """Let Knative's Deployments have the pods that its autoscaler wants: (since epoch seconds, version, pods)."""
        for at, version, pods in scaled:
            self._cluster.schedule(at, partial(self._resize, FLEET[name].namespace, knative_deployment(version), pods,
                                               "autoscaler"))

    def kept(self, name: str) -> dict[str, int]:
        """Pods by version that Knative's autoscaler shall leave where there are no requests; of others nothing."""
        found = {}
        for version in FLEET[name].versions:
            workload = self._cluster.storage.find(DEPLOYMENTS, FLEET[name].namespace, knative_deployment(version))
            text = annotations_of(workload).get(_MIN_SCALE, "") if workload is not None else ""
            if text.isdecimal() and int(text) > 0:
                found[version] = min(int(text), _MOST_KEPT)
        return found

    def kill(self, name: str, kills: Iterable[tuple[float, str]]) -> None:
        """Tell the cluster which pods of a model were killed for want of memory: (epoch seconds, pod)."""
        for at, pod in sorted(kills):
            # A pod that was deleted meanwhile is nobody's any more.
            with suppress(Refusal):
                self._cluster.crash(FLEET[name].namespace, pod, at=at, down_seconds=DOWN_SECONDS)
                self._killed[pod] = self._killed.get(pod, 0) + 1


def _counts(view: PodView) -> bool:
    """Whether a pod belongs to those that share the load. Of these the simulation itself takes away who is killed."""
    return view.ready or view.out_of_memory


def _traffic(member: Member, shares: dict[str, float], replicas: dict[str, int]) -> Traffic:
    return Traffic(np.array([[shares.get(version, 0.0)] for version in member.versions]),
                   np.array([[float(replicas.get(version, 0))] for version in member.versions]))
