"""Leases in files: one holder at a time, told apart from one that was killed, in one machine and between two."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from triage.actions.lease import Busy, Claim, Free, Held, NoLease, kept_alive
from triage.actions.lease_files import FileLeases
from triage.state_dir import Hold, StateDir, file_name

KEY = "argo/prod-eu/ml/fraud-scorer"
ANA, BEN = Claim("ana on a", "1", "rollback to v7"), Claim("ben on b", "2", "promote")
FORK = multiprocessing.get_context("fork")


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def leases(folder: Path, host: str = "a", time: Time | None = None) -> FileLeases:
    return FileLeases(StateDir(folder, "leases"), host, now=time or Time())


async def taken(of: FileLeases, claim: Claim = ANA) -> Held:
    found = await of.acquire(KEY, claim)
    assert not isinstance(found, Busy | NoLease), found
    return found


async def test_one_has_it_until_it_is_given_back(tmp_path: Path) -> None:
    of = leases(tmp_path)
    assert await of.look(KEY) == Free()
    held = await taken(of)
    seen = await of.look(KEY)
    assert isinstance(seen, Busy)
    assert seen.sentence() == "held by ana on a: rollback to v7"
    assert isinstance(await of.acquire(KEY, BEN), Busy)
    assert await held.release() == ""
    assert await of.look(KEY) == Free()
    assert (await taken(of, BEN)).token == 2


async def test_targets_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    of = leases(tmp_path)
    await taken(of)
    assert not isinstance(await of.acquire("argo/prod-eu/ml/other", BEN), Busy | NoLease)


def hold_for_ever(folder: str) -> None:
    async def acquire() -> None:
        await taken(leases(Path(folder)))
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(acquire())


async def test_a_holder_that_was_killed_keeps_nobody_waiting_and_is_named(tmp_path: Path) -> None:
    process = FORK.Process(target=hold_for_ever, args=(str(tmp_path),))
    process.start()
    await asyncio.to_thread(process.join, 30)
    assert process.exitcode == -signal.SIGKILL
    of = leases(tmp_path)
    assert await of.look(KEY) == Free(ANA)
    held = await taken(of, BEN)
    assert (held.token, held.taken_over_from) == (2, ANA)


async def test_a_holder_on_another_machine_has_it_until_its_end(tmp_path: Path) -> None:
    time = Time()
    gone = await taken(leases(tmp_path, "far", time))
    gone._hold.release()  # type: ignore[attr-defined]
    of = leases(tmp_path, "a", time)
    assert isinstance(await of.look(KEY), Busy)
    assert isinstance(await of.acquire(KEY, BEN), Busy)
    time.now += 31
    assert await of.look(KEY) == Free(ANA)
    held = await taken(of, BEN)
    assert held.taken_over_from == ANA
    assert "somebody else has the lease: ben on b" in await gone.renew()
    assert "somebody else has the lease" in await gone.release()
    assert await held.renew() == ""


async def test_a_heartbeat_moves_the_end_on_and_one_that_comes_too_late_does_not(tmp_path: Path) -> None:
    time = Time()
    of = leases(tmp_path, time=time)
    held = await taken(of)
    for _ in range(5):
        time.now += 20
        assert await held.renew() == ""
    time.now += 40
    assert "the lease ended before it was moved on" in await held.renew()


async def test_whoever_only_looks_whether_a_holder_lives_keeps_nobody_from_taking_the_lease(tmp_path: Path) -> None:
    process = FORK.Process(target=hold_for_ever, args=(str(tmp_path),))
    process.start()
    await asyncio.to_thread(process.join, 30)
    folder = Slow(tmp_path, "leases")
    of = FileLeases(folder, "a", now=Time())
    # What a look does, as long as it takes there: the lock is somebody's for a moment.
    glance = StateDir(tmp_path, "leases").hold(folder.locked_as)
    assert glance is not None
    folder.after_first = glance.release
    assert await of.look(KEY) == Free(ANA)
    glance = StateDir(tmp_path, "leases").hold(folder.locked_as)
    assert glance is not None
    folder.after_first = glance.release
    assert (await taken(of, BEN)).taken_over_from == ANA


class Slow(StateDir):
    """Does something after the first lock that somebody else has, and while a file is being written."""

    locked_as = f"{file_name(KEY)}.alive"
    after_first: Callable[[], None] | None = None
    writing: threading.Event | None = None
    goes_on = threading.Event()

    def hold(self, file: str) -> Hold | None:
        found = super().hold(file)
        if found is None and self.after_first is not None:
            self.after_first()
        return found

    def write(self, file: str, content: bytes) -> None:
        if self.writing is not None:
            writing, self.writing = self.writing, None
            writing.set()
            assert self.goes_on.wait(30)
        super().write(file, content)


async def test_what_was_given_back_while_somebody_looked_was_not_abandoned(tmp_path: Path) -> None:
    held = await taken(leases(tmp_path))
    folder = Slow(tmp_path, "leases")
    loop = asyncio.get_running_loop()

    def give_back() -> None:
        assert asyncio.run_coroutine_threadsafe(held.release(), loop).result(30) == ""
    folder.after_first = give_back
    assert await FileLeases(folder, "a", now=Time()).look(KEY) == Free()


async def test_a_heartbeat_that_is_late_does_not_open_a_lease_that_was_given_back(tmp_path: Path) -> None:
    folder, writes = Slow(tmp_path, "leases"), threading.Event()
    held = await taken(FileLeases(folder, "a", now=Time()))
    folder.writing = writes
    # As at the end of an action: the task is cancelled, what it began in a thread is not.
    async with kept_alive(held, seconds=0.003):
        await asyncio.to_thread(writes.wait, 30)
    releasing = asyncio.ensure_future(held.release())
    done, _ = await asyncio.wait({releasing}, timeout=0.1)
    assert not done
    folder.goes_on.set()
    assert await releasing == ""
    assert await leases(tmp_path, host="b").look(KEY) == Free()
    assert await held.renew() == "the lease was given back"
    assert await leases(tmp_path, host="b").look(KEY) == Free()


async def test_it_is_kept_alive_while_something_goes_on() -> None:
    class Counting:
        token, taken_over_from = 1, None
        beats = asyncio.Event()

        async def renew(self) -> str:
            self.beats.set()
            return ""

        async def watch(self) -> str:
            return ""

        async def release(self) -> str:
            return ""

    held = Counting()
    async with kept_alive(held, seconds=0.003):
        await asyncio.wait_for(held.beats.wait(), 5)


async def test_what_is_no_lease_is_not_taken_for_a_free_one(tmp_path: Path) -> None:
    of = leases(tmp_path)
    await taken(of)
    file = next(path for path in (tmp_path / "leases").iterdir() if path.name.endswith(".1"))
    file.write_bytes(b"nonsense")
    assert isinstance(await of.look(KEY), NoLease)
    other = FileLeases(StateDir(tmp_path, "leases"), "b")
    assert not isinstance(await other.acquire(KEY, BEN), Free)


@pytest.mark.parametrize("operation", ["look", "acquire"])
async def test_a_folder_that_others_can_write_holds_no_leases(tmp_path: Path, operation: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "leases").mkdir(mode=0o755)
    of = leases(tmp_path)
    found = await (of.look(KEY) if operation == "look" else of.acquire(KEY, ANA))
    assert isinstance(found, NoLease)
    assert "open to other users" in found.message


class Holders(RuleBasedStateMachine):
    """Whatever three processes of two machines do, one holds the lease, and tokens only grow."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.time = Time()
        path = Path(self.folder.name) / "state"
        self.of = [FileLeases(StateDir(path), host, now=self.time) for host in ("a", "a", "b")]
        self.held: dict[int, Held] = {}
        self.tokens: list[int] = []

    def teardown(self) -> None:
        for held in self.held.values():
            held._hold.release()  # type: ignore[attr-defined]
        self.folder.cleanup()

    def acquire(self, who: int) -> None:
        found = asyncio.run(self.of[who].acquire(KEY, Claim(str(who), "", "")))
        if not isinstance(found, Busy | NoLease):
            self.held[who] = found
            self.tokens.append(found.token)

    @rule()
    @precondition(lambda self: 0 not in self.held)
    def first_acquires(self) -> None:
        self.acquire(0)

    @rule()
    @precondition(lambda self: 1 not in self.held)
    def second_acquires(self) -> None:
        self.acquire(1)

    @rule()
    @precondition(lambda self: 2 not in self.held)
    def third_acquires(self) -> None:
        self.acquire(2)

    @rule()
    def of_all_who_renew_one_at_most_still_has_it(self) -> None:
        still = [who for who, held in self.held.items() if asyncio.run(held.renew()) == ""]
        assert len(still) <= 1

    @rule()
    def somebody_releases(self) -> None:
        for who in list(self.held)[:1]:
            asyncio.run(self.held.pop(who).release())

    @rule()
    def time_passes(self) -> None:
        self.time.now += 20

    @invariant()
    def tokens_grow(self) -> None:
        assert self.tokens == sorted(set(self.tokens))


TestHolders = Holders.TestCase
TestHolders.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
