"""Timelines on the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from tests.incident.stories import ANN, BOB, T0, alert, entry
from triage.incident.entries import NO_CHANGE, Kind
from triage.incident.store import Timelines, UnknownIncident
from triage.state_dir import StateDir, StateError


def timelines(tmp_path: Path) -> Timelines:
    return Timelines(StateDir(tmp_path / "state"), "demo")


def test_an_incident_is_there_after_a_restart(tmp_path: Path) -> None:
    found = timelines(tmp_path).open("v8 is slower", "fraud-scorer", ANN, T0, [alert(-2)])
    assert found.id == "INC-0001"
    assert timelines(tmp_path).get("inc-0001") == found
    assert len(found.rows) == 2


def test_whoever_is_second_finds_the_incident_that_is_open(tmp_path: Path) -> None:
    first = timelines(tmp_path).open("slower", "fraud-scorer", ANN, T0)
    assert timelines(tmp_path).open("slow", "fraud-scorer", BOB, T0 + 1) == first


def test_two_models_have_two_incidents_and_a_closed_one_is_followed_by_another(tmp_path: Path) -> None:
    here = timelines(tmp_path)
    here.open("slower", "fraud-scorer", ANN, T0)
    assert here.open("lost", "churn-ranker", ANN, T0).id == "INC-0002"
    here.add("INC-0001", [entry(Kind.CLOSED, 5, "it said all", state=NO_CHANGE)])
    assert here.open("slower", "fraud-scorer", ANN, T0 + 600).id == "INC-0003"
    assert [each.id for each in here.all()] == ["INC-0001", "INC-0002", "INC-0003"]


def test_what_two_screens_write_at_once_all_counts(tmp_path: Path) -> None:
    timelines(tmp_path).open("slower", "fraud-scorer", ANN, T0)

    def write(by: str) -> None:
        own = timelines(tmp_path)
        for number in range(20):
            own.add("INC-0001", [entry(Kind.NOTE, number, f"{by} {number}", by=by)])
    threads = [Thread(target=write, args=(by,)) for by in (ANN, BOB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(timelines(tmp_path).get("INC-0001").rows) == 41


def test_who_writes_learns_what_counted(tmp_path: Path) -> None:
    here = timelines(tmp_path)
    here.open("slower", "fraud-scorer", ANN, T0)
    assert len(here.add("INC-0001", [alert(1), alert(2)])) == 1
    assert here.add("INC-0001", [alert(3)]) == ()


def test_a_torn_line_is_left_out_and_the_next_one_counts(tmp_path: Path) -> None:
    here = timelines(tmp_path)
    here.open("slower", "fraud-scorer", ANN, T0)
    log = next((tmp_path / "state").rglob("INC-0001.jsonl"))
    with log.open("ab") as stream:
        stream.write(b'{"v":1,"kind":"note","at":')
    here.add("INC-0001", [entry(Kind.NOTE, 1, "after the crash")])
    assert [row.text for row in timelines(tmp_path).get("INC-0001").rows] == ["slower", "after the crash"]


@pytest.mark.parametrize("name", ["INC-0009", "../x", "", "INC-1", "lock"])
def test_an_incident_that_is_not_there_is_said_to_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownIncident, match="there is no incident"):
        timelines(tmp_path).get(name)


def test_a_file_that_cannot_be_read_keeps_nobody_from_the_other_incidents(tmp_path: Path) -> None:
    here = timelines(tmp_path)
    first, second = here.open("slow", "fraud-scorer", ANN, T0), here.open("lost", "churn-ranker", ANN, T0)
    folder = tmp_path / "state/incidents/demo"
    (folder / f"{second.id}.jsonl").chmod(0o644)
    later = timelines(tmp_path)
    assert later.last_of("fraud-scorer") == first
    assert later.open_ones() == later.all() == (first,)
    assert "is open to other users" in later.unread[second.id]
    (folder / f"{second.id}.jsonl").chmod(0o600)
    assert later.all() == (first, second)
    assert later.unread == {}


def test_an_incident_whose_beginning_is_torn_is_said_to_be_and_what_is_torn_within_is_counted(tmp_path: Path) -> None:
    here = timelines(tmp_path)
    first, second = here.open("slow", "fraud-scorer", ANN, T0), here.open("lost", "churn-ranker", ANN, T0)
    here.add(second.id, [entry(Kind.NOTE, n, f"note {n}") for n in range(3)])
    folder = tmp_path / "state/incidents/demo"
    (folder / f"{first.id}.jsonl").write_bytes(b"\xff" + (folder / f"{first.id}.jsonl").read_bytes()[1:])
    lines = (folder / f"{second.id}.jsonl").read_bytes().split(b"\n")
    (folder / f"{second.id}.jsonl").write_bytes(b"\n".join([*lines[:2], lines[2][:9], *lines[3:]]))
    later = timelines(tmp_path)
    assert [(each.id, each.unread, len(each.log)) for each in later.all()] == [(second.id, 1, 3)]
    with pytest.raises(StateError, match=r"the first line of .*INC-0001.jsonl cannot be read"):
        later.get(first.id)
    assert list(later.unread) == [first.id]


@pytest.mark.parametrize("at", [1e15, -1.0, float("nan"), float("inf"), 253_402_300_800.0])
def test_a_line_with_a_time_that_is_no_date_is_left_out_and_counted(tmp_path: Path, at: float) -> None:
    here = timelines(tmp_path)
    found = here.open("slow", "fraud-scorer", ANN, T0)
    with (tmp_path / f"state/incidents/demo/{found.id}.jsonl").open("ab") as log:
        log.write(json.dumps({"v": 1, "kind": "note", "at": at, "written_at": T0, "by": ANN, "text": "when?"}).encode())
    assert timelines(tmp_path).get(found.id) == replace(found, unread=1)
