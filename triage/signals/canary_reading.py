"""``CanaryReading``: the judge's verdict on the version on trial, and how old and how sure the facts behind it are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.signals.canary import CanaryState

_MISSED_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class CanaryReading:
    """What is known of a trial; that something is asked again does not undo what was answered before."""

    stable: str
    canary: str
    state: CanaryState | None
    """None until a first answer has come."""
    read_to: float | None
    """Unix seconds at which the last interval that was judged ends; None without an answer."""
    step_seconds: float
    """Length of an interval: how often there can be something new."""
    failure: Failure | None = None
    """Why the last question was not answered; None when it was."""
    warnings: tuple[str, ...] = ()
    """What the server said about an answer that is partial."""

    def is_stale(self, now: float) -> bool:
        """Whether the verdict is too old at ``now`` to speak of the present."""
        return self.read_to is not None and now - self.read_to > (_MISSED_INTERVALS + 1) * self.step_seconds
