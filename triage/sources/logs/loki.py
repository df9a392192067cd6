"""``LokiClient``: asks a Grafana Loki for log lines.

The shapes are those that Grafana documents ("Loki HTTP API", ``GET /loki/api/v1/query_range``): ``data`` has
``resultType`` ``streams`` and a ``result`` of ``{"stream": labels, "values": [[nanoseconds as text, line]]}``; since
``start``, before ``end``; ``direction=backward`` begins with the newest. Where labels are told apart by origin
(``data.encodingFlags`` holds ``categorize-labels``), which proxies do unasked, each value has a third element
``{"structuredMetadata": labels, "parsed": labels}``; as a flat object, that is how lines are pushed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from triage.clock import Clock
from triage.config_sources import LokiLogs
from triage.facts.logs import LogLine, LogQuestion
from triage.facts.outcome import Failure
from triage.sources.decode import NotJson, clean_tree
from triage.sources.failures import Product, Received, shape_failure
from triage.sources.logs.answers import Result, Shape, explained, remarks_of
from triage.sources.logs.fields import Reader
from triage.sources.logs.logql import lines_query, sample_query, traces_query
from triage.sources.logs.server import LogServer, Queries
from triage.sources.prometheus_answers import OtherShape

LOKI = Product("Loki", 3100, "the URL may lack a path prefix of the proxy; /loki/api/v1 is added by triage")
_QUERY = "/loki/api/v1/query_range"
_WRONG_LENGTH = ("query time range exceeds the limit", "query length")


class LokiClient(LogServer[LokiLogs]):
    """One Loki."""

    def __init__(self, logs: LokiLogs, clock: Clock, *, name: str = "logs") -> None:
        super().__init__(logs, clock, LOKI, Queries(lines_query, traces_query, sample_query), name)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | Failure:
        """Another endpoint, such as ``/loki/api/v1/labels``: decoded JSON, every string cleaned."""
        return await self.source.get(path, self.read, params=params)

    def read(self, received: Received) -> Any | Failure:
        """An answer that was had by other means, as :meth:`get` gives it."""
        document = self.source.json(received)
        try:
            return document if isinstance(document, Failure) else clean_tree(document, limit=200)
        except NotJson:
            return shape_failure("the answer is nested too deep")

    async def _ask(self, query: str, question: LogQuestion, limit: int,
                   shape: Shape[Result]) -> Result | Failure:
        def decode(received: Received) -> Result | Failure:
            document = self.source.json(received)
            if isinstance(document, Failure):
                return document
            try:
                lines = read_streams(document, Reader(self._logs.fields))
                return shape(lines, len(lines) < limit, remarks_of(document.get("warnings")))
            except OtherShape as error:
                return shape_failure(f"{error} in Loki's answer", received.status)
        answer = await self.source.form(_QUERY, [
            ("query", query), ("start", _nanoseconds(question.since)), ("end", _nanoseconds(question.until)),
            ("limit", str(limit)), ("direction", "backward")], decode)
        return _explained(answer) if isinstance(answer, Failure) else answer


def read_streams(document: Any, reader: Reader) -> list[LogLine]:
    """The lines of an answer of ``query_range``, newest first.

    Raises :class:`~triage.sources.prometheus_answers.OtherShape`.
    """
    answer = document.get("data") if isinstance(document, dict) else None
    streams = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(streams, list) or not isinstance(answer, dict) or answer.get("resultType") != "streams":
        raise OtherShape("no streams of lines")
    timed = sorted(_entries(streams, reader), key=lambda entry: entry[0], reverse=True)
    return [line for _, line in timed]


def _entries(streams: list[Any], reader: Reader) -> Iterator[tuple[int, LogLine]]:
    for stream in streams:
        labels = stream.get("stream") if isinstance(stream, dict) else None
        values = stream.get("values") if isinstance(stream, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            raise OtherShape("a stream without labels or lines")
        for entry in values:
            if not isinstance(entry, list) or len(entry) < 2 or not isinstance(entry[1], str):
                raise OtherShape("an entry that is no line")
            nanoseconds = _as_nanoseconds(entry[0])
            metadata = _metadata(entry[2]) if len(entry) > 2 and isinstance(entry[2], dict) else {}
            yield nanoseconds, reader.text(entry[1], {**_own(labels), **metadata}, at=nanoseconds / 1e9)


def _metadata(element: dict[str, Any]) -> dict[str, Any]:
    """A line's own labels; what was parsed from it the line says itself."""
    told = element.get("structuredMetadata")
    if isinstance(told, dict):
        return told
    return {} if "parsed" in element else element


def _own(labels: dict[str, Any]) -> dict[str, Any]:
    """Without what Loki's parser put there: the line says it itself, and nothing twice."""
    return {name: value for name, value in labels.items()
            if not name.endswith("_extracted") and name not in ("__error__", "__error_details__")}


def _as_nanoseconds(text: Any) -> int:
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 19:
        raise OtherShape("a time that is no number of nanoseconds")
    return int(text)


def _explained(failure: Failure) -> Failure:
    told = failure.message.lower()
    if any(words in told for words in _WRONG_LENGTH):
        return replace(failure, hint="use a shorter time range, or raise max_query_length in Loki")
    if "max entries limit" in told:
        return replace(failure, hint="ask for fewer lines, or raise max_entries_limit_per_query in Loki")
    return explained(failure)


def _nanoseconds(seconds: float) -> str:
    return str(max(0, round(seconds * 1e6)) * 1_000)
