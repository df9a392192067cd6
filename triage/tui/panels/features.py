"""Every watched feature against its reference, and the two distributions of one of them laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import drift_words as words
from triage.signals import wording
from triage.signals.distances import METHOD_WORDS
from triage.signals.drift_model import BinShare, FeatureDrift, bin_shares
from triage.signals.drift_reading import DriftReading, Moved
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, fit, line, row, titles, wrap
from triage.tui.view import View, drift_key, window_of

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_NAME, _LEAST_NAME = 40, 10
_WIDE = 96
_LIMIT, _SCORE, _COUNT, _SHARE = 6, 11, 9, 8
_BINS = 12
"""Cells in which a bin's label is written, where they are needed."""


def second_of_day(at: float, now: float) -> str:
    """Local time to the second; with the date when it is not near ``now``."""
    return f"{wording.clock_time(at, now)}:{datetime.fromtimestamp(at, UTC).astimezone():%S}"


def as_of(reading: DriftReading, now: float) -> str:
    """When it was answered; how old that is once it is too old."""
    if reading.answered_at is None:
        return ""
    stale = reading.is_stale(now)
    old = f", {wording.coarse_age(now - reading.answered_at)} old" if stale else ""
    return f"as of {second_of_day(reading.answered_at, now)}{old}"


def table(view: View, found: Sequence[Moved], chosen: str | None, sought: str, width: int, rows: int) -> list[Line]:
    """A heading, what is wrong with the answer, and one row per feature of ``found``, as many as fit.

    ``chosen`` is the key of the feature that has the cursor, None when something else has it.
    """
    model = view.model
    reading = model.drift if model is not None else None
    if rows <= 0:
        return []
    if reading is None or reading.state is None:
        return _nothing(view, reading, width)[:rows]
    stale = reading.is_stale(view.now)
    columns = _columns(found, reading, width)
    total = len(reading.state.features)
    keys = [drift_key(item) for item in found]
    said = _above(view, reading, width)[:max(0, rows - 2)]
    shown = window_of(len(found), keys.index(chosen) if chosen in keys else None, rows - 2 - len(said))
    sought_text = f"  {len(found)} of {total} by /{sought}" if sought else f"  {total} feature{'s' * (total != 1)}"
    hidden = f", {shown.start + 1} to {shown.stop} shown" if len(shown) < len(found) else ""
    at = as_of(reading, view.now)
    if rows <= 2:
        # Too few for a table: how many stand how, and the worst.
        counts = words.counted(found)
        summary = line((" DRIFT", Role.HEADING), (f"{sought_text}{f', {counts}' if counts else ''}, {at}", Role.DIM))
        worst = [_row(view, item, columns, width, chosen=drift_key(item) == chosen, stale=stale) for item in found[:1]]
        return [summary.fitted(width, view.look.ellipsis), *worst][:rows]
    out = [line((" DRIFT", Role.HEADING), (f"{sought_text}{hidden}, {at}, window "
                                           f"{wording.span(reading.state.features[0].window_seconds)}"
                                           if total else sought_text, Role.DIM)).fitted(width, view.look.ellipsis)]
    out += said
    if rows > len(out):
        out.append(line(" ", titles(columns, view.look.say)).fitted(width, view.look.ellipsis))
    out += [_row(view, found[index], columns, width, chosen=keys[index] == chosen, stale=stale) for index in shown]
    if not found and rows > len(out):
        out.append(line("   ", (f"no feature has /{sought} in its name", Role.UNKNOWN))
                   .fitted(width, view.look.ellipsis))
    return out[:rows]


def _nothing(view: View, reading: DriftReading | None, width: int) -> list[Line]:
    head = line((" DRIFT", Role.HEADING))
    if view.model is None:
        return [head]
    if reading is not None and reading.failure is not None:
        hint = f"; {reading.failure.hint}" if reading.failure.hint else ""
        return [head, *(line("   ", (text, Role.UNKNOWN)) for text in
                        wrap(view.look.say(f"? not answered: {reading.failure.sentence()}{hint}"), max(8, width - 4)))]
    said = "asked, no answer yet" if reading is not None else \
        "- no feature is watched (spec.drift of the model notebook), or nothing was answered yet"
    return [head, *(line("   ", (text, Role.DIM)) for text in wrap(view.look.say(said), max(8, width - 4)))]


def _above(view: View, reading: DriftReading, width: int) -> list[Line]:
    out = []
    if reading.failure is not None:
        hint = f"; {reading.failure.hint}" if reading.failure.hint else ""
        out.append(line(" ", view.look.mark(Verdict.UNKNOWN), f"not renewed: {reading.failure.sentence()}{hint}"))
    out += [line(" ", view.look.mark(Verdict.UNKNOWN), f"partial: {warning}") for warning in reading.warnings[:1]]
    return [text.fitted(width, view.look.ellipsis) for text in out]


def _columns(found: Sequence[Moved], reading: DriftReading, width: int) -> list[Column]:
    longest = max((cell_len(words.name(item.feature)) for item in found), default=_LEAST_NAME)
    wide = width >= _WIDE
    room = width - (82 if wide else 52)
    name = min(longest, max(_LEAST_NAME, min(_MOST_NAME, room)))
    columns = [Column("", 1, gap=0), Column("feature", name, gap=1), Column("score", _SCORE, "right", gap=1)]
    if wide:
        columns += [Column("warn", _LIMIT, "right")]
    columns += [Column("crit", _LIMIT, "right"), Column("n", _COUNT, "right", gap=1)]
    if wide:
        columns += [Column("m", _COUNT, "right", gap=1), Column("bins", 4, "right"),
                    Column("nulls", _SHARE, "right", gap=1)]
    return [*columns, Column("verdict", 12)]


def _row(view: View, item: Moved, columns: Sequence[Column], width: int, *, chosen: bool, stale: bool) -> Line:
    feature = item.worst
    verdict = words.STANDS_AS[item.verdict]
    role = Role.STALE if stale else VERDICT_ROLES[verdict]
    score = words.score(feature)
    cells: dict[str, Cell] = {
        "": (view.look.glyph(verdict), role), "feature": (words.name(feature), Role.STRONG if chosen else Role.PLAIN),
        "score": (f"({score})", Role.STALE) if stale and feature.score is not None else score,
        "warn": (words.number(feature.warning), Role.DIM), "crit": (words.number(feature.critical), Role.DIM),
        "n": wording.count(feature.n_current), "m": (wording.count(feature.n_reference), Role.DIM),
        "bins": (str(feature.bins) if feature.bins is not None else "-", Role.DIM),
        "nulls": (words.nulls(feature), Role.DIM)}
    said = ((f"({words.verdict(item)})" if stale else words.verdict(item), role), (view.look.say(_why(item)), Role.DIM))
    mark = line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")
    head = row(columns[:-1], [cells[c.title] for c in columns[:-1]], view.look.say, view.look.ellipsis)
    # The verdict may use the rest of the row.
    return line(mark, head, "  ", *said).fitted(width, view.look.ellipsis)


def _why(item: Moved) -> str:
    """What the few words of the verdict leave out; where rows are short, it is cut off."""
    if item.both:
        return ": rolling back would not help"
    if item.verdict in (DriftVerdict.STALE, DriftVerdict.NOT_COMPARABLE) or \
            (item.verdict is DriftVerdict.INSUFFICIENT and (item.worst.score is None or item.apart is not None)):
        return f": {item.worst.sentence}"
    return ""


def overlay_rows(found: Sequence[Moved]) -> int:
    """Rows in which :func:`overlay` says everything of any of them: what is below stays where it is."""
    return max((2 + (len(item.worst.binned.labels) if item.worst.binned is not None else 1) for item in found),
               default=0)


def overlay(view: View, item: Moved | None, width: int, rows: int, *, stale: bool = False) -> list[Line]:
    """The reference and the present of one feature, a row per bin; where rows are few, the bins that moved most."""
    if item is None or rows <= 0:
        return []
    feature = item.worst
    shares = bin_shares(feature)
    shown = _shown(shares, rows - 2)
    out = [line((f" {words.name(feature)}", Role.STRONG), ("  ", Role.DIM),
                *_facts(item, stale=stale)).fitted(width, view.look.ellipsis)]
    if not shares:
        out += [line("   ", (text, Role.UNKNOWN)) for text in
                wrap(view.look.say(_without(feature)), max(8, width - 4))]
        return out[:rows]
    title = f"{len(shown)} most moved" if len(shown) < len(shares) else "bin"
    label = max(5, len(title), min(max(cell_len(view.look.say(share.label)) for share in shares),
                                   max(_BINS, width // 4)))
    columns = [Column(title, label, gap=3), Column("reference", 9, "right"), Column("present", 8, "right")]
    parts = feature.method == "psi" and width >= _WIDE
    if parts:
        columns.append(Column("of PSI", 7, "right"))
    cells = max(6, min(60, width - sum(c.width + c.gap for c in columns) - 3))
    heading = Line(tuple((text, Role.DIM) for text, _ in titles(columns, view.look.say).spans))
    out.append(line(heading, "  ", *_legend(view.look.pick, stale=stale)).fitted(width, view.look.ellipsis))
    scale = max(max(share.reference, share.current) for share in shares)
    for share in shown:
        figures: list[Cell] = [fit(view.look.say(share.label), label, view.look.ellipsis),
                               (wording.percent(share.reference), Role.DIM),
                               (wording.percent(share.current), Role.STALE if stale else Role.PLAIN)]
        if parts:
            figures.append((wording.significant(share.psi_part, 2) if share.psi_part >= 0.0005 else "-", Role.DIM))
        out.append(line(row(columns, figures, view.look.say, view.look.ellipsis), "  ",
                        bars(share, scale, cells, view.look.pick)).fitted(width, view.look.ellipsis))
    return out[:rows]


def _shown(shares: Sequence[BinShare], rows: int) -> list[BinShare]:
    """In their order."""
    most = sorted(range(len(shares)), key=lambda n: -abs(shares[n].current - shares[n].reference))[:max(0, rows)]
    return [shares[n] for n in sorted(most)]


def _facts(item: Moved, *, stale: bool) -> list[tuple[str, Role]]:
    feature = item.worst
    arm = next((f"{arm.arm} {arm.version} alone, " for arm in item.arms if arm.feature is feature), "")
    method = METHOD_WORDS.get(feature.method)
    score = words.score(feature)
    if method is not None and feature.score is not None:
        score = f"{method} {words.number(feature.score)}"
    where = feature.reference_from.partition(",")[0]
    facts = [f"n {wording.count(feature.n_current)}",
             f"m {wording.count(feature.n_reference)}{f' of {where}' if where else ''}",
             f"{feature.bins} bins" if feature.bins is not None else "no bins",
             f"window {wording.span(feature.window_seconds)}"]
    return [(f"({score})" if stale else score, Role.STALE if stale else Role.PLAIN),
            (f"  {arm}{', '.join(facts)}", Role.DIM)]


def _without(feature: FeatureDrift) -> str:
    if feature.method == "gauge":
        return f"its score is computed elsewhere, so there are no distributions to show: {feature.sentence}"
    return f"no two distributions to show: {feature.sentence}"


def _legend(pick: Callable[[str, str], str], *, stale: bool) -> list[tuple[str, Role]]:
    return [(pick("▇", "#"), Role.STALE if stale else Role.PLAIN), (" both  ", Role.DIM),
            (pick("▒", "+"), Role.STALE if stale else Role.ACCENT), (" present only  ", Role.DIM),
            (pick("░", "."), Role.RULE), (" reference only", Role.DIM)]


def bars(share: BinShare, scale: float, cells: int, pick: Callable[[str, str], str]) -> Line:
    """Both shares from the same left edge, ``scale`` at ``cells``; more than nothing shows at least one cell."""
    def length(value: float) -> int:
        return 0 if value <= 0 or scale <= 0 else max(1, min(cells, round(value / scale * cells)))

    reference, current = length(share.reference), length(share.current)
    common = min(reference, current)
    more = (pick("▒", "+") * (current - common), Role.ACCENT)
    less = (pick("░", ".") * (reference - common), Role.RULE)
    return line((pick("▇", "#") * common, Role.PLAIN), more, less)
