"""``ScreenStack``: which screens lie on the on-call screen, and the keys that open them and lead back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType

from triage.tui.screens.base import TriageScreen

if TYPE_CHECKING:
    from triage.tui.screens.reader import Page
    from triage.tui.view import View


class ScreenStack(App[None], inherit_bindings=False):
    """The part of the program that opens and closes screens. A screen is imported when it is opened first."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def view(self) -> View:
        """The picture as of now."""
        raise NotImplementedError

    def show(self) -> None:
        """Hand the view to every screen."""
        raise NotImplementedError

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""
        raise NotImplementedError

    def put_on(self, screen: TriageScreen) -> None:
        """Lay a screen on the one that is shown."""
        self.push_screen(screen, lambda _: self.show())
        self.call_after_refresh(self.show)

    def read(self, title: str, page: Page) -> None:
        """A page to read, on a screen of its own."""
        from triage.tui.screens.reader import Reader
        self.put_on(Reader(title, page))

    def back_to(self, kind: type[TriageScreen]) -> bool:
        """Close what lies on the screen of this kind; False when there is none."""
        if not any(isinstance(screen, kind) for screen in self.screen_stack):
            return False
        while not isinstance(self.screen, kind):
            self.pop_screen()
        self.call_after_refresh(self.show)
        return True

    def action_on_call(self) -> None:
        """Close what lies on the on-call screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.call_after_refresh(self.show)

    def action_fleet(self) -> None:
        """The fleet screen: close what lies on it, or open it."""
        from triage.tui.screens.fleet import Fleet
        self._go_to(Fleet)

    def action_debug(self) -> None:
        """The debug screen: close what lies on it, or open it."""
        from triage.tui.screens.debug import Debug
        self._go_to(Debug)

    def action_cells(self) -> None:
        """The cells screen: close what lies on it, or open it."""
        from triage.tui.screens.cells import Cells
        self._go_to(Cells)

    def action_incident(self) -> None:
        """The incident screen: close what lies on it, or open it."""
        from triage.tui.screens.incident import IncidentScreen
        self._go_to(IncidentScreen)

    def action_runbook(self) -> None:
        """The whole runbook, on whatever is shown: close what lies on it, or open it."""
        from triage.tui.screens.runbook import RunbookScreen
        if not self.back_to(RunbookScreen):
            self.put_on(RunbookScreen())

    def action_help(self) -> None:
        """The keys and the signs."""
        from triage.tui.screens.help import help_page
        self.read("HELP", help_page([active.binding for active in self.screen.active_bindings.values()]))

    def action_zoom(self) -> None:
        """One panel on the full screen."""
        from triage.tui.screens.zoom import Zoom, panel_for
        self.put_on(Zoom(panel_for(self.view())))

    def action_copy(self) -> None:
        """Send the plain text to the clipboard, and show it: the terminal may refuse the first."""
        screen = self.screen
        text = screen.as_text(self.view()) if isinstance(screen, TriageScreen) else ""
        if not text:
            self.say("nothing to copy yet")
        else:
            self.copy_text(text)

    def copy_text(self, text: str) -> None:
        """Send ``text`` to the clipboard, and show it."""
        from triage.tui.screens.help import text_page
        self.read("AS TEXT", text_page(text))
        self.run_worker(lambda: self._send(text), thread=True, exclusive=True, exit_on_error=False, group="clipboard")

    def _go_to(self, kind: type[TriageScreen]) -> None:
        if not self.back_to(kind):
            self.action_on_call()
            self.put_on(kind())

    def _send(self, text: str) -> None:
        from triage.tui.clipboard import send
        driver = self._driver
        # A headless driver has nobody to send to.
        said = send(
            text, driver.write if driver is not None and not self.is_headless else lambda sequence: None, os.environ
        )
        self.call_from_thread(self.say, said)
