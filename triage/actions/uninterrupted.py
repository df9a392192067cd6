"""``finished``: what must not be left half done is awaited to its end, however often one is told to stop meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def finished(work: Awaitable[T]) -> T:
    """What ``work`` gives, or raises. A task that is cancelled while it waits here is cancelled when ``work`` has
    ended and not before, so ``work`` has to end by itself: it waits for nothing without a limit."""
    task = asyncio.ensure_future(work)
    told: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            told = error
    if told is not None:
        # Looked at, so that nobody misses it.
        raise told from None if task.cancelled() else task.exception()
    return task.result()
