"""The model that an action is verified on is seen whatever the screen shows, and asked about only when it has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.desk.site import MODEL, Site
from tests.live.conftest import Asked, FakePrometheus
from tests.sources.faults import FaultServer
from tests.tui import snapshots
from triage.clock import ManualClock
from triage.desk import sight as module
from triage.desk.sight import Sight
from triage.live.snapshot import Snapshot

NOW = snapshots.NOW


def of(name: str, at: float = NOW) -> Snapshot:
    """What the screen shows."""
    made = snapshots.healthy()
    return replace(made, at=at, models=(replace(made.models[0], name=name),))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_model_that_is_not_shown_is_asked_about_until_it_is_shown_again(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    clock = ManualClock(NOW)
    fake = FakePrometheus(clock)
    fake.held.set()
    async with FaultServer(fake.handle) as server:
        site = make_site(start=NOW, lives=False, prometheus=server.url)
        shown = [of(MODEL)]
        asked, sight = Asked(fake, server), Sight(site.active, MODEL, clock, lambda: shown[0])
        async with sight.kept():
            await asyncio.sleep(0.05)
            assert (sight(), asked.paths()) == (shown[0], [])
            shown[0] = of("churn-ranker")
            await until(lambda: (found := sight()) is not None and found.model(MODEL) is not None)
            assert asked.expressions
            shown[0] = of(MODEL, NOW + 5)
            assert sight() is shown[0]
            await until(lambda: sight._own is None)
            shown[0] = of("churn-ranker")
            await until(lambda: sight._own is not None)
        assert sight() is shown[0]


async def test_where_nothing_can_be_asked_the_screen_is_all_there_is_and_it_is_tried_again(
        make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    site = make_site(start=NOW, lives=False)
    active = site.active
    active = replace(active, context=active.context.model_copy(update={"interval": 0.01}))
    shown = of("churn-ranker")
    sight = Sight(active, MODEL, ManualClock(NOW), lambda: shown)
    away = tmp_path / "away"
    active.notebooks[0].rename(away)
    async with sight.kept():
        await asyncio.sleep(0.05)
        assert sight() is shown
        away.rename(active.notebooks[0])
        await until(lambda: (found := sight()) is not None and found.model(MODEL) is not None)
