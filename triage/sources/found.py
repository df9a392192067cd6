"""What ``triage discover`` found on a server: inference servers, models, and the metrics that speak of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FoundServer:
    """An inference server, told by the metric names of a preset."""

    preset: str
    title: str
    metrics: tuple[str, ...]
    """Names of the preset that are there."""


@dataclass(frozen=True, slots=True)
class FoundHistogram:
    """A histogram that carries the model's label."""

    name: str
    """Without ``_bucket``."""
    unit: str | None
    """``s``, ``ms`` or ``us``; None when neither its name nor a preset says."""
    buckets: tuple[float, ...]
    """Finite upper bounds in ``unit``, ascending."""
    at_or_under: tuple[float, ...]
    """Observations at or under each bound, since the servers started."""
    total: float


@dataclass(frozen=True, slots=True)
class FoundCounter:
    """A counter that carries the model's label."""

    name: str
    status_label: str | None
    """Label with the outcome; None when it has none."""
    status_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundModel:
    """One value of a label that names models."""

    name: str
    label: str
    preset: str | None
    """Preset whose metrics it has; None when they are its own."""
    version_label: str | None
    versions: tuple[str, ...]
    """In natural order, so that the last is likely the newest."""
    series: Mapping[str, int]
    """Number of series by metric."""
    histograms: tuple[FoundHistogram, ...] = ()
    counters: tuple[FoundCounter, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Everything found."""

    url: str
    """Without user name and password."""
    metrics: int
    """Metric names on the server."""
    servers: tuple[FoundServer, ...]
    models: tuple[FoundModel, ...]
    """Most series first."""
    notes: tuple[str, ...] = field(default=())
    """What could not be read, and what was left out."""

    def model(self, name: str) -> FoundModel | None:
        """The model of this name with the most series; None when there is none."""
        return next((m for m in self.models if m.name == name), None)
