"""Versions on trial as the judge sees them: readings for the snapshots of ``snapshots``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from triage.facts.outcome import Failure, FailureKind
from triage.signals.canary import CanaryState, CanaryVerdict, Kind, Margin, MetricVerdict
from triage.signals.canary_reading import CanaryReading
from triage.signals.ranks import Percentiles

MINUTE = 60.0
FAIL, ERROR, FEW, OPEN, PASS = CanaryVerdict
GONE = Failure(FailureKind.TIMEOUT, "no answer within 5 s")


def share(name: str, stable: float, canary: float, verdict: CanaryVerdict, why: str, *, n: float = 1_386,
          margin: Margin | None = None, **more: object) -> MetricVerdict:
    """A share of good events."""
    made = MetricVerdict(
        name, Kind.EVENTS, "ratio", stable, canary, canary - stable, 9 * n, n, verdict,
        f"{canary * 100:.2f} % of {n:,.0f}, stable {stable * 100:.2f} % of {9 * n:,.0f}: {why}",
        margin or Margin(0.005), dispersion=1.38, p=0.4)
    return replace(made, **more)  # type: ignore[arg-type]


def p95(stable: float, canary: float, verdict: CanaryVerdict, why: str) -> MetricVerdict:
    """The latency distribution beside the share over the threshold: shown, not deciding."""
    return MetricVerdict(
        "latency p95", Kind.LATENCY, "s", stable, canary, canary - stable, 12_474, 1_386, verdict,
        f"p95 {canary * 1000:.0f} ms of 1,386, stable {stable * 1000:.0f} ms of 12,474: {why}",
        Margin(relative=0.1, given=False), gates=False, p=2e-9, effect=0.78,
        stable_percentiles=Percentiles(0.118, stable, 0.603),
        canary_percentiles=Percentiles(0.201, canary, 10.0, at_least=True))


def level(verdict: CanaryVerdict = PASS, *, judged: bool = True) -> MetricVerdict:
    """The mean of the scores."""
    margin = Margin(relative=0.05) if judged else None
    return MetricVerdict("score_mean", Kind.LEVEL, "", 0.0812, 0.0829, 0.0017, 22, 22, verdict,
                         "0.0829, stable 0.0812 (medians of 22 intervals): inside 5 %", margin, gates=judged)


def reading(now: float, metrics: Sequence[MetricVerdict], *, arm: str = "canary", **more: object) -> CanaryReading:
    """Judged a moment ago, begun 23 minutes ago."""
    worst = min((m for m in metrics if m.gates), key=lambda m: list(CanaryVerdict).index(m.verdict))
    state = CanaryState(worst.verdict, f"{worst.name}: {worst.sentence}", "v7", "v8", arm, "traffic",
                        now - 23 * MINUTE, tuple(metrics), more_events=worst.more_events,
                        more_seconds=worst.more_seconds, weight_real=0.1)
    read_to = now - now % MINUTE
    return CanaryReading("v7", "v8", replace(state, **more), read_to, MINUTE)  # type: ignore[arg-type]


def failing(now: float) -> CanaryReading:
    slow = share("latency", 0.996, 0.8, FAIL, "worse by more than 0.5 pt, proven since 14:21", p=3e-12,
                 failed_at=now - 12 * MINUTE, dispersion=2.1)
    fine = share("success", 0.9994, 0.9993, FEW, "needs about 540 more of the canary, about 9 m 00 s",
                 margin=Margin(0.001), more_events=540, more_seconds=540.0)
    schema = share("schema", 1.0, 0.9986, OPEN, "the difference is about as large as the margin of 0.1 pt by default",
                   margin=Margin(0.001, given=False))
    return reading(now, (slow, fine, schema, level(),
                         p95(0.441, 0.622, FAIL, "slower by more than 10 % by default, proven since 14:21")))


def few(now: float) -> CanaryReading:
    """Enough of nothing."""
    slow = share("latency", 0.9979, 1.0, FEW, "needs about 440 more of the canary, about 10 h 52 m", n=51,
                 more_events=440, more_seconds=39_120.0, dispersion=None)
    fine = share("success", 1.0, 0.9457, FEW, "looks worse (5.4 pt), not proven; needs about 3,100 more of the canary, "
                 "about 3 d", n=51, more_events=3_100, more_seconds=276_000.0, margin=Margin(0.001), dispersion=None)
    return reading(now, (fine, slow, replace(level(OPEN, judged=False), sentence="0.0829, stable 0.0812 (medians of 22 "
                   "intervals): not judged, it has no max_delta")))


def passing(now: float) -> CanaryReading:
    return reading(now, (share("latency", 0.996, 0.9958, PASS, "inside 0.5 pt"),
                         share("success", 0.9994, 0.9994, PASS, "inside 0.1 pt", margin=Margin(0.001)), level()))


def shadow(now: float) -> CanaryReading:
    """Worse, and nobody gets its answers."""
    return reading(now, failing(now).state.metrics, arm="shadow", weight_real=0.5)  # type: ignore[union-attr]


def both(now: float) -> CanaryReading:
    """Not the canary's fault, and it takes more than it was to."""
    text = ("latency: both arms got worse, seen since 14:24 (stable 99.60 % before the canary, 93.10 % now; canary "
            "93.00 %): rolling back would not help")
    split = "the canary takes 24 % of the requests, 10 % asked: the split is not what was asked for"
    measured = MetricVerdict("traffic split", Kind.SPLIT, "ratio", 0.1, 0.24, 0.14, 12_474, 3_900, FAIL,
                             "takes 24 % of the requests, 10 % asked", Margin(relative=0.1, given=False), gates=False,
                             failed_at=now - 6 * MINUTE, p=1e-9)
    return reading(now, (share("latency", 0.945, 0.944, OPEN, "the difference is about as large as the margin of "
                               "0.5 pt"), level(), measured), both_moved=text, split=split, weight_asked=0.1,
                   weight_real=0.24)


def stale(now: float, seconds: float = 720.0) -> CanaryReading:
    """What was known before the server fell silent."""
    made = failing(now - seconds)
    return replace(made, failure=GONE)


def partial(now: float) -> CanaryReading:
    return replace(passing(now), warnings=("store eu-2 did not answer",))


def unread(now: float) -> CanaryReading:
    """Asked, and never answered."""
    return CanaryReading("v7", "v8", None, None, MINUTE, GONE)


def unreadable(now: float) -> CanaryReading:
    """One of its metrics could not be read."""
    gone = MetricVerdict("latency", Kind.EVENTS, "ratio", None, None, None, 0, 0, ERROR,
                         "no bucket lies at the threshold of 500 ms", Margin(0.005))
    return reading(now, (gone, share("success", 0.9994, 0.9994, PASS, "inside 0.1 pt", margin=Margin(0.001))))
