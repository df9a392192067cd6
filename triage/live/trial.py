"""The range query behind the canary's verdict: what is asked about both arms, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from triage.facts.replies import MODEL, Part, Question, Replies
from triage.facts.samples import Sample, Series
from triage.live.arms import BEFORE_INTERVALS, Arms, Curves, by_version, grown, of_both, trial_part
from triage.live.trial_answers import answer_metrics, answer_questions, level_metric, worse_side
from triage.notebook.load import Notebook
from triage.notebook.resolve import Candidate, Objective, requests_selectors
from triage.notebook.selector import parse_selector
from triage.notebook.slis import ColdStartSli, GaugeSli, HistogramSli, RatioSli
from triage.signals.burn import MINUTE
from triage.signals.canary import (
    EventMetric,
    LatencyMetric,
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
from triage.signals.wording import duration


def trial_questions(notebook: Notebook, replies: Replies, at: Arms) -> tuple[tuple[Question, str], ...]:
    """What is asked over the grid: events, exposures, histograms and levels of both arms, and their requests."""
    return tuple(_questions(notebook, replies, at))


def _questions(notebook: Notebook, replies: Replies, at: Arms) -> Iterator[tuple[Question, str]]:
    scrape = notebook.manifest.spec.metrics.scrape_interval
    for index, traffic in enumerate(requests_selectors(notebook.manifest)):
        if traffic.version_label == at.label:
            each = [grown(of_both(s, at), at, scrape) for s in traffic.selectors]
            # One of the counters may not exist yet: then the other alone is the number.
            yield Question(MODEL, index, Part.REQUESTS), f"({' or '.join([' + '.join(each), *each])})"
            break
    for objective, index, candidate in _compared(notebook, replies, at):
        name, sli = objective.slo.name, candidate.sli
        if isinstance(sli, HistogramSli):
            selector = parse_selector(sli.histogram).where(candidate.labels).suffixed("_bucket")
            yield Question(name, index, Part.BUCKETS), grown(of_both(selector, at), at, scrape, "le")
        elif isinstance(sli, GaugeSli):
            selector = of_both(parse_selector(sli.gauge).where(candidate.labels), at)
            yield Question(name, index, Part.LEVEL), f"{sli.combine} by ({at.label}) ({selector})"
        elif isinstance(sli, RatioSli | ColdStartSli):
            for part, text in _counters(sli).items():
                yield (Question(name, index, part),
                       grown(of_both(parse_selector(text).where(candidate.labels), at), at, scrape))
    yield from answer_questions(notebook, at)


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


def _counters(sli: RatioSli | ColdStartSli) -> dict[Part, str]:
    if isinstance(sli, ColdStartSli):
        return {Part.BAD: sli.cold_starts, Part.TOTAL: sli.invocations}
    named = {Part.GOOD: sli.good, Part.BAD: sli.bad, Part.TOTAL: sli.total}
    return {part: text for part, text in named.items() if text is not None}


def trial(notebook: Notebook, replies: Replies, series: Mapping[Question, Sequence[Series]], at: Arms,
          known_from: str, given: Weight | None = None) -> tuple[Trial, Policy]:
    """Both arms as the judge wants them, from what was answered to :func:`trial_questions`.

    ``given`` is the share of the traffic that the controller gave the canary, None when nobody says.
    """
    policy = policy_of(notebook.manifest.spec.canary)
    metrics: list[Metric] = []
    for objective, index, candidate in _compared(notebook, replies, at):
        metrics.extend(_metrics(objective, index, candidate, series, at, policy))
    requests = next((items for q, items in series.items() if q.part is Part.REQUESTS), ())
    columns = by_version(requests, at)
    metrics.extend(answer_metrics(notebook, series, columns, at, policy))
    traffic = Traffic(_filled(columns.get(at.canary), at), _filled(columns.get(at.stable), at),
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
        yield level_metric(slo.name, series.get(Question(slo.name, index, Part.LEVEL), ()), at, policy, unit=sli.unit,
                           worse=worse_side(sli.at_least, sli.at_most))
        return
    if isinstance(sli, HistogramSli):
        tables = _histograms(series.get(Question(slo.name, index, Part.BUCKETS), ()), sli.unit, at)
        if sli.threshold is not None:
            yield _slow(objective, sli, tables, at, policy)
        margin = policy.for_latency(slo.name)
        mine, other = (trial_part(tables.get(v), at) for v in (at.canary, at.stable))
        # Where the manifest gives no margin for it, the share over the threshold decides and this is shown.
        yield LatencyMetric(f"{slo.name} p95", mine, other, margin, gates=margin.given)
        return
    parts = {part: by_version(series.get(Question(slo.name, index, part), ()), at)
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


def _bad_of_total(parts: Mapping[Part, Curves], asked: set[Part], version: str,
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


def _filled(column: Sequence[float | None] | None, at: Arms) -> tuple[float, ...]:
    return tuple(value or 0.0 for value in trial_part(column, at))


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
