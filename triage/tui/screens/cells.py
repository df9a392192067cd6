"""The cells screen: what can be asked of the notebook, and what came of it, streaming while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import BindingType

from triage.cells.filling import registered_digest
from triage.tui.capture_link import DEFAULT
from triage.tui.keymap import CELLS
from triage.tui.line import BLANK, Line
from triage.tui.panels import cells as panel
from triage.tui.screens.ask import Ask
from triage.tui.screens.base import Host
from triage.tui.screens.reader import Reader
from triage.tui.screens.under_verdict import TwoColumns
from triage.tui.shelf import Shelf
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.tui.capture_link import CaptureLink
    from triage.tui.cell_link import CellLink

BESIDE_FROM = 150
"""Cells from which the result stands beside the list."""
TEXT_CELLS = 120
_MOST_LIST = 10


class CellsHost(Host):
    """The program, as this screen sees it."""

    cells: CellLink
    captures: CaptureLink

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""


class Cells(TwoColumns, inherit_bindings=False):
    """The diagnostic cells of the model shown."""

    BINDINGS: ClassVar[list[BindingType]] = list(CELLS)

    def __init__(self, selected: str = "") -> None:
        """``selected``: id of the cell that the cursor is on at first."""
        super().__init__()
        self._view: View | None = None
        self._selected = selected

    @property
    def _link(self) -> CellLink:
        return cast(CellsHost, self.app).cells

    @property
    def _captures(self) -> CaptureLink:
        return cast(CellsHost, self.app).captures

    def select(self, cell: str) -> None:
        """Put the cursor on a cell."""
        self._selected = cell
        self._again()

    def update_from(self, view: View) -> None:
        """Show the list, and the chosen cell with its newest run."""
        self._view = view
        self.update_verdict(view)
        model = view.model
        self._link.open(None if model is None else model.name, registered_digest(model))
        shelf = self._shelf()
        width, height = view.width, max(0, view.height - 4)
        chosen = self._chosen(shelf)
        if width >= BESIDE_FROM:
            right = width * 3 // 5
            self.show_both(view, panel.listing(view, shelf, chosen, width - right - 2, height),
                           panel.detail(view, shelf, chosen, right - 2, height), right, height)
            return
        told = len(panel.told(view, shelf, width))
        listed = panel.listing(view, shelf, chosen, width,
                               told + min(max(1, len(shelf.cells)) + 1, _MOST_LIST, max(3, height // 3 + 1)))
        below: list[Line] = []
        room = height - len(listed) - 1
        if room >= 3:
            below = [BLANK, *panel.detail(view, shelf, chosen, width, room)]
        self.show_alone(view, [*listed, *below])

    def _shelf(self) -> Shelf:
        shelf = self._link.shelf()
        known = self._captures
        # Which one is looked at comes first: leaving one is among the words.
        against = known.chosen(shelf.model)
        return replace(shelf, capture=known.words(shelf.model), against=against, captures=known.count(shelf.model))

    def _chosen(self, shelf: Shelf) -> str:
        """The cell under the cursor: the first one while nothing is selected, or when it is gone."""
        names = [cell.id for cell in shelf.cells]
        return self._selected if self._selected in names else names[0] if names else ""

    def _again(self) -> None:
        if self._view is not None and self.ready:
            self.update_from(self._view)

    def action_move(self, step: int) -> None:
        """Select another cell."""
        shelf = self._link.shelf()
        names = [cell.id for cell in shelf.cells]
        if names:
            here = names.index(self._chosen(shelf))
            self._selected = names[min(len(names) - 1, max(0, here + step))]
            self._again()

    def action_run(self) -> None:
        """Run the selected cell."""
        chosen = self._chosen(self._link.shelf())
        if chosen:
            self._selected = chosen
            trouble = self._link.start(chosen)
            if trouble:
                cast(CellsHost, self.app).say(trouble)

    def action_stop(self) -> None:
        """Stop the selected cell."""
        chosen = self._chosen(self._link.shelf())
        if chosen:
            self._link.stop(chosen)

    def action_output(self) -> None:
        """Everything that the newest run of the selected cell put out."""
        chosen = self._chosen(self._link.shelf())
        link = self._link
        if chosen:
            def page(view: View, width: int) -> Sequence[Line]:
                return panel.page(view, link.shelf(), chosen, width)
            self.app.push_screen(Reader(f"CELL {chosen}", page, copies_itself=True))

    def action_values(self) -> None:
        """Other values for parameters."""
        view = self._view
        shelf = self._link.shelf()
        if view is None or shelf.listing is None:
            return
        names = ", ".join(parameter.name for parameter in shelf.listing.parameters)
        before = " ".join(f"{name}={value}" for name, value in shelf.values.items())

        def take(text: str | None) -> None:
            if text is not None:
                self._link.set_values(text)
        self.app.push_screen(Ask(f"values of {names or 'no parameters'}", "NAME=VALUE NAME=VALUE", before, view.look,
                                 self.lines("left").palette, "enter take  empty: as in the notebook  esc back"), take)

    def action_capture(self) -> None:
        """Save what the sources say."""
        view, model = self._view, self._link.shelf().model
        if view is None or not model:
            return

        def take(text: str | None) -> None:
            if text is not None:
                self._captures.take(model, text)
        self.app.push_screen(Ask(f"capture {view.look.say(model)}: how far back", "24h, or 24h FOLDER", DEFAULT,
                                 view.look, self.lines("left").palette, "enter take it  esc back"), take)

    def action_past(self) -> None:
        """Look at a capture, at another one, or at the present."""
        model = self._link.shelf().model
        if model:
            self._captures.choose_next(model)

    def action_close(self) -> None:
        """Back to where it was opened."""
        self.dismiss(None)

    def as_text(self, view: View) -> str:
        """The list, and the chosen cell with its newest run."""
        shelf = self._shelf()
        chosen = self._chosen(shelf)
        rows = [*panel.listing(view, shelf, chosen, TEXT_CELLS, 9999), BLANK,
                *(panel.page(view, shelf, chosen, TEXT_CELLS) if chosen in shelf.runs else
                  panel.detail(view, shelf, chosen, TEXT_CELLS, 9999))]
        return "\n".join(view.look.say(each.text).replace("▸", " ").rstrip() for each in rows) + "\n"
