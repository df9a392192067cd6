"""Shares of events with honest intervals: one share, the difference of two, and whether two differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

from triage.signals.tails import normal_two_sided, normal_z

ERROR = 0.05
"""Two-sided error of the intervals: 95 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the limits it lies between at the stated error."""

    value: float
    low: float
    high: float


def wilson(events: float, n: float, error: float = ERROR) -> Interval:
    """The share ``events / n`` with Wilson's score interval (J. Am. Stat. Assoc. 22, 1927); ``n`` > 0, fractions too.

    Unlike the textbook interval it is not empty at 0 and at 1, and stays between them.
    """
    if n <= 0:
        raise ValueError("a share needs events")
    share = min(1.0, max(0.0, events / n))
    z = normal_z(error)
    spread = z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def difference(first: Interval, second: Interval) -> Interval:
    """``first - second`` of independent shares: Newcombe's hybrid score interval (Stat. Med. 17, 1998, method 10)."""
    gap = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(gap, gap - below, gap + above)


def same_share(events: float, n: float, other_events: float, other_n: float) -> float:
    """p-value, two-sided, of two shares being equal: z-test with the pooled share. 1 where nothing can be told."""
    if n <= 0 or other_n <= 0:
        return 1.0
    pooled = (events + other_events) / (n + other_n)
    variance = pooled * (1 - pooled) * (1 / n + 1 / other_n)
    if variance <= 0:
        return 1.0
    return normal_two_sided((events / n - other_events / other_n) / math.sqrt(variance))
