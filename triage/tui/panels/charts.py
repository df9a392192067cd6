"""Trends as charts: which series, what stands in the heading, and the short form for small terminals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from triage.signals import wording
from triage.signals.reading import Quality, Reading
from triage.tui.line import Line, Role, line
from triage.tui.look import Look
from triage.tui.plot import Plot, Series, draw, quantity, sample, sparkline
from triage.tui.view import View, arranged_slos

if TYPE_CHECKING:
    from triage.signals.model import ModelState, Quantiles, SloState, Trend

ChartKind = Literal["latency", "errors"]
_ROLES = (Role.FIRST, Role.SECOND, Role.THIRD)
_UNITS: dict[ChartKind, str] = {"latency": "s", "errors": "ratio"}


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart with its words: equal charts need not be drawn again."""

    kind: ChartKind
    heading: tuple[Line, ...]
    plot: Plot | None
    """None: there are no trends."""
    empty: str = ""

    def lines(self, width: int, height: int, look: Look) -> tuple[Line, ...]:
        """Heading and plot in at most ``height`` rows; the heading gives way to the plot, but never its first row."""
        if height <= 0:
            return ()
        keep = max(1, min(len(self.heading), height - 4))
        head = [row.fitted(width, look.ellipsis) for row in self.heading[:keep]]
        if self.plot is None:
            return tuple([*head, line("   ", (self.empty, Role.DIM)).fitted(width, look.ellipsis)][:height])
        return (*head, *draw(self.plot, width - 1, height - keep, look))[:height]


def subject(view: View, kind: ChartKind) -> SloState | None:
    """The objective that a chart is about: the selected one where it has such trends, else the worst that has."""
    model = view.model
    if model is None:
        return None
    having = {t.slo for t in model.trends if t.unit == _UNITS[kind]}
    chosen = view.chosen()
    if chosen.kind == "slo" and chosen.key in having:
        return next((s for s in model.slos if s.name == chosen.key), None)
    order = ("fail", "warn", "unknown", "pass", "low_n", "pending", "not_judged")
    candidates = [s for s in arranged_slos(model) if s.name in having]
    if kind == "latency":
        candidates = [s for s in candidates if s.kind == "latency"] or candidates
    return min(candidates, key=lambda s: order.index(s.verdict), default=None)


def chart(view: View, kind: ChartKind, width: int) -> Chart:
    """The chart of one kind as it stands."""
    title = "LATENCY" if kind == "latency" else "ERRORS"
    model, slo = view.model, subject(view, kind)
    if model is None or slo is None:
        coming = "percentiles over time" if kind == "latency" else "error rate over time"
        head = line("   ", (title, Role.HEADING), (f"  {coming}" if view.snapshot is None else "", Role.DIM))
        if model is None:
            return Chart(kind, (head,), None)
        said = f"no {'latency' if kind == 'latency' else 'error'} trend: no objective of the notebook gives one" \
            if not model.trends and model.data_at is not None else "no trend has been answered yet"
        return Chart(kind, (line(head, ("  " + said, Role.DIM)),), None)
    trends = [t for t in model.trends if t.slo == slo.name and t.unit == _UNITS[kind]]
    chosen = _chosen_trends(kind, trends)
    start, end = time_range(view, model)
    series = tuple(Series(_series_name(t, len(chosen), kind), t.start, t.step, t.values, n % 3,
                          _ROLES[min(n, 2)]) for n, t in enumerate(chosen))
    threshold = slo.threshold
    if kind == "errors":
        threshold = None if slo.objective in (None, 100) else round(1 - (slo.objective or 0) / 100, 12)
    markers = tuple((m.at, m.text) for m in model.markers)
    plot = Plot(series, start, end, _UNITS[kind], threshold, markers, from_zero=kind == "errors")
    return Chart(kind, _heading(view, kind, title, slo, plot, width), plot)


def _chosen_trends(kind: ChartKind, trends: list[Trend]) -> list[Trend]:
    versions = [v for v in dict.fromkeys(t.version for t in trends) if v is not None]
    if kind == "errors":
        return [t for t in trends if t.version is not None][:3] if len(versions) > 1 else _one_version(trends)[:1]
    if len(versions) > 1:
        return [t for t in trends if t.name == "p95" and t.version is not None][:3]
    order = ("p95", "p99", "p50")
    return sorted(_one_version(trends), key=lambda t: order.index(t.name) if t.name in order else 9)[:3]


def _one_version(trends: list[Trend]) -> list[Trend]:
    every = [t for t in trends if t.version is None]
    return every or trends


def _series_name(trend: Trend, count: int, kind: ChartKind) -> str:
    if trend.version is not None and count > 1 and (kind == "errors" or trend.name == "p95"):
        return trend.version
    return trend.name if kind == "latency" else (trend.version or "all")


def time_range(view: View, model: ModelState) -> tuple[float, float]:
    """Left and right edge of the charts. Live, the right edge is the newest point: it moves when a step is full."""
    if view.end is not None:
        return view.end - view.range_seconds, view.end
    ends = [t.start + t.step * (len(t.values) - 1) for t in model.trends if t.values]
    end = max(ends, default=view.now - view.now % 60)
    return end - view.range_seconds, end


def _heading(view: View, kind: ChartKind, title: str, slo: SloState, plot: Plot, width: int) -> tuple[Line, ...]:
    when = f"{wording.span(view.range_seconds)}" if view.end is None else \
        f"{wording.clock_time(plot.start, view.now)} to {wording.clock_time(plot.end, view.now)}"
    late = is_late(view, plot)
    by_version = kind == "latency" and len(plot.series) > 1 and plot.series[0].name not in ("p50", "p95", "p99")
    limit = "" if plot.threshold is None else \
        f", {'threshold' if kind == 'latency' else 'allowed'} {quantity(plot.threshold, plot.unit)}"
    head = line(
        "   ",
        (title + (" p95" if by_version else ""), Role.HEADING),
        (f"  {slo.name}, {when}{limit}", Role.DIM),
        (f"  until {wording.clock_time(plot.end, view.now)}" if late else "", Role.WARN),
    )
    legends = [_legend(view, s, n, plot, slo, kind, by_version) for n, s in enumerate(plot.series)]
    if len(legends) == 1 and head.width + legends[0].width + 4 <= width:
        return (line(head, "   ", legends[0]),)
    rows: list[Line] = [head]
    current = Line()
    for legend in legends:
        if current.spans and 3 + current.width + legend.width + 3 > width:
            rows.append(line("   ", current))
            current = Line()
        current = line(current, "   ", legend) if current.spans else legend
    return (*rows, line("   ", current)) if current.spans else tuple(rows)


def is_late(view: View, plot: Plot) -> bool:
    """Whether live trends end too long ago to be the present."""
    step = max((s.step for s in plot.series), default=60.0)
    return view.end is None and (view.is_silent or view.now - plot.end > max(120.0, 3 * step))


def _legend(view: View, series: Series, number: int, plot: Plot, slo: SloState, kind: ChartKind,
            by_version: bool) -> Line:
    values = series.within(plot.start, plot.end)
    known = [v for v in values if v is not None]
    name = line((sample(series, number, view.look), series.role), " ", (series.name, Role.STRONG), "  ")
    if not known:
        return line(name, ("no data", Role.DIM))
    last = values[-1]
    now = "-" if last is None else quantity(last, plot.unit)
    word = "last " if view.end is not None or is_late(view, plot) else "now "
    out = line(name, (word, Role.DIM), now, ("  min ", Role.DIM), quantity(min(known), plot.unit), ("  max ", Role.DIM),
               quantity(max(known), plot.unit))
    if by_version:
        found = next((q for q in slo.quantiles if q.version == series.name), None)
        if found is not None:
            out = line(out, _others(found))
    return out


def _others(found: Quantiles) -> Line:
    return line(("  p50 ", Role.DIM), quantile_text(found.p50), ("  p99 ", Role.DIM), quantile_text(found.p99))


def quantile_text(reading: Reading) -> str:
    """A percentile in words; in brackets when it is stale."""
    text = wording.reading(reading)
    return f"({text})" if reading.quality is Quality.STALE and reading.value is not None else text


def sparks(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """The charts in one row per line, with their present numbers: p95 of every version, errors of the newest."""
    out = [row for kind in ("latency", "errors") for row in _sparks(view, kind, width)]
    if len(out) > rows > 1:
        out = [*out[:rows - 1], out[-1]]
    return tuple(out[:rows])


def _sparks(view: View, kind: ChartKind, width: int) -> list[Line]:
    title = "p95" if kind == "latency" else "err"
    plot = chart(view, kind, width).plot
    if plot is None or not plot.series:
        said = "asking" if view.model is None else "no trend"
        return [line("   ", (title, Role.HEADING), "  ", (said, Role.DIM)).fitted(width, view.look.ellipsis)]
    percentiles = plot.series[0].name in ("p50", "p95", "p99")
    shown = plot.series[:1] if percentiles else plot.series[-1:] if kind == "errors" else plot.series[:2]
    named = not percentiles and len(plot.series) > 1
    return [_spark(view, title, plot, series, named, width) for series in shown]


def _spark(view: View, title: str, plot: Plot, series: Series, named: bool, width: int) -> Line:
    last = next((v for v in reversed(series.within(plot.start, plot.end)) if v is not None), None)
    label = f"{series.name} " if named else ""
    late = is_late(view, plot)
    value = "no data" if last is None else quantity(last, plot.unit)
    label += f"({value})" if late and last is not None else value
    cells = min(24, max(8, width // 6))
    head = line("   ", (title, Role.HEADING), "  ", (f"{label:<{cells}}", Role.STALE if late else Role.PLAIN), "  ")
    began = next((f", {text} at {wording.clock_time(at, view.now)}" for at, text in reversed(plot.markers)
                  if plot.start <= at <= plot.end and text.partition(" ")[0] == series.name and named), "")
    ended = f" until {wording.clock_time(plot.end, view.now)}" if late else ""
    tail = view.look.say(f"  {wording.span(view.range_seconds)}{ended or began}")
    room = width - head.width - 22
    if room < 8:
        return line(head, (tail.strip(), Role.DIM)).fitted(width, view.look.ellipsis)
    small = Plot((series,), plot.start, plot.end, plot.unit, None, (), plot.from_zero)
    drawn = sparkline(small, room, view.look).placed(room)
    return line(head, drawn, (tail, Role.DIM)).fitted(width, view.look.ellipsis)
