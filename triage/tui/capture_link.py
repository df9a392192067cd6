"""``CaptureLink``: captures from the screen: asked of the sources in a thread, written into a folder, told of; and
which of them the cells look at in place of the present.

A capture reads and changes nothing, so it needs no plan. Its thread ends with the program: what is not whole then has
no ``capture.json`` and is taken by nobody for a capture.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from triage.cells.capture import Capture
    from triage.cells.results import Against
    from triage.clock import Clock
    from triage.config import Active
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook
    from triage.tui.incident_link import IncidentLink

DEFAULT = "24h"
"""How far back, as it is typed."""


class CaptureFeed(Protocol):
    """Where the notebooks, the context and the time come from."""

    def notebook(self, model: str) -> Notebook | None: ...

    def context(self) -> Active | None: ...

    def clock(self) -> Clock: ...


class CaptureApp(Protocol):
    """The program, as the link sees it."""

    incident: IncidentLink

    @property
    def latest(self) -> Snapshot | None: ...

    def run_worker(self, work: Coroutine[Any, Any, None], *, group: str, exit_on_error: bool) -> Any: ...

    def say(self, message: str) -> None: ...

    def show(self) -> None: ...


class CaptureLink:
    """The captures of this session; one at a time."""

    def __init__(self, app: CaptureApp, feed: CaptureFeed) -> None:
        self._app, self._feed = app, feed
        self._said: dict[str, str] = {}
        self._busy = False
        self._taken: dict[str, list[str]] = {}
        """Folders of this session's captures by model, oldest first."""
        self._chosen: dict[str, tuple[Against, str]] = {}
        """By model, with the incident in which it was chosen, "" without one; those that look at the present are not
        there."""

    def words(self, model: str) -> str:
        """What goes on, or came of the newest capture of ``model`` or of looking at one; "" when there was none."""
        return self._said.get(model, "")

    def take(self, model: str, typed: str) -> None:
        """Capture ``model``; ``typed`` is how far back, and a folder if it is to be another: ``6h ./evidence``."""
        from triage.quantities import parse_duration
        span, _, folder = typed.strip().partition(" ")
        try:
            seconds = parse_duration(span)
        except ValueError:
            self._app.say(f"{span or 'nothing'} is no time: write {DEFAULT}, or {DEFAULT} FOLDER")
            return
        snapshot, notebook, active = self._app.latest, self._feed.notebook(model), self._feed.context()
        if self._busy:
            self._app.say("a capture is under way")
        elif snapshot is None or notebook is None or active is None:
            self._app.say("the notebook is not read yet")
        else:
            self._busy = True
            self.tell(model, f"the last {span} of {model} are being captured")
            self._app.run_worker(self._take(active, notebook, snapshot, seconds, folder.strip()), group="capture",
                                 exit_on_error=False)

    def chosen(self, model: str) -> Against | None:
        """What the cells of ``model`` look at; None for the present.

        A capture that was chosen in one incident is left when another one is open: nobody is to take the facts of the
        one for those of the other.
        """
        found, within = self._chosen.get(model, (None, ""))
        now = self._app.incident.id(model)
        if found is not None and within and now and now != within:
            del self._chosen[model]
            self._said[model] = f"{now} is another incident than the capture's: cells look at the present"
            return None
        return found

    def count(self, model: str) -> int:
        """How many captures there are to look at: of the open incident, and of this session."""
        return len(self._known(model))

    def choose_next(self, model: str) -> None:
        """From the present to the newest capture of the open incident or of this session, to those before it, and back
        to the present."""
        folders = self._known(model)
        here = self.chosen(model)
        at = folders.index(here.folder) if here is not None and here.folder in folders else len(folders)
        if here is None and not folders:
            self._app.say("there is no capture of this incident or of this session: c takes one")
        elif at == 0:
            del self._chosen[model]
            self._app.say("cells look at the present")
            self._app.show()
        else:
            # Also from one that is neither of the open incident nor of this session: to the newest of these.
            self._app.run_worker(self._choose(model, folders[at - 1]), group="capture", exit_on_error=False)

    def _known(self, model: str) -> list[str]:
        """Folders, oldest first."""
        board = self._app.incident.board
        found = board.open if board is not None and board.model == model else None
        told = [] if found is None else [row.entry for row in found.rows if row.entry.origin.startswith("capture:")]
        return list(dict.fromkeys([*(entry.details.get("folder", "") for entry in told), *self._taken.get(model, [])]))

    async def _choose(self, model: str, folder: str) -> None:
        from triage.errors import TriageError

        def read() -> Against:
            from triage.cells.capture import against, read_capture
            return against(read_capture(Path(folder), model))
        try:
            found = await asyncio.to_thread(read)
        except TriageError as error:
            self.tell(model, f"{error.message}; {error.hint}")
            return
        self._chosen[model] = found, self._app.incident.id(model)
        self._app.show()

    async def _take(self, active: Active, notebook: Notebook, snapshot: Snapshot, seconds: float, folder: str) -> None:
        from triage.errors import TriageError
        incident = self._app.incident.id(notebook.name)
        try:
            made = await _in_thread(lambda: self._made(active, notebook, snapshot, seconds, folder))
        except TriageError as error:
            self.tell(notebook.name, f"{error.message}; {error.hint}" if error.hint else error.message)
            return
        except Exception as error:
            # A defect here must not take the panels away.
            from triage.text import clean
            self.tell(notebook.name, f"the capture broke: {type(error).__name__}: {clean(error, limit=120)}")
            return
        finally:
            self._busy = False
        self._taken.setdefault(notebook.name, []).append(str(made.folder))
        self.tell(notebook.name, f"{made.sentence()}; SHA-256 {made.digest[:12]}")
        self._app.incident.captured(made, snapshot.at, incident)

    def _made(self, active: Active, notebook: Notebook, snapshot: Snapshot, seconds: float, folder: str) -> Capture:
        from triage.cells.capture import default_folder, take_capture
        from triage.report.json import status_json
        place = Path(folder).expanduser() if folder else default_folder(notebook.name, snapshot.at)
        return asyncio.run(take_capture(active, notebook, self._feed.clock(), folder=place.absolute(),
                                        start=snapshot.at - seconds, end=snapshot.at, facts=status_json(snapshot)))

    def tell(self, model: str, said: str) -> None:
        """Say it, and keep it on the screen: what there is to say of a capture is longer than a message."""
        self._said[model] = said
        self._app.say(said)
        self._app.show()


async def _in_thread(work: Callable[[], Capture]) -> Capture:
    """What ``work`` gives or raises; unlike those of asyncio its thread does not hold up the way out."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Capture] = loop.create_future()

    def give(made: Capture | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        elif made is not None:
            done.set_result(made)

    def run() -> None:
        made, failed = None, None
        try:
            made = work()
        except Exception as error:
            failed = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(give, made, failed)
    threading.Thread(target=run, name="triage-capture", daemon=True).start()
    return await done
