"""``LogsReading``: what is known of a model's logs, what was asked for it, and how old each answer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from triage.facts.logs import LogLines, StackTraces
from triage.facts.outcome import Failure

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class LogsWanted:
    """What somebody looks for in the logs of the model shown. "" means any."""

    version: str = ""
    text: str = ""
    """Part of a message or stack trace."""
    request_id: str = ""
    """A request's or a trace's id, whole."""


@dataclass(frozen=True, slots=True)
class Told(Generic[_Answer]):
    """The newest answer to one question, and why there is no newer one."""

    answer: _Answer | None = None
    """None until the first has come."""
    answered_at: float | None = None
    """World time in Unix seconds; None without an answer."""
    failure: Failure | None = None
    """Why the last question was not answered; None when it was, or is still under way for the first time."""


@dataclass(frozen=True, slots=True)
class LogsReading:
    """The logs of one model, as somebody looks for them."""

    model: str
    wanted: LogsWanted
    range_seconds: float
    """How far back was asked."""
    end: float | None
    """Unix seconds up to which was asked; None: up to the present."""
    stale_after: float
    """Seconds after which an answer no longer describes the present."""
    configured: bool = True
    """False: the context names no logs, nothing is asked."""
    traces: Told[StackTraces] = Told()
    lines: Told[LogLines] = Told()
