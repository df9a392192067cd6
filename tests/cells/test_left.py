"""Records of runs whose triage is killed: there from the start, as far as it came, and told by a later start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.cells.books import MODEL, C, run, write
from triage.cells import words
from triage.cells.left import settle_left
from triage.cells.marks import marks
from triage.cells.outputs import CellVerdict, Picture, Text
from triage.cells.protocol import Outcome
from triage.cells.results import Run
from triage.state_dir import StateDir

ABOUT = {"effects": "none", "purpose": "Why?"}
CELLS = (C("first", "print('before')", [], {"effects": "none"}),
         C("slow", "from IPython.display import display\nimport time\nprint('half of it \\x1b[2J', flush=True)\n"
           "for _ in range(2): display({'image/png': 'iVBORw0KGgo='}, raw=True)\n"
           "display({'application/vnd.triage.result+json': {'id': 'v', 'status': 'pass', 'message': 'so far'}},"
           " raw=True)\nwhile True: time.sleep(0.01)", about={**ABOUT, "requires": ["first"]}),
         C("quick", "print('done')", about=ABOUT))
PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.cells.books import QUICK, nobody
from triage.cells.prepare import open_book, prepare
from triage.cells.run import Setting, run_cells
from triage.cells.supervise import Stop
from triage.clock import SystemClock
from triage.notebook.load import load_notebook
from triage.state_dir import StateDir
notebook, state = load_notebook(Path(sys.argv[1])), StateDir(Path(sys.argv[2]), "cells")
prepared = prepare(notebook, open_book(notebook), ["slow"], {}, {}, state)
setting = Setting(sys.argv[4], state, incident=sys.argv[3], limits=QUICK)
asyncio.run(run_cells(prepared, setting, SystemClock(), nobody, Stop(), lambda now: None))
"""


def record_of(home: Path, model: str = MODEL) -> dict[str, Any] | None:
    """The executed copy of the only run, as it is on the disk now."""
    found = list((home / "cells" / model).glob("*/executed.ipynb"))
    return None if not found else json.loads(found[0].read_text())


def holds_verdict(copy: Mapping[str, Any]) -> bool:
    return "so far" in json.dumps([cell["outputs"] for cell in copy["cells"]])


def killed(notebook: Path, home: Path, incident: str = "", *, model: str = MODEL, context: str = "test",
           once: Callable[[Mapping[str, Any]], bool] = holds_verdict) -> dict[str, Any]:
    """Run ``slow`` in a process of its own, kill that ``once`` the record is like that; the record as it was then."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(notebook), str(home), incident, context],
                               env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    try:
        deadline = time.monotonic() + 30
        while (copy := record_of(home, model)) is None or not once(copy):
            assert program.poll() is None
            assert time.monotonic() < deadline, copy
            time.sleep(0.02)
        return copy
    finally:
        program.kill()
        program.wait()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which a killed triage has left a run."""
    folder = tmp_path_factory.mktemp("left")
    write(folder / "m", *CELLS)
    (folder / "record.json").write_text(json.dumps(killed(folder / "m", folder / "state", "INC-0001")))
    return folder


def test_while_it_runs_the_executed_copy_holds_what_was_put_out(home: Path) -> None:
    copy = json.loads((home / "record.json").read_text())
    about: Mapping[str, Any] = copy["metadata"]["triage_run"]
    assert (about["state"], about["outcome"], about["ended_at"], about["incident"]) == (
        "running", None, None, "INC-0001")
    assert about["kernel"].startswith("Python 3.")
    assert [(cell["id"], cell["running"], cell["outcome"]) for cell in about["cells"]] == [
        ("first", False, "finished"), ("slow", True, None)]
    assert copy["cells"][1]["outputs"][0]["text"] == "half of it \x1b[2J\n"
    nbformat.validate(nbformat.from_dict(copy))  # type: ignore[no-untyped-call]


def test_a_later_start_tells_once_that_its_triage_died_and_how_far_it_came(home: Path) -> None:
    state = StateDir(home / "state", "cells")
    assert settle_left(state, MODEL, "elsewhere") == ()
    next((home / "state/cells").glob("*/*/picture-2.png")).unlink()
    left, = settle_left(state, MODEL, "test")
    assert settle_left(state, MODEL, "test") == ()
    assert marks(state, MODEL) == ()
    assert words.headline(left) == "slow ended without a result: its triage died"
    assert (left.phase, left.outcome, left.status, left.ended_at) == ("ended", Outcome.TRIAGE_DIED, "unknown", None)
    assert (left.asked, left.incident, left.model) == (("slow",), "INC-0001", MODEL)
    text, picture, gone, verdict = left.cells[1].outputs
    assert text == Text("half of it ␛[2J\n")
    assert isinstance(picture, Picture)
    assert Path(picture.path).read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert gone == Picture("png", 8, "", "it is not there any more")
    assert verdict == CellVerdict("v", "pass", "so far")
    for name in ("run.json", "executed.ipynb"):
        document = json.loads((Path(left.record) / name).read_text())
        about = document if name == "run.json" else document["metadata"]["triage_run"]
        assert (about["state"], about["outcome"], about["status"]) == ("ended", "triage died", "unknown")
        assert [cell["outcome"] for cell in about["cells"]] == ["finished", "triage died"]


def test_a_run_whose_kernel_had_not_come_up_is_told_too_by_the_cell_that_was_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "m", *CELLS)
    killed(tmp_path / "m", tmp_path / "state", once=lambda copy: True)
    state, deadline = StateDir(tmp_path / "state", "cells"), time.monotonic() + 10
    # A kernel that was just being started has the lock as well, until it is exchanged for its program.
    while not (found := settle_left(state, MODEL, "test")) and time.monotonic() < deadline:
        time.sleep(0.05)
    left, = found
    assert words.headline(left) == "slow ended without a result: its triage died"
    assert [(cell.outcome, cell.status) for cell in left.cells] == [
        (Outcome.NOT_RUN, None), (Outcome.TRIAGE_DIED, "unknown")]


def test_a_run_that_goes_on_is_left_alone_and_leaves_no_mark(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state", "cells")
    seen: list[tuple[int, tuple[Run, ...]]] = []

    def see(now: Run) -> None:
        if now.phase != "ended":
            seen.append((len(marks(state, MODEL)), settle_left(state, MODEL, "test")))
    done = run(write(tmp_path / "m", *CELLS), "quick", state=state, see=see)
    assert set(seen) == {(1, ())}
    assert done.outcome is Outcome.FINISHED
    assert marks(state, MODEL) == ()
    assert json.loads((Path(done.record) / "run.json").read_text())["state"] == "ended"


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("{"),
                                   lambda path: path.write_text("[]")])
def test_a_record_that_cannot_be_read_is_not_looked_at_again(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    state = StateDir(tmp_path / "state", "cells")
    done = run(write(tmp_path / "m", *CELLS), "quick", state=state)
    spoil(Path(done.record) / "executed.ipynb")
    state.folder(MODEL).write(f"{done.id}.running", b"")
    assert settle_left(state, MODEL, "test") == ()
    assert marks(state, MODEL) == ()


def test_a_run_without_a_disk_is_run_and_says_why_it_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/cells").write_text("in its place")
    done = run(write(tmp_path / "m", *CELLS), "quick", state=StateDir(tmp_path / "state", "cells"))
    assert (done.outcome, done.record) == (Outcome.FINISHED, "")
    assert "something in its place" in done.record_trouble
