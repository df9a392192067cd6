"""What must hold of every answer: a range is its instants, and windows are what a plain loop over samples finds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from triage.lab.promql.engine import Engine, Matrix, QueryError, Scalar, Semantics, Vector
from triage.lab.promql.store import STALE_MARKER, Store

END = 1200
Samples = list[tuple[int, float]]

plain = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))
values = st.one_of(plain, st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]))
gaps = st.lists(st.tuples(st.integers(1, 90), values), max_size=25)
"""Seconds since the sample before, and the value."""


def series_of(steps: Sequence[tuple[int, float]]) -> Samples:
    at, found = 0, []
    for gap, value in steps:
        at += gap
        found.append((at, value))
    return found


def stored(columns: Sequence[Samples], stale_at: int | None = None) -> Store:
    store = Store()
    for number, samples in enumerate(columns):
        labels = {"__name__": "m", "n": str(number), "parity": str(number % 2)}
        if samples:
            store.append(labels, np.array([1000 * t for t, _ in samples], dtype=np.int64),
                         np.array([v for _, v in samples]))
            if stale_at is not None:
                store.append(labels, np.array([1000 * (samples[-1][0] + stale_at)], dtype=np.int64), STALE_MARKER)
    return store


EXPRESSIONS = (
    "m", "m offset 1m", "rate(m[5m])", "increase(m[2m]) > 0", "delta(m[3m])", "irate(m[4m])", "deriv(m[5m])",
    "predict_linear(m[5m], 60)", "changes(m[5m])", "resets(m[5m])", "sum_over_time(m[2m])", "avg_over_time(m[2m])",
    "stddev_over_time(m[4m])", "quantile_over_time(0.3, m[4m])", "mad_over_time(m[3m])", "max_over_time(m[3m:30s])",
    "last_over_time(m[1m])", "sum(m)", "sum by (parity) (m)", "avg without (n) (m)", "min(m)", "stddev by (parity) (m)",
    "topk by (parity) (1, m)", "bottomk(2, m)", "quantile(0.7, m)", 'count_values("v", m)', "group by (n) (m)",
    'm / on(n) m{parity="0"}', "m > bool on(parity) group_left sum by (parity) (m)", 'm and on(parity) m{n="0"}',
    'm{n="0"} or m', 'm unless m{n="1"}', "absent(m)", "absent_over_time(m[1m])", 'scalar(m{n="0"}) + time()',
    "clamp(m, -1, 1)", "round(m, 10)", "timestamp(m)", 'label_replace(m, "n", "$1", "n", "(0|1)")', "-m", "hour(m)",
    "double_exponential_smoothing(m[5m], 0.3, 0.4)", "rate(m[2m:])", "sum(rate(m[2m])) / count(rate(m[2m]))",
    "vector(time())", "m @ 300", "present_over_time(m[1m] offset -1m)",
)


@pytest.mark.parametrize("semantics", Semantics)
@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=8, deadline=None)
@given(st.lists(gaps, min_size=1, max_size=4), st.sampled_from([None, 20]))
def test_a_range_is_what_its_instants_are(semantics: Semantics, expression: str,
                                          columns: list[list[tuple[int, float]]], stale_at: int | None) -> None:
    engine = Engine(stored([series_of(c) for c in columns], stale_at), semantics=semantics)
    steps = range(0, END + 1, 97)
    expected: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    try:
        for at in steps:
            found = engine.instant(expression, at).value
            assert isinstance(found, Vector | Scalar)
            for labels, value in found.samples if isinstance(found, Vector) else [({}, found.value)]:
                expected.setdefault(tuple(sorted(labels.items())), {})[float(at)] = float(value)
    except QueryError:
        with pytest.raises(QueryError):
            engine.range(expression, 0, steps[-1], 97)
        return
    answer = engine.range(expression, 0, steps[-1], 97).value
    assert isinstance(answer, Matrix)
    got = {tuple(sorted(labels.items())): dict(zip(times.tolist(), numbers.tolist(), strict=True))
           for labels, times, numbers in answer.series}
    assert got.keys() == expected.keys()
    for key, points in expected.items():
        assert got[key].keys() == points.keys()
        for when, value in points.items():
            assert got[key][when] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


def _resets(window: Sequence[float]) -> float:
    return sum(after < before for before, after in pairwise(window))


def _changes(window: Sequence[float]) -> float:
    return sum(after != before and not (math.isnan(after) and math.isnan(before)) for before, after in pairwise(window))


def _known(window: Sequence[float]) -> list[float]:
    return [v for v in window if not math.isnan(v)] or [math.nan]


NAIVE: dict[str, Callable[[Sequence[float]], float]] = {
    "count_over_time": len,
    "min_over_time": lambda w: min(_known(w)),
    "max_over_time": lambda w: max(_known(w)),
    "last_over_time": lambda w: w[-1],
    "first_over_time": lambda w: w[0],
    "present_over_time": lambda w: 1.0,
    "resets": _resets,
    "changes": _changes,
}
FINITE: dict[str, Callable[[Sequence[float]], float]] = {
    "sum_over_time": math.fsum,
    "avg_over_time": statistics.fmean,
    "stdvar_over_time": statistics.pvariance,
    "stddev_over_time": statistics.pstdev,
}


def _windows_agree(name: str, naive: Callable[[Sequence[float]], float], samples: Samples,
                   semantics: Semantics) -> None:
    engine = Engine(stored([samples]), semantics=semantics)
    for at in (60, 300, 601, END):
        since = at - 240
        window = [v for t, v in samples if (since <= t if semantics is Semantics.V2 else since < t) and t <= at]
        value = engine.instant(f"{name}(m[4m])", at).value
        assert isinstance(value, Vector)
        found = [number for _, number in value.samples]
        assert found == ([pytest.approx(naive(window), rel=1e-9, abs=1e-6, nan_ok=True)] if window else [])


@pytest.mark.parametrize("semantics", Semantics)
@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=25, deadline=None)
@given(gaps)
@example([(60, 1.0), (240, 2.0), (300, 3.0)])
def test_a_window_holds_what_a_loop_over_the_samples_finds(semantics: Semantics, name: str,
                                                           steps: list[tuple[int, float]]) -> None:
    _windows_agree(name, NAIVE[name], series_of(steps), semantics)


@pytest.mark.parametrize("name", FINITE)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), plain), max_size=25))
def test_moments_of_a_window_are_those_of_the_statistics_module(name: str, steps: list[tuple[int, float]]) -> None:
    _windows_agree(name, FINITE[name], series_of(steps), Semantics.V3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=60), st.integers(1, 60))
def test_the_increase_of_a_steady_counter_without_gaps_is_its_slope_times_the_window(jitter: list[float],
                                                                                     window: int) -> None:
    samples = [(15 * (i + 1), 1e6 + 3.0 * 15 * (i + 1)) for i in range(len(jitter) + 4 * window)]
    value = Engine(stored([samples])).instant(f"increase(m[{window}m])", samples[-1][0]).value
    assert isinstance(value, Vector)
    assert value.samples[0][1] == pytest.approx(3.0 * 60 * window)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e9).map(lambda v: round(v, 1)), min_size=2, max_size=40))
def test_the_increase_is_never_less_than_what_was_sampled(levels: list[float]) -> None:
    samples = [(15 * (i + 1), value) for i, value in enumerate(levels)]
    value = Engine(stored([samples])).instant("increase(m[20m])", samples[-1][0]).value
    assert isinstance(value, Vector)
    grown = sum(after - before if after >= before else after for before, after in pairwise(levels))
    assert value.samples[0][1] >= grown * (1 - 1e-9) - 1e-6


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=1), min_size=1, max_size=30), st.integers(0, 40))
def test_the_largest_are_those_that_sorting_finds(columns: list[list[float]], most: int) -> None:
    engine = Engine(stored([[(1, c[0])] for c in columns]))
    value = engine.instant(f"topk({most}, m)", 1).value
    assert isinstance(value, Vector)
    assert [v for _, v in value.samples] == sorted((c[0] for c in columns), reverse=True)[:most]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=40))
def test_prometheus_3_sums_as_exactly_as_can_be(terms: list[float]) -> None:
    value = Engine(stored([[(1, v)] for v in terms])).instant("sum(m)", 1).value
    assert isinstance(value, Vector)
    exact = math.fsum(terms)
    assert value.samples[0][1] == pytest.approx(exact, rel=1e-12, abs=1e-25 * math.fsum(abs(v) for v in terms))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_a_quantile_lies_among_the_values_and_rises_with_q(levels: list[float], q: float) -> None:
    engine = Engine(stored([[(1, v)] for v in levels]))
    low, high = (engine.instant(f"quantile({rank!r}, m)", 1).value for rank in (q / 2, q))
    assert isinstance(low, Vector)
    assert isinstance(high, Vector)
    slack = 1e-9 * max(levels)
    assert min(levels) - slack <= low.samples[0][1] <= high.samples[0][1] + slack <= max(levels) + 2 * slack
