"""Judges what is measured rather than counted: latency distributions by ranks, gauges by their differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from triage.signals.canary import CanaryVerdict, Kind, LatencyMetric, LevelMetric, Margin, MetricVerdict, Worse
from triage.signals.differences import FIRST_LOOK, Look, look_that_tells, looks, newest_look, next_look
from triage.signals.histogram import merged
from triage.signals.judge_events import Terms
from triage.signals.ranks import RankEvidence, percentiles, rank_evidence, rank_growth
from triage.signals.sequential import always_valid_p, holds
from triage.signals.wording import age, clock_time, count, duration, value

_MIXING = 2.0


def judge_latency(metric: LatencyMetric, terms: Terms) -> MetricVerdict:
    """The verdict on a latency distribution; the values shown are the p95 of both arms."""
    canary = merged([b for b in metric.canary if b is not None])
    stable = merged([b for b in metric.stable if b is not None])
    of_canary, of_stable = percentiles(canary), percentiles(stable)
    n_canary, n_stable = (b.total if b is not None else 0.0 for b in (canary, stable))
    ranks = rank_evidence(metric.canary, metric.stable, metric.margin.relative,
                          terms.most_lately(len(metric.canary)))
    verdict, more_events, more_seconds = CanaryVerdict.INSUFFICIENT, None, None
    gates, failed = metric.gates, None
    if ranks.effect is None or of_canary.p95 is None or of_stable.p95 is None:
        sentence = "stable has no events to compare with"
        if n_canary <= 0:
            more_events = terms.policy.min_events
            sentence = f"the canary has had no events yet; it needs {count(more_events)} at least"
    else:
        values = (f"p95 {duration(of_canary.p95)} of {count(n_canary)}, stable {duration(of_stable.p95)} of "
                  f"{count(n_stable)}, slower with probability {ranks.effect:.2f}")
        floor = _floor_index(metric, terms.policy.min_events)
        failed = terms.failed(ranks.slower, terms.threshold, floor) if floor is not None else None
        if ranks.too_coarse:
            failed, gates, verdict = None, gates and metric.margin.given, CanaryVerdict.INCONCLUSIVE
            sentence = f"{values}: no test, nearly all of both arms lies in one or two buckets"
        elif failed is not None:
            verdict = CanaryVerdict.FAIL
            sentence = (f"{values}: slower by more than {metric.margin.words()}, proven since "
                        f"{clock_time(terms.time_after(failed))}")
        elif metric.lost:
            verdict, sentence = CanaryVerdict.ERROR, f"{values}: {metric.lost}"
        elif n_canary >= terms.policy.min_events and holds(ranks.not_slower, terms.pass_threshold):
            verdict, sentence = CanaryVerdict.PASS, f"{values}: inside {metric.margin.words()}"
            if terms.is_beyond(ranks.lately):
                verdict = CanaryVerdict.INCONCLUSIVE
                sentence += (" as a whole, but it looks slower by more than that since about "
                             f"{clock_time(terms.time_after(ranks.lately.first - 1))}")
        else:
            verdict, more_events, more_seconds, why = _undecided(metric, ranks, n_canary, terms)
            sentence = f"{values}: {why}"
    delta = None if of_canary.p95 is None or of_stable.p95 is None else of_canary.p95 - of_stable.p95
    return MetricVerdict(metric.name, Kind.LATENCY, "s", of_stable.p95, of_canary.p95, delta, n_stable, n_canary,
                         verdict, sentence, metric.margin, gates, more_events, more_seconds,
                         None if failed is None else terms.time_after(failed), always_valid_p(ranks.slower),
                         effect=ranks.effect, stable_percentiles=of_stable, canary_percentiles=of_canary)


def _floor_index(metric: LatencyMetric, min_events: int) -> int | None:
    seen = 0.0
    for k, buckets in enumerate(metric.canary):
        seen += buckets.total if buckets is not None else 0.0
        if seen >= min_events:
            return k
    return None


def _undecided(metric: LatencyMetric, ranks: RankEvidence, n_canary: float,
               terms: Terms) -> tuple[CanaryVerdict, int | None, float | None, str]:
    active = sum(b is not None and b.total > 0 for b in metric.canary)
    gain = rank_growth(ranks.expected) if ranks.expected is not None else 0.0
    missing = terms.policy.min_events - n_canary
    planned = (terms.pass_threshold + _MIXING) / gain if gain > 0 else math.inf
    if missing <= 0 and active >= 2 * planned:
        return (CanaryVerdict.INCONCLUSIVE, None, None,
                f"the difference is about as large as the margin of {metric.margin.words()}")
    per_interval = n_canary / max(1, active)
    # Evidence grows by the interval, so what is missing is time.
    intervals = max(missing / per_interval, (terms.pass_threshold - ranks.not_slower[-1]) / gain if gain > 0 else 1.0)
    whole = len(metric.canary)
    more_seconds = max(1.0, intervals) * terms.seconds(whole - 1, whole) * whole / max(1, active)
    more_events = max(1, math.ceil(max(1.0, intervals) * per_interval))
    rounded = more_events if more_events < 100 else float(f"{more_events:.2g}")
    return (CanaryVerdict.INSUFFICIENT, more_events, more_seconds,
            f"needs about {count(rounded)} more of the canary, about {age(max(60.0, more_seconds))}")


def judge_level(metric: LevelMetric, terms: Terms) -> MetricVerdict:
    """The verdict on a gauge, as of its last look; a look that proved it worse counts for good."""
    pairs = [(i, c, s) for i, (c, s) in enumerate(zip(metric.canary, metric.stable, strict=True))
             if c is not None and s is not None]
    n = float(len(pairs))
    canary, stable = (_median([p[k] for p in pairs]) for k in (1, 2))
    delta = None if canary is None or stable is None else canary - stable
    margin, failed = metric.margin, None
    verdict, more_events, more_seconds = CanaryVerdict.INSUFFICIENT, None, None
    if canary is None or stable is None:
        more_events = max(FIRST_LOOK, terms.sustained_intervals)
        sentence = f"no values of both arms at the same times yet; it needs {count(more_events)} of each at least"
    else:
        values = (f"{value(canary, metric.unit)}, stable {value(stable, metric.unit)} "
                  f"(medians of {count(n)} intervals)")
        # A part for canary and margin alike: looks share it among themselves.
        taken = [look for look in looks(metric.canary, metric.stable, terms.alpha)
                 if look.pairs >= terms.sustained_intervals]
        failed = next((look.index for look in taken if margin is not None and _outside(look, margin, metric.worse)),
                      None)
        if margin is None:
            verdict, sentence = CanaryVerdict.INCONCLUSIVE, f"{values}: not judged, it has no max_delta"
        elif failed is not None:
            verdict = CanaryVerdict.FAIL
            sentence = (f"{values}: {'off' if metric.worse is Worse.EITHER else 'worse'} by more than "
                        f"{margin.words(metric.unit)}, proven since {clock_time(terms.time_after(failed))}")
        elif metric.lost:
            verdict, sentence = CanaryVerdict.ERROR, f"{values}: {metric.lost}"
        elif taken and taken[-1].no_test:
            verdict, sentence = CanaryVerdict.INCONCLUSIVE, f"{values}: no test, {taken[-1].no_test}"
        elif taken and _inside(taken[-1], margin, metric.worse):
            verdict, sentence = CanaryVerdict.PASS, f"{values}: inside {margin.words(metric.unit)}"
            if beyond := _beyond_lately(metric, margin, taken[-1], terms):
                verdict, sentence = CanaryVerdict.INCONCLUSIVE, f"{sentence} {beyond}"
        else:
            verdict, more_events, why = _level_undecided(taken, margin, metric.unit, len(pairs), terms)
            sentence = f"{values}: {why}"
            if more_events is not None:
                whole = len(metric.canary)
                more_seconds = more_events * terms.seconds(whole - 1, whole) * whole / len(pairs)
                sentence += f", about {age(max(60.0, more_seconds))}"
    return MetricVerdict(metric.name, Kind.LEVEL, metric.unit, stable, canary, delta, n, n, verdict, sentence, margin,
                         margin is not None, more_events, more_seconds,
                         None if failed is None else terms.time_after(failed))


def _level_undecided(taken: Sequence[Look], margin: Margin, unit: str, pairs: int,
                     terms: Terms) -> tuple[CanaryVerdict, int | None, str]:
    """Verdict, how many pairs of values are still needed, and why, for a gauge that neither failed nor passed."""
    due = max(next_look(pairs), terms.sustained_intervals)
    if taken:
        tolerated = _tolerated(taken[-1], margin)
        if tolerated <= 0:
            return (CanaryVerdict.INCONCLUSIVE, None,
                    f"a margin of {margin.words(unit)} cannot be tested where stable is {value(0.0, unit)}")
        # As for events: twice as many as would show arms that are alike inside the margin.
        if taken[-1].pairs >= 2 * look_that_tells(taken[-1], tolerated):
            return (CanaryVerdict.INCONCLUSIVE, None,
                    f"the difference is about as large as the margin of {margin.words(unit)}")
        due = max(due, look_that_tells(taken[-1], tolerated))
    return CanaryVerdict.INSUFFICIENT, due - pairs, f"needs about {count(due - pairs)} more values of both"


def _beyond_lately(metric: LevelMetric, margin: Margin, last: Look, terms: Terms) -> str:
    """That the newest values are off by more than the margin; "" when they do not look so."""
    newest_ones = newest_look(metric.canary, metric.stable, last.block, terms.policy.alpha)
    if newest_ones is None:
        return ""
    if newest_ones.no_test:
        # What never changes has no interval, and is what it is.
        newest_ones = replace(newest_ones, low=newest_ones.difference, high=newest_ones.difference)
    if not _outside(newest_ones, margin, metric.worse):
        return ""
    word = "off" if metric.worse is Worse.EITHER else "worse"
    return (f"as a whole, but the newest {count(newest_ones.pairs)} values look {word} by more than that "
            f"({value(newest_ones.difference, metric.unit)})")


def levels_moved(metric: LevelMetric, terms: Terms) -> str:
    """The finding that both arms left the level that stable had before, the same way; "" when they did not.

    Of the trial only the newest values count: the world may move hours after it began. Both arms must be off by more
    than the margin at once, each beyond its own interval, which is what keeps repeated looks from finding it by chance.
    """
    if metric.margin is None:
        return ""
    # As many as one look takes: it would leave out the newest of a few more.
    lately = slice(-2 * FIRST_LOOK if len(metric.canary) >= 2 * FIRST_LOOK else -FIRST_LOOK, None)
    taken = [_alone(values, terms) for values in (metric.before, metric.stable[lately], metric.canary[lately])]
    before, stable, canary = taken
    if before is None or stable is None or canary is None:
        return ""
    tolerated = metric.margin.absolute + metric.margin.relative * abs(before.difference)
    higher = all(arm.low - before.high > tolerated for arm in (stable, canary))
    lower = all(before.low - arm.high > tolerated for arm in (stable, canary))
    worse = (higher and metric.worse is not Worse.LOWER) or (lower and metric.worse is not Worse.HIGHER)
    if not worse:
        return ""
    was, now, new = (value(look.difference, metric.unit) for look in taken if look is not None)
    return (f"{metric.name}: both arms moved (stable {was} before the canary, {now} now; canary {new}): "
            f"rolling back would not help")


def _alone(values: Sequence[float | None], terms: Terms) -> Look | None:
    """The last look at one arm's own level (its ``difference`` from 0); None when there is none, or no test."""
    taken = looks(values, (0.0,) * len(values), terms.alpha)
    return taken[-1] if taken and not taken[-1].no_test else None


def _tolerated(look: Look, margin: Margin) -> float:
    return margin.absolute + margin.relative * abs(look.stable)


def _outside(look: Look, margin: Margin, worse: Worse) -> bool:
    tolerated = _tolerated(look, margin)
    return ((worse is not Worse.LOWER and look.low > tolerated)
            or (worse is not Worse.HIGHER and look.high < -tolerated))


def _inside(look: Look, margin: Margin, worse: Worse) -> bool:
    tolerated = _tolerated(look, margin)
    return ((worse is Worse.LOWER or look.high <= tolerated)
            and (worse is Worse.HIGHER or look.low >= -tolerated))


def _median(values: list[float]) -> float | None:
    if not values:
        return None
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
