"""One request to a Kubernetes API: sent once, whatever happens, and never called done or failed when it is unknown."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.sources import faults
from tests.sources.faults import CLOSE, FaultServer, Handler, answering, json_answer
from tests.sources.test_kubernetes import status
from triage import __version__
from triage.actions.kubernetes_sender import KubernetesSender
from triage.actions.plan import Request
from triage.actions.rehearsal import difference
from triage.actions.system import Fate, Rehearsal, Sent
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.sources.http import Own
from triage.sources.kubernetes import KubernetesClient

PATH = "/apis/apps/v1/namespaces/ml/deployments/chat?fieldManager=triage&fieldValidation=Strict"
REQUEST = Request("PATCH", PATH, "application/json-patch+json", '[{"op":"add","path":"/spec/paused","value":true}]',
                  "pause", "", dry_run_path=f"{PATH}&dryRun=All")
DONE = {"kind": "Deployment", "metadata": {"name": "chat"}, "spec": {"paused": True}}


@asynccontextmanager
async def sender(url: str, *, seconds: float = 2.0, own: Own | None = None,
                 **more: Any) -> AsyncIterator[KubernetesSender]:
    endpoint = Endpoint.model_validate({"url": url, **more})
    client = KubernetesClient(endpoint, ManualClock(), own=own, credential="the token from env T")
    try:
        yield KubernetesSender(client, seconds)
    finally:
        await client.aclose()


async def sent(handler: Handler, *, seconds: float = 2.0, **more: Any) -> tuple[Sent, int]:
    """What became of it, and how many requests arrived."""
    async with FaultServer(handler) as server, sender(server.url, seconds=seconds, **more) as one:
        return await one.send(REQUEST, "a1"), len(server.requests)


async def test_it_arrives_byte_for_byte_and_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "t0ken")
    own = Own(headers=(("Impersonate-User", "oncall"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")))
    async with FaultServer(json_answer(DONE)) as server, sender(
            server.url, own=own, bearer_token={"env": "T"}) as one:
        assert await one.send(REQUEST, "01J-7") == Sent(Fate.DONE, 200, "done")
    [request] = server.requests
    assert (request.method, request.target, request.body.decode()) == ("PATCH", PATH, REQUEST.body)
    told = request.headers
    assert (told["user-agent"], told["content-type"], told["authorization"], told["impersonate-user"]) == (
        f"triage/{__version__} action/01J-7", "application/json-patch+json", "Bearer t0ken", "oncall")


async def test_a_name_of_a_header_may_come_twice() -> None:
    own = Own(headers=(("Impersonate-Group", "a"), ("Impersonate-Group", "b")))
    async with FaultServer(json_answer(DONE)) as server, sender(server.url, own=own) as one:
        found = one._client.source.reach().headers
        await one.send(REQUEST, "a1")
    assert [value for name, value in found if name == "impersonate-group"] == ["a", "b"]


async def test_the_servers_warnings_are_told() -> None:
    fate, _ = await sent(answering(200, '{"kind": "Deployment"}', headers={
        "Warning": '299 - "unknown field \\x1b[31m", 299 - "deprecated"'}))
    assert (fate.fate, fate.message) == (Fate.DONE, 'the server warns: unknown field \\x1b[31m; deprecated')


@pytest.mark.parametrize(("code", "reason", "message", "words"), [
    (400, "BadRequest", "error decoding patch", "error decoding patch"),
    (401, "Unauthorized", "Unauthorized", "the token from env T is not accepted"),
    (403, "Forbidden", 'User "viewer" cannot patch resource', 'User "viewer" cannot patch resource'),
    (404, "NotFound", 'deployments.apps "chat" not found', 'deployments.apps "chat" not found'),
    (409, "Conflict", "the object has been modified", "somebody else changed it at the same time"),
    (422, "Invalid", "the server rejected our request due to an error in our request",
     "the target is not what the plan rests on any more: a test of the patch failed"),
    (422, "Invalid", "spec.replicas: Invalid value", "spec.replicas: Invalid value"),
    (429, "TooManyRequests", "too many requests", "too many requests"),
    (501, "NotImplemented", "not implemented", "not implemented")])
async def test_a_refusal_is_told_in_the_servers_words_and_sent_once(code: int, reason: str, message: str,
                                                                    words: str) -> None:
    found, arrived = await sent(status(code, reason, message))
    assert (found.fate, found.code, arrived) == (Fate.REFUSED, code, 1)
    assert words in found.message
    assert found.message.endswith(f"(HTTP {code}): nothing was changed")


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
async def test_after_an_answer_of_a_server_in_trouble_it_is_unknown(code: int) -> None:
    found, arrived = await sent(answering(code, "no healthy upstream", "text/plain"))
    assert (found.fate, found.code, arrived) == (Fate.UNKNOWN, code, 1)
    assert found.message.endswith("it may have been done")


async def test_a_redirect_is_not_followed() -> None:
    async with FaultServer(json_answer(DONE)) as elsewhere:
        found, arrived = await sent(answering(307, b"", headers={"Location": elsewhere.url}))
        assert elsewhere.requests == []
    assert (found.fate, found.code, arrived) == (Fate.REFUSED, 307, 1)


@pytest.mark.parametrize("handler", [
    faults.hang, faults.close_at_once, faults.reset_at_once, faults.reset_in_body, faults.trickle,
    faults.cut_short, faults.saying(b"SSH-2.0-OpenSSH_9.2\r\n"), answering(200, "<html>Sign in</html>", "text/html"),
    answering(200, '{"kind": "Deployment"'), answering(200, "[]")])
async def test_what_left_and_was_not_answered_is_unknown_and_never_sent_again(handler: Handler) -> None:
    found, arrived = await sent(handler, seconds=0.4)
    assert (found.fate, arrived) == (Fate.UNKNOWN, 1)
    assert found.message.endswith("it may have been done")


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with sender(f"http://127.0.0.1:{faults.free_port()}") as one:
        found = await one.send(REQUEST, "a1")
    assert (found.fate, found.code) == (Fate.NOT_SENT, None)
    assert found.message.endswith("refuses connections: nothing was sent")


async def test_where_connections_are_dropped_nothing_was_sent() -> None:
    with faults.full_backlog() as port:
        async with sender(f"http://127.0.0.1:{port}", seconds=0.3) as one:
            assert (await one.send(REQUEST, "a1")).fate is Fate.NOT_SENT


async def test_a_server_that_is_not_the_one_we_trust_gets_nothing() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with FaultServer(json_answer(DONE), context) as server, sender(server.url) as one:
        found = await one.send(REQUEST, "a1")
    assert (found.fate, server.requests) == (Fate.NOT_SENT, [])
    assert "certificate" in found.message


async def test_a_proxy_that_refuses_the_tunnel_has_passed_nothing_on() -> None:
    async with FaultServer(answering(403, "no")) as proxy, sender("https://k8s.example", proxy=proxy.url) as one:
        found = await one.send(REQUEST, "a1")
    assert (found.fate, [each.method for each in proxy.requests]) == (Fate.NOT_SENT, ["CONNECT"])


async def test_a_tunnel_that_never_opens_has_passed_nothing_on() -> None:
    async with FaultServer(faults.hang) as proxy, sender("https://k8s.example", proxy=proxy.url, seconds=0.3) as one:
        assert (await one.send(REQUEST, "a1")).fate is Fate.NOT_SENT


async def test_the_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{faults.free_port()}")
    assert (await sent(json_answer(DONE)))[0].fate is Fate.DONE


async def test_half_a_request_is_unknown() -> None:
    reading = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reading.set()
        writer.transport.abort()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    large = Request("PATCH", PATH, "application/json-patch+json", " " * 8_000_000, "", "")
    async with server, sender(f"http://127.0.0.1:{port}") as one:
        found = await one.send(large, "a1")
    assert reading.is_set()
    assert found.fate is Fate.UNKNOWN


async def test_each_request_has_a_connection_of_its_own() -> None:
    async with FaultServer(json_answer(DONE)) as server, sender(server.url) as one:
        for _ in range(3):
            await one.send(REQUEST, "a1")
        assert (server.accepted, len(server.requests)) == (3, 3)


async def test_nothing_is_opened_before_it_is_asked_to_send() -> None:
    async with FaultServer(json_answer(DONE)) as server, sender(server.url):
        assert server.accepted == 0


async def test_a_secret_that_a_server_quotes_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "very-secret")
    found, _ = await sent(faults.echo_credentials, bearer_token={"env": "T"})
    assert "very-secret" not in found.message


async def test_a_request_that_is_given_up_is_not_called_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = asyncio.Event()

    async def handle(request: faults.Request, writer: asyncio.StreamWriter) -> object:
        arrived.set()
        await asyncio.Event().wait()
        return CLOSE
    async with FaultServer(handle) as server, sender(server.url) as one:
        task = asyncio.create_task(one.send(REQUEST, "a1"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class TestRehearsal:
    async def test_it_goes_to_the_dry_run(self) -> None:
        async with FaultServer(json_answer(DONE)) as server, sender(server.url) as one:
            assert await one.rehearse(REQUEST) == DONE
        assert (server.requests[0].target, server.requests[0].headers["user-agent"]) == (
            f"{PATH}&dryRun=All", f"triage/{__version__} rehearsal")

    @pytest.mark.parametrize(("handler", "accepted", "words"), [
        (status(403, "Forbidden", "you may not"), False, "you may not"),
        (status(422, "Invalid", "spec.replicas: Invalid value"), False, "spec.replicas"),
        (status(400, "BadRequest", 'admission webhook "w" does not support dry run'), None, "does not support dry run"),
        (answering(503, "", "text/plain"), None, "could not rehearse it"),
        (faults.hang, None, "could not rehearse it")])
    async def test_a_server_that_cannot_rehearse_has_not_refused(self, handler: Handler, accepted: bool | None,
                                                                 words: str) -> None:
        async with FaultServer(handler) as server, sender(server.url, seconds=0.4) as one:
            found = await one.rehearse(REQUEST)
        assert isinstance(found, Rehearsal)
        assert found.accepted is accepted
        assert words in found.message


class TestDifference:
    def test_things_with_names_are_compared_by_name(self) -> None:
        before = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]}}
        after = {"spec": {"containers": [{"name": "b"}, {"name": "a", "image": "x:2"}]}}
        assert difference(before, after) == ("spec.containers[a].image: x:1 -> x:2",)

    def test_values_of_environment_variables_are_not_shown(self) -> None:
        before = {"env": [{"name": "PASSWORD", "value": "hunter2"}]}
        after = {"env": [{"name": "PASSWORD", "value": "hunter3"}, {"name": "NEW", "value": "hunter4"}]}
        found = difference(before, after)
        assert found[0] == "env[PASSWORD].value: another value (not shown)"
        assert "hunter" not in " ".join(found)

    def test_what_the_server_itself_counts_is_left_out(self) -> None:
        assert difference({"metadata": {"generation": 1, "resourceVersion": "1", "managedFields": []}},
                          {"metadata": {"generation": 2, "resourceVersion": "2", "managedFields": [{}]}}) == ()

    def test_texts_of_others_are_harmless_and_many_lines_are_counted(self) -> None:
        [line] = difference({}, {"a\x1b": "b\x1b[31m"})
        assert line == "a␛: (none) -> b␛[31m"
        many = difference({}, {str(number): number for number in range(100)})
        assert (len(many), many[-1]) == (61, "and 40 more fields")

    def test_values_are_whole_however_long_they_are(self) -> None:
        old, new = (f"{'registry.example/' * 20}fraud@sha256:{digit * 64}" for digit in "ab")
        assert difference({"image": old}, {"image": new}) == (f"image: {old} -> {new}",)

    def test_a_text_is_not_taken_for_what_is_no_text_nor_for_an_arrow(self) -> None:
        assert difference({"a": "1"}, {"a": 1}) == ('a: "1" -> 1',)
        assert difference({}, {"a": "(none)"}) == ('a: null -> "(none)"',)
        assert difference({"a": "x"}, {"a": "x -> y"}) == ('a: x -> "x -\\u003e y"',)

    @given(st.none() | st.integers(2) | st.text(), st.none() | st.integers(2) | st.text())
    def test_two_values_that_differ_are_two_texts_that_differ(self, before: Any, after: Any) -> None:
        assume(before != after)
        [line] = difference({"x": before}, {"x": after})
        [old, new] = line.removeprefix("x: ").split(" -> ")
        assert old != new

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda inner: st.lists(
        inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "env", "a", "b"]), inner, max_size=3)))
    def test_the_same_differs_in_nothing(self, value: Any) -> None:
        assert difference({"x": value}, {"x": value}) == ()
