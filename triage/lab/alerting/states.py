"""What one rule remembers between evaluations: its alerts, pending and firing, as Prometheus keeps them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from triage.lab.alerting.rules import AlertingRule, RecordingRule
from triage.lab.promql.matching import METRIC_NAME, LabelSet, label_set

ALERTS, ALERTS_FOR_STATE = "ALERTS", "ALERTS_FOR_STATE"
"""Metrics that alerting rules write."""
Found = Iterable[tuple[Mapping[str, str], float]]
"""What an expression returned at one time: labels and value of each series."""


class EvaluationError(Exception):
    """The result of a rule cannot be used; the text is Prometheus' ``lastError``."""


class Phase(StrEnum):
    """How far an alert is; the values are Prometheus' ``state``."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(slots=True)
class ActiveAlert:
    """An alert whose expression holds, or that keeps firing after it held."""

    rule: AlertingRule
    labels: Mapping[str, str]
    series: Mapping[str, str]
    """Labels of the series that the expression returned: what templates see."""
    value: float
    active_at: float
    """Unix seconds since when the expression holds."""
    phase: Phase = Phase.PENDING
    fired_at: float = 0.0
    resolved_at: float | None = None
    kept_since: float | None = None
    """Since when the expression does not hold any more; None while it does."""
    sent_at: float | None = None
    """When it was last sent on; None: never."""

    def annotations(self) -> dict[str, str]:
        """Its annotations, with the value of the last evaluation in which the expression held."""
        return {name: template.render(self.series, self.value) for name, template in self.rule.annotations.items()}


@dataclass(slots=True)
class AlertingState:
    """The alerts of one alerting rule."""

    rule: AlertingRule
    active: dict[LabelSet, ActiveAlert] = field(default_factory=dict)
    resolved: list[ActiveAlert] = field(default_factory=list)
    """Alerts that fired and stopped, until somebody takes them out to tell."""
    _named: dict[LabelSet, dict[str, str]] = field(default_factory=dict)

    @property
    def phase(self) -> Phase:
        """The furthest of its alerts."""
        phases = {alert.phase for alert in self.active.values()}
        return next((phase for phase in (Phase.FIRING, Phase.PENDING) if phase in phases), Phase.INACTIVE)

    def step(self, at: float, found: Found) -> Iterator[tuple[LabelSet, float]]:
        """Take the result at ``at`` (Unix seconds, later than the one before) and give the samples to write for it.

        Raises :class:`EvaluationError`, and then remembers what it did before.
        """
        present: dict[LabelSet, ActiveAlert] = {}
        for series, value in found:
            labels = self._labels(series, value)
            key = label_set(labels)
            if key in present:
                raise EvaluationError(
                    "vector contains metrics with the same labelset after applying alert labels")
            present[key] = ActiveAlert(self.rule, labels, series, value, at)
        for key, new in present.items():
            alert = self.active.setdefault(key, new)
            alert.series, alert.value, alert.kept_since = new.series, new.value, None
        for key, alert in list(self.active.items()):
            if key not in present and not self._keeps_firing(alert, at):
                del self.active[key]
                if alert.phase is Phase.FIRING:
                    alert.resolved_at = at
                    self.resolved.append(alert)
            elif alert.phase is Phase.PENDING and at - alert.active_at >= self.rule.for_seconds:
                alert.phase, alert.fired_at = Phase.FIRING, at
        return self._samples()

    def take_resolved(self) -> list[ActiveAlert]:
        """The alerts that stopped since the last call."""
        taken, self.resolved = self.resolved, []
        return taken

    def _keeps_firing(self, alert: ActiveAlert, at: float) -> bool:
        if alert.phase is not Phase.FIRING:
            return False
        if alert.kept_since is None:
            alert.kept_since = at
        return at - alert.kept_since < self.rule.keep_firing_seconds

    def _samples(self) -> Iterator[tuple[LabelSet, float]]:
        for alert in self.active.values():
            yield label_set({**alert.labels, METRIC_NAME: ALERTS, "alertstate": alert.phase.value}), 1.0
            yield label_set({**alert.labels, METRIC_NAME: ALERTS_FOR_STATE}), float(int(alert.active_at))

    def _labels(self, series: Mapping[str, str], value: float) -> dict[str, str]:
        key = label_set(series)
        known = self._named.get(key)
        if known is not None:
            return known
        labels = {name: text for name, text in series.items() if name != METRIC_NAME}
        labels |= {name: template.render(series, value) for name, template in self.rule.labels.items()}
        labels = {name: text for name, text in {**labels, "alertname": self.rule.name}.items() if text}
        if not any(template.uses_value for template in self.rule.labels.values()):
            self._named[key] = labels
        return labels


@dataclass(slots=True)
class RecordingState:
    """A recording rule remembers nothing."""

    rule: RecordingRule

    def step(self, at: float, found: Found) -> Iterator[tuple[LabelSet, float]]:
        """The samples to write for the result at ``at``. Raises :class:`EvaluationError`."""
        samples: dict[LabelSet, float] = {}
        for series, value in found:
            key = label_set({**series, **self.rule.labels, METRIC_NAME: self.rule.name})
            if key in samples:
                raise EvaluationError(
                    "vector contains metrics with the same labelset after applying rule labels")
            samples[key] = value
        return iter(samples.items())
