"""The program on a real terminal: its bytes, its first frame, and its end."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.commands import EXAMPLES
from tests.tui import snapshots
from tests.tui.terminal import Terminal
from triage.tui import link
from triage.tui.app import TriageApp

SIZES = ((120, 40), (80, 24))
READY = b"FeatureAge"


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("state", ["canary", "lost"])
def test_equal_facts_cost_only_their_ages(state: str, size: tuple[int, int]) -> None:
    with Terminal(state, columns=size[0], rows=size[1], answers=True) as terminal:
        terminal.read_until(READY)
        terminal.settle()
        sent = terminal.read_for(4.0)
        assert 0 < len(sent) <= 4 * 60


def test_a_minute_of_changing_values_and_moving_charts_stays_under_two_kilobytes_a_second() -> None:
    with Terminal("moving", "--period", "0.1", columns=120, rows=40) as terminal:
        terminal.read_until(READY)
        terminal.settle(0.05, 0.3)
        before = len(terminal.received)
        terminal.read_for(6.5)
        assert (len(terminal.received) - before) / 60 <= 2000


@contextmanager
def fleet_of_a_thousand(state: str, *arguments: str) -> Iterator[Terminal]:
    """The fleet screen, when its rows stand."""
    with Terminal(state, *arguments, columns=120, rows=40, answers=True) as terminal:
        terminal.read_until(b"OWNERS")
        terminal.press("1")
        terminal.read_until(b"model-0")
        yield terminal


def test_an_equal_fleet_costs_only_its_ages() -> None:
    with fleet_of_a_thousand("fleet-many") as terminal:
        terminal.settle()
        assert len(terminal.read_for(4.0)) <= 4 * 60


def test_a_minute_of_a_moving_fleet_stays_under_two_kilobytes_a_second() -> None:
    with fleet_of_a_thousand("fleet-moving", "--period", "0.25") as terminal:
        terminal.settle(0.05, 0.3)
        before = len(terminal.received)
        terminal.read_for(5.0)
        assert 0 < len(terminal.received) - before <= 20 * 2000


@pytest.mark.bench
def test_the_way_down_a_thousand_models_is_smooth(capsys: pytest.CaptureFixture[str]) -> None:
    with fleet_of_a_thousand("fleet-many") as terminal:
        terminal.settle()
        took = []
        for _ in range(60):
            began, before = time.monotonic(), len(terminal.received)
            terminal.press("j")
            while len(terminal.received) == before:
                terminal.read_some(2.0)
            took.append(time.monotonic() - began)
            terminal.settle(0.02)
    took.sort()
    with capsys.disabled():
        print(f"\nkey to paint among 1,000 models: median {took[30] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms")
    assert took[30] < 0.1


def test_no_key_costs_more_than_forty_kilobytes_and_most_far_less() -> None:
    with Terminal("canary", columns=120, rows=40) as terminal:
        terminal.read_until(READY)
        terminal.settle()
        for key, most in (("j", 300), ("z", 12_000), ("\x1b", 12_000), ("\r", 12_000), ("\x1b", 12_000), ("/", 40_000),
                          ("\x1b", 12_000), (":", 40_000), ("\x1b", 12_000), ("p", 2000), ("+", 6000), ("y", 12_000)):
            terminal.press(key)
            assert 0 < len(terminal.settle(0.6)) <= most, key


def test_what_stands_on_the_terminal_is_what_a_full_repaint_draws() -> None:
    with Terminal("canary", columns=100, rows=40) as terminal:
        terminal.read_until(READY)
        for keys in ("j", "z", "\x1b", "/", "c", "\x1b", ":", "\x1b", "\r", "jjj", "\x1b", "p"):
            terminal.press(keys)
            terminal.settle(0.25)
        before = terminal.screen()
        count = len(terminal.received)
        terminal.press("\x0c")
        terminal.settle()
        assert len(terminal.received) - count > 5000
        assert re.sub(r"data \d+ s", "data", terminal.screen()) == re.sub(r"data \d+ s", "data", before)


def test_hostile_names_leave_no_escape_of_theirs_on_the_wire() -> None:
    with Terminal("hostile", columns=120, rows=50) as terminal:
        terminal.read_until("日本".encode())
        terminal.settle()
        for keys in ("jjjj", "\r", "\x1b", "G", "\r", "\x1b", "z", "\x1b", "/", "\x1b", "?", "\x1b"):
            terminal.press(keys)
            terminal.settle(0.2)
        sent = bytes(terminal.received)
        ours = re.compile(rb"\x1b\[[0-9;?>]*[A-Za-z$]{1,2}|\x1b\]22;[a-z]*\x07")
        left = ours.sub(b"", sent)
        assert b"\x1b" not in left
        assert b"\x07" not in left
        assert b"\xc2\x9b" not in left
        assert "\u202e".encode() not in left
        assert b"\x1b]52" not in sent
        assert b"\x1b[31m" not in sent
        assert b"52;c;aGk=" in left


def test_the_first_frame_names_the_places_before_any_fact_is_there() -> None:
    with Terminal("nothing", columns=120, rows=40) as terminal:
        terminal.read_until(b"WAITING")
        terminal.settle()
        text = terminal.screen()
        for place in ("SLO", "LATENCY", "ERRORS", "ALERTS", "RUNBOOK", "notebooks are being read"):
            assert place in text


def first_frame(module: str, *arguments: str) -> float:
    with Terminal(*arguments, module=module) as terminal:
        return terminal.read_until(b"WAITING")


@pytest.mark.bench
def test_the_first_frame_stands_nearly_as_soon_as_an_empty_one(capsys: pytest.CaptureFixture[str]) -> None:
    # Once without counting: the first start compiles.
    first_frame("tests.tui.scripted", "nothing")
    pairs = [(first_frame("tests.tui.empty"), first_frame("tests.tui.scripted", "nothing")) for _ in range(9)]
    empty, ours = (sorted(times)[4] for times in zip(*pairs, strict=True))
    with capsys.disabled():
        print(f"\nfirst frame: empty {empty * 1000:.0f} ms, triage {ours * 1000:.0f} ms, {ours / empty:.2f}x")
    assert ours > 0


@pytest.mark.parametrize("ending", ["hang-up", "terminate", "close"])
def test_a_closed_terminal_ends_the_program_and_its_feed_in_time(ending: str, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    terminal = Terminal("canary", "--stopped", str(stopped))
    with terminal:
        terminal.read_until(READY)
        if ending == "close":
            os.close(terminal.master)
        else:
            os.kill(terminal.pid, signal.SIGHUP if ending == "hang-up" else signal.SIGTERM)
            terminal.read_for(0.6)
        assert terminal.exit_within(2.0) is not None
    assert stopped.read_text() == "stopped"


def test_a_closed_terminal_ends_the_program_even_when_hang_ups_are_ignored(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    with Terminal("canary", "--stopped", str(stopped), module="tests.tui.ignoring") as terminal:
        terminal.read_until(READY)
        os.close(terminal.master)
        assert terminal.exit_within(3.0) is not None
    assert stopped.exists()


def test_a_frozen_link_holds_at_most_a_few_frames() -> None:
    with Terminal("moving", "--period", "0.05", columns=120, rows=40) as terminal:
        terminal.read_until(READY)
        time.sleep(3.0)
        terminal.press("q")
        held = terminal.settle(0.5, 5.0)
        assert len(held) < 60_000


async def test_the_link_knows_the_drivers_queue() -> None:
    from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

    from tests.tui.scripted import ScriptedFeed

    class Driver:
        _writer_thread = WriterThread(Path(os.devnull).open("w"))  # noqa: SIM115

    app = TriageApp(ScriptedFeed(snapshots.healthy()))
    assert link.writes_waiting(app) == 0
    app._driver = Driver()  # type: ignore[assignment]
    for _ in range(3):
        Driver._writer_thread.write("frame")
    assert link.writes_waiting(app) == 3
    assert link.is_behind(app)
    assert MAX_QUEUED_WRITES > link.MOST_WAITING
    app._driver = None
    Driver._writer_thread._file.close()


def test_a_credential_that_does_not_come_does_not_keep_the_shell_waiting(tmp_path: Path) -> None:
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["20"],
             "interactiveMode": "Never"}
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "u", "user": {"exec": exec_}}],
                  "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
                  "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}]}
    config = {"apiVersion": "triage/v1alpha1", "kind": "Config", "notebooks": [str(EXAMPLES)],
              "contexts": {"x": {"prometheus": {"url": "http://127.0.0.1:9"},
                                 "kubernetes": {"kubeconfig": "kubeconfig", "context": "k"}}}}
    for name, content in (("kubeconfig", kubeconfig), ("triage.yaml", config)):
        (tmp_path / name).write_text(yaml.safe_dump(content))
        (tmp_path / name).chmod(0o600)
    with Terminal("--config", str(tmp_path / "triage.yaml"), module="triage") as terminal:
        terminal.shows("UNKNOWN", "refuses connections")
        terminal.press("a")
        terminal.shows("roll back", "ASKED, NO ANSWER YET")
        terminal.press("\x1b")
        terminal.becomes(lambda screen: "NO ANSWER YET" not in screen)
        terminal.press("q")
        assert terminal.exit_within(8.0) is not None
