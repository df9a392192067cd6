"""Alertmanager's API in the dialect of newer releases. What 0.25 answers has a contract of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from triage.lab.alerting.book import AlertBook
from triage.lab.alerting.matchers import parse_matcher
from triage.lab.alerting.notices import Notice
from triage.lab.alerting.silences import SilenceDraft
from triage.lab.apis import alertmanager

NOW = 1_795_400_100.0
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Standing:
    """A clock that stands still."""

    def now(self) -> float:
        return NOW


@pytest.fixture
def book() -> AlertBook:
    made = AlertBook(Standing(), seed=1)
    made.receive([Notice({"alertname": "Slow", "model": "fraud"}, {}, NOW - 3600, NOW + 240)])
    return made


@pytest.fixture
async def http(book: AlertBook) -> AsyncIterator[httpx.AsyncClient]:
    outer = Starlette(routes=[Mount("/alertmanager", alertmanager.app(book))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://lab/alertmanager") as client:
        yield client


async def test_an_alert_names_the_intervals_that_mute_it(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v2/alerts")).json() == [{
        "annotations": {}, "endsAt": "2026-11-23T02:19:00.000Z", "fingerprint": "818b5d196bb74042",
        "receivers": [{"name": "on-call"}], "startsAt": "2026-11-23T01:15:00.000Z",
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": "2026-11-23T02:15:00.000Z", "labels": {"alertname": "Slow", "model": "fraud"}}]


async def test_what_the_lab_does_to_its_book_is_seen_at_once(book: AlertBook, http: httpx.AsyncClient) -> None:
    new = book.put_silence(SilenceDraft((parse_matcher("model=fraud"),), NOW, NOW + 60, "me", "known"))
    [alert] = (await http.get("/api/v2/alerts")).json()
    assert alert["status"]["silencedBy"] == [new]
    assert (await http.get(f"/api/v2/silence/{new}")).json()["endsAt"] == "2026-11-23T02:16:00.000Z"


async def test_expiring_an_unknown_silence_is_not_found(http: httpx.AsyncClient) -> None:
    assert (await http.delete(f"/api/v2/silence/{UNKNOWN}")).status_code == 404


async def test_an_unknown_path_is_named_without_the_prefix(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v2/nothing")).json() == {"code": 404, "message": "path /api/v2/nothing was not found"}


async def test_a_regular_expression_that_cannot_be_read_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v2/silences", json={
        "matchers": [{"name": "model", "value": "(", "isRegex": True}], "startsAt": "2026-11-23T02:15:00Z",
        "endsAt": "2026-11-23T03:15:00Z", "createdBy": "me", "comment": "known"})
    assert answer.status_code == 400
    assert answer.json().startswith('silence invalid: invalid label matcher 0: invalid regular expression "("')


async def test_an_alert_without_times_lasts_until_nobody_speaks_of_it(http: httpx.AsyncClient) -> None:
    for times in ({}, {"startsAt": "0001-01-01T00:00:00.000Z", "endsAt": "0001-01-01T00:00:00.000Z"}):
        assert (await http.post("/api/v2/alerts", json=[{"labels": {"alertname": "New"}, **times}])).status_code == 200
        [alert] = (await http.get("/api/v2/alerts", params={"filter": "alertname=New"})).json()
        assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-23T02:15:00.000Z", "2026-11-23T02:20:00.000Z")


@pytest.mark.parametrize(("body", "said"), [
    ('{"a": 1}', "json: cannot unmarshal object into Go value of type models.PostableAlerts"),
    ("[5]", "json: cannot unmarshal number into Go value of type models.PostableAlert"),
    ('[{"labels": {"a": 5}}]', "json: cannot unmarshal number into Go struct field PostableAlert.labels of type"),
    ("[{}]", "0.labels in body is required"),
    ("[", 'parsing alerts body from "" failed'),
])
async def test_alerts_that_cannot_be_read_are_refused(http: httpx.AsyncClient, body: str, said: str) -> None:
    answer = await http.post("/api/v2/alerts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert said in answer.json()["message"]
