"""Traffic for the example notebooks: a healthy month, and the same with a canary that began to fail 40 minutes ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from tests.real.truth import (
    DAY,
    HOUR,
    MINUTE,
    Array,
    Flow,
    Line,
    Target,
    Wave,
    counter,
    gauge,
    histogram,
    lognormal,
)

State = Literal["healthy", "failing"]

SINCE = -61 * DAY
CANARY_BORN = -3 * HOUR
CANARY_SHARE = 0.1
FAILING_SINCE = -40 * MINUTE
FRAUD_PER_SECOND = 40.0
FRAUD_ERROR_RATIO = 0.0005
FRAUD_FAILING_ERROR_RATIO = 0.04

_DAILY = Wave(0.35, DAY, 1.1)
_HOURLY = Wave(0.06, 47 * MINUTE)
_QUICK = Wave(0.04, 7 * MINUTE, 0.7)
_WAVES = (_DAILY, _HOURLY, _QUICK)
_ERROR_WAVES = (_DAILY, Wave(0.5, 31 * MINUTE), Wave(0.3, 5 * MINUTE, 2.0))
_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0)
FRAUD_LATENCY = lognormal(_BOUNDS, 0.1, 0.62)
FRAUD_SLOW = lognormal(_BOUNDS, 0.3, 0.62)




def fraud_flows(state: State) -> dict[tuple[str, str], Flow]:
    """Requests of fraud-scorer by (version, code)."""
    stable = FRAUD_PER_SECOND * (1 - CANARY_SHARE)
    v7 = ((SINCE, FRAUD_PER_SECOND), (CANARY_BORN, stable))
    bad = FRAUD_FAILING_ERROR_RATIO if state == "failing" else FRAUD_ERROR_RATIO

    def canary(first: float, then: float, waves: tuple[Wave, ...]) -> Flow:
        per_second = FRAUD_PER_SECOND * CANARY_SHARE
        return Flow(((CANARY_BORN, per_second * first), (FAILING_SINCE, per_second * then)), waves)

    return {
        ("7", "200"): Flow(v7, _WAVES).scaled(1 - FRAUD_ERROR_RATIO - 0.002),
        ("7", "422"): Flow(v7, _WAVES).scaled(0.002),
        ("7", "500"): Flow(v7, _ERROR_WAVES).scaled(FRAUD_ERROR_RATIO),
        ("8", "200"): canary(1 - FRAUD_ERROR_RATIO, 1 - bad, _WAVES),
        ("8", "500"): canary(FRAUD_ERROR_RATIO, bad, _ERROR_WAVES),
    }


def _fraud(state: State) -> list[Line]:
    def own(version: str) -> dict[str, str]:
        return {"model": "fraud-scorer", "model_version": version, "deployment": "fraud-scorer", "namespace": "ml"}

    lines = [counter("fraud_requests_total", {**own(version), "code": code}, flow,
                     begin=SINCE if version == "7" else CANARY_BORN)
             for (version, code), flow in fraud_flows(state).items()]
    stable = Flow(((SINCE, FRAUD_PER_SECOND), (CANARY_BORN, FRAUD_PER_SECOND * (1 - CANARY_SHARE))), _WAVES)
    quick = Flow(((CANARY_BORN, FRAUD_PER_SECOND * CANARY_SHARE), (FAILING_SINCE, 0.0)), _WAVES)
    later = Flow(((FAILING_SINCE, FRAUD_PER_SECOND * CANARY_SHARE),), _WAVES)
    lines += histogram("fraud_request_duration_seconds", own("7"), [(stable, FRAUD_LATENCY)])
    lines += histogram("fraud_request_duration_seconds", own("8"),
                       [(quick, FRAUD_LATENCY), (later, FRAUD_SLOW if state == "failing" else FRAUD_LATENCY)],
                       begin=CANARY_BORN)
    for version, begin in (("7", SINCE), ("8", CANARY_BORN)):
        lines.append(gauge("model_build_info", own(version), 1.0, begin=begin))
        for feature in ("amount", "country", "merchant_age_days"):
            per_second = 0.02 if state == "failing" and version == "8" and feature == "amount" else 0.0
            lines.append(counter("fraud_schema_violations_total", {**own(version), "feature": feature},
                                 Flow(((FAILING_SINCE, per_second),)), begin=begin))
    return lines


def fraud_recorded(state: State) -> list[Line]:
    """What Sloth's rules have recorded for fraud-scorer in the last two days."""
    flows = fraud_flows(state)
    bad = [flow for (_, code), flow in flows.items() if code.startswith("5")]
    every = list(flows.values())

    def ratio(window: float) -> Callable[[Array], Array]:
        def value(at: Array) -> Array:
            failed, events = (sum((f.total(at) - f.total(at - window) for f in some), np.zeros_like(at))
                              for some in (bad, every))
            return failed / events
        return value

    labels = {"sloth_id": "fraud-scorer-success", "sloth_service": "fraud-scorer", "sloth_slo": "success"}
    return [Line(f"slo:sli_error:ratio_rate{name}", {**labels, "sloth_window": name}, ratio(window), "",
                 begin=-2 * DAY)
            for name, window in (("1d", DAY), ("3d", 3 * DAY), ("30d", 30 * DAY))]


def targets(state: State) -> tuple[Target, ...]:
    """The examples' services, as things to scrape."""
    return (Target("fraud-scorer", tuple(_fraud(state))),)
