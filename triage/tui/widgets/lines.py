"""``Lines``: rows of text that repaint only where they differ from what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from triage.tui.line import BLANK, Line, Role
from triage.tui.look import Look
from triage.tui.theme import DARK, Palette


def strip(line: Line, width: int, palette: Palette) -> Strip:
    """The line in exactly ``width`` cells; neighbours of one style are one run, and plain text carries no style."""
    runs: list[tuple[str, Style | None]] = []
    for text, role in line.placed(width).spans:
        style: Style | None = palette.styles[role] or None
        if runs and (runs[-1][1] == style or (text.isspace() and not _visible_on_space(runs[-1][1]))):
            runs[-1] = (runs[-1][0] + text, runs[-1][1])
        elif text:
            runs.append((text, style))
    if runs and runs[-1][1] is not None and not _visible_on_space(runs[-1][1]):
        # Blanks at the end need no style: a shorter sequence, and cropping may drop them.
        text, style = runs.pop()
        kept = text.rstrip(" ")
        runs.extend(r for r in ((kept, style), (text[len(kept):], None)) if r[0])
    return Strip([Segment(text, style) for text, style in runs], width)


def _visible_on_space(style: Style | None) -> bool:
    return style is not None and bool(style.reverse or style.underline or style.strike or style.bgcolor)


def last_difference(old: Line, new: Line, width: int) -> int:
    """Cells from the left up to and including the last one that differs; 0 when the lines are equal."""
    if old == new:
        return 0
    olds, news = _cells(old, width), _cells(new, width)
    for position in range(width - 1, -1, -1):
        if olds[position] != news[position]:
            # A changed wide character is sent whole.
            return min(width, position + 2)
    return 0


def _cells(line: Line, width: int) -> list[tuple[str, Role]]:
    from rich.cells import get_character_cell_size
    out: list[tuple[str, Role]] = []
    for text, role in line.placed(width).spans:
        for character in text:
            size = get_character_cell_size(character)
            if size == 0 and out:
                out[-1] = (out[-1][0] + character, role)
            out.extend([(character, role), ("", role)][:size])
    return [*out, *[(" ", Role.PLAIN)] * (width - len(out))][:width]


class Lines(Widget):
    """Shows lines; never parses markup, never scrolls, never focuses."""

    DEFAULT_CSS = """
    Lines { width: 1fr; height: auto; background: ansi_default; color: ansi_default; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._palette = DARK

    @property
    def lines(self) -> tuple[Line, ...]:
        """What stands there."""
        return self._lines

    @property
    def palette(self) -> Palette:
        """What it is painted in."""
        return self._palette

    def set_look(self, palette: Palette) -> None:
        """Change the palette; repaints everything if it differs."""
        if palette is not self._palette:
            self._palette = palette
            self.refresh()

    def set_lines(self, new: Iterable[Line], look: Look | None = None) -> None:
        """Show ``new``; rows that would look the same are not repainted."""
        lines = tuple(new)
        if look is not None and look.ascii:
            lines = tuple(Line(tuple((look.say(text), role) for text, role in row.spans)) for row in lines)
        old, self._lines = self._lines, lines
        if old == lines or not self.is_mounted:
            return
        width, height = self.size
        regions = []
        for y in range(min(height, max(len(old), len(lines)))):
            before, after = _at(old, y), _at(lines, y)
            extent = last_difference(before, after, width)
            if extent:
                regions.append(Region(0, y, extent, 1))
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """One row, in exactly the widget's width."""
        return strip(_at(self._lines, y), self.size.width, self._palette)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as there are lines."""
        return len(self._lines)


def _at(lines: Sequence[Line], y: int) -> Line:
    return lines[y] if y < len(lines) else BLANK
