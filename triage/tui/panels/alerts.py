"""Alerts in groups, notebooks that could not be used, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.reading import Urgency, Verdict
from triage.tui.line import URGENCY_ROLES, Cell, Column, Line, Role, line, row
from triage.tui.panels.top import cursor
from triage.tui.view import Item, View, alert_key, window_of

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import AlertGroup

_ENDS_SOON_SECONDS = 300.0
"""How long before a silence ends it is said."""


def verdict_of(group: AlertGroup, now: float) -> Verdict:
    """The glyph an alert is shown with: firing pages like a failure, what is muted like what is not judged; what is
    about to be heard again warns."""
    if group.state == "firing":
        return Verdict.FAIL if group.urgency is Urgency.PAGE else Verdict.WARN
    if _ends_soon(group, now):
        return Verdict.WARN
    return Verdict.PENDING if group.state == "pending" else Verdict.NOT_JUDGED


def _ends_soon(group: AlertGroup, now: float) -> bool:
    """Whether its silence ends within minutes."""
    until = group.silenced_until
    return group.state == "silenced" and until is not None and until - now <= _ENDS_SOON_SECONDS


def _left(group: AlertGroup, now: float) -> Line:
    """How long it stays silenced; nothing where it is not, or nobody says."""
    until = group.silenced_until
    if group.state != "silenced" or until is None:
        return line()
    soon = _ends_soon(group, now)
    rest = max(0.0, until - now)
    text = f"until {wording.clock_time(until, now)}" + (f", {wording.coarse_age(rest)}" if soon else "")
    return line((text, Role.WARN if soon else Role.DIM))


def _warning(groups: Sequence[AlertGroup], now: float) -> str:
    """That something is heard again within minutes, and how to keep it quiet; "" when nothing is."""
    soon = [group for group in groups if _ends_soon(group, now)]
    if not soon:
        return ""
    first = min(soon, key=lambda group: group.silenced_until or now)
    rest = wording.coarse_age(max(0.0, (first.silenced_until or now) - now))
    what = f"the silence of {first.name} ends" if len(soon) == 1 else f"{len(soon)} silences end, the first"
    return f"{what} in {rest}: a s makes it longer"


def role_of(group: AlertGroup) -> Role:
    """Loud only while it fires."""
    return URGENCY_ROLES[group.urgency] if group.state == "firing" else Role.DIM


def alerts(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """Heading and one row per group; without any, one line that says how that is known."""
    if rows <= 0:
        return ()
    head = line("   ", ("ALERTS", Role.HEADING))
    model = view.model
    if model is None:
        quiet = "" if view.snapshot is not None else "  firing, pending and silenced"
        return (line(head, (quiet, Role.DIM)).fitted(width, view.look.ellipsis),)
    if not model.alerts:
        return (line(head, "  ", _none(view.snapshot)).fitted(width, view.look.ellipsis),)
    if rows == 1:
        return (_inline(view, model.alerts, head, width),)
    keys = [Item("alert", alert_key(group)) for group in model.alerts]
    chosen = view.chosen()
    shown = window_of(len(keys), keys.index(chosen) if chosen in keys else None, rows - 1)
    doubt = _doubt(view.snapshot)
    count = f"  {shown.start + 1} to {shown.stop} of {len(keys)}" if len(shown) < len(keys) else ""
    warning = _warning(model.alerts, view.now)
    first = line(head, (count, Role.DIM), (f"  {doubt}" if doubt else "", Role.UNKNOWN),
                 (f"  {warning}" if warning else "", Role.WARN))
    out = [first.fitted(width, view.look.ellipsis)]
    columns = _columns(model.alerts, width)
    for index in shown:
        group = model.alerts[index]
        since, left = wording.coarse_age(max(0.0, view.now - group.since)), _left(group, view.now)
        cells: list[Cell] = [(group.name, Role.STRONG if group.state == "firing" else Role.DIM),
                 (str(group.urgency) if group.urgency is not Urgency.NONE else "", role_of(group)),
                 (group.state, Role.PLAIN if group.state == "firing" else Role.DIM),
                 (since, Role.PLAIN if group.state == "firing" else Role.DIM),
                 line(left, "  " if left.width else "",
                      (" ".join(p for p in (group.version, group.deployment) if p), Role.PLAIN),
                      (f"  {len(group.alerts)} alerts" if len(group.alerts) > 1 else "", Role.DIM))]
        out.append(line(cursor(view, keys[index]), view.look.mark(verdict_of(group, view.now)),
                        row(columns, cells, view.look.say, view.look.ellipsis)).fitted(width, view.look.ellipsis))
    return tuple(out)


def _columns(groups: tuple[AlertGroup, ...], width: int) -> list[Column]:
    longest = max(len(g.name) for g in groups)
    name = min(longest, max(10, width - 46))
    return [Column("", name, gap=0), Column("", 6), Column("", 9), Column("", 9, "right"),
            Column("", max(1, width - name - 38))]


def _inline(view: View, groups: tuple[AlertGroup, ...], head: Line, width: int) -> Line:
    out = head
    for number, group in enumerate(groups):
        since, left = wording.coarse_age(max(0.0, view.now - group.since)), _left(group, view.now)
        quiet = "" if group.state == "firing" else f" {group.state}"
        urgency = "" if group.urgency is Urgency.NONE else f" {group.urgency}"
        part = line("  ", view.look.mark(verdict_of(group, view.now)),
                    (group.name, Role.STRONG if not quiet else Role.DIM), (urgency, role_of(group)), (quiet, Role.DIM),
                    f" {since} {group.version}".rstrip(), " " if left.width else "", left)
        if number and out.width + part.width + 9 > width:
            out += line((f"  + {len(groups) - number} more", Role.DIM))
            break
        out += part
    return out.fitted(width, view.look.ellipsis)


def _none(snapshot: Snapshot | None) -> Line:
    doubt = _doubt(snapshot)
    return line((doubt, Role.UNKNOWN)) if doubt else line(("none firing, pending or silenced", Role.DIM))


def _doubt(snapshot: Snapshot | None) -> str:
    """Why the list may be short; "" when the sources of alerts answer."""
    if snapshot is None:
        return ""
    states = {s.name: str(s.state) for s in snapshot.sources}
    manager = states.get("alertmanager", "off")
    rules = states.get("prometheus", "off")
    if manager == "down":
        return "not known: Alertmanager is silent"
    if manager == "waiting":
        return "asking Alertmanager"
    if manager == "off":
        return "not known: Prometheus is silent, and no Alertmanager is configured" if rules == "down" else \
            "from Prometheus only, no Alertmanager is configured"
    return "perhaps not all: Alertmanager answers in part" if manager == "partial" else ""


def broken(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """Notebooks that could not be used, each with its first error."""
    if view.snapshot is None or rows <= 0:
        return ()
    items = view.snapshot.broken
    keys = [Item("broken", notebook.path) for notebook in items]
    chosen = view.chosen()
    shown = window_of(len(keys), keys.index(chosen) if chosen in keys else None, rows)
    out = []
    for index in shown:
        notebook = items[index]
        error = notebook.errors[0] if notebook.errors else "no error was given"
        more = f" and {len(notebook.errors) - 1} more" if len(notebook.errors) > 1 else ""
        last = index == shown[-1] and len(shown) < len(items)
        hidden = f" ({len(items) - len(shown)} more notebooks)" if last else ""
        head = line(cursor(view, keys[index]), view.look.mark(Verdict.UNKNOWN), ("notebook ", Role.DIM),
                    (notebook.name, Role.STRONG), (" cannot be used", Role.UNKNOWN), (more + hidden, Role.DIM), "  ")
        out.append(line(head, (error, Role.DIM)).fitted(width, view.look.ellipsis))
    return tuple(out)


def notes(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """What was done differently than usual."""
    if view.model is None:
        return ()
    return tuple(line("   ", ("note  ", Role.DIM), (note, Role.DIM)).fitted(width, view.look.ellipsis)
                 for note in view.model.notes[:max(0, rows)])
