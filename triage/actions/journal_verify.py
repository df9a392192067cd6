"""Whether the journal is as it was written, as far as its chain and the second place can tell."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from triage.actions.anchors import Checkpoint
from triage.actions.journal import GENESIS, Record, record_of

MOST_FINDINGS = 20
_HEAD = re.compile(r"(?:(\d{1,12}):)?([0-9a-f]{64})")


class Integrity(StrEnum):
    """The answer. The value is the word in JSON."""

    INTACT = "intact"
    TAMPERED = "tampered"
    """Something was changed, dropped, swapped, repeated or cut off."""
    CANNOT_TELL = "cannot tell"
    """It could not be read, or its beginning is elsewhere."""

    @property
    def exit_code(self) -> int:
        """0 intact, 2 tampered, 3 cannot tell."""
        return {Integrity.INTACT: 0, Integrity.TAMPERED: 2, Integrity.CANNOT_TELL: 3}[self]


@dataclass(frozen=True, slots=True)
class ExpectedHead:
    """A record that somebody noted elsewhere, and that therefore has to be in the journal."""

    head: str
    seq: int | None = None
    """None when only its digest was noted."""

    @classmethod
    def parse(cls, text: str) -> ExpectedHead:
        """``DIGEST`` or ``NUMBER:DIGEST``. Raises ValueError."""
        match = _HEAD.fullmatch(text)
        if match is None:
            raise ValueError("is no head of a journal: 64 hexadecimal digits, or the record's number, a colon and them")
        return cls(match[2], int(match[1]) if match[1] else None)


@dataclass(frozen=True, slots=True)
class Verified:
    """The result."""

    integrity: Integrity
    records: int
    first_seq: int
    """Number of the first record that is here; 0 without records."""
    head: str
    """Digest of the last record; "" without records."""
    last_seq: int
    unanchored: int
    """Records after the last one that is known elsewhere: cutting these off would not be noticed."""
    torn: int
    """Lines that a crash left unfinished; they were never acted on."""
    findings: tuple[str, ...]
    """What is wrong, or cannot be told, as sentences; empty when intact."""


def verify(files: Sequence[tuple[str, bytes]], checkpoints: Sequence[Checkpoint] | str | None,
           expected: ExpectedHead | None = None) -> Verified:
    """Compare the journal's ``files`` (name and content, oldest first) with its own chain, and with what is known of
    it elsewhere: ``checkpoints`` (a sentence when they cannot be read, None where nobody here can read them) and
    ``expected``.
    """
    walk = _Walk()
    for index, (name, content) in enumerate(files):
        walk.file(name, content, last=index == len(files) - 1)
    walk.end()
    anchored = 0
    by_seq = {record.seq: record for record in walk.records}
    if isinstance(checkpoints, str):
        walk.doubts.append(f"the second place cannot be read: {checkpoints}")
    elif checkpoints is not None:
        for checkpoint in checkpoints:
            if walk.known(by_seq, checkpoint.seq, checkpoint.head, "the second place"):
                anchored = max(anchored, checkpoint.seq)
    if not walk.records:
        walk.doubts.append("it holds no record")
    if expected is not None:
        seq = expected.seq
        if seq is None:
            seq = next((r.seq for r in walk.records if r.hash == expected.head), None)
        if seq is None:
            walk.wrongs.append("the expected head is in none of its records: it was cut off or written anew")
        elif walk.known(by_seq, seq, expected.head, "the expected head"):
            anchored = max(anchored, seq)
    integrity = (Integrity.TAMPERED if walk.wrongs else Integrity.CANNOT_TELL if walk.doubts else Integrity.INTACT)
    first, last = (walk.records[0], walk.records[-1]) if walk.records else (None, None)
    last_seq = last.seq if last else 0
    unanchored = sum(1 for r in walk.records if r.seq > anchored)
    findings = (*walk.wrongs, *walk.doubts)
    more = len(findings) - MOST_FINDINGS
    shown = (*findings[:MOST_FINDINGS], f"and {more} more") if more > 0 else findings
    return Verified(integrity, len(walk.records), first.seq if first else 0, last.hash if last else "", last_seq,
                    unanchored, walk.torn, shown)


class _Walk:
    """Goes along the chain."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.wrongs: list[str] = []
        self.doubts: list[str] = []
        self.torn = 0
        self._torn: bytes | None = None
        """A line that may be torn, until the next record says so."""

    def file(self, name: str, content: bytes, *, last: bool) -> None:
        lines = content.split(b"\n")
        unended = lines.pop()
        for number, line in enumerate(lines, 1):
            self._line(line, f"{name}:{number}")
        if not unended:
            return
        where = f"{name}:{len(lines) + 1}"
        if record_of(unended) is not None:
            self._line(unended, where)
        elif last and _begins_a_record(unended):
            self._no_torn_before(where)
            self.torn += 1
        else:
            self._line(unended, where)

    def known(self, by_seq: dict[int, Record], seq: int, head: str, who: str) -> bool:
        """Whether the record is here that ``who`` knows; what contradicts it is written down."""
        found = by_seq.get(seq)
        if found is not None:
            if found.hash == head:
                return True
            self.wrongs.append(f"record {seq} is another than {who} knows")
        elif self.records and seq < self.records[0].seq:
            return False
        else:
            self.wrongs.append(f"record {seq} is not here, and {who} knows it: the end was cut off")
        return False

    def _line(self, line: bytes, where: str) -> None:
        record = record_of(line)
        if record is None:
            self._no_torn_before(where)
            self._torn = line
            return
        self._chain(record, where)
        note = record.fields.get("torn")
        if self._torn is not None or note is not None:
            if self._torn is None or note != {"bytes": len(self._torn),
                                              "sha256": hashlib.sha256(self._torn).hexdigest()}:
                self.wrongs.append(f"{where}: what stands before record {record.seq} is not what a crash left there")
            else:
                self.torn += 1
        self._torn = None
        self.records.append(record)

    def _chain(self, record: Record, where: str) -> None:
        if not self.records:
            if record.seq == 1 and record.prev == GENESIS:
                return
            if record.seq > 1:
                self.doubts.append(f"{where}: it begins with record {record.seq}; earlier files are not here")
            else:
                self.wrongs.append(f"{where}: record {record.seq} does not begin a journal")
            return
        before = self.records[-1]
        if record.seq != before.seq + 1:
            self.wrongs.append(f"{where}: record {record.seq} follows record {before.seq}")
        elif record.prev != before.hash:
            self.wrongs.append(f"{where}: record {record.seq} was written after another record {before.seq} than this")

    def _no_torn_before(self, where: str) -> None:
        if self._torn is not None:
            self.wrongs.append(f"{where}: the line before it is no record as triage wrote it")
            self._torn = None

    def end(self) -> None:
        """Nothing follows any more."""
        if self._torn is not None:
            self.wrongs.append("the last line is no record as triage wrote it")
            self._torn = None


def _begins_a_record(line: bytes) -> bool:
    """Whether ``line`` may be the first part of a record: printable ASCII that opens an object and does not end it."""
    if not line.startswith(b'{"'[: len(line)]) or not all(32 <= byte < 127 for byte in line):
        return False
    try:
        json.JSONDecoder().raw_decode(line.decode("ascii"))
    except (ValueError, RecursionError):
        return True
    return False
