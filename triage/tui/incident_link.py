"""``IncidentLink``: the program's hand on the incident: its disk work in a thread, one thing at a time.

What the facts, the runbook, the cells and the journal tell is written with every snapshot, while an incident is open.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from triage.actions.steps import Prepared
    from triage.cells.capture import Capture
    from triage.cells.results import Run
    from triage.clock import Clock
    from triage.config import Active
    from triage.desk.timeline import JournalReader
    from triage.incident.entries import Entry
    from triage.incident.incident import Incident
    from triage.incident.session import Board, IncidentSession
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook
    from triage.runbook.events import Event
    from triage.runbook.run import Case
    from triage.runbook.steps import Runbook
    from triage.signals.model import ModelState

Say = Callable[["Incident", str, float], "Sequence[Entry]"]
"""(the incident, who says it, Unix seconds) to entries. Raises :class:`triage.errors.TriageError`."""
Facts = tuple["Snapshot", "ModelState", "tuple[Event, ...]", "Runbook | None"]
"""What is known: the snapshot, the model shown, what is recorded of its runbook, and that runbook."""
_LEAVE_SECONDS = 0.5
"""A disk that hangs does not hold up the way out for longer."""
_WRITE_SECONDS = 2.0
"""The same while something that was typed is not written yet."""


@dataclass(eq=False)
class _Words:
    """What a person says of an incident."""

    say: Say
    incident: str
    """Its id."""


class IncidentFeed(Protocol):
    """Where the context, the notebooks and the time come from."""

    def notebook(self, model: str) -> Notebook | None: ...

    def context(self) -> Active | None: ...

    def clock(self) -> Clock: ...

    def now(self) -> float: ...


class IncidentApp(Protocol):
    """The program, as the link sees it."""

    def run_worker(self, work: Coroutine[Any, Any, None], *, group: str, exit_on_error: bool) -> Any: ...

    def say(self, message: str) -> None: ...

    def show(self) -> None: ...

    def incident_facts(self) -> Facts | None:
        """What is known now, also what the runbook has told since the last refresh; None before anything is."""
        ...


class IncidentLink:
    """The incident of the model that is shown."""

    def __init__(self, app: IncidentApp, feed: IncidentFeed, state_home: Path | None) -> None:
        """``state_home`` None: where the environment says. Nothing is read or imported yet."""
        self._app, self._feed, self._home = app, feed, state_home
        self._session: IncidentSession | None = None
        self._journal: JournalReader | None = None
        self._board: Board | None = None
        self._beside: Mapping[str, Board] = {}
        """Incidents of models that are not shown."""
        self._one_at_a_time = asyncio.Lock()
        self._newest: Facts | None = None
        self._last: Facts | None = None
        self._looking = False
        self._made: list[tuple[str, Callable[[str], Entry]]] = []
        """What was run and captured here: (model, the entry by whoever works here)."""
        self._unwritten: list[_Words] = []
        """What was typed and is not on the disk yet."""
        self._disk = threading.Lock()
        """Held by the thread that works: one call at a time, also while the program ends."""

    @property
    def board(self) -> Board | None:
        """The incident as it was looked at last; None before the first look."""
        return self._board

    @property
    def by(self) -> str:
        """Who works here; "" before the first look."""
        return self._session.by if self._session is not None else ""

    def id(self, model: str) -> str:
        """The incident of ``model`` that is open, for plans and cell runs; "" without one."""
        found = self._open_of(model)
        return "" if found is None else found.id

    def case(self, model: str) -> Case | None:
        """The same for its runbook; None while the incidents of ``model`` have not been read."""
        from triage.runbook.run import NO_CASE, Case
        board = self._board_of(model)
        if board is None:
            return None
        if board.open is not None:
            return Case(board.open.id, board.open.opened_at or 0.0, board.before)
        closing = board.incident.closing if board.incident is not None else None
        # Beside the model that is shown only open incidents are looked at: nothing else is known of others.
        return None if board is not self._board or board.trouble else NO_CASE if closing is None else Case(
            "", since=closing.at)

    def _board_of(self, model: str) -> Board | None:
        return self._board if self._board is not None and self._board.model == model else self._beside.get(model)

    def _open_of(self, model: str) -> Incident | None:
        board = self._board_of(model)
        return None if board is None else board.open

    def see(self, snapshot: Snapshot, model: ModelState, events: Sequence[Event] = (),
            runbook: Runbook | None = None) -> None:
        """Newer facts, and what is recorded of the runbook."""
        self._newest = self._last = (snapshot, model, tuple(events), runbook)
        if not self._looking:
            self._looking = True
            self._work(self._look())

    def ran(self, run: Run) -> None:
        """A run of cells is over."""
        def told(by: str) -> Entry:
            from triage.desk.timeline import of_cells
            return of_cells(run, by)
        self._tell(run.model, told)

    def captured(self, made: Capture, at: float, incident: str) -> None:
        """A capture was made of the facts of ``at`` (Unix seconds), while ``incident`` was open."""
        def told(by: str) -> Entry:
            from triage.desk.timeline import of_capture
            return of_capture(made, at, incident, by)
        self._tell(made.model, told)

    def left(self, prepared: Prepared, at: float) -> None:
        """A plan was read and not confirmed."""
        def told(by: str) -> Entry:
            from triage.desk.timeline import of_left
            return of_left(prepared, at, by)
        self._tell(prepared.plan.target.model, told)

    def _tell(self, model: str, told: Callable[[str], Entry]) -> None:
        self._made.append((model, told))
        if self._last is not None:
            self.see(*self._last)

    def open(self, title: str, model: str) -> None:
        """Open an incident of ``model``, the one that is shown, with what is known of its last two hours."""
        self._work(self._open(title, model))

    def write(self, say: Say, done: str, incident: str) -> None:
        """Write what a person says of the incident of this id, whichever is shown by now; ``done`` is said when it
        counts, and why not otherwise."""
        words = _Words(say, incident)
        self._unwritten.append(words)
        self._work(self._write(words, done))

    def join(self) -> None:
        """Somebody looks at the incident, where one is open: they are on."""
        from triage.incident import by_hand
        if self._board is not None and self._board.open is not None:
            self.write(lambda incident, by, now: [] if by in incident.people else [by_hand.joined(by, now)], "",
                       self._board.open.id)

    def export(self) -> None:
        """Write the draft of the postmortem into the folder in which the program was started; where nothing can be
        written there, beside the incidents. Where it is written is said."""
        self._work(self._export())

    def leave(self) -> str:
        """The program ends: what was typed is written, and the person is off, also of the incidents of models that are
        not shown. What is not written all the same, in words; "" when nothing is missing."""
        last, session = self._fresh(), self._session
        shown = [] if self._board is None else [self._board]
        boards = [board for board in (*shown, *self._beside.values()) if board.open is not None]
        if last is None or session is None or not (boards or self._unwritten):
            return ""
        from triage.errors import TriageError
        from triage.incident import by_hand

        def work() -> None:
            # What was done since the last refresh is told first: a start after this one need not be of the same model.
            with suppress(TriageError):
                self._looked(*last)
            for words in tuple(self._unwritten):
                with suppress(TriageError):
                    self._said(last[0], words)
            for board in boards:
                if board.open is not None and session.by in board.open.people:
                    with suppress(TriageError):
                        session.write(last[0], board, [by_hand.left(session.by, self._feed.now())])
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(_WRITE_SECONDS if self._unwritten else _LEAVE_SECONDS)
        late = ", ".join(dict.fromkeys(words.incident for words in self._unwritten))
        return f"what was typed last may be missing in {late}: the disk did not take it in time" if late else ""

    def _work(self, job: Coroutine[Any, Any, None]) -> None:
        self._app.run_worker(self._guarded(job), group="incident", exit_on_error=False)

    async def _guarded(self, job: Coroutine[Any, Any, None]) -> None:
        from triage.errors import TriageError
        try:
            await job
        except TriageError as error:
            self._app.say(f"{error.message}; {error.hint}" if error.hint else error.message)
        except Exception as error:
            # A defect here must not take the panels away.
            from triage.text import clean
            self._app.say(f"the incident broke: {type(error).__name__}: {clean(error, limit=120)}")

    async def _look(self) -> None:
        try:
            while self._newest is not None:
                newest, self._newest = self._newest, None
                async with self._one_at_a_time:
                    self._took(await asyncio.to_thread(self._looked, *newest))
        finally:
            self._looking = False

    def _fresh(self) -> Facts | None:
        """What is known now; None before anything is."""
        self._last = self._app.incident_facts() or self._last
        return self._last

    async def _open(self, title: str, model: str) -> None:
        last = self._fresh()
        if last is None:
            self._app.say("no model is shown yet")
            return
        if last[1].name != model:
            self._app.say(f"nothing was opened: {model} is not shown any more")
            return
        async with self._one_at_a_time:
            before = self._board
            board = await asyncio.to_thread(self._opened, *last, title)
            self._took(board)
        if board.incident is not None:
            joined = before is not None and before.open is not None and before.open.id == board.incident.id
            self._app.say(f"{board.incident.id} is open already" if joined else f"{board.incident.id} is open")

    async def _write(self, words: _Words, done: str) -> None:
        last = self._fresh()
        if last is None:
            self._drop(words)
            self._app.say("no incident is open: 5, then o opens one")
            return
        try:
            async with self._one_at_a_time:
                # What other logs tell since the last refresh comes before it: what ends an incident ends its story.
                self._took(await asyncio.to_thread(self._looked, *last))
                written = await asyncio.to_thread(self._said, last[0], words)
        except Exception:
            # It is said why; whoever was only cut off is heard at the end.
            self._drop(words)
            raise
        if self._shows(written.incident):
            self._took(written)
        if done:
            self._app.say(done)

    async def _export(self) -> None:
        last = self._fresh()
        if last is not None:
            # What other logs tell since the last refresh belongs into the story.
            async with self._one_at_a_time:
                self._took(await asyncio.to_thread(self._looked, *last))
        board = self._board
        if board is None or board.incident is None:
            self._app.say("there is no incident to export")
            return
        path = await asyncio.to_thread(self._exported, board.incident)
        self._app.say(f"written, only you can read it: {path}")

    def _looked(self, snapshot: Snapshot, model: ModelState, events: tuple[Event, ...],
                runbook: Runbook | None) -> Board:
        with self._disk:
            session = self._hand()
            board = session.look(snapshot, model, self._told(model.name, self._open_of(model.name), events, runbook))
            self._beside = session.look_beside(snapshot, model.name, lambda found: self._told(found.model, found))
            return board

    def _opened(self, snapshot: Snapshot, model: ModelState, events: tuple[Event, ...], runbook: Runbook | None,
                title: str) -> Board:
        with self._disk:
            return self._hand().open(snapshot, model, self._feed.now(), title,
                                     self._told(model.name, self._open_of(model.name), events, runbook))

    def _said(self, snapshot: Snapshot, words: _Words) -> Board:
        from triage.incident.session import Board
        with self._disk:
            session, board = self._hand(), self._board
            incident = session.incident(snapshot, words.incident)
            if board is None or not self._shows(incident):
                board = Board(incident.model, incident)
            if words not in self._unwritten:
                # The way out was faster.
                return board
            try:
                return session.write(snapshot, board, words.say(incident, session.by, self._feed.now()))
            finally:
                self._drop(words)

    def _drop(self, words: _Words) -> None:
        with suppress(ValueError):
            self._unwritten.remove(words)

    def _shows(self, incident: Incident | None) -> bool:
        board = self._board
        return board is not None and board.incident is not None and incident is not None and (
            board.incident.id == incident.id)

    def _exported(self, incident: Incident) -> str:
        from triage.report.postmortem import postmortem
        from triage.tui.incident_drafts import EXPORTS, write_beside, write_kept
        reader = self._reader()
        head = "" if reader is None else reader.head(incident.told_until)
        text = postmortem(incident, head, self._feed.notebook(incident.model))
        here = Path.cwd()
        if os.access(here, os.W_OK):
            return write_beside(here, incident.id, text)
        from triage.state_dir import StateDir, state_home
        kept = StateDir(self._home or state_home(os.environ), EXPORTS)
        return write_kept(kept, incident.id, text)

    def _told(self, model: str, found: Incident | None, events: tuple[Event, ...] = (),
              runbook: Runbook | None = None) -> list[Entry]:
        """What other logs tell; the same every time: the incident knows what it has been told."""
        from triage.desk.timeline import of_runbook
        from triage.incident.watching import RECENT_SECONDS
        out = list(of_runbook(events, runbook)) if runbook is not None else []
        out += [told(self._hand().by) for name, told in self._made if name == model]
        begun = found.opened_at if found is not None and found.opened_at is not None else self._feed.now()
        reader = self._reader()
        return out if reader is None else [*out, *reader.entries(model, begun - RECENT_SECONDS, self._feed.now())]

    def _reader(self) -> JournalReader | None:
        active = self._feed.context()
        if self._journal is None and active is not None:
            from triage.actions.opening import open_journal
            from triage.desk.timeline import JournalReader
            self._journal = JournalReader(open_journal(active, self._feed.clock()))
        return self._journal

    def _hand(self) -> IncidentSession:
        """The session; made in the thread, because its modules are heavy."""
        if self._session is None:
            from triage.incident.session import IncidentSession
            from triage.person import person
            from triage.state_dir import StateDir, state_home
            self._session = IncidentSession(StateDir(self._home or state_home(os.environ)), person())
        return self._session

    def _took(self, board: Board) -> None:
        self._board = board
        self._app.show()
