"""What differs between Prometheus 2 and 3, and the rules that both share: lookback, staleness, extrapolation, NaN."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from triage.lab.promql.engine import Engine, Matrix, QueryError, Scalar, Semantics, Text, Vector
from triage.lab.promql.store import Store

NAN = math.nan
INF = math.inf
Samples = Sequence[tuple[float, float]]


def stored(series: Mapping[str, Samples]) -> Store:
    """A store with series of (seconds, value), by what stands between the braces: ``__name__="m",a="x"``."""
    store = Store()
    for spelt, samples in series.items():
        name, _, rest = spelt.partition("{")
        pairs = (part.split("=") for part in rest.rstrip("}").split(",") if part)
        labels = {"__name__": name} | {key: value.strip('"') for key, value in pairs}
        store.append(labels, np.array([round(1000 * t) for t, _ in samples], dtype=np.int64),
                     np.array([v for _, v in samples]))
    return store


def at(store: Store, expression: str, seconds: float, semantics: Semantics = Semantics.V3) -> dict[str, float]:
    """The answer of an instant query: values by labels but the name."""
    value = Engine(store, semantics=semantics).instant(expression, seconds).value
    assert isinstance(value, Vector)
    return {",".join(f"{k}={v}" for k, v in labels.items() if k != "__name__"): number
            for labels, number in value.samples}


def only(store: Store, expression: str, seconds: float, semantics: Semantics = Semantics.V3) -> float:
    found = at(store, expression, seconds, semantics)
    assert len(found) == 1
    return next(iter(found.values()))


EVERY_MINUTE = stored({"m": [(60.0 * i, float(i)) for i in range(11)]})


@pytest.mark.parametrize(("semantics", "expected"), [(Semantics.V2, 6.0), (Semantics.V3, 5.0)])
def test_only_prometheus_2_takes_the_left_end_of_a_window_in(semantics: Semantics, expected: float) -> None:
    assert only(EVERY_MINUTE, "count_over_time(m[5m])", 600, semantics) == expected


@pytest.mark.parametrize(("semantics", "expected"), [(Semantics.V2, 6.0), (Semantics.V3, 5.0)])
def test_only_prometheus_2_takes_the_left_end_of_a_subquery_in(semantics: Semantics, expected: float) -> None:
    assert only(EVERY_MINUTE, "count_over_time(m[5m:1m])", 600, semantics) == expected


@pytest.mark.parametrize(("semantics", "expected"), [(Semantics.V2, {"": 10.0}), (Semantics.V3, {})])
def test_only_prometheus_2_still_sees_a_sample_exactly_one_lookback_old(semantics: Semantics,
                                                                        expected: dict[str, float]) -> None:
    assert at(EVERY_MINUTE, "m", 900, semantics) == expected
    assert at(EVERY_MINUTE, "m", 899.999, semantics) == {"": 10.0}
    assert at(EVERY_MINUTE, "m", 900.001, semantics) == {}


def test_a_counter_is_not_extended_below_zero_and_each_version_has_its_own_rule() -> None:
    # Two samples 60 s apart, the first 100 s after the window begins, and zero 50 s before the first.
    store = stored({"m": [(100, 50.0), (160, 110.0)]})
    assert only(store, "increase(m[160s])", 160, Semantics.V3) == pytest.approx(60 * (60 + 30) / 60)
    assert only(store, "increase(m[160s])", 160, Semantics.V2) == pytest.approx(60 * (60 + 50) / 60)


def test_a_rate_reaches_an_end_that_is_near_and_half_a_distance_beyond_one_that_is_not() -> None:
    store = stored({"m": [(t, 1000.0 + t) for t in range(100, 201, 10)]})
    # 5 s to the start, 5 s to the end: all of the 110 s.
    assert only(store, "delta(m[110s])", 205) == pytest.approx(110.0)
    # 55 s to the start and 45 s to the end are far: 5 s each.
    assert only(store, "delta(m[200s])", 245) == pytest.approx(110.0)
    assert only(store, "rate(m[110s])", 205) == pytest.approx(1.0)


def test_what_a_counter_lost_by_a_reset_is_counted() -> None:
    store = stored({"m": [(0, 10.0), (10, 14.0), (20, 1.0), (30, 5.0), (40, 2.0)]})
    # 4 + 1 + 4 + 2 within 40 s, in a window of 40 s that begins with the first sample.
    assert only(store, "increase(m[40s])", 40, Semantics.V2) == pytest.approx(11.0)
    assert only(store, "resets(m[1m])", 40) == 2.0
    assert only(store, "changes(m[1m])", 40) == 4.0


def test_a_counter_that_falls_from_infinity_has_an_infinite_growth_only_in_those_windows() -> None:
    store = stored({"m": [(0, 1.0), (10, INF), (20, 1.0), (30, 2.0), (40, 3.0)]})
    assert only(store, "increase(m[11s])", 40) == pytest.approx(1.1)
    assert math.isinf(only(store, "increase(m[40s])", 40, Semantics.V2))


@pytest.mark.parametrize("function", ["rate", "increase", "delta", "irate", "idelta", "deriv"])
def test_one_sample_has_no_growth(function: str) -> None:
    assert at(EVERY_MINUTE, f"{function}(m[1m])", 60) == {}


def test_a_marked_series_ends_at_once_and_its_windows_hold_only_samples() -> None:
    store = stored({"m": [(0, 1.0), (15, 2.0)]})
    store.mark_stale({"__name__": "m"}, 30_000)
    assert at(store, "m", 29.999) == {"": 2.0}
    assert at(store, "m", 30) == {}
    assert only(store, "count_over_time(m[1m])", 30) == 2.0
    assert at(store, "absent(m)", 30) == {"": 1.0}
    store.append_point({"__name__": "m"}, 45_000, 3.0)
    assert at(store, "m", 50) == {"": 3.0}


def test_nan_is_a_value_that_least_and_most_pass_over_where_there_is_another() -> None:
    store = stored({'m{a="1"}': [(0, NAN)], 'm{a="2"}': [(0, 3.0)], 'm{a="3"}': [(0, 1.0)]})
    assert only(store, "max(m)", 0) == 3.0
    assert only(store, "min(m)", 0) == 1.0
    assert math.isnan(only(store, 'max(m{a="1"})', 0))
    assert math.isnan(only(store, "sum(m)", 0))
    assert only(store, "count(m)", 0) == 3.0
    assert list(at(store, "sort(m)", 0)) == ["a=3", "a=2", "a=1"]
    assert list(at(store, "sort_desc(m)", 0)) == ["a=2", "a=3", "a=1"]
    assert list(at(store, "topk(3, m)", 0)) == ["a=2", "a=3", "a=1"]
    assert list(at(store, "bottomk(2, m)", 0)) == ["a=3", "a=2"]
    assert at(store, "m > 0", 0) == {"a=2": 3.0, "a=3": 1.0}
    assert list(at(store, "m != m", 0)) == ["a=1"]


@pytest.mark.parametrize(("semantics", "expected"), [(Semantics.V2, 0.0), (Semantics.V3, 1.0)])
def test_only_prometheus_3_sums_series_without_loss(semantics: Semantics, expected: float) -> None:
    store = stored({'m{a="1"}': [(0, 1.0)], 'm{a="2"}': [(0, 1e100)], 'm{a="3"}': [(0, -1e100)]})
    assert only(store, "sum(m)", 0, semantics) == expected


@pytest.mark.parametrize("semantics", Semantics)
def test_sums_over_time_lose_nothing(semantics: Semantics) -> None:
    store = stored({"m": [(0, 1.0), (1, 1e100), (2, 1.0), (3, -1e100)]})
    assert only(store, "sum_over_time(m[1m])", 3, semantics) == 2.0
    assert only(store, "avg_over_time(m[1m])", 3, semantics) == 0.5


@pytest.mark.parametrize("semantics", Semantics)
def test_equals_do_not_vary(semantics: Semantics) -> None:
    store = stored({f'm{{a="{n}"}}': [(t, 13.3) for t in range(7)] for n in range(3)})
    assert only(store, "stddev(m)", 6, semantics) == 0.0
    assert set(at(store, "stddev_over_time(m[1m])", 6, semantics).values()) == {0.0}


def test_a_mean_exists_where_its_sum_is_too_large_for_a_number() -> None:
    store = stored({'m{a="1"}': [(0, 1.5e308), (1, 1.5e308)], 'm{a="2"}': [(0, 1.5e308), (1, 1.5e308)]})
    assert only(store, "avg(m)", 1) == pytest.approx(1.5e308)
    assert list(at(store, "avg_over_time(m[1m])", 1).values()) == pytest.approx([1.5e308, 1.5e308])


def test_a_window_function_drops_the_name_and_two_series_that_become_one_are_an_error() -> None:
    store = stored({"m": [(0, 1.0), (15, 2.0)], "n": [(0, 1.0), (15, 2.0)]})
    with pytest.raises(QueryError, match="vector cannot contain metrics with the same labelset") as caught:
        at(store, 'rate({__name__=~"m|n"}[1m])', 15)
    assert caught.value.kind == "execution"
    assert len(Engine(store).instant('last_over_time({__name__=~"m|n"}[1m])', 15).value.samples) == 2  # type: ignore[union-attr]


def test_rows_that_become_one_at_different_steps_are_joined() -> None:
    store = stored({'m{a="1"}': [(0, 1.0)], 'm{a="2"}': [(600, 2.0)]})
    value = Engine(store).range('label_replace(m, "a", "x", "", "")', 0, 600, 300).value
    assert isinstance(value, Matrix)
    (labels, times, values), = value.series
    assert labels == {"__name__": "m", "a": "x"}
    assert (times.tolist(), values.tolist()) == ([0.0, 600.0], [1.0, 2.0])


def test_at_start_and_end_mean_the_whole_query_even_within_a_subquery() -> None:
    value = Engine(EVERY_MINUTE).range("max_over_time((m @ end())[2m:1m]) - m @ start()", 120, 600, 60).value
    assert isinstance(value, Matrix)
    assert value.series[0][2].tolist() == [8.0] * 9


def test_an_offset_counts_from_the_fixed_time() -> None:
    assert only(EVERY_MINUTE, "m @ 600 offset 2m", 0) == 8.0
    assert only(EVERY_MINUTE, "m offset 2m @ 600", 0) == 8.0
    assert only(EVERY_MINUTE, "m @ 300 offset -1m", 0) == 6.0


def test_the_steps_of_a_subquery_are_multiples_of_its_step_whenever_it_is_asked() -> None:
    assert only(EVERY_MINUTE, "max_over_time(timestamp(m)[3m:2m])", 599) == 480.0
    assert only(EVERY_MINUTE, "max_over_time(timestamp(m)[3m:2m])", 479.9) == 360.0


def test_an_instant_query_of_a_range_selector_answers_its_samples() -> None:
    value = Engine(EVERY_MINUTE).instant("m[2m]", 600).value
    assert isinstance(value, Matrix)
    assert value.series[0][1].tolist() == [540.0, 600.0]
    assert value.series[0][2].tolist() == [9.0, 10.0]


def test_numbers_and_texts_answer_themselves() -> None:
    engine = Engine(Store())
    assert engine.instant("1 + 1", 5).value == Scalar(5.0, 2.0)
    assert engine.instant('"a\\nb"', 5).value == Text(5.0, "a\nb")
    assert engine.instant(r"`a\nb`", 5).value == Text(5.0, r"a\nb")


def test_a_dot_matches_a_newline_only_in_prometheus_3() -> None:
    store = Store()
    store.append_point({"__name__": "m", "a": "x\ny"}, 0, 1.0)
    assert len(at(store, 'm{a=~"x.y"}', 0, Semantics.V3)) == 1
    assert at(store, 'm{a=~"x.y"}', 0, Semantics.V2) == {}


@pytest.mark.parametrize(("semantics", "count"), [(Semantics.V2, 0), (Semantics.V3, 1)])
def test_only_prometheus_3_remarks_on_queries(semantics: Semantics, count: int) -> None:
    result = Engine(EVERY_MINUTE, semantics=semantics).instant("rate(m[5m]) + quantile(2, m)", 600)
    assert len(result.infos) == count
    assert len(result.warnings) == count
    if count:
        assert result.infos == ["PromQL info: metric might not be a counter, name does not end in "
                                '_total/_sum/_count/_bucket: "m"']
        assert result.warnings == ["PromQL warning: quantile value should be between 0 and 1, got 2"]


def test_a_bucket_that_falls_is_raised_and_remarked_on_unless_it_is_a_rounding_error() -> None:
    fallen = stored({'h{le="1"}': [(0, 5.0)], 'h{le="2"}': [(0, 4.0)], 'h{le="+Inf"}': [(0, 10.0)]})
    rounded = stored({'h{le="1"}': [(0, 5.0)], 'h{le="2"}': [(0, 5.0 - 1e-14)], 'h{le="+Inf"}': [(0, 10.0)]})
    for store, remarks in ((fallen, 1), (rounded, 0)):
        result = Engine(store).instant("histogram_quantile(0.25, h)", 0)
        assert isinstance(result.value, Vector)
        assert result.value.samples == [({}, 0.5)]
        assert len(result.infos) == remarks


LETTERS = stored({f'm{{a="{letter}"}}': [(60.0 * i, 1.0) for i in range(10) if letter != "a" or i > 4]
                  for letter in "abcdefghij"})
TRYING = Engine(LETTERS, experimental=True)


def chosen(expression: str, seconds: float = 0) -> set[str]:
    value = TRYING.instant(expression, seconds).value
    assert isinstance(value, Vector)
    return {labels["a"] for labels, _ in value.samples}


@pytest.mark.parametrize("expression", ["limitk(1, m)", "limit_ratio(0.5, m)", "1 + sum(limitk(1, m))"])
def test_what_is_experimental_must_be_enabled(expression: str) -> None:
    operator = "limit_ratio" if "ratio" in expression else "limitk"
    for semantics, words in ((Semantics.V2, f'unknown function with name "{operator}"'), (
            Semantics.V3, f"{operator}() is experimental and must be enabled with "
                          "--enable-feature=promql-experimental-functions")):
        with pytest.raises(QueryError) as caught:
            Engine(LETTERS, semantics=semantics).instant(expression, 0)
        assert caught.value.message == f'invalid parameter "query": parse error: {words}'


def test_limitk_takes_the_first_that_are_there_at_each_step() -> None:
    assert chosen("limitk(2, m)") == {"b", "c"}
    assert chosen("limitk(2, m)", 300) == {"a", "b"}
    assert chosen("limitk(2.9, m)", 300) == {"a", "b"}
    assert chosen("limitk(99, m)") == set("bcdefghij")
    assert chosen("limitk(0, m)") == chosen("limitk(-3, m)") == set()
    assert chosen('limitk by (b) (1, label_replace(m, "b", "x", "a", "[b-d]"))') == {"b", "e"}
    matrix = TRYING.range("limitk(1, m)", 240, 300, 60).value
    assert isinstance(matrix, Matrix)
    assert [(labels["a"], times.tolist()) for labels, times, _ in matrix.series] == [("a", [300.0]), ("b", [240.0])]


@pytest.mark.parametrize(("parameter", "message"), [("NaN", "Parameter value is NaN"),
                                                    ("1e30", "Scalar value 1e+30 overflows int64")])
def test_limitk_needs_an_integer(parameter: str, message: str) -> None:
    with pytest.raises(QueryError, match="^" + re.escape(message) + "$"):
        TRYING.instant(f"limitk({parameter}, m)", 0)


def test_a_ratio_and_its_rest_are_the_whole_and_a_larger_one_has_all_of_a_smaller_one() -> None:
    everything = chosen("m", 300)
    before: set[str] = set()
    for percent in range(0, 101, 10):
        part, rest = (chosen(f"limit_ratio({ratio}, m)", 300) for ratio in (percent / 100, percent / 100 - 1))
        assert (part | rest, part & rest) == (everything, set())
        assert before <= part
        before = part
    assert before == everything
    assert chosen("limit_ratio(0.5, m)", 300) != everything


def test_a_ratio_beyond_one_is_capped_and_said_and_one_that_is_none_fails() -> None:
    above = TRYING.instant("limit_ratio(1.1, m)", 300)
    below = TRYING.instant("limit_ratio(-2, m)", 300)
    assert above.warnings == ["PromQL warning: ratio value should be between -1 and 1, got 1.1, capping to 1"]
    assert below.warnings == ["PromQL warning: ratio value should be between -1 and 1, got -2, capping to -1"]
    assert above.value == below.value == TRYING.instant("m", 300).value
    with pytest.raises(QueryError, match=r"^Ratio value is NaN$"):
        TRYING.instant("limit_ratio(NaN, m)", 0)
