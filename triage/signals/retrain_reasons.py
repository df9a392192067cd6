"""A retrain trigger that has held for all of its time: said once, with who must approve; nothing is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triage.signals.model import Reason
from triage.signals.reading import Urgency, Verdict
from triage.signals.retrain import Trigger, TriggerState

RULE = "retrain"


def retrain_reasons(found: Sequence[Trigger]) -> Iterator[Reason]:
    """One reason for each trigger that is due; those that only begin to hold are shown in reports."""
    for trigger in found:
        if trigger.state is TriggerState.ASKED:
            yield Reason(Verdict.WARN, Urgency.TICKET, RULE, trigger.condition, trigger.sentence)
