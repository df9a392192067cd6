"""Which system serves which ``rollout.kind`` of the manifest, and why the others have none.

A kind is added by one entry in :data:`MAKERS`; what a maker needs is a field of :class:`Setting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from triage.actions.identity import authenticator, cluster_name
from triage.actions.plan import Action, Target
from triage.actions.rollouts.argo import ArgoRollout
from triage.actions.rollouts.deployment import DeploymentRollout
from triage.actions.rollouts.workload import Charge, Workload
from triage.actions.scale import Bounds
from triage.actions.system import Refusal, System
from triage.clock import Clock
from triage.config import Active
from triage.config_sources import MlflowRegistry
from triage.endpoints import ConfigError
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest, Rollout
from triage.sources.kubernetes import KubernetesClient
from triage.text import clean


@dataclass(frozen=True, slots=True)
class Setting:
    """What a system is made from. What is open in it stays the caller's: systems do not close it."""

    manifest: Manifest
    active: Active
    clock: Clock
    kubernetes: KubernetesClient | None = None
    """None when the context names none."""
    snapshot: Callable[[], Snapshot | None] = lambda: None
    """The newest snapshot: which versions serve, for systems that cannot tell it themselves."""


Maker = Callable[[Rollout, Setting], System | Refusal]


def system_of(around: Setting) -> System | Refusal:
    """The system that moves the model's traffic, or why there is none."""
    rollout = around.manifest.spec.rollout
    if rollout is None:
        return Refusal("the manifest names no rollout", "add spec.rollout: {kind: argo, namespace: ..., name: ...}")
    make = MAKERS.get(rollout.kind)
    if make is not None:
        return make(rollout, around)
    if rollout.kind == "none":
        return Refusal("the manifest says that nobody moves its traffic (rollout.kind: none)",
                       "name the controller in spec.rollout")
    return Refusal(f"triage cannot change a rollout of kind {rollout.kind}", f"it can change: {', '.join(MAKERS)}")


def _workload(make: type[Workload], shown: str, rollout: Rollout, around: Setting) -> System | Refusal:
    client, active, spec = around.kubernetes, around.active, around.manifest.spec
    if client is None:
        return Refusal(f"the context {active.name} names no Kubernetes API, which the {shown} is in",
                       "add kubernetes: {kubeconfig: ~/.kube/config, context: ...} to it")
    target = Target(active.name, active.context.production, around.manifest.metadata.name, rollout.kind, shown,
                    cluster_name(active, client), rollout.namespace, rollout.name)
    allowed = None if spec.resources is None else spec.resources.replicas
    return make(Charge(target, rollout, spec.rollback.last_known_good or "",
                       None if allowed is None else Bounds(allowed.min, allowed.max)), client, around.clock)


def _alias(rollout: Rollout, around: Setting) -> System | Refusal:
    from triage.actions.alias import SYSTEM, Alias
    from triage.sources.registry.mlflow import MlflowClient
    active, spec = around.active, around.manifest.spec
    configured, registry = active.context.registry, spec.registry
    if registry is None or registry.kind != "mlflow":
        return Refusal("the manifest names no model in MLflow, whose alias the servers follow",
                       "add spec.registry: {kind: mlflow, name: ...}")
    if not isinstance(configured, MlflowRegistry):
        return Refusal(f"the context {active.name} names no MLflow server, which has the alias",
                       "add registry: {kind: mlflow, url: ...} to it")
    try:
        client = MlflowClient(configured.endpoint(), around.clock)
    except ConfigError as error:
        return Refusal(f"MLflow cannot be asked: {error.message}", error.hint)
    target = Target(active.name, active.context.production, around.manifest.metadata.name, SYSTEM, "alias",
                    configured.name or client.where, "", f"{registry.name}@{rollout.name}")
    return Alias(target, registry, rollout.name, spec.rollback.last_known_good or "", rollout.reload, client,
                 around.clock, around.snapshot, authenticator(configured.identity, active, around.clock,
                                                              around.kubernetes, client.source))


def _haproxy(rollout: Rollout, around: Setting) -> System | Refusal:
    from triage.actions.rollouts.haproxy import HaproxyBackend, hints
    from triage.sources.haproxy import HaproxyClient
    active, spec = around.active, around.manifest.spec
    configured = active.context.haproxy
    if configured is None:
        return Refusal(f"the context {active.name} names no HAProxy", "add haproxy: {socket: /run/haproxy/admin.sock} "
                       "to it")
    client = HaproxyClient(configured, active, around.clock)
    target = Target(active.name, active.context.production, around.manifest.metadata.name, rollout.kind, "backend",
                    client.where, "", rollout.name)
    return HaproxyBackend(target, rollout, spec.canary.steps, lambda: hints(around.manifest, around.snapshot()), client,
                          around.clock, authenticator(configured.identity, active, around.clock, around.kubernetes))


def _webhook(rollout: Rollout, around: Setting) -> System | Refusal:
    from triage.actions.webhook import TRAFFIC
    return pipeline(rollout.name, TRAFFIC, rollout.reload, around)


def pipeline(name: str, may: frozenset[Action], reload_seconds: float, around: Setting) -> System | Refusal:
    """The pipeline that the configuration calls ``name``, for the actions that it ``may`` do for the model."""
    from triage.actions.webhook import PIPELINE, SYSTEM, TRAINING, Pipeline
    from triage.sources.http import HttpSource
    active, manifest = around.active, around.manifest
    webhook = active.context.webhooks.get(name)
    if webhook is None:
        return Refusal(f"the context {active.name} has no webhook {clean(name, limit=80)}",
                       f"it has: {', '.join(active.context.webhooks)}" if active.context.webhooks
                       else "add webhooks: {" + clean(name, limit=80) + ": {url: ..., calls: ...}} to it")
    try:
        source = HttpSource(webhook, around.clock, PIPELINE)
    except ConfigError as error:
        return Refusal(f"the pipeline cannot be called: {error.message}", error.hint)
    # One pipeline may move a model's traffic and train it: these are two targets.
    kind = "pipeline" if may != TRAINING else "training pipeline"
    target = Target(active.name, active.context.production, manifest.metadata.name, SYSTEM, kind,
                    webhook.name or source.url, manifest.metadata.name, name if may != TRAINING else f"{name}/retrain")
    return Pipeline(target, name, webhook, may, manifest.spec.rollback.last_known_good or "", reload_seconds, source,
                    around.clock, around.snapshot,
                    authenticator(webhook.identity, active, around.clock, around.kubernetes, source))


MAKERS: Mapping[str, Maker] = {
    "argo": partial(_workload, ArgoRollout, "Argo Rollout"),
    "deployment": partial(_workload, DeploymentRollout, "Deployment"),
    "haproxy": _haproxy,
    "mlflow": _alias,
    "webhook": _webhook,
}
"""By ``rollout.kind``."""
