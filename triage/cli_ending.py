"""Being told to end while something has to be put back first: by SIGTERM, or by SIGHUP when the terminal closes.

Python would end at once, and leave a lease that keeps everybody else from the target until it runs out, or a terminal
that shows nobody what they type. Instead an action under way is given up as by ctrl-c: what is not known is written
down, the lease is given back; a question is broken off, and its terminal left as it was. All else may end at once.
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
            _ends_after(grace_seconds, number)
            task.cancel()

    ours = _heeded()
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


@contextmanager
def ended_at_once(grace_seconds: float = _GRACE_SECONDS) -> Iterator[None]:
    """While the block runs, which holds up every task, the first of these signals ends it where it stands, with the
    same exit status; after ``grace_seconds`` the process ends whatever holds it up."""
    told: list[int] = []

    def end(number: int, _: object) -> None:
        if not told:
            told.append(number)
            _ends_after(grace_seconds, number)
            raise click.exceptions.Exit(128 + number)

    before = {number: signal.signal(number, end) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[int]:
    """The signals that nobody said to ignore; none outside of the main thread, which alone hears them."""
    return [number for number in _NUMBERS if signal.getsignal(number) is not signal.SIG_IGN
            ] if threading.current_thread() is threading.main_thread() else []


def _ends_after(seconds: float, number: int) -> None:
    """End the process by then, whatever holds it up."""
    timer = threading.Timer(seconds, os._exit, (128 + number,))
    timer.daemon = True
    timer.start()
