"""Whether what had to recover has recovered, read from the newest snapshot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.actions.plan import Plan
from triage.live.silence import silent
from triage.live.snapshot import Snapshot
from triage.signals.model import SloState
from triage.signals.reading import UNHEARD, Quality, Verdict
from triage.signals.wording import QUALITY_WORDS, burn_rate, window

SUSTAINABLE = 1.0
"""Burn rate at which an objective's budget lasts exactly for its window: at or below it, it is met again."""

EVERY = "every objective"
"""Stands in a plan for the model's objectives when nothing at all was read of them yet: not even their names."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One objective after the action."""

    name: str
    recovered: bool | None
    """None when it cannot be seen."""
    sentence: str


def to_recover(snapshot: Snapshot | None, name: str) -> tuple[str, ...]:
    """Names of the objectives of the model ``name`` that have to be met after an action against what is wrong: those
    that fail, those that burn their budget faster than it lasts at present, and those that cannot be seen, which may
    fail as well. Of the last only what the manifest requires; where it requires none, every one with an objective."""
    model = None if snapshot is None else snapshot.model(name)
    if snapshot is None or model is None:
        return (EVERY,)
    is_silent = silent(snapshot) is not None
    watched = {slo.name for slo in _watched(model.slos)}
    return tuple(slo.name for slo in model.slos if _is_wrong(slo) or (
        slo.name in watched and _is_unseen(slo, is_silent=is_silent)))


def recovery(plan: Plan, snapshot: Snapshot | None, sent_at: float) -> tuple[Recovery, ...]:
    """How each reading of the plan's verification does, by facts that are newer than ``sent_at`` (Unix seconds).

    An objective counts as met again by the shortest window of its burn rate: the longer ones still hold what was
    wrong before. One without burn rates (a level) by its verdict.
    """
    model = None if snapshot is None else snapshot.model(plan.target.model)
    found = []
    names = plan.verification.readings
    if model is not None and EVERY in names:
        names = tuple(slo.name for slo in _watched(model.slos))
    for name in names:
        slo = None if model is None else next((s for s in model.slos if s.name == name), None)
        if snapshot is None or model is None or slo is None:
            found.append(Recovery(name, None, f"{name} cannot be seen: nothing was read of it"))
        elif silent(snapshot) is not None:
            found.append(Recovery(name, None, f"{name} cannot be seen: prometheus does not answer"))
        elif model.data_at is None or model.data_at <= sent_at:
            found.append(Recovery(name, None, f"{name}: nothing was read since"))
        else:
            found.append(_of(slo))
    return tuple(found)


def is_blind(plan: Plan, snapshot: Snapshot | None) -> bool:
    """Whether Prometheus was silent when the plan was made and has not been heard since."""
    if snapshot is None:
        return True
    source = silent(snapshot)
    return source is not None and (source.since is None or source.since <= plan.made_at)


def settled(found: Sequence[Recovery]) -> bool:
    """Whether all have recovered."""
    return all(each.recovered for each in found)


def _watched(slos: Sequence[SloState]) -> tuple[SloState, ...]:
    """The objectives that the manifest requires; all that are judged where it requires none."""
    judged = tuple(slo for slo in slos if slo.objective is not None)
    return tuple(slo for slo in judged if slo.required) or judged


def _is_wrong(slo: SloState) -> bool:
    return slo.verdict is Verdict.FAIL or (
        slo.verdict is Verdict.WARN and bool(slo.burns) and (slo.burns[0].rate or 0.0) > SUSTAINABLE)


def _is_unseen(slo: SloState, *, is_silent: bool) -> bool:
    """Whether it is not known for want of an answer, which no traffic and too few events are not."""
    if is_silent:
        # What was said before the silence is a verdict about the past.
        return slo.verdict is not Verdict.PENDING
    return slo.verdict is Verdict.UNKNOWN and (slo.is_asked or slo.now.quality in UNHEARD or any(
        burn.quality in UNHEARD for burn in slo.burns))


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
