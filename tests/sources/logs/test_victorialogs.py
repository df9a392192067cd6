"""The VictoriaLogs client against answers as VictoriaLogs writes them, and against servers that fail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.sources import faults
from tests.sources.faults import FaultServer, Handler, answering, json_answer
from triage.clock import SystemClock
from triage.config_sources import VictoriaLogs
from triage.facts.logs import Level, LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure, FailureKind
from triage.sources.logs.victorialogs import VictoriaLogsClient

NOW = 1_795_400_000.0
TRACE = 'Traceback (most recent call last):\n  File "/app/s.py", line 1, in predict\n    f()\nValueError: a'
K = FailureKind

LINES = [
    {"_time": "2026-11-23T02:13:10.5Z", "_stream_id": "0001", "_stream": '{"service.name"="fraud"}',
     "_msg": "served", "service.name": "fraud", "service.version": "7", "severity": "INFO"},
    {"_time": "2026-11-23T02:13:15.123456789Z", "_stream": "{}", "_msg": "prediction \x1b[2J failed",
     "service.name": "fraud", "model_version": "8", "request_id": "r-1", "level": "error",
     "exception.stacktrace": TRACE},
]


def jsonl(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


STREAM = answering(200, jsonl(LINES), "application/stream+json")


@asynccontextmanager
async def asking(url: str, **settings: Any) -> AsyncIterator[VictoriaLogsClient]:
    logs = VictoriaLogs.model_validate({"kind": "victorialogs", "url": url, "timeout": "1s", **settings})
    client = VictoriaLogsClient(logs, SystemClock())
    try:
        yield client
    finally:
        await client.aclose()


def question(**wanted: Any) -> LogQuestion:
    return LogQuestion(**{"model": "fraud", "since": NOW - 60.25, "until": NOW, **wanted})


async def lines(handler: Handler, **wanted: Any) -> LogLines | Failure:
    async with FaultServer(handler) as server, asking(server.url, max_body="256Ki") as client:
        return await client.lines(question(**wanted))


async def test_lines_come_newest_first_and_cleaned() -> None:
    answer = await lines(STREAM)
    assert isinstance(answer, LogLines)
    assert answer.complete
    failed, served = answer.lines
    assert (failed.message, failed.level, failed.version, failed.request_id) == (
        "prediction ␛[2J failed", Level.ERROR, "8", "r-1")
    assert failed.at == pytest.approx(NOW - 4.876544, abs=1e-6)
    assert failed.stack == TRACE
    assert (served.message, served.version, served.labels) == ("served", "7", {"service.name": "fraud"})


async def test_the_question_is_sent_with_its_times_and_limit() -> None:
    async with FaultServer(STREAM) as server, asking(server.url, headers={"AccountID": "12"}) as client:
        await client.lines(question(version="8", limit=5))
        await client.traces(question())
        assert client.requests_sent == 2
        request = server.requests[0]
    assert (request.method, request.path, request.headers["accountid"]) == ("POST", "/select/logsql/query", "12")
    assert request.fields["start"] == ["2026-11-23T02:12:19.750000Z"]
    assert request.fields["end"] == ["2026-11-23T02:13:20.000000Z"]
    assert request.fields["limit"] == ["5"]
    assert '"model_version":="8"' in request.fields["query"][0]
    assert "Traceback" in server.requests[1].fields["query"][0]


async def test_traces_are_grouped() -> None:
    async with FaultServer(STREAM) as server, asking(server.url) as client:
        answer = await client.traces(question())
    assert isinstance(answer, StackTraces)
    [trace] = answer.traces
    assert (trace.exception, trace.frames, trace.versions) == ("ValueError", ("s.py:predict",), (("8", 1),))
    assert answer.lines_read == 1


async def test_lines_outside_of_the_times_are_left_out() -> None:
    answer = await lines(STREAM, until=NOW - 5.0)
    assert isinstance(answer, LogLines)
    assert [line.message for line in answer.lines] == ["served"]


async def test_no_lines_are_an_answer() -> None:
    assert await lines(answering(200, "", "application/stream+json")) == LogLines(())


async def test_as_many_lines_as_the_limit_are_not_complete() -> None:
    answer = await lines(STREAM, limit=2)
    assert isinstance(answer, LogLines)
    assert not answer.complete


async def test_an_answer_that_is_cut_off_keeps_its_whole_lines_and_says_so() -> None:
    answer = await lines(answering(200, jsonl(LINES) + '{"_msg":"half', "application/stream+json"))
    assert isinstance(answer, LogLines)
    assert len(answer.lines) == 2
    assert (answer.complete, answer.remarks) == (False, ("the answer is cut off after 2 lines",))


HTML = "<!doctype html><html><title>Sign in</title></html>"
FAULTS: dict[str, tuple[Handler, FailureKind, str, str]] = {
    "400": (answering(400, 'cannot parse query [x:"]: missing closing quote', "text/plain"), K.BAD_QUERY,
            "missing closing quote", ""),
    "401": (answering(401, "missing `Authorization` request header", "text/plain"), K.UNAUTHORIZED, "missing",
            "bearer_token"),
    "404": (answering(404, 'unsupported path requested: "/select"', "text/plain"), K.NOT_FOUND, "unsupported path",
            "/select/logsql"),
    "429": (answering(429, "busy", "text/plain", {"Retry-After": "3"}), K.THROTTLED, "busy", "3 s"),
    "503": (answering(503, "cannot execute: queue is full", "text/plain"), K.UNAVAILABLE, "queue", "VictoriaLogs"),
    "200 html": (answering(200, HTML, "text/html"), K.NOT_PROMETHEUS, "Sign in", "9428"),
    "200 text": (answering(200, "OK", "text/plain"), K.NOT_PROMETHEUS, "OK", "9428"),
    "torn first": (answering(200, '{"_msg":"hal'), K.BROKEN, "cut off", ""),
    "another product": (json_answer(faults.VECTOR), K.BROKEN, "_time", "doctor"),
    "a list": (json_answer([1]), K.BROKEN, "no line", "doctor"),
    "hang": (faults.hang, K.TIMEOUT, "", "shorter range"),
    "large": (answering(200, b" " * 300_000), K.TOO_LARGE, "262,144", "fewer lines"),
    "redirect": (answering(307, "", "", {"Location": "/vl/select/logsql/query"}), K.REDIRECT, "/vl/", "/vl"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_told_in_words(fault: str) -> None:
    handler, kind, message, hint = FAULTS[fault]
    answer = await lines(handler)
    assert isinstance(answer, Failure)
    assert answer.kind is kind
    assert message in answer.message
    assert hint in answer.hint


async def test_a_stream_that_breaks_off_is_told_in_words() -> None:
    async def broken(request: faults.Request, writer: Any) -> object:
        writer.write(faults.head(200, None, {"Transfer-Encoding": "chunked"}) + b"10\r\n" + b'{"_msg":"whole"}\r\n')
        return faults.CLOSE
    answer = await lines(broken)
    assert isinstance(answer, Failure)
    assert answer.kind in (K.BROKEN, K.CONNECT)
