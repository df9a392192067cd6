"""Every system that can change something of one model: its traffic, its training, its alerts."""

from __future__ import annotations

from triage.actions.plan import Action, Target
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.silence import SYSTEM as ALERTMANAGER
from triage.actions.silence import Silencing
from triage.actions.system import Refusal, System
from triage.endpoints import ConfigError

_PLACES = {Action.SILENCE: 1, Action.EXPIRE_SILENCE: 1}


def systems_of(around: Setting) -> tuple[System | Refusal, ...]:
    """One system for each thing of the model that can be changed, or why there is none, in a fixed order.

    Whoever asks closes the systems (``aclose``), which closes what they opened themselves.
    """
    return system_of(around), _silencing(around)


def place_of(action: Action) -> int:
    """Which of :func:`systems_of` an action is the business of: its refusal is the one to be shown."""
    return _PLACES.get(action, 0)


def _silencing(around: Setting) -> System | Refusal:
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
    target = Target(active.name, active.context.production, name, ALERTMANAGER, "alerts", client.source.url, "", name)
    return Silencing(target, around.manifest, client, around.clock)
