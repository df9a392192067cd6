"""``DeskDoor``: from the loop that paints to the desks' thread and back: what breaks there takes no panel away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from triage.clock import Clock
    from triage.config import Active
    from triage.desk.actions import ActionDesk
    from triage.desk.room import DeskRoom
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook
    from triage.tui.view import View

_CLOSE_SECONDS = 3.0
T = TypeVar("T")
Failed = Callable[[str, str], None]
"""(what went wrong, what to do about it)."""


class ActionFeed(Protocol):
    """Where the notebooks and the context come from."""

    def notebook(self, model: str) -> Notebook | None: ...

    def context(self) -> Active | None: ...

    def clock(self) -> Clock: ...

    def world_changed(self) -> None: ...


class DoorApp(Protocol):
    """The program, as the door sees it."""

    @property
    def latest(self) -> Snapshot | None: ...

    def show(self) -> None: ...

    def view(self) -> View: ...


class DeskDoor:
    """Work for the desk of the model that is shown. The thread begins with the first work."""

    def __init__(self, app: DoorApp, feed: ActionFeed, *, write: bool) -> None:
        self._app, self._feed, self._write = app, feed, write
        self._room: DeskRoom | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def model(self) -> str:
        """Name of the model that is shown; "" for none."""
        model = self._app.view().model
        return "" if model is None else model.name

    def notebook(self) -> Notebook | None:
        """Of the model that is shown; None while it is not read, or when there is none."""
        model = self.model()
        return self._feed.notebook(model) if model else None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Have work of this loop done, and wait for nothing."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ask(self, work: Callable[[ActionDesk], Coroutine[Any, Any, T]], took: Callable[[T], None],
            failed: Failed) -> None:
        """Have ``work`` done at the desk; ``took`` gets what comes of it, in this loop."""
        self.begin(self.asked(work, took, failed))

    async def asked(self, work: Callable[[ActionDesk], Coroutine[Any, Any, T]], took: Callable[[T], None],
                    failed: Failed, *, watches: bool = False) -> None:
        """As :meth:`ask`, until it is done. ``watches``: the model is asked about meanwhile, whichever is shown."""
        from triage.errors import TriageError
        from triage.text import clean
        try:
            found = await self._at_desk(work, watches=watches)
        except TriageError as error:
            failed(error.message, error.hint)
        except Exception as error:
            # A defect here must not take the panels away.
            failed(f"actions broke: {type(error).__name__}: {clean(error, limit=200)}",
                   "this is a defect of triage; triage act may still work")
        else:
            took(found)
        self._app.show()

    def close(self) -> None:
        """The program ends: what is under way is given up, and the journal says so."""
        if self._room is not None:
            self._room.close(_CLOSE_SECONDS)

    async def _at_desk(self, work: Callable[[ActionDesk], Coroutine[Any, Any, T]], *, watches: bool) -> T:
        from triage.errors import TriageError
        active, notebook = self._feed.context(), self.notebook()
        if active is None or notebook is None:
            raise TriageError("no model is shown that has a notebook")
        if self._room is None:
            # Where Kubernetes' and pydantic's modules are imported: not on the loop that paints.
            self._room = await asyncio.to_thread(self._made)
        return await asyncio.wrap_future(self._room.ask(active, notebook, work, watches=watches))

    def _made(self) -> DeskRoom:
        from triage.desk.room import DeskRoom
        return DeskRoom(self._feed.clock(), lambda: self._app.latest, write=self._write)
