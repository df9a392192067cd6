"""What the registry holds: registered models, their versions, and the runs that made the versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STAGES = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a registered model. Times are milliseconds since the Unix epoch."""

    model: str
    number: int
    source: str
    location: str
    """Where its files lie: its source, or that of the version which the source names."""
    created_ms: int
    updated_ms: int
    run_id: str = ""
    run_link: str = ""
    description: str | None = ""
    status: str = "READY"
    stage: str = STAGES[0]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model with all its versions. Times are milliseconds since the Unix epoch."""

    name: str
    created_ms: int
    updated_ms: int
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    """Version numbers by alias; names differ by case."""
    versions: Mapping[int, Version] = field(default_factory=dict)
    highest: int = 0
    """The highest number ever given: that of a deleted version is not given again."""

    def latest(self) -> list[Version]:
        """The highest version of each stage that has any, in ascending order."""
        highest = {version.stage: version for _, version in sorted(self.versions.items())}
        return sorted(highest.values(), key=lambda version: version.number)

    def aliases_of(self, number: int) -> list[str]:
        """The aliases of one version, in order."""
        return sorted(alias for alias, of in self.aliases.items() if of == number)


@dataclass(frozen=True, slots=True)
class Metric:
    """One value that a run logged."""

    key: str
    value: float
    time_ms: int
    step: int = 0


@dataclass(frozen=True, slots=True)
class DataInput:
    """A data set that a run read, as ``mlflow.log_input`` logs it."""

    name: str
    digest: str
    source_type: str
    source: str
    """JSON, whose fields go by the type."""
    context: str = ""
    """What it was read for; "" for a data set that was logged without."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training run, as far as a version refers to it."""

    run_id: str
    name: str
    started_ms: int
    ended_ms: int | None = None
    """None while it runs."""
    status: str = "FINISHED"
    metrics: tuple[Metric, ...] = ()
    """Every value logged, in order."""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DataInput, ...] = ()

    def latest_metrics(self) -> list[Metric]:
        """The last value of each metric: that of the highest step, then of the latest time."""
        latest: dict[str, Metric] = {}
        for metric in sorted(self.metrics, key=lambda metric: (metric.step, metric.time_ms)):
            latest[metric.key] = metric
        return [latest[key] for key in sorted(latest)]
