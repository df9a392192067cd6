"""The range query behind the canary's verdict: what is asked about both arms, on which grid, and what it becomes.

The grid is aligned to the canary's start, so that one look and an hour of looking ask the same and judge the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from triage.facts.replies import MODEL, Part, Question, Replies
from triage.facts.samples import Sample, Series
from triage.notebook.load import Notebook
from triage.notebook.resolve import Candidate, Objective, requests_selectors
from triage.notebook.selector import Matcher, Selector, parse_selector, regex_quote
from triage.notebook.slis import ColdStartSli, GaugeSli, HistogramSli, RatioSli
from triage.quantities import format_duration
from triage.signals.burn import HOUR, MINUTE
from triage.signals.canary import (
    EventMetric,
    LatencyMetric,
    LevelMetric,
    Metric,
    Policy,
    Traffic,
    Trial,
    counts_of,
    policy_of,
)
from triage.signals.counts import absent_is_zero, chosen_candidate
from triage.signals.deployed import Weight
from triage.signals.histogram import Buckets, buckets_from, snap
from triage.signals.model import Versions, VersionState
from triage.signals.wording import duration

ON_TRIAL = ("canary", "shadow", "experiment")
MOST_INTERVALS = 720
"""A trial that is older has longer intervals: twice as long each time, so that the new grid lies on the old one."""
BEFORE_INTERVALS = 120
"""Of stable alone, for its dispersion and for what both arms did before the trial."""
_Value = TypeVar("_Value")
_Curves = Mapping[str, tuple[float | None, ...]]
"""By version, one value for each interval."""


@dataclass(frozen=True, slots=True)
class Arms:
    """Who is compared, on intervals that begin at ``start``."""

    stable: str
    canary: str
    label: str
    """Label with the version."""
    start: float
    """Unix seconds of the first interval: the canary's first sample and a rate window more, at a full minute."""
    step: float
    """Length of an interval in seconds."""
    count: int
    """Full intervals so far."""

    @property
    def first_asked(self) -> float:
        """Unix seconds of the first point that is asked, which ends the first interval before the trial."""
        return self.start - (BEFORE_INTERVALS - 1) * self.step

    @property
    def end(self) -> float:
        """Unix seconds at which the last full interval ends."""
        return self.start + self.count * self.step


def arms(seen: Versions, label: str, scrape_interval: float, looked_back: float, now: float) -> Arms | None:
    """The version on trial and stable, and how long they can be compared.

    None without a trial, or before it is a minute old. A version that was there before what was looked at
    (``looked_back`` seconds) is taken to start with it, at a full hour: a start that moved with every look would be
    another comparison each time.
    """
    stable, trial = seen.arm("stable"), on_trial(seen)
    if stable is None or trial is None or trial.share.n is None:
        # A version that only the controller has seen cannot be compared yet.
        return None
    born = trial.first_seen if trial.first_seen is not None else math.ceil((now - looked_back) / HOUR) * HOUR
    start = math.ceil((born + max(MINUTE, 4 * scrape_interval)) / MINUTE) * MINUTE
    full = now - scrape_interval - start
    if full < MINUTE:
        return None
    step = MINUTE
    while full / step > MOST_INTERVALS:
        step *= 2
    return Arms(stable.version, trial.version, label, start, step, int(full // step))


def on_trial(seen: Versions) -> VersionState | None:
    """The version in an arm that is compared with stable."""
    return next((v for v in seen.items if v.arm in ON_TRIAL), None)


def trial_questions(notebook: Notebook, replies: Replies, at: Arms) -> tuple[tuple[Question, str], ...]:
    """What is asked over the grid: events, exposures, histograms and levels of both arms, and their requests."""
    return tuple(_questions(notebook, replies, at))


def _questions(notebook: Notebook, replies: Replies, at: Arms) -> Iterator[tuple[Question, str]]:
    scrape = notebook.manifest.spec.metrics.scrape_interval
    for index, traffic in enumerate(requests_selectors(notebook.manifest)):
        if traffic.version_label == at.label:
            each = [_grown(_both(s, at), at, scrape) for s in traffic.selectors]
            # One of the counters may not exist yet: then the other alone is the number.
            yield Question(MODEL, index, Part.REQUESTS), f"({' or '.join([' + '.join(each), *each])})"
            break
    for objective, index, candidate in _compared(notebook, replies, at):
        name, sli = objective.slo.name, candidate.sli
        if isinstance(sli, HistogramSli):
            selector = parse_selector(sli.histogram).where(candidate.labels).suffixed("_bucket")
            yield Question(name, index, Part.BUCKETS), _grown(_both(selector, at), at, scrape, "le")
        elif isinstance(sli, GaugeSli):
            selector = _both(parse_selector(sli.gauge).where(candidate.labels), at)
            yield Question(name, index, Part.LEVEL), f"{sli.combine} by ({at.label}) ({selector})"
        elif isinstance(sli, RatioSli | ColdStartSli):
            for part, text in _counters(sli).items():
                yield (Question(name, index, part),
                       _grown(_both(parse_selector(text).where(candidate.labels), at), at, scrape))
    for name, metric in _figures(notebook):
        selector = _both(parse_selector(metric).where(notebook.manifest.spec.metrics.selector), at)
        yield Question(name, 0, Part.LEVEL), f"avg by ({at.label}) ({selector})"


def _compared(notebook: Notebook, replies: Replies, at: Arms) -> Iterator[tuple[Objective, int, Candidate]]:
    """The objectives whose series say which version they are of, each with the metric that has data."""
    margins = {delta.metric for delta in notebook.manifest.spec.canary.max_delta}
    for objective in notebook.objectives:
        index = chosen_candidate(objective, replies, notebook.manifest.spec.metrics.scrape_interval)
        candidate = objective.candidates[index]
        judged = objective.slo.objective is not None or objective.slo.name in margins
        if candidate.version_label != at.label or not judged:
            continue
        sli = candidate.sli
        counted = isinstance(sli, RatioSli | ColdStartSli) or (isinstance(sli, HistogramSli) and not sli.native)
        if counted or (isinstance(sli, GaugeSli) and objective.slo.name in margins):
            yield objective, index, candidate


def _figures(notebook: Notebook) -> Iterator[tuple[str, str]]:
    """Proxies and quality figures for which the canary has a margin: (name, metric)."""
    spec = notebook.manifest.spec
    if spec.quality is None:
        return
    objectives = {objective.slo.name for objective in notebook.objectives}
    margins = {delta.metric for delta in spec.canary.max_delta} - objectives
    gauges = [proxy for proxy in spec.quality.proxies if proxy.kind == "gauge"]
    named = [*((proxy.name, proxy.metric) for proxy in gauges), *((m.name, m.metric) for m in spec.quality.metrics)]
    yield from ((name, metric) for name, metric in named if name in margins)


def _counters(sli: RatioSli | ColdStartSli) -> dict[Part, str]:
    if isinstance(sli, ColdStartSli):
        return {Part.BAD: sli.cold_starts, Part.TOTAL: sli.invocations}
    named = {Part.GOOD: sli.good, Part.BAD: sli.bad, Part.TOTAL: sli.total}
    return {part: text for part, text in named.items() if text is not None}


def _both(selector: Selector, at: Arms) -> Selector:
    return selector.with_matcher(Matcher(at.label, "=~", f"{regex_quote(at.stable)}|{regex_quote(at.canary)}"))


def _grown(selector: Selector, at: Arms, scrape: float, *by: str) -> str:
    """Increase over one interval. The window is a scrape longer, so that neighbours share a sample and no event is
    lost between them or counted twice; ``increase`` stretches what it found over the window, which is taken back."""
    window = at.step + scrape
    labels = ", ".join((at.label, *by))
    return f"sum by ({labels}) (increase({selector}[{format_duration(window)}]) * {at.step / window!r})"


def trial(notebook: Notebook, replies: Replies, series: Mapping[Question, Sequence[Series]], at: Arms,
          known_from: str, given: Weight | None = None) -> tuple[Trial, Policy]:
    """Both arms as the judge wants them, from what was answered to :func:`trial_questions`.

    ``given`` is the share of the traffic that the controller gave the canary, None when nobody says.
    """
    policy = policy_of(notebook.manifest.spec.canary)
    metrics: list[Metric] = []
    for objective, index, candidate in _compared(notebook, replies, at):
        metrics.extend(_metrics(objective, index, candidate, series, at, policy))
    for name, _ in _figures(notebook):
        metrics.append(_level(name, "", series.get(Question(name, 0, Part.LEVEL), ()), at, policy))
    requests = next((items for q, items in series.items() if q.part is Part.REQUESTS), ())
    curves = _curves(requests, at)
    traffic = Traffic(_filled(curves.get(at.canary), at), _filled(curves.get(at.stable), at),
                      _asked(given, at))
    return Trial(at.stable, at.canary, known_from, at.start, at.step, tuple(metrics), traffic), policy


def _asked(given: Weight | None, at: Arms) -> tuple[float | None, ...]:
    """The share asked for by interval; None before it was in force for a minute, which routers and scrapes take."""
    if given is None:
        return (None,) * at.count
    return tuple(given.share if at.start + n * at.step >= given.since + MINUTE else None for n in range(at.count))


def _metrics(objective: Objective, index: int, candidate: Candidate, series: Mapping[Question, Sequence[Series]],
             at: Arms, policy: Policy) -> Iterator[Metric]:
    slo, sli = objective.slo, candidate.sli
    if isinstance(sli, GaugeSli):
        yield _level(slo.name, sli.unit, series.get(Question(slo.name, index, Part.LEVEL), ()), at, policy)
        return
    if isinstance(sli, HistogramSli):
        tables = _histograms(series.get(Question(slo.name, index, Part.BUCKETS), ()), sli.unit, at)
        if sli.threshold is not None:
            yield _slow(objective, sli, tables, at, policy)
        margin = policy.for_latency(slo.name)
        mine, other = (_trial_part(tables.get(v), at) for v in (at.canary, at.stable))
        # Where the manifest gives no margin for it, the share over the threshold decides and this is shown.
        yield LatencyMetric(f"{slo.name} p95", mine, other, margin, gates=margin.given)
        return
    parts = {part: _curves(series.get(Question(slo.name, index, part), ()), at)
             for part in (Part.GOOD, Part.BAD, Part.TOTAL)}
    asked = {part for part in parts if Question(slo.name, index, part) in series}
    pairs = {version: _bad_of_total(parts, asked, version, at) for version in (at.stable, at.canary)}
    absent = next((part for part in (Part.GOOD, Part.BAD) if part in asked and not parts[part]), None)
    trouble = ""
    if absent is not None and any(parts.values()) and not absent_is_zero(candidate):
        trouble = (f"no {absent} series of either version: its name may be wrong; say absent: zero in the manifest if "
                   "that means 0")
    yield _events(objective, pairs, at, policy, trouble=trouble)


def _slow(objective: Objective, sli: HistogramSli, tables: Mapping[str, tuple[Buckets | None, ...]], at: Arms,
          policy: Policy) -> EventMetric:
    """Requests over the threshold."""
    seen = {version: next((b.bounds for b in column if b is not None), None) for version, column in tables.items()}
    snapped = snap(sli.threshold or 0.0, next((b for b in seen.values() if b is not None), ()), sli.snap)
    lacking = [v for v, bounds in seen.items() if bounds is not None and snapped.bound not in bounds]
    trouble = ""
    if tables and not any(seen.values()):
        trouble = "a histogram without its +Inf bucket"
    elif tables and snapped.bound is None:
        trouble = snapped.note
    elif lacking:
        trouble = f"{lacking[0]} has other buckets: {duration(snapped.bound or 0.0)} is none of them"
    pairs = {}
    for version in (at.stable, at.canary):
        column = tables.get(version, (None,) * (BEFORE_INTERVALS + at.count))
        known = [None if b is None or snapped.bound not in b.bounds else b for b in column]
        pairs[version] = (
            tuple(None if b is None else b.total - b.counts[b.bounds.index(snapped.bound or 0.0)] for b in known),
            tuple(None if b is None else b.total for b in known))
    return _events(objective, pairs, at, policy, trouble=trouble)


def _events(objective: Objective, pairs: Mapping[str, tuple[tuple[float | None, ...], tuple[float | None, ...]]],
            at: Arms, policy: Policy, *, trouble: str = "") -> EventMetric:
    slo = objective.slo
    bad, total = pairs[at.stable]
    mine = pairs[at.canary]
    return EventMetric(
        slo.name, counts_of(mine[0][BEFORE_INTERVALS:], mine[1][BEFORE_INTERVALS:]),
        counts_of(bad[BEFORE_INTERVALS:], total[BEFORE_INTERVALS:]), policy.for_events(slo.name, slo.objective),
        counts_of(bad[:BEFORE_INTERVALS], total[:BEFORE_INTERVALS]), shown_good=True, trouble=trouble)


def _bad_of_total(parts: Mapping[Part, _Curves], asked: set[Part], version: str,
                  at: Arms) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """Bad events and all events of a version by interval. A counter of bad events that never moved has no series."""
    nothing = (None,) * (BEFORE_INTERVALS + at.count)
    good, bad, total = (parts[part].get(version, nothing) for part in (Part.GOOD, Part.BAD, Part.TOTAL))
    if Part.TOTAL not in asked:
        total = tuple((g or 0.0) + (b or 0.0) if g is not None or b is not None else None
                      for g, b in zip(good, bad, strict=True))
    if Part.BAD in asked:
        return tuple(None if t is None else b or 0.0 for b, t in zip(bad, total, strict=True)), total
    return tuple(None if t is None else max(0.0, t - (g or 0.0)) for g, t in zip(good, total, strict=True)), total


def _level(name: str, unit: str, items: Sequence[Series], at: Arms, policy: Policy) -> LevelMetric:
    curves = _curves(items, at)
    mine, other = (_trial_part(curves.get(v), at) for v in (at.canary, at.stable))
    return LevelMetric(name, unit, mine, other, policy.for_level(name))


def _trial_part(column: Sequence[_Value | None] | None, at: Arms) -> tuple[_Value | None, ...]:
    """The intervals of the trial itself, without those before it."""
    return (None,) * at.count if column is None else tuple(column[BEFORE_INTERVALS:])


def _filled(column: Sequence[float | None] | None, at: Arms) -> tuple[float, ...]:
    return tuple(value or 0.0 for value in _trial_part(column, at))


def _curves(items: Sequence[Series], at: Arms) -> _Curves:
    """By version one finite value for each interval, the earlier ones first; None where there is none."""
    found: dict[str, list[float | None]] = {}
    for item in items:
        column = found.setdefault(item.labels.get(at.label, ""), [None] * (BEFORE_INTERVALS + at.count))
        for time, value in zip(item.times, item.values, strict=True):
            place = round((time - at.first_asked) / at.step)
            if 0 <= place < len(column) and math.isfinite(value):
                column[place] = value
    return {version: tuple(column) for version, column in found.items()}


def _histograms(items: Sequence[Series], unit: str, at: Arms) -> dict[str, tuple[Buckets | None, ...]]:
    """By version one histogram for each interval; None where there is none."""
    by_version: dict[str, list[list[Sample]]] = {}
    for item in items:
        rows = by_version.setdefault(item.labels.get(at.label, ""), [[] for _ in range(BEFORE_INTERVALS + at.count)])
        for time, value in zip(item.times, item.values, strict=True):
            place = round((time - at.first_asked) / at.step)
            if 0 <= place < len(rows):
                rows[place].append(Sample(item.labels, value, time))
    return {version: tuple(buckets_from(samples, unit) for samples in rows) for version, rows in by_version.items()}
