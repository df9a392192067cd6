"""Cells that would do harm, run from the cells screen of the real program on a terminal of 80x24: the screen lives,
says of each what happened, and nothing of them is left."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from tests.cells.books import C, write
from tests.cells.test_hostile import CASES
from tests.tui.terminal import Terminal
from triage.cells.protection import means

HOSTILE = {
    "loop": "stopped at its time limit after",
    "deaf": "did not heed the interrupt for 3 s, so its kernel was killed",
    "flood": "MB of its output were dropped",
    "allocation": "raised MemoryError (it wanted more memory than it may have)",
    "memory": "stopped for too much memory: everything it had started was killed",
    "forks": "stopped for too many processes: everything it had started was killed",
    "left": "finished, without a verdict",
    "killed": "its kernel died after",
    "escapes": "raised ValueError: ␛]52;c;aGk=␇␛[2J"}
"""What the screen says of each, as far as it is the same every time."""
SOURCES = {"forks": "import os, time\nfor _ in range(100):\n    if os.fork() == 0:\n        os.setsid()\n"
                    "        time.sleep(600)\ntime.sleep(600)",
           "memory": "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n"
                     "        held = bytearray(300 * 2**20)\n        time.sleep(600)\ntime.sleep(600)"}
"""Where the limit is that of the program, not of a test. A flood that nobody has time to read takes memory, too: it has
room."""


def said(screen: str) -> str:
    """The screen in one row: a sentence may take two."""
    return " ".join(screen.split())


@pytest.mark.skipif(not means().parent_death, reason="no word here of a parent's death")
def test_hostile_cells_leave_the_screen_alive_their_ends_told_and_nothing_running(tmp_path: Path) -> None:
    write(tmp_path / "m", *(C(name, SOURCES.get(name, CASES[name].source), about={
        "effects": "none", "purpose": f"does {name}", "time_limit": CASES[name].seconds}) for name in HOSTILE),
        notebook="    memory: 1Gi\n")
    with Terminal("--notebooks", str(tmp_path / "m"), "--prometheus", "http://127.0.0.1:9", "scorer", columns=80,
                  rows=24, module="triage", environment={"TRIAGE_STATE": str(tmp_path / "state"),
                                                         "XDG_CONFIG_HOME": str(tmp_path / "none")}) as terminal:
        program = psutil.Process(terminal.pid)
        terminal.shows("Prometheus silent since")
        terminal.press("4")
        terminal.shows("CELLS  notebook.ipynb", "memory 1,024 MiB, 64 processes")
        for name in HOSTILE:
            # What is in force stands there until the cell runs.
            terminal.becomes(lambda screen, name=name: f" {name}  does {name}" in screen  # type: ignore[misc]
                             and "IN FORCE" in screen)
            terminal.press("\r")
            terminal.becomes(lambda screen: "IN FORCE" not in screen)
            terminal.press("j")
        # While they run the keys are heard.
        terminal.press("?")
        terminal.shows("HELP", "Run the selected cell, within limits", seconds=20.0)
        terminal.press("\x1b")
        terminal.shows("CELLS  notebook.ipynb", seconds=20.0)
        terminal.press("g")
        for name, end in HOSTILE.items():
            screen = terminal.becomes(lambda screen, end=end: end in said(screen))  # type: ignore[misc]
            assert screen.splitlines()[1].startswith(" ? UNKNOWN  Prometheus does not answer"), name
            terminal.press("j")
        assert b"\x1b]52;c;aGk=" not in terminal.received
        assert b"\x1b[2J\xe2\x80\xae" not in terminal.received
        deadline = time.monotonic() + 20.0
        while left := program.children(recursive=True):
            assert time.monotonic() < deadline, [(each.pid, each.cmdline()) for each in left]
            terminal.read_some(0.05)
        runs = {path.parent.name for path in (tmp_path / "state/cells/scorer").glob("*/run.json")}
        assert len(runs) == len(HOSTILE)
        assert [process.pid for process in psutil.process_iter() if _cookie(process) in runs] == []
        terminal.press("q")
        assert terminal.exit_within(20.0) is not None


def test_a_connection_that_drops_ends_the_cell_that_runs_and_its_record_says_so(tmp_path: Path) -> None:
    write(tmp_path / "m", C("slow", "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)",
                            about={"effects": "none", "purpose": "does not end"}))
    with Terminal("--notebooks", str(tmp_path / "m"), "--prometheus", "http://127.0.0.1:9", "scorer", columns=80,
                  rows=24, module="triage", environment={"TRIAGE_STATE": str(tmp_path / "state"),
                                                         "XDG_CONFIG_HOME": str(tmp_path / "none")}) as terminal:
        terminal.shows("Prometheus silent since")
        terminal.press("4")
        terminal.shows("CELLS  notebook.ipynb")
        terminal.press("\r")
        terminal.shows("slow  … runs", "begun")
        program = psutil.Process(terminal.pid)
        below = program.children(recursive=True)
        assert below != []
        # As sshd does it: the terminal is gone, and the system says so.
        os.close(terminal.master)
        program.wait(20.0)
    _, alive = psutil.wait_procs(below, timeout=5)
    assert [each.pid for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
    record, = (tmp_path / "state/cells/scorer").glob("*/executed.ipynb")
    copy = json.loads(record.read_text())
    assert copy["metadata"]["triage_run"]["outcome"] == "stopped"
    assert copy["cells"][0]["outputs"][0]["text"] == "begun\n"
    assert list((tmp_path / "state/cells/scorer").glob("*.running")) == []


def _cookie(process: psutil.Process) -> str:
    """Id of the run that a process belongs to; "" for none."""
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.environ().get("TRIAGE_CELL_RUN", ""))
    except psutil.Error:
        return ""
