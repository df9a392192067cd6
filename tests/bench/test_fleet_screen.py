"""What the fleet screen costs for a thousand models: a refresh that moves every fourth row, and scrolling by pages."""

from __future__ import annotations

import time

import pytest

from tests.bench.conftest import Figure
from tests.tui import fleets
from tests.tui.driving import press, running

pytestmark = pytest.mark.bench
PAGES = 40


async def test_drawing_a_thousand_rows(figure: Figure) -> None:
    async with running(fleets.many(1000), (120, 40)) as (_, pilot, feed):
        await press(pilot, "1")
        drawn = []
        for snapshot in fleets.moving(8):
            before = time.process_time()
            feed.give(snapshot)
            await pilot.pause()
            drawn.append(time.process_time() - before)
        before = time.process_time()
        for _ in range(PAGES):
            await pilot.press("pagedown")
        scrolled = (time.process_time() - before) / PAGES
    figure("1000 rows, cheapest and dearest drawing of a refresh",
           f"{min(drawn) * 1000:.0f} and {max(drawn) * 1000:.0f} ms of CPU")
    figure("1000 rows, one page down", f"{scrolled * 1000:.0f} ms of CPU")
