"""The whole rollback by keyboard, on a real terminal, in the demo: the canary leaves and the objective is met again."""

from __future__ import annotations

import os
import time

import pyte

from tests.tui.terminal import Terminal

_PATIENCE = 60.0


class Watched:
    """A terminal whose screen is drawn on as bytes come: drawing it anew at every look takes the test's time."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._screen = pyte.Screen(terminal.columns, terminal.rows)
        self._stream, self._fed = pyte.ByteStream(self._screen), 0

    def text(self) -> str:
        new, self._fed = bytes(self.terminal.received[self._fed:]), len(self.terminal.received)
        self._stream.feed(new)
        return "\n".join(self._screen.display)

    def shows(self, *texts: str) -> None:
        """Wait until the screen shows all of it."""
        until = time.monotonic() + _PATIENCE
        while not all(text in (screen := self.text()) for text in texts):
            assert time.monotonic() < until, screen
            self.terminal.read_for(0.1)


def test_a_canary_is_rolled_back_by_keyboard_and_the_objective_recovers() -> None:
    # A minute of the world in a second: the five minutes in which an objective recovers pass while the test looks on.
    with Terminal("demo", "--speed", "60", columns=80, rows=24, module="triage",
                  environment={"HOME": os.environ.get("HOME", "/")}) as terminal:
        screen = Watched(terminal)
        screen.shows("LAB WRITE", "FAIL, page", "canary 8 latency")
        terminal.press("a")
        screen.shows("ACT on fraud-scorer", "r  roll back", "to v7")
        # Typed ahead: the letters after r were meant for the menu and count for nothing.
        terminal.press("r\rrrr")
        screen.shows("ROLLBACK fraud-scorer to v7", "type fraud-scorer to go on: ____", "[cancel]")
        # Typed before the dialog has stood for half a second it would not be heard.
        terminal.read_for(0.6)
        terminal.press("fraud-scorer\r")
        screen.shows("sent 2 of 2", "watching the readings")
        screen.shows("DONE", "met again", "in the journal as")
        terminal.press("\x1b")
        terminal.settle(0.5, 3.0)
        screen.shows("fraud-scorer", "a act")
        assert "FAIL, page  canary" not in screen.text()
        terminal.press("q")
        assert terminal.exit_within(5.0) is not None
