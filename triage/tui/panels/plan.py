"""A plan before it is carried out: what it sends, every guard, what has to be typed, and what can be chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.tui.line import BLANK, Line, Role, line, wrap

if TYPE_CHECKING:
    from triage.actions.guards.checking import Checked
    from triage.actions.plan import Plan, Request, State
    from triage.actions.steps import Prepared
    from triage.actions.system import Rehearsal
    from triage.tui.look import Look

WITHOUT = "without "
"""What is typed before the name of a guard that is acknowledged."""
PERSONS = "persons"
"""The guard that asks for other persons."""
_LABEL = 9
_DETAIL_ROWS = 6
"""A change among the details has at most the room of so many rows."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """What the dialog shows."""

    title: str
    prepared: Prepared | None
    """None while the plan is made, and where there is none."""
    refusal: tuple[str, str] | None = None
    """(why there is no plan, what to do); None while there may be one."""
    acknowledged: frozenset[str] = frozenset()
    """Guards that were acknowledged."""
    break_glass: str = ""
    """Why guards are overridden; "" when none is."""
    typed: str = ""
    said: str = ""
    """What the last key led to, where it led to nothing; "" otherwise."""
    details: bool = False
    """Whether everything is shown: differences, preconditions, the guards that let it pass."""
    expires_in: float = 0.0
    """Seconds."""
    has_versions: bool = False
    """Whether another version can be named to go to."""
    approves: bool = False
    """Whether it is the plan of another person: then nothing of it can be changed here."""
    focus: str = "cancel"
    """The button that enter presses while nothing is typed."""

    @property
    def stops(self) -> tuple[Checked, ...]:
        """The guards that stop it, with glass broken where it is."""
        if self.prepared is None:
            return ()
        return tuple(each for each in self.prepared.stops if not (each.breakable and self.break_glass))

    @property
    def wanted(self) -> str:
        """What has to be typed next; "" when nothing has to be."""
        if self.prepared is None or self.stops or self.expires_in <= 0:
            return ""
        missing = [word for word in self.prepared.acknowledgements if word not in self.acknowledged]
        return f"{WITHOUT}{missing[0]}" if missing else self.prepared.plan.confirmation

    @property
    def buttons(self) -> tuple[str, ...]:
        """What can be chosen, from left to right."""
        if self.prepared is None:
            return ("cancel", "version") if self.refusal is not None and self.has_versions else ("cancel",)
        if self.expires_in <= 0:
            return ("cancel", "make it again", "details")
        more: list[str] = ["details"]
        waits = [each for each in self.prepared.acknowledgements if each not in self.acknowledged]
        if not self.stops and not waits and not self.prepared.plan.confirmation:
            more.insert(0, str(self.prepared.plan.action))
        if self.stops and all(each.breakable for each in self.stops):
            more.append("break glass")
        lacks = any(each.name == PERSONS for each in self.stops)
        if lacks if self.approves else self.prepared.plan.action not in _ALONE:
            more.append("share for approval")
        if self.has_versions:
            more.append("version")
        return ("cancel", *more) if self.approves else ("cancel", *more, "reason")


_ALONE = frozenset({"pause", "abort", "rollback", "scale", "silence", "expire-silence"})
"""Actions that need no second person."""


def content(dialog: Dialog, look: Look, width: int, most: int) -> list[Line]:
    """The plan, its difference, who feels it and every guard: what stops it first, then what has to be known; what
    lets it pass by name. In ``most`` rows where that is possible: what is said at length is shortened, in an order in
    which nothing that decides goes. All of it is among the details."""
    if dialog.refusal is not None:
        message, hint = dialog.refusal
        rows = [line((text, Role.FAIL)) for text in wrap(look.say(f"not possible: {message}"), width)]
        return [*rows, *(line((text, Role.DIM)) for text in wrap(look.say(hint), width) if hint)]
    if dialog.prepared is None:
        return [line(("the target is read, the plan is rehearsed, every guard is asked", Role.DIM))]
    parts = _parts(dialog, dialog.prepared, look, width)
    if not dialog.details:
        shorten(parts, _SHORTER, most)
    said, decided, known = ([row for name in names for row in parts[name][0]] for names in _SECTIONS)
    return [*said, BLANK, *decided, BLANK, *known]


Parts = dict[str, list[list[Line]]]
"""Rows by name, in versions from the longest to the shortest; the first is shown."""
_SECTIONS = (("target", "from", "to", "requests", "touches"), ("guards", "warnings", "passing"),
             ("undo", "path", "after", "by"))
_SHORTER = ("by", "after", "path", "undo", "by", "requests", "from", "to", "warnings", "requests", "guards")
"""What is shortened first, where not all rows fit."""


def shorten(parts: Parts, order: Sequence[str], most: int) -> None:
    """Drop the longest versions of ``parts``, in that order, until what is left fits into ``most`` rows."""
    for name in order:
        if sum(len(versions[0]) for versions in parts.values()) <= most:
            return
        if len(parts[name]) > 1:
            del parts[name][0]


def _parts(dialog: Dialog, prepared: Prepared, look: Look, width: int) -> Parts:
    from triage.report.actions import after, persons
    plan = prepared.plan
    reason, by = plan.reason or "none given", persons(prepared)

    def short(label: str, text: str) -> list[list[Line]]:
        return [_fact(label, text, look, width, most) for most in (0, 1)]
    return {
        "target": [_target(plan, look, width)],
        "from": _standing("from", plan.before, dialog, look, width),
        "to": _standing("to", plan.after, dialog, look, width),
        "requests": ([_in_full(prepared, look, width)] if dialog.details else
                     [_requests(prepared, look, width, changes) for changes in (2, 1, 0)]),
        "touches": [_fact("touches", plan.blast_radius.sentence, look, width, 0)],
        "guards": [_deciding(dialog, prepared, look, width, asks=asks) for asks in (True, False)],
        "warnings": [_warnings(prepared, look, width, most) for most in (0, 1)],
        "passing": [_passing(dialog, prepared, look, width)],
        "undo": short("undo", plan.inverse),
        # What the controller does is often all that is to say of where it leads.
        "path": [[]] if plan.path == plan.after.text else short("path", plan.path),
        "after": short("after", after(prepared)),
        "by": [[*_fact("actor", by, look, width, 1), *_fact("reason", reason, look, width, most)]
               for most in (0, 1)] + [_fact("by", f"{by}: {reason}", look, width, 1)]}


def _target(plan: Plan, look: Look, width: int) -> list[Line]:
    marker = "PRODUCTION" if plan.target.production else ""
    rows = wrap(f"{look.say(plan.target.sentence())} {marker}".rstrip(), width)
    last = rows[-1].removesuffix(marker) if marker else rows[-1]
    return [*(line(row) for row in rows[:-1]), line(last, (marker, Role.PRODUCTION))]


def _standing(label: str, state: State, dialog: Dialog, look: Look, width: int) -> list[list[Line]]:
    from triage.report.actions import image, standing
    told = image(state) if dialog.details else ""
    more = _fact("", told, look, width, 0, Role.DIM) if told else []
    return [[*_fact(label, standing(state), look, width, most), *more] for most in (0, 1)]


def _in_full(prepared: Prepared, look: Look, width: int) -> list[Line]:
    """Every request with what it rests on, and all that it changes."""
    out: list[Line] = []
    for label, request, rehearsal in _numbered(prepared):
        out += _fact(label, request.sentence, look, width, 0)
        out += _fact("", f"{request.method} {request.path}", look, width, 0, Role.DIM)
        out += _fact("", f"does: {request.effect}", look, width, 0)
        for each in request.preconditions:
            out += _fact("", f"if {each.sentence}", look, width, 0, Role.DIM)
        out += _fact("", f"rehearsed: {rehearsal.message}", look, width, 0, Role.DIM)
        for row in rehearsal.diff:
            out += _fact("", _in_cells(row, _DETAIL_ROWS * (width - _LABEL), look), look, width, 0, Role.ACCENT)
    return out


def _requests(prepared: Prepared, look: Look, width: int, most: int) -> list[Line]:
    """Every request with the ``most`` changes that matter of those that the server says it would make; with 0 each
    request and its first change in one row."""
    out: list[Line] = []
    room = width - _LABEL
    for label, request, rehearsal in _numbered(prepared):
        found = changes(request.sentence, rehearsal.diff)
        if not found:
            # The systems without a dry run say in the sentence itself what becomes what.
            out += _fact(label, request.sentence, look, width, 2 if most else 1)
        elif most == 0:
            # "patch rollouts/status fraud-scorer  abort -> true": of which object is the second word.
            head = look.say(f"{' '.join(request.sentence.split()[1:2])}: ")
            more = f", {len(found) - 1} more" if len(found) > 1 else ""
            text = _in_cells(found[0], room - cell_len(head) - len(more), look)
            if text.endswith(look.ellipsis) or f"{look.ellipsis} -> " in text:
                # What became what is cut: it needs the room of the object's name.
                head, text = "", _in_cells(found[0], room - len(more), look)
            text = f"{head}{text}{more}"
            out += _fact(label, text, look, width, 1)
        else:
            out += _fact(label, request.sentence, look, width, 1)
            hidden = len(found) - most
            for number, change in enumerate(found[:most], 1):
                more = f", {hidden} more" if number == most and hidden > 0 else ""
                out += _fact("", _in_cells(change, room - len(more), look) + more, look, width, 1, Role.ACCENT)
    return out


def _numbered(prepared: Prepared) -> Iterator[tuple[str, Request, Rehearsal]]:
    count = len(prepared.plan.requests)
    for number, (request, rehearsal) in enumerate(zip(prepared.plan.requests, prepared.rehearsals, strict=True), 1):
        yield "sends" if count == 1 else f"{number} of {count}", request, rehearsal


def changes(sentence: str, diff: Sequence[str]) -> list[str]:
    """The lines of a rehearsal's difference as ``spec.paused false -> true``, what the object is about before its
    labels, and these before what triage writes down on it; without what the request's ``sentence`` says itself."""
    found = [row.replace(": ", " ", 1) for row in diff if row != sentence]
    return sorted(found, key=lambda row: (row.startswith("metadata."), ".labels" in row or ".annotations" in row))


def _in_cells(change: str, room: int, look: Look) -> str:
    """A change in ``room`` cells. In ASCII other letters are spelt out: as ``?`` all would be the same."""
    from triage.actions.told_apart import shortened
    text = change.encode("ascii", "backslashreplace").decode() if look.ascii else change
    return shortened(text, room, look.ellipsis, cell_len)


def _deciding(dialog: Dialog, prepared: Prepared, look: Look, width: int, *, asks: bool) -> list[Line]:
    """The guards that do not simply let it pass, with their sentences in full. ``asks``: also with what has to be
    typed for them, which the row to type in says, too."""
    from triage.actions.guards.checking import Verdict as Found
    from triage.report.actions import VERDICTS
    out: list[Line] = []
    order = sorted(prepared.checked, key=lambda each: (not each.stops, not each.acknowledgement,
                                                       each.verdict is Found.OK))
    for each in order:
        if each.verdict is Found.OK and not dialog.details:
            continue
        text = f"{each.name}: {each.sentence}"
        if each.acknowledgement in dialog.acknowledged:
            text += "; acknowledged"
        elif each.acknowledgement and asks:
            text += f'; type "{WITHOUT}{each.acknowledgement}" to go on without it'
        elif each.stops and each.breakable and dialog.break_glass:
            text += f"; OVERRIDDEN: {dialog.break_glass}"
        out += _marked(look.mark(VERDICTS[each.verdict]), text, look, width, 0)
    return out


def _warnings(prepared: Prepared, look: Look, width: int, most: int) -> list[Line]:
    from triage.signals.reading import Verdict
    return [row for text in prepared.plan.warnings
            for row in _marked(look.mark(Verdict.WARN), text, look, width, most)]


def _passing(dialog: Dialog, prepared: Prepared, look: Look, width: int) -> list[Line]:
    """The names of the guards that let it pass."""
    from triage.actions.guards.checking import Verdict as Found
    from triage.signals.reading import Verdict
    names = [each.name for each in prepared.checked if each.verdict is Found.OK]
    if not names or dialog.details:
        return []
    return _marked(look.mark(Verdict.PASS), f"pass: {', '.join(names)}", look, width, 0, Role.DIM)


def _marked(mark: Line, text: str, look: Look, width: int, most: int, role: Role = Role.PLAIN) -> list[Line]:
    """A text behind its mark in at most ``most`` rows; 0: as many as it takes."""
    rows = _at_most(wrap(look.say(text), max(8, width - mark.width)), most)
    return [line(mark if not number else " " * mark.width, (row, role)).fitted(width, look.ellipsis)
            for number, row in enumerate(rows)]


def _fact(label: str, text: str, look: Look, width: int, most: int, role: Role = Role.PLAIN) -> list[Line]:
    """A label and its text in at most ``most`` rows; 0: as many as it takes."""
    rows = _at_most(wrap(look.say(text), max(8, width - _LABEL)), most)
    return [line((f"{label if not number else '':<{_LABEL}}", Role.DIM), (row, role)).fitted(width, look.ellipsis)
            for number, row in enumerate(rows)]


def _at_most(rows: list[str], most: int) -> list[str]:
    """What does not fit into ``most`` rows stands at the end of the last, to be cut where it is drawn."""
    return rows if not most or len(rows) <= most else [*rows[:most - 1], " ".join(rows[most - 1:])]


def prompt(dialog: Dialog, look: Look, width: int) -> Line:
    """What has to be typed, what was typed so far, and how long the plan still holds."""
    if dialog.prepared is None:
        return line((dialog.said, Role.WARN)) if dialog.said else BLANK
    if dialog.expires_in <= 0:
        left = line(("the plan has expired: make it again", Role.WARN))
        return left.fitted(width, look.ellipsis)
    clock = line((f"expires {dialog.expires_in:.0f} s", Role.DIM if dialog.expires_in > 30 else Role.WARN))
    room = width - clock.width - 1
    if dialog.said:
        left = line((look.say(dialog.said), Role.WARN))
    elif dialog.stops:
        left = line((f"stopped by {', '.join(each.name for each in dialog.stops)}", Role.FAIL))
    elif dialog.wanted:
        wanted, typed = look.say(dialog.wanted), (look.say(dialog.typed), Role.STRONG)
        blank = "_" * max(0, len(dialog.wanted) - len(dialog.typed))
        left = line(f"type {wanted}", (" to go on: ", Role.DIM), typed, (blank, Role.DIM))
        if left.width > room:
            # What to type is said in full before anything else is.
            left = line(f"type {wanted}", (": ", Role.DIM), typed)
        if left.width > room:
            return left.fitted(width, look.ellipsis)
    else:
        left = line((f"tab to [{dialog.buttons[1]}], then enter", Role.DIM))
    left = left.fitted(room, look.ellipsis)
    return line(left, " " * (width - left.width - clock.width), clock)


def buttons(names: Sequence[str], focus: str, look: Look, width: int) -> Line:
    """The buttons, the one that enter presses marked."""
    parts: list[Line] = []
    for name in names:
        parts.append(line("  " if parts else "", (f"[{name}]", Role.ACCENT if name == focus else Role.DIM)))
    keys = line(("   tab, enter; esc leaves", Role.DIM))
    row = line(*parts)
    return (row + keys if row.width + keys.width <= width else row).fitted(width, look.ellipsis)
