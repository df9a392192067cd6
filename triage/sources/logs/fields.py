"""One log record, whatever its shape, into a ``LogLine``: which field is the message, the level, the stack trace. Pure.

The names are those of OpenTelemetry, ECS, structlog, python-json-logger, loguru, Logback, zap, pino and Docker. Names
are compared without case and punctuation, so that ``requestId``, ``request_id`` and ``request.id`` are one. What
Python's libraries were seen to write is in the tests: loguru keeps all in ``record``, its fields in ``record.extra``
and a trace in ``text``; ECS' stack traces have neither Python's first line nor its last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from triage.config_sources import LogFields
from triage.facts.logs import Level, LogLine
from triage.sources.decode import parse_time
from triage.sources.logs.stacks import HINT_PATTERN, read_stack
from triage.text import clean

MESSAGE_LIMIT = 4_000
STACK_LIMIT = 16_000
VALUE_LIMIT = 300
_ID_LIMIT = 200
_MOST_FIELDS = 60
_MOST_DEPTH = 5

MESSAGE_NAMES = ("message", "msg", "body", "event", "log", "_msg", "short_message", "text")
TIME_NAMES = ("ts", "time", "timestamp", "@timestamp", "_time", "datetime", "eventTime", "time.timestamp",
              "observedTimestamp")
LEVEL_NAMES = ("level", "severity", "severity_text", "levelname", "log_level", "lvl", "detected_level")
STACK_NAMES = ("exc_info", "stack_trace", "exception", "exception_stacktrace", "error_stack_trace", "stacktrace",
               "exc_text", "traceback", "stack", "error_stack", "err_stack")
_TIME_NUMBERS = ("timeUnixNano", "observedTimeUnixNano")
_WRAPPERS = ("resourceattributes", "resources", "resource", "attributes", "fields", "extra", "context", "record")
"""Objects that records keep their fields in, by key."""
_SPELLINGS: Mapping[Level, tuple[str, ...]] = {
    Level.TRACE: ("trace", "trc", "finest", "verbose"), Level.DEBUG: ("debug", "dbg", "fine"),
    Level.INFO: ("info", "information", "informational", "notice", "inf"), Level.WARNING: ("warning", "warn", "wrn"),
    Level.ERROR: ("error", "err", "severe", "eror"),
    Level.FATAL: ("fatal", "critical", "crit", "panic", "dpanic", "alert", "emergency", "emerg"),
}
_LEVELS: Mapping[str, Level] = {word: level for level, words in _SPELLINGS.items() for word in words}


def spellings(level: Level) -> tuple[str, ...]:
    """The words, in lower case, that stand for ``level`` and what is more severe."""
    return tuple(word for known, words in _SPELLINGS.items() if known.rank >= level.rank for word in words)


@dataclass(slots=True)
class Reader:
    """Makes lines of the records of one answer, remembering the texts that it has cleaned."""

    names: LogFields
    _cleaned: dict[tuple[str, int], str] = field(default_factory=dict)

    def record(self, content: Mapping[str, Any], labels: Mapping[str, Any] | None = None, *,
               at: float | None = None) -> LogLine:
        """A record of fields; ``labels`` are those of its stream, which its own fields go before.

        ``at`` is the time that the source keeps; without it, what the record says of itself.
        """
        fields = Fields.of(content, labels)
        own = fields.time()
        return self.line(fields, own if at is None else at)

    def line(self, fields: Fields, at: float | None) -> LogLine:
        """A record that has been looked into before."""
        level = fields.level()
        version, request, trace = (self._one(fields.text(names), _ID_LIMIT) for names in (
            self.names.version, self.names.request_id, self.names.trace_id))
        if not trace.strip("0x"):
            # OpenTelemetry writes noughts where there is none.
            trace = ""
        stack = self._block(fields.stack(), STACK_LIMIT)
        text = fields.text(MESSAGE_NAMES)
        message = self._block(text, MESSAGE_LIMIT)
        if not stack and HINT_PATTERN.search(text):
            stack = self._block(text, STACK_LIMIT)
            message = _said_before(message)
        elif not stack and HINT_PATTERN.search(fields.text(("text",), use=False)):
            stack = self._block(fields.text(("text",)), STACK_LIMIT)
        rest = {self._one(name, 100): self._one(value, VALUE_LIMIT) for name, value in fields.rest()}
        return LogLine(at, level, message, version, request, trace, stack, rest)

    def text(self, text: str, labels: Mapping[str, Any] | None = None, *, at: float | None = None) -> LogLine:
        """A line as it was written: a record when it is a JSON object, else a message."""
        content = as_object(text)
        return self.record({"message": text} if content is None else content, labels, at=at)

    def _one(self, text: str, limit: int) -> str:
        known = self._cleaned.get((text, limit))
        if known is None:
            known = self._cleaned[text, limit] = clean(text, limit=limit)
        return known

    def _block(self, text: str, limit: int) -> str:
        known = self._cleaned.get((text, limit))
        if known is None:
            known = self._cleaned[text, limit] = clean_block(text, limit)
        return known


class Fields:
    """The flattened fields of a record. What is asked for counts as used; :meth:`rest` is what was not."""

    def __init__(self, flat: Mapping[str, Any]) -> None:
        self._flat = flat
        self._by_key: dict[str, str] = {}
        for name in flat:
            self._by_key.setdefault(_key(name), name)
        self._rest = [*self._by_key.values()]
        for name in self._rest:
            for bare in _bare(name):
                self._by_key.setdefault(bare, name)
        self._used: set[str] = set()

    @classmethod
    def of(cls, content: Mapping[str, Any], labels: Mapping[str, Any] | None = None) -> Fields:
        """Of a record, and the labels of its stream, which its own fields go before."""
        flat = dict(_flat(_unwrapped(content)))
        for name, value in _flat(labels or {}):
            flat.setdefault(name, value)
        return cls(flat)

    def text(self, names: Sequence[str], *, use: bool = True) -> str:
        """The first of ``names`` that says anything, as text; "" when none does."""
        for name, value in self._values(names):
            text = _as_text(value)
            if text:
                if use:
                    self._used.add(name)
                return text
        return ""

    def stack(self) -> str:
        """The stack trace that is a field of its own; "" when there is none."""
        for name, value in self._values(STACK_NAMES):
            text = self._whole(_stack_text(value))
            if text and HINT_PATTERN.search(text):
                self._used.add(name)
                return text
        return ""

    def _whole(self, stack: str) -> str:
        """With Python's first and last line where, as in ECS, type and message are fields of their own."""
        if not stack.lstrip().startswith('File "'):
            return stack
        said = ": ".join(filter(None, (self.text(names, use=False) for names in (
            ("error.type", "exception.type"), ("error.message", "exception.message")))))
        return "\n".join(filter(None, ("Traceback (most recent call last):", stack.rstrip("\n"), said)))

    def level(self) -> Level:
        """How severe it says it is; numbers as OpenTelemetry, Python and pino count."""
        for name, value in self._values(LEVEL_NAMES):
            level = _level(value)
            if level is not Level.UNKNOWN:
                self._used.add(name)
                return level
        for name, value in self._values(("severity_number", "levelno")):
            number = _number(value)
            if number is not None:
                return _otel(number) if "sever" in _key(name) else _python(number)
        return Level.UNKNOWN

    def time(self) -> float | None:
        """When it says it was, in Unix seconds."""
        for name, value in self._values((*TIME_NAMES, *_TIME_NUMBERS)):
            when = _time(value)
            if when is not None:
                self._used.add(name)
                return when
        return None

    def rest(self) -> Iterator[tuple[str, str]]:
        """Names and texts of what has not been used."""
        count = 0
        for name in self._rest:
            if name in self._used or count == _MOST_FIELDS:
                continue
            text = _as_text(self._flat[name])
            if text:
                count += 1
                yield name, text

    def _values(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for wanted in names:
            name = self._by_key.get(_key(wanted))
            if name is not None and self._flat[name] is not None:
                yield name, self._flat[name]


def _said_before(message: str) -> str:
    """What a message with a stack trace in it says in words: its first line, else what the exception says."""
    first = message.partition("\n")[0]
    found = read_stack(message) if first.strip().startswith("Traceback") else None
    return first if found is None else ": ".join(part for part in (found.exception, found.message) if part) or first


def clean_block(text: str, limit: int) -> str:
    """Foreign text of several lines, cleaned; the middle of a long one is left out, both ends say what happened."""
    # Tabs would take clean() off its fast path, for every line of a Java trace.
    plain = text.replace("\r\n", "\n").replace("\t", "    ")
    if len(plain) > limit:
        left_out = len(plain) - limit
        plain = f"{plain[:limit // 3]}\n… {left_out:,} characters left out …\n{plain[-(limit - limit // 3):]}"
    return "\n".join(clean(line, limit=limit) for line in plain.strip("\n").rstrip().split("\n"))


def as_object(text: str) -> dict[str, Any] | None:
    """``text`` as a JSON object; None when it is something else."""
    if text.lstrip()[:1] != "{":
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _unwrapped(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Docker and Fluent Bit wrap: the line itself stands in ``log``, and is often JSON."""
    inner = content.get("log")
    if isinstance(inner, str) and (parsed := as_object(inner)) is not None:
        return {**{name: value for name, value in content.items() if name != "log"}, **parsed}
    return content


def _flat(content: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and depth < _MOST_DEPTH:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", value


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@lru_cache(maxsize=4096)
def _bare(name: str) -> tuple[str, ...]:
    """The keys that it may have without the object that it is kept in."""
    key = _key(name)
    found = [key.removeprefix(wrapper) for wrapper in _WRAPPERS if key.startswith(wrapper) and key != wrapper]
    return tuple(dict.fromkeys((*found, *(deeper for each in found for deeper in _bare(each)))))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _stack_text(value: Any) -> str:
    """A stack trace as text: also a list of lines, and structlog's list of exceptions."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        return ""
    if all(isinstance(line, str) for line in value):
        return "\n".join(line.rstrip("\n") for line in value)
    # The first is the one that came through; in a traceback it is written last.
    return "\n\n".join(_structlog(item) for item in reversed(value) if isinstance(item, dict))


def _structlog(item: Mapping[str, Any]) -> str:
    frames = item.get("frames")
    lines = ["Traceback (most recent call last):"]
    for frame in frames if isinstance(frames, list) else []:
        if isinstance(frame, dict):
            lines.append(f'  File "{frame.get("filename", "")}", line {frame.get("lineno", 0)}, '
                         f'in {frame.get("name", "")}')
    return "\n".join([*lines, f"{item.get('exc_type', '')}: {item.get('exc_value', '')}"])


def _level(value: Any) -> Level:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _LEVELS:
            return _LEVELS[word]
        # OpenTelemetry numbers the words: ERROR2.
        return _LEVELS.get(word.rstrip("1234"), _pino(_number(word)))
    return _pino(_number(value))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _by_tens(number: float | None, levels: Iterable[Level]) -> Level:
    found = Level.UNKNOWN
    for least, level in zip(range(10, 70, 10), levels, strict=False):
        if number is not None and number >= least:
            found = level
    return found


def _pino(number: float | None) -> Level:
    return _by_tens(number, (Level.TRACE, Level.DEBUG, Level.INFO, Level.WARNING, Level.ERROR, Level.FATAL))


def _python(number: float | None) -> Level:
    return _by_tens(number, (Level.DEBUG, Level.INFO, Level.WARNING, Level.ERROR, Level.FATAL))


def _otel(number: float) -> Level:
    """OpenTelemetry's log data model: 1 to 24, four for each level."""
    levels = [level for level in Level if level is not Level.UNKNOWN]
    return levels[int(number - 1) // 4] if 1 <= number < 25 else Level.UNKNOWN


def _time(value: Any) -> float | None:
    if isinstance(value, str) and (when := parse_time(value)) is not None:
        return when
    number = _number(value)
    if number is None or number <= 0:
        return None
    # Seconds, milliseconds, microseconds and nanoseconds of our century are three digits apart.
    for scale in (1.0, 1e3, 1e6, 1e9):
        if 1e8 <= number / scale < 1e11:
            return number / scale
    return None
