"""What hangs between the guards' last look and the request: an old decision is never sent; and being told to stop more
than once leaves nothing half done."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions.building import TARGET, FileSystem, World, executor, snapshot
from tests.actions.rollouts.conftest import manifest
from tests.actions.test_alias import Desk, desk  # noqa: F401 - a fixture
from tests.actions.test_executor import LOST, TYPED, carried, last, outcome, prepared, system
from tests.desk.others import proxy
from tests.sources.test_haproxy import active
from triage.actions.anchors import FileAnchor
from triage.actions.carrying import RECENT_SECONDS
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.freeze import WriteMode
from triage.actions.history import Outcome
from triage.actions.lease import Busy, Claim, NoLease
from triage.actions.plan import PLAN_SECONDS, Action
from triage.actions.reconcile import open_ends
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.rollouts.haproxy import HaproxyBackend
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Fate, Granted, Wish
from triage.clock import ManualClock
from triage.config_sources import HaproxySocket
from triage.facts.outcome import Failure, SourceState

LONG = RECENT_SECONDS + 1
Change = Callable[[Executor, FileSystem], Any]


def of_file(of: Executor) -> FileSystem:
    assert isinstance(of.system, FileSystem)
    return of.system


def hanging(folder: Path, point: str, seconds: float, change: Change, **changes: Any) -> Executor:
    """An executor whose journal takes ``seconds`` at ``point``, while the world changes."""
    made: list[Executor] = []

    def hangs(here: str) -> None:
        if here == point:
            of_file(made[0]).clock.advance(seconds)
            change(made[0], of_file(made[0]))

    made.append(executor(folder, system(folder, **changes), hook=hangs))
    return made[0]


def kinds(of: Executor) -> list[str]:
    return [record.kind for record in of.journal.records()]


def nothing(of: Executor, at: FileSystem) -> None:
    """Nothing else happens."""


CHANGES: dict[str, tuple[Change, float, str]] = {
    "the target moved on": (lambda of, at: at.world.put(step=3), LONG, "no longer true that the step is 1"),
    "another object": (lambda of, at: at.world.put(uid="u-2"), LONG, "another object has taken its name"),
    "somebody else did it": (lambda of, at: at.world.put(version="7"), LONG,
                             "it was done by somebody else meanwhile: v7 takes all traffic"),
    "it cannot be read": (lambda of, at: setattr(at, "unreadable", LOST), LONG, "cannot be read"),
    "permission taken away": (lambda of, at: setattr(at, "permission", Granted(False, "you may not any more")), LONG,
                              "permission: you may not any more"),
    "prometheus went silent": (lambda of, at: setattr(of, "snapshot", lambda: snapshot(prometheus=SourceState.DOWN)),
                               LONG, "facts has to be acknowledged"),
    "a kill switch": (lambda of, at: setattr(of, "mode", lambda: WriteMode(False, True, "TRIAGE_READONLY is set")), 0.0,
                      "TRIAGE_READONLY is set"),
    "the plan's time is over": (nothing, PLAN_SECONDS + 1, "the plan has expired: make it again"),
    "asleep": (lambda of, at: at.clock.sleep_through(PLAN_SECONDS + 1), 0.0, "the plan has expired: make it again"),
    "set back": (lambda of, at: at.clock.sleep_through(-3600), PLAN_SECONDS + 1, "the plan has expired: make it again"),
}


@pytest.mark.parametrize("point", ["before begun", "after begun", "before intent", "after intent"])
@pytest.mark.parametrize("case", CHANGES)
async def test_a_journal_that_hangs_lets_no_old_decision_through(tmp_path: Path, point: str, case: str) -> None:
    change, seconds, words = CHANGES[case]
    of = hanging(tmp_path, point, seconds, change)
    steps = await carried(of, await prepared(of))
    ending = outcome(steps)
    assert ending.outcome is Outcome.REFUSED
    assert ending.sentence.startswith("not carried out, nothing was sent: ")
    assert words in ending.sentence
    assert World(tmp_path / "world").done == []
    deed = await last(of)
    assert (deed.outcome, deed.changed, deed.unresolved, deed.sentence) == (
        Outcome.REFUSED, False, False, ending.sentence)
    assert {each.fate for each in deed.attempts} <= {Fate.NOT_SENT}
    assert kinds(of)[-1] == "concluded"
    assert open_ends(await of.history()) == ()
    held = await of.leases.acquire(TARGET.key, Claim("ben", "x", "y"))
    assert not isinstance(held, Busy | NoLease)
    await held.release()


@pytest.mark.parametrize(("seconds", "looks"), [(RECENT_SECONDS, 3), (LONG, 4)])
async def test_where_nothing_changed_meanwhile_it_is_looked_at_once_more_and_sent(
        tmp_path: Path, seconds: float, looks: int) -> None:
    of = hanging(tmp_path, "before intent", seconds, nothing)
    assert outcome(await carried(of, await prepared(of))).outcome is Outcome.DONE
    asked = of_file(of).asked
    assert asked[:asked.index("send")].count("observe") == looks
    assert len(World(tmp_path / "world").done) == 1


async def test_an_approval_that_this_plan_used_up_itself_is_no_reason_to_stop_it(tmp_path: Path) -> None:
    asker = executor(tmp_path, policy=Policy(approvals=1))
    asked = await asker.ask(await prepared(asker, Wish(Action.RETRY, "x", "7")), tmp_path / "request.json")
    of = hanging(tmp_path, "before intent", LONG, nothing, identity="ben")
    of.policy = asker.policy
    shown = await of.prepare_approval(asked)
    assert isinstance(shown, Prepared)
    assert outcome(await carried(of, shown)).outcome is Outcome.DONE


@pytest.mark.parametrize("case", ["the target moved on", "the plan's time is over"])
async def test_a_terminal_that_stands_still_while_it_shows_the_intent_lets_no_old_decision_through(
        tmp_path: Path, case: str) -> None:
    change, seconds, words = CHANGES[case]
    of = executor(tmp_path)
    steps = []
    async with aclosing(of.carry_out(await prepared(of), TYPED)) as course:
        async for step in course:
            steps.append(step)
            if step.stage is Stage.INTENT:
                of_file(of).clock.advance(seconds)
                change(of, of_file(of))
    assert [(step.stage, step.fate) for step in steps][2:] == [
        (Stage.INTENT, None), (Stage.SENT, Fate.NOT_SENT), (Stage.OUTCOME, None), (Stage.RELEASED, None)]
    assert words in outcome(steps).sentence
    assert kinds(of) == ["opened", "begun", "intent", "result", "concluded"]
    assert World(tmp_path / "world").done == []


async def test_a_lease_that_was_lost_meanwhile_stops_the_request(tmp_path: Path) -> None:
    def taken(of: Executor, at: FileSystem) -> None:
        for file in (tmp_path / "state" / "leases").glob("*.1"):
            file.rename(file.with_suffix(".2"))

    of = hanging(tmp_path, "before intent", LONG, taken)
    assert "somebody else has the lease" in outcome(await carried(of, await prepared(of))).sentence
    assert World(tmp_path / "world").done == []


async def test_what_was_acknowledged_as_not_to_be_told_stops_nothing_at_the_second_look(tmp_path: Path) -> None:
    of = hanging(tmp_path, "before intent", LONG, nothing)
    plan = await prepared(of)
    seen = of_file(of).observe

    async def without_step() -> Any:
        found = await seen()
        assert not isinstance(found, Failure)
        return replace(found, values={k: v for k, v in found.values.items() if k != "step"})

    of_file(of).observe = without_step  # type: ignore[method-assign]
    plan = await of.recheck(plan)
    assert "unchanged" in plan.acknowledgements
    assert outcome(await carried(of, plan)).outcome is Outcome.DONE
    assert len(World(tmp_path / "world").done) == 1


async def test_a_plan_of_two_requests_that_began_in_its_last_second_goes_on(tmp_path: Path) -> None:
    of = hanging(tmp_path, "after result", LONG, nothing, requests=2)
    plan = await prepared(of)
    of_file(of).clock.advance(PLAN_SECONDS - 1)
    assert outcome(await carried(of, plan)).outcome is Outcome.DONE
    assert len(World(tmp_path / "world").done) == 2


async def test_between_two_requests_it_expires_too(tmp_path: Path) -> None:
    times = iter([PLAN_SECONDS + 1])
    of = executor(tmp_path, system(tmp_path, requests=2),
                  hook=lambda point: of_file(of).clock.advance(next(times, 0.0)) if point == "after result" else None)
    found = outcome(await carried(of, await prepared(of)))
    assert (found.outcome, found.sentence) == (
        Outcome.FAILED, "1 of 2 requests done: the plan has expired: make it again")
    assert len(World(tmp_path / "world").done) == 1
    assert [each.fate for each in (await last(of)).attempts] == [Fate.DONE, Fate.NOT_SENT]


async def test_a_locked_second_place_delays_a_rollback_and_no_more(tmp_path: Path) -> None:
    of = executor(tmp_path)
    (tmp_path / "audit").mkdir(mode=0o700)
    of.journal.anchor = FileAnchor(tmp_path / "audit" / "checkpoints")
    plan = await prepared(of)
    holder = os.open(tmp_path / "audit" / "checkpoints", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(holder, fcntl.LOCK_EX)
    steps = await asyncio.wait_for(carried(of, plan), 20)
    os.close(holder)
    assert outcome(steps).outcome is Outcome.DONE
    assert "has been locked by another process" in of.journal.anchor_trouble


# Systems whose server tests nothing once more.


async def dawdled(of: Executor, wish: Wish, change: Callable[[], None]) -> list[Step]:
    """Carry it out on a terminal that stands still for a while before the first request."""
    plan = await of.prepare(wish)
    assert isinstance(plan, Prepared), plan
    assert plan.stops == ()
    steps = []
    words = Confirmation(plan.plan.confirmation, frozenset(plan.acknowledgements))
    async with aclosing(of.carry_out(plan, words)) as course:
        async for step in course:
            steps.append(step)
            if step.stage is Stage.INTENT and len(steps) < 4:
                assert isinstance(of.clock, ManualClock)
                of.clock.advance(LONG)
                change()
    return steps


async def test_an_alias_that_somebody_else_moved_meanwhile_is_left_there(
        desk: Desk, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    steps = await dawdled(desk.executor(tmp_path), Wish(Action.ROLLBACK, "errors", "2"),
                          lambda: desk.registry.set_alias("fraud-scorer", "champion", "1"))
    assert outcome(steps).outcome is Outcome.REFUSED
    assert "no longer true that champion names 3" in outcome(steps).sentence
    assert desk.registry.model("fraud-scorer").aliases == {"champion": 1}


async def test_weights_that_somebody_else_set_meanwhile_are_left_as_they_are(tmp_path: Path) -> None:
    with proxy(tmp_path, {"m7": 90, "m8": 10}) as haproxy:
        promised = manifest(rollout={"kind": "haproxy", "name": "fraud", "servers": {"7": ["m7"], "8": ["m8"]}},
                            rollback={"last_known_good": "7"})
        where, clock = active(HaproxySocket(socket=str(haproxy.socket))), ManualClock()
        where = replace(where, context=where.context.model_copy(update={"production": True}))
        backend = system_of(Setting(promised, where, clock))
        assert isinstance(backend, HaproxyBackend)
        of = executor(tmp_path, FileSystem(World(tmp_path / "world"), clock))
        of.system = backend
        steps = await dawdled(of, Wish(Action.ROLLBACK, "errors", "7"), lambda: haproxy.weights.update(m8=50))
    assert outcome(steps).outcome is Outcome.REFUSED
    assert "no longer true that the weight of m8 is 10" in outcome(steps).sentence
    assert haproxy.set == []


# Told to stop, more than once.


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 50])
async def test_told_twice_to_stop_the_end_is_written_down_and_the_lease_is_free(tmp_path: Path, turns: int) -> None:
    of = executor(tmp_path)
    sending = asyncio.Event()

    async def hangs() -> None:
        sending.set()
        await asyncio.Event().wait()

    of_file(of).before_send = hangs
    task = asyncio.create_task(carried(of, await prepared(of)))
    await sending.wait()
    task.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kinds(of) == ["opened", "begun", "intent", "result", "concluded"]
    found = await last(of)
    assert (found.outcome, found.attempts[0].fate) == (Outcome.UNKNOWN, Fate.UNKNOWN)
    held = await of.leases.acquire(TARGET.key, Claim("ben", "x", "abort"))
    assert not isinstance(held, Busy | NoLease), held
    await held.release()


@pytest.mark.parametrize("point", ["after begun", "after intent"])
async def test_told_twice_to_stop_while_a_record_is_written_the_records_keep_their_order(
        tmp_path: Path, point: str) -> None:
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[Any]] = []

    def told(here: str) -> None:
        if here == point:
            for _ in range(2):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)
                loop.call_soon_threadsafe(tasks[0].cancel)

    of = executor(tmp_path, hook=told)
    tasks.append(asyncio.create_task(carried(of, await prepared(of))))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert kinds(of) == ["opened", "begun", *(["intent", "result"] if point == "after intent" else []), "concluded"]
    assert World(tmp_path / "world").done == []
    assert open_ends(await of.history()) == ()
    held = await of.leases.acquire(TARGET.key, Claim("ben", "x", "abort"))
    assert not isinstance(held, Busy | NoLease), held
    await held.release()
