"""Prometheus' API in the dialect of 3.x, and what a scenario does to it. That of 2.42 has a contract of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from triage.lab.alerting.ruler import Ruler
from triage.lab.alerting.rules import parse_rules
from triage.lab.apis import prometheus
from triage.lab.apis.disturbance import Disturbance, Disturbances
from triage.lab.apis.prometheus_json import ScrapeTarget
from triage.lab.promql.engine import Engine
from triage.lab.promql.errors import QueryError
from triage.lab.promql.store import Store

NOW = 1_795_400_100.0
RULES = """
groups:
  - {name: one, rules: [{alert: A, expr: "jobs > 0", for: 5m}, {record: "jobs:sum", expr: sum(jobs)}]}
  - {name: two, rules: [{alert: B, expr: "jobs > 0", keep_firing_for: 10m}]}
"""


@dataclass
class Lab:
    """One Prometheus of the lab, asked in process."""

    store: Store = field(default_factory=Store)
    disturbances: Disturbances = field(default_factory=Disturbances)
    targets: list[ScrapeTarget] = field(default_factory=list)
    ruler: Ruler | None = None

    def now(self) -> float:
        return NOW

    def add(self, labels: dict[str, str], value: float) -> None:
        times = np.array([round((NOW - 15 * n) * 1000) for n in reversed(range(41))], dtype=np.int64)
        self.store.append(labels, times, np.full(41, value))

    def app(self) -> Starlette:
        return prometheus.app(Engine(self.store), self, ruler=self.ruler, targets=lambda: self.targets,
                              disturbances=self.disturbances)


@pytest.fixture
def lab() -> Lab:
    made = Lab()
    for number, zone in enumerate(("a", "b", "c"), 1):
        made.add({"__name__": "jobs", "zone": zone}, float(number))
    return made


@pytest.fixture
async def http(lab: Lab) -> AsyncIterator[httpx.AsyncClient]:
    lab.ruler = Ruler(Engine(lab.store), lab.store, parse_rules(RULES, "rules.yaml"))
    lab.ruler.advance(NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(lab.app()), base_url="http://lab") as client:
        yield client


async def asked(http: httpx.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await http.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_remarks_on_a_query_are_infos(http: httpx.AsyncClient) -> None:
    answer = await asked(http, "query", query="rate(jobs[5m])")
    assert set(answer) == {"status", "data", "infos"}
    assert "might not be a counter" in answer["infos"][0]


async def test_series_beyond_the_limit_are_cut_with_a_warning(http: httpx.AsyncClient) -> None:
    cut = {"warnings": ["results truncated due to limit"]}
    answer = await asked(http, "query", query="jobs", limit="2")
    assert (len(answer["data"]["result"]), answer["warnings"]) == (2, cut["warnings"])
    ranged = await asked(http, "query_range", query="jobs", start=NOW - 60, end=NOW, step=15, limit=2)
    assert (len(ranged["data"]["result"]), ranged["warnings"]) == (2, cut["warnings"])
    assert await asked(http, "series", **{"match[]": "jobs", "limit": "1"}) == {
        "status": "success", "data": [{"__name__": "jobs", "zone": "a"}], **cut}
    assert await asked(http, "label/zone/values", limit="2") == {"status": "success", "data": ["a", "b"], **cut}
    assert "warnings" not in await asked(http, "query", query="jobs", limit="3")
    assert "warnings" not in await asked(http, "labels", limit="0")


async def test_a_limit_that_is_no_number_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/labels", params={"limit": "-1"})
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize("path", ["gen_ai.model", "U__gen__ai_2e_model"])
async def test_any_text_can_be_a_label_name(lab: Lab, http: httpx.AsyncClient, path: str) -> None:
    lab.add({"__name__": "other", "gen_ai.model": "llama"}, 1.0)
    assert (await asked(http, f"label/{path}/values"))["data"] == ["llama"]


async def test_rules_are_chosen_by_name_group_and_file(http: httpx.AsyncClient) -> None:
    async def names(**params: Any) -> list[tuple[str, list[str]]]:
        groups = (await asked(http, "rules", **params))["data"]["groups"]
        return [(group["name"], [rule["name"] for rule in group["rules"]]) for group in groups]
    assert await names() == [("one", ["A", "jobs:sum"]), ("two", ["B"])]
    assert await names(**{"rule_name[]": "B"}) == [("two", ["B"])]
    assert await names(**{"rule_name[]": ["A", "B"]}) == [("one", ["A"]), ("two", ["B"])]
    assert await names(**{"rule_group[]": "one"}) == [("one", ["A", "jobs:sum"])]
    assert await names(**{"file[]": "other.yaml"}) == []
    assert await names(type="record", **{"rule_group[]": "one"}) == [("one", ["jobs:sum"])]


async def test_an_alert_that_is_kept_firing_says_since_when(lab: Lab, http: httpx.AsyncClient) -> None:
    assert lab.ruler is not None
    for zone in "abc":
        lab.store.append_point({"__name__": "jobs", "zone": zone}, round((NOW + 15) * 1000), 0.0)
    lab.ruler.advance(NOW + 15)
    alerts = (await asked(http, "alerts"))["data"]["alerts"]
    assert [(alert["labels"]["alertname"], alert["state"], alert["keepFiringSince"]) for alert in alerts] == [
        ("B", "firing", "2026-11-23T02:15:15Z")] * 3


async def test_a_rule_that_was_never_evaluated_is_of_unknown_health(lab: Lab) -> None:
    lab.ruler = Ruler(Engine(lab.store), lab.store, parse_rules(RULES, "rules.yaml"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(lab.app()), base_url="http://lab") as http:
        [group, _] = (await asked(http, "rules"))["data"]["groups"]
    assert group["lastEvaluation"] == group["rules"][0]["lastEvaluation"] == "0001-01-01T00:00:00Z"
    assert group["rules"][0]["health"] == "unknown"


async def test_targets_are_asked_for_at_each_request(lab: Lab, http: httpx.AsyncClient) -> None:
    async def health() -> list[tuple[str, str]]:
        found = (await asked(http, "targets"))["data"]["activeTargets"]
        return [(target["labels"]["instance"], target["health"]) for target in found]
    assert await health() == []
    lab.targets = [ScrapeTarget("fraud", "10.0.0.1:8000"), ScrapeTarget("fraud", "10.0.0.2:8000", scraped_at=NOW),
                   ScrapeTarget("fraud", "10.0.0.3:8000", scraped_at=NOW, error="timeout")]
    assert await health() == [("10.0.0.1:8000", "unknown"), ("10.0.0.2:8000", "up"), ("10.0.0.3:8000", "down")]
    assert (await asked(http, "targets"))["data"]["droppedTargetCounts"] == {"fraud": 0}
    config = (await asked(http, "status/config"))["data"]["yaml"]
    assert "job_name: fraud" in config
    assert "10.0.0.3:8000" in config


async def test_it_says_that_it_is_version_3(http: httpx.AsyncClient) -> None:
    assert (await asked(http, "status/buildinfo"))["data"]["version"].startswith("3.")


async def test_it_can_be_mounted_under_a_prefix(lab: Lab) -> None:
    outer = Starlette(routes=[Mount("/prometheus", lab.app())])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://lab/prometheus") as http:
        assert len((await asked(http, "query", query="jobs"))["data"]["result"]) == 3
        missing = await http.get("/nothing")
        assert (missing.status_code, missing.text) == (404, "404 page not found\n")
        refused = await http.get("/api/v1/query", params={"query": "sum(("})
        assert refused.json()["errorType"] == "bad_data"


async def test_a_partial_answer_lacks_series_and_says_so(lab: Lab, http: httpx.AsyncClient) -> None:
    lab.disturbances.current = Disturbance(warnings=("store b: deadline exceeded",), lost=('{zone=~"b|c"}',))
    answer = await asked(http, "query", query="sum(jobs)")
    assert (answer["data"]["result"][0]["value"][1], answer["warnings"]) == ("1", ["store b: deadline exceeded"])
    listed = await asked(http, "series", **{"match[]": "jobs"})
    assert (len(listed["data"]), listed["warnings"]) == (1, ["store b: deadline exceeded"])
    assert (await asked(http, "label/zone/values"))["data"] == ["a"]
    assert "zone" in (await asked(http, "labels"))["data"]
    lab.disturbances.current = Disturbance()
    whole = await asked(http, "query", query="sum(jobs)")
    assert (whole["data"]["result"][0]["value"][1], set(whole)) == ("6", {"status", "data"})


def test_what_is_lost_must_be_a_selector() -> None:
    with pytest.raises(QueryError):
        Disturbance(lost=("sum(",))


async def test_an_unavailable_server_answers_503_but_lives(lab: Lab, http: httpx.AsyncClient) -> None:
    lab.disturbances.current = Disturbance(unavailable=True)
    for path in ("/api/v1/query?query=1", "/api/v1/alerts", "/-/ready"):
        answer = await http.get(path)
        assert (answer.status_code, answer.text, answer.headers["x-prometheus-stopping"]) == (
            503, "Service Unavailable", "false")
    assert (await http.get("/-/healthy")).status_code == 200


async def test_a_slow_server_keeps_to_the_timeout_of_the_query(lab: Lab, http: httpx.AsyncClient) -> None:
    lab.disturbances.current = Disturbance(delay_seconds=3600.0)
    answer = await http.get("/api/v1/query", params={"query": "1", "timeout": "1ms"})
    assert (answer.status_code, answer.json()) == (
        503, {"status": "error", "errorType": "timeout", "error": "query timed out in query execution"})


async def test_a_slow_server_answers_others_meanwhile(lab: Lab, http: httpx.AsyncClient) -> None:
    lab.disturbances.current = Disturbance(delay_seconds=3600.0)
    slow = asyncio.create_task(http.get("/api/v1/query", params={"query": "1"}))
    await asyncio.sleep(0)
    assert (await http.get("/api/v1/alerts")).status_code == 200
    assert not slow.done()
    slow.cancel()


async def test_a_slow_server_answers_in_the_end(lab: Lab, http: httpx.AsyncClient) -> None:
    lab.disturbances.current = Disturbance(delay_seconds=0.001)
    assert len((await asked(http, "query", query="jobs"))["data"]["result"]) == 3
