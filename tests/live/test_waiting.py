"""Looking again until the version on trial is decided about, or the time is over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.live.conftest import Asked, active
from triage.clock import SystemClock
from triage.live.once import take_settled_snapshot
from triage.live.snapshot import Snapshot

Notebooks = Callable[..., Path]
INTERVAL = 0.05


class Waits:
    """Waits for as many looks as it is told."""

    def __init__(self, looks: int) -> None:
        self.seen: list[Snapshot] = []
        self._looks = looks

    def __call__(self, snapshot: Snapshot) -> bool:
        self.seen.append(snapshot)
        return len(self.seen) < self._looks


async def test_what_is_decided_is_looked_at_once(notebooks: Notebooks, prometheus: Asked) -> None:
    waits, where = Waits(1), active(notebooks(m=1), prometheus.server.url, interval=INTERVAL)
    found = await take_settled_snapshot(where, ["m"], SystemClock(), waits, 60.0)
    assert waits.seen == [found]


async def test_it_looks_again_at_each_interval_until_it_is_decided(notebooks: Notebooks, prometheus: Asked) -> None:
    waits, where = Waits(4), active(notebooks(m=1), prometheus.server.url, interval=INTERVAL)
    found = await take_settled_snapshot(where, ["m"], SystemClock(), waits, 60.0)
    assert len(waits.seen) == 4
    assert found is waits.seen[-1]
    assert [b.at - a.at >= INTERVAL / 2 for a, b in zip(waits.seen, waits.seen[1:], strict=False)] == [True] * 3


async def test_when_the_time_is_over_the_last_look_stands(notebooks: Notebooks, prometheus: Asked) -> None:
    waits, where = Waits(1_000_000), active(notebooks(m=1), prometheus.server.url, interval=INTERVAL)
    found = await take_settled_snapshot(where, ["m"], SystemClock(), waits, 4 * INTERVAL)
    assert found is waits.seen[-1]
    assert 2 <= len(waits.seen) <= 4


async def test_without_time_to_wait_nobody_is_asked_twice(notebooks: Notebooks, prometheus: Asked) -> None:
    waits, where = Waits(9), active(notebooks(m=1), prometheus.server.url, interval=INTERVAL)
    await take_settled_snapshot(where, ["m"], SystemClock(), waits, 0.0)
    assert waits.seen == []
    assert len(prometheus.paths()) == 6
