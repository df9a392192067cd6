"""The servers and the stage themselves: started, watched and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real import servers
from tests.real.conftest import installed
from tests.real.servers import PROJECT, ServerFailed, ServerMissing, wait_for


def _lives(process_id: int) -> bool:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_server_ends_when_its_block_fails(tmp_path: Path) -> None:
    started: list[int] = []

    def use() -> None:
        with servers.exporter(tmp_path, "known", 0.0) as server:
            started.append(server.process.pid)
            assert _lives(server.process.pid)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        use()
    assert not _lives(started[0])
    assert started[0] not in servers.RUNNING


def test_a_frozen_server_ends_too(tmp_path: Path) -> None:
    with servers.exporter(tmp_path, "known", 0.0) as server:
        server.freeze()
    assert server.process.returncode is not None


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with (pytest.raises(ServerFailed, match="ended with status") as caught,
          installed(servers.prometheus(tmp_path, {"scrape_configs": "no list"}))):
        pass
    assert "cannot unmarshal" in str(caught.value)


@contextmanager
def _missing() -> Iterator[str]:
    yield servers.binary("no-such-server")


def test_a_missing_server_skips_for_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"), installed(_missing()):
        pass


def test_a_missing_server_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must have it"), installed(_missing()):
        pass


def test_a_binary_is_named_when_it_is_missing() -> None:
    with pytest.raises(ServerMissing, match="one or two is not installed"):
        servers.binary("one", "two")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems cannot tie a process to its parent")
def test_a_server_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = ("import time; from pathlib import Path; from tests.real import servers\n"
              f"with servers.exporter(Path({str(tmp_path)!r}), 'known', 0.0) as s:\n"
              "    print(s.process.pid, flush=True); time.sleep(60)\n")
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not _lives(child), "end of the server")


def test_the_stage_runs_a_command_passes_its_status_on_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with installed(_both_installed()):
        pass
    command = ("import os, sys, urllib.request; sys.path.insert(0, '.')\n"
               "from triage.config import Overrides, activate\n"
               "active = activate(Overrides())\n"
               "urls = [active.context.prometheus.url, active.context.alertmanager.url]\n"
               "print(active.name, *[urllib.request.urlopen(u + '/-/ready').status for u in urls], os.getppid())\n"
               "sys.exit(7)")
    done = subprocess.run([sys.executable, "-m", "tests.real.stage", "--folder", str(tmp_path / "stage"), "--",
                           sys.executable, "-c", command], capture_output=True, text=True, cwd=PROJECT, timeout=60,
                          env={k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")})
    assert done.returncode == 7, done.stderr
    *words, stage = done.stdout.split()
    assert words == ["stage", "200", "200"]
    assert not _lives(int(stage))
    assert not _children_of(tmp_path)


def test_the_stage_ends_everything_on_a_signal(tmp_path: Path) -> None:
    with installed(_both_installed()):
        pass
    stage = subprocess.Popen([sys.executable, "-m", "tests.real.stage", "--folder", str(tmp_path / "stage")],
                             stderr=subprocess.DEVNULL, cwd=PROJECT)
    wait_for(lambda: len(_children_of(tmp_path)) >= 2, "servers of the stage")
    stage.send_signal(signal.SIGTERM)
    assert stage.wait(60) == 128 + signal.SIGTERM
    # A server that was just being started ends with its parent, a moment later.
    wait_for(lambda: not _children_of(tmp_path), "end of its servers")


@contextmanager
def _both_installed() -> Iterator[None]:
    servers.binary("prometheus")
    servers.binary("prometheus-alertmanager", "alertmanager")
    yield


def _children_of(folder: Path) -> list[int]:
    """Processes that work in ``folder``, as every server of a stage there does."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = (entry / "cwd").readlink()
            except OSError:
                continue
            if where.is_relative_to(folder) and _lives(int(entry.name)):
                found.append(int(entry.name))
    return found
