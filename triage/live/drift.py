"""What is asked about drift, and what it becomes: one combined query for all features of a model, scored once.

Features that share a metric are one question, told apart by the feature label; versions are always told apart, because
what moved in both arms of a trial is not the new version's doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.notebook.quality import Drift, DriftFeature
from triage.notebook.resolve import requests_selectors
from triage.notebook.selector import Matcher, Selector, parse_selector, regex_quote
from triage.quantities import format_duration
from triage.signals.drift import drift_state
from triage.signals.drift_model import Around, DriftState, Kind, Seen, Watched, watched
from triage.signals.drift_reading import DriftReading
from triage.signals.reading import Quality

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.notebook.load import Notebook
    from triage.signals.references import Registered

DRIFT = "drift"
"""In place of an objective's name in a question's address."""
GAUGE_CHANGES_SECONDS = 2 * 86400.0
"""A score that a daily job computes changes at least once in it."""
COVERED_POINTS = 60
MOST_VERSIONS = 3
"""Versions that are scored by themselves, those with most events."""
Found = Mapping[Question, Sequence[Sample]]
_Key = tuple[str, bool]
"""A feature's name, and whether it is the prediction."""
_MAIN = {Kind.HISTOGRAM: Part.BUCKETS, Kind.CATEGORIES: Part.CATEGORIES, Kind.GAUGE: Part.LEVEL}
_PARTS = (*_MAIN.values(), Part.VALUE_SUM, Part.NATIVE, Part.RESETS, Part.SERIES, Part.COVERED, Part.SAMPLED_AT,
          Part.CHANGES, Part.PUSHED_AT, Part.NULLS)


@dataclass(frozen=True, slots=True)
class Group:
    """Features that are read from one metric."""

    kind: Kind
    selector: Selector
    """With all labels, without a histogram's suffix."""
    features: tuple[DriftFeature, ...]
    low_is_drift: bool
    category_label: str
    is_nulls: bool = False


def drift_groups(notebook: Notebook) -> tuple[Group, ...]:
    """The metrics that the manifest's ``drift`` block reads; () without one."""
    spec = notebook.manifest.spec
    if spec.drift is None:
        return ()
    users: dict[tuple[Kind, str, bool, str, bool], list[DriftFeature]] = {}
    every = [*([spec.drift.prediction] if spec.drift.prediction is not None else []), *spec.drift.features]
    for feature in every:
        low = feature.direction == "low-is-drift"
        for kind, text in ((Kind.HISTOGRAM, feature.histogram), (Kind.CATEGORIES, feature.categories),
                           (Kind.GAUGE, feature.gauge)):
            if text is not None:
                users.setdefault((kind, text, low and kind is Kind.GAUGE,
                                  feature.category_label if kind is Kind.CATEGORIES else "", False), []).append(feature)
        if feature.nulls is not None:
            users.setdefault((Kind.HISTOGRAM, feature.nulls, False, "", True), []).append(feature)
    found = []
    for (kind, text, low, category, nulls), features in users.items():
        selector = parse_selector(text).where(spec.metrics.selector)
        label = spec.drift.feature_label
        alone = len(features) == 1 and features[0] is spec.drift.prediction
        if not alone and all(m.label != label for m in selector.matchers):
            # Series without the label are the only feature's own; the empty alternative lets them through.
            names = "|".join(regex_quote(f.name) for f in features)
            selector = selector.with_matcher(Matcher(label, "=~", f"{names}|"))
        found.append(Group(kind, selector, tuple(features), low, category, nulls))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Watching:
    """What is scored, and how it is found in the answers: the same until the notebook or its references change."""

    promised: Drift
    features: tuple[Watched, ...]
    groups: tuple[Group, ...]
    version_label: str
    scrape_interval: float
    """Seconds."""
    _absent: dict[tuple[tuple[_Key, ...], tuple[str, ...]], DriftState] = field(
        default_factory=dict, compare=False, repr=False)
    """The newest of :meth:`absent`: nearly every answer asks for it again."""

    def absent(self, told: Sequence[Watched], warnings: tuple[str, ...]) -> DriftState:
        """How these features stand in a version of which no series tells anything, whenever that is."""
        of = tuple([(w.name, w.is_prediction) for w in told]), warnings
        found = self._absent.get(of)
        if found is None:
            self._absent.clear()
            found = self._absent[of] = _state(replace(self, features=tuple(told)), {}, warnings, None, 0.0)
        return found


def watching(notebook: Notebook, registered: Registered | Failure | None = None) -> Watching | None:
    """What the manifest watches; None when that is nothing. ``registered`` as for :func:`drift`."""
    spec = notebook.manifest.spec
    if spec.drift is None:
        return None
    return Watching(spec.drift, watched(spec.drift, spec.inputs, registered), drift_groups(notebook),
                    version_label(notebook), spec.metrics.scrape_interval)


def wants_references(notebook: Notebook) -> bool:
    """Whether a feature is compared with what is kept with the version in the registry."""
    drift = notebook.manifest.spec.drift
    every = [] if drift is None else [*drift.features, *([drift.prediction] if drift.prediction is not None else [])]
    return any(feature.reference is not None and feature.reference.registered for feature in every)


def drift_questions(notebook: Notebook, *, by_version: bool = True) -> tuple[tuple[Question, str], ...]:
    """What is asked at once about all features; () when nothing is watched.

    ``by_version`` False: all versions together, for those who look at many moments.
    """
    drift = notebook.manifest.spec.drift
    if drift is None:
        return ()
    label = [version_label(notebook)] if by_version else []
    return tuple(_questions(notebook, drift, ", ".join(dict.fromkeys((drift.feature_label, *label)))))


def _questions(notebook: Notebook, drift: Drift, by: str) -> Iterator[tuple[Question, str]]:
    span = f"[{format_duration(drift.window)}]"
    for index, group in enumerate(drift_groups(notebook)):
        def ask(part: Part, expression: str, number: int = index) -> tuple[Question, str]:
            return Question(DRIFT, number, part, drift.window), expression

        selector = group.selector
        if group.is_nulls:
            yield ask(Part.NULLS, f"sum by ({by}) (increase({selector}{span}))")
            continue
        if group.kind is Kind.GAUGE:
            worst = "min" if group.low_is_drift else "max"
            long = format_duration(GAUGE_CHANGES_SECONDS)
            yield ask(Part.LEVEL, f"{worst} by ({by}) ({selector})")
            yield ask(Part.SAMPLED_AT, f"max by ({by}) (timestamp({selector}))")
            # A gauge that is younger than the window has not stood still for so long.
            yield ask(Part.CHANGES, f"max by ({by}) (changes({selector}[{long}]) and {selector} offset {long})")
            # A push gateway scrapes well for ever: when it was pushed stands beside it, under the labels of the group.
            yield ask(Part.PUSHED_AT, f"max by ({by}) (({selector} * 0 + 1) * on (job, instance) group_left () "
                                      "max by (job, instance) (push_time_seconds))")
            continue
        counter = selector
        if group.kind is Kind.HISTOGRAM:
            counter = selector.suffixed("_count")
            yield ask(Part.BUCKETS, f"sum by ({by}, le) (increase({selector.suffixed('_bucket')}{span}))")
            yield ask(Part.VALUE_SUM, f"sum by ({by}) (increase({selector.suffixed('_sum')}{span}))")
            yield ask(Part.NATIVE, f"count by ({by}) ({selector})")
        else:
            yield ask(Part.CATEGORIES, f"sum by ({by}, {group.category_label}) (increase({selector}{span}))")
        yield ask(Part.RESETS, f"sum by ({by}) (resets({counter}{span}))")
        yield ask(Part.SERIES, f"count by ({by}) (count_over_time({counter}{span}))")
        step = format_duration(_step(drift.window))
        yield ask(Part.COVERED, f"count_over_time((max by ({drift.feature_label}) ({counter}))"
                                f"[{format_duration(drift.window)}:{step}])")
        back = f"[{format_duration(drift.window)}:{format_duration(min(300.0, drift.window))}]"
        yield ask(Part.SAMPLED_AT, f"(max by ({by}) (timestamp({counter})) or "
                                   f"max by ({by}) (max_over_time(timestamp({counter}){back})))")


def version_label(notebook: Notebook) -> str:
    """Label with the model version, as the requests are told apart by it."""
    traffic = requests_selectors(notebook.manifest)
    return traffic[0].version_label if traffic else "model_version"


def drift(notebook: Notebook, found: Found, warnings: tuple[str, ...], now: float, stale_after: float,
          registered: Registered | Failure | None = None) -> DriftReading | None:
    """What was answered to :func:`drift_questions`, scored; None when nothing is watched.

    ``registered``: the references kept with the version in the registry, None until it has answered.
    """
    of = watching(notebook, registered)
    return None if of is None else scored(of, found, warnings, now, stale_after)


def scored(of: Watching, found: Found, warnings: tuple[str, ...], now: float, stale_after: float) -> DriftReading:
    """As :func:`drift`, where it is known already what is watched."""
    names = _versions(of.groups, found, of.promised, of.version_label)
    whole = _state(of, found, warnings, None, now)
    if not names:
        return DriftReading(whole, (), now, stale_after, None, warnings)
    told = _told_apart(of, found)
    by_version: tuple[tuple[str, DriftState], ...] = ()
    if len(names) > 1:
        apart = replace(of, features=told)
        by_version = tuple((name, _state(apart, found, warnings, name, now)) for name in names[:MOST_VERSIONS])
    return DriftReading(whole, by_version, now, stale_after, None, warnings, tuple(names), of.absent(told, warnings))


def drift_state_at(of: Watching, found: Found, at: float, warnings: tuple[str, ...] = ()) -> DriftState:
    """All versions together at one time."""
    return _state(of, found, warnings, None, at)


def _state(of: Watching, found: Found, warnings: tuple[str, ...], version: str | None, now: float) -> DriftState:
    seen = _seen(of.groups, of.promised, found, warnings, of.version_label, version)
    return drift_state(of.features, seen, Around(now, of.scrape_interval), of.promised.false_discovery_rate)


def _versions(groups: Sequence[Group], found: Found, promised: Drift, label: str) -> list[str]:
    """Versions with events in the window, or with a score of their own, most events first."""
    events: dict[str, float] = {}
    for index, group in enumerate(groups):
        if group.is_nulls:
            continue
        gauge = group.kind is Kind.GAUGE
        for sample in found.get(Question(DRIFT, index, _MAIN[group.kind], promised.window), ()):
            name = sample.labels.get(label, "")
            if name and gauge:
                events.setdefault(name, 0.0)
            elif name and sample.value > 0 and sample.labels.get("le", "+Inf") == "+Inf":
                events[name] = events.get(name, 0.0) + sample.value
    return sorted(events, key=lambda name: (-events[name], name))


def _told_apart(of: Watching, found: Found) -> tuple[Watched, ...]:
    """The features with series that say which version they are about."""
    told: set[_Key] = set()
    for index, group in enumerate(of.groups):
        if not group.is_nulls:
            question = Question(DRIFT, index, _MAIN[group.kind], of.promised.window)
            by_user = _by_user(found.get(question, ()), group, of.promised, of.version_label, None)
            told |= {key for key, own in by_user.items() if any(s.labels.get(of.version_label) for s in own)}
    return tuple(w for w in of.features if (w.name, w.is_prediction) in told)


def _seen(groups: Sequence[Group], promised: Drift, found: Found,
          warnings: tuple[str, ...], label: str, version: str | None) -> dict[_Key, Seen]:
    """What the series of each feature said; of all versions, or of one."""
    nulls: dict[_Key, float] = {}
    seen: dict[_Key, Seen] = {}
    for index, group in enumerate(groups):
        read = _Read({part: _by_user(samples, group, promised, label, version)
                      for part, question in _addresses(index, promised.window) if (samples := found.get(question))})
        for feature in group.features:
            key = (feature.name, feature is promised.prediction)
            if group.is_nulls:
                nulls[key] = sum(read.values(Part.NULLS, key))
            else:
                seen[key] = _of_feature(group.kind, read, key, promised.window, warnings, whole=version is None)
    return {key: replace(item, nulls=nulls[key]) if key in nulls else item for key, item in seen.items()}


@lru_cache(maxsize=256)
def _addresses(index: int, window_seconds: float) -> tuple[tuple[Part, Question], ...]:
    """What may be asked about one group: the same for all models of a fleet."""
    return tuple((part, Question(DRIFT, index, part, window_seconds)) for part in _PARTS)


@dataclass(frozen=True, slots=True)
class _Read:
    """The samples of each part that has any, by feature."""

    parts: Mapping[Part, Mapping[_Key, Sequence[Sample]]]

    def samples(self, part: Part, key: _Key) -> tuple[Sample, ...]:
        return tuple(self.parts.get(part, {}).get(key, ()))

    def values(self, part: Part, key: _Key) -> list[float]:
        own = self.parts.get(part)
        return [] if own is None else [sample.value for sample in own.get(key, ())]


def _of_feature(kind: Kind, read: _Read, key: _Key, window: float, warnings: tuple[str, ...], *, whole: bool) -> Seen:
    samples = read.samples(_MAIN[kind], key)
    sums, changes = read.values(Part.VALUE_SUM, key), read.values(Part.CHANGES, key)
    covered, pushed = read.values(Part.COVERED, key), read.values(Part.PUSHED_AT, key)
    return Seen(
        samples, window, max(read.values(Part.SAMPLED_AT, key), default=None),
        # A version may have begun within the window: that is no gap.
        min(1.0, max(covered) * _step(window) / window) if covered and whole else None,
        sum(read.values(Part.RESETS, key)), max(1, int(sum(read.values(Part.SERIES, key)))),
        native=not samples and bool(read.values(Part.NATIVE, key)), value_sum=sum(sums) if sums else None,
        trouble=(Quality.PARTIAL, warnings[0]) if warnings else None,
        pushed_at=max(pushed) if pushed else None, changes=max(changes) if changes else None,
        changes_window_seconds=GAUGE_CHANGES_SECONDS if changes else 0.0)


def _step(window: float) -> float:
    """Seconds between the points at which it is asked whether there was a sample."""
    return max(1.0, window // COVERED_POINTS)


def _by_user(samples: Sequence[Sample], group: Group, promised: Drift, label: str,
             version: str | None) -> dict[_Key, list[Sample]]:
    """The samples of each feature of the group; those of the only one may carry any name, or none."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        if version is None or sample.labels.get(label, "") == version:
            by_name.setdefault(sample.labels.get(promised.feature_label, ""), []).append(sample)
    out = {}
    for feature in group.features:
        own = by_name.get(feature.name)
        if own is None and len(group.features) == 1:
            own = [sample for items in by_name.values() for sample in items]
        out[(feature.name, feature is promised.prediction)] = own or []
    return out
