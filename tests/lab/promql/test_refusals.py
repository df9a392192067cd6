"""What a query cannot do is said in Prometheus' words and kinds."""

from __future__ import annotations

import numpy as np
import pytest

from triage.lab.promql.engine import Engine, QueryError, Semantics
from triage.lab.promql.parsing import parse_selector
from triage.lab.promql.store import Store


@pytest.fixture
def engine() -> Engine:
    store = Store()
    for name in ("left", "right"):
        for group in ("x", "y"):
            for number in ("1", "2"):
                store.append({"__name__": name, "group": group, "number": number}, np.array([0]), np.array([1.0]))
    return Engine(store)


@pytest.mark.parametrize(("expression", "message"), [
    ("", "no expression found in input"),
    ("sum(", "unclosed left parenthesis"),
    ("left[5m", "unclosed left bracket"),
    ("1 +", "unexpected end of input"),
    ("left right", 'unexpected input in "left right"'),
    ("nothing_of_this_name(left)", 'unknown function with name "nothing_of_this_name"'),
    ("rate(left)", 'expected type range vector in call to function "rate", got instant vector'),
    ("abs(left[5m])", 'expected type instant vector in call to function "abs", got range vector'),
    ("sum(1)", "expected type instant vector in aggregation expression, got scalar"),
    ('topk("a", left)', "expected type scalar in aggregation parameter, got string"),
    ("left and 1", 'set operator "and" not allowed in binary scalar expression'),
    ("1 == 1", "comparisons between scalars must use BOOL modifier"),
    ('-"a"', 'unary expression only allowed on expressions of type scalar or instant vector, got "string"'),
    ("{}", "vector selector must contain at least one non-empty matcher"),
    ('left{a=~"["}', "error parsing regexp: `[`"),
    ('left{a="x" or b="y"}', 'unexpected identifier "or" in label matching, expected "," or "}"'),
    ("left + on(a) group_left(a) right", 'label "a" must not occur in ON and GROUP clause at once'),
    ("holt_winters(left[5m], 0.5, 0.5)", 'unknown function with name "holt_winters"'),
])
def test_what_cannot_be_read_is_bad_data_in_the_words_of_prometheus(engine: Engine, expression: str,
                                                                    message: str) -> None:
    with pytest.raises(QueryError) as caught:
        engine.instant(expression, 0)
    assert caught.value.kind == "bad_data"
    assert caught.value.message == f'invalid parameter "query": parse error: {message}'


@pytest.mark.parametrize(("expression", "message"), [
    ("left + on(group) right",
     'found duplicate series for the match group {group="x"} on the right hand-side of the operation: '
     '[{__name__="right", group="x", number="2"}, {__name__="right", group="x", number="1"}];many-to-many matching not '
     "allowed: matching labels must be unique on one side"),
    ('left + on(group) group_right right',
     'found duplicate series for the match group {group="x"} on the left hand-side of the operation: '
     '[{__name__="left", group="x", number="2"}, {__name__="left", group="x", number="1"}];many-to-many matching not '
     "allowed: matching labels must be unique on one side"),
    ('left + on(group) right{number="1"}',
     "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"),
    ('left + on(group) group_left(number) right{number="1"}',
     "multiple matches for labels: grouping labels must ensure unique matches"),
    ('label_replace(left, "number", "", "", "")', "vector cannot contain metrics with the same labelset"),
    ('-{__name__=~"left|right"}', "vector cannot contain metrics with the same labelset"),
    ('label_replace(left, "", "a", "", "")', "invalid destination label name in label_replace(): "),
    ('label_replace(left, "a", "b", "c", "(")', "invalid regular expression in label_replace(): ("),
    ('label_join(left, "", "-", "group")', "invalid destination label name in label_join(): "),
    ('count_values("", left)', 'invalid label name ""'),
    ("topk(1e30, left)", "Scalar value 1e+30 overflows int64"),
    ("topk(-1e30, left)", "Scalar value -1e+30 underflows int64"),
    ("topk(NaN, left)", "Parameter value is NaN"),
    ("double_exponential_smoothing(left[5m], 0, 0.5)",
     "invalid smoothing factor. Expected: 0 < sf < 1, got: 0.000000"),
    ("max_over_time(left[1y:1ms])", "query processing would load too many samples into memory in query execution"),
])
def test_what_cannot_be_evaluated_is_an_error_of_execution(engine: Engine, expression: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        engine.instant(expression, 0)
    assert caught.value.kind == "execution"
    assert caught.value.message == message


@pytest.mark.parametrize(("expression", "what"), [
    ("info(left)", 'function "info" is not supported by the lab'),
    ("left + fill(0) right", "fill modifiers are not supported by the lab"),
    ("left @ -1", "@ with a time before 1970 is not supported by the lab"),
    ("left @ 1e12", "@ with a time after the year 9999 is not supported by the lab"),
    ("(" * 300 + "1" + ")" * 300, "the lab reads expressions of up to 2,000 operators and 200 brackets"),
    ("1" + "+1" * 3000, "the lab reads expressions of up to 2,000 operators and 200 brackets"),
])
def test_what_the_lab_does_not_support_is_named(engine: Engine, expression: str, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        engine.instant(expression, 0)
    assert caught.value.kind == "bad_data"
    assert what in caught.value.message


def test_operators_within_each_other_beyond_the_stack_are_an_error_and_no_crash(engine: Engine) -> None:
    with pytest.raises(QueryError, match="so many operators within each other"):
        engine.instant("vector(1)" + " + vector(1)" * 1500, 0)


def test_a_long_chain_of_alternatives_needs_no_stack(engine: Engine) -> None:
    assert len(engine.instant(" or ".join(["left"] * 1500), 0).value.samples) == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(("expression", "kind"), [("left[5m]", "range vector"), ("(left[5m:])", "range vector"),
                                                  ('"a"', "string")])
def test_a_range_query_takes_numbers_and_instant_vectors_only(engine: Engine, expression: str, kind: str) -> None:
    with pytest.raises(QueryError) as caught:
        engine.range(expression, 0, 1, 1)
    assert caught.value.message == (f'invalid parameter "query": invalid expression type "{kind}" for range query, '
                                    "must be Scalar or instant Vector")


@pytest.mark.parametrize(("start", "end", "step", "message"), [
    (0, 10, 0, 'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a '
               "positive integer"),
    (0, 10, -1, 'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a '
                "positive integer"),
    (10, 0, 1, 'invalid parameter "end": end timestamp must not be before start time'),
    (0, 11_001, 1, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
                   "(?step=XX)"),
])
def test_a_range_has_steps_ahead_and_not_too_many(engine: Engine, start: float, end: float, step: float,
                                                  message: str) -> None:
    with pytest.raises(QueryError) as caught:
        engine.range("left", start, end, step)
    assert (caught.value.kind, caught.value.message) == ("bad_data", message)


def test_as_many_points_as_are_allowed_are_answered(engine: Engine) -> None:
    engine.range("1", 0, 11_000, 1)


def test_conditions_that_are_ambiguous_only_where_nobody_looks_are_no_error(engine: Engine) -> None:
    assert engine.instant("left + on(group) (right > 1)", 0).value.samples == []  # type: ignore[union-attr]


def test_prometheus_2_knows_smoothing_by_its_old_name() -> None:
    engine = Engine(Store(), semantics=Semantics.V2)
    assert engine.instant("holt_winters(left[5m], 0.5, 0.5)", 0).value.samples == []  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["rate(left[5m])", "left offset 5m", "left[5m]", "1", "left{"])
def test_only_a_selector_selects_series(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_selector(text)
    assert caught.value.kind == "bad_data"
    assert caught.value.message.startswith('invalid parameter "match[]": parse error: ')


def test_more_series_at_more_steps_than_fit_into_memory_are_refused() -> None:
    store = Store()
    for number in range(5001):
        store.append_point({"__name__": "m", "n": str(number)}, 0, 1.0)
    with pytest.raises(QueryError, match="would load too many samples into memory"):
        Engine(store).range("m", 0, 10_000, 1)
    assert len(Engine(store).instant("m", 0).value.samples) == 5001  # type: ignore[union-attr]
