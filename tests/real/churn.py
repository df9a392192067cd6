"""churn-ranker as in the example notebook: a batch every night, labels that come eight weeks later.

The last run began nine hours before the epoch. There are 30 days of it, a third of the window of its objectives.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.real.truth import (
    DAY,
    HOUR,
    MINUTE,
    RECENTLY,
    Array,
    Line,
    Target,
    counted,
    counter,
    gauge,
    histogram_of,
    histogram_of_counts,
    steady,
)

LAST_RUN = -9 * HOUR
RUN_SECONDS = 82 * MINUTE
SLOW_RUN_SECONDS = 145 * MINUTE
SLOW_RUN_AGO = 12
"""Nights since the one run that took more than two hours."""
ROWS_PER_RUN = 20_000.0

_OWN = {"model": "churn-ranker", "model_version": "13", "deployment": "churn-ranker", "namespace": "batch"}
_BOUNDS = (1800.0, 3600.0, 5400.0, 7200.0, 10800.0, 14400.0)
_TENURE = ((3, 6, 12, 24, 36, 60, 84), (1964, 1774, 2942, 4407, 2995, 3287, 1476, 1155))
_TICKETS = ((0.5, 1.5, 2.5, 4.5, 7.5), (10251, 4910, 2424, 1849, 499, 67))
_SCORE = ((0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8), (2300, 2913, 5947, 3989, 2323, 1912, 512, 104))
_COUNTED_FROM = 61


def _progress(at: Array) -> Array:
    """Runs done, with the share of the present one."""
    nights = (at - LAST_RUN) / DAY + _COUNTED_FROM
    whole = np.floor(nights)
    return whole + np.clip((nights - whole) * DAY / RUN_SECONDS, 0, 1)


def _done(at: Array) -> Array:
    return np.floor(_progress(at))


def _slow(at: Array) -> Array:
    """1 from the end of the slow run on."""
    return np.where(_done(at) > _COUNTED_FROM - SLOW_RUN_AGO, 1.0, 0.0)


def _updated(at: Array) -> Array:
    """End of the last complete run, in seconds from the epoch."""
    return LAST_RUN + RUN_SECONDS + (_done(at) - 1 - _COUNTED_FROM) * DAY


def _lines() -> list[Line]:
    def rows(at: Array) -> Array:
        return ROWS_PER_RUN * _progress(at)

    def quick(at: Array) -> Array:
        return _done(at) - _slow(at)

    def within(bound: float) -> Callable[[Array], Array]:
        def value(at: Array) -> Array:
            ended = quick(at) if bound >= RUN_SECONDS else np.zeros_like(at)
            return ended + (_slow(at) if bound >= SLOW_RUN_SECONDS else 0.0)
        return value

    def spent(at: Array) -> Array:
        return quick(at) * RUN_SECONDS + _slow(at) * SLOW_RUN_SECONDS

    lines = histogram_of_counts("churn_run_duration_seconds", _OWN, {b: within(b) for b in _BOUNDS}, _done, spent)
    lines += [
        Line("churn_runs_total", {**_OWN, "result": "success"}, _done, "churn_runs_total", "counter"),
        Line("churn_runs_total", {**_OWN, "result": "failure"}, np.zeros_like, "churn_runs_total", "counter"),
        Line("churn_rows_scored_total", _OWN, rows, "churn_rows_scored_total", "counter"),
        Line("churn_table_updated_timestamp_seconds", _OWN, _updated,
             "churn_table_updated_timestamp_seconds", unix_time=True),
        gauge("model_build_info", _OWN, 1.0), gauge("churn_high_risk_ratio", _OWN, 0.083),
        gauge("churn_calibration_error", {**_OWN, "model_version": "12"}, 0.041),
        counter("churn_labels_total", {**_OWN, "model_version": "12"}, steady(ROWS_PER_RUN / DAY)),
    ]
    for feature, reference in (("tenure_months", _TENURE), ("support_tickets", _TICKETS)):
        lines += histogram_of("churn_feature_value", {**_OWN, "feature": feature}, rows, counted(*reference),
                              begin=RECENTLY)
    return lines + histogram_of("churn_score", _OWN, rows, counted(*_SCORE), begin=RECENTLY)


def targets() -> tuple[Target, ...]:
    """The job's exporter, as a thing to scrape."""
    return (Target("churn-ranker", tuple(_lines())),)
