"""``Stack``: many rows one below the other, of which only those that are looked at are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from triage.tui.line import Line


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that know their number before they are drawn."""

    height: int
    draw: Callable[[int, int], Sequence[Line]]
    """The rows from the first number up to, but not with, the second one."""


def block_of(lines: Sequence[Line]) -> Block:
    """Rows that are drawn already."""
    return Block(len(lines), lambda start, stop: lines[start:stop])


class Stack(Sequence[Line]):
    """The rows of several blocks as one sequence. A slice draws what is in it; steps are not known."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._height = sum(block.height for block in blocks)

    def __len__(self) -> int:
        return self._height

    @overload
    def __getitem__(self, index: int) -> Line: ...

    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...

    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if isinstance(index, int):
            start = range(self._height)[index]
            return self._drawn(start, start + 1)[0]
        start, stop, _ = index.indices(self._height)
        return self._drawn(start, stop)

    def __iter__(self) -> Iterator[Line]:
        for block in self._blocks:
            yield from block.draw(0, block.height)

    def _drawn(self, start: int, stop: int) -> list[Line]:
        out: list[Line] = []
        for block in self._blocks:
            if start < block.height and stop > 0:
                out += block.draw(max(0, start), min(block.height, stop))
            start -= block.height
            stop -= block.height
        return out
