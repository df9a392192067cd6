"""A run of cells from the first process to the kept record. The loop's thread must live as long as the run."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from triage.cells.board import Board
from triage.cells.diary import Diary
from triage.cells.parameters import injected_source
from triage.cells.prepare import Prepared, remember
from triage.cells.protection import (
    Limits,
    Means,
    environment,
    kernel_command,
    means,
    private_folder,
    runner_command,
    sentences,
)
from triage.cells.records import Circumstances, Record
from triage.cells.results import Against, CellRun, Part, Run
from triage.cells.supervise import Answer, Message, Order, Step, Stop, supervise
from triage.cells.workplace import FILES, files_of, fill
from triage.clock import Clock
from triage.config import Active
from triage.notebook.load import Notebook
from triage.person import person
from triage.state_dir import StateDir
from triage.text import clean

INJECTED = "injected-parameters"
"""Id of the cell that sets the parameters, as papermill calls it."""
_INJECTED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a run takes place."""

    context: str
    state: StateDir | None
    """Folder ``cells`` of the state directory; None: nothing is kept."""
    incident: str = ""
    python: str = ""
    """Python that has ipykernel and what the cells import; "" for triage's own."""
    against: Against | None = None
    """The capture that is looked at; None for the present."""
    facts: str = ""
    """What is known of the model, ``triage.status/v1``; cells find it as the file ``$TRIAGE_FACTS``. "" for nothing."""
    limits: Limits = field(default_factory=Limits)
    system: Means | None = None
    """What the system offers; None: it is tried."""


def python_of(active: Active) -> str:
    """The Python that the context names for cells; "" for triage's own."""
    named = active.context.cells.python
    return "" if named is None else str(active.beside_config(named).absolute())


def new_id(now: float) -> str:
    """An id that sorts by time: ``20261123T143300Z-3f9a``."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def first_view(prepared: Prepared, setting: Setting, clock: Clock) -> Run:
    """The run before anything of it has started."""
    found, limits = setting.system or means(), limits_of(prepared.notebook, setting.limits)
    network = prepared.notebook.manifest.spec.notebook.network
    files = files_of(found, prepared.notebook.path, changes=bool(prepared.effects))
    asked = {cell.number for cell in prepared.asked}
    cells = []
    for cell in prepared.chosen.cells:
        part: Part = ("parameters" if cell == prepared.book.parameters else
                      "asked" if cell.number in asked else "prerequisite")
        cells.append(CellRun(cell.id, cell.purpose, part, cell.sha256))
        if part == "parameters" and prepared.values:
            cells.append(CellRun(INJECTED, "the values of this run", "parameters", ""))
    now = clock.now()
    return Run(new_id(now), prepared.notebook.name, tuple(cell.id for cell in prepared.asked), tuple(cells), "starting",
               sentences(found, limits, network=network, files=FILES[files]), now, incident=setting.incident,
               against=setting.against)


def limits_of(notebook: Notebook, limits: Limits) -> Limits:
    """The limits of a run: ``limits``, with the memory that the manifest names."""
    memory = notebook.manifest.spec.notebook.memory
    return limits if memory is None else replace(limits, memory_bytes=memory)


async def run_cells(prepared: Prepared, setting: Setting, clock: Clock, answer: Answer, stop: Stop,
                    on_change: Callable[[Run], None], view: Run | None = None) -> Run:
    """Run; ``on_change`` gets the run whenever there is something new, from this thread. The finished run.

    ``view``: what :func:`first_view` gave, when it is shown already. Raises nothing for what cells do.
    """
    begun = view or first_view(prepared, setting, clock)
    sources = {INJECTED: injected_source(prepared.values)} | {c.id: c.source for c in prepared.chosen.cells}
    record = None if setting.state is None else Record(setting.state, begun, circumstances(prepared, setting), sources)
    board = Board(begun, on_change, None if record is None else record.picture)
    diary = None if record is None else Diary(record, board, clock)

    def heard(message: Message) -> None:
        board.heard(message)
        if diary is not None:
            diary.note()
    try:
        order = _order(prepared, setting, begun, sources)
    except OSError as error:
        trouble = f"there is no place for a run: {clean(error.strerror or error)}"
    else:
        try:
            ending = await supervise(order, heard, answer, stop)
        finally:
            if diary is not None:
                diary.rest()
        left = f"; processes that could not be ended: {', '.join(map(str, ending.left))}" if ending.left else ""
        trouble = f"{ending.trouble}{left}".removeprefix("; ")
    run = board.end(clock.now(), trouble)
    if diary is not None and setting.state is not None:
        if prepared.pin == "matches":
            remember(prepared.book, begun.model, setting.state)
        run = diary.end()
    on_change(run)
    return run


def circumstances(prepared: Prepared, setting: Setting) -> Circumstances:
    """Under which a run takes place, for its record."""
    return Circumstances(setting.context, person(), setting.incident, prepared.book, prepared.pin,
                         prepared.pinned_sha256, prepared.values)


def _order(prepared: Prepared, setting: Setting, run: Run, sources: Mapping[str, str]) -> Order:
    found, limits = setting.system or means(), limits_of(prepared.notebook, setting.limits)
    words = prepared.notebook.manifest.spec.notebook
    cut_off = words.network == "none"
    folder = private_folder()
    files = files_of(found, prepared.notebook.path, changes=bool(prepared.effects))
    fill(prepared.notebook.path, folder / "work", files)
    shown = environment(folder, run.id, words.environment, os.environ)
    if setting.facts:
        facts = folder / "facts.json"
        facts.write_text(setting.facts, "utf-8")
        shown["TRIAGE_FACTS"] = str(facts)
    seconds = {cell.id: cell.time_limit_seconds for cell in prepared.chosen.cells}
    steps = tuple(Step(cell.id, sources[cell.id], seconds.get(cell.id, _INJECTED_SECONDS)) for cell in run.cells)
    python = setting.python or sys.executable
    only = folder if files == "read-only" else None
    return Order(run.id, steps, tuple(runner_command(found, cut_off=cut_off, only=only)),
                 tuple(kernel_command(found, limits, prepared.seconds, python)), shown, folder, limits,
                 found.network and cut_off)
