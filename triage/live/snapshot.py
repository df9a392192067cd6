"""``Snapshot``: everything known at one time. The screen, ``status`` and ``check`` render this and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from triage.facts.expressions import ExpressionsReading
from triage.facts.log_reading import LogsReading
from triage.facts.outcome import SourceHealth
from triage.signals.fleet import FleetState
from triage.signals.model import ModelState


@dataclass(frozen=True, slots=True)
class BrokenNotebook:
    """A notebook that could not be used. It is listed, so that its model is not taken for healthy."""

    name: str
    """Model name where it could be read, else the folder's name."""
    path: str
    errors: tuple[str, ...]
    """Every error as one line."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known at one time."""

    at: float
    """World time in Unix seconds that ages are counted from."""
    context: str
    production: bool
    models: tuple[ModelState, ...]
    """In the order of the notebooks; only the models that were asked about."""
    broken: tuple[BrokenNotebook, ...]
    sources: tuple[SourceHealth, ...]
    other_models: tuple[str, ...] = ()
    """Names of the notebooks that were loaded and not asked about."""
    logs: LogsReading | None = None
    """Logs of the first of the models; None while nobody looks at them."""
    expressions: ExpressionsReading | None = None
    """What else was asked of Prometheus about the first of the models; None while nobody wants anything."""
    fleet: FleetState | None = None
    """A row for each of the models asked about together, broken notebooks too; None while nobody looks at them."""
    together: tuple[ModelState, ...] = ()
    """The models behind these rows, as they were judged last; () while nobody looks at them."""

    def model(self, name: str) -> ModelState | None:
        """The model of this name, None when it was not asked about."""
        return next((m for m in self.models if m.name == name), None)

    def asked(self, name: str) -> ModelState | None:
        """The same, also of a model that is only asked about together with others."""
        return self.model(name) or next((m for m in self.together if m.name == name), None)
