"""Questions about days that are still being made: the answer waits for them instead of being wrong."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence

from triage.lab.promql.matching import Matcher
from triage.lab.promql.store import Column, Store

_LOOK_SECONDS = 0.02


class Past:
    """How far the samples of a store reach back, while a thread of its own prepends older ones."""

    def __init__(self, begins_at: float = -math.inf) -> None:
        """``begins_at``: Unix seconds from which on there are samples already; the default: there is no more to come."""
        self.begins_at = begins_at
        self._complete = threading.Event()
        if begins_at == -math.inf:
            self._complete.set()

    @property
    def is_complete(self) -> bool:
        return self._complete.is_set()

    def completed(self) -> None:
        """Everything is there. For the thread that makes it, also when it fails: nobody is to wait for ever."""
        self._complete.set()

    async def wait(self) -> None:
        """Until everything is there."""
        while not self.is_complete:
            await asyncio.sleep(_LOOK_SECONDS)


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
