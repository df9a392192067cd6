"""How text reaches the clipboard of whoever sits in front of the terminal."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from triage.tui.clipboard import OSC52_LIMIT, send


def test_without_tmux_the_terminal_is_asked() -> None:
    written: list[str] = []
    assert send("p95 ≥ 1 s", written.append, {}).startswith("sent to the terminal")
    assert base64.b64decode(written[0].removeprefix("\x1b]52;c;").removesuffix("\x07")).decode() == "p95 ≥ 1 s"


def test_what_is_too_long_is_not_sent_in_part() -> None:
    written: list[str] = []
    assert "too long" in send("x" * OSC52_LIMIT, written.append, {})
    assert written == []


def test_inside_tmux_its_own_command_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "tmux"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/text\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    written: list[str] = []
    assert send("state", written.append, {"TMUX": "x"}).startswith("sent to tmux")
    assert (tmp_path / "arguments").read_text().strip() == "load-buffer -w -"
    assert (tmp_path / "text").read_text() == "state"
    assert written == []


def test_a_tmux_that_is_not_there_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    written: list[str] = []
    assert send("state", written.append, {"TMUX": "x"}).startswith("sent to the terminal")
    assert len(written) == 1
