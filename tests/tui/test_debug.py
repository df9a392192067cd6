"""The debug screen: drift of every feature, stack traces and log lines of the model shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.tui import drifts, logbooks, snapshots
from tests.tui.driving import press, running, screen_text
from tests.tui.logbooks import NOW
from tests.tui.terminal import Terminal
from tests.tui.test_goldens import check
from tests.tui.test_sizes import SIZES
from triage.facts.log_reading import LogsWanted, Told
from triage.live.snapshot import Snapshot
from triage.signals.drift_model import BinShare
from triage.tui.keymap import DEBUG, EVERYWHERE, all_keys
from triage.tui.look import Look
from triage.tui.panels.features import bars, table
from triage.tui.panels.logs import ending
from triage.tui.screens.debug import Debug
from triage.tui.screens.oncall import OnCall
from triage.tui.screens.reader import Reader
from triage.tui.view import View

GOLDENS: dict[str, tuple[str, tuple[int, int], tuple[str, ...], dict[str, Any]]] = {
    **{f"debug-{w}x{h}": ("debug", (w, h), (), {}) for w, h in ((80, 24), (120, 40), (200, 50))},
    "debug-both-80x24": ("debug-both", (80, 24), (), {}),
    "debug-lost-120x40": ("debug-lost", (120, 40), (), {}),
    "debug-unread": ("debug-unread", (80, 24), (), {}),
    "debug-waiting": ("debug-waiting", (80, 24), (), {}),
    "debug-unconfigured": ("debug-unconfigured", (80, 24), (), {}),
    "debug-quiet": ("debug-quiet", (80, 24), (), {}),
    "debug-ascii": ("debug-both", (120, 40), ("tab",), {"glyphs": "ascii"}),
    "debug-no-colour": ("debug", (80, 24), ("tab", "tab"), {"theme_name": "no-colour"}),
    "debug-16-colours": ("debug", (80, 24), ("j",), {"theme_name": "16-colour"}),
    "debug-filtered": ("debug", (80, 24), ("slash", *"age", "enter"), {}),
    "debug-trace": ("debug", (80, 30), ("tab", "enter"), {}),
    "debug-line": ("debug", (80, 30), ("tab", "tab", "enter"), {}),
    "debug-text": ("debug", (100, 60), ("y",), {}),
    "debug-help": ("debug", (80, 50), ("question_mark",), {}),
}


@pytest.mark.parametrize("name", GOLDENS)
async def test_the_debug_screen_looks_as_agreed(name: str) -> None:
    state, size, keys, options = GOLDENS[name]
    async with running(logbooks.STATES[state](), size, **options) as (app, pilot, _):
        await press(pilot, "3", *keys)
        check(name, screen_text(app))


@pytest.mark.parametrize("state", [*logbooks.STATES, "hostile", "nothing"])
async def test_every_state_of_the_debug_screen_fits_every_size(state: str) -> None:
    snapshot = None if state == "nothing" else {**logbooks.STATES, "hostile": logbooks.hostile}[state]()
    async with running(snapshot) as (app, pilot, _):
        await press(pilot, "3")
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            rows = app.screen._compositor.render_strips()
            assert len(rows) == height
            assert {row.cell_length for row in rows} == {width}


@pytest.mark.parametrize("state", [*logbooks.STATES, "hostile"])
async def test_every_key_of_the_debug_screen_works_in_every_state(state: str) -> None:
    left_out = ("quit", "quit.interrupt", "commands")
    keys = [b.key.partition(",")[0] for b in (*DEBUG, *EVERYWHERE) if b.id not in left_out]
    async with running({**logbooks.STATES, "hostile": logbooks.hostile}[state](), (80, 24)) as (app, pilot, _):
        for key in keys:
            await press(pilot, "3", key, "escape")
            assert app.is_running


async def test_three_opens_it_and_closes_what_lies_on_it_and_two_and_escape_go_back() -> None:
    async with running(logbooks.debugged()) as (app, pilot, _):
        await press(pilot, "3", "enter", "question_mark", "3")
        assert isinstance(app.screen, Debug)
        await press(pilot, "2")
        assert isinstance(app.screen, OnCall)
        await press(pilot, "3", "escape")
        assert isinstance(app.screen, OnCall)


async def test_the_logs_are_asked_for_while_the_screen_is_open_and_no_longer() -> None:
    async with running(logbooks.debugged()) as (_, pilot, feed):
        assert feed.logs == []
        await press(pilot, "3", "enter", "escape")
        assert feed.logs == [LogsWanted()]
        await press(pilot, "escape")
        assert feed.logs == [LogsWanted(), None]


async def test_v_walks_the_versions_of_the_model_and_all_of_them() -> None:
    async with running(logbooks.debugged()) as (app, pilot, feed):
        await press(pilot, "3", "v")
        assert feed.logs[-1] == LogsWanted("v7")
        assert "version v7" in screen_text(app)
        await press(pilot, "v", "v")
        assert feed.logs[-2:] == [LogsWanted("v8"), LogsWanted()]


async def test_what_was_found_for_something_else_is_not_shown() -> None:
    async with running(logbooks.debugged()) as (app, pilot, feed):
        await press(pilot, "3", "v")
        assert "asked, no answer yet" in screen_text(app)
        assert "RuntimeError" not in screen_text(app)
        mine = tuple(item for item in logbooks.lines() if item.version == "v7")
        feed.give(logbooks.debugged(logs=logbooks.reading(mine, LogsWanted("v7"))))
        await pilot.pause()
        assert "TimeoutError" in screen_text(app)
        assert "RuntimeError" not in screen_text(app)


async def test_a_paused_picture_says_why_there_is_no_answer() -> None:
    async with running(logbooks.debugged()) as (app, pilot, _):
        await press(pilot, "3", "p", "v")
        assert "the picture is paused" in screen_text(app)


async def test_t_looks_for_a_text_or_for_a_request_and_empty_for_all() -> None:
    async with running(logbooks.debugged()) as (app, pilot, feed):
        await press(pilot, "3", "v", "t", *"memory", "enter")
        assert feed.logs[-1] == LogsWanted("v7", "memory")
        assert 'with "memory"' in screen_text(app)
        await press(pilot, "t", *["backspace"] * 6, *["i", "d", "colon", "a", "1"], "enter")
        assert feed.logs[-1] == LogsWanted("v7", request_id="a1")
        await press(pilot, "t", *["backspace"] * 5, "enter")
        assert feed.logs[-1] == LogsWanted("v7")


async def test_letters_in_the_dialog_are_text_and_escape_changes_nothing() -> None:
    async with running(logbooks.debugged()) as (app, pilot, feed):
        await press(pilot, "3", "t", *"qpv3", "escape")
        assert isinstance(app.screen, Debug)
        assert feed.logs == [LogsWanted()]


async def test_the_filter_narrows_the_features_and_says_so_when_none_is_left() -> None:
    async with running(logbooks.debugged()) as (app, pilot, _):
        await press(pilot, "3", "slash", *"COUN", "enter")
        assert "1 of 5 by /COUN" in screen_text(app)
        assert "country" in screen_text(app)
        await press(pilot, "slash", *"zzz", "enter")
        assert "no feature has /zzz in its name" in screen_text(app)


async def test_the_distributions_are_those_of_the_feature_under_the_cursor_also_while_it_is_in_the_logs() -> None:
    async with running(logbooks.debugged()) as (app, pilot, _):
        await press(pilot, "3", "k", "j", "j")
        assert "merchant_age  PSI 0.02  n 83, m 20,000" in screen_text(app)
        await press(pilot, "tab")
        assert "merchant_age  PSI 0.02  n 83, m 20,000" in screen_text(app)


async def test_a_score_computed_elsewhere_has_no_distributions() -> None:
    async with running(logbooks.debugged()) as (app, pilot, _):
        await press(pilot, "3", "j")
        assert "embedding" in screen_text(app)
        assert "computed elsewhere" in screen_text(app)


async def test_enter_opens_a_trace_whole_with_its_counts() -> None:
    async with running(logbooks.debugged(), (100, 40)) as (app, pilot, _):
        await press(pilot, "3", "tab", "enter")
        text = screen_text(app)
        for wanted in ("12 times in the lines read", "2026-11-23 14:24:03 UTC", "req-00000000",
                       "versions              v8",
                       '  File "/app/fraud_scorer/pipeline.py", line 64, in score', "    return self.score(row)"):
            assert wanted in text


async def test_a_trace_that_is_gone_stays_open_and_says_so() -> None:
    async with running(logbooks.debugged(), (100, 40)) as (app, pilot, feed):
        await press(pilot, "3", "tab", "enter")
        feed.give(logbooks.debugged(logs=logbooks.reading(())))
        await pilot.pause()
        assert "no longer among the newest lines" in screen_text(app)
        assert "in score" in screen_text(app)


async def test_a_selection_that_is_gone_falls_back_to_the_first_row() -> None:
    async with running(logbooks.debugged()) as (app, pilot, feed):
        await press(pilot, "3", "tab")
        feed.give(logbooks.debugged(logs=logbooks.reading(())))
        await pilot.pause()
        assert re.search(r"^▸! amount", screen_text(app), re.MULTILINE)


async def test_counts_of_an_incomplete_answer_are_lower_bounds() -> None:
    async with running(logbooks.debugged(logs=logbooks.reading(logbooks.lines(), complete=False))) as (app, pilot, _):
        await press(pilot, "3")
        assert "2 kinds in at least 17 lines" in screen_text(app)
        assert "the newest 24" in screen_text(app)


async def test_copy_gives_the_screen_as_text_and_a_trace_as_it_is() -> None:
    async with running(logbooks.debugged(), (120, 40)) as (app, pilot, _):
        await press(pilot, "3")
        assert isinstance(app.screen, Debug)
        text = app.screen.as_text(app.view())
        assert text.startswith("fraud-scorer in prod-eu PRODUCTION, 2026-11-23 14:33:00 UTC\n")
        for wanted in ("country", "merchant_age", "TimeoutError: no answer within 5 s", "14:07:29 info"):
            assert wanted in text
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, Reader)
        assert 'File "/app/fraud_scorer/server.py", line 118, in predict' in app.screen.as_text(app.view())
        await press(pilot, "y")
        assert "sent to the terminal's clipboard" in screen_text(app)


async def test_another_model_begins_without_the_filters_of_the_one_before() -> None:
    other = replace(logbooks.debugged().models[0], name="churn-ranker")
    both = replace(logbooks.debugged(), models=(*logbooks.debugged().models, other))
    async with running(both) as (app, pilot, feed):
        await press(pilot, "3", "v", "slash", *"age", "enter")
        app._picked("churn-ranker")
        await pilot.pause()
        assert feed.logs[-1] == LogsWanted()
        assert "by /age" not in screen_text(app)


async def test_help_lists_every_key_of_the_debug_screen() -> None:
    async with running(logbooks.debugged(), (120, 90)) as (app, pilot, _):
        await press(pilot, "3", "question_mark")
        text = screen_text(app)
        for keys, about in all_keys(DEBUG).values():
            assert " ".join(keys) in text
            assert about in text
        assert "Open another model" not in text


async def test_hostile_lines_are_text_on_every_page() -> None:
    async with running(logbooks.hostile(), (120, 40)) as (app, pilot, _):
        for keys in (("3",), ("tab", "enter"), ("y",), ("escape", "escape", "tab", "enter"), ("escape", "y")):
            await press(pilot, *keys)
            text = screen_text(app)
            assert not [c for c in text.replace("\n", "") if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c == "\u202e"]
            assert "[bold]markup[/]" in text or isinstance(app.screen, Debug)


async def test_a_snapshot_of_equal_facts_repaints_nothing() -> None:
    async with running(logbooks.debugged()) as (app, pilot, feed):
        await press(pilot, "3")
        painted: list[object] = []
        left = app.screen.query_one("#left")
        app._display = lambda screen, renderable: painted.append(renderable)  # type: ignore[method-assign]
        feed.give(logbooks.debugged())
        await pilot.pause()
        assert left.is_mounted
        assert painted == []


def test_long_versions_are_cut_before_their_end() -> None:
    assert ending("chat-assistant-predictor-00002", 8, "…") == "…r-00002"
    assert ending("v8", 8, "…") == "v8"
    assert ending("日本語版-2", 6, "..") == "..版-2"


def test_bars_lie_over_each_other_from_the_left_edge() -> None:
    pick = Look(ascii=True).pick
    assert bars(BinShare("a", 0.2, 0.4, 0.0), 0.4, 10, pick).text == "#####+++++"
    assert bars(BinShare("a", 0.4, 0.1, 0.0), 0.4, 8, pick).text == "##......"
    assert bars(BinShare("a", 0.0, 0.0, 0.0), 0.4, 8, pick).text == ""
    assert bars(BinShare("a", 0.0, 0.00001, 0.0), 0.4, 8, pick).text == "+"


def test_equal_facts_on_the_debug_screen_cost_only_their_ages() -> None:
    with Terminal("debug", columns=120, rows=40, answers=True) as terminal:
        terminal.read_until(b"FeatureAge")
        terminal.settle()
        terminal.press("3")
        assert len(terminal.settle(0.6)) <= 12_000
        assert len(terminal.read_for(4.0)) <= 4 * 60
        for key, most in (("j", 4000), ("\t", 4000), ("v", 6000), ("t", 12_000), ("\x1b", 12_000), ("\r", 12_000)):
            terminal.press(key)
            assert 0 < len(terminal.settle(0.6)) <= most, key


def waiting_for_both() -> Snapshot:
    reading = logbooks.reading(logbooks.lines())
    return replace(logbooks.debugged(), logs=replace(reading, lines=Told()))


async def test_lines_that_are_late_do_not_hide_the_traces() -> None:
    async with running(waiting_for_both()) as (app, pilot, _):
        await press(pilot, "3")
        assert "2 kinds in 17 lines" in screen_text(app)
        assert "asked, no answer yet" in screen_text(app)


async def test_drift_that_was_never_answered_says_why() -> None:
    made = snapshots.with_model(snapshots.healthy(), drift=drifts.unread(NOW))
    async with running(made) as (app, pilot, _):
        await press(pilot, "3")
        assert "? not answered: timeout: no answer within 5 s" in screen_text(app)




def test_one_feature_is_one() -> None:
    looked = snapshots.drifted("quiet")
    reading = looked.models[0].drift
    assert reading is not None
    assert reading.state is not None
    one = replace(reading, state=replace(reading.state, features=reading.state.features[:1]))
    view = View(looked, replace(looked.models[0], drift=one), None, snapshots.NOW, 3600.0, None, None, Look())
    assert "DRIFT  1 feature," in table(view, [], None, "", 80, 10)[0].text
