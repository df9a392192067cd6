"""What the keys do, through a pilot and a scripted feed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots
from tests.tui.driving import press, running, screen_text, until
from tests.tui.scripted import ScriptedFeed
from triage.errors import TriageError
from triage.signals import wording
from triage.tui.app import TriageApp
from triage.tui.keymap import DEBUG, EVERYWHERE, INCIDENT, ON_CALL, PAGE, ZOOMED, all_keys
from triage.tui.line import Role
from triage.tui.panels import slos
from triage.tui.screens.oncall import OnCall
from triage.tui.view import TOP, Item

SECOND = snapshots.NOW + 1


async def test_the_feed_is_started_once_and_told_what_is_looked_at() -> None:
    async with running(snapshots.healthy(), model="fraud-scorer") as (_, _, feed):
        assert (feed.started, feed.looks) == (1, [("fraud-scorer", 3600.0, None)])


async def test_leaving_stops_the_feed_once() -> None:
    async with running(snapshots.healthy()) as (_, pilot, feed):
        await pilot.press("q")
    assert feed.stopped == 1


async def test_j_and_k_select_rows_and_g_goes_back_to_the_verdict() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "j", "j", "k")
        assert app.view().chosen() == Item("slo", "latency")
        await press(pilot, "g")
        assert app.view().chosen() == TOP


async def test_the_last_row_can_be_selected_and_nothing_lies_behind_it() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "G", "j")
        assert app.view().chosen().key.startswith("HighMemory")


async def test_selecting_an_objective_moves_the_chart_to_it() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "j")
        assert "LATENCY p95  latency, 1 h" in screen_text(app)


async def test_a_selection_survives_a_snapshot_and_ends_with_its_row() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, feed):
        await press(pilot, "j")
        feed.give(snapshots.canary_failing())
        await pilot.pause()
        assert app.view().chosen() == Item("slo", "latency")
        feed.give(snapshots.with_model(snapshots.canary_failing(), slos=()))
        await pilot.pause()
        assert app.view().chosen() == TOP


async def test_enter_says_why_the_budget_is_what_it_is() -> None:
    async with running(snapshots.canary_failing(), (100, 60)) as (app, pilot, _):
        await press(pilot, "j", "enter")
        text = screen_text(app)
        for wanted in ("WHY THE BUDGET IS 58 %", "bad events allowed    272,160", "left                  157,853",
                       "held back: only 40 of 1,000 events", "nothing left in 4 d", "p99"):
            assert wanted in text


async def test_a_page_follows_the_facts_while_it_is_open() -> None:
    async with running(snapshots.canary_failing(), (100, 60)) as (app, pilot, feed):
        await press(pilot, "j", "enter")
        first, *rest = snapshots.canary_failing().models[0].slos
        feed.give(
            snapshots.with_model(
                snapshots.canary_failing(), slos=(replace(first, budget=snapshots.budget(0.31)), *rest)
            )
        )
        await pilot.pause()
        assert "WHY THE BUDGET IS 31 %" in screen_text(app)


async def test_escape_closes_a_page() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "enter", "escape")
        assert isinstance(app.screen, OnCall)


async def test_two_goes_back_to_the_on_call_screen_from_anywhere() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "z", "enter", "question_mark", "2")
        assert isinstance(app.screen, OnCall)


async def test_plus_and_minus_walk_the_time_ranges() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "plus", "plus", "minus")
        assert [look[1] for look in feed.looks] == [3600.0, 10800.0, 21600.0, 10800.0]
        assert "3 h" in screen_text(app)


async def test_ranges_end_at_a_quarter_of_an_hour_and_a_day() -> None:
    async with running(snapshots.healthy()) as (_, pilot, feed):
        await press(pilot, *["minus"] * 9)
        assert feed.looks[-1][1] == 900.0
        await press(pilot, *["plus"] * 9)
        assert feed.looks[-1][1] == 86400.0


async def test_panning_back_and_forth_is_live_again() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "left_square_bracket")
        assert feed.looks[-1][2] == snapshots.NOW - 1800
        assert "charts to 14:03" in screen_text(app)
        await press(pilot, "right_square_bracket")
        assert feed.looks[-1][2] is None


async def test_zero_is_live_at_once() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "left_square_bracket", "left_square_bracket", "p", "0")
        assert feed.looks[-1] == (None, 3600.0, None)
        assert "PAUSED" not in screen_text(app)


async def test_a_paused_picture_stays_while_its_age_and_the_facts_go_on() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "p")
        feed.give(snapshots.canary_failing())
        feed.time += 40
        await pilot.pause()
        app.show()
        await pilot.pause()
        text = screen_text(app)
        assert "✔ PASS" in text
        assert "data 43 s" in text
        assert "PAUSED since 14:33" in text
        await press(pilot, "p")
        assert "✖ FAIL" in screen_text(app)


async def test_r_asks_now() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "r")
        assert feed.refreshes == 1
        assert "asked the sources" in screen_text(app)


async def test_a_message_gives_the_keys_back_also_while_the_world_stands_still() -> None:
    async with running(snapshots.healthy()) as (app, pilot, _):
        app.message_seconds = 0.05
        await press(pilot, "r")
        # The feed's clock stands still.
        await until(pilot, lambda: "q quit" in screen_text(app))


async def test_the_picker_narrows_as_one_types_and_opens_the_best() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "slash", "c", "h")
        assert "2 of 3" in screen_text(app)
        await press(pilot, "u", "enter")
        assert feed.looks[-1][0] == "churn-ranker"
        assert "there is no model churn-ranker" in screen_text(app)


async def test_a_picker_without_a_match_says_so_and_opens_nothing() -> None:
    async with running(snapshots.healthy()) as (app, pilot, _):
        await press(pilot, "slash", *"zzz")
        assert "no model of that name" in screen_text(app)
        assert "0 of 3" in screen_text(app)
        await press(pilot, "enter")
        assert "no model of that name" in screen_text(app)
        await press(pilot, "escape")
        assert "no model of that name" not in screen_text(app)


async def test_letters_in_the_picker_are_text_not_commands() -> None:
    async with running(snapshots.healthy()) as (app, pilot, _):
        await press(pilot, "slash", "q", "p", "colon")
        assert "0 of 3" in screen_text(app)
        await press(pilot, "enter", "escape")
        assert isinstance(app.screen, OnCall)


async def test_the_screen_under_a_dialog_stays_current() -> None:
    async with running(snapshots.healthy()) as (app, pilot, feed):
        await press(pilot, "slash")
        feed.give(snapshots.canary_failing())
        await pilot.pause()
        assert "✖ FAIL" in screen_text(app)


async def test_zoom_shows_the_panel_of_the_selected_row_and_z_the_next() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "j", "j", "z")
        assert "ERRORS" in screen_text(app)
        await press(pilot, "z")
        assert "SLO" in screen_text(app)
        await press(pilot, "tab")
        assert "CANARY v8" in screen_text(app)
        await press(pilot, "tab", "z")
        assert "LATENCY" in screen_text(app)


async def test_zoom_passes_over_a_comparison_that_there_is_not() -> None:
    async with running(snapshots.healthy()) as (app, pilot, _):
        await press(pilot, "j", "j", "z", "z", "z")
        assert "ALERTS" in screen_text(app)


async def test_help_lists_every_key_of_the_screen_it_was_called_from() -> None:
    async with running(snapshots.healthy(), (100, 60)) as (app, pilot, _):
        await press(pilot, "question_mark")
        text = screen_text(app)
        for keys, about in all_keys((*ON_CALL, *EVERYWHERE)).values():
            assert " ".join(keys) in text
            assert about in text


async def test_copy_shows_the_text_and_says_sent() -> None:
    async with running(snapshots.canary_failing()) as (app, pilot, _):
        await press(pilot, "y")
        text = screen_text(app)
        assert "fraud-scorer in prod-eu PRODUCTION" in text
        assert "sent to the terminal's clipboard" in text


async def test_copy_before_the_first_snapshot_says_so() -> None:
    async with running(None) as (app, pilot, _):
        await press(pilot, "y")
        assert "nothing to copy yet" in screen_text(app)


async def test_the_palette_switches_the_theme() -> None:
    async with running(snapshots.healthy()) as (app, pilot, _):
        await press(pilot, "colon", *"theme light")
        await pilot.pause(0.3)
        await press(pilot, "enter")
        await pilot.pause()
        assert app.theme == "triage-light"


async def test_a_failed_feed_ends_the_program_with_its_reason() -> None:
    feed = ScriptedFeed(failure=("triage.yaml:3: bad", "fix it"))
    app = TriageApp(feed)
    async with app.run_test() as pilot:
        await pilot.pause()
    assert app.failure == ("triage.yaml:3: bad", "fix it")
    assert app.return_code == 64
    assert feed.stopped == 1
    assert TriageError(*app.failure).hint == "fix it"


async def test_an_alert_opens_its_model_with_the_row_selected() -> None:
    other = replace(snapshots.canary_failing().models[0], name="chat-assistant")
    snapshot = replace(snapshots.healthy(), models=(*snapshots.healthy().models, other))
    async with running(snapshot, alert="CanaryLatency") as (app, _, feed):
        view = app.view()
        assert view.model is not None
        assert view.model.name == "chat-assistant"
        assert view.chosen().key.startswith("CanaryLatency")
        assert feed.looks[-1][0] == "chat-assistant"
        assert "asked about CanaryLatency v8, firing since 14:19: CanaryLatency fires on v8" in screen_text(app)


async def test_an_alert_that_is_not_there_is_said_with_what_was_looked_for() -> None:
    async with running(snapshots.healthy(), alert='{alertname="Gone"}') as (app, pilot, _):
        assert 'looked for {alertname="Gone"}' in screen_text(app)
        await press(pilot, "escape")
        assert "looked for" not in screen_text(app)


async def test_an_alert_is_still_looked_for_while_the_sources_are_asked() -> None:
    async with running(snapshots.waiting(), alert="CanaryLatency") as (app, pilot, feed):
        assert app.view().alert_note is None
        feed.give(snapshots.canary_failing())
        await pilot.pause()
        assert app.view().chosen().kind == "alert"


async def test_every_verdict_stands_there_as_a_word() -> None:
    for snapshot, word in ((snapshots.healthy(), "PASS"), (snapshots.canary_failing(), "FAIL, page"),
                           (snapshots.idle(), "UNKNOWN"), (snapshots.waiting(), "WAITING")):
        async with running(snapshot, (80, 24)) as (app, _, _):
            assert word in screen_text(app)


async def test_production_is_marked_on_every_screen() -> None:
    async with running(snapshots.canary_failing(), (80, 24)) as (app, pilot, _):
        for keys in (
            (),
            ("enter",),
            ("escape", "z"),
            ("escape", "question_mark"),
            ("escape", "y"),
            ("escape", "slash"),
        ):
            await press(pilot, *keys)
            assert "PRODUCTION" in screen_text(app)


def test_every_binding_has_an_id_and_no_key_that_terminals_take() -> None:
    for binding in (*EVERYWHERE, *ON_CALL, *ZOOMED, *DEBUG, *INCIDENT, *PAGE):
        assert binding.id
        assert not {"ctrl+b", "ctrl+s", "ctrl+q", "ctrl+z"} & set(binding.key.split(","))


async def test_keys_that_terminals_take_are_bound_nowhere() -> None:
    async with running(snapshots.healthy()) as (app, _, _):
        assert not {"ctrl+b", "ctrl+s", "ctrl+q", "ctrl+z", "ctrl+p"} & set(app.screen.active_bindings)


@pytest.mark.parametrize(("reading", "text"), [(snapshots.ratio(0.5, 10), "50.00 %"), (snapshots.ratio(None, 0), "ok")])
def test_now_is_a_value_or_a_word(reading: object, text: str) -> None:
    assert slos.now_text(snapshots.slo("success", now=reading)) == text


def test_zero_tolerance_counts_instead_of_dividing() -> None:
    assert slos.now_text(snapshots.schema(4)) == "4 bad"
    assert slos.spoken(snapshots.schema(4)) == ("zero tolerance: amount 4", Role.PLAIN)


def test_an_overspent_budget_is_negative_and_loud() -> None:
    overspent = snapshots.budget(-0.04)
    assert wording.budget_left(overspent.remaining) == "-4 %"
    assert slos.budget_role(overspent) is Role.FAIL
    assert wording.budget_left(snapshots.budget(0.001).remaining) == "<1 %"


async def test_a_version_and_its_share_do_not_run_together_where_no_arm_stands_between_them() -> None:
    model = snapshots.canary_failing().models[0]
    moving = tuple(replace(v, version=v.version.strip("v"), arm="" if v.arm == "canary" else v.arm)
                   for v in model.versions.items)
    shown = snapshots.with_model(snapshots.canary_failing(), versions=replace(model.versions, items=moving))
    for size, text in (((120, 40), "7 stable 90 %  8: 10 %"), ((80, 24), "7: 90 %  8: 10 %")):
        async with running(shown, size) as (app, _, _):
            assert text in screen_text(app).splitlines()[0]
