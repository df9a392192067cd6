"""Every fault, seen through every question that the clients ask: the right kind, in time, nothing raised, no secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.sources import faults
from tests.sources.faults import FaultServer, Handler, answering, json_answer
from triage.clock import SystemClock
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, FailureKind
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.prometheus import PrometheusClient

K = FailureKind
TOKEN = "t0ken-4711-canary"
PASSWORD = "pa55word/with+signs=canary"
HEADER_SECRET = "h3ader-canary"
TIMEOUT = 0.5
MAX_BODY = 300_000

Client = PrometheusClient | AlertmanagerClient
Ask = Callable[[Client], Awaitable[object]]


async def _query(client: Client) -> object:
    assert isinstance(client, PrometheusClient)
    return await client.query("up")


async def _range(client: Client) -> object:
    assert isinstance(client, PrometheusClient)
    return await client.query_range("up", start=1795400000, end=1795400060, step=60)


async def _alerts(client: Client) -> object:
    return await client.alerts()


QUESTIONS: dict[str, tuple[type[Client], Ask]] = {
    "query": (PrometheusClient, _query),
    "query_range": (PrometheusClient, _range),
    "alerts": (PrometheusClient, _alerts),
    "alertmanager": (AlertmanagerClient, _alerts),
}


def prometheus_error(status: int, kind: str, data: object = None) -> Handler:
    return json_answer({"status": "error", "errorType": kind, "error": f"it said {kind}", "data": data}, status)


HTML = "<!doctype html><html><head><title>Sign in &amp; go</title></head><body>x</body></html>"
FAULTS: dict[str, tuple[Handler, FailureKind]] = {
    "hang": (faults.hang, K.TIMEOUT),
    "trickle": (faults.trickle, K.TIMEOUT),
    "close": (faults.close_at_once, K.CONNECT),
    "reset": (faults.reset_at_once, K.CONNECT),
    "reset in body": (faults.reset_in_body, K.BROKEN),
    "cut short": (faults.cut_short, K.BROKEN),
    "cut short, unannounced": (faults.cut_short_unannounced, K.BROKEN),
    "gzip cut short": (faults.gzip_cut_short, K.BROKEN),
    "gzip damaged": (faults.gzip_damaged, K.BROKEN),
    "gzip bomb": (faults.gzip_bomb(200_000_000), K.TOO_LARGE),
    "too large": (answering(200, b" " * (MAX_BODY + 1)), K.TOO_LARGE),
    "unknown compression": (answering(200, b"x", headers={"Content-Encoding": "br"}), K.BROKEN),
    "empty": (answering(200, b""), K.BROKEN),
    "web page": (answering(200, HTML, "text/html"), K.NOT_PROMETHEUS),
    "web page called JSON": (answering(200, HTML), K.NOT_PROMETHEUS),
    "plain text": (answering(200, "hello", "text/plain"), K.NOT_PROMETHEUS),
    "SSH": (faults.saying(b"SSH-2.0-OpenSSH_9.2\r\n"), K.CONNECT),
    "SMTP": (faults.saying(b"220 mail.example ESMTP\r\n\r\n"), K.NOT_PROMETHEUS),
    "MySQL": (faults.saying(b"\x4a\x00\x00\x00\x0a8.0.1\x00"), K.CONNECT),
    "JSON of another API": (json_answer({"kind": "Status", "code": 200}), K.BROKEN),
    "JSON number": (json_answer(42), K.BROKEN),
    "JSON null": (json_answer(None), K.BROKEN),
    "deep JSON": (answering(200, b"[" * 100_000 + b"]" * 100_000), K.BROKEN),
    "bad_data": (prometheus_error(400, "bad_data"), K.BAD_QUERY),
    "execution": (prometheus_error(422, "execution"), K.EXECUTION),
    "error with data": (prometheus_error(422, "execution", {"resultType": "vector", "result": []}), K.EXECUTION),
    "timeout of the server": (prometheus_error(503, "timeout"), K.TIMEOUT),
    "canceled": (prometheus_error(499, "canceled"), K.CANCELED),
    "internal": (prometheus_error(500, "internal"), K.INTERNAL),
    "unknown errorType": (prometheus_error(500, "surprise"), K.INTERNAL),
    "VictoriaMetrics 422": (prometheus_error(422, "422"), K.EXECUTION),
    "not ready": (answering(503, "Service Unavailable", "text/plain"), K.UNAVAILABLE),
    "502 page": (answering(502, "<html><title>502 Bad Gateway</title></html>", "text/html"), K.UNAVAILABLE),
    "504 page": (answering(504, "<html><title>504</title></html>", "text/html"), K.UNAVAILABLE),
    "500 page": (answering(500, "<html><title>Oops</title></html>", "text/html"), K.UNAVAILABLE),
    "401": (answering(401, "Unauthorized", "text/plain"), K.UNAUTHORIZED),
    "403": (answering(403, "Forbidden", "text/plain"), K.FORBIDDEN),
    "404": (answering(404, "404 page not found", "text/plain"), K.NOT_FOUND),
    "405": (answering(405, "", "text/plain"), K.NOT_PROMETHEUS),
    "429": (answering(429, "", headers={"Retry-After": "7"}), K.THROTTLED),
    "413": (answering(413, ""), K.BAD_QUERY),
    "414": (answering(414, ""), K.BAD_QUERY),
    "302": (answering(302, "", headers={"Location": "/login"}), K.REDIRECT),
    "302 to nowhere": (answering(302, ""), K.REDIRECT),
    "302 to nonsense": (answering(302, "", headers={"Location": "http://[::1"}), K.REDIRECT),
    "error quoting the request": (faults.echo_credentials, K.INTERNAL),
    "page quoting the request": (faults.echo_as_page, K.FORBIDDEN),
    "redirect quoting the credential": (faults.echo_in_redirect, K.REDIRECT),
    "Alertmanager object": (json_answer({"code": 602, "message": "comment in body is required"}, 422), K.EXECUTION),
    "bare string": (json_answer("bad matcher", 400), K.BAD_QUERY),
    "hostile text": (answering(500, "\x1b]52;c;eA==\x1b\\ \x9b31m \u202e", "text/plain"), K.INTERNAL),
}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[str], Endpoint]:
    monkeypatch.setenv("CANARY_TOKEN", TOKEN)
    monkeypatch.setenv("CANARY_PASSWORD", PASSWORD)
    monkeypatch.setenv("CANARY_HEADER", HEADER_SECRET)

    def make(url: str, *, basic: bool = False) -> Endpoint:
        content: dict[str, object] = {"url": url, "timeout": "500ms", "max_body": "300k",
                                      "secret_headers": {"X-Key": {"env": "CANARY_HEADER"}}}
        if basic:
            content["basic_auth"] = {"username": "someone", "password": {"env": "CANARY_PASSWORD"}}
        else:
            content["bearer_token"] = {"env": "CANARY_TOKEN"}
        return Endpoint.model_validate(content)
    return make


@asynccontextmanager
async def asking(kind: type[Client], endpoint: Endpoint) -> AsyncIterator[Client]:
    client = kind(endpoint, SystemClock())
    try:
        yield client
    finally:
        await client.aclose()


def assert_speaks_well(failure: object, kind: FailureKind) -> None:
    assert isinstance(failure, Failure)
    assert failure.kind == kind, failure
    told = repr(failure) + failure.sentence() + failure.hint
    for secret in (TOKEN, PASSWORD, HEADER_SECRET):
        assert secret not in told
    assert failure.message
    assert failure.message.isprintable()
    assert len(failure.message) <= 400


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_has_its_kind_in_time_and_without_secrets(
        fault: str, question: str, endpoint: Callable[..., Endpoint]) -> None:
    handler, expected = FAULTS[fault]
    kind, ask = QUESTIONS[question]
    async with FaultServer(handler) as server, asking(kind, endpoint(server.url)) as client:
        began = time.monotonic()
        failure = await ask(client)
        elapsed = time.monotonic() - began
    assert_speaks_well(failure, expected)
    assert elapsed < TIMEOUT + 1.5


@pytest.mark.parametrize("fault", ["error quoting the request", "page quoting the request",
                                   "redirect quoting the credential"])
async def test_a_quoted_password_is_taken_out(fault: str, endpoint: Callable[..., Endpoint]) -> None:
    handler, expected = FAULTS[fault]
    async with FaultServer(handler) as server, asking(PrometheusClient, endpoint(server.url, basic=True)) as client:
        failure = await _query(client)
        sent = server.requests[0].headers["authorization"].split()[1]
    assert_speaks_well(failure, expected)
    assert sent not in repr(failure)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_refused_connection_says_so(question: str, endpoint: Callable[..., Endpoint]) -> None:
    kind, ask = QUESTIONS[question]
    async with asking(kind, endpoint(f"http://127.0.0.1:{faults.free_port()}")) as client:
        failure = await ask(client)
    assert_speaks_well(failure, K.CONNECT)
    assert isinstance(failure, Failure)
    assert "refuses" in failure.message


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_connection_that_is_dropped_silently_times_out_as_one(question: str,
                                                                      endpoint: Callable[..., Endpoint]) -> None:
    kind, ask = QUESTIONS[question]
    with faults.full_backlog() as port:
        async with asking(kind, endpoint(f"http://127.0.0.1:{port}")) as client:
            failure = await ask(client)
    assert_speaks_well(failure, K.CONNECT_TIMEOUT)


async def test_an_unknown_name_says_so(endpoint: Callable[..., Endpoint]) -> None:
    async with asking(PrometheusClient, endpoint("http://no-such-host.invalid:9090")) as client:
        failure = await _query(client)
    assert_speaks_well(failure, K.CONNECT)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("handler", [faults.good, faults.gzip_good], ids=["plain", "gzip"])
async def test_a_healthy_server_is_understood(question: str, handler: Handler,
                                              endpoint: Callable[..., Endpoint]) -> None:
    kind, ask = QUESTIONS[question]
    async with FaultServer(handler) as server, asking(kind, endpoint(server.url)) as client:
        assert not isinstance(await ask(client), Failure)
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert server.requests[0].headers["x-key"] == HEADER_SECRET
        assert server.requests[0].headers["user-agent"].startswith("triage/")


async def test_a_wrong_content_type_with_right_json_is_accepted(endpoint: Callable[..., Endpoint]) -> None:
    import json
    handler = answering(200, json.dumps(faults.VECTOR), "text/html")
    async with FaultServer(handler) as server, asking(PrometheusClient, endpoint(server.url)) as client:
        assert not isinstance(await _query(client), Failure)


async def test_cancelling_a_question_closes_its_connection(endpoint: Callable[..., Endpoint]) -> None:
    async with FaultServer(faults.hang) as server, asking(PrometheusClient, endpoint(server.url)) as client:
        task = asyncio.create_task(_as_coroutine(client))
        while not server.under_way:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.requests_sent == 1


async def _as_coroutine(client: Client) -> object:
    return await _query(client)


@pytest.mark.parametrize(("location", "message", "hint"), [
    ("https://prom.example/api/v1/query", "redirected to https://prom.example/api/v1/query",
     "set url to https://prom.example"),
    ("https://u:p@prom.example/base/api/v1/query?x=y", "redirected to https://prom.example/base/api/v1/query",
     "set url to https://prom.example/base"),
    ("https://sso.example/oauth/start?rd=x", "redirected to https://sso.example/oauth/start", "login page"),
    ("/graph", "/graph", "set url to where the API really is"),
])
async def test_a_redirect_says_where_to_and_what_to_configure(location: str, message: str, hint: str,
                                                              endpoint: Callable[..., Endpoint]) -> None:
    handler = answering(301, "", headers={"Location": location})
    async with FaultServer(handler) as server, asking(PrometheusClient, endpoint(server.url)) as client:
        failure = await _query(client)
        assert len(server.requests) == 1
    assert isinstance(failure, Failure)
    assert message in failure.message
    assert hint in failure.hint
