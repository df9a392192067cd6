"""``IncidentSession``: one person's work with the incident of the model that is looked at.

Reads and writes the disk, so it lives in a thread of its own; one call at a time. Nothing is written before somebody
opens an incident.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from triage.incident import by_hand
from triage.incident.entries import OF_INCIDENT, Entry, Kind
from triage.incident.incident import Incident, replay
from triage.incident.steady import Steady
from triage.incident.store import Timelines
from triage.incident.watching import RECENT_SECONDS, news, source_news, title_of, wants_incident
from triage.incident.words import unread_sentence
from triage.live.silence import as_shown
from triage.state_dir import StateDir, StateError

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState


@dataclass(frozen=True, slots=True)
class Board:
    """The incident of a model, ready to be shown."""

    model: str
    incident: Incident | None
    """The one that is open, else the last one that was; None when there was none."""
    wanted: bool = False
    """Whether none is open and the verdict is worth one."""
    trouble: str = ""
    """What keeps it from being read or written; "" when nothing does."""
    unread: tuple[str, ...] = ()
    """While none is open: which incidents cannot be read, and why, a sentence each. Whose they are is not known."""
    before: float = -math.inf
    """When the incident of the model before this one was closed, Unix seconds; minus infinity without one."""

    @property
    def open(self) -> Incident | None:
        """The incident, while it is open."""
        return self.incident if self.incident is not None and self.incident.is_open else None


class IncidentSession:
    """The incidents of one context, for one person."""

    def __init__(self, state: StateDir, by: str) -> None:
        """``by`` is who works here, as ``user@host``."""
        self.by = by
        self._state = state
        self._timelines: dict[str, Timelines] = {}
        self._known: dict[tuple[str, str], Incident] = {}
        self._steady = Steady()
        self._ends: dict[tuple[str, str], float] = {}

    def look(self, snapshot: Snapshot, model: ModelState, told: Iterable[Entry] = ()) -> Board:
        """The incident of ``model`` with everything that is new: of the facts, and ``told`` by other logs."""
        self._steady.see(snapshot, model)
        try:
            found = self._of(snapshot.context).last_of(model.name)
        except StateError as error:
            return self._unread(snapshot, model.name, error)
        unread = self._of(snapshot.context).unread
        known = self._known.get((snapshot.context, model.name))
        if known is not None and known.id in unread:
            return Board(model.name, known, trouble=unread[known.id])
        if found is None or not found.is_open:
            # Whose they are that cannot be read is not known: one of this model may be open.
            return Board(model.name, found, wants_incident(model), unread=tuple(unread.values()))
        return self._told(snapshot, found, model, told)

    def look_beside(self, snapshot: Snapshot, shown: str,
                    told: Callable[[Incident], Iterable[Entry]]) -> Mapping[str, Board]:
        """The same for every other model than ``shown`` whose incident is open, by name.

        Of the facts whatever was asked for anyway: all of a model that is looked at together with others, else which
        sources answer.
        """
        try:
            found = self._of(snapshot.context).open_ones()
        except StateError:
            # The model that is shown says so.
            return {}
        boards = {}
        for incident in found:
            if incident.model == shown:
                continue
            model = snapshot.asked(incident.model)
            if model is not None:
                model = as_shown(model, snapshot)
                self._steady.see(snapshot, model)
            boards[incident.model] = self._told(snapshot, incident, model, told(incident))
        return boards

    def _told(self, snapshot: Snapshot, found: Incident, model: ModelState | None, told: Iterable[Entry]) -> Board:
        """The board of an incident that is open, after everything new was written; ``model`` None: not asked about."""
        timelines = self._of(snapshot.context)
        try:
            before = self._before(snapshot.context, found)
        except StateError as error:
            return self._unread(snapshot, found.model, error)
        seen = source_news(found, snapshot, self.by) if model is None else self._steady.settled(
            news(found, snapshot, model, self.by), snapshot, model)
        fresh = [*seen, *_untold(found, told, before)]
        trouble = ""
        try:
            timelines.add(found.id, fresh)
            found = timelines.get(found.id)
        except StateError as error:
            # Without a disk it is shown nevertheless.
            found, trouble = replay(found.id, [*found.log, *fresh]), _said("is not kept", error)
        self._known[snapshot.context, found.model] = found
        if found.unread and not trouble:
            trouble = unread_sentence(found)
        return Board(found.model, found, trouble=trouble, before=before)

    def _unread(self, snapshot: Snapshot, model: str, error: StateError) -> Board:
        """What was read last, and that it is not the present."""
        return Board(model, self._known.get((snapshot.context, model)), trouble=_said("cannot be read", error))

    def open(self, snapshot: Snapshot, model: ModelState, now: float, title: str = "",
             told: Iterable[Entry] = ()) -> Board:
        """Open an incident of ``model``, or join the one that is open. Raises :class:`StateError`."""
        self._of(snapshot.context).open(title or title_of(model), model.name, self.by, now)
        board = self.look(snapshot, model, told)
        return self.write(snapshot, board, [by_hand.joined(self.by, now)])

    def incident(self, snapshot: Snapshot, name: str) -> Incident:
        """The incident of this id as it stands, open or not. Raises :class:`StateError`; ``UnknownIncident``
        when there is none of this id."""
        return self._of(snapshot.context).get(name)

    def write(self, snapshot: Snapshot, board: Board, entries: Sequence[Entry]) -> Board:
        """Add what a person says. Raises :class:`StateError`; :class:`by_hand.NotUnderstood` when it did not count."""
        if board.incident is None:
            raise by_hand.NotUnderstood("no incident is open", "5, then o opens one")
        timelines = self._of(snapshot.context)
        counted = timelines.add(board.incident.id, entries)
        found = timelines.get(board.incident.id)
        missing = [entry for entry in entries if entry.id not in {each.id for each in counted}]
        if missing and missing[0].text and missing[0].kind is not Kind.JOINED:
            raise by_hand.NotUnderstood("it changes nothing: it is so already, or not for you to say")
        return replace(board, incident=found)

    def _before(self, context: str, incident: Incident) -> float:
        """When the incident of the model before this one was closed, Unix seconds; the beginning of time without one.

        Raises :class:`StateError`.
        """
        key = context, incident.id
        if key not in self._ends:
            before = self._of(context).before(incident)
            self._ends[key] = -math.inf if before is None or before.closing is None else before.closing.at
        return self._ends[key]

    def _of(self, context: str) -> Timelines:
        if context not in self._timelines:
            self._timelines[context] = Timelines(self._state, context)
        return self._timelines[context]


def _untold(incident: Incident, told: Iterable[Entry], before: float) -> list[Entry]:
    """What other logs tell of this incident and is not in it: whatever was written while it was open, and what was
    written without one in its two hours before, but not before ``before`` (Unix seconds)."""
    since = max((incident.opened_at or 0.0) - RECENT_SECONDS, before)
    return [entry for entry in told if entry.origin not in incident.origins and (
        owner == incident.id if (owner := entry.details.get(OF_INCIDENT, "")) else entry.at >= since)]


def _said(what: str, error: StateError) -> str:
    return f"the incident {what}: {error.message} ({error.hint})"
