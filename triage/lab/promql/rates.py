"""How fast series change: counters with their resets, gauges, and straight lines through them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.arguments import Argument, Function, numbers, windows
from triage.lab.promql.context import Context, Semantics
from triage.lab.promql.gathering import gathered
from triage.lab.promql.matching import METRIC_NAME, quoted
from triage.lab.promql.numerics import window_reduce
from triage.lab.promql.store import Times, Values
from triage.lab.promql.values import Batch, Mask, Rows, Windows

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


def extrapolating(*, counter: bool, per_second: bool) -> Function:
    """``rate``, ``increase`` or ``delta``."""

    def function(context: Context, arguments: Sequence[Argument]) -> Rows:
        window = windows(arguments[0])
        if counter:
            _say_if_no_counter(window, context)
        seconds = window.range_ms / 1000.0 if per_second else 1.0

        def grown(batch: Batch) -> tuple[Values, Mask]:
            values, present = _extrapolated(batch, window, context.semantics, counter=counter)
            return values / seconds, present

        return window.each(grown).unnamed(across_steps=True)

    return function


def _say_if_no_counter(window: Windows, context: Context) -> None:
    for name in dict.fromkeys(dict(key).get(METRIC_NAME, "") for key in window.keys):
        if name and not name.endswith(_COUNTER_SUFFIXES):
            context.notes.inform("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                                 + quoted(name))


def _ends(batch: Batch) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last sample of each window; any sample where it is empty."""
    top = len(batch.times) - 1
    return np.minimum(batch.low, top), np.clip(batch.high - 1, 0, top)


def _extrapolated(batch: Batch, window: Windows, semantics: Semantics, *, counter: bool) -> tuple[Values, Mask]:
    """Growth within the window, extended towards its ends (Prometheus promql/functions.go, extrapolatedRate).

    A series is taken to reach an end that is not more than 1.1 sample distances away, else to begin or end half a
    distance outside its samples; a counter never before the time at which it would have been zero. Prometheus 2 lets
    that time decide even where it is further away than half a distance.
    """
    first, last = _ends(batch)
    starts = batch.values[:, first]
    growth = batch.values[:, last] - starts
    if counter:
        growth = growth + _lost_by_resets(batch, first, last)
    sampled = (batch.times[last] - batch.times[first]) / 1000.0
    to_start = np.broadcast_to((batch.times[first] - window.starts_ms) / 1000.0, growth.shape)
    to_end = (window.ends_ms - batch.times[last]) / 1000.0
    distance = sampled / (batch.counts - 1)
    near = distance * 1.1
    if semantics is not Semantics.V2:
        to_start = np.where(to_start >= near, distance / 2, to_start)
    if counter:
        since_zero = np.where((growth > 0) & (starts >= 0), sampled * (starts / growth), np.inf)
        to_start = np.where(since_zero < to_start, since_zero, to_start)
    if semantics is Semantics.V2:
        to_start = np.where(to_start < near, to_start, distance / 2)
    to_end = np.where(to_end < near, to_end, distance / 2)
    return growth * ((sampled + to_start + to_end) / sampled), (batch.counts >= 2)[None, :]


def _lost_by_resets(batch: Batch, first: NDArray[np.intp], last: NDArray[np.intp]) -> Values:
    """What the counter had reached before each reset within the window."""
    before, after = batch.values[:, :-1], batch.values[:, 1:]
    lost = np.where(after < before, before, 0.0)
    total = np.zeros((len(batch.values), len(first)))
    restarted = np.flatnonzero(lost.any(axis=1))
    if len(restarted):
        # Each window for itself: differences of a running sum would carry the rounding of resets outside the window.
        found = window_reduce(np.add, lost[restarted], np.minimum(first, lost.shape[1] - 1), last)
        total[restarted] = np.where(first < last, found, 0.0)
    return total


def latest_two(*, counter: bool) -> Function:
    """``irate`` (per second) or ``idelta``: the last two samples of each window."""

    def function(context: Context, arguments: Sequence[Argument]) -> Rows:
        if counter:
            _say_if_no_counter(windows(arguments[0]), context)

        def changed(batch: Batch) -> tuple[Values, Mask]:
            _, last = _ends(batch)
            before = np.maximum(last - 1, 0)
            now, then = batch.values[:, last], batch.values[:, before]
            change = now - then
            if counter:
                change = np.where(now < then, now, change) / ((batch.times[last] - batch.times[before]) / 1000.0)
            return change, (batch.counts >= 2)[None, :]

        return windows(arguments[0]).each(changed).unnamed(across_steps=True)

    return function


def counting(what: str) -> Function:
    """``changes`` or ``resets``: how often a sample differs from the one before it, or is below it."""

    def function(context: Context, arguments: Sequence[Argument]) -> Rows:
        def counted(batch: Batch) -> tuple[Values, Mask]:
            first, last = _ends(batch)
            before, after = batch.values[:, :-1], batch.values[:, 1:]
            event = after < before if what == "resets" else (after != before) & ~(np.isnan(after) & np.isnan(before))
            so_far = np.concatenate((np.zeros((len(event), 1)), np.cumsum(event, axis=1)), axis=1)
            return so_far[:, last] - so_far[:, first], (batch.counts >= 1)[None, :]

        return windows(arguments[0]).each(counted).unnamed(across_steps=True)

    return function


def deriv(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Slope per second of the straight line through each window."""
    def slope(batch: Batch) -> tuple[Values, Mask]:
        return _line(batch, batch.times[_ends(batch)[0]])[0], (batch.counts >= 2)[None, :]

    return windows(arguments[0]).each(slope).unnamed(across_steps=True)


def predict_linear(context: Context, arguments: Sequence[Argument]) -> Rows:
    """The straight line through each window, so many seconds after the step."""
    ahead = numbers(arguments[1])

    def predicted(batch: Batch) -> tuple[Values, Mask]:
        slope, level = _line(batch, context.steps_ms)
        return slope * ahead + level, (batch.counts >= 2)[None, :]

    return windows(arguments[0]).each(predicted).unnamed(across_steps=True)


def _line(batch: Batch, at_ms: Times) -> tuple[Values, Values]:
    """(slope per second, value at ``at_ms``) by least squares (Prometheus promql/functions.go, linearRegression).

    Constant samples have slope 0, unless they are infinite.
    """
    shape = (len(batch.values), len(at_ms))
    slope, level = np.full(shape, np.nan), np.full(shape, np.nan)
    for part, values, there in gathered(batch):
        count = there.sum(axis=-1)
        index = np.minimum(batch.low[part][:, None] + np.arange(there.shape[-1]), len(batch.times) - 1)
        x = np.where(there, (batch.times[index] - at_ms[part][:, None]) / 1000.0, 0.0)
        y = np.where(there, values, 0.0)
        middle_x, middle_y = x.sum(axis=-1) / count, y.sum(axis=-1) / count
        off_x = np.where(there, x - middle_x[:, None], 0.0)
        off_y = np.where(there, y - middle_y[:, :, None], 0.0)
        tilt = (off_x * off_y).sum(axis=-1) / (off_x * off_x).sum(axis=-1)
        constant = ((values == values[:, :, :1]) | ~there).all(axis=-1)
        finite = np.isfinite(values[:, :, 0])
        slope[:, part] = np.where(constant, np.where(finite, 0.0, np.nan), tilt)
        level[:, part] = np.where(constant, np.where(finite, values[:, :, 0], np.nan), middle_y - tilt * middle_x)
    return slope, level
