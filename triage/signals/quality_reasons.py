"""What quality means for the health of the model: labels are late, so somebody has to look, and nobody is woken."""

from __future__ import annotations

from collections.abc import Iterator

from triage.signals.model import Reason, Versions
from triage.signals.quality_reading import QualityReading
from triage.signals.reading import Urgency, Verdict

RULE = "quality"


def quality_reasons(reading: QualityReading | None, versions: Versions, now: float) -> Iterator[Reason]:
    """A figure or a difference between subgroups that is beyond its limit warns and opens a ticket.

    What is only close to a limit, or cannot be told, is no reason: the report shows it. Where quality must page, it is
    an objective.
    """
    if reading is None or reading.is_stale(now):
        return
    present = reading.present(versions)
    # Where one subgroup is worse, that is the reason for the figure of all of them too.
    for one in present.slices:
        if one.disparity.verdict is Verdict.FAIL:
            yield Reason(Verdict.WARN, Urgency.TICKET, RULE, f"{one.disparity.definition} by {one.label}",
                         f"{_of(one.version)}by {one.label}, {one.disparity.sentence}")
    for item in present.figures:
        if item.judged.verdict is Verdict.FAIL:
            yield Reason(Verdict.WARN, Urgency.TICKET, RULE, item.judged.figure.name,
                         f"{_of(item.version)}{item.judged.sentence}")


def _of(version: str) -> str:
    return f"{version}: " if version else ""
