"""``Flights``: jobs under way by name; none overlaps itself, none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable
from typing import Any


class Flights:
    """Jobs of one event loop. What a job raises is kept and raised by :meth:`check`, where somebody looks."""

    def __init__(self, landed: Callable[[], None] = lambda: None) -> None:
        """``landed`` is called in the loop each time that a job has ended by itself, well or not."""
        self._landed = landed
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._error: BaseException | None = None

    def start(self, name: Hashable, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin ``job``, unless one of this name is still under way."""
        if name in self._tasks:
            return
        task = asyncio.ensure_future(job())
        self._tasks[name] = task
        task.add_done_callback(lambda ended: self._ended(name, ended))

    def _ended(self, name: Hashable, task: asyncio.Task[None]) -> None:
        # A cancelled job may have been followed by another of its name already.
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if task.cancelled():
            return
        self._error = self._error or task.exception()
        self._landed()

    def under_way(self) -> tuple[Hashable, ...]:
        """Names of the jobs that have not ended."""
        return tuple(self._tasks)

    def cancel(self, name: Hashable) -> None:
        """Give up the job of this name, if there is one; another may begin at once."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def cancel_all(self) -> None:
        """Give up everything."""
        for name in self.under_way():
            self.cancel(name)

    def check(self) -> None:
        """Raise what a job raised."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """The jobs that have not ended."""
        return tuple(self._tasks.values())


async def landing(flights: Iterable[Flights], seconds: float | None = None,
                  but: Collection[asyncio.Task[None]] = ()) -> None:
    """Wait until nothing is under way in any of ``flights``, at most ``seconds`` (None: however long it takes).

    ``but``: these are not waited for. Raises what a job raised. What is still under way goes on.
    """
    every = tuple(flights)
    end = None if seconds is None else asyncio.get_running_loop().time() + seconds
    while tasks := [task for item in every for task in item.tasks() if task not in but]:
        rest = None if end is None else max(0.0, end - asyncio.get_running_loop().time())
        _, late = await asyncio.wait(tasks, timeout=rest)
        if late:
            break
    for item in every:
        item.check()
