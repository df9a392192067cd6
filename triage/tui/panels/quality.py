"""Quality on the debug screen: each figure with its interval and n, and what the scores alone let expect."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.estimated import Estimated, NotEstimated
from triage.signals.quality import Expected, Figure
from triage.signals.quality_reading import QualityReading, VersionEstimate, VersionFigure, fine_of
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, line, row, titles
from triage.tui.panels.heads import QUIET, as_of, between, bracketed, failed, head, loudest, mark, shown_as, unanswered
from triage.tui.view import View, window_of

_WIDE = 96
_MOST_NAME, _LEAST_NAME = 34, 18


class Row(NamedTuple):
    """One figure or one estimate."""

    key: str
    item: VersionFigure | VersionEstimate

    @property
    def verdict(self) -> Verdict:
        """As it stands for the model; an estimate is not judged."""
        return shown_as(self.item.judged.verdict) if isinstance(self.item, VersionFigure) else Verdict.NOT_JUDGED


def reading(view: View) -> QualityReading | None:
    """What is known of the versions that are in an arm; None where the manifest says nothing of quality."""
    model = view.model
    return None if model is None or model.quality is None else model.quality.present(model.versions)


def rows_of(view: View) -> list[Row]:
    """The figures in the manifest's order, then the estimates."""
    found = reading(view)
    if found is None:
        return []
    made = [Row(f"{item.version}\n{item.judged.figure.name}", item) for item in found.figures]
    return made + [Row(f"{item.version}\n\nestimated", item) for item in found.estimates]


def is_stale(view: View) -> bool:
    """Whether the figures may no longer describe the present."""
    found = reading(view)
    return found is not None and (view.is_silent or found.is_stale(view.now))


def quality(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading that says how many are fine and which is not, and a row for each; () where nothing is promised."""
    found = reading(view)
    if found is None or rows <= 0:
        return []
    every, stale = rows_of(view), is_stale(view)
    judged = [item for item in every if isinstance(item.item, VersionFigure)]
    loud = loudest(judged, lambda item: item.verdict)
    counted = fine_of([item.verdict for item in judged], "figures as expected") if judged else "no figures"
    about = ", ".join(part for part in (counted, as_of(found.answered_at, view, stale=stale)) if part)
    worst = None if loud is None else (loud.verdict, _named(loud))
    if found.answered_at is None:
        return [head("QUALITY", *unanswered(found.failure, view), view, width)]
    out = [head("QUALITY", worst, about, view, width, stale=stale), *failed(found.failure, view, width)]
    if not every or rows <= len(out):
        return out[:rows]
    columns = _columns(every, width)
    if rows > len(out) + 1:
        out.append(line(" ", titles(columns, view.look.say)).fitted(width, view.look.ellipsis))
    keys = [item.key for item in every]
    shown = window_of(len(every), keys.index(chosen) if chosen in keys else None, rows - len(out))
    out += [_row(view, every[index], columns, width, chosen=keys[index] == chosen, stale=stale) for index in shown]
    return out[:rows]


def _named(item: Row) -> str:
    """``v8 recall``; with ``estimated`` before an estimate and ``stand-in`` behind a proxy."""
    version = f"{item.item.version} " if item.item.version else ""
    if isinstance(item.item, VersionEstimate):
        return f"{version}accuracy, estimated"
    return f"{version}{item.item.judged.figure.name}{', stand-in' if item.item.is_proxy else ''}"


def _columns(every: list[Row], width: int) -> list[Column]:
    wide = width >= _WIDE
    longest = max(cell_len(_named(item)) for item in every)
    name = min(longest, max(_LEAST_NAME, min(_MOST_NAME, width - (72 if wide else 52))))
    columns = [Column("", 1, gap=0), Column("figure", name, gap=1), Column("value", 9, "right", gap=1)]
    if wide:
        columns.append(Column("95 %", 18, "right"))
    return [*columns, Column("n", 11, "right", gap=1), Column("expected", 17, "right"), Column("verdict", 12)]


def _row(view: View, item: Row, columns: list[Column], width: int, *, chosen: bool, stale: bool) -> Line:
    verdict = item.verdict
    role = Role.STALE if stale else VERDICT_ROLES[verdict]
    cells: dict[str, Cell] = {"": (view.look.glyph(verdict), role),
                              "figure": (_named(item), Role.STRONG if chosen else Role.PLAIN)}
    if isinstance(item.item, VersionFigure):
        figure, expected = item.item.judged.figure, item.item.judged.expected
        cells |= {"value": bracketed(wording.value(figure.value, figure.unit), stale=stale), "95 %": _interval(figure),
                  "n": (wording.count(figure.n) if figure.value is not None else "-", Role.DIM),
                  "expected": (expectation(expected, figure.unit), Role.DIM)}
        word = wording.word(verdict) if verdict is not Verdict.NOT_JUDGED else "not judged"
        why = "" if verdict in QUIET else f": {item.item.judged.sentence}"
    else:
        cells |= _estimated(item.item, stale=stale)
        word = "assumes calibrated scores" if isinstance(item.item.estimated, Estimated) else "not estimated"
        why = f": {item.item.estimated.reason}" if isinstance(item.item.estimated, NotEstimated) else ""
    made = row(columns[:-1], [cells[c.title] for c in columns[:-1]], view.look.say, view.look.ellipsis)
    said = view.look.say(f"({word})" if stale else word)
    return line(mark(view, chosen=chosen), made, "  ", (said, role), (view.look.say(why), Role.DIM)).fitted(
        width, view.look.ellipsis)


def _interval(figure: Figure) -> Cell:
    if figure.low is None or figure.high is None:
        return "-", Role.DIM
    return between(wording.value(figure.low, figure.unit), wording.value(figure.high, figure.unit)), Role.DIM


def _estimated(item: VersionEstimate, *, stale: bool) -> dict[str, Cell]:
    found = item.estimated
    accuracy = found.figure("accuracy") if isinstance(found, Estimated) else None
    if accuracy is None or not isinstance(found, Estimated):
        return {"value": "-", "95 %": ("-", Role.DIM), "n": ("-", Role.DIM), "expected": ("-", Role.DIM)}
    return {"value": bracketed(wording.percent(accuracy.value), stale=stale), "95 %": ("-", Role.DIM),
            "n": (wording.count(found.n), Role.DIM), "expected": ("-", Role.DIM)}


def expectation(expected: Expected, unit: str) -> str:
    """``≥ 60.00 %``, ``≤ 0.080``, or both limits; ``-`` without one."""
    lowest, highest = (None if limit is None else wording.value(limit, unit) if unit else
                       wording.significant(limit, 2) for limit in (expected.lowest, expected.highest))
    if lowest is not None and highest is not None:
        return between(lowest, highest)
    return f"≥ {lowest}" if lowest is not None else "-" if highest is None else f"≤ {highest}"
