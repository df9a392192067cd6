"""What the lab's world costs: to begin, to live, to make its past."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.bench.conftest import Figure
from triage.lab.clock import LabClock
from triage.lab.world.scenario import load
from triage.lab.world.world import World

pytestmark = pytest.mark.bench

_OPENING = 1_795_305_600.0 + 14 * 3600


def test_begin_live_and_past(figure: Figure, tmp_path: Path) -> None:
    best: dict[str, float] = {}

    def timed(what: str, started: float) -> None:
        best[what] = min(best.get(what, float("inf")), time.process_time() - started)

    for _ in range(2):
        at = time.process_time()
        world = World(load("canary-latency"), 1, LabClock(_OPENING, 0.0, 0.0))
        world.begin()
        timed("begin", at)
        at = time.process_time()
        for number in range(1, 41):
            world.advance(_OPENING + 15 * number)
        timed("scrapes", at)
        ruleless = World(load("canary-latency"), 1, LabClock(_OPENING, 0.0, 0.0), rules=tmp_path)
        ruleless.begin()
        at = time.process_time()
        for number in range(1, 41):
            ruleless.advance(_OPENING + 15 * number)
        timed("ruleless", at)
        at = time.process_time()
        world.make_past()
        timed("past", at)
        at = time.process_time()
        world.advance(_OPENING + 8 * 3600)
        timed("night", at)
    figure("lab: last 6 h of 6 models, cluster and alerts (CPU)", f"{best['begin'] * 1000:.0f} ms")
    figure("lab: one scrape of everything (CPU, mean of 40)", f"{best['ruleless'] * 1000 / 40:.1f} ms")
    figure("lab: the same with alert rules", f"{best['scrapes'] * 1000 / 40:.1f} ms")
    figure("lab: 30 days before, in a thread (CPU)", f"{best['past']:.2f} s")
    figure("lab: to catch up with 8 hours (CPU)", f"{best['night'] * 1000:.0f} ms")
