"""fraud-scorer as in the example notebook: a healthy month, and the same with a canary that began to fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from tests.real.truth import (
    DAY,
    HOUR,
    LONG_AGO,
    MINUTE,
    RECENTLY,
    Array,
    Flow,
    Line,
    Target,
    Wave,
    counted,
    counter,
    gauge,
    histogram,
    lognormal,
)

State = Literal["healthy", "failing"]

CANARY_BORN = -3 * HOUR
CANARY_SHARE = 0.1
FAILING_SINCE = -40 * MINUTE
PER_SECOND = 40.0
ERROR_RATIO = 0.0005
FAILING_ERROR_RATIO = 0.04

_DAILY = Wave(0.35, DAY, 1.1)
_WAVES = (_DAILY, Wave(0.06, 47 * MINUTE), Wave(0.04, 7 * MINUTE, 0.7))
_ERROR_WAVES = (_DAILY, Wave(0.35, 31 * MINUTE), Wave(0.2, 5 * MINUTE, 2.0))
_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0)
LATENCY = lognormal(_BOUNDS, 0.1, 0.62)
SLOW_LATENCY = lognormal(_BOUNDS, 0.3, 0.62)

# The references of the notebook's manifest.
_AMOUNT = ((5, 10, 20, 40, 80, 160, 320, 640, 1280), (589, 1428, 3177, 4723, 4739, 3253, 1485, 483, 102, 21))
_SHIFTED_AMOUNT = (_AMOUNT[0], (300, 700, 1700, 3000, 4300, 4700, 3300, 1500, 400, 100))
_MERCHANT_AGE = ((7, 30, 90, 180, 365, 730, 1460), (319, 1103, 2465, 3142, 4665, 4820, 2876, 610))
_SCORE = ((0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3), (2469, 4375, 3484, 4147, 3785, 1410, 255, 75))
_COUNTRIES = {"DE": 0.42, "FR": 0.27, "NL": 0.14, "PL": 0.11, "PT": 0.06}
Reference = tuple[Sequence[float], Sequence[float]]


def flows(state: State) -> dict[tuple[str, str], Flow]:
    """Requests by (version, code)."""
    v7 = ((LONG_AGO, PER_SECOND), (CANARY_BORN, PER_SECOND * (1 - CANARY_SHARE)))
    bad = FAILING_ERROR_RATIO if state == "failing" else ERROR_RATIO

    def canary(first: float, then: float, waves: tuple[Wave, ...]) -> Flow:
        per_second = PER_SECOND * CANARY_SHARE
        return Flow(((CANARY_BORN, per_second * first), (FAILING_SINCE, per_second * then)), waves)

    return {
        ("7", "200"): Flow(v7, _WAVES).scaled(1 - ERROR_RATIO - 0.002),
        ("7", "422"): Flow(v7, _WAVES).scaled(0.002),
        ("7", "500"): Flow(v7, _ERROR_WAVES).scaled(ERROR_RATIO),
        ("8", "200"): canary(1 - ERROR_RATIO, 1 - bad, _WAVES),
        ("8", "500"): canary(ERROR_RATIO, bad, _ERROR_WAVES),
    }


def _own(version: str) -> dict[str, str]:
    return {"model": "fraud-scorer", "model_version": version, "deployment": "fraud-scorer", "namespace": "ml"}


def _lines(state: State) -> list[Line]:
    failing = state == "failing"
    stable = Flow(((LONG_AGO, PER_SECOND), (CANARY_BORN, PER_SECOND * (1 - CANARY_SHARE))), _WAVES)
    # Two flows, because what a canary's requests look like changes when it begins to fail.
    before = Flow(((CANARY_BORN, PER_SECOND * CANARY_SHARE), (FAILING_SINCE, 0.0)), _WAVES)
    since = Flow(((FAILING_SINCE, PER_SECOND * CANARY_SHARE),), _WAVES)
    born = {"7": LONG_AGO, "8": CANARY_BORN}
    recent = {"7": RECENTLY, "8": CANARY_BORN}

    lines = [counter("fraud_requests_total", {**_own(version), "code": code}, flow, begin=born[version])
             for (version, code), flow in flows(state).items()]
    lines += histogram("fraud_request_duration_seconds", _own("7"), [(stable, LATENCY)])
    lines += histogram("fraud_request_duration_seconds", _own("8"),
                       [(before, LATENCY), (since, SLOW_LATENCY if failing else LATENCY)], begin=CANARY_BORN)

    def observed(name: str, labels: dict[str, str], reference: Reference, changed: Reference | None = None) -> None:
        usual, now = counted(*reference), counted(*(changed if failing and changed else reference))
        lines.extend(histogram(name, {**_own("7"), **labels}, [(stable, usual)], begin=recent["7"]))
        lines.extend(histogram(name, {**_own("8"), **labels}, [(before, usual), (since, now)], begin=recent["8"]))

    observed("fraud_feature_value", {"feature": "amount"}, _AMOUNT, _SHIFTED_AMOUNT)
    observed("fraud_feature_value", {"feature": "merchant_age_days"}, _MERCHANT_AGE)
    observed("fraud_score", {}, _SCORE)
    for version, flow in (("7", stable), ("8", Flow(((CANARY_BORN, PER_SECOND * CANARY_SHARE),), _WAVES))):
        lines += [counter("fraud_feature_category_total", {**_own(version), "feature": "country", "category": country},
                          flow.scaled(share), begin=recent[version]) for country, share in _COUNTRIES.items()]
        lines.append(gauge("model_build_info", _own(version), 1.0, begin=born[version]))
        lines.append(gauge("fraud_review_ratio", _own(version), 0.0038, begin=born[version]))
        for feature in ("amount", "country", "merchant_age_days"):
            per_second = 0.02 if failing and version == "8" and feature == "amount" else 0.0
            lines.append(counter("fraud_schema_violations_total", {**_own(version), "feature": feature},
                                 Flow(((FAILING_SINCE, per_second),)), begin=born[version]))
    # Labels take two weeks: only the old version has any.
    lines.append(counter("fraud_labels_total", _own("7"), stable.scaled(0.97)))
    lines += [gauge(name, _own("7"), value) for name, value in
              (("fraud_accuracy", 0.951), ("fraud_precision", 0.41), ("fraud_recall", 0.68))]
    return lines


def recorded(state: State) -> list[Line]:
    """What Sloth's rules have recorded in the last two days."""
    known = flows(state)
    bad = [flow for (_, code), flow in known.items() if code.startswith("5")]
    labels = {"sloth_id": "fraud-scorer-success", "sloth_service": "fraud-scorer", "sloth_slo": "success"}
    return [Line(f"slo:sli_error:ratio_rate{name}", {**labels, "sloth_window": name},
                 trailing_ratio(bad, list(known.values()), window), "", begin=RECENTLY)
            for name, window in (("1d", DAY), ("3d", 3 * DAY), ("30d", 30 * DAY))]


def trailing_ratio(part: Sequence[Flow], whole: Sequence[Flow], window: float) -> Callable[[Array], Array]:
    """Share of ``part`` in the events of the last ``window`` seconds, at each time."""
    def events(some: Sequence[Flow], at: Array) -> Array:
        return sum((f.total(at) - f.total(at - window) for f in some), np.zeros_like(at))
    return lambda at: events(part, at) / events(whole, at)


def targets(state: State) -> tuple[Target, ...]:
    """The service, as a thing to scrape."""
    return (Target("fraud-scorer", tuple(_lines(state))),)
