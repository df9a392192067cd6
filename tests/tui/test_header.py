"""The first and the last row: where we are, whether anything may be changed, what can be pressed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots
from tests.tui.driving import press, running, screen_text, until
from triage.tui.look import Look
from triage.tui.panels import fleet, top
from triage.tui.view import View

LONG = "payments-fraud-scorer-for-card-not-present"


def view(name: str = "fraud-scorer", *, write: bool = False, held_back: bool = False, width: int = 80) -> View:
    made = snapshots.canary_failing()
    model = replace(made.models[0], name=name)
    return View(replace(made, models=(model,)), model, name, snapshots.NOW, 3600.0, None, None, Look(), width, 24,
                write=write, held_back=held_back)


@pytest.mark.parametrize("width", [60, 70, 80])
def test_a_long_name_is_cut_before_a_version_is(width: int) -> None:
    text = top.header(view(LONG, write=True), width).text
    assert "prod-eu PRODUCTION WRITE  payments-f" in text
    assert text.endswith("…  v7 90 %  v8 10 %")
    assert len(text) <= width


def test_a_name_that_fits_is_not_cut() -> None:
    assert top.header(view(write=True), 60).text == " prod-eu PRODUCTION WRITE  fraud-scorer  v7: 90 %  v8: 10 %"


def test_a_name_is_kept_where_no_room_is_left_for_versions() -> None:
    assert LONG[:12] in top.header(view(LONG, write=True), 45).text


@pytest.mark.parametrize(("write", "held_back", "word"), [(True, False, "PRODUCTION WRITE "),
                                                          (False, True, "PRODUCTION READ-ONLY ")])
def test_the_fleet_says_as_the_others_whether_anything_may_be_changed(write: bool, held_back: bool, word: str) -> None:
    shown = view(write=write, held_back=held_back)
    assert word in fleet.head(shown, 80).text
    assert word in top.header(shown, 80).text


def test_where_nobody_asked_to_write_nothing_is_said_of_it() -> None:
    for text in (fleet.head(view(), 80).text, top.header(view(), 80).text):
        assert "WRITE" not in text
        assert "READ-ONLY" not in text


async def test_a_message_leaves_the_keys_that_fit_beside_it() -> None:
    async with running(snapshots.canary_failing(), (80, 24)) as (app, pilot, _):
        app.say("a short message")
        await pilot.pause()
        row = screen_text(app).splitlines()[-1]
        assert row.startswith(" a short message   ")
        assert row.endswith("q quit")
        app.say("m" * 200)
        await pilot.pause()
        assert screen_text(app).splitlines()[-1] == f" {'m' * 78}…"


async def test_a_message_goes_and_all_keys_are_there_again() -> None:
    async with running(snapshots.canary_failing(), (80, 24)) as (app, pilot, _):
        before = screen_text(app).splitlines()[-1]
        app.message_seconds = 0.0
        await press(pilot, "y")
        await press(pilot, "escape")
        await until(pilot, lambda: screen_text(app).splitlines()[-1] == before)
