"""``TriageApp``: holds the latest snapshot, turns keys into what is looked at, and hands views to the screens.

Imports only Textual and light modules, so that the first frame stands before anything heavy is loaded: the feed loads
that in its own thread, which is started after the first frame.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from rich.console import RenderableType
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES

from triage.errors import TriageError
from triage.signals.reading import Verdict
from triage.tui import look, theme
from triage.tui.action_link import ActionLink
from triage.tui.capture_link import CaptureLink
from triage.tui.cell_link import CellLink
from triage.tui.cell_settling import Past
from triage.tui.feed import Feed
from triage.tui.frames import FrameMemory
from triage.tui.incident_link import Facts, IncidentLink
from triage.tui.keymap import EVERYWHERE
from triage.tui.link import end_within, is_behind, on_hang_up, terminal_is_gone
from triage.tui.runbook_door import RunbookDoor
from triage.tui.runbook_link import RunbookLink
from triage.tui.screen_stack import ScreenStack
from triage.tui.screens.base import TriageScreen
from triage.tui.screens.oncall import OnCall
from triage.tui.view import RANGES, TOP, Item, View, alert_key

if TYPE_CHECKING:
    from pathlib import Path

    from triage.facts.closer_look import CloserLook
    from triage.facts.log_reading import LogsWanted
    from triage.incident.session import Board
    from triage.live.snapshot import Snapshot
    from triage.runbook.intents import OpenPlan, RunCell
    from triage.runbook.session import Sheet
    from triage.signals.model import ModelState

_TICK = 1.0
"""Seconds between looks at the clock."""
_HUNG_UP = 129
_GIVING_UP = 6.0
"""Seconds for an action that is under way to write down what is not known, and to give its lease back."""


class SnapshotArrived(Message):
    """The feed has a newer snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """Only the latest matters."""
        return isinstance(message, SnapshotArrived)


class FeedFailed(Message):
    """The feed cannot go on."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__()
        self.message = message
        self.hint = hint


class TriageApp(ScreenStack, inherit_bindings=False):
    """The terminal dashboard."""

    TITLE = "triage"
    ALLOW_SELECT = False
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 3
    message_seconds = 5.0
    """How long a message stands in place of the keys."""
    BINDINGS: ClassVar[list[BindingType]] = list(EVERYWHERE)
    DEFAULT_CSS = """
    TriageApp { background: ansi_default; color: ansi_default; }
    CommandPalette, CommandPalette:ansi { background: transparent; }
    CommandPalette > Vertical, CommandPalette:dark > Vertical { background: ansi_default; width: 76; max-width: 100%; }
    """

    def __init__(self, feed: Feed, *, model: str | None = None, alert: str | None = None, theme_name: str = "auto",
                 glyphs: str = "auto", chart: str = "auto", banner: str = "",
                 state_home: Path | None = None, write: bool = False, past: Past | None = None) -> None:
        """``model`` and ``alert`` as the user named them; the rest as :mod:`triage.tui.theme` and ``look`` read it.

        ``banner`` stands on every screen from the first frame on, in place of the context's own marker.
        ``state_home`` is where progress is kept; None: where the environment says. ``write``: actions may change the
        environment. ``past`` opens captures for cells to look at; None: they look at the present only.
        """
        super().__init__()
        self.animation_level = "none"
        self.feed = feed
        self.failure: tuple[str, str] | None = None
        """(message, hint) when the feed could not go on."""
        self.hung_up = False
        self.farewell = ""
        """What is to be said when the screen is gone; "" for nothing."""
        for name in BUILTIN_THEMES:
            if name not in ("textual-dark", "textual-light", "ansi-dark", "ansi-light"):
                self.unregister_theme(name)
        for palette in theme.PALETTES.values():
            self.register_theme(palette.textual())
        self._look = look.detect(glyphs, chart)
        self._wanted = model
        self._asked_alert = alert
        self._banner = banner
        self._note: tuple[Verdict, str] | None = None
        self._latest: Snapshot | None = None
        self._held: Snapshot | None = None
        self._paused_at: float | None = None
        self._range = 3600.0
        self._end: float | None = None
        self._selected = TOP
        self._message = ""
        self._message_until = 0.0
        self._stopped = False
        self._frames = FrameMemory()
        self.cells = CellLink(self, feed, state_home, past)
        self.runbook = RunbookLink(RunbookDoor(self), state_home)
        self.actions = ActionLink(self, feed, self.runbook.conclude, write=write)
        self.incident = IncidentLink(self, feed, state_home)
        self.cells.on_end(self.incident.ran)
        self.captures = CaptureLink(self, feed)
        self._leaves = False
        """Whether leaving was asked for while an action is being watched."""
        self._held_sheet: Sheet | None = None
        self.theme = theme.choose(theme_name).name

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot that arrived, also while the picture is paused; None before the first."""
        return self._latest

    @property
    def palette(self) -> theme.Palette:
        """The palette in use."""
        return theme.PALETTES.get(self.theme, theme.DARK)

    def get_default_screen(self) -> Screen[Any]:
        """The on-call screen is what everything else lies on."""
        return OnCall()

    def on_mount(self) -> None:
        """Draw the places, then start the feed: nothing heavy is loaded before the first frame stands."""
        if not self.is_headless:
            on_hang_up(self._hang_up)
        self.set_interval(_TICK, self._tick)
        self.watch(self, "theme", self._theme_changed, init=False)

    def on_ready(self) -> None:
        """The screen is laid out: after its first frame the feed may begin."""
        self.screen.call_after_refresh(self._start_feed)

    def _start_feed(self) -> None:
        self.feed.look_at(self._wanted, self._range, self._end)
        self.feed.start(lambda snapshot: self._from_thread(SnapshotArrived(snapshot)),
                        lambda message, hint: self._from_thread(FeedFailed(message, hint)))

    def _from_thread(self, message: Message) -> None:
        if self._running:
            self.post_message(message)

    def on_unmount(self) -> None:
        """Whatever ends the program ends the feed, and the cells that run."""
        self.cells.close()
        self.farewell = self.incident.leave()
        self.actions.close()
        self.stop_feed()

    def stop_feed(self) -> None:
        """End the feed; the second time nothing happens."""
        if not self._stopped:
            self._stopped = True
            self.feed.stop()

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        """Show the newer facts, unless the picture is paused."""
        self._latest = message.snapshot
        self._settle_link(message.snapshot)
        model = self._model(message.snapshot)
        if model is not None:
            self.actions.state.see(model.name)
            self.cells.look_back(model.name)
        self.show()
        self.see_runbook()
        self.see_incident()

    def on_feed_failed(self, message: FeedFailed) -> None:
        """Leave, and say why after the screen is gone."""
        self.failure = (message.message, message.hint)
        self.exit(return_code=64)

    def _hang_up(self) -> None:
        """The terminal is gone, or somebody asks the program to end."""
        if self.hung_up:
            return
        self.hung_up = True
        if self.actions.is_acting:
            # Before anything is written to a terminal that may be gone: others wait for the lease.
            end_within(_GIVING_UP)
            self.actions.close()
        else:
            end_within()
        self.stop_feed()
        self.exit(return_code=_HUNG_UP)

    def _tick(self) -> None:
        if terminal_is_gone(self):
            self._hang_up()
        else:
            self.show()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """As Textual's, with the rows left out that the terminal already shows."""
        painting = self._running and not self._batch_count and not self.is_headless
        super()._display(screen, self._frames.reduce(renderable, self.console) if painting else renderable)

    def _fatal_error(self) -> None:
        """As Textual's, without the values of local variables, which may hold what others must not see."""
        from rich.segment import Segments
        from rich.traceback import Traceback
        self._exit_renderables.append(Segments(self.console.render(Traceback(show_locals=False, width=None),
                                                                   self.console.options)))
        self._close_messages_no_wait()

    def view(self) -> View:
        """The picture as of now."""
        snapshot = self._held if self._paused_at is not None else self._latest
        model = self._model(snapshot)
        sheet = self._held_sheet if self._paused_at is not None else self.runbook.sheet
        return View(
            snapshot,
            model,
            self._wanted,
            self.feed.now(),
            self._range,
            self._end,
            self._paused_at,
            self._look,
            self.size.width,
            self.size.height,
            self._selected,
            self._note,
            self._banner,
            sheet if sheet is not None and model is not None and sheet.model == model.name else None,
            self.actions.state.writes,
            self.actions.state.unknown(model.name) if model is not None else (),
            board=self._board(model),
            held_back=self.actions.state.held_back,
            under_way=self.actions.under_way(model.name) if model is not None else (),
        )

    def _board(self, model: ModelState | None) -> Board | None:
        board = self.incident.board
        return board if board is not None and model is not None and board.model == model.name else None

    def _model(self, snapshot: Snapshot | None) -> ModelState | None:
        if snapshot is None:
            return None
        found = snapshot.models[0] if snapshot.models else None
        if self._wanted is not None:
            found = snapshot.model(self._wanted)
        if found is None:
            return None
        # Only now: the first frame does not wait for the modules of facts and meaning.
        from triage.live.silence import as_shown
        return as_shown(found, snapshot)

    def show(self) -> None:
        """Hand the view to every screen: those under a dialog stay current too. Waits while the link lags behind."""
        # On the way out the parts of a screen go before the screen does.
        if is_behind(self) or not self._running:
            return
        if self._message and time.monotonic() >= self._message_until:
            self._message = ""
        for screen in self.screen_stack:
            if isinstance(screen, TriageScreen) and screen.ready:
                self.fill(screen)
        self.actions.paint()

    def fill(self, screen: TriageScreen) -> None:
        """Hand the present view to one screen."""
        view = self.view()
        screen.set_palette(self.palette)
        screen.update_from(view)
        screen.update_footer(view, self._message)

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""
        self._message = message
        # Not the world's clock, which may stand still, or run.
        self._message_until = time.monotonic() + self.message_seconds
        self.show()

    def on_resize(self) -> None:
        """Lay the parts out anew."""
        self._frames.forget()
        self.call_after_refresh(self.show)

    def _theme_changed(self) -> None:
        self.show()

    def _settle_link(self, snapshot: Snapshot) -> None:
        """On the first complete snapshot: go to the alert that was asked for, or say that it is not there."""
        if not self._asked_alert:
            return
        from triage.tui.alert_link import find, note, parse_alert_link
        link = parse_alert_link(self._asked_alert)
        found = find(link, snapshot, self._wanted)
        if found is None and not (snapshot.models and all(m.data_at is not None for m in snapshot.models)):
            return
        self._asked_alert, self._note = None, note(link, found, snapshot.at)
        if found is not None:
            model, group, _ = found
            self._selected = Item("alert", alert_key(group))
            if model.name != self._wanted:
                self._wanted = model.name
                self.feed.look_at(self._wanted, self._range, self._end)

    def watch_fleet(self, *, wanted: bool) -> None:
        """Whether all models are asked about."""
        if not self._stopped:
            self.feed.watch_fleet(wanted=wanted)

    def open_model(self, name: str) -> None:
        """The on-call screen of a model."""
        self._picked(name)
        self.action_on_call()

    async def action_quit(self) -> None:
        """Leave; while an action is being watched only when asked twice."""
        if self.actions.is_acting and not self._leaves:
            self._leaves = True
            self.say("an action is being watched: q again leaves it, and the journal calls its end unknown")
            return
        await super().action_quit()

    def action_act(self) -> None:
        """The action menu."""
        self.actions.open_menu()

    def read_logs(self, wanted: LogsWanted | None) -> None:
        """What is looked for in the logs; None: they are not asked."""
        self.feed.read_logs(wanted)

    def look_closer(self, wanted: CloserLook | None) -> None:
        """What is looked at so closely that it is asked for only then; None: nothing."""
        self.feed.look_closer(wanted)

    def see_runbook(self) -> None:
        """Look at the runbook of the model shown, beside the newest facts."""
        model = self._model(self._latest)
        notebook = self.feed.notebook(model.name) if model is not None else None
        if self._latest is not None and model is not None and notebook is not None:
            self.runbook.see(notebook, self._latest, model)

    def see_incident(self) -> None:
        """Tell the incident of the model shown what is new."""
        facts = self.incident_facts()
        if facts is not None:
            self.incident.see(*facts)

    def incident_facts(self) -> Facts | None:
        """What the incident of the model shown is told of; None before anything is known."""
        model = self._model(self._latest)
        if self._latest is None or model is None:
            return None
        sheet = self.runbook.sheet
        if sheet is None or sheet.model != model.name:
            return self._latest, model, (), None
        return self._latest, model, self.runbook.events(), sheet.runbook

    def action_note(self) -> None:
        """A note for the incident, from any screen."""
        from triage.tui.incident_dialogs import Dialogs
        Dialogs(self, self.incident, self.view()).note()

    def action_next_step(self) -> None:
        """From the panels to the step of the runbook that is next, or back; without a column to all of it."""
        view = self.view()
        steps = [item for item in view.items() if item.kind == "step"]
        if not steps:
            self.action_runbook()
        elif view.chosen().kind == "step":
            self.action_clear()
        else:
            current = view.sheet.current if view.sheet is not None else ""
            self._selected = next((item for item in steps if item.key == current), steps[0])
            self.show()

    def open_plan(self, intent: OpenPlan) -> str:
        """Open the plan of an action; why that is not possible, or "" when it is open."""
        return self.actions.open_plan(intent)

    def run_cell(self, intent: RunCell) -> str:
        """Run a cell; why that is not possible, or "" when it runs."""
        from triage.tui.screens.cells import Cells
        model = self.view().model
        self.cells.open(None if model is None else model.name)
        trouble = self.cells.start_step(intent, self.runbook.conclude)
        if not trouble and not isinstance(self.screen, Cells):
            self.put_on(Cells(intent.cell))
        return trouble

    def action_pick_model(self) -> None:
        """Choose another model."""
        from triage.tui.screens.picker import Picker
        names = tuple(self.feed.names()) or tuple(m.name for m in (self._latest.models if self._latest else ()))
        view = self.view()
        self.push_screen(Picker(names, view.model.name if view.model is not None else None, self._look, self.palette),
                         self._picked)

    def _picked(self, name: str | None) -> None:
        if name is not None:
            self._wanted, self._selected, self._note = name, TOP, None
            self._paused_at = None
            self.feed.look_at(name, self._range, self._end)
        self.show()

    def action_range(self, step: int) -> None:
        """A longer or shorter time range."""
        here = min(range(len(RANGES)), key=lambda n: abs(RANGES[n] - self._range))
        self._look_at(RANGES[min(len(RANGES) - 1, max(0, here + step))], self._end)

    def action_pan(self, direction: int) -> None:
        """Half a range earlier or later; up to the present, which is live again."""
        now = self.feed.now()
        end = (self._end if self._end is not None else now) + direction * self._range / 2
        self._look_at(self._range, None if end >= now else end)

    def action_live(self) -> None:
        """Follow the present."""
        self._paused_at = None
        self._look_at(self._range, None)

    def _look_at(self, range_seconds: float, end: float | None) -> None:
        if (range_seconds, end) == (self._range, self._end):
            self.show()
            return
        self._range, self._end = range_seconds, end
        self.feed.look_at(self._wanted, range_seconds, end)
        self.show()

    def action_pause(self) -> None:
        """Hold the picture, or let it follow the facts again."""
        self._paused_at = None if self._paused_at is not None else self.feed.now()
        self._held, self._held_sheet = self._latest, self.runbook.sheet
        self.show()

    def action_refresh_now(self) -> None:
        """Ask the sources now."""
        self.feed.refresh_now()
        self.say("asked the sources")

    def action_redraw(self) -> None:
        """Send everything again, for a terminal that others wrote to."""
        self._frames.forget()
        self.screen.refresh()

    def action_move(self, rows: int) -> None:
        """Select another row."""
        view = self.view()
        items = view.items()
        here = items.index(view.chosen())
        self._selected = items[min(len(items) - 1, max(0, here + rows))]
        self.show()

    def action_open(self) -> None:
        """Everything behind the selected row."""
        from triage.tui import details
        item = self.view().chosen()
        if item.kind == "step":
            self.runbook.do(item.key, "go")
            return
        self.read(details.title(item), lambda view, width: details.page(item, view, width))

    def action_clear(self) -> None:
        """Nothing selected, nothing asked about."""
        self._selected, self._note = TOP, None
        self.show()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the command palette offers: the keys by name, and the looks. Only our own words: it parses markup."""
        from triage.tui.commands import commands
        yield from (SystemCommand(*entry) for entry in commands(self))

    def use_look(self, **changes: Any) -> None:
        """Change the characters in use."""
        self._look = replace(self._look, **changes)
        self.show()


def run_app(feed: Feed, *, model: str | None = None, alert: str | None = None, theme_name: str = "auto",
            glyphs: str = "auto", chart: str = "auto", banner: str = "", size: tuple[int, int] | None = None,
            write: bool = False, past: Past | None = None) -> int:
    """Run the dashboard until the user leaves; the process's exit code.

    ``size`` (columns, rows) draws it smaller or larger than the terminal is; ``write``: actions may change something;
    ``past`` opens captures for cells to look at.

    Raises :class:`TriageError` with the feed's message and hint when it could not go on.
    """
    app = TriageApp(feed, model=model, alert=alert, theme_name=theme_name, glyphs=glyphs, chart=chart, banner=banner,
                    write=write, past=past)
    if size is not None:
        # The driver asks the system for the size of the terminal, and this is what the system looks at first.
        os.environ["COLUMNS"], os.environ["LINES"] = map(str, size)
    try:
        app.run(mouse=False)
    finally:
        app.stop_feed()
    if app.farewell:
        sys.stderr.write(f"triage: {app.farewell}\n")
    if app.failure is not None:
        raise TriageError(*app.failure)
    return app.return_code or 0
