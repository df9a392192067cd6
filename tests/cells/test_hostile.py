"""Cells that would do harm: the result says what happened, and nothing is left running, with namespaces and without."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cells.books import NOTHING, QUICK, C, run, write
from triage.cells import words
from triage.cells.outputs import Text
from triage.cells.protection import Limits, Means, kernel_command, means
from triage.cells.protocol import Outcome
from triage.cells.results import Run
from triage.cells.supervise import Stop

_AT_ONCE = 4
SYSTEMS = [pytest.param(means(), id="namespaces", marks=pytest.mark.skipif(
    not means().namespace, reason="no user and PID namespaces here")), pytest.param(NOTHING, id="none")]


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Means:
    found: Means = request.param
    return found


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    """Every process that was born of these runs is gone after them."""
    before = set(psutil.pids())
    yield
    deadline = time.monotonic() + 5
    while left := _ours(before):
        assert time.monotonic() < deadline, [(p.pid, p.cmdline()) for p in left]
        time.sleep(0.02)


@dataclass(frozen=True)
class Case:
    """A cell that would do harm, and how it is run."""

    source: str
    seconds: str = "20s"
    limits: Mapping[str, int] = field(default_factory=dict)


CASES = {
    "loop": Case("while True: pass", "600ms"),
    "deaf": Case("import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)",
                 "600ms"),
    "flood": Case("for _ in range(100): print('x' * 1_000_000)", "60s"),
    "allocation": Case("x = bytearray(10**11)"),
    "memory": Case("import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n"
                   "        held = bytearray(120 * 2**20)\n        time.sleep(600)\ntime.sleep(600)",
                   limits={"memory_bytes": 300 << 20}),
    "forks": Case("import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n"
                  "        os.setsid()\n        time.sleep(600)\ntime.sleep(600)", limits={"processes": 16}),
    "left": Case("import subprocess\nsubprocess.Popen(['sleep', '987'], start_new_session=True)"),
    "killed": Case("import os\nos.kill(os.getpid(), 9)"),
    "patricide": Case("import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(5)", "600ms"),
    "escapes": Case("from IPython.display import display\nbad = '\\x1b]52;c;aGk=\\x07\\x1b[2J\\u202e\\x9b31m'\n"
                    "print(bad)\n"
                    "display({'text/plain': bad, 'text/html': '<table><tr><td>' + bad + '</td></tr></table>'},"
                    " raw=True)\n"
                    "display({'application/vnd.triage.result+json': {'id': bad, 'status': 'warn', 'message': bad}},"
                    " raw=True)\n"
                    "raise ValueError(bad)")}
IN_BOTH = ("forks", "left", "patricide")
"""Run without namespaces, too."""
Ran = Callable[[str, Means], Run]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """What became of a case. They all run beside one another: most of their time is waiting for a deadline."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        runs = {(name, system): pool.submit(hostile, tmp_path_factory.mktemp(name), case, system)
                for name, case in CASES.items()
                for system in dict.fromkeys((means(), *([NOTHING] if name in IN_BOTH else ())))}
        yield lambda name, system: runs[name, system].result()


def _ours(before: set[int], run_id: str = "") -> list[psutil.Process]:
    """Processes of runs that live and were not there before; of one run when it is named."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in before and process.status() != psutil.STATUS_ZOMBIE \
                    and (found_id := process.environ().get("TRIAGE_CELL_RUN")) and run_id in ("", found_id):
                found.append(process)
        except psutil.Error:
            continue
    return found


def hostile(folder: Path, case: Case, system: Means) -> Run:
    notebook = write(folder, C("first", "print('before')", [], {"effects": "none"}),
                     C("bad", case.source,
                       about={"effects": "none", "time_limit": case.seconds, "requires": ["first"]}))
    return run(notebook, "bad", system=system, limits=replace(QUICK, **case.limits))


def ending(done: Run) -> tuple[Outcome | None, str]:
    cell = done.cell("bad")
    assert cell is not None
    assert done.phase == "ended"
    first = done.cell("first")
    assert first is not None
    assert first.outcome is Outcome.FINISHED
    return cell.outcome, words.end_sentence(cell)


def test_an_infinite_loop_is_interrupted_at_its_time_limit(ran: Ran) -> None:
    outcome, said = ending(ran("loop", means()))
    assert outcome is Outcome.TIME_LIMIT
    assert said.startswith("stopped at its time limit after 0.")
    assert said.endswith(": interrupted")


def test_a_cell_that_ignores_the_interrupt_loses_its_kernel(ran: Ran) -> None:
    outcome, said = ending(ran("deaf", means()))
    assert outcome is Outcome.TIME_LIMIT
    assert "did not heed the interrupt for 0.4 s, so its kernel was killed" in said


def test_a_hundred_megabytes_of_output_are_cut_and_stopped(ran: Ran) -> None:
    done = ran("flood", means())
    outcome, _ = ending(done)
    cell = done.cell("bad")
    assert cell is not None
    assert outcome is Outcome.OUTPUT_LIMIT
    assert sum(len(each.text) for each in cell.outputs if isinstance(each, Text)) <= 256_001
    assert cell.dropped_bytes > 40_000_000
    assert words.dropped_sentence(cell).endswith("MB of its output were dropped")


def test_an_allocation_beyond_the_limit_raises_in_the_cell(ran: Ran) -> None:
    outcome, said = ending(ran("allocation", means()))
    assert outcome is Outcome.RAISED
    assert said == "raised MemoryError (it wanted more memory than it may have)"


def test_processes_that_take_too_much_memory_together_are_killed(ran: Ran) -> None:
    outcome, said = ending(ran("memory", means()))
    assert outcome is Outcome.MEMORY_LIMIT
    assert said == "stopped for too much memory: everything it had started was killed"


def test_too_many_processes_are_killed_also_those_in_sessions_of_their_own(ran: Ran, system: Means) -> None:
    outcome, said = ending(ran("forks", system))
    assert outcome is Outcome.PROCESS_LIMIT
    assert said == "stopped for too many processes: everything it had started was killed"


def test_what_a_cell_leaves_behind_ends_with_the_run(ran: Ran, system: Means) -> None:
    done = ran("left", system)
    assert ending(done)[0] is Outcome.FINISHED
    assert _ours(set(), done.id) == []


def test_a_kernel_that_is_killed_is_said_to_have_died(ran: Ran) -> None:
    outcome, said = ending(ran("killed", means()))
    assert outcome is Outcome.KERNEL_DIED
    assert said.endswith("by signal SIGKILL")


def test_a_runner_that_is_killed_by_its_cell_ends_the_run(ran: Ran, system: Means) -> None:
    done = ran("patricide", system)
    # In a namespace of its own nobody inside can kill the first process.
    expected = Outcome.TIME_LIMIT if system.namespace else Outcome.KERNEL_DIED
    assert ending(done)[0] is expected
    assert ("the runner ended" in done.trouble) is not system.namespace


def test_escape_sequences_never_leave_the_run(ran: Ran) -> None:
    done = ran("escapes", means())
    cell = done.cell("bad")
    assert cell is not None
    assert len(cell.outputs) == 4
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set("".join(_texts(asdict(done))))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts(each))


def test_a_person_can_stop_it_and_insist(tmp_path: Path) -> None:
    notebook = write(tmp_path, C("bad", "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                                 "print('deaf', flush=True)\nwhile True: time.sleep(1)", about={"effects": "none"}))
    stop = Stop()

    def see(now: Run) -> None:
        if any(cell.outputs for cell in now.cells) and not stop.asked:
            stop.ask()
            threading.Timer(0.2, stop.ask).start()
    began = time.monotonic()
    done = run(notebook, "bad", system=means(), stop=stop, see=see, limits=replace(QUICK, interrupt_seconds=30.0))
    assert done.outcome is Outcome.STOPPED
    assert time.monotonic() - began < 20


def test_the_stop_ladder_is_an_interrupt_three_seconds_and_a_kill(tmp_path: Path) -> None:
    """With the limits that runs have, from the wish to the word that the kernel is gone."""
    notebook = write(tmp_path, C("bad", "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                                 "print('deaf', flush=True)\nwhile True: time.sleep(1)", about={"effects": "none"}))
    stop = Stop()
    asked: list[float] = []
    ended: list[float] = []

    def see(now: Run) -> None:
        cell = now.cell("bad")
        assert cell is not None
        if cell.outputs and not asked:
            asked.append(time.monotonic())
            stop.ask()
        if cell.outcome is not None and not ended:
            ended.append(time.monotonic())
    done = run(notebook, "bad", system=means(), stop=stop, see=see, limits=Limits())
    assert 3.0 <= ended[0] - asked[0] < 6.0
    cell = done.cell("bad")
    assert cell is not None
    assert (cell.outcome, cell.detail) == (
        Outcome.STOPPED, "did not heed the interrupt for 3 s, so its kernel was killed")
    assert _ours(set(), done.id) == []


def test_a_kernel_that_uses_up_its_processor_time_is_ended() -> None:
    command = kernel_command(means(), Limits(start_seconds=0.0), 0.3, sys.executable)
    assert command[command.index("--cpu-seconds") + 1] == "1"
    bound = [*command[:command.index("--no-privileges") if "--no-privileges" in command else command.index("--")], "--"]
    done = subprocess.run([*bound, sys.executable, "-c", "while True: pass"], check=False, timeout=60)
    assert -done.returncode in (signal.SIGXCPU, signal.SIGKILL)


def test_nothing_outlives_a_program_that_is_killed(tmp_path: Path, system: Means) -> None:
    """As when the link is cut, or the machine runs out of memory: nobody is left to clean up. The cell computes in C
    and never lets go of the interpreter, so its kernel cannot see that its parent is gone."""
    write(tmp_path, C("bad", "pow(3, 10**9)", about={"effects": "none"}))
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), json.dumps([system.namespace, system.network])],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert program.stdout is not None
    with program.stdout:
        assert program.stdout.readline() == "runs\n"
        below = psutil.Process(program.pid).children(recursive=True)
        assert len(below) >= 2
        program.kill()
        program.wait()
    _, alive = psutil.wait_procs(below, timeout=3)
    assert [process.cmdline() for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


_PROGRAM = """
import json, sys
from pathlib import Path
from tests.cells.books import run
from triage.cells.protection import Means
from triage.notebook.load import load_notebook
def see(now):
    if any(cell.running for cell in now.cells):
        print("runs", flush=True)
namespace, network = json.loads(sys.argv[2])
run(load_notebook(Path(sys.argv[1])), "bad", system=Means(namespace, network, True), see=see)
"""
