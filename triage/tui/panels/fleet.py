"""The fleet as a table, worst first; only the rows in sight are made. What a row leaves out stands under the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.reading import Quality, Urgency, Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, fit, line, row, titles, wrap
from triage.tui.panels import top
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.signals.fleet import DriftCount, FleetRow, FleetState, Score, Trial

DRIFT_FROM, OWNER_FROM, ALL_FROM = 100, 118, 150
"""Cells from which drift and the last deploy, the owner, and everything else have columns."""
_MOST_NAME, _LEAST_NAME = 32, 10
_CANARY = {"fail": Verdict.FAIL, "error": Verdict.UNKNOWN, "insufficient": Verdict.PENDING, "pass": Verdict.PASS,
           "inconclusive": Verdict.UNKNOWN, "stale": Verdict.UNKNOWN, "": Verdict.PENDING}
_DONE = (("approvals", "approval", "approvals"), ("deploys", "deploy", "deploys"),
         ("retrains", "retrain run gave a version", "retrain runs gave a version"))
_UNREAD = frozenset({Quality.STALE, Quality.ERROR, Quality.WAITING, Quality.PARTIAL})


class Key(NamedTuple):
    """Which row: a broken notebook may carry the name of a good one."""

    name: str
    is_broken: bool


def key_of(item: FleetRow) -> Key:
    """The key of a row."""
    return Key(item.name, item.is_broken)


def sought_rows(fleet: FleetState, sought: str) -> tuple[FleetRow, ...]:
    """Rows with ``sought`` in the model's name, its owner's, or its verdict; all of them for ""."""
    wanted = sought.casefold()
    if not wanted:
        return fleet.rows
    return tuple(item for item in fleet.rows
                 if any(wanted in text.casefold() for text in (item.name, item.owner, wording.word(item.verdict))))


def head(view: View, width: int, sought: str = "", found: int = 0) -> Line:
    """Where we are, and how many models stand how; how many are ``found`` where some are ``sought``."""
    snapshot = view.snapshot
    out = line(" ", ("triage  " if view.width_is_wide or snapshot is None else "", Role.DIM))
    if snapshot is not None:
        out = line(out, (fit(snapshot.context, max(8, width // 4)), Role.STRONG), " ")
    out = line(out, top.marks(view))
    fleet = snapshot.fleet if snapshot is not None else None
    if fleet is None:
        return line(out, (" fleet", Role.STRONG)).fitted(width, view.look.ellipsis)
    out = line(out, (f" fleet of {len(fleet.rows):,}", Role.STRONG),
               (f", {found:,} by /{sought}" if sought else "", Role.ACCENT), " ")
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS):
        count = fleet.verdicts.get(verdict, 0)
        role = VERDICT_ROLES[verdict] if count else Role.DIM
        out = line(out, "  ", (view.look.glyph(verdict), role), (f" {count:,}", role if count else Role.DIM))
    return out.fitted(width, view.look.ellipsis)


def data_age(view: View) -> Line:
    """How old the oldest answer is of those models that are not unknown for want of answers."""
    fleet = view.snapshot.fleet if view.snapshot is not None else None
    times = [item.data_at for item in fleet.rows if item.data_at is not None] if fleet is not None else []
    fresh = [item.data_at for item in fleet.rows if item.data_at is not None and item.verdict is not Verdict.UNKNOWN] \
        if fleet is not None else []
    if fleet is None or not times:
        return line(("no data yet", Role.DIM))
    seconds = max(0.0, view.now - (min(fresh) if fresh else max(times)))
    late = seconds >= 4 * fleet.asked_every_seconds
    text = f"data {wording.stepped_age(seconds) if view.width_is_wide else wording.coarse_age(seconds)}"
    return line((text, Role.WARN)) if late else line(text)


def sentence(view: View, width: int) -> Line:
    """What matters most of all models, in one line."""
    fleet = view.snapshot.fleet if view.snapshot is not None else None
    if fleet is None or not fleet.is_complete:
        text = "the models are asked about together; nothing is known of them yet"
        return line(" ", view.look.mark(Verdict.PENDING), ("WAITING", Role.STRONG), f"  {text}").fitted(
            width, view.look.ellipsis)
    if not fleet.rows:
        return line(" ", view.look.mark(Verdict.UNKNOWN), "no model notebooks").fitted(width, view.look.ellipsis)
    worst = fleet.rows[0]
    count = fleet.verdicts.get(worst.verdict, 0)
    if worst.verdict is Verdict.PASS:
        if view.is_silent:
            return line(" ", (f"{view.look.glyph(Verdict.PASS)} (PASS)", Role.STALE),
                        f"  all {count:,} models when last asked; Prometheus is silent").fitted(
                            width, view.look.ellipsis)
        return line(" ", view.look.mark(Verdict.PASS), ("PASS", Role.STRONG), f"  all {count:,} models").fitted(
            width, view.look.ellipsis)
    pages = sum(item.urgency is Urgency.PAGE for item in fleet.rows)
    said = f"{count:,} of {len(fleet.rows):,} models" + (f", {pages:,} to page for" if pages else "")
    title = wording.word(worst.verdict).upper()
    shown, role = (f"({title})", Role.STALE) if view.is_silent else (title, VERDICT_ROLES[worst.verdict])
    silent = "Prometheus is silent; " if view.is_silent else ""
    return line(" ", view.look.mark(worst.verdict), (shown, role), f"  {said}; {silent}first ",
                (worst.name, Role.STRONG), f": {worst.reason}").fitted(width, view.look.ellipsis)


def table(view: View, shown: Sequence[FleetRow], chosen: Key | None, width: int, *,
          longest: int) -> list[Line]:
    """Titles, and the rows of ``shown`` (those in sight). ``longest`` name of all rows, in cells."""
    columns = _columns(width, longest)
    out = [line("   ", Line(tuple((text, Role.DIM) for text, _ in titles(columns, view.look.say).spans)))
           .fitted(width, view.look.ellipsis)]
    out += [_row(view, item, columns, width, chosen=key_of(item) == chosen) for item in shown]
    return out


def _columns(width: int, longest: int) -> list[Column]:
    columns = [Column("verdict", 14), Column("health", 6, "right"), Column("burn 1h", 7, "right"),
               Column("canary", 16 if width < ALL_FROM else 22), Column("alerts", 6)]
    if width >= DRIFT_FROM:
        columns.insert(4, Column("drift", 8))
        columns.append(Column("deployed", 8, "right"))
    if width >= OWNER_FROM:
        columns.append(Column("owner", 14 if width < ALL_FROM else 20))
    if width >= ALL_FROM:
        columns.insert(2, Column("of", 14))
        columns.insert(3, Column("budget", 6, "right"))
        columns.append(Column("seen", 8, "right"))
    while len(columns) > 1 and _LEAST_NAME + 3 + sum(c.width + c.gap for c in columns) > width:
        columns.pop()
    rest = width - 3 - sum(c.width + c.gap for c in columns)
    name = max(_LEAST_NAME, min(longest, _MOST_NAME, rest))
    return [Column("model", name, gap=0), *columns]


def _row(view: View, item: FleetRow, columns: Sequence[Column], width: int, *, chosen: bool) -> Line:
    # A gateway repeats the last push for ever: figures of what has not been heard of are not of the present.
    silent = item.last_seen is not None and item.last_seen.quality is Quality.STALE
    stale = view.is_silent or silent
    role = VERDICT_ROLES[item.verdict]
    said = wording.word(item.verdict) + (f", {item.urgency}" if item.urgency is not Urgency.NONE else "")
    cells: dict[str, Callable[[], Cell]] = {
        "model": lambda: (item.name, Role.STRONG if chosen or item.verdict is Verdict.FAIL else Role.PLAIN),
        "verdict": lambda: (f"({said})" if view.is_silent else said, Role.STALE if view.is_silent else
                            Role.PLAIN if role is Role.PASS else role),
        "health": lambda: _score(item.health, wording.budget_left, stale=stale),
        "of": lambda: (item.health.slo, Role.DIM),
        "budget": lambda: _score(item.budget, wording.budget_left, stale=stale),
        "burn 1h": lambda: _score(item.burn, wording.burn_rate, stale=stale),
        "canary": lambda: _canary(view, item.trial, stale=stale),
        "drift": lambda: _drift(view, item.drift, stale=stale),
        "alerts": lambda: _alerts(view, item),
        "deployed": lambda: _deployed(view, item),
        "owner": lambda: (item.owner or "-", Role.DIM),
        "seen": lambda: _seen(view, item)}
    mark = line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")
    return line(mark, view.look.mark(item.verdict), row(columns, [cells[c.title]() for c in columns], view.look.say,
                                                        view.look.ellipsis)).fitted(width, view.look.ellipsis)


def _score(score: Score, say: Callable[[float], str], *, stale: bool) -> Cell:
    if score.value is None:
        return "-", Role.UNKNOWN if score.quality in _UNREAD else Role.DIM
    text = say(score.value)
    if stale or score.quality in _UNREAD:
        return f"({text})", Role.STALE
    spent = say is wording.budget_left and score.value < 0
    return text, Role.FAIL if spent else Role.PLAIN


def _canary(view: View, trial: Trial | None, *, stale: bool) -> Cell:
    if trial is None:
        return "-", Role.DIM
    share = "-" if trial.share is None else wording.share(trial.share)
    verdict = _CANARY.get(trial.verdict, Verdict.UNKNOWN)
    if trial.arm == "shadow" and verdict is Verdict.FAIL:
        verdict = Verdict.WARN
    if trial.more_seconds is not None:
        word = wording.coarse_age(trial.more_seconds)
    else:
        word = trial.verdict or "not judged yet"
    return line((trial.version, Role.PLAIN), " ", (f"({share})" if stale else share, Role.STALE if stale else Role.DIM),
                " ", (view.look.glyph(verdict), Role.STALE if stale else VERDICT_ROLES[verdict]), f" {word}")


def _drift(view: View, drift: DriftCount, *, stale: bool) -> Cell:
    if drift.verdict is None:
        return "-", Role.DIM
    count = drift.drifting or drift.warning or drift.unknown
    role = VERDICT_ROLES[drift.verdict]
    many = f" {count}/{drift.total}" if drift.verdict is not Verdict.PASS and drift.total else ""
    if stale:
        return f"({view.look.glyph(drift.verdict)}{many})", Role.STALE
    return line((view.look.glyph(drift.verdict), role), many)


def _alerts(view: View, item: FleetRow) -> Cell:
    """How many page, open a ticket, and are other; ``?`` where whoever knows does not answer."""
    counts = (item.pages, "p", Role.FAIL), (item.tickets, "t", Role.WARN), (item.other_alerts, "o", Role.DIM)
    parts = [line((f"{count}{letter}", role)) for count, letter, role in counts if count]
    if not parts:
        sources = view.snapshot.sources if view.snapshot is not None else ()
        asked = [s for s in sources if s.name in ("prometheus", "alertmanager") and s.state != "off"]
        doubtful = item.is_broken or any(s.state in ("down", "waiting") for s in asked) or not asked
        return ("?", Role.UNKNOWN) if doubtful else ("0", Role.DIM)
    out = parts[0]
    for part in parts[1:]:
        out = line(out, " ", part)
    return out


def _deployed(view: View, item: FleetRow) -> Cell:
    deploy = item.deploy
    if deploy.at is not None:
        return wording.coarse_age(max(0.0, view.now - deploy.at)), Role.PLAIN
    return (f">{wording.span(round((view.now - deploy.before) / 3600) * 3600)}" if deploy.before is not None
            else "-"), Role.DIM


def _seen(view: View, item: FleetRow) -> Cell:
    if item.seen_at is None:
        return "-", Role.DIM
    text = wording.coarse_age(max(0.0, view.now - item.seen_at))
    late = item.last_seen is not None and item.last_seen.quality is Quality.STALE
    return text, Role.UNKNOWN if late else Role.DIM


def details(view: View, item: FleetRow | None, width: int, rows: int) -> list[Line]:
    """What the row of ``item`` leaves out: its first reason, and where its numbers are from."""
    if item is None or rows <= 0:
        return []
    first = wrap(view.look.say(item.reason), max(8, width - cell_len(item.name) - 6))
    out = [line(" ", view.look.mark(item.verdict), (item.name, Role.STRONG), "  ", first[0] if first else "")]
    indent = " " * (cell_len(item.name) + 5)
    out += [line(indent, text) for text in first[1:max(1, rows - 1)]]
    if not item.is_broken:
        said = wrap(view.look.say(said_of(view, item)), max(8, width - 4))
        room = max(0, rows - len(out))
        if len(said) > room > 0:
            said[room - 1] = fit(f"{said[room - 1]} {said[room]}", max(8, width - 4), view.look.ellipsis)
        out += [line("   ", (text, Role.DIM)) for text in said[:room]]
    return [text.fitted(width, view.look.ellipsis) for text in out[:rows]]


def said_of(view: View, item: FleetRow) -> str:
    """The numbers of a row with what they rest on, as one sentence."""
    parts = [_health_words(item.health)]
    if item.burn.value is not None:
        parts.append(f"burns {wording.burn_rate(item.burn.value)} on {item.burn.slo} (n {wording.count(item.burn.n)})")
    seen = item.last_seen
    if seen is not None:
        newest, oldest = seen.newest_at, seen.oldest_at
        late = f", the longest silent {wording.coarse_age(view.now - oldest)}" if oldest is not None else ""
        parts.append(f"last seen {wording.coarse_age(view.now - newest)} ago{late}" if newest is not None
                     else f"last seen is not known: {seen.note}")
    elif item.seen_at is not None:
        parts.append(f"newest sample {wording.coarse_age(max(0.0, view.now - item.seen_at))} ago")
    deploy = item.deploy
    if deploy.at is not None:
        by = "the rollout" if deploy.source == "rollout" else "its first request"
        parts.append(f"{deploy.version} deployed {wording.coarse_age(max(0.0, view.now - deploy.at))} ago by {by}")
    counted = [f"{'at least ' if name in item.activity.at_least else ''}{_count(n, one, many)}"
               for name, one, many in _DONE if (n := getattr(item.activity, name)) is not None]
    if counted:
        parts.append(f"30 d: {', '.join(counted)}")
    return "; ".join(part for part in parts if part)


def _health_words(score: Score) -> str:
    if score.value is None:
        why = f": {score.why}" if score.why else ""
        return f"health is not known{f' ({score.slo})' if score.slo else ''}{why}"
    also = f"; {score.why}" if score.why else ""
    n = f" (n {wording.count(score.n)})" if score.n is not None else ""
    return f"health {wording.budget_left(score.value)}, the budget left of {score.slo}{n}{also}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def top_burn(view: View, fleet: FleetState, width: int, rows: int) -> list[Line]:
    """The five that burn fastest: one row, or a row each."""
    if rows <= 0 or not fleet.top:
        return []
    heading = line((" BURN 1h", Role.HEADING))
    if rows <= len(fleet.top):
        out = heading
        for item in fleet.top:
            part = line("  ", (item.name, Role.PLAIN), " ", _cell(_score(item.burn, wording.burn_rate,
                                                                         stale=view.is_silent)))
            if out.width + part.width > width:
                break
            out += part
        return [out]
    name = min(_MOST_NAME, max(cell_len(item.name) for item in fleet.top))
    columns = [Column("", name, gap=0), Column("", 8, "right"), Column("", 20), Column("", 14, "right")]
    made = [row(columns, [item.name, _score(item.burn, wording.burn_rate, stale=view.is_silent),
                          (item.burn.slo, Role.DIM), (f"n {wording.count(item.burn.n)}", Role.DIM)], view.look.say,
                view.look.ellipsis) for item in fleet.top]
    return [heading, *(line("   ", text).fitted(width, view.look.ellipsis) for text in made)]


def _cell(cell: Cell) -> Line:
    return cell if isinstance(cell, Line) else line(cell)


def values(view: View, fleet: FleetState, width: int, rows: int) -> list[Line]:
    """What the answers are worth against how good they are, of models whose notebooks name both."""
    named = [item for item in fleet.rows if item.value is not None]
    if rows <= 0 or not named:
        return []
    if rows == 1:
        more = f"  + {len(named) - 1} more" if len(named) > 1 else ""
        worth = _value(view, named[0])
        heading = line((" VALUE", Role.HEADING), "  ")
        return [line(heading, worth.fitted(max(8, width - heading.width - len(more)), view.look.ellipsis),
                     (more, Role.DIM))]
    room = rows - 1 if len(named) <= rows - 1 else rows - 2
    out = [line((" VALUE", Role.HEADING), ("  against the quality of the answers", Role.DIM))]
    out += [line("   ", _value(view, item)).fitted(width, view.look.ellipsis) for item in named[:max(0, room)]]
    if room < len(named):
        out.append(line((f"   {len(named) - room} more", Role.DIM)))
    return out[:rows]


def _value(view: View, item: FleetRow) -> Line:
    value = item.value
    if value is None:
        return Line()
    amount = wording.reading(value.now)
    if value.now.value is not None and value.now.quality in _UNREAD:
        amount = f"({amount})"
    day = " a day" if value.now.window_seconds is not None and value.now.value is not None else ""
    change = "" if value.change is None else f", {value.change * 100:+.0f} % in a week"
    text = line((item.name, Role.PLAIN), f"  {value.name} {amount}{day}{change}")
    if not value.quality_name or value.quality_verdict is None:
        return text
    return line(text, ("  against ", Role.DIM), f"{value.quality_name} {value.quality_text} ",
                (view.look.glyph(value.quality_verdict), VERDICT_ROLES[value.quality_verdict]),
                f" {wording.word(value.quality_verdict)}")


def activity(view: View, fleet: FleetState, width: int) -> Line:
    """Approvals, deploys and retrain runs of the last 30 days, and of how many models each is known."""
    heading = line((" 30 DAYS", Role.HEADING), "  ")
    long, short = (line(heading, "; ".join(_done(fleet, *kind, in_full=in_full) for kind in _DONE))
                   for in_full in (True, False))
    return (long if long.width <= width else short).fitted(width, view.look.ellipsis)


def _done(fleet: FleetState, name: str, one: str, many: str, *, in_full: bool) -> str:
    count, told = getattr(fleet.activity, name), fleet.told.get(name, 0)
    if count is None:
        return f"{many.partition(' gave')[0]} -, nothing says it"
    total = sum(not item.is_broken for item in fleet.rows)
    known = "" if told == total else f" (known of {told:,} of {total:,})" if in_full else f" ({told:,}/{total:,})"
    said = _count(count, one, many) if in_full else _count(count, one, many).replace("retrain runs", "runs")
    return f"{'≥ ' if name in fleet.activity.at_least else ''}{said}{known}"
