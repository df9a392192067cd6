"""Real clients of Prometheus against the lab: promtool, prometheus-api-client, and the product's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import cast

import pytest
import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.metric_range_df import MetricRangeDataFrame
from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3.util.retry import Retry

from tests.real.conftest import Promtool
from tests.real.contract import Peer, lab_prometheus
from triage.clock import SystemClock
from triage.endpoints import Endpoint
from triage.facts.alerts import AlertState
from triage.facts.outcome import Failure, FailureKind
from triage.facts.samples import Answer
from triage.lab.promql.engine import Semantics
from triage.sources.checkup_prometheus import check_prometheus
from triage.sources.prometheus import PrometheusClient


@pytest.fixture(scope="module")
def lab() -> Iterator[Peer]:
    with lab_prometheus(Semantics.V3) as running:
        yield running


def test_promtool_asks_an_instant_query(promtool: Promtool, lab: Peer) -> None:
    done = promtool("query", "instant", f"--time={lab.end}", lab.url, "sum by (model) (rate(calls_total[5m]))")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f'{{model="churn"}} => 1 @[{lab.end}]', f'{{model="fraud"}} => 2.2 @[{lab.end}]']


def test_promtool_asks_a_range_query(promtool: Promtool, lab: Peer) -> None:
    done = promtool("query", "range", f"--start={lab.end - 30}", f"--end={lab.end}", "--step=15s", lab.url, "halves")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:4] == [
        "halves =>", f"119 @[{lab.end - 30}]", f"119.5 @[{lab.end - 15}]", f"120 @[{lab.end}]"]


def test_promtool_lists_series(promtool: Promtool, lab: Peer) -> None:
    done = promtool("query", "series", "--match=calls_total", f"--start={lab.end - 60}", f"--end={lab.end}", lab.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == '{__name__="calls_total", code="200", model="churn", model_version="v2"}'
    assert len(done.stdout.splitlines()) == 3


def test_promtool_lists_label_values(promtool: Promtool, lab: Peer) -> None:
    done = promtool("query", "labels", f"--start={lab.end - 60}", f"--end={lab.end}", lab.url, "model")
    assert (done.returncode, done.stdout.split()) == (0, ["churn", "fraud"])


def test_promtool_shows_the_error_of_a_query(promtool: Promtool, lab: Peer) -> None:
    done = promtool("query", "instant", lab.url, "sum((")
    assert done.returncode == 1
    assert "bad_data: invalid parameter" in done.stderr


@pytest.fixture
def connect(lab: Peer) -> Iterator[PrometheusConnect]:
    with requests.Session() as session:
        session.trust_env = False
        yield PrometheusConnect(url=lab.url, retry=Retry(total=0), timeout=10, session=session)


def test_the_api_client_asks_queries(connect: PrometheusConnect, lab: Peer) -> None:
    assert connect.check_prometheus_connection()
    assert connect.custom_query("temperature", params={"time": lab.end}) == [
        {"metric": {"__name__": "temperature", "model": "fraud"}, "value": [lab.end, "1.5"]}]
    start, end = (datetime.fromtimestamp(at, UTC) for at in (lab.end - 60, lab.end))
    found = connect.custom_query_range("halves", start, end, "30")
    assert [value for _, value in found[0]["values"]] == ["118", "119", "120"]


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_the_api_client_makes_frames(connect: PrometheusConnect, lab: Peer) -> None:
    start, end = (datetime.fromtimestamp(at, UTC) for at in (lab.end - 60, lab.end))
    frame = MetricRangeDataFrame(connect.get_metric_range_data("calls_total", {"model": "fraud"}, start, end))
    assert set(frame["code"]) == {"200", "500"}
    # A query with a range selector gives the raw samples; the range is open at its left.
    assert len(frame) == 8


def test_the_api_client_discovers(connect: PrometheusConnect) -> None:
    assert {"calls_total", "ALERTS"} <= set(connect.all_metrics())
    assert connect.get_label_values("code") == ["200", "500"]
    assert {"model", "model_version"} <= set(connect.get_label_names())
    targets = connect.get_targets()["activeTargets"]
    assert [(target["scrapePool"], target["health"]) for target in targets] == [("up", "up"), ("down", "down")]
    assert sorted(connect.get_scrape_pools()) == ["down", "up"]
    assert connect.get_metric_metadata("calls_total") == []
    described = cast("list[dict[str, str]]", connect.get_metric_metadata("requests_total"))
    assert described[0]["type"] == "counter"


def test_the_api_client_is_told_of_errors(connect: PrometheusConnect) -> None:
    with pytest.raises(PrometheusApiClientException, match="HTTP Status Code 400"):
        connect.custom_query("sum((")


@pytest.fixture
async def client(lab: Peer) -> AsyncIterator[PrometheusClient]:
    made = PrometheusClient(Endpoint(url=lab.url), SystemClock())
    yield made
    await made.aclose()


async def test_the_product_reads_answers_with_their_remarks(client: PrometheusClient, lab: Peer) -> None:
    answer = await client.query("rate(temperature[5m])", at=float(lab.end))
    assert isinstance(answer, Answer)
    assert [(dict(sample.labels), sample.value) for sample in answer.samples] == [({"model": "fraud"}, 0.0)]
    assert answer.warnings == ()
    assert len(answer.infos) == 1
    assert "might not be a counter" in answer.infos[0]


async def test_the_product_reads_trends(client: PrometheusClient, lab: Peer) -> None:
    answer = await client.query_range("halves", start=lab.end - 60, end=lab.end, step=30)
    assert isinstance(answer, Answer)
    assert answer.series[0].values == (118.0, 119.0, 120.0)


async def test_the_product_reads_alerts(client: PrometheusClient) -> None:
    alerts = await client.alerts()
    assert not isinstance(alerts, Failure)
    assert [(alert.name, alert.state) for alert in alerts] == [
        ("Always", AlertState.FIRING), ("Held", AlertState.PENDING)]
    assert alerts[0].annotations["summary"] == "at 150%"


@pytest.mark.parametrize(("query", "kind"), [
    ("sum((", FailureKind.BAD_QUERY), ("calls_total * on () calls_total", FailureKind.EXECUTION)])
async def test_the_product_tells_what_went_wrong(client: PrometheusClient, query: str, kind: FailureKind) -> None:
    failure = await client.query(query)
    assert isinstance(failure, Failure)
    assert failure.kind is kind


async def test_the_doctor_finds_a_prometheus_3(lab: Peer) -> None:
    check = await check_prometheus(Endpoint(url=lab.url), SystemClock(), allow_write=False)
    trouble = {capability.what: capability.state for capability in check.capabilities if capability.state != "ok"}
    assert (check.product, check.version) == ("Prometheus", "3.5.0")
    assert trouble == {"targets": "missing", "rules": "missing"}
    assert check.warnings == ()
