"""Objectives on levels: what is on the wrong side of a limit, for how long, and what cannot be told."""

from __future__ import annotations

import math

import pytest

from tests.signals.building import NOW, Answers, answers, changed, judged, notebook, reply, unanswered, with_reply
from triage.facts.outcome import Failure, FailureKind
from triage.facts.replies import Part
from triage.notebook.load import Notebook
from triage.signals.burn import DAY, HOUR
from triage.signals.level import point_step_seconds
from triage.signals.model import SloKind
from triage.signals.reading import Quality, Urgency, Verdict

QUEUE = notebook("{name: queue, sli: {gauge: queue_length, at_most: 20, unit: requests}, objective: 99}")
LIFT = notebook("{name: lift, sli: {gauge: lift, at_least: 1.5}, objective: 95}")
FRESH = notebook("{name: fresh, sli: {freshness: updated_seconds, at_most: 6h}, objective: 99}")
ROWS = notebook("{name: rows, sli: {throughput: rows_total, at_least: 5/s, of: rows}, objective: 99}")
MEAN = notebook("{name: mean, sli: {average_sum: s, average_count: c, at_most: 200ms}, objective: 99}")


def level(book: Notebook, value: float | None, *, bad: float = 0, total: float = 10) -> Answers:
    """The level's present value, and how many of the points of every window were bad."""
    facts = answers(book)
    facts = with_reply(facts, reply(*([({}, value)] if value is not None else [])), Part.LEVEL)
    facts = with_reply(facts, reply(({}, total)), Part.LEVEL_TOTAL)
    return with_reply(facts, reply(*([({}, bad)] if bad else [])), Part.LEVEL_BAD)


@pytest.mark.parametrize(("book", "value", "kind", "sentence"), [
    (QUEUE, 12, SloKind.GAUGE, "12 requests, at most 20 requests"),
    (QUEUE, 20, SloKind.GAUGE, "20 requests, at most 20 requests"),
    (LIFT, 1.5, SloKind.GAUGE, "1.50, at least 1.50"),
    (FRESH, 3600 * 3, SloKind.FRESHNESS, "3 h, at most 6 h"),
    (ROWS, 7.5, SloKind.THROUGHPUT, "7.50 rows/s, at least 5 rows/s"),
    (MEAN, 0.12, SloKind.AVERAGE, "120 ms, at most 200 ms"),
])
def test_a_level_on_the_right_side_passes_with_its_limit(book: Notebook, value: float, kind: SloKind,
                                                         sentence: str) -> None:
    state = judged(book, level(book, value))
    assert (state.verdict, state.urgency, state.kind) == (Verdict.PASS, Urgency.NONE, kind)
    assert state.sentence == sentence
    assert (state.now.value, state.now.sampled_at) == (value, NOW - 10)


@pytest.mark.parametrize(("book", "value"), [(QUEUE, 21), (LIFT, 1.4), (FRESH, 3600 * 7), (ROWS, 4.9), (MEAN, 0.3)])
def test_a_level_wrong_for_a_moment_warns_and_wakes_nobody(book: Notebook, value: float) -> None:
    state = judged(book, level(book, value, bad=4))
    assert (state.verdict, state.urgency) == (Verdict.WARN, Urgency.NONE)
    assert state.sentence.endswith("not for all of 10 min yet (4 of 10 points bad)")


@pytest.mark.parametrize(("book", "value"), [(QUEUE, 21), (LIFT, 1.4), (FRESH, 3600 * 7), (ROWS, 4.9), (MEAN, 0.3)])
def test_a_level_wrong_all_the_time_fails(book: Notebook, value: float) -> None:
    state = judged(book, level(book, value, bad=10))
    assert (state.verdict, state.urgency) == (Verdict.FAIL, Urgency.TICKET)
    assert state.sentence.endswith("for 10 min and more")


def test_a_required_level_wrong_all_the_time_pages() -> None:
    book = notebook("{name: queue, sli: {gauge: queue_length, at_most: 20}, objective: 99, required: true}")
    assert judged(book, level(book, 21, bad=10)).urgency is Urgency.PAGE


def test_a_level_known_for_a_few_points_only_is_not_sustained() -> None:
    state = judged(QUEUE, level(QUEUE, 21, bad=3, total=3))
    assert (state.verdict, state.urgency) == (Verdict.WARN, Urgency.NONE)


def test_a_wrong_level_without_any_history_warns() -> None:
    facts = with_reply(level(QUEUE, 21), unanswered(), Part.LEVEL_TOTAL, Part.LEVEL_BAD)
    assert judged(QUEUE, facts).verdict is Verdict.WARN


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_gauge_that_is_not_a_number_is_suspect(value: float) -> None:
    state = judged(QUEUE, level(QUEUE, value))
    assert (state.verdict, state.now.quality, state.now.value) == (Verdict.UNKNOWN, Quality.SUSPECT, None)


def test_a_mean_over_nothing_is_no_traffic() -> None:
    state = judged(MEAN, level(MEAN, math.nan))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.NO_TRAFFIC)


def test_a_level_without_series_is_no_data() -> None:
    state = judged(QUEUE, level(QUEUE, None))
    assert (state.verdict, state.now.quality, state.sentence) == (
        Verdict.UNKNOWN, Quality.NO_DATA, "no data: no such series")


def test_a_level_never_answered_waits_and_one_refused_is_an_error() -> None:
    refused = Failure(FailureKind.CONNECT, "refused")
    assert judged(QUEUE, with_reply(answers(QUEUE), unanswered())).now.quality is Quality.WAITING
    assert judged(QUEUE, with_reply(answers(QUEUE), unanswered(refused))).now.quality is Quality.ERROR


def test_a_level_of_a_partial_answer_is_not_healthy_but_may_be_wrong() -> None:
    fine = judged(QUEUE, changed(level(QUEUE, 5), warnings=("store x",)))
    wrong = judged(QUEUE, changed(level(QUEUE, 50, bad=10), warnings=("store x",)))
    assert (fine.verdict, wrong.verdict) == (Verdict.UNKNOWN, Verdict.FAIL)


def test_a_level_whose_samples_stopped_is_stale() -> None:
    facts = with_reply(level(QUEUE, 5), reply(({}, NOW - 200)), Part.SAMPLED_AT)
    state = judged(QUEUE, facts)
    assert (state.verdict, state.now.quality, state.now.value) == (Verdict.UNKNOWN, Quality.STALE, 5)


def test_an_answer_too_old_is_stale() -> None:
    assert judged(QUEUE, level(QUEUE, 5), now=NOW + 61).now.quality is Quality.STALE


def test_a_level_waiting_for_labels_is_pending() -> None:
    book = notebook("{name: auc, sli: {gauge: auc, at_least: 0.9}, objective: 95, due: with-labels}")
    facts = with_reply(level(book, None), reply(), Part.SAMPLED_AT)
    assert judged(book, facts).verdict is Verdict.PENDING


@pytest.mark.parametrize("sli", ["{gauge: queue_length}", "{gauge: queue_length, at_most: 20}"])
def test_a_level_without_an_objective_is_shown_and_not_judged(sli: str) -> None:
    book = notebook(f"{{name: queue, sli: {sli}}}")
    state = judged(book, level(book, 21))
    assert (state.verdict, state.now.value, state.burns) == (Verdict.NOT_JUDGED, 21, ())


def test_burn_rates_and_the_budget_are_shares_of_points_in_time() -> None:
    state = judged(QUEUE, level(QUEUE, 5, bad=2, total=720))
    hour = state.burn(HOUR)
    assert hour is not None
    assert hour.rate == pytest.approx((2 / 720) / 0.01)
    assert state.budget is not None
    assert state.budget.remaining == pytest.approx(1 - (2 / 720) / 0.01)


def test_a_level_that_overspent_its_budget_does_not_pass() -> None:
    state = judged(QUEUE, level(QUEUE, 5, bad=200, total=720))
    assert state.budget is not None
    assert state.budget.remaining < 0
    assert state.verdict is not Verdict.PASS


def test_events_behind_a_rate_are_counted_over_the_hour() -> None:
    state = judged(ROWS, level(ROWS, 10))
    assert (state.now.n, state.now.unit, state.measures) == (36_000, "rows/s", "rows")


@pytest.mark.parametrize(("window", "step"), [(600, 60), (HOUR, 60), (6 * HOUR, 60), (DAY, 120), (30 * DAY, 3600)])
def test_points_are_whole_minutes_apart_and_at_most_720(window: float, step: float) -> None:
    assert point_step_seconds(window) == step
    assert window / point_step_seconds(window) <= 720


@pytest.mark.parametrize(("window", "said"), [("30m", "5m"), ("1h", "5m"), ("6h", "6h"), ("7d", "7d")])
def test_a_mean_over_nothing_names_the_window_it_was_read_over(window: str, said: str) -> None:
    book = notebook("{name: mean, sli: {average_sum: s, average_count: c, at_most: 200ms}, objective: 99, "
                    f"reading_window: {window}}}")
    state = judged(book, with_reply(answers(book), reply(({}, math.nan)), Part.LEVEL))
    assert (state.now.quality, state.now.note) == (Quality.NO_TRAFFIC, f"no events in {said}")
