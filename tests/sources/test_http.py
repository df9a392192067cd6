"""Connections, limits, methods and recovery of the HTTP side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.sources import faults
from tests.sources.faults import CLOSE, FaultServer, Request, answering, good
from triage.clock import ManualClock, SystemClock
from triage.endpoints import ConfigError, Endpoint
from triage.facts.outcome import Failure, FailureKind
from triage.facts.samples import Answer
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.breaker import Breaker, BreakerState
from triage.sources.decode import OFF_LOOP_BYTES
from triage.sources.prometheus import PrometheusClient

K = FailureKind


def endpoint(url: str, **more: Any) -> Endpoint:
    return Endpoint.model_validate({"url": url, "timeout": "2s", **more})


@asynccontextmanager
async def prometheus(url: str, clock: ManualClock | None = None, **more: Any) -> AsyncIterator[PrometheusClient]:
    client = PrometheusClient(endpoint(url, **more), clock or SystemClock())
    try:
        yield client
    finally:
        await client.aclose()


def kind_of(answer: object) -> FailureKind | None:
    return answer.kind if isinstance(answer, Failure) else None


async def test_one_connection_serves_many_questions() -> None:
    async with FaultServer(good) as server, prometheus(server.url) as client:
        for _ in range(5):
            assert isinstance(await client.query("up"), Answer)
        assert (server.accepted, client.requests_sent) == (1, 5)


async def test_questions_under_way_at_once_are_limited() -> None:
    release = asyncio.Event()

    async def slow(request: Request, writer: asyncio.StreamWriter) -> object:
        await release.wait()
        return await good(request, writer)
    async with FaultServer(slow) as server, prometheus(server.url, concurrency=3) as client:
        asked = [asyncio.create_task(client.query("up")) for _ in range(10)]
        while server.under_way < 3:
            await asyncio.sleep(0.001)
        release.set()
        answers = await asyncio.gather(*asked)
    assert all(isinstance(a, Answer) for a in answers)
    assert server.most_under_way == 3
    assert server.accepted <= 3


async def test_a_query_is_posted_as_a_form_with_its_time_limit() -> None:
    async with FaultServer(good) as server, prometheus(server.url) as client:
        await client.query('up{a="b c&d"}', at=1795400000.25)
        request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/api/v1/query")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.fields == {"query": ['up{a="b c&d"}'], "timeout": ["1.900"], "time": ["1795400000.250"]}


async def test_a_path_prefix_is_kept() -> None:
    async with FaultServer(good) as server, prometheus(f"{server.url}/prometheus/") as client:
        await client.query("up")
        assert server.requests[0].path == "/prometheus/api/v1/query"


@pytest.mark.parametrize("status", [403, 404, 405, 501])
async def test_where_post_is_refused_get_is_used_and_remembered(status: int) -> None:
    async def read_only(request: Request, writer: asyncio.StreamWriter) -> object:
        return await (good if request.method == "GET" else answering(status, "no"))(request, writer)
    async with FaultServer(read_only) as server, prometheus(server.url) as client:
        for _ in range(3):
            assert isinstance(await client.query("up{a='é'}"), Answer)
        assert [r.method for r in server.requests] == ["POST", "GET", "GET", "GET"]
        assert server.requests[-1].fields["query"] == ["up{a='é'}"]
        assert client.source.get_only is True


async def test_a_403_to_both_methods_stays_forbidden() -> None:
    async with FaultServer(answering(403, "no")) as server, prometheus(server.url) as client:
        assert kind_of(await client.query("up")) is K.FORBIDDEN
        assert [r.method for r in server.requests] == ["POST", "GET"]
        assert client.source.get_only is None


async def test_once_post_has_worked_a_403_is_not_asked_twice() -> None:
    answers = iter([good, answering(403, "no")])

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        return await next(answers)(request, writer)
    async with FaultServer(handle) as server, prometheus(server.url) as client:
        await client.query("up")
        assert kind_of(await client.query("up")) is K.FORBIDDEN
        assert len(server.requests) == 2


async def test_a_timeout_is_never_sent_again() -> None:
    async with FaultServer(faults.hang) as server, prometheus(server.url, timeout="200ms") as client:
        assert kind_of(await client.query("up")) is K.TIMEOUT
        assert (client.requests_sent, len(server.requests)) == (1, 1)


async def test_a_connection_that_died_while_idle_is_replaced_once_and_unnoticed() -> None:
    seen = 0

    async def dying(request: Request, writer: asyncio.StreamWriter) -> object:
        nonlocal seen
        seen += 1
        if seen == 2:
            return CLOSE
        return await good(request, writer)
    async with FaultServer(dying) as server, prometheus(server.url) as client:
        assert isinstance(await client.query("up"), Answer)
        assert isinstance(await client.query("up"), Answer)
        assert (client.requests_sent, server.accepted) == (3, 2)
        assert client.breaker.state is BreakerState.CLOSED


async def test_a_fresh_connection_that_closes_is_not_tried_again() -> None:
    async with FaultServer(faults.close_at_once) as server, prometheus(server.url) as client:
        assert kind_of(await client.query("up")) is K.CONNECT
        assert len(server.requests) == 1


async def test_while_the_breaker_is_open_nothing_is_sent() -> None:
    clock = ManualClock()
    async with FaultServer(answering(502, "")) as server, prometheus(server.url, clock) as client:
        client.source.breaker = Breaker(clock, lambda: 0.5)
        assert kind_of(await client.query("up")) is K.UNAVAILABLE
        refused = await client.query("up")
        assert isinstance(refused, Failure)
        assert refused.kind is K.CIRCUIT_OPEN
        assert "unavailable" in refused.message
        assert len(server.requests) == 1


async def test_a_source_that_is_back_answers_a_whole_refresh() -> None:
    clock = ManualClock()
    down = True

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        return await (answering(502, "") if down else good)(request, writer)
    async with FaultServer(handle) as server, prometheus(server.url, clock) as client:
        await client.query("up")
        down = False
        clock.advance(31)
        answers = await asyncio.gather(*(client.query("up") for _ in range(8)))
        assert all(isinstance(a, Answer) for a in answers)
        assert server.most_under_way <= 4


async def test_a_source_that_is_still_gone_gets_one_request_of_a_whole_refresh() -> None:
    clock = ManualClock()
    async with FaultServer(answering(502, "")) as server, prometheus(server.url, clock) as client:
        client.source.breaker = Breaker(clock, lambda: 0.5)
        await client.query("up")
        clock.advance(31)
        answers = await asyncio.gather(*(client.query("up") for _ in range(8)))
        assert sorted(str(kind_of(a)) for a in answers) == ["unavailable", *["waiting"] * 7]
        assert len(server.requests) == 2


async def test_a_cancelled_probe_leaves_the_way_free() -> None:
    clock = ManualClock()
    handler = answering(502, "")

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        return await handler(request, writer)
    async with FaultServer(handle) as server, prometheus(server.url, clock) as client:
        await client.query("up")
        clock.advance(31)
        handler = faults.hang
        probe = asyncio.create_task(client.query("up"))
        while not server.under_way:
            await asyncio.sleep(0.001)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        handler = good
        assert isinstance(await client.query("up"), Answer)


async def test_a_forbidden_endpoint_does_not_take_the_queries_with_it() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        allowed = request.path != "/api/v1/alerts"
        return await (good if allowed else answering(403, "no"))(request, writer)
    async with FaultServer(handle) as server, prometheus(server.url, ManualClock()) as client:
        assert isinstance(await client.query("up"), Answer)
        assert kind_of(await client.alerts()) is K.FORBIDDEN
        assert isinstance(await client.query("up"), Answer)


async def test_a_gateway_that_gives_up_on_one_query_is_not_gone() -> None:
    slow_may_end = asyncio.Event()

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        if request.fields["query"] == ["slow"]:
            await slow_may_end.wait()
            return await answering(504, "<html>")(request, writer)
        return await good(request, writer)
    async with FaultServer(handle) as server, prometheus(server.url) as client:
        slow = asyncio.create_task(client.query("slow"))
        while not server.under_way:
            await asyncio.sleep(0.001)
        assert isinstance(await client.query("up"), Answer)
        slow_may_end.set()
        assert kind_of(await slow) is K.UNAVAILABLE
        assert client.breaker.state is BreakerState.CLOSED


async def test_a_configured_proxy_is_used_and_the_environments_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{faults.free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{faults.free_port()}")

    async def as_proxy(request: Request, writer: asyncio.StreamWriter) -> object:
        path = request.target.removeprefix("http://prometheus.example:9090")
        return await good(Request(request.method, path, request.headers, request.body), writer)
    async with FaultServer(good) as server, prometheus(server.url) as direct:
        assert isinstance(await direct.query("up"), Answer)
    async with FaultServer(as_proxy) as server, prometheus("http://prometheus.example:9090",
                                                           proxy=server.url) as client:
        assert isinstance(await client.query("up"), Answer)
        assert server.requests[0].target == "http://prometheus.example:9090/api/v1/query"


async def test_a_proxy_that_is_gone_is_named() -> None:
    port = faults.free_port()
    async with prometheus("http://prometheus.example:9090", proxy=f"http://127.0.0.1:{port}") as client:
        failure = await client.query("up")
    assert isinstance(failure, Failure)
    assert failure.kind is K.CONNECT
    assert f"127.0.0.1:{port}" in failure.message


async def test_a_proxy_that_refuses_the_tunnel_is_named() -> None:
    async with FaultServer(answering(403, "no")) as server, prometheus("https://prometheus.example",
                                                                       proxy=server.url) as client:
        failure = await client.query("up")
    assert isinstance(failure, Failure)
    assert failure.kind is K.CONNECT
    assert "proxy" in failure.message


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def serving(certificate: trustme.LeafCert, *, clients_of: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients_of is not None:
        clients_of.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def failure_over_tls(context: ssl.SSLContext, **tls: str) -> Failure | None:
    async with FaultServer(good, tls=context) as server, prometheus(server.url, tls=tls) as client:
        answer = await client.query("up")
        return answer if isinstance(answer, Failure) else None


async def test_a_certificate_of_the_configured_authority_is_trusted(authority: trustme.CA, authority_file: str) -> None:
    assert await failure_over_tls(serving(authority.issue_cert("127.0.0.1")), ca=authority_file) is None


@pytest.mark.parametrize(("fault", "words"), [
    ("unknown authority", "not trusted"), ("wrong host", "another"), ("expired", "expired")])
async def test_a_certificate_that_does_not_fit_is_refused_in_words(fault: str, words: str, authority: trustme.CA,
                                                                   authority_file: str) -> None:
    if fault == "unknown authority":
        failure = await failure_over_tls(serving(trustme.CA().issue_cert("127.0.0.1")), ca=authority_file)
    elif fault == "wrong host":
        failure = await failure_over_tls(serving(authority.issue_cert("prometheus.example")), ca=authority_file)
    else:
        import datetime
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        failure = await failure_over_tls(serving(authority.issue_cert("127.0.0.1", not_after=past)), ca=authority_file)
    assert failure is not None
    assert failure.kind is K.TLS
    assert words in failure.message
    assert failure.hint


async def test_a_client_certificate_is_shown_when_configured(authority: trustme.CA, authority_file: str,
                                                             tmp_path: Path) -> None:
    ours = authority.issue_cert("someone@example.org")
    pem = tmp_path / "client.pem"
    ours.private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = serving(authority.issue_cert("127.0.0.1"), clients_of=authority)
    assert await failure_over_tls(context, ca=authority_file, cert=str(pem)) is None


def _refuse_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listener.accept()
    with connection, connection.dup() as below:
        with contextlib.suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)
        # Closing with unread bytes would reset the connection and swallow the alert.
        while below.recv(4096):
            pass


async def test_a_missing_client_certificate_is_named(authority: trustme.CA, authority_file: str) -> None:
    context = serving(authority.issue_cert("127.0.0.1"), clients_of=authority)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # A blocking server: asyncio's closes without the alert that other servers send.
        serving_once = asyncio.create_task(asyncio.to_thread(_refuse_one, listener, context))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with prometheus(url, tls={"ca": authority_file}) as client:
            failure = await client.query("up")
        await serving_once
    assert isinstance(failure, Failure)
    assert failure.kind is K.TLS
    assert "tls.cert" in failure.hint


async def test_https_to_a_plain_port_says_so() -> None:
    async with FaultServer(good) as server, prometheus(server.url.replace("http", "https")) as client:
        failure = await client.query("up")
    assert isinstance(failure, Failure)
    assert failure.kind is K.TLS


async def test_plain_http_to_a_go_server_with_tls_says_so() -> None:
    handler = answering(400, "Client sent an HTTP request to an HTTPS server.\n", "text/plain")
    async with FaultServer(handler) as server, prometheus(server.url) as client:
        failure = await client.query("up")
    assert isinstance(failure, Failure)
    assert failure.kind is K.TLS
    assert "https://" in failure.hint


async def test_a_server_that_hangs_up_after_the_handshake_is_thought_to_want_a_certificate(
        authority: trustme.CA, authority_file: str) -> None:
    context = serving(authority.issue_cert("127.0.0.1"))
    async with FaultServer(faults.close_at_once, tls=context) as server, prometheus(
            server.url, tls={"ca": authority_file}) as client:
        failure = await client.query("up")
    assert isinstance(failure, Failure)
    assert failure.kind is K.TLS
    assert "tls.cert" in failure.hint


@pytest.mark.parametrize("broken", [
    {"tls": {"ca": "/nonexistent/ca.pem"}}, {"tls": {"cert": "/nonexistent/c.pem"}}, {"tls": {"key": "/nonexistent/k"}},
    {"bearer_token": {"env": "NOT_SET_ANYWHERE"}},
])
def test_what_cannot_work_is_said_before_anything_is_sent(broken: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        PrometheusClient(endpoint("https://prometheus.example", **broken), SystemClock())
    assert raised.value.hint


def test_a_token_that_cannot_be_a_header_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD_TOKEN", "sécret-canary")
    with pytest.raises(ConfigError) as raised:
        PrometheusClient(endpoint("http://p.example", bearer_token={"env": "BAD_TOKEN"}), SystemClock())
    assert "canary" not in str(raised.value) + raised.value.hint


@pytest.mark.parametrize(("last", "expected"), [
    ('"+Inf"', "inf"), ('"\\ud800"', None), ('"1"]}, {"metric": {}, "value": [1e400, "1"', None), ("NaN", "nan")])
async def test_large_answers_are_read_as_small_ones_are(last: str, expected: str | None) -> None:
    found = []
    for many in (1, 6_000):
        rows = '{"metric": {"model": "one\\u202e"}, "value": [1795400000.5, "7"]}, ' * many
        body = f'{{"status": "success", "data": {{"resultType": "vector", "result": [{rows}' \
               f'{{"metric": {{"model": "last"}}, "value": [1795400000.5, {last}]}}]}}}}'
        assert (len(body) > OFF_LOOP_BYTES) == (many > 1)
        async with FaultServer(answering(200, body)) as server, prometheus(server.url) as client:
            found.append(await client.query("up"))
    small, large = found
    if expected is None:
        assert kind_of(small) is kind_of(large) is K.BROKEN
    else:
        assert isinstance(small, Answer)
        assert isinstance(large, Answer)
        assert str(small.samples[-1].value) == str(large.samples[-1].value) == expected
        assert dict(small.samples[0].labels) == dict(large.samples[0].labels) == {"model": "one{u+202e}"}


async def test_other_endpoints_come_decoded_and_cleaned() -> None:
    handler = faults.json_answer({"status": "success", "data": {"a\x1b": ["b\u202e", 1, None]}})
    async with FaultServer(handler) as server, prometheus(server.url) as client:
        assert await client.get("/api/v1/x", {"match[]": "up"}) == {"a␛": ["b{u+202e}", 1, None]}
        assert server.requests[0].fields == {"match[]": ["up"]}


async def test_alertmanager_is_asked_by_get_for_alerts_groups_and_silences() -> None:
    async with FaultServer(faults.json_answer([])) as server:
        client = AlertmanagerClient(endpoint(server.url), SystemClock())
        assert (await client.alerts(), await client.groups(), await client.silences()) == ((), (), ())
        await client.aclose()
        assert [(r.method, r.path) for r in server.requests] == [
            ("GET", "/api/v2/alerts"), ("GET", "/api/v2/alerts/groups"), ("GET", "/api/v2/silences")]


def test_importing_the_clients_does_not_import_httpx() -> None:
    code = ("import sys, triage.sources.prometheus, triage.sources.alertmanager; "
            "print([m for m in ('httpx', 'pydantic', 'yaml', 'pandas') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
