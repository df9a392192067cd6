"""Watches of the Kubernetes API on the wire: what they begin with, what they see, how they end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from tests.lab.cluster.ground import Ground
from triage.lab.apis.kubernetes import app
from triage.lab.cluster.resources import ROLLOUTS

ROLLOUTS_OF_ML = "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts"


async def merge(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.patch(f"{ROLLOUTS_OF_ML}/fraud", content=json.dumps(body),
                                headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200, answer.text


async def events_of(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(path, params={"watch": "1", "timeoutSeconds": "1"} | query)
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_watch_goes_on_where_the_list_ended(client: httpx.AsyncClient, ground: Ground) -> None:
    since = (await client.get(ROLLOUTS_OF_ML)).json()["metadata"]["resourceVersion"]
    watching = asyncio.create_task(events_of(client, ROLLOUTS_OF_ML, resourceVersion=since))
    await merge(client, {"spec": {"paused": True}})
    events = await watching
    assert [event["type"] for event in events] == ["MODIFIED", "MODIFIED"]
    assert events[0]["object"]["spec"]["paused"] is True
    assert events[1]["object"]["status"]["phase"] == "Paused"


async def test_a_watch_without_a_beginning_begins_with_what_exists(client: httpx.AsyncClient) -> None:
    events = await events_of(client, ROLLOUTS_OF_ML, allowWatchBookmarks="true")
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)


async def test_an_object_that_stops_matching_is_deleted_for_the_watch(client: httpx.AsyncClient,
                                                                     ground: Ground) -> None:
    since = str(ground.cluster.storage.revision)
    await merge(client, {"metadata": {"labels": {"team": "payments"}}})
    await merge(client, {"metadata": {"labels": {"team": "risk"}}})
    events = await events_of(client, ROLLOUTS_OF_ML, resourceVersion=since, labelSelector="team=payments")
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]


async def test_a_beginning_that_is_forgotten_ends_the_watch_with_410() -> None:
    ground = Ground(history=5).with_rollout()
    transport = httpx.ASGITransport(app(ground.cluster))
    async with httpx.AsyncClient(transport=transport, base_url="http://lab",
                                 headers={"Authorization": "Bearer writing"}) as client:
        [event] = await events_of(client, ROLLOUTS_OF_ML, resourceVersion="1")
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_a_watch_list_is_refused_as_by_a_server_without_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(ROLLOUTS_OF_ML, params={"watch": "1", "sendInitialEvents": "true"})
    assert answer.status_code == 422


async def test_the_controller_acts_while_somebody_watches(client: httpx.AsyncClient, ground: Ground) -> None:
    since = str(ground.cluster.storage.revision)
    ground.cluster.deploy("ml", "fraud", "8")
    watching = asyncio.create_task(events_of(client, ROLLOUTS_OF_ML, resourceVersion=since))
    await asyncio.sleep(0)
    ground.clock.at += 60
    phases = [event["object"]["status"].get("phase") for event in await watching]
    assert phases[-1] == "Paused"
    assert ground.cluster.storage.get(ROLLOUTS, "ml", "fraud")["status"]["currentStepIndex"] == 1
