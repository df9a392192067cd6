"""The commander's view: state, roles, impact now against before, what changed, what is believed, done and missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.layout import Need, allot
from triage.tui.line import BLANK, VERDICT_ROLES, Column, Line, Role, line, row, wrap
from triage.tui.panels.timeline import timeline
from triage.tui.view import View

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the incident's modules.
    from triage.incident.incident import Handoff, Incident
    from triage.incident.session import Board
    from triage.incident.times import NamedTime

BESIDE_FROM = 110
"""Cells from which the timeline stands beside the rest."""
_PRIORITY = ("head", "handoff", "timeline", "impact", "believed", "done", "needs", "changed")
_SIGNS = {"open": Verdict.PENDING, "confirmed": Verdict.PASS, "refuted": Verdict.FAIL}
_ROLES = {"commander": "commander", "operations": "operations", "communication": "comms", "scribe": "scribe"}
_LABEL = 10
"""Cells of the labels."""


class Pick(NamedTuple):
    """Something that can be selected."""

    kind: str
    """``handoff``, ``hypothesis``, ``need`` or ``entry``."""
    id: str


def picks(board: Board | None) -> tuple[Pick, ...]:
    """What can be selected, in the order of the screen."""
    if board is None or board.incident is None:
        return ()
    from triage.incident.words import told
    incident = board.incident
    given = incident.pending_handoff
    return (*([Pick("handoff", given.id)] if given is not None else []),
            *(Pick("hypothesis", item.id) for item in incident.hypotheses),
            *(Pick("need", need.id) for need in incident.open_needs),
            *(Pick("entry", each.row.entry.id) for each in told(incident)))


def side_cells(width: int) -> int:
    """Cells of the column with the timeline; 0 where it stands below."""
    return max(48, width * 2 // 5) if width >= BESIDE_FROM else 0


def beside(view: View, board: Board, chosen: Pick | None, width: int, rows: int) -> list[Line]:
    """The timeline in a column of its own, behind a thin divider."""
    bar: tuple[str, Role] = (view.look.pick("│", "|"), Role.RULE)
    incident = board.incident
    content = [] if incident is None else timeline(view, incident, width - 2, rows, _entry(chosen))
    return [line(bar, each) for each in [*content, *[BLANK] * max(0, rows - len(content))]]


def commander(view: View, board: Board | None, chosen: Pick | None, width: int, rows: int, *,
              with_timeline: bool) -> list[Line]:
    """All of it in at most ``rows`` rows, the most important first."""
    if board is None or board.incident is None:
        return _none(view, board, width)
    incident = board.incident
    parts: dict[str, Callable[[int], list[Line]]] = {
        "head": lambda most: _head(view, board, incident, width, with_timeline),
        "handoff": lambda most: _handoff(view, incident.pending_handoff, chosen, width),
        "impact": lambda most: _impact(view, width)[:most],
        "changed": lambda most: _changed(view, incident, width)[:most],
        "believed": lambda most: _believed(view, incident, chosen, width, most),
        "done": lambda most: _done(view, incident, width, most),
        "needs": lambda most: _needs(view, incident, chosen, width)[:most],
        "timeline": lambda most: timeline(view, incident, width, most, _entry(chosen)) if with_timeline else []}
    full = {name: len(make(99)) for name, make in parts.items()}
    needs = [Need(name, *_wants(name, full[name]), spaced=name in ("handoff", "impact", "changed", "timeline"))
             for name in parts]
    out: list[Line] = []
    for name, place in allot(rows, needs, _PRIORITY).items():
        if place.rows:
            out += [BLANK] * place.space + parts[name](place.rows)[:place.rows]
    return out


def _wants(name: str, full: int) -> tuple[int, int, int]:
    """(least, wanted, most) rows of a part."""
    match name:
        case "head" | "handoff":
            return full, full, full
        case "timeline":
            return min(5, full), min(8, full), full
        case "impact":
            return min(2, full), min(4, full), full
        case _:
            return min(1, full), min(3, full), full


def _entry(chosen: Pick | None) -> str:
    return chosen.id if chosen is not None and chosen.kind == "entry" else ""


def _none(view: View, board: Board | None, width: int) -> list[Line]:
    if board is None:
        return [line(" ", ("no model is shown" if view.model is None else "the incidents are being read", Role.DIM))]
    calls = board.wanted
    first = "this calls for an incident" if calls else f"no incident of {board.model} is open"
    out = [line(" ", (first, Role.WARN if calls else Role.PLAIN)), BLANK,
           line(" ", ("o", Role.ACCENT), "  opens one, with what is known of its last two hours: alerts, deployments,"),
           line("    verdicts, steps of the runbook, cells and actions; then it writes itself")]
    out += [line(" ", (text, Role.WARN)) for said in (board.trouble, *board.unread) if said
            for text in wrap(view.look.say(said), width - 2)]
    return [each.fitted(width, view.look.ellipsis) for each in out]


def _head(view: View, board: Board, incident: Incident, width: int, narrow: bool) -> list[Line]:
    from triage.incident.times import named_times
    from triage.incident.update import phase
    from triage.incident.words import short
    times = named_times(incident)
    begun = next((time.at for time in times if time.at is not None), incident.opened_at) or view.now
    ended = incident.closing.at if incident.closing is not None else view.now
    state = phase(incident)
    first = line(" ", (incident.id, Role.STRONG), " ", (state, Role.FAIL if state == "open" else Role.STRONG),
                 f"  {wording.coarse_age(max(0.0, ended - begun))}", ("  " if incident.is_open else "", Role.DIM))
    if incident.is_open:
        first = line(first, _due(view, incident))
        on = ", ".join(short(who) for who in incident.people) or "nobody"
        first = line(first, ("   on ", Role.DIM), on)
    elif incident.closing is not None:
        first = line(first, ("  ", Role.DIM), f"{incident.closing.state}: {incident.closing.text}")
    title = [line(" ", view.look.say(incident.title))] if narrow else [
        line(" ", text) for text in wrap(view.look.say(incident.title), width - 2)[:2]]
    roles = line(*(line(" " if not number else "   ", (f"{word} ", Role.DIM),
                        (short(incident.roles.get(role, "-")), Role.PLAIN if role in incident.roles else Role.DIM))
                   for number, (role, word) in enumerate(_ROLES.items())))
    out = [first, *title, roles, *_times(view, times, width)]
    out += [line(" ", (text, Role.WARN)) for said in (board.trouble, *board.unread) if said
            for text in wrap(view.look.say(said), width - 2)[:3]]
    return [each.fitted(width, view.look.ellipsis) for each in out]


def _due(view: View, incident: Incident) -> Line:
    left = incident.update_due_at - view.now
    if left < 0:
        return line((f"update late by {wording.coarse_age(-left)}", Role.FAIL))
    return line(("next update in ", Role.DIM), wording.coarse_age(left))


def _times(view: View, times: tuple[NamedTime, ...], width: int) -> list[Line]:
    """The named times, ``~`` before those that are only likely, in as many rows as they need."""
    out: list[Line] = []
    current = line()
    for time in times:
        known = "-" if time.at is None else f"{'~' if time.estimate else ''}{wording.clock_time(time.at, view.now)}"
        part = line((f"{time.name} ", Role.DIM), (known, Role.PLAIN if time.at is not None else Role.DIM))
        if current.spans and current.width + part.width + 4 > width:
            out.append(current)
            current = line()
        current = line(current, "   " if current.spans else " ", part)
    return [*out, current]


def _handoff(view: View, given: Handoff | None, chosen: Pick | None, width: int) -> list[Line]:
    if given is None:
        return []
    mine = chosen == Pick("handoff", given.id)
    out = [line(_cursor(view, chosen=mine), ("HAND-OFF ", Role.HEADING),
                (f"{given.giver} to {given.receiver}, not accepted: it stays with {given.giver}", Role.WARN)),
           line("   ", ("enter" if mine else "h", Role.ACCENT), " reads it, then accepts it")]
    return [each.fitted(width, view.look.ellipsis) for each in out]


def _impact(view: View, width: int) -> list[Line]:
    if view.model is None:
        return []
    from triage.incident.impact import impact
    found = impact(view.model)
    if not found:
        return []
    name = min(30, max(len(item.name) for item in found))
    table = (Column("", 1, gap=0), Column("", name, gap=1), Column("", 11, "right", 1), Column("", 11, "right", 1),
             Column("", 24, gap=2))
    out = []
    for item in found:
        fresh = item.fresh and not view.is_silent
        now = item.now if fresh or item.now == "-" else f"({item.now})"
        role = VERDICT_ROLES[item.verdict]
        before = (f"{item.what_before} {item.before}" if item.before != "-" else "", Role.DIM)
        events = (f"n {item.n}" if item.n != "-" else "", Role.DIM)
        out.append(row(table, [(view.look.glyph(item.verdict), role), item.name, (now, role if fresh else Role.STALE),
                               events, before], view.look.say, view.look.ellipsis))
    return _labelled(view, "IMPACT", out, width)


def _changed(view: View, incident: Incident, width: int) -> list[Line]:
    from triage.incident.impact import changes
    found = changes(incident, view.model, view.now)
    out = [line((f"{wording.clock_time(change.at, view.now)} ", Role.DIM), change.text) for change in found]
    return _labelled(view, "CHANGED", out or [line(("nothing that is known, in 2 h", Role.DIM))], width)


def _believed(view: View, incident: Incident, chosen: Pick | None, width: int, most: int) -> list[Line]:
    # Where not all have room: those that are open, then the newest.
    kept = sorted(incident.hypotheses, key=lambda item: (chosen != Pick("hypothesis", item.id), item.state != "open",
                                                         -item.number))[:max(1, most)]
    out, mine_at = [], None
    for number, item in enumerate(sorted(kept, key=lambda item: item.number)):
        mine = chosen == Pick("hypothesis", item.id)
        mine_at = number if mine else mine_at
        verdict = _SIGNS[item.state]
        why = f": {item.why}" if item.why else ""
        role = Role.ACCENT if mine else Role.DIM if item.state == "refuted" else Role.PLAIN
        out.append(line((view.look.glyph(verdict), VERDICT_ROLES[verdict]), (f" {item.number} {item.text}", role),
                        (f"  {item.state}{why}", Role.DIM), ("  enter settles it" if mine else "", Role.DIM)))
    return _labelled(view, "HYPOTHESES", out or [line(("none; n, then ? first, writes one", Role.DIM))], width, mine_at)


def _done(view: View, incident: Incident, width: int, most: int) -> list[Line]:
    from triage.incident.words import short
    out = []
    for deed in sorted(incident.deeds, key=lambda each: (each.over, -each.at))[:max(1, most)]:
        bad = deed.state in ("failed", "unknown", "done but not recovered")
        role = Role.PASS if deed.state == "done" else Role.FAIL if bad else Role.WARN
        sign = Verdict.PASS if deed.state == "done" else Verdict.FAIL if bad else Verdict.PENDING
        out.append(line((view.look.glyph(sign), role), f" {deed.title}  ", (deed.state, role),
                        (f" {wording.clock_time(deed.at, view.now)}, {short(deed.by)}", Role.DIM)))
    return _labelled(view, "ACTIONS", out or [line(("nothing was changed; a opens the menu", Role.DIM))], width)


def _needs(view: View, incident: Incident, chosen: Pick | None, width: int) -> list[Line]:
    blocked = [] if view.sheet is None else [standing for standing in view.sheet.standings
                                             if str(standing.state) == "blocked"]
    out, mine_at = [], None
    for number, need in enumerate(incident.open_needs):
        mine = chosen == Pick("need", need.id)
        mine_at = number if mine else mine_at
        out.append(line((f"{need.number} {need.text}", Role.ACCENT if mine else Role.WARN),
                        ("  enter says how it was met" if mine else "", Role.DIM)))
    for standing in blocked:
        out.append(line((view.look.glyph(Verdict.UNKNOWN), Role.UNKNOWN),
                        f" step {standing.step.number} {standing.step.title} cannot be decided"))
    return _labelled(view, "NEEDS", out, width, mine_at) if out else []


def _labelled(view: View, label: str, content: list[Line], width: int, chosen: int | None = None) -> list[Line]:
    """``content`` beside its label; the cursor stands before the row that is ``chosen``."""
    out = []
    for number, text in enumerate(content):
        head = line(" ", (f"{label if not number else '':<{_LABEL}}", Role.HEADING))
        out.append(line(head, _cursor(view, chosen=number == chosen), text).fitted(width, view.look.ellipsis))
    return out


def _cursor(view: View, *, chosen: bool) -> Line:
    return line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")
