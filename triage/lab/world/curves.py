"""Distributions of what is observed, and the shares of it that fall into a histogram's buckets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from triage.lab.world.grid import Floats


@cache
def _normal() -> tuple[Floats, Floats]:
    """Points and values of the cumulative normal distribution."""
    points = np.linspace(-4.5, 4.5, 181)
    return points, np.array([0.5 * (1 + math.erf(p / math.sqrt(2))) for p in points])


class Curve:
    """A distribution of positive values: its cumulative share is a chain of straight lines over the logarithm.

    It can be stretched: ``factor`` 2 means that every value is twice as large.
    """

    def __init__(self, logarithms: Floats, cumulative: Floats) -> None:
        self._points = logarithms
        self._cumulative = cumulative

    @classmethod
    def counted(cls, edges: Sequence[float], counts: Sequence[float]) -> Curve:
        """From a reference: counts of training rows up to each edge, and one more beyond the last."""
        low, high = edges[0] / 4, edges[-1] * 4
        share = np.cumsum(np.asarray(counts, dtype=np.float64)) / sum(counts)
        return cls(np.log([low, *edges, high]), np.concatenate([[0.0], share]))

    @classmethod
    def lognormal(cls, median: float, sigma: float) -> Curve:
        """The usual look of durations; ``sigma`` is the standard deviation of the logarithm."""
        points, cumulative = _normal()
        return cls(points * sigma + math.log(median), cumulative)

    def shares(self, bounds: Floats, factor: Floats | float = 1.0) -> Floats:
        """Shares in the buckets that end at ``bounds`` and in the one beyond: (K + 1,), or (T, K + 1) for (T,) factors.

        ``factor`` must be positive.
        """
        logs = np.log(bounds)
        shift = np.log(np.atleast_1d(factor))
        within = np.interp(logs - shift[:, None], self._points, self._cumulative, left=0.0, right=1.0)
        shares: Floats = np.diff(within, axis=1, prepend=0.0, append=1.0)
        return shares[0] if shares.shape[0] == 1 else shares


def mixed(base: Floats, other: Floats, share: Floats | float) -> Floats:
    """``base`` with ``share`` (a number or (T,)) of it replaced by ``other``; both are (K,) or (T, K)."""
    part: Floats = np.atleast_1d(np.asarray(share, dtype=np.float64))[:, None]
    result: Floats = base * (1 - part) + other * part
    return result[0] if result.shape[0] == 1 else result


def middles(bounds: Sequence[float]) -> Floats:
    """What an observation in each bucket is worth in ``_sum``: the geometric middle of its bucket."""
    edges = np.array([bounds[0] / 3, *bounds, bounds[-1] * 2.25])
    worth: Floats = np.sqrt(edges[:-1] * edges[1:])
    return worth
