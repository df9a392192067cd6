"""The link to the terminal: how far it lags behind, and whether it is still there.

Textual's driver is private; everything that depends on it is in this module.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from textual.app import App

MOST_WAITING = 2
"""Writes waiting for the link from which no more is painted: on a thin link the picture would be minutes old."""
_GRACE = 1.2
"""Seconds in which the program may end in order."""


def writes_waiting(app: App[Any]) -> int:
    """Writes that the terminal has not taken yet; 0 where there is no terminal."""
    writer = getattr(app._driver, "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return 0 if queue is None else int(queue.qsize())


def is_behind(app: App[Any]) -> bool:
    """Whether painting should wait."""
    return writes_waiting(app) > MOST_WAITING


def terminal_is_gone(app: App[Any]) -> bool:
    """Whether the terminal has been closed; False where there never was one."""
    if app.is_headless or app._driver is None:
        return False
    descriptor = getattr(app._driver, "fileno", None)
    return isinstance(descriptor, int) and getattr(app._driver, "input_tty", False) and not os.isatty(descriptor)


def on_hang_up(leave: Callable[[], None]) -> None:
    """Call ``leave`` on SIGHUP and SIGTERM. Call it on the event loop's thread."""
    loop = asyncio.get_running_loop()
    for name in ("SIGHUP", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(number, leave)


def end_within(seconds: float = _GRACE, status: int = 129) -> None:
    """End the process after ``seconds`` whatever holds it up: a closed terminal takes no last frame, and a thread may
    wait for a program that does not end."""
    timer = threading.Timer(seconds, os._exit, (status,))
    timer.daemon = True
    timer.start()
