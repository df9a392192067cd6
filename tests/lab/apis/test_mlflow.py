"""What MLflow's API does in the lab beyond the contract with MLflow itself (``tests/real``)."""

from __future__ import annotations

import math

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from triage.lab.apis.mlflow import app
from triage.lab.apis.mlflow_search import page
from triage.lab.clock import LabClock
from triage.lab.registry import Metric, Registry, Run

NOW = 1_795_400_000.0


@pytest.fixture
def registry() -> Registry:
    registry = Registry(LabClock(NOW, 0.0, speed=0.0))
    registry.add_model("fraud-scorer")
    return registry


async def get(registry: Registry, path: str) -> httpx.Response:
    served = Starlette(routes=[Mount("/mlflow", app(registry))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://lab/mlflow") as client:
        return await client.get(path)


async def test_it_answers_below_a_path(registry: Registry) -> None:
    assert (await get(registry, "/health")).text == "OK"
    found = await get(registry, "/api/2.0/mlflow/registered-models/get?name=fraud-scorer")
    assert found.json()["registered_model"]["last_updated_timestamp"] == 1_795_400_000_000
    missing = await get(registry, "/api/2.0/mlflow/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_files_of_a_version_are_none_and_those_of_no_version_are_another_matter(registry: Registry) -> None:
    registry.add_version("fraud-scorer", "1", "s3://models/fraud/1")
    asked = "/model-versions/get-artifact?name=fraud-scorer&path=triage/manifest.yaml&version="
    for version, said in (("1", "No such artifact: 'triage/manifest.yaml'"),
                          ("2", "Model Version (name=fraud-scorer, version=2) not found")):
        answer = await get(registry, asked + version)
        assert (answer.status_code, answer.json()["message"]) == (404, said)


async def test_numbers_that_json_cannot_write_are_texts(registry: Registry) -> None:
    values = {"grown": math.inf, "shrunk": -math.inf, "lost": math.nan}
    registry.add_run(Run("r1", "nightly", 0, metrics=tuple(Metric(key, value, 0) for key, value in values.items())))
    run = (await get(registry, "/api/2.0/mlflow/runs/get?run_id=r1")).json()["run"]
    assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]} == {
        "grown": "Infinity", "shrunk": "-Infinity", "lost": "NaN"}


@given(st.lists(st.integers(), max_size=30), st.integers(1, 12))
def test_pages_together_are_everything_once_and_in_order(found: list[int], size: int) -> None:
    seen: list[int] = []
    token = ""
    while True:
        items, token = page(found, token, size)
        assert len(items) <= size
        seen += items
        if not token:
            break
    assert seen == found
