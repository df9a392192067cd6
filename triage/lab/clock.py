"""The lab's time: one line from the machine's clock, so that two processes with the same line agree without talking."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where the parts of the lab get the time from; tests pass their own."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...


@dataclass(slots=True)
class LabClock:
    """Virtual time: ``starts_at`` (epoch seconds) when the machine's clock said ``anchor``, then ``speed`` each second.

    A speed of 0 stands still but for :meth:`forward`, which makes every answer of the lab a function of its seed.
    """

    starts_at: float
    anchor: float
    speed: float = 1.0
    moved: float = 0.0
    """Seconds that it was put forward by hand."""

    def now(self) -> float:
        """Virtual time, seconds since the Unix epoch."""
        return self.starts_at + self.moved + self.speed * max(time.time() - self.anchor, 0.0)

    def forward(self, seconds: float) -> None:
        """Put it forward."""
        self.moved += seconds

    def monotonic(self) -> float:
        """Seconds that never go back, as fast as the world's where that is fast: who rests for five of them does not
        find that the world was asleep."""
        return time.monotonic() * max(self.speed, 1.0)
