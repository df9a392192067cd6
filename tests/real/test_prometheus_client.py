"""The Prometheus client against a real Prometheus, and through real proxies."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.real.known import HOSTILE_LABELS, HOSTILE_VERSION, NATIVE_SHARES, V1_PER_SECOND
from tests.real.servers import PROXY_PASSWORD, PROXY_USER, Proxies, Server, wait_for
from tests.real.stage import Stage
from triage.clock import SystemClock
from triage.endpoints import BasicAuth, Endpoint, SecretRef
from triage.facts.alerts import AlertState
from triage.facts.outcome import Failure, FailureKind
from triage.facts.samples import Answer
from triage.sources.prometheus import PrometheusClient

Connect = Callable[..., PrometheusClient]
Ask = Callable[..., list[tuple[dict[str, str], float]]]
V1 = 'requests_total{model="steady",model_version="v1",code="200"}'


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """``connect(url, **endpoint)``: a client, closed at the end."""
    async with AsyncExitStack() as stack:
        def client(url: str, **endpoint: object) -> PrometheusClient:
            made = PrometheusClient(Endpoint.model_validate({"url": url, **endpoint}), SystemClock())
            stack.push_async_callback(made.aclose)
            return made
        yield client


async def answered(asking: Awaitable[Answer | Failure]) -> Answer:
    answer = await asking
    assert isinstance(answer, Answer), answer
    return answer


async def refused(asking: Awaitable[Answer | Failure]) -> Failure:
    answer = await asking
    assert isinstance(answer, Failure), answer
    return answer


async def test_an_instant_query_gives_the_value_and_its_labels(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query(f"increase({V1}[1h])", at=stage.epoch))
    [sample] = answer.samples
    assert sample.value == pytest.approx(V1_PER_SECOND * 0.999 * 3600, rel=1e-9)
    assert sample.labels["model_version"] == "v1"
    assert sample.at == answer.evaluated_at == stage.epoch
    assert not answer.partial
    assert answer.elapsed_seconds > 0


async def test_the_servers_present_is_asked_for_without_a_time(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query("time()"))
    [sample] = answer.samples
    assert sample.value == pytest.approx(SystemClock().now(), abs=5)
    assert answer.evaluated_at == pytest.approx(sample.value, abs=5)


async def test_a_range_query_gives_every_step(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query_range(
        f"rate({V1}[5m])", start=stage.epoch - 3600, end=stage.epoch, step=60))
    [series] = answer.series
    assert series.times == tuple(stage.epoch - 3600 + 60 * i for i in range(61))
    assert series.values == pytest.approx([V1_PER_SECOND * 0.999] * 61, rel=1e-9)


async def test_a_gap_is_absent_and_not_zero(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query_range(
        'requests_total{model="stopped",code="200"}', start=stage.epoch - 3600, end=stage.epoch, step=60))
    [series] = answer.series
    # Without a stale marker Prometheus shows the last sample for five minutes more.
    assert max(series.times) - stage.epoch == pytest.approx(-15 * 60, abs=60)


async def test_raw_samples_of_a_range_selector_come_as_series(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query(f"{V1}[5m]", at=stage.epoch))
    [series] = answer.series
    assert series.times[-1] - series.times[0] == 300
    assert not answer.samples


async def test_nan_and_infinity_are_kept(stage: Stage, connect: Connect) -> None:
    client = connect(stage.prometheus.url)
    nan, infinite = await asyncio.gather(answered(client.query("always_nan")),
                                         answered(client.query("queue_age_seconds")))
    assert math.isnan(nan.samples[0].value)
    assert infinite.samples[0].value == math.inf


async def test_an_empty_answer_is_no_failure(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query('requests_total{model="clean",code="500"}'))
    assert answer.samples == ()
    assert not answer.warnings


async def test_nothing_of_a_hostile_label_can_reach_the_terminal(stage: Stage, connect: Connect) -> None:
    answer = await answered(connect(stage.prometheus.url).query("hostile_info"))
    [sample] = answer.samples
    assert set(HOSTILE_LABELS) <= set(sample.labels)
    for value in sample.labels.values():
        assert not set(value) & {"\x1b", "\x07", "\n", "\r", "\u202e", "\u2066"}
        assert len(value) < 10_000


async def test_a_hostile_version_is_found_by_a_matcher_with_its_true_name(stage: Stage, connect: Connect) -> None:
    from triage.notebook.selector import parse_selector
    selector = parse_selector("requests_total").where({"model_version": HOSTILE_VERSION})
    answer = await answered(connect(stage.prometheus.url).query(str(selector)))
    assert len(answer.samples) == 2


@pytest.mark.parametrize(("expression", "kind", "status"), [
    ("sum(", FailureKind.BAD_QUERY, 400),
    (f"{V1} * on (model) requests_total", FailureKind.EXECUTION, 422),
])
async def test_a_refused_query_says_why(stage: Stage, connect: Connect, expression: str, kind: FailureKind,
                                        status: int) -> None:
    client = connect(stage.prometheus.url)
    failure = await refused(client.query(expression))
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.message
    assert await answered(client.query("1")), "one bad query does not close the source"


async def test_11_000_points_are_the_servers_limit(stage: Stage, connect: Connect) -> None:
    client = connect(stage.prometheus.url)
    whole = await answered(client.query_range("vector(1)", start=stage.epoch - 11_000, end=stage.epoch, step=1))
    assert len(whole.series[0].times) == 11_001
    failure = await refused(client.query_range("vector(1)", start=stage.epoch - 11_001, end=stage.epoch, step=1))
    assert failure.kind is FailureKind.BAD_QUERY
    assert "step" in failure.hint


async def test_the_servers_own_timeout_is_told_and_never_retried(empty_prometheus: Callable[..., Server],
                                                                 connect: Connect) -> None:
    client = connect(empty_prometheus(flags=["--query.timeout=1ms"]).url)
    failure = await refused(client.query("sum(count_over_time(vector(1)[30d:1s]))"))
    assert (failure.kind, failure.status) == (FailureKind.TIMEOUT, 503)
    assert client.requests_sent == 1


async def test_too_many_samples_are_an_execution_error(empty_prometheus: Callable[..., Server],
                                                       connect: Connect) -> None:
    client = connect(empty_prometheus(flags=["--query.max-samples=100"]).url)
    failure = await refused(client.query("count_over_time(vector(1)[1h:1s])"))
    assert (failure.kind, failure.status) == (FailureKind.EXECUTION, 422)
    assert failure.hint


async def test_an_answer_over_the_size_limit_is_not_read(stage: Stage, connect: Connect) -> None:
    client = connect(stage.prometheus.url, max_body="64KiB")
    failure = await refused(client.query_range('{model="steady"}', start=stage.epoch - 3600, end=stage.epoch, step=15))
    assert failure.kind is FailureKind.TOO_LARGE


async def test_what_a_remote_store_does_not_give_makes_the_answer_partial(empty_prometheus: Callable[..., Server],
                                                                          connect: Connect) -> None:
    server = empty_prometheus(config={"remote_read": [{"url": "http://127.0.0.1:9/read", "read_recent": True}]})
    answer = await answered(connect(server.url).query("up"))
    assert answer.partial
    assert "remote_read" in answer.warnings[0]


async def test_a_native_histogram_is_named_with_its_totals(stage: Stage, connect: Connect) -> None:
    client = connect(stage.prometheus.url)
    answer = await answered(client.query("native_duration_seconds"))
    assert answer.samples == ()
    [histogram] = answer.native
    assert histogram.labels["model"] == "native"
    assert histogram.count > 0
    assert 0.1 < histogram.total / histogram.count < 1


async def test_shares_and_percentiles_of_a_native_histogram_are_the_servers(stage: Stage, connect: Connect,
                                                                            ask: Ask) -> None:
    wait_for(lambda: ask("histogram_count(rate(native_duration_seconds[30s])) > 0", at=None) != [],
             "two scrapes of the native histogram", stage.prometheus)
    client = connect(stage.prometheus.url)
    share = await answered(client.query("histogram_fraction(0, 0.5, rate(native_duration_seconds[30s]))"))
    assert share.samples[0].value == pytest.approx(sum(NATIVE_SHARES[:2]), abs=0.02)
    median = await answered(client.query("histogram_quantile(0.5, rate(native_duration_seconds[30s]))"))
    assert median.samples[0].value == pytest.approx(0.25, abs=0.01)


async def test_pending_and_firing_alerts_are_told_apart(stage: Stage, connect: Connect) -> None:
    alerts = await connect(stage.prometheus.url).alerts()
    assert not isinstance(alerts, Failure)
    states = {alert.name: alert.state for alert in alerts}
    assert states["IdleWithoutTraffic"] is AlertState.PENDING
    assert states["SteadyCanaryErrors"] is AlertState.FIRING
    [canary] = [alert for alert in alerts if alert.name == "SteadyCanaryErrors"]
    assert canary.value == pytest.approx(0.05, rel=1e-6)
    assert canary.labels["model_version"] == "v2"


async def test_the_fingerprint_of_the_backend_can_be_read(stage: Stage, connect: Connect) -> None:
    build = await connect(stage.prometheus.url).get("/api/v1/status/buildinfo")
    assert not isinstance(build, Failure), build
    assert build["version"].startswith(("2.", "3."))
    assert build["revision"]


async def test_twenty_queries_share_few_connections(stage: Stage, connect: Connect) -> None:
    client = connect(stage.prometheus.url, concurrency=4)
    answers = await asyncio.gather(*(client.query(f"vector({i})") for i in range(20)))
    assert [a.samples[0].value for a in answers if isinstance(a, Answer)] == list(range(20))
    assert client.requests_sent == 20


# Through proxies

async def test_a_proxy_that_does_nothing_changes_nothing(proxies: Proxies, connect: Connect) -> None:
    client = connect(proxies["plain"])
    answer = await answered(client.query("up"))
    assert len(answer.samples) > 10
    assert client.requests_sent == 1


@pytest.mark.parametrize("proxy", ["readonly", "forbidding"])
async def test_a_proxy_that_refuses_post_is_asked_by_get_from_then_on(proxies: Proxies, connect: Connect,
                                                                      proxy: str) -> None:
    client = connect(proxies[proxy])
    await answered(client.query("up"))
    assert client.requests_sent == 2
    await answered(client.query("up"))
    assert client.requests_sent == 3


async def test_a_path_prefix_of_a_proxy_is_part_of_the_url(proxies: Proxies, connect: Connect) -> None:
    await answered(connect(proxies["prefix"] + "/").query("up"))


async def test_without_the_prefix_the_hint_speaks_of_it(proxies: Proxies, connect: Connect) -> None:
    failure = await refused(connect(proxies["prefix"].removesuffix("/team/prom")).query("up"))
    assert failure.kind is FailureKind.NOT_FOUND
    assert "prefix" in failure.hint


async def test_a_route_prefix_of_the_server_is_part_of_the_url(empty_prometheus: Callable[..., Server],
                                                               connect: Connect) -> None:
    await answered(connect(empty_prometheus(prefix="/prom").url).query("1"))


async def test_basic_auth_opens_the_door(proxies: Proxies, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE_PASSWORD", PROXY_PASSWORD)
    auth = BasicAuth(username=PROXY_USER, password=SecretRef(env="STAGE_PASSWORD"))
    await answered(connect(proxies["auth"], basic_auth=auth).query("up"))


async def test_a_wrong_password_is_unauthorized_and_never_shown(proxies: Proxies, connect: Connect,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE_PASSWORD", "not this one")
    auth = BasicAuth(username=PROXY_USER, password=SecretRef(env="STAGE_PASSWORD"))
    failure = await refused(connect(proxies["auth"], basic_auth=auth).query("up"))
    assert (failure.kind, failure.status) == (FailureKind.UNAUTHORIZED, 401)
    assert "not this one" not in failure.sentence() + failure.hint


@pytest.mark.parametrize(("proxy", "kind", "status"), [
    ("gone", FailureKind.UNAVAILABLE, 502),
    ("impatient", FailureKind.UNAVAILABLE, 504),
    ("login", FailureKind.NOT_PROMETHEUS, 200),
    ("redirect", FailureKind.REDIRECT, 302),
    ("throttled", FailureKind.THROTTLED, 429),
])
async def test_what_a_proxy_says_instead_is_named(proxies: Proxies, connect: Connect, proxy: str, kind: FailureKind,
                                                  status: int) -> None:
    failure = await refused(connect(proxies[proxy]).query("sum(count_over_time(vector(1)[30d:5s]))"))
    assert (failure.kind, failure.status) == (kind, status)
    assert "<" not in failure.message
    assert failure.hint


async def test_a_slow_answer_is_given_up_in_time_and_not_asked_again(proxies: Proxies, connect: Connect) -> None:
    client = connect(proxies["slow"])
    failure = await refused(client.query("up", timeout=0.3))
    assert failure.kind is FailureKind.TIMEOUT
    assert client.requests_sent == 1


async def test_a_slow_answer_within_the_limit_counts(proxies: Proxies, connect: Connect) -> None:
    await answered(connect(proxies["slow"]).query("up", timeout=10))


async def test_a_server_that_ended_is_noticed_and_found_again_only_after_a_wait(
        empty_prometheus: Callable[..., Server], connect: Connect) -> None:
    server = empty_prometheus()
    client = connect(server.url)
    await answered(client.query("1"))
    server.stop()
    assert (await refused(client.query("1"))).kind is FailureKind.CONNECT
    sent = client.requests_sent
    if client.breaker.next_try_in():
        assert (await refused(client.query("1"))).kind is FailureKind.CIRCUIT_OPEN
        assert client.requests_sent == sent


async def test_a_server_that_hangs_is_a_timeout(empty_prometheus: Callable[..., Server], connect: Connect) -> None:
    server = empty_prometheus()
    client = connect(server.url)
    await answered(client.query("1"))
    server.freeze()
    assert (await refused(client.query("1", timeout=0.3))).kind is FailureKind.TIMEOUT
    server.thaw()
    await answered(client.query("1"))
