"""``Lasting``: since when something for which the manifest rolls a canary back has held, by past data alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROLLOUT_RULE, SLO_BREACH = "rollout_rule", "slo_breach"
"""The triggers of ``rollback.when`` that are judged at one moment and have to last; ``canary_fail`` has lasted."""
_MISSED_STEPS = 3


@dataclass(frozen=True, slots=True)
class Lasting:
    """The past of one trigger, on a grid of moments."""

    trigger: str
    since: float | None
    """Unix seconds of the earliest moment looked at from which on it held at every one, those without data included
    among those where it did not; None when it did not hold at the newest."""
    read_to: float
    """Unix seconds of the newest moment."""
    step_seconds: float
    """Between two moments: how often there can be something new."""
    trouble: str = ""
    """Why the last question was not answered; "" when it was."""

    def is_stale(self, now: float) -> bool:
        """Whether it is too old at ``now`` to speak of the present."""
        return now - self.read_to > _MISSED_STEPS * self.step_seconds


def held_since(moments: Sequence[tuple[float, bool]]) -> float | None:
    """Of (Unix seconds, whether it held), oldest first: from when on it held at every one; None: not at the newest."""
    since = None
    for at, held in reversed(moments):
        if not held:
            break
        since = at
    return since
