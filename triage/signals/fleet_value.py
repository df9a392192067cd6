"""What a model's answers are worth to the business, read against how good they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.replies import UNASKED, VALUE, Part, Question, Replies
from triage.signals import wording
from triage.signals.burn import DAY
from triage.signals.counts import trouble
from triage.signals.model import SloState
from triage.signals.quality_reading import QualityReading
from triage.signals.reading import Quality, Reading, Verdict

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest


@dataclass(frozen=True, slots=True)
class ValueReading:
    """The figure of ``spec.value``, a week before, and the quality that it is shown against."""

    name: str
    now: Reading
    """Of the last day for a counter, at present for a gauge; unit as the manifest writes it."""
    week_before: float | None
    """The same a week before; None when there was nothing yet."""
    quality_name: str
    """"" when the manifest names none."""
    quality_text: str
    """The quality's figure in words; "" without one."""
    quality_verdict: Verdict | None

    @property
    def change(self) -> float | None:
        """Relative change in a week: -0.18 is 18 percent less; None when there is nothing to compare with."""
        if self.now.value is None or self.week_before is None or self.week_before == 0:
            return None
        return self.now.value / self.week_before - 1


def value_reading(manifest: Manifest, replies: Replies, quality: QualityReading | None, slos: tuple[SloState, ...],
                  now: float) -> ValueReading | None:
    """What ``spec.value`` says at ``now``; None when the manifest names nothing."""
    promised = manifest.spec.value
    if promised is None:
        return None
    part, window = (Part.LEVEL, 0.0) if promised.counter is None else (Part.TOTAL, DAY)
    present, before = (replies.get(Question(VALUE, n, part, window), UNASKED) for n in (0, 1))
    known = [s.value for s in present.samples if math.isfinite(s.value)]
    earlier = [s.value for s in before.samples if math.isfinite(s.value)]
    found = trouble((present,), now)
    state, note = found or ((Quality.OK, "") if known else (Quality.NO_DATA, "no such series"))
    reading = Reading(math.fsum(known) if known else None, promised.unit, state,
                      window_seconds=window or None, note=note)
    text, verdict = _against(promised.quality, quality, slos, now)
    return ValueReading(promised.name, reading, math.fsum(earlier) if earlier else None, promised.quality or "", text,
                        verdict)


def _against(name: str | None, quality: QualityReading | None, slos: tuple[SloState, ...],
             now: float) -> tuple[str, Verdict | None]:
    if name is None:
        return "", None
    for slo in slos:
        if slo.name == name:
            return wording.reading(slo.now, slo.objective), slo.verdict
    figures = [item for item in quality.figures if item.judged.figure.name == name] if quality is not None else []
    # A figure that is awaited says nothing yet; one that cannot be read is not passed over for another version's.
    told = [item for item in figures if item.judged.verdict is not Verdict.PENDING]
    if quality is None or not told:
        return "not known yet", Verdict.UNKNOWN
    # The version that does worst is what the figure has to answer for.
    order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN)
    worst = min(told, key=lambda f: order.index(f.judged.verdict) if f.judged.verdict in order else len(order))
    value = worst.judged.figure.value
    version = f" ({worst.version})" if worst.version and len(told) > 1 else ""
    text = f"{'not known' if value is None else wording.significant(value)}{version}"
    return (f"{text}, old", Verdict.UNKNOWN) if quality.is_stale(now) else (text, worst.judged.verdict)
