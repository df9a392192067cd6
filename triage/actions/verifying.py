"""Whether what had to recover has recovered, read from the newest snapshot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.actions.plan import Plan
from triage.facts.outcome import SourceState
from triage.live.snapshot import Snapshot
from triage.signals.model import ModelState, SloState
from triage.signals.reading import Quality, Verdict
from triage.signals.wording import QUALITY_WORDS, burn_rate, window

SUSTAINABLE = 1.0
"""Burn rate at which an objective's budget lasts exactly for its window: at or below it, it is met again."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One objective after the action."""

    name: str
    recovered: bool | None
    """None when it cannot be seen."""
    sentence: str


def to_recover(model: ModelState | None) -> tuple[str, ...]:
    """Names of the objectives that an action against what is wrong has to mend: those that fail, and those that burn
    their budget faster than it lasts at present."""
    if model is None:
        return ()
    return tuple(slo.name for slo in model.slos if slo.verdict is Verdict.FAIL or (
        slo.verdict is Verdict.WARN and slo.burns and (slo.burns[0].rate or 0.0) > SUSTAINABLE))


def recovery(plan: Plan, snapshot: Snapshot | None, sent_at: float) -> tuple[Recovery, ...]:
    """How each reading of the plan's verification does, by facts that are newer than ``sent_at`` (Unix seconds).

    An objective counts as met again by the shortest window of its burn rate: the longer ones still hold what was
    wrong before. One without burn rates (a level) by its verdict.
    """
    model = None if snapshot is None else snapshot.model(plan.target.model)
    found = []
    for name in plan.verification.readings:
        slo = None if model is None else next((s for s in model.slos if s.name == name), None)
        if snapshot is None or model is None or slo is None:
            found.append(Recovery(name, None, f"{name} cannot be seen: nothing was read of it"))
        elif any(s.name == "prometheus" and s.state is SourceState.DOWN for s in snapshot.sources):
            found.append(Recovery(name, None, f"{name} cannot be seen: prometheus does not answer"))
        elif model.data_at is None or model.data_at <= sent_at:
            found.append(Recovery(name, None, f"{name}: nothing was read since"))
        else:
            found.append(_of(slo))
    return tuple(found)


def settled(found: Sequence[Recovery]) -> bool:
    """Whether all have recovered."""
    return all(each.recovered for each in found)


def _of(slo: SloState) -> Recovery:
    if not slo.burns:
        recovered = {Verdict.PASS: True, Verdict.FAIL: False, Verdict.WARN: False}.get(slo.verdict)
        return Recovery(slo.name, recovered, f"{slo.name}: {slo.sentence}")
    shortest = slo.burns[0]
    where = f"over {window(shortest.window_seconds)}"
    if shortest.rate is None or shortest.quality is not Quality.OK:
        return Recovery(slo.name, None, f"{slo.name} cannot be seen {where}: {QUALITY_WORDS[shortest.quality]}")
    recovered = shortest.rate <= SUSTAINABLE
    return Recovery(slo.name, recovered, f"{slo.name}: burn rate {burn_rate(shortest.rate)} {where}, "
                                         f"{'met again' if recovered else 'not met yet'}")
