"""Every system that can change something of one model: its traffic, its registry's alias, its alerts, its training."""

from __future__ import annotations

from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.system import Refusal, System


def systems_of(around: Setting) -> tuple[System | Refusal, ...]:
    """One system for each thing of the model that can be changed, or why there is none, in a fixed order.

    Each action is one system's: the first that does not refuse it does it. Whoever asks closes the systems
    (``aclose``), which closes what they opened themselves.
    """
    return (system_of(around),)
