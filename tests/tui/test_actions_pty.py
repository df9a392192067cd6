"""The whole rollback by keyboard, on a real terminal, in the demo: the canary leaves and the objective is met again."""

from __future__ import annotations

import os

from tests.tui.terminal import Terminal


def test_a_canary_is_rolled_back_by_keyboard_and_the_objective_recovers() -> None:
    # A minute of the world in a second: the five minutes in which an objective recovers pass while the test looks on.
    with Terminal("demo", "--speed", "60", columns=80, rows=24, module="triage",
                  environment={"HOME": os.environ.get("HOME", "/")}) as terminal:
        terminal.shows("LAB WRITE", "FAIL, page", "canary 8 latency")
        terminal.press("a")
        terminal.shows("ACT on fraud-scorer", "r  roll back", "to v7")
        # Typed ahead: the letters after r were meant for the menu and count for nothing.
        terminal.press("r\rrrr")
        terminal.shows("ROLLBACK fraud-scorer to v7", "type fraud-scorer to go on: ____", "[cancel]")
        # Typed before the dialog has stood for half a second it would not be heard.
        terminal.read_for(0.6)
        terminal.press("fraud-scorer\r")
        terminal.shows("sent 2 of 2", "watching the readings")
        terminal.shows("DONE", "met again", "in the journal as")
        terminal.press("\x1b")
        terminal.settle(0.5, 3.0)
        terminal.shows("fraud-scorer", "a act")
        assert "FAIL, page  canary" not in terminal.screen()
        terminal.press("q")
        assert terminal.exit_within(5.0) is not None


def test_a_demo_that_may_only_read_says_so_in_its_header_and_carries_nothing_out() -> None:
    with Terminal("demo", columns=80, rows=24, module="triage",
                  environment={"HOME": os.environ.get("HOME", "/"), "TRIAGE_READONLY": "1"}) as terminal:
        terminal.shows("LAB READ-ONLY  fraud-scorer", "FAIL, page")
        terminal.press("a")
        terminal.shows("READ-ONLY: an action is planned", "TRIAGE_READONLY is set: nothing is executed")
        terminal.press("\x1b")
        terminal.becomes(lambda screen: "ACT on" not in screen)
        assert b"WRITE" not in terminal.received
        terminal.press("q")
        assert terminal.exit_within(5.0) is not None
