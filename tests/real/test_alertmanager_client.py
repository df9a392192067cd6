"""The Alertmanager client against a real Alertmanager that a real Prometheus sends alerts to."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.real import rules
from tests.real.conftest import installed
from tests.real.servers import Server, alertmanager, binary, wait_for
from tests.real.stage import Stage
from triage.clock import SystemClock
from triage.endpoints import Endpoint
from triage.facts.alerts import Alert, AlertState
from triage.facts.outcome import Failure, FailureKind
from triage.sources.alertmanager import AlertmanagerClient

FIRING = {"SteadyCanaryErrors", "SteadyInfo", rules.SILENCED_ALERT, "Hostile", "FraudCanaryErrors",
          "FraudSchemaViolations"}


@pytest.fixture(scope="module")
def silence(stage: Stage) -> Iterator[str]:
    """The id of a silence of one alert, made with amtool once every alert has arrived."""
    url = stage.alertmanager.url

    def arrived() -> bool:
        alerts = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
        return {a["labels"]["alertname"] for a in alerts} == FIRING

    wait_for(arrived, "alerts in Alertmanager", stage.prometheus, stage.alertmanager)
    amtool = [binary("amtool"), f"--alertmanager.url={url}", "silence"]
    done = subprocess.run([*amtool, "add", f"alertname={rules.SILENCED_ALERT}", "model=~ste.*", "code!=404",
                           f"--comment={rules.SILENCE_COMMENT}", "--author=oncall@example", "--duration=1h"],
                          capture_output=True, text=True, check=True)
    identity = done.stdout.strip()

    def silenced() -> bool:
        alerts = httpx.get(f"{url}/api/v2/alerts", params={"silenced": "true", "active": "false"},
                           trust_env=False).json()
        return any(identity in a["status"]["silencedBy"] for a in alerts)

    wait_for(silenced, "silenced alert", stage.alertmanager)
    yield identity
    subprocess.run([*amtool, "expire", identity], capture_output=True, check=True)


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[AlertmanagerClient]:
    made = AlertmanagerClient(Endpoint(url=stage.alertmanager.url), SystemClock())
    yield made
    await made.aclose()


async def _alerts(client: AlertmanagerClient) -> dict[str, Alert]:
    alerts = await client.alerts()
    assert not isinstance(alerts, Failure), alerts
    return {alert.name: alert for alert in alerts}


async def test_every_alert_has_its_state(silence: str, client: AlertmanagerClient) -> None:
    states = {name: alert.state for name, alert in (await _alerts(client)).items()}
    assert states == {"SteadyCanaryErrors": AlertState.FIRING, "SteadyInfo": AlertState.INHIBITED,
                      rules.SILENCED_ALERT: AlertState.SILENCED, "Hostile": AlertState.FIRING,
                      "FraudCanaryErrors": AlertState.FIRING, "FraudSchemaViolations": AlertState.FIRING}


async def test_what_quiets_an_alert_is_named(silence: str, client: AlertmanagerClient) -> None:
    alerts = await _alerts(client)
    assert alerts[rules.SILENCED_ALERT].silenced_by == (silence,)
    assert alerts["SteadyInfo"].inhibited_by == (alerts["SteadyCanaryErrors"].fingerprint,)


async def test_an_alert_carries_labels_annotations_and_the_time_it_began(silence: str, stage: Stage,
                                                                         client: AlertmanagerClient) -> None:
    alert = (await _alerts(client))["SteadyCanaryErrors"]
    assert dict(alert.labels) == {"alertname": "SteadyCanaryErrors", "model": "steady", "model_version": "v2",
                                  "severity": "critical", "team": "payments"}
    assert alert.annotations["summary"] == "steady v2 fails 5% of requests"
    assert stage.epoch - 1 <= alert.started_at <= SystemClock().now()
    assert alert.generator_url.startswith("http")


async def test_nothing_of_a_hostile_alert_can_reach_the_terminal(silence: str, client: AlertmanagerClient) -> None:
    alert = (await _alerts(client))["Hostile"]
    texts = [*alert.labels.values(), *alert.annotations.values(), alert.generator_url]
    assert len(texts) > 8
    for text in texts:
        assert not set(text) & {"\x1b", "\x07", "\r", "\u202e", "\u2066"}
        assert len(text) < 10_000


async def test_groups_follow_the_servers_routes(silence: str, client: AlertmanagerClient) -> None:
    groups = await client.groups()
    assert not isinstance(groups, Failure)
    by_name = {group.labels["alertname"]: group for group in groups}
    assert set(by_name) == FIRING
    assert by_name["SteadyCanaryErrors"].receiver == "pager"
    assert [a.name for a in by_name["Hostile"].alerts] == ["Hostile"]


async def test_a_silence_keeps_its_matchers_and_loses_its_escapes(silence: str, client: AlertmanagerClient) -> None:
    silences = await client.silences()
    assert not isinstance(silences, Failure)
    [found] = [s for s in silences if s.id == silence]
    assert found.state == "active"
    assert set(found.matchers) == {("alertname", rules.SILENCED_ALERT, False, True), ("model", "ste.*", True, True),
                                   ("code", "404", False, False)}
    assert found.created_by == "oncall@example"
    assert found.comment.startswith("INC-0412: known noise")
    assert "\x1b" not in found.comment
    assert found.ends_at - found.starts_at == pytest.approx(3600, abs=5)


async def test_an_error_that_is_a_bare_string_is_told(client: AlertmanagerClient) -> None:
    failure = await client.get("/api/v2/alerts", {"filter": "no matcher{"})
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status) == (FailureKind.BAD_QUERY, 400)
    assert failure.message


async def test_the_status_can_be_read(client: AlertmanagerClient) -> None:
    status = await client.get("/api/v2/status")
    assert not isinstance(status, Failure), status
    assert status["versionInfo"]["version"]
    assert status["cluster"]["status"] == "disabled"


@pytest.fixture
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An Alertmanager under a route prefix that knows no alert."""
    with installed(alertmanager(tmp_path_factory.mktemp("empty"), rules.alertmanager_config(),
                                prefix="/am")) as server:
        yield server


async def test_no_alerts_are_an_empty_answer_and_a_prefix_is_part_of_the_url(empty: Server) -> None:
    client = AlertmanagerClient(Endpoint(url=empty.url), SystemClock())
    assert await client.alerts() == ()
    assert await client.silences() == ()
    empty.stop()
    gone = await client.alerts()
    assert isinstance(gone, Failure)
    assert gone.kind is FailureKind.CONNECT
    await client.aclose()
