"""The pods of a rollout: restarts, ends for want of memory, what keeps them from serving. One request."""

from __future__ import annotations

import re

from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import PodFacts, PodsFacts, RolloutFacts
from triage.sources.decode import parse_time
from triage.sources.kubernetes import PODS, Json, KubernetesClient
from triage.sources.rollouts.argo import ARGO
from triage.sources.rollouts.deployment import DEPLOYMENT
from triage.sources.rollouts.objects import count, inner, labels_of, model_container, objects, text

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HASH_LABELS = {kind.resource.kind: kind.hash_label for kind in (ARGO, DEPLOYMENT)}
_ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})


async def pods(client: KubernetesClient, facts: RolloutFacts, clock: Clock) -> PodsFacts | Failure:
    """The pods that run the rollout's versions. They say more than its counts, and change less often in calm times."""
    if not facts.selector:
        return Failure(FailureKind.BAD_QUERY, f"the selector of {facts.namespace}/{facts.name} cannot be asked for",
                       "its pods are counted, not listed: give it matchLabels")
    listed = await client.read_all(PODS, facts.namespace, labels=facts.selector)
    if isinstance(listed, Failure):
        return listed
    sets = {each.replica_set for each in facts.revisions}
    label = _HASH_LABELS[facts.kind]
    mine = [item for item in listed.items if not sets or _owner(item) in sets]
    return PodsFacts(clock.now(), tuple(sorted((_pod(item, label) for item in mine), key=lambda pod: pod.name)),
                     listed.truncated)


def _owner(item: Json) -> str:
    owners = objects(inner(item, "metadata").get("ownerReferences"))
    return next((text(each.get("name")) for each in owners if each.get("controller") is True), "")


def _pod(item: Json, hash_label: str) -> PodFacts:
    metadata, status = inner(item, "metadata"), inner(item, "status")
    ready = next((each for each in objects(status.get("conditions")) if each.get("type") == "Ready"), {})
    is_ready = ready.get("status") == "True"
    containers = objects(status.get("containerStatuses"))
    every = [*objects(status.get("initContainerStatuses")), *containers]
    ends = [(each, parse_time(each.get("finishedAt"))) for each in map(_last_end, containers) if each]
    last, last_at = max(ends, key=lambda end: end[1] or 0.0, default=({}, None))
    main = model_container(item).get("name")
    running = next((text(each.get("imageID"), 400) for each in containers if each.get("name") == main), "")
    digest = _DIGEST.search(running)
    return PodFacts(
        name=text(metadata.get("name")), pod_hash=text(labels_of(item).get(hash_label), 63),
        phase="Terminating" if metadata.get("deletionTimestamp") else text(status.get("phase"), 40), ready=is_ready,
        created_at=parse_time(metadata.get("creationTimestamp")),
        ready_since=parse_time(ready.get("lastTransitionTime")) if is_ready else None,
        restarts=sum(count(each, "restartCount") for each in every), waiting=_waiting(status, every),
        last_end=text(last.get("reason"), 80), last_end_at=last_at,
        oom_killed=any(each.get("reason") == "OOMKilled" for each, _ in ends),
        node=text(inner(item, "spec").get("nodeName")), image_digest=digest[0] if digest else "")


def _last_end(container: Json) -> Json:
    """How the container ended last: this run, when it has ended, else the run before."""
    return inner(container, "state", "terminated") or inner(container, "lastState", "terminated")


def _waiting(status: Json, containers: list[Json]) -> str:
    reasons = [text(inner(each, "state", "waiting").get("reason"), 80) for each in containers]
    # What only waits for its turn says less than what keeps it waiting.
    named = sorted((reason for reason in reasons if reason), key=lambda reason: reason in _ORDINARY)
    if named:
        return named[0]
    unscheduled = (text(each.get("reason"), 80) for each in objects(status.get("conditions"))
                   if each.get("type") == "PodScheduled" and each.get("status") == "False")
    return next(unscheduled, "")
