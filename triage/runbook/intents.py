"""Intents: what a step asks the rest of the program to do. A runbook does nothing to the world by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands: it stays the same whatever is shown when its outcome comes."""

    context: str
    model: str
    runbook: str
    """Id of the runbook."""
    step: str
    """Id of the step."""


@dataclass(frozen=True, slots=True)
class RunCell:
    """Run this diagnostic cell and say how it came out."""

    cell: str
    """Id of the cell in the model's notebook."""
    params: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    step: str = ""
    """Id of the step that waits for the outcome."""
    place: Place | None = None
    """Where that step stands; None: of no run."""


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """Open the plan of this action, filled in; whether it is carried out is decided there."""

    action: str
    to: str
    """Version to go to; "" for the one that the notebook names."""
    reason: str
    step: str = ""
    """Id of the step that waits for the outcome."""
    place: Place | None = None
    """Where that step stands; None: of no run."""


Intent = RunCell | OpenPlan
