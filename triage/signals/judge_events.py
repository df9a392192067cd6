"""Judges one share of events of a canary against stable: worse, inside the margin, or how much longer it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from triage.signals.canary import CanaryVerdict, EventMetric, Kind, MetricVerdict, Policy, Worse
from triage.signals.sequential import (
    Comparison,
    always_valid_p,
    dispersions,
    first_reached,
    first_sustained,
    growth,
    log_evidence,
)
from triage.signals.wording import age, clock_time, count, percent, significant

FEWEST_BAD_EVENTS = 5
"""Events of the kind that is counted, before a canary can fail for them: two of them can be significant, and chance."""
_RECENT_INTERVALS = 15
_MIXING = 2.0
"""What spreading bets over ratios and starts costs in ``ln e``, for planning."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms one metric is judged."""

    policy: Policy
    started_at: float
    step_seconds: float
    alpha: float
    """This metric's part of the probability of a false failure."""

    @property
    def sustained_intervals(self) -> int:
        """Intervals that a deviation must outlast."""
        return max(1, math.ceil(self.policy.sustained_seconds / self.step_seconds))

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

    def time_after(self, index: int) -> float:
        """Unix seconds of the end of an interval."""
        return self.started_at + (index + 1) * self.step_seconds


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

    def failed_index(self, terms: Terms, start: int = 0) -> int | None:
        """The first interval from ``start`` on after which the canary is proven worse; None when it is not."""
        found = [k for log_e in self.worse
                 if (k := terms.failed(log_e, terms.threshold + math.log(len(self.worse)), start)) is not None]
        return min(found, default=None)

    def inside(self, threshold: float) -> bool:
        """Whether it is proven now that the canary is inside its margin on all sides."""
        return all(bool(log_e) and log_e[-1] >= threshold for log_e in self.within)

    @property
    def p(self) -> float:
        """Always-valid p-value of being no worse than the margin."""
        return min(1.0, min(always_valid_p(log_e) for log_e in self.worse) * len(self.worse))


def batched(metrics: Sequence[EventMetric], terms: Terms) -> tuple[EventTests, ...]:
    """The tests of all metrics, computed together: that is what makes ten of them cheap."""
    comparisons: list[Comparison] = []
    shapes: list[tuple[int, int, tuple[float, ...]]] = []
    for metric in metrics:
        spread = dispersions(metric.stable, metric.before)
        sides, past = _sides(metric), _past(metric, spread, terms)
        for failing in (True, False):
            comparisons.extend(Comparison(
                metric.canary, metric.stable, ratio, extra, above is failing, spread,
                terms.threshold if failing else math.inf) for ratio, extra, above in sides)
        comparisons.extend(past)
        shapes.append((len(sides), len(past), spread))
    evidence = iter(log_evidence(comparisons))
    return tuple(EventTests(tuple(next(evidence) for _ in range(sides)), tuple(next(evidence) for _ in range(sides)),
                            tuple(next(evidence) for _ in range(past)), spread) for sides, past, spread in shapes)


def _sides(metric: EventMetric) -> list[tuple[float, float, bool]]:
    """(ratio, extra, whether worse lies above) of each line that the canary must not cross."""
    margin = metric.margin
    upper = (1 + margin.relative, margin.absolute, True)
    lower = (1 - margin.relative, -margin.absolute, False)
    return {Worse.HIGHER: [upper], Worse.LOWER: [lower], Worse.EITHER: [upper, lower]}[metric.worse]


def _past(metric: EventMetric, spread: tuple[float, ...], terms: Terms) -> list[Comparison]:
    """Both arms against stable's rate before the canary, raised (or lowered) by its own uncertainty and the margin."""
    line = _line(metric, spread)
    # Most of the time neither arm is worse than it was, and there is nothing to prove.
    if line is None or not _beyond_lately(metric, line, terms):
        return []
    return [Comparison(arm, arm, 0.0, line, metric.worse is not Worse.LOWER, spread, terms.threshold)
            for arm in (metric.canary, metric.stable)]


def _beyond_lately(metric: EventMetric, line: float, terms: Terms) -> bool:
    """Whether both arms were on the wrong side of the line over the last sustained stretch."""
    rates = [arm.last(terms.sustained_intervals).rate for arm in (metric.canary, metric.stable)]
    return all(rate is not None and (rate > line) is (metric.worse is not Worse.LOWER) for rate in rates)


def _line(metric: EventMetric, spread: tuple[float, ...]) -> float | None:
    exposure, events = metric.before.total_exposure, metric.before.total_events
    if exposure <= 0 or not spread or math.isinf(spread[0]):
        return None
    ratio, extra, above = _sides(metric)[0]
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
        sentence = "the canary has had no events yet"
    elif stable is None:
        sentence = "stable has no events to compare with"
    elif failed is not None:
        verdict = CanaryVerdict.FAIL
        sentence = (f"{values}: {'off' if metric.worse is Worse.EITHER else 'worse'} by more than "
                    f"{metric.margin.words()}, proven since {clock_time(terms.time_after(failed))}")
        if tests.inside(0.0):
            sentence += "; less so since, which does not undo it"
    elif n_canary >= terms.policy.min_events and tests.inside(terms.pass_threshold):
        verdict = CanaryVerdict.PASS
        sentence = f"{values}: inside {metric.margin.words()}"
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


def _undecided(metric: EventMetric, tests: EventTests,
               terms: Terms) -> tuple[CanaryVerdict, int | None, float | None, str]:
    """Verdict, events and seconds still needed, and why, for a metric that neither failed nor passed."""
    canary, stable = metric.canary, metric.stable
    n_canary, n_stable = canary.total_exposure, stable.total_exposure
    pooled = (canary.total_events + stable.total_events) / (n_canary + n_stable)
    spread = tests.dispersion[-1] if tests.dispersion and math.isfinite(tests.dispersion[-1]) else 1.0
    needed, planned = 0.0, 0.0
    for (ratio, extra, above), log_e in zip(_sides(metric), tests.within, strict=True):
        gain = growth(pooled, pooled, n_stable / n_canary, ratio, extra, above=not above) / spread
        if gain <= 0:
            needed = planned = math.inf
            break
        needed = max(needed, (terms.pass_threshold - log_e[-1]) / gain)
        planned = max(planned, (terms.pass_threshold + _MIXING) / gain)
    missing = terms.policy.min_events - n_canary
    lean = _leaning(metric)
    if missing <= 0 and math.isinf(planned):
        return (CanaryVerdict.INSUFFICIENT, None, None,
                f"{lean}a margin of {metric.margin.words()} cannot be tested on so few; an absolute one could")
    if missing <= 0 and n_canary >= 2 * planned:
        return (CanaryVerdict.INCONCLUSIVE, None, None,
                f"the difference is about as large as the margin of {metric.margin.words()}")
    more = max(missing, needed if math.isfinite(needed) else 0.0)
    more_events = max(1, math.ceil(round(more, 6)))
    recent = canary.last(_RECENT_INTERVALS)
    per_second = recent.total_exposure / (len(recent.exposure) * terms.step_seconds) if recent.exposure else 0.0
    more_seconds = more_events / per_second if per_second > 0 else None
    rounded = more_events if more_events < 100 else float(f"{more_events:.2g}")
    when = f", about {age(max(60.0, more_seconds))}" if more_seconds is not None else ""
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
    word = "off" if metric.worse is Worse.EITHER else "worse"
    return f"looks {word} ({significant(abs(canary - stable) * 100, 2)} pt), not proven; "


def _both_moved(metric: EventMetric, tests: EventTests, terms: Terms) -> str:
    """Both arms are worse than stable was before the canary, beyond the margin, and still are."""
    before = metric.before.rate
    if before is None or len(tests.moved) != 2:
        return ""
    if not all(log_e and log_e[-1] >= terms.threshold for log_e in tests.moved):
        return ""
    lately = [arm.last(terms.sustained_intervals).rate for arm in (metric.canary, metric.stable)]
    since = max(first_reached(log_e, terms.threshold) or 0 for log_e in tests.moved)
    canary, stable = (_shown(metric, rate or 0.0) for rate in lately)
    how = "moved" if metric.worse is Worse.EITHER else "got worse"
    return (f"{metric.name}: both arms {how}, seen since {clock_time(terms.time_after(since))} "
            f"(stable {_shown(metric, before)} before the canary, {stable} now; canary {canary}): "
            f"rolling back would not help")


def _shown(metric: EventMetric, rate: float) -> str:
    return percent(1 - rate if metric.shown_good else rate)


