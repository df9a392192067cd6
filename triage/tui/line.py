"""``Line``: one row of text in roles, and the tables made of them. No markup, no colours, no Textual.

A role says what a text is (``FAIL``, ``DIM``); the theme says how that looks. Widths are counted in terminal cells,
so that wide and combining characters keep columns in line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from rich.cells import cell_len, set_cell_size

from triage.signals.reading import Urgency, Verdict


class Role(StrEnum):
    """What a text is; the theme maps it to a style."""

    PLAIN = "plain"
    STRONG = "strong"
    DIM = "dim"
    """Labels and everything that qualifies."""
    HEADING = "heading"
    RULE = "rule"
    """Rules, dividers, the empty part of a bar."""
    STALE = "stale"
    """A value that no longer describes the present; it is in brackets too."""
    FAIL = "fail"
    WARN = "warn"
    UNKNOWN = "unknown"
    PASS = "pass"  # noqa: S105
    ACCENT = "accent"
    """Where the focus is."""
    PRODUCTION = "production"
    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    """Lines of a chart."""


Span = tuple[str, Role]

VERDICT_ROLES = {Verdict.FAIL: Role.FAIL, Verdict.WARN: Role.WARN, Verdict.UNKNOWN: Role.UNKNOWN,
                 Verdict.PASS: Role.PASS, Verdict.PENDING: Role.DIM, Verdict.NOT_JUDGED: Role.DIM,
                 Verdict.LOW_N: Role.UNKNOWN}
URGENCY_ROLES = {Urgency.PAGE: Role.FAIL, Urgency.TICKET: Role.WARN, Urgency.NONE: Role.DIM}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of text."""

    spans: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """Without roles."""
        return "".join(text for text, _ in self.spans)

    @property
    def width(self) -> int:
        """In cells."""
        return sum(cell_len(text) for text, _ in self.spans)

    def __add__(self, other: Line) -> Line:
        return Line(self.spans + other.spans)

    def fitted(self, width: int, ellipsis: str = "…") -> Line:
        """The same in at most ``width`` cells; what does not fit ends in ``ellipsis``."""
        if self.width <= width:
            return self
        if not self.text.rstrip()[width:] and cell_len(self.text.rstrip()) <= width:
            return self._cut(width)
        spans: list[Span] = []
        left = width
        for text, role in self.spans:
            if cell_len(text) >= left:
                spans.append((fit(text + ("" if cell_len(text) > left else "  "), left, ellipsis), role))
                break
            spans.append((text, role))
            left -= cell_len(text)
        return Line(tuple(spans))

    def _cut(self, width: int) -> Line:
        """Without the blanks behind ``width``."""
        spans: list[Span] = []
        for text, role in self.spans:
            kept = set_cell_size(text, width) if cell_len(text) > width else text
            width -= cell_len(kept)
            if kept:
                spans.append((kept, role))
        return Line(tuple(spans))

    def placed(self, width: int) -> Line:
        """The same in exactly ``width`` cells."""
        fitted = self.fitted(width)
        missing = width - fitted.width
        return Line((*fitted.spans, (" " * missing, Role.PLAIN))) if missing > 0 else fitted


BLANK = Line()


def line(*parts: str | Span | Line) -> Line:
    """A line of texts (plain), spans and lines."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, Line):
            spans.extend(part.spans)
        elif isinstance(part, str):
            spans.append((part, Role.PLAIN))
        else:
            spans.append(part)
    return Line(tuple(s for s in spans if s[0]))


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """``text`` in at most ``width`` cells, ending in ``ellipsis`` where something is left out."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    if width <= len(ellipsis):
        return ellipsis[:width]
    return set_cell_size(text, width - len(ellipsis)).rstrip() + ellipsis


def pad(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """``text`` filled with spaces to ``width`` cells; longer texts are kept."""
    missing = max(0, width - cell_len(text))
    return " " * missing + text if align == "right" else text + " " * missing


_SPACE = re.compile(r"(?<!\bsince) | (?!\d)")
"""Where rows may end: ``since`` stays with its time."""


def wrap(text: str, width: int) -> list[str]:
    """``text`` in rows of at most ``width`` cells, broken at spaces where there are any, else anywhere."""
    if width <= 0:
        return []
    rows: list[str] = []
    for paragraph in text.split("\n"):
        row = ""
        for word in _SPACE.split(paragraph):
            candidate = f"{row} {word}" if row else word
            if cell_len(candidate) <= width:
                row = candidate
                continue
            if row:
                rows.append(row)
            while cell_len(word) > width:
                head = _head(word, width)
                rows.append(head)
                word = word[len(head):]
            row = word
        rows.append(row)
    return rows


def _head(word: str, width: int) -> str:
    used = 0
    for position, character in enumerate(word):
        used += cell_len(character)
        if used > width:
            return word[:max(1, position)]
    return word


class Column(NamedTuple):
    """One column of a table."""

    title: str
    width: int
    align: Literal["left", "right"] = "left"
    gap: int = 2
    """Cells left free before it."""


Cell = str | Span | Line


def row(columns: Sequence[Column], cells: Sequence[Cell], say: Callable[[str], str] = str, ellipsis: str = "…") -> Line:
    """The cells, each in its column; too long ones are cut. Fewer cells than columns: the last one takes the rest.

    ``say`` spells texts for the terminal before they are measured.
    """
    spans: list[Span] = []
    for number, cell in enumerate(cells):
        column = columns[number]
        width = column.width
        if number == len(cells) - 1:
            width += sum(c.gap + c.width for c in columns[number + 1:])
        content = cell if isinstance(cell, Line) else line(cell)
        content = Line(tuple((say(text), role) for text, role in content.spans)).fitted(width, ellipsis)
        blank = " " * (width - content.width)
        rightwards = column.align == "right" and width == column.width
        spans.append((" " * column.gap + (blank if rightwards else ""), Role.PLAIN))
        spans.extend(content.spans)
        if not rightwards:
            spans.append((blank, Role.PLAIN))
    return Line(tuple(s for s in spans if s[0]))


def titles(columns: Sequence[Column], say: Callable[[str], str] = str) -> Line:
    """The heading row of a table: the first title is the section's, the others are labels."""
    return row(columns, [(c.title, Role.DIM if number else Role.HEADING) for number, c in enumerate(columns)], say)
