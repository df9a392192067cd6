"""Rollouts that manifests name: who reads one in full, and how many are looked over at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import RolloutFacts
from triage.notebook.manifest import Rollout
from triage.sources.kubernetes import KubernetesClient, Listed
from triage.sources.rollouts.argo import ARGO
from triage.sources.rollouts.deployment import DEPLOYMENT
from triage.sources.rollouts.objects import inner
from triage.sources.rollouts.reading import RolloutKind, RolloutReader

KINDS: Mapping[str, RolloutKind] = {"argo": ARGO, "deployment": DEPLOYMENT}
"""What a rollout of each kind that can be read is, by ``rollout.kind`` of the manifest."""
Address = tuple[str, str, str]
"""(``rollout.kind``, namespace, name) of the manifest."""
UNASKED_SETS = Failure(FailureKind.CIRCUIT_OPEN, "not asked: many rollouts are looked over at once",
                       "open the model to see its versions and replicas")


def controller_for(rollout: Rollout, client: KubernetesClient, clock: Clock) -> RolloutReader | None:
    """Who reads it; None for kinds that are not read from Kubernetes."""
    kind = KINDS.get(rollout.kind)
    return None if kind is None else RolloutReader(kind, client, clock)


def address(rollout: Rollout) -> Address:
    """What tells it from others."""
    return rollout.kind, rollout.namespace, rollout.name


async def overview(rollouts: Iterable[Rollout], client: KubernetesClient,
                   clock: Clock) -> Mapping[Address, RolloutFacts | Failure]:
    """Where many rollouts stand: one request per kind and namespace, however many there are.

    Phase and steps are whole, and weights where a router has them; of the versions only the one asked for is known, and
    replicas of all versions together only (``incomplete`` says so). Kinds that are not read from Kubernetes are left
    out.
    """
    places: dict[tuple[str, str], list[Rollout]] = {}
    for rollout in rollouts:
        if rollout.kind in KINDS:
            places.setdefault((rollout.kind, rollout.namespace), []).append(rollout)
    answers = await asyncio.gather(*(client.read_all(KINDS[kind].resource, namespace) for kind, namespace in places))
    found: dict[Address, RolloutFacts | Failure] = {}
    for named, listed in zip(places.values(), answers, strict=True):
        items = {} if isinstance(listed, Failure) else {inner(item, "metadata").get("name"): item
                                                        for item in listed.items}
        for rollout in named:
            if isinstance(listed, Failure):
                found[address(rollout)] = listed
            elif rollout.name in items:
                found[address(rollout)] = KINDS[rollout.kind].facts(items[rollout.name], UNASKED_SETS,
                                                                    rollout.version_label, clock.now())
            else:
                found[address(rollout)] = _not_listed(rollout, listed)
    return found


def _not_listed(rollout: Rollout, listed: Listed) -> Failure:
    kind, where = KINDS[rollout.kind].resource.kind, f"{rollout.namespace}/{rollout.name}"
    if listed.truncated:
        return Failure(FailureKind.TOO_LARGE, f"{kind} {where} is not among the first {len(listed.items)} of its "
                       "namespace", "open the model: it is then asked for by name")
    return Failure(FailureKind.NOT_FOUND, f"there is no {kind} {where}",
                   "check rollout.namespace and rollout.name in the manifest, and the cluster in triage.yaml", 404)
