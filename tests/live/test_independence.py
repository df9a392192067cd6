"""What hangs holds up nothing else: not the other groups, not the alerts, not the charts, not another model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.live.conftest import Asked, Published, active
from triage.clock import SystemClock
from triage.facts.outcome import SourceState
from triage.live.asker import Look
from triage.live.expressions import Pace
from triage.live.poller import Poller
from triage.live.snapshot import Snapshot
from triage.notebook.load import load_all
from triage.signals.model import ModelState
from triage.signals.reading import Quality, Verdict

Notebooks = Callable[..., Path]
INTERVAL = 0.05
WINDOWS = {Pace.FAST: "[5m]", Pace.MID: "[6h])", Pace.DAY: "[3d]", Pace.LONG: "[30d]"}
"""A window that only queries of that pace hold."""


@pytest.fixture(autouse=True)
def _present(prometheus: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """These run on the machine's clock, and so must the answers."""
    monkeypatch.setattr(prometheus.fake.clock, "now", time.time)


@asynccontextmanager
async def running(folder: Path, prometheus: Asked, *names: str) -> AsyncIterator[tuple[Poller, Published]]:
    published = Published()
    poller = Poller(active(folder, prometheus.server.url, interval=INTERVAL), load_all([folder]), SystemClock(),
                    published)
    poller.watch(names)
    task = asyncio.ensure_future(poller.run())
    try:
        yield poller, published
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await poller.aclose()


def asked_about(prometheus: Asked, pace: Pace) -> int:
    return sum(WINDOWS[pace] in e for e in instant(prometheus))


def instant(prometheus: Asked) -> list[str]:
    return [r.fields["query"][0] for r in prometheus.server.requests if r.path.endswith("/query")]


def model(published: Published) -> ModelState:
    return published.snapshots[-1].models[0]


def source(snapshot: Snapshot) -> SourceState:
    return next(s.state for s in snapshot.sources if s.name == "prometheus")


@pytest.mark.parametrize("slow", [Pace.MID, Pace.DAY, Pace.LONG])
async def test_a_group_that_hangs_is_asked_once_while_the_others_go_on(notebooks: Notebooks, prometheus: Asked,
                                                                      slow: Pace) -> None:
    prometheus.fake.hold = lambda expression: WINDOWS[slow] in expression
    async with running(notebooks(m=2), prometheus, "m") as (_, published):
        await published.until(lambda: asked_about(prometheus, Pace.FAST) >= 4
                              and prometheus.paths().count("alerts") >= 4)
        assert asked_about(prometheus, slow) == 1
        assert {s.now.quality for s in model(published).slos} == {Quality.OK}
        assert model(published).verdict is Verdict.UNKNOWN
        assert source(published.snapshots[-1]) is SourceState.OK


async def test_the_late_answer_of_a_group_is_in_the_next_snapshot(notebooks: Notebooks, prometheus: Asked) -> None:
    prometheus.fake.hold = lambda expression: "[30d]" in expression
    async with running(notebooks(m=2), prometheus, "m") as (_, published):
        await published.until(lambda: asked_about(prometheus, Pace.FAST) >= 3)
        assert [s.budget for s in model(published).slos] == [None, None]
        prometheus.fake.released.set()
        await published.until(lambda: model(published).verdict is Verdict.PASS)
        assert asked_about(prometheus, Pace.LONG) == 1


async def test_charts_that_hang_hold_up_no_group(notebooks: Notebooks, prometheus: Asked) -> None:
    prometheus.fake.hold = lambda expression: "(rate(" in expression
    async with running(notebooks(m=2), prometheus, "m") as (_, published):
        await published.until(lambda: asked_about(prometheus, Pace.FAST) >= 3)
        assert model(published).verdict is Verdict.PASS
        assert prometheus.paths().count("query_range") == 1


async def test_another_time_range_is_asked_for_while_the_charts_hang(notebooks: Notebooks, prometheus: Asked) -> None:
    prometheus.fake.hold = lambda expression: "(rate(" in expression
    async with running(notebooks(m=2), prometheus, "m") as (poller, published):
        await published.until(lambda: prometheus.paths().count("query_range") == 1)
        poller.watch(["m"], Look(900.0))
        await published.until(lambda: prometheus.paths().count("query_range") == 2)


async def test_another_model_is_asked_about_while_the_first_hangs(notebooks: Notebooks, prometheus: Asked) -> None:
    prometheus.fake.hold = lambda expression: 'model="first"' in expression
    async with running(notebooks(first=2, second=2), prometheus, "first") as (poller, published):
        await published.until(lambda: asked_about(prometheus, Pace.LONG) == 1)
        poller.watch(["second"])
        await published.until(lambda: model(published).name == "second"
                              and model(published).verdict is Verdict.PASS)


async def test_what_a_model_was_being_asked_is_given_up_and_asked_again_when_it_returns(
        notebooks: Notebooks, prometheus: Asked) -> None:
    prometheus.fake.hold = lambda expression: 'model="first"' in expression
    async with running(notebooks(first=2, second=2), prometheus, "first") as (poller, published):
        await published.until(lambda: asked_about(prometheus, Pace.LONG) == 1)
        poller.watch(["second"])
        await published.until(lambda: model(published).name == "second")
        prometheus.fake.released.set()
        poller.watch(["first"])
        await published.until(lambda: model(published).name == "first"
                              and model(published).verdict is Verdict.PASS)


async def test_hanging_slow_queries_leave_room_for_the_fast_ones(notebooks: Notebooks, prometheus: Asked) -> None:
    """Forty objectives asked apart, all of whose long windows hang, on the default number of connections."""
    prometheus.fake.refuse = lambda expression: expression.count("triage_question") > 20
    prometheus.fake.hold = lambda expression: "[30d]" in expression or "[3d]" in expression
    folder = notebooks(m=40)
    published = Published()
    context = active(folder, prometheus.server.url, interval=INTERVAL, concurrency=10)
    poller = Poller(context, load_all([folder]), SystemClock(), published)
    poller.watch(["m"])
    task = asyncio.ensure_future(poller.run())
    try:
        await published.until(lambda: bool(published.snapshots) and all(
            s.now.quality is Quality.OK for s in model(published).slos), 20.0)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await poller.aclose()


async def test_what_a_job_raises_ends_the_poller(notebooks: Notebooks, prometheus: Asked,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    folder = notebooks(m=1)
    poller = Poller(active(folder, prometheus.server.url, interval=INTERVAL), load_all([folder]), SystemClock())

    async def defect() -> None:
        raise ZeroDivisionError
    monkeypatch.setattr(poller, "refresh_prometheus_alerts", defect)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(5):
            await poller.run()
    await poller.aclose()


async def test_after_a_while_of_patience_a_look_gives_what_is_known(notebooks: Notebooks, prometheus: Asked) -> None:
    prometheus.fake.hold = lambda expression: "[30d]" in expression
    folder = notebooks(m=1)
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), SystemClock())
    poller.watch(["m"])
    first = await poller.refresh_once(0.5)
    assert [s.now.quality for s in first.models[0].slos] == [Quality.OK]
    assert first.models[0].slos[0].budget is None
    prometheus.fake.released.set()
    second = await poller.refresh_once()
    await poller.aclose()
    assert second.models[0].verdict is Verdict.PASS
    assert asked_about(prometheus, Pace.LONG) == 1
