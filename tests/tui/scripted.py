"""``ScriptedFeed``: hands over snapshots as a script says; and a program that shows it on a real terminal."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triage.clock import Clock
    from triage.config import Active
    from triage.facts.closer_look import CloserLook
    from triage.facts.expressions import ExpressionsWanted
    from triage.facts.log_reading import LogsWanted
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook


class ScriptedFeed:
    """A feed without sources. What the screen asked for is kept for assertions."""

    def __init__(self, *snapshots: Snapshot, now: float | None = None, names: Sequence[str] = (),
                 failure: tuple[str, str] | None = None) -> None:
        self.snapshots = list(snapshots)
        self.time = now if now is not None else (snapshots[0].at if snapshots else 0.0)
        self.looks: list[tuple[str | None, float, float | None]] = []
        self.logs: list[LogsWanted | None] = []
        self.closer: list[CloserLook | None] = []
        self.expressions: list[ExpressionsWanted | None] = []
        self.active: Active | None = None
        self.notebooks: dict[str, Notebook] = {}
        self.fleet: list[bool] = []
        self.refreshes = 0
        self.changes = 0
        """How often the screen said that something was done to the world."""
        self.started = 0
        self.stopped = 0
        self._names = names
        self._failure = failure
        self._on_snapshot: Callable[[Snapshot], None] | None = None

    def start(self, on_snapshot: Callable[[Snapshot], None], on_failure: Callable[[str, str], None]) -> None:
        self.started += 1
        self._on_snapshot = on_snapshot
        if self._failure is not None:
            on_failure(*self._failure)
        if self.snapshots:
            on_snapshot(self.snapshots[0])

    def give(self, snapshot: Snapshot) -> None:
        """Hand over one more."""
        assert self._on_snapshot is not None, "the screen has not started its feed"
        self._on_snapshot(snapshot)

    def look_at(self, model: str | None, range_seconds: float, end: float | None) -> None:
        self.looks.append((model, range_seconds, end))

    def read_logs(self, wanted: LogsWanted | None) -> None:
        self.logs.append(wanted)

    def ask_also(self, wanted: ExpressionsWanted | None) -> None:
        self.expressions.append(wanted)

    def notebook(self, model: str) -> Notebook | None:
        return self.notebooks.get(model)

    def look_closer(self, wanted: CloserLook | None) -> None:
        self.closer.append(wanted)

    def context(self) -> Active | None:
        return self.active

    def clock(self) -> Clock:
        return ScriptedClock(self)

    def watch_fleet(self, *, wanted: bool) -> None:
        self.fleet.append(wanted)

    def refresh_now(self) -> None:
        self.refreshes += 1

    def world_changed(self) -> None:
        self.changes += 1

    def names(self) -> Sequence[str]:
        return self._names

    def stop(self) -> None:
        self.stopped += 1

    def now(self) -> float:
        return self.time


class ScriptedClock:
    """World time as the script says; the machine's own beside it."""

    def __init__(self, feed: ScriptedFeed) -> None:
        self._feed = feed

    def now(self) -> float:
        return self._feed.now()

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def speed(self) -> float:
        return 1.0


class LiveFeed(ScriptedFeed):
    """Gives its snapshots one by one, every ``period`` seconds, and then stays; its clock runs."""

    def __init__(self, *snapshots: Snapshot, period: float = 1.0, names: Sequence[str] = (),
                 stopped_file: str = "") -> None:
        super().__init__(*snapshots, names=names)
        self._period = period
        self._began = time.monotonic()
        self._end = threading.Event()
        self._stopped_file = stopped_file

    def start(self, on_snapshot: Callable[[Snapshot], None], on_failure: Callable[[str, str], None]) -> None:
        self._on_snapshot = on_snapshot
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for snapshot in self.snapshots:
            self.give(snapshot)
            if self._end.wait(self._period):
                return

    def now(self) -> float:
        return self.time + time.monotonic() - self._began

    def stop(self) -> None:
        super().stop()
        self._end.set()
        if self._stopped_file:
            Path(self._stopped_file).write_text("stopped")


def main() -> None:
    """Run the dashboard on this terminal: ``python -m tests.tui.scripted canary``."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    parser = argparse.ArgumentParser()
    parser.add_argument("name", help="a state of snapshots, logbooks or fleets, moving, fleet-moving, or nothing")
    for option in ("theme", "glyphs", "chart"):
        parser.add_argument(f"--{option}", default="auto")
    parser.add_argument("--period", type=float, default=1.0)
    parser.add_argument("--alert")
    parser.add_argument("--stopped", default="")
    options = parser.parse_args()
    made: list[Snapshot] = []
    if options.name != "nothing":
        from tests.tui import fleets, logbooks, snapshots
        states = {**snapshots.ALL, **logbooks.STATES, **fleets.STATES}
        moving = {"moving": snapshots.moving, "fleet-moving": fleets.moving}.get(options.name)
        made = moving(60) if moving is not None else [states[options.name]()]
    names = ("fraud-scorer", "churn-ranker", "chat-assistant")
    feed = LiveFeed(*made, period=options.period, names=names, stopped_file=options.stopped)
    from triage.tui.app import run_app
    sys.exit(run_app(feed, alert=options.alert, theme_name=options.theme, glyphs=options.glyphs, chart=options.chart))


if __name__ == "__main__":
    main()
