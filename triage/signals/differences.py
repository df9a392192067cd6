"""Difference of two gauges that were read side by side, from a moving-block bootstrap; or the reason for no test.

Scrapes of a gauge depend on each other, so none is counted as an independent observation: blocks are longer than the
correlation lasts. The bootstrap holds for one look; so it looks only when the data have doubled, and each look spends a
part of alpha (``alpha / (j * (j + 1))`` at the j-th), which sums to alpha over all looks.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FIRST_LOOK = 60
"""Pairs of values before the first look."""
_FEWEST_BLOCKS = 12
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the difference canary minus stable, in the unit of the gauge."""

    pairs: int
    index: int
    """Of the interval after which it was taken."""
    stable: float
    """Median of stable."""
    difference: float
    """Median of the differences."""
    low: float
    high: float
    """Confidence interval of the difference at this look's share of alpha; infinite when there was no test."""
    block: int
    """Intervals in one block."""
    no_test: str = ""
    """Why there is none; "" when there is."""


def looks(canary: Sequence[float | None], stable: Sequence[float | None], alpha: float) -> tuple[Look, ...]:
    """All looks that the data allow, oldest first; empty under ``FIRST_LOOK`` pairs. None is a missing value."""
    import numpy as np  # here for the reason given in sequential

    known = [(i, c, s) for i, (c, s) in enumerate(zip(canary, stable, strict=True)) if c is not None and s is not None]
    found: list[Look] = []
    pairs, number = FIRST_LOOK, 1
    while pairs <= len(known):
        part = known[:pairs]
        differences = np.array([c - s for _, c, s in part])
        level = float(np.median([s for _, _, s in part]))
        found.append(_look(differences, level, part[-1][0], alpha / (number * (number + 1))))
        pairs, number = pairs * 2, number + 1
    return tuple(found)


def newest_look(canary: Sequence[float | None], stable: Sequence[float | None], block: int,
                alpha: float) -> Look | None:
    """A look at the newest pairs alone, as few as can be tested in blocks of ``block``; None under ``FIRST_LOOK``.

    It is taken anew with every pair, so what it finds is no proof: ``alpha`` holds for one of them.
    """
    import numpy as np

    known = [(i, c, s) for i, (c, s) in enumerate(zip(canary, stable, strict=True)) if c is not None and s is not None]
    part = known[-max(FIRST_LOOK, _FEWEST_BLOCKS * block):]
    if len(part) < FIRST_LOOK:
        return None
    differences = np.array([c - s for _, c, s in part])
    return _look(differences, float(np.median([s for _, _, s in part])), part[-1][0], alpha)


def look_that_tells(look: Look, tolerated: float) -> int:
    """Pairs of the first look that is about narrow enough to show arms that are alike inside ``tolerated``, above 0."""
    half = (look.high - look.low) / 2
    due = FIRST_LOOK
    while due < look.pairs * (half / tolerated) ** 2:
        due *= 2
    return due


def next_look(pairs: int) -> int:
    """Pairs at which the next look is due."""
    due = FIRST_LOOK
    while due <= pairs:
        due *= 2
    return due


def _look(differences: Array, stable: float, index: int, alpha: float) -> Look:
    import numpy as np

    n, middle = len(differences), float(np.median(differences))
    lasting = _correlation_length(differences)
    block = max(5, math.ceil(3 * lasting))
    blocks = n // block

    def without(reason: str) -> Look:
        return Look(n, index, stable, middle, -math.inf, math.inf, block, reason)
    if float(np.ptp(differences)) == 0:
        return without("the difference never changes")
    if blocks < _FEWEST_BLOCKS:
        return without(f"its values hang together over {block} intervals: too few independent ones")
    # From the order of the data, which no unit changes: the same data give the same interval.
    seed = zlib.crc32(np.argsort(differences, kind="stable").astype(np.int64).tobytes())
    starts = np.random.default_rng(seed).integers(0, n, size=(_DRAWS, blocks))
    picks = (starts[:, :, None] + np.arange(block)[None, None, :]).reshape(_DRAWS, -1) % n
    spread = float(np.std(np.median(differences[picks], axis=1)))
    if spread == 0:
        return without("its values are too few different ones")
    # What hangs together across the ends of blocks is lost to them: (tau - 1 / tau) / (2 * block) of the variance for
    # neighbours that depend on each other (Künsch, Annals of Statistics 17, 1989).
    spread /= math.sqrt(1 - (lasting - 1 / lasting) / (2 * block))
    z = NormalDist().inv_cdf(1 - alpha / 2)
    # Student's quantile (Cornish and Fisher, second term): the spread is itself estimated, from as many blocks.
    df = blocks - 1
    wide = (z + (z ** 3 + z) / (4 * df) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * df ** 2)) * spread
    return Look(n, index, stable, middle, middle - wide, middle + wide, block)


def _correlation_length(values: Array) -> float:
    """Integrated autocorrelation time in intervals (Sokal's window: five times itself); 1 for independent values."""
    centred = values - values.mean()
    variance = float(centred @ centred)
    if variance <= 0:
        return 1.0
    total = 1.0
    for lag in range(1, len(values) // 2):
        total += 2 * float(centred[:-lag] @ centred[lag:]) / variance
        if lag >= 5 * total:
            break
    return max(1.0, total)
