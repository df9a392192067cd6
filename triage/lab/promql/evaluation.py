"""Walks the syntax tree and evaluates every node for all steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import promql_parser as ast

from triage.lab.promql import aggregation, binary, selecting
from triage.lab.promql.arguments import Argument
from triage.lab.promql.context import Context, Semantics
from triage.lab.promql.errors import bad_query
from triage.lab.promql.functions import FUNCTIONS
from triage.lab.promql.matching import METRIC_NAME, LabelSet, replaced
from triage.lab.promql.parsing import OLD_SMOOTHING, matchers_of
from triage.lab.promql.store import Times
from triage.lab.promql.values import Literal, Mask, Numbers, Rows, Value, Windows

DEFAULT_SUBQUERY_STEP_MS = 60_000
"""Prometheus takes its evaluation interval, one minute unless configured."""


def evaluate(node: ast.Expr, context: Context) -> Value:
    """The value of an expression that is no range vector."""
    if isinstance(node, ast.NumberLiteral):
        return Numbers(np.full(len(context.steps_ms), node.val))
    if isinstance(node, ast.StringLiteral):
        return Literal(node.val)
    if isinstance(node, ast.ParenExpr):
        return evaluate(node.expr, context)
    if isinstance(node, ast.VectorSelector):
        return _selected(node, context)
    if isinstance(node, ast.UnaryExpr):
        return _negated(evaluate(node.expr, context))
    if isinstance(node, ast.BinaryExpr):
        return _combined(node, context)
    if isinstance(node, ast.AggregateExpr):
        return _aggregated(node, context)
    if isinstance(node, ast.Call):
        return _called(node, context)
    raise bad_query(f"parse error: expected type instant vector, got range vector: {node.prettify()}")


def is_range(node: ast.Expr) -> bool:
    """Whether the expression is a range vector."""
    return isinstance(unwrapped(node), ast.MatrixSelector | ast.SubqueryExpr)


def unwrapped(node: ast.Expr) -> ast.Expr:
    """The expression within its parentheses."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def window_of(node: ast.Expr, context: Context) -> Windows:
    """The value of a range selector or a subquery."""
    node = unwrapped(node)
    if isinstance(node, ast.MatrixSelector):
        selector = node.vector_selector
        at_ms = _shifted(selector, context)
        return selecting.windows(context.store, matchers_of(selector, dot_all=context.dot_all), at_ms,
                                 _ms(node, "range"), closed=context.closed)
    if not isinstance(node, ast.SubqueryExpr):
        raise bad_query(f"parse error: expected type range vector, got {node.prettify()}")
    at_ms, range_ms = _shifted(node, context), _ms(node, "range")
    step_ms = _ms(node, "step") if node.step is not None else DEFAULT_SUBQUERY_STEP_MS
    times = _substeps(at_ms, range_ms, step_ms, context)
    if not len(times):
        return Windows([], [], at_ms - range_ms, at_ms, range_ms)
    inner = _rows(evaluate(node.expr, replace(context, steps_ms=times)))
    return _windows_of_rows(inner, times, at_ms, range_ms, context)


def _substeps(at_ms: Times, range_ms: int, step_ms: int, context: Context) -> Times:
    """Multiples of the step that any of the windows holds: subqueries do not depend on the time of asking."""
    earliest, last = int(at_ms.min()) - range_ms, int(at_ms.max())
    first = -(-earliest // step_ms) * step_ms
    if first == earliest and not context.closed:
        first += step_ms
    # Ten series at least: the steps alone would fill the memory before any series is read.
    selecting.refuse_too_many(10, (last - first) // step_ms)
    return np.arange(first, last + 1, step_ms, dtype=np.int64)


def _windows_of_rows(inner: Rows, times: Times, at_ms: Times, range_ms: int, context: Context) -> Windows:
    series = [(key, times, values) if present.all() else (key, times[present], values[present])
              for key, values, present in zip(inner.keys, inner.values, inner.present, strict=True)]
    return selecting.windowed(series, at_ms, range_ms, closed=context.closed)


def _shifted(node: ast.VectorSelector | ast.SubqueryExpr, context: Context) -> Times:
    """The times that a selector looks at: the steps, or where ``@`` says, less the offset."""
    at_ms = context.steps_ms
    if node.at is not None:
        if node.at.type == ast.AtModifierType.Start:
            fixed = context.start_ms
        elif node.at.type == ast.AtModifierType.End:
            fixed = context.end_ms
        else:
            fixed = _moment_ms(node.at)
        at_ms = np.full_like(at_ms, fixed)
    return at_ms - _ms(node, "offset")


def _moment_ms(at: ast.AtModifier) -> int:
    try:
        moment = at.at
    except (OverflowError, ValueError):
        raise bad_query("parse error: @ with a time after the year 9999 is not supported by the lab") from None
    return round(moment.timestamp() * 1000) if moment is not None else 0


def _ms(node: ast.Expr, name: str) -> int:
    """The duration in a field of ``node`` in milliseconds, 0 when there is none. Raises QueryError."""
    try:
        duration: timedelta | None = getattr(node, name)
    except (OverflowError, ValueError):
        raise bad_query("parse error: duration out of range") from None
    return duration // timedelta(milliseconds=1) if duration is not None else 0


def _selected(node: ast.VectorSelector, context: Context, *, timestamps: bool = False) -> Rows:
    return selecting.latest(context.store, matchers_of(node, dot_all=context.dot_all), _shifted(node, context),
                            context.lookback_ms, closed=context.closed, timestamps=timestamps)


def _rows(value: Value) -> Rows:
    if not isinstance(value, Rows):
        raise bad_query("parse error: expected type instant vector")
    return value


def _negated(value: Value) -> Value:
    if isinstance(value, Numbers):
        return Numbers(-value.values)
    rows = _rows(value)
    return Rows(rows.keys, -rows.values, rows.present).unnamed(across_steps=True)


def _combined(node: ast.BinaryExpr, context: Context) -> Value:
    matching = binary.Matching.of(node, context.semantics)
    if matching.operator != "or":
        return binary.combine(matching, evaluate(node.lhs, context), evaluate(node.rhs, context))
    # Chains of "or" are long in machine-made queries: flat rather than nested, for the stack and for speed.
    operands: list[ast.Expr] = [node.rhs]
    left: ast.Expr = node.lhs
    while isinstance(left, ast.BinaryExpr) and binary.Matching.of(left, context.semantics) == matching:
        operands.append(left.rhs)
        left = left.lhs
    operands.append(left)
    return binary.union([_rows(evaluate(operand, context)) for operand in reversed(operands)], matching)


def _aggregated(node: ast.AggregateExpr, context: Context) -> Rows:
    operator = str(node.op)
    if operator in aggregation.EXPERIMENTAL and context.semantics is Semantics.V2:
        raise bad_query(f'parse error: unknown function with name "{operator}"')
    if operator in aggregation.EXPERIMENTAL and not context.experimental:
        raise bad_query(f"parse error: {operator}() is experimental and must be enabled with "
                        "--enable-feature=promql-experimental-functions")
    grouping = aggregation.Grouping.of(node)
    parameter = evaluate(node.param, context) if node.param is not None else None
    return aggregation.aggregate(operator, _rows(evaluate(node.expr, context)), grouping, parameter, context)


def _called(node: ast.Call, context: Context) -> Value:
    name, nodes = node.func.name, node.args
    if name == "timestamp" and isinstance(selector := unwrapped(nodes[0]), ast.VectorSelector):
        return _selected(selector, context, timestamps=True).unnamed()
    arguments: list[Argument] = [window_of(n, context) if is_range(n) else evaluate(n, context) for n in nodes]
    if name in ("absent", "absent_over_time"):
        return _absent(nodes[0], arguments, context)
    if name == OLD_SMOOTHING and context.semantics is not Semantics.V2:
        raise bad_query(f'parse error: unknown function with name "{name}"')
    function = FUNCTIONS.get(name)
    if function is None:
        raise bad_query(f'parse error: function "{name}" is not supported by the lab')
    return function(context, arguments)


def _absent(node: ast.Expr, arguments: Sequence[Argument], context: Context) -> Rows:
    """1 where there is no sample, with the labels that the selector demands.

    Prometheus promql/functions.go, createLabelsForAbsentFunction: a label that is named more than once is left out.
    """
    (argument,) = arguments
    found = FUNCTIONS["last_over_time"](context, arguments) if isinstance(argument, Windows) else argument
    missing: Mask = ~np.any(_rows(found).present, axis=0, keepdims=True)
    selector = unwrapped(node)
    if isinstance(selector, ast.MatrixSelector):
        selector = selector.vector_selector
    key: LabelSet = ()
    if isinstance(selector, ast.VectorSelector):
        matchers = [m for m in matchers_of(selector) if m.name != METRIC_NAME]
        seen: set[str] = set()
        for matcher in matchers:
            known = matcher.op == "=" and matcher.name not in seen
            key = replaced(key, matcher.name, matcher.value if known else "")
            if known:
                seen.add(matcher.name)
    return Rows.known([key], np.ones(missing.shape), missing)
