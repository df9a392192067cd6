"""Questions about days that are still being made wait for what they need of them, and for no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest

from tests.lab.cluster.ground import START, Watch
from triage.lab.apis.past import Past, Stage
from triage.lab.apis.prometheus import app
from triage.lab.promql.engine import Engine
from triage.lab.promql.store import Store

BEGINS_AT = START - 3600
SCRAPED, WRITTEN, ANY = "m", "ALERTS", '{__name__=~"m|ALERTS"}'


@pytest.fixture
def store() -> Store:
    store = Store()
    for name in (SCRAPED, WRITTEN):
        store.append({"__name__": name, "of": name}, np.array([round(START * 1000)]), np.ones(1))
    return store


@pytest.fixture
def past() -> Past:
    return Past(BEGINS_AT, frozenset({WRITTEN}))


@pytest.fixture
async def client(store: Store, past: Past) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app(Engine(store), Watch(), past=past))
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client


async def samples(client: httpx.AsyncClient, selector: str, window: str) -> int:
    """How many samples are found in a window before now."""
    answer = await client.get("/api/v1/query", params={"query": f"sum(count_over_time({selector}[{window}]))",
                                                       "time": str(START)})
    return int(answer.json()["data"]["result"][0]["value"][1])


def grow(store: Store, name: str) -> None:
    store.prepend({"__name__": name, "of": name}, np.array([round((BEGINS_AT - 60) * 1000)]), np.ones(1))


async def test_the_last_hours_are_answered_at_once(client: httpx.AsyncClient) -> None:
    assert [await samples(client, selector, "30m") for selector in (SCRAPED, WRITTEN, ANY)] == [1, 1, 2]


async def test_older_days_are_waited_for_each_metric_as_long_as_it_takes(client: httpx.AsyncClient, store: Store,
                                                                        past: Past) -> None:
    asked = {selector: asyncio.create_task(samples(client, selector, "2h")) for selector in (SCRAPED, WRITTEN, ANY)}
    await asyncio.wait(asked.values(), timeout=0.05)
    assert not any(task.done() for task in asked.values())
    grow(store, SCRAPED)
    past.reached(Stage.SCRAPED)
    assert await asked[SCRAPED] == 2
    assert not asked[WRITTEN].done()
    assert not past.is_complete
    grow(store, WRITTEN)
    past.reached(Stage.WHOLE)
    assert (await asked[WRITTEN], await asked[ANY]) == (2, 4)
    assert past.is_complete
    await past.wait()


async def test_who_waits_for_all_of_it_is_not_woken_by_a_part(past: Past) -> None:
    waiting = asyncio.create_task(past.wait())
    past.reached(Stage.SCRAPED)
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    past.reached(Stage.WHOLE)
    past.reached(Stage.SCRAPED)
    await waiting
    assert past.is_complete


def test_without_a_past_to_come_all_of_it_is_there() -> None:
    assert Past().is_complete
