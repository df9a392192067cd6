"""Pipelines behind a web hook: what they are asked with and what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.lab.cluster.ground import START, Watch
from triage.lab.apis.pipelines import app
from triage.lab.world.effects import Effects
from triage.lab.world.fleet import FLEET
from triage.lab.world.pipelines import MATERIALIZING_SECONDS, Pipelines

LOAD = {"model": "fraud-scorer", "share": 0.25}


@pytest.fixture
def clock() -> Watch:
    return Watch()


@pytest.fixture
async def client(clock: Watch) -> AsyncIterator[httpx.AsyncClient]:
    served = app(Pipelines(clock, {name: Effects((), START) for name in FLEET}, START), clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://lab") as client:
        yield client


async def test_a_run_is_accepted_at_once_and_succeeds_later(client: httpx.AsyncClient, clock: Watch) -> None:
    answer = await client.post("/rematerialize", json={"model": "loan-approval"})
    run = {"run": 1, "action": "rematerialize", "model": "loan-approval", "parameters": {}, "started_at": START}
    assert (answer.status_code, answer.json()) == (202, run | {"status": "running"})
    clock.at += MATERIALIZING_SECONDS
    assert (await client.get("/runs/1")).json() == run | {"status": "succeeded"}
    assert (await client.get("/runs")).json() == [run | {"status": "succeeded"}]


async def test_a_request_that_is_sent_twice_runs_once(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "4f1e"}
    answers = [await client.post("/shed-load", json=LOAD, headers=headers) for _ in range(2)]
    assert [answer.json()["run"] for answer in answers] == [1, 1]
    other = await client.post("/shed-load", json=LOAD | {"share": 0.5}, headers=headers)
    assert (other.status_code, "belongs to run 1" in other.json()["error"]) == (422, True)


@pytest.mark.parametrize(("body", "status", "why"), [
    (b"{", 400, "the body is no JSON"),
    (b"[]", 400, 'an object with a "model"'),
    (b'{"model": 7}', 400, 'an object with a "model"'),
    (b'{"model": "nobody", "share": 0.5}', 422, "there is no model nobody"),
    (b'{"model": "fraud-scorer", "share": 2}', 422, "takes a share from 0 to 0.95"),
])
async def test_what_cannot_be_run_is_refused_with_the_reason(client: httpx.AsyncClient, body: bytes, status: int,
                                                             why: str) -> None:
    answer = await client.post("/shed-load", content=body)
    assert answer.status_code == status
    assert why in answer.json()["error"]
    assert (await client.get("/runs")).json() == []


async def test_a_key_beyond_reason_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/shed-load", json=LOAD, headers={"Idempotency-Key": "k" * 256})).status_code == 400


async def test_a_run_that_was_never_started_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/runs/7")).status_code == 404
