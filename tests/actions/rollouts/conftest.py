"""Systems over the lab's Kubernetes API: one server for all tests of a module, a new cluster for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.lab.cluster.ground import START, Ground
from tests.lab.serving import serving
from triage.actions.plan import Action, Plan
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.rollouts.workload import Workload
from triage.actions.system import Fate, Offer, Progress, Refusal, Sent, Sighting, Wish
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.config_sources import KubernetesEndpoint
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.lab.apis.kubernetes import app
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest
from triage.sources.kubernetes import KubernetesClient

NOTHING = Snapshot(START, "lab", False, (), (), ())
ACTOR = "operator"


class Switched:
    """An application whose inside is changed between tests; it keeps what was asked of it."""

    def __init__(self) -> None:
        self.inside: ASGIApp | None = None
        self.writes: list[tuple[str, str, Mapping[str, str], bytearray]] = []
        """(method, path with query, headers, body) of every request that was no GET."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.inside is not None
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.inside(scope, receive, send)
            return
        body = bytearray()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.writes.append((scope["method"], f"{scope['path']}?{scope['query_string'].decode()}", headers, body))

        async def kept() -> Any:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self.inside(scope, kept, send)

    @property
    def patches(self) -> list[tuple[str, str, Mapping[str, str], bytearray]]:
        return [each for each in self.writes if each[0] == "PATCH"]


@pytest.fixture(scope="module")
def switched() -> Switched:
    return Switched()


@pytest.fixture(scope="module")
def address(switched: Switched) -> Iterator[str]:
    with serving(switched) as url:
        yield url


def manifest(kind: str = "argo", name: str = "fraud", **spec: Any) -> Manifest:
    return Manifest.model_validate({
        "apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
        "metadata": {"name": "fraud-scorer", "version": "8", "owners": [{"name": "ml", "role": "on-call"}]},
        "spec": {"rollout": {"kind": kind, "namespace": "ml", "name": name},
                 "slos": [{"name": "success", "sli": {"good": "a", "total": "b"}, "objective": 99}]} | spec})


@dataclass
class Stage:
    """A target in the lab, as one user sees it."""

    ground: Ground
    system: Workload
    switched: Switched
    client: KubernetesClient

    async def wish(self, action: Action, to: str = "", **parameters: str) -> Plan | Refusal:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return self.system.plan(Wish(action, "tests", to, parameters=parameters), observed, NOTHING, ACTOR, START)

    async def plan(self, action: Action, to: str = "", **parameters: str) -> Plan:
        found = await self.wish(action, to, **parameters)
        assert isinstance(found, Plan), found
        return found

    async def refusal(self, action: Action, to: str = "", **parameters: str) -> Refusal:
        found = await self.wish(action, to, **parameters)
        assert isinstance(found, Refusal), found
        assert found.hint
        return found

    async def send(self, plan: Plan) -> list[Sent]:
        """Every request, one after the other, as long as they are done."""
        results = []
        for request in plan.requests:
            results.append(await self.system.send(request, "a1"))
            if results[-1].fate is not Fate.DONE:
                break
        return results

    async def do(self, action: Action, to: str = "", **parameters: str) -> Plan:
        """Plan it, send it, and let the controller see it."""
        plan = await self.plan(action, to, **parameters)
        assert [each.fate for each in await self.send(plan)] == [Fate.DONE] * len(plan.requests)
        self.ground.wait(0)
        return plan

    async def seen(self, plan: Plan) -> Sighting:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return self.system.sighting(plan, observed)

    async def progress(self, plan: Plan) -> Progress:
        return (await self.seen(plan)).progress

    async def offers(self) -> dict[Action, Offer]:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return {each.action: each for each in self.system.offers(observed, NOTHING)}


@pytest.fixture
def make_stage(switched: Switched, address: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    switched.writes.clear()

    def make(ground: Ground, kind: str = "argo", token: str = "writing", **spec: Any) -> Stage:
        switched.inside = app(ground.cluster)
        monkeypatch.setenv("LAB_TOKEN", token)
        endpoint = Endpoint.model_validate({"url": address, "bearer_token": {"env": "LAB_TOKEN"}})
        clock = ManualClock(START)
        client = KubernetesClient(endpoint, clock, credential="the token from env LAB_TOKEN")
        kubernetes = KubernetesEndpoint.model_validate({"url": address})
        active = Active("lab", Context(prometheus=endpoint, kubernetes=kubernetes), (), None)
        name = {"argo": "fraud", "deployment": "chat"}[kind]
        system = system_of(Setting(manifest(kind, name, **spec), active, clock, client))
        assert isinstance(system, Workload)
        return Stage(ground, system, switched, client)
    return make


@pytest.fixture
async def argo(make_stage: Any) -> AsyncIterator[Stage]:
    """The rollout ``ml/fraud``: version 7 serves, version 8 has come and waits at 10 %."""
    stage = make_stage(Ground().with_rollout())
    stage.ground.deploy("8")
    yield stage
    await stage.client.aclose()


@pytest.fixture
async def chat(make_stage: Any) -> AsyncIterator[Stage]:
    """The deployment ``ml/chat``: version 2 has replaced version 1."""
    ground = Ground().with_deployment()
    ground.deploy("2", "chat")
    ground.wait(60)
    stage = make_stage(ground, "deployment")
    yield stage
    await stage.client.aclose()
