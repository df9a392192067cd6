"""``histogram_quantile`` of classic histograms: cumulative buckets, one series for each upper bound ``le``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.arguments import Argument, numbers, rows
from triage.lab.promql.context import Context, Semantics
from triage.lab.promql.matching import METRIC_NAME, LabelSet, dropping, quoted
from triage.lab.promql.ranking import warn_of_quantiles
from triage.lab.promql.store import Values
from triage.lab.promql.values import Mask, Rows
from triage.lab.wire.numbers import read_number

_TOLERANCE = 1e-12
"""Relative decrease between buckets that counts as rounding (Prometheus promql/quantile.go, smallDeltaTolerance)."""
_SMALLEST = 2.2250738585072014e-308
_NOT_MONOTONIC = ("input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/"
                  "prometheus/latest/querying/functions/#histogram_quantile) for metric name ")


def histogram_quantile(context: Context, arguments: Sequence[Argument]) -> Rows:
    """The q-quantile of each histogram, by linear interpolation within its bucket."""
    q, vector = numbers(arguments[0]), rows(arguments[1])
    warn_of_quantiles(q, context.notes)
    group = dropping((METRIC_NAME, "le"))
    histograms: dict[LabelSet, list[tuple[float, int]]] = {}
    for number, key in enumerate(vector.keys):
        bound = _bound(key, context)
        if bound is not None:
            histograms.setdefault(group(key), []).append((bound, number))
    shape = (len(histograms), len(context.steps_ms))
    values, present = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
    for place, buckets in enumerate(histograms.values()):
        buckets.sort()
        own = [number for _, number in buckets]
        bounds = np.array([bound for bound, _ in buckets])
        name = dict(vector.keys[own[0]]).get(METRIC_NAME, "")
        present[place] = vector.present[own].any(axis=0)
        for there, steps in _patterns(vector.present[own]):
            counts = vector.values[own][there][:, steps]
            values[place, steps] = _quantile(q[steps], bounds[there], counts, name, context)
    return Rows.known(list(histograms), values, present)


def _bound(key: LabelSet, context: Context) -> float | None:
    labels = dict(key)
    text = labels.get("le", "")
    try:
        return read_number(text)
    except ValueError:
        context.notes.warn(f'bucket label "le" is missing or has a malformed value of {quoted(text)} for metric name '
                           + quoted(labels.get(METRIC_NAME, "")))
        return None


def _patterns(present: Mask) -> Iterator[tuple[Mask, Mask]]:
    """Steps at which the same buckets are there: (buckets, steps). Most histograms have one such pattern."""
    if present.all():
        yield present[:, 0], np.ones(present.shape[1], dtype=np.bool_)
        return
    found, which = np.unique(present, axis=1, return_inverse=True)
    for number in range(found.shape[1]):
        if found[:, number].any():
            yield found[:, number], which.ravel() == number


def _quantile(q: Values, bounds: Values, counts: Values, name: str, context: Context) -> Values:
    """Quantiles of one histogram at several steps (Prometheus promql/quantile.go, bucketQuantile).

    The highest bucket must be +Inf; a quantile that lies in it is its lower bound.
    ``counts``: buckets by steps, in ascending order of ``bounds``.
    """
    steps = counts.shape[1]
    outside = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan))
    starts = np.flatnonzero(np.append(True, bounds[1:] != bounds[:-1]))
    bounds, counts = bounds[starts], np.add.reduceat(counts, starts, axis=0)
    if bounds[-1] != np.inf or len(bounds) < 2:
        return outside
    counts = _rising(counts, name, context)
    rank = q * counts[-1]
    columns = np.arange(steps)
    bucket = _search(counts, rank)
    below = np.maximum(bucket - 1, 0)
    first = bucket == 0
    begin = np.where(first, 0.0, bounds[below])
    before = np.where(first, 0.0, counts[below, columns])
    share = (rank - before) / (counts[bucket, columns] - before)
    found = begin + (bounds[bucket] - begin) * share
    found = np.where(first & (bounds[0] <= 0), bounds[0], found)
    found = np.where(bucket == len(bounds) - 1, bounds[-2], found)
    found = np.where(counts[-1] == 0, np.nan, found)
    return np.where((q >= 0) & (q <= 1), found, outside)


def _search(counts: Values, rank: Values) -> NDArray[np.intp]:
    """The first bucket whose count reaches the rank, but the last one in any case.

    Bisection as Go's ``sort.Search`` does it: with NaN among the counts it ends elsewhere than a scan.
    """
    low = np.zeros(len(rank), dtype=np.intp)
    high = np.full(len(rank), len(counts) - 1, dtype=np.intp)
    while (searching := low < high).any():
        middle = (low + high) // 2
        reached = counts[middle, np.arange(len(rank))] >= rank
        low = np.where(searching & ~reached, middle + 1, low)
        high = np.where(searching & reached, middle, high)
    return low


def _rising(counts: Values, name: str, context: Context) -> Values:
    """Cumulative counts that never fall, as scrapes and rates of single buckets may make them.

    Prometheus 3 takes differences of a rounding error for none at all, and says when it had to raise a bucket.
    """
    fixed = counts.copy()
    highest = fixed[0].copy()
    raised = False
    for row in fixed[1:]:
        falls = row < highest
        if context.semantics is Semantics.V2:
            row[falls] = highest[falls]
            highest = np.where(row > highest, row, highest)
            continue
        alike = _almost_equal(row, highest)
        raised = raised or bool(np.any(falls & ~alike))
        row[falls | alike] = highest[falls | alike]
        highest = row.copy()
    if raised:
        context.notes.inform(_NOT_MONOTONIC + quoted(name))
    return fixed


def _almost_equal(left: Values, right: Values) -> Mask:
    """Prometheus util/almost: equal, or apart by a relative error."""
    apart, size = np.abs(left - right), np.minimum(np.abs(left) + np.abs(right), np.finfo(np.float64).max)
    near_zero = (left == 0) | (right == 0) | (size < _SMALLEST)
    close = np.where(near_zero, apart < _TOLERANCE * _SMALLEST, apart / size < _TOLERANCE)
    return np.asarray((left == right) | close | (np.isnan(left) & np.isnan(right)))
