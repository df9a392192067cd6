"""Every system that can change something of one model: its traffic, its training, its alerts.

What moves traffic is a choice by ``rollout.kind`` (:mod:`triage.actions.rollouts.by_kind`); the others stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable

from triage.actions.plan import Action, Target
from triage.actions.rollouts.by_kind import Setting, pipeline, system_of
from triage.actions.system import Refusal, System
from triage.endpoints import ConfigError

Maker = Callable[[Setting], System | Refusal]
TRAFFIC = frozenset({Action.PAUSE, Action.RESUME, Action.PROMOTE, Action.PROMOTE_FULL, Action.ABORT, Action.ROLLBACK,
                     Action.RETRY, Action.SCALE})


def silencing(around: Setting) -> System | Refusal:
    """The silences of the model's alerts, or why there are none."""
    from triage.actions.silence import SYSTEM, Silencing
    from triage.sources.alertmanager import AlertmanagerClient
    active = around.active
    endpoint = active.context.alertmanager
    if endpoint is None:
        return Refusal(f"the context {active.name} names no Alertmanager", "add alertmanager: {url: ...} to it")
    try:
        client = AlertmanagerClient(endpoint, around.clock)
    except ConfigError as error:
        return Refusal(f"Alertmanager cannot be asked: {error.message}", error.hint)
    name = around.manifest.metadata.name
    target = Target(active.name, active.context.production, name, SYSTEM, "alerts",
                    endpoint.name or client.source.url, "", name)
    return Silencing(target, around.manifest, client, around.clock)


def retraining(around: Setting) -> System | Refusal:
    """The pipeline that trains the model again, or why there is none."""
    promised = around.manifest.spec.retrain
    if promised is None or promised.webhook is None:
        return Refusal("the manifest names no pipeline that trains the model again",
                       "add retrain: {webhook: NAME}, and webhooks.NAME to triage.yaml")
    from triage.actions.webhook import TRAINING
    return pipeline(promised.webhook, TRAINING, 0.0, around)


ROUTES: tuple[tuple[frozenset[Action], Maker], ...] = (
    (TRAFFIC, system_of),
    (frozenset({Action.RETRAIN}), retraining),
    (frozenset({Action.SILENCE, Action.EXPIRE_SILENCE}), silencing),
)
"""Which system does which actions."""
