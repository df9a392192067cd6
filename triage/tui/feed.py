"""``Feed``: where snapshots come from. The screen asks for nothing but this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from triage.clock import Clock
    from triage.config import Active
    from triage.facts.closer_look import CloserLook
    from triage.facts.expressions import ExpressionsWanted
    from triage.facts.log_reading import LogsWanted
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook


class Feed(Protocol):
    """Collects facts in its own thread and hands over snapshots. No method may block."""

    def start(self, on_snapshot: Callable[[Snapshot], None], on_failure: Callable[[str, str], None]) -> None:
        """Begin. Called once, after the first frame stands; the callbacks come from another thread.

        ``on_failure(message, hint)`` says that the program cannot go on, such as for a configuration that cannot be
        read. A source that does not answer is no failure: it is part of the snapshot.
        """
        ...

    def look_at(self, model: str | None, range_seconds: float, end: float | None) -> None:
        """What the screen shows: the model (None: the feed chooses), and how far back trends reach.

        ``end`` is the Unix time at which the trends end; None: they follow the present.
        """
        ...

    def read_logs(self, wanted: LogsWanted | None) -> None:
        """What is looked for in the logs of the model shown; None, as at the start: they are not asked."""
        ...

    def look_closer(self, wanted: CloserLook | None) -> None:
        """What is looked at so closely that it is asked for only then; None, as at the start: nothing."""
        ...

    def ask_also(self, wanted: ExpressionsWanted | None) -> None:
        """PromQL to be answered with every refresh of the model shown; None, as at the start: nothing else."""
        ...

    def notebook(self, model: str) -> Notebook | None:
        """The notebook of a model; None until the notebooks are read, and where there is none."""
        ...

    def context(self) -> Active | None:
        """The context that is asked; None until the configuration is read."""
        ...

    def clock(self) -> Clock:
        """The clock that :meth:`now` is read from; its world may live faster than the machine."""
        ...

    def watch_fleet(self, *, wanted: bool) -> None:
        """Whether all models are asked about, beside the one shown; at the start they are not."""
        ...

    def refresh_now(self) -> None:
        """Ask the sources now instead of at the next interval."""
        ...

    def world_changed(self) -> None:
        """Something was done to the world: ask everything about the model shown anew, beginning now, at any pace."""
        ...

    def names(self) -> Sequence[str]:
        """Models that can be opened; empty until the notebooks are read."""
        ...

    def stop(self) -> None:
        """End. Called once, on the way out."""
        ...

    def now(self) -> float:
        """World time in Unix seconds, for ages."""
        ...
