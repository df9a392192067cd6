"""How one objective stands: its reading, burn rates, budget, percentiles and verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from triage.facts.arrangement import arrangement
from triage.facts.replies import UNASKED, Part, Question, Replies, Reply
from triage.signals import burn as burns_of
from triage.signals import wording
from triage.signals.burn import DAY, HOUR, MINUTE, WINDOWS
from triage.signals.counts import (
    WindowCounts,
    chosen_candidate,
    counted,
    sampled_at,
    snapped_threshold,
    trouble,
    window_counts,
)
from triage.signals.histogram import Buckets, Snapped, merged, quantile
from triage.signals.level import level_state
from triage.signals.model import Budget, Burn, GroupCount, Quantiles, SloKind, SloState, Tier, VersionCount
from triage.signals.reading import READABLE, Origin, Quality, Reading, Urgency, Verdict

if TYPE_CHECKING:
    from triage.notebook.resolve import Objective

KINDS = {"RatioSli": SloKind.RATIO, "QuerySli": SloKind.RATIO, "HistogramSli": SloKind.LATENCY,
         "ColdStartSli": SloKind.COLD_START, "GaugeSli": SloKind.GAUGE, "FreshnessSli": SloKind.FRESHNESS,
         "ThroughputSli": SloKind.THROUGHPUT, "AverageSli": SloKind.AVERAGE}
_ALL_SHARE = 0.99
"""Share of a window's events from which a shorter one is said to hold all of them: extrapolation blurs the rest."""
_UNREAD = frozenset({Quality.ERROR, Quality.WAITING, Quality.STALE, Quality.PARTIAL, Quality.SUSPECT})
"""What keeps a burn rate from being relied on."""
_UNKNOWN = frozenset({Quality.STALE, Quality.ERROR, Quality.NO_DATA, Quality.WAITING, Quality.SUSPECT})
"""What keeps an objective from being judged at all."""
_KNOWN = frozenset({Quality.OK, Quality.STALE, Quality.PARTIAL, Quality.SUSPECT})
"""What leaves a burn rate a value."""
LEVELS = frozenset({SloKind.GAUGE, SloKind.FRESHNESS, SloKind.THROUGHPUT, SloKind.AVERAGE})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an objective is judged with besides its replies."""

    now: float
    """World time in Unix seconds."""
    scrape_interval: float
    """Seconds; samples older than five of them are stale."""
    retention_seconds: float | None
    """How far back the server keeps samples; None when it does not say."""
    labels_due_seconds: float | None
    """Expected delay of labels, for objectives that wait for them."""


def slo_state(objective: Objective, replies: Replies, around: Surroundings) -> SloState:
    """The state of one objective at ``around.now``."""
    index = chosen_candidate(objective, replies, around.scrape_interval)
    kind = KINDS[type(objective.candidates[index].sli).__name__]
    if kind in LEVELS:
        state = level_state(objective, index, kind, replies, around.now)
        state = replace(state, findings=_findings(objective, state.tiers, state.budget, around))
    else:
        state = _ratio_state(objective, index, kind, replies, around)
    if state.now.sampled_at is not None:
        return _with_staleness(state, around)
    return _pending(objective, _undated(objective, index, state, replies, around.now), around)


def _ratio_state(objective: Objective, index: int, kind: SloKind, replies: Replies,
                 around: Surroundings) -> SloState:
    slo, sli = objective.slo, objective.candidates[index].sli
    newest = sampled_at(objective, index, replies)
    read = _windows(objective, index, replies, around.now)
    hour = read[slo.reading_window].counts
    by_window: dict[float, Burn] = {}
    tiers: tuple[Tier, ...] = ()
    budget: Budget | None = None
    if slo.objective is not None and slo.objective < 100:
        by_window = {window: burn for window in WINDOWS
                     if (each := read.get(window)) is not None and (burn := each.burn) is not None}
        tiers = burns_of.evaluate_tiers(by_window, slo.objective, slo.window, slo.min_events)
        if slo.window in read:
            budget = _budget(slo.objective, read[slo.window], by_window, _covered(slo.window, read))
    reading = _reading(objective, hour, newest, slo.objective)
    versions = tuple([VersionCount(v, hour.window_seconds, c.bad, c.total) for v, c in hour.by_version.items()])
    # Whoever has no such fields is slow to say so.
    latency = kind is SloKind.LATENCY
    threshold = getattr(sli, "threshold", None) if latency else None
    measures = str(getattr(sli, "measures", "")) if latency else ""
    quantiles = _quantiles(objective, index, hour, replies, newest) if latency else ()
    groups = _groups(objective, index, replies)
    verdict, urgency, sentence = _verdict(objective, kind, reading, hour, read, by_window, tiers, budget)
    return SloState(slo.name, kind, slo.required, slo.objective, threshold, "at_most" if threshold else "",
                    measures, reading, tuple(by_window.values()), tiers, budget, verdict, urgency, sentence,
                    quantiles, slo.by, groups,
                    _findings(objective, tiers, budget, around), slo.description, versions,
                    tuple([w for w, each in read.items() if each.counts.quality is Quality.WAITING]), slo.min_events)


class _Window(NamedTuple):
    """What is read from one window."""

    counts: WindowCounts
    ratio: float | None
    """Error ratio."""
    origin: Origin
    """Of ``ratio``."""
    burn: Burn | None
    """None for objectives without a budget."""


def _windows(objective: Objective, index: int, replies: Replies, now: float) -> dict[float, _Window]:
    """Every window, ascending. Those over an hour are read once for their answers: most refreshes bring no new ones."""
    slo, known = objective.slo, arrangement(replies)
    snapped = snapped_threshold(objective, index, replies)
    windows = known.counted(slo.name, index)
    if slo.reading_window not in windows:
        windows = {window: windows.get(window, ()) for window in sorted({*windows, slo.reading_window})}
    asked = [replies[question] for question in known.long.get((slo.name, index), ())]
    if not asked or trouble(asked, now) is not None:
        return {window: _read(objective, index, window, questions, replies, snapped, now)
                for window, questions in windows.items()}
    out = {window: _read(objective, index, window, questions, replies, snapped, now)
           for window, questions in windows.items() if window <= HOUR}
    out.update(asked[0].derived(("long windows", index, snapped, slo.objective, slo.reading_window),
                                lambda _: _long(objective, index, windows, replies, snapped, now), *asked[1:]))
    return out


def _long(objective: Objective, index: int, windows: Mapping[float, tuple[Question, ...]], replies: Replies,
          snapped: Snapped | None, now: float) -> dict[float, _Window]:
    """Those over an hour of ``windows``, of which nothing is in the way: each is what its answers say until there are
    others."""
    slo, recorded = objective.slo, arrangement(replies).recorded
    out = {}
    for window, questions in windows.items():
        if window <= HOUR:
            continue
        read = partial(_read, objective, index, window, questions, replies, snapped, now)
        if questions:
            first, *others = [replies[q] for q in (*questions, *recorded.get((slo.name, window), ()))]
            out[window] = first.derived(("window", index, snapped, slo.objective), read, *others)
        else:
            out[window] = read()
    return out


def _read(objective: Objective, index: int, window: float, questions: Sequence[Question], replies: Replies,
          snapped: Snapped | None, now: float, _: object = None) -> _Window:
    counts = counted(objective, index, window, questions, [replies[question] for question in questions], snapped, now)
    target = objective.slo.objective
    total, bad = counts.total, counts.bad
    ratio, origin = None if not total or bad is None else bad / total, Origin.RAW
    if window >= DAY:
        told = _recorded(replies.get(Question(objective.slo.name, 0, Part.RECORDED, window), UNASKED), now)
        if told is not None:
            ratio, origin = told, Origin.RULE
    if target is None or target >= 100:
        return _Window(counts, ratio, origin, None)
    quality, note = counts.quality, counts.note
    if origin is Origin.RULE:
        quality, note = Quality.OK, "recorded by a rule"
    rate = burns_of.burn_rate(ratio, target) if ratio is not None and quality in _KNOWN else None
    return _Window(counts, ratio, origin, Burn(window, rate, total, quality, note, origin))


def _recorded(reply: Reply, now: float) -> float | None:
    """The error ratio that a rule recorded; None where none did."""
    if not reply.samples or trouble((reply,), now) is not None:
        return None
    return next((s.value for s in reply.samples if math.isfinite(s.value) and 0 <= s.value <= 1), None)


def _reading(objective: Objective, hour: WindowCounts, newest: float | None, target: float | None) -> Reading:
    total, bad = hour.total, hour.bad
    value = None if not total or bad is None else min(1.0, max(0.0, 1 - bad / total))
    quality, note = hour.quality, hour.note
    if quality is Quality.OK and target is not None and total is not None:
        needed = burns_of.events_needed(target, objective.slo.min_events)
        if total < needed:
            quality, note = Quality.LOW_N, f"{wording.count(total)} events, {needed:,} needed"
    return Reading(value, "ratio", quality, total, hour.window_seconds, newest, note=note)


def _covered(window: float, read: Mapping[float, _Window]) -> float | None:
    """The shortest of the windows (ascending) that holds all events of ``window``; None when only that does."""
    total = read[window].counts.total
    if not total:
        return None
    nearly_all = _ALL_SHARE * total
    return next((w for w, each in read.items() if w < window and (each.counts.total or 0.0) >= nearly_all), None)


def _budget(objective: float, read: _Window, by_window: Mapping[float, Burn],
            covered_seconds: float | None) -> Budget | None:
    counts, ratio, origin, _ = read
    total = counts.total
    if ratio is None or not total:
        return None
    # The faster of the two: after ten bad minutes six hours still look calm.
    rates = [b.rate for w in (HOUR, 6 * HOUR) if (b := by_window.get(w)) is not None and b.rate is not None]
    return burns_of.budget(ratio * total, total, objective, counts.window_seconds,
                           Quality.OK if origin is Origin.RULE else counts.quality,
                           present_burn=max(rates) if rates else None, covered_seconds=covered_seconds,
                           note="recorded by a rule" if origin is Origin.RULE else counts.note, origin=origin)


def _quantiles(objective: Objective, index: int, hour: WindowCounts, replies: Replies,
               newest: float | None) -> tuple[Quantiles, ...]:
    if hour.buckets:
        out = [_of_buckets(version, buckets, hour, newest) for version, buckets in hour.buckets.items()]
        if len(out) == 1:
            [only] = out
            return Quantiles(None, only.p50, only.p95, only.p99), only
        everything = merged(list(hour.buckets.values()))
        return (*([_of_buckets(None, everything, hour, newest)] if everything is not None else []), *out)
    label = objective.candidates[index].version_label
    by_version: dict[str, dict[Part, float]] = {}
    for part in (Part.P50, Part.P95, Part.P99):
        for sample in replies.get(Question(objective.slo.name, index, part, HOUR), UNASKED).samples:
            if math.isfinite(sample.value):
                by_version.setdefault(sample.labels.get(label, ""), {})[part] = sample.value
    out = []
    for version, values in sorted(by_version.items()):
        n = hour.by_version[version].total if version in hour.by_version else None
        p50, p95, p99 = (Reading(values.get(p), "s", hour.quality if p in values else Quality.NO_DATA, n, HOUR, newest,
                                 note="native histogram") for p in (Part.P50, Part.P95, Part.P99))
        out.append(Quantiles(version, p50, p95, p99))
    return tuple(out)


def _of_buckets(version: str | None, buckets: Buckets, hour: WindowCounts, newest: float | None) -> Quantiles:
    p50, p95, p99 = (_quantile(buckets, q, hour, newest) for q in (0.5, 0.95, 0.99))
    return Quantiles(version, p50, p95, p99)


def _quantile(buckets: Buckets, q: float, hour: WindowCounts, newest: float | None) -> Reading:
    found = quantile(buckets, q)
    if found is None:
        return Reading(None, "s", Quality.NO_TRAFFIC, buckets.total, hour.window_seconds, newest,
                       note="no events in the window")
    # A refused threshold says nothing against the buckets themselves.
    quality = Quality.OK if hour.quality is Quality.ERROR else hour.quality
    return Reading(found[0], "s", quality, buckets.total, hour.window_seconds, newest,
                   note="beyond the last bucket" if found[1] else "", at_least=found[1])


def _groups(objective: Objective, index: int, replies: Replies) -> tuple[GroupCount, ...]:
    if objective.slo.by is None:
        return ()
    reply = replies.get(Question(objective.slo.name, index, Part.GROUPS, HOUR), UNASKED)
    found = [GroupCount(s.labels.get(objective.slo.by, ""), s.value, None) for s in reply.samples
             if math.isfinite(s.value) and s.value > 0]
    return tuple(sorted(found, key=lambda g: (-g.bad, g.group)))


def _verdict(objective: Objective, kind: SloKind, reading: Reading, hour: WindowCounts,
             read: Mapping[float, _Window], burns: Mapping[float, Burn], tiers: Sequence[Tier],
             budget: Budget | None) -> tuple[Verdict, Urgency, str]:
    slo = objective.slo
    said = _said(kind, objective, reading)
    if slo.objective is None:
        return Verdict.NOT_JUDGED, Urgency.NONE, said if reading.value is not None else _why_unknown(reading)
    if slo.objective == 100:
        return _zero_tolerance(objective, reading, hour)
    if reading.quality in _UNKNOWN:
        return Verdict.UNKNOWN, Urgency.NONE, _why_unknown(reading)
    firing = [t for t in tiers if t.firing]
    overspent = budget is not None and budget.remaining < 0 and budget.quality is Quality.OK
    if firing:
        worst = min(firing, key=lambda t: (t.urgency is not Urgency.PAGE, t.long_seconds))
        long, short = burns[worst.long_seconds], burns[worst.short_seconds]
        text = (f"burns {wording.burn_rate(long.rate)} over {wording.window(long.window_seconds)} and "
                f"{wording.burn_rate(short.rate)} over {wording.window(short.window_seconds)} "
                f"({worst.urgency} above {wording.burn_rate(worst.threshold)}); {said}")
        if worst.urgency is Urgency.PAGE:
            return Verdict.FAIL, Urgency.PAGE, text
        if not overspent:
            return Verdict.WARN, worst.urgency, text
    if overspent and budget is not None:
        text = (f"budget of {wording.window(budget.window_seconds)} overspent: {wording.count(budget.bad)} bad of "
                f"{wording.allowance(budget.allowed)} allowed, {wording.allowance(budget.left)} left "
                f"({wording.budget_left(budget.remaining)})")
        return Verdict.FAIL, Urgency.TICKET, text
    if reading.quality is Quality.NO_TRAFFIC:
        return Verdict.UNKNOWN, Urgency.NONE, f"no traffic in the last {wording.window(slo.reading_window)}"
    if reading.quality is Quality.PARTIAL:
        return Verdict.UNKNOWN, Urgency.NONE, f"partial answer, cannot be called healthy: {reading.note}"
    unread = next((b for b in burns.values() if b.quality in _UNREAD), None)
    if unread is not None:
        return Verdict.UNKNOWN, Urgency.NONE, f"the {wording.window(unread.window_seconds)} window: {unread.note}"
    if budget is None or budget.quality not in READABLE:
        behind = read.get(slo.window)
        note = budget.note if budget is not None else behind.counts.note if behind is not None else "not asked yet"
        return Verdict.UNKNOWN, Urgency.NONE, f"the budget of {wording.window(slo.window)} is unknown: {note}"
    # A ticket's rate of days on events of minutes is the budget again, of which too little is known.
    known = budget.quality is Quality.OK
    blocked = next((t for t in tiers if t.blocked and (known or t.urgency is Urgency.PAGE)), None)
    if blocked is not None:
        return (Verdict.WARN, Urgency.NONE, f"{said}; burns over {wording.burn_rate(blocked.threshold)} on too few "
                f"events to {blocked.urgency} ({blocked.blocked})")
    fast = [b.rate for w in (HOUR, 5 * MINUTE) if (b := burns.get(w)) is not None and b.rate is not None and b.rate > 1]
    # One event is no rate.
    if len(fast) == 2 and reading.quality is Quality.OK and (hour.bad or 0.0) >= 1.5:
        text = (f"burns {wording.burn_rate(fast[0])} over 1h and {wording.burn_rate(fast[1])} over 5m, "
                f"faster than the budget lasts, not enough for an alert; {said}")
        return Verdict.WARN, Urgency.NONE, text
    if reading.quality is Quality.LOW_N or budget.quality is Quality.LOW_N:
        return _too_few(said, objective, reading, budget)
    return Verdict.PASS, Urgency.NONE, f"{said}, {wording.budget_left(budget.remaining)} of the budget left"


def _too_few(said: str, objective: Objective, reading: Reading, budget: Budget) -> tuple[Verdict, Urgency, str]:
    """Nothing is wrong, and the reading, the budget or both rest on too few events: never healthy.

    Where one of the two can be judged it is ``low_n``; where neither can, it is unknown.
    """
    span = wording.window(objective.slo.reading_window)
    if reading.quality is Quality.LOW_N and budget.quality is Quality.LOW_N:
        return Verdict.UNKNOWN, Urgency.NONE, f"{said}: too few to judge ({reading.note}); {budget.note}"
    if reading.quality is Quality.LOW_N:
        left = f"{wording.budget_left(budget.remaining)} of the budget of {wording.window(budget.window_seconds)} left"
        return Verdict.LOW_N, Urgency.NONE, f"{said}: too few to judge {span} ({reading.note}); {left}"
    met = reading.value is not None and reading.value * 100 >= (objective.slo.objective or 0.0)
    return Verdict.LOW_N if met else Verdict.UNKNOWN, Urgency.NONE, f"{said}; {budget.note}"


def _said(kind: SloKind, objective: Objective, reading: Reading) -> str:
    value = wording.reading(reading, objective.slo.objective)
    span = wording.window(objective.slo.reading_window)
    n = f", n {wording.count(reading.n)} in {span}" if reading.n is not None else ""
    if kind is SloKind.LATENCY:
        threshold = getattr(objective.candidates[0].sli, "threshold", None)
        under = f"{value} under {wording.duration(threshold)}{n}" if threshold else ""
        return under or f"{wording.count(reading.n)} in {span}"
    if kind is SloKind.COLD_START:
        return f"{value} warm starts{n}"
    return f"{value} good{n}"


def _why_unknown(reading: Reading) -> str:
    words = wording.QUALITY_WORDS[reading.quality]
    return f"{words}: {reading.note}" if reading.note else words


def _zero_tolerance(objective: Objective, reading: Reading, hour: WindowCounts) -> tuple[Verdict, Urgency, str]:
    bad, total, span = hour.bad, hour.total, wording.window(objective.slo.reading_window)
    if reading.quality in READABLE and bad is not None:
        # Extrapolation makes fractions of events; a rate of one in a hundred hours is still one event.
        if bad > 1e-9:
            text = f"{max(1, round(bad)):,} bad of {wording.count(total)} in {span}, zero tolerance"
            return Verdict.WARN, Urgency.TICKET, text
        return Verdict.PASS, Urgency.NONE, f"0 bad of {wording.count(total)} in {span}, zero tolerance"
    if reading.quality is Quality.PARTIAL and bad:
        return Verdict.WARN, Urgency.TICKET, f"at least {max(1, round(bad)):,} bad in {span}, partial answer"
    return Verdict.UNKNOWN, Urgency.NONE, _why_unknown(reading)


def _findings(objective: Objective, tiers: Sequence[Tier], budget: Budget | None,
              around: Surroundings) -> tuple[str, ...]:
    slo = objective.slo
    out: list[str] = []
    if slo.objective is None or slo.objective >= 100:
        return ()
    for tier in tiers:
        if not tier.reachable:
            out.append(f"the {tier.urgency} tier at {wording.burn_rate(tier.threshold)} can never fire: every request "
                       f"bad burns {wording.burn_rate(burns_of.highest_burn_rate(slo.objective))}")
    if around.retention_seconds is not None and slo.window > around.retention_seconds:
        out.append(f"the window of {wording.window(slo.window)} is longer than the server keeps samples "
                   f"({wording.window(around.retention_seconds)})")
    if 4 * around.scrape_interval > 5 * MINUTE:
        out.append(f"5m windows hold fewer than four scrapes of {wording.duration(around.scrape_interval)}")
    covered = budget.covered_seconds if budget is not None else None
    early = covered is not None and covered <= burns_of.COVERED_SHARE * slo.window
    if budget is not None and budget.allowed < 1 and not early:
        out.append(f"fewer than one bad event is allowed in {wording.window(slo.window)} "
                   f"({wording.count(budget.total)} events)")
    return tuple(out)


def _with_staleness(state: SloState, around: Surroundings) -> SloState:
    """Samples that stopped coming make the reading stale, even while windows still hold older ones."""
    limit = max(5 * around.scrape_interval, 90.0)
    old = state.now.age_seconds(around.now)
    if old is None or old <= limit or state.now.quality in (Quality.ERROR, Quality.WAITING, Quality.STALE):
        return state
    note = f"newest sample {wording.age(old)} old"
    reading = replace(state.now, quality=Quality.STALE, note=note)
    verdict = Verdict.NOT_JUDGED if state.verdict is Verdict.NOT_JUDGED else Verdict.UNKNOWN
    return replace(state, now=reading, verdict=verdict, urgency=Urgency.NONE, sentence=f"stale: {note}")


def _undated(objective: Objective, index: int, state: SloState, replies: Replies, now: float) -> SloState:
    """A value whose samples cannot be dated, or that nothing recent stands behind, is stale and never healthy."""
    if state.now.value is None or state.now.quality not in READABLE:
        return state
    asked = replies.get(Question(objective.slo.name, index, Part.SAMPLED_AT))
    if asked is not None:
        note = "the age of its samples cannot be read" if asked.failure is not None else "no sample in the last 6h"
    elif window_counts(objective, index, 5 * MINUTE, replies, now).quality is Quality.NO_DATA:
        note = "nothing in the last 5m"
    else:
        return state
    verdict = Verdict.NOT_JUDGED if state.verdict is Verdict.NOT_JUDGED else Verdict.UNKNOWN
    return replace(state, now=replace(state.now, quality=Quality.STALE, note=note), verdict=verdict,
                   urgency=Urgency.NONE, sentence=f"stale: {note}")


def _pending(objective: Objective, state: SloState, around: Surroundings) -> SloState:
    """Objectives that wait for labels are pending, not unknown, while there is nothing to read."""
    if objective.slo.due != "with-labels" or state.now.quality is not Quality.NO_DATA:
        return state
    due = around.labels_due_seconds
    text = f"labels are due {wording.window(due)} after the prediction" if due else "labels are not in yet"
    return replace(state, now=replace(state.now, quality=Quality.PENDING, note=text), verdict=Verdict.PENDING,
                   urgency=Urgency.NONE, sentence=text)
