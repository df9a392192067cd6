"""Drift on the on-call screen: the features worst first, or one line where there is no room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import drift_words as words
from triage.signals import wording
from triage.signals.drift_reading import moved
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, line, row
from triage.tui.panels.slos import short_count
from triage.tui.panels.top import cursor
from triage.tui.view import Item, View, drift_key, window_of

if TYPE_CHECKING:
    from triage.signals.drift_reading import DriftReading, Moved

FEW_FEATURES = 3
"""So many are wanted on a screen that has other things to show; more where there is room."""
TALL = 32
"""Rows of the terminal under which drift is one line."""
_SCORE, _LIMIT, _COUNT, _NULLS, _VERDICT = 10, 5, 8, 7, 20
_SENTENCES_FROM = 130
"""Cells from which the reason stands beside the verdict."""


def wants(view: View) -> tuple[int, int]:
    """(rows in which it says what matters, rows in which it says everything); 0 where nothing is watched."""
    reading = view.model.drift if view.model is not None else None
    if view.model is None or reading is None:
        return 0, 0
    found = moved(reading, view.model.versions)
    if reading.state is None or not found:
        return 1, 1
    loud = sum(item.verdict is not DriftVerdict.OK for item in found)
    return (1 + min(loud, FEW_FEATURES) if view.height >= TALL and loud else 1), 1 + len(found)


def _is_stale(view: View, reading: DriftReading) -> bool:
    """Whether it may no longer describe the present: it is old, or Prometheus has fallen silent."""
    return view.is_silent or reading.is_stale(view.now)


def drift(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """At most ``rows`` rows; () where nothing is watched. In one row: the worst feature, and how many stand how."""
    model = view.model
    reading = model.drift if model is not None else None
    if model is None or reading is None or rows <= 0:
        return ()
    found = moved(reading, model.versions)
    if reading.state is None or not found:
        failed = reading.failure is not None
        verdict = Verdict.UNKNOWN if failed else Verdict.PENDING
        return (line("   ", ("DRIFT", Role.HEADING), "  ", view.look.mark(verdict),
                     (words.not_scored(reading), VERDICT_ROLES[verdict])).fitted(width, view.look.ellipsis),)
    if rows == 1:
        return (_one(view, reading, found).fitted(width, view.look.ellipsis),)
    keys = [Item("drift", drift_key(item)) for item in found]
    chosen = view.chosen()
    shown = window_of(len(keys), keys.index(chosen) if chosen in keys else None, rows - 1)
    columns = _columns(view, found, width)
    out = [_heading(view, reading, found, columns, f"{len(shown)} of {len(keys)}" if len(shown) < len(keys) else "")]
    for index in shown:
        out.append(line(cursor(view, keys[index]), _feature(view, reading, found[index], columns, width)))
    return tuple(item.fitted(width, view.look.ellipsis) for item in out)


def _one(view: View, reading: DriftReading, found: tuple[Moved, ...]) -> Line:
    worst = found[0]
    stands = words.STANDS_AS[worst.verdict]
    keys = [Item("drift", drift_key(item)) for item in found]
    chosen = view.chosen()
    if chosen in keys:
        worst = found[keys.index(chosen)]
        stands = words.STANDS_AS[worst.verdict]
    mark = cursor(view, chosen) if chosen in keys else line(" ")
    head = line(mark, "  ", ("DRIFT", Role.HEADING), "  ")
    counted = words.counted(found)
    if _is_stale(view, reading):
        return line(head, (f"({view.look.glyph(stands)} {counted}) {_age(view, reading)}", Role.STALE))
    if worst.verdict is DriftVerdict.OK and chosen not in keys:
        return line(head, view.look.mark(stands), (counted, VERDICT_ROLES[stands]))
    feature = worst.worst
    n = "" if feature.n_current is None else f" (n {short_count(feature.n_current)})"
    said = words.score(feature) if feature.score is not None else words.verdict(worst)
    return line(head, view.look.mark(stands), (f"{words.name(feature)} {said}", VERDICT_ROLES[stands]), n,
                (f"  {counted}", Role.DIM))


def _age(view: View, reading: DriftReading) -> str:
    return "" if reading.answered_at is None else wording.coarse_age(max(0.0, view.now - reading.answered_at))


def _columns(view: View, found: tuple[Moved, ...], width: int) -> list[Column]:
    """Name, score, limits, n, nulls, verdict; on a narrow screen some of them are left out (width 0)."""
    middle = [Column("score", _SCORE, "right", 1), Column("warn", _LIMIT if width >= 68 else 0, "right", 1),
              Column("crit", _LIMIT if width >= 60 else 0, "right", 1),
              Column("n", _COUNT if width >= 48 else 0, "right", 1),
              Column("nulls", _NULLS if width >= 76 else 0, "right", 1)]
    taken = 3 + sum(c.gap + c.width for c in middle if c.width) + 2 + _VERDICT
    longest = max(cell_len(view.look.say(words.name(item.feature))) for item in found)
    room = max(8, width - taken)
    name = min(room, max(16, min(longest, 32)))
    return [Column("", name, gap=0), *middle, Column("verdict", _VERDICT + max(0, room - name), gap=2)]


def _row(view: View, columns: list[Column], cells: list[Cell]) -> Line:
    kept = [(column, cell) for column, cell in zip(columns, cells, strict=True) if column.width]
    return row([column for column, _ in kept], [cell for _, cell in kept], view.look.say, view.look.ellipsis)


def _heading(view: View, reading: DriftReading, found: tuple[Moved, ...], columns: list[Column], hidden: str) -> Line:
    stale = f"({_age(view, reading)} old)" if _is_stale(view, reading) else ""
    trouble = "not renewed" if reading.failure is not None else "partial" if reading.warnings else ""
    last: Line = line((f"verdict, {hidden}" if hidden else "verdict", Role.DIM))
    if trouble or stale:
        last = line((" ".join(word for word in (trouble, stale) if word), Role.UNKNOWN))
    first = line(("DRIFT", Role.HEADING), (f" {wording.window(found[0].feature.window_seconds)}", Role.DIM))
    return line("   ", _row(view, columns, [first, *((c.title, Role.DIM) for c in columns[1:-1]), last]))


def _feature(view: View, reading: DriftReading, item: Moved, columns: list[Column], width: int) -> Line:
    """One feature; in brackets, dimmed, when the answer is too old."""
    feature, stale = item.worst, _is_stale(view, reading)
    stands = words.STANDS_AS[item.verdict]
    base = Role.STALE if stale else Role.PLAIN
    loud = Role.STALE if stale else VERDICT_ROLES[stands]
    opening, closing = ("(", ")") if stale else ("", "")
    said = words.verdict(item) + closing
    last = line((said, loud))
    if width >= _SENTENCES_FROM and not stale:
        last = line((f"{said:<{_VERDICT}}  ", loud), (feature.sentence, Role.DIM))
    cells: list[Cell] = [
        (words.name(feature), base), (opening + words.score(feature), loud if feature.score is not None else base),
        (words.number(feature.warning), Role.DIM), (words.number(feature.critical), Role.DIM),
        (short_count(feature.n_current), base), (words.nulls(feature), base), last]
    return line((view.look.glyph(stands), loud), " ", _row(view, columns, cells))
