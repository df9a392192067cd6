"""Models of known truth: each shows one state that a dashboard must tell apart from the others."""

from __future__ import annotations

import numpy as np

from tests.real.truth import (
    FOREVER,
    HOUR,
    LONG_AGO,
    MINUTE,
    RECENTLY,
    Array,
    Flow,
    Line,
    NativeLine,
    Shape,
    Target,
    counter,
    gauge,
    histogram,
    steady,
)

V1_ERROR_RATIO = 0.001
V2_ERROR_RATIO = 0.05
V1_PER_SECOND = 10.0
V2_PER_SECOND = 1.0
V2_BORN = -6 * HOUR
STOPPED_AT = -20 * MINUTE
RESET_AT = -30 * MINUTE
RESET_PER_SECOND = 0.05
NAN_AT = -30 * MINUTE
BORN_AT = -2 * MINUTE
BORN_ERRORS = 7.0
AMOUNT_VIOLATIONS_PER_SECOND = 0.02
COUNTRY_VIOLATIONS_PER_SECOND = 0.005

TRIAL_ERROR_RATIO = 0.002
TRIAL_WORSE_RATIO = 0.012
TRIAL_STABLE_PER_SECOND = 20.0
TRIAL_CANARY_PER_SECOND = 2.0
TRIAL_BORN = -50 * MINUTE
"""Since when the history is fine enough for intervals of a minute."""
TRIAL_APPROVED = 0.6
TRIAL_TILTED = 0.5

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
V1_LATENCY = Shape(BOUNDS, (0.5, 0.9, 0.99, 0.999, 1.0, 1.0), 0.14)
V2_LATENCY = Shape(BOUNDS, (0.2, 0.6, 0.9, 0.97, 1.0, 1.0), 0.31)
SATURATED = Shape((0.1, 0.5, 1.0), (0.1, 0.3, 0.6), 2.0)
"""Four in ten observations lie above the last finite bucket."""

NATIVE_FIRST_BUCKET = -2
NATIVE_SHARES = (0.5, 0.3, 0.15, 0.05)
"""Of observations in (1/8, 1/4], (1/4, 1/2], (1/2, 1] and (1, 2] seconds."""

HOSTILE_LABELS = {
    "escape": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m",
    "markup": "[bold red]not yours[/] [@click=app.quit]press[/]",
    "bidi": "abc\u202edef\u2066ghi",
    "newline": 'two\nlines and a "quote" and a back\\slash',
    "long": "x" * 10_000,
}
HOSTILE_VERSION = "v1\x1b[5m[blink]"


def _requests(model: str, version: str, code: str, flow: Flow, *, begin: float = LONG_AGO,
              end: float = FOREVER, base: float = 0.0) -> Line:
    labels = {"model": model, "model_version": version, "code": code}
    return counter("requests_total", labels, flow, begin=begin, end=end, base=base)


def _build(model: str, version: str, begin: float = LONG_AGO) -> Line:
    return gauge("model_build_info", {"model": model, "model_version": version}, 1.0, begin=begin)


def _steady() -> list[Line]:
    v1, v2 = steady(V1_PER_SECOND), steady(V2_PER_SECOND, V2_BORN)
    lines = [
        _requests("steady", "v1", "200", v1.scaled(1 - V1_ERROR_RATIO)),
        _requests("steady", "v1", "500", v1.scaled(V1_ERROR_RATIO)),
        _requests("steady", "v2", "200", v2.scaled(1 - V2_ERROR_RATIO), begin=V2_BORN),
        _requests("steady", "v2", "500", v2.scaled(V2_ERROR_RATIO), begin=V2_BORN),
        _build("steady", "v1"),
        _build("steady", "v2", V2_BORN),
    ]
    lines += histogram("request_duration_seconds", {"model": "steady", "model_version": "v1"}, [(v1, V1_LATENCY)])
    lines += histogram("request_duration_seconds", {"model": "steady", "model_version": "v2"}, [(v2, V2_LATENCY)],
                       begin=V2_BORN)
    violations = {"amount": AMOUNT_VIOLATIONS_PER_SECOND, "country": COUNTRY_VIOLATIONS_PER_SECOND, "age": 0.0}
    lines += [counter("schema_violations_total", {"model": "steady", "feature": feature}, steady(per_second))
              for feature, per_second in violations.items()]
    return lines


def _idle() -> list[Line]:
    nothing = steady(0.0)
    lines = [_requests("idle", "v1", "200", nothing, base=1234.0), _requests("idle", "v1", "500", nothing, base=3.0),
             _build("idle", "v1")]
    return lines + histogram("request_duration_seconds", {"model": "idle", "model_version": "v1"},
                             [(nothing, V1_LATENCY)])


def _stopped() -> list[Line]:
    flow = steady(2.0)
    return [_requests("stopped", "v1", "200", flow.scaled(0.99), end=STOPPED_AT),
            _requests("stopped", "v1", "500", flow.scaled(0.01), end=STOPPED_AT)]


def _reset() -> list[Line]:
    flow = steady(RESET_PER_SECOND)
    labels = {"model": "reset", "model_version": "v1"}
    return [counter("requests_total", {**labels, "code": "200"}, flow, resets=(RESET_AT, 20.0)), _build("reset", "v1")]


def _clean() -> list[Line]:
    """Nothing ever failed, so nobody ever exposed a series of failures."""
    return [_requests("clean", "v1", "200", steady(2.0)), _build("clean", "v1")]


def _nan() -> list[Line]:
    def once_nan(at: Array) -> Array:
        return np.where(np.abs(at - NAN_AT) < MINUTE / 2, np.nan, 0.1)
    labels = {"model": "nan", "model_version": "v1"}
    return [gauge("drift_score", labels, once_nan), gauge("always_nan", labels, float("nan")),
            gauge("queue_age_seconds", labels, float("inf")), _requests("nan", "v1", "200", steady(1.0))]


def _born() -> list[Line]:
    """A version whose first seven errors happened before anyone looked: no ``increase`` will ever show them."""
    return [_requests("born", "v2", "500", steady(0.0), begin=BORN_AT, base=BORN_ERRORS),
            _requests("born", "v2", "200", steady(1.0, BORN_AT), begin=BORN_AT)]


def _hostile() -> list[Line]:
    labels = {"model": "hostile", "model_version": HOSTILE_VERSION}
    flow = steady(5.0)
    lines = [_requests("hostile", HOSTILE_VERSION, "200", flow.scaled(0.98)),
             _requests("hostile", HOSTILE_VERSION, "500", flow.scaled(0.02))]
    # Only an hour of them: in the history's text every sample repeats its labels, and one has 10 kB.
    lines += [counter("schema_violations_total", {"model": "hostile", "feature": value}, steady(0.01), begin=-HOUR)
              for value in HOSTILE_LABELS.values()]
    return [*lines, gauge("hostile_info", {**labels, **HOSTILE_LABELS}, 1.0, begin=-HOUR)]


def _saturated() -> list[Line]:
    flow = steady(4.0)
    lines = [_requests("saturated", "v1", "200", flow)]
    return lines + histogram("request_duration_seconds", {"model": "saturated", "model_version": "v1"},
                             [(flow, SATURATED)])


def _trial(model: str, *, bad: float = TRIAL_ERROR_RATIO, approved: float = TRIAL_APPROVED) -> list[Line]:
    """A canary that differs from stable in its errors, in what it decides, or in nothing."""
    lines: list[Line] = []
    for version, per_second, begin, ratio, share in (
            ("v1", TRIAL_STABLE_PER_SECOND, RECENTLY, TRIAL_ERROR_RATIO, TRIAL_APPROVED),
            ("v2", TRIAL_CANARY_PER_SECOND, TRIAL_BORN, bad, approved)):
        flow, own = steady(per_second, begin), {"model": model, "model_version": version}
        lines += [_requests(model, version, "200", flow.scaled(1 - ratio), begin=begin),
                  _requests(model, version, "500", flow.scaled(ratio), begin=begin), _build(model, version, begin)]
        lines += [counter("decisions_total", {**own, "decision": decision}, flow.scaled(part), begin=begin)
                  for decision, part in (("approve", share), ("decline", 1 - share))]
        lines += histogram("request_duration_seconds", own, [(flow, V1_LATENCY)], begin=begin)
    return lines


def targets() -> tuple[Target, ...]:
    """All of them, as things to scrape."""
    return (
        Target("steady", tuple(_steady())),
        Target("idle", tuple(_idle())),
        Target("stopped", tuple(_stopped()), up_until=STOPPED_AT),
        Target("reset", tuple(_reset())),
        Target("clean", tuple(_clean())),
        Target("nan", tuple(_nan())),
        Target("born", tuple(_born())),
        Target("hostile", tuple(_hostile())),
        Target("saturated", tuple(_saturated())),
        Target("equal", tuple(_trial("equal"))),
        Target("worse", tuple(_trial("worse", bad=TRIAL_WORSE_RATIO))),
        Target("tilted", tuple(_trial("tilted", approved=TRIAL_TILTED))),
        Target("native", (), native=(NativeLine(
            "native_duration_seconds", {"model": "native", "model_version": "v1"}, steady(40.0),
            NATIVE_FIRST_BUCKET, NATIVE_SHARES),)),
    )
