"""``ActionLink``: the program's hand on actions: menu, plans, what is under way. The desks' thread does the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from triage.tui.action_state import ActionState
from triage.tui.desk_door import ActionFeed, DeskDoor
from triage.tui.panels.course import Course
from triage.tui.panels.menu import Menu

if TYPE_CHECKING:
    from pathlib import Path

    from textual.screen import Screen

    from triage.actions.approvals import ApprovalRequest
    from triage.actions.history import Deed
    from triage.actions.steps import Confirmation, Prepared, Step
    from triage.actions.system import Refusal, System, Wish
    from triage.clock import Clock
    from triage.desk.actions import ActionDesk
    from triage.live.snapshot import Snapshot
    from triage.runbook.events import Outcome as StepOutcome
    from triage.runbook.intents import OpenPlan, Place
    from triage.tui.incident_link import IncidentLink
    from triage.tui.theme import Palette
    from triage.tui.view import View

Conclude = Callable[["Place", "StepOutcome | None", str], None]
"""(step of the runbook, how it came out, in a sentence); None: it was not done."""


class ActionApp(Protocol):
    """The program, as the link sees it."""

    incident: IncidentLink

    @property
    def latest(self) -> Snapshot | None: ...

    @property
    def palette(self) -> Palette: ...

    @property
    def screen_stack(self) -> Any: ...

    def say(self, message: str) -> None: ...

    def show(self) -> None: ...

    def view(self) -> View: ...

    def push_screen(self, screen: Screen[Any]) -> Any: ...

    def action_cells(self) -> None: ...


class ActionLink:
    """Actions on the model that is shown. What is under way goes on when another model is looked at."""

    deaf_seconds = 0.5
    """After a dialog stands, keys are not heard for so long: they were meant for what was there before."""

    def __init__(self, app: ActionApp, feed: ActionFeed, conclude: Conclude, *, write: bool = False) -> None:
        self._app, self._feed, self._conclude = app, feed, conclude
        self._door = DeskDoor(app, feed, write=write)
        self._state = ActionState(feed, self._door.begin, app.show, self._is_ours, write=write)
        self._menu = Menu("", None)
        self._courses: dict[str, Course] = {}
        """By the action's id, oldest first: one may begin while another is watched."""

    @property
    def state(self) -> ActionState:
        """What is known before anybody acts."""
        return self._state

    def course(self, action_id: str) -> Course:
        """An action that was begun here."""
        return replace(self._courses[action_id], now=self._feed.clock().now())

    def newest(self, model: str) -> str:
        """Id of the action on ``model`` that was begun last, of those under way if there are any; "" when there was
        none since the start."""
        found = [action_id for action_id, course in self._courses.items() if course.prepared.plan.target.model == model]
        return next((each for each in reversed(found) if not self._courses[each].is_over), found[-1] if found else "")

    def menu(self) -> Menu:
        """What the menu shows now."""
        model = self._door.model()
        course = self._courses.get(self.newest(model))
        under_way = "" if course is None or course.is_over else course.prepared.plan.title
        return replace(self._menu, under_way=under_way, open_ends=self._state.unknown(model),
                       elsewhere=self._state.under_way(model))

    def under_way(self, model: str) -> tuple[tuple[str, str], ...]:
        """(what is being done to ``model``, here and elsewhere, keys that show it) for each action."""
        from triage.signals.wording import clock_time
        now = self._feed.clock().now()
        here = ((f"{course.prepared.plan.title}, begun {clock_time(course.began_at, now)}", "a w")
                for course in self._courses.values()
                if course.prepared.plan.target.model == model and not course.is_over)
        return (*here, *((text, "") for text in self._state.under_way(model)))

    def _is_ours(self, action_id: str) -> bool:
        course = self._courses.get(action_id)
        return course is not None and not course.is_over

    def open_menu(self) -> None:
        """The action menu; the systems are asked behind it."""
        from triage.tui.screens.act import ActMenu
        if self._door.notebook() is None:
            self._app.say("the notebooks are still being read" if self._feed.context() is None else
                          "no model is shown that has a notebook")
            return
        self._menu = Menu("", None)
        self._door.begin(self._ask_menu())
        self._app.push_screen(ActMenu(self))

    def open_plan(self, intent: OpenPlan) -> str:
        """The plan of a runbook's step. Why that is not possible, "" when it is being made."""
        return self.choose(intent.action, to=intent.to, reason=intent.reason, step=intent.place)

    def choose(self, action: str, *, to: str = "", reason: str = "", parameters: Mapping[str, str] | None = None,
               step: Place | None = None) -> str:
        """Make the plan of an action and show it. Why that is not possible, "" when it is being made."""
        from triage.actions.plan import Action
        from triage.actions.system import Wish
        from triage.desk.actions import reason_of
        from triage.tui.screens.plan import PlanDialog
        if self._door.notebook() is None:
            return "no model is shown that has a notebook"
        latest = self._app.latest
        why = reason or reason_of(None if latest is None else latest.model(self._door.model()))
        wish = Wish(Action(action), why, to, self._app.incident.id(self._door.model()), dict(parameters or {}))
        self._app.push_screen(PlanDialog(self, wish, step))
        return ""

    async def choose_cell(self, system: System, reason: str, step: Place | None) -> str:
        """Show the plan of a cell that changes something. Why that is not possible, "" when it stands."""
        from triage.actions.plan import Action
        why = ""

        async def work(desk: ActionDesk) -> None:
            desk.take(Action.CELL, system)

        def took(done: None) -> None:
            nonlocal why
            why = self.choose(str(Action.CELL), reason=reason, step=step)

        def failed(message: str, hint: str) -> None:
            nonlocal why
            why = f"{message}; {hint}" if hint else message
        await self._door.asked(work, took, failed)
        return why

    def approve(self, path: str) -> None:
        """Show the plan that another person shared in the file at ``path``, to carry it out as ourselves."""
        from pathlib import Path

        from triage.tui.screens.plan import PlanDialog
        self._app.push_screen(PlanDialog(self, Path(path).expanduser(), None))

    def make(self, asked: Wish | Path, took: Callable[[Prepared | Refusal], None]) -> None:
        """Make a plan of a wish, or of what another person shared in a file; ``took`` gets it."""
        from triage.actions.system import Refusal, Wish

        async def work(desk: ActionDesk) -> Prepared | Refusal:
            if isinstance(asked, Wish):
                return await desk.prepare(asked)
            from triage.actions.approvals import read
            return await desk.prepare_approval(await asyncio.to_thread(read, asked))
        self._door.ask(work, took, lambda message, hint: took(Refusal(message, hint)))

    def recheck(self, prepared: Prepared, took: Callable[[Prepared | None], None]) -> None:
        """Ask the guards again; ``took`` gets None when that is not possible."""
        self._door.ask(lambda desk: desk.recheck(prepared), took, lambda message, hint: took(None))

    def share(self, prepared: Prepared, path: Path) -> None:
        """Write the plan to a file for another person."""
        def shared(request: ApprovalRequest) -> None:
            self._app.say(f"plan {prepared.plan.short} waits in {request.path} for another person: a p, or triage act "
                          f"{prepared.plan.action} {prepared.plan.target.model} --approve {request.path}")
        self._door.ask(lambda desk: desk.share(prepared, path), shared, self._trouble)

    def go(self, prepared: Prepared, confirmation: Confirmation, step: Place | None) -> None:
        """Carry it out, and show that."""
        from triage.tui.screens.receipt import Receipt
        self._courses[prepared.action_id] = Course(prepared, (), began_at=self._feed.clock().now())
        self._door.begin(self._carry_out(prepared, confirmation, step))
        self._app.push_screen(Receipt(self, prepared.action_id))

    def left(self, step: Place | None, prepared: Prepared | None = None) -> None:
        """A plan was left: the runbook's step that opened it is as before, and the incident is told of ``prepared``."""
        self._app.say("the plan was left: nothing was sent")
        if prepared is not None:
            self._app.incident.left(prepared, self._feed.clock().now())
        if step is not None:
            self._conclude(step, None, "the plan was not carried out")

    def locks(self, took: Callable[[str], None]) -> None:
        """What holds changes of the model that is shown back; ``took`` gets it in words, also where it is not known."""
        async def work(desk: ActionDesk) -> str:
            from triage.desk.locks import locks
            active = self._feed.context()
            return "; ".join([] if active is None else await locks(desk, active, self._feed.clock().now())) or "none"
        self._door.ask(work, took, lambda message, hint: took(f"not known: {message}"))

    def watch(self) -> None:
        """Show what is under way, or how it ended."""
        from triage.tui.screens.receipt import Receipt
        if newest := self.newest(self._door.model()):
            self._app.push_screen(Receipt(self, newest))
        else:
            self._app.say("nothing is under way, and nothing was done since the start")

    def find_out(self) -> None:
        """Look what became of the actions whose end is not known."""
        model = self._door.model()
        for deed in self._state.open_ends(model):
            self._door.begin(self._find_out(model, deed))

    def run_cell(self) -> None:
        """The cells have a screen of their own."""
        self._app.action_cells()

    def paint(self) -> None:
        """Fill the dialogs that are open."""
        from triage.tui.screens.box import Box
        boxes = [screen for screen in self._app.screen_stack if isinstance(screen, Box)]
        if boxes:
            view = self._app.view()
            for screen in boxes:
                screen.update_from(view, self._app.palette)

    @property
    def is_acting(self) -> bool:
        """Whether an action is being carried out or watched."""
        return any(not course.is_over for course in self._courses.values())

    def clock(self) -> Clock:
        """By which plans are made."""
        return self._feed.clock()

    def close(self) -> None:
        """The program ends: what is under way is given up, and the journal says so."""
        self._door.close()

    async def _ask_menu(self) -> None:
        incident = self._app.incident.id(self._door.model())

        async def work(desk: ActionDesk) -> Menu:
            mode = desk.mode()
            return Menu("" if mode.allows else mode.sentence, await desk.possible(incident))

        def took(found: Menu) -> None:
            self._menu = found
        await self._door.asked(work, took, self._menu_trouble)

    def _menu_trouble(self, message: str, hint: str) -> None:
        self._menu = Menu("", (), f"{message}; {hint}" if hint else message)

    def _trouble(self, message: str, hint: str) -> None:
        self._app.say(f"{message}; {hint}" if hint else message)

    async def _find_out(self, model: str, deed: Deed) -> None:
        def took(sentence: str) -> None:
            self._app.say(f"{deed.plan.title}: {sentence}")
            self._state.changed(model)

        async def work(desk: ActionDesk) -> str:
            found = await desk.find_out(deed)
            return f"{found.progress}: {found.sentence}"
        await self._door.asked(work, took, self._trouble)

    async def _carry_out(self, prepared: Prepared, confirmation: Confirmation, step: Place | None) -> None:
        action_id = prepared.action_id
        loop = asyncio.get_running_loop()

        def happened(one: Step) -> None:
            course = self._courses[action_id]
            self._courses[action_id] = replace(course, steps=(*course.steps, one))
            self._app.show()

        async def work(desk: ActionDesk) -> None:
            contacts = desk.contacts()
            loop.call_soon_threadsafe(self._called, action_id, contacts)
            async with aclosing(desk.carry_out(prepared, confirmation)) as steps:
                async for one in steps:
                    if not loop.is_closed():
                        loop.call_soon_threadsafe(happened, one)

        def failed(message: str, hint: str) -> None:
            self._courses[action_id] = replace(self._courses[action_id], trouble="; ".join(filter(None, (
                message, hint, "triage journal show says what was sent"))))
        await self._door.asked(work, lambda done: None, failed, watches=True)
        self._ended(action_id, step)

    def _called(self, action_id: str, contacts: tuple[str, ...]) -> None:
        self._courses[action_id] = replace(self._courses[action_id], contacts=contacts)

    def _ended(self, action_id: str, step: Place | None) -> None:
        from triage.actions.history import Outcome
        from triage.runbook.events import Outcome as StepOutcome
        from triage.tui.screens.receipt import Receipt
        course = self._courses[action_id]
        ending = course.ending
        outcome = Outcome.UNKNOWN if ending is None else ending.outcome
        sentence = course.trouble if ending is None else ending.sentence
        if not any(isinstance(screen, Receipt) and screen.action_id == action_id
                   for screen in self._app.screen_stack):
            self._app.say(f"{course.prepared.plan.title}: {outcome}: {sentence}")
        if step is not None:
            came = {Outcome.DONE: StepOutcome.PASSED, Outcome.NOT_RECOVERED: StepOutcome.FAILED,
                    Outcome.FAILED: StepOutcome.FAILED, Outcome.REFUSED: None}
            self._conclude(step, came.get(outcome or Outcome.UNKNOWN, StepOutcome.UNKNOWN), sentence)
        self._feed.world_changed()
        self._state.changed(course.prepared.plan.target.model)
