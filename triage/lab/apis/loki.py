"""Loki's HTTP API over the log book: log queries, and the labels to build them from.

Refusals are what Loki sends: a line of plain text with status 400, not JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from triage.lab.apis.forms import Parameters, parameters
from triage.lab.clock import LabClock
from triage.lab.logs import LogBook
from triage.lab.logs.logql import LogQLError, parse, parse_selector
from triage.lab.wire.times import format_duration, parse_duration, parse_time

LOKI_VERSION = "3.5.7"
_NANOSECONDS = 1_000_000_000
_DEFAULT_LIMIT = 100
_MAX_LIMIT = 5_000
_DEFAULT_SINCE_SECONDS = 3_600
_MAX_LENGTH_SECONDS = 721 * 3_600
_EPOCH_SECONDS_DIGITS = 10
"""So many digits and fewer are seconds; more are nanoseconds."""
_DIRECTIONS = ("backward", "forward")


class _Refused(Exception):
    """A parameter that Loki does not take, in its words."""


_Handler = Callable[[LogBook, LabClock, Request], Awaitable[Response]]


def app(book: LogBook, clock: LabClock) -> Starlette:
    """Loki for one tenant, without pushing: the world writes into ``book`` itself."""
    def route(path: str, handler: _Handler) -> Route:
        return Route(path, _endpoint(partial(handler, book, clock)), methods=["GET", "POST"])

    return Starlette(
        routes=[route("/loki/api/v1/query_range", _query_range), route("/loki/api/v1/query", _query),
                route("/loki/api/v1/labels", _labels), route("/loki/api/v1/label/{name}/values", _label_values),
                Route("/loki/api/v1/status/buildinfo", _build), Route("/ready", _ready)],
        exception_handlers={404: _not_found})


def _endpoint(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except (_Refused, LogQLError) as error:
            return PlainTextResponse(f"{error}\n", 400, {"x-content-type-options": "nosniff"})
    return answer


async def _query_range(book: LogBook, clock: LabClock, request: Request) -> Response:
    asked = await parameters(request)
    start, end = _bounds(asked, clock)
    if end - start > _MAX_LENGTH_SECONDS * _NANOSECONDS:
        raise _Refused(f"the query time range exceeds the limit (query length: {_go_duration((end - start) // 10**9)}, "
                       f"limit: {format_duration(_MAX_LENGTH_SECONDS)})")
    limit, newest_first = _limit(asked), _newest_first(asked)
    query = parse(asked.first("query"))
    values: dict[tuple[tuple[str, str], ...], list[tuple[str, str]]] = {}
    looked_at = size = returned = 0
    for line in book.search(query.selects, start, end, newest_first=newest_first):
        looked_at += 1
        size += len(line.text)
        labels = query.process(line.text, line.labels)
        if labels is not None:
            values.setdefault(tuple(sorted(labels.items())), []).append((str(line.time_ns), line.text))
            returned += 1
            if returned == limit:
                break
    summary = {"totalLinesProcessed": looked_at, "totalBytesProcessed": size, "totalEntriesReturned": returned}
    return _success({"resultType": "streams", "stats": {"summary": summary},
                     "result": [{"stream": dict(stream), "values": values[stream]} for stream in sorted(values)]})


async def _query(_book: LogBook, _clock: LabClock, request: Request) -> Response:
    parse((await parameters(request)).first("query"))
    raise _Refused("log queries are not supported as an instant query type, please change your query to a range query "
                   "type")


async def _labels(book: LogBook, clock: LabClock, request: Request) -> Response:
    return _list({name for labels in await _streams(book, clock, request) for name in labels})


async def _label_values(book: LogBook, clock: LabClock, request: Request) -> Response:
    name = request.path_params["name"]
    return _list({labels[name] for labels in await _streams(book, clock, request) if name in labels})


async def _streams(book: LogBook, clock: LabClock, request: Request) -> list[Mapping[str, str]]:
    asked = await parameters(request)
    streams = book.streams(*_bounds(asked, clock))
    if not asked.first("query"):
        return streams
    selector = parse_selector(asked.first("query"))
    return [labels for labels in streams if selector.selects(labels)]


async def _build(_: Request) -> Response:
    return JSONResponse({"version": LOKI_VERSION, "revision": "", "branch": "", "buildUser": "", "buildDate": "",
                         "goVersion": ""})


async def _ready(_: Request) -> Response:
    return PlainTextResponse("ready\n")


async def _not_found(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404, {"x-content-type-options": "nosniff"})


def _success(data: Mapping[str, Any]) -> Response:
    return JSONResponse({"status": "success", "data": data})


def _list(names: set[str]) -> Response:
    # An empty list is left out.
    return JSONResponse({"status": "success", **({"data": sorted(names)} if names else {})})


def _bounds(asked: Parameters, clock: LabClock) -> tuple[int, int]:
    """Start and end in nanoseconds; the start belongs to the range, the end does not."""
    now = round(clock.now() * 1_000_000) * 1_000
    end = _time(asked, "end", now)
    since_seconds: float = _DEFAULT_SINCE_SECONDS
    if asked.first("since"):
        try:
            since_seconds = parse_duration(asked.first("since"))
        except ValueError as error:
            raise _Refused(f"could not parse 'since' parameter: {error}") from None
    start = _time(asked, "start", min(end, now) - round(since_seconds * _NANOSECONDS))
    if end < start:
        raise _Refused("end timestamp must not be before or equal to start time")
    return start, end


def _time(asked: Parameters, name: str, default: int) -> int:
    text = asked.first(name)
    if not text:
        return default
    if re.fullmatch(r"-?[0-9]{1,19}", text):
        return int(text) * (_NANOSECONDS if len(text) <= _EPOCH_SECONDS_DIGITS else 1)
    try:
        seconds = float(text) if re.fullmatch(r"-?[0-9]{0,18}\.[0-9]+", text) else parse_time(text)
    except ValueError:
        # Loki's reason is that of its first attempt.
        raise _Refused(f"could not parse '{name}' parameter: strconv.ParseInt: parsing {json.dumps(text)}: "
                       "invalid syntax") from None
    return round(seconds * 1_000_000) * 1_000


def _limit(asked: Parameters) -> int:
    text = asked.first("limit")
    if not text:
        return _DEFAULT_LIMIT
    try:
        limit = int(text)
    except ValueError:
        raise _Refused(f'strconv.Atoi: parsing "{text}": invalid syntax') from None
    if limit <= 0:
        raise _Refused("limit must be a positive value")
    if limit > _MAX_LIMIT:
        raise _Refused("max entries limit per query exceeded, limit > max_entries_limit_per_query "
                       f"({limit} > {_MAX_LIMIT})")
    return limit


def _newest_first(asked: Parameters) -> bool:
    direction = asked.first("direction").lower() or _DIRECTIONS[0]
    if direction not in _DIRECTIONS:
        raise _Refused(f"invalid direction '{asked.first('direction')}'")
    return direction == _DIRECTIONS[0]


def _go_duration(seconds: int) -> str:
    return f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"
