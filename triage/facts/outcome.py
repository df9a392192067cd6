"""How asking went: failures by kind, and the state of a source over time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why no answer came. The value is the word that screens and JSON show."""

    CONNECT = "connect"
    """Refused, unreachable, name not found, or reset before an answer."""
    CONNECT_TIMEOUT = "connect timeout"
    TLS = "tls"
    TIMEOUT = "timeout"
    """Our own limit, or the server's ``errorType: timeout``. Never retried: it would add load mid-incident."""
    CANCELED = "canceled"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    BAD_QUERY = "bad query"
    """400: the server cannot parse it, or a limit such as 11,000 points."""
    EXECUTION = "execution"
    """422: parsed, but cannot be evaluated (many-to-many, too many samples)."""
    UNAVAILABLE = "unavailable"
    """502, 503, 504 and the like: not ready, or a proxy without a backend."""
    INTERNAL = "internal"
    """The server's own error (500)."""
    THROTTLED = "throttled"
    """429."""
    REDIRECT = "redirect"
    """Redirects are not followed: credentials would go with them."""
    NOT_PROMETHEUS = "not the expected API"
    """A web page or other text where JSON was due."""
    BROKEN = "broken answer"
    """Cut off, or JSON of another shape."""
    TOO_LARGE = "too large"
    """Over the size limit of this program."""
    CIRCUIT_OPEN = "waiting"
    """Not asked: the source failed just before, the next try is later."""


GONE = frozenset({FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.TLS, FailureKind.UNAVAILABLE,
                  FailureKind.CIRCUIT_OPEN, FailureKind.NOT_PROMETHEUS, FailureKind.REDIRECT,
                  FailureKind.UNAUTHORIZED, FailureKind.FORBIDDEN})
"""Kinds that say the source as a whole does not answer, not that one query is bad."""

SILENT = GONE | {FailureKind.TIMEOUT}
"""Kinds after which nothing that the source said before is called present."""

REJECTED = frozenset({FailureKind.BAD_QUERY, FailureKind.EXECUTION, FailureKind.TOO_LARGE})
"""Kinds that are about the query: asking in smaller pieces may succeed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request."""

    kind: FailureKind
    message: str
    """What came back, cleaned, without secrets, at most a few hundred characters."""
    hint: str = ""
    """What to do about it; "" when nothing useful is known."""
    status: int | None = None
    """HTTP status, None when there was none."""
    retry_after_seconds: float | None = None
    """How long the server asks to be left alone (``Retry-After``); None when it does not say."""
    code: str = ""
    """The server's own word for it, such as MLflow's ``RESOURCE_DOES_NOT_EXIST``; "" when it says none, as who stands
    before it does."""

    def sentence(self) -> str:
        """``kind: message``, one line."""
        return f"{self.kind}: {self.message}" if self.message else str(self.kind)


class SourceState(StrEnum):
    """The state of one source, as the header and ``sources[]`` in JSON name it."""

    WAITING = "waiting"
    """Asked for the first time, not answered yet."""
    OK = "ok"
    PARTIAL = "partial"
    """Answers, but says that something is missing, or some of the queries fail."""
    DOWN = "down"
    OFF = "off"
    """Not configured, or there is nothing to ask it about the models shown."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source over time. Times are world time in Unix seconds."""

    name: str
    """``prometheus``, ``alertmanager``, ``registry`` or ``kubernetes``."""
    state: SourceState
    since: float | None = None
    """When the state began; None before the first answer."""
    last_ok_at: float | None = None
    next_try_at: float | None = None
    """When it is asked again after a failure; None while it answers."""
    error: str = ""
    latency_seconds: float | None = None
    """Wall time of its slowest request in the last refresh."""
