"""The version on trial beside stable: one row per metric, worst first, and what the comparison adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import canary_words as words
from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, line, row, wrap
from triage.tui.panels.slos import short_count
from triage.tui.panels.top import cursor
from triage.tui.view import Item, View, window_of

if TYPE_CHECKING:
    from triage.signals.canary import CanaryState, MetricVerdict
    from triage.signals.canary_reading import CanaryReading
    from triage.signals.model import ModelState

FEW_METRICS = 6
"""So many are wanted on a screen that has other things to show; more where there is room."""
FEW_ROWS = 2
"""So many rows under the heading are wanted where rows are scarce."""
TALL = 32
"""Rows of the terminal from which they are not."""
_VALUE, _DELTA, _ALLOWED, _COUNT, _VERDICT = 8, 9, 8, 8, 14
_SENTENCES_FROM = 130
"""Cells from which the reason stands beside the verdict."""


def wants(view: View, width: int) -> tuple[int, int]:
    """(rows in which it says what matters, rows in which it says everything); 0 without a version on trial."""
    model = view.model
    if model is None or words.on_trial(model) is None:
        return 0, 0
    state = model.canary.state if model.canary is not None else None
    if state is None or model.canary is None:
        return 1, 1
    findings = len(_findings(view, model.canary, state, width))
    every = 2 + findings + len(state.metrics)
    if view.height < TALL:
        return 1 + min(findings + len(state.metrics), FEW_ROWS), every
    return min(every, 2 + findings + FEW_METRICS), every


def canary(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """The comparison in at most ``rows`` rows, heading included; () without a version on trial.

    In one row: the verdict and the worst metric. In a few: its columns under the heading that is their titles.
    """
    model = view.model
    if model is None or rows <= 0 or words.on_trial(model) is None:
        return ()
    reading, state = model.canary, model.canary.state if model.canary is not None else None
    if reading is None or state is None:
        return (_nothing(view, model).fitted(width, view.look.ellipsis),)
    if rows == 1:
        return (_one(view, model, reading, state).fitted(width, view.look.ellipsis),)
    findings = _findings(view, reading, state, width)
    spacious = rows >= 2 + len(findings) + min(len(state.metrics), FEW_ROWS + 1)
    findings = findings[:max(0, rows - (3 if spacious else 2))]
    keys = [Item("canary", metric.name) for metric in state.metrics]
    chosen = view.chosen()
    room = rows - (2 if spacious else 1) - len(findings)
    shown = window_of(len(keys), keys.index(chosen) if chosen in keys else None, room)
    hidden = f"{shown.start + 1} to {shown.stop} of {len(keys)}" if len(shown) < len(keys) else ""
    columns = _columns(view, model, state, width)
    if spacious:
        out = [_heading(view, reading, state, hidden), *findings, _titles(view, columns, line("metric"))]
    else:
        more = f" {len(shown)} of {len(keys)}" if hidden else ""
        out = [_titles(view, columns, line((f"{state.arm.upper()}{more}", Role.HEADING)),
                       _verdict(view, reading, state, words.shortly(state))), *findings]
    for index in shown:
        out.append(line(cursor(view, keys[index]),
                        _metric(view, model, reading, state, state.metrics[index], columns, width)))
    return tuple(item.fitted(width, view.look.ellipsis) for item in out[:rows])


def _nothing(view: View, model: ModelState) -> Line:
    trial = words.on_trial(model)
    name, arm = (trial.version, trial.arm) if trial is not None else ("", "canary")
    failed = model.canary is not None and model.canary.failure is not None
    return line("   ", (arm.upper(), Role.HEADING), f" {name}  ",
                view.look.mark(Verdict.UNKNOWN if failed else Verdict.PENDING),
                (words.not_compared(model), Role.UNKNOWN if failed else Role.DIM))


def _is_stale(view: View, reading: CanaryReading) -> bool:
    return view.is_silent or reading.is_stale(view.now)


def _age(view: View, reading: CanaryReading) -> str:
    seconds = words.age_seconds(reading, view.now)
    return "age unknown" if seconds is None else wording.coarse_age(seconds)


def _verdict(view: View, reading: CanaryReading, state: CanaryState, text: str) -> Line:
    """Glyph and word of the whole; in brackets, dimmed, with its age when it is stale."""
    stands = words.stands_as(state.verdict, state.arm)
    if _is_stale(view, reading):
        return line((f"({view.look.glyph(stands)} {text}) {_age(view, reading)}", Role.STALE))
    return line(view.look.mark(stands), (text, VERDICT_ROLES[stands]))


def _heading(view: View, reading: CanaryReading, state: CanaryState, hidden: str) -> Line:
    said = [words.nobody(state.arm), hidden, words.since(state, view.now), words.weight(state),
            words.known_from(state.known_from)]
    return line("   ", (state.arm.upper(), Role.HEADING), f" {state.canary}  ",
                _verdict(view, reading, state, words.overall(state)),
                ("  " + ", ".join(part for part in said if part), Role.DIM))


def _one(view: View, model: ModelState, reading: CanaryReading, state: CanaryState) -> Line:
    head = line("   ", (state.arm.upper(), Role.HEADING), f" {state.canary}  ",
                _verdict(view, reading, state, words.shortly(state)), "  ")
    if not state.metrics:
        return line(head, (state.reason, Role.DIM))
    if state.both_moved and state.verdict != "fail":
        # What one would do wrong by rolling back matters more than the next figure.
        return line(head, view.look.mark(Verdict.WARN),
                    f"both moved, rolling back would not help: {state.both_moved.partition(':')[0]}")
    worst = state.metrics[0]
    texts = words.figures(worst, model.slos)
    return line(head, f"{texts.name} {texts.canary}, {state.stable} {texts.stable}",
                (f" ({texts.delta}, {texts.allowed} allowed, n {wording.count(worst.n_canary)})", Role.DIM))


def _findings(view: View, reading: CanaryReading, state: CanaryState, width: int) -> list[Line]:
    """What is not a metric and changes how they are to be read."""
    found: list[tuple[Verdict, str]] = []
    if state.verdict == "error" and not any(m.verdict == "error" for m in state.metrics):
        found.append((Verdict.UNKNOWN, state.reason))
    found += [(Verdict.WARN, text) for text in (state.both_moved, state.split) if text]
    if reading.failure is not None:
        found.append((Verdict.UNKNOWN, f"not renewed: {reading.failure.sentence()}"))
    found += [(Verdict.UNKNOWN, f"partial: {warning}") for warning in reading.warnings[:1]]
    out: list[Line] = []
    for verdict, text in found:
        role = Role.PLAIN if verdict is Verdict.WARN else Role.DIM
        wrapped = wrap(view.look.say(text), max(1, width - 4)) if view.height >= TALL else [text]
        for number, part in enumerate(wrapped[:2]):
            rest = " ".join(wrapped[number:]) if number else part
            out.append(line(" ", "  " if number else view.look.mark(verdict), (rest, role))
                       .fitted(width, view.look.ellipsis))
    return out


def _columns(view: View, model: ModelState, state: CanaryState, width: int) -> list[Column]:
    """Name, stable, canary, delta, allowed, n, verdict; on a narrow screen some of them are left out (width 0)."""
    short = max(cell_len(view.look.say(v)) for v in (state.stable, state.canary)) <= _VALUE
    stable, mine = (state.stable, state.canary) if short else ("stable", state.arm[:_VALUE])
    count = f"n {mine}" if short and len(mine) <= _COUNT - 2 else "n"
    middle = [Column(stable, _VALUE if width >= 40 else 0, "right", 1), Column(mine, _VALUE, "right", 1),
              Column("delta", _DELTA if width >= 60 else 0, "right", 1),
              Column("allowed", _ALLOWED if width >= 76 else 0, "right", 1),
              Column(count, _COUNT if width >= 68 else 0, "right", 1)]
    taken = 3 + sum(c.gap + c.width for c in middle if c.width) + 2 + _VERDICT
    longest = max((cell_len(view.look.say(words.figures(m, model.slos).name)) for m in state.metrics), default=0)
    room = max(6, width - taken)
    name = min(room, max(16, min(longest, 32)))
    return [Column("", name, gap=0), *middle, Column("verdict", _VERDICT + max(0, room - name), gap=2)]


def _row(view: View, columns: list[Column], cells: list[Cell]) -> Line:
    kept = [(column, cell) for column, cell in zip(columns, cells, strict=True) if column.width]
    return row([column for column, _ in kept], [cell for _, cell in kept], view.look.say, view.look.ellipsis)


def _titles(view: View, columns: list[Column], first: Line, last: Line | None = None) -> Line:
    titled: list[Cell] = [(column.title, Role.DIM) for column in columns[1:-1]]
    dimmed = Line(tuple((text, Role.DIM if role is Role.PLAIN else role) for text, role in first.spans))
    return line("   ", _row(view, columns, [dimmed, *titled, last or line((columns[-1].title, Role.DIM))]))


def _metric(view: View, model: ModelState, reading: CanaryReading, state: CanaryState, metric: MetricVerdict,
            columns: list[Column], width: int) -> Line:
    """One metric; dimmed where it decides nothing, in brackets too where it is stale."""
    texts = words.figures(metric, model.slos)
    stale = _is_stale(view, reading)
    stands = words.stands_as(metric.verdict, state.arm) if metric.margin is not None else Verdict.NOT_JUDGED
    base = Role.STALE if stale else Role.PLAIN if metric.gates else Role.DIM
    loud = VERDICT_ROLES[stands] if base is Role.PLAIN else base
    glyph = line((view.look.glyph(stands), loud), " ")
    if metric.delta is None:
        # The reason takes the room of the columns that have nothing to say.
        phrase = line((texts.verdict, loud), (f": {words.why(metric)}", Role.DIM))
        name, rest = columns[0], sum(c.gap + c.width for c in columns[1:] if c.width)
        return line(glyph, row([name, Column("", rest - 2, gap=2)], [(texts.name, base), phrase], view.look.say,
                               view.look.ellipsis))
    opening, closing = ("(", ")") if stale else ("", "")
    stable, mine = (_without_unit(text, _VALUE - len(opening) * (not n)) for n, text in
                    enumerate((texts.stable, texts.canary)))
    verdict = line((texts.verdict + closing, loud))
    if width >= _SENTENCES_FROM and not stale:
        verdict = line((f"{texts.verdict:<{_VERDICT - 1}}  ", loud), (words.why(metric), Role.DIM))
    cells: list[Cell] = [
        (texts.name, base), (opening + stable, base), (mine, loud if stands in (Verdict.FAIL, Verdict.WARN) else base),
        (_without_unit(texts.delta, _DELTA), base), (_without_unit(texts.allowed, _ALLOWED), Role.DIM),
        (short_count(metric.n_canary), base), verdict]
    return line(glyph, _row(view, columns, cells))


def _without_unit(text: str, cells: int) -> str:
    """The unit gives way to the number where both do not fit; the page behind the row has both."""
    return text if cell_len(text) <= cells else text.rpartition(" ")[0] or text
