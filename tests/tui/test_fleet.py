"""The fleet screen: a row for each model, worst first."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.tui import fleets, snapshots
from tests.tui.driving import press, running, screen_text
from tests.tui.scripted import ScriptedFeed
from tests.tui.test_goldens import check
from tests.tui.test_sizes import SIZES
from triage.signals.fleet import fleet_state
from triage.tui.screens.fleet import Fleet
from triage.tui.screens.oncall import OnCall
from triage.tui.widgets.lines import Lines

GOLDENS: dict[str, tuple[str, tuple[int, int], tuple[str, ...], dict[str, Any]]] = {
    **{f"fleet-{w}x{h}": ("fleet", (w, h), (), {}) for w, h in ((80, 24), (120, 40), (200, 50))},
    "fleet-selected": ("fleet", (80, 24), ("j", "j"), {}),
    "fleet-edge": ("fleet", (120, 24), ("j", "j"), {}),
    "fleet-filtered": ("fleet", (80, 24), ("slash", *"unknown", "enter"), {}),
    "fleet-ascii": ("fleet", (120, 40), (), {"glyphs": "ascii"}),
    "fleet-no-colour": ("fleet", (80, 24), (), {"theme_name": "no-colour"}),
    "fleet-lost": ("fleet-lost", (120, 24), (), {}),
    "fleet-waiting": ("fleet-waiting", (80, 24), (), {}),
    "fleet-unasked": ("fleet-unasked", (80, 24), (), {}),
    "fleet-well": ("fleet-well", (80, 24), (), {}),
    "fleet-small": ("fleet", (40, 12), (), {}),
    "fleet-text": ("fleet", (200, 40), ("y",), {}),
    "fleet-help": ("fleet", (80, 50), ("question_mark",), {}),
    "fleet-last-of-many": ("fleet-many", (80, 24), ("G",), {}),
}


@pytest.mark.parametrize("name", GOLDENS)
async def test_the_fleet_screen_looks_as_agreed(name: str) -> None:
    state, size, keys, options = GOLDENS[name]
    async with running(fleets.STATES[state](), size, **options) as (app, pilot, _):
        await press(pilot, "1", *keys)
        check(name, screen_text(app))


async def test_a_fleet_that_was_well_is_not_called_well_while_prometheus_is_silent() -> None:
    well = replace(fleets.STATES["fleet-well"](), sources=snapshots.ALL["lost"]().sources)
    async with running(well, (80, 24)) as (app, pilot, _):
        await press(pilot, "1")
        assert "✔ (PASS)  all 2 models when last asked; Prometheus is silent" in screen_text(app)


async def test_the_fleet_is_asked_about_only_while_its_screen_is_open() -> None:
    async with running(fleets.shown(fleets.fleet())) as (app, pilot, feed):
        assert feed.fleet == []
        await press(pilot, "1")
        assert isinstance(app.screen, Fleet)
        assert feed.fleet == [True]
        await press(pilot, "1", "2")
        assert isinstance(app.screen, OnCall)
        assert feed.fleet == [True, False]


async def test_enter_opens_the_on_call_screen_of_the_selected_model() -> None:
    async with running(fleets.shown(fleets.fleet())) as (app, pilot, feed):
        await press(pilot, "1", "j", "enter")
        assert isinstance(app.screen, OnCall)
        assert feed.looks[-1][0] == "fraud-scorer"
        assert feed.fleet == [True, False]


async def test_keys_move_to_the_ends_and_by_pages() -> None:
    async with running(fleets.many(1000), (80, 24)) as (app, pilot, _):
        await press(pilot, "1", "G")
        assert "▸✔ model-0000" in screen_text(app)
        await press(pilot, "k")
        assert "▸✔ model-0001" in screen_text(app)
        await press(pilot, "g")
        assert "▸✖ image-moderation" in screen_text(app)
        await press(pilot, "space", "pageup")
        assert "▸✖ image-moderation" in screen_text(app)


async def test_a_filter_is_by_name_owner_or_verdict_and_escape_takes_it_away_first() -> None:
    async with running(fleets.shown(fleets.fleet())) as (app, pilot, _):
        await press(pilot, "1", "slash", *"TRUST", "enter")
        assert "fleet of 7, 1 by /TRUST" in screen_text(app)
        assert "▸✖ image-moderation" in screen_text(app)
        await press(pilot, "escape")
        assert isinstance(app.screen, Fleet)
        assert "fleet of 7 " in screen_text(app)
        await press(pilot, "escape")
        assert isinstance(app.screen, OnCall)


async def test_a_filter_that_finds_nothing_says_so_and_opens_nothing() -> None:
    async with running(fleets.shown(fleets.fleet())) as (app, pilot, feed):
        await press(pilot, "1", "slash", *"nobody", "enter")
        assert "0 by /nobody" in screen_text(app)
        looks = list(feed.looks)
        await press(pilot, "enter", "j")
        assert feed.looks == looks
        assert isinstance(app.screen, Fleet)


async def test_the_selected_model_stays_selected_when_the_order_changes() -> None:
    async with running(fleets.shown(fleets.fleet())) as (app, pilot, feed):
        await press(pilot, "1", "j")
        assert "▸✖ fraud-scorer" in screen_text(app)
        worse = replace(fleets.rows()[0], burn=fleets.score(99.0, "latency"))
        feed.give(fleets.shown(fleet_state((worse, *fleets.rows()[1:]), 5.0)))
        await pilot.pause()
        assert "▸✖ fraud-scorer" in screen_text(app)
        assert screen_text(app).index("fraud-scorer   ") < screen_text(app).index("image-moderation   ")


@pytest.mark.parametrize("size", SIZES[::3])
async def test_every_size_is_drawn(size: tuple[int, int]) -> None:
    async with running(fleets.shown(fleets.fleet()), size) as (app, pilot, _):
        await press(pilot, "1")
        rows = screen_text(app).splitlines()
        assert len(rows) <= size[1]


async def test_a_tick_with_equal_facts_repaints_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(fleets.many(1000), (120, 40)) as (_, pilot, feed):
        await press(pilot, "1")
        painted: list[str | None] = []

        def refresh(self: Lines, *regions: object, **options: object) -> Lines:
            painted.append(self.id)
            return self

        monkeypatch.setattr(Lines, "refresh", refresh)
        feed.give(fleets.many(1000))
        await pilot.pause()
        assert painted == []


async def test_a_key_among_a_thousand_rows_is_answered_at_once() -> None:
    async with running(fleets.many(1000), (120, 40)) as (app, pilot, _):
        await press(pilot, "1")
        screen = app.screen
        assert isinstance(screen, Fleet)
        began = time.perf_counter()
        for _ in range(50):
            screen.action_move(1)
        # Ten times what it takes.
        assert (time.perf_counter() - began) / 50 < 0.05


async def test_a_broken_notebook_is_opened_under_its_name() -> None:
    async with running(fleets.shown(fleets.fleet())) as (_, pilot, feed):
        await press(pilot, "1", "slash", *"loan", "enter", "enter")
        assert feed.looks[-1][0] == "loan-approval"


async def test_the_copied_text_holds_every_row() -> None:
    async with running(fleets.many(300), (80, 24)) as (app, pilot, _):
        await press(pilot, "1")
        screen = app.screen
        assert isinstance(screen, Fleet)
        text = screen.as_text(app.view())
    assert text.count("model-0") == 300
    assert text.startswith("fleet of 307 in prod-eu PRODUCTION, ")
    assert "▸" not in text


async def test_there_is_nothing_to_copy_before_the_fleet_is_known() -> None:
    async with running(None, feed=ScriptedFeed(now=snapshots.NOW)) as (app, pilot, _):
        await press(pilot, "1", "y")
        assert "nothing to copy yet" in screen_text(app)
