"""``kill -9`` at every point of the order, then a restart; and two processes that act at the same moment."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.actions.building import FileSystem, World, executor
from triage.actions.executor import Executor
from triage.actions.history import Deed, Outcome
from triage.actions.journal_verify import Integrity, verify
from triage.actions.plan import Action
from triage.actions.reconcile import open_ends, reconcile
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Fate, Progress, Wish
from triage.clock import ManualClock

FORK = multiprocessing.get_context("fork")
POINTS = ("before begun", "after begun", "before intent", "after intent", "before the request is done",
          "after the request is done", "before result", "after result", "before concluded", "after concluded")
WISH = Wish(Action.ROLLBACK, "errors", "7")


async def act(of: Executor) -> list[Step]:
    """A rollback, with whatever has to be acknowledged; nothing when there is nothing to do."""
    plan = await of.prepare(WISH)
    if not isinstance(plan, Prepared):
        return []
    return [step async for step in of.carry_out(plan, Confirmation("fraud-scorer", frozenset(plan.acknowledgements)))]


def killed(folder: Path, point: str) -> None:
    def end(here: str) -> None:
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(act(executor(folder, hook=end)))


def restarted(folder: Path) -> Executor:
    clock = ManualClock()
    clock.advance(120)
    return executor(folder, FileSystem(World(folder / "world"), clock))


def run(target: Callable[..., None], *arguments: object) -> int | None:
    process = FORK.Process(target=target, args=arguments)
    process.start()
    process.join(30)
    return process.exitcode


@pytest.mark.parametrize("point", POINTS)
async def test_whenever_the_process_is_killed_nothing_is_done_twice_and_nothing_unknown_is_called_done(
        tmp_path: Path, point: str) -> None:
    assert await asyncio.to_thread(run, killed, tmp_path, point) == -signal.SIGKILL
    world, of = World(tmp_path / "world"), restarted(tmp_path)
    deeds = (await of.history()).deeds
    done_before = len(world.done)
    assert done_before == (0 if POINTS.index(point) <= 4 else 1)
    for deed in deeds:
        # Done is said only of what is.
        assert (deed.outcome is Outcome.DONE) == (point == "after concluded")
        assert deed.unresolved == (3 <= POINTS.index(point) <= 6)
    ends = open_ends(await of.history())
    assert len(ends) == (1 if 3 <= POINTS.index(point) <= 8 else 0)
    for deed in ends:
        found = await reconcile(deed, of.system, of.journal, of.leases)
        assert found.progress is (Progress.REACHED if done_before else Progress.ELSEWHERE)
    assert open_ends(await of.history()) == ()
    steps = await act(of)
    assert (steps == []) == bool(done_before)
    assert len(world.done) == 1
    assert verify(of.journal.files(), None).integrity is Integrity.INTACT


async def test_a_torn_intent_is_no_intent_and_the_next_start_goes_on(tmp_path: Path) -> None:
    assert await asyncio.to_thread(run, killed, tmp_path, "after intent") == -signal.SIGKILL
    file = next((tmp_path / "state" / "journal").glob("*.jsonl"))
    file.write_bytes(file.read_bytes()[:-40])
    of = restarted(tmp_path)
    assert open_ends(await of.history()) == ()
    assert [s.outcome for s in await act(of) if s.outcome] == [Outcome.DONE]
    found = verify(of.journal.files(), None)
    assert (found.integrity, found.torn) == (Integrity.INTACT, 1)


def race(folder: Path, ready: object, go: object, results: object) -> None:
    async def both_at_once() -> str:
        of = executor(folder)
        plan = await of.prepare(WISH)
        assert isinstance(plan, Prepared)
        ready.release()  # type: ignore[attr-defined]
        await asyncio.to_thread(go.wait)  # type: ignore[attr-defined]
        steps = [step async for step in of.carry_out(plan, Confirmation("fraud-scorer"))]
        return str(next(step.outcome for step in steps if step.outcome))

    results.put(asyncio.run(both_at_once()))  # type: ignore[attr-defined]


def test_of_two_processes_that_roll_back_at_the_same_moment_one_sends_one_request(tmp_path: Path) -> None:
    ready, go, results = FORK.Semaphore(0), FORK.Event(), FORK.Queue()
    processes = [FORK.Process(target=race, args=(tmp_path, ready, go, results)) for _ in range(3)]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=30)
    go.set()
    outcomes = sorted(results.get(timeout=30) for _ in processes)
    for process in processes:
        process.join(30)
    assert outcomes == ["done", "refused", "refused"]
    assert len(World(tmp_path / "world").done) == 1


async def test_without_a_shared_state_directory_the_second_is_found_by_its_preconditions(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    first = executor(tmp_path / "a", FileSystem(world, ManualClock()))
    second = executor(tmp_path / "b", FileSystem(world, ManualClock()))
    plan, other = await first.prepare(WISH), await second.prepare(WISH)
    assert isinstance(plan, Prepared)
    assert isinstance(other, Prepared)
    await act(first)
    world.put(step=2)
    steps = [step async for step in second.carry_out(other, Confirmation("fraud-scorer"))]
    assert [step.outcome for step in steps if step.outcome] == [Outcome.REFUSED]
    assert any("has changed since the plan was made" in step.sentence for step in steps)
    assert len(world.done) == 1


def lost(folder: Path) -> None:
    def end(here: str) -> None:
        if here == "after result":
            os.kill(os.getpid(), signal.SIGKILL)

    system = FileSystem(World(folder / "world"), ManualClock(), fate=Fate.UNKNOWN, does=False)
    asyncio.run(act(executor(folder, system, hook=end)))


async def test_a_lost_request_and_a_crash_are_still_known_to_be_unknown(tmp_path: Path) -> None:
    assert await asyncio.to_thread(run, lost, tmp_path) == -signal.SIGKILL
    of = restarted(tmp_path)
    deed: Deed = open_ends(await of.history())[0]
    assert (deed.attempts[0].fate, deed.outcome, deed.unresolved) == (Fate.UNKNOWN, None, True)
