"""A model's alerts: which are its own, how urgent, and grouped by name, version and deployment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from triage.facts.alerts import Alert, AlertState
from triage.signals.model import AlertGroup
from triage.signals.reading import Urgency

if TYPE_CHECKING:
    from triage.facts.alerts import Silence
    from triage.notebook.manifest import Manifest

PAGE_SEVERITIES = frozenset({"page", "critical", "emergency", "p1", "sev1"})
TICKET_SEVERITIES = frozenset({"ticket", "warning", "error", "p2", "p3", "sev2", "sev3"})
DEPLOYMENT_LABELS = ("deployment", "service", "service_name", "destination_workload", "namespace")
VERSION_LABELS = ("model_version", "version", "destination_version", "service_version", "revision_name")
_ORDER = {Urgency.PAGE: 0, Urgency.TICKET: 1, Urgency.NONE: 2}
_STATES = {"firing": 0, "pending": 1, "inhibited": 2, "silenced": 3}


def ending(alerts: Sequence[Alert], silences: Sequence[Silence]) -> tuple[Alert, ...]:
    """The alerts, each with the end of the last silence that hides it."""
    ends = {silence.id: silence.ends_at for silence in silences if silence.state != "expired"}
    return tuple(replace(alert, silenced_until=max(known)) if (known := [ends[i] for i in alert.silenced_by
                                                                         if i in ends]) else alert
                 for alert in alerts)


def merged(from_alertmanager: Sequence[Alert] | None, from_prometheus: Sequence[Alert] | None) -> tuple[Alert, ...]:
    """All alerts once. Alertmanager knows silences; Prometheus alone knows pending ones, those that got lost on their
    way to Alertmanager, and since when a condition holds.

    None for a source that is not there or did not answer: then the other one is all there is.
    """
    if from_alertmanager is None:
        return tuple(from_prometheus or ())
    by_name: dict[str, list[Alert]] = {}
    for alert in from_alertmanager:
        by_name.setdefault(alert.name, []).append(alert)
    held: dict[int, float] = {}
    alone = []
    for alert in from_prometheus or ():
        same = next((known for known in by_name.get(alert.name, ()) if _same(alert, known)), None)
        if same is None:
            alone.append(alert)
        elif alert.held_since is not None and alert.held_since <= same.started_at:
            held.setdefault(id(same), alert.held_since)
    told = (replace(a, held_since=held[id(a)]) if id(a) in held else a for a in from_alertmanager)
    return (*told, *alone)


def _same(ours: Alert, known: Alert) -> bool:
    """Whether two alerts of one name are one: they agree where both have a label. External labels differ."""
    return all(known.labels[label] == value for label, value in ours.labels.items() if label in known.labels)


def belongs(alert: Alert, manifest: Manifest) -> bool:
    """Whether the alert is the model's: it carries the labels that the manifest names."""
    spec = manifest.spec
    labels = spec.alerts.labels or spec.metrics.selector
    if labels:
        return all(alert.labels.get(k) == v for k, v in labels.items())
    return alert.name in (*spec.alerts.page, *spec.alerts.ticket)


def urgency(alert: Alert, manifest: Manifest) -> Urgency:
    """How urgent it is by the manifest, else by its ``severity`` label; only a firing alert is urgent at all."""
    if alert.state is not AlertState.FIRING:
        return Urgency.NONE
    severity = alert.labels.get("severity", "").lower()
    if alert.name in manifest.spec.alerts.page:
        return Urgency.PAGE
    if alert.name in manifest.spec.alerts.ticket:
        return Urgency.TICKET
    if severity in PAGE_SEVERITIES:
        return Urgency.PAGE
    return Urgency.TICKET if severity in TICKET_SEVERITIES else Urgency.NONE


def grouped(alerts: Collection[Alert], manifest: Manifest) -> tuple[AlertGroup, ...]:
    """The model's alerts by name, version and deployment, most urgent first."""
    if not alerts:
        return ()
    metrics = manifest.spec.metrics
    versions = ((metrics.version_label,) if metrics.version_label else ()) + VERSION_LABELS
    deployments = (metrics.deployment_label, *DEPLOYMENT_LABELS)
    groups: dict[tuple[str, str, str], list[Alert]] = {}
    for alert in alerts:
        if belongs(alert, manifest):
            key = (alert.name, _first(alert, versions), _first(alert, deployments))
            groups.setdefault(key, []).append(alert)
    found = [AlertGroup(name, version, deployment, min((urgency(a, manifest) for a in items), key=_ORDER.__getitem__),
                        tuple(sorted(items, key=lambda a: (a.started_at, a.fingerprint))))
             for (name, version, deployment), items in groups.items()]
    return tuple(sorted(found, key=lambda g: (_ORDER[g.urgency], _STATES[g.state], g.since, g.name, g.version)))


def _first(alert: Alert, labels: Iterable[str]) -> str:
    return next((alert.labels[name] for name in labels if alert.labels.get(name)), "")
