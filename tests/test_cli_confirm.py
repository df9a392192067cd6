"""Confirming a plan on the command line: the target's name is typed; a paste, or what was typed ahead, is none."""

from __future__ import annotations

import os
import pty
import select
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
print("READY", flush=True)
try:
    print("GOT", repr(cli_typing.typed("type the name")), flush=True)
except click.Abort:
    print("ABORTED", flush=True)
"""
_PATIENCE = 20.0


class Person:
    """Sits before a terminal in which a question is asked."""

    def __init__(self, terminal: int, theirs: int) -> None:
        self.terminal, self.theirs = terminal, theirs
        self.said = b""

    def reads(self, wanted: bytes) -> None:
        """Wait until ``wanted`` was written."""
        until = time.monotonic() + _PATIENCE
        while wanted not in self.said:
            assert time.monotonic() < until, self.said
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.said += os.read(self.terminal, 4096)

    def types(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def is_heard(self) -> None:
        """Wait until keys count: what is typed before that is shown by nobody."""
        self.reads(b"type the name: ")
        until = time.monotonic() + _PATIENCE
        while b"name: ." not in self.said:
            assert time.monotonic() < until, self.said
            self.types(".\x7f")
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.said += os.read(self.terminal, 4096)


@contextmanager
def asked() -> Iterator[Person]:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with subprocess.Popen([sys.executable, "-c", ASKS], stdin=theirs, stdout=theirs, stderr=theirs,
                          cwd=EXAMPLES.parents[2], start_new_session=True) as process:
        person = Person(ours, theirs)
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
        person.types("ahead\r")
        person.is_heard()
        person.types("late\r")
        person.reads(b"GOT 'late'")


def test_what_is_pasted_is_refused_with_a_sentence_and_typing_it_counts() -> None:
    with asked() as person:
        person.is_heard()
        assert b"\x1b[?2004h" in person.said
        person.types("\x1b[200~fraud\r\x1b[201~")
        person.reads(b"what is pasted does not count: type it")
        assert b"GOT" not in person.said
        person.types("fraud\r")
        person.reads(b"GOT 'fraud'")


def test_a_paste_that_began_before_keys_count_does_not_count_either() -> None:
    with asked() as person:
        person.reads(b"type the name: ")
        person.types("\x1b[200~fr")
        time.sleep(0.6)
        person.types("aud\r\x1b[201~")
        person.reads(b"what is pasted does not count: type it")
        person.types("no\r")
        person.reads(b"GOT 'no'")


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
