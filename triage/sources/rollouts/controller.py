"""``controller_for``: who reads the rollout that a manifest names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.notebook.manifest import Rollout
from triage.sources.kubernetes import DEPLOYMENTS, ROLLOUTS, KubernetesClient, Resource
from triage.sources.rollouts.argo import ArgoRollouts
from triage.sources.rollouts.deployment import Deployments


class Controller(Protocol):
    """Reads rollouts of one kind."""

    async def state(self, rollout: Rollout) -> RolloutFacts | Failure:
        """Where the rollout stands now; two requests at most."""
        ...


_CONTROLLERS: Mapping[str, Callable[[KubernetesClient, Clock], Controller]] = {
    "argo": ArgoRollouts, "deployment": Deployments}
RESOURCES: Mapping[str, Resource] = {"argo": ROLLOUTS, "deployment": DEPLOYMENTS}
"""What a rollout of each kind that can be read is, by ``rollout.kind`` of the manifest."""


def controller_for(rollout: Rollout, client: KubernetesClient, clock: Clock) -> Controller | None:
    """Who reads it; None for kinds that are not read from Kubernetes."""
    make = _CONTROLLERS.get(rollout.kind)
    return None if make is None else make(client, clock)
