"""Runs with a real kernel: what cells are given, what they cannot reach, what is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from tests.cells.books import NOTHING, C, run, write
from triage.cells.outputs import CellVerdict, Picture, Table, Text
from triage.cells.protection import means, sentences
from triage.cells.protocol import Outcome
from triage.cells.results import Run
from triage.cells.run import INJECTED
from triage.notebook.load import Notebook
from triage.state_dir import StateDir

READS = {"effects": "none", "purpose": "Why?"}
SOURCE = '''
import json, os, socket, sys, urllib.error, urllib.request
from pathlib import Path
from IPython.display import display
print("values", json.dumps([FEATURE, WINDOW_END]))
print("environment", json.dumps(sorted(os.environ)))
print("home", Path.home().name, Path.home() == Path(os.environ["HOME"]))
print("facts", json.loads(Path(os.environ["TRIAGE_FACTS"]).read_text())["verdict"])
print("file", Path("data/sample.txt").read_text())
Path("beside.txt").write_text("left")
print("warned", file=sys.stderr)
url = os.environ["TRIAGE_PROMETHEUS_URL"]
with urllib.request.urlopen(url + "/api/v1/query?query=up&time=5") as answer:
    print("answer", answer.read().decode())
with urllib.request.urlopen(url + "/api/v1/query_range", data=b"query=a%2Bb&step=5") as answer:
    print("posted", answer.read().decode())
for bad in (url + "/api/v1/admin/tsdb/delete_series", url.rpartition("/")[0] + "/guess/api/v1/query?query=up"):
    try:
        urllib.request.urlopen(bad)
    except urllib.error.HTTPError as error:
        print("refused", error.code)
try:
    socket.create_connection(("127.0.0.1", int(os.environ["LISTENING"])), 2)
    print("reached")
except OSError:
    print("cut off")
import pandas as pd
display(pd.DataFrame({"n": [1, 2]}, index=["a", "b"]))
display({"image/png": "iVBORw0KGgo="}, raw=True)
display({"application/vnd.triage.result+json": {"id": "x", "status": "warn", "message": "so so"}}, raw=True)
'''


@dataclass(frozen=True)
class Told:
    """A run, and what was asked meanwhile."""

    done: Run
    seen: tuple[Run, ...]
    questions: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    notebook: Notebook

    @property
    def output(self) -> dict[str, str]:
        """First word and rest of every line that the cell printed."""
        cell = self.done.cell("ask")
        assert cell is not None
        text = "".join(each.text for each in cell.outputs if isinstance(each, Text) and not each.is_error)
        return {line.partition(" ")[0]: line.partition(" ")[2] for line in text.splitlines()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("run")
    notebook = write(folder / "m", C("parameters", 'FEATURE = "x"\nWINDOW_END = None', ["parameters"], None),
                     C("ask", SOURCE, about=READS), notebook="    environment: [LISTENING]\n")
    (folder / "m/data").mkdir()
    (folder / "m/data/sample.txt").write_text("beside the notebook")
    questions: list[tuple[str, tuple[tuple[str, str], ...]]] = []
    seen: list[Run] = []

    async def answer(path: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str]:
        questions.append((path, tuple(fields)))
        return (403, '{"error": "no"}') if "admin" in path else (200, '{"value": 1}')
    import socket
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LISTENING", str(listening.getsockname()[1]))
        patch.setenv("MY_TOKEN", "s3cret")
        done = run(notebook, "ask", given={"FEATURE": "amount"}, filled={"WINDOW_END": 7.5, "INCIDENT": "x"},
                   state=StateDir(folder / "state", "cells"), answer=answer, see=seen.append,
                   facts='{"verdict": "fail"}')
    return Told(done, tuple(seen), tuple(questions), notebook)


def test_the_cell_ran_to_its_end_after_its_parameters(told: Told) -> None:
    assert [(cell.id, cell.part, cell.outcome) for cell in told.done.cells] == [
        ("parameters", "parameters", Outcome.FINISHED), (INJECTED, "parameters", Outcome.FINISHED),
        ("ask", "asked", Outcome.FINISHED)]
    assert (told.done.phase, told.done.trouble, told.done.status) == ("ended", "", "warn")
    assert told.done.kernel.startswith("Python 3.")


def test_values_are_injected_where_the_notebook_has_a_parameter(told: Told) -> None:
    assert json.loads(told.output["values"]) == ["amount", 7.5]


def test_the_environment_is_withheld_but_for_what_the_manifest_names(told: Told) -> None:
    names = set(json.loads(told.output["environment"]))
    assert "LISTENING" in names
    assert not {"MY_TOKEN", "TRIAGE_STATE", "SSH_AUTH_SOCK", "USER"} & names
    assert told.output["home"] == "home True"


def test_the_facts_and_the_notebooks_files_are_at_hand(told: Told) -> None:
    assert (told.output["facts"], told.output["file"]) == ("fail", "beside the notebook")


def test_what_a_cell_writes_beside_it_does_not_reach_the_notebooks_folder(told: Told) -> None:
    assert sorted(path.name for path in told.notebook.path.iterdir()) == ["data", "manifest.yaml", "notebook.ipynb"]


def test_questions_to_prometheus_are_passed_on_in_both_forms(told: Told) -> None:
    assert told.questions[:2] == (("/api/v1/query", (("query", "up"), ("time", "5"))),
                                  ("/api/v1/query_range", (("query", "a+b"), ("step", "5"))))
    assert (told.output["answer"], told.output["posted"]) == ('{"value": 1}', '{"value": 1}')


def test_without_the_random_word_nobody_is_answered(told: Told) -> None:
    assert told.output["refused"] == "404"
    assert [path for path, _ in told.questions] == ["/api/v1/query", "/api/v1/query_range",
                                                    "/api/v1/admin/tsdb/delete_series"]


@pytest.mark.skipif(not means().network, reason="no network namespaces here")
def test_a_cell_reaches_nothing_else(told: Told) -> None:
    assert "cut" in told.output
    assert "reached" not in told.output


def test_outputs_are_a_table_a_picture_and_a_verdict(told: Told) -> None:
    cell = told.done.cell("ask")
    assert cell is not None
    assert [type(each) for each in cell.outputs][-3:] == [Table, Picture, CellVerdict]
    table, picture, verdict = cell.outputs[-3:]
    assert isinstance(table, Table)
    assert table.rows == (("a", "1"), ("b", "2"))
    assert isinstance(picture, Picture)
    assert Path(picture.path).read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert verdict == CellVerdict("x", "warn", "so so")
    assert [each.text for each in cell.outputs if isinstance(each, Text) and each.is_error] == ["warned\n"]


def test_it_can_be_watched_from_its_start_to_its_end(told: Told) -> None:
    phases = [now.phase for now in told.seen]
    assert sorted(set(phases), key=phases.index) == ["running", "ended"]
    assert any(cell.running for now in told.seen for cell in now.cells)


def test_the_record_says_what_was_run_with_what_and_how_it_ended(told: Told) -> None:
    about = json.loads((Path(told.done.record) / "run.json").read_text())
    assert about["schema"] == "triage.cell-run/v1"
    assert about["parameters"] == {"FEATURE": "amount", "WINDOW_END": 7.5}
    assert about["notebook"]["pin"] == "matches"
    assert (about["outcome"], about["status"], about["kernel"]) == ("finished", "warn", told.done.kernel)
    assert [cell["sha256"] for cell in about["cells"]][2] == told.done.cells[2].sha256
    assert about["cells"][2]["verdicts"][0]["message"] == "so so"
    assert about["protection"] == list(told.done.protection)
    assert {path.stat().st_mode & 0o077 for path in Path(told.done.record).iterdir()} == {0}


def test_the_executed_copy_is_a_notebook_with_its_outputs(told: Told) -> None:
    copy = nbformat.read(Path(told.done.record) / "executed.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(copy)
    assert copy.cells[1].source == "FEATURE = 'amount'\nWINDOW_END = 7.5\n"
    assert copy.cells[2].outputs[0].output_type == "stream"
    assert copy.metadata.triage_run.run == told.done.id


ASKS = """
import os, urllib.error, urllib.request
for query in ("large", "broken", "small"):
    try:
        with urllib.request.urlopen(os.environ["TRIAGE_PROMETHEUS_URL"] + "/api/v1/query?query=" + query) as answer:
            print(query, answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(query, error.code, error.read().decode())
"""


def test_an_answer_that_is_too_large_or_none_is_refused_and_the_next_one_comes(tmp_path: Path) -> None:
    async def answer(path: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str]:
        if fields[0][1] == "broken":
            raise LookupError("no such series")
        return 200, "x" * (33_000_000 if fields[0][1] == "large" else 1)
    done = run(write(tmp_path, C("ask", ASKS, about=READS)), "ask", answer=answer)
    text, = done.cells[0].outputs
    assert isinstance(text, Text)
    large, broken, small = text.text.splitlines()
    assert large.startswith("large 422 ")
    assert "the answer has 33 MB, and a cell gets 32 MB at most: ask for fewer series" in large
    assert "triage could not ask: LookupError: no such series" in broken
    assert small == "small 200 x"


async def test_a_message_that_is_too_long_does_not_deafen_the_runner() -> None:
    import asyncio

    from triage.cells.protocol import encode
    from triage.cells.runner.__main__ import Wire
    reader = asyncio.StreamReader(limit=50)
    reader.feed_data(b"x" * 500 + b"\n" + encode({"type": "stop"}))
    reader.feed_eof()
    wire = Wire(reader, 1)
    assert await wire.hear() == {"type": "stop"}
    assert await wire.hear() is None


def test_a_cell_that_raises_ends_the_run_and_says_why(tmp_path: Path) -> None:
    notebook = write(tmp_path, C("load", "data = {}['x']", [], None), C("ask", "print(data)", about=READS))
    done = run(notebook, "ask")
    assert [(cell.id, cell.outcome) for cell in done.cells] == [("load", Outcome.RAISED), ("ask", Outcome.NOT_RUN)]
    assert done.status == "fail"
    assert done.cells[0].raised is not None
    assert (done.cells[0].raised.name, done.cells[0].raised.value) == ("KeyError", "'x'")
    assert "\x1b" not in done.cells[0].raised.traceback
    assert done.record == ""


def test_a_python_without_a_kernel_is_said(tmp_path: Path) -> None:
    import asyncio

    from tests.cells.books import QUICK, nobody
    from triage.cells.prepare import open_book, prepare
    from triage.cells.run import Setting, run_cells
    from triage.cells.supervise import Stop
    from triage.clock import SystemClock
    notebook = write(tmp_path, C("ask", "1", about=READS))
    prepared = prepare(notebook, open_book(notebook), ["ask"], {}, {})
    setting = Setting("test", None, python="/bin/false", limits=QUICK)
    done = asyncio.run(run_cells(prepared, setting, SystemClock(), nobody, Stop(), lambda now: None))
    assert done.cells[0].outcome is Outcome.NOT_RUN
    assert done.trouble != ""
    assert done.status == "fail"


@pytest.mark.parametrize(("system", "network", "said"), [
    (means(), "open", "network: open, as the manifest says"),
    (NOTHING, "none", "network: not cut off, though the manifest says so"),
    (NOTHING, "none", "no PID namespace here")])
def test_what_is_not_in_force_is_said(system: object, network: str, said: str) -> None:
    from tests.cells.books import QUICK
    from triage.cells.protection import Means
    assert isinstance(system, Means)
    assert any(said in text for text in sentences(system, QUICK, network=network, files=""))


def test_folders_of_killed_programs_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from triage.cells.protection import private_folder
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path) if len(str(tmp_path)) <= 60 else "/tmp")
    import tempfile
    base = Path(tempfile.gettempdir())
    left, mine = base / "triage-cells-999999999-x", base / f"triage-cells-{os.getpid()}-x"
    left.mkdir(exist_ok=True)
    mine.mkdir(exist_ok=True)
    made = private_folder()
    assert (left.exists(), mine.exists(), made.stat().st_mode & 0o077) == (False, True, 0)
    mine.rmdir()
