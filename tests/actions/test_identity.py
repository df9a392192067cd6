"""Who says who acts on systems that authenticate nobody: two persons at a pipeline, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.actions.building import ARMED, NOW
from tests.actions.building import snapshot as a_snapshot
from tests.actions.rollouts.conftest import manifest
from tests.lab.cluster.ground import Ground
from tests.lab.serving import serving
from triage.actions.approvals import ApprovalError, read
from triage.actions.circumstances import policy_of
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Refusal, System, Wish
from triage.actions.systems import retraining
from triage.clock import ManualClock
from triage.config import Active, Config, Context
from triage.config_actions import ActionSettings
from triage.config_sources import HaproxySocket, KubernetesEndpoint, MlflowRegistry
from triage.config_webhooks import Webhook
from triage.endpoints import Endpoint, SecretRef
from triage.errors import InvalidDocument
from triage.facts.outcome import Failure
from triage.lab.apis.kubernetes import app as lab_kubernetes
from triage.sources.http import Own
from triage.sources.kubernetes import KubernetesClient
from triage.state_dir import StateDir
from triage.strict_yaml import parse, validate

USERS = {"Bearer a": "ana", "Bearer b": "ben"}
WHOAMI = {"kind": "whoami", "path": "/api/v4/user", "field": "username"}


@dataclass
class Server:
    """A CI server that knows its users by their tokens."""

    url: str = ""
    started: list[str] = field(default_factory=list)
    """Authorization of every call that started something."""
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    answer: Any = None
    """In place of what it knows."""

    async def user(self, request: Request) -> Response:
        self.asked.append((request.method, await request.body()))
        who = USERS.get(request.headers.get("authorization", ""))
        if self.answer is not None:
            return JSONResponse(self.answer)
        if who is None:
            return JSONResponse({"message": "401 Unauthorized"}, 401)
        return JSONResponse({"username": who, "data": {"viewer": {"login": f"{who}-at-hub", "id": 7}}})

    async def start(self, request: Request) -> Response:
        self.started.append(request.headers["authorization"])
        return JSONResponse({"id": 1}, 202)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/api/v4/user", self.user), Route("/graphql", self.user, methods=["POST"]),
                                 Route("/train", self.start, methods=["POST"])])


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with serving(made.app()) as made.url:
        yield made


class Desk:
    """Pipelines of persons, each with a token and a state directory of their own."""

    def __init__(self, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server, self._folder, self._patch = server, folder, monkeypatch
        self.systems: list[System] = []
        self.clock = ManualClock()

    def of(self, token: str, identity: dict[str, Any] | None = WHOAMI, approval: str = "required") -> Executor:
        self._patch.setenv("CI_TOKEN", token)
        webhook = Webhook.model_validate({
            "url": self._server.url, "bearer_token": {"env": "CI_TOKEN"}, "identity": identity,
            "calls": {"retrain": {"path": "/train", "body": {"model": "{model}"}}}})
        context = Context(production=True, prometheus=Endpoint(url=self._server.url), webhooks={"ci": webhook})
        promised = manifest("webhook", "ci", retrain={"webhook": "ci", "approval": approval})
        system = retraining(Setting(promised, Active("prod", context, (), None), self.clock,
                                    snapshot=lambda: None))
        assert not isinstance(system, Refusal), system
        self.systems.append(system)

        async def wait(seconds: float) -> None:
            self.clock.advance(seconds)
        return Executor(system, Journal(StateDir(self._folder / token, "journal"), self.clock),
                        FileLeases(StateDir(self._folder / "leases"), "bastion"), self.clock,
                        policy_of(promised, ActionSettings(), 5.0), lambda: ARMED,
                        lambda: a_snapshot(at=self.clock.now()), wait=wait)


@pytest.fixture
async def desk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    made = Desk(server, tmp_path, monkeypatch)
    yield made
    for system in made.systems:
        await system.aclose()


async def prepared(executor: Executor) -> Prepared:
    found = await executor.prepare(Wish(Action.RETRAIN, "drift"))
    assert isinstance(found, Prepared), found
    return found


async def ended(executor: Executor, of: Prepared) -> Step:
    async with aclosing(executor.carry_out(of, Confirmation(of.plan.confirmation))) as happening:
        steps = [step async for step in happening]
    return next(step for step in steps if step.outcome is not None)


def persons(of: Prepared) -> str:
    return next(each.sentence for each in of.checked if each.name == "persons")


async def test_a_pipeline_that_says_whose_credential_it_is_tells_two_persons_apart(
        desk: Desk, server: Server, tmp_path: Path) -> None:
    ana = desk.of("a")
    asked = await prepared(ana)
    assert [each.name for each in asked.stops] == ["persons"]
    assert (asked.plan.actor, asked.plan.authenticated_by) == ("ana", f"{server.url}/api/v4/user")
    await ana.ask(asked, tmp_path / "retrain.json")
    same = await ana.prepare_approval(read(tmp_path / "retrain.json"))
    assert isinstance(same, Prepared)
    assert "ana asked for it and may not approve it" in persons(same)
    ben = desk.of("b")
    shown = await ben.prepare_approval(read(tmp_path / "retrain.json"))
    assert isinstance(shown, Prepared)
    assert (shown.plan.digest, shown.stops) == (asked.plan.digest, ())
    assert persons(shown).startswith("asked for by ana, approved by ben; ")
    assert server.started == []
    assert (await ended(ben, shown)).outcome is Outcome.DONE
    assert server.started == ["Bearer b"]
    [deed] = (await ben.history()).deeds
    assert (deed.actor, deed.plan.actor, deed.plan.authenticated_by) == ("ben", "ana", f"{server.url}/api/v4/user")


async def test_without_an_identity_it_is_refused_and_said_what_to_configure(
        desk: Desk, server: Server, tmp_path: Path) -> None:
    executor = desk.of("a", None)
    of = await prepared(executor)
    assert [each.name for each in of.stops] == ["persons"]
    assert persons(of) == ("nobody says who you are, so nobody can be told from another: name webhooks.ci.identity in "
                           "triage.yaml (kind: kubernetes, server or whoami)")
    assert of.plan.authenticated_by == ""
    with pytest.raises(ApprovalError, match="nobody says who you are") as error:
        await executor.ask(of, tmp_path / "retrain.json")
    assert "name webhooks.ci.identity" in error.value.hint
    assert (await ended(executor, of)).outcome is Outcome.REFUSED
    assert server.started == []


async def test_a_name_at_another_authority_is_not_another_person(
        desk: Desk, server: Server, tmp_path: Path) -> None:
    ana = desk.of("a")
    await ana.ask(await prepared(ana), tmp_path / "retrain.json")
    ben = desk.of("b", {"kind": "whoami", "method": "POST", "path": "/graphql", "field": "data.viewer.login"})
    refusal = await ben.prepare_approval(read(tmp_path / "retrain.json"))
    assert isinstance(refusal, Refusal)
    assert refusal.message == ("it is not the plan any more that ana saw: other authenticated by: "
                               f"{server.url}/api/v4/user | {server.url}/graphql")


async def test_who_one_is_is_asked_again_when_it_is_carried_out(desk: Desk, server: Server, tmp_path: Path) -> None:
    ana, ben = desk.of("a"), desk.of("b")
    await ana.ask(await prepared(ana), tmp_path / "retrain.json")
    shown = await ben.prepare_approval(read(tmp_path / "retrain.json"))
    assert isinstance(shown, Prepared)
    server.answer = {"username": "ana"}
    refused = await ended(ben, shown)
    assert refused.outcome is Outcome.REFUSED
    assert "ana asked for it and may not approve it" in refused.sentence
    assert server.started == []


async def test_a_request_that_was_changed_while_it_was_read_is_not_carried_out(
        desk: Desk, server: Server, tmp_path: Path) -> None:
    ana, ben, path = desk.of("a"), desk.of("b"), tmp_path / "retrain.json"
    await ana.ask(await prepared(ana), path)
    shown = await ben.prepare_approval(read(path))
    assert isinstance(shown, Prepared)
    path.write_text(json.dumps({**json.loads(path.read_text()), "expires_at": NOW + 901}))
    refused = await ended(ben, shown)
    assert (refused.outcome, "was changed since it was read" in refused.sentence) == (Outcome.REFUSED, True)
    assert server.started == []


@pytest.mark.parametrize(("answer", "name"), [
    ({"username": "ana"}, "ana"), ({"username": 7}, "7"), ({"username": " ana\u202e "}, "ana{u+202e}"),
    ({"username": ""}, None), ({"username": True}, None), ({"username": None}, None), ({"username": ["ana"]}, None),
    ({}, None), ([], None), ("ana", None), ({"user": {"username": "ana"}}, None)])
async def test_a_name_is_what_the_answer_has_in_its_field(
        desk: Desk, server: Server, answer: Any, name: str | None) -> None:
    server.answer = answer
    found = await desk.of("a").system.whoami()
    if name is None:
        assert isinstance(found, Failure)
        assert found.message == "its answer has no name in username"
    else:
        assert found == name


async def test_a_question_may_be_posted_and_its_answer_be_deep(desk: Desk, server: Server) -> None:
    system = desk.of("b", {"kind": "whoami", "method": "POST", "path": "/graphql", "field": "data.viewer.login",
                           "body": {"query": "{ viewer { login } }"}}).system
    assert await system.whoami() == "ben-at-hub"
    assert server.asked == [("POST", b'{"query": "{ viewer { login } }"}')]


async def test_who_cannot_be_asked_stops_what_needs_two_persons_and_nothing_else(desk: Desk) -> None:
    of = await prepared(desk.of("nobody"))
    assert persons(of).startswith("who you are cannot be read: ")
    assert "unauthorized: 401" in persons(of)
    alone = await prepared(desk.of("nobody", approval="none"))
    assert alone.stops == ()


def haproxy(identity: Any, kubernetes: KubernetesClient | None = None) -> System:
    context = Context(prometheus=Endpoint(url="http://127.0.0.1:1"), kubernetes=KubernetesEndpoint(
        url="http://127.0.0.1:1", name="prod-eu"), haproxy=HaproxySocket.model_validate(
            {"socket": "/nowhere", "identity": identity}))
    promised = manifest(rollout={"kind": "haproxy", "name": "fraud", "servers": {"7": ["a"], "8": ["b"]}})
    found = system_of(Setting(promised, Active("prod", context, (), None), ManualClock(), kubernetes))
    assert not isinstance(found, Refusal), found
    return found


async def test_haproxy_asks_the_kubernetes_api_of_its_context_who_acts() -> None:
    with serving(lab_kubernetes(Ground().cluster)) as url:
        for token, name in (("writing", "operator"), ("second", "approver")):
            file = SecretRef(command=["echo", token])
            client = KubernetesClient(Endpoint(url=url, bearer_token=file), ManualClock())
            system = haproxy({"kind": "kubernetes"}, client)
            assert (await system.whoami(), system.authority.shown) == (name, "Kubernetes prod-eu")
            await system.aclose()
            assert await client.identity() == name
            await client.aclose()


async def test_whom_a_context_impersonates_is_said_to_be_no_proof() -> None:
    own = Own(headers=(("Impersonate-User", "approver"),))
    for headers, impersonates in ((own, True), (None, False)):
        client = KubernetesClient(Endpoint(url="http://127.0.0.1:1"), ManualClock(), own=headers)
        assert haproxy({"kind": "kubernetes"}, client).authority.impersonates is impersonates
        await client.aclose()


async def test_haproxy_asks_a_server_of_its_own_who_acts(server: Server) -> None:
    system = haproxy({"kind": "server", "url": server.url, "name": "sso", "path": "/api/v4/user", "field": "username",
                      "bearer_token": {"command": ["echo", "b"]}})
    assert (await system.whoami(), system.authority.shown) == ("ben", "sso")
    await system.aclose()


@pytest.mark.parametrize(("identity", "said"), [
    ({"kind": "server", "url": "http://127.0.0.1:1", "path": "/u", "field": "u", "bearer_token": {"env": "NOT_SET"}},
     "the environment variable NOT_SET is not set"),
    ({"kind": "kubernetes"}, "names no Kubernetes API")])
async def test_an_authority_that_cannot_be_asked_takes_no_action_away(identity: Any, said: str) -> None:
    found = await haproxy(identity).whoami()
    assert isinstance(found, Failure)
    assert said in found.message


async def test_without_an_authority_haproxy_knows_nobody() -> None:
    system = haproxy(None)
    assert str(await system.whoami()).startswith("unverified: ")
    assert system.authority.remedy == "name haproxy.identity in triage.yaml (kind: kubernetes or server)"


async def test_mlflow_without_users_asks_whom_the_configuration_names(server: Server) -> None:
    registry = MlflowRegistry.model_validate({
        "kind": "mlflow", "url": server.url, "identity": WHOAMI, "bearer_token": {"command": ["echo", "a"]}})
    context = Context(prometheus=Endpoint(url=server.url), registry=registry)
    promised = manifest("mlflow", "champion", registry={"kind": "mlflow", "name": "fraud"})
    system = system_of(Setting(promised, Active("prod", context, (), None), ManualClock()))
    assert not isinstance(system, Refusal), system
    assert (await system.whoami(), system.authority.shown) == ("ana", f"{server.url}/api/v4/user")
    await system.aclose()


CONFIG = """\
apiVersion: triage/v1alpha1
kind: Config
contexts:
  prod:
    prometheus: {url: "http://one.example:9090"}
"""
SERVER = 'kind: server, url: "https://sso.example", bearer_token: {env: SSO}, path: /userinfo, field: sub'


@pytest.mark.parametrize(("more", "said"), [
    ("haproxy: {socket: /s, identity: {kind: kubernetes}}", "names no kubernetes, which haproxy.identity asks"),
    ("haproxy: {socket: /s, identity: {kind: whoami, path: /x, field: a}}", "must be one of 'server', 'kubernetes'"),
    ("haproxy: {socket: /s, identity: {path: /x}}", "does not say its kind"),
    ("haproxy: {socket: /s, identity: kubernetes}", "must be a mapping"),
    ('haproxy: {socket: /s, identity: {kind: server, url: "https://x.example", path: /x, field: a}}',
     "has no credential, by which it could know who asks"),
    ("haproxy: {socket: /s, identity: {" + SERVER.replace("/userinfo", "userinfo") + "}}", "is no path"),
    ("haproxy: {socket: /s, identity: {" + SERVER.replace("sub", "a..b") + "}}", "is no field"),
    ('registry: {kind: mlflow, url: "http://m.example", identity: {kind: kubernetes}}', "registry.identity asks"),
    ('webhooks: {ci: {url: "http://a.example", calls: {retrain: {path: /x}}, identity: {kind: kubernetes}}}',
     "webhooks.ci.identity asks"),
    ('webhooks: {ci: {url: "http://a.example", calls: {retrain: {path: /x}}, identity: {kind: whoami, path: /user, '
     'field: name, body: {}}}}', "has a body that a GET does not take"),
])
def test_an_identity_that_cannot_be_asked_is_an_error_of_the_configuration(more: str, said: str) -> None:
    with pytest.raises(InvalidDocument) as error:
        validate(parse(f"{CONFIG}    {more}\n", "triage.yaml"), Config)
    assert any(said in finding.sentence() for finding in error.value.findings), error.value.findings


@pytest.mark.parametrize("lines", [
    ("haproxy: {socket: /s, identity: {" + SERVER + "}}",),
    ('kubernetes: {url: "http://k.example"}', "haproxy: {socket: /s, identity: {kind: kubernetes}}"),
    ('registry: {kind: mlflow, url: "http://m.example", identity: {kind: whoami, path: /me, field: user.name}}',)])
def test_identities_are_taken(lines: Sequence[str]) -> None:
    assert validate(parse(CONFIG + "".join(f"    {line}\n" for line in lines), "triage.yaml"), Config)
