"""When something is asked again: at its pace, sooner after a failure, later where the server wants it. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from triage.facts.outcome import GONE, REJECTED, Failure
from triage.live.expressions import Pace

APART_SECONDS = 60.0
"""How often an objective that the server refuses is asked again, alone."""
TOGETHER_AGAIN_SECONDS = 300.0
"""After how long a group whose parts all succeeded apart is asked in one request again."""
LONGEST_WAIT_SECONDS = 300.0
"""Longest wait that a server can ask for: whoever throttles must not switch the screen off."""
SELDOM_SECONDS = 15.0
"""Refreshes that are so far apart are of many models: two hours and six are then read once a minute."""
_EARLY = 0.2
"""Share of the interval by which something may be asked too early, rather than one interval late."""
_NEVER_ASKED = float("-inf")


def period(pace: Pace, interval: float) -> float:
    """Seconds between two requests of this pace."""
    if pace is Pace.FAST or (pace is Pace.MID and interval < SELDOM_SECONDS):
        return interval
    if pace is Pace.MID:
        return max(interval, 60.0)
    return max(interval, 60.0 if pace is Pace.DAY else 300.0)


def stale_after(pace: Pace, interval: float) -> float:
    """Seconds after which a reply of this pace no longer describes the present: three missed refreshes."""
    return 3 * max(period(pace, interval), 5.0)


def retry_seconds(failure: Failure, failures: int, longest: float, interval: float) -> float:
    """Seconds from a failure to the next try, when it is the last of ``failures`` in a row.

    Nobody was asked where the source is gone: at the next refresh. What was refused: after a minute. Everything else
    (time-outs, errors of the server, broken answers) after 2, 4, 8 … intervals, at most ``longest``; a server that
    throttles says itself how long.
    """
    if failure.kind in GONE:
        return 0.0
    if failure.kind in REJECTED:
        return APART_SECONDS
    backed_off = min(longest, interval * 2.0 ** min(failures, 16))
    return max(backed_off, min(failure.retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS))


@dataclass(slots=True)
class Turn:
    """When one request is next due. Times are of the monotonic clock, in seconds."""

    at: float = _NEVER_ASKED
    failures: int = 0
    """In a row."""

    def is_due(self, now: float, interval: float) -> bool:
        """Whether it is asked by the refresh that begins ``now``."""
        return self.at - _EARLY * interval <= now

    def may_wait(self, now: float, pace_seconds: float) -> bool:
        """Whether it was answered the last time, and less than another ``pace_seconds`` ago would have been on time."""
        return not self.failures and now < self.at + pace_seconds

    def begin(self, now: float, pace_seconds: float) -> None:
        """It is asked now."""
        self.at = now + pace_seconds

    def give_up(self) -> None:
        """It was asked and nobody waits for the answer: as if it had not been."""
        self.at = _NEVER_ASKED

    def failed(self, failure: Failure, now: float, pace_seconds: float, interval: float) -> None:
        """It failed ``now``. What is asked at every refresh stays at its pace, unless the server wants more."""
        self.failures += 1
        wait = retry_seconds(failure, self.failures, pace_seconds, interval)
        if failure.kind in GONE or failure.kind in REJECTED or wait > interval:
            self.at = now + wait


def held_back(seldom: Mapping[Hashable, tuple[float, float]], now: float, interval: float) -> frozenset[Hashable]:
    """What is due and waits for a later refresh, so that not everything that is asked seldom is asked in one.

    ``seldom``: of everything that could wait, when it is due and how many seconds lie between two requests. As many are
    asked in one refresh as it takes to ask each at its pace; what has been due longest goes first.
    """
    at_once = math.ceil(sum(interval / pace_seconds for _, pace_seconds in seldom.values()) - 1e-9)
    due = sorted((at, place, kind) for place, (kind, (at, _)) in enumerate(seldom.items())
                 if Turn(at).is_due(now, interval))
    return frozenset(kind for _, _, kind in due[at_once:])
