"""The page behind one metric of the comparison with stable: both arms, the margin and its source, and the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.signals import canary_words as words
from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import BLANK, VERDICT_ROLES, Cell, Column, Line, Role, line, row, titles
from triage.tui.page_parts import fact, heading, moment, paragraph
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.signals.canary import CanaryState, MetricVerdict
    from triage.signals.canary_reading import CanaryReading
    from triage.signals.model import ModelState


def canary_page(view: View, model: ModelState, name: str, width: int) -> list[Line]:
    """Everything behind the metric ``name``; [] when it is no longer compared."""
    reading = model.canary
    state = reading.state if reading is not None else None
    metric = next((m for m in state.metrics if m.name == name), None) if state is not None else None
    if reading is None or state is None or metric is None:
        return []
    stands = words.stands_as(metric.verdict, state.arm) if metric.margin is not None else Verdict.NOT_JUDGED
    texts = words.figures(metric, model.slos)
    stale = reading.is_stale(view.now)
    word = texts.verdict if metric.margin is None else str(metric.verdict)
    out = [line(view.look.mark(stands), (f"({word.upper()})" if stale else word.upper(),
                                         Role.STALE if stale else VERDICT_ROLES[stands])),
           *paragraph(metric.sentence, width), BLANK]
    out += fact("decides", "yes" if metric.gates else "no, it is only shown", width)
    out += fact("delta", f"{texts.delta}, {state.arm} minus stable", width)
    out += fact("allowed", words.margin_source(metric), width)
    if metric.more_events is not None:
        when = f", {wording.coarse_age(metric.more_seconds)} at the present rate" if metric.more_seconds else ""
        out += fact("still needed", f"about {wording.count(metric.more_events)}{when}", width)
    if metric.failed_at is not None:
        out += fact("proven worse since", f"{moment(metric.failed_at, view.now)}; later intervals do not undo it",
                    width)
    out += _arms(view, state, metric, texts)
    out += _method(metric, state, width)
    return out + _comparison(view, reading, state, width)


def _arms(view: View, state: CanaryState, metric: MetricVerdict, texts: words.Figures) -> list[Line]:
    out = heading("BOTH ARMS")
    unit = "intervals" if metric.kind == "level" else "n"
    durations = metric.stable_percentiles is not None or metric.canary_percentiles is not None
    names = ["p50", "p95", "p99"] if durations else [texts.name]
    columns = [Column("", 10, gap=0), Column("version", 20),
               *(Column(name, max(10, len(name)), "right") for name in names), Column(unit, 11, "right")]
    out.append(titles(columns, view.look.say))
    for arm, version, value, count, found in (
            ("stable", state.stable, texts.stable, metric.n_stable, metric.stable_percentiles),
            (state.arm, state.canary, texts.canary, metric.n_canary, metric.canary_percentiles)):
        cells: list[Cell] = [(arm, Role.DIM), (version, Role.STRONG)]
        if durations:
            for number, seconds in enumerate((found.p50, found.p95, found.p99) if found is not None else (None,) * 3):
                beyond = found is not None and found.at_least and number == 2
                cells.append(wording.value(seconds, "s", at_least=beyond))
        else:
            cells.append(value)
        out.append(row(columns, [*cells, wording.count(count)], view.look.say))
    return out


def _method(metric: MetricVerdict, state: CanaryState, width: int) -> list[Line]:
    out = heading("METHOD")
    out += fact("compared by", words.method(metric), width)
    if metric.p is not None:
        out += fact("p", f"{words.number(metric.p)}, of being no worse than allowed", width)
    if metric.dispersion is not None:
        out += fact("dispersion", f"{words.number(metric.dispersion)}, variance over mean of stable's counts: "
                                  "by so much the evidence was divided", width)
    if metric.effect is not None:
        out += fact("effect", f"{metric.effect:.3f}, probability that a request of the {state.arm} takes longer than "
                              "one of stable; 0.5 when they are alike", width)
    return out + fact("false alarms", f"at most {wording.significant(state.alpha * 100)} % over all metrics and looks",
                      width)


def _comparison(view: View, reading: CanaryReading, state: CanaryState, width: int) -> list[Line]:
    out = heading(f"THE COMPARISON OF {state.canary} WITH {state.stable}")
    stands = words.stands_as(state.verdict, state.arm)
    out += fact("verdict", f"{view.look.glyph(stands)} {words.overall(state)}", width, VERDICT_ROLES[stands])
    out += fact("because", state.reason, width)
    if words.nobody(state.arm):
        out += fact("arm", f"{state.arm}: {words.nobody(state.arm)}, it never pages", width)
    out += [text for finding in (state.both_moved, state.split) if finding
            for text in fact("finding", finding, width, Role.WARN)]
    out += fact("since", f"{moment(state.started_at, view.now)}, in intervals of "
                         f"{wording.span(reading.step_seconds)}", width)
    unseen = words.unseen(state, view.now)
    if unseen:
        out += fact("unknown", f"{unseen} of it: nobody saw the requests of both versions then, n counts the rest",
                    width, Role.UNKNOWN)
    if reading.read_to is not None:
        out += fact("up to", moment(reading.read_to, view.now), width)
    out += fact("traffic", f"{words.weight(state)} of the requests", width)
    said_by = state.known_from if state.known_from != words.WAITING else f"what was said so far: {words.NOT_YET}"
    out += fact("arms known from", said_by, width)
    if reading.failure is not None:
        out += fact("not renewed", reading.failure.sentence(), width, Role.UNKNOWN)
    return out + [text for warning in reading.warnings for text in fact("partial", warning, width, Role.UNKNOWN)]
