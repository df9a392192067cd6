"""The one face of all log sources, and how the configured one is made."""

from __future__ import annotations

from typing import Protocol

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import LogFiles, LokiLogs
from triage.facts.logs import LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure

MOST_LINES = 1_000
"""Lines that one question can have for an answer, whatever its limit."""
TRACE_LINES = 300
"""Lines that stack traces are grouped from, unless the question's limit is lower."""


class LogSource(Protocol):
    """Where the lines of a model are. Questions raise nothing: trouble is returned as a :class:`Failure`."""

    name: str

    @property
    def requests_sent(self) -> int:
        """HTTP requests that left; 0 for files."""
        ...

    async def lines(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines that fit; one request."""
        ...

    async def traces(self, question: LogQuestion) -> StackTraces | Failure:
        """The stack traces in the newest lines that fit and hold one, grouped; one request."""
        ...

    async def sample(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines of whatever model, to see what they are like; only the question's times and limit count."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def log_source(active: Active, clock: Clock) -> LogSource | None:
    """The log source of the context; None when there is none.

    Raises :class:`~triage.config.ConfigError` when its secrets cannot be had.
    """
    # Each only when it is used: two of them need httpx, which the first frame does not wait for.
    logs = active.context.logs
    if logs is None:
        return None
    if isinstance(logs, LogFiles):
        from triage.sources.logs.files import LogFileSource
        return LogFileSource(logs, active.beside_config(logs.path))
    if isinstance(logs, LokiLogs):
        from triage.sources.logs.loki import LokiClient
        return LokiClient(logs, clock)
    from triage.sources.logs.victorialogs import VictoriaLogsClient
    return VictoriaLogsClient(logs, clock)
