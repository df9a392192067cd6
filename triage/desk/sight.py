"""``Sight``: the newest snapshot that has one model in it, also while the screen shows another model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from triage.clock import Clock
from triage.config import Active
from triage.desk.newest import Newest
from triage.errors import TriageError
from triage.live.snapshot import Snapshot

LOOK_SECONDS = 0.5
"""Of the machine, between two looks at what the screen shows."""


class Sight:
    """Called, it gives the screen's snapshot where that has the model in it, else its own, if there is one."""

    def __init__(self, active: Active, model: str, clock: Clock, shown: Callable[[], Snapshot | None]) -> None:
        """``shown`` gives the screen's newest snapshot; it may be of any model."""
        self._active, self._model, self._clock, self._shown = active, model, clock, shown
        self._own: Newest | None = None
        self._keepers = 0
        self._keeping: asyncio.Task[None] | None = None

    def __call__(self) -> Snapshot | None:
        """The newest; without the model in it only while nobody has asked about that yet."""
        shown = self._shown()
        own = None if self._own is None or self._has_model(shown) else self._own()
        return shown if own is None else own

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While the block runs, the model is asked about whenever the screen shows another one; once, however many
        blocks do."""
        self._keepers += 1
        if self._keeping is None:
            self._keeping = asyncio.ensure_future(self._keep())
        try:
            yield
        finally:
            self._keepers -= 1
            if not self._keepers:
                keeping, self._keeping = self._keeping, None
                keeping.cancel()
                # Who is cancelled meanwhile does not break off its leaving.
                await asyncio.wait({keeping})
                self._own = None

    async def _keep(self) -> None:
        while True:
            await self._until(shown=False)
            newest = Newest(self._active, self._model, self._clock)
            try:
                async with newest:
                    self._own = newest
                    await self._until(shown=True)
            except TriageError:
                # Notebooks that are gone: what is verified says that it cannot be seen, and they may come back.
                await asyncio.sleep(self._active.context.interval)
            finally:
                self._own = None

    async def _until(self, *, shown: bool) -> None:
        # The screen lives in another thread, and tells nobody of its snapshots.
        while True:
            if self._has_model(self._shown()) is shown:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _has_model(self, snapshot: Snapshot | None) -> bool:
        return snapshot is not None and snapshot.model(self._model) is not None
