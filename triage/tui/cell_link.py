"""``CellLink``: the program's hand on the cells: reads notebooks and prepares runs in threads, holds the runs.

One listing at a time, for the model that is shown; runs go on when another model is looked at, and end with the
program.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from triage.tui.cell_settling import Asked, CellFeed, Past, Settled, desk_of, runs_left, settle
from triage.tui.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from textual.screen import Screen

    from triage.cells.prepare import Prepared
    from triage.cells.results import Run
    from triage.desk.cells import CellDesk, LiveRun
    from triage.runbook.events import Outcome
    from triage.runbook.intents import Place, RunCell
    from triage.tui.action_link import ActionLink
    from triage.tui.capture_link import CaptureLink
    from triage.tui.incident_link import IncidentLink
    from triage.tui.theme import Palette
    from triage.tui.view import View

_MOST_OFTEN_SECONDS = 0.5
"""Between two paintings of a run: a flood of output must not become a flood on the wire."""
_RETRY_SECONDS = 2.0
"""Between two looks for a notebook that is not there: the feed may be reading it still."""
_CLOSE_SECONDS = 2.0
Told = Callable[["Run | None", str], None]
"""Gets the finished run, or None and why there was none."""

Conclude = Callable[["Place", "Outcome | None", str], None]
"""(the runbook's step, how it came out, in a sentence); None: it was not done."""


class CellApp(Protocol):
    """The program, as the link sees it."""

    actions: ActionLink
    incident: IncidentLink
    captures: CaptureLink

    @property
    def palette(self) -> Palette: ...

    def say(self, message: str) -> None: ...

    def show(self) -> None: ...

    def view(self) -> View: ...

    def push_screen(self, screen: Screen[Any], callback: Callable[[Any], None]) -> Any: ...


class CellLink:
    """The cells of the model shown, and every run of this session."""

    def __init__(self, app: CellApp, feed: CellFeed, state_home: Path | None = None, past: Past | None = None) -> None:
        """``state_home``: where runs are kept; None: where the environment says. ``past``: opens captures to look at;
        None: only the present can be looked at."""
        self._app = app
        self._past = past
        self._state_home = state_home
        self._feed = feed
        self._shelf = Shelf()
        self._runs: dict[tuple[str, str], LiveRun] = {}
        self._preparing: set[tuple[str, str]] = set()
        """(model, cell) from its key until it runs, its plan stands, or nothing comes of it."""
        self._values: dict[str, dict[str, str]] = {}
        self._looked_back: set[str] = set()
        self._registered: dict[str, str] = {}
        """Digests of notebook files in the registry, by model."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._desk: CellDesk | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._painted = 0.0
        self._next_try = 0.0
        self._due = False
        self._telling: dict[str, Told] = {}
        self._ended: Callable[[Run], None] = lambda run: None

    def on_end(self, ended: Callable[[Run], None]) -> None:
        """Call ``ended`` with every run that is over."""
        self._ended = ended

    def shelf(self) -> Shelf:
        """What there is to show now."""
        model, listing = self._shelf.model, self._shelf.listing
        runs = {cell: live.latest for (name, cell), live in self._runs.items() if name == model}
        return replace(self._shelf, runs=runs, values=dict(self._values.get(model, {})),
                       listing=None if listing is None else listing.beside(self._registered.get(model)))

    def open(self, model: str | None, registered_sha256: str | None = None) -> None:
        """Read the notebook of ``model``, where it is not the one at hand; one that is not there yet is tried again.

        ``registered_sha256``: digest of its file in the registry; None while that is not known.
        """
        known = self._shelf
        if model is not None and registered_sha256 is not None:
            self._registered[model] = registered_sha256
        waits = known.listing is None and time.monotonic() < self._next_try
        if model is None or (known.model == model and (known.listing is not None or waits)):
            return
        if known.model != model:
            self._shelf = Shelf(model)
        self._next_try = time.monotonic() + _RETRY_SECONDS
        self._begin(self._read(model))

    def look_back(self, model: str) -> None:
        """Tell, once for each model, which of its runs lost their triage, and show what is left of them."""
        active = self._feed.context()
        if active is not None and model not in self._looked_back:
            self._looked_back.add(model)
            self._begin(self._look_back(model, active.name))

    async def _look_back(self, model: str, context: str) -> None:
        found = await asyncio.to_thread(runs_left, model, context, self._state_home)
        for live in found:
            from triage.cells.words import headline
            for cell in live.latest.asked:
                self._runs.setdefault((model, cell), live)
            self._ended(live.latest)
            self._app.say(f"cell {headline(live.latest)}; 4 shows what is left of it")
        if found:
            self._app.show()

    def set_values(self, text: str) -> None:
        """``NAME=VALUE NAME="A VALUE"``; empty: as in the notebook."""
        try:
            words = [word.partition("=") for word in shlex.split(text)]
        except ValueError:
            self._app.say("a quote is not closed: write NAME=VALUE, a value with spaces in quotes")
            return
        wrong = next((name for name, equals, _ in words if not equals or not name), None)
        if wrong is not None:
            self._app.say(f"{wrong} is no NAME=VALUE")
            return
        self._values[self._shelf.model] = {name: value for name, _, value in words}
        self._app.show()

    def start(self, cell: str, params: Mapping[str, str] | None = None, *, told: Told | None = None,
              step: Place | None = None) -> str:
        """Run ``cell`` of the model shown. Why that is not possible, "" when it is under way or being asked about.

        ``params`` in place of the values that were set by hand, and about the present, whatever capture was chosen by
        hand; ``told`` is called once when it is over. A cell that changes something is an action: its plan is shown,
        and its ``step`` of a runbook is concluded there.
        """
        model = self._shelf.model
        notebook = self._feed.notebook(model) if model else None
        if notebook is None:
            return "the notebook is not read yet" if model else "no model is shown"
        running = self._runs.get((model, cell))
        if running is not None and not running.is_over():
            return f"{cell} runs already"
        if (model, cell) in self._preparing:
            return f"{cell} is being prepared already"
        given = dict(params) if params is not None else dict(self._values.get(model, {}))
        against = self._app.captures.chosen(model) if params is None else None
        asked = Asked(notebook, cell, given, self._app.incident.id(model), against)
        self._preparing.add((model, cell))
        self._begin(self._prepare(asked, told or _nobody, step))
        return ""

    def start_step(self, intent: RunCell, conclude: Conclude) -> str:
        """Run the cell of a runbook's step, with the step's values, and ``conclude`` the step when it is over."""
        place = intent.place

        def told(run: Run | None, why: str) -> None:
            if place is None:
                return
            if run is None:
                conclude(place, None, why)
            else:
                from triage.cells.words import headline
                conclude(place, _as_step(run), headline(run))
        given = {name: _typed(value) for name, value in intent.params.items()}
        return self.start(intent.cell, given, told=told, step=place)

    def stop(self, cell: str) -> None:
        """Interrupt it; the second time kill it."""
        live = self._runs.get((self._shelf.model, cell))
        if live is None or live.is_over():
            self._app.say(f"{cell} does not run")
            return
        live.stop.ask()
        self._app.say("interrupted; once more kills it" if live.stop.asked == 1 else "killed")

    def close(self) -> None:
        """The program ends: kill what runs."""
        for live in self._runs.values():
            if not live.is_over():
                live.stop.ask()
                live.stop.ask()
        for live in self._runs.values():
            live.close(_CLOSE_SECONDS)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, model: str) -> None:
        from triage.errors import TriageError
        notebook = self._feed.notebook(model)
        active = self._feed.context()
        found = Shelf(model, trouble=f"there is no notebook of {model} that can be used")
        if notebook is not None and active is not None:
            try:
                desk = self._desk
                if desk is None:
                    desk = self._desk = await asyncio.to_thread(desk_of, active, self._feed, self._state_home)
                found = Shelf(model, await asyncio.to_thread(desk.listing, notebook))
            except TriageError as error:
                found = Shelf(model, trouble=error.message)
        if self._shelf.model == model and self._shelf != found:
            self._shelf = found
            self._app.show()

    async def _prepare(self, asked: Asked, told: Told, step: Place | None) -> None:
        """Settle it, ask what has to be asked, and begin; all that time nobody else begins the same."""
        from triage.text import clean
        try:
            settled = await self._settled(asked, told)
            if settled is None:
                return
            if not await self._agreed(settled.prepared):
                told(None, "it was not confirmed")
                self._app.show()
            elif not settled.prepared.effects:
                self._go(settled, told)
            elif trouble := await self._plan(settled, step):
                self._refuse(trouble, told)
        except Exception as error:
            # A defect here must not take the panels away, nor leave a step of a runbook waiting for it.
            self._refuse(f"{asked.cell} broke before it ran: {type(error).__name__}: {clean(error, limit=120)}", told)
        finally:
            self._preparing.discard((asked.notebook.name, asked.cell))

    async def _settled(self, asked: Asked, told: Told) -> Settled | None:
        """None when it cannot run; that was told."""
        from triage.errors import InvalidDocument, TriageError
        view = self._app.view()

        def work() -> Settled:
            active = self._feed.context()
            if self._desk is None and active is not None:
                self._desk = desk_of(active, self._feed, self._state_home)
            if self._desk is None:
                raise TriageError("the configuration is not read yet")
            return settle(self._desk, asked, view, self._past)
        try:
            return await asyncio.to_thread(work)
        except InvalidDocument as error:
            self._refuse(error.findings[0].sentence(), told)
        except TriageError as error:
            why = f"{error.message}; {error.hint}" if error.hint else error.message
            if asked.against is not None:
                self._app.captures.tell(asked.notebook.name, why)
            self._refuse(why, told)
        return None

    async def _plan(self, settled: Settled, step: Place | None) -> str:
        """A cell that changes something: the executor runs it, after its plan was read and confirmed. Why that is not
        possible, "" when its plan stands."""
        prepared = settled.prepared
        key, loop = (prepared.notebook.name, prepared.asked[0].id), self._loop

        def took(run: Run) -> None:
            live = self._runs.get(key)
            if live is None or live.latest.id != run.id:
                from triage.desk.cells import LiveRun
                live = self._runs[key] = LiveRun(run, system.stop)
            live.changed(run)
            if run.phase == "ended":
                live.end()
                self._ended(run)
            self._changed()

        def changed(run: Run) -> None:
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(took, run)
        system = settled.desk.system(prepared, facts=settled.facts, incident=settled.incident, on_change=changed,
                                     sight=settled.sight)
        return await self._app.actions.choose_cell(system, f"{prepared.asked[0].purpose}", step)

    def _refuse(self, why: str, told: Told) -> None:
        self._app.say(why)
        told(None, why)

    async def _agreed(self, prepared: Prepared) -> bool:
        """What differs, and what is not proven, before anything runs."""
        # The plan of a cell that changes something names the doubts itself; another file than the pinned one is a
        # confirmation of its own.
        if not prepared.difference and (prepared.effects or not prepared.chosen.doubts):
            return True
        from triage.tui.screens.consent import Consent
        said = [prepared.difference] if prepared.difference else []
        said += [f"not proven that nothing else is needed: {doubt}" for doubt in prepared.chosen.doubts[:3]]
        word = prepared.book.sha256[:8] if prepared.difference else "run"
        names = ", ".join(cell.id for cell in prepared.asked)
        look = self._app.view().look
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._app.push_screen(Consent(f"RUN {look.say(names)}", said, word, look, self._app.palette),
                              lambda agreed: None if answer.done() else answer.set_result(bool(agreed)))
        return await answer

    def _go(self, settled: Settled, told: Told) -> None:
        prepared = settled.prepared
        cell = prepared.asked[0].id
        loop = self._loop
        if loop is None:
            return

        def changed() -> None:
            # From the run's thread; a program that has ended meanwhile needs no picture.
            if not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(self._changed)
                except RuntimeError:
                    return
        live = settled.desk.start(prepared, facts=settled.facts, incident=settled.incident, on_change=changed,
                                  sight=settled.sight)
        self._runs[(prepared.notebook.name, cell)] = live
        self._telling[live.latest.id] = told
        self._app.show()

    def _changed(self) -> None:
        """Something is new in a run: paint it, but not more often than is pleasant."""
        for live in self._runs.values():
            if live.is_over() and (tell := self._telling.pop(live.latest.id, None)) is not None:
                tell(live.latest, "")
                self._ended(live.latest)
        if self._due:
            return
        wait = self._painted + _MOST_OFTEN_SECONDS - time.monotonic()
        if wait <= 0:
            self._paint()
        elif self._loop is not None:
            self._due = True
            self._loop.call_later(wait, self._paint)

    def _paint(self) -> None:
        self._due = False
        self._painted = time.monotonic()
        self._app.show()


def _typed(value: str | int | float | bool) -> str:
    """A value as a person would type it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_step(run: Run) -> Outcome:
    """How a step came out: what a cell could not answer is unknown, a warning alone is no failure."""
    from triage.cells.protocol import Outcome as End
    from triage.runbook.events import Outcome
    if run.trouble or run.outcome is not End.FINISHED or run.status == "unknown":
        return Outcome.UNKNOWN
    return Outcome.FAILED if run.status == "fail" else Outcome.PASSED


def _nobody(run: Run | None, why: str) -> None:
    """Nobody waits for it."""
