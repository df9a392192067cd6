"""``triage demo`` and ``triage lab``: what they refuse, list, and say."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands import run
from tests.tui.terminal import Terminal
from triage.cli_lab import DEFAULT_SCENARIO, scenario_names
from triage.cli_pictures import PICTURES

HERE = Path(__file__).parents[1]


def test_the_list_names_every_scenario_and_its_model() -> None:
    done = run("demo", "--list")
    assert done.exit_code == 0
    listed = [line.split()[0] for line in done.stdout.splitlines()[1:] if not line.startswith(" ")]
    assert listed == scenario_names()
    assert len(listed) >= 10
    assert re.search(r"^canary-latency +fraud-scorer ", done.stdout, re.MULTILINE)


def test_the_default_scenario_is_one_of_them() -> None:
    assert DEFAULT_SCENARIO in scenario_names()


@pytest.mark.parametrize(("words", "said"), [
    (("demo", "--scenario", "canary-latensy"), "did you mean canary-latency"),
    (("demo", "--scenario", "\x1b[31mqqq"), "there are: bad-rollback-target"),
    (("demo", "--size", "80"), '"80" is not a size: columns x rows, such as 80x24'),
    (("demo", "--size", "0x24"), '"0x24" is not a size'),
    (("demo", "--speed", "-1"), "not in the range"),
    (("lab", "serve", "--port", "70000"), "not in the range"),
])
def test_what_cannot_be_played_is_refused_with_what_can(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 64
    assert said in done.stderr
    assert "\x1b" not in done.stderr


def test_the_demo_needs_a_terminal() -> None:
    done = subprocess.run([sys.executable, "-m", "triage", "demo"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 64
    assert "the screen needs a terminal" in done.stderr
    assert "triage lab serve" in done.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("lab", "serve", "--port", port)
    assert done.exit_code == 64
    assert f"port {port} cannot be used: Address already in use" in done.stderr


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """(address, configuration) of ``triage lab serve``."""
    with subprocess.Popen([sys.executable, "-m", "triage", "lab", "serve", "--scenario", "healthy"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            config = ""
            yield process.stdout.readline().strip(), (config := process.stdout.readline().strip())
        finally:
            # Not ctrl-c: a process that was started in the background may ignore it.
            process.terminate()
            process.wait()
    until = time.monotonic() + 10
    while Path(config).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(config).exists()


def test_the_product_looks_at_a_served_lab_with_the_configuration_it_prints(served: tuple[str, str]) -> None:
    url, config = served
    done = subprocess.run([sys.executable, "-m", "triage", "--config", config, "status"], capture_output=True,
                          text=True, check=True)
    assert len(re.findall(r"\bPASS\b", done.stdout)) == 6, done.stdout
    doctor = subprocess.run([sys.executable, "-m", "triage", "--config", config, "doctor"], capture_output=True,
                            text=True, check=False)
    assert doctor.returncode == 0, doctor.stdout
    assert f"{url}/prometheus" in doctor.stdout
    assert "can write" not in doctor.stdout
    assert not re.findall(r"missing|unknown|down", doctor.stdout), doctor.stdout
    assert all(f"{url}/{name}" in doctor.stdout for name in ("alertmanager", "mlflow", "kubernetes", "loki"))


def test_the_files_of_a_served_lab_are_for_its_owner_only(served: tuple[str, str]) -> None:
    url, config = served
    folder = Path(config).parent
    assert {path.stat().st_mode & 0o077 for path in (folder, folder / "token", folder / "token-that-writes")} == {0}
    token = (folder / "token").read_text()
    assert token not in Path(config).read_text()
    answer = httpx.get(f"{url}/prometheus/api/v1/query", params={"query": "count(up)"}, trust_env=False,
                       headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["status"] == "success"


def test_the_demo_shows_figures_says_it_is_the_lab_and_ends_its_child() -> None:
    own = {"TRIAGE_CONFIG": "/nowhere", "TRIAGE_PROMETHEUS_URL": "http://127.0.0.1:1"}
    with Terminal("demo", module="triage", environment=own) as terminal:
        terminal.read_until(b"WAITING")
        assert " LAB " in terminal.screen().splitlines()[0]
        terminal.shows(" canary-latency LAB WRITE  fraud-scorer  7: 90 %  8 canary 10 %, step 1 of 4", "FAIL, page",
                       "burns")
        children = _children(terminal.pid)
        assert len(children) == 1
        terminal.press("q")
        assert terminal.exit_within(5.0) is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(children[0], 0)
        pytest.fail("the lab outlived the demo")


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def test_the_pictures_of_the_documentation_are_what_the_program_draws() -> None:
    done = subprocess.run([sys.executable, "-m", "triage", "lab", "screenshots", "--check"], cwd=HERE,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_picture_shows_what_is_another_on_each_machine() -> None:
    pictures = sorted((HERE / "screenshots").glob("*.svg"))
    assert [path.stem for path in pictures] == sorted(picture.name for picture in PICTURES)
    for path in pictures:
        shown = re.sub(r"<[^>]*>", "", path.read_text("utf-8")).replace("&#160;", " ")
        own = rf"127\.0\.0\.1|localhost|/tmp/|/home/|{re.escape(socket.gethostname())}"
        assert not re.search(own, shown), path.name


def test_every_picture_is_shown_in_the_readme() -> None:
    shown = re.findall(r"\(screenshots/([\w-]+)\.svg\)", (HERE / "README.md").read_text("utf-8"))
    assert sorted(set(shown)) == sorted(picture.name for picture in PICTURES)


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "triage", "lab", "screenshots", str(tmp_path), "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "on-call.svg is not what the program draws now" in done.stderr
