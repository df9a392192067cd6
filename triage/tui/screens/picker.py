"""``Picker``: choose another model by typing a part of its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.fuzzy import FuzzySearch
from textual.screen import ModalScreen
from textual.widgets import Input

from triage.tui.line import Role, line
from triage.tui.look import Look
from triage.tui.theme import Palette
from triage.tui.view import window_of
from triage.tui.widgets.lines import Lines

ROWS = 12


def matching(query: str, names: Sequence[str]) -> list[str]:
    """The names that hold the letters of ``query`` in order, best first; all of them for an empty query."""
    wanted = query.strip()
    if not wanted:
        return list(names)
    search = FuzzySearch()
    scored = [(search.match(wanted, name)[0], name) for name in names]
    return [name for score, name in sorted(scored, key=lambda pair: -pair[0]) if score > 0]


class Picker(ModalScreen[str | None], inherit_bindings=False):
    """A dialog with one input; letters belong to the input."""

    DEFAULT_CSS = """
    Picker { align: center middle; background: transparent; }
    Picker #box { width: 60; max-width: 100%; height: auto; max-height: 100%; border: round $border; padding: 0 1;
                  background: ansi_default; }
    Picker Input, Picker Input:focus { border: none; height: 1; padding: 0; background: ansi_default; width: 1fr; }
    Picker #list { height: 1; }
    Picker #count { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "back", id="picker.cancel"),
        Binding("down", "move(1)", "next", id="picker.down"),
        Binding("up", "move(-1)", "previous", id="picker.up")]

    def __init__(self, names: Sequence[str], current: str | None, look: Look, palette: Palette) -> None:
        super().__init__()
        self._names = list(names)
        self._current = current
        self._look = look
        self._palette = palette
        self._found = list(names)
        self._position = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            field = Input(placeholder="part of a model's name", id="query")
            field.cursor_blink = False
            yield field
            yield Lines(id="list")
            yield Lines(id="count")

    def on_mount(self) -> None:
        self.query_one("#box").border_title = "open a model"
        self.query_one("#list").styles.height = max(1, min(ROWS, len(self._names)))
        for widget in self.query(Lines):
            widget.set_look(self._palette)
        self._show()

    @on(Input.Changed)
    def filter_names(self, event: Input.Changed) -> None:
        """Narrow the list as the query grows."""
        self._found = matching(event.value, self._names)
        self._position = 0
        self._show()

    @on(Input.Submitted)
    def take(self) -> None:
        """Open the marked name; without one, stay."""
        if self._found:
            self.dismiss(self._found[self._position])

    def action_move(self, rows: int) -> None:
        """Mark another name."""
        if self._found:
            self._position = min(len(self._found) - 1, max(0, self._position + rows))
            self._show()

    def action_cancel(self) -> None:
        """Leave the model as it is."""
        self.dismiss(None)

    def _show(self) -> None:
        shown = window_of(len(self._found), self._position, ROWS)
        marker = self._look.pick("▸", ">")
        rows = []
        for index in shown:
            name = self._found[index]
            here = index == self._position
            rows.append(line((marker if here else " ", Role.ACCENT), " ", (name, Role.STRONG if here else Role.PLAIN),
                             ("  shown now" if name == self._current else "", Role.DIM)).fitted(56))
        if self._names and not rows:
            rows.append(line("  ", ("no model of that name", Role.UNKNOWN)))
        self.query_one("#list", Lines).set_lines(rows, self._look)
        said = f"{len(self._found)} of {len(self._names)}" if self._names else "the notebooks are still being read"
        keys = "enter open  esc back"
        self.query_one("#count", Lines).set_lines([line((f"{said}   {keys}", Role.DIM)).fitted(56)], self._look)
