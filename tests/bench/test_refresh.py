"""What one refresh costs on a real Prometheus with a month of history."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.bench.conftest import Figure
from tests.real.stage import Stage
from triage.clock import SystemClock
from triage.config import Active, activate
from triage.facts.samples import Answer
from triage.live.channel import combined
from triage.live.expressions import Pace, questions, seen_selector
from triage.live.poller import Poller
from triage.notebook.load import load_all
from triage.notebook.resolve import requests_selectors
from triage.overrides import Overrides
from triage.signals.burn import HOUR
from triage.signals.versions import OLDEST_SECONDS
from triage.sources.prometheus import PrometheusClient

pytestmark = pytest.mark.bench


def context(stage: Stage) -> Active:
    return activate(Overrides(config=str(stage.config)), {})


async def single_queries(active: Active, model: str) -> dict[str, float]:
    """Seconds that each combined query takes when nothing else is asked."""
    [notebook] = [n for n in load_all(active.notebooks).notebooks if n.name == model]
    client = PrometheusClient(active.context.prometheus, SystemClock())
    found = {}
    try:
        for pace in Pace:
            asked = [(a.question, a.expression) for a in questions(notebook) if a.pace is pace]
            answer = await client.query(combined(asked)[0])
            assert isinstance(answer, Answer)
            found[pace.value] = answer.elapsed_seconds
    finally:
        await client.aclose()
    return found


# Seven are about objectives, versions, charts, alerts and the server itself; then one for drift and quality together,
# one for the past that retrain triggers look at, one while a version is on trial, and one for how long what is broken
# has been: where it would be the eleventh it waits for the next refresh.
@pytest.mark.parametrize(("model", "requests"), [("fraud-scorer", 10), ("chat-assistant", 9), ("steady", 9)])
async def test_a_refresh_against_its_slowest_query(bench_stage: Stage, figure: Figure, model: str,
                                                   requests: int) -> None:
    active = context(bench_stage)
    single = await single_queries(active, model)
    poller = Poller(active, load_all(active.notebooks), SystemClock())
    poller.watch([model])
    try:
        began = time.monotonic()
        await poller.refresh_once()
        whole = time.monotonic() - began
        first = poller.requests_sent
        await asyncio.sleep(5)
        began = time.monotonic()
        await poller.refresh_once()
        second = time.monotonic() - began
        again = poller.requests_sent - first
    finally:
        await poller.aclose()
    slowest = max(single, key=lambda pace: single[pace])
    figure(f"{model}: everything, all paces due", f"{whole * 1000:.0f} ms, {first} requests")
    figure(f"{model}: slowest single query ({slowest})", f"{single[slowest] * 1000:.0f} ms")
    figure(f"{model}: single queries one after another", f"{sum(single.values()) * 1000:.0f} ms")
    figure(f"{model}: next refresh", f"{second * 1000:.0f} ms, {again} requests")
    assert first == requests
    # One more when the grid of the charts moved in between, and one when another minute of the trial is full.
    assert again in (3, 4, 5)


async def test_the_beginning_of_an_old_version_is_a_cheap_question(bench_stage: Stage, figure: Figure) -> None:
    active = context(bench_stage)
    [notebook] = [n for n in load_all(active.notebooks).notebooks if n.name == "fraud-scorer"]
    traffic = requests_selectors(notebook.manifest)[0]
    expression = f"min by ({traffic.version_label}) (timestamp({seen_selector(notebook, traffic)}))"
    client, now = PrometheusClient(active.context.prometheus, SystemClock()), SystemClock().now() // HOUR * HOUR
    try:
        found = await client.query_range(expression, start=now - OLDEST_SECONDS, end=now, step=HOUR)
    finally:
        await client.aclose()
    assert isinstance(found, Answer)
    figure("fraud-scorer: two weeks by the hour for when versions began", f"{found.elapsed_seconds * 1000:.0f} ms")
    assert max(len(series.times) for series in found.series) > 7 * 24 - 2
