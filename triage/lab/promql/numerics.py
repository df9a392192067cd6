"""Sums that lose nothing, over groups of rows and over windows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.store import Values

_CANCELLED = 1e3
"""How much larger than its sum the terms of a window may be before the sum is made exactly."""


def grouped_sum(values: Values, starts: NDArray[np.intp]) -> Values:
    """Sums of the groups of rows that begin at ``starts``, each rounded about once.

    Prometheus sums with Neumaier's compensation, one term after the other. Here neighbours are added pairwise (Knuth's
    TwoSum keeps the error of each addition), which is as exact and takes log2(rows) steps in place of rows.
    """
    sizes = np.diff(np.append(starts, len(values)))
    lost = np.zeros_like(values)
    while sizes.size and sizes.max() > 1:
        begins = np.cumsum(sizes) - sizes
        rank = np.arange(len(values)) - np.repeat(begins, sizes)
        first = np.flatnonzero(rank % 2 == 0)
        paired = rank[first] + 1 < np.repeat(sizes, sizes)[first]
        left, right = first[paired], first[paired] + 1
        total = values[left] + values[right]
        moved = total - values[left]
        error = (values[left] - (total - moved)) + (values[right] - moved)
        values, error = values.copy(), lost[left] + lost[right] + error
        values[left], lost[left] = total, error
        values, lost, sizes = values[first], lost[first], (sizes + 1) // 2
    return values + np.where(np.isfinite(lost), lost, 0.0)


def window_sum(values: Values, low: NDArray[np.intp], high: NDArray[np.intp]) -> Values:
    """Sums of ``values[:, low:high]`` for each pair of bounds; 0 where a window is empty."""
    if not values.shape[1]:
        return np.zeros((len(values), len(low)))
    total = window_reduce(np.add, values, low, high)
    absolute = window_reduce(np.add, np.abs(values), low, high)
    filled = low < high
    total[:, ~filled] = 0.0
    # Where terms cancel, the order of additions shows: those few windows are summed exactly.
    doubtful = filled & np.isfinite(absolute) & (absolute > _CANCELLED * np.abs(total))
    for row, window in zip(*np.nonzero(doubtful), strict=True):
        total[row, window] = math.fsum(values[row, low[window]:high[window]].tolist())
    return total


def window_reduce(operation: np.ufunc, values: Values, low: NDArray[np.intp], high: NDArray[np.intp]) -> Values:
    """``operation`` over ``values[:, low:high]`` for each pair of bounds; anything where a window is empty."""
    bounds = np.empty(2 * len(low), dtype=np.intp)
    bounds[::2], bounds[1::2] = low, high
    # reduceat takes no bound at the end: one more column that no window holds. It reduces between every two
    # neighbours, so that every other answer is what lies between two windows.
    padded = np.concatenate((values, values[:, -1:]), axis=1)
    reduced: Values = operation.reduceat(padded, bounds, axis=1)[:, ::2]
    return reduced
