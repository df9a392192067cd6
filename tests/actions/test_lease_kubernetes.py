"""Leases as objects of a cluster, against a server that keeps objects by their versions as an API server does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.sources.faults import CLOSE, FaultServer, Request, answering, json_answer
from triage.actions.lease import Busy, Claim, Free, Held, NoLease
from triage.actions.lease_kubernetes import KubernetesLeases
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.sources.kubernetes import KubernetesClient

KEY = "argo/prod-eu/ml/fraud-scorer"
ANA, BEN = Claim("ana on a (process 1)", "1", "rollback to v7"), Claim("ben on b (process 2)", "2", "promote")
ROOT = "/apis/coordination.k8s.io/v1/namespaces/ml/leases"


@dataclass
class Api:
    """Lease objects: created once, replaced only from their newest version."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0
    forbidden: bool = False
    swallow: int = 0
    """So many writes are done and never answered."""

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> object:
        assert request.path.startswith(ROOT)
        name = request.path.removeprefix(ROOT).strip("/")
        if self.forbidden:
            return await self.refuse(403, "Forbidden", request, writer)
        if request.method == "GET":
            if name not in self.objects:
                return await self.refuse(404, "NotFound", request, writer)
            return await json_answer(self.objects[name])(request, writer)
        item = json.loads(request.body)
        before = self.objects.get(item["metadata"]["name"])
        if request.method == "POST" and before is not None:
            return await self.refuse(409, "AlreadyExists", request, writer)
        if request.method == "PUT" and (before is None or item["metadata"].get("resourceVersion")
                                        != before["metadata"]["resourceVersion"]):
            return await self.refuse(409, "Conflict", request, writer)
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.objects[item["metadata"]["name"]] = item
        if self.swallow:
            self.swallow -= 1
            return CLOSE
        return await json_answer(item, 201 if request.method == "POST" else 200)(request, writer)

    async def refuse(self, code: int, reason: str, request: Request, writer: asyncio.StreamWriter) -> object:
        return await json_answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                                  "reason": reason, "message": reason, "code": code}, code)(request, writer)


class Time:
    """Both clocks of a machine; waiting moves them on."""

    now = 1_795_400_000.0

    async def wait(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def leases(api: Api, time: Time | None = None) -> AsyncIterator[KubernetesLeases]:
    async with FaultServer(api) as server:
        client = KubernetesClient(Endpoint.model_validate({"url": server.url, "timeout": "2s"}), ManualClock())
        try:
            time = time or Time()
            yield KubernetesLeases(client, "ml", now=time, monotonic=time, wait=time.wait)
        finally:
            await client.aclose()


async def taken(of: KubernetesLeases, claim: Claim = ANA) -> Held:
    found = await of.acquire(KEY, claim)
    assert not isinstance(found, Busy | NoLease), found
    return found


async def test_one_has_it_until_it_is_given_back() -> None:
    api = Api()
    async with leases(api) as of:
        assert await of.look(KEY) == Free()
        held = await taken(of)
        assert held.token == 1
        seen = await of.look(KEY)
        assert isinstance(seen, Busy)
        assert seen.claim == ANA
        assert isinstance(await of.acquire(KEY, BEN), Busy)
        assert await held.renew() == ""
        assert await held.release() == ""
        assert await of.look(KEY) == Free()
        assert (await taken(of, BEN)).token == 2
    (name, item), = api.objects.items()
    assert name.startswith("triage-argo-fraud-scorer-")
    assert item["spec"]["leaseDurationSeconds"] == 30


@pytest.mark.parametrize("used_before", [False, True])
async def test_of_two_at_the_same_moment_one_gets_it(used_before: bool) -> None:
    async with leases(Api()) as of:
        if used_before:
            await (await taken(of)).release()
        found = await asyncio.gather(*(of.acquire(KEY, claim) for claim in (ANA, BEN)))
    assert sorted(isinstance(each, Busy) for each in found) == [False, True]


async def test_one_whose_holder_is_gone_ends_and_the_holder_finds_out() -> None:
    time = Time()
    async with leases(Api(), time) as of:
        gone = await taken(of)
        time.now += 31
        assert await of.look(KEY) == Free(ANA)
        held = await taken(of, BEN)
        assert (held.token, held.taken_over_from) == (2, ANA)
        assert await gone.renew() == "somebody else has the lease: ben on b (process 2)"
        assert await held.renew() == ""


async def test_heartbeats_that_meet_do_not_lose_it() -> None:
    async with leases(Api()) as of:
        held = await taken(of)
        assert list(await asyncio.gather(held.renew(), held.renew())) == ["", ""]


async def test_a_write_without_an_answer_is_looked_for() -> None:
    api = Api(swallow=1)
    async with leases(api) as of:
        held = await taken(of)
        assert await held.renew() == ""


async def test_without_permission_there_is_no_lease() -> None:
    async with leases(Api(forbidden=True)) as of:
        assert isinstance(await of.look(KEY), NoLease)
        assert isinstance(await of.acquire(KEY, ANA), NoLease)


async def test_a_server_that_is_gone_gives_no_lease() -> None:
    async with FaultServer(answering(200, "")) as server:
        url = server.url
    client = KubernetesClient(Endpoint.model_validate({"url": url, "timeout": "1s"}), ManualClock())
    assert isinstance(await KubernetesLeases(client, "ml").look(KEY), NoLease)
    await client.aclose()


async def test_a_lease_of_somebody_else_s_making_is_respected_and_its_text_is_cleaned() -> None:
    api = Api()
    async with leases(api) as of:
        await taken(of)
        (item,) = api.objects.values()
        item["spec"] = {"holderIdentity": "x\x1b]0;y\x07", "renewTime": "nonsense"}
        seen = await of.look(KEY)
    assert isinstance(seen, Busy)
    assert "\x1b" not in seen.sentence()


@asynccontextmanager
async def two(ahead: float) -> AsyncIterator[tuple[KubernetesLeases, KubernetesLeases, Time, Time]]:
    """Ana's leases and Ben's, whose clock is so many seconds ahead, with both clocks."""
    async with FaultServer(Api()) as server:
        endpoint = Endpoint.model_validate({"url": server.url, "timeout": "2s"})
        clients = [KubernetesClient(endpoint, ManualClock()) for _ in range(2)]
        first, second = Time(), Time()
        second.now += ahead
        made = [KubernetesLeases(client, "ml", now=time, monotonic=time, wait=time.wait)
                for client, time in zip(clients, (first, second), strict=True)]
        try:
            yield made[0], made[1], first, second
        finally:
            for client in clients:
                await client.aclose()


async def test_a_clock_that_is_ahead_takes_nothing_from_a_holder_who_lives() -> None:
    async with two(ahead=45.0) as (ana, ben, _, bens):
        held = await taken(ana)

        async def while_ana_lives(seconds: float) -> None:
            assert await held.renew() == ""
            await Time.wait(bens, seconds)
        ben._wait = while_ana_lives
        found = await ben.acquire(KEY, BEN)
        assert isinstance(found, Busy)
        assert found.claim == ANA
        assert await held.renew() == ""


async def test_a_holder_whose_clock_was_ahead_is_gone_when_the_lease_was_seen_to_stand_still() -> None:
    async with two(ahead=3600.0) as (ana, ben, anas, _):
        await taken(ben, BEN)
        assert isinstance(await ana.acquire(KEY, ANA), Busy)
        anas.now += 29
        assert isinstance(await ana.look(KEY), Busy)
        anas.now += 2
        assert (await taken(ana)).taken_over_from == BEN
