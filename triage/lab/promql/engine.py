"""Answers PromQL expressions from a store, as an instant or over a range of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import promql_parser as ast

from triage.lab.promql.context import Context, Notes, Semantics
from triage.lab.promql.errors import QueryError, bad_query, failed
from triage.lab.promql.evaluation import evaluate, is_range, unwrapped, window_of
from triage.lab.promql.parsing import parse
from triage.lab.promql.results import Matrix, Result, Scalar, Text, Vector
from triage.lab.promql.store import Store, Times
from triage.lab.promql.values import Literal, Numbers, Value, Windows

__all__ = ["Engine", "Matrix", "QueryError", "Result", "Scalar", "Semantics", "Text", "Vector"]

_Found = TypeVar("_Found", Value, Windows)


class Engine:
    """Evaluates expressions over the samples of ``store``.

    ``lookback_seconds``: how old the sample behind an instant selector may be. ``max_points``: most steps of a range
    query. Instant queries are range queries of one step. ``experimental``: Prometheus' feature
    ``promql-experimental-functions``.
    """

    def __init__(self, store: Store, *, semantics: Semantics = Semantics.V3, lookback_seconds: float = 300.0,
                 max_points: int = 11_000, experimental: bool = False) -> None:
        self.store = store
        self.semantics = semantics
        self.lookback_seconds = lookback_seconds
        self.max_points = max_points
        self.experimental = experimental

    def instant(self, expression: str, at: float) -> Result:
        """The value at ``at`` (Unix seconds). A range selector gives its samples as a matrix.

        Raises QueryError, as does :meth:`range`.
        """
        node = parse(expression)
        at_ms = round(at * 1000)
        context = self._context(np.array([at_ms], dtype=np.int64))
        if is_range(node):
            return self._result(_samples(_evaluated(window_of, node, context)), context.notes)
        return self._result(_at_once(_evaluated(evaluate, node, context), at_ms / 1000), context.notes)

    def range(self, expression: str, start: float, end: float, step: float) -> Result:
        """The values from ``start`` to ``end`` (Unix seconds, both inclusive), one each ``step`` seconds: a matrix."""
        start_ms, end_ms, step_ms = round(start * 1000), round(end * 1000), int(step * 1000 + 1e-6)
        if step_ms <= 0:
            raise QueryError("bad_data", 'invalid parameter "step": zero or negative query resolution step widths are '
                                         "not accepted. Try a positive integer")
        if end_ms < start_ms:
            raise QueryError("bad_data", 'invalid parameter "end": end timestamp must not be before start time')
        if (end_ms - start_ms) // step_ms > self.max_points:
            raise QueryError("bad_data", f"exceeded maximum resolution of {self.max_points:,} points per timeseries. "
                                         "Try decreasing the query resolution (?step=XX)")
        node = parse(expression)
        kind = "range vector" if is_range(node) else "string" if isinstance(unwrapped(node), ast.StringLiteral) else ""
        if kind:
            raise bad_query(f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector')
        context = self._context(np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64))
        return self._result(_over_steps(_evaluated(evaluate, node, context), context.steps_ms), context.notes)

    def _context(self, steps_ms: Times) -> Context:
        return Context(self.store, self.semantics, round(self.lookback_seconds * 1000), int(steps_ms[0]),
                       int(steps_ms[-1]), steps_ms, Notes(), self.experimental)

    def _result(self, value: Scalar | Text | Vector | Matrix, notes: Notes) -> Result:
        if self.semantics is Semantics.V2:
            # Annotations came with Prometheus 2.48 and in full with 3.
            return Result(value)
        return Result(value, list(notes.warnings), list(notes.infos))


def _evaluated(function: Callable[[ast.Expr, Context], _Found], node: ast.Expr, context: Context) -> _Found:
    try:
        # NaN and infinities are answers.
        with np.errstate(all="ignore"):
            return function(node, context)
    except RecursionError:
        raise failed("the lab cannot evaluate so many operators within each other; use fewer in one query") from None


def _at_once(value: Value, at: float) -> Scalar | Text | Vector:
    if isinstance(value, Numbers):
        return Scalar(at, float(value.values[0]))
    if isinstance(value, Literal):
        return Text(at, value.text)
    samples = zip(value.keys, value.values[:, 0].tolist(), value.present[:, 0].tolist(), strict=True)
    return Vector(at, [(dict(key), number) for key, number, there in samples if there])


def _over_steps(value: Value, steps_ms: Times) -> Matrix:
    seconds = steps_ms / 1000.0
    if isinstance(value, Numbers):
        return Matrix([({}, seconds, value.values)])
    if isinstance(value, Literal):
        raise bad_query('invalid expression type "string" for range query, must be Scalar or instant Vector')
    series = []
    for row in sorted(range(len(value.keys)), key=lambda number: value.keys[number]):
        there = value.present[row]
        if there.all():
            series.append((dict(value.keys[row]), seconds, value.values[row]))
        elif there.any():
            series.append((dict(value.keys[row]), seconds[there], value.values[row][there]))
    return Matrix(series)


def _samples(windows: Windows) -> Matrix:
    found = [(windows.keys[place], batch.times[batch.low[0]:batch.high[0]] / 1000.0, row[batch.low[0]:batch.high[0]])
             for batch in windows.batches for place, row in zip(batch.places, batch.values, strict=True)]
    return Matrix([(dict(key), times, values) for key, times, values in sorted(found, key=lambda item: item[0])
                   if len(times)])
