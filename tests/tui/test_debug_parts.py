"""The parts of the debug screen beside drift and logs: what they show, how tab reaches them, z, and their pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.tui import logbooks, looks, snapshots
from tests.tui.driving import press, running, screen_text, until
from tests.tui.test_goldens import check
from tests.tui.test_sizes import SIZES
from triage.facts.closer_look import CloserLook
from triage.signals.quality import Expected
from triage.signals.reading import Verdict
from triage.tui.debug_parts import LEFT, PARTS, priority, zoomed
from triage.tui.screens.debug import Debug
from triage.tui.screens.oncall import OnCall
from triage.tui.screens.reader import Reader

NOW = snapshots.NOW
_TO = {"attributions": 1, "quality": 2, "slices": 3, "labels": 4, "store": 5, "retrain": 6, "traces": 7, "lines": 8}
"""How often tab is pressed from the features on."""


def to(part: str) -> tuple[str, ...]:
    """The keys that open the debug screen at a part."""
    return ("3", *["tab"] * _TO[part])


GOLDENS: dict[str, tuple[str, tuple[int, int], tuple[str, ...], dict[str, Any]]] = {
    **{f"parts-{w}x{h}": ("whole", (w, h), ("3",), {}) for w, h in ((80, 24), (120, 40), (200, 50))},
    **{f"parts-{part}-80x24": ("whole", (80, 24), to(part), {}) for part in _TO if part != "lines"},
    **{f"parts-calm-{w}x{h}": ("calm", (w, h), ("3",), {}) for w, h in ((80, 24), (120, 40))},
    "parts-asked": ("asked", (120, 40), ("3",), {}),
    "parts-refused": ("refused", (120, 40), ("3",), {}),
    "parts-old": ("old", (120, 40), to("labels"), {}),
    "parts-lost": ("lost", (120, 40), to("quality"), {}),
    "parts-ascii": ("whole", (120, 40), to("quality"), {"glyphs": "ascii"}),
    "parts-no-colour": ("whole", (80, 24), to("store"), {"theme_name": "no-colour"}),
    "zoom-drift": ("whole", (80, 40), ("3", "z"), {}),
    "zoom-labels": ("whole", (120, 40), (*to("labels"), "z"), {}),
    "zoom-slices-wide": ("whole", (200, 50), (*to("slices"), "z"), {}),
    "page-figure": ("whole", (80, 30), (*to("quality"), "enter"), {}),
    "page-estimate": ("whole", (80, 40), (*to("quality"), *["j"] * 4, "enter"), {}),
    "page-slice": ("whole", (100, 30), (*to("slices"), "enter"), {}),
    "page-odds": ("whole", (80, 30), (*to("slices"), "j", "enter"), {}),
    "page-labels": ("whole", (100, 60), (*to("labels"), "enter"), {}),
    "page-view": ("whole", (80, 30), (*to("store"), "enter"), {}),
    "page-trigger": ("whole", (80, 30), (*to("retrain"), "enter"), {}),
    "page-attributions": ("whole", (80, 30), (*to("attributions"), "enter"), {}),
    "parts-text": ("whole", (120, 110), ("3", "y"), {}),
}


@pytest.mark.parametrize("name", GOLDENS)
async def test_the_parts_look_as_agreed(name: str) -> None:
    state, size, keys, options = GOLDENS[name]
    async with running(looks.STATES[state](), size, **options) as (app, pilot, _):
        await press(pilot, *keys)
        check(f"debug-{name}", screen_text(app))


async def test_that_of_which_nothing_is_expected_is_not_counted_as_fine() -> None:
    calm = looks.calm()
    [model] = calm.models
    assert model.quality is not None
    [fine], [limited] = model.quality.figures, model.quality.slices
    free = replace(fine.judged, expected=Expected(), verdict=Verdict.NOT_JUDGED)
    unlimited = replace(limited.disparity, limit=None, verdict=Verdict.NOT_JUDGED)
    both = replace(model.quality, figures=(fine, replace(fine, judged=free, is_proxy=True)),
                   slices=(replace(limited, disparity=unlimited),))
    async with running(replace(calm, models=(replace(model, quality=both),))) as (app, pilot, _):
        await press(pilot, "3")
        assert "QUALITY  1 of 1 figures as expected, 1 not judged, as of" in screen_text(app)
        assert "SLICES  none of 1 judged" in screen_text(app)


@pytest.mark.parametrize("state", looks.STATES)
@pytest.mark.parametrize("keys", [("3",), (*to("labels"), "z")])
async def test_every_state_fits_every_size(state: str, keys: tuple[str, ...]) -> None:
    async with running(looks.STATES[state]()) as (app, pilot, _):
        await press(pilot, *keys)
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            rows = app.screen._compositor.render_strips()
            assert len(rows) == height
            assert {row.cell_length for row in rows} == {width}


async def test_tab_walks_the_parts_that_have_something_and_comes_back() -> None:
    seen = []
    async with running(looks.whole(), (80, 24)) as (app, pilot, _):
        await press(pilot, "3")
        for _ in range(len(_TO) + 1):
            assert isinstance(app.screen, Debug)
            assert app.screen._view is not None
            seen.append(app.screen._focus(app.screen._view))
            await press(pilot, "tab")
            assert "▸" in screen_text(app)
    assert seen == ["drift", *_TO]


async def test_j_goes_from_the_last_row_of_a_part_to_the_next_part() -> None:
    async with running(looks.whole()) as (app, pilot, _):
        await press(pilot, *to("store"), "j", "j", "j")
        assert isinstance(app.screen, Debug)
        assert app.screen._focus(app.screen._view) == "retrain"  # type: ignore[arg-type]


@pytest.mark.parametrize("part", _TO)
async def test_enter_opens_a_page_in_every_part(part: str) -> None:
    async with running(looks.whole()) as (app, pilot, _):
        await press(pilot, *to(part), "enter")
        assert isinstance(app.screen, Reader)
        assert "no longer" not in screen_text(app)


async def test_a_page_whose_subject_is_gone_says_so() -> None:
    for part in ("quality", "slices", "labels", "store", "retrain", "attributions"):
        async with running(looks.whole()) as (app, pilot, feed):
            await press(pilot, *to(part), "enter")
            feed.give(logbooks.debugged())
            await pilot.pause()
            assert "it is no longer among what the notebook asks for" in " ".join(screen_text(app).split())


async def test_z_shows_the_part_with_the_cursor_alone_and_z_or_escape_all_of_them_again() -> None:
    async with running(looks.whole(), (80, 24)) as (app, pilot, _):
        await press(pilot, *to("labels"), "z")
        assert "DRIFT" not in screen_text(app)
        assert "a fixed delay, roughly right for one that scatters" in screen_text(app)
        await press(pilot, "tab")
        assert "FEATURE STORE" in screen_text(app)
        assert "LABELS" not in screen_text(app)
        await press(pilot, "escape")
        assert isinstance(app.screen, Debug)
        assert "DRIFT" in screen_text(app)
        await press(pilot, "z", "z", "escape")
        assert isinstance(app.screen, OnCall)


async def test_the_feature_under_the_cursor_is_what_is_looked_at_closely_and_nothing_when_closed() -> None:
    async with running(looks.whole()) as (_, pilot, feed):
        assert feed.closer == []
        await press(pilot, "3")
        assert feed.closer[-1] == CloserLook("amount", pods=True)
        await press(pilot, "j")
        await until(pilot, lambda: feed.closer[-1] == CloserLook("embedding", pods=True))
        await press(pilot, "tab", "tab")
        assert feed.closer[-1] == CloserLook("embedding", pods=True)
        await press(pilot, "escape")
        assert feed.closer[-1] is None


async def test_features_that_the_cursor_only_passes_are_not_asked_about() -> None:
    async with running(looks.whole()) as (_, pilot, feed):
        await press(pilot, "3")
        await press(pilot, *"jkjkjkj")
        await until(pilot, lambda: feed.closer[-1] == CloserLook("embedding", pods=True))
        assert feed.closer == [CloserLook("amount", pods=True), CloserLook("embedding", pods=True)]


async def test_the_prediction_is_looked_at_as_such() -> None:
    async with running(looks.whole()) as (_, pilot, feed):
        await press(pilot, "3", "slash", *"score", "enter")
        await until(pilot, lambda: feed.closer[-1] == CloserLook("score", is_prediction=True, pods=True))


async def test_the_past_of_one_feature_is_not_shown_for_another() -> None:
    async with running(looks.whole(), (120, 40)) as (app, pilot, _):
        await press(pilot, "3")
        assert "amount over time  6 h, all versions, each of 1 h, most 0.47, drift from 0.25" in screen_text(app)
        await press(pilot, "j", "j")
        text = screen_text(app)
        assert "merchant_age over time" in text
        assert "asked, no answer yet" in text


async def test_a_past_of_another_range_is_not_shown() -> None:
    async with running(looks.whole(), (120, 40)) as (app, pilot, _):
        await press(pilot, "3", "plus")
        assert "most 0.47" not in screen_text(app)


async def test_what_is_wrong_is_said_in_one_row_where_a_part_has_no_more() -> None:
    async with running(looks.whole(), (120, 24)) as (app, pilot, _):
        await press(pilot, "3")
        text = screen_text(app)
        assert "QUALITY  ! v7 recall" in text
        assert "RETRAIN  ! drift critical on 2 features for 6 h: retrain asked, needs approval by model-owner" in text
        assert "FEATURE STORE  ! payments_profile: materialised up to 3 h 48 m ago" in text


async def test_equal_facts_repaint_nothing() -> None:
    async with running(looks.whole(), (200, 50)) as (app, pilot, feed):
        await press(pilot, "3")
        painted: list[object] = []
        app._display = lambda screen, renderable: painted.append(renderable)  # type: ignore[method-assign]
        feed.give(looks.whole())
        await pilot.pause()
        assert painted == []


async def test_another_model_begins_with_all_parts() -> None:
    other = replace(looks.whole().models[0], name="churn-ranker")
    both = replace(looks.whole(), models=(*looks.whole().models, other))
    async with running(both) as (app, pilot, _):
        await press(pilot, *to("labels"), "z")
        app._picked("churn-ranker")
        await pilot.pause()
        assert "DRIFT" in screen_text(app)


def test_every_part_has_its_place_and_the_one_with_the_cursor_the_first() -> None:
    names = {part.name for part in PARTS}
    assert set(LEFT) < names
    for part in PARTS:
        assert set(priority(part.name)) == names
        assert priority(part.name)[0] == ("drift" if part.name == "drift" else part.name)
        assert zoomed(part.name)
