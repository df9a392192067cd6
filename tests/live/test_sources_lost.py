"""A source goes and comes back: values stay with their age, nothing stale is called healthy, recovery is quick."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.live.conftest import Asked, Published, active
from tests.sources.faults import FaultServer, good, hang
from triage.clock import ManualClock
from triage.facts.outcome import SourceState
from triage.live.poller import Poller
from triage.live.snapshot import Snapshot
from triage.notebook.load import load_all
from triage.signals.reading import Quality, Verdict

Notebooks = Callable[..., Path]


def poller_for(folder: Path, prometheus: Asked, clock: ManualClock, *names: str, alertmanager: str | None = None,
               interval: float = 5.0, published: Callable[[Snapshot], None] | None = None) -> Poller:
    poller = Poller(active(folder, prometheus.server.url, alertmanager, interval=interval), load_all([folder]), clock,
                    published)
    poller.watch(names)
    return poller


@asynccontextmanager
async def running(poller: Poller) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(poller.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await poller.aclose()


def prometheus_state(snapshot: Snapshot) -> SourceState:
    return next(s.state for s in snapshot.sources if s.name == "prometheus")


async def test_values_stay_when_the_source_is_lost(notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    poller = poller_for(notebooks(m=2), prometheus, clock, "m")
    before = (await poller.refresh_once()).models[0]
    prometheus.fake.down = True
    clock.advance(5)
    after = await poller.refresh_once()
    await poller.aclose()
    assert prometheus_state(after) is SourceState.DOWN
    assert [s.now.value for s in after.models[0].slos] == [s.now.value for s in before.slos]
    assert after.models[0].data_at == before.data_at
    assert next(s.next_try_at for s in after.sources if s.name == "prometheus") is not None


async def test_after_three_intervals_values_are_stale_and_the_last_verdict_is_named(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    poller = poller_for(notebooks(m=2), prometheus, clock, "m")
    first = (await poller.refresh_once()).models[0]
    assert first.verdict is Verdict.PASS
    prometheus.fake.down = True
    for _ in range(4):
        clock.advance(5)
        lost = (await poller.refresh_once()).models[0]
    await poller.aclose()
    assert [s.now.quality for s in lost.slos] == [Quality.STALE] * 2
    assert [s.now.value for s in lost.slos] == [s.now.value for s in first.slos]
    assert [s.now.age_seconds(clock.now()) for s in lost.slos] == [22.0, 22.0]
    assert lost.verdict is Verdict.UNKNOWN
    assert lost.last_verdict is Verdict.PASS
    assert lost.last_verdict_at == first.data_at


async def test_when_the_source_is_back_everything_is_known_within_two_refreshes(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    poller = poller_for(notebooks(m=2), prometheus, clock, "m")
    prometheus.fake.down = True
    lost = await poller.refresh_once()
    assert lost.models[0].verdict is Verdict.UNKNOWN
    prometheus.fake.down = False
    # Longer than the first wait can be; the first request is the probe, and the others come with the next refresh.
    for _ in range(2):
        clock.advance(5)
        found = await poller.refresh_once()
    await poller.aclose()
    assert prometheus_state(found) is SourceState.OK
    assert found.models[0].verdict is Verdict.PASS


async def test_a_hanging_alertmanager_delays_nothing(notebooks: Notebooks, prometheus: Asked,
                                                     clock: ManualClock) -> None:
    async with FaultServer(hang) as alertmanager:
        published = Published()
        poller = poller_for(notebooks(m=2), prometheus, clock, "m", alertmanager=alertmanager.url, interval=0.02,
                            published=published)
        async with running(poller):
            await published.until(lambda: prometheus.paths().count("alerts") >= 5)
        assert published.snapshots[-1].models[0].slos[0].verdict is Verdict.PASS
        assert alertmanager.most_under_way == 1


async def test_a_slow_refresh_never_overlaps_itself(notebooks: Notebooks, prometheus: Asked,
                                                    clock: ManualClock) -> None:
    prometheus.fake.held.clear()
    published = Published()
    poller = poller_for(notebooks(m=2), prometheus, clock, "m", interval=0.02, published=published)
    async with running(poller):
        # Something is published at every interval, for the ages.
        await published.until(lambda: len(published.snapshots) > 10)
        assert len(prometheus.server.requests) == 7
        prometheus.fake.held.set()
        await published.until(lambda: prometheus.fake.answered > 7)


async def test_after_a_suspend_everything_is_asked_anew_on_new_connections(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    published = Published()
    poller = poller_for(notebooks(m=2), prometheus, clock, "m", interval=0.05, published=published)
    async with running(poller):
        await published.until(lambda: any(prometheus_state(s) is SourceState.OK for s in published.snapshots))
        connections, asked = prometheus.server.accepted, len(_about_budgets(prometheus))
        clock.sleep_through(8 * 3600)
        await published.until(lambda: len(_about_budgets(prometheus)) > asked, 2.0)
        await published.until(lambda: published.snapshots[-1].models[0].verdict is Verdict.PASS, 2.0)
        assert prometheus.server.accepted > connections
        assert asked == 1


async def test_a_request_that_hung_in_a_suspend_holds_nothing_up(notebooks: Notebooks, prometheus: Asked,
                                                                 clock: ManualClock) -> None:
    published = Published()
    poller = poller_for(notebooks(m=1), prometheus, clock, "m", interval=0.05, published=published)
    prometheus.fake.held.clear()
    async with running(poller):
        await published.until(lambda: len(prometheus.server.requests) == 7)
        clock.sleep_through(600)
        await published.until(lambda: len(prometheus.server.requests) == 14, 2.0)


def _about_budgets(prometheus: Asked) -> list[str]:
    return [e for e in prometheus.expressions if "[30d]" in e]


async def test_a_model_chosen_during_a_refresh_is_asked_about_right_after_it(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    async with FaultServer(good) as alertmanager:
        published = Published()
        poller = poller_for(notebooks(first=1, second=1), prometheus, clock, "first", alertmanager=alertmanager.url,
                            interval=60.0, published=published)
        prometheus.fake.held.clear()
        async with running(poller):
            await published.until(lambda: len(prometheus.server.requests) == 7 and len(alertmanager.requests) == 1)
            poller.watch(["second"])
            # The other loop wakes for it as well, and must not swallow it.
            await published.until(lambda: len(alertmanager.requests) == 2)
            prometheus.fake.held.set()
            await published.until(lambda: any(s.model("second") is not None
                                              and s.models[0].verdict is Verdict.PASS for s in published.snapshots))
