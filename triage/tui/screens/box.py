"""``Box``: a dialog over the live screen that is filled anew with every view: a page, a row to type, a row of keys."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from triage.tui.line import BLANK, Line, fit
from triage.tui.theme import Palette
from triage.tui.view import View
from triage.tui.widgets.lines import Lines

Result = TypeVar("Result")
MOST_CELLS = 100
_FRAME_CELLS, _FRAME_ROWS = 4, 2
_PARTS = 3
_ABOVE = 2
"""Rows of the screen below that stay in sight: where it is, and the verdict."""


class Box(ModalScreen[Result], Generic[Result], inherit_bindings=False):
    """The header and the verdict stay in sight above it, and go on."""

    DEFAULT_CSS = """
    Box { align: center top; background: transparent; }
    Box #box { height: auto; border: round $border; padding: 0 1; margin: 2 0 0 0; background: ansi_default; }
    Box #box.ascii { border: ascii $border; }
    Box #said { height: 1; }
    Box #ask, Box #keys { height: 1; }
    """
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._offset = 0
        self._rows = 0
        self._room = 1
        self._edges = "", ""

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Lines(id="said")
            yield Lines(id="ask")
            yield Lines(id="keys")

    def update_from(self, view: View, palette: Palette) -> None:
        """Show the view. Dialogs call :meth:`put` with what they have to say."""

    def inside(self, view: View) -> int:
        """Cells of a row."""
        return max(8, min(view.width, MOST_CELLS) - _FRAME_CELLS)

    def most_rows(self, view: View, *, asks: bool) -> int:
        """Rows that fit beside a row of keys and, where it ``asks``, a row to type."""
        return max(1, view.height - _above(view) - _FRAME_ROWS - 1 - asks)

    def put(self, view: View, palette: Palette, title: str, said: list[Line], ask: Line | None, keys: Line,
            tail: str = "") -> None:
        """Fill it; ``ask`` None: there is nothing to type. ``tail`` stands behind the title and is never cut off."""
        if len(self.query("#said, #ask, #keys")) < _PARTS:
            # The frame is there before what stands in it.
            return
        self._room = self.most_rows(view, asks=ask is not None)
        if len(said) > self._room:
            said = [row for row in said if row != BLANK]
        asked = [] if ask is None else [*([BLANK] if len(said) < self._room else []), ask]
        self._rows = len(said)
        self._offset = max(0, min(self._offset, self._rows - self._room))
        shown = said[self._offset:self._offset + self._room]
        box = self.query_one("#box")
        if box.has_class("ascii") is not view.look.ascii:
            box.set_class(view.look.ascii, "ascii")
        inside = self.inside(view)
        behind = f"   {tail}" if tail else ""
        edges = fit(title, inside - len(behind), view.look.ellipsis) + behind, self._hidden(len(shown))
        if edges != self._edges:
            self._edges = edges
            # As content: a title that is parsed for markup would let a version's name draw.
            box.border_title, box.border_subtitle = (Content(view.look.say(text)) for text in edges)
        width = min(view.width, MOST_CELLS)
        if box.styles.width is None or box.styles.width.value != width:
            box.styles.width = width
        margin = _above(view)
        if box.styles.margin.top != margin:
            box.styles.margin = (margin, 0, 0, 0)
        for name, rows in (("said", shown), ("ask", asked), ("keys", [keys])):
            part = self.query_one(f"#{name}", Lines)
            part.set_look(palette)
            height = part.styles.height
            if height is None or height.value != len(rows):
                part.styles.height = len(rows)
            part.set_lines(rows, view.look)

    def _hidden(self, shown: int) -> str:
        """How many rows there are beyond those ``shown``, and the key to them; "" when all are."""
        below = self._rows - self._offset - shown
        parts = [f"{count} more {where}" for count, where in ((self._offset, "above"), (below, "below")) if count]
        return f"{', '.join(parts)}: {'down' if below else 'up'}" if parts else ""

    def scroll_rows(self, rows: int) -> None:
        """Show other rows, where not all fit."""
        self._offset = max(0, min(self._offset + rows, self._rows - self._room))

    def scroll_to_end(self, said: list[Line]) -> None:
        """Show the last of the rows that are put next."""
        self._offset = len(said)

    @property
    def is_at_end(self) -> bool:
        """Whether no rows are hidden below."""
        return self._offset >= self._rows - self._room

    @property
    def page_rows(self) -> int:
        """Rows that fit."""
        return self._room


def _above(view: View) -> int:
    """Rows above it; a box as high as the terminal leaves room for nothing but itself."""
    return _ABOVE if view.height >= 16 else 0
