"""``TriageScreen``: what every screen has: the header that says where and how old, and the footer with the keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import Screen

from triage.tui.keymap import EVERYWHERE, hints, shown_key
from triage.tui.line import Line, Role, line
from triage.tui.panels import top
from triage.tui.theme import Palette
from triage.tui.view import View
from triage.tui.widgets.lines import Lines

AGE_CELLS = 14
NARROW_AGE_CELLS = 11
RETRY_CELLS = 18
ACT = "act"
"""Id of the binding of the action menu: first among the keys where actions may change something."""
LEAVE = "quit"
"""Id of the binding that always stands last among the keys, if any does: who is lost looks there."""


def keys(first: Sequence[tuple[str, str]], last: Sequence[tuple[str, str]], width: int) -> Line:
    """The (key, word) pairs that fit into ``width`` cells, in their order; ``last`` has its room before ``first``."""
    end = [*last] if _row(last).width <= width else []
    shown: list[tuple[str, str]] = []
    for pair in first:
        if _row([*shown, pair, *end]).width > width:
            break
        shown.append(pair)
    return _row([*shown, *end])


def _row(pairs: Sequence[tuple[str, str]]) -> Line:
    parts = [line("  " if number else " ", key, " ", (word, Role.DIM)) for number, (key, word) in enumerate(pairs)]
    return line(*parts)


class Host(Protocol):
    """The program, as screens see it."""

    def fill(self, screen: TriageScreen) -> None:
        """Hand the present view to ``screen``."""
        ...


class TriageScreen(Screen[None], inherit_bindings=False):
    """Renders the view it is given; everything else is for the screens."""

    DEFAULT_CSS = """
    TriageScreen { background: ansi_default; color: ansi_default; overflow: hidden; layout: vertical; }
    TriageScreen #top, TriageScreen #say { height: 1; width: 1fr; background: ansi_default; }
    TriageScreen #badges { width: 0; height: 1; }
    TriageScreen #where { height: 1; }
    TriageScreen #age { width: 14; height: 1; }
    TriageScreen #footer { dock: bottom; height: 1; }
    """
    ALLOW_SELECT = False
    AUTO_FOCUS = ""
    ready = False
    """Whether the parts are there to be filled."""

    def on_mount(self) -> None:
        """Filled before it is laid out for the first time, so that its first frame says something."""
        self.ready = True
        cast(Host, self.app).fill(self)

    def compose_header(self) -> ComposeResult:
        """The first row: volatile cells are widgets of their own, so that a tick repaints only them."""
        with Horizontal(id="top"):
            yield Lines(id="where")
            yield Lines(id="badges")
            yield Lines(id="age")

    def lines(self, name: str) -> Lines:
        """The part called ``name``."""
        return self.query_one(f"#{name}", Lines)

    def set_width(self, name: str, cells: int) -> None:
        """Give a part a width; nothing happens when it has it."""
        widget = self.lines(name)
        width = widget.styles.width
        if width is None or width.value != cells:
            widget.styles.width = cells

    def update_header(self, view: View) -> None:
        """Fill the first row."""
        badges = top.badges(view)
        width = view.width
        age_cells = 0 if width < 40 else AGE_CELLS if view.width_is_wide else NARROW_AGE_CELLS
        badge_cells = badges.width + 4 if badges.width + age_cells + 30 <= width else 0
        self.set_width("age", age_cells)
        self.set_width("badges", badge_cells)
        self.lines("where").set_lines([self.where(view, width - age_cells - badge_cells - 1)], view.look)
        self.lines("badges").set_lines([line("  ", badges)], view.look)
        self.lines("age").set_lines([self.age(view)], view.look)

    def where(self, view: View, width: int) -> Line:
        """Where we are, in at most ``width`` cells."""
        return top.header(view, width)

    def age(self, view: View) -> Line:
        """How old what is shown is."""
        return top.data_age(view)

    def own_bindings(self) -> Iterable[Binding]:
        """Bindings of the screen itself, first in the footer."""
        return [b for b in self.BINDINGS if isinstance(b, Binding)]

    def update_footer(self, view: View, message: str = "") -> None:
        """The keys; for a moment a message before those of them that still fit."""
        said = line(" ", (view.look.say(message), Role.ACCENT), "  ") if message else Line()
        own = list(self.own_bindings())
        known = {b.id for b in own}
        taken = {b.key for b in own}
        others = [b for b in EVERYWHERE if b.id not in known and b.key not in taken and b.id != LEAVE]
        leave = [b for b in EVERYWHERE if b.id == LEAVE and b.id not in known]
        act = [(shown_key(b), b.description) for b in others if b.id == ACT and view.write]
        # What is pressed next is not hidden by what was just said.
        row = keys([*self.asks(view), *act, *hints(own), *hints(others)], hints(leave), view.width - said.width)
        self.lines("footer").set_lines([line(said, row).fitted(view.width, view.look.ellipsis)], view.look)

    def asks(self, view: View) -> list[tuple[str, str]]:
        """(key, word) of what the facts call for; first among the keys."""
        return []

    def as_text(self, view: View) -> str:
        """What is copied; "" when there is nothing yet."""
        from triage.tui.plain import as_text
        return as_text(view)

    def set_palette(self, palette: Palette) -> None:
        """Repaint in another palette."""
        for widget in self.query(Lines):
            widget.set_look(palette)

    def update_from(self, view: View) -> None:
        """Show the view. Screens add their own parts."""
        self.update_header(view)
