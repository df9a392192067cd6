"""The whole runbook, one key away from the panels: read it, do its steps, skip, claim and repeat them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import BindingType
from textual.widget import Widget

from triage.tui.keymap import RUNBOOK
from triage.tui.line import Role, line
from triage.tui.runbook_page import Row, runbook_page
from triage.tui.screens.base import Host
from triage.tui.screens.under_verdict import UnderVerdict
from triage.tui.view import View
from triage.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from triage.runbook.session import Sheet
    from triage.tui.runbook_link import RunbookLink

COPIED_CELLS = 100


class RunbookHost(Host):
    """The program, as this screen sees it."""

    runbook: RunbookLink


class RunbookScreen(UnderVerdict, inherit_bindings=False):
    """Shows the runbook of the model; the verdict stays in sight above it."""

    DEFAULT_CSS = """
    RunbookScreen #page { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(RUNBOOK)

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._selected = ""
        self._moved = False
        """Whether the cursor was moved by hand: until then it follows the step that is next."""
        self._offset = 0

    @property
    def selected(self) -> str:
        """Id of the step that the cursor is on."""
        return self._selected

    def compose_body(self) -> Iterable[Widget]:
        """The page."""
        return (Lines(id="page"),)

    def on_mount(self) -> None:
        """Its numbers are asked from now on. (Textual calls the same of the class above, too.)"""
        self._link.read(by_hand=True)

    def on_unmount(self) -> None:
        """Nobody reads it any more."""
        self._link.read(by_hand=False)

    @property
    def _link(self) -> RunbookLink:
        return cast(RunbookHost, self.app).runbook

    def update_from(self, view: View) -> None:
        """Show the page, with the selected step in sight."""
        self._view = view
        self.update_verdict(view)
        width, rows = view.width, max(1, view.height - 4)
        sheet = view.sheet
        if sheet is None:
            self.lines("page").set_lines([line(" ", (_missing(view), Role.DIM))], view.look)
            return
        self._select(sheet)
        content = runbook_page(view, sheet, self._selected, width - 1)
        self._scroll(content, rows)
        self.lines("page").set_lines([row.content for row in content[self._offset:self._offset + rows]], view.look)

    def _select(self, sheet: Sheet) -> None:
        names = [standing.step.id for standing in sheet.standings]
        if not self._moved or self._selected not in names:
            self._selected = sheet.current or (names[0] if names else "")

    def _scroll(self, content: list[Row], rows: int) -> None:
        """Keep the selected step in sight, its title above all; the first step shows what stands above it."""
        places = [n for n, row in enumerate(content) if row.step == self._selected]
        if not places:
            self._offset = 0
            return
        first, last = places[0], places[-1]
        steps = [row.step for row in content if row.step]
        if steps and self._selected == steps[0] and last < rows:
            first = 0
        if last >= self._offset + rows:
            self._offset = last - rows + 1
        self._offset = max(0, min(self._offset, first))
        self._offset = min(self._offset, max(0, len(content) - rows))

    def action_move(self, rows: int) -> None:
        """Another step."""
        if self._view is None or self._view.sheet is None:
            return
        names = [standing.step.id for standing in self._view.sheet.standings]
        here = names.index(self._selected) if self._selected in names else 0
        self._selected, self._moved = names[min(len(names) - 1, max(0, here + rows))], True
        self.update_from(self._view)

    def action_step(self, move: str) -> None:
        """Do something with the selected step."""
        if self._selected:
            # What is done leads on to the next.
            self._moved = self._moved and move != "go"
            self._link.do(self._selected, move)

    def as_text(self, view: View) -> str:
        """The runbook and how it stands."""
        if view.sheet is None:
            return super().as_text(view)
        rows = runbook_page(view, view.sheet, "", COPIED_CELLS)
        return "\n".join(view.look.say(row.content.text).rstrip() for row in rows) + "\n"

    def action_close(self) -> None:
        """Close the screen."""
        self.dismiss(None)


def _missing(view: View) -> str:
    return "no model is shown" if view.model is None else "the runbook is being read"
