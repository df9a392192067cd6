"""Anchors: the second place that learns how long the journal is, so that a journal cut short is found out."""

from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from triage.state_dir import StateDir, StateError
from triage.text import clean

_HEX = re.compile(r"[0-9a-f]{64}")
_SYSLOG = "/dev/log"
PUT_SECONDS = 1.0
"""How long a second place may take for a checkpoint: a rollback waits for it no longer."""
_NOTICE = (4 << 3) | 5
"""Facility auth, severity notice (RFC 5424, 6.2.1)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The journal's length and head at one time."""

    seq: int
    head: str
    """Digest of record ``seq``."""
    at: float
    """World time, Unix seconds."""


class Anchor(Protocol):
    """A second place."""

    def put(self, checkpoint: Checkpoint) -> str:
        """Send it there. Returns "" when it arrived, else a sentence on why not."""
        ...

    def read(self) -> tuple[Checkpoint, ...] | str | None:
        """What arrived; a sentence when it cannot be read; None where it can be read by nobody here (syslog)."""
        ...


class FileAnchor:
    """A file of JSON lines on another disk. Its folder must belong to this account alone (0700).

    Neither a lock on it nor a disk that hangs holds up what the journal is written for: it is written in a thread of
    its own, and one at a time.
    """

    def __init__(self, path: Path) -> None:
        self._folder, self._file = StateDir(path.parent), path.name
        self._writing: threading.Thread | None = None

    def put(self, checkpoint: Checkpoint) -> str:
        if self._writing is not None and self._writing.is_alive():
            return f"{clean(self._folder.path / self._file)} still hangs with an earlier checkpoint"
        said: list[str] = []
        # A daemon: a disk that never answers must not keep the process either.
        self._writing = threading.Thread(target=lambda: said.append(self._put(checkpoint)), name="anchor", daemon=True)
        self._writing.start()
        self._writing.join(PUT_SECONDS)
        return said[0] if said else f"{clean(self._folder.path / self._file)} has not taken it for {PUT_SECONDS:g} s"

    def _put(self, checkpoint: Checkpoint) -> str:
        line = {"seq": checkpoint.seq, "head": checkpoint.head, "at": checkpoint.at}
        try:
            self._folder.append(self._file, json.dumps(line, sort_keys=True).encode(), PUT_SECONDS / 2)
        except StateError as error:
            return error.message
        return ""

    def read(self) -> tuple[Checkpoint, ...] | str | None:
        try:
            content = self._folder.read(self._file)
        except StateError as error:
            return error.message
        if content is None:
            return ()
        found = []
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line:
                continue
            try:
                body = json.loads(line)
                checkpoint = Checkpoint(int(body["seq"]), str(body["head"]), float(body["at"]))
            except (ValueError, KeyError, TypeError, RecursionError):
                checkpoint = None
            if checkpoint is None or not _HEX.fullmatch(checkpoint.head):
                return f"line {number} of {clean(self._folder.path / self._file)} is no checkpoint"
            found.append(checkpoint)
        return tuple(found)


class SyslogAnchor:
    """The machine's system log, which usually goes on to another machine. It is compared by hand: ``--expect-head``."""

    def __init__(self, path: str = _SYSLOG) -> None:
        self._path = path

    def put(self, checkpoint: Checkpoint) -> str:
        text = f"<{_NOTICE}>triage: journal checkpoint seq={checkpoint.seq} head={checkpoint.head}"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
                log.settimeout(PUT_SECONDS)
                log.connect(self._path)
                log.send(text.encode())
        except OSError as error:
            return f"{self._path} takes nothing: {clean(error.strerror or error)}"
        return ""

    def read(self) -> tuple[Checkpoint, ...] | str | None:
        return None
