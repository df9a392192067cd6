"""The range query behind the canary's verdict: what is asked about both arms, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from triage.facts.replies import MODEL, Part, Question, Replies
from triage.facts.samples import Sample, Series
from triage.live.arms import BEFORE_INTERVALS, Arms, Curves, by_version, grown, of_both, places, trial_part
from triage.live.gaps import Column, lost, together
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
from triage.signals.counts import absent_is_zero, chosen_candidate, of_one_metric
from triage.signals.deployed import Weight
from triage.signals.histogram import Buckets, buckets_from, snap
from triage.signals.wording import duration, share


def trial_questions(notebook: Notebook, replies: Replies, at: Arms, step: float) -> tuple[tuple[Question, str], ...]:
    """What is asked over the intervals of ``step`` seconds: events, exposures, histograms and levels of both arms, and
    their requests."""
    return tuple(_questions(notebook, replies, at, step))


def _questions(notebook: Notebook, replies: Replies, at: Arms, step: float) -> Iterator[tuple[Question, str]]:
    scrape = notebook.manifest.spec.metrics.scrape_interval
    for index, traffic in enumerate(requests_selectors(notebook.manifest)):
        if traffic.version_label == at.label:
            each = [grown(of_both(s, at), at, step, scrape) for s in traffic.selectors]
            # One of the counters may not exist yet: then the other alone is the number.
            yield Question(MODEL, index, Part.REQUESTS), f"({' or '.join([' + '.join(each), *each])})"
            break
    for objective, index, candidate in _compared(notebook, replies, at):
        name, sli = objective.slo.name, candidate.sli
        if isinstance(sli, HistogramSli):
            selector = parse_selector(sli.histogram).where(candidate.labels).suffixed("_bucket")
            yield Question(name, index, Part.BUCKETS), grown(of_both(selector, at), at, step, scrape, "le")
        elif isinstance(sli, GaugeSli):
            selector = of_both(parse_selector(sli.gauge).where(candidate.labels), at)
            yield Question(name, index, Part.LEVEL), f"{sli.combine} by ({at.label}) ({selector})"
        elif isinstance(sli, RatioSli | ColdStartSli):
            for part, text in _counters(sli).items():
                yield (Question(name, index, part),
                       grown(of_both(parse_selector(text).where(candidate.labels), at), at, step, scrape))
    yield from answer_questions(notebook, at, step)


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
    return Trial(at.stable, at.canary, known_from, at.start, at.step, tuple(metrics),
                 _traffic(columns, at, given, policy), unseen=at.unseen), policy


def _traffic(requests: Curves, at: Arms, given: Weight | None, policy: Policy) -> Traffic:
    """An arm that is not scraped for a while takes requests as before: what is not known of both is not compared."""
    nothing = (None,) * (BEFORE_INTERVALS + at.count)
    raw = [requests.get(version, nothing) for version in (at.canary, at.stable)]
    # Unlike a counter of errors, one of requests that is not there yet is of servers that are not there yet.
    canary, stable = (tuple(None if was is None else value for was, value in zip(own, column, strict=True))
                      for own, column in zip(raw, together(*raw, one_metric=False), strict=True))
    return Traffic(trial_part(canary, at), trial_part(stable, at), _asked(given, at),
                   None if given is None else given.share, _untested(given, policy))


def _untested(given: Weight | None, policy: Policy) -> str:
    if given is None:
        return "nobody says what share it was to take" if policy.arm == "experiment" else ""
    if given.since is None and 0 < given.share < 1 and policy.arm != "shadow":
        return f"{share(given.share)} asked, but the controller does not say since when, as it does in a pause"
    return ""


def _asked(given: Weight | None, at: Arms) -> tuple[float | None, ...]:
    """The share asked for by interval; None before it was in force for a minute, which routers and scrapes take."""
    if given is None or given.since is None:
        return (None,) * at.count
    return tuple(given.share if at.ends(n - 1) >= given.since + MINUTE else None for n in range(at.count))


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
        yield LatencyMetric(f"{slo.name} p95", mine, other, margin, gates=margin.given, lost=_lost_columns(
            tables, at, policy))
        return
    if not isinstance(sli, RatioSli | ColdStartSli):
        return
    texts = _counters(sli)
    parts = {part: by_version(series.get(Question(slo.name, index, part), ()), at) for part in texts}
    one_metric = of_one_metric(texts.values())
    nothing = (None,) * (BEFORE_INTERVALS + at.count)
    pairs, missing = {}, []
    for version in (at.canary, at.stable):
        raw = {str(part): columns.get(version, nothing) for part, columns in parts.items()}
        pairs[version] = _bad_of_total(dict(zip(parts, together(*raw.values(), one_metric=one_metric), strict=True)))
        missing.append(lost(version, {"": pairs[version][1]} if one_metric else raw, at, policy))
    absent = next((part for part in (Part.GOOD, Part.BAD) if part in parts and not parts[part]), None)
    trouble = ""
    if absent is not None and any(parts.values()) and not absent_is_zero(candidate):
        trouble = (f"no {absent} series of either version: its name may be wrong; say absent: zero in the manifest if "
                   "that means 0")
    yield _events(objective, pairs, at, policy, trouble=trouble, missing="; ".join(filter(None, missing)))


def _lost_columns(columns: Mapping[str, Sequence[object | None]], at: Arms, policy: Policy) -> str:
    return "; ".join(filter(None, (lost(v, {"": columns[v]}, at, policy) for v in (at.canary, at.stable)
                                   if v in columns)))


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
    return _events(objective, pairs, at, policy, trouble=trouble, missing=_lost_columns(tables, at, policy))


def _events(objective: Objective, pairs: Mapping[str, tuple[Column, Column]], at: Arms, policy: Policy, *,
            trouble: str, missing: str) -> EventMetric:
    slo = objective.slo
    bad, total = pairs[at.stable]
    mine = pairs[at.canary]
    return EventMetric(
        slo.name, counts_of(mine[0][BEFORE_INTERVALS:], mine[1][BEFORE_INTERVALS:]),
        counts_of(bad[BEFORE_INTERVALS:], total[BEFORE_INTERVALS:]), policy.for_events(slo.name, slo.objective),
        counts_of(bad[:BEFORE_INTERVALS], total[:BEFORE_INTERVALS]), shown_good=True, trouble=trouble, lost=missing)


def _bad_of_total(parts: Mapping[Part, Column]) -> tuple[Column, Column]:
    """Bad events and all events by interval, from two of three counters that are known at the same intervals."""
    good, bad, total = (parts.get(part) for part in (Part.GOOD, Part.BAD, Part.TOTAL))
    if good is None:
        return bad or (), total or ()
    if total is None:
        return bad or (), tuple(None if g is None or b is None else g + b for g, b in zip(good, bad or (), strict=True))
    return tuple(None if g is None or t is None else max(0.0, t - g) for g, t in zip(good, total, strict=True)), total


def _histograms(items: Sequence[Series], unit: str, at: Arms) -> dict[str, tuple[Buckets | None, ...]]:
    """By version one histogram for each interval; None where there is none."""
    by_version: dict[str, list[list[Sample]]] = {}
    for item in items:
        rows = by_version.setdefault(item.labels.get(at.label, ""), [[] for _ in range(BEFORE_INTERVALS + at.count)])
        for place, time, value in zip(places(item.times, at), item.times, item.values, strict=True):
            if place is not None:
                rows[place].append(Sample(item.labels, value, time))
    return {version: tuple(buckets_from(samples, unit) for samples in rows) for version, rows in by_version.items()}
