"""What is asked about the quality of answers, and what it becomes: figures by version, and subgroups compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.live.drift import DRIFT, drift_groups, version_label
from triage.notebook.quality import CountedMetric, Quality, Slice
from triage.notebook.selector import Matcher, Selector, parse_selector, regex_quote
from triage.quantities import format_duration
from triage.signals.counted import Sums, expected, figures
from triage.signals.drift_model import Around, Kind
from triage.signals.estimated import estimate
from triage.signals.histogram import buckets_from
from triage.signals.quality import Expected, elsewhere, judge, unreadable
from triage.signals.quality_gauges import (
    PUSHED_STALE_SECONDS,
    Exported,
    age_problem,
    exported_figure,
    missing_stand_in,
    stand_in,
)
from triage.signals.quality_reading import (
    QualityReading,
    VersionEstimate,
    VersionFigure,
    VersionSlice,
    gauge_disparity,
)
from triage.signals.slices import disparity, limit_of, subgroups

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

LABELS = "quality labels"
FIGURE, PROXY, COUNTED, SLICED = "quality figure", "quality proxy", "quality counted", "quality slice"
"""In place of objectives' names in questions' addresses."""
WINDOW = 7 * 86400.0
"""Labelled predictions are counted over a week: labels come in batches."""
_PARTS: Mapping[str, Part] = {"outcomes": Part.GROUPS, "events": Part.GOOD, "total": Part.TOTAL,
                              "all_events": Part.LEVEL_BAD, "all_total": Part.LEVEL_TOTAL, "squared": Part.VALUE_SUM}
"""Counters of a counted figure by the manifest's names."""
Found = Mapping[Question, Sequence[Sample]]


def quality_questions(notebook: Notebook) -> tuple[tuple[Question, str], ...]:
    """What is asked at once; () when the manifest says nothing of quality."""
    quality = notebook.manifest.spec.quality
    return () if quality is None else tuple(_questions(notebook, quality))


def _questions(notebook: Notebook, quality: Quality) -> Iterator[tuple[Question, str]]:
    label, span = version_label(notebook), f"[{format_duration(WINDOW)}]"

    def selector(text: str) -> Selector:
        return parse_selector(text).where(notebook.manifest.spec.metrics.selector)

    if quality.feedback.labels is not None:
        yield (Question(LABELS, 0, Part.TOTAL, WINDOW),
               f"sum by ({label}) (increase({selector(quality.feedback.labels)}{span}))")
    for index, metric in enumerate(quality.metrics):
        yield from _gauge(FIGURE, index, selector(metric.metric), label)
    for index, proxy in enumerate(quality.proxies):
        if proxy.kind == "gauge":
            yield from _gauge(PROXY, index, selector(proxy.metric), label)
    for index, counted in enumerate(quality.counted):
        for name, part in _PARTS.items():
            text = getattr(counted, name)
            if text is None:
                continue
            by = counted.outcome_label if name == "outcomes" else counted.class_label
            grouped = name == "outcomes" or counted.figure == "per_class_accuracy"
            # Summed signed errors may fall: they are a gauge, whose change counts.
            grown = "delta" if counted.figure == "bias" and name == "events" else "increase"
            labels = f"{label}, {by}" if grouped else label
            yield Question(COUNTED, index, part, WINDOW), f"sum by ({labels}) ({grown}({selector(text)}{span}))"
    for index, item in enumerate(quality.slices):
        one_of = Matcher(item.name, "=~", "|".join(regex_quote(value) for value in item.values))
        for number, metric in enumerate(quality.metrics):
            yield (Question(_slice_of(index), number, Part.LEVEL),
                   f"avg by ({label}, {item.name}) ({selector(metric.metric).with_matcher(one_of)})")
        for part, counter in ((Part.GROUPS, _outcomes_counter(quality, item)), (Part.CATEGORIES, _decisions(item))):
            if counter is not None:
                text, by = counter
                yield (Question(_slice_of(index), 0, part, WINDOW),
                       f"sum by ({label}, {item.name}, {by}) (increase({selector(text).with_matcher(one_of)}{span}))")


def _gauge(of: str, index: int, selector: Selector, label: str) -> Iterator[tuple[Question, str]]:
    """What a gauge is, of how many series, and how old."""
    yield Question(of, index, Part.LEVEL), f"avg by ({label}) ({selector})"
    yield Question(of, index, Part.SERIES), f"count by ({label}) ({selector})"
    yield Question(of, index, Part.SAMPLED_AT), f"max by ({label}) (timestamp({selector}))"
    # The oldest push counts, for it is in the mean too. A series that is no number was pushed all the same.
    yield (Question(of, index, Part.PUSHED_AT),
           f"min by ({label}) ((timestamp({selector}) * 0) + on (job, instance) group_left () "
           "max by (job, instance) (push_time_seconds))")


def _slice_of(index: int) -> str:
    return f"{SLICED} {index}"


def _outcomes_counter(quality: Quality, item: Slice) -> tuple[str, str] | None:
    """(counter of labelled decisions by outcome, its label): the slice's own, else that of the first figure with one.

    None where neither names one.
    """
    if item.outcomes is not None:
        return item.outcomes, item.outcome_label
    return next(((c.outcomes, c.outcome_label) for c in quality.counted if c.outcomes is not None), None)


def _decisions(item: Slice) -> tuple[str, str] | None:
    """(counter of decisions, its label), labelled or not; None where the manifest names none."""
    return None if item.decisions is None else (item.decisions, item.decision_label)


def quality_reading(notebook: Notebook, found: Found, warnings: tuple[str, ...], now: float,
                    stale_after: float) -> QualityReading | None:
    """What was answered to :func:`quality_questions`, judged; None when the manifest says nothing of quality."""
    quality = notebook.manifest.spec.quality
    if quality is None:
        return None
    label = version_label(notebook)
    around = Around(now, notebook.manifest.spec.metrics.scrape_interval, PUSHED_STALE_SECONDS)
    told = [*_exported(quality, found, label, around), *_proxies(quality, found, label, around),
            *_counted(quality, found, label)]
    slices = [slice_ for index, item in enumerate(quality.slices)
              for slice_ in _compared(quality, item, index, found, label, around)]
    return QualityReading(tuple(told), tuple(slices), now, stale_after, None, warnings)


def estimates(notebook: Notebook, found: Found) -> tuple[VersionEstimate, ...]:
    """Quality estimated from the scores of the detection window, by version, from what drift asks anyway.

    () where the manifest does not say where a decision turns, or no scores are watched.
    """
    quality, watched = notebook.manifest.spec.quality, notebook.manifest.spec.drift
    if quality is None or quality.decision_threshold is None or watched is None or watched.prediction is None:
        return ()
    place = next((number for number, group in enumerate(drift_groups(notebook))
                  if group.kind is Kind.HISTOGRAM and not group.is_nulls
                  and any(feature is watched.prediction for feature in group.features)), None)
    if place is None:
        return ()
    samples = found.get(Question(DRIFT, place, Part.BUCKETS, watched.window), ())
    made = []
    for version, own in _by(samples, version_label(notebook)).items():
        scores = buckets_from(own, "s")
        if scores is not None:
            made.append(VersionEstimate(version, estimate(scores, quality.decision_threshold,
                                                          calibrated=quality.calibrated), watched.window))
    return tuple(made)


def _by(samples: Sequence[Sample], label: str) -> dict[str, list[Sample]]:
    """Samples that are numbers, by a label's value."""
    return _all_by([sample for sample in samples if math.isfinite(sample.value)], label)


def _all_by(samples: Sequence[Sample], label: str) -> dict[str, list[Sample]]:
    out: dict[str, list[Sample]] = {}
    for sample in samples:
        out.setdefault(sample.labels.get(label, ""), []).append(sample)
    return dict(sorted(out.items()))


def _one(found: Found, question: Question, label: str) -> dict[str, float]:
    """One number by version."""
    by_version = _by(found.get(question, ()), label)
    return {version: math.fsum(s.value for s in items) for version, items in by_version.items()}


def _gauges(found: Found, of: str, index: int, label: str) -> dict[str, Exported]:
    """What was answered to :func:`_gauge`, by version; values that are no numbers are kept as they are."""
    series, sampled, pushed = (_one(found, Question(of, index, part), label)
                               for part in (Part.SERIES, Part.SAMPLED_AT, Part.PUSHED_AT))
    values = _all_by(found.get(Question(of, index, Part.LEVEL), ()), label)
    return {version: Exported(items[0].value, int(series.get(version, 1.0)), sampled.get(version), pushed.get(version))
            for version, items in values.items()}


def _exported(quality: Quality, found: Found, label: str, around: Around) -> Iterator[VersionFigure]:
    """Figures computed elsewhere; n are the labels of a week, of the version where they say which."""
    labels = _one(found, Question(LABELS, 0, Part.TOTAL, WINDOW), label)
    counted = quality.feedback.labels is not None
    for index, metric in enumerate(quality.metrics):
        exported, wanted = _gauges(found, FIGURE, index, label), expected(metric)
        if not counted and "min_labels" not in metric.model_fields_set:
            wanted = replace(wanted, min_labels=0)
        for version, gauge in exported.items():
            n = labels.get(version, math.fsum(labels.values()) if list(labels) == [""] else 0.0) if counted else None
            yield VersionFigure(version, exported_figure(
                metric.name, gauge, wanted, n, around,
                higher_is_better=metric.at_least is not None or metric.at_most is None))
        if not exported:
            pending = "" if quality.feedback.regime == "instant" else "no figure is exported yet: labels are awaited"
            yield VersionFigure("", judge(elsewhere(metric.name, None, None, ""), wanted, pending=pending))


def _proxies(quality: Quality, found: Found, label: str, around: Around) -> Iterator[VersionFigure]:
    for index, proxy in enumerate(quality.proxies):
        told = proxy.expected is not None and proxy.tolerance is not None
        usual = Expected(proxy.expected, proxy.tolerance) if told else Expected()
        exported = _gauges(found, PROXY, index, label)
        for version, gauge in exported.items():
            yield VersionFigure(version, stand_in(proxy.name, gauge, usual, around), is_proxy=True)
        if not exported and proxy.kind == "gauge":
            yield VersionFigure("", missing_stand_in(proxy.name, usual), is_proxy=True)


def _counted(quality: Quality, found: Found, label: str) -> Iterator[VersionFigure]:
    for index, metric in enumerate(quality.counted):
        parts = {name: _all_by(found.get(Question(COUNTED, index, part, WINDOW), ()), label)
                 for name, part in _PARTS.items()}
        versions = sorted({v for by_version in parts.values() for v in by_version})
        if not versions:
            pending = "" if quality.feedback.regime == "instant" else f"{metric.name}: labels are awaited"
            for figure in figures(metric, Sums()):
                yield VersionFigure("", judge(figure, expected(metric), pending=pending))
        for version in versions:
            mine = {name: by_version.get(version, []) for name, by_version in parts.items()}
            if not all(math.isfinite(sample.value) for samples in mine.values() for sample in samples):
                # What such a counter counted is not known, and no event would be another answer.
                yield VersionFigure(version, unreadable(metric.name, expected(metric),
                                                        f"{metric.name}: a counter of it is not a number"))
                continue
            for figure in figures(metric, _sums(metric, mine)):
                yield VersionFigure(version, judge(figure, expected(metric)))


def _sums(metric: CountedMetric, parts: Mapping[str, Sequence[Sample]]) -> Sums:
    """What the counters of one version grew by."""
    def by(name: str, label: str) -> dict[str, float]:
        # Summed signed errors may fall, counters may not.
        least = -math.inf if metric.figure == "bias" and name == "events" else 0.0
        return {s.labels.get(label, ""): max(least, s.value) for s in parts[name]}

    def total(name: str) -> float | None:
        return max(0.0, math.fsum(s.value for s in parts[name])) if parts[name] else None

    return Sums(by("outcomes", metric.outcome_label), by("events", metric.class_label),
                by("total", metric.class_label), total("all_events"), total("all_total"), total("squared"), WINDOW)


def _compared(quality: Quality, item: Slice, index: int, found: Found, label: str,
              around: Around) -> Iterator[VersionSlice]:
    counter, decided = _outcomes_counter(quality, item), _decisions(item)
    limit = limit_of(item)
    outcomes = _all_by(found.get(Question(_slice_of(index), 0, Part.GROUPS, WINDOW), ()), label)
    decisions = _all_by(found.get(Question(_slice_of(index), 0, Part.CATEGORIES, WINDOW), ()), label)
    pending = "" if quality.feedback.regime == "instant" else "labels are awaited"
    for version in sorted({*outcomes, *decisions}) or ([""] if counter is not None or decided is not None else []):
        groups = subgroups(item.name, _sound(outcomes.get(version, ()), item.name),
                           counter[1] if counter is not None else "outcome",
                           _sound(decisions.get(version, ()), item.name), item.decision_label, item.positive)
        for definition in item.fairness:
            yield VersionSlice(version, item.name,
                               disparity(definition, groups, item.values, limit, pending=pending))
    for number, metric in enumerate(quality.metrics):
        ages = _gauges(found, FIGURE, number, label)
        by_version = _all_by(found.get(Question(_slice_of(index), number, Part.LEVEL), ()), label)
        for version, samples in by_version.items():
            values = {group: own[0].value for group, own in _by(samples, item.name).items()}
            old = age_problem(ages[version], around) if version in ages else ""
            yield VersionSlice(version, item.name, gauge_disparity(metric.name, values, item.values, limit, old))


def _sound(samples: Sequence[Sample], label: str) -> list[Sample]:
    """Those of the subgroups whose counters are all numbers: with one left out the others say something else."""
    return [sample for own in _all_by(samples, label).values() if all(math.isfinite(s.value) for s in own)
            for sample in own]
