"""``RolloutReader``: where one rollout stands, whatever controls it: the object, then its ReplicaSets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.notebook.manifest import Rollout
from triage.sources.kubernetes import REPLICA_SETS, Json, KubernetesClient, Listed, Resource


@dataclass(frozen=True, slots=True)
class RolloutKind:
    """What is particular to rollouts of one kind."""

    resource: Resource
    selector: Callable[[Json], str]
    """The label selector of its ReplicaSets and pods; "" when it cannot be written out."""
    facts: Callable[[Json, Listed | Failure, str | None, float], RolloutFacts]
    """From the object, its ReplicaSets, the manifest's ``version_label`` and the time they were read at."""
    hash_label: str
    """Label of its pods with the hash of the template they run."""


@dataclass(frozen=True, slots=True)
class RolloutRead:
    """A rollout as it was read, and what it says."""

    item: Json
    """The object as it came: its texts are not cleaned."""
    sets: Listed | Failure
    """The ReplicaSets with its labels, as they came."""
    facts: RolloutFacts


class RolloutReader:
    """Reads rollouts of one kind, two requests each."""

    def __init__(self, kind: RolloutKind, client: KubernetesClient, clock: Clock) -> None:
        self._kind = kind
        self._client = client
        self._clock = clock

    async def state(self, rollout: Rollout) -> RolloutFacts | Failure:
        """The rollout that the manifest names. When only its ReplicaSets cannot be read, the facts say so."""
        read = await self.read(rollout)
        return read if isinstance(read, Failure) else read.facts

    async def read(self, rollout: Rollout) -> RolloutRead | Failure:
        """The same with the objects it was read from."""
        item = await self._client.read(self._kind.resource, rollout.namespace, rollout.name)
        if isinstance(item, Failure):
            return item
        # The older of the two answers counts for the age.
        read_at = self._clock.now()
        sets = await self._client.read_all(REPLICA_SETS, rollout.namespace, labels=self._kind.selector(item))
        return RolloutRead(item, sets, self._kind.facts(item, sets, rollout.version_label, read_at))
