"""What cells look at: the present of a context, or a capture of it. Whoever runs them chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from triage.cells.questions import Answered
from triage.cells.results import Against

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a model."""

    at: float
    """Unix seconds; the end of the time range that a cell looks at."""
    model: ModelState | None
    """None: nothing, or only what ``facts`` say."""
    facts: str
    """``triage.status/v1``; "" for nothing."""
    snapshot: Snapshot | None = None
    """None for a capture."""


class Sight(Protocol):
    """The present or the past."""

    @property
    def against(self) -> Against | None:
        """The capture; None for the present."""
        ...

    async def look(self) -> Seen:
        """What is known."""
        ...

    async def answer(self, path: str, fields: Sequence[tuple[str, str]]) -> Answered:
        """A question of a cell to Prometheus."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
