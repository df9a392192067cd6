"""``FeatureStoreReading``: how old the features were when the store was last asked, and what that means for health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.signals.feature_freshness import ViewState
from triage.signals.model import Reason
from triage.signals.reading import Quality, Urgency, Verdict

if TYPE_CHECKING:
    from triage.facts.outcome import Failure

RULE = "features"


@dataclass(frozen=True, slots=True)
class FeatureStoreReading:
    """What is known of the views that the model reads."""

    views: tuple[ViewState, ...]
    """In the manifest's order; () until a first answer has come."""
    answered_at: float | None
    """Unix seconds at which the server evaluated it; None without an answer."""
    stale_after: float
    failure: Failure | None = None
    """Why the last question was not answered; None when it was."""
    warnings: tuple[str, ...] = ()

    def is_stale(self, now: float) -> bool:
        """Whether it is too old at ``now`` to speak of the present."""
        return self.answered_at is not None and now - self.answered_at > self.stale_after


def feature_store_reasons(reading: FeatureStoreReading | None, now: float) -> Iterator[Reason]:
    """A view that is too old, or finds too little, warns and opens a ticket. Where it must page, it is an objective.

    So does one whose gauge is frozen: its updater has failed, and nobody else says so.
    """
    if reading is None or reading.is_stale(now):
        return
    for view in reading.views:
        if view.verdict is Verdict.FAIL or view.freshness.quality is Quality.STALE:
            yield Reason(Verdict.WARN, Urgency.TICKET, RULE, view.view, f"feature view {view.view}: {view.sentence}")
