"""A cell with effects on the command line: its plan, its guards, what has to be typed, and every step."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from triage.errors import TriageError

if TYPE_CHECKING:
    from triage.actions.steps import Prepared
    from triage.cells.results import Run
    from triage.cells.system import CellSystem
    from triage.config import Active
    from triage.live.snapshot import Snapshot
    from triage.notebook.manifest import Manifest


async def carry_out(system: CellSystem, active: Active, manifest: Manifest, snapshot: Snapshot | None, *, write: bool,
                    reason: str, incident: str) -> Run:
    """Plan, ask the guards, have it confirmed, run it; everything is told on stderr. The finished run.

    Raises :class:`~triage.errors.TriageError` when it is refused, or nothing was run.
    """
    from triage.actions.opening import open_executor
    from triage.actions.plan import Action
    from triage.actions.system import Refusal, Wish
    from triage.cli_confirm import confirmation
    from triage.clock import SystemClock
    executor = open_executor(system, active, manifest, SystemClock(), lambda: snapshot, write=write)
    prepared = await executor.prepare(Wish(Action.CELL, reason, incident=incident).cleaned())
    if isinstance(prepared, Refusal):
        raise TriageError(prepared.message, prepared.hint)
    _show(prepared)
    mode = executor.mode()
    if not mode.allows:
        raise TriageError(mode.sentence, "nothing was run")
    typed = confirmation(prepared, stopped=bool(prepared.stops), options=False)
    last = ""
    async with aclosing(executor.carry_out(prepared, typed)) as steps:
        async for step in steps:
            last = step.sentence if step.outcome is not None else last
            click.echo(f"triage: {step.stage}: {step.sentence}", err=True)
    if system.run is None:
        raise TriageError(last or "nothing was run")
    return system.run


def _show(prepared: Prepared) -> None:
    plan = prepared.plan
    rows = [f"plan {plan.short}: {plan.requests[0].sentence}", f"  changes: {plan.blast_radius.sentence}",
            f"  undo: {plan.inverse}", *(f"  ! {text}" for text in plan.warnings),
            *(f"  {each.verdict}: {each.name}: {each.sentence}" for each in prepared.checked)]
    for row in rows:
        click.echo(row, err=True)
