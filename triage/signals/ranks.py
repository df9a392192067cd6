"""Rank comparison of two latency distributions that come as buckets, interval by interval and safe to look at.

The effect is the probability that a request of the canary takes longer than one of stable (Mann and Whitney's ``U``
over the number of pairs, ties half): 0.5 when both are alike. Stable is first slowed down by the margin, so that "not
slower than allowed" is 0.5 or less. Arms are compared within one interval only: what hits both at once cancels, and
however many requests of an interval depend on each other, its ``U`` lies between 0 and 1. Bets on it
(``1 + lambda * (U - 0.5)``; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", 2024)
make an e-process without an assumption about its variance. Within a bucket observations are taken as even.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from triage.signals.histogram import Buckets, merged, quantile
from triage.signals.sequential import Lately, accumulate, newest_terms

_LAMBDAS = (0.1, 0.2, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9)
"""Shares of the capital that are bet; 2 would risk all of it."""
_OCCUPIED = 0.02
_FEWEST_BUCKETS = 3


@dataclass(frozen=True, slots=True)
class Percentiles:
    """p50, p95 and p99 of one arm in seconds."""

    p50: float | None
    p95: float | None
    p99: float | None
    at_least: bool = False
    """The last one lies beyond the last finite bucket: the truth is that or more."""


@dataclass(frozen=True, slots=True)
class RankEvidence:
    """What ranks say about a canary's latencies."""

    effect: float | None
    """Probability that a request of the canary takes longer than one of stable, 0 to 1; None without observations."""
    slower: tuple[float, ...]
    """After each interval the logarithm of the evidence that the canary is slower by more than the margin."""
    not_slower: tuple[float, ...]
    """The same for the contrary: that it is inside the margin."""
    expected: float | None
    """The effect against the slowed-down stable when both arms are alike: what a decision must tell from 0.5."""
    too_coarse: bool
    """Fewer than three buckets hold more than 2 % of the observations: a shift cannot be seen."""
    lately: Lately
    """What the newest intervals say for its being slower by more than the margin."""


def superiority(canary: Buckets, stable: Buckets, slowdown: float = 1.0) -> float | None:
    """Probability that the canary takes longer than ``slowdown`` times stable, ties half. None when one is empty.

    Observations beyond the last finite bucket of both are ties.
    """
    if canary.total <= 0 or stable.total <= 0 or len(canary.bounds) < 2 or len(stable.bounds) < 2:
        return None
    knots = [0.0 if stable.bounds[0] > 0 else stable.bounds[0] * slowdown,
             *(b * slowdown for b in stable.bounds[:-1])]
    shares = [0.0, *(c / stable.total for c in stable.counts[:-1])]
    areas = [0.0]
    for i in range(1, len(knots)):
        areas.append(areas[-1] + (knots[i] - knots[i - 1]) * (shares[i] + shares[i - 1]) / 2)

    def below(x: float) -> float:
        """Share of stable under ``x``."""
        i = bisect.bisect_right(knots, x) - 1
        if i < 0:
            return 0.0
        if i >= len(knots) - 1:
            return shares[-1]
        return shares[i] + (shares[i + 1] - shares[i]) * (x - knots[i]) / (knots[i + 1] - knots[i])

    def area(x: float) -> float:
        """The integral of ``below`` up to ``x``."""
        i = bisect.bisect_right(knots, x) - 1
        if i < 0:
            return 0.0
        return areas[i] + (x - knots[i]) * (shares[i] + below(x)) / 2

    total, before = 0.0, 0.0
    lower = 0.0 if canary.bounds[0] > 0 else canary.bounds[0]
    for bound, cumulative in zip(canary.bounds[:-1], canary.counts[:-1], strict=True):
        inside = cumulative - before
        if inside > 0:
            total += inside * ((area(bound) - area(lower)) / (bound - lower) if bound > lower else below(bound))
        before, lower = cumulative, bound
    return (total + (canary.total - before) * (1 + shares[-1]) / 2) / canary.total


def percentiles(buckets: Buckets | None) -> Percentiles:
    """The percentiles of one arm; None each without observations."""
    found = [quantile(buckets, q) if buckets is not None else None for q in (0.5, 0.95, 0.99)]
    p50, p95, p99 = (None if f is None else f[0] for f in found)
    return Percentiles(p50, p95, p99, found[2] is not None and found[2][1])


def rank_evidence(canary: Sequence[Buckets | None], stable: Sequence[Buckets | None],
                  margin: float, most_lately: Sequence[float]) -> RankEvidence:
    """Ranks of both arms on one grid of intervals; None where nothing is known. ``margin``: share that may be added.
    ``most_lately``: what each interval may say of the present (:func:`~triage.signals.sequential.lately`).

    An interval counts by its observations, compared with the largest so far: a minute with three requests says little.
    """
    import numpy as np  # here for the reason given in sequential

    both_canary, both_stable = (merged([b for b in arm if b is not None]) for arm in (canary, stable))
    leans: list[float] = []
    largest = 0.0
    for one, other in zip(canary, stable, strict=True):
        u = superiority(one, other, 1 + margin) if one is not None and other is not None else None
        if u is None or one is None or other is None:
            leans.append(0.0)
            continue
        weight = 1 / (1 / one.total + 1 / other.total)
        largest = max(largest, weight)
        leans.append((u - 0.5) * weight / largest)
    lean = np.array(leans)[:, None, None] * np.array([1.0, -1.0])[None, :, None] * np.array(_LAMBDAS)[None, None, :]
    terms = np.log1p(lean)
    slower, not_slower = accumulate(terms)
    effect = superiority(both_canary, both_stable) if both_canary is not None and both_stable is not None else None
    expected = superiority(both_stable, both_stable, 1 + margin) if both_stable is not None else None
    now = newest_terms(np.minimum(terms[:, 0], np.array(most_lately)[:, None]))
    return RankEvidence(effect, slower, not_slower, expected, _too_coarse(both_canary, both_stable), now)


def rank_growth(expected: float) -> float:
    """Expected gain in ``ln e`` for each interval when the effect against the slowed-down stable is ``expected``."""
    return max(math.log1p(share * abs(0.5 - expected)) for share in _LAMBDAS)


def _too_coarse(*arms: Buckets | None) -> bool:
    whole = merged([arm for arm in arms if arm is not None])
    if whole is None or whole.total <= 0:
        return True
    parts = [c - b for c, b in zip(whole.counts, (0.0, *whole.counts[:-1]), strict=True)]
    return sum(part > _OCCUPIED * whole.total for part in parts) < _FEWEST_BUCKETS
