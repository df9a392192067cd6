"""Which system serves which ``rollout.kind`` of the manifest, and why the others have none."""

from __future__ import annotations

from collections.abc import Mapping

from triage.actions.plan import Target
from triage.actions.rollouts.argo import ArgoRollout
from triage.actions.rollouts.deployment import DeploymentRollout
from triage.actions.rollouts.workload import Charge, Workload
from triage.actions.scale import Bounds
from triage.actions.system import Refusal, System
from triage.clock import Clock
from triage.config import Active
from triage.config_sources import Kubeconfig
from triage.notebook.manifest import Manifest
from triage.sources.kubernetes import KubernetesClient
from triage.text import clean

WORKLOADS: Mapping[str, type[Workload]] = {"argo": ArgoRollout, "deployment": DeploymentRollout}
"""Systems over the Kubernetes API."""
_SHOWN = {"argo": "Argo Rollout", "deployment": "Deployment"}
_MISSING: Mapping[str, Refusal] = {
    "none": Refusal("the manifest says that nobody moves its traffic (rollout.kind: none)",
                    "name the controller in spec.rollout"),
}


def kubernetes_system(manifest: Manifest, active: Active, client: KubernetesClient, clock: Clock) -> System | Refusal:
    """The system that moves the model's traffic by way of the Kubernetes API, or why there is none.

    ``client`` stays the caller's: the system does not close it.
    """
    rollout = manifest.spec.rollout
    if rollout is None:
        return Refusal("the manifest names no rollout", "add spec.rollout: {kind: argo, namespace: ..., name: ...}")
    make = WORKLOADS.get(rollout.kind)
    if make is None:
        return _MISSING.get(rollout.kind, Refusal(
            f"triage cannot change a rollout of kind {rollout.kind}", f"it can change: {', '.join(WORKLOADS)}"))
    where = active.context.kubernetes
    cluster = clean(where.context, limit=200) if isinstance(where, Kubeconfig) else client.source.url
    target = Target(active.name, active.context.production, manifest.metadata.name, rollout.kind, _SHOWN[rollout.kind],
                    cluster, rollout.namespace, rollout.name)
    return make(Charge(target, rollout, manifest.spec.rollback.last_known_good or "", _bounds(manifest)), client, clock)


def _bounds(manifest: Manifest) -> Bounds | None:
    resources = manifest.spec.resources
    if resources is None or resources.replicas is None:
        return None
    return Bounds(resources.replicas.min, resources.replicas.max)
