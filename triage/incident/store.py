"""``Timelines``: the incidents of one context on the disk, a log each, that several screens add to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from triage.errors import TriageError
from triage.incident.entries import Entry, Kind, new_id, read_log
from triage.incident.incident import Incident, replay
from triage.state_dir import Stamp, StateDir, StateError, file_name
from triage.text import clean

FOLDER = "incidents"
_LOCK = "lock"
_SUFFIX = ".jsonl"
_FILE = re.compile(r"INC-([0-9]{4,9})\.jsonl")


class UnknownIncident(TriageError):
    """There is no incident of that name."""


class Timelines:
    """Reads and adds to the logs. What the disk refuses is raised as :class:`triage.state_dir.StateError`."""

    def __init__(self, state: StateDir, context: str) -> None:
        self._folder = state.folder(FOLDER, file_name(context))
        self._context = context
        self._read: dict[str, tuple[Stamp | None, Incident]] = {}
        self._over: set[str] = set()
        """Names of those that are known to be closed."""
        self._unread: dict[str, str] = {}

    @property
    def unread(self) -> Mapping[str, str]:
        """Why those that could not be read lately cannot be, a sentence each, by name. Whose they are is not known."""
        return dict(sorted(self._unread.items()))

    def names(self) -> tuple[str, ...]:
        """``INC-0001`` and so on, oldest first."""
        numbers = sorted(int(found[1]) for file in self._folder.files() if (found := _FILE.fullmatch(file)))
        return tuple(_name(number) for number in numbers)

    def get(self, name: str) -> Incident:
        """The incident as it stands, read again where somebody has added to it.

        Raises :class:`UnknownIncident`; :class:`~triage.state_dir.StateError` also when its beginning is torn.
        """
        wanted = name.strip().upper()
        file = f"{wanted}{_SUFFIX}"
        stamp = self._folder.stamp(file) if _FILE.fullmatch(file) else None
        if stamp is None:
            there = ", ".join(self.names()[-5:])
            raise UnknownIncident(f"there is no incident {clean(name, limit=40)} in the context {self._context}",
                                  f"there are: {there}" if there else "none was opened in it yet: key 5, then o")
        known = self._read.get(wanted)
        if known is None or known[0] != stamp:
            content = self._folder.read(file) or b""
            entries = read_log(content)
            unread = sum(not line.isspace() for line in content.split(b"\n") if line) - len(entries)
            known = stamp, replace(replay(wanted, entries), unread=unread)
            self._read[wanted] = known
        if known[1].opened_at is None:
            raise StateError(f"the first line of {clean(self._folder.path / file)} cannot be read",
                             "mend that line, its opening, by hand; the lines after it are whole")
        return known[1]

    def all(self) -> tuple[Incident, ...]:
        """Every incident that can be read, oldest first; of the others :attr:`unread` tells."""
        return tuple(found for name in self.names() if (found := self._tried(name)) is not None)

    def open_ones(self) -> tuple[Incident, ...]:
        """Those that are open, oldest first. What was closed once is not read again: it stays so."""
        found = []
        for name in self.names():
            if name not in self._over and (incident := self._tried(name)) is not None:
                if incident.closing is not None:
                    self._over.add(name)
                else:
                    found.append(incident)
        return tuple(found)

    def last_of(self, model: str) -> Incident | None:
        """The newest incident of ``model``, the only one that can be open; None when there was none."""
        return next((found for name in reversed(self.names()) if (found := self._tried(name)) is not None
                     and found.model == model), None)

    def before(self, incident: Incident) -> Incident | None:
        """The incident of the same model before ``incident``; None when it is the first."""
        return next((found for name in reversed(self.names()) if _number(name) < _number(incident.id)
                     and (found := self._tried(name)) is not None and found.model == incident.model), None)

    def _tried(self, name: str) -> Incident | None:
        """One file that cannot be read keeps nobody from the others."""
        try:
            found = self.get(name)
        except UnknownIncident:
            return None
        except StateError as error:
            self._unread[name] = f"{name} cannot be read: {error.message} ({error.hint})"
            return None
        self._unread.pop(name, None)
        return found

    def open(self, title: str, model: str, by: str, now: float, entries: Sequence[Entry] = ()) -> Incident:
        """Open an incident of ``model`` with what is known already; the one that is open, if somebody was faster."""
        with self._folder.locked(_LOCK):
            found = self.last_of(model)
            if found is not None and found.is_open:
                return found
            names = self.names()
            name = _name(_number(names[-1]) + 1 if names else 1)
            first = Entry(Kind.OPENED, now, now, by, title, about=model, state=self._context, id=new_id())
            self._folder.create(f"{name}{_SUFFIX}", first.line() + b"\n")
        self.add(name, entries)
        return self.get(name)

    def add(self, name: str, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Add ``entries``; those of them that counted, beside what others wrote meanwhile."""
        written = [entry if entry.id else replace(entry, id=new_id()) for entry in entries]
        for entry in written:
            self._folder.append(f"{name}{_SUFFIX}", entry.line())
        if not written:
            return ()
        ids = {entry.id for entry in written}
        return tuple(entry for entry in self.get(name).log if entry.id in ids)


def _number(name: str) -> int:
    return int(name.partition("-")[2])


def _name(number: int) -> str:
    return f"INC-{number:04d}"
