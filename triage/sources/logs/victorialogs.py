"""``VictoriaLogsClient``: asks a VictoriaLogs for log lines (``/select/logsql/query``, a JSON object per line)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from triage.clock import Clock
from triage.config_sources import VictoriaLogs
from triage.facts.logs import LogLine, LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure
from triage.sources.breaker import Breaker
from triage.sources.decode import NotJson, load_json
from triage.sources.failures import Product, Received, shape_failure
from triage.sources.logs.answers import Result, Shape, explained, lines_answer, traces_answer
from triage.sources.logs.face import MOST_LINES, TRACE_LINES
from triage.sources.logs.fields import Reader
from triage.sources.logs.logsql import lines_query, sample_query, traces_query

if TYPE_CHECKING:
    from triage.sources.http import HttpSource

VICTORIALOGS = Product("VictoriaLogs", 9428, "the URL may lack a path prefix of the proxy; /select/logsql is added by "
                       "triage")
QUERY = "/select/logsql/query"
_LATEST = 253_402_300_799.0
"""The end of the year 9999, which is as far as RFC 3339 goes."""
_INTERNAL = frozenset({"_stream", "_stream_id"})


class VictoriaLogsClient:
    """One VictoriaLogs. A :class:`~triage.sources.logs.face.LogSource`; behaves as the Prometheus client does."""

    def __init__(self, logs: VictoriaLogs, clock: Clock, *, name: str = "logs") -> None:
        # Not at the top: the first frame is drawn before httpx is imported.
        from triage.sources.http import HttpSource
        self.name = name
        self.source: HttpSource = HttpSource(logs, clock, VICTORIALOGS)
        self._logs = logs

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
        return await self._ask(lines_query(self._logs, question), question, limit, lines_answer)

    async def traces(self, question: LogQuestion) -> StackTraces | Failure:
        """The stack traces in the newest lines that fit and hold one."""
        limit = max(1, min(question.limit, TRACE_LINES))
        return await self._ask(traces_query(self._logs, question), question, limit, traces_answer)

    async def sample(self, question: LogQuestion) -> LogLines | Failure:
        """The newest lines of whatever model."""
        return await self._ask(sample_query(self._logs), question, question.limit, lines_answer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.source.aclose()

    async def _ask(self, query: str, question: LogQuestion, limit: int,
                   shape: Shape[Result]) -> Result | Failure:
        def decode(received: Received) -> Result | Failure:
            records, torn = read_records(received.body)
            if not records and received.body.strip():
                document = self.source.json(received)
                return document if isinstance(document, Failure) else shape_failure("there is no line in the answer")
            if records and not any("_time" in record or "_msg" in record for record in records):
                return shape_failure("the answer has lines without _time and _msg, which is not VictoriaLogs'")
            remarks = (f"the answer is cut off after {len(records):,} lines",) if torn else ()
            lines = _lines(records, question, Reader(self._logs.fields))
            return shape(lines, len(records) < limit, remarks)
        # Without a limit it sends everything there is, in no order.
        answer = await self.source.form(QUERY, [
            ("query", query), ("start", rfc3339(question.since)), ("end", rfc3339(question.until)),
            ("limit", str(limit))], decode)
        return explained(answer) if isinstance(answer, Failure) else answer


def read_records(body: bytes) -> tuple[list[dict[str, Any]], bool]:
    """The objects of an answer, up to the first line that is none, and whether there was such a line."""
    records: list[dict[str, Any]] = []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            record = load_json(line)
        except NotJson:
            return records, True
        if not isinstance(record, dict):
            return records, True
        records.append(record)
    return records, False


def _lines(records: list[dict[str, Any]], question: LogQuestion, reader: Reader) -> list[LogLine]:
    """Newest first. The times are compared once more: the server's end is that of the unit it was written in."""
    lines = [reader.record({name: value for name, value in record.items() if name not in _INTERNAL})
             for record in records]
    within = [line for line in lines if line.at is None or question.since <= line.at < question.until]
    return sorted(within, key=lambda line: line.at or 0.0, reverse=True)


def rfc3339(seconds: float) -> str:
    """Unix seconds as VictoriaLogs reads them exactly."""
    when = datetime.fromtimestamp(min(max(seconds, 0.0), _LATEST), UTC)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
