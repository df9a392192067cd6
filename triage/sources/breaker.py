"""``Breaker``: when a source that is gone may be asked again, so that it is not hammered while it comes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum

from triage.clock import Clock
from triage.facts.outcome import GONE, FailureKind

BASE_SECONDS = 1.0
CAP_SECONDS = 30.0
_SILENT = frozenset({FailureKind.TIMEOUT, FailureKind.CANCELED})


class BreakerState(StrEnum):
    """Where the breaker stands."""

    CLOSED = "closed"
    """Requests go through."""
    OPEN = "open"
    """The source is gone: nothing is sent until the wait is over."""
    HALF_OPEN = "half-open"
    """One request is under way to find out whether the source is back; others are held."""


class Breaker:
    """A circuit breaker with exponential back-off and full jitter (as in AWS' "Exponential Backoff And Jitter").

    The wait after the n-th failed try in a row is random between 0 and ``min(CAP_SECONDS, BASE_SECONDS * 2**(n-1))``.
    Only kinds in :data:`~triage.facts.outcome.GONE` open it; a rejected or slow query says nothing about the source.
    It sends nothing itself; ``chance`` returns numbers in [0, 1).
    """

    def __init__(self, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._try_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        if self._probing:
            return BreakerState.HALF_OPEN
        return BreakerState.CLOSED if self._try_at is None else BreakerState.OPEN

    def allow(self) -> bool:
        """Whether a request may be sent now. True after a wait makes the caller the one probe that is let through."""
        if self._probing:
            return False
        if self._try_at is None:
            return True
        if self._clock.monotonic() < self._try_at:
            return False
        self._probing = True
        return True

    def record_success(self) -> None:
        """The source answered, well or with a complaint about the query."""
        self.reset()

    def record_failure(self, kind: FailureKind) -> None:
        """A request failed with ``kind``. Failures of requests that left before it opened do not lengthen the wait."""
        if kind not in GONE:
            # A late time-out of a request that left before the breaker opened is no sign of life.
            if self._probing or kind not in _SILENT:
                self.reset()
            return
        if kind is FailureKind.CIRCUIT_OPEN or (self._try_at is not None and not self._probing):
            return
        self._probing = False
        self._failures += 1
        ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(self._failures - 1, 16))
        self._try_at = self._clock.monotonic() + self._chance() * ceiling

    def record_abandoned(self) -> None:
        """The probe was given up without an outcome (cancelled): the next request becomes the probe."""
        self._probing = False

    def next_try_in(self) -> float | None:
        """Seconds until a request is let through again, 0 when it is due or under way; None while closed."""
        if self._try_at is None:
            return None
        return max(0.0, self._try_at - self._clock.monotonic())

    def reset(self) -> None:
        """Forget the failures, such as after a suspend: what happened before it says nothing about now."""
        self._failures = 0
        self._try_at = None
        self._probing = False
