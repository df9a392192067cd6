"""Questions about days that are still being made: the answer waits for them instead of being wrong."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence

from triage.lab.promql.matching import Matcher
from triage.lab.promql.store import Column, Store


class Past:
    """How far the samples of a store reach back, while a thread of its own prepends older ones."""

    def __init__(self, begins_at: float = -math.inf) -> None:
        """``begins_at``: Unix seconds from which on there are samples already; by default there is no more to come."""
        self.begins_at = begins_at
        self._lock = threading.Lock()
        self._complete = begins_at == -math.inf
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    @property
    def is_complete(self) -> bool:
        return self._complete

    def completed(self) -> None:
        """Everything is there. For the thread that makes it, also when it fails: nobody is to wait for ever."""
        with self._lock:
            self._complete = True
            waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        """Until everything is there."""
        event = asyncio.Event()
        with self._lock:
            if self._complete:
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()


class NotedStore(Store):
    """A store that notes how far back it was asked. It only reads."""

    def __init__(self, whole: Store) -> None:
        super().__init__()
        self._whole = whole
        self.earliest_ms: float = math.inf
        """Earliest time asked for, Unix milliseconds."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Column]:
        self.earliest_ms = min(self.earliest_ms, start_ms)
        return self._whole.select(matchers, start_ms, end_ms)
