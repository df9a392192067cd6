"""No request that a client can send breaks a system of the lab: it is refused, and what came before is still there."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from triage.lab.apis.past import Stage
from triage.lab.clock import LabClock
from triage.lab.site import Tokens, site
from triage.lab.world.scenario import load
from triage.lab.world.world import World

NOW = 1_795_831_920.0
HUGE = "9" * 400
LONG = "9" * 5_000
"""More digits than Python turns into an integer."""
LATEST = "9999-12-31T23:59:59-14:00"
EARLIEST = "0001-01-01T00:00:00+14:00"
ROLLOUT = "/kubernetes/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud-scorer"
SILENCE = {"comment": "c", "createdBy": "me", "startsAt": "2026-11-28T02:12:00Z", "endsAt": "2026-11-29T02:12:00Z",
           "matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": True}]}
ALERT = {"labels": {"alertname": "x"}, "startsAt": "2026-11-28T02:12:00Z", "endsAt": "2026-11-29T02:12:00Z"}


@pytest.fixture(scope="module")
def world() -> World:
    """Begun and without its past, which nothing here asks for."""
    scenario = load("canary-latency")
    made = World(scenario, scenario.seed, LabClock(NOW, 0.0, 0.0))
    made.begin()
    made.past.reached(Stage.WHOLE)
    return made


@pytest.fixture
async def lab(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests fail the test when a system raises instead of answering."""
    transport = httpx.ASGITransport(site(world, Tokens("writes", "reads")))
    async with httpx.AsyncClient(transport=transport, base_url="http://lab",
                                 headers={"Authorization": "Bearer writes"}) as client:
        yield client


@pytest.mark.parametrize(("path", "parameters", "status"), [
    ("/prometheus/api/v1/query", {"query": "up", "timeout": f"{HUGE}s"}, 400),
    ("/prometheus/api/v1/query", {"query": "up", "limit": LONG}, 400),
    ("/prometheus/api/v1/query", {"query": "up offset 99999999y"}, 400),
    ("/prometheus/api/v1/query", {"query": "up[99999999y]"}, 400),
    ("/prometheus/api/v1/query", {"query": "up @ 1e300"}, 400),
    ("/prometheus/api/v1/query_range", {"query": "up", "start": "1", "end": "2", "step": f"{HUGE}y"}, 400),
    ("/prometheus/api/v1/metadata", {"limit": LONG}, 400),
    ("/prometheus/api/v1/label/U__110000_/values", {}, 200),
    ("/loki/loki/api/v1/query_range", {"query": '{app="a"}', "start": f"{HUGE}.5"}, 400),
    ("/loki/loki/api/v1/query_range", {"query": '{app="a"}', "since": f"{HUGE}s"}, 400),
    ("/loki/loki/api/v1/query_range", {"query": '{app="a"} | ' + "(" * 3_000}, 400),
    ("/loki/loki/api/v1/query_range", {"query": '{app=~".+"} | a="b"' + ' and a="b"' * 1_500}, 200),
    ("/loki/loki/api/v1/query_range", {"query": r'{app=~"\ud800("}'}, 400),
    ("/mlflow/api/2.0/mlflow/registered-models/search", {"max_results": LONG}, 400),
    ("/alertmanager/api/v2/alerts", {"filter": 'a=~"("'}, 400),
    (ROLLOUT.rpartition("/")[0], {"watch": "1", "resourceVersion": HUGE}, 400),
], ids=lambda value: value if isinstance(value, str) else "")
async def test_a_question_that_cannot_be_answered_is_refused(lab: httpx.AsyncClient, path: str,
                                                             parameters: dict[str, str], status: int) -> None:
    answer = await lab.get(path, params=parameters)
    assert answer.status_code == status, answer.text


MANY = 20_000


@pytest.mark.parametrize(("method", "path", "parameters"), [
    ("POST", "/prometheus/api/v1/query", {"query": 'up{job=~"(a+)+b", instance=~"(.*)*(.*)*(.*)*x"}'}),
    ("POST", "/prometheus/api/v1/query", {"query": 'label_replace(vector(1), "a", "", "b", "(|a)*x")'}),
    ("POST", "/prometheus/api/v1/query", {"query": '"' + '\\"' * MANY}),
    ("POST", "/prometheus/api/v1/query", {"query": "'" + "\\'" * MANY}),
    ("POST", "/prometheus/api/v1/query", {"query": "up" + " " * MANY + "!"}),
    ("GET", "/alertmanager/api/v2/alerts", {"filter": "a=" + " " * MANY + "x" + " " * MANY + "\0x"}),
    ("GET", "/alertmanager/api/v2/alerts", {"filter": 'a=~"(a+)+b"'}),
    ("GET", "/loki/loki/api/v1/query_range", {"query": '{app=~".+"} |~ "(([a-z]+)*[a-z ]+)+0x"', "limit": "100"}),
    ("GET", "/loki/loki/api/v1/query_range", {"query": '{app="' + '\\"' * (MANY // 2)}),
    ("GET", "/mlflow/api/2.0/mlflow/registered-models/search", {"filter": "name LIKE '" + "%a" * 30 + "%z'"}),
    ("GET", "/kubernetes/api/v1/pods", {"labelSelector": "a" + " " * MANY + "notin" + " " * MANY + "("}),
], ids=lambda value: value if isinstance(value, str) else str(value)[:40])
async def test_a_question_made_to_take_long_does_not(lab: httpx.AsyncClient, method: str, path: str,
                                                     parameters: dict[str, str]) -> None:
    began = time.monotonic()
    sent = {"data": parameters} if method == "POST" else {"params": parameters}
    answer = await lab.request(method, path, **sent)  # type: ignore[arg-type]
    assert answer.status_code < 500
    # Milliseconds where nothing backtracks; hours or for ever where something does.
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", [
    "/alertmanager/api/v2/silences", "/alertmanager/api/v2/alerts", "/mlflow/api/2.0/mlflow/registered-models/create",
    "/kubernetes/api/v1/namespaces/ml/events"])
@pytest.mark.parametrize("body", [
    b"", b"{", b"\xff\xfe{", b"[" * 100_000, b'{"a":' * 50_000, b"null", b"1", b'"x"', b"9" * 6_000, b'{"a": NaN}',
    b'{"a": 1e999}', "{}".encode("utf-16")], ids=lambda body: str(body[:12]))
async def test_a_body_that_is_not_what_is_wanted_is_refused(lab: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await lab.post(path, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("path", ["/prometheus/api/v1/query", "/alertmanager/api/v2/silences", "/lab/silent/loki",
                                  "/mlflow/api/2.0/mlflow/registered-models/create", "/loki/loki/api/v1/query_range",
                                  "/kubernetes/api/v1/namespaces/ml/events"])
async def test_a_body_too_large_for_the_memory_is_not_read(lab: httpx.AsyncClient, path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 100_000
    kind = "application/x-www-form-urlencoded" if "query" in path else "application/json"
    answer = await lab.post(path, content=endless(), headers={"Content-Type": kind})
    assert answer.status_code in (405, 413)


@pytest.mark.parametrize("at", [LATEST, EARLIEST, "2026-02-30T00:00:00Z", "\ud800"])
async def test_a_silence_at_a_time_that_cannot_be_written_is_not_kept(lab: httpx.AsyncClient, at: str) -> None:
    answer = await _post(lab, "/alertmanager/api/v2/silences", {**SILENCE, "endsAt": at})
    assert answer.status_code == 400
    assert (await lab.get("/alertmanager/api/v2/silences")).status_code == 200


async def test_half_a_surrogate_pair_is_kept_as_a_replacement_character(lab: httpx.AsyncClient) -> None:
    kept = await _post(lab, "/alertmanager/api/v2/silences", {**SILENCE, "comment": "a\ud800b"})
    assert (await lab.get(f"/alertmanager/api/v2/silence/{kept.json()['silenceID']}")).json()["comment"] == "a\ufffdb"
    assert (await _post(lab, "/alertmanager/api/v2/alerts", [{**ALERT, "annotations": {"a": "\ud800"}}])).is_success
    shown = (await lab.get("/alertmanager/api/v2/alerts", params={"filter": 'alertname="x"'})).json()
    assert [alert["annotations"] for alert in shown] == [{"a": "\ufffd"}]
    named = await _post(lab, "/mlflow/api/2.0/mlflow/registered-models/create", {"name": "\ud800"})
    assert named.json()["registered_model"]["name"] == "\ufffd"


async def test_a_source_that_is_no_address_is_refused(lab: httpx.AsyncClient) -> None:
    answer = await _post(lab, "/mlflow/api/2.0/mlflow/model-versions/create",
                         {"name": "fraud-scorer", "source": "http://["})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("spec", [
    {"replicas": 201}, {"replicas": 10**400}, {"replicas": 2**63}, {"minReadySeconds": 2**31},
    {"strategy": {"canary": {"maxSurge": "101%"}}}, {"strategy": {"canary": {"maxSurge": "9" * 5_000 + "%"}}},
    {"strategy": {"canary": {"steps": [{"pause": {"duration": 10**400}}]}}},
    {"strategy": {"canary": {"steps": [{"pause": {"duration": HUGE}}]}}},
    {"strategy": {"canary": {"steps": [{"pause": {"duration": f"{HUGE}h"}}]}}},
], ids=lambda spec: str(spec)[:50])
async def test_a_rollout_beyond_what_the_controller_can_count_is_refused(
        lab: httpx.AsyncClient, world: World, spec: dict[str, object]) -> None:
    before = (await lab.get(ROLLOUT)).json()
    answer = await lab.patch(ROLLOUT, content=json.dumps({"spec": spec}),
                             headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code in (400, 422), answer.text
    world.advance(NOW)
    assert (await lab.get(ROLLOUT)).json() == before


@pytest.mark.parametrize("name", ["\ufffd", "a\x00b", "\N{GRINNING FACE}", "a" * 3_000, "("])
@pytest.mark.parametrize("path", [
    "/prometheus/api/v1/label/{}/values", "/loki/loki/api/v1/label/{}/values", "/mlflow/{}",
    "/alertmanager/api/v2/silence/{}", "/kubernetes/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/{}"])
async def test_any_name_can_be_asked_for(lab: httpx.AsyncClient, path: str, name: str) -> None:
    answer = await lab.get(path.replace("{}", quote(name, safe="")))
    assert answer.status_code < 500


@pytest.mark.parametrize("path", ["*", "", "/", "//mlflow"])
async def test_a_path_that_names_no_system_is_refused(world: World, path: str) -> None:
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)
    await site(world, Tokens("writes", "reads"))(
        {"type": "http", "method": "OPTIONS", "path": path, "raw_path": path.encode(), "query_string": b"",
         "headers": [], "http_version": "1.1", "scheme": "http", "root_path": ""},
        receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 401


async def _post(lab: httpx.AsyncClient, path: str, body: object) -> httpx.Response:
    return await lab.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
