"""What is settled in a thread before a cell runs from the screen, and what earlier programs have left there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from triage.cells.prepare import Prepared
    from triage.cells.results import Against
    from triage.cells.sights import Sight
    from triage.config import Active
    from triage.desk.cells import CellDesk, LiveRun
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook
    from triage.state_dir import StateDir
    from triage.tui.view import View

Past = Callable[[Path, str], "Sight"]
"""(folder of a capture, model) to what cells look at. Blocks; raises :class:`triage.errors.TriageError`."""


class CellFeed(Protocol):
    """Where the notebooks and the context come from."""

    def notebook(self, model: str) -> Notebook | None: ...

    def context(self) -> Active | None: ...

    def now(self) -> float: ...


class Asked(NamedTuple):
    """A run as it was asked for."""

    notebook: Notebook
    cell: str
    given: Mapping[str, str]
    """Values as they were typed."""
    incident: str
    """"" without one."""
    against: Against | None
    """The capture to look at; None for the present."""


class Settled(NamedTuple):
    """A run that may begin."""

    desk: CellDesk
    prepared: Prepared
    facts: str
    incident: str
    sight: Sight | None
    """None: the present."""


def settle(desk: CellDesk, asked: Asked, view: View, past: Past | None) -> Settled:
    """Everything that is settled before a run. Blocks on the disk; raises :class:`triage.errors.TriageError`."""
    from triage.cells.filling import filled, registered_digest, versions_then
    name = asked.notebook.name
    model = view.model if view.model is not None and view.model.name == name else None
    sight = None
    if asked.against is None:
        facts, end = _facts(view.snapshot), view.end if view.end is not None else view.now
        values = filled(model, start=end - view.range_seconds, end=end, incident=asked.incident)
    else:
        sight = _opened(past, Path(asked.against.folder), name)
        seen = asyncio.run(sight.look())
        facts, end = seen.facts, seen.at
        values = filled(None, start=end - view.range_seconds, end=end, incident=asked.incident,
                        capture=asked.against.folder, then=versions_then(facts, name))
    prepared = desk.prepared(asked.notebook, asked.cell, asked.given, values, registered_digest(model))
    return Settled(desk, prepared, facts, asked.incident, sight)


def desk_of(active: Active, feed: CellFeed, state_home: Path | None) -> CellDesk:
    """The desk of a context. ``state_home``: where runs are kept; None: where the environment says."""
    from triage.desk.cells import CellDesk
    from triage.state_dir import StateError
    try:
        state: StateDir | None = _state(state_home)
    except StateError:
        state = None
    return CellDesk(active, _FeedClock(feed), state)


def runs_left(model: str, context: str, state_home: Path | None) -> list[LiveRun]:
    """The runs of ``model`` that have lost their triage and of which nobody was told; none where that cannot be read.

    Blocks on the disk.
    """
    from triage.cells.marks import marks
    from triage.state_dir import StateError
    try:
        state = _state(state_home)
        if not marks(state, model):
            # Nearly always: nothing of what follows is loaded then.
            return []
        from triage.cells.left import settle_left
        from triage.desk.cells import LiveRun
        found = [LiveRun(run) for run in settle_left(state, model, context)]
    except StateError:
        return []
    for live in found:
        live.end()
    return found


def _state(home: Path | None) -> StateDir:
    from triage.cells.marks import CELLS
    from triage.state_dir import StateDir, state_home
    return StateDir(home or state_home(os.environ), CELLS)


def _opened(past: Past | None, folder: Path, model: str) -> Sight:
    if past is None:
        from triage.errors import TriageError
        raise TriageError("this program looks at the present only", f"triage cells run {model} CELL --capture {folder}")
    return past(folder, model)


def _facts(snapshot: Snapshot | None) -> str:
    from triage.report.json import status_json
    return "" if snapshot is None else status_json(snapshot)


class _FeedClock:
    """World time from the feed, which may be another than the machine's."""

    def __init__(self, feed: CellFeed) -> None:
        self._feed = feed

    def now(self) -> float:
        return self._feed.now()

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def speed(self) -> float:
        return 1.0
