"""Being told to end while an action is under way: by SIGTERM, or by SIGHUP when the terminal closes.

Python would end at once, and leave a lease that keeps everybody else from the target until it runs out. Instead the
work is given up as by ctrl-c: what is not known is written down, the lease is given back. What has no action under way
may end at once: it is not held up here, least of all while it waits for something typed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

_NUMBERS = tuple(number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None)
_GRACE_SECONDS = 8.0
"""For writing down and giving back: less than supervisors wait before they kill."""


@contextmanager
def given_up_in_order(grace_seconds: float = _GRACE_SECONDS) -> Iterator[None]:
    """While the block runs, the first of these signals cancels the present task, which ends the block with an exit
    status of 128 and the signal's number; after ``grace_seconds`` the process ends whatever holds it up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    told: list[int] = []

    def end(number: int) -> None:
        # A second one must not break off the giving back.
        if not told and task is not None:
            told.append(number)
            timer = threading.Timer(grace_seconds, os._exit, (128 + number,))
            timer.daemon = True
            timer.start()
            task.cancel()

    ours = [number for number in _NUMBERS if signal.getsignal(number) is not signal.SIG_IGN
            ] if threading.current_thread() is threading.main_thread() else []
    for number in ours:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        raise click.exceptions.Exit(128 + told[0]) from None
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
