"""The version on trial on the on-call screen: what stands in how many rows, and how it is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots, trials
from tests.tui.driving import press, running, screen_text
from triage.live.snapshot import Snapshot
from triage.signals import canary_words as words
from triage.signals.canary import Margin
from triage.tui import look
from triage.tui.details import page
from triage.tui.line import Line, Role
from triage.tui.panels.canary import canary, wants
from triage.tui.view import Item, View

NOW = snapshots.NOW
BY_STATE = ["canary", "trial-begun", *(f"trial-{name}" for name in snapshots.TRIALS)]


def view(snapshot: Snapshot, width: int = 120, height: int = 40, selected: str = "") -> View:
    return View(snapshot, snapshot.models[0], None, NOW, 3600.0, None, None, look.Look(), width, height,
                Item("canary", selected))


def drawn(state: str, rows: int, width: int = 85, *, height: int = 40) -> list[str]:
    return [item.text.rstrip() for item in canary(view(snapshots.ALL[state](), height=height), width, rows)]


def roles(lines: tuple[Line, ...], text: str) -> set[Role]:
    return {role for item in lines for part, role in item.spans if text in part}


def test_without_a_version_on_trial_it_takes_no_row() -> None:
    assert wants(view(snapshots.healthy()), 85) == (0, 0)
    assert drawn("healthy", 9) == []


def test_one_row_holds_the_verdict_and_the_worst_metric() -> None:
    assert drawn("canary", 1, 120) == [
        "   CANARY v8  ✖ fail  latency <500ms 80.00 %, v7 99.60 % (-19.6 pt, 0.5 pt allowed, n 1,386)"]


def test_a_few_rows_have_the_overall_verdict_over_those_of_the_metrics() -> None:
    head, first = drawn("canary", 2, 80, height=24)
    assert head.startswith("   CANARY 1 of 5")
    assert head.endswith("✖ fail")
    assert first.split() == ["✖", "latency", "<500ms", "99.60", "%", "80.00", "%", "-19.6", "pt", "0.5", "pt", "1,386",
                             "fail"]


def test_while_the_controller_has_not_answered_nobody_is_named_whose_word_it_is() -> None:
    snapshot = snapshots.ALL["canary"]()
    model = snapshot.models[0]
    assert model.canary is not None
    assert model.canary.state is not None
    state = replace(model.canary.state, known_from="waiting")
    waiting = replace(model, canary=replace(model.canary, state=state),
                      versions=replace(model.versions, known_from="waiting"))
    shown = view(replace(snapshot, models=(waiting,)), selected=state.metrics[0].name)
    said = "the rollout controller has not answered yet"
    assert canary(shown, 120, 7)[0].text.endswith(f"takes 10 %, {said}")
    pages = [[row.text for row in page(item, shown, 100)]
             for item in (Item("verdict", ""), Item("canary", state.metrics[0].name))]
    assert any(text.startswith(f"VERSIONS, {said}") for text in pages[0])
    assert any(said in text for text in pages[1])
    assert not any("traffic" in text and "known" in text for text in (*pages[0], *pages[1]))


def test_with_room_it_says_since_when_how_much_and_from_whom_it_is_known() -> None:
    head, titles, *rows = drawn("canary", 7)
    assert head == "   CANARY v8  ✖ fail  since 14:10, takes 10 %, known from traffic"
    assert titles.split() == ["metric", "v7", "v8", "delta", "allowed", "n", "v8", "verdict"]
    assert [row.split()[0] for row in rows] == ["✖", "…", "?", "✔", "✖"]


@pytest.mark.parametrize(("seconds", "said"), [
    (None, "since 14:10, takes"), (240.0, "since 14:10, takes"), (540.0, "since 14:10, 9 min of it unknown, takes")])
def test_time_in_which_nobody_saw_the_requests_is_said_where_it_is_no_trifle(seconds: float | None, said: str) -> None:
    snapshot = snapshots.ALL["trial-pass"]()
    reading = snapshot.models[0].canary
    assert reading is not None
    assert reading.state is not None
    gone = replace(reading, state=replace(reading.state, unknown_seconds=seconds))
    shown = view(replace(snapshot, models=(replace(snapshot.models[0], canary=gone),)))
    assert said in canary(shown, 120, 7)[0].text
    told = [row.text for row in page(Item("canary", reading.state.metrics[0].name), shown, 100)]
    assert any("9 min of it: nobody saw the requests" in text for text in told) is (seconds == 540.0)


def test_insufficient_says_about_how_much_longer() -> None:
    head, _, first, *_ = drawn("trial-few", 5)
    assert head.startswith("   CANARY v8  … insufficient, about 3 d more")
    assert first.endswith("about 3 d")


@pytest.mark.parametrize(("seconds", "said"), [(5, "about 1 min"), (540, "about 9 min"), (5_300, "about 88 min"),
                                               (39_120, "about 11 h"), (276_000, "about 3 d")])
def test_the_time_still_needed_is_rounded(seconds: float, said: str) -> None:
    state = trials.few(NOW).state
    assert state is not None
    assert words.shortly(replace(state, more_seconds=seconds)) == said


def test_metrics_that_decide_nothing_are_dimmed_also_when_they_are_worse() -> None:
    lines = canary(view(snapshots.canary_failing()), 85, 9)
    assert roles(lines[-1:], "✖") == {Role.DIM}
    assert roles(lines[-1:], "622 ms") == {Role.DIM}
    assert roles(lines[2:3], "80.00 %") == {Role.FAIL}


def test_what_is_not_fresh_is_in_brackets_dimmed_with_its_age_and_the_reason() -> None:
    lines = canary(view(snapshots.ALL["trial-stale"]()), 85, 9)
    assert lines[0].text.startswith("   CANARY v8  (✖ fail) 12 min")
    assert "not renewed: timeout: no answer within 5 s" in lines[1].text
    assert "(99.60 %" in lines[3].text
    assert lines[3].text.rstrip().endswith("fail)")
    assert Role.FAIL not in {role for item in lines for _, role in item.spans}


def test_that_both_arms_moved_stands_above_the_metrics_and_says_what_would_not_help() -> None:
    lines = drawn("trial-both", 9)
    assert "rolling back would not help" in " ".join(lines[1:3])
    assert "the split is not what was asked for" in " ".join(" ".join(lines[3:5]).split())


def test_in_one_row_that_both_arms_moved_comes_before_any_figure() -> None:
    [text] = drawn("trial-both", 1, 85)
    assert text.endswith("! both moved, rolling back would not help: latency")


def test_a_shadow_says_that_its_answers_reach_nobody_and_is_never_red() -> None:
    lines = canary(view(snapshots.ALL["trial-shadow"]()), 85, 9)
    assert lines[0].text.startswith("   SHADOW v8  ! fail  its answers reach nobody")
    assert Role.FAIL not in {role for item in lines for _, role in item.spans}


def test_a_metric_that_could_not_be_read_says_why_in_place_of_numbers() -> None:
    assert drawn("trial-unreadable", 9)[2] == " ? latency <500ms    error: no bucket lies at the threshold of 500 ms"


def test_a_comparison_that_never_was_answered_says_why() -> None:
    assert drawn("trial-unread", 9) == ["   CANARY v8  ? cannot be compared: timeout: no answer within 5 s"]


def test_a_partial_answer_is_said() -> None:
    assert drawn("trial-partial", 9)[1] == " ? partial: store eu-2 did not answer"


@pytest.mark.parametrize("state", BY_STATE)
@pytest.mark.parametrize("width", [30, 40, 60, 80, 85, 165])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 9])
def test_it_never_takes_more_rows_or_cells_than_it_was_given(state: str, width: int, rows: int) -> None:
    lines = canary(view(snapshots.ALL[state](), width, 24), width, rows)
    assert 0 < len(lines) <= rows
    assert max(item.width for item in lines) <= width


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 7])
def test_the_selected_metric_is_in_sight(rows: int) -> None:
    lines = canary(view(snapshots.canary_failing(), selected="score_mean"), 85, rows)
    assert next(item.text for item in lines if item.text.startswith("▸")).startswith("▸✔ score_mean")


def test_a_difference_too_small_to_show_is_not_shown_as_none() -> None:
    tiny = trials.share("success", 0.9994, 0.99941, trials.PASS, "inside 0.1 pt", margin=Margin(0.001))
    assert words.delta(replace(tiny, delta=0.00001)) == "<0.01 pt"
    assert words.delta(replace(tiny, delta=0.0)) == "0 pt"


async def test_enter_on_a_metric_opens_everything_behind_it() -> None:
    async with running(snapshots.canary_failing(), (100, 45)) as (app, pilot, _):
        await press(pilot, *["j"] * 7, "enter")
        text = screen_text(app)
    for part in ("CANARY latency", "from the manifest (spec.canary.max_delta)", "rate-ratio e-process", "12,474",
                 "dispersion", "proven worse since", "known from"):
        assert part in text


async def test_a_page_about_a_metric_that_is_gone_says_so() -> None:
    async with running(snapshots.canary_failing(), (100, 45)) as (app, pilot, feed):
        await press(pilot, *["j"] * 7, "enter")
        feed.give(snapshots.healthy())
        await pilot.pause()
        assert "No longer there" in screen_text(app)
