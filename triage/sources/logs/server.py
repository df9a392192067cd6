"""``LogServer``: what log servers asked over HTTP have in common: three questions, one request each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from triage.clock import Clock
from triage.endpoints import Endpoint
from triage.facts.logs import LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure
from triage.sources.breaker import Breaker
from triage.sources.failures import Product
from triage.sources.logs.answers import Result, Shape, lines_answer, traces_answer
from triage.sources.logs.face import MOST_LINES, TRACE_LINES

if TYPE_CHECKING:
    from triage.sources.http import HttpSource

Settings = TypeVar("Settings", bound=Endpoint)


@dataclass(frozen=True, slots=True)
class Queries(Generic[Settings]):
    """What is asked in the server's own language."""

    lines: Callable[[Settings, LogQuestion], str]
    traces: Callable[[Settings, LogQuestion], str]
    sample: Callable[[Settings], str]


class LogServer(ABC, Generic[Settings]):
    """One server. A :class:`~triage.sources.logs.face.LogSource`; behaves as the Prometheus client does."""

    def __init__(self, logs: Settings, clock: Clock, product: Product, queries: Queries[Settings], name: str) -> None:
        # Not at the top: the first frame is drawn before httpx is imported.
        from triage.sources.http import HttpSource
        self.name = name
        self.source: HttpSource = HttpSource(logs, clock, product)
        self._logs = logs
        self._queries = queries

    @property
    def requests_sent(self) -> int:
        """Every HTTP request that left, re-sent ones included."""
        return self.source.requests_sent

    @property
    def breaker(self) -> Breaker:
        return self.source.breaker

    async def lines(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines that fit."""
        limit = max(1, min(question.limit, MOST_LINES))
        return await self._ask(self._queries.lines(self._logs, question), question, limit, lines_answer)

    async def traces(self, question: LogQuestion) -> StackTraces | Failure:
        """The stack traces in the newest lines that fit and hold one."""
        limit = max(1, min(question.limit, TRACE_LINES))
        return await self._ask(self._queries.traces(self._logs, question), question, limit, traces_answer)

    async def sample(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines of whatever model."""
        return await self._ask(self._queries.sample(self._logs), question, question.limit, lines_answer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.source.aclose()

    @abstractmethod
    async def _ask(self, query: str, question: LogQuestion, limit: int, shape: Shape[Result]) -> Result | Failure:
        """Send ``query`` for the times of ``question``, and make the answer with ``shape``."""
