"""``ActionState``: what is known before anybody acts: whether writing is held back, and what has no known end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triage.actions.history import Deed
    from triage.actions.under_way import OpenEnd
    from triage.clock import Clock
    from triage.config import Active
    from triage.tui.desk_door import ActionFeed


class ActionState:
    """Looks for the kill switches and into the journal, in threads: a file system may hang."""

    again_seconds = 10.0
    """While somebody is at an action, how often it is looked whether they still are: as often as leases are moved
    on."""

    def __init__(self, feed: ActionFeed, begin: Callable[[Coroutine[Any, Any, None]], None],
                 show: Callable[[], None], is_ours: Callable[[str], bool], *, write: bool) -> None:
        """``is_ours`` tells by its id whether an action is being carried out here."""
        self._feed, self._begin, self._show, self._is_ours, self._write = feed, begin, show, is_ours, write
        self._open_ends: dict[str, tuple[OpenEnd, ...]] = {}
        self._looked_at: dict[str, float] = {}
        """When the journal was read last for a model, in the machine's seconds."""
        self._seen: set[str] = set()
        self._killed: bool | None = None
        """None before the first look: then nobody is told that writing is possible."""
        self._looks = False

    @property
    def writes(self) -> bool:
        """Whether writing was asked for, by ``--write`` or by the context, and no kill switch was on when last looked
        for."""
        return self._asked_to_write and self._killed is False

    @property
    def held_back(self) -> bool:
        """Whether writing was asked for and a kill switch is on."""
        return self._asked_to_write and self._killed is True

    @property
    def _asked_to_write(self) -> bool:
        active = self._feed.context()
        return self._write or (active is not None and active.context.allow_write)

    def see(self, model: str) -> None:
        """A model is shown, newly or still: look for the kill switches where writing was asked for, and once whether
        the journal tells of actions whose end is not known; again while somebody is at one of them."""
        active = self._feed.context()
        if active is None:
            return
        if self._asked_to_write and not self._looks:
            self._looks = True
            self._begin(self._look_for_switches(active))
        if self._ends(model, held=True) and time.monotonic() - self._looked_at[model] >= self.again_seconds:
            self._seen.discard(model)
        if model in self._seen:
            return
        self._seen.add(model)
        self._looked_at[model] = time.monotonic()
        self._begin(self._read_ends(active, model))

    def changed(self, model: str) -> None:
        """Something was done to ``model``, or found out: read the journal again."""
        self._seen.discard(model)
        self.see(model)

    def open_ends(self, model: str) -> tuple[Deed, ...]:
        """Actions on ``model`` whose end is not known, and at which nobody is."""
        return tuple(end.deed for end in self._ends(model, held=False))

    def unknown(self, model: str) -> tuple[str, ...]:
        """The same, each as a sentence."""
        ends = self.open_ends(model)
        if not ends:
            # The first frame does not wait for the modules of acting.
            return ()
        from triage.report.actions import begun
        now = self._feed.clock().now()
        return tuple(begun(deed, now) for deed in ends)

    def under_way(self, model: str) -> tuple[str, ...]:
        """Actions on ``model`` that somebody else is at, as long as their lease lives, each as a sentence."""
        ends = self._ends(model, held=True)
        if not ends:
            return ()
        from triage.report.actions import under_way
        now = self._feed.clock().now()
        return tuple(under_way(end.deed, end.held, now) for end in ends if end.held is not None)

    def _ends(self, model: str, *, held: bool) -> tuple[OpenEnd, ...]:
        return tuple(end for end in self._open_ends.get(model, ())
                     if (end.held is not None) is held and not self._is_ours(end.deed.action_id))

    async def _look_for_switches(self, active: Active) -> None:
        try:
            killed = await asyncio.to_thread(_is_killed, active)
        finally:
            self._looks = False
        if killed != self._killed:
            self._killed = killed
            self._show()

    async def _read_ends(self, active: Active, model: str) -> None:
        from triage.errors import TriageError
        try:
            found = await asyncio.to_thread(_unfinished, active, self._feed.clock(), model)
        except TriageError:
            # That the journal cannot be used is said where it matters: it stops every action.
            return
        if found != self._open_ends.get(model, ()):
            self._open_ends[model] = found
            self._show()


def _is_killed(active: Active) -> bool:
    from triage.actions.freeze import mode_of
    return mode_of(active, write=True).killed


def _unfinished(active: Active, clock: Clock, model: str) -> tuple[OpenEnd, ...]:
    from triage.state_dir import state_home
    folder = active.context.actions.journal.folder
    if not os.access(state_home(os.environ) / "journal" if folder is None else active.beside_config(folder), os.X_OK):
        # Who never acted does not wait for the modules of acting; a journal of others is said where it matters.
        return ()
    from triage.desk.actions import unfinished
    return unfinished(active, clock, model)
