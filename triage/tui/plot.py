"""``draw``: lines over time as rows of braille, blocks or ASCII.

Written here because the plot widgets at hand need numpy, stop at NaN or None, or draw a gap as zero. Gaps stay gaps;
series differ by pattern as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len

from triage.signals import wording
from triage.tui.line import Line, Role, line, pad
from triage.tui.look import Look


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the plot."""

    name: str
    start: float
    """Unix seconds of the first value."""
    step: float
    """Seconds between values."""
    values: tuple[float | None, ...]
    """Finite or None; None is a gap."""
    pattern: int = 0
    """0 solid, 1 dashed, 2 dotted."""
    role: Role = Role.FIRST

    def within(self, start: float, end: float) -> list[float | None]:
        """The values whose time is inside."""
        return [v for i, v in enumerate(self.values) if start <= self.start + i * self.step <= end]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn."""

    series: tuple[Series, ...]
    start: float
    end: float
    """Unix seconds of the left and right edge."""
    unit: str
    """``s``, ``ratio`` (of bad events), or "" for a number without one."""
    threshold: float | None = None
    markers: tuple[tuple[float, str], ...] = ()
    """(Unix seconds, text)."""
    from_zero: bool = False


_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_ASCII_MARKS = ("*", "o", ".")
_RISING = "_.-=+*#"
_PATTERNS: tuple[Callable[[int], bool], ...] = (lambda x: True, lambda x: x % 6 < 4, lambda x: x % 4 < 1)
"""Whether a pattern has a dot in a column of dots."""


def quantity(value: float, unit: str) -> str:
    """A value of the plot in words."""
    if unit == "s":
        return wording.duration(value)
    if not unit:
        return wording.significant(value, 2)
    return f"{wording.significant(value * 100, 2)} %" if value else "0 %"


def bounds(plot: Plot) -> tuple[float, float]:
    """Bottom and top of the y axis: round numbers around everything that is drawn, so that they seldom move."""
    seen = [v for s in plot.series for v in s.within(plot.start, plot.end) if v is not None]
    if plot.threshold is not None:
        seen.append(plot.threshold)
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    if plot.from_zero or (low > 0 and low < 0.5 * high):
        low = min(0.0, low)
    if high <= low:
        return (0.0, 1.0) if low == 0 else (low - abs(low) / 2, low + abs(low) / 2)
    step = _nice((high - low) / 4)
    bottom, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return bottom, top if top > bottom else bottom + step


def _nice(value: float) -> float:
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= value * (1 - 1e-9)), 10 * power)


def draw(plot: Plot, width: int, height: int, look: Look) -> tuple[Line, ...]:
    """The plot with y labels and a time axis in ``height`` rows of ``width`` cells; () when there is no room."""
    if width < 12 or height < 2:
        return ()
    rows = height - 1
    bottom, top = bounds(plot)
    labels = _labels(plot, bottom, top, rows)
    gutter = min(width // 2, max((cell_len(look.say(t)) for t in labels.values()), default=0) + 2)
    columns = width - gutter
    if not any(v is not None for s in plot.series for v in s.within(plot.start, plot.end)):
        return _empty(plot, width, rows, gutter, look)
    grid = [[(" ", Role.PLAIN)] * columns for _ in range(rows)]
    at = {time: _column(plot, time, columns) for time, _ in plot.markers if plot.start <= time <= plot.end}
    for column in at.values():
        for cells in grid:
            cells[column] = (look.pick("┊", ":"), Role.RULE)
    if plot.threshold is not None and bottom <= plot.threshold <= top:
        limit = _row(plot.threshold, bottom, top, rows)
        for column in range(columns):
            grid[limit][column] = (look.pick("┄", "-"), Role.DIM)
    for number, series in enumerate(plot.series):
        _trace(grid, plot, series, number, (bottom, top), look)
    out = []
    for number, cells in enumerate(grid):
        label = look.say(labels.get(number, ""))
        out.append(line((pad(label, gutter - 1, "right") + " ", Role.DIM), _joined(cells)))
    out.append(line(" " * gutter, _axis(plot, columns, look)))
    return tuple(row.fitted(width, look.ellipsis) for row in out)


def _labels(plot: Plot, bottom: float, top: float, rows: int) -> dict[int, str]:
    labels = {0: quantity(top, plot.unit)}
    if rows > 1:
        labels[rows - 1] = quantity(bottom, plot.unit)
    if plot.threshold is not None and bottom <= plot.threshold <= top:
        labels[_row(plot.threshold, bottom, top, rows)] = quantity(plot.threshold, plot.unit)
    elif rows >= 5:
        middle = (bottom + top) / 2
        labels[_row(middle, bottom, top, rows)] = quantity(middle, plot.unit)
    return labels


def _row(value: float, bottom: float, top: float, rows: int) -> int:
    return min(rows - 1, max(0, rows - 1 - int((value - bottom) / (top - bottom) * rows)))


def _column(plot: Plot, time: float, columns: int) -> int:
    span = max(1e-9, plot.end - plot.start)
    return min(columns - 1, max(0, round((time - plot.start) / span * (columns - 1))))


def _joined(cells: Sequence[tuple[str, Role]]) -> Line:
    spans: list[tuple[str, Role]] = []
    for text, role in cells:
        if spans and (spans[-1][1] is role or text == " "):
            spans[-1] = (spans[-1][0] + text, spans[-1][1])
        else:
            spans.append((text, role))
    return Line(tuple(spans))


def _empty(plot: Plot, width: int, rows: int, gutter: int, look: Look) -> tuple[Line, ...]:
    said = f"no data from {wording.clock_time(plot.start, plot.end)} to {wording.clock_time(plot.end)}"
    blank = [Line()] * ((rows - 1) // 2)
    return (*blank, line(" " * gutter, (said, Role.DIM)).fitted(width, look.ellipsis))


def _trace(grid: list[list[tuple[str, Role]]], plot: Plot, series: Series, number: int, limits: tuple[float, float],
           look: Look) -> None:
    """Draw one series into the grid of cells."""
    bottom, top = limits
    rows, columns = len(grid), len(grid[0])
    per_x, per_y = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 1)}[look.chart]
    wide, high = columns * per_x, rows * per_y
    span = max(1e-9, plot.end - plot.start)
    shows = _PATTERNS[series.pattern % len(_PATTERNS)]
    dots: set[tuple[int, int]] = set()
    before: tuple[int, int] | None = None
    alone = True
    for index, value in enumerate(series.values):
        time = series.start + index * series.step
        if value is None or not plot.start <= time <= plot.end:
            if before is not None and alone:
                dots.add(before)
            before, alone = None, True
            continue
        point = (min(wide - 1, max(0, round((time - plot.start) / span * (wide - 1)))),
                 min(high - 1, max(0, high - 1 - int((value - bottom) / (top - bottom) * high))))
        if before is not None:
            alone = False
            dots.update(p for p in _segment(before, point) if shows(p[0]))
        before = point
    if before is not None and alone:
        dots.add(before)
    cells: dict[tuple[int, int], int] = {}
    for x, y in dots:
        key = (y // per_y, x // per_x)
        bit = _BRAILLE[y % 4][x % 2] if look.chart == "braille" else 1 << (y % per_y * 2 + x % per_x)
        cells[key] = cells.get(key, 0) | bit
    for (row, column), bits in cells.items():
        grid[row][column] = (_character(bits, grid[row][column][0], number, look), series.role)


def _character(bits: int, present: str, number: int, look: Look) -> str:
    if look.chart == "braille":
        under = ord(present) - 0x2800 if 0x2800 < ord(present) <= 0x28FF else 0
        return chr(0x2800 + (bits | under))
    if look.chart == "block":
        under = _QUADRANTS.index(present) if present in _QUADRANTS else 0
        return _QUADRANTS[bits | under]
    return _ASCII_MARKS[number % len(_ASCII_MARKS)]


def _segment(a: tuple[int, int], b: tuple[int, int]) -> list[tuple[int, int]]:
    """All dots from ``a`` to ``b`` (Bresenham)."""
    (x, y), (x1, y1) = a, b
    dx, dy = abs(x1 - x), -abs(y1 - y)
    sx, sy = (1 if x < x1 else -1), (1 if y < y1 else -1)
    error = dx + dy
    out = [(x, y)]
    while (x, y) != (x1, y1):
        twice = 2 * error
        if twice >= dy:
            error += dy
            x += sx
        if twice <= dx:
            error += dx
            y += sy
        out.append((x, y))
    return out


def _axis(plot: Plot, columns: int, look: Look) -> Line:
    """Times under the plot; the texts of markers first, then round times where there is room."""
    cells: list[tuple[str, Role] | None] = [None] * columns
    foot = look.pick("▲", "^")
    for time, text in sorted(plot.markers, reverse=True):
        if not plot.start <= time <= plot.end:
            continue
        column = _column(plot, time, columns)
        said = look.say(f"{text} {wording.clock_time(time, plot.end)}")
        right, left = f"{foot} {said}", f"{said} {foot}"
        if not _place(cells, column, right, Role.PLAIN):
            starts = column - cell_len(left) + 1
            if starts < 0 or not _place(cells, starts, left, Role.PLAIN):
                _place(cells, column, foot, Role.PLAIN)
    for time in _ticks(plot, columns):
        text = wording.clock_time(time, plot.end)
        middle = _column(plot, time, columns) - cell_len(text) // 2
        _place(cells, min(max(0, middle), columns - cell_len(text)), text, Role.DIM)
    return _joined([cell or (" ", Role.PLAIN) for cell in cells if cell is None or cell[0]])


def _place(cells: list[tuple[str, Role] | None], start: int, text: str, role: Role) -> bool:
    end = start + cell_len(text)
    if start < 0 or end > len(cells) or any(cells[max(0, start - 2):end + 2]):
        return False
    position = start
    for character in text:
        size = cell_len(character)
        previous = cells[position - 1] if position > start else None
        if size == 0 and previous is not None:
            cells[position - 1] = (previous[0] + character, role)
        for offset in range(size):
            cells[position + offset] = (character if not offset else "", role)
        position += size
    return True


def _ticks(plot: Plot, columns: int) -> list[float]:
    span = plot.end - plot.start
    wanted = max(1, columns // 20)
    steps = (60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
    step = next((s for s in steps if span / s <= wanted), 172800)
    offset = datetime.fromtimestamp(plot.end, UTC).astimezone().utcoffset()
    zone = offset.total_seconds() if offset is not None else 0.0
    first = math.ceil((plot.start + zone) / step) * step - zone
    return [first + n * step for n in range(int((plot.end - first) // step) + 1)]


def sparkline(plot: Plot, width: int, look: Look) -> Line:
    """The plot in one row without labels; gaps are blanks."""
    if width <= 0:
        return Line()
    bottom, top = bounds(plot)
    if look.chart == "ascii":
        return _levels(plot, width, (bottom, top))
    grid = [[(" ", Role.PLAIN)] * width]
    for number, series in enumerate(plot.series):
        _trace(grid, plot, series, number, (bottom, top), look)
    return _joined(grid[0])


def _levels(plot: Plot, width: int, limits: tuple[float, float]) -> Line:
    """One row of characters that rise with the value: a row of dots would show nothing."""
    cells = [(" ", Role.PLAIN)] * width
    bottom, top = limits
    for series in plot.series:
        for index, value in enumerate(series.values):
            time = series.start + index * series.step
            if value is not None and plot.start <= time <= plot.end:
                level = min(len(_RISING) - 1, max(0, int((value - bottom) / (top - bottom) * len(_RISING))))
                cells[_column(plot, time, width)] = (_RISING[level], series.role)
    return _joined(cells)


def sample(series: Series, number: int, look: Look) -> str:
    """Two cells that show how a series is drawn, for the legend."""
    if look.chart == "ascii":
        return _ASCII_MARKS[number % len(_ASCII_MARKS)] * 2
    return ("──", "╌╌", "┈┈")[series.pattern % 3]
