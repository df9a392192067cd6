"""The Loki client against the lab's Loki over HTTP, and against servers that fail."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.serving import serving
from tests.sources import faults
from tests.sources.faults import FaultServer, Handler, answering, json_answer
from triage.clock import SystemClock
from triage.config_sources import LogFields, LokiLogs
from triage.facts.logs import Level, LogLine, LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure, FailureKind
from triage.lab.apis.loki import app
from triage.lab.clock import LabClock
from triage.lab.logs import LogBook
from triage.sources.logs.fields import Reader
from triage.sources.logs.loki import LokiClient, read_streams
from triage.sources.prometheus_answers import OtherShape

NOW = 1_795_400_000
TRACE = 'Traceback (most recent call last):\n  File "/app/s.py", line {}, in predict\n    f()\nValueError: {}'
K = FailureKind


def write(book: LogBook, seconds_ago: float, version: str, **content: Any) -> None:
    level = content.get("level", "info")
    labels = {"app": "fraud", "model_version": version, "level": level, "pod": f"fraud-{version}"}
    book.append(labels, round((NOW - seconds_ago) * 1e9), json.dumps({"model_version": version, **content}))


@pytest.fixture(scope="module")
def loki() -> Iterator[str]:
    book = LogBook()
    write(book, 50, "7", level="info", message="served", requests=12)
    write(book, 40, "8", level="error", message="prediction failed", request_id="r-1", exception=TRACE.format(10, "a"))
    write(book, 30, "8", level="error", message="prediction failed", request_id="r-2", exception=TRACE.format(99, "b"))
    write(book, 20, "7", level="error", message='say "no"', request_id="r-3", exception=TRACE.format(10, "c"))
    write(book, 10, "8", level="warning", message="schema of r-1 is odd")
    book.append({"app": "fraud", "model_version": "8"}, (NOW - 5) * 10**9, "Killed \x1b[31m by \u202e signal 9")
    book.append({"app": "churn"}, (NOW - 4) * 10**9, "not ours")
    with serving(app(book, LabClock(NOW, 0.0, speed=0.0))) as url:
        yield url


@asynccontextmanager
async def asking(url: str, **settings: Any) -> AsyncIterator[LokiClient]:
    logs = LokiLogs.model_validate({"kind": "loki", "url": url, "model_label": "app", "timeout": "2s", **settings})
    client = LokiClient(logs, SystemClock())
    try:
        yield client
    finally:
        await client.aclose()


def question(**wanted: Any) -> LogQuestion:
    return LogQuestion(**{"model": "fraud", "since": NOW - 3600.0, "until": float(NOW), **wanted})


async def lines(url: str, **wanted: Any) -> LogLines:
    async with asking(url) as client:
        answer = await client.lines(question(**wanted))
    assert isinstance(answer, LogLines), answer
    return answer


def ids(answer: LogLines) -> list[str]:
    return [line.request_id for line in answer.lines if line.request_id]


async def test_the_newest_lines_come_first_with_all_that_they_say(loki: str) -> None:
    answer = await lines(loki)
    assert [line.at for line in answer.lines] == [NOW - s for s in (5, 10, 20, 30, 40, 50)]
    failed = answer.lines[3]
    assert (failed.level, failed.message, failed.version, failed.request_id) == (
        Level.ERROR, "prediction failed", "8", "r-2")
    assert failed.stack == TRACE.format(99, "b")
    assert failed.labels == {"app": "fraud", "pod": "fraud-8"}
    assert answer.complete


async def test_hostile_text_is_cleaned(loki: str) -> None:
    assert (await lines(loki, limit=1)).lines[0].message == "Killed ␛[31m by {u+202e} signal 9"


@pytest.mark.parametrize(("wanted", "found"), [
    ({"version": "7"}, ["r-3"]), ({"request_id": "r-1"}, ["r-1"]), ({"level": Level.ERROR}, ["r-3", "r-2", "r-1"]),
    ({"text": 'SAY "No"'}, ["r-3"]), ({"version": "8", "level": Level.ERROR, "text": "failed"}, ["r-2", "r-1"]),
    ({"version": "9"}, []), ({"request_id": '"} |= "'}, []), ({"since": NOW - 30.0}, ["r-3", "r-2"]),
    ({"until": NOW - 30.0}, ["r-1"])])
async def test_lines_are_filtered_by_the_server(loki: str, wanted: dict[str, Any], found: list[str]) -> None:
    assert ids(await lines(loki, **wanted)) == found


async def test_more_than_the_limit_is_not_complete(loki: str) -> None:
    answer = await lines(loki, limit=2)
    assert len(answer.lines) == 2
    assert not answer.complete


async def test_traces_are_grouped_over_versions_and_line_numbers(loki: str) -> None:
    async with asking(loki) as client:
        answer = await client.traces(question())
    assert isinstance(answer, StackTraces)
    [trace] = answer.traces
    assert (trace.exception, trace.frames, trace.count) == ("ValueError", ("s.py:predict",), 3)
    assert (trace.first_seen, trace.last_seen, trace.message) == (NOW - 40, NOW - 20, "c")
    assert trace.versions == (("8", 2), ("7", 1))
    assert trace.example.request_id == "r-3"
    assert (answer.lines_read, answer.complete) == (3, True)


async def test_each_question_is_one_request(loki: str) -> None:
    async with asking(loki) as client:
        await client.lines(question(version="8", request_id="r-1", level=Level.INFO, text="x"))
        await client.traces(question(version="8"))
        assert client.requests_sent == 2


async def test_a_line_with_metadata_of_its_own_is_read() -> None:
    body = {"status": "success", "data": {"resultType": "streams", "result": [
        {"stream": {"service_name": "fraud"}, "values": [
            [f"{NOW}000000000", "prediction failed", {"trace_id": "t-1", "service_version": "8"}]]}]}}
    async with FaultServer(json_answer(body)) as server:
        [line] = (await lines(server.url)).lines
    assert (line.version, line.trace_id, line.labels) == ("8", "t-1", {"service_name": "fraud"})


async def test_labels_that_are_told_apart_by_origin_are_read() -> None:
    body = {"status": "success", "data": {"resultType": "streams", "encodingFlags": ["categorize-labels"], "result": [
        {"stream": {"service_name": "fraud"}, "values": [
            [f"{NOW}000000001", "prediction failed", {"structuredMetadata": {"trace_id": "t-1"},
                                                      "parsed": {"level": "error"}}],
            [f"{NOW}000000000", "served", {"parsed": {"level": "info"}}]]}]}}
    async with FaultServer(json_answer(body)) as server:
        failed, served = (await lines(server.url)).lines
    assert (failed.trace_id, failed.labels, served.labels) == (
        "t-1", {"service_name": "fraud"}, {"service_name": "fraud"})


async def test_what_loki_warns_of_is_a_remark_and_not_complete() -> None:
    body = {"status": "success", "warnings": ["store-gateway \x1b[2J is down", 3],
            "data": {"resultType": "streams", "result": []}}
    async with FaultServer(json_answer(body)) as server:
        answer = await lines(server.url)
    assert answer == LogLines((), complete=False, remarks=("store-gateway ␛[2J is down",))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("1795400000000000000"),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        st.sampled_from(["stream", "values", "message", "x"]), inner, max_size=4), max_leaves=30)


@given(st.lists(JSON, max_size=4))
def test_streams_of_whatever_shape_are_lines_or_a_shape_error(streams: list[Any]) -> None:
    document = {"data": {"resultType": "streams", "result": streams}}
    found: list[LogLine] = []
    with contextlib.suppress(OtherShape):
        found = read_streams(document, Reader(LogFields()))
    assert all(line.at is not None for line in found)


TOKEN = "t0ken-4711-canary"
PARSE_ERROR = "parse error at line 1, col 9: syntax error: unexpected IDENTIFIER\n"
HTML = "<!doctype html><html><title>Sign in &amp; go</title>x</html>"
FAULTS: dict[str, tuple[Handler, FailureKind, str, str]] = {
    "401": (answering(401, "no org id\n", "text/plain"), K.UNAUTHORIZED, "no org id", "X-Scope-OrgID"),
    "401 plain": (answering(401, "Unauthorized", "text/plain"), K.UNAUTHORIZED, "Unauthorized", "bearer_token"),
    "403": (answering(403, "", "text/plain"), K.FORBIDDEN, "403", "read access"),
    "404": (answering(404, "404 page not found\n", "text/plain"), K.NOT_FOUND, "404 page", "/loki/api/v1"),
    "429": (answering(429, "too many outstanding requests\n", "text/plain"), K.THROTTLED, "too many", "shorter range"),
    "429 with a wait": (answering(429, "slow down", "text/plain", {"Retry-After": "7"}), K.THROTTLED, "slow", "7 s"),
    "400": (answering(400, PARSE_ERROR, "text/plain; charset=utf-8"), K.BAD_QUERY, "syntax error", ""),
    "400 range": (answering(400, "the query time range exceeds the limit (query length: 800h, limit: 721h)",
                            "text/plain"), K.BAD_QUERY, "exceeds", "shorter time range"),
    "400 limit": (answering(400, "max entries limit per query exceeded, limit > max_entries_limit_per_query (6 > 5)",
                            "text/plain"), K.BAD_QUERY, "exceeded", "max_entries_limit_per_query"),
    "500": (answering(500, "context canceled", "text/plain"), K.INTERNAL, "context canceled", ""),
    "502": (answering(502, HTML, "text/html"), K.UNAVAILABLE, "Sign in & go", "behind it"),
    "200 html": (answering(200, HTML, "text/html"), K.NOT_PROMETHEUS, "Sign in & go", "3100"),
    "302": (answering(302, "", "text/html", {"Location": "https://sso.example/login"}), K.REDIRECT, "sso.example",
            "login page"),
    "302 prefix": (answering(302, "", "text/html", {"Location": "https://new.example/x/loki/api/v1/query_range"}),
                   K.REDIRECT, "new.example", "set url to https://new.example/x"),
    "cut json": (answering(200, '{"status":"success","data":{"resultT'), K.BROKEN, "cut off", "next refresh"),
    "empty": (answering(200, ""), K.BROKEN, "empty", ""),
    "hang": (faults.hang, K.TIMEOUT, "", "shorter range"),
    "hostile": (answering(500, "\x1b]52;c;aGk=\x07 \u202e", "text/plain"), K.INTERNAL, "␛]52;c;aGk=␇ {u+202e}", ""),
    "matrix": (json_answer(faults.MATRIX), K.BROKEN, "no streams", "doctor"),
    "list": (json_answer([]), K.BROKEN, "no streams", ""),
    "no labels": (json_answer({"data": {"resultType": "streams", "result": [{"values": []}]}}), K.BROKEN, "labels", ""),
    "no line": (json_answer({"data": {"resultType": "streams", "result": [{"stream": {}, "values": [["1", 2]]}]}}),
                K.BROKEN, "no line", ""),
    "no time": (json_answer({"data": {"resultType": "streams", "result": [{"stream": {}, "values": [["x", "y"]]}]}}),
                K.BROKEN, "nanoseconds", ""),
    "large": (answering(200, b" " * 400_000), K.TOO_LARGE, "262,144", "fewer lines"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_told_in_words(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_TEST_TOKEN", TOKEN)
    handler, kind, message, hint = FAULTS[fault]
    async with FaultServer(handler) as server, asking(server.url, max_body="256Ki", timeout="300ms",
                                                     bearer_token={"env": "TRIAGE_TEST_TOKEN"}) as client:
        for answer in (await client.lines(question()), await client.traces(question())):
            assert isinstance(answer, Failure)
            if answer.kind is not K.CIRCUIT_OPEN:
                assert answer.kind is kind
                assert message in answer.message
                assert hint in answer.hint
            assert TOKEN not in f"{answer}"


async def test_a_stream_that_breaks_off_is_told_in_words() -> None:
    async def broken(request: faults.Request, writer: Any) -> object:
        writer.write(faults.head(200, 1000, {"Content-Type": "application/json"}) + b'{"status":"succ')
        return faults.CLOSE
    async with FaultServer(broken) as server, asking(server.url) as client:
        answer = await client.lines(question())
    assert isinstance(answer, Failure)
    assert answer.kind in (K.BROKEN, K.CONNECT)


async def test_a_secret_that_the_server_quotes_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_TEST_TOKEN", TOKEN)
    async with FaultServer(answering(400, f"bad token {TOKEN}", "text/plain")) as server, asking(
            server.url, bearer_token={"env": "TRIAGE_TEST_TOKEN"}) as client:
        answer = await client.lines(question())
    assert isinstance(answer, Failure)
    assert answer.message == "bad token (secret)"
