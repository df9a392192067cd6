"""``triage incident``: what it lists, shows and exports, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import NOWHERE, run
from tests.incident.stories import ANN, opened
from tests.incident.whole import LOG
from triage.state_dir import StateDir, file_name


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TRIAGE_PROMETHEUS_URL", NOWHERE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TRIAGE_READONLY", "TRIAGE_CONFIG", "TRIAGE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kept(tmp_path: Path) -> None:
    """One incident that is over, and one that is open, in the context that the server's name makes."""
    folder = StateDir(tmp_path / "state").folder("incidents", file_name(NOWHERE.partition("//")[2]))
    for entry in LOG:
        folder.append("INC-0001.jsonl", entry.line())
    folder.append("INC-0002.jsonl", opened().line())


@pytest.mark.usefixtures("kept")
def test_incidents_are_listed_oldest_first() -> None:
    found = run("incident", "list")
    assert found.exit_code == 0
    first, second = found.stdout.splitlines()
    assert first.startswith("INC-0001  ")
    assert "closed" in first
    assert "open" in second
    assert run("incident", "list", "churn-ranker").stdout == ""


def test_without_incidents_it_is_said_how_to_open_one() -> None:
    found = run("incident", "list")
    assert (found.exit_code, found.stdout) == (0, "")
    assert "5, then o opens one" in found.stderr


@pytest.mark.usefixtures("kept")
def test_lists_and_incidents_are_versioned_json() -> None:
    listed = json.loads(run("incident", "list", "--format", "json").stdout)
    assert listed["schema"] == "triage.incidents/v1"
    shown = json.loads(run("incident", "show", "inc-0001", "--format", "json").stdout)
    assert shown["schema"] == "triage.incident/v1"
    assert shown["handoffs"][0]["accepted_by"] == "bob"


@pytest.mark.usefixtures("kept")
def test_one_incident_is_shown_with_its_timeline() -> None:
    found = run("incident", "show", "INC-0001").stdout
    assert "MTTD                  18 min" in found
    assert "decided: roll back to v7, ann" in found


@pytest.mark.usefixtures("kept")
def test_the_export_is_the_same_every_time() -> None:
    found = run("incident", "export", "INC-0001")
    assert found.exit_code == 0
    assert found.stdout.startswith("# Postmortem of INC-0001: ")
    assert found.stdout == run("incident", "export", "INC-0001").stdout
    assert "no action is recorded" in found.stdout


@pytest.mark.usefixtures("kept")
def test_an_unknown_incident_says_which_there_are() -> None:
    for command in ("show", "export"):
        found = run("incident", command, "INC-0009")
        assert found.exit_code == 64
        assert "there is no incident INC-0009" in found.stderr
        assert "there are: INC-0001, INC-0002" in found.stderr


def test_no_server_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAGE_PROMETHEUS_URL")
    assert run("incident", "list").exit_code == 0


def test_the_log_is_as_it_was_written(kept: None, tmp_path: Path) -> None:
    run("incident", "export", "INC-0001")
    log = next((tmp_path / "state").rglob("INC-0001.jsonl")).read_bytes()
    assert log == b"".join(entry.line() + b"\n" for entry in LOG)
    assert ANN.encode() in log
