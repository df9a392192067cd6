"""The state directory: private, whole or not at all, and led astray by nobody."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.state_dir import StateDir, StateError, file_name, state_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "triage"


@pytest.mark.parametrize(("environ", "expected"), [
    ({"TRIAGE_STATE": "/var/mine", "XDG_STATE_HOME": "/x"}, "/var/mine"),
    ({"XDG_STATE_HOME": "/x"}, "/x/triage"),
    ({"XDG_STATE_HOME": "relative"}, str(Path("~/.local/state/triage").expanduser())),
    ({}, str(Path("~/.local/state/triage").expanduser())),
])
def test_the_place_is_our_own_variable_then_xdg_then_the_home_directory(environ: dict[str, str],
                                                                        expected: str) -> None:
    assert str(state_home(environ)) == expected


def test_a_home_that_is_nobodys_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StateError, match="no home directory"):
        state_home({"TRIAGE_STATE": "~nobody-has-this-name/x"})


def test_nothing_is_made_by_looking(home: Path) -> None:
    state = StateDir(home, "runbook")
    assert (state.read("a"), state.stamp("a"), state.files()) == (None, None, ())
    assert not home.exists()


def test_what_is_written_is_read_and_only_the_owner_may(home: Path) -> None:
    state = StateDir(home).folder("runbook")
    state.write("a.json", b"one")
    state.write("a.json", b"two")
    state.append("log", b"x")
    assert state.read("a.json") == b"two"
    assert state.files() == ("a.json", "log")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "runbook").stat().st_mode) == 0o700
    assert {stat.S_IMODE((home / "runbook" / name).stat().st_mode) for name in ("a.json", "log")} == {0o600}


def test_a_change_shows_in_the_stamp(home: Path) -> None:
    state = StateDir(home)
    state.append("log", b"x")
    before = state.stamp("log")
    assert before == state.stamp("log")
    state.append("log", b"y")
    assert state.stamp("log") != before


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(home: Path) -> None:
    state = StateDir(home)
    state.write("a", b"old")
    (home / "folder").mkdir(mode=0o700)
    (home / "folder" / "inside").touch()
    with pytest.raises(StateError, match="cannot write"):
        state.write("folder", b"x")
    assert state.read("a") == b"old"
    assert sorted(entry.name for entry in home.iterdir()) == ["a", "folder"]


def test_a_torn_line_spoils_no_other(home: Path) -> None:
    state = StateDir(home)
    state.append("log", b"one")
    with (home / "log").open("ab") as stream:
        stream.write(b'{"torn')
    state.append("log", b"two")
    assert state.read("log") == b'one\n{"torn\ntwo\n'


def test_writers_side_by_side_lose_nothing(home: Path) -> None:
    def write(writer: int) -> None:
        for n in range(25):
            StateDir(home, "runs").append("log", f"{writer} {n}".encode())

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = StateDir(home, "runs").read("log")
    assert content is not None
    lines = [line for line in content.decode().split("\n") if line]
    assert sorted(lines) == sorted(f"{writer} {n}" for writer in range(4) for n in range(25))
    for writer in range(4):
        assert [line for line in lines if line.startswith(f"{writer} ")] == [f"{writer} {n}" for n in range(25)]


@pytest.mark.parametrize("act", ["read", "write", "append"])
def test_no_symlink_is_followed_whatever_it_stands_for(home: Path, tmp_path: Path, act: str) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    (target / "file").write_text("theirs")
    (target / "file").chmod(0o600)
    home.mkdir(parents=True, mode=0o700)
    (home / "link").symlink_to(target)
    (home / "file").symlink_to(target / "file")
    linked_home = tmp_path / "linked-home"
    linked_home.symlink_to(target)
    for state in (StateDir(home, "link"), StateDir(linked_home)):
        with pytest.raises(StateError, match="symlink"):
            _do(state, act)
    if act == "write":
        StateDir(home).write("file", b"ours")
        assert not (home / "file").is_symlink()
    else:
        with pytest.raises(StateError, match="symlink"):
            _do(StateDir(home), act)
    assert (target / "file").read_text() == "theirs"


def _do(state: StateDir, act: str) -> None:
    match act:
        case "read":
            state.read("file")
        case "write":
            state.write("file", b"x")
        case _:
            state.append("file", b"x")


def test_what_others_can_read_or_write_is_refused_with_what_to_do(home: Path) -> None:
    state = StateDir(home)
    state.append("log", b"x")
    (home / "log").chmod(0o644)
    with pytest.raises(StateError, match="open to other users") as refused:
        state.append("log", b"y")
    assert refused.value.hint == "chmod 600 it"
    home.chmod(0o755)
    with pytest.raises(StateError, match="open to other users") as refused:
        state.read("log")
    assert refused.value.hint == "chmod 700 it"
    home.chmod(0o700)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_folder_that_is_open_to_others_is_the_one_that_is_named(home: Path, depth: int) -> None:
    state = StateDir(home, "a", "b")
    state.write("x", b"1")
    wrong = [home, home / "a", home / "a" / "b"][depth]
    wrong.chmod(0o755)
    with pytest.raises(StateError) as refused:
        state.read("x")
    assert refused.value.message == f"{wrong} is open to other users"


def test_a_pipe_in_place_of_a_file_holds_nobody_up(home: Path) -> None:
    StateDir(home).write("other", b"")
    os.mkfifo(home / "file", 0o600)
    for act in ("read", "append"):
        with pytest.raises(StateError):
            _do(StateDir(home), act)


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"cannot write .*file"):
        StateDir(tmp_path / "file" / "triage").append("log", b"x")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a\n", "a" * 121])
def test_only_plain_names_reach_the_disk(home: Path, name: str) -> None:
    with pytest.raises(ValueError, match="file_name"):
        StateDir(home).write(name, b"x")
    with pytest.raises(ValueError, match="file_name"):
        StateDir(home, name)


def test_a_line_of_a_log_is_one_line(home: Path) -> None:
    with pytest.raises(ValueError, match="newline"):
        StateDir(home).append("log", b"a\nb")


@given(st.lists(st.text(), unique=True, min_size=1, max_size=8))
def test_any_text_names_a_file_of_its_own(texts: list[str]) -> None:
    names = [file_name(text) for text in texts]
    assert len(set(names)) == len(names)
    assert [file_name(name) if "." not in name else name for name in names] == names
    for name in names:
        StateDir(Path("/nowhere"), name)


def test_a_name_that_looks_like_a_digest_cannot_take_anothers_place() -> None:
    made = file_name("a b")
    assert file_name(made) != made
    assert file_name("fraud-scorer") == "fraud-scorer"


def test_of_many_who_create_a_file_one_does(home: Path) -> None:
    made: list[bool] = []

    def create(writer: int) -> None:
        made.append(StateDir(home).create("claim", str(writer).encode()))

    threads = [threading.Thread(target=create, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert sorted(entry.name for entry in home.iterdir()) == ["claim"]


def test_what_is_removed_is_gone_and_removing_it_again_is_nothing(home: Path) -> None:
    state = StateDir(home)
    state.remove("a")
    assert not home.exists()
    state.write("a", b"x")
    state.remove("a")
    state.remove("a")
    assert state.files() == ()


def test_a_log_that_somebody_keeps_locked_is_waited_for_a_while_and_no_longer(home: Path) -> None:
    StateDir(home).append("log", b"one")
    with (home / "log").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StateError, match=r"log has been locked by another process for 0.01 s") as raised:
            StateDir(home).append("log", b"two", 0.01)
        assert "lslocks" in raised.value.hint
    StateDir(home).append("log", b"two")
    assert (home / "log").read_bytes() == b"one\ntwo\n"


def test_one_holds_a_lock_until_it_lets_go(home: Path) -> None:
    first = StateDir(home).hold("lock")
    assert first is not None
    assert StateDir(home).hold("lock") is None
    with pytest.raises(StateError, match="locked by another process"), StateDir(home).locked("lock", 0.0):
        pass
    first.release()
    first.release()
    with StateDir(home).locked("lock"):
        assert StateDir(home).hold("lock") is None
    assert StateDir(home).hold("lock") is not None


def test_a_lock_behind_a_symlink_is_not_taken(home: Path, tmp_path: Path) -> None:
    home.mkdir(mode=0o700, parents=True)
    (home / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="symlink"):
        StateDir(home).hold("lock")
