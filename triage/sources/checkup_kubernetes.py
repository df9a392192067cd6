"""The part of ``triage doctor`` that examines a Kubernetes API: who we are there, and what of rollouts we may read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from triage.clock import Clock
from triage.config import Active
from triage.facts.outcome import Failure, SourceState
from triage.notebook.load import load_all
from triage.notebook.manifest import Rollout
from triage.sources.checkup import Capability, SourceCheck
from triage.sources.examination import clock_capability, examine
from triage.sources.failures import Received
from triage.sources.kubernetes import (
    EVENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    Allowed,
    KubernetesClient,
    Permission,
    Resource,
    connect,
)
from triage.sources.rollouts.controller import KINDS

NAME = "kubernetes"
_MOST_PLACES = 20
"""Pairs of a namespace and a kind that are asked about."""
_MOST_OBJECTS = 50
_LISTED = 3
Place = tuple[str, Resource]
"""A namespace ("" for all) and the kind of its rollouts."""


async def check_kubernetes(active: Active, clock: Clock) -> SourceCheck:
    """Examine the context's cluster; nothing is changed in it.

    Raises :class:`~triage.config.ConfigError` when the kubeconfig or a secret cannot be used.
    """
    client = connect(active, clock)
    if client is None:
        return SourceCheck(NAME, "", SourceState.OFF, capabilities=(Capability(
            "missing", "rollouts", "which version is stable and which on its way is read from the traffic alone",
            "add kubernetes: {kubeconfig: ~/.kube/config, context: ...} to the context"),))
    try:
        loaded = await asyncio.to_thread(load_all, active.notebooks)
        named = [each.manifest.spec.rollout for each in loaded.notebooks if each.manifest.spec.rollout is not None]
        return await _examined(client, clock, [each for each in named if each.kind in KINDS],
                               active.context.allow_write)
    finally:
        await client.aclose()


async def _examined(client: KubernetesClient, clock: Clock, rollouts: Sequence[Rollout],
                    allow_write: bool) -> SourceCheck:
    version = ""

    async def cheap() -> Received | Failure:
        nonlocal version
        client.breaker.reset()
        found = await client.about()
        if isinstance(found, Failure):
            return found
        version, received = found
        return received

    examined = await examine(cheap, clock)
    if isinstance(examined, Failure):
        return SourceCheck(client.name, client.source.url, SourceState.DOWN, error=examined.sentence(),
                           fix=examined.hint)
    client.breaker.reset()
    places = sorted({(each.namespace, KINDS[each.kind].resource) for each in rollouts},
                    key=lambda place: (place[0], place[1].plural))
    asked = places[:_MOST_PLACES] or [("", ROLLOUTS)]
    identity, objects, reading, writing = await asyncio.gather(
        client.identity(), _objects(client, rollouts), asyncio.gather(*(_readable(client, place) for place in asked)),
        asyncio.gather(*(_may_move(client, place) for place in asked)))
    capabilities = [_who(client, identity), *(line for lines in reading for line in lines), objects,
                    clock_capability(examined.clock_difference_seconds)]
    if len(places) > len(asked):
        capabilities.append(Capability("unknown", "other namespaces", f"{len(places) - len(asked)} more are not asked"))
    if allow_write:
        capabilities += [_movable(place, may) for place, may in zip(asked, writing, strict=True)]
    return SourceCheck(client.name, client.source.url, SourceState.OK, "Kubernetes", version, examined.latency_seconds,
                       examined.clock_difference_seconds, capabilities=tuple(capabilities),
                       warnings=() if allow_write else tuple(_warnings(writing)))


def _who(client: KubernetesClient, identity: str | Failure) -> Capability:
    by = f" by {client.credential}" if client.credential else ""
    if isinstance(identity, Failure):
        return Capability("unknown", "identity", f"{client.credential or 'no credential'}; the server does not say who "
                          f"that is: {identity.sentence()}")
    if identity == "system:anonymous":
        return Capability("missing", "identity", f"the server knows us as nobody{by}",
                          "is the credential of this cluster, and does a proxy take it away?")
    return Capability("ok", "identity", f"{identity}{by}")


async def _readable(client: KubernetesClient, place: Place) -> list[Capability]:
    """What may be read of the rollouts of a place: the objects, their versions, their pods."""
    namespace, resource = place
    wanted = ((Permission("get", resource, namespace), "where a rollout stands is not known"),
              (Permission("list", REPLICA_SETS, namespace), "versions and replicas are not known"),
              (Permission("list", PODS, namespace), "restarts and ends for want of memory are not shown"),
              (Permission("list", EVENTS, namespace), "why the number of pods changed is not shown"))
    answers = await asyncio.gather(*(client.may(permission) for permission, _ in wanted))
    lines = []
    for (permission, consequence), answer in zip(wanted, answers, strict=True):
        what = permission.sentence()
        if isinstance(answer, Failure):
            lines.append(Capability("unknown", what, answer.sentence(), answer.hint))
        elif answer.allowed:
            lines.append(Capability("ok", what))
        else:
            lines.append(Capability("missing", what, "; ".join(filter(None, (consequence, answer.reason))),
                                    f"give the role {permission.verb} on {permission.resource.qualified}"))
    return lines


async def _objects(client: KubernetesClient, rollouts: Sequence[Rollout]) -> Capability:
    """Whether what the manifests name is there."""
    what = "rollouts of the manifests"
    if not rollouts:
        return Capability("unknown", what, f"no manifest names one of kind {' or '.join(KINDS)}",
                          "add rollout: {kind: argo, namespace: ..., name: ...} to spec of a manifest")
    asked = rollouts[:_MOST_OBJECTS]
    answers = await asyncio.gather(*(client.read(KINDS[each.kind].resource, each.namespace, each.name)
                                     for each in asked))
    failed = [(each, answer) for each, answer in zip(asked, answers, strict=True) if isinstance(answer, Failure)]
    if not failed:
        return Capability("ok", what, f"{len(asked)} of {len(rollouts)} looked for, all found")
    names = ", ".join(f"{each.namespace}/{each.name} ({answer.kind})" for each, answer in failed[:_LISTED])
    more = f" and {len(failed) - _LISTED} more" if len(failed) > _LISTED else ""
    return Capability("missing", what, f"not read: {names}{more}", failed[0][1].hint)


async def _may_move(client: KubernetesClient, place: Place) -> tuple[Permission, ...] | Failure:
    """What of the changes that move a rollout we are allowed to."""
    namespace, resource = place
    wanted = [Permission("patch", resource, namespace)]
    if resource is ROLLOUTS:
        wanted.append(Permission("patch", resource, namespace, "status"))
    answers = await asyncio.gather(*(client.may(permission) for permission in wanted))
    failure = next((answer for answer in answers if isinstance(answer, Failure)), None)
    if failure is not None:
        return failure
    return tuple(permission for permission, answer in zip(wanted, answers, strict=True)
                 if isinstance(answer, Allowed) and answer.allowed)


def _movable(place: Place, may: tuple[Permission, ...] | Failure) -> Capability:
    namespace, resource = place
    what = f"moving {resource.qualified} in {namespace or 'all namespaces'}"
    if isinstance(may, Failure):
        return Capability("unknown", what, may.sentence(), may.hint)
    needed = 2 if resource is ROLLOUTS else 1
    if len(may) == needed:
        return Capability("ok", what)
    both = " and rollouts/status" if resource is ROLLOUTS else ""
    return Capability("missing", what, "the context allows writing, the credential does not",
                      f"give the role patch on {resource.plural}{both}")


def _warnings(writing: Sequence[tuple[Permission, ...] | Failure]) -> Iterator[str]:
    permitted = [permission.sentence() for may in writing if not isinstance(may, Failure) for permission in may]
    if permitted:
        more = f" and {len(permitted) - _LISTED} more" if len(permitted) > _LISTED else ""
        yield (f"this credential may {', '.join(permitted[:_LISTED])}{more}, in a context meant for reading: use one "
               "with the view role only")
