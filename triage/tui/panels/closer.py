"""What only a closer look asks, on the debug screen: a feature's score over time, attributions, labels by cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import drift_words as words
from triage.signals import wording
from triage.signals.cohorts import Maturity
from triage.signals.reading import Verdict
from triage.tui.line import BLANK, Cell, Column, Line, Role, fit, line, pad, row, wrap
from triage.tui.panels.heads import as_of, failed, head, unanswered
from triage.tui.plot import Plot, Series, draw, sparkline
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.signals.attributions import Attribution
    from triage.signals.closer_reading import CloserReading, ScoreHistory
    from triage.signals.drift_reading import Moved
    from triage.signals.labels_reading import LabelHistory

SCORE_ROWS = 6
"""Rows in which a chart of scores says what it has to."""
_LEAST_CHART = 4
_LABEL = 22


def reading(view: View) -> CloserReading | None:
    """What is known; None while nobody looks, or nothing has been asked."""
    return view.model.closer if view.model is not None else None


def history(view: View, item: Moved | None) -> ScoreHistory | None:
    """The past of this feature's score; None until it has been answered for this range."""
    found = reading(view)
    if found is None or item is None or (found.range_seconds, found.end) != (view.range_seconds, view.end):
        return None
    known = found.scores.answer
    about = known is not None and (known.feature, known.is_prediction) == (item.feature.feature,
                                                                          item.feature.is_prediction)
    return known if about else None


def scores(view: View, item: Moved | None, width: int, rows: int) -> list[Line]:
    """The score of one feature over time against its limits; in one row a spark. () where nothing is watched."""
    if item is None or rows <= 0:
        return []
    told = reading(view)
    known = history(view, item)
    name = (f" {words.name(item.feature)} over time", Role.STRONG)
    failure = told.scores.failure if told is not None else None
    if known is None:
        wrong, said = unanswered(failure, view)
        why = line((said, Role.DIM)) if wrong is None else line(view.look.mark(wrong[0]), (wrong[1], Role.UNKNOWN))
        return [line(name, "  ", why).fitted(width, view.look.ellipsis)]
    end = known.start + known.step * (len(known.values) - 1)
    plot = Plot((Series("score", known.start, known.step, known.values),), known.start, end, "", known.critical,
                from_zero=not known.low_is_drift)
    values = [value for value in known.values if value is not None]
    said = f"  {wording.span(round((end - known.start) / 60) * 60)}, all versions" + (
        f", each of {wording.span(known.window_seconds)}" if known.window_seconds else "")
    low = known.low_is_drift
    limits = f", {'least' if low else 'most'} {words.number((min if low else max)(values))}" if values else ""
    side = "under" if low else "from"
    heading = line(name, (f"{said}{limits}, drift {side} {words.number(known.critical)}", Role.DIM))
    if rows < _LEAST_CHART:
        room = width - heading.width - 2
        drawn = line(heading, "  ", sparkline(plot, min(room, 40), view.look)) if room >= 8 else heading
        return [drawn.fitted(width, view.look.ellipsis)]
    out = [heading.fitted(width, view.look.ellipsis), *failed(failure, view, width)]
    return [*out, *draw(plot, width - 1, rows - len(out), view.look)][:rows]


def attributions(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """What each feature is worth, beside what is usual; () where the manifest names no attributions."""
    found = reading(view)
    if found is None or not found.attributions_named or rows <= 0:
        return []
    told = found.attributions
    every = told.answer or ()
    stale = view.is_silent or (told.answered_at is not None and found.end is None
                               and view.now - told.answered_at > max(found.stale_after, 900.0))
    first = f"{every[0].feature} {wording.percent(every[0].share)} of all" if every else ""
    about = ", ".join(part for part in (first, as_of(told.answered_at, view, stale=stale)) if part)
    if told.answer is None:
        return [head("ATTRIBUTIONS", *unanswered(told.failure, view), view, width)]
    if not every:
        return [head("ATTRIBUTIONS", (Verdict.UNKNOWN, "nobody exports the series that spec.attributions names"), "",
                     view, width)]
    out = [head("ATTRIBUTIONS", None, about, view, width, stale=stale, chosen=chosen is not None),
           *failed(told.failure, view, width)]
    cells = min(30, max((cell_len(view.look.say(item.feature)) for item in every), default=0))
    bar = max(6, min(40, width - cells - 34))
    out += [_attribution(item, view, cells, bar, width, stale=stale) for item in every]
    return out[:rows]


def _attribution(item: Attribution, view: View, cells: int, bar: int, width: int, *, stale: bool) -> Line:
    share = wording.percent(item.share)
    usual = "" if item.usual_share is None else f"  usual {wording.percent(item.usual_share)}"
    return line("   ", pad(fit(view.look.say(item.feature), cells, view.look.ellipsis), cells),
                f"  {f'({share})' if stale else share:>9}  ", view.look.bar(item.share, bar),
                (usual, Role.DIM)).fitted(width, view.look.ellipsis)


def labels(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """How complete labels are and what they say by prediction time; () where none are counted."""
    found = reading(view)
    if found is None or not found.labels_counted or rows <= 0:
        return []
    told = found.labels
    known = told.answer
    if known is None:
        return [head("LABELS", *unanswered(told.failure, view), view, width)]
    late, noted = known.coverage.overdue, known.coverage.notes
    worst = None
    if noted:
        worst = Verdict.UNKNOWN, noted[0] if rows == 1 else f"{late} overdue" if late else "coverage fell"
    out = [head("LABELS", worst, known.coverage.sentence, view, width, stale=view.is_silent,
                chosen=chosen is not None), *failed(told.failure, view, width)]
    sparks = _sparks(known, view, width)
    notes = [(text, Role.UNKNOWN) for text in known.coverage.notes] + [(text, Role.DIM) for text in known.notes]
    told_rows = [line("   ", (text, role)) for note, role in notes for text in wrap(view.look.say(note), width - 4)]
    gap = [] if known.gap is None or known.gap.value is None else [
        line("   ", text) for text in wrap(view.look.say(f"by {known.predicted_by}: {known.gap.sentence}"), width - 4)]
    out += [*sparks, *gap, *told_rows]
    if len(out) + 4 <= rows:
        # On the full screen there is room for every cohort.
        out += [BLANK, *cohorts(known, view, width)]
    return out[:rows]


def cohorts(known: LabelHistory, view: View, width: int) -> list[Line]:
    """A row for each cohort, newest first."""
    name = next((state.figure.name for state in known.states if state.figure is not None), "")
    columns = [Column("prediction time", 16, gap=1), Column("predictions", 12, "right"), Column("labels", 11, "right"),
               Column("in", 9, "right"), *([Column(name, 10, "right")] if name else []), Column("stand", 8)]
    out = [row(columns, [(column.title, Role.DIM) for column in columns], view.look.say)]
    for state in reversed(known.states):
        figure, cohort = state.figure, state.cohort
        share = "-" if cohort.coverage is None or state.maturity is Maturity.PENDING else \
            wording.percent(cohort.coverage)
        cells: list[Cell] = [(wording.clock_time(cohort.start, view.now), Role.DIM), wording.count(cohort.predictions),
                             wording.count(cohort.labels), share]
        if name:
            cells.append("-" if figure is None or figure.value is None else wording.percent(figure.value))
        overdue = state.maturity is Maturity.OVERDUE
        out.append(row(columns, [*cells, (str(state.maturity), Role.UNKNOWN if overdue else Role.DIM)], view.look.say,
                       view.look.ellipsis))
    return [each.fitted(width, view.look.ellipsis) for each in out]


def _sparks(known: LabelHistory, view: View, width: int) -> list[Line]:
    """One row each: predictions, the share of them that is labelled, the first figure, over prediction time."""
    states = known.states
    if not states:
        return []
    start, step = states[0].cohort.start, known.cohort_seconds
    count = round((states[-1].cohort.start - start) / step) + 1
    places: list[int] = [round((state.cohort.start - start) / step) for state in states]
    end = start + step * (count - 1)

    def series(values: list[float | None]) -> Series:
        on_grid: list[float | None] = [None] * count
        for place, value in zip(places, values, strict=True):
            on_grid[place] = value
        return Series("", start, step, tuple(on_grid))

    per = wording.span(step)
    mature = [state.maturity is Maturity.MATURE for state in states]
    rows = [_spark(view, f"predictions in {per}", series([state.cohort.predictions for state in states]),
                   wording.count(states[-1].cohort.predictions), end, width),
            # Labels that are not due are no lack of labels.
            _spark(view, "labels in", series([None if state.maturity is Maturity.PENDING else state.cohort.coverage
                                              for state in states]),
                   "-" if not any(mature) else wording.percent(next(
                       state.cohort.coverage or 0.0 for state in reversed(states)
                       if state.maturity is Maturity.MATURE)), end, width)]
    for index, item in enumerate(known.figures):
        figure = item.figure
        if figure.value is None:
            continue
        last = f"{wording.percent(figure.value)} of {wording.count(figure.n)}"
        values = [state.figure.value if state.figure is not None else None for state in states]
        rows.append(_spark(view, figure.name, series(values), last, end, width) if index == 0 else
                    _fact(view, figure.name, last, width))
    span = line("   ", (f"{'prediction time':<{_LABEL}}", Role.DIM), (f"{wording.clock_time(start, view.now)} to "
                f"{wording.clock_time(end + step, view.now)}, {len(states)} cohorts of {per}", Role.DIM))
    return [*rows, span.fitted(width, view.look.ellipsis)]


def _spark(view: View, name: str, series: Series, last: str, end: float, width: int) -> Line:
    small = Plot((series,), series.start, end, "", None, (), from_zero=True)
    room = max(8, min(60, width - _LABEL - 30))
    return line(_fact(view, name, last, width), "  ", sparkline(small, room, view.look)).fitted(
        width, view.look.ellipsis)


def _fact(view: View, name: str, last: str, width: int) -> Line:
    return line("   ", (pad(fit(view.look.say(name), _LABEL, view.look.ellipsis), _LABEL), Role.DIM),
                f"{last:>20}").fitted(width, view.look.ellipsis)
