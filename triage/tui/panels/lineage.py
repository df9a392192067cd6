"""What the version of the model shown was made of: promised, recorded, running, and what of it does not match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals.lineage_model import LinkState
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, line, row, titles, wrap
from triage.tui.panels.features import second_of_day
from triage.tui.panels.logs import ending
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.signals.lineage_model import Lineage, LineageLink

STATE_WORDS = {LinkState.SAME: "same", LinkState.DIFFERS: "differs", LinkState.MUTABLE: "can be changed",
               LinkState.NOT_RECORDED: "named once", LinkState.UNKNOWN: "not known"}
_STANDS_AS = {LinkState.SAME: Verdict.PASS, LinkState.DIFFERS: Verdict.FAIL, LinkState.MUTABLE: Verdict.NOT_JUDGED,
              LinkState.NOT_RECORDED: Verdict.NOT_JUDGED, LinkState.UNKNOWN: Verdict.UNKNOWN}
_WIDE = 110
"""Cells from which every place has its own column."""


def lineage(view: View, width: int, rows: int) -> list[Line]:
    """A heading, then a row for each link: what runs first, the data last. Narrow: one place, the one that tells."""
    model = view.model
    found = model.lineage if model is not None else None
    if rows <= 0 or model is None:
        return []
    if found is None or not found.links:
        return [line((" LINEAGE", Role.HEADING), ("  nothing is known of it yet", Role.DIM))][:rows]
    columns = _columns(found.links, width)
    out = [_heading(view, found, model.notebook_version).fitted(width, view.look.ellipsis)]
    if width >= _WIDE:
        out.append(line(titles(columns, view.look.say)).fitted(width, view.look.ellipsis))
    for link in found.links:
        out += _row(view, link, columns, width)
    return out[:rows]


def _heading(view: View, found: Lineage, version: str) -> Line:
    counts = [(sum(link.state is state for link in found.links), state) for state in LinkState]
    said = [line((", " if number else "  ", Role.DIM), (f"{count} {_counted(state, count)}", _role(state)))
            for number, (count, state) in enumerate(each for each in counts if each[0])]
    read = f"  registry as of {second_of_day(found.read_at, view.now)}" if found.read_at is not None else (
        "  the registry is not known")
    return line((" LINEAGE", Role.HEADING), (f"  of version {view.look.say(version)}", Role.DIM), *said,
                (read, Role.DIM))


def _counted(state: LinkState, count: int) -> str:
    return "differ" if state is LinkState.DIFFERS and count > 1 else STATE_WORDS[state]


def _role(state: LinkState) -> Role:
    verdict = _STANDS_AS[state]
    return VERDICT_ROLES[verdict] if verdict in (Verdict.FAIL, Verdict.UNKNOWN) else Role.DIM


def _columns(found: Sequence[LineageLink], width: int) -> list[Column]:
    kind = Column("", 1, gap=1), Column("", 8, gap=1)
    longest = max(cell_len(link.name) for link in found)
    if width < _WIDE:
        name = min(longest, max(12, width // 4))
        return [*kind, Column("", name, gap=1), Column("", max(10, width - name - 31)), Column("", 14)]
    name = min(longest, 30)
    place = max(12, min(34, (width - name - 36) // 3))
    return [*kind, Column("", name, gap=1), Column("promised", place), Column("recorded", place),
            Column("running", place), Column("", 14)]


def _row(view: View, link: LineageLink, columns: Sequence[Column], width: int) -> list[Line]:
    verdict = _STANDS_AS[link.state]
    role = _role(link.state)
    glyph: Cell = (view.look.glyph(verdict), role)
    places = [link.promised, link.recorded, link.running]
    wide = len(columns) > 5
    if not wide:
        told = dict.fromkeys(place for place in places if place)
        places = [" / ".join(told)]
    name = ending(view.look.say(link.name), columns[2].width, view.look.ellipsis)
    cells: list[Cell] = [glyph, (link.kind, Role.PLAIN), (name, Role.PLAIN)]
    for number, place in enumerate(places):
        text = ending(view.look.say(place), columns[3 + number].width, view.look.ellipsis) if place else "-"
        cells.append((text, Role.PLAIN if place else Role.DIM))
    state = STATE_WORDS[link.state]
    head = row(columns[:-1], cells, view.look.say, view.look.ellipsis)
    beside = f"{state}: {link.note}" if link.note else state
    if head.width + 2 + cell_len(view.look.say(beside)) <= width or not link.note:
        return [line(head, "  ", (view.look.say(beside), role)).fitted(width, view.look.ellipsis)]
    return [line(head, "  ", (state, role)).fitted(width, view.look.ellipsis),
            *(line(" " * 12, (text, role)) for text in wrap(view.look.say(link.note), max(10, width - 13)))]
