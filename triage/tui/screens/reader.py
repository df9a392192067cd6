"""``Reader``: a page of text that is scrolled: details, help, the plain text of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from triage.tui.keymap import PAGE
from triage.tui.line import Line, Role, line
from triage.tui.panels import top
from triage.tui.screens.base import TriageScreen
from triage.tui.view import View
from triage.tui.widgets.lines import Lines

Page = Callable[[View, int], Sequence[Line]]
"""The lines of a page for a view and a width in cells; called again for every view, so that the page is live."""
COPIED_CELLS = 160
"""Width of a page that is copied."""


class Reader(TriageScreen, inherit_bindings=False):
    """Shows a page; the header above it stays the same as on the on-call screen."""

    DEFAULT_CSS = """
    Reader #title { height: 1; }
    Reader #rule { height: 1; }
    Reader #page { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(PAGE)

    def __init__(self, title: str, page: Page, *, copies_itself: bool = False) -> None:
        """``copies_itself``: what is copied is the page, not the state of the model."""
        super().__init__()
        self._copies_itself = copies_itself
        self.heading = title
        self._page = page
        self._offset = 0
        self._view: View | None = None

    def compose(self) -> ComposeResult:
        yield from self.compose_header()
        yield Lines(id="title")
        yield Lines(id="rule")
        yield Lines(id="page")
        yield Lines(id="footer")

    def update_from(self, view: View) -> None:
        """Show the page as of this view, at the same place."""
        self._view = view
        self.update_header(view)
        width, rows = view.width, max(1, view.height - 4)
        content = self._page(view, max(1, width - 2))
        self._offset = max(0, min(self._offset, len(content) - rows))
        end = min(len(content), self._offset + rows)
        where = "" if len(content) <= rows else f"  {self._offset + 1} to {end} of {len(content)}, j k"
        self.lines("title").set_lines(
            [
                line(" ", (self.heading, Role.STRONG), (where, Role.DIM), ("   esc back", Role.DIM)).fitted(
                    width, view.look.ellipsis
                )
            ],
            view.look,
        )
        self.lines("rule").set_lines([top.rule(view, width)], view.look)
        self.lines("page").set_lines([line(" ", row).fitted(width, view.look.ellipsis)
                                      for row in content[self._offset:end]], view.look)

    def action_move(self, rows: int) -> None:
        """Scroll by rows."""
        self._offset += rows
        if self._view is not None:
            self.update_from(self._view)

    def action_page(self, pages: int) -> None:
        """Scroll by pages, one row less than fits."""
        self.action_move(pages * max(1, self.app.size.height - 5))

    def as_text(self, view: View) -> str:
        """The page, where it has something that the state of the model has not."""
        if not self._copies_itself:
            return super().as_text(view)
        rows = [self.heading, "", *(row.text for row in self._page(view, COPIED_CELLS))]
        return "\n".join(view.look.say(row).rstrip() for row in rows) + "\n"

    def action_close(self) -> None:
        """Close the page."""
        self.dismiss(None)
