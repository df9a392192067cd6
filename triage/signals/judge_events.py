"""Judges one share of events of a canary against stable: worse, inside the margin, or how much longer it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from triage.signals.canary import CanaryVerdict, EventMetric, Kind, MetricVerdict, Policy, Worse
from triage.signals.intervals import end_of, lengths, newest
from triage.signals.sequential import (
    NEAR_RATIOS,
    RATIOS,
    Comparison,
    Lately,
    always_valid_p,
    dispersions,
    first_reached,
    first_sustained,
    growth,
    holds,
    lately,
    log_evidence,
)
from triage.signals.wording import age, clock_time, count, percent, significant

FEWEST_BAD_EVENTS = 5
"""Events of the kind that is counted, before a canary can fail for them: two of them can be significant, and chance."""
_RECENT_INTERVALS = 15
_MOST_OF_NONE = 3.0
"""So many events at most were to be expected where none was seen, at 95 % (rule of three)."""
_MIXING = 2.0
"""What spreading bets over ratios and starts costs in ``ln e``, for planning."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms one metric is judged."""

    policy: Policy
    started_at: float
    step_seconds: float
    """Of the shortest intervals, see :mod:`~triage.signals.intervals`."""
    alpha: float
    """This metric's part of the probability of a false failure."""

    @property
    def sustained_intervals(self) -> int:
        """Of the shortest intervals, how many a deviation must outlast."""
        return max(1, math.ceil(self.policy.sustained_seconds / self.step_seconds))

    def sustained_lately(self, count: int) -> int:
        """How many of the last of ``count`` intervals last as long as a deviation must."""
        return newest(count, self.sustained_intervals)

    def seconds(self, first: int, last: int) -> float:
        """How long the intervals from ``first`` to before ``last`` are."""
        return (end_of(last - 1) - end_of(first - 1)) * self.step_seconds

    @property
    def threshold(self) -> float:
        """``ln e`` at which the canary fails."""
        return math.log(1 / self.alpha)

    @property
    def pass_threshold(self) -> float:
        """``ln e`` at which a metric is inside its margin. Not split: one metric outside is enough not to pass."""
        return math.log(1 / self.policy.alpha)

    def failed(self, log_e: Sequence[float], threshold: float, start: int) -> int | None:
        """The first interval from ``start`` on after which this is proven and has lasted; None when it is not."""
        lasting = math.ceil(self.policy.sustained_seconds / self.step_seconds)
        return first_sustained(log_e, threshold, lasting, start)

    def most_lately(self, count: int) -> tuple[float, ...]:
        """What each of ``count`` intervals may say of the present: half of what must last has to speak."""
        return tuple(2 * self.pass_threshold * min(1.0, length / self.sustained_intervals) for length in lengths(count))

    def is_beyond(self, newest_ones: Lately | None) -> bool:
        """Whether the newest intervals look worse than the margin, so that nothing passes now."""
        return newest_ones is not None and newest_ones.evidence >= self.pass_threshold

    def time_after(self, index: int) -> float:
        """Unix seconds of the end of an interval."""
        return self.started_at + end_of(index) * self.step_seconds


@dataclass(frozen=True, slots=True)
class EventTests:
    """Logarithms of all evidence about one metric, after each interval."""

    worse: tuple[tuple[float, ...], ...]
    """One for each way it can get worse."""
    within: tuple[tuple[float, ...], ...]
    """The contrary of each."""
    moved: tuple[tuple[float, ...], ...]
    """Canary and stable against stable's own past; empty where that is not known, or nothing looks worse than then."""
    dispersion: tuple[float, ...]
    lately: Lately
    """What the newest intervals say for its being worse, the way in which they say most."""

    def failed_index(self, terms: Terms, start: int = 0) -> int | None:
        """The first interval from ``start`` on after which the canary is proven worse; None when it is not."""
        found = [k for log_e in self.worse
                 if (k := terms.failed(log_e, terms.threshold + math.log(len(self.worse)), start)) is not None]
        return min(found, default=None)

    def inside(self, threshold: float) -> bool:
        """Whether it is proven now that the canary is inside its margin on all sides."""
        return all(bool(log_e) and log_e[-1] >= threshold for log_e in self.within)

    def passed(self, terms: Terms) -> bool:
        """Whether all that is known proves the canary inside its margin on all sides."""
        return holds([min(levels) for levels in zip(*self.within, strict=True)], terms.pass_threshold)

    @property
    def p(self) -> float:
        """Always-valid p-value of being no worse than the margin."""
        return min(1.0, min(always_valid_p(log_e) for log_e in self.worse) * len(self.worse))


def batched(metrics: Sequence[EventMetric], terms: Terms) -> tuple[EventTests, ...]:
    """The tests of all metrics, computed together: that is what makes ten of them cheap."""
    comparisons: list[Comparison] = []
    shapes: list[tuple[int, int, tuple[float, ...], Lately]] = []
    for metric in metrics:
        spread = dispersions(metric.stable, metric.before)
        sides, past = _sides(metric), _past(metric, spread, terms)
        worse, within = ([Comparison(
            metric.canary, metric.stable, ratio, extra, above is failing, spread,
            *((terms.threshold, RATIOS) if failing else (math.inf, NEAR_RATIOS))) for ratio, extra, above in sides]
            for failing in (True, False))
        comparisons += [*worse, *within, *past]
        now = max(lately(worse, terms.most_lately(len(spread))), key=lambda each: each.evidence)
        shapes.append((len(sides), len(past), spread, now))
    evidence = iter(log_evidence(comparisons))
    return tuple(EventTests(tuple(next(evidence) for _ in range(sides)), tuple(next(evidence) for _ in range(sides)),
                            tuple(next(evidence) for _ in range(past)), spread, now)
                 for sides, past, spread, now in shapes)


def _sides(metric: EventMetric) -> list[tuple[float, float, bool]]:
    """(ratio, extra, whether worse lies above) of each line that the canary must not cross."""
    margin = metric.margin
    upper = (1 + margin.relative, margin.absolute, True)
    lower = (1 - margin.relative, -margin.absolute, False)
    return {Worse.HIGHER: [upper], Worse.LOWER: [lower], Worse.EITHER: [upper, lower]}[metric.worse]


def _past(metric: EventMetric, spread: tuple[float, ...], terms: Terms) -> list[Comparison]:
    """Both arms against stable's rate before the canary, raised (or lowered) by its own uncertainty and the margin."""
    for side in _sides(metric):
        line = _line(metric, spread, side)
        # Most of the time neither arm is worse than it was, and there is nothing to prove.
        if line is not None and _beyond_lately(metric, line, terms, above=side[2]):
            return [Comparison(arm, arm, 0.0, line, side[2], spread, terms.threshold)
                    for arm in (metric.canary, metric.stable)]
    return []


def _beyond_lately(metric: EventMetric, line: float, terms: Terms, *, above: bool) -> bool:
    """Whether both arms were on the wrong side of the line over the last sustained stretch."""
    newest_ones = terms.sustained_lately(len(metric.canary.events))
    rates = [arm.last(newest_ones).rate for arm in (metric.canary, metric.stable)]
    return all(rate is not None and (rate > line) is above for rate in rates)


def _line(metric: EventMetric, spread: tuple[float, ...], side: tuple[float, float, bool]) -> float | None:
    exposure, events = metric.before.total_exposure, metric.before.total_events
    if exposure <= 0 or not spread or math.isinf(spread[0]):
        return None
    ratio, extra, above = side
    doubt = 2 * math.sqrt(max(events, 1.0) * spread[0])
    line = ratio * (events + (doubt if above else -doubt)) / exposure + extra
    return line if line > 0 else None


def judge_events(metric: EventMetric, tests: EventTests, terms: Terms) -> tuple[MetricVerdict, str]:
    """The verdict on one metric, and the finding that both arms got worse together ("" when they did not)."""
    canary, stable = metric.canary.rate, metric.stable.rate
    n_canary, n_stable = metric.canary.total_exposure, metric.stable.total_exposure
    if metric.shown_good:
        shown_canary, shown_stable = (None if r is None else 1 - r for r in (canary, stable))
    else:
        shown_canary, shown_stable = canary, stable
    delta = None if shown_canary is None or shown_stable is None else shown_canary - shown_stable
    start = _floor_index(metric, terms.policy.min_events)
    failed = tests.failed_index(terms, start) if start is not None else None
    verdict, more_events, more_seconds = CanaryVerdict.INSUFFICIENT, None, None
    values = "" if shown_canary is None or shown_stable is None else (
        f"{percent(shown_canary)} of {count(n_canary)}, stable {percent(shown_stable)} of {count(n_stable)}")
    if canary is None:
        more_events = terms.policy.min_events
        sentence = f"the canary has had no events yet; it needs {count(more_events)} at least"
    elif stable is None:
        sentence = "stable has no events to compare with"
    elif failed is not None:
        verdict = CanaryVerdict.FAIL
        sentence = (f"{values}: {_word(metric)} by more than "
                    f"{metric.margin.words()}, proven since {clock_time(terms.time_after(failed))}")
        if tests.inside(0.0):
            sentence += "; less so since, which does not undo it"
    elif metric.lost:
        verdict, sentence = CanaryVerdict.ERROR, f"{values}: {metric.lost}"
    elif n_canary >= terms.policy.min_events and tests.passed(terms):
        if terms.is_beyond(tests.lately):
            verdict, sentence = CanaryVerdict.INCONCLUSIVE, f"{values}: {_changed(metric, tests.lately, terms)}"
        else:
            verdict, sentence = CanaryVerdict.PASS, f"{values}: inside {metric.margin.words()}"
    else:
        verdict, more_events, more_seconds, why = _undecided(metric, tests, terms)
        sentence = f"{values}: {why}"
    spread = tests.dispersion[-1] if tests.dispersion and math.isfinite(tests.dispersion[-1]) else None
    result = MetricVerdict(metric.name, Kind.EVENTS, "ratio", shown_stable, shown_canary, delta, n_stable, n_canary,
                           verdict, sentence, metric.margin, metric.gates, more_events, more_seconds,
                           None if failed is None else terms.time_after(failed), tests.p, spread)
    both = "" if verdict is CanaryVerdict.FAIL else _both_moved(metric, tests, terms)
    return result, both


def _floor_index(metric: EventMetric, min_events: int) -> int | None:
    """The first interval after which there is enough for a failure; None when there never is."""
    seen, bad = 0.0, 0.0
    arms = zip(metric.canary.exposure, metric.canary.events, metric.stable.events, strict=True)
    for k, (exposure, events, others) in enumerate(arms):
        seen += exposure
        # Where fewer is worse, it is stable's events that the canary lacks.
        bad += events if metric.worse is Worse.HIGHER else events + others
        if seen >= min_events and bad >= FEWEST_BAD_EVENTS:
            return k
    return None


def _changed(metric: EventMetric, newest_ones: Lately, terms: Terms) -> str:
    """That it was inside the margin, and does not look so any more."""
    count_lately = len(metric.canary.events) - newest_ones.first
    rates = [arm.last(count_lately).rate for arm in (metric.canary, metric.stable)]
    by = (f" ({_points(rates[0], rates[1])})" if rates[0] is not None and rates[1] is not None else "")
    return (f"inside {metric.margin.words()} as a whole, but it looks {_word(metric)} by more than that since about "
            f"{clock_time(terms.time_after(newest_ones.first - 1))}{by}")


def _points(canary: float, stable: float) -> str:
    return f"{significant(abs(canary - stable) * 100, 2)} pt"


def _word(metric: EventMetric) -> str:
    return "off" if metric.worse is Worse.EITHER else "worse"


def _undecided(metric: EventMetric, tests: EventTests,
               terms: Terms) -> tuple[CanaryVerdict, int | None, float | None, str]:
    """Verdict, events and seconds still needed, and why, for a metric that neither failed nor passed."""
    canary, stable = metric.canary, metric.stable
    n_canary, n_stable = canary.total_exposure, stable.total_exposure
    happened = canary.total_events + stable.total_events
    # Where nothing happened the rate is as likely as not far below this: what it needs, it needs at least.
    pooled = (happened or _MOST_OF_NONE) / (n_canary + n_stable)
    spread = tests.dispersion[-1] if tests.dispersion and math.isfinite(tests.dispersion[-1]) else 1.0
    needed, planned = 0.0, 0.0
    for (ratio, extra, above), log_e in zip(_sides(metric), tests.within, strict=True):
        gain = growth(pooled, pooled, n_stable / n_canary, ratio, extra, above=not above) / spread
        needed = max(needed, (terms.pass_threshold - log_e[-1]) / gain if gain > 0 else math.inf)
        planned = max(planned, (terms.pass_threshold + _MIXING) / gain if gain > 0 else math.inf)
    missing = terms.policy.min_events - n_canary
    lean = _leaning(metric)
    if missing <= 0 and math.isinf(planned):
        return (CanaryVerdict.INCONCLUSIVE, None, None,
                f"{lean}a margin of {metric.margin.words()} is too narrow to be tested at this rate")
    if happened and missing <= 0 and n_canary >= 2 * planned:
        return (CanaryVerdict.INCONCLUSIVE, None, None,
                f"{lean}the difference is about as large as the margin of {metric.margin.words()}")
    more_events = max(1, math.ceil(round(max(missing, needed if math.isfinite(needed) else 0.0), 6)))
    recent = canary.last(_RECENT_INTERVALS)
    whole = len(canary.exposure)
    taken = terms.seconds(whole - len(recent.exposure), whole)
    per_second = recent.total_exposure / taken if taken > 0 else 0.0
    more_seconds = more_events / per_second if per_second > 0 else None
    rounded = more_events if more_events < 100 else float(f"{more_events:.2g}")
    when = f", about {age(max(60.0, more_seconds))}" if more_seconds is not None else ""
    if not happened and metric.margin.relative:
        return (CanaryVerdict.INSUFFICIENT, more_events, more_seconds,
                f"none of this kind happened: a margin of {metric.margin.words()} needs at least {count(rounded)} more "
                f"of the canary{when}; an absolute one needs fewer")
    return (CanaryVerdict.INSUFFICIENT, more_events, more_seconds,
            f"{lean}needs about {count(rounded)} more of the canary{when}")


def _leaning(metric: EventMetric) -> str:
    """That it looks worse, although nothing is proven; "" when it does not."""
    canary, stable = metric.canary.rate, metric.stable.rate
    if canary is None or stable is None:
        return ""
    beyond = any((canary > ratio * stable + extra) is above and canary != stable
                 for ratio, extra, above in _sides(metric))
    if not beyond:
        return ""
    return f"looks {_word(metric)} ({_points(canary, stable)}), not proven; "


def _both_moved(metric: EventMetric, tests: EventTests, terms: Terms) -> str:
    """Both arms are worse than stable was before the canary, beyond the margin, and still are."""
    before = metric.before.rate
    if before is None or len(tests.moved) != 2:
        return ""
    threshold = terms.threshold + math.log(len(tests.worse))
    if not all(log_e and log_e[-1] >= threshold for log_e in tests.moved):
        return ""
    newest_ones = terms.sustained_lately(len(metric.canary.events))
    lately = [arm.last(newest_ones).rate for arm in (metric.canary, metric.stable)]
    since = max(first_reached(log_e, threshold) or 0 for log_e in tests.moved)
    canary, stable = (_shown(metric, rate or 0.0) for rate in lately)
    how = "moved" if metric.worse is Worse.EITHER else "got worse"
    return (f"{metric.name}: both arms {how}, seen since {clock_time(terms.time_after(since))} "
            f"(stable {_shown(metric, before)} before the canary, {stable} now; canary {canary}): "
            f"rolling back would not help")


def _shown(metric: EventMetric, rate: float) -> str:
    return percent(1 - rate if metric.shown_good else rate)


