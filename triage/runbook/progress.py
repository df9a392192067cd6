"""``Progress``: the runs of one runbook on the disk, a log that several people in front of several screens add to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from triage.runbook.events import Event, EventKind, read_log
from triage.runbook.run import NO_CASE, Case, Run, apply, replay
from triage.state_dir import Stamp, StateDir, file_name
from triage.text import clean

FOLDER = "runbooks"
_TEXTS = "texts"


class Progress:
    """Reads and adds to one log. What the disk refuses is raised as :class:`triage.state_dir.StateError`."""

    def __init__(self, state: StateDir, context: str, model: str, runbook: str,
                 incident: Callable[[], Case | None] = lambda: NO_CASE) -> None:
        """``incident`` gives the incident that is open; None while that is not known."""
        self._folder = state.folder(FOLDER, file_name(context), file_name(model))
        self._texts = state.folder(FOLDER, _TEXTS)
        self._file = f"{file_name(runbook)[:110]}.jsonl"
        self._stamp: Stamp | None = None
        self._events: tuple[Event, ...] = ()
        self._run = Run()
        self._incident = incident

    def run(self) -> Run:
        """The last run in the log, read again where somebody has added to it."""
        stamp = self._folder.stamp(self._file)
        if stamp != self._stamp:
            self._events = read_log(self._folder.read(self._file) or b"")
            self._run, self._stamp = replay(self._events), stamp
        return self._run

    def events(self) -> tuple[Event, ...]:
        """Everything in the log, as it was last read, in the order of writing; of earlier runs too."""
        return self._events

    def write(self, events: Sequence[Event]) -> bool:
        """Add ``events``; whether the last of them counted, also beside what others wrote meanwhile."""
        name, case = secrets.token_hex(6), self._incident() or NO_CASE
        for number, event in enumerate(events, 1):
            # What ends a run names the incident of that run, which need not be open any more.
            incident = event.incident if event.kind is EventKind.CLOSED else case.id
            known = replace(event, incident=incident, id=name if number == len(events) else "")
            self._folder.append(self._file, known.line())
        self.run()
        return self._counted(name)

    def keep_text(self, digest: str, text: str) -> None:
        """Keep the text of the runbook that a run began with, to compare with later."""
        if self._texts.stamp(digest) is None:
            self._texts.write(digest, text.encode("utf-8", "replace"))

    def kept_text(self, digest: str) -> str | None:
        """A text that was kept; None when it was not."""
        content = self._texts.read(digest) if digest.isalnum() else None
        return None if content is None else clean(content.decode("utf-8", "replace"), multiline=True,
                                                  limit=len(content) + 1)

    def _counted(self, name: str) -> bool:
        run = Run()
        for event in self._events:
            after = apply(run, event)
            if event.id == name:
                return after is not run
            run = after
        return False
