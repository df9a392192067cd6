"""Log lines and stack traces, as Loki, VictoriaLogs or a file told them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from triage.facts.samples import NO_LABELS, Labels


class Level(StrEnum):
    """How severe a line is, by its own word. In order of severity, see :attr:`rank`."""

    UNKNOWN = ""
    """The line does not say."""
    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    FATAL = "fatal"

    @property
    def rank(self) -> int:
        """0 for ``UNKNOWN``, then ascending with severity."""
        return _RANKS[self]


_RANKS: Mapping[Level, int] = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """Which lines are wanted: the newest ``limit`` that fit everything said here. "" means any."""

    model: str
    """As the logs spell it."""
    since: float
    """Unix seconds; lines of this time belong to it."""
    until: float
    """Unix seconds; lines of this time no longer do."""
    version: str = ""
    request_id: str = ""
    """A request's or a trace's id, whole."""
    level: Level = Level.UNKNOWN
    """At least as severe; lines that do not say are left out then."""
    text: str = ""
    """Part of the message or of the stack trace, in whatever case."""
    limit: int = 200


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. All texts are cleaned; ``message`` and ``stack`` may have several lines, and are cut in the middle when
    too long."""

    at: float | None
    """Unix seconds; None for a line in a file that does not say."""
    level: Level
    message: str
    version: str = ""
    """Model version; "" when the line does not say. So are the ids."""
    request_id: str = ""
    trace_id: str = ""
    stack: str = ""
    """Its stack trace as written; "" for none."""
    labels: Labels = field(default_factory=lambda: NO_LABELS)
    """What else it says: labels of its stream and other fields, nested names joined with dots."""


@dataclass(frozen=True, slots=True)
class LogLines:
    """The newest lines that were asked for."""

    lines: tuple[LogLine, ...]
    """Newest first."""
    complete: bool = True
    """False: there are, or may be, more than these."""
    remarks: tuple[str, ...] = ()
    """What could not be read, for a person."""


@dataclass(frozen=True, slots=True)
class StackTrace:
    """Lines that failed in the same way at the same place."""

    fingerprint: str
    """12 hexadecimal digits of the exception types and frames, without line numbers and messages."""
    exception: str
    """Type of the exception that came through; "" when the trace was cut before it."""
    cause: str
    """Type of its root cause; "" when it has none."""
    message: str
    """What the newest one said, one line."""
    frames: tuple[str, ...]
    """``pipeline.py:score``, outermost call first, where it was raised last."""
    count: int
    """How many of the lines read; a lower bound where the answer is not complete."""
    first_seen: float | None
    """Unix seconds, among the lines read; None when none of them says."""
    last_seen: float | None
    versions: tuple[tuple[str, int], ...]
    """(model version, lines), most first; "" is "does not say"."""
    example: LogLine
    """The newest one."""


@dataclass(frozen=True, slots=True)
class StackTraces:
    """The stack traces in the newest lines that hold any."""

    traces: tuple[StackTrace, ...]
    """Newest first."""
    lines_read: int
    """Lines with a stack trace that they were grouped from."""
    complete: bool = True
    """False: there are, or may be, more lines with traces than were read, so that counts are lower bounds."""
    remarks: tuple[str, ...] = ()
