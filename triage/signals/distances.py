"""Distances between two distributions over the same bins, the two-sample chi-square test, and many tests at once.

``p`` are shares of the reference, ``q`` of the present, as long as each other, each summing to 1. Formulas: Yurdakul,
Statistical Properties of the Population Stability Index (2018), for PSI; Lin, IEEE Trans. Inf. Theory 37 (1991), for
Jensen-Shannon; the rest are textbook definitions. What a distance needs against empty bins is ``binning.smoothed``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add
from types import MappingProxyType

from triage.signals.tails import chi_square_tail

Shares = Sequence[float]
MIN_EXPECTED = 5.0
"""Events that a bin should hold in either sample for the chi-square test to keep its level (Cochran 1954)."""
_BEYOND_CHANCE = math.log(1e4)
"""Chernoff's bound: without drift a bin comes to more of one sample than that at most once in ten thousand times."""


def psi(p: Shares, q: Shares) -> float:
    """Population stability index: sum of (q - p) ln(q / p), symmetric; infinite where one side of a bin is empty."""
    return math.fsum(psi_parts(p, q))


def psi_parts(p: Shares, q: Shares) -> list[float]:
    """What each bin adds to the PSI; never negative."""
    log = math.log
    return [0.0 if a == b else math.inf if not (a and b) else (b - a) * log(b / a)
            for a, b in zip(p, q, strict=True)]


def kullback_leibler(p: Shares, q: Shares) -> float:
    """KL(p || q) in nats: what coding the reference's events by the present's shares costs. Not symmetric."""
    # Rounding may leave a hair under zero for equal shares.
    return max(0.0, math.fsum(0.0 if not a else math.inf if not b else a * math.log(a / b)
                              for a, b in zip(p, q, strict=True)))


def jensen_shannon(p: Shares, q: Shares) -> float:
    """Jensen-Shannon *distance* (root of the divergence), base 2: 0 to 1. Natural-log tools show 0.8326 times this."""
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    divergence = (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
    return math.sqrt(min(1.0, max(0.0, divergence / math.log(2))))


def hellinger(p: Shares, q: Shares) -> float:
    """Hellinger distance, 0 to 1."""
    squares = math.fsum((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(p, q, strict=True))
    return min(1.0, math.sqrt(squares / 2))


def total_variation(p: Shares, q: Shares) -> float:
    """Share of events that would have to move to make both equal, 0 to 1."""
    return min(1.0, math.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2)


def kolmogorov_smirnov(p: Shares, q: Shares) -> float:
    """Largest difference of the cumulative shares at the edges, 0 to 1: a lower bound of the samples' own statistic.

    Only for ordered bins. What happens inside a bin cannot be seen, so a p-value from it is conservative.
    """
    gaps = accumulate(b - a for a, b in zip(p, q, strict=True))
    return min(1.0, max((abs(gap) for gap in gaps), default=0.0))


METHODS: Mapping[str, Callable[[Shares, Shares], float]] = MappingProxyType({
    "psi": psi, "kl": kullback_leibler, "js": jensen_shannon, "hellinger": hellinger, "tv": total_variation,
    "ks": kolmogorov_smirnov})
"""By the names of the manifest."""
METHOD_WORDS: Mapping[str, str] = MappingProxyType({
    "psi": "PSI", "kl": "KL divergence", "js": "Jensen-Shannon distance, base 2", "hellinger": "Hellinger distance",
    "tv": "total variation", "ks": "KS distance at the edges"})
NEEDS_SMOOTHING = frozenset({"psi", "kl"})
"""Infinite where a bin is empty; the others are finite there, and smoothing would only dilute them."""


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """The two-sample chi-square test."""

    statistic: float
    dof: int
    """Bins that hold anything, less one; 0: nothing to compare."""
    p_value: float


def chi_square(reference: Sequence[float], current: Sequence[float]) -> ChiSquare:
    """Whether two samples of counts come from one distribution: both are noisy, totals may differ, no Yates correction.

    Sum of (M n_i - N m_i)^2 / (n_i + m_i) / (N M), as ROOT's ``Chi2Test`` and a contingency table of two rows. A test
    that takes the reference for the truth instead (Evidently's) cries wolf half of the time when both are as large.
    """
    n, m = math.fsum(reference), math.fsum(current)
    if n <= 0 or m <= 0:
        return ChiSquare(0.0, 0, 1.0)
    statistic = 0.0
    filled = 0
    for a, b in zip(reference, current, strict=True):
        if a + b > 0:
            filled += 1
            statistic += (m * a - n * b) ** 2 / (a + b)
    statistic /= n * m
    return ChiSquare(statistic, filled - 1, chi_square_tail(statistic, filled - 1) if filled > 1 else 1.0)


def merged_for_test(reference: Sequence[float], current: Sequence[float], *, ordered: bool,
                    least: float = MIN_EXPECTED) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The bins pooled until each is expected to hold ``least`` events of either sample under no drift.

    Neighbours are pooled where bins are ordered; otherwise the smallest ones together. A bin that holds more of the
    smaller sample than chance could put there stands by itself, too: on a busy model that has left a bin, next to
    nothing is expected in it, and what the reference has there is the proof.
    """
    n, m = math.fsum(reference), math.fsum(current)
    pairs = list(zip(reference, current, strict=True))
    rarer = min(n, m) / (n + m) if n + m > 0 else 0.0
    if min(map(add, reference, current), default=0.0) * rarer >= least:
        return tuple(reference), tuple(current)
    if not ordered:
        pairs.sort(key=lambda pair: pair[0] + pair[1], reverse=True)
    found: list[tuple[float, float]] = []
    a = b = 0.0
    for more_a, more_b in pairs:
        a, b = a + more_a, b + more_b
        expected = (a + b) * rarer
        if expected >= least or _is_beyond_chance(a if n <= m else b, expected, least):
            found.append((a, b))
            a = b = 0.0
    if a + b > 0:
        rest = found.pop() if found else (0.0, 0.0)
        found.append((rest[0] + a, rest[1] + b))
    return tuple(a for a, _ in found), tuple(b for _, b in found)


def _is_beyond_chance(events: float, expected: float, least: float) -> bool:
    """Whether so many events, and ``least`` of them, are no chance where fewer are expected (of a Poisson count)."""
    return events >= least and events * math.log(events / expected) - events + expected >= _BEYOND_CHANCE


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p-value adjusted for their number: under ``q`` means that at most a share ``q`` of those is false.

    Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995); in the order given.
    """
    count = len(p_values)
    adjusted = [1.0] * count
    smallest = 1.0
    descending = sorted(range(count), key=lambda i: p_values[i], reverse=True)
    for position, index in enumerate(descending):
        smallest = min(smallest, p_values[index] * (count / (count - position)))
        adjusted[index] = smallest
    return tuple(adjusted)
