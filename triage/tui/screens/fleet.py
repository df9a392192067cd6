"""The fleet screen: a row for each model, worst first; asked for only while it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType

from triage.signals import wording
from triage.tui.keymap import FLEET
from triage.tui.line import BLANK, Line
from triage.tui.page_parts import moment
from triage.tui.panels import fleet as panel
from triage.tui.panels import top
from triage.tui.screens.ask import Ask
from triage.tui.screens.base import Host, TriageScreen
from triage.tui.view import View
from triage.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from triage.signals.fleet import FleetRow, FleetState

TEXT_CELLS = 200
"""Of the copied text."""
TALL = 32
"""Rows from which what burns fastest and what answers are worth have rows of their own."""
_DETAILS, _DETAILS_TALL = 3, 4
_TOP_ROWS, _VALUE_ROWS = 6, 5


class FleetHost(Host):
    """The program, as this screen sees it."""

    def watch_fleet(self, *, wanted: bool) -> None:
        """Whether all models are asked about."""

    def open_model(self, name: str) -> None:
        """The on-call screen of a model."""


class Fleet(TriageScreen, inherit_bindings=False):
    """What commanders look at."""

    DEFAULT_CSS = """
    Fleet #verdict, Fleet #rule { height: 1; }
    Fleet #table { height: 1fr; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(FLEET)

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._sought = ""
        self._chosen: panel.Key | None = None
        self._top = 0
        """The first row in sight."""
        self._longest: tuple[FleetState | None, int] = None, 0
        self._found: tuple[FleetState | None, str, tuple[FleetRow, ...]] = None, "", ()

    def compose(self) -> ComposeResult:
        yield from self.compose_header()
        yield Lines(id="verdict")
        yield Lines(id="rule")
        yield Lines(id="table")
        yield Lines(id="footer")

    def on_mount(self) -> None:
        """The fleet is asked about from now on. (Textual calls the same of the class above, too.)"""
        cast(FleetHost, self.app).watch_fleet(wanted=True)

    def on_unmount(self) -> None:
        """Nobody looks at the fleet any more."""
        cast(FleetHost, self.app).watch_fleet(wanted=False)

    def where(self, view: View, width: int) -> Line:
        """As the others', about all models."""
        return panel.head(view, width, self._sought, len(self._found_now()))

    def age(self, view: View) -> Line:
        """As the others', about all models."""
        return panel.data_age(view)

    def update_from(self, view: View) -> None:
        """Show the view: the rows in sight, then what stands under them."""
        self._view = view
        self.update_header(view)
        width, height = view.width, max(0, view.height - 4)
        self.lines("verdict").set_lines([panel.sentence(view, width)], view.look)
        self.lines("rule").set_lines([top.rule(view, width)], view.look)
        fleet = view.snapshot.fleet if view.snapshot is not None else None
        rows = self._body(view, fleet, width, height) if fleet is not None and fleet.rows else []
        self.lines("table").set_lines(rows, view.look)

    def _body(self, view: View, fleet: FleetState, width: int, height: int) -> list[Line]:
        found = self._rows(fleet)
        position = self._position(found)
        under = self._under(view, fleet, found[position] if found else None, width, height)
        room = max(1, height - 1 - len(under))
        self._scroll(position, len(found), room)
        shown = found[self._top:self._top + room]
        out = panel.table(view, shown, panel.key_of(found[position]) if found else None, width,
                          longest=self._longest_name(fleet))
        return [*out, *[BLANK] * (room - len(shown)), *under][:height]

    def _under(self, view: View, fleet: FleetState, chosen: FleetRow | None, width: int, height: int) -> list[Line]:
        """What stands under the table, always as many rows: the table does not jump."""
        if height < 12:
            return []
        tall = height >= TALL
        rows = _DETAILS_TALL if tall else _DETAILS
        said = panel.details(view, chosen, width, rows)
        out = [BLANK, *said, *[BLANK] * (rows - len(said))]
        burn = panel.top_burn(view, fleet, width, _TOP_ROWS if tall else 1)
        worth = panel.values(view, fleet, width, _VALUE_ROWS if tall else 1)
        for part in (burn, worth):
            out += [*([BLANK] if tall and part else []), *part]
        return [*out, *([BLANK] if tall else []), panel.activity(view, fleet, width)]

    def _rows(self, fleet: FleetState) -> tuple[FleetRow, ...]:
        """The rows by what is sought; made once for a fleet."""
        if self._found[0] is not fleet or self._found[1] != self._sought:
            self._found = fleet, self._sought, panel.sought_rows(fleet, self._sought)
        return self._found[2]

    def _longest_name(self, fleet: FleetState) -> int:
        if self._longest[0] is not fleet:
            self._longest = fleet, max((cell_len(item.name) for item in fleet.rows), default=0)
        return self._longest[1]

    def _position(self, found: tuple[FleetRow, ...]) -> int:
        """Where the cursor is: on the first row while nothing is selected, or when it is gone."""
        if self._chosen is None:
            return 0
        return next((n for n, item in enumerate(found) if panel.key_of(item) == self._chosen), 0)

    def _scroll(self, position: int, count: int, room: int) -> None:
        """Half a page when the cursor leaves what is in sight: a row at a time would repaint every row each time."""
        if position < self._top:
            self._top = max(0, position - room // 2)
        elif position >= self._top + room:
            self._top = position - room // 2
        self._top = min(self._top, max(0, count - room))

    def _found_now(self) -> tuple[FleetRow, ...]:
        fleet = self._view.snapshot.fleet if self._view is not None and self._view.snapshot is not None else None
        return self._rows(fleet) if fleet is not None else ()

    def action_move(self, step: int) -> None:
        """Select another row."""
        found = self._found_now()
        if found:
            here = self._position(found)
            self._chosen = panel.key_of(found[min(len(found) - 1, max(0, here + step))])
            self._again()

    def action_page(self, pages: int) -> None:
        """Select the row a page further."""
        self.action_move(pages * max(1, self.size.height // 2))

    def action_open(self) -> None:
        """The on-call screen of the selected model."""
        found = self._found_now()
        if found:
            cast(FleetHost, self.app).open_model(found[self._position(found)].name)

    def action_filter(self) -> None:
        """Rows by a part of the model's name, its owner's, or the verdict."""
        def take(text: str | None) -> None:
            if text is not None:
                self._sought, self._top = text, 0
                self._again()
        if self._view is not None:
            self.app.push_screen(Ask("models", "part of a name, an owner, or a verdict", self._sought,
                                     self._view.look, self.lines("table").palette), take)

    def action_close(self) -> None:
        """Everything again, where something is sought; else back to the on-call screen."""
        if self._sought:
            self._sought = ""
            self._again()
        else:
            self.dismiss(None)

    def _again(self) -> None:
        if self._view is not None:
            self.update_from(self._view)

    def as_text(self, view: View) -> str:
        """Every row by what is sought, and what stands under them, for a chat or a ticket; "" before there is one."""
        fleet = view.snapshot.fleet if view.snapshot is not None else None
        if view.snapshot is None or fleet is None:
            return ""
        marker = f" {view.marker}" if view.marker else ""
        found = self._rows(fleet)
        verdicts = ", ".join(f"{count} {wording.word(verdict)}" for verdict, count in fleet.verdicts.items())
        out = [f"fleet of {len(fleet.rows)} in {view.snapshot.context}{marker}, "
               f"{moment(view.now, view.now).partition(' (')[0]}: {verdicts}"]
        lines = [panel.sentence(view, TEXT_CELLS), BLANK,
                 *panel.table(view, found, None, TEXT_CELLS, longest=self._longest_name(fleet)), BLANK,
                 *panel.top_burn(view, fleet, TEXT_CELLS, _TOP_ROWS), *panel.values(view, fleet, TEXT_CELLS, 9999),
                 panel.activity(view, fleet, TEXT_CELLS)]
        out += [text.text for text in lines]
        return "\n".join(view.look.say(text).rstrip() for text in out) + "\n"
