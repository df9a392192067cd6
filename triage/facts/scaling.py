"""What a rollout's controller, or an autoscaler, told of changes of the number of pods."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScalingEvent:
    """One event that Kubernetes keeps (for an hour, by default)."""

    at: float
    """Unix seconds at which it was told last."""
    reason: str
    """``ScalingReplicaSet``, ``SuccessfulRescale`` …"""
    message: str
    """The controller's words, cleaned."""
    by: str
    """Who told it; "" when that is not recorded."""


@dataclass(frozen=True, slots=True)
class ScalingFacts:
    """The events about one rollout."""

    read_at: float
    """World time, Unix seconds."""
    events: tuple[ScalingEvent, ...]
    """Oldest first."""
