"""Sequential comparison of two event rates: e-processes that may be looked at as often as one likes.

Events and exposures of two arms come per interval. The line of the null hypothesis is ``rate_canary = ratio *
rate_stable + extra``; the evidence against lying under it (``above``) or over it grows as a product of bets:

    theta ** events_canary * phi ** events_stable * exp(-exposure_canary * extra * (theta - 1)),
    phi = 1 - ratio * (exposure_canary / exposure_stable) * (theta - 1)

For Poisson events its expectation is ``exp(exposure_canary * (rate_canary - line) * (theta - 1))``: at most 1 under the
null hypothesis, whatever the rate of stable is in that interval and however the traffic is split; for Bernoulli events
it is less. So the product is a supermartingale, and by Ville's inequality it ever reaches ``1 / alpha`` with
probability ``alpha`` at most. With ``extra = 0`` it is the conditional binomial rate-ratio test; ``extra`` makes
margins in percentage points exact too, also when stable has no events at all.

Bets are averaged over a grid of rate ratios and over the time at which the canary may have changed: most of the weight
starts with it, the rest is spread over two weeks of intervals, so that hours of good behaviour do not hide a late
regression. Everything at an interval depends on that interval and on earlier ones alone; they may differ in length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triage.signals.intervals import joints, lengths, stretches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NOTHING_ADDED = 1e-9
"""Change of ``ln e`` that is rounding."""
RATIOS = (1.1, 1.3, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 4.5, 5.0)
"""How many times beyond the line the canary is taken to be; under the line, their inverses."""
NEAR_RATIOS = (1.02, 1.05, 1.1, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
"""As many, for a canary that is taken to be as good as stable, which a margin of a few percent makes close to its
line."""
FIRST_WEIGHT = 0.95
"""Weight of the bets that start with the canary."""
LATER_STARTS = 2520
"""Intervals over which the rest of the weight starts: as many as there are in sixteen days."""
_HIGHEST = 1e250
_LEAST_INTERVALS = 30
_LEAST_PAIRS = 10
_BLOCK = 5


@dataclass(frozen=True, slots=True)
class Counts:
    """Events and exposures of one arm, one pair for each interval. An interval that nothing is known of has 0 and 0."""

    events: tuple[float, ...]
    exposure: tuple[float, ...]
    """Requests, or whatever the events are a share of."""

    def __post_init__(self) -> None:
        if len(self.events) != len(self.exposure):
            raise ValueError("events and exposures differ in length")

    @property
    def total_events(self) -> float:
        return math.fsum(self.events)

    @property
    def total_exposure(self) -> float:
        return math.fsum(self.exposure)

    @property
    def rate(self) -> float | None:
        """Events per exposure; None without exposure."""
        exposure = self.total_exposure
        return self.total_events / exposure if exposure > 0 else None

    def first(self, n: int) -> Counts:
        """The first ``n`` intervals."""
        return Counts(self.events[:n], self.exposure[:n])

    def last(self, n: int) -> Counts:
        """The last ``n`` intervals."""
        return Counts(self.events[-n:], self.exposure[-n:]) if n > 0 else NOTHING


NOTHING = Counts((), ())


@dataclass(frozen=True, slots=True)
class Comparison:
    """One question: does the canary lie beyond ``ratio * stable + extra``?"""

    canary: Counts
    stable: Counts
    """As long as ``canary``. With ``ratio`` 0 it is not looked at: then ``extra`` alone is the line."""
    ratio: float
    extra: float
    """Events per exposure; negative for a line below stable's rate."""
    above: bool
    """True: evidence grows when the canary is over the line; False: when it is under."""
    dispersion: tuple[float, ...]
    """Variance over mean of the counts, for each interval; infinite where it is not known yet: no bet is made."""
    cap: float = math.inf
    """What one interval may add to the logarithm of one bet, so that a moment is not remembered for hours."""
    ratios: tuple[float, ...] = RATIOS
    """Of the bets; as many in all comparisons that are computed together."""


def log_evidence(comparisons: Sequence[Comparison]) -> tuple[tuple[float, ...], ...]:
    """For each comparison the natural logarithm of its e-process after each interval. Starts from 0.

    All comparisons must have equally many intervals; ValueError otherwise.
    """
    if not comparisons:
        return ()
    lengths = {len(arm.events) for c in comparisons for arm in (c.canary, c.stable)} | {
        len(c.dispersion) for c in comparisons}
    if len(lengths) != 1:
        raise ValueError("comparisons of one batch need the same intervals")
    import numpy as np  # here: screens read the words of a verdict before numpy is needed

    return accumulate(np.stack([np.minimum(_increments(c), c.cap) for c in comparisons], axis=1))


@dataclass(frozen=True, slots=True)
class Lately:
    """The newest intervals that speak for one bet, as long as they go back."""

    evidence: float
    """What they added to the logarithm of the bet, 0 when the newest interval spoke against every bet."""
    first: int
    """Index of the first of them."""


def lately(comparisons: Sequence[Comparison], most: Sequence[float]) -> tuple[Lately, ...]:
    """For each comparison what its newest intervals say, whatever was before: the largest sum of a bet's last terms.

    ``most``: what each interval may add, so that a moment is no stretch. This is Page's cumulative sum (Biometrika 41,
    1954): it tells that something has changed long before all that is known says so, and is no proof over many looks.
    """
    import numpy as np

    return tuple(newest_terms(np.minimum(_increments(c), np.array(most)[:, None])) for c in comparisons)


def newest_terms(terms: Any) -> Lately:
    """The largest sum of the last rows in any column of ``terms``, an array of intervals by bets."""
    import numpy as np

    sums = np.concatenate((np.zeros((1, terms.shape[1])), np.cumsum(terms, axis=0)))
    bet = int(np.argmax(sums[-1] - sums.min(axis=0)))
    # The last of equal ones: an interval without data begins nothing.
    first = len(sums) - 1 - int(np.argmin(sums[::-1, bet]))
    return Lately(float(sums[-1, bet] - sums[first, bet]), first)


def _increments(comparison: Comparison) -> Array:
    """Logarithms of the bets, intervals by ratios."""
    import numpy as np

    canary, stable = comparison.canary, comparison.stable
    events_c, exposure_c = np.array(canary.events)[:, None], np.array(canary.exposure)[:, None]
    events_s, exposure_s = np.array(stable.events)[:, None], np.array(stable.exposure)[:, None]
    times = np.array([r if comparison.above else 1 / r for r in comparison.ratios])[None, :]
    if comparison.ratio == 0:
        theta, log_phi = np.broadcast_to(times, (len(canary.events), times.size)), np.zeros((1, 1))
        known = exposure_c > 0
    else:
        # Without exposure of one arm there is nothing to compare with.
        known = (exposure_c > 0) & (exposure_s > 0)
        canary_side = np.where(known, comparison.ratio * exposure_c, 1.0)
        both = canary_side + np.where(known, exposure_s, 1.0)
        share = both / (both + (times - 1) * canary_side)
        theta, log_phi = times * share, np.log(share)
    gains = events_c * np.log(theta) + events_s * log_phi - exposure_c * comparison.extra * (theta - 1)
    result: Array = np.where(known, gains, 0.0) / np.array(comparison.dispersion)[:, None]
    return result


def accumulate(increments: Any) -> tuple[tuple[float, ...], ...]:
    """Logarithms of the mixtures of products of bets. Each bet's expectation must be 1 at most, given the past.

    ``increments``: logarithms of the bets, an array of intervals by comparisons by grid.
    """
    import numpy as np

    intervals, comparisons, grid = increments.shape
    # No product of a factor and the highest one overflows.
    factors = np.exp(np.minimum(increments, 100.0))
    products = np.full((comparisons, grid), FIRST_WEIGHT)
    later, waiting = (1 - FIRST_WEIGHT) / LATER_STARTS, 1 - FIRST_WEIGHT
    evidence = np.empty((intervals, comparisons))
    for t in range(intervals):
        # A product beyond this has long decided; infinity would make the next zero of it NaN.
        products = np.minimum(products * factors[t], _HIGHEST)
        evidence[t] = products.sum(axis=1) / grid + waiting
        if t < LATER_STARTS:
            products += later
            waiting = max(0.0, waiting - later)
    return tuple(tuple(row) for row in np.log(np.maximum(evidence, 1e-300)).T.tolist())


def dispersions(stable: Counts, before: Counts = NOTHING) -> tuple[float, ...]:
    """Variance over mean of stable's counts as known *before* each of its intervals; at least 1.

    From differences of neighbouring rates, so that a slow trend is no dispersion, over single intervals and over blocks
    of five (bursts that last); the larger one counts, where it is beyond 1 by more than 1.25 standard errors.
    ``before`` are stable's intervals before the canary, of the shortest length. Infinite until thirty intervals are
    known. Where intervals get longer, everything before them is taken in intervals as long: what hangs together for
    minutes shows only there. What it costs in false alarms is measured in the tests: less than alpha, far less where a
    deviation must last.
    """
    if not stable.events:
        return ()
    import numpy as np

    events = np.array(before.events + stable.events)
    exposure = np.array(before.exposure + stable.exposure)
    result: list[float] = []
    for each in stretches(len(stable.events)):
        at = joints(len(before.events), each.first + each.count, each.length)
        found = _known(*(np.add.reduceat(values[:at[-1]], at[:-1]) for values in (events, exposure)))
        result += found[-each.count - 1:-1].tolist()
    return tuple(result)


def _known(events: Array, exposure: Array) -> Array:
    """The larger estimate, as :func:`_dispersion` gives them; infinite where too little is known."""
    import numpy as np

    found = np.maximum(_dispersion(events, exposure, 1), _dispersion(events, exposure, _BLOCK))
    seen = np.concatenate(([0], np.cumsum(exposure > 0)))
    known: Array = np.where(seen < _LEAST_INTERVALS, math.inf, found)
    return known


def _dispersion(events: Array, exposure: Array, block: int) -> Array:
    """One estimate for each number of known intervals, from none to all: the k-th knows k intervals."""
    import numpy as np

    result = np.ones(len(events) + 1)
    blocks = len(events) // block
    if blocks < 2:
        return result
    x = events[:blocks * block].reshape(blocks, block).sum(axis=1)
    e = exposure[:blocks * block].reshape(blocks, block).sum(axis=1)
    full = np.flatnonzero(e > 0)
    if len(full) < 2:
        return result
    x, e = x[full], e[full]
    squares = np.diff(x / e) ** 2 / (1 / e[1:] + 1 / e[:-1])
    # Without the largest: the moment at which everything got worse for good is a step, not dispersion.
    squares = np.cumsum(squares) - np.maximum.accumulate(squares)
    pairs = np.arange(1, len(x))
    rates = (np.cumsum(x) / np.cumsum(e))[1:]
    means = (np.cumsum(x) / np.arange(1, len(x) + 1))[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(rates > 0, squares / (pairs * rates), 1.0)
        # Of neighbouring differences: 3 / pairs for a normal count, 1 / mean more for a Poisson one.
        error = np.where(means > 0, np.sqrt((3 + 1 / means) / pairs), math.inf)
    # Once there is dispersion, its own uncertainty is added: too small a one is what makes false alarms.
    shown = (pairs >= _LEAST_PAIRS) & (estimate > 1 + 1.25 * error)
    estimate = np.where(shown, estimate * (1 + 3 * np.sqrt(3 / pairs)), 1.0)
    ends = (full[1:] + 1) * block
    which = np.searchsorted(ends, np.arange(len(result)), side="right") - 1
    known: Array = np.where(which >= 0, estimate[np.maximum(which, 0)], 1.0)
    return known


def holds(log_e: Sequence[float], threshold: float) -> bool:
    """Whether what was proven at ``threshold`` after some interval has not been outweighed by what came since.

    It goes on until the evidence is used up (0), so that nothing flaps while it hovers about the threshold.
    """
    held = False
    for level in log_e:
        held = level >= threshold or (held and level >= 0)
    return held


def first_reached(log_e: Sequence[float], threshold: float, start: int = 0) -> int | None:
    """Index of the first interval from ``start`` on after which the evidence is at least ``threshold``; None: never."""
    return next((k for k in range(start, len(log_e)) if log_e[k] >= threshold), None)


def first_sustained(log_e: Sequence[float], threshold: float, intervals: int, start: int = 0) -> int | None:
    """As :func:`first_reached`, for a deviation that must outlast ``intervals`` of the shortest; None: never.

    Of what the strongest stretch of so many intervals (or fewer) added, only half of the threshold counts: the other
    half must come from elsewhere. Intervals that add nothing, as those without data do, are none of a stretch: while
    nobody looked nothing lasted. Evidence is only taken away, so this is reached no more often by chance.
    """
    if max(log_e, default=0.0) < threshold:
        return None
    # What was added up to each interval that added something, and how much of the shortest those make up.
    levels, ends = [0.0], [0]
    most, begun = 0.0, 0
    for k, (level, length) in enumerate(zip(log_e, lengths(len(log_e)), strict=True)):
        if intervals > 0 and abs(level - levels[-1]) > _NOTHING_ADDED:
            end = ends[-1] + length
            while begun + 1 < len(ends) and end - ends[begun + 1] >= intervals:
                begun += 1
            most = max(most, level - min(levels[begun:]))
            levels.append(level)
            ends.append(end)
        if k >= start and level - max(0.0, most - threshold / 2) >= threshold:
            return k
    return None


def always_valid_p(log_e: Sequence[float]) -> float:
    """The p-value that holds however often it was looked at: the least of 1 and of all ``1 / e``."""
    return math.exp(-max(0.0, max(log_e, default=0.0)))


def growth(canary_rate: float, stable_rate: float, stable_per_canary: float, ratio: float, extra: float, *,
           above: bool) -> float:
    """Expected gain in ``ln e`` for each exposure of the canary under the best of the near bets; 0 when none gains.

    ``stable_per_canary``: exposures of stable for each one of the canary.
    """
    best = 0.0
    for times in NEAR_RATIOS if above else tuple(1 / r for r in NEAR_RATIOS):
        both = ratio + stable_per_canary
        share = both / (both + (times - 1) * ratio) if both > 0 else 1.0
        theta = times * share
        best = max(best, canary_rate * math.log(theta) + stable_per_canary * stable_rate * math.log(share)
                   - extra * (theta - 1))
    return best
