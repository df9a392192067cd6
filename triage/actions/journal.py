"""The journal: what was done to the world, written down before it is done, in a chain that shows any later change.

One JSON object per line, in files of the journal's folder whose names ascend. Each record carries the SHA-256 of the
one before it and of itself, so a changed, dropped, swapped or repeated record breaks the chain. What a chain cannot
show is that its end was cut off, or that somebody with the account wrote all of it anew: for that, every record's
number and digest go to a second place as well (the *anchor*), and :mod:`triage.actions.journal_verify` compares.
Every line is ASCII and canonical: keys sorted, no spaces.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from triage.actions.anchors import Anchor, Checkpoint
from triage.clock import Clock
from triage.errors import TriageError
from triage.state_dir import StateDir, StateError
from triage.text import clean

GENESIS = "0" * 64
"""What the first record names as the one before it."""
MOST_BYTES = 1_000_000
"""A file longer than this is not continued; the next record begins a new one."""

_LOCK = "lock"
_PREFIX, _SUFFIX = "journal-", ".jsonl"
_OWN = frozenset({"seq", "at", "mono", "kind", "action", "prev", "hash", "torn"})


class JournalError(TriageError):
    """The journal cannot be read or written; nothing may be executed then."""


class Kind(StrEnum):
    """What a record says."""

    OPENED = "opened"
    """The first record: where the journal is, and an id of its own."""
    BEGUN = "begun"
    """An action was confirmed and passed its guards: plan, guards, who, which lease."""
    INTENT = "intent"
    """The next thing that happens is this request."""
    RESULT = "result"
    """What became of it."""
    CONCLUDED = "concluded"
    """How the action ended."""
    ASKED = "asked"
    """Another person was asked to approve a plan, or approved one that needs more."""
    REFUSED = "refused"
    """A confirmed action was not carried out: nothing was sent."""
    RECONCILED = "reconciled"
    """Somebody looked where the world stands after an action whose end was unknown."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal."""

    seq: int
    """From 1, without gaps, over all files."""
    at: float
    """World time, Unix seconds."""
    kind: str
    action_id: str
    """"" for records that are about no action."""
    fields: Mapping[str, Any]
    """What the record says, by its kind."""
    prev: str
    hash: str
    """SHA-256 of the record, 64 hex digits; its name for checkpoints and ``--expect-head``."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the journal."""

    seq: int
    """Number of the last record; 0 when there is none."""
    hash: str
    file: str
    """The file that is continued; "" when there is none."""
    size_bytes: int
    torn: bytes = b""
    """What a write that did not end left behind it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which process writes, as the machine knows it: no proof of a person, the target system gives that."""

    host: str
    user: str
    uid: int
    pid: int
    ssh: str = ""
    """First 12 digits of the SHA-256 of ``SSH_CONNECTION``, to tell sessions apart; "" without one."""

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> Origin:
        """This process."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = "?"
        connection = environ.get("SSH_CONNECTION", "")
        ssh = hashlib.sha256(connection.encode("utf-8", "surrogatepass")).hexdigest()[:12] if connection else ""
        return cls(clean(socket.gethostname(), limit=100), clean(user, limit=100), os.getuid(), os.getpid(), ssh)

    def sentence(self) -> str:
        """``ana on bastion-1 (process 4711)``."""
        return f"{self.user} on {self.host} (process {self.pid})"


@dataclass(slots=True)
class Journal:
    """Appends records and reads them. Every method blocks for as long as the disk takes."""

    folder: StateDir
    clock: Clock
    anchor: Anchor | None = None
    origin: Origin = field(default_factory=Origin.here)
    anchor_trouble: str = ""
    """Why the last checkpoint did not reach the second place, as a sentence; "" when it did, or there is none."""
    most_bytes: int = MOST_BYTES

    def append(self, kind: Kind, action_id: str, fields: Mapping[str, Any]) -> Record:
        """Write one record; it is on the disk when this returns. Raises :class:`JournalError`, and nothing may be
        done then.

        A second place that cannot be reached does not stop it: :attr:`anchor_trouble` says so.
        """
        if clash := _OWN & fields.keys():
            raise ValueError(f"a record's own fields: {', '.join(sorted(clash))}")
        try:
            with self.folder.locked(_LOCK):
                tail = self._tail()
                if tail.seq == 0:
                    opened = self._written(tail, Kind.OPENED, "", {"journal": secrets.token_hex(8),
                                                                   "host": self.origin.host, "uid": self.origin.uid})
                    tail = self._tail()
                    self._anchored(opened)
                record = self._written(tail, kind, action_id, fields)
                self._anchored(record)
                return record
        except StateError as error:
            raise JournalError(error.message, error.hint) from None

    def check(self) -> Tail:
        """That a record could be written now; the end of the journal. Raises :class:`JournalError`. Writes none."""
        try:
            with self.folder.locked(_LOCK):
                tail = self._tail()
                self.folder.probe(tail.file or _name(1))
                return tail
        except StateError as error:
            raise JournalError(error.message, error.hint) from None

    def files(self) -> tuple[tuple[str, bytes], ...]:
        """Every file with its content, oldest first. Raises :class:`JournalError`."""
        try:
            if not self.folder.files():
                return ()
            with self.folder.locked(_LOCK):
                return tuple((name, self.folder.read(name) or b"") for name in self._names())
        except StateError as error:
            raise JournalError(error.message, error.hint) from None

    def records(self) -> tuple[Record, ...]:
        """Every record that can be read, oldest first; lines that cannot are passed over, ``verify`` finds them.

        Raises :class:`JournalError` when a file cannot be read.
        """
        found = (record_of(line) for _, content in self.files() for line in content.split(b"\n") if line)
        return tuple(record for record in found if record is not None)

    def _names(self) -> list[str]:
        return sorted(n for n in self.folder.files() if n.startswith(_PREFIX) and n.endswith(_SUFFIX))

    def _tail(self) -> Tail:
        names = self._names()
        newest = names[-1] if names else ""
        size, torn_end = 0, b""
        for name in reversed(names):
            content = self.folder.read(name) or b""
            ended, _, torn = content.rpartition(b"\n")
            if torn and record_of(torn) is not None:
                # Only its line end is missing: the record counts.
                ended, torn = content, b""
            if name == newest:
                size, torn_end = len(content), torn
            for line in reversed(ended.split(b"\n")):
                if (record := record_of(line)) is not None:
                    return Tail(record.seq, record.hash, newest, size, torn_end)
            if ended:
                raise JournalError(f"{clean(self.folder.path / name)} holds no record that can be read",
                                   "see triage journal verify; then move the folder away to begin a new journal")
        return Tail(0, GENESIS, newest, size, torn_end)

    def _written(self, tail: Tail, kind: Kind, action_id: str, fields: Mapping[str, Any]) -> Record:
        body: dict[str, Any] = {**fields, "seq": tail.seq + 1, "at": self.clock.now(), "mono": self.clock.monotonic(),
                                "kind": str(kind), "action": action_id, "prev": tail.hash}
        if tail.torn:
            # In the chain from here on, so that nothing can be slipped in as a torn line.
            body["torn"] = {"bytes": len(tail.torn), "sha256": hashlib.sha256(tail.torn).hexdigest()}
        digest = digest_of(body)
        line = canonical({**body, "hash": digest})
        continued = tail.file and (tail.size_bytes < self.most_bytes or tail.torn)
        name = tail.file if continued else _name(_number(tail.file) + 1)
        self.folder.append(name, line)
        record = record_of(line)
        assert record is not None  # noqa: S101 - it was just made
        return record

    def _anchored(self, record: Record) -> None:
        if self.anchor is not None:
            self.anchor_trouble = self.anchor.put(Checkpoint(record.seq, record.hash, record.at))


def canonical(body: Mapping[str, Any]) -> bytes:
    """The one spelling of a record."""
    return json.dumps(body, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of a record, 64 hex digits; its own ``hash`` is no part of it."""
    return hashlib.sha256(canonical({k: v for k, v in body.items() if k != "hash"})).hexdigest()


def record_of(line: bytes) -> Record | None:
    """The record that a line holds; None when it is none, or not spelt as triage spells it, or its digest is wrong."""
    try:
        body = json.loads(line)
        if not isinstance(body, dict) or canonical(body) != line or body["hash"] != digest_of(body):
            return None
        seq, at, kind, action, prev = (body[name] for name in ("seq", "at", "kind", "action", "prev"))
    except (ValueError, KeyError, RecursionError):
        return None
    if type(seq) is not int or not isinstance(at, int | float) or not all(
            isinstance(text, str) for text in (kind, action, prev)):
        return None
    fields = {name: value for name, value in body.items() if name not in _OWN or name == "torn"}
    return Record(seq, at, kind, action, fields, prev, body["hash"])


def _name(number: int) -> str:
    return f"{_PREFIX}{number:06d}{_SUFFIX}"


def _number(file: str) -> int:
    digits = file.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    return int(digits) if digits.isascii() and digits.isdigit() else 0
