"""``CellDesk``: the cells of one model at hand: read, prepared, and run in a thread that lives as long as the run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from triage.cells.document import Book, Cell, Pin, pinned
from triage.cells.parameters import Parameter, Value, parameters_of
from triage.cells.prepare import Prepared, diagnostics, effects_of, open_book, prepare
from triage.cells.protection import Limits, means, sentences
from triage.cells.questions import PrometheusQuestions
from triage.cells.results import Run
from triage.cells.run import Setting, first_view, limits_of, python_of, run_cells
from triage.cells.sights import Sight
from triage.cells.supervise import Stop
from triage.cells.system import CellSystem
from triage.cells.workplace import FILES, files_of
from triage.clock import Clock
from triage.config import Active
from triage.errors import InvalidDocument
from triage.notebook.load import Notebook
from triage.state_dir import StateDir


@dataclass(frozen=True, slots=True)
class Listing:
    """The cells that can be run by name."""

    model: str
    book: Book | None
    """None: the file cannot be used, then ``troubles`` say why."""
    cells: tuple[Cell, ...]
    parameters: tuple[Parameter, ...]
    pin: Pin
    protection: tuple[str, ...]
    """What would be in force for a cell that only reads, each a sentence; the last one is about files."""
    troubles: tuple[str, ...] = ()
    effects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What running a cell changes, by its id, as :func:`triage.cells.prepare.effects_of` says it; nothing for those
    that only read."""
    in_registry: bool = False
    """Whether the digest that ``pin`` is about is the registry's: the manifest has none."""

    def beside(self, registered_sha256: str | None) -> Listing:
        """The same beside the digest in the registry, which counts where the manifest has none; None: not known."""
        if self.book is None or registered_sha256 is None or (self.pin != "none" and not self.in_registry):
            return self
        return replace(self, pin=pinned(self.book, registered_sha256), in_registry=True)

    def changes(self, cell: str) -> tuple[str, ...]:
        """What running the cell of this id changes; empty when it only reads."""
        return self.effects.get(cell, ())

    def in_force(self, cell: str) -> tuple[str, ...]:
        """What would be in force for the cell of this id."""
        return (*self.protection[:-1], FILES["all"]) if self.changes(cell) else self.protection


def listing_of(model: str, book: Book, pin: Pin, protection: tuple[str, ...]) -> Listing:
    """What can be run of the file ``book``."""
    cells = diagnostics(book)
    return Listing(model, book, cells, parameters_of(book), pin, protection,
                   tuple(finding.sentence() for finding in book.findings),
                   {cell.id: effects for cell in cells if (effects := effects_of(book, cell))})


class LiveRun:
    """A run that was started. Its thread ends with it."""

    def __init__(self, first: Run, stop: Stop | None = None) -> None:
        self.stop = stop or Stop()
        self._latest = first
        self._ended = threading.Event()
        self.thread: threading.Thread | None = None

    @property
    def latest(self) -> Run:
        """The run as it stands; may be read from any thread."""
        return self._latest

    def changed(self, run: Run) -> None:
        """Something is new."""
        self._latest = run

    def is_over(self) -> bool:
        """Whether nothing of it runs any more, and its record is kept."""
        return self._ended.is_set()

    def end(self) -> None:
        """Nothing runs any more."""
        self._ended.set()

    def close(self, seconds: float) -> None:
        """Kill what runs and wait, for so long at most."""
        if not self._ended.is_set():
            self.stop.ask()
            self.stop.ask()
            self._ended.wait(seconds)


@dataclass(slots=True)
class CellDesk:
    """Works for one context. Everything but :meth:`start` may block on the disk."""

    active: Active
    clock: Clock
    state: StateDir | None
    """Folder ``cells`` of the state directory; None: nothing is kept."""
    limits: Limits = field(default_factory=Limits)

    def listing(self, notebook: Notebook) -> Listing:
        """What can be run of a model. Tries what this system offers, the first time."""
        wanted = notebook.manifest.spec.notebook
        found = means()
        protection = sentences(found, limits_of(notebook, self.limits), network=wanted.network,
                               files=FILES[files_of(found, notebook.path, changes=False)])
        try:
            book = open_book(notebook)
        except InvalidDocument as error:
            return Listing(notebook.name, None, (), (), "none", protection,
                           tuple(finding.sentence() for finding in error.findings))
        return listing_of(notebook.name, book, pinned(book, wanted.sha256), protection)

    def prepared(self, notebook: Notebook, cell: str, given: Mapping[str, str],
                 filled: Mapping[str, Value], registered_sha256: str | None = None) -> Prepared:
        """A run of ``cell``, from the file as it is now. ``registered_sha256``: its digest in the registry; None where
        that is not known. Raises :class:`~triage.errors.TriageError`."""
        return prepare(notebook, open_book(notebook), [cell], given, filled, self.state, registered_sha256)

    def system(self, prepared: Prepared, *, facts: str, incident: str, on_change: Callable[[Run], None],
               sight: Sight | None = None) -> CellSystem:
        """A cell that changes something, for the executor; ``on_change`` is called from its thread. ``sight``: what it
        looks at; None: the present."""
        questions = sight or PrometheusQuestions(self.active.context.prometheus, self.clock)
        setting = self._setting(facts, incident, sight)
        return CellSystem(prepared, setting, self.clock, questions.answer, production=self.active.context.production,
                          on_change=on_change, close=questions.aclose)

    def start(self, prepared: Prepared, *, facts: str, incident: str, on_change: Callable[[], None],
              sight: Sight | None = None) -> LiveRun:
        """Begin; ``on_change`` is called from the run's thread whenever there is something new, and at its end.
        ``sight``: what it looks at; None: the present."""
        setting = self._setting(facts, incident, sight)
        live = LiveRun(first_view(prepared, setting, self.clock))

        def changed(run: Run) -> None:
            live.changed(run)
            on_change()

        async def work() -> None:
            questions = sight or PrometheusQuestions(self.active.context.prometheus, self.clock)
            try:
                await run_cells(prepared, setting, self.clock, questions.answer, live.stop, changed, live.latest)
            finally:
                await questions.aclose()

        def thread() -> None:
            try:
                asyncio.run(work())
            finally:
                live.end()
                on_change()
        live.thread = threading.Thread(target=thread, name=f"cells-{live.latest.id}", daemon=True)
        live.thread.start()
        return live

    def _setting(self, facts: str, incident: str, sight: Sight | None) -> Setting:
        return Setting(self.active.name, self.state, incident, python_of(self.active),
                       None if sight is None else sight.against, facts, self.limits)
