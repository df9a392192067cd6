"""The runbook on the screen: beside the panels, in two rows below them, and all of it; worked through with keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.runbook.examples import TEXT, notebook
from tests.runbook.test_session import NOW, at, states, world
from tests.tui import snapshots
from tests.tui.driving import NAMES, press, running, screen_text
from tests.tui.scripted import ScriptedFeed
from tests.tui.test_goldens import check
from triage.facts.expressions import ExpressionsWanted
from triage.facts.outcome import SourceHealth, SourceState
from triage.live.snapshot import Snapshot
from triage.runbook.events import EventKind, Outcome
from triage.runbook.intents import OpenPlan, RunCell
from triage.runbook.path import StepState
from triage.runbook.session import RunbookSession
from triage.signals.reading import Verdict
from triage.tui.app import TriageApp
from triage.tui.screens.oncall import OnCall
from triage.tui.screens.runbook import RunbookScreen

WIDE, NARROW = (120, 40), (80, 24)


@pytest.fixture(autouse=True)
def one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who works here is the same on every machine."""
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.setattr("socket.gethostname", lambda: "desk.example")


@asynccontextmanager
async def on_call(tmp_path: Path, size: tuple[int, int] = WIDE, snapshot: Snapshot | None = None,
                  text: str | None = TEXT,
                  **options: Any) -> AsyncIterator[tuple[TriageApp, Pilot[None], ScriptedFeed]]:
    """The dashboard with a runbook; time stands."""
    feed = ScriptedFeed(snapshot or world(), now=NOW, names=NAMES)
    folder = tmp_path / "fraud-scorer"
    feed.notebooks["fraud-scorer"] = notebook(folder, text)
    async with running(None, size, feed=feed, state_home=tmp_path / "state", **options) as made:
        await made[0].workers.wait_for_complete()
        await made[1].pause()
        yield made


async def give(app: TriageApp, pilot: Pilot[None], feed: ScriptedFeed, snapshot: Snapshot) -> None:
    feed.time = snapshot.at
    feed.give(snapshot)
    await pilot.pause()
    await app.workers.wait_for_complete()
    await pilot.pause()


async def say(pilot: Pilot[None], text: str) -> None:
    """Type into the dialog, and enter."""
    for character in text:
        await pilot.press({" ": "space", ":": "colon", ",": "comma"}.get(character, character))
    await press(pilot, "enter")


@pytest.mark.parametrize("size", [WIDE, NARROW, (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_runbook_stands_beside_the_panels_or_below_them(tmp_path: Path, size: tuple[int, int]) -> None:
    async with on_call(tmp_path, size) as (app, _, _):
        check(f"runbook-on-call-{size[0]}x{size[1]}", screen_text(app))


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_all_of_it_is_one_key_away(tmp_path: Path, size: tuple[int, int]) -> None:
    async with on_call(tmp_path, size) as (app, pilot, _):
        await press(pilot, "b")
        assert isinstance(app.screen, RunbookScreen)
        check(f"runbook-whole-{size[0]}x{size[1]}", screen_text(app))
        await press(pilot, "escape")
        assert isinstance(app.screen, OnCall)


async def test_a_runbook_that_nothing_asks_for_is_only_named(tmp_path: Path) -> None:
    well = replace(world(alerts=()), models=(replace(snapshots.healthy().models[0], alerts=()),))
    async with on_call(tmp_path, WIDE, well) as (app, _, feed):
        text = screen_text(app)
        assert "RUNBOOK slow" in text
        assert "nothing asks for it; b opens" in text
        assert "Is the queue short?" not in text
        assert feed.expressions == []


async def test_its_numbers_are_asked_while_something_asks_for_it(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        assert feed.expressions == [ExpressionsWanted("fraud-scorer", (
            "sum(queue)", "sum by (pod) (rate(requests_total[5m]))"))]
        well = replace(world(NOW + 5), models=(replace(snapshots.healthy().models[0], alerts=()),))
        await give(app, pilot, feed, well)
        assert feed.expressions[1:] == [None]
        await press(pilot, "b")
        assert feed.expressions[-1] is not None
        await press(pilot, "escape")
        assert feed.expressions[-1] is None


async def test_a_page_is_walked_from_alert_to_the_open_plan_with_the_keyboard_only(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []

    def take(intent: object) -> str:
        taken.append(intent)
        return ""

    async with on_call(tmp_path) as (app, pilot, _):
        monkeypatch.setattr(app, "run_cell", take)
        monkeypatch.setattr(app, "open_plan", take)
        await press(pilot, "tab", "enter")
        assert taken == [RunCell("compare-feature", {"FEATURE": "amount"}, "moved", at("moved"))]
        app.runbook.conclude(at("moved"), Outcome.FAILED, "amounts in cents")
        await press(pilot, "tab")
        assert "amounts in cents" in screen_text(app)
        await press(pilot, "tab", "enter", "b", "enter")
        assert taken[1:] == [OpenPlan("pause", "", "runbook slow, step 6: Freeze the canary", "freeze",
                                       at("freeze"))]
        assert [(e.kind, e.step) for e in app.runbook.events()][-4:] == [
            (EventKind.BEGAN, "moved"), (EventKind.DONE, "moved"), (EventKind.TOOK, "decide"),
            (EventKind.BEGAN, "freeze")]
        check("runbook-freezing", screen_text(app))


async def test_what_cannot_be_done_from_here_is_said_and_told_by_hand(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_call(tmp_path) as (app, pilot, _):
        monkeypatch.setattr(app, "open_plan", lambda intent: f"{intent.action} is not possible from here")
        await press(pilot, "b", "d")
        assert "how did 4 come out, and what was seen" in screen_text(app)
        await say(pilot, "failed: in cents")
        assert "by hand: in cents, ana@desk" in screen_text(app)
        await press(pilot, "enter", "enter")
        assert "pause is not possible from here" in screen_text(app)


async def test_a_step_is_skipped_with_a_reason_claimed_and_brought_back(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, _):
        await press(pilot, "b", "c")
        assert "ana@desk is on it" in screen_text(app)
        await press(pilot, "s")
        await say(pilot, "")
        assert "skipped by" not in screen_text(app)
        await press(pilot, "s")
        await say(pilot, "no notebook")
        assert "skipped by ana@desk: no notebook" in screen_text(app)
        sheet = app.runbook.sheet
        assert sheet is not None
        assert sheet.run.record("moved").starts == 0
        await press(pilot, "k", "x")
        assert "skipped by" not in screen_text(app)


async def test_a_step_that_was_done_since_the_last_refresh_is_in_the_story_that_is_written(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    async with on_call(tmp_path) as (_, pilot, _):
        await press(pilot, "5", "o", "enter", "b", "s")
        await say(pilot, "no notebook")
        monkeypatch.chdir(exports)
        await press(pilot, "5", "w")
    assert "step 4 Has a feature moved? skipped: no notebook" in (exports / "INC-0001.md").read_text()


async def test_a_question_is_answered_with_one_of_its_choices(tmp_path: Path) -> None:
    async with on_call(tmp_path, snapshot=world(latency=0.9)) as (app, pilot, _):
        await press(pilot, "b", "enter")
        assert "9 Upstream" in screen_text(app)
        await press(pilot, "enter")
        assert "Is the feature store down?" in screen_text(app)
        await say(pilot, "maybe")
        assert "Is the feature store down?" in screen_text(app)
        await say(pilot, "n")
        sheet = app.runbook.sheet
        assert sheet is not None
        assert sheet.run.record("upstream").answer == "no"


async def test_a_message_is_copied_filled_in(tmp_path: Path) -> None:
    only_message = TEXT[:TEXT.index("## Diagnosis")] + TEXT[TEXT.index("## Escalate"):TEXT.index("### Sleep")]
    async with on_call(tmp_path, text=only_message) as (app, pilot, _):
        await press(pilot, "b", "enter")
        text = screen_text(app)
        assert "AS TEXT" in text
        assert "fraud-scorer is fail, page: " in text


async def test_the_whole_runbook_is_copied_as_text(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, _):
        await press(pilot, "b", "y")
        assert "AS TEXT" in screen_text(app)
        assert "It is slow" in screen_text(app)


async def test_the_cursor_moves_through_all_steps_and_keeps_them_in_sight(tmp_path: Path) -> None:
    async with on_call(tmp_path, NARROW) as (app, pilot, _):
        await press(pilot, "b", "G")
        assert isinstance(app.screen, RunbookScreen)
        assert app.screen.selected == "sleep"
        assert "13 Sleep" in screen_text(app)
        await press(pilot, "g")
        assert app.screen.selected == "stable-well"
        assert "1 Is it the canary only?" in screen_text(app)


async def test_progress_is_there_after_a_restart(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (_, pilot, _):
        await press(pilot, "b", "s")
        await say(pilot, "no time")
    async with on_call(tmp_path) as (app, pilot, _):
        await press(pilot, "b")
        assert "skipped by ana@desk: no time" in screen_text(app)


async def test_while_prometheus_is_silent_the_checks_wait_and_say_so(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        lost = replace(world(NOW + 5), sources=(SourceHealth("prometheus", SourceState.DOWN, NOW),), expressions=None)
        await give(app, pilot, feed, lost)
        text = screen_text(app)
        assert "waits for fresh data" in text
        assert "? " in text.split("Is it the canary only?")[0][-8:]


async def test_a_paused_picture_keeps_its_runbook(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        await press(pilot, "p")
        await give(app, pilot, feed, world(NOW + 5, queue=50))
        assert "50 requests" not in screen_text(app)
        await press(pilot, "p")
        assert "50 requests" in screen_text(app)


async def test_a_model_without_a_notebook_has_no_sheet(tmp_path: Path) -> None:
    async with running(snapshots.canary_failing(), WIDE) as (app, pilot, _):
        await press(pilot, "tab")
        assert isinstance(app.screen, RunbookScreen)
        assert "the runbook is being read" in screen_text(app)
        await press(pilot, "j", "enter")
        assert app.runbook.sheet is None


async def test_tab_leads_to_the_next_step_and_back(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, _):
        await press(pilot, "tab")
        assert app.view().chosen() == ("step", "moved")
        await press(pilot, "j")
        assert app.view().chosen() == ("step", "decide")
        await press(pilot, "tab")
        assert app.view().chosen().kind == "verdict"


async def test_a_defect_of_the_runbook_does_not_take_the_panels_away(tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("no\x1b[2J")

    async with on_call(tmp_path) as (app, pilot, feed):
        monkeypatch.setattr("triage.runbook.session.standings", broken)
        await give(app, pilot, feed, world(NOW + 5))
        assert "the runbook broke: RuntimeError: no␛[2J" in screen_text(app)
        model = app.view().model
        assert model is not None
        assert model.verdict is Verdict.FAIL


async def test_hostile_texts_are_drawn_and_never_parsed(tmp_path: Path) -> None:
    text = TEXT.replace("Is the queue short?", "[@click=app.quit]x[/] \x1b]52;c;x\x07 [b + 3")
    async with on_call(tmp_path, text=text) as (app, pilot, _):
        await press(pilot, "b")
        shown = screen_text(app)
        assert "[@click=app.quit]x[/]" in shown
        assert "\x1b" not in shown


async def test_in_ascii_every_sign_has_a_letter(tmp_path: Path) -> None:
    async with on_call(tmp_path, glyphs="ascii") as (app, pilot, _):
        assert screen_text(app).isascii()
        await press(pilot, "b")
        assert screen_text(app).isascii()


def churn(now: float) -> Snapshot:
    seen = world(now)
    return replace(seen, models=(replace(seen.models[0], name="churn-ranker"),))


async def test_what_ends_while_another_model_is_shown_lands_where_it_was_begun(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TriageApp, "run_cell", lambda self, intent: "")
    async with on_call(tmp_path) as (app, pilot, feed):
        feed.notebooks["churn-ranker"] = notebook(tmp_path / "churn-ranker")
        await press(pilot, "b", "enter")
        app._wanted = "churn-ranker"
        await give(app, pilot, feed, churn(NOW + 5))
        app.runbook.conclude(at("moved"), Outcome.FAILED, "fraud in cents")
        await app.workers.wait_for_complete()
        assert "fraud in cents" not in screen_text(app)
        assert app.runbook.sheet is not None
        assert (app.runbook.sheet.model, app.runbook.sheet.begun) == ("churn-ranker", False)
        app._wanted = "fraud-scorer"
        await give(app, pilot, feed, world(NOW + 10))
        assert "fraud in cents" in screen_text(app)


async def test_an_answer_does_not_land_in_the_runbook_that_came_meanwhile(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        feed.notebooks["churn-ranker"] = notebook(tmp_path / "churn-ranker")
        await press(pilot, "b", "s")
        app._wanted = "churn-ranker"
        await give(app, pilot, feed, churn(NOW + 5))
        await say(pilot, "no notebook")
        assert "nothing was done: the runbook of fraud-scorer that was meant is not shown any more" in screen_text(app)
        assert app.runbook.sheet is not None
        assert states(app.runbook.sheet)["moved"] is StepState.READY


async def test_a_result_that_cannot_be_taken_does_not_end_the_program(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("what a pity")
    monkeypatch.setattr(RunbookSession, "conclude", broken)
    async with on_call(tmp_path) as (app, pilot, _):
        app.runbook.conclude(at("moved"), Outcome.FAILED, "in cents")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "the runbook broke: ValueError: what a pity" in screen_text(app)
