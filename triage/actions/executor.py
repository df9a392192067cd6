"""The executor: the only way in which triage changes anything. It knows no screen; screen and command line show its
steps.

The order is fixed: look, plan, rehearse, ask every guard, be confirmed; then take the lease, look again and ask every
guard again, and for each request write down the intent, send it once, write down the result; then watch until the
target is where it should be and has recovered, write down the outcome, give the lease back. Nothing is ever sent
twice: a request without an answer is *unknown*, ends the plan, and is looked for in the world.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from triage.actions import approvals, lease_beside
from triage.actions.approvals import ApprovalError, ApprovalRequest
from triage.actions.carrying import Course
from triage.actions.circumstances import Circumstances, JournalLook, Policy
from triage.actions.freeze import WriteMode
from triage.actions.guards import check, foresee
from triage.actions.guards.checking import Checked
from triage.actions.history import History, Outcome, history_of
from triage.actions.journal import Journal, JournalError, Kind
from triage.actions.lease import Busy, Claim, Free, Held, Leases, NoLease, kept_alive
from triage.actions.moment import Moment
from triage.actions.plan import Action, Plan, shown_version
from triage.actions.proven import NOT_ASKED, Proven
from triage.actions.signature import Signature
from triage.actions.steps import Confirmation, Prepared, Stage, Step, objections, seconds_left
from triage.actions.system import (
    UNVERIFIED,
    Granted,
    Observed,
    Progress,
    Refusal,
    Rehearsal,
    System,
    Wish,
    authenticated,
)
from triage.actions.uninterrupted import finished
from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot

EVIDENCE_SECONDS = 5.0
"""How long registry and Prometheus may take to tell of a version: a rollback does not wait for them longer."""
Wait = Callable[[float], Awaitable[None]]


_UNSIGNED = Signature(None, "its inputs were not compared")


async def _not_looked_at() -> JournalLook:
    """Of the journal, while nothing may be written into it."""
    return JournalLook("")


async def no_signature(version: str) -> Signature:
    """For models without a registry: nothing is known of a version's inputs."""
    return Signature(None, f"the inputs of {shown_version(version)} are not known: there is no registry")


async def no_proof(needed_seconds: float, share: float) -> Proven:
    """For systems of which nothing is looked back for."""
    return NOT_ASKED


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What can be said of an action before anything is rehearsed for it."""

    checked: tuple[Checked, ...] = ()
    """The guards that are about it and need nothing that is not at hand."""
    nothing: Refusal | None = None
    """That there is nothing to do; None when there is."""
    lacks: str = ""
    """Why it cannot be planned before more is said than its name, as a sentence; "" when it can."""


@dataclass(slots=True)
class Executor:
    """Carries out actions on one target of one model."""

    system: System
    journal: Journal
    leases: Leases
    clock: Clock
    policy: Policy
    mode: Callable[[], WriteMode]
    """Asked before anything else, and again before each request."""
    snapshot: Callable[[], Snapshot | None]
    """The newest snapshot; None while there is none."""
    signature: Callable[[str], Awaitable[Signature]] = no_signature
    """Whether a version takes today's inputs."""
    wait: Wait = asyncio.sleep
    """Waits so many of the machine's seconds; tests pass their own."""
    proven: Callable[[float, float], Awaitable[Proven]] = no_proof
    """Which versions have served for so many seconds at such a share of the traffic, 0 to 1."""
    _used: set[str] = field(default_factory=set)

    async def prepare(self, wish: Wish) -> Prepared | Refusal:
        """Look, plan, rehearse, and ask every guard. Changes nothing; without ``--write`` this is the dry run.

        A kill switch refuses before anything is asked of anybody.
        """
        return await self._prepared(wish, None)

    async def prepare_approval(self, request: ApprovalRequest) -> Prepared | Refusal:
        """The same plan that somebody else asked to be approved, made here and now, for carrying it out as another
        person. A refusal when it is not the same plan any more."""
        return await self._prepared(request.wish, request)

    async def ask(self, prepared: Prepared, path: Path) -> ApprovalRequest:
        """Write a request to have the plan approved to the new file ``path``, for another person to carry it out.

        Changes nothing in the world; it stands in the journal. Raises :class:`~triage.actions.approvals.ApprovalError`
        (nobody says who asks, so that no other could be told from them) or
        :class:`~triage.actions.journal.JournalError`.
        """
        if self.system.authority.impersonates:
            raise ApprovalError(f"you are {prepared.plan.actor} by impersonation, so nobody can be told from another",
                                "use a credential of your own")
        if not authenticated(prepared.plan.actor):
            raise ApprovalError("nobody says who you are, so nobody can be told from another",
                                self.system.authority.remedy or "use a credential of your own")
        return await self._asked(approvals.ask(prepared.plan, prepared.wish, self.clock.now()), prepared, path)

    async def approve(self, prepared: Prepared, path: Path) -> ApprovalRequest:
        """Add our approval to the request that ``prepared`` answers and write it to the new file ``path``, where the
        manifest asks for more persons than one. The last of them carries it out instead.

        Raises as :meth:`ask` does, and :class:`~triage.actions.approvals.ApprovalError` when it is not ours to approve.
        """
        request, identity = prepared.circumstances.approval, prepared.circumstances.identity
        if request is None or isinstance(identity, Failure) or not authenticated(identity) or (
                identity == request.requester or self.system.authority.impersonates):
            raise ApprovalError("this is not yours to approve", "another person does, under a credential of their own")
        return await self._asked(approvals.approved(request, identity, self.clock.now()), prepared, path)

    async def _asked(self, request: ApprovalRequest, prepared: Prepared, path: Path) -> ApprovalRequest:
        await asyncio.to_thread(self.journal.append, Kind.ASKED, prepared.action_id, {
            "request": request.id, "digest": request.plan.digest, "requester": request.requester,
            "approved_by": [each.by for each in request.approvals], "title": request.plan.title,
            "model": prepared.plan.target.model, "incident": prepared.plan.incident})
        await asyncio.to_thread(approvals.write, request, path)
        return await asyncio.to_thread(approvals.read, path)

    async def recheck(self, prepared: Prepared) -> Prepared:
        """The same plan, its guards asked again: what is shown while somebody reads it stays true."""
        circumstances = await self._circumstances(
            prepared.plan, prepared.circumstances.approval, prepared.rehearsals, prepared.circumstances)
        return replace(prepared, checked=check(circumstances), circumstances=circumstances)

    async def foresee(self, wishes: Mapping[Action, tuple[Wish, Granted]],
                      observed: Observed) -> dict[Action, Foreseen]:
        """What the guards would say of each wish that can be planned from ``observed``, as far as that is at hand:
        nothing is rehearsed and no registry is asked."""
        identity, lease, history, journal = await asyncio.gather(
            self.system.whoami(), lease_beside.look(self.leases, self.system.target.key), self.history(),
            self._journal() if self.mode().allows else _not_looked_at())
        snapshot = self.snapshot() or self._nothing_known()
        found: dict[Action, Foreseen] = {}
        for action, (wish, granted) in wishes.items():
            plan = self._planned(wish, observed, snapshot, self._actor(identity))
            if isinstance(plan, Refusal):
                found[action] = Foreseen(lacks=plan.message)
            elif (nothing := self._nothing_to_do(plan, observed)) is not None:
                found[action] = Foreseen(nothing=nothing)
            else:
                found[action] = Foreseen(foresee(Circumstances(
                    plan, self.clock.now(), self.policy, self.mode(), self.system.target, observed, granted, identity,
                    lease, journal, history, self.snapshot(), _UNSIGNED, (), self.clock.speed,
                    authority=self.system.authority, uid=self.journal.origin.uid)))
        return found

    async def history(self) -> History:
        """Everything that the journal tells."""
        try:
            return await asyncio.to_thread(lambda: history_of(self.journal.records()))
        except JournalError as error:
            return History((), error.message)

    async def carry_out(self, prepared: Prepared, confirmation: Confirmation) -> AsyncGenerator[Step, None]:
        """Carry it out, once, and tell every step. The last step with an outcome says how it ended.

        Close the iterator (``aclose``) or cancel its task to stop watching: what was sent stays sent, the outcome is
        then *unknown*, and the lease is given back. Raises nothing of its own.
        """
        mode = self.mode()
        wrong: tuple[str, ...] = () if mode.allows else (f"write: {mode.sentence}",)
        if prepared.action_id in self._used:
            wrong = ("this plan was carried out already: make it again",)
        wrong = wrong or objections(prepared.plan, prepared.checked, confirmation, seconds_left(prepared, self.clock))
        if wrong:
            # Nothing was touched yet: not even a connection is opened for it.
            yield _refused(self.clock.now(), wrong)
            return
        self._used.add(prepared.action_id)
        plan = prepared.plan
        claim = Claim(self.journal.origin.sentence(), prepared.action_id, plan.title)
        held = await self._acquired(plan, claim, passes=prepared.circumstances.passes_watcher)
        if isinstance(held, Busy | NoLease):
            told = held.sentence() if isinstance(held, Busy) else held.message
            await self._note_refusal(prepared, (f"lease: {told}",))
            yield _refused(self.clock.now(), (f"lease: {told}",))
            return
        course: Course | None = None
        try:
            async with kept_alive(held):
                taken = held.taken_over_from
                yield Step(self.clock.now(), Stage.LEASE, "the lease is ours" + (
                    f", beside {held.watcher.claim.holder}, who verifies" if isinstance(held, lease_beside.HeldBeside)
                    else "") + (f", taken over from {taken.holder}, who never ended" if taken else ""))
                looked = Moment.of(self.clock)
                checked = await self._looked_again(prepared, confirmation, held)
                if isinstance(checked, tuple):
                    await self._note_refusal(prepared, checked)
                    yield _refused(self.clock.now(), checked)
                    return
                yield Step(self.clock.now(), Stage.CHECKED, "read again: every guard lets it pass")
                course = Course(self, checked, confirmation, held, looked)
                async with aclosing(course.steps()) as steps:
                    async for step in steps:
                        yield step
        finally:
            # Also when nobody listens any more, however often that is said: what is open is concluded as unknown.
            trouble = await finished(_ended(course, held))
        yield Step(self.clock.now(), Stage.RELEASED,
                   f"the lease is not given back: {trouble}" if trouble else "the lease is given back")

    async def _prepared(self, wish: Wish, request: ApprovalRequest | None) -> Prepared | Refusal:
        mode = self.mode()
        if mode.killed:
            return Refusal(mode.sentence, "ask whoever stopped it; then remove what stops it")
        observed, identity = await asyncio.gather(self.system.observe(), self.system.whoami())
        if isinstance(observed, Failure):
            return Refusal(f"{self.system.target.sentence()} cannot be read: {observed.sentence()}", observed.hint)
        actor = request.plan.actor if request is not None else self._actor(identity)
        made = Moment.of(self.clock)
        plan = self._planned(wish, observed, self.snapshot() or self._nothing_known(), actor)
        if isinstance(plan, Refusal):
            return plan
        if (nothing := self._nothing_to_do(plan, observed)) is not None:
            return nothing
        if request is not None and plan.digest != request.plan.digest:
            parts = "; ".join(approvals.differences(request.plan, plan))
            return Refusal(f"it is not the plan any more that {request.requester} saw: other {parts}",
                           approvals.remedy(request.plan, plan))
        granted = await self.system.granted(plan.action)
        rehearsals = await self._rehearsed(plan, forbidden=granted.allowed is False)
        circumstances = await self._circumstances(plan, request, rehearsals, None)
        return Prepared(secrets.token_hex(8), wish, plan, check(circumstances), rehearsals, circumstances, made)

    def _actor(self, identity: str | Failure) -> str:
        return identity if isinstance(identity, str) else f"{UNVERIFIED} {self.journal.origin.user}"

    def _planned(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str) -> Plan | Refusal:
        plan = self.system.plan(wish, observed, snapshot, actor, self.clock.now())
        if isinstance(plan, Refusal) or not authenticated(actor):
            return plan
        return replace(plan, authenticated_by=self.system.authority.shown)

    def _nothing_to_do(self, plan: Plan, observed: Observed) -> Refusal | None:
        reached = self.system.sighting(plan, observed).progress is Progress.REACHED
        return Refusal(f"there is nothing to do: {plan.verification.goal}", "") if reached else None

    async def _rehearsed(self, plan: Plan, *, forbidden: bool) -> tuple[Rehearsal, ...]:
        found = []
        for request in plan.requests:
            if not request.dry_run_path:
                found.append(Rehearsal(None, "it has no dry run"))
            elif forbidden:
                found.append(Rehearsal(None, "it was not tried, since you may not do it"))
            else:
                found.append(await self.system.rehearse(request))
        return tuple(found)

    async def _circumstances(self, plan: Plan, request: ApprovalRequest | None, rehearsals: tuple[Rehearsal, ...],
                             before: Circumstances | None, held: Held | None = None) -> Circumstances:
        """Everything that guards look at, asked at the same time; what was found of the version ``before`` stays."""
        observed: Observed | Failure
        observed, identity, granted, lease, journal, history = await asyncio.gather(
            self.system.observe(), self.system.whoami(), self.system.granted(plan.action),
            self._lease(plan, held), self._journal(), self.history())
        if before is None:
            signature, proven = await asyncio.gather(self._signature(plan), self._proven(plan))
        else:
            signature, proven = before.signature, before.proven
        return Circumstances(
            plan, self.clock.now(), self.policy, self.mode(), self.system.target, observed, granted, identity, lease,
            journal, history, self.snapshot(), signature, rehearsals, self.clock.speed, request,
            self.system.authority, self.journal.origin.uid, proven)

    async def _signature(self, plan: Plan) -> Signature:
        if plan.action is not Action.ROLLBACK:
            return _UNSIGNED
        try:
            return await asyncio.wait_for(self.signature(plan.after.version), EVIDENCE_SECONDS)
        except TimeoutError:
            return Signature(None, "its inputs are not known: the registry did not answer in time")

    async def _proven(self, plan: Plan) -> Proven:
        if plan.action is not Action.ROLLBACK:
            return NOT_ASKED
        try:
            return await asyncio.wait_for(self.proven(self.policy.proven_seconds, self.policy.proven_share),
                                          EVIDENCE_SECONDS)
        except TimeoutError:
            return Proven({}, 0.0, "prometheus did not answer in time")

    async def _acquired(self, plan: Plan, claim: Claim, *, passes: bool) -> Held | Busy | NoLease:
        acquiring = asyncio.ensure_future(lease_beside.acquire(self.leases, plan.target.key, claim, passes=passes))
        try:
            return await finished(acquiring)
        except asyncio.CancelledError:
            # Whoever gave up meanwhile must not keep what came.
            held = acquiring.result()
            if not isinstance(held, Busy | NoLease):
                await finished(held.release())
            raise

    async def _lease(self, plan: Plan, held: Held | None) -> Free | Busy | NoLease:
        if held is None:
            return await lease_beside.look(self.leases, plan.target.key)
        trouble = await held.renew()
        if trouble:
            return NoLease(trouble)
        return held.watcher if isinstance(held, lease_beside.HeldBeside) else Free(held.taken_over_from)

    async def _journal(self) -> JournalLook:
        try:
            await asyncio.to_thread(self.journal.check)
        except JournalError as error:
            return JournalLook(error.message)
        trouble = self.journal.anchor_trouble
        return JournalLook("", f"it is not anchored: {trouble}" if trouble else "")

    async def _looked_again(self, prepared: Prepared, confirmation: Confirmation,
                            held: Held) -> Prepared | tuple[str, ...]:
        """The plan with its guards asked again under the lease and its approval used up, or why it may not go on."""
        found = await self.ask_again(prepared, confirmation, held)
        approval = prepared.circumstances.approval
        if not isinstance(found, tuple) and approval is not None:
            trouble = await asyncio.to_thread(lambda: approvals.changed(approval) or approvals.use_up(approval))
            if trouble:
                return (f"persons: {trouble}",)
        return found

    async def ask_again(self, prepared: Prepared, confirmation: Confirmation, held: Held,
                        history: History | None = None) -> Prepared | tuple[str, ...]:
        """The plan with its guards asked again under the lease, or why it may not go on.

        ``history``: what they judge by in place of the journal, once that tells of this plan itself.
        """
        before = prepared.circumstances
        circumstances = await self._circumstances(prepared.plan, before.approval, prepared.rehearsals,
                                                  before, held)
        if history is not None:
            circumstances = replace(circumstances, history=history)
        checked = check(circumstances)
        wrong = objections(prepared.plan, checked, confirmation, seconds_left(prepared, self.clock), prepared.checked)
        observed = circumstances.observed
        if isinstance(observed, Observed) and self._nothing_to_do(prepared.plan, observed) is not None:
            wrong = (*wrong, f"it was done by somebody else meanwhile: {prepared.plan.verification.goal}")
        who = before.identity, circumstances.identity
        if isinstance(who[0], str) and isinstance(who[1], str) and who[0] != who[1]:
            wrong = (*wrong, f"who you are has changed since the plan was made: {who[0]}, now {who[1]}")
        return wrong or replace(prepared, checked=checked, circumstances=circumstances)

    async def _note_refusal(self, prepared: Prepared, wrong: tuple[str, ...]) -> None:
        """A confirmed action that was not carried out is written down as well, where that is possible."""
        try:
            await asyncio.to_thread(self.journal.append, Kind.REFUSED, prepared.action_id, {
                "wished": str(prepared.plan.action), "target": prepared.plan.target.key,
                "digest": prepared.plan.digest, "why": list(wrong)})
        except JournalError:
            # The journal being the reason is said on screen; nothing was done that would have to be recorded.
            return

    def _nothing_known(self) -> Snapshot:
        target = self.system.target
        return Snapshot(self.clock.now(), target.context, target.production, (), (), ())


async def _ended(course: Course | None, held: Held) -> str:
    """Write down what is open and give the lease back: "" or why it is not."""
    try:
        if course is not None:
            await course.end()
    finally:
        trouble = await held.release()
    return trouble


def _refused(at: float, wrong: tuple[str, ...]) -> Step:
    return Step(at, Stage.OUTCOME, f"not carried out, nothing was sent: {'; '.join(wrong)}", outcome=Outcome.REFUSED)
