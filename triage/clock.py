"""Two kinds of time: the world's, for ages and windows, and a monotonic one, for timeouts and expiry.

They are kept apart because a laptop that wakes up, or a replay, moves the first and not the second.
"""

from __future__ import annotations

import time
from typing import Protocol

_LAST_DATE = 253_402_214_400.0
"""9999-12-31, a day before the last that a calendar knows, whatever the zone."""


def is_date(at: float) -> bool:
    """Whether ``at`` (Unix seconds) is a moment that can be written as a date, from 1970 on."""
    return 0.0 <= at <= _LAST_DATE


class Clock(Protocol):
    """Where the program gets its time from; tests, the lab and replays pass their own."""

    def now(self) -> float:
        """World time, seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    @property
    def speed(self) -> float:
        """Seconds of this clock in one of the machine's: 1 but for a world that lives faster, as the lab may."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def speed(self) -> float:
        return 1.0


class ManualClock:
    """A clock that stands until it is moved; ``advance`` moves both times, ``sleep_through`` only the world's."""

    def __init__(self, now: float = 1_795_400_000.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    @property
    def speed(self) -> float:
        return 1.0

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, awake."""
        self._now += seconds
        self._monotonic += seconds

    def sleep_through(self, seconds: float) -> None:
        """Let ``seconds`` pass as a suspended machine does: the monotonic clock does not see them."""
        self._now += seconds


class SleepWatch:
    """Tells that the machine was suspended: the world's time went on and the monotonic did not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._world, self._awake = clock.now(), clock.monotonic()

    def was_asleep(self, interval_seconds: float) -> bool:
        """Whether it slept since the last call, for longer than five seconds and an interval."""
        world, awake = self._clock.now(), self._clock.monotonic()
        asleep = (world - self._world) - (awake - self._awake)
        self._world, self._awake = world, awake
        return asleep > max(5.0, interval_seconds)
