"""Loki's API: shapes, ranges, limits and refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from triage.lab.apis.loki import app
from triage.lab.clock import LabClock
from triage.lab.logs import LogBook

NOW = 1_795_400_000
SECOND = 10**9
FRAUD = {"app": "fraud-scorer", "model_version": "8"}
CHURN = {"app": "churn-ranker"}


@pytest.fixture
def book() -> LogBook:
    book = LogBook()
    book.append(FRAUD, (NOW - 30) * SECOND, '{"level":"info","request_id":"a1","took_ms":12}')
    book.append(FRAUD, (NOW - 20) * SECOND, '{"level":"error","request_id":"a2","took_ms":900}')
    book.append(CHURN, (NOW - 10) * SECOND, "level=info msg=started")
    book.append(FRAUD, (NOW - 5) * SECOND + 1, '{"level":"error","request_id":"a3","took_ms":40}')
    book.append({"app": "old"}, (NOW - 4 * 3600) * SECOND, "long ago")
    return book


@pytest.fixture
async def loki(book: LogBook) -> AsyncIterator[httpx.AsyncClient]:
    served = app(book, LabClock(NOW, 0.0, speed=0.0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://loki") as client:
        yield client


async def streams(loki: httpx.AsyncClient, query: str, **parameters: object) -> list[dict[str, Any]]:
    answer = await loki.get("/loki/api/v1/query_range", params={"query": query, **parameters})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "success"
    assert body["data"]["resultType"] == "streams"
    return list(body["data"]["result"])


def ids(result: list[dict[str, Any]]) -> list[str]:
    return [value[1].split('"request_id":"')[1][:2] for stream in result for value in stream["values"]]


async def test_lines_come_in_streams_with_their_times_as_text(loki: httpx.AsyncClient) -> None:
    assert await streams(loki, '{app="churn-ranker"}') == [
        {"stream": CHURN, "values": [[f"{(NOW - 10) * SECOND}", "level=info msg=started"]]}]


async def test_the_newest_comes_first_unless_asked_otherwise(loki: httpx.AsyncClient) -> None:
    assert ids(await streams(loki, '{app="fraud-scorer"}')) == ["a3", "a2", "a1"]
    assert ids(await streams(loki, '{app="fraud-scorer"}', direction="FORWARD")) == ["a1", "a2", "a3"]


async def test_the_limit_counts_over_all_streams_from_the_end_that_comes_first(loki: httpx.AsyncClient) -> None:
    assert ids(await streams(loki, '{app=~".+"}', limit=1)) == ["a3"]
    assert ids(await streams(loki, '{app="fraud-scorer"}', limit=2, direction="forward")) == ["a1", "a2"]


async def test_lines_are_grouped_by_the_labels_that_a_parser_finds(loki: httpx.AsyncClient) -> None:
    found = await streams(loki, '{app="fraud-scorer"} |= "error" | json | took_ms > 100')
    assert [stream["stream"] for stream in found] == [{**FRAUD, "level": "error", "request_id": "a2", "took_ms": "900"}]


@pytest.mark.parametrize(("start", "end"), [
    (str((NOW - 20) * SECOND), str((NOW - 5) * SECOND + 1)), (str(NOW - 20), str(NOW - 5)),
    (f"{NOW - 20}.0", f"{NOW - 5}.0"), ("2026-11-23T02:13:00Z", "2026-11-23T03:13:15.000000+01:00")])
async def test_the_range_takes_its_start_and_leaves_its_end(loki: httpx.AsyncClient, start: str, end: str) -> None:
    assert ids(await streams(loki, '{app="fraud-scorer"}', start=start, end=end)) == ["a2"]


async def test_without_a_range_it_is_the_last_hour(loki: httpx.AsyncClient) -> None:
    assert await streams(loki, '{app="old"}') == []
    assert len(await streams(loki, '{app="old"}', since="5h")) == 1


async def test_a_form_is_as_good_as_a_url(loki: httpx.AsyncClient) -> None:
    answer = await loki.post("/loki/api/v1/query_range", data={"query": '{app="churn-ranker"}'})
    assert len(answer.json()["data"]["result"]) == 1


async def test_statistics_tell_what_was_looked_at(loki: httpx.AsyncClient) -> None:
    answer = await loki.get("/loki/api/v1/query_range", params={"query": '{app="fraud-scorer"} |= "a2"'})
    assert answer.json()["data"]["stats"]["summary"] == {
        "totalLinesProcessed": 3, "totalBytesProcessed": 144, "totalEntriesReturned": 1}


@pytest.mark.parametrize(("parameters", "message"), [
    ({"query": "{app="}, "parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING"),
    ({"limit": "0"}, "limit must be a positive value"),
    ({"limit": "many"}, 'strconv.Atoi: parsing "many": invalid syntax'),
    ({"limit": "5001"}, "max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)"),
    ({"direction": "sideways"}, "invalid direction 'sideways'"),
    ({"start": str(NOW), "end": str(NOW - 1)}, "end timestamp must not be before or equal to start time"),
    ({"start": "yesterday"}, "could not parse 'start' parameter: strconv.ParseInt: parsing \"yesterday\": "
                             "invalid syntax"),
    ({"end": "9" * 20}, "could not parse 'end' parameter: strconv.ParseInt: parsing \"99999999999999999999\": "
                        "invalid syntax"),
    ({"since": "long"}, "could not parse 'since' parameter: not a valid duration string: \"long\""),
    ({"since": "31d"}, "the query time range exceeds the limit (query length: 744h0m0s, limit: 30d1h)")])
async def test_a_refusal_is_a_line_of_plain_text(loki: httpx.AsyncClient, parameters: dict[str, str],
                                                 message: str) -> None:
    answer = await loki.get("/loki/api/v1/query_range", params={"query": '{app="churn-ranker"}', **parameters})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text == f"{message}\n"


async def test_an_instant_query_for_lines_is_refused(loki: httpx.AsyncClient) -> None:
    answer = await loki.get("/loki/api/v1/query", params={"query": '{app="churn-ranker"}'})
    assert answer.status_code == 400
    assert answer.text.startswith("log queries are not supported as an instant query type")


async def test_labels_are_those_of_streams_in_the_range(loki: httpx.AsyncClient) -> None:
    assert (await loki.get("/loki/api/v1/labels")).json() == {"status": "success", "data": ["app", "model_version"]}
    values = "/loki/api/v1/label/app/values"
    assert (await loki.get(values)).json()["data"] == ["churn-ranker", "fraud-scorer"]
    assert (await loki.get(values, params={"since": "5h"})).json()["data"] == ["churn-ranker", "fraud-scorer", "old"]
    assert (await loki.get(values, params={"query": '{model_version="8"}'})).json()["data"] == ["fraud-scorer"]


async def test_a_label_that_nobody_has_is_answered_without_a_list(loki: httpx.AsyncClient) -> None:
    assert (await loki.get("/loki/api/v1/label/nobody/values")).json() == {"status": "success"}


async def test_it_says_that_it_is_ready_and_what_it_is(loki: httpx.AsyncClient) -> None:
    assert (await loki.get("/ready")).text == "ready\n"
    assert (await loki.get("/loki/api/v1/status/buildinfo")).json()["version"].startswith("3.")


async def test_another_path_is_answered_as_go_does(loki: httpx.AsyncClient) -> None:
    answer = await loki.get("/loki/api/v1/push-me")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
