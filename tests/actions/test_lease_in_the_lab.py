"""Leases kept in the lab's cluster: of all who ask for one target, one gets it, and everybody can see who."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.lab.cluster.ground import START, Ground
from tests.lab.serving import serving
from tests.sources import faults
from tests.sources.faults import FaultServer, Request, json_answer
from tests.sources.test_kubernetes import status
from triage.actions import lease_beside
from triage.actions.lease import Busy, Claim, Free, Held, Leases, NoLease
from triage.actions.lease_kubernetes import KubernetesLeases, lease_name
from triage.actions.plan import Target
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.lab.apis.kubernetes import app
from triage.lab.cluster.resources import LEASES
from triage.sources.kubernetes import KubernetesClient

TARGET = Target("prod-eu", True, "fraud-scorer", "argo", "Argo Rollout", "prod-eu", "ml", "fraud")
NAME = "triage-argo-fraud-" + hashlib.sha256(b"argo/ml/fraud").hexdigest()[:8]
ANA = Claim("ana on bastion-1 (process 4711)", "a1", "rollback fraud-scorer to 7")
BEN = Claim("ben on laptop (process 12)", "b1", "promote fraud-scorer")


class Now:
    """The machine's time of a test."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ground() -> Ground:
    return Ground().with_rollout()


@pytest.fixture(scope="module")
def inside() -> list[Starlette]:
    return []


@pytest.fixture(scope="module")
def address(inside: list[Starlette]) -> Iterator[str]:
    async def delegate(scope: Any, receive: Any, send: Any) -> None:
        await inside[-1](scope, receive, send)
    with serving(delegate) as url:
        yield url


def client_of(url: str, monkeypatch: pytest.MonkeyPatch, token: str = "writing") -> KubernetesClient:
    monkeypatch.setenv("LAB_TOKEN", token)
    return KubernetesClient(Endpoint.model_validate({"url": url, "bearer_token": {"env": "LAB_TOKEN"}}), ManualClock())


@pytest.fixture
async def client(ground: Ground, inside: list[Starlette], address: str,
                 monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesClient]:
    inside.append(app(ground.cluster))
    found = client_of(address, monkeypatch)
    yield found
    await found.aclose()


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def leases(client: KubernetesClient, now: Now) -> KubernetesLeases:
    async def wait(seconds: float) -> None:
        return None
    return KubernetesLeases(client, "ml", seconds=30, now=now, wait=wait)


def held(found: Held | Busy | NoLease) -> Held:
    assert not isinstance(found, Busy | NoLease), found
    return found


def test_it_is_what_the_protocol_asks_for(leases: KubernetesLeases) -> None:
    found: Leases = leases
    assert found is leases


async def test_the_object_says_who_has_it_what_for_and_until_when(leases: KubernetesLeases, ground: Ground) -> None:
    held(await leases.acquire(TARGET.key, ANA))
    item = ground.cluster.storage.get(LEASES, "ml", NAME)
    assert item["spec"] == {
        "holderIdentity": ANA.holder, "leaseDurationSeconds": 30, "leaseTransitions": 1,
        "acquireTime": "2027-01-15T08:00:00.000000Z", "renewTime": "2027-01-15T08:00:00.000000Z"}
    assert item["metadata"]["annotations"] == {"triage.dev/action": "a1", "triage.dev/for": ANA.text}
    assert item["metadata"]["managedFields"][0]["manager"] == "triage"


async def test_nobody_else_gets_it_and_is_told_who_has_it(leases: KubernetesLeases) -> None:
    held(await leases.acquire(TARGET.key, ANA))
    for found in (await leases.acquire(TARGET.key, BEN), await leases.look(TARGET.key)):
        assert found == Busy(ANA, START, START + 30)


async def test_of_many_at_once_one_gets_it(client: KubernetesClient, now: Now) -> None:
    claims = [Claim(f"engineer {number}", f"a{number}", "roll back") for number in range(6)]
    found = await asyncio.gather(*(KubernetesLeases(client, "ml", now=now).acquire(TARGET.key, each)
                                   for each in claims))
    assert [isinstance(each, Busy) for each in found].count(False) == 1


async def test_given_back_it_is_free_and_the_token_goes_on(leases: KubernetesLeases) -> None:
    first = held(await leases.acquire(TARGET.key, ANA))
    assert await first.release() == ""
    assert await leases.look(TARGET.key) == Free()
    second = held(await leases.acquire(TARGET.key, BEN))
    assert (first.token, second.token, second.taken_over_from) == (1, 2, None)


async def test_who_says_nothing_loses_it_and_the_next_knows_from_whom(leases: KubernetesLeases, now: Now) -> None:
    first = held(await leases.acquire(TARGET.key, ANA))
    now.at += 30
    assert await leases.look(TARGET.key) == Free(ANA)
    second = held(await leases.acquire(TARGET.key, BEN))
    assert (second.token, second.taken_over_from) == (2, ANA)
    assert await first.renew() == "somebody else has the lease: ben on laptop (process 12)"
    assert "somebody else has the lease: ben on laptop" in await first.release()
    assert await second.renew() == ""


async def test_moved_on_it_stays_ours(leases: KubernetesLeases, now: Now) -> None:
    found = held(await leases.acquire(TARGET.key, ANA))
    for _ in range(5):
        now.at += 20
        assert await found.renew() == ""
    assert await leases.look(TARGET.key) == Busy(ANA, START, now.at + 30)


async def test_everybody_can_see_that_its_holder_only_watches(leases: KubernetesLeases, ground: Ground) -> None:
    found = held(await leases.acquire(TARGET.key, ANA))
    assert await found.watch() == ""
    # Another version of it in between: it is written again.
    ground.patch({"metadata": {"annotations": {"triage.dev/watches": None}}}, resource=LEASES, name=NAME)
    assert await found.renew() == ""
    assert await leases.look(TARGET.key) == Busy(ANA, START, START + 30, True)
    assert await found.release() == ""
    assert await leases.look(TARGET.key) == Free()
    held(await leases.acquire(TARGET.key, BEN))
    assert await leases.look(TARGET.key) == Busy(BEN, START, START + 30, False)


async def test_beside_a_watcher_one_acts_at_a_time_in_the_cluster_too(leases: KubernetesLeases) -> None:
    watching = held(await leases.acquire(TARGET.key, ANA))
    await watching.watch()
    passing = held(await lease_beside.acquire(leases, TARGET.key, BEN, passes=True))
    found = await lease_beside.acquire(leases, TARGET.key, replace(BEN, action_id="b2"), passes=True)
    assert found == Busy(BEN, START, START + 30)
    assert await passing.release() == ""
    assert await watching.release() == ""


async def test_a_label_that_somebody_puts_on_it_does_not_lose_it(leases: KubernetesLeases, ground: Ground) -> None:
    found = held(await leases.acquire(TARGET.key, ANA))
    for _ in range(2):
        ground.patch({"metadata": {"labels": {"seen": "yes"}}}, resource=LEASES, name=NAME)
        assert await found.renew() == ""
        ground.patch({"metadata": {"labels": {"seen": None}}}, resource=LEASES, name=NAME)
    assert await found.release() == ""
    assert await leases.look(TARGET.key) == Free()


async def test_one_that_was_deleted_is_not_ours_any_more(leases: KubernetesLeases, ground: Ground) -> None:
    found = held(await leases.acquire(TARGET.key, ANA))
    ground.cluster.storage.remove(LEASES, "ml", NAME)
    assert await found.renew() == "the lease is gone: somebody deleted it"


async def test_who_may_not_write_leases_has_none(client: KubernetesClient, address: str, now: Now,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    reader = client_of(address, monkeypatch, "reading")
    found = await KubernetesLeases(reader, "ml", now=now).acquire(TARGET.key, ANA)
    assert isinstance(found, NoLease)
    assert 'cannot create resource "leases"' in found.message
    await reader.aclose()


async def test_what_cannot_be_read_is_no_lease(now: Now, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = client_of(f"http://127.0.0.1:{faults.free_port()}", monkeypatch)
    leases = KubernetesLeases(gone, "ml", now=now)
    for found in (await leases.look(TARGET.key), await leases.acquire(TARGET.key, ANA)):
        assert isinstance(found, NoLease)
        assert f"the Lease ml/{NAME} cannot be read" in found.message
    await gone.aclose()


async def test_an_answer_that_is_lost_is_looked_up(now: Now, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytes] = []

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        if request.method == "POST":
            kept.append(request.body)
            return faults.CLOSE
        if not kept:
            return await status(404, "NotFound", 'leases "x" not found')(request, writer)
        return await json_answer(json.loads(kept[0]))(request, writer)
    async with FaultServer(handle) as server:
        client = client_of(server.url, monkeypatch)
        found = held(await KubernetesLeases(client, "ml", now=now).acquire(TARGET.key, ANA))
        await client.aclose()
    assert (found.token, len(kept)) == (1, 1)


async def test_one_that_a_person_wrote_without_a_time_is_held(leases: KubernetesLeases, ground: Ground) -> None:
    ground.cluster.add({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                        "metadata": {"name": NAME, "namespace": "ml"}, "spec": {"holderIdentity": "ana, by hand"}})
    ground.wait(0)
    found = await leases.acquire(TARGET.key, BEN)
    assert isinstance(found, Busy)
    assert found.claim.holder == "ana, by hand"


def test_its_name_is_the_same_for_everybody_and_one_that_kubernetes_takes() -> None:
    assert lease_name(TARGET.key) == NAME
    assert lease_name(replace(TARGET, cluster="https://k8s.example:6443/k8s/clusters/c1").key) == NAME
    assert lease_name(replace(TARGET, namespace="ml-2").key) != NAME
    assert lease_name(replace(TARGET, system="deployment").key) != NAME
    one, other = (replace(TARGET, system="haproxy", cluster=cluster).key for cluster in ("lb-1:9999", "lb-2:9999"))
    assert lease_name(one) != lease_name(other)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_target_has_a_name_that_kubernetes_takes(system: str, name: str) -> None:
    found = lease_name(f"{system}/cluster/ml/{name}")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", found)
    assert len(found) < 150
