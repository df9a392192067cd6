"""``Shelf``: what there is to show of the cells of one model: the listing, the values set, and this session's runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triage.cells.document import Cell
    from triage.cells.results import Against, Run
    from triage.desk.cells import Listing


@dataclass(frozen=True, slots=True)
class Shelf:
    """One frozen picture of the cells of a model."""

    model: str = ""
    listing: Listing | None = None
    """None: it is being read, or ``trouble`` says why it cannot be."""
    trouble: str = ""
    runs: Mapping[str, Run] = field(default_factory=lambda: MappingProxyType({}))
    """The newest run by cell."""
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Parameters that were set by hand, as they were typed."""
    against: Against | None = None
    """The capture that the next run looks at; None for the present."""
    captures: int = 0
    """How many captures there are to look at."""
    capture: str = ""
    """What goes on, or came of the newest capture; "" when there was none."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What can be run by name."""
        return self.listing.cells if self.listing is not None else ()

    def cell(self, name: str) -> Cell | None:
        """The cell of this id; None when it is not there."""
        return next((cell for cell in self.cells if cell.id == name), None)
