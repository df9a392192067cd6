"""``Moment``: a time on both clocks, for what may be done only so long after something was decided or read."""

from __future__ import annotations

from dataclasses import dataclass

from triage.clock import Clock


@dataclass(frozen=True, slots=True)
class Moment:
    """What has passed since it goes by whichever clock saw more: a world time that was set back makes nothing younger
    than it is, and neither does a machine that slept, whose monotonic clock stood still."""

    at: float
    """World time, Unix seconds."""
    monotonic: float
    """Of the same clock, seconds from an arbitrary start: it means something in this process only."""

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        """Now."""
        return cls(clock.now(), clock.monotonic())

    def seconds_since(self, clock: Clock) -> float:
        """Seconds of the machine that have passed; a world that lives faster has seen more of them."""
        return max(clock.now() - self.at, clock.monotonic() - self.monotonic) / max(clock.speed, 1.0)
