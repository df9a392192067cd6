"""Confirming a plan on the command line: the target's name is typed; a paste, or what was typed ahead, is none."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.commands import EXAMPLES
from triage.actions.plan import Target
from triage.cli_typing import Came, Typing

ASKS = """
import click
from triage import cli_typing
from triage.errors import TriageError
print("READY", flush=True)
try:
    print("GOT", repr(cli_typing.typed("type the name")), flush=True)
except click.Abort:
    print("ABORTED", flush=True)
except click.exceptions.Exit as told:
    raise SystemExit(told.exit_code)
except TriageError as error:
    print(error.message, error.hint, flush=True)
"""
NAMELESS = """
import os
def no_name(terminal):
    raise FileNotFoundError(2, "No such file or directory")
os.ttyname = no_name
"""
"""As in a container without the terminals of its host."""
_PATIENCE = 20.0
_BETWEEN_KEYS_SECONDS = 0.03


class Person:
    """Sits before a terminal in which a question is asked."""

    def __init__(self, terminal: int, theirs: int, process: subprocess.Popen[bytes]) -> None:
        self.terminal, self.theirs, self.process = terminal, theirs, process
        self.said = b""

    def reads(self, wanted: bytes) -> None:
        """Wait until ``wanted`` was written."""
        until = time.monotonic() + _PATIENCE
        while wanted not in self.said:
            assert time.monotonic() < until, self.said
            self._more()

    def _more(self) -> None:
        if select.select([self.terminal], [], [], 0.1)[0]:
            self.said += os.read(self.terminal, 4096)

    def sends(self, text: str) -> None:
        """All of it at once."""
        os.write(self.terminal, text.encode())

    def types(self, text: str) -> None:
        """One key after the other, as fast as somebody who is very fast."""
        for key in text:
            before, until = len(self.said), time.monotonic() + _PATIENCE
            self.sends(key)
            while key.isprintable() and key.encode() not in self.said[before:]:
                assert time.monotonic() < until, self.said
                self._more()
            time.sleep(_BETWEEN_KEYS_SECONDS)

    def is_heard(self) -> None:
        """Wait until keys count: what is typed before that is shown by nobody."""
        self.reads(b"type the name: ")
        until = time.monotonic() + _PATIENCE
        while b"name: ." not in self.said:
            assert time.monotonic() < until, self.said
            self.sends(".\x7f")
            self._more()


@contextmanager
def asked(program: str = ASKS) -> Iterator[Person]:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with subprocess.Popen([sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs,
                          cwd=EXAMPLES.parents[2], start_new_session=True) as process:
        person = Person(ours, theirs, process)
        try:
            yield person
            process.wait(_PATIENCE)
            # The terminal is left as it was: shown keys, whole lines, no marks on pastes.
            person.reads(b"\x1b[?2004l")
            assert termios.tcgetattr(theirs) == before
        finally:
            process.kill()
            os.close(theirs)
            os.close(ours)


def test_what_was_typed_ahead_of_the_question_does_not_answer_it() -> None:
    with asked() as person:
        person.reads(b"READY")
        person.sends("ahead\r")
        person.is_heard()
        person.types("late\r")
        person.reads(b"GOT 'late'")


def test_what_is_pasted_is_refused_with_a_sentence_and_typing_it_counts() -> None:
    with asked() as person:
        person.is_heard()
        assert b"\x1b[?2004h" in person.said
        person.sends("\x1b[200~fraud\r\x1b[201~")
        person.reads(b"what is pasted does not count: type it")
        assert b"GOT" not in person.said
        person.types("fraud\r")
        person.reads(b"GOT 'fraud'")


def test_a_paste_that_began_before_keys_count_does_not_count_either() -> None:
    with asked() as person:
        person.reads(b"type the name: ")
        person.sends("\x1b[200~fr")
        time.sleep(0.6)
        person.sends("aud\r\x1b[201~")
        person.reads(b"what is pasted does not count: type it")
        person.types("no\r")
        person.reads(b"GOT 'no'")


@pytest.mark.parametrize("pasted", ["fraud\r", "fraud", "abc\r", "y\ry\r", "y\n\x03", "no\rfraud\ry\r"])
def test_what_comes_at_once_was_not_typed_although_no_terminal_marks_it_as_a_paste(pasted: str) -> None:
    with asked() as person:
        person.is_heard()
        person.sends(pasted)
        person.reads(b"what is pasted does not count: type it")
        person.types("fraud\r")
        person.reads(b"GOT 'fraud'")
        assert person.said.count(b"GOT") == 1


def test_what_comes_at_once_from_before_keys_count_until_after_it_does_not_count_either() -> None:
    with asked() as person:
        person.reads(b"type the name: ")
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            person.sends("y")
            time.sleep(0.001)
        time.sleep(_BETWEEN_KEYS_SECONDS)
        person.types("no\r")
        person.reads(b"GOT 'no'")


def test_two_or_three_keys_that_a_slow_connection_hands_on_together_were_typed() -> None:
    with asked() as person:
        person.is_heard()
        for keys in ("fr", "aud", "-x\r"):
            person.sends(keys)
            person.reads(keys.strip().encode())
            time.sleep(_BETWEEN_KEYS_SECONDS)
        person.reads(b"GOT 'fraud-x'")


def test_keys_that_type_nothing_may_come_at_once() -> None:
    with asked() as person:
        person.is_heard()
        person.types("wrong")
        person.sends("\x1b[1;5D\x1b[1;5D" + "\x7f" * 9)
        person.types("fraud\r")
        person.reads(b"GOT 'fraud'")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_is_told_to_end_at_the_question_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    with asked() as person:
        person.is_heard()
        person.process.send_signal(number)
        assert person.process.wait(_PATIENCE) == 128 + number


def test_an_ending_that_was_to_be_ignored_is_ignored_at_the_question() -> None:
    with asked(f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{ASKS}") as person:
        person.is_heard()
        person.process.send_signal(signal.SIGHUP)
        person.types("fraud\r")
        person.reads(b"GOT 'fraud'")


def test_where_the_terminal_closes_nothing_is_confirmed() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ASKS], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
                          cwd=EXAMPLES.parents[2], start_new_session=True) as process:
        person = Person(ours, theirs, process)
        person.is_heard()
        os.close(theirs)
        os.close(ours)
        out, _ = process.communicate(timeout=_PATIENCE)
    assert out == b"READY\nABORTED\n"


def test_a_terminal_without_a_name_is_asked_at_as_well() -> None:
    with asked(NAMELESS + ASKS) as person:
        person.is_heard()
        person.types("fraud\r")
        person.reads(b"GOT 'fraud'")


def test_a_terminal_that_can_only_be_read_from_is_no_place_to_ask_and_it_says_what_else_to_do() -> None:
    ours, theirs = pty.openpty()
    only_read = os.open(os.ttyname(theirs), os.O_RDONLY | os.O_NOCTTY)
    try:
        done = subprocess.run([sys.executable, "-c", NAMELESS + ASKS], stdin=only_read, capture_output=True,
                              cwd=EXAMPLES.parents[2], timeout=_PATIENCE, check=True)
    finally:
        for each in (ours, theirs, only_read):
            os.close(each)
    assert b"cannot be written to" in done.stdout
    assert b"--confirm" in done.stdout


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_whoever_breaks_it_off_has_confirmed_nothing(key: str) -> None:
    with asked() as person:
        person.is_heard()
        person.types(key)
        person.reads(b"ABORTED")
        assert b"GOT" not in person.said


@pytest.mark.parametrize(("keys", "text"), [
    ("fraux\x7fd", "fraud"), ("wrong\x15fraud", "fraud"), ("fr\x1b[Daud", "fraud"), ("fr\x1bOAaud", "fraud"),
    ("fr\x1b[200~xyz\x1b[201~aud", "fraud"), ("\x1b[200~fraud", ""), ("\x7f\x7ffraud\x01", "fraud"),
    ("fr\x1b[1;5Caud", "fraud")])
def test_a_line_is_what_was_typed_of_it(keys: str, text: str) -> None:
    typing = Typing()
    for key in keys:
        assert typing.take(key) in (Came.TEXT, Came.PASTE)
    assert typing.text == text


@given(st.text(max_size=40), st.text(alphabet=st.characters(blacklist_characters="\x1b"), max_size=80),
       st.sampled_from(["", "fr", "x"]))
def test_nothing_of_a_paste_ever_gets_into_the_line(before: str, pasted: str, after: str) -> None:
    typing = Typing()
    for key in before:
        typing.take(key)
    # Whatever sequence was left open is ended.
    for key in "\x1b[201~" * 2 + "~":
        typing.take(key)
    text = typing.text
    came = [typing.take(key) for key in f"\x1b[200~{pasted}\x1b[201~"]
    assert typing.text == text
    assert came[-1] is Came.PASTE
    assert Came.ENTER not in came
    for key in after:
        typing.take(key)
    assert typing.text == (text + after)[:200]


@pytest.mark.parametrize(("system", "name", "called"), [
    ("argo", "fraud", "fraud"), ("haproxy", "edge/fraud", "edge/fraud"), ("mlflow", "fraud-scorer@champion",
    "fraud-scorer"), ("mlflow", "a@b@champion", "a@b"), ("webhook", "ci@site", "ci@site")])
def test_a_target_is_confirmed_by_its_own_name(system: str, name: str, called: str) -> None:
    assert Target("prod", True, "model", system, "", "", "", name).called == called
