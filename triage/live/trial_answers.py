"""How the answers of both arms are compared: the share of each predicted class, the mean score, figures of quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from triage.facts.replies import Part, Question
from triage.facts.samples import Series
from triage.live.arms import BEFORE_INTERVALS, Arms, Curves, by_version, grown, of_both, trial_part
from triage.live.gaps import lost, together
from triage.notebook.compared import CLASSES, SCORE_MEAN, Classes, predicted_classes
from triage.notebook.load import Notebook
from triage.notebook.quality import Proxy
from triage.notebook.selector import parse_selector
from triage.signals.canary import EventMetric, LevelMetric, Margin, Metric, Policy, Worse, counts_of


def answer_questions(notebook: Notebook, at: Arms, step: float) -> Iterator[tuple[Question, str]]:
    """What is asked about the answers themselves: classes, and whatever has a margin; intervals of ``step`` seconds."""
    spec = notebook.manifest.spec
    scrape = spec.metrics.scrape_interval
    classes = predicted_classes(spec)
    if classes is not None:
        selector = of_both(parse_selector(classes.counter).where(spec.metrics.selector), at)
        yield Question(CLASSES, 0, Part.CATEGORIES), grown(selector, at, step, scrape, classes.label)
    scores = _scores(notebook)
    if scores is not None:
        selector = of_both(parse_selector(scores).where(spec.metrics.selector), at)
        summed, counted = (grown(selector.suffixed(suffix), at, step, scrape) for suffix in ("_sum", "_count"))
        yield Question(SCORE_MEAN, 0, Part.LEVEL), f"{summed} / {counted}"
    for name, metric, _ in _figures(notebook):
        selector = of_both(parse_selector(metric).where(spec.metrics.selector), at)
        yield Question(name, 0, Part.LEVEL), f"avg by ({at.label}) ({selector})"
    for proxy in _counted(notebook):
        selector = of_both(parse_selector(proxy.metric).where(spec.metrics.selector), at)
        yield Question(proxy.name, 0, Part.BAD), grown(selector, at, step, scrape)


def answer_metrics(notebook: Notebook, series: Mapping[Question, Sequence[Series]], requests: Curves, at: Arms,
                   policy: Policy) -> Iterator[Metric]:
    """What was answered to :func:`answer_questions`, as the judge wants it. ``requests``: those of each version."""
    classes = predicted_classes(notebook.manifest.spec)
    if classes is not None:
        yield from _shares(classes, series.get(Question(CLASSES, 0, Part.CATEGORIES), ()), at, policy)
    if _scores(notebook) is not None:
        yield level_metric(SCORE_MEAN, series.get(Question(SCORE_MEAN, 0, Part.LEVEL), ()), at, policy)
    for name, _, worse in _figures(notebook):
        yield level_metric(name, series.get(Question(name, 0, Part.LEVEL), ()), at, policy, worse=worse)
    for proxy in _counted(notebook):
        seen = by_version(series.get(Question(proxy.name, 0, Part.BAD), ()), at)
        yield _share(proxy.name, seen, requests, at, policy, policy.for_events(proxy.name), gates=True)


def level_metric(name: str, items: Sequence[Series], at: Arms, policy: Policy, *, unit: str = "",
                 worse: Worse = Worse.EITHER) -> LevelMetric:
    """A gauge of both arms, with what stable showed before the trial."""
    columns = by_version(items, at)
    stable = columns.get(at.stable)
    # No number is what a mean of nothing is: that it is said shows that somebody counts.
    there = by_version([replace(item, values=(0.0,) * len(item.times)) for item in items], at)
    missing = [lost(v, {"": there[v]}, at, policy) for v in (at.canary, at.stable) if v in there]
    return LevelMetric(name, unit, trial_part(columns.get(at.canary), at), trial_part(stable, at),
                       policy.for_level(name), worse, () if stable is None else stable[:BEFORE_INTERVALS],
                       lost="; ".join(filter(None, missing)))


def worse_side(at_least: float | None, at_most: float | None) -> Worse:
    """Which way a figure gets worse, from the limit that the manifest sets it: better than stable is no failure."""
    if (at_least is None) == (at_most is None):
        return Worse.EITHER
    return Worse.HIGHER if at_least is None else Worse.LOWER


def _margins(notebook: Notebook) -> set[str]:
    """Metrics with a margin that are no objectives."""
    objectives = {objective.slo.name for objective in notebook.objectives}
    return {delta.metric for delta in notebook.manifest.spec.canary.max_delta} - objectives


def _scores(notebook: Notebook) -> str | None:
    """The histogram of the scores, when their mean has a margin."""
    drift = notebook.manifest.spec.drift
    if drift is None or drift.prediction is None or SCORE_MEAN not in _margins(notebook):
        return None
    return None if any(name == SCORE_MEAN for name, _, _ in _figures(notebook)) else drift.prediction.histogram


def _figures(notebook: Notebook) -> Iterator[tuple[str, str, Worse]]:
    """Proxies and quality figures for which the canary has a margin: (name, metric, which way is worse)."""
    quality, margins = notebook.manifest.spec.quality, _margins(notebook)
    if quality is None:
        return
    yield from ((p.name, p.metric, Worse.EITHER) for p in quality.proxies if p.kind == "gauge" and p.name in margins)
    yield from ((m.name, m.metric, worse_side(m.at_least, m.at_most)) for m in quality.metrics if m.name in margins)


def _counted(notebook: Notebook) -> list[Proxy]:
    """Proxies that are counters and have a margin: they are compared per request."""
    quality, margins = notebook.manifest.spec.quality, _margins(notebook)
    return [] if quality is None else [p for p in quality.proxies if p.kind == "counter" and p.name in margins]


def _shares(classes: Classes, items: Sequence[Series], at: Arms, policy: Policy) -> Iterator[EventMetric]:
    """Each class against all others. Without a margin in the manifest they are shown and decide nothing."""
    everything = _summed(by_version([item], at) for item in items)
    margin = policy.for_classes()
    for value in classes.values:
        own = _summed(by_version([item], at) for item in items if item.labels.get(classes.label) == value)
        yield _share(f"{classes.label} {value}", own, everything, at, policy, margin, gates=margin.given,
                     one_metric=True)


def _summed(columns: Iterator[Curves]) -> Curves:
    total: dict[str, list[float | None]] = {}
    for column in columns:
        for version, values in column.items():
            before = total.setdefault(version, [None] * len(values))
            total[version] = [b if v is None else v + (b or 0.0) for b, v in zip(before, values, strict=True)]
    return {version: tuple(values) for version, values in total.items()}


def _share(name: str, events: Curves, exposure: Curves, at: Arms, policy: Policy, margin: Margin, *, gates: bool,
           one_metric: bool = False) -> EventMetric:
    """Events of each arm as a share of its exposure."""
    nothing = (None,) * (BEFORE_INTERVALS + at.count)
    pairs, missing = [], []
    for version in (at.canary, at.stable):
        whole, part = exposure.get(version, nothing), events.get(version, nothing)
        pairs.append(together(part, whole, one_metric=one_metric))
        named = {"": whole} if one_metric else {name: part, "request": whole}
        missing.append(lost(version, named, at, policy))
    canary, stable = pairs
    return EventMetric(name, counts_of(*(column[BEFORE_INTERVALS:] for column in canary)),
                       counts_of(*(column[BEFORE_INTERVALS:] for column in stable)), margin,
                       counts_of(*(column[:BEFORE_INTERVALS] for column in stable)), Worse.EITHER, gates=gates,
                       lost="; ".join(filter(None, missing)))
