"""What cells put out, made harmless and drawable: texts, tables, verdict lines, pictures, errors.

Everything here came from code that nobody checked: each text passes ``clean()`` once, colours are taken off, a carriage
return overwrites the line as a terminal would show it, and a picture is only ever a file with a path.
"""

from __future__ import annotations

import base64
import binascii
import html.parser
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from triage.text import clean

RESULT = "application/vnd.triage.result+json"
MAX_TEXT = 200_000
"""Characters kept of one representation of an output."""
_SPELT = 10
"""Characters that a hidden one is spelt with, at most."""
MAX_ROWS, MAX_COLUMNS = 60, 24
_MOST_PAGE = 4 * MAX_TEXT
"""Characters of an HTML page that are read."""
MAX_PICTURE_BYTES = 8_000_000
_CELL_TEXT = 80
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_OVERWRITTEN = re.compile(r"^[^\n]*\r(?!\n)", re.MULTILINE)
_PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}

Status = Literal["pass", "warn", "fail", "unknown"]
STATUSES: tuple[Status, ...] = ("pass", "unknown", "warn", "fail")
"""From best to worst."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text of several lines."""

    text: str
    is_error: bool = False
    """Whether it was written to standard error."""
    more: int = 0
    """Characters that are left out."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. All texts are one line."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more_rows: int = 0
    """Rows that are left out."""
    more_columns: int = 0


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """One result for people and programs (``application/vnd.triage.result+json``)."""

    id: str
    status: Status
    message: str
    value: float | None = None
    """None when there is none, or it is not finite."""
    unit: str = ""
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was saved."""

    kind: str
    """``png``, ``jpg`` or ``svg``."""
    size_bytes: int
    path: str
    """Where it lies; "" when it could not be saved, then ``trouble`` says why."""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that ended a cell."""

    name: str
    value: str
    traceback: str


Output = Text | Table | CellVerdict | Picture | Raised


@dataclass(frozen=True, slots=True)
class PictureBytes:
    """A picture before it is saved."""

    kind: str
    content: bytes


def clean_text(text: object) -> str:
    """Text of several lines without colours; a line that was overwritten keeps what it ended with. None of the rest is
    left out."""
    plain = _OVERWRITTEN.sub("", _COLOUR.sub("", str(text)).replace("\r\n", "\n"))
    return clean(plain, multiline=True, limit=_SPELT * len(plain))


def from_bundle(bundle: Any) -> Text | Table | CellVerdict | PictureBytes | None:
    """What to show of an output with several representations; None when nothing of it can be shown.

    The verdict first, then Markdown and plain text; an HTML table is a table where the plain text is only its drawing.
    """
    if not isinstance(bundle, Mapping):
        return None
    if RESULT in bundle:
        return verdict(bundle[RESULT])
    page = _text_of(bundle.get("text/html"))
    if page and "<table" in page:
        table = read_table(page)
        if table is not None:
            return table
    for kind, suffix in _PICTURES.items():
        picture = _picture(_text_of(bundle.get(kind)), suffix)
        if picture is not None:
            return picture
    for kind in ("text/markdown", "text/plain"):
        text = _text_of(bundle.get(kind))
        if text:
            return Text(clean_text(text[:MAX_TEXT]), more=max(0, len(text) - MAX_TEXT))
    return None


def verdict(raw: Any) -> CellVerdict:
    """A verdict of the documented shape. One that cannot be read is ``unknown``, and its message says why."""
    if not isinstance(raw, Mapping):
        shape = "text, not an object: display the dict itself" if isinstance(raw, str) else "no object"
        return CellVerdict("", "unknown", f"the result cannot be read: it is {shape}")
    said = raw.get("status")
    status: Status | None = next((each for each in STATUSES if each == said), None)
    message = clean(raw.get("message") or "", limit=400)
    if status is None:
        wrong = f"has the status {clean(said, limit=40)}" if "status" in raw else "has no status"
        message = f"the result {wrong}, not pass, warn, fail or unknown{f': {message}' if message else ''}"
    return CellVerdict(clean(raw.get("id") or "", limit=80), status or "unknown", message,
                       _number(raw.get("value")), clean(raw.get("unit") or "", limit=20), _number(raw.get("threshold")))


def raised(name: object, value: object, traceback: Sequence[object]) -> Raised:
    """An exception as the kernel tells it."""
    return Raised(clean(name, limit=120), clean(_COLOUR.sub("", str(value)[:4000]), multiline=True, limit=2000),
                  clean_text("\n".join(str(part) for part in traceback)[-MAX_TEXT:]))


def worst(found: Sequence[Status]) -> Status | None:
    """The worst of them; None when there is none."""
    return max(found, key=STATUSES.index, default=None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text_of(value: Any) -> str:
    """nbformat and kernels write a text as a string or as a list of them."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _picture(text: str, suffix: str) -> PictureBytes | None:
    if not text:
        return None
    if suffix == "svg":
        content = text.encode("utf-8", "replace")
    else:
        try:
            content = base64.b64decode(text)
        except (binascii.Error, ValueError):
            return None
    return PictureBytes(suffix, content) if 0 < len(content) <= MAX_PICTURE_BYTES else None


class _TableReader(html.parser.HTMLParser):
    """The rows of the first table; nothing else of the page is looked at."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.header: list[list[str]] = []
        self.rows: list[list[str]] = []
        self.row_count = 0
        self._row: list[str] | None = None
        self._cell: list[str] | None = None
        self._in_head = False
        self.done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.done:
            return
        if tag == "thead":
            self._in_head = True
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th") and self._row is not None:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if self.done:
            return
        if tag == "table":
            self.done = True
        elif tag == "thead":
            self._in_head = False
        elif tag in ("td", "th") and self._row is not None and self._cell is not None:
            self._row.append(clean(" ".join("".join(self._cell).split()), limit=_CELL_TEXT))
            self._cell = None
        elif tag == "tr" and self._row is not None:
            if self._in_head:
                self.header.append(self._row)
            else:
                self.row_count += 1
                if len(self.rows) < MAX_ROWS:
                    self.rows.append(self._row)
            self._row = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self.done:
            self._cell.append(data[:_CELL_TEXT * 4])


def read_table(page: str) -> Table | None:
    """The first table of an HTML page, as pandas writes it; None when it has no rows."""
    reader = _TableReader()
    cut = len(page) if len(page) <= _MOST_PAGE else max(0, page.rfind("<tr", 0, _MOST_PAGE))
    reader.feed(page[:cut])
    reader.close()
    if not reader.rows:
        return None
    if not reader.done:
        # What is beyond is counted only.
        reader.row_count += page[cut:].partition("</table")[0].count("<tr")
    header = _merged(reader.header)
    width = max(len(row) for row in [header, *reader.rows])
    kept = min(width, MAX_COLUMNS)

    def row(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple([*cells, *[""] * (width - len(cells))][:kept])
    return Table(row(header), tuple(row(cells) for cells in reader.rows), reader.row_count - len(reader.rows),
                 width - kept)


def _merged(headers: Sequence[Sequence[str]]) -> list[str]:
    """pandas writes the names of an index in a second header row: one row says both."""
    out: list[str] = []
    for cells in headers:
        for index, text in enumerate(cells):
            if index >= len(out):
                out.append(text)
            elif not out[index]:
                out[index] = text
    return out
