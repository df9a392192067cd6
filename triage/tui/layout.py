"""How many rows each part of the screen gets: a pure function, so that every size can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Need(NamedTuple):
    """What one part wants."""

    name: str
    least: int
    """Rows under which it is left out."""
    wanted: int
    """Rows in which it says everything; 0: nothing to say."""
    most: int
    """Rows it can use when there is plenty."""
    spaced: bool = True
    """Whether an empty row stands before it, where there is room."""


class Place(NamedTuple):
    """What one part gets."""

    rows: int
    space: int
    """Empty rows before it."""


def allot(height: int, needs: Sequence[Need], priority: Sequence[str]) -> dict[str, Place]:
    """Divide ``height`` rows: the least of each in order of ``priority``, what is wanted, then space, then more."""
    by_name = {n.name: n for n in needs if n.wanted > 0}
    rows = dict.fromkeys((n.name for n in needs), 0)
    left = max(0, height)
    for name in (p for p in priority if p in by_name):
        least = min(by_name[name].least, by_name[name].wanted)
        if least <= left:
            rows[name] = least
            left -= least
    spaces = dict.fromkeys(rows, 0)

    def grow(limit: str) -> None:
        nonlocal left
        for name in (p for p in priority if p in by_name and rows[p]):
            more = min(left, getattr(by_name[name], limit) - rows[name])
            if more > 0:
                rows[name] += more
                left -= more

    grow("wanted")
    for need in needs:
        if need.spaced and rows[need.name] and left > 0:
            spaces[need.name] = 1
            left -= 1
    growing = [n for n in needs if rows[n.name] and n.most > rows[n.name]]
    while left > 0 and growing:
        for need in list(growing):
            if left > 0 and rows[need.name] < need.most:
                rows[need.name] += 1
                left -= 1
            if rows[need.name] >= need.most:
                growing.remove(need)
    return {name: Place(rows[name], spaces[name]) for name in rows}
