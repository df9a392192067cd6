"""Beside whoever only watches: what stops something goes on, one at a time, and nobody else acts meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from triage.actions.lease import Busy, Claim, Free, Held, NoLease
from triage.actions.lease_beside import HeldBeside, acquire, beside, look
from triage.actions.lease_files import FileLeases
from triage.state_dir import StateDir

T = TypeVar("T")
KEY = "argo/prod-eu/ml/fraud-scorer"
ANA, BEN, CLEO = Claim("ana on a", "1", "rollback to v7"), Claim("ben on b", "2", "pause"), Claim("cleo", "3", "abort")


@pytest.fixture
def leases(tmp_path: Path) -> FileLeases:
    return FileLeases(StateDir(tmp_path, "leases"), "a")


async def taken(leases: FileLeases, claim: Claim, *, passes: bool = False) -> Held:
    found = await acquire(leases, KEY, claim, passes=passes)
    assert not isinstance(found, Busy | NoLease), found
    return found


async def test_whoever_acts_lets_nobody_pass(leases: FileLeases) -> None:
    await taken(leases, ANA)
    found = await acquire(leases, KEY, BEN, passes=True)
    assert isinstance(found, Busy)
    assert (found.claim, found.watches) == (ANA, False)


async def test_whoever_only_watches_lets_the_safe_direction_pass_and_nothing_else(leases: FileLeases) -> None:
    watching = await taken(leases, ANA)
    assert await watching.watch() == ""
    refused = await acquire(leases, KEY, BEN, passes=False)
    assert isinstance(refused, Busy)
    assert refused.sentence() == "held by ana on a, who verifies: rollback to v7"
    passing = await taken(leases, BEN, passes=True)
    assert isinstance(passing, HeldBeside)
    assert passing.watcher.claim == ANA


async def test_a_heartbeat_does_not_forget_that_it_only_watches(leases: FileLeases) -> None:
    watching = await taken(leases, ANA)
    await watching.watch()
    assert await watching.renew() == ""
    found = await leases.look(KEY)
    assert isinstance(found, Busy)
    assert found.watches


async def test_beside_the_watcher_one_acts_at_a_time_and_is_who_is_told(leases: FileLeases) -> None:
    watching = await taken(leases, ANA)
    await watching.watch()
    passing = await taken(leases, BEN, passes=True)
    found = await acquire(leases, KEY, CLEO, passes=True)
    assert isinstance(found, Busy)
    assert found.claim == BEN
    seen = await look(leases, KEY)
    assert isinstance(seen, Busy)
    assert (seen.claim, seen.watches) == (BEN, False)
    # Everything of it is sent: it is given back, whoever watched before goes on.
    assert await passing.watch() == ""
    assert (await passing.renew(), await passing.release()) == ("", "")
    seen = await look(leases, KEY)
    assert isinstance(seen, Busy)
    assert (seen.claim, seen.watches) == (ANA, True)
    await taken(leases, CLEO, passes=True)


async def test_whoever_acts_beside_keeps_others_off_when_the_watcher_has_ended(leases: FileLeases) -> None:
    watching = await taken(leases, ANA)
    await watching.watch()
    passing = await taken(leases, BEN, passes=True)
    await watching.release()
    for passes in (False, True):
        found = await acquire(leases, KEY, CLEO, passes=passes)
        assert isinstance(found, Busy)
        assert found.claim == BEN
    # Whoever stepped back holds nothing.
    assert await leases.look(KEY) == Free()
    await passing.release()
    await taken(leases, CLEO)


async def test_what_cannot_be_told_of_the_other_lease_is_no_lease(
        leases: FileLeases, tmp_path: Path) -> None:
    watching = await taken(leases, ANA)
    await watching.watch()
    passing = await taken(leases, BEN, passes=True)
    await watching.release()
    await passing.release()
    [file] = [path for path in (tmp_path / "leases").iterdir() if "beside" in path.name and path.name.endswith(".1")]
    file.write_bytes(b"nonsense")
    assert isinstance(await acquire(leases, KEY, CLEO, passes=False), NoLease)
    assert await leases.look(KEY) == Free()


def test_the_lease_beside_is_another_one_of_the_same_target() -> None:
    assert beside(KEY) != KEY
    assert beside(KEY).startswith(KEY)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Several(RuleBasedStateMachine):
    """Whatever they do in whichever order: never do two act on the target."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.acting: dict[int, Held] = {}
        self.watching: dict[int, Held] = {}
        self.count = 0

    @initialize()
    def open(self) -> None:
        self.leases = FileLeases(StateDir(Path(self.folder.name), "leases"), "a")

    def take(self, *, passes: bool) -> None:
        self.count += 1
        claim = Claim(f"engineer {self.count}", str(self.count), "acts")
        found = run(acquire(self.leases, KEY, claim, passes=passes))
        if not isinstance(found, Busy | NoLease):
            self.acting[self.count] = found

    @rule()
    def stop_something(self) -> None:
        self.take(passes=True)

    @rule()
    def move_something(self) -> None:
        self.take(passes=False)

    @precondition(lambda self: self.acting)
    @rule()
    def have_sent_everything(self) -> None:
        number, held = self.acting.popitem()
        assert run(held.watch()) == ""
        self.watching[number] = held

    @precondition(lambda self: self.acting)
    @rule()
    def give_up(self) -> None:
        assert run(self.acting.popitem()[1].release()) == ""

    @precondition(lambda self: self.watching)
    @rule()
    def end(self) -> None:
        assert run(self.watching.pop(min(self.watching)).release()) == ""

    @invariant()
    def at_most_one_acts(self) -> None:
        assert len(self.acting) <= 1

    def teardown(self) -> None:
        for held in (*self.acting.values(), *self.watching.values()):
            run(held.release())
        self.folder.cleanup()


Several.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestSeveral = Several.TestCase
