"""``DeskRoom``: the desks of actions in a thread with a loop of its own: no key and no source waits for them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Any, TypeVar

from triage.clock import Clock
from triage.config import Active
from triage.desk.actions import ActionDesk, open_desk
from triage.desk.sight import Sight
from triage.live.snapshot import Snapshot
from triage.notebook.load import Notebook

T = TypeVar("T")
Work = Callable[[ActionDesk], Coroutine[Any, Any, T]]


class DeskRoom:
    """Opens a desk for a model when it is first needed. Its thread begins with the first work."""

    def __init__(self, clock: Clock, snapshot: Callable[[], Snapshot | None], *, write: bool,
                 environ: Mapping[str, str] = os.environ) -> None:
        """``snapshot`` gives the newest one, of whichever model, and is called from the room's thread."""
        self._clock, self._snapshot, self._write, self._environ = clock, snapshot, write, environ
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._desks: dict[str, asyncio.Task[ActionDesk]] = {}
        self._sights: dict[str, Sight] = {}
        self._works: set[asyncio.Task[Any]] = set()

    def ask(self, active: Active, notebook: Notebook, work: Work[T], *, watches: bool = False) -> Future[T]:
        """Have ``work`` done at the desk of the notebook's model; it may be cancelled. The future also holds what
        :func:`~triage.desk.actions.open_desk` raises. ``watches``: the model is asked about until the work is done,
        whichever model is shown."""
        return asyncio.run_coroutine_threadsafe(self._begin(active, notebook, work, watches=watches), self._running())

    def close(self, seconds: float) -> None:
        """Give up what is under way, let it write down what is not known, and close everything; for so long at
        most."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop)
        thread.join(seconds)

    async def _begin(self, active: Active, notebook: Notebook, work: Work[T], *, watches: bool) -> T:
        doing = asyncio.ensure_future(self._do(active, notebook, work, watches=watches))
        self._works.add(doing)
        doing.add_done_callback(self._works.discard)
        return await doing

    async def _do(self, active: Active, notebook: Notebook, work: Work[T], *, watches: bool) -> T:
        opening = self._desks.get(notebook.name)
        if opening is None or (opening.done() and opening.exception() is not None):
            sight = self._sights[notebook.name] = Sight(active, notebook.name, self._clock, self._snapshot)
            opening = asyncio.ensure_future(open_desk(active, notebook, self._clock, sight, write=self._write,
                                                      environ=self._environ))
            self._desks[notebook.name] = opening
        desk = await asyncio.shield(opening)
        async with self._sights[notebook.name].kept() if watches else nullcontext():
            return await work(desk)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A daemon: a credential that a hanging command prints cannot hold the process.
            self._thread = threading.Thread(target=self._run, args=(self._loop,), name="triage-actions", daemon=True)
            self._thread.start()
        return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _end(self) -> None:
        openings = set(self._desks.values())
        # From the top: what is begun for a work is ended by it, in its order.
        await _give_up(set(self._works))
        await _give_up(asyncio.all_tasks() - openings)
        for opening in openings:
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                await opening.result().aclose()
        # A desk that is still being opened has connected to nothing.
        await _give_up(openings)
        asyncio.get_running_loop().stop()


async def _give_up(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel them, each once: a second time would break off its leaving. Wait until all have ended."""
    others = tasks - {asyncio.current_task()}
    for task in others:
        if not task.cancelling():
            task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
