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
from triage.signals.wording import age, count, share

__all__ = ["judge"]

_ORDER = list(CanaryVerdict)


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
    overall, reason, more_events, more_seconds = _overall(trial, found)
    if moved and overall is not CanaryVerdict.FAIL:
        reason = f"{moved[0]}; {reason}"
    ordered = sorted(found, key=lambda v: (not v.gates, _ORDER.index(v.verdict)))
    asked = trial.traffic.asked[-1] if trial.traffic is not None and trial.traffic.asked else None
    return CanaryState(overall, reason, trial.stable, trial.canary, policy.arm, trial.known_from, trial.started_at,
                       tuple(ordered), "; ".join(moved), mismatch, more_events, more_seconds, asked,
                       _real_share(trial.traffic, terms.sustained_intervals), policy.alpha)


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
    known = [a if a is not None and 0 < a < 1 else None for a in traffic.asked]
    if all(a is None for a in known):
        return None
    canary = Counts(tuple(n if a is not None else 0.0 for n, a in zip(traffic.canary, known, strict=True)),
                    tuple(a or 0.0 for a in known))
    stable = Counts(tuple(n if a is not None else 0.0 for n, a in zip(traffic.stable, known, strict=True)),
                    tuple(1 - a if a is not None else 0.0 for a in known))
    return EventMetric("traffic split", canary, stable, Margin(relative=DEFAULT_SPLIT, given=False),
                       worse=Worse.EITHER, gates=False)


def _judge_split(metric: EventMetric, tests: EventTests, traffic: Traffic,
                 terms: Terms) -> tuple[MetricVerdict, str]:
    """The verdict on the split itself, and the finding when it is not as asked."""
    failed = tests.failed_index(terms)
    pairs = [(c, s, a) for c, s, a in zip(traffic.canary, traffic.stable, traffic.asked, strict=True)
             if a is not None and 0 < a < 1]
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
        elif tests.inside(terms.pass_threshold):
            verdict = CanaryVerdict.PASS
    return MetricVerdict(metric.name, Kind.SPLIT, "ratio", asked, real,
                         None if real is None or asked is None else real - asked, stable, canary, verdict, sentence,
                         metric.margin, False, failed_at=None if failed is None else terms.time_after(failed),
                         p=tests.p), mismatch


def _real_share(traffic: Traffic | None, intervals: int) -> float | None:
    if traffic is None:
        return None
    canary, stable = math.fsum(traffic.canary[-intervals:]), math.fsum(traffic.stable[-intervals:])
    return canary / (canary + stable) if canary + stable > 0 else None


def waiting(state: CanaryState) -> str:
    """How much longer an insufficient canary needs, for a header: ``about 26 min``; "" otherwise."""
    if state.verdict is not CanaryVerdict.INSUFFICIENT or state.more_seconds is None:
        return ""
    return f"about {age(state.more_seconds)}"
