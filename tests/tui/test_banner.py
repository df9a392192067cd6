"""A banner says on every screen that this is not the real world."""

from __future__ import annotations

import pytest

from tests.tui.driving import press, running, screen_text
from tests.tui.snapshots import canary_failing


async def test_the_banner_stands_before_any_fact_is_there() -> None:
    async with running(None, banner="LAB") as (app, _, _):
        assert " LAB " in screen_text(app).splitlines()[0]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16), (20, 5)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_banner_stands_on_every_size(size: tuple[int, int]) -> None:
    async with running(canary_failing(), size, banner="LAB") as (app, _, _):
        assert "LAB " in screen_text(app).splitlines()[0]


@pytest.mark.parametrize("keys", [("enter",), ("z",), ("?",), ("y",)])
async def test_the_banner_stands_on_what_lies_over_the_first_screen(keys: tuple[str, ...]) -> None:
    async with running(canary_failing(), banner="LAB") as (app, pilot, _):
        await press(pilot, *keys)
        assert " LAB " in screen_text(app).splitlines()[0]


async def test_without_a_banner_the_context_marks_production() -> None:
    assert canary_failing().production
    async with running(canary_failing()) as (app, _, _):
        assert " PRODUCTION " in screen_text(app).splitlines()[0]
        assert "LAB" not in screen_text(app)
