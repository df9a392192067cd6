"""Subgroups compared, on the debug screen: the largest difference with its interval, the limit, and n."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.quality_reading import VersionSlice, fine_of
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, line, row, titles
from triage.tui.panels.heads import QUIET, between, bracketed, head, loudest, mark, shown_as
from triage.tui.panels.quality import is_stale, reading
from triage.tui.view import View, window_of

_WIDE = 96
_WORDS = {"demographic_parity": "selection rate", "equal_opportunity": "true positive rate",
          "equalized_odds": "true and false positive rate"}


class Row(NamedTuple):
    """One comparison."""

    key: str
    item: VersionSlice

    @property
    def verdict(self) -> Verdict:
        """As it stands for the model."""
        return shown_as(self.item.disparity.verdict)


def rows_of(view: View) -> list[Row]:
    """The comparisons in the manifest's order."""
    found = reading(view)
    return [] if found is None else [
        Row(f"{item.version}\n{item.label}\n{item.disparity.definition}", item) for item in found.slices]


def definition_words(definition: str) -> str:
    """``equal opportunity, true positive rate``; a figure's own name where that is compared."""
    rate, name = _WORDS.get(definition), definition.replace("_", " ")
    return name if rate is None else f"{name}, {rate}"


def slices(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading that says how many are fine and which is not, and a row for each; () where nothing is compared."""
    every, stale = rows_of(view), is_stale(view)
    if not every or rows <= 0:
        return []
    loud = loudest(every, lambda item: item.verdict)
    worst = None if loud is None else (loud.verdict, f"{_named(loud)} {_extremes(loud)}".rstrip())
    about = fine_of([item.verdict for item in every], "within their limit")
    out = [head("SLICES", worst, about, view, width, stale=stale)]
    columns = _columns(every, width)
    if rows > 2:
        out.append(line(" ", titles(columns, view.look.say)).fitted(width, view.look.ellipsis))
    keys = [item.key for item in every]
    shown = window_of(len(every), keys.index(chosen) if chosen in keys else None, rows - len(out))
    out += [_row(view, every[index], columns, width, chosen=keys[index] == chosen, stale=stale) for index in shown]
    return out[:rows]


def _named(item: Row) -> str:
    version = f"{item.item.version} " if item.item.version else ""
    return f"{version}{item.item.disparity.definition.replace('_', ' ')} by {item.item.label}"


def _extremes(item: Row) -> str:
    """``PT 68.36 %, PL 67.40 %``: the subgroups that are furthest apart; "" where fewer than two are known."""
    known = [rate for rate in item.item.disparity.rates if rate.value is not None]
    if len(known) < 2:
        return ""
    # Of equalized odds, the rate that is further apart.
    by_kind = {of: [rate for rate in known if rate.of == of] for of in dict.fromkeys(rate.of for rate in known)}
    pairs = [(min(items, key=lambda r: r.value or 0.0), max(items, key=lambda r: r.value or 0.0))
             for items in by_kind.values()]
    low, high = max(pairs, key=lambda pair: (pair[1].value or 0.0) - (pair[0].value or 0.0))
    if low is high:
        return f"{wording.percent(low.value or 0.0)} in all"
    return f"{low.group} {wording.percent(low.value or 0.0)}, {high.group} {wording.percent(high.value or 0.0)}"


def _columns(every: list[Row], width: int) -> list[Column]:
    wide = width >= _WIDE
    longest = max(cell_len(_named(item)) for item in every)
    name = min(longest, max(20, min(46, width - (74 if wide else 48))))
    columns = [Column("", 1, gap=0), Column("compared", name, gap=1), Column("apart", 8, "right", gap=1)]
    if wide:
        columns.append(Column("95 %", 18, "right"))
    return [*columns, Column("allowed", 8, "right"), Column("n", 11, "right", gap=1), Column("verdict", 12)]


def _row(view: View, item: Row, columns: list[Column], width: int, *, chosen: bool, stale: bool) -> Line:
    found, verdict = item.item.disparity, item.verdict
    role = Role.STALE if stale else VERDICT_ROLES[verdict]
    apart = "-" if found.difference is None else wording.percent(found.difference)
    interval = "-" if found.low is None or found.high is None else \
        between(wording.percent(found.low), wording.percent(found.high))
    cells: dict[str, Cell] = {
        "": (view.look.glyph(verdict), role), "compared": (_named(item), Role.STRONG if chosen else Role.PLAIN),
        "apart": bracketed(apart, stale=stale), "95 %": (interval, Role.DIM),
        "allowed": ("-" if found.limit is None else wording.percent(found.limit), Role.DIM),
        "n": (wording.count(found.n) if found.n else "-", Role.DIM)}
    word = wording.word(verdict) if verdict is not Verdict.NOT_JUDGED else "not judged"
    extremes = _extremes(item) if verdict in (*QUIET, Verdict.WARN) else ""
    why = f": {extremes}" if extremes else f": {found.sentence}" if verdict not in QUIET else ""
    made = row(columns[:-1], [cells[c.title] for c in columns[:-1]], view.look.say, view.look.ellipsis)
    return line(mark(view, chosen=chosen), made, "  ", (view.look.say(f"({word})" if stale else word), role),
                (view.look.say(why), Role.DIM)).fitted(width, view.look.ellipsis)
