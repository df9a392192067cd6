"""The range query behind the charts: what is asked, on which grid, and how its answer becomes lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from triage.facts.replies import Part, Question
from triage.facts.samples import Sample, Series
from triage.live.expressions import level_expression
from triage.notebook.load import Notebook
from triage.notebook.resolve import Objective
from triage.notebook.selector import Selector, parse_selector
from triage.notebook.slis import AverageSli, ColdStartSli, HistogramSli, RatioSli
from triage.signals.counts import STOPPED_SECONDS
from triage.signals.histogram import Buckets, buckets_from, merged, quantile
from triage.signals.model import Trend

POINTS = 120
QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class Grid:
    """Times of a range query, in Unix seconds: aligned to the step, so that a chart moves only when a step is full."""

    start: float
    end: float
    step: float

    @property
    def times(self) -> tuple[float, ...]:
        return tuple(self.start + i * self.step for i in range(round((self.end - self.start) / self.step) + 1))


def grid(range_seconds: float, end: float, scrape_interval: float) -> Grid:
    """The grid that covers ``range_seconds`` up to ``end`` with about ``POINTS`` points."""
    step = float(max(math.ceil(scrape_interval), math.ceil(range_seconds / POINTS), 1))
    last = math.floor(end / step) * step
    return Grid(last - math.floor(range_seconds / step) * step, last, step)


def main_objectives(notebook: Notebook) -> tuple[Objective | None, Objective | None]:
    """The objectives that the charts show: the first about a duration, and the first about errors."""
    durations = [o for o in notebook.objectives if isinstance(o.candidates[0].sli, HistogramSli | AverageSli)]
    ratios = [o for o in notebook.objectives if isinstance(o.candidates[0].sli, RatioSli | ColdStartSli)
              and (o.slo.objective or 0) < 100]
    judged = [o for o in durations if o.slo.objective is not None] or durations
    errors = [o for o in ratios if o.slo.objective is not None] or ratios
    return (judged[0] if judged else None), (errors[0] if errors else None)


def trend_questions(notebook: Notebook, rate_window: str) -> tuple[tuple[Question, str], ...]:
    """What is asked over the grid: buckets or means of the duration, and both sides of the error ratio."""
    duration, errors = main_objectives(notebook)
    out: list[tuple[Question, str]] = []
    if duration is not None:
        for index, candidate in enumerate(duration.candidates):
            sli = candidate.sli
            if isinstance(sli, HistogramSli) and not sli.native:
                selector = parse_selector(sli.histogram).where(candidate.labels).suffixed("_bucket")
                out.append((Question(duration.slo.name, index, Part.BUCKETS),
                            _rated(selector, candidate.version_label, rate_window, "le")))
            elif isinstance(sli, HistogramSli):
                grown = _rated(parse_selector(sli.histogram).where(candidate.labels), candidate.version_label,
                               rate_window)
                out.extend((Question(duration.slo.name, index, part), f"histogram_quantile({q}, {grown})")
                           for part, q in ((Part.P50, 0.5), (Part.P95, 0.95), (Part.P99, 0.99)))
            else:
                out.append((Question(duration.slo.name, index, Part.LEVEL), level_expression(duration, candidate)[0]))
    if errors is not None:
        for index, candidate in enumerate(errors.candidates):
            sli = candidate.sli
            if isinstance(sli, ColdStartSli):
                named = {Part.BAD: sli.cold_starts, Part.TOTAL: sli.invocations}
            elif isinstance(sli, RatioSli):
                named = {p: t for p, t in ((Part.GOOD, sli.good), (Part.BAD, sli.bad), (Part.TOTAL, sli.total))
                         if t is not None}
            else:
                continue
            for part, text in named.items():
                out.append((Question(errors.slo.name, index, part),
                            _rated(parse_selector(text).where(candidate.labels), candidate.version_label,
                                   rate_window)))
    return tuple(out)


def _rated(selector: Selector, version_label: str, rate_window: str, *by: str) -> str:
    return f"sum by ({', '.join((version_label, *by))}) (rate({selector}[{rate_window}]))"


def trends(notebook: Notebook, series: Mapping[Question, tuple[Series, ...]], at: Grid) -> tuple[Trend, ...]:
    """The lines of the charts, by version; of the candidates with data the first whose series go on counts."""
    out: list[Trend] = []
    for objective, lines in zip(main_objectives(notebook), (_durations, _errors), strict=True):
        index = _chosen(objective, series, at) if objective is not None else None
        if objective is not None and index is not None:
            out.extend(lines(objective, index, series, at))
    return tuple(out)


def _chosen(objective: Objective, series: Mapping[Question, tuple[Series, ...]], at: Grid) -> int | None:
    """Index of the candidate that is drawn; None when none has any series."""
    ends: dict[int, float] = {}
    for question, items in series.items():
        if question.objective == objective.slo.name:
            for end in (item.times[-1] for item in items if item.times):
                ends[question.candidate] = max(end, ends.get(question.candidate, end))
    still = max(ends.values(), default=0.0) - max(STOPPED_SECONDS, 2 * at.step)
    return min((index for index, end in ends.items() if end >= still), default=None)


def _by_version(items: Iterable[Series], label: str) -> dict[str, list[Series]]:
    found: dict[str, list[Series]] = {}
    for item in items:
        found.setdefault(item.labels.get(label, ""), []).append(item)
    return dict(sorted(found.items()))


def _durations(objective: Objective, index: int, series: Mapping[Question, tuple[Series, ...]],
               at: Grid) -> Iterable[Trend]:
    name, times, candidate = objective.slo.name, at.times, objective.candidates[index]
    sli = candidate.sli
    if isinstance(sli, HistogramSli) and not sli.native:
        by_version = _by_version(series.get(Question(name, index, Part.BUCKETS), ()), candidate.version_label)
        tables: dict[str | None, list[Buckets | None]] = {
            v: _histograms(items, times, sli.unit) for v, items in by_version.items()}
        tables[None] = [merged([b for b in column if b is not None])
                        for column in zip(*tables.values(), strict=True)]
        for label, q in QUANTILES:
            for version, column in tables.items():
                values = tuple(None if b is None or (f := quantile(b, q)) is None else f[0] for b in column)
                yield Trend(label, version, at.start, at.step, values, "s", name)
        return
    if isinstance(sli, HistogramSli):
        for part in (Part.P50, Part.P95, Part.P99):
            for version, items in _by_version(series.get(Question(name, index, part), ()),
                                              candidate.version_label).items():
                yield Trend(part.value, version, at.start, at.step, _on_grid(items[0], times), "s", name)
        return
    for item in series.get(Question(name, index, Part.LEVEL), ())[:1]:
        yield Trend("avg", None, at.start, at.step, _on_grid(item, times), "s", name)


def _errors(objective: Objective, index: int, series: Mapping[Question, tuple[Series, ...]],
            at: Grid) -> Iterable[Trend]:
    name, times, candidate = objective.slo.name, at.times, objective.candidates[index]
    parts = {part: _by_version(series.get(Question(name, index, part), ()), candidate.version_label)
             for part in (Part.GOOD, Part.BAD, Part.TOTAL)}
    asked = {part: Question(name, index, part) in series for part in parts}
    versions = sorted({v for by in parts.values() for v in by})
    grids = {(part, v): _on_grid(by[v][0], times) if v in by else (None,) * len(times)
             for part, by in parts.items() for v in versions}

    def ratio(version: str, i: int) -> tuple[float, float] | None:
        good, bad, total = (grids[(p, version)][i] for p in (Part.GOOD, Part.BAD, Part.TOTAL))
        if not asked[Part.TOTAL]:
            total = (good or 0.0) + (bad or 0.0) if good is not None or bad is not None else None
        if not total:
            return None
        return (max(0.0, bad or 0.0) if asked[Part.BAD] else max(0.0, total - (good or 0.0))), total
    for version in versions:
        yield Trend("errors", version, at.start, at.step,
                    tuple(None if (r := ratio(version, i)) is None else r[0] / r[1] for i in range(len(times))),
                    "ratio", name)
    values: list[float | None] = []
    for i in range(len(times)):
        known = [r for v in versions if (r := ratio(v, i)) is not None]
        values.append(sum(r[0] for r in known) / sum(r[1] for r in known) if known else None)
    yield Trend("errors", None, at.start, at.step, tuple(values), "ratio", name)


def _histograms(items: Iterable[Series], times: tuple[float, ...], unit: str) -> list[Buckets | None]:
    """The histogram at each time; None where there is none."""
    found: dict[float, list[Sample]] = {}
    for item in items:
        for time, value in zip(item.times, item.values, strict=True):
            found.setdefault(round(time, 3), []).append(Sample(item.labels, value, time))
    return [buckets_from(found.get(round(t, 3), ()), unit) for t in times]


def _on_grid(item: Series, times: tuple[float, ...]) -> tuple[float | None, ...]:
    values = {round(t, 3): v for t, v in zip(item.times, item.values, strict=True) if math.isfinite(v)}
    return tuple(values.get(round(t, 3)) for t in times)
