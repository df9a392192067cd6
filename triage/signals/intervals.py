"""The intervals of a trial: short ones while it is young, longer ones later, and what is past is never divided anew.

So whatever was read, and proven, of the first hours is the same for every later look. Lengths are in the shortest
interval: 720 of one, then 360 each of two, four, eight ..., so that as many lie before a length as it is long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

FIRST_INTERVALS = 720
"""Of the shortest length: twelve hours of minutes."""
LATER_INTERVALS = FIRST_INTERVALS // 2
"""Of each later length."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring intervals of one length."""

    first: int
    """Index of its first interval, of all of them."""
    count: int
    length: int
    """Of each, in the shortest interval."""
    begins: int
    """So many of the shortest after the first one's start."""

    @property
    def ends(self) -> int:
        """So many of the shortest after the first one's start."""
        return self.begins + self.count * self.length


def stretches(count: int) -> Iterator[Stretch]:
    """So many intervals by their lengths, in order; none of ``count`` 0."""
    first, length, most = 0, 1, FIRST_INTERVALS
    begins = 0
    while first < count:
        found = Stretch(first, min(most, count - first), length, begins)
        yield found
        first, begins = first + found.count, found.ends
        length, most = 2 * length, LATER_INTERVALS


def full_intervals(age: float) -> int:
    """How many are full once the first one began ``age`` of the shortest ago."""
    count, length, most, rest = 0, 1, FIRST_INTERVALS, age
    while rest >= most * length:
        count, rest = count + most, rest - most * length
        length, most = 2 * length, LATER_INTERVALS
    return count + max(0, int(rest // length))


@lru_cache(maxsize=64)
def lengths(count: int) -> tuple[int, ...]:
    """The length of each of so many intervals."""
    return tuple(each.length for each in stretches(count) for _ in range(each.count))


@lru_cache(maxsize=64)
def ending(count: int) -> Mapping[int, int]:
    """The index of each of so many intervals by how many of the shortest after the first one's start it ends."""
    ends = (end for each in stretches(count)
            for end in range(each.begins + each.length, each.ends + 1, each.length))
    return {end: index for index, end in enumerate(ends)}


def end_of(index: int) -> int:
    """So many of the shortest after the first one's start an interval ends; 0 for index -1."""
    return next((each.ends for each in reversed(tuple(stretches(index + 1)))), 0)


def newest(count: int, span: float) -> int:
    """How many of the last of so many intervals make up a ``span`` of the shortest; at least one."""
    taken, rest = 0, span
    for length in reversed(lengths(count)):
        if taken and rest <= 0:
            break
        taken, rest = taken + 1, rest - length
    return max(1, taken)


@lru_cache(maxsize=64)
def joints(before: int, count: int, length: int) -> tuple[int, ...]:
    """Where a trial's intervals can be joined to longer ones that lie on them from its start on.

    So many values lie before each joint; ``before`` of the shortest intervals lie before the trial's own ``count``.
    """
    return tuple(place for place, end in enumerate((*range(-before, 1), *ending(count))) if end % length == 0)
