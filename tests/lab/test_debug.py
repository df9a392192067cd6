"""The debug screen of ``triage demo``: what the lab's servers write to their logs stands there, and opens whole."""

from __future__ import annotations

import re

from tests.tui.terminal import Terminal
from triage.tui.debug_parts import PARTS

NOTHING_OF_OURS = {"TRIAGE_CONFIG": "/nowhere"}


def test_what_killed_the_new_version_stands_among_its_stack_traces_and_opens_whole() -> None:
    with Terminal("demo", "--scenario", "oom-under-load", module="triage", environment=NOTHING_OF_OURS) as terminal:
        terminal.read_until(b"ALERTS")
        terminal.press("3")
        terminal.read_until(b"kinds in")
        terminal.settle()
        for _ in (*PARTS, *PARTS):
            # The parts before it are those that the model's notebook asks for.
            if re.search(r"^▸ +\d+x", terminal.screen(), re.MULTILINE):
                break
            terminal.press("\t")
            terminal.settle()
        assert "worker exited with signal 9" in terminal.screen()
        terminal.press("\r")
        terminal.settle()
        shown = terminal.screen()
        assert "Traceback (most recent call last)" in shown
        assert "pipeline.py" in shown


def test_what_breaks_the_schema_stands_among_the_lines_and_a_version_and_words_narrow_them() -> None:
    with Terminal("demo", "--scenario", "schema-break", module="triage", environment=NOTHING_OF_OURS) as terminal:
        terminal.read_until(b"ALERTS")
        terminal.press("3")
        terminal.read_until(b"SchemaError: country 'DEU' is not one of")
        terminal.press("v")
        terminal.read_until(b"version 7, last 1 h, as of")
        terminal.settle()
        versions = re.findall(r"^  \d\d:\d\d:\d\d \w+ +(\S+)", terminal.screen(), re.MULTILINE)
        assert set(versions) == {"7"}
        terminal.press("t")
        terminal.settle()
        terminal.press("no such words\r")
        terminal.read_until(b"none, version 7, with")
