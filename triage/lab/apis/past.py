"""Questions about days that are still being made: the answer waits for them instead of being wrong."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from enum import IntEnum

from triage.lab.promql.matching import METRIC_NAME, Matcher
from triage.lab.promql.store import Column, Store


class Stage(IntEnum):
    """How much of the past is there."""

    NOTHING = 0
    SCRAPED = 1
    """What was scraped; not yet what rules make of it."""
    WHOLE = 2


class Past:
    """How far the samples of a store reach back, while a thread of its own prepends older ones."""

    def __init__(self, begins_at: float = -math.inf, written_by_rules: frozenset[str] = frozenset()) -> None:
        """``begins_at``: Unix seconds from which on there are samples already; by default there is no more to come.
        ``written_by_rules``: names of the metrics that come last."""
        self.begins_at = begins_at
        self.written_by_rules = written_by_rules
        self._lock = threading.Lock()
        self._stage = Stage.WHOLE if begins_at == -math.inf else Stage.NOTHING
        self._waiting: list[tuple[Stage, asyncio.AbstractEventLoop, asyncio.Event]] = []

    @property
    def is_complete(self) -> bool:
        return self._stage is Stage.WHOLE

    def has(self, stage: Stage) -> bool:
        """Whether so much is there."""
        return self._stage >= stage

    def reached(self, stage: Stage) -> None:
        """So much is there. For the thread that makes it; the whole also when it fails: nobody waits for ever."""
        with self._lock:
            self._stage = max(self._stage, stage)
            ready = [each for each in self._waiting if each[0] <= self._stage]
            self._waiting = [each for each in self._waiting if each[0] > self._stage]
        for _, loop, event in ready:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def wait(self, stage: Stage = Stage.WHOLE) -> None:
        """Until so much is there."""
        event = asyncio.Event()
        with self._lock:
            if self._stage >= stage:
                return
            self._waiting.append((stage, asyncio.get_running_loop(), event))
        await event.wait()


class NotedStore(Store):
    """A store that notes how much of the past is asked of it. It only reads."""

    def __init__(self, whole: Store, past: Past) -> None:
        super().__init__()
        self._whole = whole
        self._past = past
        self.needed = Stage.NOTHING

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Column]:
        if start_ms < self._past.begins_at * 1000:
            names = {matcher.value for matcher in matchers if (matcher.name, matcher.op) == (METRIC_NAME, "=")}
            scraped = names and names.isdisjoint(self._past.written_by_rules)
            self.needed = max(self.needed, Stage.SCRAPED if scraped else Stage.WHOLE)
        return self._whole.select(matchers, start_ms, end_ms)
