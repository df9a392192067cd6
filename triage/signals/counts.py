"""Counts of one window from the replies to its questions, with what keeps them from being relied on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

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


class Count(NamedTuple):
    """Bad and all events of one version (or of all) in one window."""

    bad: float | None
    total: float


class WindowCounts(NamedTuple):
    """What one window says: a tuple, because a refresh of a thousand models makes ten thousand."""

    window_seconds: float
    by_version: Mapping[str, Count]
    quality: Quality
    """Without regard to how few events there are; that depends on what they are used for."""
    note: str
    buckets: Mapping[str, Buckets] | None
    """By version, for objectives on histograms."""
    total: float | None
    """Events of all versions; None when there is no such series."""
    bad: float | None
    """Bad events of all versions; None when they cannot be told."""


def _counts(window_seconds: float, by_version: Mapping[str, Count], quality: Quality, note: str = "",
            buckets: Mapping[str, Buckets] | None = None) -> WindowCounts:
    counts = by_version.values()
    if len(counts) == 1:
        [(bad, total)] = counts
        return WindowCounts(window_seconds, by_version, quality, note, buckets, total, bad)
    known = [c.bad for c in counts if c.bad is not None]
    return WindowCounts(window_seconds, by_version, quality, note, buckets,
                        sum(c.total for c in counts) if counts else None,
                        sum(known) if known and len(known) == len(counts) else None)


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
    questions = arrangement(replies).counted(objective.slo.name, index).get(window_seconds, ())
    return counted(objective, index, window_seconds, questions, [replies[q] for q in questions],
                   snapped_threshold(objective, index, replies), now)


def counted(objective: Objective, index: int, window_seconds: float, questions: Sequence[Question],
            asked: Sequence[Reply], snapped: Snapped | None, now: float) -> WindowCounts:
    """The counts of one window from the replies to its ``questions``.

    All windows of an objective are read with the same bucket (:func:`snapped_threshold`).
    """
    if not asked:
        return _counts(window_seconds, {}, Quality.WAITING, "not asked yet")
    # They are arranged so that buckets are the last.
    if questions[-1].part is Part.BUCKETS:
        counts = _from_buckets(objective, index, window_seconds, asked[-1], snapped)
    else:
        candidate = objective.candidates[index]
        counts = (_from_one_version(candidate.version_label, window_seconds, questions, asked)
                  or _from_counters(candidate, window_seconds, questions, asked))
    found = trouble(asked, now)
    return counts if found is None else counts._replace(quality=found[0], note=found[1])


def _from_one_version(label: str, window_seconds: float, questions: Sequence[Question],
                      asked: Sequence[Reply]) -> WindowCounts | None:
    """As :func:`_from_counters`, of a counter and its total where only one version is and nothing is particular, as it
    mostly is; else None."""
    if len(asked) != 2 or questions[1].part is not Part.TOTAL:
        return None
    counters, totals = asked[0].samples, asked[1].samples
    if len(counters) != 1 or len(totals) != 1:
        return None
    version, numerator, total = totals[0].labels.get(label, ""), counters[0].value, totals[0].value
    bad = numerator if questions[0].part is Part.BAD else total - numerator
    # Not so for what is no number either.
    if counters[0].labels.get(label, "") != version or not 0.0 <= bad <= total or not 0.0 < total < math.inf:
        return None
    return WindowCounts(window_seconds, {version: Count(bad, total)}, Quality.OK, "", None, total, bad)


def _from_counters(candidate: Candidate, window_seconds: float, questions: Sequence[Question],
                   asked: Sequence[Reply]) -> WindowCounts:
    label = candidate.version_label
    broken = False
    sums: dict[Part, dict[str, float]] = {}
    for question, reply in zip(questions, asked, strict=True):
        sums[question.part], strange = _sums(reply.samples, label)
        broken = broken or strange
    totals = sums.get(Part.TOTAL)
    if totals is None:
        good, bad = sums.get(Part.GOOD, {}), sums.get(Part.BAD, {})
        totals = {v: good.get(v, 0.0) + bad.get(v, 0.0) for v in sorted({*good, *bad})}
    if not totals:
        note = "not a number" if broken else "no such series"
        return _counts(window_seconds, {}, Quality.SUSPECT if broken else Quality.NO_DATA, note)
    part = Part.BAD if Part.BAD in sums else Part.GOOD
    numerators = sums[part]
    note, quality = "", Quality.OK
    if numerators.keys() != totals.keys():
        strays = numerators.keys() - totals.keys()
        if "" in strays or (strays and set(totals) == {""}):
            # Only one of the counters has the version label: they can be compared for the model as a whole.
            totals, numerators = {"": sum(totals.values())}, {"": sum(numerators.values())}
            note = f"{label} is not on every series"
    if not all(sums.values()):
        absent = next(p for p in (Part.GOOD, Part.BAD) if p in sums and not sums[p])
        if not absent_is_zero(candidate):
            return _counts(window_seconds, {v: Count(None, t) for v, t in totals.items()}, Quality.SUSPECT,
                           f"no {absent} series: its name may be wrong; say absent: zero if that means 0")
        note = f"no {absent} series: counted as 0"
    counts: dict[str, Count] = {}
    for version in totals if totals.keys() == numerators.keys() else sorted({*totals, *numerators}):
        total, numerator = totals.get(version, 0.0), numerators.get(version, 0.0)
        bad_count = numerator if part is Part.BAD else total - numerator
        if not 0.0 <= bad_count <= total:
            if bad_count < -_ROUNDING * max(total, 1.0) or bad_count > total * (1 + _ROUNDING) + 1e-9:
                quality, note = Quality.SUSPECT, f"more {'bad' if part is Part.BAD else 'good'} events than events"
            else:
                bad_count = min(max(bad_count, 0.0), total)
        counts[version] = Count(bad_count, total)
    if broken:
        quality, note = Quality.SUSPECT, "a counter is not a number"
    if quality is Quality.OK and sum(totals.values()) == 0:
        quality, note = Quality.NO_TRAFFIC, "no events in the window"
    return _counts(window_seconds, counts, quality, note)


def absent_is_zero(candidate: Candidate) -> bool:
    """Whether a missing numerator means zero events: as the manifest says, else when both are one metric."""
    absent = getattr(candidate.sli, "absent", None)
    if absent is not None:
        return bool(absent == "zero")
    return of_one_metric(text for side in ("good", "bad", "total")
                         if (text := getattr(candidate.sli, side, None)) is not None)


def of_one_metric(selectors: Iterable[str]) -> bool:
    """Whether these vector selectors all choose among the series of one metric, which they name before the brace."""
    names = {text.partition("{")[0] for text in selectors}
    return len(names) == 1 and "" not in names


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
    return reply.derived(("buckets", label, unit), partial(_by_version, label, unit))


def _by_version(label: str, unit: str, samples: Sequence[Sample]) -> dict[str, Buckets]:
    by_version: dict[str, list[Sample]] = {}
    versions = [sample.labels.get(label, "") for sample in samples]
    if len(set(versions)) == 1:
        # As it mostly is: no canary.
        by_version[versions[0]] = [*samples]
    else:
        for version, sample in zip(versions, samples, strict=True):
            by_version.setdefault(version, []).append(sample)
    return {v: b for v, items in sorted(by_version.items()) if (b := buckets_from(items, unit)) is not None}


def _bounds(reply: Reply, label: str, unit: str) -> tuple[float, ...]:
    """Bounds that the histograms of all versions have."""
    found = _buckets(reply, label, unit)
    if len(found) == 1:
        [only] = found.values()
        return only.bounds
    both = reply.derived(("together", label, unit), lambda _: merged(list(found.values())))
    return both.bounds if both is not None else ()


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
    bounds: tuple[float, ...] = ()
    for question in asked:
        reply = replies[question]
        # Of several with as many bounds, the shortest window's; there are no more bounds than samples.
        if len(reply.samples) > len(bounds):
            bounds = max(bounds, _bounds(reply, label, unit), key=len)
    return _snapped(threshold, bounds, getattr(sli, "snap", "exact")) if bounds else None


_snapped = lru_cache(maxsize=1024)(snap)
"""The models of a fleet share thresholds and bounds."""


def _from_buckets(objective: Objective, index: int, window_seconds: float, reply: Reply,
                  snapped: Snapped | None) -> WindowCounts:
    candidate = objective.candidates[index]
    by_version = _buckets(reply, candidate.version_label, getattr(candidate.sli, "unit", "s"))
    if not by_version:
        if reply.samples:
            return _counts(window_seconds, {}, Quality.SUSPECT, "a histogram without its +Inf bucket")
        return _counts(window_seconds, {}, Quality.NO_DATA, "no such series")
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
    return _counts(window_seconds, counts, quality, note, by_version)
