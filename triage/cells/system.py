"""``CellSystem``: a cell that changes something, as the executor sees it: planned, guarded, run at most once."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable

from triage.actions.plan import (
    Action,
    BlastRadius,
    Plan,
    Precondition,
    Request,
    State,
    Target,
    Verification,
)
from triage.actions.system import (
    NOBODY,
    UNVERIFIED,
    Authority,
    Fate,
    Granted,
    Observed,
    Offer,
    Progress,
    Refusal,
    Rehearsal,
    Sent,
    Sighting,
    Wish,
)
from triage.cells.prepare import Prepared, open_book
from triage.cells.protocol import Outcome
from triage.cells.results import Run
from triage.cells.run import Setting, run_cells
from triage.cells.supervise import Answer, Stop
from triage.cells.words import effects_words, headline
from triage.clock import Clock
from triage.errors import InvalidDocument
from triage.facts.outcome import Failure, FailureKind
from triage.live.snapshot import Snapshot
from triage.person import person
from triage.text import clean

SYSTEM = "cells"
_DIGEST = "sha256"
_SLACK_SECONDS = 120.0
"""Beside the cells' own limits: for the kernel to come up, and to be ended."""
_ELSEWHERE = "a cell does not do that"


class CellSystem:
    """One cell of one model, as it was prepared; it is run at most once."""

    def __init__(self, prepared: Prepared, setting: Setting, clock: Clock, answer: Answer, *, production: bool,
                 on_change: Callable[[Run], None] = lambda run: None,
                 close: Callable[[], Awaitable[None]] | None = None) -> None:
        """``close`` ends what ``answer`` needs."""
        self.stop = Stop()
        """To interrupt it while it runs."""
        self.run: Run | None = None
        """What came of it; None before it was run."""
        self._prepared = prepared
        self._setting = setting
        self._clock = clock
        self._answer = answer
        self._on_change = on_change
        self._close = close
        self._cell = prepared.asked[0]
        self._target = Target(setting.context, production, prepared.notebook.name, SYSTEM, "cell",
                              clean(socket.gethostname(), limit=100), "",
                              f"{prepared.notebook.name}/{self._cell.id}")

    @property
    def target(self) -> Target:
        """The cell, on this machine."""
        return self._target

    async def observe(self) -> Observed | Failure:
        """Read the notebook file again: what is run must be what was planned."""
        try:
            book = open_book(self._prepared.notebook)
        except InvalidDocument as error:
            return Failure(FailureKind.BROKEN, error.findings[0].sentence(), "restore the notebook file")
        return Observed(self._clock.now(), {_DIGEST: book.sha256})

    @property
    def authority(self) -> Authority:
        """Nobody."""
        return NOBODY

    async def whoami(self) -> str | Failure:
        """Nobody authenticates whoever runs a cell."""
        return f"{UNVERIFIED} {person()}"

    async def granted(self, action: Action) -> Granted:
        """What a cell may is what the user may."""
        return Granted(True, f"the cell runs as {person()}, and may what {person()} may")

    def offers(self, observed: Observed, snapshot: Snapshot) -> tuple[Offer, ...]:
        """Running it, and nothing else."""
        return tuple(Offer(action, None, f"run {self._cell.id}") if action is Action.CELL else
                     Offer(action, Refusal(_ELSEWHERE, "look at the actions of the rollout"), "") for action in Action)

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        """The plan to run it once."""
        prepared, cell = self._prepared, self._cell
        if wish.action is not Action.CELL:
            return Refusal(_ELSEWHERE, "look at the actions of the rollout")
        body = json.dumps({"notebook": prepared.book.sha256, "parameters": dict(prepared.values), "cells": [
            {"id": each.id, "sha256": each.sha256} for each in prepared.chosen.cells]}, sort_keys=True)
        effect = effects_words(cell.id, prepared.effects)
        request = Request("RUN", cell.id, "application/json", body, f"run the cell {cell.id} of "
                          f"{prepared.book.path.name}", effect,
                          (Precondition(_DIGEST, prepared.book.sha256,
                                        f"{prepared.book.path.name} has the digest {prepared.book.sha256[:12]}"),))
        warnings = [prepared.difference] if prepared.difference else []
        warnings += [f"not proven that nothing else is needed: {doubt}" for doubt in prepared.chosen.doubts]
        return Plan(
            Action.CELL, self._target, State("", text="not run"), State("", text="run once"), (request,),
            "there is no way back but to change by hand what the cell changed", BlastRadius(None, None, None, effect),
            f"at once, for {prepared.seconds:g} s at most",
            Verification(f"{cell.id} has run to its end", prepared.seconds + _SLACK_SECONDS), actor, wish.reason,
            wish.incident, now, tuple(warnings))

    async def rehearse(self, request: Request) -> Rehearsal:
        """There is no dry run of a cell."""
        return Rehearsal(None, "a cell has no dry run")

    async def send(self, request: Request, action_id: str) -> Sent:
        """Run it. What did not run to its end may have changed something: its fate is unknown."""
        if self.run is not None:
            return Sent(Fate.NOT_SENT, None, "it was run already")
        run = self.run = await run_cells(self._prepared, self._setting, self._clock, self._answer, self.stop,
                                         self._on_change)
        # Those that it needs may change something, too.
        if all(cell.outcome in (None, Outcome.NOT_RUN) for cell in run.cells if cell.id in self._prepared.changing):
            return Sent(Fate.NOT_SENT, None, headline(run))
        cell = run.cell(self._cell.id)
        done = cell is not None and cell.outcome is Outcome.FINISHED
        return Sent(Fate.DONE if done else Fate.UNKNOWN, None, headline(run))

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        """Whether it has run to its end."""
        run = self.run
        if run is None:
            return Sighting(Progress.ELSEWHERE, "it has not been run")
        cell = run.cell(self._cell.id)
        if cell is not None and cell.outcome is Outcome.FINISHED:
            return Sighting(Progress.REACHED, headline(run))
        return Sighting(Progress.CANNOT_TELL, f"{headline(run)}: what it changed until then is not known",
                        final=run.phase == "ended")

    async def aclose(self) -> None:
        """Close what answers its questions."""
        if self._close is not None:
            await self._close()
