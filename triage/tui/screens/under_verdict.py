"""Screens under the verdict: whatever is looked at, how the model is stays in sight above it; in one part or in two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from triage.tui.line import BLANK, Line, Role, line
from triage.tui.panels import top
from triage.tui.screens.base import TriageScreen
from triage.tui.view import View
from triage.tui.widgets.lines import Lines


class UnderVerdict(TriageScreen, inherit_bindings=False):
    """The header, the verdict in a row, a rule, and what a screen puts below."""

    DEFAULT_CSS = """
    UnderVerdict #verdict, UnderVerdict #rule { height: 1; }
    """

    def compose(self) -> ComposeResult:
        yield from self.compose_header()
        yield Lines(id="verdict")
        yield Lines(id="rule")
        yield from self.compose_body()
        yield Lines(id="footer")

    def compose_body(self) -> Iterable[Widget]:
        """The parts between rule and footer."""
        return ()

    def update_verdict(self, view: View) -> None:
        """Fill everything above the body."""
        self.update_header(view)
        self.lines("verdict").set_lines(top.verdict(view, view.width, 1)[:1], view.look)
        self.lines("rule").set_lines([top.rule(view, view.width)], view.look)


class TwoColumns(UnderVerdict, inherit_bindings=False):
    """A part on the left, and where there is room for it another beside it."""

    DEFAULT_CSS = """
    TwoColumns #body { height: 1fr; width: 1fr; background: ansi_default; }
    TwoColumns #left { width: 1fr; height: 1fr; }
    TwoColumns #right { width: 0; height: 1fr; }
    """

    def compose_body(self) -> Iterable[Widget]:
        """Both columns."""
        return (Horizontal(Lines(id="left"), Lines(id="right"), id="body"),)

    def show_alone(self, view: View, left: Sequence[Line]) -> None:
        """One part with all the room."""
        self.set_width("right", 0)
        self.lines("left").set_lines(left, view.look)

    def show_both(self, view: View, left: Sequence[Line], right: Sequence[Line], right_cells: int, rows: int) -> None:
        """Two parts, with a thin divider of two cells before the second; ``right_cells`` holds both."""
        self.set_width("right", right_cells)
        self.lines("left").set_lines(left, view.look)
        bar: tuple[str, Role] = (view.look.pick("│ ", "| "), Role.RULE)
        filled = [*right, *[BLANK] * (rows - len(right))]
        self.lines("right").set_lines([line(bar, text) for text in filled], view.look)
