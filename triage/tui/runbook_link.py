"""``RunbookLink``: the program's hand on the runbook: its disk work in a thread, its prompts, and what others must do.

One thing at a time: what is looked at while something is done waits, and only the newest look counts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from triage.facts.expressions import ExpressionsWanted
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook
    from triage.runbook.events import Event, Outcome
    from triage.runbook.intents import Intent, OpenPlan, Place, RunCell
    from triage.runbook.moves import Prompt
    from triage.runbook.run import Case
    from triage.runbook.session import Result, RunbookSession, Sheet
    from triage.signals.model import ModelState

Move = str
"""``go``, ``done`` (by hand), ``skip``, ``again``, ``claim`` or ``close``."""


class RunbookApp(Protocol):
    """The program, as the link sees it."""

    def now(self) -> float:
        """World time, Unix seconds."""
        ...

    def case(self, model: str) -> Case | None:
        """The incident of ``model`` that is open; None while that is not known."""
        ...

    def shown(self) -> str:
        """Name of the model that is shown; "" without one."""
        ...

    def open_plan(self, intent: OpenPlan) -> str:
        """Open the plan of an action; why that is not possible, or "" when it is open."""
        ...

    def run_cell(self, intent: RunCell) -> str:
        """Run a cell; why that is not possible, or "" when it runs."""
        ...

    def ask_also(self, wanted: ExpressionsWanted | None) -> None:
        """PromQL to be answered with every refresh."""
        ...

    def prompt(self, prompt: Prompt, taken: Callable[[str | None], None]) -> None:
        """Ask the person; ``taken`` gets what was said, None when nothing was."""
        ...

    def copy_text(self, text: str) -> None:
        """To the clipboard, and shown."""
        ...

    def work(self, job: Coroutine[Any, Any, None]) -> None:
        """Run ``job`` beside the screen."""
        ...

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""
        ...

    def show(self) -> None:
        """Show the picture as it is now."""
        ...


class RunbookLink:
    """Keeps the sheet of the model that is shown."""

    def __init__(self, app: RunbookApp, state_home: Path | None) -> None:
        """``state_home`` None: where the environment says. Nothing is read or imported yet."""
        self._app = app
        self._home = state_home
        self._session: RunbookSession | None = None
        self._sheet: Sheet | None = None
        self._one_at_a_time = asyncio.Lock()
        self._newest: tuple[Notebook, Snapshot, ModelState] | None = None
        self._looking = False
        self._read_by_hand = False
        self._wanted: ExpressionsWanted | None = None

    @property
    def sheet(self) -> Sheet | None:
        """The runbook as it was looked at last; None before the first look."""
        return self._sheet

    def events(self) -> tuple[Event, ...]:
        """What is recorded of it, in the order of writing."""
        return self._session.events() if self._session is not None else ()

    def see(self, notebook: Notebook, snapshot: Snapshot, model: ModelState) -> None:
        """Look at the runbook beside newer facts."""
        self._newest = notebook, snapshot, model
        if not self._looking:
            self._looking = True
            self._app.work(self._look())

    def read(self, by_hand: bool) -> None:
        """Whether somebody has it open: its numbers are asked for then, also when nothing asks for the runbook."""
        self._read_by_hand = by_hand
        self._ask()

    def do(self, step: str, move: Move, said: str | None = None) -> None:
        """Do something with a step of the sheet; ``said`` is the answer to an earlier prompt."""
        self._app.work(self._do(step, move, said, self._sheet))

    def conclude(self, place: Place, outcome: Outcome | None, text: str) -> None:
        """How the plan or cell of a step came out, whatever is shown by now; None: it was not carried out, and the step
        is as before."""
        self._app.work(self._conclude(place, outcome, text))

    async def _look(self) -> None:
        try:
            while self._newest is not None:
                (notebook, snapshot, model), self._newest = self._newest, None
                async with self._one_at_a_time:
                    sheet = await asyncio.to_thread(self._looked, notebook, snapshot, model)
                self._took(sheet)
        except Exception as error:
            # A defect here must not take the panels away.
            self._broke(error)
        finally:
            self._looking = False

    async def _do(self, step: str, move: Move, said: str | None, meant: Sheet | None) -> None:
        """``meant`` is the sheet that the person had in view: a step of another one of the same name is left alone."""
        try:
            async with self._one_at_a_time:
                if meant is not None and not meant.is_of(self._sheet):
                    self._app.say(f"nothing was done: the runbook of {meant.model} that was meant is not shown "
                                  "any more")
                    return
                result = await asyncio.to_thread(self._done, step, move, said)
                if result.intent is not None:
                    result = await self._followed(result, result.intent)
        except Exception as error:
            self._broke(error)
            return
        self._took(result.sheet)
        if result.copy:
            self._app.copy_text(result.copy)
        if result.prompt is not None:
            asked_of = result.sheet

            def answered(text: str | None) -> None:
                if text:
                    self._app.work(self._do(step, move, text, asked_of))
            self._app.prompt(result.prompt, answered)
        if result.said:
            self._app.say(result.said)

    async def _conclude(self, place: Place, outcome: Outcome | None, text: str) -> None:
        try:
            async with self._one_at_a_time:
                result = await asyncio.to_thread(lambda: self._opened().conclude(place, self._app.now(), outcome, text))
        except Exception as error:
            self._broke(error)
            return
        self._took(result.sheet)
        if result.said:
            self._app.say(result.said)

    def _looked(self, notebook: Notebook, snapshot: Snapshot, model: ModelState) -> Sheet:
        return self._opened().look(notebook, snapshot, model, self._app.now())

    def _done(self, step: str, move: Move, said: str | None) -> Result:
        session, now = self._opened(), self._app.now()
        match move:
            case "skip":
                return session.skip(step, now, said)
            case "done":
                return session.by_hand(step, now, said)
            case "again":
                return session.again(step, now)
            case "claim":
                return session.claim(step, now)
            case "close":
                return session.close(now, "ended by hand")
            case _:
                return session.go(step, now, said)

    async def _followed(self, result: Result, intent: Intent) -> Result:
        """The result after the rest of the program has taken up what the step asks for, or has said why not."""
        from dataclasses import replace

        from triage.runbook.intents import OpenPlan
        session, now, place = self._opened(), self._app.now(), intent.place
        assert place is not None  # noqa: S101 - the session gives it to every intent
        elsewhere = f"{place.model} is not shown any more" if self._app.shown() not in ("", place.model) else ""
        if isinstance(intent, OpenPlan):
            refused = elsewhere or self._app.open_plan(intent)
            if not refused:
                return await asyncio.to_thread(session.begin, intent.step, now, f"plan {intent.action}")
            return replace(result, said=refused)
        refused = elsewhere or self._app.run_cell(intent)
        if refused:
            result = await asyncio.to_thread(session.conclude, place, now, None, refused)
        return replace(result, said=refused)

    def _opened(self) -> RunbookSession:
        """The session; made in the thread, because its modules are heavy."""
        if self._session is None:
            from triage.person import person
            from triage.runbook.session import RunbookSession
            from triage.state_dir import StateDir, state_home
            self._session = RunbookSession(StateDir(self._home or state_home(os.environ)), person(), self._app.case)
        return self._session

    def _took(self, sheet: Sheet | None) -> None:
        self._sheet = sheet
        self._ask()
        self._app.show()

    def _ask(self) -> None:
        """Have the numbers answered that are looked at, while anybody looks."""
        sheet, wanted = self._sheet, None
        if sheet is not None and (sheet.why or sheet.begun or self._read_by_hand):
            from triage.facts.expressions import ExpressionsWanted
            expressions = dict.fromkeys(expr for standing in sheet.standings if standing.is_looked_at
                                        if (expr := getattr(standing.step.does, "expr", "")))
            wanted = ExpressionsWanted(sheet.model, tuple(expressions)) if expressions else None
        if wanted != self._wanted:
            self._wanted = wanted
            self._app.ask_also(wanted)

    def _broke(self, error: Exception) -> None:
        from triage.text import clean
        self._app.say(f"the runbook broke: {type(error).__name__}: {clean(error, limit=120)}")
