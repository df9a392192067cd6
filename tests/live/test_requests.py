"""What a refresh costs: few combined requests, each at its own pace, and smaller ones where the server wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.live.conftest import NOW, Asked, active, parts
from tests.sources.faults import answering
from triage.clock import ManualClock
from triage.endpoints import Endpoint
from triage.live.poller import Poller
from triage.notebook.load import load_all
from triage.signals.reading import Quality, Verdict

Notebooks = Callable[..., Path]
WHOLE = ["query", "query", "query", "query", "query_range", "alerts", "status/runtimeinfo"]


@asynccontextmanager
async def polling(folder: Path, prometheus: Asked, clock: ManualClock, *names: str,
                  concurrency: int = 32) -> AsyncIterator[Poller]:
    poller = Poller(active(folder, prometheus.server.url, concurrency=concurrency), load_all([folder]), clock)
    poller.watch(names)
    try:
        yield poller
    finally:
        await poller.aclose()


@pytest.mark.parametrize("objectives", [1, 2, 40])
async def test_a_model_costs_seven_requests_however_many_objectives_it_has(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock, objectives: int) -> None:
    async with polling(notebooks(m=objectives), prometheus, clock, "m") as poller:
        snapshot = await poller.refresh_once()
    assert sorted(prometheus.paths()) == sorted(WHOLE)
    assert poller.requests_sent == 7
    assert [s.verdict for s in snapshot.models[0].slos] == [Verdict.PASS] * objectives


async def test_a_version_on_trial_costs_one_request_more_also_when_looked_at_once(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    prometheus.fake.trial_since = NOW - 3600
    async with polling(notebooks(m=40), prometheus, clock, "m") as poller:
        snapshot = await poller.refresh_once()
    assert sorted(prometheus.paths()) == sorted([*WHOLE, "query_range"])
    assert snapshot.models[0].canary is not None


async def test_a_version_on_trial_is_asked_about_when_another_of_its_intervals_is_full(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    prometheus.fake.trial_since = NOW - 3600
    counts: dict[float, int] = {}
    async with polling(notebooks(m=1), prometheus, clock, "m") as poller:
        await poller.refresh_once()
        for _ in range(24):
            clock.advance(5)
            before = sum("v1|v2" in e for e in prometheus.expressions)
            await poller.refresh_once()
            counts[clock.monotonic()] = sum("v1|v2" in e for e in prometheus.expressions) - before
    assert sum(counts.values()) == 2
    first, second = (at for at, asked in counts.items() if asked)
    assert second - first == 60


async def test_a_version_too_young_to_be_compared_costs_nothing(notebooks: Notebooks, prometheus: Asked,
                                                                clock: ManualClock) -> None:
    prometheus.fake.trial_since = NOW - 60
    async with polling(notebooks(m=1), prometheus, clock, "m") as poller:
        snapshot = await poller.refresh_once()
    assert sorted(prometheus.paths()) == sorted(WHOLE)
    assert snapshot.models[0].canary is None


async def test_a_trial_that_is_not_answered_keeps_what_was_known_and_says_why(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    prometheus.fake.trial_since = NOW - 3600
    async with polling(notebooks(m=1), prometheus, clock, "m") as poller:
        before = (await poller.refresh_once()).models[0].canary
        prometheus.fake.fail = lambda expression: answering(500, "no", "text/plain") if "v1|v2" in expression else None
        clock.advance(60)
        after = (await poller.refresh_once()).models[0].canary
    assert before is not None
    assert after is not None
    assert (after.state, after.read_to) == (before.state, before.read_to)
    assert after.failure is not None


async def test_long_windows_are_asked_less_often(notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    counts: dict[float, int] = {}
    async with polling(notebooks(m=40), prometheus, clock, "m") as poller:
        await poller.refresh_once()
        for seconds in (5.0, 5.0, 60.0, 240.0):
            clock.advance(seconds)
            before = poller.requests_sent
            await poller.refresh_once()
            counts[clock.monotonic()] = poller.requests_sent - before
    # Every refresh: two groups and the alerts. Once the grid moves: the charts. Then a day, then the budgets' windows.
    assert counts == {5.0: 3, 10.0: 3, 70.0: 5, 310.0: 6}


async def test_everything_of_a_refresh_is_in_flight_together_by_default(notebooks: Notebooks, prometheus: Asked,
                                                                        clock: ManualClock) -> None:
    default = Endpoint(url=prometheus.server.url).concurrency
    async with polling(notebooks(m=3), prometheus, clock, "m", concurrency=default) as poller:
        prometheus.fake.held.clear()
        refresh = asyncio.ensure_future(poller.refresh_once())
        async with asyncio.timeout(5):
            while prometheus.server.under_way < 7:
                await asyncio.sleep(0)
        prometheus.fake.held.set()
        await refresh
    assert prometheus.server.most_under_way == 7


def _objectives(expression: str) -> set[str]:
    return {n for _, text in parts(expression) for n in ("requests_0", "duration_1", "requests_2") if n in text}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_combined_queries_gets_one_per_objective(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock, status: int) -> None:
    prometheus.fake.refusal = status
    prometheus.fake.refuse = lambda expression: len(_objectives(expression)) > 1
    async with polling(notebooks(m=3), prometheus, clock, "m") as poller:
        await poller.refresh_once()
        clock.advance(5)
        prometheus.server.requests.clear()
        snapshot = await poller.refresh_once()
    assert all(len(_objectives(e)) <= 1 for e in prometheus.expressions)
    [model] = snapshot.models
    assert [s.verdict for s in model.slos] == [Verdict.PASS] * 3
    assert "the server refused combined queries: one query per objective" in model.notes


async def test_combined_queries_are_tried_again_after_five_minutes(notebooks: Notebooks, prometheus: Asked,
                                                                   clock: ManualClock) -> None:
    prometheus.fake.refuse = lambda expression: len(_objectives(expression)) > 1
    async with polling(notebooks(m=3), prometheus, clock, "m") as poller:
        await poller.refresh_once()
        prometheus.fake.refuse = lambda expression: False
        clock.advance(301)
        before = poller.requests_sent
        snapshot = await poller.refresh_once()
        assert poller.requests_sent - before == 6
    assert snapshot.models[0].notes == ()


async def test_an_objective_that_the_server_refuses_hides_no_other(notebooks: Notebooks, prometheus: Asked,
                                                                   clock: ManualClock) -> None:
    prometheus.fake.refuse = lambda expression: "requests_2" in expression
    async with polling(notebooks(m=3), prometheus, clock, "m") as poller:
        snapshot = await poller.refresh_once()
    [model] = snapshot.models
    assert [s.now.quality for s in model.slos] == [Quality.OK, Quality.OK, Quality.ERROR]
    assert "slo-2: the server refuses its query; it is asked alone once a minute" in model.notes
    assert model.verdict is Verdict.UNKNOWN


async def test_a_refused_objective_is_asked_alone_once_a_minute(notebooks: Notebooks, prometheus: Asked,
                                                                clock: ManualClock) -> None:
    prometheus.fake.refuse = lambda expression: "requests_2" in expression
    async with polling(notebooks(m=3), prometheus, clock, "m") as poller:
        await poller.refresh_once()
        prometheus.server.requests.clear()
        for _ in range(11):
            clock.advance(5)
            await poller.refresh_once()
        assert [e for e in prometheus.expressions if "requests_2" in e] == []
        prometheus.fake.refuse = lambda expression: False
        clock.advance(6)
        snapshot = await poller.refresh_once()
        assert [s.now.quality for s in snapshot.models[0].slos] == [Quality.OK] * 3
        # The windows of budgets are read every five minutes, and so is what was refused of them.
        clock.advance(300)
        snapshot = await poller.refresh_once()
    assert snapshot.models[0].notes == ()


@pytest.mark.parametrize("said", ["15d", "15d or 50GB", "360h"])
async def test_a_window_longer_than_the_servers_retention_is_a_finding(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock, said: str) -> None:
    prometheus.fake.retention = said
    async with polling(notebooks(m=1), prometheus, clock, "m") as poller:
        snapshot = await poller.refresh_once()
    assert "the window of 30d is longer than the server keeps samples (15d)" in snapshot.models[0].slos[0].findings


@pytest.mark.parametrize("said", ["400d", "", "50GB", "forever"])
async def test_a_long_or_unreadable_retention_is_no_finding(notebooks: Notebooks, prometheus: Asked, clock: ManualClock,
                                                            said: str) -> None:
    prometheus.fake.retention = said
    async with polling(notebooks(m=1), prometheus, clock, "m") as poller:
        snapshot = await poller.refresh_once()
    assert not [f for f in snapshot.models[0].slos[0].findings if "keeps samples" in f]
