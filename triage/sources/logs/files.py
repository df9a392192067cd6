"""``LogFileSource``: log lines from files of JSON lines, read from their ends and never as a whole."""

from __future__ import annotations

import asyncio
import heapq
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from glob import escape, glob
from itertools import islice
from pathlib import Path

from triage.config_sources import LogFields, LogFiles
from triage.facts.logs import Level, LogLine, LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure, FailureKind
from triage.sources.logs.answers import Result, Shape, lines_answer, traces_answer
from triage.sources.logs.backwards import Allowance, OpenLog, lines_backwards, log_files, open_log
from triage.sources.logs.face import MOST_LINES, TRACE_LINES
from triage.sources.logs.fields import Fields, Reader, as_object, spellings
from triage.sources.logs.stacks import HINT_PATTERN
from triage.text import clean

MODEL = "{model}"
TIMEOUT_SECONDS = 10.0
_MOST_READERS = 4
_MOST_LOOKINGS = 3
"""How often a folder is read again because a file has gone meanwhile."""
_SLACK_SECONDS = 60.0
"""Lines of several threads are not quite in order: how far out of it one may be."""
_MOST_PLAIN = 400
"""Lines in a row that are no JSON which are looked at together."""
_MOST_PASSED = 50
"""Lines in a row that are passed over unread."""
_MOST_DROPPED = 2_000
"""So many of them in a row that may be of any model, and the file is none of JSON lines."""

_SPELT_ONCE = re.compile(r"[A-Za-z0-9 _.:-]+", re.ASCII).fullmatch
_TO_NUMBER = re.compile(rb"[^,}]*\d").match
_Timed = tuple[float, LogLine | None]
"""When a line was, at the latest, and the line if it is wanted."""


class LogFileSource:
    """Files of JSON lines. A :class:`~triage.sources.logs.face.LogSource` that sends no requests.

    Everything is read in a thread. Between JSON there may be plain lines, such as a traceback that an interpreter
    printed as it died; they get the time of the JSON line before them.
    """

    def __init__(self, logs: LogFiles, path: Path, *, name: str = "logs") -> None:
        """``path`` is that of ``logs``, made absolute; it may hold ``{model}``."""
        self.name = name
        self.path = path
        self._logs = logs
        self._readers = 0

    @property
    def by_path(self) -> bool:
        """Whether the path says whose lines they are."""
        return MODEL in str(self.path)

    @property
    def requests_sent(self) -> int:
        """Always 0."""
        return 0

    async def lines(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines that fit."""
        return await self._ask(question, max(1, min(question.limit, MOST_LINES)), False, lines_answer)

    async def traces(self, question: LogQuestion) -> StackTraces | Failure:
        """The stack traces in the newest lines that fit and hold one."""
        return await self._ask(question, max(1, min(question.limit, TRACE_LINES)), True, traces_answer)

    async def sample(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines of whatever model: with ``{model}`` in the path, of the one that wrote last."""
        anyone = LogQuestion("", question.since, question.until, limit=question.limit)
        return await self._ask(anyone, max(1, min(question.limit, MOST_LINES)), False, lines_answer)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _ask(self, question: LogQuestion, limit: int, only_traces: bool, shape: Shape[Result]
                   ) -> Result | Failure:
        if self._readers >= _MOST_READERS:
            return _stuck("reading them has not ended since the last time")
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await asyncio.to_thread(partial(self._read, question, limit, only_traces, shape))
        except TimeoutError:
            return _stuck(f"reading them took longer than {TIMEOUT_SECONDS:g} s")

    def _read(self, question: LogQuestion, limit: int, only_traces: bool, shape: Shape[Result]) -> Result | Failure:
        # Counted here and not where it is awaited: a thread that hangs goes on when nobody waits for it any more.
        self._readers += 1
        try:
            return self._found(question, limit, only_traces, shape)
        except OSError as error:
            return cannot_read(error.filename or self.path, error)
        finally:
            self._readers -= 1

    def _path(self, model: str) -> Path | Failure:
        """Where the lines of a model are; "" for any model."""
        text = str(self.path)
        if not self.by_path:
            return self.path
        if not model:
            there = glob("*".join(escape(part) for part in text.split(MODEL)))  # noqa: PTH207 - the pattern is absolute
            # A folder changes when a file is added to it; of files it is the newest line.
            return max((Path(each) for each in there), key=_changed_at, default=self.path)
        if "/" in model or model.startswith(".") or not model.isprintable():
            return Failure(FailureKind.NOT_FOUND, f"no file can be named after the model {clean(model)}",
                           "leave {model} out of logs.path")
        return Path(text.replace(MODEL, model))

    def _found(self, question: LogQuestion, limit: int, only_traces: bool, shape: Shape[Result],
               lookings: int = _MOST_LOOKINGS) -> Result | Failure:
        path = self._path(question.model)
        if isinstance(path, Failure):
            return path
        wanted = _Filter.of(question, self._logs.fields, named=self.by_path, only_traces=only_traces)
        found = log_files(path, question.since - _SLACK_SECONDS)
        allowance = Allowance(self._logs.max_read)
        with ExitStack() as open_files:
            readings = []
            closed: list[PermissionError] = []
            identities: set[tuple[int, int]] = set()
            for each in found.paths:
                try:
                    opened = open_log(each)
                except FileNotFoundError:
                    if lookings > 1:
                        # Rotated since the folder was read: its lines, the newest, have another name now.
                        return self._found(question, limit, only_traces, shape, lookings - 1)
                    continue
                except PermissionError as error:
                    closed.append(error)
                    continue
                if opened is None:
                    continue
                open_files.callback(os.close, opened.descriptor)
                # Renamed between the listing and here, a file has two names.
                if opened.identity not in identities:
                    identities.add(opened.identity)
                    readings.append(_wanted(opened, allowance, wanted))
            if closed and not readings:
                raise closed[0]
            merged = heapq.merge(*readings, key=lambda timed: timed[0], reverse=True)
            fitting = ((line.at if line.at is not None else latest, line) for latest, line in merged
                       if line is not None and (line.stack or not only_traces))
            newest = sorted(islice(fitting, limit), key=lambda timed: timed[0], reverse=True)
        unread = (f"{len(closed)} of {len(found.paths)} files may not be read",) if closed else ()
        remarks = (*found.left_out, *unread, *_remarks(allowance, self._logs.max_read))
        return shape([line for _, line in newest], len(newest) < limit, remarks)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def cannot_read(path: object, error: OSError) -> Failure:
    """The failure that ``error`` stands for."""
    where = clean(path, limit=200)
    if isinstance(error, FileNotFoundError):
        return Failure(FailureKind.NOT_FOUND, f"there is no {where}", "check logs.path")
    if isinstance(error, PermissionError):
        return Failure(FailureKind.FORBIDDEN, f"{where} may not be read", "ask for the right to read it")
    return Failure(FailureKind.BROKEN, f"{where} cannot be read: {clean(error.strerror or 'failed', limit=100)}")


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which records of a file are wanted, cheapest question first: most lines of a file are not."""

    question: LogQuestion
    names: LogFields
    named: bool
    """All lines are the model's, the file's name says so."""
    values: tuple[tuple[bytes, re.Pattern[bytes]], ...]
    """Every wanted line of JSON holds all of them, and not only as parts of others."""
    marks: tuple[bytes, ...]
    """Every wanted line of JSON holds one of them; () when any will do."""
    level_words: tuple[bytes, ...]
    """In lower case. Every wanted line of JSON holds one of them, or a level that is a number; () as above."""

    @classmethod
    def of(cls, question: LogQuestion, names: LogFields, *, named: bool, only_traces: bool) -> _Filter:
        # What JSON may write in several ways cannot be looked for in the bytes.
        values = (question.request_id, question.version, "" if named else question.model)
        words = () if question.level is Level.UNKNOWN else spellings(question.level)
        shortest = [word for word in words if not any(other in word for other in words if other != word)]
        return cls(question, names, named,
                   tuple((value.encode(), re.compile(rb'["\s:]%b["\s,}\\]' % re.escape(value).encode()))
                         for value in values if _SPELT_ONCE(value)),
                   (b"Traceback", b"at ", b"exc_type") if only_traces else (),
                   tuple(word.encode() for word in shortest))

    def may_hold(self, raw: bytes) -> bool:
        """Whether a line of JSON may be wanted."""
        # Loops and not any() and all(): this runs for every line, and a generator costs more than what it looks for.
        for value, pattern in self.values:
            if value not in raw or not pattern.search(raw):
                return False
        if self.marks and not any(mark in raw for mark in self.marks):
            return False
        if not self.level_words:
            return True
        lowered = raw.lower()
        for word in self.level_words:
            if word in lowered:
                return True
        return _has_numbered_level(lowered)

    def is_ours(self, fields: Fields) -> bool:
        """Whether it is a line of the model."""
        return self.named or not self.question.model or self._says(fields, self.names.model, self.question.model)

    def fits(self, fields: Fields) -> bool:
        """Whether it has the version, the id and the level that are asked for."""
        asked = self.question
        if asked.version and not self._says(fields, self.names.version, asked.version):
            return False
        if asked.request_id and not (self._says(fields, self.names.request_id, asked.request_id)
                                     or self._says(fields, self.names.trace_id, asked.request_id)):
            return False
        return asked.level is Level.UNKNOWN or fields.level().rank >= asked.level.rank

    def has_text(self, line: LogLine) -> bool:
        """Whether it says what is searched for."""
        wanted = self.question.text.casefold()
        return not wanted or any(wanted in text.casefold()
                                 for text in (line.message, line.stack, *line.labels.values()))

    @staticmethod
    def _says(fields: Fields, names: Sequence[str], wanted: str) -> bool:
        return fields.text(names, use=False) == wanted


def _has_numbered_level(lowered: bytes) -> bool:
    for name in (b"level", b"severity", b"lvl"):
        at = lowered.find(name)
        while at >= 0:
            if _TO_NUMBER(lowered, at):
                return True
            at = lowered.find(name, at + 1)
    return False


def _wanted(log: OpenLog, allowance: Allowance, wanted: _Filter) -> Iterator[_Timed]:
    """The lines of one file, last first.

    The time only falls, as merging needs it: what comes afterwards is not later.
    """
    question, reader = wanted.question, Reader(wanted.names)
    latest = log.changed_at
    plain: list[str] = []
    dropped = passed = 0
    for number, raw in enumerate(lines_backwards(log.descriptor, log.size, allowance)):
        # Now and then one is read all the same, to know the time that has been reached.
        if not plain and passed < _MOST_PASSED and raw.startswith(b"{") and not wanted.may_hold(raw):
            passed += 1
            continue
        passed = 0
        text = raw.decode("utf-8", errors="replace").lstrip("\ufeff").rstrip("\r")
        content = as_object(text)
        if content is None:
            # The very last line has no end yet: it is being written.
            if number and text.strip():
                plain.append(text)
            if len(plain) >= _MOST_PLAIN:
                if wanted.named:
                    yield from _plain_lines(plain, reader, wanted, latest, None)
                elif (dropped := dropped + len(plain)) >= _MOST_DROPPED:
                    allowance.foreign += 1
                    return
                plain.clear()
            continue
        dropped = 0
        fields = Fields.of(content)
        at = fields.time()
        if at is not None:
            latest = min(latest, at)
            if at < question.since - _SLACK_SECONDS:
                return
        if wanted.is_ours(fields) and (at is None or question.since <= at < question.until):
            yield from _plain_lines(plain, reader, wanted, latest, at)
            yield latest, _line(fields, at, reader, wanted)
        else:
            yield latest, None
        plain.clear()
    if wanted.named:
        yield from _plain_lines(plain, reader, wanted, latest, None)


def _plain_lines(plain: list[str], reader: Reader, wanted: _Filter, latest: float, at: float | None
                 ) -> Iterator[_Timed]:
    for message in _messages(plain):
        yield latest, _line(Fields.of({"message": message}), at, reader, wanted)


def _line(fields: Fields, at: float | None, reader: Reader, wanted: _Filter) -> LogLine | None:
    if not wanted.fits(fields):
        return None
    line = reader.line(fields, at)
    return line if wanted.has_text(line) else None


def _messages(plain: list[str]) -> list[str]:
    """Plain lines that follow each other, last first: one message when there is a stack trace in it."""
    if not plain:
        return []
    together = "\n".join(reversed(plain))
    return [together] if HINT_PATTERN.search(together) else list(plain)


def _remarks(allowance: Allowance, most: int) -> Iterator[str]:
    if allowance.spent:
        yield f"only the last {most / 2**20:g} MiB were read: a shorter range or a higher max_read shows more"
    if allowance.overlong:
        yield f"{allowance.overlong} line{'s' if allowance.overlong > 1 else ''} too long to read"
    if allowance.foreign:
        yield f"{allowance.foreign} file{'s' if allowance.foreign > 1 else ''} without lines of JSON"
    if allowance.shrunk:
        yield "a file was emptied while it was read"


def _stuck(message: str) -> Failure:
    return Failure(FailureKind.TIMEOUT, message, "are the files on a network disk that hangs?")
