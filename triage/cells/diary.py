"""``Diary``: keeps the record of a run up to date while it goes on, so that a triage that is killed leaves it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from triage.cells.board import Board
from triage.cells.records import Record
from triage.cells.results import Run
from triage.clock import Clock
from triage.state_dir import StateError

_PAUSE_SECONDS = 0.5
"""Between two writings: a flood of output must not become a flood on the disk."""
_SHARE = 10.0
"""A slow disk is left alone for so many times as long as it took."""


class Diary:
    """Writes at once, at most a moment after whatever is new, and at the end. Lives in one loop, whose thread waits
    for the disk."""

    def __init__(self, record: Record, board: Board, clock: Clock) -> None:
        self._record = record
        self._board = board
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        self._write(first=True)

    def note(self) -> None:
        """There is something new on the board."""
        wait = self._next - time.monotonic()
        if wait <= 0:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._write)

    def rest(self) -> None:
        """Nothing is written but the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> Run:
        """Write the end; the run with where it is kept, or why it is not."""
        run = replace(self._board.run, record=self._record.path)
        try:
            self._record.end(run, self._board.raw, self._clock.now())
        except StateError as error:
            return replace(run, record="", record_trouble=error.message)
        return run

    def _write(self, *, first: bool = False) -> None:
        self.rest()
        began = time.monotonic()
        run = replace(self._board.run, record=self._record.path)
        try:
            if first:
                self._record.begin(run)
            else:
                self._record.keep(run, self._board.raw, self._clock.now())
        except StateError:
            # The cell is what matters; its end is written nevertheless, or says why it cannot be.
            pass
        took = time.monotonic() - began
        self._next = began + took + max(_PAUSE_SECONDS, _SHARE * took)
