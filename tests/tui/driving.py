"""Running the dashboard without a terminal, and reading its screen as text."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from tests.tui import snapshots
from tests.tui.scripted import ScriptedFeed
from triage.live.snapshot import Snapshot
from triage.tui.app import TriageApp

NAMES = ("fraud-scorer", "churn-ranker", "chat-assistant")


def screen_text(app: App[Any]) -> str:
    """The screen as text. The compositor is private: this is the only place of the tests that uses it."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


@asynccontextmanager
async def running(snapshot: Snapshot | None, size: tuple[int, int] = (120, 40), *, feed: ScriptedFeed | None = None,
                  **options: Any) -> AsyncIterator[tuple[TriageApp, Pilot[None], ScriptedFeed]]:
    """The dashboard with ``snapshot`` on its screen."""
    made = feed or ScriptedFeed(*([snapshot] if snapshot is not None else []), now=snapshots.NOW, names=NAMES)
    app = TriageApp(made, **({"theme_name": "dark", "glyphs": "unicode", "chart": "braille"} | options))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        yield app, pilot, made


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press the keys one after another, each painted."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def until(pilot: Pilot[None], holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for what a timer or another thread brings about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, screen_text(pilot.app)
        await pilot.pause(0.02)
