"""A plan before it is carried out: what it sends, every guard, what has to be typed, and what can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.tui.line import BLANK, Line, Role, line, wrap

if TYPE_CHECKING:
    from triage.actions.guards.checking import Checked
    from triage.actions.steps import Prepared
    from triage.tui.look import Look

WITHOUT = "without "
"""What is typed before the name of a guard that is acknowledged."""
PERSONS = "persons"
"""The guard that asks for other persons."""
_LABEL = 9
_WIDE = 90
_MOST_ROWS = 3
"""Of a guard's sentence, where not everything is shown."""


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


def content(dialog: Dialog, look: Look, width: int) -> list[Line]:
    """The plan and its guards: what stops it first, then what has to be known; what lets it pass in one row."""
    if dialog.refusal is not None:
        message, hint = dialog.refusal
        rows = [line((text, Role.FAIL)) for text in wrap(look.say(f"not possible: {message}"), width)]
        return [*rows, *(line((text, Role.DIM)) for text in wrap(look.say(hint), width) if hint)]
    if dialog.prepared is None:
        return [line(("the target is read, the plan is rehearsed, every guard is asked", Role.DIM))]
    return [*_plan(dialog, dialog.prepared, look, width), *_guards(dialog, dialog.prepared, look, width),
            *_after(dialog.prepared, look, width)]


def _plan(dialog: Dialog, prepared: Prepared, look: Look, width: int) -> list[Line]:
    from triage.report.actions import standing
    plan = prepared.plan
    marker = " PRODUCTION" if plan.target.production else ""
    out = [line(look.say(plan.target.sentence()), (marker, Role.PRODUCTION)).fitted(width, look.ellipsis)]
    out += _fact("from", standing(plan.before), look, width, 1)
    out += _fact("to", standing(plan.after), look, width, 1)
    count = len(plan.requests)
    for number, (request, rehearsal) in enumerate(zip(plan.requests, prepared.rehearsals, strict=True), 1):
        label = "sends" if count == 1 else f"{number} of {count}"
        out += _fact(label, request.sentence, look, width, 0 if dialog.details else 1)
        if dialog.details:
            out += _fact("", f"{request.method} {request.path}", look, width, 0, Role.DIM)
            out += _fact("", f"does: {request.effect}", look, width, 0)
            for each in request.preconditions:
                out += _fact("", f"if {each.sentence}", look, width, 0, Role.DIM)
            out += _fact("", f"rehearsed: {rehearsal.message}", look, width, 0, Role.DIM)
        for row in rehearsal.diff if dialog.details else ():
            out += _fact("", row, look, width, 0, Role.ACCENT)
    most = 0 if dialog.details else 2
    out += _fact("touches", plan.blast_radius.sentence, look, width, most)
    out += _fact("path", plan.path, look, width, most or 1)
    out += _fact("undo", plan.inverse, look, width, most or 1)
    return out


def _guards(dialog: Dialog, prepared: Prepared, look: Look, width: int) -> list[Line]:
    from triage.actions.guards.checking import Verdict as Found
    from triage.report.actions import VERDICTS
    from triage.signals.reading import Verdict
    out: list[Line] = []
    order = sorted(prepared.checked, key=lambda each: (not each.stops, not each.acknowledgement,
                                                       each.verdict is Found.OK))
    passing = [each for each in order if each.verdict is Found.OK and not dialog.details]
    for each in (guard for guard in order if guard not in passing):
        text = f"{each.name}: {each.sentence}"
        if each.acknowledgement:
            done = each.acknowledgement in dialog.acknowledged
            text += "; acknowledged" if done else f'; type "{WITHOUT}{each.acknowledgement}" to go on without it'
        elif each.stops and each.breakable and dialog.break_glass:
            text += f"; OVERRIDDEN: {dialog.break_glass}"
        rows = wrap(look.say(text), max(8, width - 2))
        if not dialog.details and len(rows) > _MOST_ROWS:
            rows = [*rows[:_MOST_ROWS - 1], " ".join(rows[_MOST_ROWS - 1:])]
        mark = look.mark(VERDICTS[each.verdict])
        out += [line(mark if not number else "  ", row).fitted(width, look.ellipsis)
                for number, row in enumerate(rows)]
    warnings = prepared.plan.warnings
    for text in warnings:
        rows = wrap(look.say(text), max(8, width - 2))
        out += [line(look.mark(Verdict.WARN) if not number else "  ", row).fitted(width, look.ellipsis)
                for number, row in enumerate(rows)]
    if passing:
        names = f"{len(passing)} let it pass: {', '.join(each.name for each in passing)}"
        # All of them are among the details: where it is narrow, who acts and why has to fit below.
        rows = wrap(names, max(8, width - 2)) if width >= _WIDE else [names]
        out += [line(look.mark(Verdict.PASS) if not number else "  ", (row, Role.DIM)).fitted(width, look.ellipsis)
                for number, row in enumerate(rows)]
    return [BLANK, *out]


def _after(prepared: Prepared, look: Look, width: int) -> list[Line]:
    from triage.report.actions import after, persons
    plan = prepared.plan
    return [BLANK, *_fact("after", after(prepared), look, width, 2), *_fact("actor", persons(prepared), look, width, 1),
            *_fact("reason", plan.reason or "none given", look, width, 1)]


def _fact(label: str, text: str, look: Look, width: int, most: int, role: Role = Role.PLAIN) -> list[Line]:
    """A label and its text in at most ``most`` rows; 0: as many as it takes."""
    rows = wrap(look.say(text), max(8, width - _LABEL))
    if most and len(rows) > most:
        rows = [*rows[:most - 1], " ".join(rows[most - 1:])]
    return [line((f"{label if not number else '':<{_LABEL}}", Role.DIM), (row, role)).fitted(width, look.ellipsis)
            for number, row in enumerate(rows)]


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
        blank = "_" * max(0, len(dialog.wanted) - len(dialog.typed))
        left = line(f"type {dialog.wanted}", (" to go on: ", Role.DIM), (look.say(dialog.typed), Role.STRONG),
                    (blank, Role.DIM))
    else:
        left = line((f"tab to [{dialog.buttons[1]}], then enter", Role.DIM))
    left = left.fitted(room, look.ellipsis)
    return line(left, " " * (width - left.width - clock.width), clock)


def buttons(names: Sequence[str], focus: str, width: int) -> Line:
    """The buttons, the one that enter presses marked."""
    parts: list[Line] = []
    for name in names:
        parts.append(line("  " if parts else "", (f"[{name}]", Role.ACCENT if name == focus else Role.DIM)))
    keys = line(("   tab, enter; esc leaves", Role.DIM))
    row = line(*parts)
    return (row + keys if row.width + keys.width <= width else row).fitted(width)
