"""One objective in every state that it can be in: each looks like itself, and only healthy looks healthy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.building import (
    NOW,
    SUCCESS,
    Answers,
    answers,
    changed,
    judged,
    notebook,
    reply,
    unanswered,
    with_reply,
)
from triage.facts.outcome import Failure, FailureKind
from triage.facts.replies import Part
from triage.notebook.resolve import Objective
from triage.signals.burn import DAY, HOUR, MINUTE, WINDOWS
from triage.signals.counts import chosen_candidate
from triage.signals.model import SloKind, VersionCount
from triage.signals.objectives import Surroundings, slo_state
from triage.signals.reading import READABLE, Origin, Quality, Urgency, Verdict

V1: Mapping[str, str] = {"model_version": "v1"}
BOOK = notebook(SUCCESS)
BAD_OF_OTHER_METRIC = "{name: success, sli: {bad: errors_total, total: requests_total}, objective: 99.9}"
LATENCY = "{name: latency, sli: {histogram: seconds, threshold: 500ms}, objective: 99}"
ZERO = "{name: schema, sli: {bad: invalid_total, total: checked_total}, objective: 100, by: feature}"
REFUSED = Failure(FailureKind.CONNECT, "connection refused")
EVERY_WINDOW = (*WINDOWS, 30 * DAY)


def test_healthy_passes_with_its_numbers() -> None:
    state = judged(BOOK, answers(BOOK, errors=0.0002))
    assert (state.verdict, state.urgency, state.kind) == (Verdict.PASS, Urgency.NONE, SloKind.RATIO)
    assert state.now.value == pytest.approx(0.9998)
    assert (state.now.n, state.now.quality, state.now.window_seconds) == (36_000, Quality.OK, HOUR)
    assert state.now.sampled_at == NOW - 10
    assert state.sentence == "99.98 % good, n 36,000 in 1h, 80 % of the budget left"


def test_every_window_has_its_burn_rate_in_ascending_order() -> None:
    state = judged(BOOK, answers(BOOK, errors=0.0005))
    assert tuple(b.window_seconds for b in state.burns) == WINDOWS
    assert [b.rate for b in state.burns] == pytest.approx([0.5] * len(WINDOWS))


def test_the_budget_says_why_it_is_what_it_is() -> None:
    budget = judged(BOOK, answers(BOOK, errors=0.0005)).budget
    assert budget is not None
    assert budget.total == 36_000 * 720
    assert budget.bad == pytest.approx(12_960)
    assert budget.allowed == pytest.approx(25_920)
    assert budget.left == pytest.approx(12_960)
    assert budget.remaining == pytest.approx(0.5)


def test_nothing_happening_is_no_traffic_and_neither_good_nor_bad() -> None:
    state = judged(BOOK, answers(BOOK, per_hour=0))
    assert (state.verdict, state.now.quality, state.now.value) == (Verdict.UNKNOWN, Quality.NO_TRAFFIC, None)
    assert state.sentence == "no traffic in the last 1h"


def test_no_series_is_no_data() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), reply()))
    assert (state.verdict, state.now.quality, state.sentence) == (
        Verdict.UNKNOWN, Quality.NO_DATA, "no data: no such series")


def test_samples_that_stopped_coming_are_stale_while_windows_still_hold_them() -> None:
    state = judged(BOOK, answers(BOOK, sample_age=240))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.STALE)
    assert state.sentence == "stale: newest sample 4 m 00 s old"


def test_samples_that_stopped_longer_ago_than_is_looked_for_are_not_healthy() -> None:
    # There is no newest sample to date any more, but the batch model's two weeks still hold events.
    book = notebook(SUCCESS.replace("99.9}", "99.9, reading_window: 14d}"))
    stopped = with_reply(answers(book), reply(), Part.SAMPLED_AT)
    for window in (5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR):
        stopped = with_reply(stopped, reply(), Part.GOOD, Part.TOTAL, window=window)
    state = judged(book, stopped)
    assert state.verdict is Verdict.UNKNOWN
    assert state.now.quality in (Quality.STALE, Quality.NO_DATA)


def test_an_age_that_could_not_be_asked_is_not_healthy() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), unanswered(REFUSED), Part.SAMPLED_AT))
    assert state.verdict is Verdict.UNKNOWN


def test_own_queries_that_stopped_half_an_hour_ago_are_not_healthy() -> None:
    book = notebook("{name: own, sli: {good_query: 'sum(increase(a[$window]))', "
                    "total_query: 'sum(increase(b[$window]))'}, objective: 99}")
    stopped = answers(book)
    for window in (5 * MINUTE, 30 * MINUTE):
        stopped = with_reply(stopped, reply(), Part.GOOD, Part.TOTAL, window=window)
    assert judged(book, stopped).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("sample_age", "scrape_interval", "verdict"), [
    (89, 15, Verdict.PASS), (91, 15, Verdict.UNKNOWN), (299, 60, Verdict.PASS), (301, 60, Verdict.UNKNOWN),
])
def test_five_missed_scrapes_are_stale_but_never_under_90_seconds(sample_age: float, scrape_interval: float,
                                                                  verdict: Verdict) -> None:
    assert judged(BOOK, answers(BOOK, sample_age=sample_age), scrape_interval=scrape_interval).verdict is verdict


def test_never_answered_is_waiting() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), unanswered()))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.WAITING)
    assert state.sentence == "asking: asked, not answered yet"


def test_windows_that_were_never_answered_are_told_and_nothing_else_is_asked() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), unanswered(), window=DAY))
    assert (state.asked, state.is_asked) == ((DAY,), True)
    assert not judged(BOOK, answers(BOOK)).is_asked
    refused = with_reply(answers(BOOK), unanswered(REFUSED), window=DAY)
    assert not judged(BOOK, with_reply(refused, unanswered(), window=3 * DAY)).is_asked


def test_before_anything_was_asked_it_is_waiting() -> None:
    assert judged(BOOK, {}).now.quality is Quality.WAITING


def test_never_answered_and_failed_is_an_error_that_says_why() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), unanswered(REFUSED)))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.ERROR)
    assert state.sentence == "error: connect: connection refused"


def test_a_rejected_query_is_an_error_although_it_was_answered_before() -> None:
    rejected = Failure(FailureKind.EXECUTION, "too many samples")
    state = judged(BOOK, changed(answers(BOOK), failure=rejected))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.ERROR)


def test_one_refused_connection_changes_nothing_while_the_answer_is_fresh() -> None:
    assert judged(BOOK, changed(answers(BOOK), failure=REFUSED)).verdict is Verdict.PASS


def test_an_answer_too_old_is_stale_and_keeps_its_value() -> None:
    state = judged(BOOK, changed(answers(BOOK), failure=REFUSED), now=NOW + 61)
    assert (state.verdict, state.now.quality, state.now.value) == (Verdict.UNKNOWN, Quality.STALE, 1.0)
    assert "connect" in state.sentence


def test_a_partial_answer_is_never_healthy() -> None:
    state = judged(BOOK, changed(answers(BOOK), warnings=("store x did not answer",)))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.PARTIAL)
    assert "store x did not answer" in state.sentence


@pytest.mark.parametrize("window", EVERY_WINDOW)
def test_one_partial_window_is_enough_not_to_be_healthy(window: float) -> None:
    one = changed(answers(BOOK), window=window, warnings=("store x did not answer",))
    assert judged(BOOK, one).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("window", EVERY_WINDOW)
def test_one_window_never_answered_is_enough_not_to_be_healthy(window: float) -> None:
    assert judged(BOOK, with_reply(answers(BOOK), unanswered(), window=window)).verdict is Verdict.UNKNOWN


def test_a_partial_answer_still_pages_on_what_it_shows() -> None:
    state = judged(BOOK, changed(answers(BOOK, errors=0.05), warnings=("store x did not answer",)))
    assert (state.verdict, state.urgency) == (Verdict.FAIL, Urgency.PAGE)


def test_no_bad_series_of_the_same_metric_is_no_bad_events() -> None:
    book = notebook("{name: success, sli: {bad: 'requests_total{code=~\"5..\"}', total: requests_total}, "
                    "objective: 99.9}")
    state = judged(book, with_reply(answers(book), reply(), Part.BAD))
    assert (state.verdict, state.now.value, state.now.note) == (
        Verdict.PASS, 1.0, "no bad series: counted as 0")


def test_no_bad_series_of_another_metric_is_suspect() -> None:
    book = notebook(BAD_OF_OTHER_METRIC)
    state = judged(book, with_reply(answers(book), reply(), Part.BAD))
    assert (state.verdict, state.now.quality, state.now.value) == (Verdict.UNKNOWN, Quality.SUSPECT, None)
    assert "absent: zero" in state.sentence


def test_no_bad_series_of_another_metric_is_zero_when_the_manifest_says_so() -> None:
    book = notebook(BAD_OF_OTHER_METRIC.replace("}, obj", ", absent: zero}, obj"))
    assert judged(book, with_reply(answers(book), reply(), Part.BAD)).verdict is Verdict.PASS


def test_no_good_series_of_the_same_metric_is_everything_bad() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), reply(), Part.GOOD))
    assert (state.verdict, state.urgency, state.now.value) == (Verdict.FAIL, Urgency.PAGE, 0.0)


def test_no_bad_series_beside_good_ones_of_another_metric_is_suspect() -> None:
    book = notebook("{name: success, sli: {good: ok_total, bad: errors_total}, objective: 99.9}")
    state = judged(book, with_reply(answers(book), reply(), Part.BAD))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.SUSPECT)


def test_good_and_bad_of_one_metric_need_no_bad_series() -> None:
    book = notebook("{name: success, sli: {good: 'r{ok=\"1\"}', bad: 'r{ok=\"0\"}'}, objective: 99.9}")
    state = judged(book, with_reply(answers(book), reply(), Part.BAD))
    assert (state.verdict, state.now.value) == (Verdict.PASS, 1.0)


def test_good_and_bad_make_the_total() -> None:
    book = notebook("{name: success, sli: {good: ok_total, bad: errors_total}, objective: 99.9}")
    state = judged(book, answers(book, errors=0.0005))
    assert state.now.value == pytest.approx(0.9995)
    assert state.now.n == pytest.approx(36_000)


def test_more_good_than_all_is_suspect() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), reply((V1, 40_000)), Part.GOOD, window=HOUR))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.SUSPECT)
    assert state.sentence == "suspect: more good events than events"


def test_more_bad_than_all_is_suspect() -> None:
    book = notebook(BAD_OF_OTHER_METRIC)
    state = judged(book, with_reply(answers(book), reply((V1, 40_000)), Part.BAD, window=HOUR))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.SUSPECT)


def test_a_little_more_good_than_all_is_extrapolation() -> None:
    state = judged(BOOK, with_reply(answers(BOOK), reply((V1, 36_050)), Part.GOOD, window=HOUR))
    assert (state.verdict, state.now.value) == (Verdict.PASS, 1.0)


def test_bad_events_of_a_version_that_the_total_does_not_name_are_not_lost() -> None:
    book = notebook(BAD_OF_OTHER_METRIC)
    state = judged(book, with_reply(answers(book), reply(({"model_version": "v2"}, 5_000)), Part.BAD))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.SUSPECT)


def test_bad_events_by_version_count_against_a_total_without_versions() -> None:
    book = notebook(BAD_OF_OTHER_METRIC)
    facts = answers(book, versions={"": 1.0}, errors=0)
    state = judged(book, with_reply(facts, reply((V1, 18_000)), Part.BAD, window=HOUR))
    assert state.now.value == pytest.approx(0.5)


def test_bad_events_without_a_version_count_for_the_model_as_a_whole() -> None:
    book = notebook(BAD_OF_OTHER_METRIC)
    facts = answers(book, versions={"v1": 0.5, "v2": 0.5})
    state = judged(book, with_reply(facts, reply(({}, 1_000), (V1, 800)), Part.BAD, window=HOUR))
    assert state.now.value == pytest.approx(1 - 1_800 / 36_000)
    assert state.now.note == "model_version is not on every series"


def test_good_events_of_a_version_without_traffic_do_not_hide_bad_ones_of_another() -> None:
    facts = with_reply(answers(BOOK), reply((V1, 36_000), ({"model_version": "v2"}, 0)), Part.TOTAL, window=HOUR)
    facts = with_reply(facts, reply((V1, 35_000), ({"model_version": "v2"}, 1_000)), Part.GOOD, window=HOUR)
    state = judged(BOOK, facts)
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.SUSPECT)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_count_that_is_not_a_number_is_suspect(value: float) -> None:
    state = judged(BOOK, with_reply(answers(BOOK), reply((V1, value)), Part.TOTAL, window=HOUR))
    assert (state.verdict, state.now.quality, state.now.value) == (Verdict.UNKNOWN, Quality.SUSPECT, None)


def test_too_few_events_in_the_hour_and_in_the_budget_are_unknown() -> None:
    book = notebook(SUCCESS.replace("99.9}", "99.9, window: 1d}"))
    state = judged(book, answers(book, per_hour=2))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.LOW_N)
    assert state.sentence == ("100 % good, n 2 in 1h: too few to judge (2 events, 70 needed); <0.1 bad events allowed "
                              "so far, 0 bad: too few to judge a 24h budget")


def test_too_few_events_in_the_hour_are_not_met_and_do_not_hide_what_the_budgets_window_says() -> None:
    state = judged(BOOK, answers(BOOK, per_hour=60))
    assert (state.verdict, state.urgency, state.now.quality) == (Verdict.LOW_N, Urgency.NONE, Quality.LOW_N)
    assert state.sentence == ("100 % good, n 60 in 1h: too few to judge 1h (60 events, 70 needed); 100 % of the budget "
                              "of 30d left")


def seen_for(span: float, per_hour: float, bad: float, bad_before: float = 0.0) -> Answers:
    """Replies of a server whose samples begin ``span`` seconds ago: ``bad`` in the last 5m, the others before."""
    facts = answers(BOOK)
    for window in EVERY_WINDOW:
        total = per_hour * min(window, span) / HOUR
        wrong = bad + (bad_before if window >= span else 0.0)
        facts = with_reply(facts, reply((V1, total)), Part.TOTAL, window=window)
        facts = with_reply(facts, reply((V1, total - wrong)), Part.GOOD, window=window)
    return facts


def test_one_bad_event_of_a_servers_first_minute_spends_no_budget_of_a_month() -> None:
    state = judged(BOOK, seen_for(MINUTE, 546 * 60, 1))
    assert (state.verdict, state.urgency) == (Verdict.UNKNOWN, Urgency.NONE)
    assert state.budget is not None
    assert (state.budget.quality, state.budget.exhausted_in_seconds) == (Quality.LOW_N, None)
    assert state.budget.covered_seconds == 5 * MINUTE
    assert state.sentence == ("99.82 % good, n 546 in 1h; 0.5 bad events allowed so far, 1 bad, all events in the last "
                              "5m: too few to judge a 30d budget")


def test_a_budget_that_allows_less_than_one_bad_event_is_not_left_either() -> None:
    state = judged(BOOK, seen_for(MINUTE, 546 * 60, 0))
    assert (state.verdict, state.now.quality) == (Verdict.LOW_N, Quality.OK)
    assert state.sentence.endswith("0.5 bad events allowed so far, 0 bad, all events in the last 5m: too few to judge "
                                   "a 30d budget")


def test_a_budget_of_a_month_is_not_overspent_by_events_of_two_days() -> None:
    state = judged(BOOK, seen_for(2 * DAY, 36_000, 0, bad_before=3_000))
    assert (state.verdict, state.urgency) == (Verdict.LOW_N, Urgency.NONE)
    assert "1,728 bad events allowed so far, 3,000 bad, all events in the last 3d: too early" in state.sentence


def test_a_budget_of_a_month_with_events_of_two_days_is_well_while_some_is_left() -> None:
    state = judged(BOOK, seen_for(2 * DAY, 36_000, 0, bad_before=300))
    assert (state.verdict, state.budget and state.budget.quality) == (Verdict.PASS, Quality.OK)


def test_a_servers_first_minutes_still_page_by_their_burn_rate() -> None:
    state = judged(BOOK, seen_for(MINUTE, 546 * 60, 100))
    assert (state.verdict, state.urgency) == (Verdict.FAIL, Urgency.PAGE)


def test_one_bad_event_is_no_burn_rate_to_warn_of() -> None:
    assert judged(BOOK, seen_for(10 * DAY, 300, 1)).verdict is not Verdict.WARN
    assert judged(BOOK, seen_for(10 * DAY, 600, 2)).verdict is Verdict.WARN


def test_a_burn_rate_on_too_few_events_warns_and_wakes_nobody() -> None:
    few = answers(BOOK, per_hour=20, errors={w: 0.05 for w in WINDOWS if w <= HOUR})
    state = judged(BOOK, few)
    assert (state.verdict, state.urgency) == (Verdict.WARN, Urgency.NONE)
    assert "20 events, 70 needed" in state.sentence


def test_zero_tolerance_passes_on_no_bad_event_however_few_there_are() -> None:
    book = notebook(ZERO)
    state = judged(book, answers(book, per_hour=4))
    assert (state.verdict, state.urgency) == (Verdict.PASS, Urgency.NONE)
    assert state.sentence == "0 bad of 4 in 1h, zero tolerance"
    assert (state.burns, state.tiers, state.budget, state.findings) == ((), (), None, ())


def test_zero_tolerance_makes_every_bad_event_a_finding() -> None:
    book = notebook(ZERO)
    state = judged(book, answers(book, per_hour=4, errors=0.25))
    assert (state.verdict, state.urgency) == (Verdict.WARN, Urgency.TICKET)
    assert state.sentence == "1 bad of 4 in 1h, zero tolerance"


def test_zero_tolerance_on_nothing_at_all_is_unknown() -> None:
    book = notebook(ZERO)
    state = judged(book, answers(book, per_hour=0))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.NO_TRAFFIC)


def test_zero_tolerance_tells_bad_events_from_a_partial_answer_but_never_passes_on_one() -> None:
    book = notebook(ZERO)
    some = changed(answers(book, errors=0.25), warnings=("store x",))
    none = changed(answers(book), warnings=("store x",))
    assert (judged(book, some).verdict, judged(book, none).verdict) == (Verdict.WARN, Verdict.UNKNOWN)


def test_bad_events_are_broken_down_most_first_and_numbers_only() -> None:
    book = notebook(ZERO)
    groups = reply(({"feature": "age"}, 2), ({"feature": "amount"}, 5), ({"feature": "zip"}, 0),
                   ({"feature": "x"}, math.nan))
    state = judged(book, with_reply(answers(book, errors=0.1), groups, Part.GROUPS))
    assert [(g.group, g.bad) for g in state.by_group] == [("amount", 5), ("age", 2)]


def test_absent_as_expected_is_pending() -> None:
    book = notebook(SUCCESS.replace("99.9}", "99.9, due: with-labels}"))
    state = judged(book, with_reply(answers(book), reply()), labels_due_seconds=14 * DAY)
    assert (state.verdict, state.urgency, state.now.quality) == (Verdict.PENDING, Urgency.NONE, Quality.PENDING)
    assert state.sentence == "labels are due 14d after the prediction"


def test_waiting_for_labels_excuses_no_failure_and_no_bad_reading() -> None:
    book = notebook(SUCCESS.replace("99.9}", "99.9, due: with-labels}"))
    failed = judged(book, with_reply(answers(book), unanswered(REFUSED)))
    bad = judged(book, answers(book, errors=0.05))
    assert (failed.verdict, bad.verdict) == (Verdict.UNKNOWN, Verdict.FAIL)


def test_an_empty_partial_answer_is_not_pending() -> None:
    book = notebook(SUCCESS.replace("99.9}", "99.9, due: with-labels}"))
    empty = changed(with_reply(answers(book), reply()), warnings=("store x did not answer",))
    assert judged(book, empty).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("pair", "errors", "verdict", "urgency", "rates"), [
    ((5 * MINUTE, HOUR), 0.02, Verdict.FAIL, Urgency.PAGE, "burns 20.0x over 1h and 20.0x over 5m (page above 14.4x)"),
    ((30 * MINUTE, 6 * HOUR), 0.008, Verdict.FAIL, Urgency.PAGE,
     "burns 8.0x over 6h and 8.0x over 30m (page above 6.0x)"),
    ((2 * HOUR, DAY), 0.004, Verdict.WARN, Urgency.TICKET,
     "burns 4.0x over 24h and 4.0x over 2h (ticket above 3.0x)"),
    ((6 * HOUR, 3 * DAY), 0.002, Verdict.WARN, Urgency.TICKET,
     "burns 2.0x over 3d and 2.0x over 6h (ticket above 1.0x)"),
])
def test_each_pair_of_windows_has_its_urgency(pair: tuple[float, float], errors: float, verdict: Verdict,
                                              urgency: Urgency, rates: str) -> None:
    state = judged(BOOK, answers(BOOK, errors=dict.fromkeys(pair, errors)))
    assert (state.verdict, state.urgency) == (verdict, urgency)
    assert state.sentence.startswith(rates)
    assert [t.firing for t in state.tiers].count(True) == 1


def test_the_most_urgent_and_fastest_of_several_pairs_is_named() -> None:
    state = judged(BOOK, answers(BOOK, errors=0.05))
    assert state.sentence.startswith("burns 50.0x over 1h and 50.0x over 5m (page")


def test_one_window_alone_does_not_page() -> None:
    state = judged(BOOK, answers(BOOK, errors={HOUR: 0.02}))
    assert (state.verdict, state.urgency) == (Verdict.PASS, Urgency.NONE)


def test_burning_faster_than_the_budget_lasts_warns() -> None:
    state = judged(BOOK, answers(BOOK, errors={5 * MINUTE: 0.003, HOUR: 0.003}))
    assert (state.verdict, state.urgency) == (Verdict.WARN, Urgency.NONE)


def test_an_overspent_budget_fails_with_a_ticket_although_all_is_calm_now() -> None:
    state = judged(BOOK, answers(BOOK, errors={30 * DAY: 0.00134}))
    assert (state.verdict, state.urgency) == (Verdict.FAIL, Urgency.TICKET)
    assert state.budget is not None
    assert state.budget.remaining == pytest.approx(-0.34)
    assert "34,733 bad of 25,920 allowed, -8,813 left (-34 %)" in state.sentence


def test_a_budget_overspent_by_a_little_does_not_say_zero() -> None:
    sentence = judged(BOOK, answers(BOOK, errors={30 * DAY: 0.001002})).sentence
    assert "overspent" in sentence
    assert "-0 %" not in sentence


def test_recorded_ratios_are_used_for_a_day_and_more_with_the_totals_own_n() -> None:
    facts = with_reply(answers(BOOK), reply(({}, 0.0008)), Part.RECORDED)
    state = judged(BOOK, facts)
    assert [round(b.rate or 0.0, 6) for b in state.burns] == [0, 0, 0, 0, 0, 0.8, 0.8]
    assert state.budget is not None
    assert state.budget.remaining == pytest.approx(0.2)
    assert (state.budget.total, state.budget.note) == (36_000 * 720, "recorded by a rule")
    day = state.burn(DAY)
    assert day is not None
    assert (day.n, day.note) == (36_000 * 24, "recorded by a rule")


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.2, 1.7])
def test_a_recorded_ratio_that_is_none_is_left_alone(value: float) -> None:
    state = judged(BOOK, with_reply(answers(BOOK, errors=0.0005), reply(({}, value)), Part.RECORDED))
    assert state.budget is not None
    assert state.budget.remaining == pytest.approx(0.5)


def test_a_stale_recorded_ratio_is_left_alone() -> None:
    recorded = reply(({}, 0.9), at=NOW - 61)
    state = judged(BOOK, with_reply(answers(BOOK, errors=0.0005), recorded, Part.RECORDED))
    assert state.budget is not None
    assert state.budget.remaining == pytest.approx(0.5)


def test_an_objective_too_low_for_a_tier_is_a_finding() -> None:
    book = notebook(SUCCESS.replace("99.9}", "90}"))
    found = judged(book, answers(book)).findings
    assert found == ("the page tier at 14.4x can never fire: every request bad burns 10.0x",)


def test_a_window_beyond_retention_is_a_finding() -> None:
    assert judged(BOOK, answers(BOOK), retention_seconds=15 * DAY).findings == (
        "the window of 30d is longer than the server keeps samples (15d)",)
    assert judged(BOOK, answers(BOOK), retention_seconds=30 * DAY).findings == ()


def test_windows_of_fewer_than_four_scrapes_are_a_finding() -> None:
    assert len(judged(BOOK, answers(BOOK), scrape_interval=80).findings) == 1
    assert judged(BOOK, answers(BOOK), scrape_interval=75).findings == ()


def test_less_than_one_bad_event_allowed_is_a_finding() -> None:
    assert judged(BOOK, answers(BOOK, per_hour=1)).findings == (
        "fewer than one bad event is allowed in 30d (720 events)",)


@pytest.mark.parametrize("errors", [0.0, 0.05])
def test_required_changes_nothing_about_the_objective_itself(errors: float) -> None:
    required = notebook(SUCCESS.replace("99.9}", "99.9, required: true}"))
    one, two = judged(BOOK, answers(BOOK, errors=errors)), judged(required, answers(required, errors=errors))
    assert (one.verdict, one.urgency, one.sentence) == (two.verdict, two.urgency, two.sentence)
    assert (one.required, two.required) == (False, True)


def test_without_an_objective_it_is_shown_and_not_judged() -> None:
    book = notebook(SUCCESS.replace(", objective: 99.9", ""))
    state = judged(book, answers(book, errors=0.5))
    assert (state.verdict, state.urgency, state.now.value) == (Verdict.NOT_JUDGED, Urgency.NONE, 0.5)
    assert (state.burns, state.budget) == ((), None)


def buckets(*, total: float = 36_000, slow: float = 0.0) -> list[tuple[Mapping[str, str], float]]:
    """Half of the fast ones under 100 ms, all of them under 500 ms; the slow ones under a second."""
    fast = total * (1 - slow)
    return [({**V1, "le": le}, count) for le, count in (
        ("0.1", fast / 2), ("0.5", fast), ("1", total), ("+Inf", total))]


def test_latency_is_the_share_under_a_real_bucket_with_percentiles_by_version() -> None:
    book = notebook(LATENCY)
    state = judged(book, with_reply(answers(book), reply(*buckets(slow=0.004)), Part.BUCKETS))
    assert (state.verdict, state.kind) == (Verdict.PASS, SloKind.LATENCY)
    assert state.now.value == pytest.approx(0.996)
    assert (state.threshold, state.threshold_side) == (0.5, "at_most")
    assert [q.version for q in state.quantiles] == [None, "v1"]
    assert state.quantiles[0].p50.value == pytest.approx(0.1 + 0.4 * (0.5 - 0.498) / 0.498)
    assert "under 500 ms" in state.sentence


def test_a_threshold_that_is_no_bucket_is_refused_and_its_percentiles_still_shown() -> None:
    book = notebook(LATENCY.replace("500ms", "400ms"))
    state = judged(book, with_reply(answers(book), reply(*buckets()), Part.BUCKETS))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.ERROR)
    assert "400 ms is not a bucket; nearest: 100 ms and 500 ms" in state.sentence
    assert state.quantiles[0].p50.quality is Quality.OK


def test_a_saturated_histogram_says_at_least() -> None:
    book = notebook(LATENCY)
    facts = reply(({**V1, "le": "0.5"}, 18_000), ({**V1, "le": "+Inf"}, 36_000))
    p99 = judged(book, with_reply(answers(book), facts, Part.BUCKETS)).quantiles[0].p99
    assert (p99.value, p99.at_least, p99.note) == (0.5, True, "beyond the last bucket")


def test_a_histogram_without_inf_is_suspect() -> None:
    book = notebook(LATENCY)
    state = judged(book, with_reply(answers(book), reply(({**V1, "le": "0.5"}, 5)), Part.BUCKETS))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.SUSPECT)


def test_a_version_with_other_buckets_is_suspect() -> None:
    book = notebook(LATENCY)
    other = {"model_version": "v2"}
    facts = reply(*buckets(), ({**other, "le": "0.25"}, 10), ({**other, "le": "+Inf"}, 10))
    state = judged(book, with_reply(answers(book), facts, Part.BUCKETS))
    assert state.verdict is Verdict.UNKNOWN
    assert state.now.value is None


def test_a_histogram_without_observations_is_no_traffic() -> None:
    book = notebook(LATENCY)
    state = judged(book, with_reply(answers(book), reply(*buckets(total=0)), Part.BUCKETS))
    assert (state.verdict, state.now.quality) == (Verdict.UNKNOWN, Quality.NO_TRAFFIC)


def test_an_overspent_budget_stays_a_failure_when_a_ticket_tier_fires_too() -> None:
    state = judged(BOOK, answers(BOOK, errors={6 * HOUR: 0.002, 3 * DAY: 0.002, 30 * DAY: 0.00134}))
    assert (state.verdict, state.urgency) == (Verdict.FAIL, Urgency.TICKET)


RANK = {Verdict.PASS: 0, Verdict.LOW_N: 1, Verdict.WARN: 2, Verdict.FAIL: 3}
ratios = st.floats(0, 1) | st.floats(0, 0.02)


@given(shares=st.lists(st.tuples(ratios, ratios), min_size=len(EVERY_WINDOW), max_size=len(EVERY_WINDOW)),
       per_hour=st.sampled_from([40.0, 100.0, 36_000.0]))
def test_more_bad_events_never_improve_the_verdict(shares: list[tuple[float, float]], per_hour: float) -> None:
    better = {w: min(pair) for w, pair in zip(EVERY_WINDOW, shares, strict=True)}
    worse = {w: max(pair) for w, pair in zip(EVERY_WINDOW, shares, strict=True)}
    one = judged(BOOK, answers(BOOK, per_hour=per_hour, errors=better))
    two = judged(BOOK, answers(BOOK, per_hour=per_hour, errors=worse))
    assert RANK[one.verdict] <= RANK[two.verdict]


replies_of_any_kind = st.sampled_from([
    None, reply(), reply((V1, 0.0)), reply((V1, 10.0)), reply((V1, 36_000.0)), reply((V1, math.nan)),
    reply((V1, -5.0)), reply((V1, math.inf)), reply(({}, 7.0)), unanswered(), unanswered(REFUSED),
    reply((V1, 36_000.0), at=NOW - 120),
])


@given(st.data())
def test_only_a_readable_reading_ever_passes(data: st.DataObject) -> None:
    facts = answers(BOOK)
    for question in data.draw(st.lists(st.sampled_from(sorted(facts, key=str)), max_size=8, unique=True)):
        new = data.draw(replies_of_any_kind)
        if new is not None:
            facts[question] = new
    state = judged(BOOK, facts)
    if state.verdict is Verdict.PASS:
        assert state.now.quality in READABLE
        assert state.now.value is not None
    assert state.sentence


# Versions, origins and candidates.

def test_the_events_of_each_version_are_told_apart() -> None:
    state = judged(BOOK, answers(BOOK, versions={"v1": 0.9, "v2": 0.1}, errors=0.01))
    assert [(v.version, v.window_seconds) for v in state.by_version] == [("v1", HOUR), ("v2", HOUR)]
    assert [v.total for v in state.by_version] == pytest.approx([32_400, 3_600])
    assert [v.bad for v in state.by_version] == pytest.approx([324, 36])
    assert [v.value for v in state.by_version] == pytest.approx([0.99, 0.99])


def test_a_version_without_events_has_no_value() -> None:
    assert VersionCount("v2", HOUR, 0.0, 0.0).value is None
    assert VersionCount("v2", HOUR, None, 10.0).value is None


def test_a_burn_rate_and_a_budget_say_who_counted() -> None:
    raw = judged(BOOK, answers(BOOK))
    assert raw.budget is not None
    assert {b.origin for b in raw.burns} | {raw.budget.origin} == {Origin.RAW}
    by_rule = judged(BOOK, with_reply(answers(BOOK), reply(({}, 0.0005)), Part.RECORDED))
    assert by_rule.budget is not None
    assert {b.window_seconds: b.origin for b in by_rule.burns} == {
        w: Origin.RULE if w >= DAY else Origin.RAW for w in WINDOWS}
    assert by_rule.budget.origin is Origin.RULE


def renamed(old_ago: float | None, new_ago: float | None) -> tuple[Objective, Answers]:
    """An objective with an old and a new metric name, and how long ago each had its newest sample."""
    [objective] = BOOK.objectives
    found: Answers = {}
    for index, ago in enumerate((old_ago, new_ago)):
        for question, answer in answers(BOOK).items():
            asked = question._replace(candidate=index)
            sampled = reply(*([({}, NOW - ago)] if ago is not None else []))
            found[asked] = sampled if question.part is Part.SAMPLED_AT else answer
    return replace(objective, candidates=objective.candidates * 2), found


@pytest.mark.parametrize(("old", "new", "scrape", "chosen"), [
    (10, 10, 15, 0), (10, None, 15, 0), (None, 10, 15, 1), (None, None, 15, 0), (299, 0, 15, 0), (301, 0, 15, 1),
    (7200, 10, 15, 1), (10, 7200, 15, 0), (7200, 7100, 15, 0), (1000, 0, 300, 0)])
def test_of_two_names_of_one_metric_the_first_whose_samples_go_on_counts(
        old: float | None, new: float | None, scrape: float, chosen: int) -> None:
    objective, found = renamed(old, new)
    assert chosen_candidate(objective, found, scrape) == chosen


def test_after_a_rename_the_verdict_rests_on_the_new_name() -> None:
    objective, found = renamed(7200, 10)
    state = slo_state(objective, found, Surroundings(NOW, 15.0, None, None))
    assert (state.verdict, state.now.age_seconds(NOW)) == (Verdict.PASS, 10)


def test_what_is_read_again_says_what_it_said_at_first_and_new_answers_of_long_windows_count() -> None:
    book = notebook(SUCCESS)
    first = answers(book)
    around = Surroundings(NOW, 15.0, None, None)
    before = slo_state(book.objectives[0], first, around)
    assert slo_state(book.objectives[0], first, around) == before
    worse = answers(book, errors={6 * 3600.0: 0.5})
    mixed = {question: (worse if question.window_seconds == 6 * 3600.0 else first)[question] for question in first}
    again = slo_state(book.objectives[0], mixed, around)
    assert again == slo_state(book.objectives[0], {q: replace(r, _derived={}) for q, r in mixed.items()}, around)
    assert again.burn(6 * 3600.0) != before.burn(6 * 3600.0)


def test_long_windows_that_were_read_while_fresh_grow_stale_all_the_same() -> None:
    book = notebook(SUCCESS)
    replies = answers(book)
    fresh = slo_state(book.objectives[0], replies, Surroundings(NOW, 15.0, None, None))
    old = slo_state(book.objectives[0], replies, Surroundings(NOW + 120, 15.0, None, None))
    assert {burn.quality for burn in fresh.burns} == {Quality.OK}
    assert {burn.quality for burn in old.burns} == {Quality.STALE}
