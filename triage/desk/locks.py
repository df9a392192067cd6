"""What holds changes of one model back at present: kill switches, announced freezes, and leases that somebody has."""

from __future__ import annotations

import asyncio

from triage.actions.freeze import current
from triage.actions.lease import Busy, NoLease
from triage.config import Active
from triage.desk.actions import ActionDesk

LOOK_SECONDS = 5.0
"""Of the machine: leases that lie in a cluster are waited for no longer."""


async def locks(desk: ActionDesk, active: Active, now: float) -> tuple[str, ...]:
    """A sentence on each, at ``now`` (Unix seconds of the world); what cannot be told is a sentence, too."""
    mode = desk.mode()
    out = [mode.sentence] if mode.killed else []
    out += [mode.doubt] if mode.doubt else []
    out += current((*active.context.actions.freezes, *desk.manifest.spec.freezes), desk.model, now)
    looks = (executor.leases.look(key) for key, executor in desk.executors.items())
    try:
        found = await asyncio.wait_for(asyncio.gather(*looks), LOOK_SECONDS)
    except TimeoutError:
        return (*out, f"leases not known: no answer in {LOOK_SECONDS:g} s")
    out += [f"lease {each.sentence()}" for each in found if isinstance(each, Busy)]
    out += [f"leases not known: {each.message}" for each in found if isinstance(each, NoLease)]
    return tuple(dict.fromkeys(out))
