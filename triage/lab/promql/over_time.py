"""One number for the samples of each window: the ``*_over_time`` functions and double exponential smoothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from triage.lab.promql import ranking
from triage.lab.promql.arguments import Argument, Function, numbers, windows
from triage.lab.promql.context import Context
from triage.lab.promql.errors import failed
from triage.lab.promql.gathering import gathered
from triage.lab.promql.numerics import window_reduce, window_sum
from triage.lab.promql.store import Values
from triage.lab.promql.values import Batch, Mask, Rows, Windows


def over_time(reduced: Callable[[Batch], Values], *, keeps_name: bool = False) -> Function:
    """A function of one range vector that answers wherever the window has a sample."""
    return lambda context, arguments: _reduced(windows(arguments[0]), reduced, keeps_name=keeps_name)


def _reduced(window: Windows, reduced: Callable[[Batch], Values], *, keeps_name: bool = False) -> Rows:
    rows = window.each(lambda batch: (reduced(batch), (batch.counts > 0)[None, :]))
    return rows if keeps_name else rows.unnamed(across_steps=True)


def total(batch: Batch) -> Values:
    return window_sum(batch.values, batch.low, batch.high)


def mean(batch: Batch) -> Values:
    found = total(batch) / batch.counts
    overflown = np.isinf(found)
    if not overflown.any():
        return found
    # A sum of finite numbers can be too large for a float where their mean is not.
    largest = window_reduce(np.fmax, np.abs(batch.values), batch.low, batch.high)
    scaled = window_sum(batch.values / 2.0**64, batch.low, batch.high) / batch.counts * 2.0**64
    return np.where(overflown & np.isfinite(largest), scaled, found)


def least(batch: Batch) -> Values:
    """NaN only where every sample is NaN."""
    return window_reduce(np.fmin, batch.values, batch.low, batch.high)


def most(batch: Batch) -> Values:
    """NaN only where every sample is NaN."""
    return window_reduce(np.fmax, batch.values, batch.low, batch.high)


def count(batch: Batch) -> Values:
    return batch.counts[None, :].astype(np.float64)


def present(batch: Batch) -> Values:
    return np.ones((1, len(batch.low)))


def first(batch: Batch) -> Values:
    return batch.values[:, np.minimum(batch.low, len(batch.times) - 1)]


def last(batch: Batch) -> Values:
    return batch.values[:, np.maximum(batch.high - 1, 0)]


def variance(batch: Batch) -> Values:
    """Of the population."""
    # The mean of equals may be rounded beyond them, and they would seem to vary.
    middle = np.clip(mean(batch), least(batch), most(batch))
    found = np.full(middle.shape, np.nan)
    for part, values, there in gathered(batch):
        away = np.where(there, values - middle[:, part, None], 0.0)
        found[:, part] = (away * away).sum(axis=-1) / there.sum(axis=-1)
    return found


def deviation(batch: Batch) -> Values:
    return np.sqrt(variance(batch))


def median_deviation(batch: Batch) -> Values:
    """Median of the distances from the median (``mad_over_time``)."""
    found = np.full((len(batch.values), len(batch.low)), np.nan)
    half = np.full(len(batch.low), 0.5)
    for part, values, there in gathered(batch):
        middle = _quantiles(half[part], values, there)
        found[:, part] = _quantiles(half[part], np.abs(values - middle[:, :, None]), there)
    return found


def _quantiles(q: Values, values: Values, there: Mask) -> Values:
    """Of series by steps by samples; ``q`` by step."""
    series, steps, samples = values.shape
    columns = np.moveaxis(values, -1, 0).reshape(samples, series * steps)
    mask = np.broadcast_to(there.T[:, None, :], (samples, series, steps)).reshape(samples, series * steps)
    return ranking.quantile(np.tile(q, series), columns, mask).reshape(series, steps)


def quantile_over_time(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Prometheus counts NaN as the smallest of all samples."""
    q = numbers(arguments[0])
    ranking.warn_of_quantiles(q, context.notes)

    def quantiles(batch: Batch) -> Values:
        found = np.full((len(batch.values), len(batch.low)), np.nan)
        for part, values, there in gathered(batch):
            found[:, part] = _quantiles(q[part], values, there)
        return found

    return _reduced(windows(arguments[1]), quantiles)


def smoothed(context: Context, arguments: Sequence[Argument]) -> Rows:
    """Holt's double exponential smoothing with a factor for the level and one for the trend."""
    factors = []
    for name, argument in (("smoothing", arguments[1]), ("trend", arguments[2])):
        factor = numbers(argument)
        wrong = ~((factor > 0) & (factor < 1))
        if wrong.any():
            short = "sf" if name == "smoothing" else "tf"
            raise failed(f"invalid {name} factor. Expected: 0 < {short} < 1, got: {factor[wrong][0]:f}")
        factors.append(factor)

    def holt(batch: Batch) -> tuple[Values, Mask]:
        found = np.full((len(batch.values), len(batch.low)), np.nan)
        for part, values, there in gathered(batch):
            if values.shape[-1] < 2:
                continue
            level_share, trend_share = factors[0][part], factors[1][part]
            before, level = np.zeros_like(values[:, :, 0]), values[:, :, 0]
            trend = values[:, :, 1] - values[:, :, 0]
            for index in range(1, values.shape[-1]):
                if index > 1:
                    trend = np.where(there[:, index], trend_share * (level - before) + (1 - trend_share) * trend, trend)
                moved = level_share * values[:, :, index] + (1 - level_share) * (level + trend)
                before = np.where(there[:, index], level, before)
                level = np.where(there[:, index], moved, level)
            found[:, part] = level
        return found, (batch.counts >= 2)[None, :]

    return windows(arguments[0]).each(holt).unnamed(across_steps=True)


OVER_TIME: dict[str, Function] = {
    "sum_over_time": over_time(total),
    "avg_over_time": over_time(mean),
    "min_over_time": over_time(least),
    "max_over_time": over_time(most),
    "count_over_time": over_time(count),
    "present_over_time": over_time(present),
    "last_over_time": over_time(last, keeps_name=True),
    "first_over_time": over_time(first, keeps_name=True),
    "stdvar_over_time": over_time(variance),
    "stddev_over_time": over_time(deviation),
    "mad_over_time": over_time(median_deviation),
    "quantile_over_time": quantile_over_time,
    "double_exponential_smoothing": smoothed,
    "holt_winters": smoothed,
}
