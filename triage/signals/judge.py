"""Judges a canary against stable: each metric by its own sequential test, then the worst of them. Pure, no memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from triage.signals.canary import (
    DEFAULT_SPLIT,
    CanaryState,
    CanaryVerdict,
    EventMetric,
    Kind,
    LatencyMetric,
    LevelMetric,
    Margin,
    Metric,
    MetricVerdict,
    Policy,
    Traffic,
    Trial,
    Worse,
    worst,
)
from triage.signals.judge_events import EventTests, Terms, batched, judge_events
from triage.signals.judge_values import judge_latency, judge_level, levels_moved
from triage.signals.sequential import Counts
from triage.signals.wording import age, clock_time, count, share

__all__ = ["judge"]

_ORDER = list(CanaryVerdict)
_SPLIT = "traffic split"
_SPLIT_MARGIN = Margin(relative=DEFAULT_SPLIT, given=False)


def judge(trial: Trial, policy: Policy) -> CanaryState:
    """The verdict on the version under trial, from everything that is known of both arms since it started.

    The same data give the same verdict at whatever time and however often it is asked, and what was proven after some
    interval is proven after all later ones.
    """
    # One part for each metric that can fail the canary, read or not: a source that comes and goes must not move the
    # threshold. Passing needs all of them, so it needs no split.
    tested = sum(_decides(m) for m in trial.metrics)
    terms = Terms(policy, trial.started_at, trial.step_seconds, policy.alpha / max(1, tested))
    events = [m for m in trial.metrics if isinstance(m, EventMetric) and not m.trouble]
    split = _split_metric(trial.traffic) if trial.traffic is not None else None
    tests = iter(batched([*events, *([split] if split is not None else [])], terms))
    found: list[MetricVerdict] = []
    moved: list[str] = []
    for metric in trial.metrics:
        if metric.trouble:
            found.append(_unreadable(metric))
        elif isinstance(metric, EventMetric):
            result: EventTests = next(tests)
            verdict, both = judge_events(metric, result, terms)
            found.append(verdict)
            moved.extend([both] if both else [])
        elif isinstance(metric, LatencyMetric):
            found.append(judge_latency(metric, terms))
        else:
            verdict = judge_level(metric, terms)
            both = levels_moved(metric, terms) if verdict.verdict is not CanaryVerdict.FAIL else ""
            found.append(verdict)
            moved.extend([both] if both else [])
    mismatch = ""
    if split is not None and trial.traffic is not None:
        verdict, mismatch = _judge_split(split, next(tests), trial.traffic, terms)
        if policy.arm == "experiment" and verdict.verdict is CanaryVerdict.FAIL:
            # Arms that were not filled as planned differ in whom they serve: nothing they show can be trusted.
            verdict = replace(verdict, verdict=CanaryVerdict.ERROR, gates=True)
        found.append(verdict)
    elif trial.traffic is not None and trial.traffic.untested:
        found.append(_untested_split(trial.traffic, terms))
    overall, reason, more_events, more_seconds = _overall(trial, found)
    if trial.unseen:
        # What stable did before these intervals it did beside the canary.
        moved = []
    if moved and overall is not CanaryVerdict.FAIL:
        reason = f"{moved[0]}; {reason}"
    ordered = sorted(found, key=lambda v: (not v.gates, _ORDER.index(v.verdict)))
    asked = trial.traffic.stated if trial.traffic is not None else None
    return CanaryState(overall, reason, trial.stable, trial.canary, policy.arm, trial.known_from, trial.started_at,
                       tuple(ordered), "; ".join(moved), mismatch, more_events, more_seconds, asked,
                       _real_share(trial.traffic, terms), policy.alpha, _unknown_seconds(trial.traffic, terms))


def _decides(metric: Metric) -> bool:
    return metric.margin is not None if isinstance(metric, LevelMetric) else metric.gates


def _unreadable(metric: Metric) -> MetricVerdict:
    kind, unit = ((Kind.EVENTS, "ratio") if isinstance(metric, EventMetric)
                  else (Kind.LATENCY, "s") if isinstance(metric, LatencyMetric) else (Kind.LEVEL, metric.unit))
    return MetricVerdict(metric.name, kind, unit, None, None, None, 0.0, 0.0, CanaryVerdict.ERROR, metric.trouble,
                         metric.margin, _decides(metric))


def _overall(trial: Trial, found: Sequence[MetricVerdict]) -> tuple[CanaryVerdict, str, int | None, float | None]:
    """Verdict, reason, and how much longer when insufficient."""
    if trial.trouble:
        return CanaryVerdict.ERROR, trial.trouble, None, None
    deciding = [v for v in found if v.gates]
    if not deciding:
        return CanaryVerdict.INSUFFICIENT, "no metric of both versions can be compared", None, None
    overall = worst([v.verdict for v in deciding])
    if trial.unseen and overall is not CanaryVerdict.FAIL:
        return CanaryVerdict.ERROR, trial.unseen, None, None
    those = [v for v in deciding if v.verdict is overall]
    if overall is CanaryVerdict.PASS:
        n = min(v.n_canary for v in those)
        which = those[0].name if len(those) == 1 else f"all {len(those)} metrics"
        return overall, f"inside the margin on {which} (at least {count(n)} of the canary)", None, None
    if overall is CanaryVerdict.INSUFFICIENT:
        slowest = max(those, key=lambda v: math.inf if v.more_seconds is None else v.more_seconds)
        return overall, f"{slowest.name}: {slowest.sentence}", slowest.more_events, slowest.more_seconds
    more = f"; and {', '.join(v.name for v in those[1:])}" if len(those) > 1 else ""
    return overall, f"{those[0].name}: {those[0].sentence}{more}", None, None


def _split_metric(traffic: Traffic) -> EventMetric | None:
    """The split as two rates: requests of each arm for each share of the traffic asked for it."""
    pairs = _compared(traffic)
    if not any(asked for _, _, asked in pairs):
        return None
    canary = Counts(tuple(c for c, _, _ in pairs), tuple(a for _, _, a in pairs))
    stable = Counts(tuple(s for _, s, _ in pairs), tuple(1 - a if a else 0.0 for _, _, a in pairs))
    return EventMetric(_SPLIT, canary, stable, _SPLIT_MARGIN, worse=Worse.EITHER, gates=False)


def _compared(traffic: Traffic) -> list[tuple[float, float, float]]:
    """By interval the requests of canary and stable and the share asked for; zeros where they cannot be compared."""
    return [(c, s, a) if c is not None and s is not None and a is not None and 0 < a < 1 else (0.0, 0.0, 0.0)
            for c, s, a in zip(traffic.canary, traffic.stable, traffic.asked, strict=True)]


def _judge_split(metric: EventMetric, tests: EventTests, traffic: Traffic,
                 terms: Terms) -> tuple[MetricVerdict, str]:
    """The verdict on the split itself, and the finding when it is not as asked."""
    failed = tests.failed_index(terms)
    pairs = _compared(traffic)
    canary, stable = math.fsum(c for c, _, _ in pairs), math.fsum(s for _, s, _ in pairs)
    total = canary + stable
    real = canary / total if total > 0 else None
    asked = math.fsum((c + s) * a for c, s, a in pairs) / total if total > 0 else None
    verdict, mismatch = CanaryVerdict.INSUFFICIENT, ""
    sentence = "too few requests to check the split"
    if real is not None and asked is not None:
        sentence = f"takes {share(real)} of the requests, {share(asked)} asked"
        if failed is not None:
            verdict, mismatch = CanaryVerdict.FAIL, f"the canary {sentence}: the split is not what was asked for"
        elif tests.passed(terms) and terms.is_beyond(tests.lately):
            verdict = CanaryVerdict.INCONCLUSIVE
            sentence += f"; it looks off since about {clock_time(terms.time_after(tests.lately.first - 1))}"
        elif tests.passed(terms):
            verdict = CanaryVerdict.PASS
    return MetricVerdict(metric.name, Kind.SPLIT, "ratio", asked, real,
                         None if real is None or asked is None else real - asked, stable, canary, verdict, sentence,
                         metric.margin, False, failed_at=None if failed is None else terms.time_after(failed),
                         p=tests.p), mismatch


def _untested_split(traffic: Traffic, terms: Terms) -> MetricVerdict:
    """That nobody can tell whether the traffic is split as asked, and why."""
    real = _real_share(traffic, terms)
    taken = "an unknown share" if real is None else share(real)
    n_stable, n_canary = (math.fsum(n or 0.0 for n in arm) for arm in (traffic.stable, traffic.canary))
    return MetricVerdict(
        _SPLIT, Kind.SPLIT, "ratio", traffic.stated, real,
        None if real is None or traffic.stated is None else real - traffic.stated, n_stable, n_canary,
        CanaryVerdict.INCONCLUSIVE, f"takes {taken} of the requests: not tested, {traffic.untested}", _SPLIT_MARGIN,
        gates=False)


def _unknown_seconds(traffic: Traffic | None, terms: Terms) -> float | None:
    """Without the newest interval, which only the next one shows to be whole."""
    pairs = [] if traffic is None else list(zip(traffic.canary, traffic.stable, strict=True))
    if all(None in pair for pair in pairs):
        return None
    return math.fsum(terms.seconds(n, n + 1) for n, pair in enumerate(pairs[:-1]) if None in pair)


def _real_share(traffic: Traffic | None, terms: Terms) -> float | None:
    if traffic is None:
        return None
    intervals = terms.sustained_lately(len(traffic.canary))
    known = [(c, s) for c, s in zip(traffic.canary[-intervals:], traffic.stable[-intervals:], strict=True)
             if c is not None and s is not None]
    canary, stable = (math.fsum(pair[n] for pair in known) for n in (0, 1))
    return canary / (canary + stable) if canary + stable > 0 else None


def waiting(state: CanaryState) -> str:
    """How much longer an insufficient canary needs, for a header: ``about 26 min``; "" otherwise."""
    if state.verdict is not CanaryVerdict.INSUFFICIENT or state.more_seconds is None:
        return ""
    return f"about {age(state.more_seconds)}"
