"""The course of one action under its lease: intents, requests, results, watching, outcome. For the executor only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from triage.actions.guards.checking import Verdict
from triage.actions.guards.foundation import identity, moved
from triage.actions.guards.rules import OWNER
from triage.actions.history import Outcome
from triage.actions.journal import JournalError, Kind, Record
from triage.actions.lease import Held
from triage.actions.moment import Moment
from triage.actions.plan import PLAN_SECONDS
from triage.actions.steps import EXPIRED, Confirmation, Prepared, Stage, Step, seconds_left
from triage.actions.system import Fate, Progress, Sent, Sighting
from triage.actions.uninterrupted import finished
from triage.actions.verifying import is_blind, recovery, settled
from triage.facts.outcome import Failure

if TYPE_CHECKING:
    from triage.actions.executor import Executor

RECENT_SECONDS = 3.0
"""For so long what was read of the target counts: what hung meanwhile, a disk, a lease or the terminal that shows the
steps, must not let an old decision through."""
LOOK_SECONDS = 2.0
"""Between two looks at the target."""
REVERSAL_SECONDS = 60.0
"""How long a target that GitOps owns is watched for being taken back: Argo CD does within seconds."""
BLIND_SECONDS = 30.0
"""A Prometheus that was silent before the plan, and still is so long after the last request, is not waited for; nor is
a target that cannot be read so long after it was to be seen once more."""
SETTLED_SECONDS = 60.0
"""A request without an answer that has shown no effect for so long is taken for not done."""


class Course:
    """One action, from its first record to its outcome. :meth:`steps` once, then :meth:`end` in every case."""

    def __init__(self, executor: Executor, prepared: Prepared, confirmation: Confirmation, held: Held,
                 looked: Moment) -> None:
        """``looked``: when the look began that the guards were asked on."""
        self._executor, self._prepared, self._confirmation, self._held = executor, prepared, confirmation, held
        self._plan = prepared.plan
        self._looked = looked
        self._first_sent: Moment | None = None
        self._begun = False
        self._open: int | None = None
        """Request whose intent is written and whose result is not."""
        self._sending = False
        self._concluded = False
        self._last_sent: Moment | None = None
        self._unknown = ""
        """What is not known of a request; "" when all have an answer."""

    async def steps(self) -> AsyncGenerator[Step, None]:
        """Everything that happens."""
        overridden = [c for c in self._prepared.checked if c.stops]
        if overridden:
            yield self._step(Stage.BREAK_GLASS, f"overridden: {', '.join(c.name for c in overridden)}; "
                                                f"because: {self._confirmation.break_glass.strip()}")
        # Before it is written: whoever is told to stop meanwhile has begun as well.
        self._begun = True
        try:
            await self._write(Kind.BEGUN, self._beginning())
        except JournalError as error:
            self._begun = False
            yield self._step(Stage.OUTCOME, f"not carried out, nothing was sent: journal: {error.message}",
                             outcome=Outcome.REFUSED)
            return
        for index in range(len(self._plan.requests)):
            stopped = await self._still_may(index)
            if not stopped:
                try:
                    await self._intend(index)
                except JournalError as error:
                    stopped = f"journal: {error.message}"
            if stopped:
                yield await self._conclude(*self._withheld(index, stopped))
                return
            yield self._step(Stage.INTENT, self._plan.requests[index].sentence, request=index)
            if stopped := await self._overtaken(index):
                await self._result(Sent(Fate.NOT_SENT, None, stopped))
                yield self._step(Stage.SENT, f"{Fate.NOT_SENT}: {stopped}", request=index, fate=Fate.NOT_SENT)
                yield await self._conclude(*self._withheld(index, stopped))
                return
            sent = await self._send(index)
            told = sent.fate if sent.message == sent.fate else f"{sent.fate}: {sent.message}"
            yield self._step(Stage.SENT, str(told), request=index, fate=sent.fate)
            if sent.fate is Fate.UNKNOWN:
                self._unknown = f"no answer came to request {index + 1} of {len(self._plan.requests)}: {sent.message}"
                break
            if sent.fate is not Fate.DONE:
                yield await self._conclude(*self._stopped(index, sent.message))
                return
        # Nothing more is sent: from here on it keeps nobody from the safe direction. That it cannot be said, or the
        # lease is lost, changes nothing for who only looks.
        await self._held.watch()
        async with aclosing(self._verified()) as watching:
            async for step in watching:
                yield step

    async def end(self) -> None:
        """Write down what is still open: nobody watches any more."""
        if self._open is not None:
            fate = Fate.UNKNOWN if self._sending else Fate.NOT_SENT
            await self._result(Sent(fate, None, "interrupted before an answer came" if self._sending
                                    else "interrupted before it was sent"))
        if self._begun and not self._concluded:
            await self._conclude(Outcome.UNKNOWN if self._last_sent else Outcome.FAILED,
                                 "interrupted: it was not watched to its end" if self._last_sent
                                 else "interrupted before anything was sent")

    async def _still_may(self, index: int) -> str:
        """Why request ``index`` must not be sent although its guards, or the ones before it, let it pass; "" when it
        may."""
        mode = self._executor.mode()
        if not mode.allows:
            return mode.sentence
        if trouble := await self._held.renew():
            return trouble
        return await self._moved(index) if index > 0 else ""

    async def _overtaken(self, index: int) -> str:
        """The same, once its intent is written and told. Nothing waits between this and the request: what no server
        tests once more, as HAProxy and MLflow do not, is tested here."""
        if self._looked.seconds_since(self._executor.clock) > RECENT_SECONDS and (trouble := await self._again(index)):
            return trouble
        mode = self._executor.mode()
        if not mode.allows:
            return mode.sentence
        # A plan of several requests may begin with its last second, and goes on for as long as it was valid at most.
        left = seconds_left(self._prepared, self._executor.clock) if self._first_sent is None else (
            PLAN_SECONDS - self._first_sent.seconds_since(self._executor.clock))
        return "" if left > 0 else EXPIRED

    async def _again(self, index: int) -> str:
        """Ask every guard once more, for a plan of which nothing was sent; else whether the rest of it still fits."""
        if index > 0:
            return await self._held.renew() or await self._moved(index)
        self._looked = Moment.of(self._executor.clock)
        checked = await self._executor.ask_again(self._prepared, self._confirmation, self._held,
                                                 self._prepared.circumstances.history)
        return "; ".join(checked) if isinstance(checked, tuple) else ""

    async def _moved(self, index: int) -> str:
        """Look at the target once more: why request ``index`` does not fit it; "" when it does."""
        self._looked = Moment.of(self._executor.clock)
        observed = await self._executor.system.observe()
        if isinstance(observed, Failure):
            return f"where the target stands cannot be read: {observed.sentence()}"
        circumstances = replace(self._prepared.circumstances, observed=observed)
        found = (identity(circumstances), moved(circumstances, index))
        return next((each.sentence for each in found if each.verdict is not Verdict.OK), "")

    def _withheld(self, index: int, why: str) -> tuple[Outcome, str]:
        """The end of a plan whose request ``index`` we did not send."""
        return self._stopped(index, why) if index else (Outcome.REFUSED, f"not carried out, nothing was sent: {why}")

    @property
    def _sent_at(self) -> float:
        """When the last request was answered, or given up, world time; 0 before there was one."""
        return 0.0 if self._last_sent is None else self._last_sent.at

    def _time(self) -> float:
        """World time, as far as it has moved on since the last request: a clock that is set back makes nobody watch,
        and hold the lease, for longer."""
        sent, clock = self._last_sent, self._executor.clock
        return clock.now() if sent is None else sent.at + sent.seconds_since(clock) * max(clock.speed, 1.0)

    def _stopped(self, index: int, why: str) -> tuple[Outcome, str]:
        done = f"{index} of {len(self._plan.requests)} requests done" if index else "nothing was changed"
        return Outcome.FAILED, f"{done}: {why}"

    async def _intend(self, index: int) -> None:
        request = self._plan.requests[index]
        self._open = index
        try:
            await self._write(Kind.INTENT, {"request": index, "method": request.method, "path": request.path,
                                            "body": request.body, "sentence": request.sentence})
        except JournalError:
            self._open = None
            raise

    async def _send(self, index: int) -> Sent:
        self._sending = True
        self._last_sent = Moment.of(self._executor.clock)
        self._first_sent = self._first_sent or self._last_sent
        try:
            sent = await self._executor.system.send(self._plan.requests[index], self._prepared.action_id)
        except Exception as error:
            # A fault of ours after the first byte left must not be taken for "nothing happened".
            sent = Sent(Fate.UNKNOWN, None, f"a fault in triage itself: {type(error).__name__}")
        self._last_sent = Moment.of(self._executor.clock)
        trouble = await self._result(sent)
        return sent if not trouble else Sent(sent.fate, sent.code, f"{sent.message} (not in the journal: {trouble})")

    async def _result(self, sent: Sent) -> str:
        """Write a result down; why that was not possible, "" when it was."""
        index, self._open, self._sending = self._open, None, False
        try:
            await self._write(Kind.RESULT, {"request": index, "fate": str(sent.fate), "code": sent.code,
                                            "message": sent.message})
        except JournalError as error:
            return error.message
        return ""

    async def _verified(self) -> AsyncGenerator[Step, None]:
        """Watch the target to its goal, then the readings to their recovery."""
        wanted, last = self._plan.verification, Sighting(Progress.CANNOT_TELL, "not looked at yet")
        goal_seconds = max(wanted.goal_seconds, SETTLED_SECONDS) if self._unknown else wanted.goal_seconds
        deadline = self._sent_at + goal_seconds
        while True:
            last = await self._sighting()
            yield self._step(Stage.VERIFYING, last.sentence, progress=last.progress, deadline=deadline)
            if last.progress is Progress.REACHED or last.final or self._time() >= deadline:
                break
            await self._pause()
        if self._unknown:
            await self._reconciled(last)
        if last.progress is not Progress.REACHED:
            yield await self._conclude(*self._not_reached(last))
            return
        async with aclosing(self._kept(last)) as watching:
            async for step in watching:
                yield step

    async def _kept(self, last: Sighting) -> AsyncGenerator[Step, None]:
        """Watch that the target stays where ``last`` saw it, until the readings have recovered."""
        wanted = self._plan.verification
        watched_until = self._sent_at + (REVERSAL_SECONDS if self._is_owned else 0.0)
        while True:
            # Done is what was seen to be done in one and the same pass: there, and recovered.
            snapshot = self._executor.snapshot()
            found = recovery(self._plan, snapshot, self._sent_at)
            patience = min(BLIND_SECONDS, wanted.recovery_seconds) if is_blind(self._plan, snapshot) else (
                wanted.recovery_seconds)
            deadline = max(self._sent_at + patience, watched_until + BLIND_SECONDS if self._is_owned else 0.0)
            is_there = last.progress is Progress.REACHED
            if is_there and settled(found) and self._time() >= watched_until:
                yield await self._conclude(Outcome.DONE, self._reached("; ".join(each.sentence for each in found)))
                return
            readings = "; ".join(each.sentence for each in found)
            told = (readings or f"{last.sentence}; does its owner leave it there?") if is_there else "; ".join(
                filter(None, (last.sentence, readings)))
            yield self._step(Stage.VERIFYING, told, progress=last.progress, recovery=found, deadline=deadline)
            if last.progress is Progress.ELSEWHERE:
                yield await self._conclude(Outcome.FAILED, f"it was there and was taken back: {last.sentence}")
                return
            if self._time() >= deadline:
                break
            await self._pause()
            last = await self._sighting()
        unmet = [each.sentence for each in found if each.recovered is False]
        unseen = [each.sentence for each in found if each.recovered is None]
        since = [] if is_there else [f"it was seen there, and then {last.sentence}"]
        yield await self._conclude(Outcome.NOT_RECOVERED if unmet else Outcome.UNKNOWN,
                                   self._reached("; ".join((*since, *unmet, *unseen))))

    @property
    def _is_owned(self) -> bool:
        """Whether somebody keeps the target as it is written down elsewhere, and may take the change back."""
        return any(c.name == OWNER and c.verdict is not Verdict.OK for c in self._prepared.checked)

    async def _pause(self) -> None:
        # The world of a lab may live faster than the machine.
        await self._executor.wait(max(LOOK_SECONDS / max(self._executor.clock.speed, 1.0), 0.1))

    async def _sighting(self) -> Sighting:
        observed = await self._executor.system.observe()
        if isinstance(observed, Failure):
            return Sighting(Progress.CANNOT_TELL, f"the target cannot be read: {observed.sentence()}")
        return self._executor.system.sighting(self._plan, observed)

    def _not_reached(self, last: Sighting) -> tuple[Outcome, str]:
        if self._unknown:
            return Outcome.UNKNOWN, f"{self._unknown}; {last.sentence}"
        if last.progress is Progress.CANNOT_TELL:
            return Outcome.UNKNOWN, last.sentence
        return Outcome.FAILED, f"the system did what it was asked, and the target is not there in time: {last.sentence}"

    def _reached(self, more: str) -> str:
        told = f"{self._unknown}, and the goal is there: {self._plan.verification.goal}" if self._unknown else (
            self._plan.verification.goal)
        return f"{told}; {more}" if more else told

    async def _reconciled(self, last: Sighting) -> None:
        try:
            await self._write(Kind.RECONCILED, {"progress": str(last.progress), "sentence": last.sentence})
        except JournalError:
            # It stays unknown in the journal, which is the safe reading of it.
            return

    async def _conclude(self, outcome: Outcome, sentence: str) -> Step:
        self._concluded = True
        try:
            await self._write(Kind.CONCLUDED, {"outcome": str(outcome), "sentence": sentence})
        except JournalError as error:
            sentence = f"{sentence} (not in the journal: {error.message})"
        return self._step(Stage.OUTCOME, sentence, outcome=outcome)

    def _beginning(self) -> Mapping[str, Any]:
        circumstances, origin = self._prepared.circumstances, self._executor.journal.origin
        request, taken = circumstances.approval, self._held.taken_over_from
        return {
            "plan": self._plan.content(), "digest": self._plan.digest,
            "actor": circumstances.identity if isinstance(circumstances.identity, str) else self._plan.actor,
            "requester": self._plan.actor, "approval": "" if request is None else request.id,
            "approved_by": [] if request is None else sorted(each.by for each in request.approvals),
            "guards": [{"name": c.name, "verdict": str(c.verdict), "sentence": c.sentence,
                        "acknowledged": bool(c.acknowledgement), "overridden": c.stops}
                       for c in self._prepared.checked],
            "break_glass": self._confirmation.break_glass.strip(), "lease": self._held.token,
            "taken_over_from": "" if taken is None else taken.holder,
            "host": origin.host, "user": origin.user, "uid": origin.uid, "pid": origin.pid, "ssh": origin.ssh}

    async def _write(self, kind: Kind, fields: Mapping[str, Any]) -> Record:
        """Write a record, to its end even when this task is cancelled meanwhile: half of it would be worse."""
        return await finished(asyncio.to_thread(
            self._executor.journal.append, kind, self._prepared.action_id, fields))

    def _step(self, stage: Stage, sentence: str, **more: Any) -> Step:
        return Step(self._executor.clock.now(), stage, sentence, **more)
