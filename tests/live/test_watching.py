"""Looking again and again: each question at its own pace, and one look never waits for what the last one asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.live.conftest import Asked, active
from triage.clock import Clock, ManualClock, SystemClock
from triage.live.once import UnknownModel, take_snapshots
from triage.live.snapshot import Snapshot
from triage.signals.reading import Verdict

Notebooks = Callable[..., Path]
INTERVAL = 0.25


class DozingClock(SystemClock):
    """The machine's clock, on a machine that slept for ``slept`` seconds."""

    slept = 0.0

    def now(self) -> float:
        return super().now() + self.slept


@pytest.fixture(autouse=True)
def _present(prometheus: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """These run on the machine's clock, and so must the answers."""
    monkeypatch.setattr(prometheus.fake.clock, "now", time.time)


def looks(folder: Path, prometheus: Asked, clock: Clock | None = None,
          names: list[str] | None = None) -> AsyncGenerator[Snapshot, None]:
    return take_snapshots(active(folder, prometheus.server.url, interval=INTERVAL), names, clock or SystemClock())


async def few(snapshots: AsyncIterator[Snapshot], count: int) -> list[Snapshot]:
    async with asyncio.timeout(10):
        return [await anext(snapshots) for _ in range(count)]


def asked(prometheus: Asked, window: str) -> int:
    return sum(window in expression for expression in prometheus.expressions)


async def test_only_what_is_due_is_asked_at_the_next_look(notebooks: Notebooks, prometheus: Asked) -> None:
    async with aclosing(looks(notebooks(m=2), prometheus)) as snapshots:
        found = await few(snapshots, 4)
    assert [s.models[0].verdict for s in found] == [Verdict.PASS] * 4
    assert prometheus.paths().count("alerts") == 4
    assert asked(prometheus, "[5m]") == 4
    assert (asked(prometheus, "[3d]"), asked(prometheus, "[30d]")) == (1, 1)
    assert prometheus.paths().count("status/runtimeinfo") == 1


async def test_looks_are_an_interval_apart(notebooks: Notebooks, prometheus: Asked) -> None:
    began = time.monotonic()
    async with aclosing(looks(notebooks(m=1), prometheus)) as snapshots:
        await few(snapshots, 4)
    assert time.monotonic() - began >= 3 * INTERVAL


async def test_a_look_waits_an_interval_at_most_and_the_next_not_at_all(notebooks: Notebooks,
                                                                       prometheus: Asked) -> None:
    async with aclosing(looks(notebooks(m=1), prometheus)) as snapshots:
        await few(snapshots, 1)
        prometheus.fake.hold = lambda expression: "[6h])" in expression
        await few(snapshots, 3)
        assert asked(prometheus, "[6h])") == 2
        assert asked(prometheus, "[5m]") == 4


async def test_after_a_suspend_everything_is_asked_anew(notebooks: Notebooks, prometheus: Asked) -> None:
    clock = DozingClock()
    async with aclosing(looks(notebooks(m=1), prometheus, clock)) as snapshots:
        await few(snapshots, 1)
        clock.slept = 3600.0
        await few(snapshots, 1)
    assert asked(prometheus, "[30d]") == 2


async def test_a_model_that_is_not_there_is_refused_before_anything_is_asked(notebooks: Notebooks, prometheus: Asked,
                                                                            clock: ManualClock) -> None:
    with pytest.raises(UnknownModel):
        await few(looks(notebooks(m=1), prometheus, clock, ["n"]), 1)
    assert prometheus.server.requests == []
