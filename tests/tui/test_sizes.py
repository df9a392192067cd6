"""No size, no snapshot and no key may crash the screen."""

from __future__ import annotations

import pytest

from tests.tui import snapshots
from tests.tui.driving import press, running, screen_text
from triage.tui.keymap import EVERYWHERE, ON_CALL

FORBIDDEN = "\u202e\u200d"
SIZES = [
    (1, 1),
    (2, 3),
    (5, 2),
    (11, 40),
    (20, 5),
    (24, 7),
    (30, 9),
    (40, 10),
    (47, 24),
    (55, 13),
    (60, 16),
    (69, 31),
    (79, 33),
    (80, 24),
    (99, 20),
    (100, 32),
    (117, 12),
    (118, 40),
    (140, 8),
    (200, 50),
    (300, 80),
    (300, 4),
]


@pytest.mark.parametrize("state", [*snapshots.ALL, "nothing"])
async def test_every_state_fits_every_size(state: str) -> None:
    snapshot = None if state == "nothing" else snapshots.ALL[state]()
    async with running(snapshot) as (app, pilot, _):
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            rows = app.screen._compositor.render_strips()
            assert len(rows) == height
            assert {row.cell_length for row in rows} == {width}


@pytest.mark.parametrize(("state", "size"), [("canary", (1, 1)), ("hostile", (24, 8)), ("hostile", (140, 45)),
                                            ("waiting", (80, 24))])
async def test_every_key_works_in_every_state_and_size(state: str, size: tuple[int, int]) -> None:
    left_out = ("quit", "quit.interrupt", "commands")
    keys = [b.key.partition(",")[0] for b in (*ON_CALL, *EVERYWHERE) if b.id not in left_out]
    async with running(snapshots.ALL[state](), size) as (app, pilot, _):
        for key in keys:
            await press(pilot, key, "escape")
            assert app.is_running


async def test_the_smallest_screens_still_say_the_verdict() -> None:
    async with running(snapshots.canary_failing(), (20, 5)) as (app, _, _):
        assert "FAIL, page" in screen_text(app)
        assert "PRODUCTION" in screen_text(app)


async def test_hostile_names_are_text() -> None:
    async with running(snapshots.hostile(), (120, 60)) as (app, pilot, _):
        for _ in range(30):
            await pilot.press("j")
        for keys in (("enter",), ("escape", "G", "enter"), ("escape", "g", "enter"), ("escape", "z"), ("escape", "y")):
            await press(pilot, *keys)
            text = screen_text(app)
            assert not [
                c for c in text if (ord(c) < 0x20 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u200d"
            ]
        assert app.is_running
