"""``status.conditions`` of workloads: what holds, since when, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.lab.cluster.objects import Json, timestamp


@dataclass(frozen=True, slots=True)
class Condition:
    """One statement. ``status`` is True, False or Unknown, as text."""

    kind: str
    status: str
    reason: str
    message: str


def truth(holds: bool) -> str:
    return "True" if holds else "False"


def updated(before: Sequence[Json], now: Sequence[Condition], at: float, *, touched: str = "") -> list[Json]:
    """The entries for the statements of ``now``.

    ``lastTransitionTime`` moves with the status, ``lastUpdateTime`` with status or reason, and also for the type
    ``touched``: that is how controllers note progress.
    """
    entries = []
    for condition in now:
        old = next((each for each in before if each["type"] == condition.kind), None)
        entry = {"type": condition.kind, "status": condition.status, "reason": condition.reason,
                 "message": condition.message, "lastTransitionTime": timestamp(at), "lastUpdateTime": timestamp(at)}
        if old is not None and old["status"] == condition.status:
            entry["lastTransitionTime"] = old["lastTransitionTime"]
            if old["reason"] == condition.reason and condition.kind != touched:
                entry["lastUpdateTime"] = old["lastUpdateTime"]
        entries.append(entry)
    return entries
