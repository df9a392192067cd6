"""Every function by its name: those of one sample each are here, the others in modules of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cmp_to_key

import numpy as np

from triage.lab.promql import rates
from triage.lab.promql.arguments import Argument, Function, numbers, rows, text
from triage.lab.promql.context import Context
from triage.lab.promql.dates import DATE_PARTS
from triage.lab.promql.histogram import histogram_quantile
from triage.lab.promql.matching import LabelSet
from triage.lab.promql.over_time import OVER_TIME
from triage.lab.promql.relabelling import label_join, label_replace
from triage.lab.promql.store import Values
from triage.lab.promql.values import Numbers, Rows

_DIGITS = re.compile(r"(\d+)")


def _each(function: Callable[[Values], Values]) -> Function:
    """A function of one number, for every sample."""
    def applied(context: Context, arguments: Sequence[Argument]) -> Rows:
        vector = rows(arguments[0])
        return vector.with_values(function(vector.values)).unnamed()

    return applied


def _sign(values: Values) -> Values:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def _larger(left: Values, right: Values) -> Values:
    """Go's ``math.Max``: NaN if either is NaN, but infinity wins even over that."""
    return np.where(np.isposinf(left) | np.isposinf(right), np.inf, np.maximum(left, right))


def _smaller(left: Values, right: Values) -> Values:
    """Go's ``math.Min``."""
    return np.where(np.isneginf(left) | np.isneginf(right), -np.inf, np.minimum(left, right))


def _clamp(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Nothing at steps where the upper bound is below the lower one."""
    vector, least, most = rows(arguments[0]), numbers(arguments[1]), numbers(arguments[2])
    clamped = vector.with_values(_larger(least, _smaller(most, vector.values)))
    return clamped.only(np.broadcast_to(~(most < least), clamped.present.shape)).unnamed()


def _clamp_min(context: Context, arguments: Sequence[Argument]) -> Rows:
    vector = rows(arguments[0])
    return vector.with_values(_larger(numbers(arguments[1]), vector.values)).unnamed()


def _clamp_max(context: Context, arguments: Sequence[Argument]) -> Rows:
    vector = rows(arguments[0])
    return vector.with_values(_smaller(numbers(arguments[1]), vector.values)).unnamed()


def _round(context: Context, arguments: Sequence[Argument]) -> Rows:
    """To the nearest multiple; halves go up."""
    vector = rows(arguments[0])
    inverse = 1.0 / (numbers(arguments[1]) if len(arguments) > 1 else np.ones(len(context.steps_ms)))
    return vector.with_values(np.floor(vector.values * inverse + 0.5) / inverse).unnamed()


def _date(part: Callable[[Values], Values]) -> Function:
    """A part of the date that each sample means in Unix seconds; without an argument, of the step."""

    def function(context: Context, arguments: Sequence[Argument]) -> Rows:
        vector = rows(arguments[0]) if arguments else _vector(context, [_time(context, ())])
        return vector.with_values(part(vector.values)).unnamed()

    return function


def _time(context: Context, arguments: Sequence[Argument]) -> Numbers:
    return Numbers(context.steps_ms / 1000.0)


def _pi(context: Context, arguments: Sequence[Argument]) -> Numbers:
    return Numbers(np.full(len(context.steps_ms), np.pi))


def _timestamp(context: Context, arguments: Sequence[Argument]) -> Rows:
    """The time of evaluation, for anything but a selector: what is computed is as old as its step."""
    vector = rows(arguments[0])
    return vector.with_values(np.broadcast_to(context.steps_ms / 1000.0, vector.values.shape)).unnamed()


def _vector(context: Context, arguments: Sequence[Argument]) -> Rows:
    values = numbers(arguments[0])[None, :]
    return Rows([()], values, np.ones(values.shape, dtype=np.bool_))


def _scalar(context: Context, arguments: Sequence[Argument]) -> Numbers:
    """The only sample of a step; NaN where there is none or several."""
    vector = rows(arguments[0])
    single = vector.present.sum(axis=0) == 1
    return Numbers(np.where(single, np.where(vector.present, vector.values, 0.0).sum(axis=0), np.nan))


def _sorted(*, descending: bool) -> Function:
    """By value, NaN last. Only an instant query has an order."""

    def function(context: Context, arguments: Sequence[Argument]) -> Rows:
        vector = rows(arguments[0])
        if len(context.steps_ms) != 1:
            return vector
        column = vector.values[:, 0]
        return vector.in_order(np.lexsort((-column if descending else column, np.isnan(column))).tolist())

    return function


def _sorted_by_label(*, descending: bool) -> Function:
    """By the given labels in natural order ("node2" before "node10"), then by all labels."""

    def function(context: Context, arguments: Sequence[Argument]) -> Rows:
        vector, names = rows(arguments[0]), [text(argument) for argument in arguments[1:]]

        def compare(left: int, right: int) -> int:
            one, other = vector.keys[left], vector.keys[right]
            for name in names:
                if found := _natural(dict(one).get(name, ""), dict(other).get(name, "")):
                    return found
            return _less_or_more(one, other)

        return vector.in_order(sorted(range(len(vector.keys)), key=cmp_to_key(compare), reverse=descending))

    return function


def _natural(left: str, right: str) -> int:
    for one, other in zip(_DIGITS.split(left), _DIGITS.split(right), strict=False):
        if one != other:
            both = one.isdigit() and other.isdigit()
            return (int(one) > int(other)) - (int(one) < int(other)) if both else (one > other) - (one < other)
    return (len(left) > len(right)) - (len(left) < len(right))


def _less_or_more(left: LabelSet, right: LabelSet) -> int:
    return (left > right) - (left < right)


def _of_native_histograms(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Prometheus leaves out samples that are no native histograms; the lab's store has none."""
    return Rows.empty(len(context.steps_ms))


_EACH: dict[str, Callable[[Values], Values]] = {
    "abs": np.abs, "ceil": np.ceil, "floor": np.floor, "exp": np.exp, "sqrt": np.sqrt, "ln": np.log, "log2": np.log2,
    "log10": np.log10, "sgn": _sign, "deg": np.rad2deg, "rad": np.deg2rad, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
}

FUNCTIONS: dict[str, Function] = {
    **{name: _each(function) for name, function in _EACH.items()},
    **{name: _date(part) for name, part in DATE_PARTS.items()},
    **OVER_TIME,
    "rate": rates.extrapolating(counter=True, per_second=True),
    "increase": rates.extrapolating(counter=True, per_second=False),
    "delta": rates.extrapolating(counter=False, per_second=False),
    "irate": rates.latest_two(counter=True),
    "idelta": rates.latest_two(counter=False),
    "changes": rates.counting("changes"),
    "resets": rates.counting("resets"),
    "deriv": rates.deriv,
    "predict_linear": rates.predict_linear,
    "histogram_quantile": histogram_quantile,
    **dict.fromkeys(("histogram_count", "histogram_sum", "histogram_avg", "histogram_fraction", "histogram_stddev",
                     "histogram_stdvar"), _of_native_histograms),
    "label_replace": label_replace,
    "label_join": label_join,
    "clamp": _clamp,
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "round": _round,
    "time": _time,
    "pi": _pi,
    "timestamp": _timestamp,
    "vector": _vector,
    "scalar": _scalar,
    "sort": _sorted(descending=False),
    "sort_desc": _sorted(descending=True),
    "sort_by_label": _sorted_by_label(descending=False),
    "sort_by_label_desc": _sorted_by_label(descending=True),
}
"""All but ``absent``, ``absent_over_time`` and ``timestamp`` of a selector, which look at the expression itself."""
