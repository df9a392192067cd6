"""The table of objectives: one row each, numbers in columns, what is not known in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.reading import Quality, Reading, Urgency, Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, Span, line, row, titles
from triage.tui.panels.top import cursor
from triage.tui.view import FEW_SLOS, Item, View, arranged_slos, window_of

if TYPE_CHECKING:
    from triage.signals.model import Budget, SloState

_WINDOWS = (300.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 259200.0)
_QUALIFIED = frozenset({Quality.PARTIAL, Quality.LOW_N, Quality.SUSPECT})
_VALUELESS = "-"
_VALUE_CELLS = 8


UNCUT = 20_000
"""Cells of a last column in which no text is cut, for what is not drawn on a screen."""


class Table:
    """Which columns fit into ``width``; the name takes what is left. ``uncut``: no name and no sentence is cut."""

    def __init__(self, view: View, width: int, *, uncut: bool = False) -> None:
        self.wide = width >= 80 and view.width_is_wide
        self.windows: tuple[float, ...] = (3600.0,) if width >= 56 else ()
        if width >= 116:
            self.windows = _WINDOWS
        elif self.wide:
            self.windows = (300.0, 3600.0, 21600.0)
        elif width >= 70:
            self.windows = (3600.0, 21600.0)
        roomy = width >= 92 or not self.wide
        self.bar_cells = 0 if width < 70 else 16 if width >= 116 else 10 if roomy else 8
        burns = [Column(("" if n else "burn ") + wording.window(w), 6 if n else 7, "right", 1 if n else 2)
                 for n, w in enumerate(self.windows)]
        budget = Column("budget left" if self.bar_cells else "left", self.bar_cells + 6 if self.bar_cells else 6,
                        "left" if self.bar_cells else "right", 3 if width >= 92 else 2)
        middle = [Column("now", 9, "right", 1)] + ([Column("n 1h", 8, "right", 1)] if width >= 40 else [])
        if self.wide:
            middle.insert(0, Column("objective", 9, "right", 1))
        tail = [budget] if width >= 48 else []
        taken = sum(c.gap + c.width for c in (*middle, *burns, *tail))
        names = [view.look.say(wording.slo_label(s)) for s in view.model.slos] if view.model else []
        longest = max(map(cell_len, names), default=0)
        # A name that is cut off says less than a shorter bar.
        spared = min(max(0, min(longest, 22) - max(6, width - 3 - taken)), max(0, self.bar_cells - 4))
        if self.wide and tail and spared:
            self.bar_cells -= spared
            taken -= spared
            budget = tail[0] = Column(budget.title, budget.width - spared, budget.align, budget.gap)
        room = max(6, width - 3 - taken)
        least = 12 if view.model is None or len(view.model.slos) <= FEW_SLOS else 16
        name = min(room, max(least, min(longest, 32 if width >= 116 else 22)))
        if tail:
            # What the names leave goes to the last column, where sentences stand.
            tail = [Column(budget.title, budget.width + room - name, budget.align, budget.gap)]
        if uncut and tail:
            name, tail = max(name, longest), [Column(budget.title, UNCUT, budget.align, budget.gap)]
        self.columns = [Column("SLO", name, gap=0), *middle, *burns, *tail]
        self.has_n = width >= 40
        self.has_budget = bool(tail)
        self.say = view.look.say


def slos(view: View, width: int, rows: int, *, uncut: bool = False) -> tuple[Line, ...]:
    """The table in at most ``rows`` rows including its heading."""
    if rows <= 0:
        return ()
    model = view.model
    if model is None:
        quiet = "" if view.snapshot is not None else "objectives of the model notebook, once it is read"
        return (line("   ", ("SLO", Role.HEADING), ("  " + quiet, Role.DIM)).fitted(width, view.look.ellipsis),)
    table = Table(view, width, uncut=uncut)
    if uncut:
        width = UNCUT
    items = arranged_slos(model)
    keys = [Item("slo", slo.name) for slo in items]
    chosen = view.chosen()
    shown = window_of(len(keys), keys.index(chosen) if chosen in keys else None, rows - 1)
    columns = list(table.columns)
    if len(shown) < len(keys):
        columns[0] = Column(f"SLO {shown.start + 1}-{shown.stop} of {len(keys)}", columns[0].width, gap=0)
    if table.has_budget:
        windows = {slo.budget.window_seconds for slo in items if slo.budget is not None}
        if len(windows) == 1 and table.wide:
            last = columns[-1]
            columns[-1] = Column(f"budget {wording.span(windows.pop())}", last.width, last.align, last.gap)
    out = [line("   ", titles(columns, view.look.say)).fitted(width, view.look.ellipsis)]
    if not items:
        out.append(line("   ", ("none in the notebook", Role.DIM)))
    for index in shown:
        out.append(
            line(cursor(view, keys[index]), slo_row(view, table, items[index])).fitted(width, view.look.ellipsis)
        )
    return tuple(out)


def slo_row(view: View, table: Table, slo: SloState) -> Line:
    """One objective."""
    stale = slo.now.quality is Quality.STALE and slo.now.value is not None
    base = Role.STALE if stale else Role.PLAIN
    loud = VERDICT_ROLES[slo.verdict] if slo.verdict in (Verdict.FAIL, Verdict.WARN) and not stale else base
    name: Span = (wording.slo_label(slo), base if slo.verdict is not Verdict.NOT_JUDGED else Role.DIM)
    cells: list[Cell] = [name]
    if table.wide:
        cells.append((wording.slo_promise(slo), Role.DIM))
    value = ("(" if stale else "") + now_text(slo)
    cells.append((value, loud) if slo.now.value is not None else (_VALUELESS, Role.DIM))
    if table.has_n:
        few = slo.now.quality is Quality.LOW_N
        known = base if slo.now.n is not None else Role.DIM
        cells.append((short_events(slo.now), Role.UNKNOWN if few else known))
    phrase = spoken(slo)
    if phrase is not None and len(cells) < len(table.columns):
        closing = f") {_age(view, slo.now)}" if stale else ""
        text, role = phrase
        cells.append(line((text + closing, Role.STALE if stale else role)))
        # The phrase takes the room of all columns that have nothing to say.
        before = table.columns[:len(cells) - 1]
        room = sum(c.gap + c.width for c in table.columns[len(before):])
        columns = [*before, Column("", max(1, room - 2), gap=2)]
        return line(view.look.mark(slo.verdict), row(columns, cells, table.say, view.look.ellipsis))
    for window in table.windows:
        burn = slo.burn(window)
        cells.append((wording.burn_rate(burn.rate if burn else None), base if stale else burn_role(slo, window)))
    if table.has_budget:
        cells.append(budget_cell(view, table, slo, stale))
    return line(view.look.mark(slo.verdict), row(table.columns, cells, table.say, view.look.ellipsis))


def short_events(reading: Reading) -> str:
    """The events behind a reading in at most eight cells where that is possible: ``37,800``, ``31 7d``."""
    unusual = reading.n is not None and reading.window_seconds not in (None, 3600.0)
    return short_count(reading.n) + (f" {wording.window(reading.window_seconds or 0.0)}" if unusual else "")


def short_count(value: float | None) -> str:
    """A number of events in at most eight cells: ``37,800``, ``27.2 M``."""
    if value is None or value < 999_999.5:
        return wording.count(value)
    return f"{wording.significant(value / 1e6)} M" if value < 1e10 else f"{wording.significant(value / 1e9)} G"


def now_text(slo: SloState) -> str:
    """The present value, for zero tolerance the number of bad events; else the word for why there is none."""
    bad = slo.now.bad_events
    if slo.objective == 100 and slo.now.unit == "ratio" and bad is not None:
        return f"{wording.count(bad)} bad"
    text = wording.reading(slo.now, slo.objective)
    # The unit gives way to the number where both do not fit; the detail has both.
    return text if len(text) <= _VALUE_CELLS or slo.now.value is None else text.rpartition(" ")[0] or text


def spoken(slo: SloState) -> Span | None:
    """What stands in place of burn rates and budget where there are none; None where there are."""
    if slo.now.value is None:
        word, why = wording.QUALITY_WORDS[slo.now.quality], slo.now.note or slo.sentence
        named = word in why or (why and slo.now.quality is Quality.PENDING)
        return ((why or word) if named or not why else f"{word}: {why}", Role.DIM)
    if slo.objective == 100:
        worst = [f"{g.group} {wording.count(g.bad)}" for g in slo.by_group if g.bad > 0]
        said = f": {', '.join(worst[:3])}" if worst else ""
        return (f"zero tolerance{said}", Role.DIM if not worst else Role.PLAIN)
    if not slo.burns and slo.budget is None:
        plain = slo.objective is None and slo.verdict is Verdict.PASS
        return (slo.now.note or ("" if plain else slo.sentence), Role.DIM)
    return None


def burn_role(slo: SloState, window: float) -> Role:
    """Loud where a firing condition rests on this window."""
    for tier in slo.tiers:
        if tier.firing and window in (tier.long_seconds, tier.short_seconds):
            return Role.FAIL if tier.urgency is Urgency.PAGE else Role.WARN
    burn = slo.burn(window)
    return Role.DIM if burn is None or burn.rate is None or burn.quality is not Quality.OK else Role.PLAIN


def budget_cell(view: View, table: Table, slo: SloState, stale: bool) -> Line:
    """Bar and percent left; words where the percentage is qualified."""
    budget = slo.budget
    closing = f") {_age(view, slo.now)}" if stale else ""
    if budget is None:
        return line((_VALUELESS + closing, Role.DIM))
    percent = wording.budget_left(budget.remaining)
    role = Role.STALE if stale else budget_role(budget)
    few = budget.quality is Quality.LOW_N
    if stale:
        return line((f"{wording.QUALITY_WORDS[Quality.LOW_N] if few else percent}{closing}", role))
    if few:
        return line((wording.QUALITY_WORDS[Quality.LOW_N], Role.UNKNOWN))
    quality = next((q for q in (slo.now.quality, budget.quality) if q in _QUALIFIED), None)
    if quality is not None and table.bar_cells:
        return line((f"{percent:>5}", role), " ", (wording.QUALITY_WORDS[quality], Role.UNKNOWN))
    if budget.quality not in (Quality.OK, *_QUALIFIED):
        return line((wording.QUALITY_WORDS[budget.quality], Role.DIM))
    bar = view.look.bar(budget.remaining, table.bar_cells) if table.bar_cells else Line()
    return line(bar, (f"{percent:>6}", role))


def budget_role(budget: Budget) -> Role:
    """Loud when it is spent, or nearly; never where too little is known of it."""
    if budget.quality is Quality.LOW_N:
        return Role.UNKNOWN
    if budget.remaining <= 0:
        return Role.FAIL
    return Role.WARN if budget.remaining < 0.1 else Role.PLAIN


def _age(view: View, reading: Reading) -> str:
    seconds = reading.age_seconds(view.now)
    if seconds is None and view.model is not None and view.model.data_at is not None:
        seconds = view.now - view.model.data_at
    return "age unknown" if seconds is None else wording.coarse_age(seconds)


def groups(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """Bad events by label (input schema by feature), one row per objective that is counted so."""
    if view.model is None or rows <= 0:
        return ()
    out = [_groups_row(view, slo, width) for slo in view.model.slos if slo.by_label]
    hidden = len(out) - rows
    if hidden > 0:
        out[rows - 1] = line(out[rows - 1], (f"  + {hidden} more", Role.DIM))
    return tuple(row.fitted(width, view.look.ellipsis) for row in out[:rows])


def _groups_row(view: View, slo: SloState, width: int) -> Line:
    out = line("   ", (slo.name.upper(), Role.HEADING), (f" by {slo.by_label}, 1 h  ", Role.DIM))
    bad = [g for g in slo.by_group if g.bad > 0]
    fine = [g.group for g in slo.by_group if g.bad <= 0]
    if slo.now.quality is Quality.STALE and slo.now.value is not None:
        texts = ", ".join(f"{g.group} {wording.count(g.bad)} bad" for g in bad) or "none bad"
        return line(out, (f"({texts}) {_age(view, slo.now)}", Role.STALE))
    if not slo.by_group:
        known = slo.now.value is not None
        return line(out, ("none bad" if known and slo.now.bad_events == 0 else now_text(slo), Role.DIM))
    for number, group in enumerate(bad):
        of = "" if group.total is None else f" of {wording.count(group.total)}"
        part = line(group.group, " ", (f"{wording.count(group.bad)} bad", Role.WARN), (of, Role.DIM), "   ")
        if number and out.width + part.width + 12 > width:
            return line(out, (f"+ {len(bad) - number} more", Role.DIM))
        out += part
    said = f"{', '.join(fine)} {'none bad' if bad else 'none of ' + wording.count(slo.now.n) + ' bad'}"
    return line(out, (said, Role.DIM)) if fine else out
