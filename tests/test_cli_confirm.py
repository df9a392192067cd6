"""Confirming a plan on the command line: what was typed before it stood there does not count."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.commands import EXAMPLES

ASKS = """
import click
from triage import cli_confirm
print("READY", flush=True)
cli_confirm._deaf()
print("GOT", click.prompt("type the name", default="", show_default=False), flush=True)
"""


def test_what_was_typed_ahead_of_the_question_does_not_answer_it() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ASKS], stdin=theirs, stdout=theirs, stderr=theirs,
                          cwd=EXAMPLES.parents[2], start_new_session=True) as process:
        os.close(theirs)
        said = b""
        for wanted, typed in ((b"READY", b"ahead\n"), (b"type the name", b"late\n"), (b"GOT", b"")):
            while wanted not in said:
                said += os.read(ours, 4096)
            os.write(ours, typed)
        while b"\n" not in said.partition(b"GOT")[2]:
            said += os.read(ours, 4096)
        process.wait()
    os.close(ours)
    assert said.partition(b"GOT")[2].strip() == b"late"
