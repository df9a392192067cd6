"""``Terminal``: a program on a pseudo-terminal, its bytes with their times, and the screen they make."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

ROOT = Path(__file__).parents[2]
QUERIES = (b"\x1b[?2026$p", b"\x1b[?2048$p")


class Terminal:
    """Starts ``python -m tests.tui.scripted ARGUMENTS``; ``answers``: it has synchronized output, and says so."""

    def __init__(self, *arguments: str, columns: int = 120, rows: int = 40, module: str = "tests.tui.scripted",
                 answers: bool = False, environment: dict[str, str] | None = None, folder: Path = ROOT) -> None:
        """``folder``: where it is started."""
        self.columns, self.rows = columns, rows
        self.received = bytearray()
        self.chunks: list[tuple[float, int]] = []
        self._answers = answers
        # Drawn on as bytes come: drawing it anew at every look would take the tests' time.
        self._screen = pyte.Screen(columns, rows)
        self._stream, self._drawn = pyte.ByteStream(self._screen), 0
        self.began = time.monotonic()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LC_ALL")}
            ours = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC", "LANG": "C.UTF-8",
                    "PYTHONPATH": str(ROOT)}
            # An explicit environment: readline sets LINES and COLUMNS behind Python's back.
            os.execve(sys.executable, [sys.executable, "-m", module, *arguments], keep | ours | (environment or {}))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):
            os.close(self.master)

    def read_for(self, seconds: float) -> bytes:
        """Everything that arrives in this time."""
        start = len(self.received)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._read(left)
        return bytes(self.received[start:])

    def read_some(self, seconds: float) -> None:
        """What arrives next, at most ``seconds`` from now. Fails when the program has ended."""
        if not self._read(seconds):
            raise AssertionError(f"the program has ended; the screen shows\n{self.screen()}")

    def read_until(self, wanted: bytes, seconds: float = 20.0) -> float:
        """Wait until the program wrote ``wanted`` since the start; seconds since the start. Fails without it."""
        until = time.monotonic() + seconds
        while wanted not in self.received:
            left = until - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{wanted!r} did not come; the screen shows\n{self.screen()}")
        return time.monotonic() - self.began

    def settle(self, quiet: float = 0.4, seconds: float = 10.0) -> bytes:
        """Read until nothing has come for ``quiet`` seconds."""
        start, until = len(self.received), time.monotonic() + seconds
        while time.monotonic() < until:
            before = len(self.received)
            self.read_for(quiet)
            if len(self.received) == before:
                break
        return bytes(self.received[start:])

    def _read(self, seconds: float) -> bool:
        try:
            if not select.select([self.master], [], [], seconds)[0]:
                return True
            chunk = os.read(self.master, 65536)
        except OSError:
            return False
        self.received += chunk
        self.chunks.append((time.monotonic() - self.began, len(chunk)))
        if self._answers and QUERIES[0] in chunk:
            os.write(self.master, b"\x1b[?2026;2$y")
        return bool(chunk)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.master, keys.encode())

    def screen(self) -> str:
        """The text on the screen."""
        new, self._drawn = bytes(self.received[self._drawn:]), len(self.received)
        self._stream.feed(new)
        return "\n".join(row.rstrip() for row in self._screen.display)

    def shows(self, *texts: str, seconds: float = 60.0) -> str:
        """Wait until the screen shows all of these at once; the screen. Fails when it does not in that time."""
        return self.becomes(lambda screen: all(text in screen for text in texts), seconds)

    def becomes(self, wanted: Callable[[str], object], seconds: float = 60.0) -> str:
        """Wait until the screen is as wanted; the screen. Fails when it is not in that time."""
        until = time.monotonic() + seconds
        while not wanted(screen := self.screen()):
            assert time.monotonic() < until, f"the screen shows\n{screen}"
            self.read_some(0.1)
        return screen

    def exit_within(self, seconds: float) -> float | None:
        """Seconds until the process has ended; None when it has not in that time."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            pid, _ = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return time.monotonic() - start
            # What nobody reads would keep it waiting.
            if not self._read(0.02):
                select.select([], [], [], 0.02)
        return None
