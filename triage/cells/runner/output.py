"""What a cell puts out, on its way to the product: collected for a moment, and cut where it is too much.

A verdict has room of its own: no picture, however large, may push it out. Whatever is left out is counted, and nothing
that is left out takes room from what comes after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from triage.cells.outputs import RESULT

Say = Callable[..., None]
_FLUSH_CHARACTERS = 32_000
_MOST_PIECES = 500
"""Outputs and changes between standard output and standard error that are told of one cell."""
_MOST_VERDICTS = 200
_VERDICT_CHARACTERS = 20_000
_LEAST_BYTES = 1_000
"""What a message counts at least towards the limit at which a cell is stopped: to pass it on is work, too."""


class CellOutput:
    """The output of one cell after the other."""

    def __init__(self, say: Say, limits: Mapping[str, int]) -> None:
        """``limits``: ``output_bytes``, ``rich_bytes``, ``stop_bytes``."""
        self.flooded = asyncio.Event()
        """Set when the cell wrote so much that it is stopped."""
        self._say = say
        self._most_text, self._most_rich = limits["output_bytes"], limits["rich_bytes"]
        self._stop = limits["stop_bytes"]
        self._parts: list[str] = []
        self.begin()

    def begin(self) -> None:
        """Another cell."""
        self.flooded.clear()
        self._text = self._rich = self._put_out = self._pieces = self._verdicts = 0
        self._name = ""
        self._raised = False
        self._dropped = {"bytes": 0, "outputs": 0, "verdicts": 0, "lost": 0}
        self._told = dict(self._dropped)

    def stream(self, name: str, text: str) -> None:
        """A piece of text."""
        self._count(len(text))
        if name != self._name:
            if self._pieces >= _MOST_PIECES:
                self._dropped["bytes"] += len(text)
                return
            self._tell_text()
            self._name = name
            self._pieces += 1
        kept = text[:self._most_text - self._text]
        self._text += len(kept)
        self._dropped["bytes"] += len(text) - len(kept)
        if kept:
            self._parts.append(kept)
        if sum(map(len, self._parts)) >= _FLUSH_CHARACTERS:
            self._tell_text()

    def bundle(self, data: Mapping[str, Any]) -> None:
        """An output in its representations: whole or not at all, but for its verdict, which is told in any case."""
        size = sum(_size(kind, value) for kind, value in data.items())
        self._count(size)
        if RESULT in data:
            self._verdict(data, size)
        elif self._has_room(size):
            self._tell("output", size, data=data)
        else:
            self._leave_out(size)

    def error(self, name: str, value: str, traceback: Sequence[str]) -> None:
        """An exception. The first one is told in any case, cut where it is too long."""
        size = len(name) + len(value) + sum(map(len, traceback))
        self._count(size)
        if size > _FLUSH_CHARACTERS:
            # What it was and where it came from stand at its ends.
            value, traceback = value[:_FLUSH_CHARACTERS // 4], [row[-_FLUSH_CHARACTERS // 2:] for row in traceback[-1:]]
        kept = len(name) + len(value) + sum(map(len, traceback))
        if self._raised and not self._has_room(kept):
            self._leave_out(size)
            return
        self._raised = True
        self._dropped["bytes"] += size - kept
        self._tell("error", kept, name=name, value=value, traceback=list(traceback))

    def lose(self, count: int) -> None:
        """So many messages never came."""
        self._dropped["lost"] = count

    def flush(self) -> None:
        """Tell what was collected, and what is left out."""
        self._tell_text()
        if self._dropped != self._told:
            self._told = dict(self._dropped)
            self._say("dropped", **self._dropped)

    def _verdict(self, data: Mapping[str, Any], size: int) -> None:
        alone = _size(RESULT, data[RESULT])
        if self._verdicts >= _MOST_VERDICTS or alone > _VERDICT_CHARACTERS:
            self._dropped["bytes"] += size
            self._dropped["verdicts"] += 1
            return
        self._verdicts += 1
        if self._has_room(size - alone):
            self._tell("output", size - alone, data=data)
        else:
            self._dropped["bytes"] += size - alone
            self._tell("output", 0, data={RESULT: data[RESULT]})

    def _has_room(self, size: int) -> bool:
        return self._pieces < _MOST_PIECES and self._rich + size <= self._most_rich

    def _tell(self, kind: str, size: int, **content: Any) -> None:
        self._tell_text()
        # Text that comes after it is another piece.
        self._name = ""
        self._pieces += 1
        self._rich += size
        self._say(kind, **content)

    def _leave_out(self, size: int) -> None:
        self._dropped["bytes"] += size
        self._dropped["outputs"] += 1

    def _tell_text(self) -> None:
        if self._parts:
            self._say("stream", name=self._name, text="".join(self._parts))
            self._parts = []

    def _count(self, size: int) -> None:
        self._put_out += max(size, _LEAST_BYTES)
        if self._put_out >= self._stop:
            self.flooded.set()


def _size(kind: str, value: Any) -> int:
    return len(kind) + len(value if isinstance(value, str) else str(value))
