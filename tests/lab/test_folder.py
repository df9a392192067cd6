"""The lab's private folder: of killed processes nothing stays behind, of living ones and of strangers everything."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from triage.lab.folder import PrivateFolder

_KILLED = ("import os, signal; from triage.lab.folder import PrivateFolder; made = PrivateFolder();"
           "(made.path / 'state').mkdir(); print(made.path, flush=True); os.kill(os.getpid(), signal.SIGKILL)")


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_by_a_killed_one(base: Path) -> Path:
    ended = subprocess.run([sys.executable, "-c", _KILLED], env={"TMPDIR": str(base)}, stdout=subprocess.PIPE,
                           check=False, text=True)
    assert ended.returncode == -signal.SIGKILL
    return Path(ended.stdout.strip())


def sweep() -> None:
    PrivateFolder().remove()


def test_a_folder_is_private_and_goes_when_it_is_removed_twice_or_once() -> None:
    made = PrivateFolder()
    assert made.path.stat().st_mode & 0o777 == 0o700
    (made.path / "token").write_text("secret")
    made.remove()
    made.remove()
    assert not made.path.exists()


def test_what_a_killed_process_left_is_removed_by_the_next_one(base: Path) -> None:
    left = left_by_a_killed_one(base)
    assert left.parent == base
    assert (left / "state").is_dir()
    sweep()
    assert not left.exists()


def test_the_folder_of_a_living_process_stays() -> None:
    alive = PrivateFolder()
    sweep()
    assert alive.path.is_dir()
    alive.remove()


def empty(left: Path) -> None:
    """As one that is just being made."""
    (left / "held").write_bytes(b"")


def strange(left: Path) -> None:
    (left / "held").write_text("mine")


def without(left: Path) -> None:
    (left / "held").unlink()


def open_to_all(left: Path) -> None:
    left.chmod(0o755)


def led_astray(left: Path) -> None:
    (left / "held").rename(left.parent / "elsewhere")
    (left / "held").symlink_to(left.parent / "elsewhere")


def a_folder_in_its_place(left: Path) -> None:
    (left / "held").unlink()
    (left / "held").mkdir()


@pytest.mark.parametrize("change", [empty, strange, without, open_to_all, led_astray, a_folder_in_its_place])
def test_a_folder_that_cannot_be_told_to_be_ours_and_dead_stays(base: Path, change: Callable[[Path], None]) -> None:
    left = left_by_a_killed_one(base)
    change(left)
    sweep()
    assert (left / "state").is_dir()


def test_a_link_to_a_dead_folder_is_not_followed(base: Path) -> None:
    elsewhere = base / "own-files"
    left_by_a_killed_one(base).rename(elsewhere)
    (base / "triage-lab-link").symlink_to(elsewhere)
    sweep()
    assert (elsewhere / "state").is_dir()
