"""The timeline of an incident: what happened, when, and who or what says so; the newest last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Line, Role, line, wrap
from triage.tui.view import View, window_of

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the incident's modules.
    from triage.incident.incident import Incident
    from triage.incident.words import Told

_WORDS = {"fail": Verdict.FAIL, "failed": Verdict.FAIL, "firing": Verdict.FAIL, "down": Verdict.UNKNOWN,
          "unknown": Verdict.UNKNOWN, "error": Verdict.UNKNOWN, "partial": Verdict.UNKNOWN, "warn": Verdict.WARN,
          "pass": Verdict.PASS, "passed": Verdict.PASS, "done": Verdict.PASS,
          "done but not recovered": Verdict.WARN, "refused": Verdict.WARN}
_MARKED = frozenset({"alert", "verdict", "source", "step", "cell", "action"})
_INDENT = 9


def timeline(view: View, incident: Incident, width: int, rows: int, selected: str = "") -> list[Line]:
    """The newest rows that fit, under a heading; those around ``selected`` (the id of an entry) where one is."""
    from triage.incident.words import told
    found = told(incident)
    if rows <= 0:
        return []
    room = rows - 1
    place = next((n for n, each in enumerate(found) if each.row.entry.id == selected), None) if selected else None
    shown = _fitting(view, found, width, room, place)
    hidden = f"  {shown.start + 1} to {shown.stop} of {len(found)}" if len(shown) < len(found) else ""
    out = [line(" ", ("TIMELINE", Role.HEADING), (hidden, Role.DIM)).fitted(width, view.look.ellipsis)]
    for number in shown:
        out += _row(view, found[number], width, chosen=number == place)
    return out[:rows]


def column(view: View, width: int, rows: int) -> list[Line]:
    """The newest rows of the incident that is open, below the runbook; nothing without one."""
    incident = view.board.open if view.board is not None else None
    if incident is None or rows < 4:
        return []
    bar: tuple[str, Role] = (view.look.pick(" │", " |"), Role.RULE)
    head = line(" ", ("TIMELINE ", Role.HEADING), incident.id, ("  5 all of it", Role.DIM))
    found = timeline(view, incident, width - 2, rows - 1)[1:]
    return [line(bar), *(line(bar, each).fitted(width, view.look.ellipsis) for each in (head, *found))]


def _fitting(view: View, found: Sequence[Told], width: int, room: int, place: int | None) -> range:
    """Which rows there is room for: texts may take two lines, and the last ones count most."""
    if place is not None:
        # Where one is selected, each row has a line of its own but for the selected one.
        return window_of(len(found), place, max(1, room - 3))
    left, first = room, len(found)
    while first > 0:
        left -= len(_row(view, found[first - 1], width))
        if left < 0:
            break
        first -= 1
    return range(first, len(found))


def _row(view: View, told: Told, width: int, *, chosen: bool = False) -> list[Line]:
    entry = told.row.entry
    sign, role = _mark(view, str(entry.kind), entry.state, entry.details.get("urgency", ""))
    at = wording.clock_time(told.row.at, view.now)
    until = f" to {wording.clock_time(told.until, view.now)}" if told.until is not None else ""
    cursor = line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")
    head = line(cursor, (f"{at}{until} ", Role.ACCENT if chosen else Role.DIM), (sign, role), " ")
    texts = wrap(view.look.say(told.text), max(10, width - head.width - 1))
    kept = texts if chosen else texts[:2]
    plain = Role.STRONG if str(entry.kind) in ("decision", "action", "closed") else Role.PLAIN
    out = [line(head if not number else " " * min(_INDENT, head.width), (text, plain))
           for number, text in enumerate(kept)]
    if len(kept) < len(texts):
        out[-1] = line(out[-1], view.look.ellipsis)
    return [each.fitted(width, view.look.ellipsis) for each in out]


def _mark(view: View, kind: str, state: str, urgency: str) -> tuple[str, Role]:
    """One cell that says at a glance whether it was good or bad; a blank for what is neither."""
    if kind not in _MARKED:
        return " ", Role.PLAIN
    verdict = _WORDS.get(state.partition(",")[0])
    if verdict is None:
        return " ", Role.PLAIN
    if kind == "alert" and urgency != "page":
        verdict = Verdict.WARN
    return view.look.glyph(verdict), VERDICT_ROLES[verdict]
