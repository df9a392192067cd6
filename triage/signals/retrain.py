"""Whether retraining is due by the manifest's own triggers. It is only said: nothing here, or after it, starts a run.

What must be "sustained" is read from verdicts at past times on a grid, so that a look an hour later, or the first look
of all, says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reading import Verdict

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest, RetrainTrigger

MIN_KNOWN = 0.8
"""Share of the grid's points in the sustained time that must be known."""


class TriggerState(StrEnum):
    """How far a trigger is."""

    ASKED = "asked"
    """The condition held for all of its time: retraining is due."""
    BUILDING = "building"
    """It holds now, not yet for long enough."""
    QUIET = "quiet"
    """It holds for nothing that it speaks of, and all of that is known."""
    UNKNOWN = "unknown"
    """Too little is known to say either."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of a verdict's past."""

    at: float
    """Unix seconds, on the grid."""
    verdict: DriftVerdict | Verdict | None
    """None: not known then."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger of the manifest, evaluated."""

    condition: str
    """``drift critical``, ``drift warning`` or ``recall below its limit``."""
    state: TriggerState
    subjects: tuple[str, ...]
    """Features, or the metric, for which it holds (asked: for all of the time)."""
    sustained_seconds: float
    since: float | None
    """Unix seconds of the earliest moment from which on it holds without a break; None when it does not hold."""
    approval: str
    """Who must approve: ``model-owner payments-ml``; "" when nobody must."""
    sentence: str


def triggers(manifest: Manifest, drift: Mapping[str, Sequence[Moment]], quality: Mapping[str, Sequence[Moment]],
             now: float, step_seconds: float) -> tuple[Trigger, ...]:
    """The triggers of ``retrain.when`` at ``now``, in the manifest's order.

    ``drift`` holds the past verdicts by feature, ``quality`` by quality metric, on a grid of ``step_seconds``.
    """
    retrain = manifest.spec.retrain
    if retrain is None:
        return ()
    approval = ""
    if retrain.approval == "required":
        owners = [o for o in manifest.metadata.owners if o.role == "model-owner"] or list(manifest.metadata.owners)
        approval = f"{owners[0].role} {owners[0].name}"
    found = []
    for rule in retrain.when:
        if rule.drift is not None:
            found.append(_trigger(rule, f"drift {rule.drift}", drift, now, step_seconds, approval))
        if rule.quality is not None:
            past = {rule.quality: quality.get(rule.quality, ())}
            found.append(_trigger(rule, f"{rule.quality} beyond its limit", past, now, step_seconds, approval))
    return tuple(found)


def _trigger(rule: RetrainTrigger, condition: str, past: Mapping[str, Sequence[Moment]], now: float,
             step_seconds: float, approval: str) -> Trigger:
    wanted = _wanted(rule, condition)
    need = rule.sustained
    runs = {name: _holds_since(moments, wanted, now, step_seconds) for name, moments in past.items()}
    asked = sorted(name for name, since in runs.items() if since is not None and since <= now - need
                   and _known(past[name], now - need, now, step_seconds))
    building = sorted(name for name, since in runs.items() if since is not None and name not in asked)
    about = "feature" if condition.startswith("drift ") else ""
    if asked:
        since = min(s for name in asked if (s := runs[name]) is not None)
        on = f" on {len(asked)} {about}{'s' if len(asked) > 1 else ''}" if about else ""
        then = f"retrain asked, needs approval by {approval}" if approval else "retrain asked"
        return Trigger(condition, TriggerState.ASKED, tuple(asked), need, since, approval,
                       f"{condition}{on} for {wording.span(need)}: {then}")
    if building:
        since = min(s for name in building if (s := runs[name]) is not None)
        on = f" on {len(building)} {about}{'s' if len(building) > 1 else ''}" if about else ""
        return Trigger(condition, TriggerState.BUILDING, tuple(building), need, since, approval,
                       f"{condition}{on} for {wording.age(now - since)} of {wording.span(need)}")
    dark = sum(not _recent(moments, now, step_seconds) for moments in past.values())
    if dark < len(past) and dark:
        return Trigger(condition, TriggerState.UNKNOWN, (), need, None, approval, f"{condition}: {dark} of {len(past)} "
                       f"{about}s not known at present, the others are not so")
    if dark or not past:
        return Trigger(condition, TriggerState.UNKNOWN, (), need, None, approval, f"{condition}: not known at present")
    return Trigger(condition, TriggerState.QUIET, (), need, None, approval, f"{condition}: not so now")


def _wanted(rule: RetrainTrigger, condition: str) -> frozenset[DriftVerdict | Verdict]:
    if not condition.startswith("drift "):
        return frozenset({Verdict.FAIL})
    if rule.drift == "critical":
        return frozenset({DriftVerdict.DRIFT})
    return frozenset({DriftVerdict.DRIFT, DriftVerdict.WATCH})


UNKNOWN_VERDICTS = frozenset({None, DriftVerdict.STALE, DriftVerdict.NOT_COMPARABLE, DriftVerdict.INSUFFICIENT,
                              Verdict.UNKNOWN, Verdict.PENDING, Verdict.LOW_N, Verdict.NOT_JUDGED})
"""Moments that neither carry a condition on nor end it."""


def _holds_since(moments: Sequence[Moment], wanted: frozenset[DriftVerdict | Verdict], now: float,
                 step_seconds: float) -> float | None:
    """From when on every known moment was as wanted; None when the newest known one is not, or is too old."""
    since = None
    for moment in sorted((m for m in moments if m.at <= now), key=lambda m: m.at, reverse=True):
        if moment.verdict in UNKNOWN_VERDICTS:
            continue
        if since is None and now - moment.at > 2 * step_seconds:
            return None
        if moment.verdict not in wanted:
            break
        since = moment.at
    return since


def _known(moments: Sequence[Moment], start: float, end: float, step_seconds: float) -> bool:
    """Whether enough of the grid's points in ``[start, end]`` are known."""
    known = sum(start <= m.at <= end and m.verdict not in UNKNOWN_VERDICTS for m in moments)
    return known >= MIN_KNOWN * ((end - start) // step_seconds)


def _recent(moments: Sequence[Moment], now: float, step_seconds: float) -> bool:
    return any(m.verdict not in UNKNOWN_VERDICTS and 0 <= now - m.at <= 2 * step_seconds for m in moments)
