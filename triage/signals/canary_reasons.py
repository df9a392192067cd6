"""What the verdict on a canary means for the health of the model."""

from __future__ import annotations

from collections.abc import Iterator

from triage.signals.canary import CanaryVerdict
from triage.signals.canary_reading import CanaryReading
from triage.signals.model import Reason
from triage.signals.reading import Urgency, Verdict

RULE = "canary"


def canary_reasons(reading: CanaryReading | None, now: float) -> Iterator[Reason]:
    """A canary proven worse fails the model and pages; a shadow's answers reach nobody, so it only warns.

    A verdict that is not decided yet is no reason: the panel shows it. Neither is one too old to speak of the present.
    """
    state = reading.state if reading is not None else None
    if reading is None or state is None or reading.is_stale(now):
        return
    name = f"{state.arm} {state.canary}"
    if state.verdict is CanaryVerdict.FAIL:
        verdict, urgency = (Verdict.FAIL, Urgency.PAGE) if state.pages else (Verdict.WARN, Urgency.NONE)
        yield Reason(verdict, urgency, RULE, name, f"{name} is worse than {state.stable}: {state.reason}")
    if state.both_moved:
        yield Reason(Verdict.WARN, Urgency.NONE, RULE, name, state.both_moved)
    if state.split:
        yield Reason(Verdict.WARN, Urgency.NONE, RULE, name, state.split)
