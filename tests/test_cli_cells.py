"""``triage cells``, ``triage capture`` and ``triage notebook run``: what they print, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest

from tests.cells.books import MODEL, C, write
from tests.cells.test_capture import store
from tests.cells.test_left import CELLS as LEFT
from tests.cells.test_left import killed
from tests.commands import NOWHERE, run
from tests.lab.serving import serving
from triage.incident import by_hand
from triage.incident.entries import Kind
from triage.incident.store import Timelines
from triage.lab.apis import prometheus
from triage.lab.clock import LabClock
from triage.lab.promql.engine import Engine
from triage.state_dir import StateDir

READS = {"effects": "none", "purpose": "Why is it slow?", "answers": ["Slow"], "time_limit": "20s"}
ASK = '''
import json, os, urllib.request
print(open(os.environ["TRIAGE_FACTS"]).read()[:40].split('"')[3] if "TRIAGE_FACTS" in os.environ else "no facts")
query = os.environ["TRIAGE_PROMETHEUS_URL"] + "/api/v1/query?query=count(nv_inference_request_success)"
print(json.load(urllib.request.urlopen(query))["data"]["result"][0]["value"][1])
'''
VERDICT = ('from IPython.display import display\n'
           'display({"application/vnd.triage.result+json": {"id": "v", "status": STATUS, "message": "so"}}, raw=True)')
CELLS = (C("parameters", 'STATUS = "pass"', ["parameters"], None), C("ask", ASK, about=READS),
         C("judge", VERDICT, about=READS), C("bad", "1/0", about=READS),
         C("rebuild", "print('rebuilt')", about={"effects": "rebuilds the view", "purpose": "Rebuild"}),
         C("valid", "assert True", ["critical"], READS), C("sound", VERDICT, ["critical"], READS))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    write(tmp_path / "m", *CELLS)
    return tmp_path / "m"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    now = time.time()
    with serving(prometheus.app(Engine(store(now)), LabClock(now, 0.0, 0.0))) as found:
        yield found


def test_the_list_says_what_each_cell_answers_and_needs_no_server(folder: Path) -> None:
    done = run("cells", "list", MODEL, "--notebooks", folder)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[2:5] == ["ask", "  Why is it slow?", "  reads only; at most 20s; for Slow"]
    assert "  rebuilds the view; at most 1m" in done.stdout
    assert ", as pinned, " in done.stdout.splitlines()[0]


def test_the_list_as_json_says_of_every_cell_what_the_text_says(folder: Path) -> None:
    write(folder, *CELLS, C("look", "import ask_not\n", about={**READS, "requires": ["rebuild"]}))
    document = json.loads(run("cells", "list", MODEL, "--notebooks", folder, "--format", "json").stdout)
    assert document["schema"] == "triage.cells/v1"
    told = {cell.pop("id"): cell for cell in document["cells"]}
    assert {name: cell["reads_only"] for name, cell in told.items()} == {
        "ask": True, "judge": True, "bad": True, "rebuild": False, "look": False}
    look = told["look"]
    assert (look["purpose"], look["answers"], look["time_limit_seconds"], look["effects"], look["changes"]) == (
        "Why is it slow?", ["Slow"], 20.0, "none", ["rebuild: rebuilds the view"])
    assert "  needs rebuild: rebuilds the view; at most 20s; for Slow" in run(
        "cells", "list", MODEL, "--notebooks", folder).stdout


@pytest.mark.parametrize(("status", "code"), [("warn", 1), ("unknown", 3)])
def test_the_exit_code_is_the_worst_verdict(folder: Path, status: str, code: int) -> None:
    done = run("cells", "run", MODEL, "judge", "--param", f"STATUS={status}", "--notebooks", folder)
    assert done.exit_code == code, done.stderr
    assert f"{status}: so" in done.stdout
    assert "triage: judge runs" in done.stderr
    assert "triage: network: " in done.stderr


def test_a_cell_that_raises_ends_with_two_and_its_traceback(folder: Path) -> None:
    done = run("cells", "run", MODEL, "bad", "--notebooks", folder)
    assert done.exit_code == 2
    assert "ZeroDivisionError" in done.stdout
    assert "raised ZeroDivisionError: division by zero" in done.stdout


def test_without_a_server_a_question_is_refused_and_said(folder: Path) -> None:
    done = run("cells", "run", MODEL, "ask", "--notebooks", folder)
    assert done.exit_code == 2
    assert "HTTP Error 503" in done.stdout
    assert "no facts" in done.stdout


def test_a_cell_asks_prometheus_and_knows_the_facts(folder: Path, url: str) -> None:
    done = run("cells", "run", MODEL, "ask", "--notebooks", folder, "--prometheus", url)
    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines()[1:3] == ["triage.status/v1", "3"]


def test_a_capture_is_taken_and_looked_at_again(folder: Path, url: str, tmp_path: Path) -> None:
    to = tmp_path / "INC-1"
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("preset: triton", "preset: triton, selector: {model: scorer}"))
    taken = run("capture", MODEL, "--notebooks", folder, "--prometheus", url, "--to", to, "--last", "1h")
    assert taken.exit_code == 2
    assert "not captured: samples of bad predictions: no logs are configured" in taken.stderr
    assert taken.stdout.splitlines()[0] == str(to)
    done = run("cells", "run", MODEL, "ask", "--notebooks", folder, "--capture", to)
    # Two series are the model's; the third one was not captured.
    assert done.stdout.splitlines()[1:3] == ["triage.status/v1", "2"]


def test_a_capture_belongs_to_an_incident_when_one_is_named(folder: Path, url: str, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("preset: triton", "preset: triton, selector: {model: scorer}"))
    timelines = Timelines(StateDir(tmp_path / "state"), url.partition("//")[2])
    own, other = timelines.open("slow", MODEL, "ana", 1000.0), timelines.open("slow", "churn-ranker", "ana", 1000.0)
    words = ("capture", MODEL, "--notebooks", folder, "--prometheus", url, "--last", "1h", "--to", "then", "--incident")
    refused = run(*words, other.id)
    assert refused.exit_code == 64
    assert f"{other.id} is an incident of churn-ranker" in refused.stderr
    assert not (tmp_path / "then").exists()
    assert "there is no incident INC-0099" in run(*words, "INC-0099").stderr
    taken = run(*words, own.id)
    assert f"triage: {own.id} is told" in taken.stderr
    entry, = (row.entry for row in timelines.get(own.id).rows if row.entry.kind is Kind.CELL)
    assert entry.text.startswith(f"capture of 1h: {tmp_path / 'then'}, 2 files, ")
    assert (entry.details["folder"], entry.details["capture"]) == (str(tmp_path / "then"), taken.stdout.split()[1])
    done = run("cells", "run", MODEL, "ask", "--notebooks", folder, "--capture", "then", "--incident", own.id,
               "--prometheus", url)
    # Long paths go over several lines.
    assert re.search(rf"againstcapture\d\d:\d\d:{tmp_path / 'then'}", "".join(done.stdout.split()))
    assert next(row.text for row in timelines.get(own.id).rows if row.entry.about == "ask").startswith(
        "cell ask: finished, without a verdict, against capture ")


def test_a_run_as_json_has_record_and_outputs(folder: Path) -> None:
    done = run("cells", "run", MODEL, "judge", "--notebooks", folder, "--format", "json", "--incident", "INC-7",
               "--param", "STATUS=fail")
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    assert (document["schema"], document["status"], document["incident"]) == ("triage.cell-run/v1", "fail", "INC-7")
    assert document["outputs"]["judge"][0]["kind"] == "cellverdict"
    assert Path(document["record"], "executed.ipynb").exists()


def test_the_incident_of_a_run_is_told_of_it_and_another_one_is_not(folder: Path, url: str, tmp_path: Path) -> None:
    timelines = Timelines(StateDir(tmp_path / "state"), url.partition("//")[2])
    own, other = timelines.open("slow", MODEL, "ana", 1000.0), timelines.open("slow", "churn-ranker", "ana", 1000.0)
    words = ("cells", "run", MODEL, "judge", "--notebooks", folder, "--prometheus", url, "--incident")
    assert run(*words, own.id).stderr.count("told to no incident") == 0
    assert [row.text for row in timelines.get(own.id).rows if row.entry.kind is Kind.CELL] == ["cell judge: pass: so"]
    assert f"the run is told to no incident: {other.id} is an incident of churn-ranker" in run(*words, other.id).stderr
    assert "the run is told to no incident: there is no incident INC-0099" in run(*words, "INC-0099").stderr
    assert not [row for row in timelines.get(other.id).rows if row.entry.kind is Kind.CELL]


def test_a_file_that_is_not_pinned_is_refused_until_its_digest_is_accepted(folder: Path) -> None:
    write(folder, *CELLS, pinned=False)
    refused = run("cells", "run", MODEL, "judge", "--notebooks", folder)
    assert refused.exit_code == 64
    assert "nothing pins notebook.ipynb" in refused.stderr
    digest = refused.stderr.strip().rpartition("--accept ")[2]
    assert run("cells", "run", MODEL, "judge", "--notebooks", folder, "--accept", "12345678").exit_code == 64
    assert run("cells", "run", MODEL, "judge", "--notebooks", folder, "--accept", digest).exit_code == 0


def test_a_run_whose_triage_was_killed_is_told_and_so_is_its_incident(folder: Path, url: str, tmp_path: Path) -> None:
    context = url.partition("//")[2]
    timelines = Timelines(StateDir(tmp_path / "state"), context)
    own = timelines.open("slow", MODEL, "ana", 1000.0)
    write(folder, *LEFT)
    killed(folder, tmp_path / "state", own.id, context=context)
    words = ("cells", "list", MODEL, "--notebooks", folder, "--prometheus", url)
    said = run(*words).stderr
    assert "triage: slow ended without a result: its triage died; what there was is kept in " in said
    assert [row.text for row in timelines.get(own.id).rows if row.entry.kind is Kind.CELL] == [
        "cell slow: slow ended without a result: its triage died"]
    assert run(*words).stderr == ""


@pytest.mark.parametrize(("words", "said"), [
    (("jugde",), "did you mean judge?"), (("judge", "--param", "STATUS"), '"STATUS" is no NAME=VALUE'),
    (("judge", "--param", "STTUS=x"), "did you mean STATUS?"),
    (("rebuild",), "it is not run here, where nothing is changed"),
    (("judge", "--capture", "/"), "/ cannot be read: No such file or directory")])
def test_what_cannot_be_run_is_refused_with_what_to_do(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = run("cells", "run", MODEL, *words, "--notebooks", folder)
    assert done.exit_code == 64
    assert said in done.stderr


def test_a_cell_with_effects_shows_its_plan_and_waits_for_write(folder: Path, url: str, tmp_path: Path) -> None:
    done = run("cells", "run", MODEL, "rebuild", "--notebooks", folder, "--prometheus", url)
    assert done.exit_code == 64
    assert "run the cell rebuild of notebook.ipynb" in done.stderr
    assert "changes: rebuilds the view" in done.stderr
    assert "read-only: nothing is executed without --write" in done.stderr
    assert not (tmp_path / "state/cells").exists()


def test_a_cell_with_effects_is_not_confirmed_by_a_pipe(folder: Path, url: str) -> None:
    done = run("cells", "run", MODEL, "rebuild", "--notebooks", folder, "--prometheus", url, "--write")
    assert done.exit_code == 64
    assert "has to be confirmed" in done.stderr
    assert "run it from a terminal" in done.stderr
    assert "--confirm" not in done.stderr


def test_the_tagged_cells_of_a_notebook_are_run_for_a_pipeline(folder: Path) -> None:
    done = run("notebook", "run", folder, "--tag", "critical", "--format", "junit")
    assert done.exit_code == 0
    suite = xml.fromstring(done.stdout).find("testsuite")
    assert suite is not None
    assert [case.get("name") for case in suite] == ["valid", "sound"]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")


def test_a_cell_that_fails_fails_the_pipeline_and_stops_the_others(tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    folder = write(tmp_path / "m", C("bad", "assert 1 == 2, 'one is not two'", ["critical"], READS),
                   C("good", "1", ["critical"], READS)).path
    done = run("notebook", "run", folder, "--format", "junit")
    assert done.exit_code == 2
    suite = xml.fromstring(done.stdout).find("testsuite")
    assert suite is not None
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "raised AssertionError: one is not two"
    assert [case.find("skipped") is not None for case in suite] == [False, True]


def test_a_verdict_that_is_missing_or_cannot_be_read_fails_the_pipeline_as_unknown(tmp_path: Path) -> None:
    write(tmp_path / "m", C("dropped", "display({'image/png': 'A' * 4_100_000}, raw=True)", ["critical"], READS),
          C("spoilt", "display({'application/vnd.triage.result+json': '{\"status\": \"fail\"}'}, raw=True)",
            ["critical"], READS))
    done = run("notebook", "run", tmp_path / "m", "--format", "junit")
    assert done.exit_code == 3
    suite = xml.fromstring(done.stdout)[0]
    assert (suite.get("tests"), suite.get("errors")) == ("2", "2")
    assert "unknown: 4.1 MB of its output were dropped, 1 output whole; what is here holds no verdict" in done.stdout
    assert "unknown: the result cannot be read: it is text, not an object" in done.stdout


def test_a_tag_that_no_cell_has_is_refused(folder: Path) -> None:
    done = run("notebook", "run", folder, "--tag", "nightly")
    assert done.exit_code == 64
    assert 'has no cells tagged "nightly"' in done.stderr


def test_ctrl_c_interrupts_the_cell_and_says_so(folder: Path) -> None:
    write(folder, C("loop", "print('begins', flush=True)\nwhile True: pass", about=READS))
    program = subprocess.Popen([sys.executable, "-m", "triage", "cells", "run", MODEL, "loop", "--notebooks",
                                str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=dict(os.environ))
    assert program.stderr is not None
    while "loop runs" not in program.stderr.readline():
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    out, _ = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "stopped by you after" in out


def test_the_linter_of_the_command_line_looks_into_cells(folder: Path) -> None:
    done = run("notebook", "lint", folder)
    assert "[unpinned-environment]" in done.stdout


def test_names_of_cells_are_completed(folder: Path) -> None:
    done = run(env={"_TRIAGE_COMPLETE": "bash_complete", "COMP_CWORD": "4",
                    "COMP_WORDS": f"triage cells run {MODEL} j", "TRIAGE_NOTEBOOKS": str(folder)})
    assert "plain,judge" in done.stdout


def test_a_server_that_does_not_answer_ends_a_capture(folder: Path, tmp_path: Path) -> None:
    done = run("capture", MODEL, "--notebooks", folder, "--prometheus", NOWHERE, "--to", tmp_path / "c")
    assert done.exit_code == 64
    assert f"nothing could be captured of {MODEL}" in done.stderr


def test_an_incident_that_is_closed_is_told_nothing_and_that_is_said(folder: Path, url: str, tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    timelines = Timelines(StateDir(tmp_path / "state"), url.partition("//")[2])
    incident = timelines.open("slow", MODEL, "ana", 1000.0)
    timelines.add(incident.id, [by_hand.close("none: it was the network", "ana", 1100.0)])
    refused = run("capture", MODEL, "--notebooks", folder, "--prometheus", url, "--to", "then", "--incident",
                  incident.id)
    assert (refused.exit_code, f"{incident.id} is closed" in refused.stderr) == (64, True)
    assert not (tmp_path / "then").exists()
    done = run("cells", "run", MODEL, "ask", "--notebooks", folder, "--prometheus", url, "--incident", incident.id)
    assert f"the run is told to no incident: {incident.id} is closed" in done.stderr
    assert [row.entry.kind for row in timelines.get(incident.id).rows] == [Kind.OPENED, Kind.CLOSED]
