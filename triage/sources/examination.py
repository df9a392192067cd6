"""Measuring a source: round trips and clocks, from a few cheap requests."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from statistics import median

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.sources.checkup import MAX_CLOCK_DIFFERENCE, Capability
from triage.sources.failures import Received

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Examined:
    """What the cheap requests showed."""

    latency_seconds: float
    clock_difference_seconds: float | None
    headers: Mapping[str, str] = field(repr=False)
    """Of the last answer; lower-case names."""


async def examine(ask: Callable[[], Awaitable[Received | Failure]], clock: Clock) -> Examined | Failure:
    """Ask :data:`ROUNDS` times in a row; the first failure ends it, a success already had does not outweigh it."""
    round_trips: list[float] = []
    differences: list[float] = []
    headers: Mapping[str, str] = {}
    for _ in range(ROUNDS):
        received = await ask()
        if isinstance(received, Failure):
            return received
        round_trips.append(received.elapsed_seconds)
        difference = clock_difference(received, clock.now())
        if difference is not None:
            differences.append(difference)
        headers = received.headers
    return Examined(median(round_trips), median(differences) if differences else None, headers)


def clock_difference(received: Received, now: float) -> float | None:
    """Seconds that the ``Date`` header is ahead of us; ``now`` is world time at the end of the answer.

    The header was written about half a round trip before, and is cut to whole seconds.
    """
    try:
        when = parsedate_to_datetime(received.headers["date"])
        said = when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return said + 0.5 - (now - received.elapsed_seconds / 2)


def clock_capability(difference: float | None) -> Capability:
    """The line about the clocks."""
    if difference is None:
        return Capability("unknown", "clock", "it does not tell the time (no Date header)")
    # Half a second of it is the header's rounding.
    if math.fabs(difference) <= MAX_CLOCK_DIFFERENCE:
        return Capability("ok", "clock", f"within {max(1, math.ceil(math.fabs(difference)))} s of ours")
    ahead = "ahead of" if difference > 0 else "behind"
    return Capability("missing", "clock", f"{math.fabs(difference):.0f} s {ahead} ours: ages and windows are off by "
                      "that", "synchronise the clocks (NTP), here or there")
