"""The times at which the world is scraped: a fine grid for the last hours and from now on, a coarse one for older days.

Both grids are anchored at the epoch and cut into *blocks*, the unit of the random draws (see ``draws.py``). A scrape
at time ``t`` reports what happened in the step that ends at ``t``, so a block holds the scrapes after its start up to
and including its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""One value for each time of a window, shape (T,); or (1,) where a value does not depend on time."""

HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Window:
    """Successive scrapes within one block."""

    times: Floats
    """Seconds since the epoch, ascending."""
    step: float
    """Seconds that each scrape covers."""
    block: str
    """Name of the block, unique among all grids."""

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, first: int, end: int) -> Window:
        """The scrapes ``first`` to ``end`` - 1."""
        return Window(self.times[first:end], self.step, self.block)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every how many seconds there is a scrape, and how many seconds a block has (a multiple of it)."""

    name: str
    step: float
    block: float

    def windows(self, after: float, until: float) -> Iterator[Window]:
        """The scrapes in (``after``, ``until``], one window for each block that they touch."""
        first = math.floor(after / self.step) + 1
        last = math.floor(until / self.step)
        each = round(self.block / self.step)
        while first <= last:
            number = (first - 1) // each
            end = min(last, (number + 1) * each)
            yield Window(np.arange(first, end + 1, dtype=np.float64) * self.step, self.step, f"{self.name}{number}")
            first = end + 1

    def floor(self, at: float) -> float:
        """The start of the block that ``at`` lies in."""
        return math.floor(at / self.block) * self.block


FINE = Grid("f", 15.0, HOUR)
PAST = Grid("p", 300.0, DAY)
ROUGH = Grid("r", 3 * HOUR, 30 * DAY)
"""For expectations over weeks, where no draws are made."""
