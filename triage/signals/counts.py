"""Counts of one window from the replies to its questions, with what keeps them from being relied on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from triage.facts.arrangement import arrangement
from triage.facts.outcome import REJECTED, FailureKind
from triage.facts.replies import UNASKED, Part, Question, Replies, Reply
from triage.facts.samples import Sample
from triage.signals.histogram import Buckets, Snapped, buckets_from, count_at_most, merged, snap
from triage.signals.reading import Quality
from triage.signals.wording import age

if TYPE_CHECKING:
    from triage.notebook.resolve import Candidate, Objective

STOPPED_SECONDS = 300.0
"""How much older than another's newest sample a candidate's may be: as long as servers look back for one."""
_ROUNDING = 0.005
"""Share of the total by which extrapolated counts of good events may exceed it without being suspect."""


@dataclass(frozen=True, slots=True)
class Count:
    """Bad and all events of one version (or of all) in one window."""

    bad: float | None
    total: float


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What one window says."""

    window_seconds: float
    by_version: Mapping[str, Count]
    quality: Quality
    """Without regard to how few events there are; that depends on what they are used for."""
    note: str = ""
    buckets: Mapping[str, Buckets] | None = None
    """By version, for objectives on histograms."""

    total: float | None = field(init=False)
    """Events of all versions; None when there is no such series."""
    bad: float | None = field(init=False)
    """Bad events of all versions; None when they cannot be told."""

    def __post_init__(self) -> None:
        # Read many times as often as made.
        counts = self.by_version.values()
        if len(counts) == 1:
            [only] = counts
            object.__setattr__(self, "total", only.total)
            object.__setattr__(self, "bad", only.bad)
            return
        known = [c.bad for c in counts if c.bad is not None]
        object.__setattr__(self, "total", sum(c.total for c in counts) if counts else None)
        object.__setattr__(self, "bad", sum(known) if known and len(known) == len(counts) else None)


def trouble(replies: Sequence[Reply], now: float) -> tuple[Quality, str] | None:
    """What stands in the way of using these replies at ``now``; None when nothing does."""
    for reply in replies:
        if (reply.answered_at is None or reply.failure is not None or reply.warnings
                or now - reply.answered_at > reply.stale_after):
            break
    else:
        return None
    for reply in replies:
        if reply.answered_at is None:
            if reply.failure is not None:
                return Quality.ERROR, reply.failure.sentence() + _again(reply, now)
            return Quality.WAITING, "asked, not answered yet"
    for reply in replies:
        if reply.is_stale(now):
            waiting = reply.failure is None or reply.failure.kind is FailureKind.CIRCUIT_OPEN
            reason = "" if waiting or reply.failure is None else f" ({reply.failure.kind})"
            return Quality.STALE, (f"not answered for {age(now - (reply.answered_at or now))}{reason}"
                                   f"{_again(reply, now)}")
    for reply in replies:
        if reply.failure is not None and reply.failure.kind in REJECTED:
            return Quality.ERROR, reply.failure.sentence() + _again(reply, now)
    for reply in replies:
        if reply.warnings:
            return Quality.PARTIAL, reply.warnings[0]
    return None


def _again(reply: Reply, now: float) -> str:
    """When the next try comes, where that is known."""
    if reply.failure is None or reply.retry_at is None:
        return ""
    rest = math.ceil(round(reply.retry_at - now, 3))
    return f"; asked again in {age(rest)}" if rest > 0 else "; asked again now"


def sampled_at(objective: Objective, index: int, replies: Replies) -> float | None:
    """Unix seconds, on our clock, of the newest sample behind a candidate; None when it is not known."""
    reply = replies.get(Question(objective.slo.name, index, Part.SAMPLED_AT), UNASKED)
    if reply.answered_at is None:
        return None
    newest = [reply.answered_at - max(0.0, s.at - s.value) for s in reply.samples if math.isfinite(s.value)]
    return max(newest) if newest else None


def chosen_candidate(objective: Objective, replies: Replies, scrape_interval: float) -> int:
    """Index of the first candidate with data; 0 when none has any.

    One whose samples stopped coming while another's go on is passed over: after a metric was renamed, the old name's
    samples stay in long windows for weeks.
    """
    if len(objective.candidates) == 1:
        return 0
    newest = {index: at for index in range(len(objective.candidates))
              if (at := sampled_at(objective, index, replies)) is not None}
    if newest:
        still = max(newest.values()) - max(STOPPED_SECONDS, 5 * scrape_interval)
        return next(index for index, at in newest.items() if at >= still)
    parts = (Part.TOTAL, Part.BUCKETS, Part.LEVEL, Part.GOOD, Part.BAD)
    for index in range(len(objective.candidates)):
        for question, reply in replies.items():
            if (question.objective == objective.slo.name and question.candidate == index and question.part in parts
                    and reply.samples):
                return index
    return 0


def window_counts(objective: Objective, index: int, window_seconds: float, replies: Replies,
                  now: float) -> WindowCounts:
    """The counts of one window of a ratio or a histogram objective."""
    snapped = snapped_threshold(objective, index, replies)
    return all_window_counts(objective, index, (window_seconds,), replies, now, snapped)[window_seconds]


def all_window_counts(objective: Objective, index: int, windows: Iterable[float], replies: Replies, now: float,
                      snapped: Snapped | None) -> dict[float, WindowCounts]:
    """The counts of several windows, all of them read with the same bucket (:func:`snapped_threshold`)."""
    asked = arrangement(replies).counted(objective.slo.name, index)
    return {window: _window_counts(objective, index, window, [(q.part, replies[q]) for q in asked.get(window, ())],
                                   snapped, now)
            for window in windows}


def _window_counts(objective: Objective, index: int, window_seconds: float, asked: Sequence[tuple[Part, Reply]],
                   snapped: Snapped | None, now: float) -> WindowCounts:
    if not asked:
        return WindowCounts(window_seconds, {}, Quality.WAITING, "not asked yet")
    first, *others = [reply for _, reply in asked]
    found = trouble((first, *others), now)

    def make(samples: object) -> WindowCounts:
        by_part = dict(asked)
        if Part.BUCKETS in by_part:
            return _from_buckets(objective, index, window_seconds, by_part[Part.BUCKETS], snapped)
        return _from_counters(objective.candidates[index], window_seconds, by_part)

    counts = first.derived(("counts", index, snapped), make, *others)
    if found is not None:
        return WindowCounts(window_seconds, counts.by_version, found[0], found[1], counts.buckets)
    return counts


def _from_counters(candidate: Candidate, window_seconds: float, asked: Mapping[Part, Reply]) -> WindowCounts:
    label = candidate.version_label
    broken = False
    sums: dict[Part, dict[str, float]] = {}
    for part, reply in asked.items():
        sums[part], strange = _sums(reply.samples, label)
        broken = broken or strange
    if Part.TOTAL in sums:
        totals = sums[Part.TOTAL]
    else:
        good, bad = sums.get(Part.GOOD, {}), sums.get(Part.BAD, {})
        totals = {v: good.get(v, 0.0) + bad.get(v, 0.0) for v in sorted({*good, *bad})}
    if not totals:
        note = "not a number" if broken else "no such series"
        return WindowCounts(window_seconds, {}, Quality.SUSPECT if broken else Quality.NO_DATA, note)
    part = Part.BAD if Part.BAD in sums else Part.GOOD
    numerators = sums[part]
    note, quality = "", Quality.OK
    strays = numerators.keys() - totals.keys() if numerators.keys() != totals.keys() else set()
    if "" in strays or (strays and set(totals) == {""}):
        # Only one of the counters has the version label: they can be compared for the model as a whole.
        totals, numerators = {"": sum(totals.values())}, {"": sum(numerators.values())}
        note = f"{label} is not on every series"
    absent = [] if all(sums.values()) else [p for p in (Part.GOOD, Part.BAD) if p in sums and not sums[p]]
    if absent and absent_is_zero(candidate):
        note = f"no {absent[0]} series: counted as 0"
    elif absent:
        return WindowCounts(window_seconds, {v: Count(None, t) for v, t in totals.items()}, Quality.SUSPECT,
                            f"no {absent[0]} series: its name may be wrong; say absent: zero if that means 0")
    counts: dict[str, Count] = {}
    for version in totals if totals.keys() == numerators.keys() else sorted({*totals, *numerators}):
        total, numerator = totals.get(version, 0.0), numerators.get(version, 0.0)
        bad_count = numerator if part is Part.BAD else total - numerator
        if bad_count < -_ROUNDING * max(total, 1.0) or bad_count > total * (1 + _ROUNDING) + 1e-9:
            quality, note = Quality.SUSPECT, f"more {'bad' if part is Part.BAD else 'good'} events than events"
        else:
            bad_count = min(max(bad_count, 0.0), total)
        counts[version] = Count(bad_count, total)
    if broken:
        quality, note = Quality.SUSPECT, "a counter is not a number"
    if quality is Quality.OK and sum(totals.values()) == 0:
        quality, note = Quality.NO_TRAFFIC, "no events in the window"
    return WindowCounts(window_seconds, counts, quality, note)


def absent_is_zero(candidate: Candidate) -> bool:
    """Whether a missing numerator means zero events: as the manifest says, else when both are one metric."""
    absent = getattr(candidate.sli, "absent", None)
    if absent is not None:
        return bool(absent == "zero")
    texts = (getattr(candidate.sli, side, None) for side in ("good", "bad", "total"))
    names = [text.partition("{")[0] for text in texts if text is not None]
    return len(set(names)) == 1


def _sums(samples: Iterable[Sample], label: str) -> tuple[dict[str, float], bool]:
    """Events by version, and whether some of the samples are no number."""
    found: dict[str, float] = {}
    strange = False
    for sample in samples:
        value = sample.value
        if math.isfinite(value):
            version = sample.labels.get(label, "")
            found[version] = found.get(version, 0.0) + value
        else:
            strange = True
    return dict(sorted(found.items())) if len(found) > 1 else found, strange


def _buckets(reply: Reply, label: str, unit: str) -> dict[str, Buckets]:
    def make(samples: Sequence[Sample]) -> dict[str, Buckets]:
        by_version: dict[str, list[Sample]] = {}
        versions = [sample.labels.get(label, "") for sample in samples]
        if len(set(versions)) == 1:
            # As it mostly is: no canary.
            by_version[versions[0]] = [*samples]
        else:
            for version, sample in zip(versions, samples, strict=True):
                by_version.setdefault(version, []).append(sample)
        return {v: b for v, items in sorted(by_version.items()) if (b := buckets_from(items, unit)) is not None}
    return reply.derived(("buckets", label, unit), make)


def _bounds(reply: Reply, label: str, unit: str) -> tuple[float, ...]:
    """Bounds that the histograms of all versions have."""
    def make(samples: Iterable[Sample]) -> tuple[float, ...]:
        both = merged(list(_buckets(reply, label, unit).values()))
        return both.bounds if both is not None else ()
    return reply.derived(("bounds", label, unit), make)


def snapped_threshold(objective: Objective, index: int, replies: Replies) -> Snapped | None:
    """The bucket of the objective's threshold, from the shortest window that was answered; None: no threshold."""
    asked = arrangement(replies).buckets.get((objective.slo.name, index))
    if asked is None:
        return None
    sli = objective.candidates[index].sli
    threshold = getattr(sli, "threshold", None)
    if threshold is None:
        return None
    label, unit = objective.candidates[index].version_label, str(getattr(sli, "unit", "s"))
    # Of several with as many bounds, the shortest window's.
    bounds = max([_bounds(replies[question], label, unit) for question in asked], key=len)
    return _snapped(threshold, bounds, getattr(sli, "snap", "exact")) if bounds else None


_snapped = lru_cache(maxsize=1024)(snap)
"""The models of a fleet share thresholds and bounds."""


def _from_buckets(objective: Objective, index: int, window_seconds: float, reply: Reply,
                  snapped: Snapped | None) -> WindowCounts:
    candidate = objective.candidates[index]
    by_version = _buckets(reply, candidate.version_label, getattr(candidate.sli, "unit", "s"))
    if not by_version:
        if reply.samples:
            return WindowCounts(window_seconds, {}, Quality.SUSPECT, "a histogram without its +Inf bucket")
        return WindowCounts(window_seconds, {}, Quality.NO_DATA, "no such series")
    counts: dict[str, Count] = {}
    quality, note = Quality.OK, "" if snapped is None else snapped.note
    if snapped is not None and snapped.bound is None:
        quality = Quality.ERROR
    for version, buckets in by_version.items():
        bad = None
        if snapped is not None and snapped.bound is not None:
            bound = snapped.bound if snapped.bound in buckets.bounds else next(
                (b for b in buckets.bounds if math.isclose(b, snapped.bound, rel_tol=1e-9)), None)
            if bound is None:
                quality, note = Quality.SUSPECT, f"version {version} has other buckets"
            else:
                bad = buckets.total - count_at_most(buckets, bound)
        counts[version] = Count(bad, buckets.total)
    if quality is Quality.OK and sum(c.total for c in counts.values()) == 0:
        quality, note = Quality.NO_TRAFFIC, "no events in the window"
    return WindowCounts(window_seconds, counts, quality, note, by_version)
