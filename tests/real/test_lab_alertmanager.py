"""Real clients of Alertmanager against the lab: amtool, and the product's own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.serving import serving
from tests.real.conftest import installed
from tests.real.servers import binary
from triage.clock import SystemClock
from triage.endpoints import Endpoint
from triage.facts.alerts import AlertState
from triage.facts.outcome import Failure
from triage.lab.alerting.book import AlertBook
from triage.lab.alerting.notices import Notice
from triage.lab.apis import alertmanager
from triage.lab.clock import LabClock
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.checkup_alertmanager import check_alertmanager


class Amtool:
    """Runs amtool against one server."""

    def __init__(self, program: str, url: str) -> None:
        self._command = [program, f"--alertmanager.url={url}", "--output=json"]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, *arguments: str) -> Any:
        return json.loads(self(*arguments))


@pytest.fixture
def url() -> Iterator[str]:
    now = time.time()
    book = AlertBook(LabClock(now, now))
    book.receive([Notice({"alertname": "Slow", "model": model, "severity": "page"}, {"summary": f"{model} is slow"},
                         now - 600, now + 240, "http://prometheus.example/graph") for model in ("fraud", "churn")])
    with serving(alertmanager.app(book)) as running:
        yield running


@pytest.fixture
def amtool(url: str) -> Iterator[Amtool]:
    @contextmanager
    def made() -> Iterator[Amtool]:
        yield Amtool(binary("amtool"), url)
    with installed(made()) as tool:
        yield tool


def test_amtool_lists_alerts(amtool: Amtool) -> None:
    found = amtool.read("alert", "query")
    assert sorted((alert["labels"]["model"], alert["status"]["state"]) for alert in found) == [
        ("churn", "active"), ("fraud", "active")]
    [fraud] = amtool.read("alert", "query", "alertname=Slow", "model=~fr.*")
    assert fraud["annotations"] == {"summary": "fraud is slow"}
    assert amtool.read("alert", "query", "model=nobody") == []


def test_amtool_silences_an_alert_and_ends_the_silence(amtool: Amtool) -> None:
    new = amtool("silence", "add", "alertname=Slow", "model=fraud", "code!=404", "--comment=known", "--author=on call",
                 "--duration=2h").strip()
    [silence] = amtool.read("silence", "query")
    assert (silence["id"], silence["status"]["state"], silence["comment"]) == (new, "active", "known")
    [silenced] = amtool.read("alert", "query", "--silenced")
    assert (silenced["labels"]["model"], silenced["status"]["silencedBy"]) == ("fraud", [new])
    assert [alert["labels"]["model"] for alert in amtool.read("alert", "query")] == ["churn"]
    amtool("silence", "expire", new)
    assert amtool.read("silence", "query") == []
    [expired] = amtool.read("silence", "query", "--expired")
    assert expired["status"]["state"] == "expired"
    assert len(amtool.read("alert", "query")) == 2


def test_amtool_updates_a_silence(amtool: Amtool) -> None:
    new = amtool("silence", "add", "alertname=Slow", "--comment=known").strip()
    amtool("silence", "update", "--comment=longer", "--duration=3h", new)
    comments = {silence["comment"] for silence in amtool.read("silence", "query")}
    assert comments == {"longer"}


def test_amtool_adds_an_alert(amtool: Amtool) -> None:
    amtool("alert", "add", "alertname=Added", "model=fraud", '--annotation=summary="by hand"')
    [added] = amtool.read("alert", "query", "alertname=Added")
    assert added["annotations"] == {"summary": "by hand"}


def test_amtool_shows_the_configuration(amtool: Amtool) -> None:
    assert "on-call" in amtool("config", "show")


@pytest.fixture
async def client(url: str) -> AsyncIterator[AlertmanagerClient]:
    made = AlertmanagerClient(Endpoint(url=url), SystemClock())
    yield made
    await made.aclose()


async def test_the_product_reads_alerts_groups_and_silences(client: AlertmanagerClient, amtool: Amtool) -> None:
    new = amtool("silence", "add", "alertname=Slow", "model=fraud", "--comment=known", "--author=on call").strip()
    alerts, groups, silences = await client.alerts(), await client.groups(), await client.silences()
    assert not isinstance(alerts, Failure)
    assert not isinstance(groups, Failure)
    assert not isinstance(silences, Failure)
    assert {(alert.labels["model"], alert.state, alert.silenced_by) for alert in alerts} == {
        ("fraud", AlertState.SILENCED, (new,)), ("churn", AlertState.FIRING, ())}
    assert all(abs(time.time() - 600 - alert.started_at) < 10 for alert in alerts)
    assert [(group.labels["model"], group.receiver, len(group.alerts)) for group in groups] == [
        ("churn", "on-call", 1), ("fraud", "on-call", 1)]
    assert [(silence.id, silence.state, silence.created_by, silence.comment) for silence in silences] == [
        (new, "active", "on call", "known")]


async def test_the_doctor_finds_an_alertmanager(url: str) -> None:
    check = await check_alertmanager(Endpoint(url=url), SystemClock(), allow_write=True)
    assert (check.product, check.version) == ("Alertmanager", "0.28.1")
    assert {capability.what: capability.state for capability in check.capabilities} == {
        "alerts": "ok", "silences": "ok", "cluster": "ok", "clock": "ok", "creating silences": "ok"}
