"""The debug screen of ``triage demo``: what the lab's servers write to their logs stands there, and opens whole."""

from __future__ import annotations

import re

from tests.tui.terminal import Terminal
from triage.tui.debug_parts import PARTS

NOTHING_OF_OURS = {"TRIAGE_CONFIG": "/nowhere"}


def _under_the_cursor(screen: str) -> str:
    return next((row for row in screen.splitlines() if row.startswith("▸")), "")


def _under_the_cursor_after_tab(terminal: Terminal, before: str) -> str:
    """Another tab while this one is not painted yet would lead past a part."""
    terminal.press("\t")
    return _under_the_cursor(terminal.becomes(lambda screen: _under_the_cursor(screen) not in ("", before)))


def _versions_of_the_lines(screen: str) -> set[str]:
    return set(re.findall(r"^  \d\d:\d\d:\d\d \w+ +(\S+)", screen, re.MULTILINE))


def test_what_killed_the_new_version_stands_among_its_stack_traces_and_opens_whole() -> None:
    with Terminal("demo", "--scenario", "oom-under-load", module="triage", environment=NOTHING_OF_OURS) as terminal:
        terminal.shows("ALERTS")
        terminal.press("3")
        row = _under_the_cursor(terminal.shows("kinds in", "▸"))
        for _ in PARTS:
            # The parts before it are those that the model's notebook asks for.
            if re.match(r"▸ +\d+x", row):
                break
            row = _under_the_cursor_after_tab(terminal, row)
        terminal.shows("worker exited with signal 9")
        terminal.press("\r")
        terminal.shows("Traceback (most recent call last)", "pipeline.py")


def test_what_breaks_the_schema_stands_among_the_lines_and_a_version_and_words_narrow_them() -> None:
    with Terminal("demo", "--scenario", "schema-break", module="triage", environment=NOTHING_OF_OURS) as terminal:
        terminal.shows("ALERTS")
        terminal.press("3")
        terminal.shows("SchemaError: country 'DEU' is not one of")
        assert _versions_of_the_lines(terminal.screen()) > {"8"}
        terminal.press("v")
        terminal.shows("version 7, last 1 h, as of")
        terminal.becomes(lambda screen: _versions_of_the_lines(screen) == {"7"})
        terminal.press("t")
        terminal.settle()
        terminal.press("no such words\r")
        terminal.shows("none, version 7, with")
