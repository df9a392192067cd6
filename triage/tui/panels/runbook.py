"""The runbook beside the panels: which steps are done, which is next, and what the checks say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import Line, Role, line, wrap
from triage.tui.view import Item, View, window_of

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the runbook's modules.
    from triage.runbook.path import Standing
    from triage.runbook.session import Sheet

_MARKS = {"passed": Verdict.PASS, "failed": Verdict.FAIL, "blocked": Verdict.UNKNOWN, "running": Verdict.PENDING,
          "not applicable": Verdict.NOT_JUDGED}
_QUIET = frozenset({"pending", "not applicable", "skipped"})
_LOOKS = frozenset({"assert", "query"})
_MINUTE_SECONDS = 60.0
_INDENT = 5
_STRIP_ROWS = 2


def mark(view: View, sheet: Sheet, standing: Standing) -> Line:
    """One cell that stands for the state of a step."""
    state = str(standing.state)
    if state in _MARKS:
        verdict = _MARKS[state]
        role = {Verdict.PASS: Role.PASS, Verdict.FAIL: Role.FAIL, Verdict.UNKNOWN: Role.UNKNOWN}.get(verdict, Role.DIM)
        return line((view.look.glyph(verdict), role))
    if state == "skipped":
        return line(("-", Role.DIM))
    if standing.step.id == sheet.current:
        return line((view.look.pick("▸", ">"), Role.ACCENT))
    return line(" ")


def invitation(standing: Standing, sheet: Sheet) -> str:
    """What enter does with the step; "" when it does nothing."""
    step, target = standing.step, sheet.standing(standing.leads_to)
    if standing.leads_to and target is not None and str(standing.state) in ("failed", "ready"):
        return f"go to {target.step.number}"
    if str(standing.state) not in ("ready", "failed"):
        return ""
    match step.kind:
        case "cell":
            return f"run {getattr(step.does, 'cell', '')}"
        case "action":
            goal = getattr(step.does, "to", "")
            return f"plan {getattr(step.does, 'action', '')}{' to ' + goal if goal else ''}"
    if str(standing.state) == "failed":
        return ""
    return {"note": "done", "ask": "answer", "approve": "say who agreed", "message": "copy the message"}.get(step.kind,
                                                                                                             "")


def details(view: View, sheet: Sheet, standing: Standing, *, whole: bool = False) -> list[tuple[str, Role]]:
    """What is to be said of a step under its title, most important first; ``whole``: also what is only of interest
    to whoever reads all of it."""
    out: list[tuple[str, Role]] = []
    step, state, record = standing.step, str(standing.state), standing.record
    left = standing.left_seconds(view.now) if sheet.why or sheet.begun else None
    budget = wording.span(step.budget_seconds or 0.0)
    if left is not None and left < 0:
        out.append((f"{wording.coarse_age(-left)} over its {budget}", Role.WARN))
    seen = sheet.seen.get(step.id)
    if seen is not None:
        out += _seen(view, standing, seen.said, seen.age_seconds(view.now))
    elif state == "skipped":
        out.append((f"skipped by {record.by}: {record.text}", Role.DIM))
    elif state == "running":
        until = standing.ends_at
        out.append((f"until {wording.clock_time(until, view.now)}" if until is not None else
                    f"{record.by} {record.text}, since {wording.clock_time(record.since, view.now)}", Role.PLAIN))
    elif state in ("passed", "failed") and record.by and (record.text or whole):
        at = wording.clock_time(record.since, view.now)
        out.append((f"{record.text + ', ' if record.text else ''}{record.by} {at}", Role.DIM))
    elif standing.note and (whole or state == "blocked" or (state == "pending" and step.when is not None)):
        out.append((standing.note, Role.UNKNOWN if state == "blocked" else Role.DIM))
    if left is not None and left >= 0:
        out.append((f"{wording.coarse_age(left)} left of {budget}", Role.DIM))
    if record.claimed_by and state in ("ready", "pending", "running", "blocked"):
        out.append((f"{record.claimed_by} is on it", Role.DIM))
    elif step.owner and whole:
        out.append((f"owner {step.owner}", Role.DIM))
    return out


def _seen(view: View, standing: Standing, said: str, age: float | None) -> list[tuple[str, Role]]:
    step, state = standing.step, str(standing.state)
    expected = getattr(step.does, "expect", None)
    hold = getattr(step.does, "hold_seconds", 0.0)
    role = Role.PLAIN if state in ("passed", "failed", "running", "ready") else Role.UNKNOWN
    text = said
    if expected is not None and state != "passed" and str(expected) not in ("pass", "not fail"):
        text += f", expected {expected}"
    out = [(text, role)]
    since = standing.record.since
    about = []
    if state == "running" and since:
        about.append(f"{wording.coarse_age(max(0.0, view.now - since))} of {wording.span(hold)}")
    elif since and expected is not None:
        about.append(f"since {wording.clock_time(since, view.now)}")
    if age is not None and (expected is not None or age >= _MINUTE_SECONDS):
        about.append(f"{_age(age)} old")
    if about:
        out.append((", ".join(about), Role.DIM))
    return out


def _age(seconds: float) -> str:
    """In tens of seconds at the finest: a check that is looked at again in time is not repainted for its age."""
    if seconds >= _MINUTE_SECONDS:
        return wording.coarse_age(seconds)
    return "<10 s" if seconds < 10 else f"{int(seconds) // 10 * 10} s"


def summary(view: View, sheet: Sheet) -> list[tuple[str, Role]]:
    """What is to be said of the runbook as a whole, under its name."""
    out: list[tuple[str, Role]] = [(sheet.why or "nothing asks for it at present", Role.DIM)]
    opened = sheet.run.opened
    if sheet.begun and opened is not None:
        minutes = sheet.runbook.est_minutes
        usual = f", usually {minutes:g}" if minutes else ""
        age = wording.coarse_age(max(0.0, view.now - opened.at))
        out.append((f"begun {age} ago by {opened.by}{usual and usual + ' min'}", Role.DIM))
    if sheet.changes:
        out.append((f"edited meanwhile: {'; '.join(sheet.changes)}", Role.WARN))
    if sheet.trouble:
        out.append((sheet.trouble, Role.WARN))
    return out


def is_wanted(view: View) -> bool:
    """Whether the runbook has something to say beside the panels: something asks for it, or somebody works with it."""
    return view.sheet is not None and (bool(view.sheet.why) or view.sheet.begun)


def column(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """The column on the right, behind a thin divider."""
    bar: tuple[str, Role] = (view.look.pick(" │ ", " | "), Role.RULE)
    room = max(8, width - 4)
    content = _steps(view, view.sheet, room, rows) if view.sheet is not None and is_wanted(view) else _quiet(view, room)
    filled = [*content[:rows], *[Line()] * max(0, rows - len(content))]
    return tuple(line(bar, text) for text in filled)


def _quiet(view: View, room: int) -> list[Line]:
    """Which runbook there is while nothing asks for it, and whom to ask."""
    out = [line(("RUNBOOK", Role.HEADING))]
    model, sheet = view.model, view.sheet
    if model is None:
        return out
    if sheet is not None:
        name = "incident checklist" if sheet.is_checklist else sheet.runbook.id
        out[0] = line(("RUNBOOK ", Role.HEADING), name).fitted(room, view.look.ellipsis)
        text = "nothing asks for it; b opens it"
        out += [line((row, Role.WARN)) for row in wrap(view.look.say(sheet.trouble), room)[:4] if sheet.trouble]
    elif model.runbook:
        out += [line(text) for text in wrap(view.look.say(model.runbook), room)[:2]]
        text = "in the folder of the model notebook; its steps will stand here, beside the panels they look at"
    else:
        text = "the model notebook names none (spec.runbook)"
    out += [line((row, Role.DIM)) for row in wrap(text, room)]
    out += [line(), line(("OWNERS", Role.HEADING))]
    return out + [line((owner, Role.DIM)).fitted(room, view.look.ellipsis) for owner in model.owners[:6]]


def _steps(view: View, sheet: Sheet, room: int, rows: int) -> list[Line]:
    found = sheet.standings
    name = "checklist" if sheet.is_checklist else sheet.runbook.id
    out = [line(("RUNBOOK ", Role.HEADING), name).fitted(room, view.look.ellipsis)]
    for text, role in summary(view, sheet):
        limit = 2 if role is Role.DIM else 3
        out += [line((row, role)).fitted(room) for row in wrap(view.look.say(text), room)[:limit]]
    out.append(Line())
    left = max(1, rows - len(out))
    focus = _focus(view, sheet)
    shown = window_of(len(found), focus, min(left, len(found)))
    below = {index: _under(view, sheet, found[index], room) for index in shown}
    given = _divided(view, sheet, [found[index] for index in shown], below, shown, left, focus)
    for index in shown:
        out.append(_title(view, sheet, found[index], room))
        out += below[index][:given[index]]
    if len(shown) < len(found):
        head = line(out[0], (f"  {shown.start + 1} to {shown.stop} of {len(found)}", Role.DIM))
        out[0] = head.fitted(room, view.look.ellipsis)
    return out


def _divided(view: View, sheet: Sheet, found: Sequence[Standing], below: dict[int, list[Line]], shown: range,
             left: int, focus: int | None) -> dict[int, int]:
    """How many rows under each title there is room for: the step in focus first, then what is not well."""
    given = dict.fromkeys(shown, 0)
    left -= len(shown)
    ranks = {"failed": 1, "blocked": 1, "running": 1, "ready": 2, "passed": 3}
    order = sorted(shown, key=lambda i: 0 if i == focus else ranks.get(str(found[i - shown.start].state), 4))
    # First what is most important of each step, then the rest.
    for wanted in (1, 9):
        for index in order:
            enough = 9 if index == focus else wanted
            more = max(0, min(left, min(enough, len(below[index])) - given[index]))
            given[index] += more
            left -= more
    return given


def _focus(view: View, sheet: Sheet) -> int | None:
    chosen = view.chosen()
    name = chosen.key if chosen.kind == "step" else sheet.current
    return next((i for i, standing in enumerate(sheet.standings) if standing.step.id == name), None)


def _title(view: View, sheet: Sheet, standing: Standing, room: int) -> Line:
    step = standing.step
    chosen = view.chosen() == Item("step", step.id)
    role = (Role.ACCENT if chosen else Role.STRONG if step.id == sheet.current else
            Role.DIM if str(standing.state) in _QUIET else Role.PLAIN)
    return line(mark(view, sheet, standing), (f" {step.number:>2} {step.title}", role)).fitted(room, view.look.ellipsis)


def _under(view: View, sheet: Sheet, standing: Standing, room: int) -> list[Line]:
    out = [line(" " * _INDENT, (row, role)) for text, role in details(view, sheet, standing)
           for row in wrap(view.look.say(text), max(8, room - _INDENT))[:2]]
    invited = invitation(standing, sheet)
    if invited and (standing.step.id == sheet.current or view.chosen() == Item("step", standing.step.id)):
        key = "enter" if view.chosen() == Item("step", standing.step.id) else "tab enter"
        out.append(line(" " * _INDENT, (key, Role.ACCENT), f"  {invited}").fitted(room, view.look.ellipsis))
    return out


def strip_rows(view: View) -> int:
    """Rows that the runbook wants where it has no column of its own."""
    return _STRIP_ROWS if is_wanted(view) else 0


def strip(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """The steps in one row, and the next one in another."""
    sheet = view.sheet
    if sheet is None or rows <= 0 or not is_wanted(view):
        return ()
    name = "checklist" if sheet.is_checklist else sheet.runbook.id
    first = line("   ", ("RUNBOOK ", Role.HEADING), name, " ")
    for standing in sheet.standings:
        sign = mark(view, sheet, standing)
        role = Role.DIM if str(standing.state) in _QUIET else Role.PLAIN
        first += line(" ", sign if sign.text.strip() else "", (str(standing.step.number), role))
    key = line("  ", ("b", Role.ACCENT), " all of it")
    if rows == 1:
        return (line(first.fitted(width - key.width, view.look.ellipsis), key),)
    current = sheet.standing(sheet.current)
    if current is None:
        text = line("   ", ("nothing is left to do" if sheet.is_finished else "the checks go on", Role.DIM))
    else:
        said = details(view, sheet, current)[:1]
        text = line("   ", (f"{current.step.number} {current.step.title}", Role.STRONG),
                    *(line("  ", item) for item in said))
    return first.fitted(width, view.look.ellipsis), line(text.fitted(width - key.width, view.look.ellipsis), key)
