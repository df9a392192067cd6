"""A cell that changes something, carried out by the executor: once, as planned, with an end that is known or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cells.books import QUICK, C, nobody, write
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.freeze import WriteMode
from triage.actions.history import Outcome
from triage.actions.journal import Journal, Origin
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Fate, Refusal, Wish
from triage.cells.prepare import open_book, prepare
from triage.cells.run import Setting
from triage.cells.system import CellSystem
from triage.clock import SystemClock
from triage.live.snapshot import Snapshot
from triage.notebook.load import Notebook
from triage.state_dir import StateDir

WISH = Wish(Action.CELL, "stale since 14:02")
ABOUT = {"effects": "fills the view", "purpose": "Fill", "time_limit": "20s"}


def system(notebook: Notebook, cell: str = "fill") -> CellSystem:
    prepared = prepare(notebook, open_book(notebook), [cell], {}, {})
    return CellSystem(prepared, Setting("test", None, limits=QUICK), SystemClock(), nobody, production=False)


def executor(made: CellSystem, folder: Path, *, armed: bool = True) -> Executor:
    clock = SystemClock()
    journal = Journal(StateDir(folder, "journal"), clock)
    return Executor(made, journal, FileLeases(StateDir(folder, "leases"), Origin.here().host), clock, Policy(),
                    lambda: WriteMode(armed, False, "--write" if armed else "read-only"),
                    lambda: Snapshot(clock.now(), "test", False, (), (), ()))


async def carried_out(works: Executor) -> list[Step]:
    prepared = await works.prepare(WISH)
    assert isinstance(prepared, Prepared), prepared
    return [step async for step in works.carry_out(prepared, Confirmation(prepared.plan.confirmation))]


def ended(steps: list[Step]) -> Outcome | None:
    return next(step.outcome for step in steps if step.stage is Stage.OUTCOME)


def test_it_is_run_once_and_its_end_is_journalled(tmp_path: Path) -> None:
    made = system(write(tmp_path / "m", C("fill", "print('filled')", about=ABOUT)))
    works = executor(made, tmp_path)
    steps = asyncio.run(carried_out(works))
    assert ended(steps) is Outcome.DONE
    assert [step.fate for step in steps if step.stage is Stage.SENT] == [Fate.DONE]
    deed = asyncio.run(works.history()).deeds[-1]
    assert (deed.plan.requests[0].method, deed.plan.requests[0].path, deed.outcome) == ("RUN", "fill", Outcome.DONE)
    again = asyncio.run(works.prepare(WISH))
    assert isinstance(again, Refusal)
    assert "there is nothing to do" in again.message


def test_a_cell_that_raises_may_have_changed_something(tmp_path: Path) -> None:
    made = system(write(tmp_path / "m", C("fill", "1/0", about=ABOUT)))
    prepared = asyncio.run(executor(made, tmp_path).prepare(WISH))
    assert isinstance(prepared, Prepared)
    sent = asyncio.run(made.send(prepared.plan.requests[0], "0" * 16))
    assert sent.fate is Fate.UNKNOWN
    assert "raised ZeroDivisionError" in sent.message


def test_what_a_cell_that_raised_has_changed_is_not_waited_for(tmp_path: Path) -> None:
    steps = asyncio.run(carried_out(executor(system(write(tmp_path / "m", C("fill", "1/0", about=ABOUT))), tmp_path)))
    assert ended(steps) is Outcome.UNKNOWN
    assert len([step for step in steps if step.stage is Stage.VERIFYING]) == 1


@pytest.mark.parametrize(("needed", "fate"), [("writes the table", Fate.UNKNOWN), ("none", Fate.NOT_SENT)])
def test_what_a_needed_cell_may_have_changed_before_it_raised_is_not_denied(
        tmp_path: Path, needed: str, fate: Fate) -> None:
    made = system(write(tmp_path / "m", C("setup", "raise ValueError('half')", ["setup"], {"effects": needed}),
                        C("fill", "print('x')", about={**ABOUT, "requires": ["setup"]})))
    prepared = asyncio.run(executor(made, tmp_path).prepare(WISH))
    assert isinstance(prepared, Prepared)
    sent = asyncio.run(made.send(prepared.plan.requests[0], "0" * 16))
    assert (sent.fate, sent.message) == (fate, "setup raised ValueError: half")


def test_a_kernel_that_dies_by_a_signal_without_a_name_may_have_changed_something(tmp_path: Path) -> None:
    made = system(write(tmp_path / "m", C("fill", "import os, time\nos.kill(os.getpid(), 40)\ntime.sleep(9)",
                                          about=ABOUT)))
    prepared = asyncio.run(executor(made, tmp_path).prepare(WISH))
    assert isinstance(prepared, Prepared)
    sent = asyncio.run(made.send(prepared.plan.requests[0], "0" * 16))
    assert sent.fate is Fate.UNKNOWN
    assert sent.message.startswith("fill its kernel died after ")
    assert sent.message.endswith(": by signal 40")


def test_the_same_cell_has_the_same_digest_and_another_one_another(tmp_path: Path) -> None:
    def digest(source: str) -> str:
        made = system(write(tmp_path / "m", C("fill", source, about=ABOUT)))
        prepared = asyncio.run(executor(made, tmp_path).prepare(WISH))
        assert isinstance(prepared, Prepared)
        return prepared.plan.digest
    assert digest("1") == digest("1") != digest("2")


def test_a_file_that_changed_after_the_plan_is_not_run(tmp_path: Path) -> None:
    made = system(write(tmp_path / "m", C("fill", "1", about=ABOUT)))
    works = executor(made, tmp_path)

    async def changed() -> list[Step]:
        prepared = await works.prepare(WISH)
        assert isinstance(prepared, Prepared)
        write(tmp_path / "m", C("fill", "2", about=ABOUT))
        return [step async for step in works.carry_out(prepared, Confirmation(prepared.plan.confirmation))]
    assert ended(asyncio.run(changed())) is Outcome.REFUSED
    assert made.run is None


def test_read_only_runs_nothing(tmp_path: Path) -> None:
    made = system(write(tmp_path / "m", C("fill", "1", about=ABOUT)))
    assert ended(asyncio.run(carried_out(executor(made, tmp_path, armed=False)))) is Outcome.REFUSED
    assert made.run is None


def test_other_actions_are_not_its_business(tmp_path: Path) -> None:
    made = system(write(tmp_path / "m", C("fill", "1", about=ABOUT)))
    refused = asyncio.run(executor(made, tmp_path).prepare(Wish(Action.ROLLBACK)))
    assert isinstance(refused, Refusal)
