"""Alerts and silences, as Alertmanager and Prometheus told them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from triage.facts.samples import NO_LABELS, Labels


class AlertState(StrEnum):
    """What becomes of the alert."""

    PENDING = "pending"
    """Known to Prometheus only: its ``for`` has not passed."""
    FIRING = "firing"
    SILENCED = "silenced"
    INHIBITED = "inhibited"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. All texts are cleaned."""

    fingerprint: str
    """Alertmanager's; for an alert that only Prometheus knows, "" ."""
    labels: Labels
    annotations: Labels
    state: AlertState
    started_at: float
    """Unix seconds: ``startsAt`` of Alertmanager, ``activeAt`` of Prometheus."""
    generator_url: str = ""
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    value: float | None = None
    """Value of the rule's expression, known to Prometheus only."""
    held_since: float | None = None
    """Unix seconds since which the rule's condition holds, ``activeAt`` of Prometheus: it fires only when its ``for``
    has passed as well. None where Prometheus has not told."""
    silenced_until: float | None = None
    """Unix seconds at which the last of its silences ends; None when it has none, or Alertmanager has not told."""

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "(unnamed)")


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts as Alertmanager's own routes group them."""

    labels: Labels
    """What the alerts of the group have in common, by the route's ``group_by``."""
    receiver: str
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence of Alertmanager."""

    id: str
    state: str
    """``active``, ``pending`` or ``expired``."""
    matchers: tuple[tuple[str, str, bool, bool], ...]
    """(name, value, is regex, is equal)."""
    starts_at: float
    ends_at: float
    created_by: str = ""
    comment: str = ""
    annotations: Labels = field(default_factory=lambda: NO_LABELS)
