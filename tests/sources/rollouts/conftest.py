"""The lab's Kubernetes API over HTTP, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.lab.cluster.ground import START, Ground
from tests.lab.serving import serving
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.facts.rollouts import PodsFacts, RolloutFacts
from triage.lab.apis.kubernetes import app
from triage.notebook.manifest import Rollout
from triage.sources.kubernetes import KubernetesClient
from triage.sources.rollouts.controller import controller_for
from triage.sources.rollouts.pods import pods

State = Callable[..., Awaitable[RolloutFacts]]


@asynccontextmanager
async def lab_client(ground: Ground, token: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesClient]:
    monkeypatch.setenv("LAB_TOKEN", token)
    with serving(app(ground.cluster)) as url:
        endpoint = Endpoint.model_validate({"url": url, "bearer_token": {"env": "LAB_TOKEN"}})
        client = KubernetesClient(endpoint, ManualClock(START), credential="the token from env LAB_TOKEN")
        try:
            yield client
        finally:
            await client.aclose()


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
async def lab_kubernetes(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesClient]:
    """Of somebody who may only read."""
    async with lab_client(ground, "reading", monkeypatch) as client:
        yield client


async def ask(client: KubernetesClient, rollout: Rollout) -> RolloutFacts | Failure:
    controller = controller_for(rollout, client, ManualClock(START))
    assert controller is not None
    return await controller.state(rollout)


@pytest.fixture
def state(lab_kubernetes: KubernetesClient) -> State:
    """Reads ``ml/fraud`` (argo) or ``ml/chat`` (deployment)."""
    async def read(kind: str = "argo", **more: str) -> RolloutFacts:
        name = {"argo": "fraud", "deployment": "chat"}[kind]
        rollout = Rollout.model_validate({"kind": kind, "namespace": "ml", "name": name} | more)
        found = await ask(lab_kubernetes, rollout)
        assert isinstance(found, RolloutFacts), found
        return found
    return read


@pytest.fixture
def pods_of(lab_kubernetes: KubernetesClient) -> Callable[[RolloutFacts], Awaitable[PodsFacts]]:
    async def read(facts: RolloutFacts) -> PodsFacts:
        found = await pods(lab_kubernetes, facts, ManualClock(START))
        assert isinstance(found, PodsFacts), found
        return found
    return read
