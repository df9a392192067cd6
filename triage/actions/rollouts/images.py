"""Which image a revision really runs: the digest that its pod template pins, else the one that its ready pods report.

A tag is a name that can be given to another image at any time; what a node has pulled for it is in
``status.containerStatuses[].imageID`` of the pods, and in nothing else that the API tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triage.actions.plan import UNLISTED
from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import PodsFacts, Revision, RolloutFacts
from triage.sources.kubernetes import KubernetesClient
from triage.sources.rollouts.pods import pods

REPORTED_SECONDS = 15.0
"""How long an answer of the pods is used again while the ReplicaSets count the same."""
_SHORT = 19


@dataclass(frozen=True, slots=True)
class Image:
    """The image of one revision."""

    digest: str
    """``sha256:...``; "" when it is not known."""
    source: str
    """Where the digest comes from, or why there is none."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What the ready pods of each revision run, by the hash of its template, as far as they could be read."""

    digests: Mapping[str, frozenset[str]]
    """"" among them stands for a pod whose node does not tell."""
    trouble: str = ""
    """Why the pods are not all known; "" when they are."""

    def of(self, revision: Revision) -> Image:
        """The image of ``revision``."""
        if revision.image_digest:
            return Image(revision.image_digest, "pinned by the pod template")
        which = "this version" if revision.number is None else f"revision {revision.number}"
        found = self.digests.get(revision.pod_hash, frozenset()) if revision.pod_hash else frozenset()
        known = sorted(found - {""})
        if len(known) > 1:
            several = " and ".join(each[:_SHORT] for each in known)
            return Image("", f"digest unknown: the ready pods of {which} run different images: {several}")
        if known:
            return Image(known[0], f"what the ready pods of {which} run")
        if found:
            return Image("", f"digest unknown: the nodes do not tell which image the pods of {which} run")
        if self.trouble:
            return Image("", f"digest unknown: {self.trouble}")
        idle = "is ready" if revision.current else "runs"
        return Image("", f"digest unknown: no pod of {which} {idle}")


NOTHING_REPORTED = Reported({}, "the pods were not read")


def reported(found: PodsFacts | Failure) -> Reported:
    """What the pods say."""
    if isinstance(found, Failure):
        # Not the whole sentence: it may count seconds, and what a plan says has to stay while nothing changes.
        told = UNLISTED if found.kind is FailureKind.FORBIDDEN else (
            f"the pods cannot be read ({found.kind})")
        return Reported({}, told)
    digests: dict[str, frozenset[str]] = {}
    for pod in found.pods:
        if pod.ready and pod.phase == "Running":
            digests[pod.pod_hash] = digests.get(pod.pod_hash, frozenset()) | {pod.image_digest}
    return Reported(digests, f"only the first {len(found.pods)} pods were read" if found.truncated else "")


class ImageReader:
    """Asks for the pods of one rollout when a digest is wanted that no template pins, and not more often than needed:
    a target that is watched is read every two seconds."""

    def __init__(self, client: KubernetesClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._kept: tuple[float, tuple[object, ...], Reported] | None = None

    async def read(self, facts: RolloutFacts) -> Reported:
        """What runs. Never fails: why nothing is known is said of each revision."""
        if facts.incomplete is not None:
            return Reported({}, "the ReplicaSets are not known")
        running = [each for each in (*facts.revisions, facts.stable, facts.canary)
                   if each is not None and each.ready and not each.image_digest]
        if not running:
            # Every image is pinned, or no pod is ready that could tell.
            return Reported({})
        counted = tuple((each.pod_hash, each.ready, each.current) for each in running)
        now = self._clock.monotonic()
        if self._kept is not None and self._kept[1] == counted and now - self._kept[0] < REPORTED_SECONDS:
            return self._kept[2]
        found = await pods(self._client, facts, self._clock)
        made = reported(found)
        if not isinstance(found, Failure):
            self._kept = now, counted, made
        return made
