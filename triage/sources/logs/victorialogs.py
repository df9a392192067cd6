"""``VictoriaLogsClient``: asks a VictoriaLogs for log lines.

The shapes are those of its documentation ("Querying", ``/select/logsql/query``): a form with ``query``, ``start``,
``end`` (exclusive) and ``limit``, with which the newest lines are sent; answered by JSON lines whose values are
text, with ``_time`` (RFC 3339 in nanoseconds), ``_msg``, ``_stream``, ``_stream_id`` and the line's own fields.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from triage.clock import Clock
from triage.config_sources import VictoriaLogs
from triage.facts.logs import LogLine, LogQuestion
from triage.facts.outcome import Failure
from triage.sources.decode import NotJson, load_json
from triage.sources.failures import Product, Received, shape_failure
from triage.sources.logs.answers import Result, Shape, explained
from triage.sources.logs.fields import Reader
from triage.sources.logs.logsql import lines_query, sample_query, traces_query
from triage.sources.logs.server import LogServer, Queries

VICTORIALOGS = Product("VictoriaLogs", 9428, "the URL may lack a path prefix of the proxy; /select/logsql is added by "
                       "triage")
QUERY = "/select/logsql/query"
_LATEST = 253_402_300_799.0
"""The end of the year 9999, which is as far as RFC 3339 goes."""
_INTERNAL = frozenset({"_stream", "_stream_id"})


class VictoriaLogsClient(LogServer[VictoriaLogs]):
    """One VictoriaLogs."""

    def __init__(self, logs: VictoriaLogs, clock: Clock, *, name: str = "logs") -> None:
        super().__init__(logs, clock, VICTORIALOGS, Queries(lines_query, traces_query, sample_query), name)

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
