"""``LiveFeed``: the poller in a thread of its own, so that no source can hold up a key.

Nothing heavy is imported here: the thread does that once the first frame stands.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from triage.clock import Clock, SystemClock

if TYPE_CHECKING:
    from triage.config import Active, Overrides
    from triage.facts.alerts import Alert
    from triage.facts.closer_look import CloserLook
    from triage.facts.expressions import ExpressionsWanted
    from triage.facts.log_reading import LogsWanted
    from triage.live.poller import Poller
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Loaded, Notebook

_STOP_SECONDS = 1.0


class LiveFeed:
    """Snapshots from the sources of a context. Made cheaply; ``start`` begins the work."""

    def __init__(self, overrides: Callable[[], Overrides], *, wanted: Callable[[Alert], bool] | None = None,
                 clock: Clock | None = None) -> None:
        """``overrides`` is called in the thread, because reading the configuration imports heavy modules.

        ``wanted`` picks the alert that the program was opened for, where no model was named.
        """
        self._overrides = overrides
        self._wanted = wanted
        self._clock = clock or SystemClock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._poller: Poller | None = None
        self._active: Active | None = None
        self._names: tuple[str, ...] = ()
        self._broken: frozenset[str] = frozenset()
        self._model: str | None = None
        self._range_seconds = 3600.0
        self._end: float | None = None
        self._logs_wanted: LogsWanted | None = None
        self._expressions_wanted: ExpressionsWanted | None = None
        self._notebooks: dict[str, Notebook] = {}
        self._closer_look: CloserLook | None = None
        self._wants_fleet = False
        self._stopped = False
        self._on_snapshot: Callable[[Snapshot], None] = lambda snapshot: None
        self._on_failure: Callable[[str, str], None] = lambda message, hint: None

    def start(self, on_snapshot: Callable[[Snapshot], None], on_failure: Callable[[str, str], None]) -> None:
        self._on_snapshot, self._on_failure = on_snapshot, on_failure
        self._thread = threading.Thread(target=self._run, name="triage-feed", daemon=True)
        self._thread.start()

    def look_at(self, model: str | None, range_seconds: float, end: float | None) -> None:
        self._model, self._range_seconds, self._end = model, range_seconds, end
        self._in_loop(self._apply_look)

    def read_logs(self, wanted: LogsWanted | None) -> None:
        self._logs_wanted = wanted
        self._in_loop(self._apply_logs)

    def ask_also(self, wanted: ExpressionsWanted | None) -> None:
        self._expressions_wanted = wanted
        self._in_loop(self._apply_expressions)

    def watch_fleet(self, *, wanted: bool) -> None:
        self._wants_fleet = wanted
        self._in_loop(self._apply_fleet)

    def notebook(self, model: str) -> Notebook | None:
        return self._notebooks.get(model)

    def context(self) -> Active | None:
        return self._active

    def clock(self) -> Clock:
        return self._clock

    def look_closer(self, wanted: CloserLook | None) -> None:
        self._closer_look = wanted
        self._in_loop(self._apply_closer)

    def refresh_now(self) -> None:
        poller = self._poller
        if poller is not None:
            self._in_loop(poller.refresh_now)

    def world_changed(self) -> None:
        poller = self._poller
        if poller is not None:
            self._in_loop(poller.world_changed)

    def names(self) -> Sequence[str]:
        return self._names

    def now(self) -> float:
        return self._clock.now()

    def stop(self) -> None:
        self._stopped = True
        self._in_loop(lambda: self._main.cancel() if self._main is not None else None)
        if self._thread is not None and self._thread is not threading.current_thread():
            # A daemon thread: a secret command that hangs cannot hold the process.
            self._thread.join(_STOP_SECONDS)

    def _in_loop(self, call: Callable[[], object]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(call)
            except RuntimeError:
                return

    def _run(self) -> None:
        from triage.errors import TriageError
        try:
            asyncio.run(self._live())
        except asyncio.CancelledError:
            return
        except TriageError as error:
            self._fail(error.message, error.hint)
        except Exception as error:
            from triage.text import clean
            self._fail(f"the feed broke: {type(error).__name__}: {clean(error, limit=300)}",
                       "this is a defect of triage; triage status may still work")

    def _fail(self, message: str, hint: str) -> None:
        if not self._stopped:
            self._on_failure(message, hint)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        # Before the heavy modules: what it starts comes up beside them.
        overrides = self._overrides()
        from triage.config import activate
        from triage.live.once import chosen_names, load_notebooks
        from triage.live.poller import Poller
        active = activate(overrides)
        loaded = load_notebooks(active)
        self._active = active
        if self._model is not None:
            chosen_names(loaded, [self._model])
        self._notebooks = {n.name: n for n in loaded.notebooks}
        self._names = tuple(self._notebooks)
        self._broken = frozenset(b.name for b in loaded.broken)
        poller = Poller(active, loaded, self._clock, self._publish)
        self._poller = poller
        self._apply_look()
        self._apply_logs()
        self._apply_expressions()
        self._apply_closer()
        self._apply_fleet()
        try:
            if self._wanted is not None and self._model is None:
                await self._find_alert(poller, loaded)
            if not self._stopped:
                await poller.run()
        finally:
            await poller.aclose()

    async def _find_alert(self, poller: Poller, loaded: Loaded) -> None:
        """Open the model that the wanted alert is about; the alerts are asked for first, they are quick."""
        from triage.signals.alerts import belongs
        await asyncio.gather(poller.refresh_alertmanager(), poller.refresh_prometheus_alerts())
        for alert in poller.alerts():
            if self._wanted is not None and self._wanted(alert):
                for notebook in loaded.notebooks:
                    if belongs(alert, notebook.manifest):
                        self._model = notebook.name
                        self._apply_look()
                        return

    def _publish(self, snapshot: Snapshot) -> None:
        if not self._stopped:
            self._on_snapshot(snapshot)

    def _apply_look(self) -> None:
        poller = self._poller
        if poller is None:
            return
        from triage.live.asker import Look
        watched = self._names[:1]
        if self._model in self._names:
            watched = (self._model,)
        elif self._model in self._broken:
            # Another model in its place would be taken for it.
            watched = ()
        poller.watch(watched, Look(self._range_seconds, self._end))

    def _apply_closer(self) -> None:
        if self._poller is not None:
            self._poller.look_closer(self._closer_look)

    def _apply_fleet(self) -> None:
        if self._poller is not None:
            self._poller.watch_fleet(wanted=self._wants_fleet)

    def _apply_logs(self) -> None:
        if self._poller is not None:
            self._poller.read_logs(self._logs_wanted)

    def _apply_expressions(self) -> None:
        if self._poller is not None:
            self._poller.ask_also(self._expressions_wanted)
