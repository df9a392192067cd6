"""What ``triage doctor`` says of sources in every condition."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import pytest

from tests.sources import faults
from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.facts.outcome import SourceState
from triage.sources.checkup import Capability, CheckUp, SourceCheck, check_up
from triage.sources.examination import clock_capability

NOW = 1_795_400_000.0
BUILD = {"version": "2.42.0", "revision": "abc", "branch": "HEAD", "goVersion": "go1.19"}


def data(content: Any) -> Handler:
    return json_answer({"status": "success", "data": content})


def routes(changes: Mapping[str, Handler] | None = None, *, date: float | None = NOW) -> Handler:
    """A healthy server of both kinds, with some paths changed."""
    table: dict[str, Handler] = {
        "/api/v1/query": json_answer(faults.VECTOR), "/api/v1/query_range": json_answer(faults.MATRIX),
        "/api/v1/alerts": json_answer(faults.ALERTS), "/api/v1/status/buildinfo": data(BUILD),
        "/-/ready": answering(200, "ok", "text/plain"), "/api/v1/rules": data({"groups": []}),
        "/api/v1/targets": data({"activeTargets": [{"health": "up", "scrapeInterval": "15s"}]}),
        "/api/v1/status/runtimeinfo": data({"storageRetention": "90d"}),
        "/api/v1/status/flags": data({"web.enable-admin-api": "false", "web.enable-lifecycle": "false"}),
        "/api/v2/status": json_answer({"cluster": {"status": "ready", "peers": [{}, {}]},
                                       "versionInfo": {"version": "0.27.0"}}),
        "/api/v2/alerts": json_answer([]),
        "GET /api/v2/silences": json_answer([]),
        "POST /api/v2/silences": answering(403, "read only", "text/plain"),
        **(changes or {})}

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        found = table.get(f"{request.method} {request.path}") or table.get(request.path) or answering(404, "no")
        if date is not None:
            # Answers are written by handlers that know no headers: put the date in front of theirs.
            writer = _Dated(writer, date)  # type: ignore[assignment]
        return await found(request, writer)
    return handle


class _Dated:
    """A writer that adds a Date header to the first answer written."""

    def __init__(self, writer: asyncio.StreamWriter, date: float) -> None:
        self._writer = writer
        self._date = f"Date: {formatdate(date, usegmt=True)}\r\n\r\n".encode()

    def write(self, piece: bytes) -> None:
        self._writer.write(piece.replace(b"\r\n\r\n", b"\r\n" + self._date, 1))


async def checked(handler: Handler, *, allow_write: bool = False, alertmanager: bool = True,
                  clock: ManualClock | None = None) -> CheckUp:
    async with FaultServer(handler) as server:
        content: dict[str, Any] = {"prometheus": {"url": server.url}, "allow_write": allow_write}
        if alertmanager:
            content["alertmanager"] = {"url": server.url}
        active = Active("test", Context.model_validate(content), (), None)
        return await check_up(active, clock or ManualClock(NOW))


def line(source: SourceCheck, what: str) -> Capability:
    return next(c for c in source.capabilities if c.what == what)


async def test_a_healthy_context_is_all_well() -> None:
    found = await checked(routes())
    assert found.ok
    assert found.warnings == ()
    prometheus, alertmanager, *_ = found.sources
    assert (prometheus.product, prometheus.version) == ("Prometheus", "2.42.0")
    assert (alertmanager.product, alertmanager.version) == ("Alertmanager", "0.27.0")
    assert prometheus.latency_seconds is not None
    assert prometheus.clock_difference_seconds == pytest.approx(0.5)
    wrong = [c.what for s in found.sources[:2] for c in s.capabilities if c.state != "ok"]
    assert wrong == ["remarks on queries"]


@pytest.mark.parametrize(("handler", "words"), [
    (answering(401, "no"), "credential"), (answering(503, "Service Unavailable", "text/plain"), "starting"),
    (answering(200, "<html><title>Login</title></html>", "text/html"), "login"), (answering(404, "no"), "prefix"),
])
async def test_a_source_that_does_not_answer_says_why_and_what_to_do(handler: Handler, words: str) -> None:
    found = await checked(handler)
    assert not found.ok
    for source in found.sources[:2]:
        assert source.state is SourceState.DOWN
        assert source.error
        assert words in source.fix
        assert source.capabilities == ()


async def test_without_an_alertmanager_the_context_is_still_well() -> None:
    found = await checked(routes(), alertmanager=False)
    assert found.ok
    assert found.sources[1].state is SourceState.OFF


async def test_a_missing_secret_is_the_sources_trouble_alone() -> None:
    async with FaultServer(routes()) as server:
        context = Context.model_validate({"prometheus": {"url": server.url},
                                          "alertmanager": {"url": server.url, "bearer_token": {"env": "NOT_SET"}}})
        found = await check_up(Active("test", context, (), None), ManualClock(NOW))
    assert found.sources[0].state is SourceState.OK
    assert found.sources[1].state is SourceState.DOWN
    assert "NOT_SET" in found.sources[1].error


async def test_range_queries_are_required() -> None:
    found = await checked(routes({"/api/v1/query_range": answering(403, "no")}))
    assert not found.ok
    assert line(found.sources[0], "range queries").state == "missing"


@pytest.mark.parametrize(("path", "what", "state"), [
    ("/api/v1/alerts", "alerts", "missing"), ("/api/v1/rules", "rules", "unknown"), ("/-/ready", "ready", "unknown"),
    ("/api/v1/targets", "targets", "unknown"), ("/api/v1/status/runtimeinfo", "retention", "unknown"),
])
@pytest.mark.parametrize("status", [403, 404])
async def test_what_a_proxy_does_not_serve_is_named_and_the_rest_still_told(path: str, what: str, state: str,
                                                                            status: int) -> None:
    found = await checked(routes({path: answering(status, "no")}))
    assert found.ok
    assert line(found.sources[0], what).state == state
    assert line(found.sources[0], "range queries").state == "ok"


async def test_a_proxy_that_takes_get_only_is_named() -> None:
    refused = answering(405, "")
    found = await checked(routes({"POST /api/v1/query": refused, "POST /api/v1/query_range": refused}))
    assert found.ok
    assert line(found.sources[0], "POST").state == "missing"


async def test_rules_that_fail_or_are_late_are_named() -> None:
    groups = [{"name": "slo", "interval": 30, "lastEvaluation": "2026-11-23T00:00:00Z", "rules": [
        {"name": "burn", "health": "err", "lastError": "many-to-many"}, {"name": "fine", "health": "ok"}]}]
    found = await checked(routes({"/api/v1/rules": data({"groups": groups})}))
    rules = line(found.sources[0], "rules")
    assert rules.state == "missing"
    assert "slo/burn: many-to-many" in rules.detail
    assert "1 late" in rules.detail


async def test_targets_that_are_down_are_named_with_their_reason() -> None:
    targets = [{"health": "up", "scrapeInterval": "1m"}, {"health": "up", "scrapeInterval": "15s"},
               {"health": "down", "scrapePool": "serve", "scrapeUrl": "http://a/metrics", "lastError": "refused"}]
    found = await checked(routes({"/api/v1/targets": data({"activeTargets": targets})}))
    told = line(found.sources[0], "targets")
    assert told.state == "missing"
    assert told.detail == "2 up, 1 down (serve http://a/metrics: refused), scraped every 15s to 1m"


@pytest.mark.parametrize(("said", "state"), [("15d", "missing"), ("30d", "ok"), ("1y", "ok"), ("1y15d", "ok"),
                                             ("15d or 10GiB", "missing"), ("90d", "ok"), ("", "unknown")])
async def test_a_retention_shorter_than_a_budget_is_named(said: str, state: str) -> None:
    found = await checked(routes({"/api/v1/status/runtimeinfo": data({"storageRetention": said})}))
    assert line(found.sources[0], "retention").state == state


async def test_dangerous_apis_are_warned_of_in_a_context_for_reading() -> None:
    flags = {"/api/v1/status/flags": data({"web.enable-admin-api": "true", "web.enable-lifecycle": "true"})}
    reading, writing = await checked(routes(flags)), await checked(routes(flags), allow_write=True)
    assert len(reading.warnings) == 2
    assert reading.ok
    assert writing.warnings == ()


@pytest.mark.parametrize(("status", "warned"), [(400, True), (422, True), (401, False), (403, False), (405, False),
                                               (500, False)])
async def test_a_credential_that_could_silence_is_warned_of(status: int, warned: bool) -> None:
    found = await checked(routes({"POST /api/v2/silences": json_answer("x", status)}))
    assert bool(found.warnings) is warned


async def test_the_probe_for_writing_sends_an_empty_document_once() -> None:
    async with FaultServer(routes()) as server:
        context = Context.model_validate({"prometheus": {"url": server.url}, "alertmanager": {"url": server.url}})
        await check_up(Active("test", context, (), None), ManualClock(NOW))
        writes = [r for r in server.requests if r.method not in ("GET", "HEAD") and r.path.startswith("/api/v2")]
    assert [(r.path, r.body) for r in writes] == [("/api/v2/silences", b"{}")]


async def test_a_context_for_writing_whose_credential_cannot_is_told() -> None:
    found = await checked(routes(), allow_write=True)
    assert line(found.sources[1], "creating silences").state == "missing"


async def test_a_clock_that_differs_is_told() -> None:
    found = await checked(routes(date=NOW + 90))
    assert found.sources[0].clock_difference_seconds == pytest.approx(90.5)
    assert "90 s ahead" in line(found.sources[0], "clock").detail.replace("91", "90")


async def test_a_clock_that_is_not_told_is_unknown() -> None:
    found = await checked(routes(date=None))
    assert found.sources[0].clock_difference_seconds is None
    assert line(found.sources[0], "clock").state == "unknown"


@pytest.mark.parametrize(("difference", "state"), [(0.0, "ok"), (-4.9, "ok"), (5.1, "missing"), (-3600.0, "missing"),
                                                   (None, "unknown")])
def test_clocks_a_few_seconds_apart_are_fine(difference: float | None, state: str) -> None:
    assert clock_capability(difference).state == state


@pytest.mark.parametrize(("cluster", "state"), [({"status": "disabled"}, "ok"),
                                                ({"status": "ready", "peers": []}, "ok"),
                                                ({"status": "settling"}, "missing"), (None, "unknown")])
async def test_the_state_of_the_cluster_is_told(cluster: Any, state: str) -> None:
    found = await checked(routes({"/api/v2/status": json_answer({"cluster": cluster})}))
    assert line(found.sources[1], "cluster").state == state


@pytest.mark.parametrize("body", ["null", "[]", "{}", '"x"', '{"groups": 3}', '{"groups": [3, {"rules": 1}]}',
                                  '{"activeTargets": [1, {"health": 2}]}', '{"version": []}',
                                  '{"storageRetention": 5}', '{"groups": [{"interval": 1e999}]}'])
async def test_answers_of_another_shape_end_in_words(body: str) -> None:
    handler = answering(200, f'{{"status":"success","data":{body}}}')
    paths = ("/api/v1/rules", "/api/v1/targets", "/api/v1/status/buildinfo", "/api/v1/status/runtimeinfo",
             "/api/v1/status/flags", "/api/v1/alerts")
    found = await checked(routes(dict.fromkeys(paths, handler)))
    assert found.sources[0].state is SourceState.OK
