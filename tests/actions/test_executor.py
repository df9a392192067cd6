"""The executor: its order, everything that ends it early, and what the journal says afterwards."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions.building import TARGET, FileSystem, World, executor, model, proven, rollout, slo, snapshot
from triage.actions.approvals import ApprovalError, ask, read
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.freeze import WriteMode
from triage.actions.history import History, Outcome
from triage.actions.journal import JournalError, Kind
from triage.actions.lease import Busy, Claim, NoLease
from triage.actions.plan import Action, Plan
from triage.actions.proven import Proven
from triage.actions.reconcile import open_ends, reconcile, sight
from triage.actions.signature import Signature
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Authority, Fate, Granted, Observed, Progress, Refusal, Rehearsal, Sighting, Wish
from triage.clock import ManualClock
from triage.facts.outcome import Failure, FailureKind, SourceState
from triage.live.snapshot import Snapshot

LOST = Failure(FailureKind.TIMEOUT, "no answer", "look at the network")
ROLLBACK = Wish(Action.ROLLBACK, "errors", "7")
TYPED = Confirmation("fraud-scorer")


def system(folder: Path, **changes: Any) -> FileSystem:
    return FileSystem(World(folder / "world"), ManualClock(), **changes)


async def prepared(of: Executor, wish: Wish = ROLLBACK) -> Prepared:
    found = await of.prepare(wish)
    assert isinstance(found, Prepared), found
    return found


async def carried(of: Executor, plan: Prepared, confirmation: Confirmation | None = None) -> list[Step]:
    words = frozenset(plan.acknowledgements)
    return [step async for step in of.carry_out(plan, confirmation or replace(TYPED, acknowledgements=words))]


def outcome(steps: list[Step]) -> Step:
    return next(step for step in steps if step.stage is Stage.OUTCOME)


async def last(of: Executor) -> Any:
    return (await of.history()).deeds[-1]


async def test_a_rollback_goes_its_whole_way_in_order(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    assert [(c.name, c.sentence) for c in plan.checked if c.stops or c.acknowledgement] == []
    steps = await carried(of, plan)
    assert [step.stage for step in steps] == [
        Stage.LEASE, Stage.CHECKED, Stage.INTENT, Stage.SENT, Stage.VERIFYING, Stage.OUTCOME, Stage.RELEASED]
    assert outcome(steps).outcome is Outcome.DONE
    assert [r.kind for r in of.journal.records()] == ["opened", "begun", "intent", "result", "concluded"]
    assert World(tmp_path / "world").done == [plan.action_id]


async def test_the_intent_is_on_the_disk_before_the_request_leaves(tmp_path: Path) -> None:
    kinds: list[str] = []
    of = executor(tmp_path)
    of.system.before_send = lambda: _note(of, kinds)  # type: ignore[attr-defined]
    await carried(of, await prepared(of))
    assert kinds == ["opened", "begun", "intent"]


async def _note(of: Executor, kinds: list[str]) -> None:
    kinds.extend(record.kind for record in of.journal.records())


async def test_the_journal_holds_plan_guards_and_who_acted(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    await carried(of, plan)
    begun = of.journal.records()[1].fields
    assert (begun["digest"], begun["actor"], begun["requester"], begun["lease"]) == (plan.plan.digest, "ana", "ana", 1)
    assert {"name": "permission", "verdict": "ok", "sentence": "you may", "acknowledged": False,
            "overridden": False} in begun["guards"]
    found = await last(of)
    assert found.plan == plan.plan
    assert found.plan.digest == plan.plan.digest
    assert (found.outcome, found.unresolved) == (Outcome.DONE, False)


async def test_a_plan_is_carried_out_once(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    await carried(of, plan)
    again = await carried(of, plan)
    assert (len(again), again[0].outcome) == (1, Outcome.REFUSED)
    assert len(World(tmp_path / "world").done) == 1


async def test_what_is_there_already_is_not_done_again(tmp_path: Path) -> None:
    of = executor(tmp_path)
    World(tmp_path / "world").put(version="7")
    found = await of.prepare(ROLLBACK)
    assert isinstance(found, Refusal)
    assert found.message == "there is nothing to do: v7 takes all traffic"


@pytest.mark.parametrize(("changes", "words"), [
    ({"unreadable": LOST}, "cannot be read"), ({}, "there is no version nowhere")])
async def test_without_a_plan_there_is_a_reason(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    found = await executor(tmp_path, system(tmp_path, **changes)).prepare(replace(ROLLBACK, to="nowhere"))
    assert isinstance(found, Refusal)
    assert words in found.message
    assert found.hint


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("killed", [True, False])
async def test_read_only_refuses_every_action_and_opens_no_socket_for_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action, killed: bool) -> None:
    of = executor(tmp_path)
    assert isinstance(of.system, FileSystem)
    plan = await prepared(of, Wish(action, "x", "7"))
    of.mode = lambda: WriteMode(False, killed, "read-only")
    of.system.asked.clear()

    def forbidden(*args: Any, **more: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    confirmation = Confirmation(plan.plan.confirmation, frozenset(plan.acknowledgements), "let me")
    steps = await carried(of, plan, confirmation)
    assert [(s.outcome, "read-only" in s.sentence) for s in steps] == [(Outcome.REFUSED, True)]
    assert of.system.asked == []
    again = await of.prepare(Wish(action, "x", "7"))
    if killed:
        assert isinstance(again, Refusal)
        assert of.system.asked == []
    assert "send" not in of.system.asked
    assert World(tmp_path / "world").done == []


async def test_without_writing_preparing_is_the_dry_run(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, rehearsal=Rehearsal(True, "accepted", ("image: a -> b",))),
                  mode=WriteMode(False, False, "read-only"))
    plan = await prepared(of)
    assert plan.rehearsals[0].diff == ("image: a -> b",)
    assert [c.name for c in plan.stops] == ["write"]


@pytest.mark.parametrize("confirmation", [Confirmation(), Confirmation("fraud"), Confirmation("y")])
async def test_what_is_not_confirmed_is_not_even_begun(tmp_path: Path, confirmation: Confirmation) -> None:
    of = executor(tmp_path)
    assert outcome(await carried(of, await prepared(of), confirmation)).outcome is Outcome.REFUSED
    assert of.journal.records() == ()


async def test_an_old_plan_is_refused(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    of.clock.advance(121)  # type: ignore[attr-defined]
    assert "expired" in outcome(await carried(of, plan)).sentence


async def test_a_clock_that_is_set_back_makes_an_old_plan_no_younger(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    of.clock.advance(121)  # type: ignore[attr-defined]
    of.clock.sleep_through(-3600)  # type: ignore[attr-defined]
    assert "expired" in outcome(await carried(of, plan)).sentence


async def test_a_pause_needs_one_confirmation_and_no_name(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of, Wish(Action.PAUSE, to="7"))
    assert plan.plan.confirmation == ""
    assert outcome(await carried(of, plan, Confirmation())).outcome is Outcome.DONE


async def test_a_target_that_moved_on_between_is_found_under_the_lease_and_reported(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    World(tmp_path / "world").put(step=2)
    found = outcome(await carried(of, plan))
    assert found.outcome is Outcome.REFUSED
    assert "no longer true that the step is 1" in found.sentence
    assert [r.kind for r in of.journal.records()] == ["opened", "refused"]
    assert World(tmp_path / "world").done == []


async def test_what_goes_dark_after_the_confirmation_has_to_be_acknowledged_anew(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    of.snapshot = lambda: snapshot(prometheus=SourceState.DOWN)
    found = outcome(await carried(of, plan))
    assert found.outcome is Outcome.REFUSED
    assert "facts has to be acknowledged" in found.sentence
    again = await of.recheck(plan)
    assert again.acknowledgements == ("facts",)


async def test_another_credential_than_the_plan_was_made_with_is_refused(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    of.system.identity = "eve"  # type: ignore[attr-defined]
    assert "ana, now eve" in outcome(await carried(of, plan)).sentence


async def test_a_lease_that_somebody_else_has_stops_it(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    held = await of.leases.acquire(TARGET.key, Claim("ben on b", "x", "rollback to 6"))
    assert not isinstance(held, Busy | NoLease)
    found = outcome(await carried(of, plan))
    assert "held by ben on b: rollback to 6" in found.sentence
    await held.release()
    assert outcome(await carried(of, await prepared(of))).outcome is Outcome.DONE


async def test_a_journal_that_cannot_be_written_means_no_action(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    (tmp_path / "state" / "journal").mkdir(mode=0o755, exist_ok=True)
    (tmp_path / "state" / "journal").chmod(0o755)
    found = outcome(await carried(of, plan))
    assert found.outcome is Outcome.REFUSED
    assert "journal" in found.sentence
    assert [c.name for c in (await of.recheck(plan)).stops] == ["journal"]
    assert World(tmp_path / "world").done == []


@pytest.mark.parametrize("at", [Kind.BEGUN, Kind.INTENT])
async def test_a_disk_that_fills_up_before_the_request_stops_it(tmp_path: Path, at: Kind) -> None:
    def full(point: str) -> None:
        if point == f"before {at}":
            raise JournalError("no space left on the disk")

    of = executor(tmp_path, hook=full)
    found = outcome(await carried(of, await prepared(of)))
    assert (found.outcome, found.sentence) == (
        Outcome.REFUSED, "not carried out, nothing was sent: journal: no space left on the disk")
    assert World(tmp_path / "world").done == []


@pytest.mark.parametrize("at", [Kind.RESULT, Kind.CONCLUDED])
async def test_a_disk_that_fills_up_after_the_request_is_said_and_leaves_it_unknown(tmp_path: Path, at: Kind) -> None:
    def full(point: str) -> None:
        if point == f"before {at}":
            raise JournalError("no space left on the disk")

    of = executor(tmp_path, hook=full)
    steps = await carried(of, await prepared(of))
    assert any("not in the journal: no space left" in step.sentence for step in steps)
    assert outcome(steps).outcome is Outcome.DONE
    assert open_ends(await of.history())


@pytest.mark.parametrize(("fate", "does"), [(Fate.REFUSED, False), (Fate.NOT_SENT, False)])
async def test_what_the_system_refuses_has_failed_and_changed_nothing(tmp_path: Path, fate: Fate, does: bool) -> None:
    of = executor(tmp_path, system(tmp_path, fate=fate, does=does))
    steps = await carried(of, await prepared(of))
    assert outcome(steps).outcome is Outcome.FAILED
    assert outcome(steps).sentence == f"nothing was changed: the server says {fate}"
    assert not (await last(of)).unresolved
    assert (await last(of)).changed is False


async def test_an_answer_that_never_came_is_looked_for_and_found_done(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, fate=Fate.UNKNOWN))
    steps = await carried(of, await prepared(of))
    assert outcome(steps).outcome is Outcome.DONE
    assert "no answer came to request 1 of 1" in outcome(steps).sentence
    assert [r.kind for r in of.journal.records()] == [
        "opened", "begun", "intent", "result", "reconciled", "concluded"]
    assert not (await last(of)).unresolved
    assert len(World(tmp_path / "world").done) == 1


async def test_an_answer_that_never_came_and_no_effect_is_unknown_and_never_sent_again(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, fate=Fate.UNKNOWN, does=False))
    assert isinstance(of.system, FileSystem)
    steps = await carried(of, await prepared(of))
    assert outcome(steps).outcome is Outcome.UNKNOWN
    assert of.system.asked.count("send") == 1


async def test_an_answer_that_never_came_ends_the_plan(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, fate=Fate.UNKNOWN, does=False, requests=2))
    assert isinstance(of.system, FileSystem)
    await carried(of, await prepared(of))
    assert of.system.asked.count("send") == 1


async def test_a_fault_of_ours_while_sending_is_unknown_and_not_failed(tmp_path: Path) -> None:
    async def broken() -> None:
        raise RuntimeError("oops")

    of = executor(tmp_path, system(tmp_path, before_send=broken))
    steps = await carried(of, await prepared(of))
    assert outcome(steps).outcome is Outcome.UNKNOWN
    assert "RuntimeError" in outcome(steps).sentence


async def test_each_request_of_a_plan_has_its_own_intent_and_its_own_second_look(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, requests=2))
    assert outcome(await carried(of, await prepared(of))).outcome is Outcome.DONE
    assert [r.kind for r in of.journal.records()] == [
        "opened", "begun", "intent", "result", "intent", "result", "concluded"]


async def test_a_plan_stops_between_two_requests_when_the_target_moves_on(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, requests=2))
    assert isinstance(of.system, FileSystem)
    world = of.system.world
    of.system.hook = lambda point: world.put(step=5) if point.startswith("after") else None
    found = outcome(await carried(of, await prepared(of)))
    assert found.outcome is Outcome.FAILED
    assert found.sentence.startswith("1 of 2 requests done: it has changed")


async def test_a_plan_stops_between_two_requests_when_a_kill_switch_is_thrown(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, requests=2))
    assert isinstance(of.system, FileSystem)
    system_hook = of.system

    def thrown(point: str) -> None:
        of.mode = lambda: WriteMode(False, True, "TRIAGE_READONLY is set")

    system_hook.hook = thrown
    found = outcome(await carried(of, await prepared(of)))
    assert (found.outcome, found.sentence) == (Outcome.FAILED, "1 of 2 requests done: TRIAGE_READONLY is set")


async def test_a_target_that_does_not_get_there_in_time_has_failed(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, does=False))
    found = outcome(await carried(of, await prepared(of)))
    assert found.outcome is Outcome.FAILED
    assert "not there in time: v8 serves" in found.sentence


async def test_a_clock_that_is_set_back_makes_nobody_watch_for_longer(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, does=False))
    plan, began = await prepared(of), of.clock.monotonic()
    async for step in of.carry_out(plan, TYPED):
        if step.stage is Stage.SENT:
            of.clock.sleep_through(-3600)  # type: ignore[attr-defined]
    assert of.clock.monotonic() - began < plan.plan.verification.goal_seconds + 5
    assert (await last(of)).outcome is Outcome.FAILED


async def test_a_target_that_cannot_be_read_afterwards_is_unknown(tmp_path: Path) -> None:
    of = executor(tmp_path)
    assert isinstance(of.system, FileSystem)
    found_system = of.system

    def gone(point: str) -> None:
        if point.startswith("after the"):
            found_system.unreadable = LOST

    of.system.hook = gone
    found = outcome(await carried(of, await prepared(of)))
    assert found.outcome is Outcome.UNKNOWN
    assert "cannot be read" in found.sentence


def failing(rate: float | None) -> Snapshot:
    return snapshot(model(slos=(slo(rate=rate, good=0.9995),)))


async def test_it_is_done_when_what_failed_is_met_again(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, readings=("success",)), shown=failing(12.0))
    assert isinstance(of.system, FileSystem)
    steps: list[Step] = []
    plan = await prepared(of)
    async for step in of.carry_out(plan, TYPED):
        steps.append(step)
        if step.recovery and step.recovery[0].recovered is False:
            of.snapshot = executor(tmp_path, of.system, shown=failing(0.4)).snapshot
    assert outcome(steps).outcome is Outcome.DONE
    assert outcome(steps).sentence == "v7 takes all traffic; success: burn rate 0.4x over 5m, met again"
    seen = [step for step in steps if step.recovery]
    assert [step.recovery[0].recovered for step in seen] == [None, False]
    assert all(step.progress is Progress.REACHED and step.deadline is not None for step in seen)


async def test_done_but_not_recovered_is_its_own_end(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, readings=("success",)), shown=failing(12.0))
    found = outcome(await carried(of, await prepared(of)))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert "burn rate 12.0x over 5m, not met yet" in found.sentence


async def test_prometheus_stopped_in_the_middle_leaves_a_rollback_that_says_what_it_cannot_see(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, readings=("success", "latency")),
                  shown=snapshot(prometheus=SourceState.DOWN))
    plan = await prepared(of)
    assert plan.acknowledgements == ("facts",)
    found = outcome(await carried(of, plan))
    assert found.outcome is Outcome.UNKNOWN
    assert found.sentence == ("v7 takes all traffic; success cannot be seen: prometheus does not answer; latency "
                              "cannot be seen: nothing was read of it")
    assert len(World(tmp_path / "world").done) == 1


async def test_what_somebody_takes_back_while_it_is_watched_has_failed(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, readings=("success",)), shown=failing(12.0))
    steps = []
    async for step in of.carry_out(await prepared(of), TYPED):
        steps.append(step)
        if step.recovery:
            World(tmp_path / "world").put(version="8")
    assert outcome(steps).outcome is Outcome.FAILED
    assert "was taken back" in outcome(steps).sentence


async def test_what_gitops_owns_is_watched_for_being_taken_back(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, facts=rollout(managed_by="Argo CD")))
    steps = await carried(of, await prepared(of))
    assert outcome(steps).outcome is Outcome.DONE
    watched = [step for step in steps if step.stage is Stage.VERIFYING]
    assert watched[-1].at - watched[0].at >= 57
    World(tmp_path / "world").put(version="8")
    again = await prepared(of)
    taken = []
    words = replace(TYPED, acknowledgements=frozenset(again.acknowledgements))
    async for step in of.carry_out(again, words):
        taken.append(step)
        if "does its owner leave it there?" in step.sentence:
            World(tmp_path / "world").put(version="8")
    assert outcome(taken).outcome is Outcome.FAILED
    assert "was taken back: v8 serves" in outcome(taken).sentence


async def went_dark(folder: Path, *, back_after: int | None = None, readings: tuple[str, ...] = (),
                    shown: Snapshot | None = None, dark: Sighting | Failure = LOST,
                    managed_by: str = "Argo CD") -> tuple[Step, Executor]:
    """Carry out a rollback whose target is there once, and then ``dark`` for ``back_after`` looks, or for good."""
    at = system(folder, facts=rollout(managed_by=managed_by), readings=readings)
    seen, looks = at.sighting, 0

    def sighting(plan: Plan, observed: Observed) -> Sighting:
        nonlocal looks
        found = seen(plan, observed)
        looks += found.progress is Progress.REACHED
        is_dark = looks > 1 and (back_after is None or looks <= 1 + back_after)
        return dark if is_dark and isinstance(dark, Sighting) else found

    async def observe() -> Observed | Failure:
        nonlocal looks
        if looks > 0 and isinstance(dark, Failure):
            looks += 1
            if back_after is None or looks <= 1 + back_after:
                return dark
        return await FileSystem.observe(at)

    at.sighting, at.observe = sighting, observe  # type: ignore[method-assign]
    of = executor(folder, at, shown=shown)
    return outcome(await carried(of, await prepared(of))), of


async def test_what_gitops_owns_and_cannot_be_read_any_more_is_not_called_done(tmp_path: Path) -> None:
    found, of = await went_dark(tmp_path)
    assert (found.outcome, found.sentence) == (
        Outcome.UNKNOWN, "v7 takes all traffic; it was seen there, and then the target cannot be read: timeout: no "
                         "answer")
    assert [each.action_id for each in open_ends(await of.history())] == [(await last(of)).action_id]


async def test_what_cannot_be_read_for_a_while_is_done_once_it_is_seen_again(tmp_path: Path) -> None:
    found, _ = await went_dark(tmp_path, back_after=35)
    assert (found.outcome, found.sentence) == (Outcome.DONE, "v7 takes all traffic")


async def test_readings_that_recover_while_the_target_cannot_be_read_do_not_say_that_it_is_done(tmp_path: Path) -> None:
    found, _ = await went_dark(tmp_path, readings=("success",), shown=failing(0.5), managed_by="")
    assert (found.outcome, "and then the target cannot be read" in found.sentence) == (Outcome.UNKNOWN, True)
    (tmp_path / "b").mkdir()
    found, _ = await went_dark(tmp_path / "b", readings=("success",), shown=failing(12.0), managed_by="")
    assert found.outcome is Outcome.NOT_RECOVERED
    assert "it was seen there, and then the target cannot be read: timeout: no answer; success: burn rate" in (
        found.sentence)


async def test_replicas_that_fall_again_while_it_is_watched_are_waited_for(tmp_path: Path) -> None:
    fewer = Sighting(Progress.UNDER_WAY, "8 of 9 replicas of v7 serve")
    found, _ = await went_dark(tmp_path, dark=fewer, back_after=10)
    assert found.outcome is Outcome.DONE
    (tmp_path / "b").mkdir()
    found, _ = await went_dark(tmp_path / "b", dark=fewer)
    assert (found.outcome, found.sentence) == (
        Outcome.UNKNOWN, "v7 takes all traffic; it was seen there, and then 8 of 9 replicas of v7 serve")


async def test_who_stops_watching_leaves_an_unknown_end_and_no_lease(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, readings=("success",)), shown=failing(12.0))
    async with aclosing(of.carry_out(await prepared(of), TYPED)) as steps:
        async for step in steps:
            if step.stage is Stage.VERIFYING:
                break
    found = await last(of)
    assert (found.outcome, found.unresolved) == (Outcome.UNKNOWN, False)
    assert "not watched to its end" in found.sentence
    assert [each.action_id for each in open_ends(await of.history())] == [found.action_id]
    assert (await reconcile(found, of.system, of.journal, of.leases)).progress is Progress.REACHED
    assert open_ends(await of.history()) == ()
    held = await of.leases.acquire(TARGET.key, Claim("ben", "x", "y"))
    assert not isinstance(held, Busy | NoLease)
    await held.release()


async def test_a_task_that_is_cancelled_while_it_waits_for_the_answer_leaves_it_unknown(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def hangs() -> None:
        waiting.set()
        await asyncio.Event().wait()

    of = executor(tmp_path, system(tmp_path, before_send=hangs))
    task = asyncio.create_task(carried(of, await prepared(of)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = await last(of)
    assert (found.outcome, found.unresolved, found.attempts[0].fate) == (Outcome.UNKNOWN, True, Fate.UNKNOWN)


async def test_glass_is_broken_loudly_and_for_the_record(tmp_path: Path) -> None:
    of = executor(tmp_path, policy=Policy(approvals=1))
    plan = await prepared(of, Wish(Action.PROMOTE, "x", "7"))
    assert {c.name for c in plan.stops} == {"persons", "trial"}
    steps = await carried(of, plan, replace(TYPED, break_glass="customers cannot pay"))
    assert [s.sentence for s in steps if s.stage is Stage.BREAK_GLASS] == [
        "overridden: trial, persons; because: customers cannot pay"]
    begun = of.journal.records()[1].fields
    assert begun["break_glass"] == "customers cannot pay"
    assert {g["name"] for g in begun["guards"] if g["overridden"]} == {"persons", "trial"}


async def test_another_person_carries_out_the_same_plan_once(tmp_path: Path) -> None:
    policy = Policy(approvals=1)
    asker = executor(tmp_path, policy=policy)
    plan = await prepared(asker, Wish(Action.RETRY, "x", "7"))
    asked = await asker.ask(plan, tmp_path / "request.json")
    same = await asker.prepare_approval(asked)
    assert isinstance(same, Prepared)
    assert [c.name for c in same.stops] == ["persons"]
    other = executor(tmp_path, system(tmp_path, identity="ben"), policy=policy)
    shown = await other.prepare_approval(asked)
    assert isinstance(shown, Prepared)
    assert (shown.plan.digest, shown.plan.actor, shown.stops) == (plan.plan.digest, "ana", ())
    assert outcome(await carried(other, shown)).outcome is Outcome.DONE
    begun = next(r for r in other.journal.records() if r.kind == Kind.BEGUN).fields
    assert (begun["actor"], begun["requester"], begun["approval"]) == ("ben", "ana", asked.id)
    World(tmp_path / "world").put(version="8")
    again = await other.prepare_approval(asked)
    assert isinstance(again, Prepared)
    assert "used already" in next(c.sentence for c in again.stops if c.name == "persons")


async def test_where_two_others_are_needed_the_first_of_them_adds_to_the_request(tmp_path: Path) -> None:
    policy = Policy(approvals=2)
    asker = executor(tmp_path, policy=policy)
    plan = await prepared(asker, Wish(Action.RETRY, "x", "7"))
    asked = await asker.ask(plan, tmp_path / "request.json")
    ben, cem = (executor(tmp_path, system(tmp_path, identity=name), policy=policy) for name in ("ben", "cem"))
    first = await ben.prepare_approval(read(tmp_path / "request.json"))
    assert isinstance(first, Prepared)
    assert "1 of 2 other persons" in next(c.sentence for c in first.stops)
    await ben.approve(first, tmp_path / "approved.json")
    last_one = await cem.prepare_approval(read(tmp_path / "approved.json"))
    assert isinstance(last_one, Prepared)
    assert outcome(await carried(cem, last_one)).outcome is Outcome.DONE
    begun = next(r for r in cem.journal.records() if r.kind == Kind.BEGUN).fields
    assert (begun["approved_by"], begun["actor"], begun["approval"]) == (["ben"], "cem", asked.id)
    assert [r.kind for r in cem.journal.records()][1:3] == ["asked", "asked"]


@pytest.mark.parametrize("identity", ["ana", "unverified: ben", LOST])
async def test_nobody_approves_what_they_asked_for_or_without_a_name(tmp_path: Path, identity: Any) -> None:
    asker = executor(tmp_path)
    asked = await asker.ask(await prepared(asker, Wish(Action.RETRY, "x", "7")), tmp_path / "request.json")
    other = executor(tmp_path, system(tmp_path, identity=identity))
    found = await other.prepare_approval(asked)
    assert isinstance(found, Prepared)
    with pytest.raises(ApprovalError, match="not yours to approve"):
        await other.approve(found, tmp_path / "approved.json")
    with pytest.raises(ApprovalError, match="not yours to approve"):
        await other.approve(await prepared(other), tmp_path / "approved.json")


async def test_whoever_impersonates_neither_asks_nor_approves(tmp_path: Path) -> None:
    masked = system(tmp_path, identity="ben")
    masked.authority = Authority("Kubernetes prod-eu", impersonates=True)
    other = executor(tmp_path, masked)
    with pytest.raises(ApprovalError, match="you are ben by impersonation"):
        await other.ask(await prepared(other, Wish(Action.RETRY, "x", "7")), tmp_path / "own.json")
    asker = executor(tmp_path)
    asked = await asker.ask(await prepared(asker, Wish(Action.RETRY, "x", "7")), tmp_path / "request.json")
    found = await other.prepare_approval(asked)
    assert isinstance(found, Prepared)
    with pytest.raises(ApprovalError, match="not yours to approve"):
        await other.approve(found, tmp_path / "approved.json")


async def test_an_approval_of_what_is_not_the_same_plan_any_more_is_refused(tmp_path: Path) -> None:
    asker = executor(tmp_path)
    plan = await prepared(asker, Wish(Action.PROMOTE, "x", "7"))
    asked = ask(replace(plan.plan, requests=()), plan.wish, asker.clock.now())
    found = await executor(tmp_path, system(tmp_path, identity="ben")).prepare_approval(asked)
    assert isinstance(found, Refusal)
    assert found.message == "it is not the plan any more that ana saw: other requests"


async def test_who_is_not_known_to_the_system_is_unverified(tmp_path: Path) -> None:
    plan = await prepared(executor(tmp_path, system(tmp_path, identity=LOST)))
    assert plan.plan.actor.startswith("unverified: ")


async def test_a_registry_that_hangs_holds_no_rollback_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.actions.executor.EVIDENCE_SECONDS", 0.01)

    async def hangs(version: str) -> Signature:
        await asyncio.Event().wait()
        raise AssertionError

    plan = await prepared(executor(tmp_path, signature=hangs))
    assert "did not answer in time" in plan.circumstances.signature.sentence


async def test_a_prometheus_that_hangs_over_the_past_holds_no_rollback_up(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.actions.executor.EVIDENCE_SECONDS", 0.01)

    async def hangs(needed_seconds: float, share: float) -> Proven:
        await asyncio.Event().wait()
        raise AssertionError

    plan = await prepared(executor(tmp_path, proven=hangs))
    assert plan.acknowledgements == ("known-good",)
    [told] = [each.sentence for each in plan.checked if each.name == "known-good"]
    assert "whether it served cannot be seen: prometheus did not answer in time" in told


async def test_the_past_is_looked_at_once_for_a_plan_and_only_for_a_rollback(tmp_path: Path) -> None:
    asked: list[tuple[float, float]] = []

    async def looked_back(needed_seconds: float, share: float) -> Proven:
        asked.append((needed_seconds, share))
        return proven()

    of = executor(tmp_path, proven=looked_back)
    plan = await prepared(of)
    await of.recheck(plan)
    assert asked == [(of.policy.proven_seconds, of.policy.proven_share)]
    await of.prepare(Wish(Action.PAUSE))
    assert len(asked) == 1


async def test_permission_taken_away_meanwhile_stops_it(tmp_path: Path) -> None:
    of = executor(tmp_path)
    plan = await prepared(of)
    of.system.permission = Granted(False, "you may not any more")  # type: ignore[attr-defined]
    assert "you may not any more" in outcome(await carried(of, plan)).sentence


# After an end that is not known.


async def unknown(folder: Path) -> tuple[Executor, Any]:
    async def hangs() -> None:
        raise RuntimeError

    of = executor(folder, system(folder, before_send=hangs))
    plan = await prepared(of)
    async with aclosing(of.carry_out(plan, TYPED)) as steps:
        async for step in steps:
            if step.stage is Stage.SENT:
                break
    return of, await last(of)


async def test_a_lost_request_that_took_effect_is_found_and_settles_it(tmp_path: Path) -> None:
    of, deed = await unknown(tmp_path)
    World(tmp_path / "world").put(version="7")
    found = await reconcile(deed, of.system, of.journal, of.leases)
    assert found.progress is Progress.REACHED
    assert open_ends(await of.history()) == ()
    assert (await last(of)).moved


async def test_a_lost_request_is_waited_for_before_it_is_called_not_done(tmp_path: Path) -> None:
    of, deed = await unknown(tmp_path)
    early = await reconcile(deed, of.system, of.journal, of.leases)
    assert early.progress is Progress.UNDER_WAY
    assert open_ends(await of.history())
    of.clock.advance(61)  # type: ignore[attr-defined]
    late = await reconcile(deed, of.system, of.journal, of.leases)
    assert late.progress is Progress.ELSEWHERE
    assert open_ends(await of.history()) == ()


async def test_what_another_process_is_at_is_not_settled_by_this_one(tmp_path: Path) -> None:
    of, deed = await unknown(tmp_path)
    held = await of.leases.acquire(TARGET.key, Claim("ben on b", "x", "rollback"))
    assert not isinstance(held, Busy | NoLease)
    found = await reconcile(deed, of.system, of.journal, of.leases)
    assert (found.progress, found.sentence) == (Progress.UNDER_WAY, "held by ben on b: rollback")
    await held.release()


@pytest.mark.parametrize("change", [{"unreadable": LOST}, {"target": replace(TARGET, name="other")}])
async def test_what_cannot_be_looked_at_stays_open(tmp_path: Path, change: dict[str, Any]) -> None:
    of, deed = await unknown(tmp_path)
    for name, value in change.items():
        setattr(of.system, name, value)
    assert (await reconcile(deed, of.system, of.journal, of.leases)).progress is Progress.CANNOT_TELL
    assert open_ends(await of.history())


@pytest.mark.parametrize("change", [{"model": "fraud-scorer-eu"}, {"production": False}, {"context": "prod-eu-2"}])
async def test_what_the_target_is_called_here_may_change_and_its_end_is_found_out_all_the_same(
        tmp_path: Path, change: dict[str, Any]) -> None:
    of, deed = await unknown(tmp_path)
    World(tmp_path / "world").put(version="7")
    of.system.target = replace(TARGET, **change)  # type: ignore[misc]
    assert (await sight(deed, of.system, of.clock, of.leases)).progress is Progress.REACHED
    assert (await reconcile(deed, of.system, of.journal, of.leases)).progress is Progress.REACHED
    assert open_ends(await of.history()) == ()


async def test_an_unknown_end_is_acknowledged_for_the_next_rollback_and_blocks_a_promotion(tmp_path: Path) -> None:
    of, _ = await unknown(tmp_path)
    assert (await prepared(of)).acknowledgements == ("ends",)
    assert "ends" in {c.name for c in (await prepared(of, Wish(Action.PROMOTE, to="7"))).stops}


async def test_a_journal_that_cannot_be_read_is_a_history_with_a_reason(tmp_path: Path) -> None:
    of = executor(tmp_path)
    await carried(of, await prepared(of))
    (tmp_path / "state" / "journal").chmod(0o755)
    assert "open to other users" in (await of.history()).trouble
    assert isinstance(await of.history(), History)




async def test_who_may_not_act_sends_no_rehearsal_either(tmp_path: Path) -> None:
    of = executor(tmp_path, system(tmp_path, permission=Granted(False, "you may not"),
                                   rehearsal=Rehearsal(True, "accepted")))
    assert isinstance(of.system, FileSystem)
    plan = await prepared(of)
    assert "rehearse" not in of.system.asked
    assert {c.name for c in plan.stops} == {"permission"}
    assert plan.acknowledgements == ("dry-run",)
