"""What drift means for the health of the model: somebody has to look, nobody is woken."""

from __future__ import annotations

from collections.abc import Iterator

from triage.signals.drift_reading import DriftReading, Moved, drifting
from triage.signals.model import Reason, Versions
from triage.signals.reading import Urgency, Verdict

RULE = "drift"
MOST = 3
"""Features that have a reason of their own; the others are counted in the last one."""


def drift_reasons(reading: DriftReading | None, versions: Versions, now: float) -> Iterator[Reason]:
    """What drifts warns and opens a ticket, and by itself never fails a model: it says that inputs differ from the
    reference, not that answers are wrong. What is only watched, or not known, is no reason: the panel shows it."""
    if reading is None or reading.is_stale(now):
        return
    found = drifting(reading, versions)
    for number, item in enumerate(found[:MOST]):
        more = f"; {len(found) - MOST} more drift" if number == MOST - 1 and len(found) > MOST else ""
        yield Reason(Verdict.WARN, Urgency.TICKET, RULE, item.feature.feature, f"{said(item)}{more}")


def said(item: Moved) -> str:
    """One drifting feature in one sentence."""
    name = f"prediction {item.feature.feature}" if item.feature.is_prediction else item.feature.feature
    where = f" {item.where};" if item.where else ":"
    return f"{name} drifts{where} {item.worst.sentence}"
