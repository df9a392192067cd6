"""``Newest``: the newest snapshot of one model, renewed at every interval while something else goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType

from triage.clock import Clock
from triage.config import Active
from triage.live.once import take_snapshots
from triage.live.snapshot import Snapshot


class Newest:
    """Entered, it asks every source once and waits for that; then it asks on until it is left."""

    def __init__(self, active: Active, model: str, clock: Clock) -> None:
        self._active, self._model, self._clock = active, model, clock
        self._snapshot: Snapshot | None = None
        self._task: asyncio.Task[None] | None = None
        self._came = asyncio.Event()

    def __call__(self) -> Snapshot | None:
        """The newest; None before the first."""
        return self._snapshot

    async def next(self) -> Snapshot:
        """Wait for the next one. Raises what made the asking end."""
        if self._task is None:
            raise RuntimeError("nothing is asked")
        self._came.clear()
        coming = asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait({self._task, coming}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            coming.cancel()
        if self._task.done():
            self._task.result()
        if self._snapshot is None:
            raise RuntimeError("the asking ended without an answer")
        return self._snapshot

    def current_then_next(self) -> Callable[[], Awaitable[Snapshot]]:
        """A function that gives the present one at first, and waits for another one each time after that."""
        given: list[Snapshot] = []

        async def wait() -> Snapshot:
            found = await self.next() if given or self._snapshot is None else self._snapshot
            given[:] = [found]
            return found
        return wait

    async def __aenter__(self) -> Newest:
        self._task = asyncio.ensure_future(self._ask())
        try:
            await self.next()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self._end()

    async def _ask(self) -> None:
        async with contextlib.aclosing(take_snapshots(self._active, [self._model], self._clock)) as snapshots:
            async for snapshot in snapshots:
                self._snapshot = snapshot
                self._came.set()

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            # Who is cancelled meanwhile does not break off its leaving.
            await asyncio.wait({self._task})
