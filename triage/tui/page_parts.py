"""What pages are made of: labelled facts, paragraphs, bullets, headings, moments."""

from __future__ import annotations

from datetime import UTC, datetime

from triage.signals import wording
from triage.tui.line import BLANK, Line, Role, line, wrap

_LABEL = 22


def fact(label: str, text: str, width: int, role: Role = Role.PLAIN) -> list[Line]:
    """A label and its text, wrapped under itself."""
    gutter = max(1, min(_LABEL, width // 2))
    rows = wrap(text, max(1, width - gutter)) or [""]
    return [
        line((f"{label if not n else '':<{gutter - 1}} ", Role.DIM), (text_row, role))
        for n, text_row in enumerate(rows)
    ]


def paragraph(text: str, width: int, role: Role = Role.PLAIN) -> list[Line]:
    """Wrapped text."""
    return [line((text_row, role)) for text_row in wrap(text, width)]


def bullet(text: str, width: int) -> list[Line]:
    """Wrapped text with a dash before it."""
    return [
        line(("- " if not n else "  ", Role.DIM), text_row) for n, text_row in enumerate(wrap(text, max(1, width - 2)))
    ]


def heading(text: str) -> list[Line]:
    """An empty row and a small heading."""
    return [BLANK, line((text, Role.HEADING))]


def moment(at: float, now: float) -> str:
    """Date, time with zone, and age."""
    local = datetime.fromtimestamp(at, UTC).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S %Z} ({wording.coarse_age(max(0.0, now - at))} ago)"
