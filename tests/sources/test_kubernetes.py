"""The Kubernetes client: what it sends, how it says what went wrong, and how it comes by its credentials."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.sources.faults import FaultServer, Handler, Request, answering, echo_credentials, hang, json_answer
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.config_sources import Impersonate, Kubeconfig
from triage.endpoints import ConfigError, Endpoint
from triage.facts.outcome import Failure, FailureKind
from triage.sources.breaker import Breaker, BreakerState
from triage.sources.kubernetes import (
    DEPLOYMENTS,
    PODS,
    ROLLOUTS,
    Allowed,
    KubernetesClient,
    Listed,
    Permission,
    connect,
)
from triage.sources.tls import context_of

K = FailureKind
ROLLOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "fraud"}}


def status(code: int, reason: str, message: str) -> Handler:
    """A refusal in the API server's form."""
    return json_answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
                        "message": message, "code": code}, code)


@asynccontextmanager
async def kubernetes(url: str, clock: ManualClock | None = None, *, credential: str = "the token from env T",
                     **more: Any) -> AsyncIterator[KubernetesClient]:
    endpoint = Endpoint.model_validate({"url": url, "timeout": "1s", **more})
    client = KubernetesClient(endpoint, clock or ManualClock(), credential=credential)
    try:
        yield client
    finally:
        await client.aclose()


async def failure_of(handler: Handler, **more: Any) -> Failure:
    async with FaultServer(handler) as server, kubernetes(server.url, **more) as client:
        found = await client.read(ROLLOUTS, "ml", "fraud")
    assert isinstance(found, Failure)
    return found


async def test_an_object_is_read_from_its_path() -> None:
    async with FaultServer(json_answer(ROLLOUT)) as server, kubernetes(server.url) as client:
        assert await client.read(ROLLOUTS, "ml", "fraud") == ROLLOUT
        assert server.requests[0].target == "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud"
        assert server.requests[0].method == "GET"


async def test_a_list_is_bounded_and_says_when_there_is_more() -> None:
    listed = {"kind": "PodList", "metadata": {"continue": "abc"}, "items": [{"metadata": {"name": "a"}}]}
    async with FaultServer(json_answer(listed)) as server, kubernetes(server.url) as client:
        found = await client.read_all(PODS, "ml", labels="app=fraud,x in (a,b)")
    assert found == Listed(({"metadata": {"name": "a"}},), True)
    assert server.requests[0].path == "/api/v1/namespaces/ml/pods"
    assert server.requests[0].fields == {"limit": ["500"], "labelSelector": ["app=fraud,x in (a,b)"]}


async def test_an_empty_list_may_be_written_as_null() -> None:
    listed: dict[str, Any] = {"kind": "PodList", "metadata": {}, "items": None}
    async with FaultServer(json_answer(listed)) as server, kubernetes(server.url) as client:
        assert await client.read_all(PODS, "ml") == Listed((), False)


@pytest.mark.parametrize("document", [[], "text", {"metadata": {}}, {"kind": 5}])
async def test_what_is_no_object_is_a_broken_answer(document: Any) -> None:
    assert (await failure_of(json_answer(document))).kind is K.BROKEN


@pytest.mark.parametrize("document", [[], {"metadata": {}}, {"items": 5}, {"items": ["a"]}, {"items": [{"spec": {}}]}])
async def test_what_is_no_list_is_a_broken_answer(document: Any) -> None:
    async with FaultServer(json_answer(document)) as server, kubernetes(server.url) as client:
        found = await client.read_all(PODS, "ml")
    assert isinstance(found, Failure)
    assert found.kind is K.BROKEN


@pytest.mark.parametrize(("namespace", "name"), [("ml", "../../secrets"), ("ml", ".."), ("", "fraud"), ("ML", "fraud"),
                                                 ("ml", "a?b"), ("ml", "a" * 254)])
async def test_what_is_no_name_is_never_sent(namespace: str, name: str) -> None:
    async with FaultServer(json_answer(ROLLOUT)) as server, kubernetes(server.url) as client:
        found = await client.read(ROLLOUTS, namespace, name)
    assert isinstance(found, Failure)
    assert "Kubernetes object" in found.message
    assert server.requests == []


class TestRefusals:
    async def test_401_names_the_credential_and_what_to_do(self) -> None:
        failure = await failure_of(status(401, "Unauthorized", "Unauthorized"))
        assert (failure.kind, failure.message) == (K.UNAUTHORIZED, "the token from env T is not accepted")
        assert "renew it" in failure.hint

    async def test_401_without_a_credential_asks_for_one(self) -> None:
        failure = await failure_of(status(401, "Unauthorized", "Unauthorized"), credential="")
        assert failure.message == "a credential is needed"
        assert "bearer_token" in failure.hint

    async def test_403_says_which_right_is_missing(self) -> None:
        message = 'rollouts.argoproj.io "fraud" is forbidden: User "viewer" cannot get resource "rollouts"'
        failure = await failure_of(status(403, "Forbidden", message))
        assert (failure.kind, failure.message) == (K.FORBIDDEN, message)
        assert "get rollouts.argoproj.io in ml" in failure.hint
        assert "kubectl auth can-i get rollouts.argoproj.io -n ml" in failure.hint

    async def test_403_as_nobody_is_about_the_credential(self) -> None:
        message = 'rollouts.argoproj.io is forbidden: User "system:anonymous" cannot get resource'
        assert "knows us as nobody" in (await failure_of(status(403, "Forbidden", message))).hint

    async def test_404_of_an_object_points_to_the_manifest(self) -> None:
        failure = await failure_of(status(404, "NotFound", 'rollouts.argoproj.io "fraud" not found'))
        assert failure.kind is K.NOT_FOUND
        assert "Rollout ml/fraud" in failure.hint
        assert "rollout.name in the manifest" in failure.hint

    @pytest.mark.parametrize("handler", [answering(404, "404 page not found\n", "text/plain"), status(
        404, "NotFound", "the server could not find the requested resource")])
    async def test_404_of_a_kind_asks_whether_it_is_installed(self, handler: Handler) -> None:
        failure = await failure_of(handler)
        assert failure.kind is K.NOT_FOUND
        assert "is Argo Rollouts installed there" in failure.hint

    async def test_410_is_read_anew_at_the_next_refresh(self) -> None:
        failure = await failure_of(status(410, "Expired", "too old resource version: 1 (9)"))
        assert failure.message == "too old resource version: 1 (9)"
        assert "next refresh" in failure.hint

    async def test_429_says_how_long_to_wait(self) -> None:
        failure = await failure_of(answering(429, "slow down", "text/plain", {"Retry-After": "7"}))
        assert (failure.kind, failure.retry_after_seconds) == (K.THROTTLED, 7.0)

    async def test_a_server_that_hangs_is_slow_and_no_query_is_blamed(self) -> None:
        failure = await failure_of(hang, timeout="50ms")
        assert failure.kind is K.TIMEOUT
        assert "query" not in failure.hint

    async def test_a_login_page_is_not_the_api(self) -> None:
        failure = await failure_of(answering(200, "<html><title>Sign in</title></html>", "text/html"))
        assert failure.kind is K.NOT_PROMETHEUS
        assert "6443" in failure.hint

    async def test_a_redirect_is_not_followed(self) -> None:
        failure = await failure_of(answering(302, "", headers={"Location": "https://login.example/"}))
        assert failure.kind is K.REDIRECT

    async def test_a_server_that_quotes_what_it_was_sent_tells_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("T", "very-secret")
        failure = await failure_of(echo_credentials, bearer_token={"env": "T"})
        assert "very-secret" not in failure.sentence() + failure.hint

    async def test_one_forbidden_namespace_does_not_shut_out_the_others(self) -> None:
        async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
            refused = "/namespaces/closed/" in request.path
            return await (status(403, "Forbidden", "no") if refused else json_answer(ROLLOUT))(request, writer)
        async with FaultServer(handle) as server, kubernetes(server.url) as client:
            assert isinstance(await client.read(ROLLOUTS, "closed", "fraud"), Failure)
            assert client.breaker.state is BreakerState.CLOSED
            assert await client.read(ROLLOUTS, "ml", "fraud") == ROLLOUT

    async def test_a_credential_that_is_not_taken_is_not_hammered(self) -> None:
        async with FaultServer(status(401, "Unauthorized", "Unauthorized")) as server, kubernetes(server.url) as client:
            for _ in range(5):
                await client.read(ROLLOUTS, "ml", "fraud")
            assert len(server.requests) <= 2

    async def test_while_it_is_left_alone_the_way_out_is_still_told(self) -> None:
        clock = ManualClock()
        async with FaultServer(status(401, "Unauthorized", "Unauthorized")) as server, kubernetes(
                server.url, clock) as client:
            # Otherwise chance decides how soon it is asked again.
            client.source.breaker = Breaker(clock, lambda: 0.9)
            await client.read(ROLLOUTS, "ml", "fraud")
            found = await client.read(ROLLOUTS, "ml", "fraud")
        assert isinstance(found, Failure)
        assert found.kind is K.CIRCUIT_OPEN
        assert found.message.endswith("unauthorized: the token from env T is not accepted")
        assert "renew it" in found.hint


class TestPermissions:
    async def test_a_review_asks_about_verb_kind_and_subresource(self) -> None:
        answer = {"kind": "SelfSubjectAccessReview", "status": {"allowed": True, "reason": "RBAC: allowed"}}
        async with FaultServer(json_answer(answer, 201)) as server, kubernetes(server.url) as client:
            assert await client.may(Permission("patch", ROLLOUTS, "ml", "status", "fraud")) == Allowed(
                True, "RBAC: allowed")
        body = yaml.safe_load(server.requests[0].body)
        assert server.requests[0].path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert body["spec"]["resourceAttributes"] == {
            "namespace": "ml", "verb": "patch", "group": "argoproj.io", "version": "v1alpha1", "resource": "rollouts",
            "subresource": "status", "name": "fraud"}

    @pytest.mark.parametrize(("answer", "reason"), [
        ({"allowed": False}, ""), ({}, ""), ({"allowed": "yes"}, ""),
        ({"allowed": True, "denied": True, "reason": "frozen"}, "frozen"),
        ({"allowed": False, "evaluationError": "webhook gone"}, "webhook gone")])
    async def test_only_a_clear_yes_allows(self, answer: Mapping[str, Any], reason: str) -> None:
        document = {"kind": "SelfSubjectAccessReview", "status": answer}
        async with FaultServer(json_answer(document, 201)) as server, kubernetes(server.url) as client:
            assert await client.may(Permission("patch", DEPLOYMENTS, "ml")) == Allowed(False, reason)

    async def test_a_review_that_is_refused_is_a_failure_and_no_answer(self) -> None:
        async with FaultServer(status(403, "Forbidden", "no reviews")) as server, kubernetes(server.url) as client:
            assert isinstance(await client.may(Permission("patch", DEPLOYMENTS, "ml")), Failure)


class TestCredentials:
    async def test_a_token_that_has_been_renewed_is_picked_up_and_the_question_asked_once_more(
            self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        file.chmod(0o600)

        async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
            known = request.headers.get("authorization") == "Bearer new"
            return await (json_answer(ROLLOUT) if known else status(401, "Unauthorized", "Unauthorized"))(
                request, writer)
        async with FaultServer(handle) as server, kubernetes(server.url, bearer_token={"file": str(file)}) as client:
            file.write_text("new")
            assert await client.read(ROLLOUTS, "ml", "fraud") == ROLLOUT
            assert len(server.requests) == 2
            await client.read(ROLLOUTS, "ml", "fraud")
            assert len(server.requests) == 3

    async def test_questions_under_way_together_renew_it_once(self, tmp_path: Path) -> None:
        calls = tmp_path / "calls"
        program = tmp_path / "token.sh"
        program.write_text(f"#!/bin/sh\necho x >> {calls}\nwc -l < {calls} | tr -d ' ' | sed 's/^/token-/'\n")
        program.chmod(0o700)

        async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
            known = request.headers.get("authorization") == "Bearer token-2"
            return await (json_answer(ROLLOUT) if known else status(401, "Unauthorized", "Unauthorized"))(
                request, writer)
        async with FaultServer(handle) as server, kubernetes(
                server.url, bearer_token={"command": [str(program)]}, timeout="5s") as client:
            found = await asyncio.gather(*(client.read(ROLLOUTS, "ml", f"fraud-{n}") for n in range(4)))
        assert found == [ROLLOUT] * 4
        assert calls.read_text().count("x") == 2

    async def test_a_renewal_is_not_tried_again_at_once(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        file.chmod(0o600)
        clock = ManualClock()
        async with FaultServer(status(401, "Unauthorized", "Unauthorized")) as server, kubernetes(
                server.url, clock, bearer_token={"file": str(file)}) as client:
            await client.read(ROLLOUTS, "ml", "fraud")
            file.write_text("new")
            client.breaker.reset()
            await client.read(ROLLOUTS, "ml", "fraud")
            assert {request.headers["authorization"] for request in server.requests} == {"Bearer old"}
            clock.advance(60)
            client.breaker.reset()
            await client.read(ROLLOUTS, "ml", "fraud")
            assert server.requests[-1].headers["authorization"] == "Bearer new"

    async def test_a_token_that_is_gone_leaves_the_refusal_as_it_is(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        file.chmod(0o600)
        async with FaultServer(status(401, "Unauthorized", "Unauthorized")) as server, kubernetes(
                server.url, bearer_token={"file": str(file)}) as client:
            file.unlink()
            found = await client.read(ROLLOUTS, "ml", "fraud")
        assert isinstance(found, Failure)
        assert found.kind is K.UNAUTHORIZED


@pytest.fixture(scope="module")
def cluster_authority() -> trustme.CA:
    return trustme.CA()


def pem(blob: trustme.Blob) -> str:
    return base64.b64encode(blob.bytes()).decode()


def written(folder: Path, url: str, user: dict[str, Any], **cluster: Any) -> Active:
    """A context whose cluster is that of a kubeconfig beside its configuration."""
    file = folder / "kube"
    file.write_text(yaml.safe_dump({
        "clusters": [{"name": "c", "cluster": {"server": url} | cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}]}))
    file.chmod(0o600)
    context = Context.model_validate({"prometheus": {"url": "http://prometheus.example"},
                                      "kubernetes": {"kubeconfig": "kube", "context": "prod"}})
    return Active("test", context, (), folder / "triage.yaml")


async def read_once(active: Active) -> Any:
    client = connect(active, ManualClock())
    assert client is not None
    try:
        return await client.read(ROLLOUTS, "ml", "fraud")
    finally:
        await client.aclose()


def tls_server(authority: trustme.CA, name: str = "127.0.0.1", *, clients: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if clients:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class TestKubeconfig:
    async def test_server_authority_and_token_come_from_the_kubeconfig(self, tmp_path: Path,
                                                                      cluster_authority: trustme.CA) -> None:
        async with FaultServer(json_answer(ROLLOUT), tls_server(cluster_authority)) as server:
            found = await read_once(written(tmp_path, server.url, {"token": "t0ken"}, **{
                "certificate-authority-data": pem(cluster_authority.cert_pem)}))
        assert found == ROLLOUT
        assert server.requests[0].headers["authorization"] == "Bearer t0ken"

    async def test_a_client_certificate_written_in_place_is_shown_and_its_key_touches_no_disk(
            self, tmp_path: Path, cluster_authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        monkeypatch.setenv("TMPDIR", str(temporary))
        mine = cluster_authority.issue_cert("oncall")
        user = {"client-certificate-data": pem(mine.cert_chain_pems[0]), "client-key-data": pem(mine.private_key_pem)}
        async with FaultServer(json_answer(ROLLOUT), tls_server(cluster_authority, clients=True)) as server:
            active = written(tmp_path, server.url, user,
                             **{"certificate-authority-data": pem(cluster_authority.cert_pem)})
            assert await read_once(active) == ROLLOUT
        assert list(temporary.iterdir()) == []

    def test_no_descriptor_of_a_key_stays_open(self, cluster_authority: trustme.CA) -> None:
        mine = cluster_authority.issue_cert("oncall")
        before = sum(1 for _ in Path("/proc/self/fd").iterdir())
        for _ in range(5):
            context_of(None, mine.cert_chain_pems[0].bytes(), mine.private_key_pem.bytes(), where="here")
            with pytest.raises(ConfigError):
                context_of(None, b"no certificate", b"no key", where="here")
        assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before

    async def test_another_authority_is_not_trusted(self, tmp_path: Path, cluster_authority: trustme.CA) -> None:
        async with FaultServer(json_answer(ROLLOUT), tls_server(cluster_authority)) as server:
            found = await read_once(written(tmp_path, server.url, {"token": "t"}, **{
                "certificate-authority-data": pem(trustme.CA().cert_pem)}))
        assert isinstance(found, Failure)
        assert found.kind is K.TLS
        assert found.hint == "set certificate-authority to the PEM file of that authority"
        assert server.requests == []

    async def test_through_a_tunnel_the_certificate_is_verified_by_its_own_name(
            self, tmp_path: Path, cluster_authority: trustme.CA) -> None:
        ca = {"certificate-authority-data": pem(cluster_authority.cert_pem)}
        async with FaultServer(json_answer(ROLLOUT), tls_server(cluster_authority, "k8s.internal")) as server:
            refused = await read_once(written(tmp_path, server.url, {"token": "t"}, **ca))
            named = await read_once(written(tmp_path, server.url, {"token": "t"}, **ca,
                                            **{"tls-server-name": "k8s.internal"}))
        assert isinstance(refused, Failure)
        assert refused.kind is K.TLS
        assert named == ROLLOUT

    async def test_whom_the_configuration_acts_as_goes_before_the_kubeconfig(self, tmp_path: Path) -> None:
        async with FaultServer(json_answer(ROLLOUT)) as server:
            active = written(tmp_path, server.url, {"token": "t", "as": "viewer", "as-uid": "7"})
            kubernetes = Kubeconfig(kubeconfig="kube", context="prod", impersonate=Impersonate(user="oncall"))
            context = active.context.model_copy(update={"kubernetes": kubernetes})
            await read_once(Active("test", context, (), active.config_path))
        assert server.requests[0].headers["impersonate-user"] == "oncall"
        assert "impersonate-uid" not in server.requests[0].headers

    async def test_with_an_endpoint_one_acts_as_somebody_else_too(self) -> None:
        async with FaultServer(json_answer(ROLLOUT)) as server:
            context = Context.model_validate({"prometheus": {"url": server.url}, "kubernetes": {
                "url": server.url, "impersonate": {"user": "oncall", "extra": {"scopes": ["read"]}}}})
            await read_once(Active("test", context, (), None))
        headers = server.requests[0].headers
        assert (headers["impersonate-user"], headers["impersonate-extra-scopes"]) == ("oncall", "read")

    async def test_impersonation_is_sent(self, tmp_path: Path) -> None:
        async with FaultServer(json_answer(ROLLOUT)) as server:
            await read_once(written(tmp_path, server.url, {"token": "t", "as": "viewer"}))
        assert server.requests[0].headers["impersonate-user"] == "viewer"

    @pytest.mark.parametrize(("cluster", "user", "words"), [
        ({"certificate-authority-data": "Tk9QRQ=="}, {}, "the certificate authority in"),
        ({}, {"client-certificate-data": "Tk9QRQ==", "client-key-data": "Tk9QRQ=="}, "the client certificate in"),
        ({}, {"client-certificate-data": base64.b64encode(bytes(1_000_000)).decode(), "client-key-data": "Tk9QRQ=="},
         "it is too large")])
    def test_certificates_that_cannot_be_used_are_told_by_their_file(self, tmp_path: Path, cluster: dict[str, str],
                                                                    user: dict[str, str], words: str) -> None:
        active = written(tmp_path, "https://k8s.example", user, **cluster)
        with pytest.raises(ConfigError) as caught:
            connect(active, ManualClock())
        assert words in caught.value.message
        assert "(context prod)" in caught.value.message

    async def test_an_endpoint_needs_no_kubeconfig(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("K8S", "t0ken")
        async with FaultServer(json_answer(ROLLOUT)) as server:
            context = Context.model_validate({"prometheus": {"url": server.url}, "kubernetes": {
                "url": server.url, "bearer_token": {"env": "K8S"}}})
            assert await read_once(Active("test", context, (), None)) == ROLLOUT
        assert server.requests[0].headers["authorization"] == "Bearer t0ken"

    def test_a_context_without_a_cluster_has_no_client(self) -> None:
        context = Context.model_validate({"prometheus": {"url": "http://prometheus.example"}})
        assert connect(Active("test", context, (), None), ManualClock()) is None
