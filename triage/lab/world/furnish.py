"""The cluster and the registry as a scenario finds them: workloads with a past, versions with aliases and approvals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from triage.lab.cluster import Cluster
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.manifests import deployment, rollout
from triage.lab.cluster.resources import ROLLOUTS
from triage.lab.registry import DataInput, Metric, Registry, Run
from triage.lab.world.fleet import FLEET, Member
from triage.lab.world.gpu import hash_of
from triage.lab.world.grid import DAY, HOUR
from triage.lab.world.models.loan import references
from triage.lab.world.scenario import Release, Scenario

STABLE_ALIAS = "champion"
CANARY_ALIAS = "challenger"
_BETWEEN_RELEASES = 21 * DAY
_PATCHES = {"fraud-scorer/8": "0.2", "churn-ranker/13": "1.0", "image-moderation/5": "0.1"}
"""Images that were built anew before their version was released, as its notebook says."""
_APPROVERS = {"fraud-scorer": "model-risk", "loan-approval": "model-risk", "image-moderation": "trust-lead",
              "chat-assistant": "assist-ml", "churn-ranker": "growth-ml", "review-sentiment": "catalogue-ml"}
_COLD_SECONDS = 3
_FAST_BACK = 2
"""Revisions that a roll-back of a Rollout may reach without going through its steps again."""
_READY_SECONDS = 30.0
"""Between a change of the template and the first request on the new pods."""


def image_of(member: Member, version: str) -> str:
    """The image of a version."""
    number = member.number(version)
    return f"{member.image}:{number}.{_PATCHES.get(f'{member.name}/{number}', '0.0')}"


def furnish_cluster(cluster: Cluster, scenario: Scenario, opening: float) -> None:
    """Add the workloads; the cluster's own controllers live through their past at its next ``advance``."""
    for name, member in FLEET.items():
        release = scenario.release(name)
        if member.rollout == "argo":
            _rollout(cluster, member, release, opening)
        elif member.rollout == "deployments":
            for version, replicas in deployed(member, release).items():
                cluster.add(deployment(member.namespace, version, version, image=image_of(member, version),
                                       replicas=replicas), at=opening - _age(release, version))
        elif member.rollout == "worker":
            cluster.add(deployment(member.namespace, worker_deployment(member), release.stable,
                                   image=image_of(member, release.stable), replicas=member.replicas),
                        at=opening - _age(release, release.stable))
        elif member.rollout == "knative":
            for version in deployed(member, release):
                cluster.add(deployment(member.namespace, knative_deployment(version), version, replicas=0,
                                       image=image_of(member, version), start_seconds=_COLD_SECONDS),
                            at=opening - _age(release, version))


def worker_deployment(member: Member) -> str:
    """What the Deployment of a model is called that works at its hour."""
    return f"{member.name}-worker"


def knative_deployment(version: str) -> str:
    """What Knative calls the Deployment of a revision."""
    return f"{version}-deployment"


def _past_versions(release: Release, member: Member) -> Iterator[tuple[str, float]]:
    """Versions up to the stable one and how long ago each became stable, oldest first."""
    known = member.versions[:member.versions.index(release.stable) + 1]
    for index, version in enumerate(known):
        yield version, release.stable_since + (len(known) - 1 - index) * _BETWEEN_RELEASES


def _age(release: Release, version: str) -> float:
    if version == release.canary and release.since is not None:
        return release.since + _READY_SECONDS
    return next((age for past, age in _past_versions(release, FLEET[release.model]) if past == version),
                release.stable_since)


def _rollout(cluster: Cluster, member: Member, release: Release, opening: float) -> None:
    namespace, name = member.namespace, member.name
    first, *later = _past_versions(release, member)
    item = rollout(namespace, name, first[0], image=image_of(member, first[0]), replicas=member.replicas,
                   steps=_steps(member, release), extra={"rollbackWindow": {"revisions": _FAST_BACK}})
    cluster.add(item, at=opening - first[1])

    def promote() -> None:
        cluster.server.patch(ROLLOUTS, namespace, name, "status", "merge", {"status": {"promoteFull": True}},
                             Options(manager="deployer"))

    for version, age in later:
        cluster.deploy(namespace, name, version, image=image_of(member, version), at=opening - age - 2 * _READY_SECONDS)
        cluster.schedule(opening - age - _READY_SECONDS, promote)
    if release.canary is not None and release.since is not None and release.arm == "canary":
        cluster.deploy(namespace, name, release.canary, image=image_of(member, release.canary),
                       at=opening - release.since - _READY_SECONDS)


def _steps(member: Member, release: Release) -> list[dict[str, Any]]:
    """The rollout's steps: those behind it pause as long as they did, the present one and later ones until somebody
    goes on."""
    plan = release.plan or member.steps
    passed = list(release.steps) if release.arm == "canary" else []
    steps: list[dict[str, Any]] = []
    for step, following in pairwise(passed):
        steps += [{"setWeight": round(step.weight)}, {"pause": {"duration": f"{round(step.since - following.since)}s"}}]
    last = passed[-1].weight if passed else 0.0
    for weight in [*([last] if passed else []), *(weight for weight in plan if weight > last)]:
        steps += [{"setWeight": round(weight)}, {"pause": {}}]
    return steps


def deployed(member: Member, release: Release) -> dict[str, int]:
    """Replicas of each version's Deployment at the opening; versions from before the stable one are scaled down."""
    replicas = dict.fromkeys(member.versions[:member.versions.index(release.stable) + 1], 0)
    replicas[release.stable] = member.replicas
    if release.canary is not None:
        replicas[release.canary] = math.ceil(member.replicas * release.steps[-1].weight / 100)
    return replicas


def furnish_registry(registry: Registry, scenario: Scenario, opening: float) -> None:
    """Add every model with the versions that exist at the opening, their tags and aliases."""
    for name, member in FLEET.items():
        release = scenario.release(name)
        registry.add_model(name, {"team": _APPROVERS[name]}, member.description, opening - 300 * DAY)
        newest = member.versions.index(release.stable)
        if release.canary is not None:
            newest = max(newest, member.versions.index(release.canary))
        for version in member.versions[:newest + 1]:
            _add_version(registry, member, release, version, opening)
        registry.set_alias(name, STABLE_ALIAS, member.number(release.stable))
        if release.canary is not None:
            registry.set_alias(name, CANARY_ALIAS, member.number(release.canary))


_READ: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "fraud-scorer": ("transactions", "s3://warehouse/payments/transactions", {"8": "snap-2026-11-02"}),
    "image-moderation": ("pictures", "s3://warehouse/trust/pictures", {"5": "snap-2026-10-19"}),
    "loan-approval": ("applications", "s3://warehouse/credit/applications", {"3": "snap-2026-08-31"}),
    "review-sentiment": ("reviews", "s3://warehouse/content/reviews", {"12": "snap-2026-09-28"}),
    "churn-ranker": ("customers", "s3://warehouse/crm/customers", {"13": "partition 2026-09-14"}),
    "chat-assistant": ("evaluation-set", "s3://warehouse/assist/evaluation", {"31": "snap-2026-10-30"}),
}
"""What training read: the data set, where it lies, and which of its snapshots for the version that a notebook is about;
others read the snapshot of the day before."""


def _inputs(member: Member, number: str, created: float) -> tuple[DataInput, ...]:
    name, uri, known = _READ[member.name]
    before = datetime.fromtimestamp(created - DAY, UTC)
    return (DataInput(name, known.get(number, f"snap-{before:%Y-%m-%d}"), "s3", json.dumps({"uri": uri}), "training"),)


def _add_version(registry: Registry, member: Member, release: Release, version: str, opening: float) -> None:
    number = member.number(version)
    created = opening - _age(release, version) - 3 * DAY
    run_id = f"{hash_of(f'{member.name}/{version}'):08x}" * 4
    registry.add_run(Run(run_id, f"train-{member.name}-{number}", round((created - 2 * HOUR) * 1000),
                         round(created * 1000), metrics=(Metric("auc", 0.8 + hash_of(run_id) % 900 / 10_000,
                                                                round(created * 1000)),),
                         params={"seed": "7", "epochs": "20"}, inputs=_inputs(member, number, created)))
    registry.add_version(member.name, number, f"s3://models/{member.name}/{number}", run_id,
                         {**_tags(member, release, version), **_kept(member)}, created,
                         description=f"Serves as {version}." if version != number else "")


def _kept(member: Member) -> dict[str, str]:
    """Documents that are kept with every version, as tags."""
    return {"triage.references": references()} if member.name == "loan-approval" else {}


def _tags(member: Member, release: Release, version: str) -> dict[str, str]:
    usual = _APPROVERS[member.name]
    if version in release.withdrawn:
        return {"validation_status": "withdrawn", "approved_by": usual, "withdrawn_reason": "does not start any more"}
    judged = release.canary or release.stable
    if version == judged and not release.approved:
        return {"validation_status": "pending"}
    return {"validation_status": "approved", "approved_by": (release.approved_by if version == judged else "") or usual}
