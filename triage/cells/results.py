"""A run of cells, while it goes on and when it is over: frozen values that screens, reports and records share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triage.cells.outputs import CellVerdict, Output, Raised, Status, worst
from triage.cells.protocol import Outcome

Part = Literal["parameters", "prerequisite", "asked"]
Phase = Literal["starting", "running", "ended"]


@dataclass(frozen=True, slots=True)
class Against:
    """The capture that cells look at in place of the present."""

    folder: str
    digest: str
    """Of everything in it."""
    start: float
    end: float
    """Its time range, Unix seconds."""


@dataclass(frozen=True, slots=True)
class CellRun:
    """One cell of a run."""

    id: str
    purpose: str
    part: Part
    sha256: str
    """Of the source that is run."""
    outcome: Outcome | None = None
    """None: it has not ended, or not begun."""
    running: bool = False
    seconds: float | None = None
    """How long it took; None until it ended."""
    detail: str = ""
    """What it took to stop it, or why its kernel died; "" when it ended by itself."""
    outputs: tuple[Output, ...] = ()
    dropped_bytes: int = 0
    """Of output beyond the limit, which are not in ``outputs``."""
    dropped_outputs: int = 0
    """Tables, pictures and the like that are left out whole; no verdict is among them."""
    dropped_verdicts: int = 0
    """Verdicts that are left out: too large, or too many."""
    lost: int = 0
    """Messages of its kernel that never came; nobody knows what was in them."""

    @property
    def verdicts(self) -> tuple[CellVerdict, ...]:
        """What it decided."""
        return tuple(each for each in self.outputs if isinstance(each, CellVerdict))

    @property
    def raised(self) -> Raised | None:
        """The exception that ended it, if one did."""
        return next((each for each in self.outputs if isinstance(each, Raised)), None)

    @property
    def status(self) -> Status | None:
        """The worst of its verdicts; ``fail`` when it did not finish, ``unknown`` when nobody saw its end; None before
        that, and without a verdict. What decided something and is not known, or may have, counts as ``unknown``."""
        if self.outcome is None or self.outcome is Outcome.NOT_RUN:
            return None
        if self.outcome is Outcome.TRIAGE_DIED:
            return "unknown"
        if self.outcome is not Outcome.FINISHED:
            return "fail"
        return worst([*(each.status for each in self.verdicts), *(("unknown",) if self.may_lack_verdict else ())])

    @property
    def may_lack_verdict(self) -> bool:
        """Whether something of its output is missing that decided something, or may have."""
        return bool(self.lost or self.dropped_verdicts or (self.dropped_outputs and not self.verdicts))


@dataclass(frozen=True, slots=True)
class Run:
    """A run."""

    id: str
    model: str
    asked: tuple[str, ...]
    """Ids of the cells that were asked for."""
    cells: tuple[CellRun, ...]
    """All that run, in their order."""
    phase: Phase
    protection: tuple[str, ...]
    """What keeps the cells from doing harm here, each a sentence; the missing ones are told too."""
    started_at: float
    """World time, Unix seconds."""
    ended_at: float | None = None
    """World time, Unix seconds; None while it goes on, and when its triage died."""
    trouble: str = ""
    """Why nothing, or nothing more, could be run; "" when it could."""
    kernel: str = ""
    """``Python 3.11.7``; "" until it is known."""
    record: str = ""
    """Folder in which the run is kept; "" when it is not."""
    record_trouble: str = ""
    """Why it is not kept."""
    incident: str = ""
    """Id of the incident that was open when it was asked for; "" without one."""
    against: Against | None = None
    """The capture that it looked at; None for the present."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended as a whole: as the first cell that did not finish; None while it goes on."""
        if self.phase != "ended":
            return None
        ends = [cell.outcome for cell in self.cells if cell.outcome is not None]
        if not ends:
            return Outcome.NOT_RUN
        if Outcome.TRIAGE_DIED in ends:
            return Outcome.TRIAGE_DIED
        return next((end for end in ends if end is not Outcome.FINISHED), Outcome.FINISHED)

    @property
    def status(self) -> Status | None:
        """The worst status of its cells: ``fail`` when something did not finish, ``unknown`` when nobody saw its end;
        None while it goes on or when nothing was decided."""
        if self.phase != "ended":
            return None
        if self.outcome is Outcome.TRIAGE_DIED:
            return "unknown"
        if self.trouble or self.outcome is not Outcome.FINISHED:
            return "fail"
        return worst([cell.status for cell in self.cells if cell.status is not None])

    def cell(self, name: str) -> CellRun | None:
        """The cell of this id; None when it is no part of the run."""
        return next((cell for cell in self.cells if cell.id == name), None)
