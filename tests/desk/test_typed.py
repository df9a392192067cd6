"""``triage act`` at a terminal: what was typed ahead, at once or by a paste confirms nothing, and nothing is sent."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from tests.commands import EXAMPLES
from tests.desk.site import MODEL, NOT_JUDGED, TARGET, Site
from tests.live.conftest import FakePrometheus
from tests.sources.faults import FaultServer
from triage.actions.guards import evidence
from triage.cli_act import _caught_up
from triage.clock import ManualClock, SystemClock
from triage.desk.newest import Newest

PATIENCE_SECONDS = 60.0
BETWEEN_KEYS_SECONDS = 0.03
WITHOUT, NAME = b'type "without facts" to go on without it: ', f"type {TARGET} to go on: ".encode()


@dataclass
class Terminal:
    """What somebody sees and types."""

    ours: int
    said: bytes = b""

    def _more(self) -> None:
        if select.select([self.ours], [], [], 0.1)[0]:
            try:
                self.said += os.read(self.ours, 4096)
            except OSError:
                # Linux says so when the process has gone.
                time.sleep(0.01)

    def reads(self, wanted: bytes) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while wanted not in self.said:
            assert time.monotonic() < until, self.said.decode()
            self._more()

    def sends(self, text: str) -> None:
        """All of it at once."""
        os.write(self.ours, text.encode())

    def types(self, text: str) -> None:
        """One key after the other, each once the one before is shown."""
        for key in text:
            before, until = len(self.said), time.monotonic() + PATIENCE_SECONDS
            self.sends(key)
            while key.isprintable() and key.encode() not in self.said[before:]:
                assert time.monotonic() < until, self.said.decode()
                self._more()
            time.sleep(BETWEEN_KEYS_SECONDS)

    def is_heard(self, question: bytes) -> None:
        """Type and take back a character until the question shows it: from then on keys count."""
        until = time.monotonic() + PATIENCE_SECONDS
        while question + b"." not in self.said:
            assert time.monotonic() < until, self.said.decode()
            self.sends(".\x7f")
            self._more()


@contextmanager
def abort(site: Site) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "triage", "act", "abort", MODEL, "--write", "--config", str(site.config)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=EXAMPLES.parents[2],
                          env=os.environ | site.environment, start_new_session=True) as process:
        os.close(theirs)
        try:
            yield Terminal(ours), process
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site(spec=NOT_JUDGED)


def test_only_what_is_typed_once_the_question_stands_sends_anything(site: Site) -> None:
    with abort(site) as (terminal, process):
        terminal.sends(f"without facts\r{TARGET}\r")
        terminal.reads(WITHOUT)
        # What was typed ahead is no answer, and neither is what comes within half a second.
        terminal.sends("without facts\r")
        terminal.is_heard(WITHOUT)
        terminal.types("without facts\r")
        terminal.reads(NAME)
        terminal.sends(f"{TARGET}\r")
        terminal.is_heard(NAME)
        terminal.sends(f"\x1b[200~{TARGET}\r\x1b[201~")
        terminal.reads(b"what is pasted does not count")
        assert site.gate.changes == []
        terminal.types(f"{TARGET}\r")
        terminal.reads(b"sent 1 of 1: done")
        terminal.reads(b"the lease is given back")
        process.wait(PATIENCE_SECONDS)
    assert [change.rpartition("/")[2] for change in site.gate.changes] == ["status"]


def test_another_name_sends_nothing(site: Site) -> None:
    with abort(site) as (terminal, process):
        for question, answer in ((WITHOUT, "without facts"), (NAME, MODEL)):
            terminal.reads(question)
            terminal.is_heard(question)
            terminal.types(f"{answer}\r")
        terminal.reads(b"it was not confirmed: nothing was sent")
        assert process.wait(PATIENCE_SECONDS) == 64
    assert site.gate.changes == []


def test_who_breaks_it_off_at_the_question_has_sent_nothing(site: Site) -> None:
    with abort(site) as (terminal, process):
        terminal.reads(WITHOUT)
        terminal.is_heard(WITHOUT)
        terminal.types("\x03")
        assert process.wait(PATIENCE_SECONDS) == 130
    assert site.gate.changes == []


def test_who_is_told_to_end_at_the_question_gets_the_terminal_back_and_has_sent_nothing(site: Site) -> None:
    with abort(site) as (terminal, process):
        before = termios.tcgetattr(terminal.ours)
        terminal.reads(WITHOUT)
        terminal.is_heard(WITHOUT)
        assert termios.tcgetattr(terminal.ours) != before
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
        assert termios.tcgetattr(terminal.ours) == before
    assert site.gate.changes == []


async def test_facts_that_grew_old_while_somebody_typed_are_asked_for_anew_before_it_goes_on(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "FRESH_SECONDS", 2.0)
    clock = SystemClock()
    fake = FakePrometheus(ManualClock(clock.now()))
    fake.held.set()
    async with FaultServer(fake.handle) as server:
        site = make_site(spec=NOT_JUDGED, prometheus=server.url)
        active = replace(site.active, context=site.active.context.model_copy(update={"interval": 1.0}))

        def data_age() -> float:
            snapshot = newest()
            model = None if snapshot is None else snapshot.model(MODEL)
            assert model is not None
            assert model.data_at is not None
            return clock.now() - model.data_at
        async with Newest(active, MODEL, clock) as newest:
            # As the question does: nothing else goes on meanwhile.
            time.sleep(2.5)
            assert data_age() > 2
            await _caught_up(newest, MODEL, active.context.interval, clock)
            assert data_age() < 2
