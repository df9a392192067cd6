"""The whole runbook as rows: what it is about, every step with its text, and how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from triage.tui.line import BLANK, Line, Role, line, wrap
from triage.tui.panels import runbook as panel
from triage.tui.view import View

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the runbook's modules.
    from triage.runbook.path import Standing
    from triage.runbook.session import Sheet
    from triage.runbook.steps import Prose

STALE_DAYS = 180
"""A runbook that nobody has reviewed for longer is doubtful."""
_INDENT = 6
_READ = frozenset({"ready", "failed", "running", "blocked", "pending"})
"""States of steps whose text is shown without being selected."""


class Row(NamedTuple):
    """One row of the page."""

    content: Line
    step: str = ""
    """The step it belongs to; "" for none."""


def runbook_page(view: View, sheet: Sheet, selected: str, width: int) -> list[Row]:
    """The page; ``selected`` is the step that the cursor is on."""
    out = [Row(row) for row in _head(view, sheet, width)]
    sections = {section.title: section for section in sheet.runbook.sections}
    shown: set[str] = set()
    for standing in sheet.standings:
        for title, section in sections.items():
            # Sections stand in the order of the file: all up to the one of this step.
            if title not in shown and standing.step.section not in shown:
                shown.add(title)
                out += _section(view, title, section.prose, width)
        out += _step(view, sheet, standing, selected, width)
    for title, section in sections.items():
        if title not in shown:
            out += _section(view, title, section.prose, width)
    return out


def _head(view: View, sheet: Sheet, width: int) -> Iterator[Line]:
    book = sheet.runbook
    yield from (line(" ", (text, Role.STRONG)) for text in wrap(view.look.say(book.title), width - 1))
    for text, role in panel.summary(view, sheet):
        yield from (line(" ", (row, role)) for row in wrap(view.look.say(text), width - 1))
    about = [f"owner {book.owner}"] if book.owner else []
    if book.reviewed and not sheet.is_checklist:
        age = (datetime.fromtimestamp(view.now, UTC).date() - datetime.fromisoformat(book.reviewed[:10]).date()).days
        about.append(f"reviewed {book.reviewed[:10]}" + (f", {age} days ago" if age > STALE_DAYS else ""))
    if book.est_minutes and not sheet.begun:
        about.append(f"usually {book.est_minutes:g} min")
    if about:
        yield line(" ", (", ".join(about), Role.DIM)).fitted(width, view.look.ellipsis)


def _section(view: View, title: str, prose: tuple[Prose, ...], width: int) -> list[Row]:
    out = [Row(BLANK), Row(line(" ", (title.upper(), Role.HEADING)))] if title else [Row(BLANK)]
    return out + [Row(row) for block in prose for row in _prose(view, block, width, 1)]


def _prose(view: View, block: Prose, width: int, indent: int) -> list[Line]:
    space = " " * indent
    if block.form == "code":
        return [line(space, "  ", row).fitted(width, view.look.ellipsis) for row in block.text.split("\n")]
    first = "- " if block.form == "item" else ""
    rows = wrap(view.look.say(block.text), max(8, width - indent - len(first)))
    return [line(space, first if not n else " " * len(first), row) for n, row in enumerate(rows)]


def _step(view: View, sheet: Sheet, standing: Standing, selected: str, width: int) -> list[Row]:
    step, state = standing.step, str(standing.state)
    chosen = step.id == selected
    role = Role.ACCENT if chosen else Role.DIM if state in ("not applicable", "skipped") else Role.PLAIN
    cursor = line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")
    word = "" if state in ("ready", "pending") and not chosen else f"  {state}"
    head = line(cursor, panel.mark(view, sheet, standing) if state != "ready" else line(" "),
                (f" {step.number:>2} {step.title}", role), (word, Role.DIM))
    rows = [head.fitted(width, view.look.ellipsis)]
    if chosen or state in _READ:
        for block in step.prose:
            rows += _prose(view, block, width, _INDENT)
        rows += _about(view, standing, width)
    room = max(8, width - _INDENT)
    rows += [line(" " * _INDENT, (row, said_role)) for text, said_role in panel.details(view, sheet, standing,
                                                                                       whole=True)
             for row in wrap(view.look.say(text), room)]
    invited = panel.invitation(standing, sheet)
    if chosen and invited:
        rows.append(line(" " * _INDENT, ("enter", Role.ACCENT), f"  {invited}").fitted(width, view.look.ellipsis))
    return [Row(BLANK, step.id), *(Row(row, step.id) for row in rows)] if chosen or state in _READ else \
        [Row(row, step.id) for row in rows]


def _about(view: View, standing: Standing, width: int) -> list[Line]:
    """What the step asks, says or looks at, in the words of its block."""
    does = standing.step.does
    match standing.step.kind:
        case "ask":
            text = f"{getattr(does, 'question', '')} {' / '.join(getattr(does, 'choices', ()))}"
        case "message":
            text = f"to {getattr(does, 'to', '')}: {getattr(does, 'text', '')}"
        case "assert" | "query":
            text = getattr(does, "expr", "") or str(getattr(does, "signal", ""))
        case "approve":
            text = f"needs the word of somebody in the role {getattr(does, 'role', '')}"
        case "branch":
            return []
        case _:
            return []
    rows = wrap(view.look.say(" ".join(text.split())), max(8, width - _INDENT))
    return [line(" " * _INDENT, (row, Role.DIM)) for row in rows]
