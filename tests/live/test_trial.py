"""What is asked of a version on trial and of stable, on which grid, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.trials import (
    BORN,
    NOW,
    SCRAPE,
    compared,
    counter,
    events,
    histogram,
    metric,
    on,
    requests,
    rising,
    seen,
    written,
)
from triage.facts.replies import MODEL, Part
from triage.live.arms import BEFORE_INTERVALS, arms, places
from triage.live.trial import trial, trial_questions
from triage.notebook.load import Notebook
from triage.signals.canary import CanaryVerdict, LatencyMetric, LevelMetric, Traffic
from triage.signals.deployed import Weight
from triage.signals.judge import judge

RATIO: dict[str, Any] = {"name": "success", "objective": 99.9, "window": "30d", "required": True,
         "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"}}
BAD: dict[str, Any] = {"name": "success", "objective": 99.9, "window": "30d", "required": True,
       "sli": {"bad": "failures_total", "total": "requests_total"}}
LATENCY = {"name": "latency", "objective": 99, "window": "30d", "required": True,
           "sli": {"histogram": "duration_seconds", "threshold": "500ms"}}
SCORE = {"name": "score", "sli": {"gauge": "score_mean", "at_least": 0.5}, "required": False}


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Notebook]:
    """A notebook with these objectives and this canary."""
    def made(*slos: Mapping[str, Any], **canary: Any) -> Notebook:
        return written(tmp_path_factory.mktemp("trial"), slos, canary=canary)
    return made


# The grid


def test_the_grid_begins_a_rate_window_after_the_first_sample_and_ends_with_a_full_interval() -> None:
    found = on()
    assert (found.start, found.step, found.count) == (BORN + 60, 60.0, 59)
    assert found.end == NOW
    assert (found.first_asked - found.start) / found.step == 1 - BEFORE_INTERVALS


def test_a_version_that_nobody_has_seen_begin_starts_with_what_was_looked_at_at_a_full_hour() -> None:
    starts = {on(NOW + 60 * minute, born=None).start for minute in range(60)}
    assert len(starts) == 2
    assert {start % 3600 for start in starts} == {60}
    assert all(NOW - 86400 <= start <= NOW - 79200 for start in starts)


@pytest.mark.parametrize("age", [0, 60, 120, 134])
def test_before_one_interval_is_full_there_is_nothing_to_compare(age: float) -> None:
    assert arms(seen(born=NOW - age), "model_version", SCRAPE, 86400.0, NOW) is None


def test_without_a_version_on_trial_nothing_is_asked() -> None:
    assert arms(seen(arm=""), "model_version", SCRAPE, 86400.0, NOW) is None


@pytest.mark.parametrize("arm", ["canary", "shadow", "experiment"])
def test_every_arm_beside_stable_is_compared(arm: str) -> None:
    found = arms(seen(arm=arm), "model_version", SCRAPE, 86400.0, NOW)
    assert found is not None
    assert (found.stable, found.canary) == ("v1", "v2")


@given(st.floats(200, 40 * 86400), st.floats(0, 86400))
@settings(deadline=None)
def test_a_later_look_sees_the_same_intervals_and_more_of_them(age: float, later: float) -> None:
    first, second = (arms(seen(born=NOW - age), "model_version", SCRAPE, 86400.0, NOW + seconds)
                     for seconds in (0.0, later))
    assert first is not None
    assert second is not None
    assert first.start == second.start
    assert first.start % 60 == 0
    assert second.count >= first.count
    assert [first.ends(n) for n in range(first.count)] == [second.ends(n) for n in range(first.count)]
    # Whoever looks has an interval that ended as long ago as the newest one lasts, at most.
    assert 0 <= NOW + later - SCRAPE - second.end < 2 * second.last_step
    assert second.last_step == 60.0 or second.last_step <= (age + later) / 360


@given(st.floats(200, 40 * 86400), st.floats(0, 86400))
@settings(deadline=None)
def test_what_was_asked_of_the_past_is_asked_in_the_same_words_by_every_later_look(age: float, later: float) -> None:
    first, second = (arms(seen(born=NOW - age), "model_version", SCRAPE, 86400.0, NOW + seconds)
                     for seconds in (0.0, later))
    assert first is not None
    assert second is not None
    past = [span for span in first.spans if span.is_past]
    assert list(second.spans[:len(past)]) == past
    # Each point of each span is the end of an interval, and of none twice.
    points = [span.start + n * span.step for span in second.spans
              for n in range(round((span.end - span.start) / span.step) + 1)]
    assert places(points, second) == list(range(BEFORE_INTERVALS + second.count))


def test_times_that_end_no_interval_are_of_none() -> None:
    found = on(NOW + 86400)
    assert places([found.first_asked - 60, found.end + found.last_step, found.end - found.last_step / 2], found) == [
        None, None, None]


def test_where_scrapes_are_seldom_the_shortest_interval_holds_one() -> None:
    found = arms(seen(), "model_version", 90.0, 86400.0, NOW)
    assert found is not None
    assert found.step == 120.0


# Questions and answers


def test_both_arms_are_asked_in_one_expression_and_nobody_else(write: Callable[..., Notebook]) -> None:
    for _, expression in trial_questions(write(RATIO, LATENCY), {}, on(), 60.0):
        assert 'model_version=~"v1|v2"' in expression
        assert "by (model_version" in expression
        assert 'model="m"' in expression


def test_requests_and_every_compared_objective_are_asked_once(write: Callable[..., Notebook]) -> None:
    asked = [(q.objective, q.part) for q, _ in trial_questions(write(RATIO, LATENCY), {}, on(), 60.0)]
    assert asked == [(MODEL, Part.REQUESTS), ("success", Part.GOOD), ("success", Part.TOTAL),
                     ("latency", Part.BUCKETS)]


def test_a_level_is_compared_only_where_it_has_a_margin(write: Callable[..., Notebook]) -> None:
    margin = {"metric": "score", "relative": "5%"}
    assert [q.objective for q, _ in trial_questions(write(SCORE), {}, on(), 60.0)] == [MODEL]
    with_margin = trial_questions(write(SCORE, max_delta=[margin]), {}, on(), 60.0)
    assert [q.objective for q, _ in with_margin] == [MODEL, "score"]


def test_events_of_each_interval_are_counted_for_each_arm(write: Callable[..., Notebook]) -> None:
    made = compared(write(RATIO), *requests("v1", 90, 1), *requests("v2", 9, 1))
    found = events(made)
    assert len(found.canary.exposure) == on().count
    # Four scrapes in a minute.
    assert found.canary.exposure == pytest.approx([40.0] * on().count)
    assert found.canary.events == pytest.approx([4.0] * on().count)
    assert found.stable.rate == pytest.approx(1 / 91)


def test_the_hours_of_stable_before_the_trial_are_kept_apart(write: Callable[..., Notebook]) -> None:
    found = events(compared(write(RATIO), *requests("v1", 90, 1), *requests("v2", 9, 1)))
    assert len(found.before.exposure) == BEFORE_INTERVALS
    assert found.before.rate == pytest.approx(1 / 91)
    assert found.before.total_exposure == pytest.approx(BEFORE_INTERVALS * 4 * 91)


@given(st.lists(st.integers(0, 50), min_size=300, max_size=300), st.floats(0, 14.9))
@settings(max_examples=25, deadline=None)
def test_no_event_is_counted_twice_or_lost_between_intervals(write: Callable[..., Notebook],
                                                             steps: list[int], early: float) -> None:
    good, at = np.cumsum([5000, *steps]).tolist(), on()
    found = events(compared(write_once(write), counter("requests_total", "v1", good, code="200"),
                            counter("requests_total", "v2", good, code="200"), early=early))
    scrapes = round((at.end - at.start) / SCRAPE)
    assert found.canary.total_exposure == pytest.approx(good[-1] - good[-1 - scrapes])


_WRITTEN: list[Notebook] = []


def write_once(write: Callable[..., Notebook]) -> Notebook:
    """The same notebook for every example."""
    if not _WRITTEN:
        _WRITTEN.append(write(RATIO))
    return _WRITTEN[0]


def test_a_counter_that_starts_anew_loses_at_most_a_scrape(write: Callable[..., Notebook]) -> None:
    restarted = [*rising(10, 850), *(10.0 * i for i in range(50))]
    found = events(compared(write(RATIO), counter("requests_total", "v1", rising(90), code="200"),
                            counter("requests_total", "v2", restarted, code="200")))
    assert 59 * 40 - 20 <= found.canary.total_exposure <= 59 * 40 + 1


def test_a_counter_of_failures_that_never_moved_means_none_where_the_manifest_says_so(
        write: Callable[..., Notebook]) -> None:
    made = compared(write({**BAD, "sli": {**BAD["sli"], "absent": "zero"}}),
                    counter("requests_total", "v1", rising(90)), counter("requests_total", "v2", rising(10)))
    found = events(made)
    assert (found.canary.total_events, found.stable.total_events, found.trouble) == (0.0, 0.0, "")
    # The newest interval counts when the next one shows that both counters go on.
    assert found.canary.total_exposure == pytest.approx(58 * 40)


def test_a_counter_of_failures_that_only_one_arm_has_is_zero_for_the_other(write: Callable[..., Notebook]) -> None:
    found = events(compared(write(BAD), counter("requests_total", "v1", rising(90)),
                            counter("requests_total", "v2", rising(10)), counter("failures_total", "v2", rising(1))))
    assert (found.stable.total_events, found.trouble) == (0.0, "")
    assert found.canary.rate == pytest.approx(0.1)


def test_a_numerator_that_nobody_has_is_no_good_news(write: Callable[..., Notebook]) -> None:
    notebook = write(BAD)
    made = compared(notebook, counter("requests_total", "v1", rising(90)), counter("requests_total", "v2", rising(10)))
    assert "no bad series of either version" in events(made).trouble
    _, policy = trial(notebook, {}, {}, on(), "traffic")
    assert judge(made, policy).verdict is CanaryVerdict.ERROR


def test_latency_is_compared_over_its_threshold_and_as_a_distribution(write: Callable[..., Notebook]) -> None:
    made = compared(write(LATENCY), *requests("v1", 90, 1), *requests("v2", 9, 1),
                    *histogram("v1", ("0.1", 0.5), ("0.5", 0.9), ("+Inf", 1.0), per_scrape=90),
                    *histogram("v2", ("0.1", 0.5), ("0.5", 0.8), ("+Inf", 1.0)))
    found = events(made, "latency")
    assert [found.canary.rate, found.stable.rate] == pytest.approx([0.2, 0.1])
    whole = metric(made, "latency p95")
    assert isinstance(whole, LatencyMetric)
    assert not whole.gates
    assert sum(b.total for b in whole.canary if b is not None) == pytest.approx(59 * 4 * 20)


def test_a_relative_margin_lets_the_distribution_decide(write: Callable[..., Notebook]) -> None:
    made = compared(write(LATENCY, max_delta=[{"metric": "latency", "relative": "20%"}]))
    whole = metric(made, "latency p95")
    assert isinstance(whole, LatencyMetric)
    assert whole.gates


def test_a_threshold_that_is_no_bucket_is_refused_and_the_nearest_are_named(write: Callable[..., Notebook]) -> None:
    made = compared(write(LATENCY), *histogram("v1", ("0.4", 0.9), ("1", 0.95), ("+Inf", 1.0)),
                    *histogram("v2", ("0.4", 0.9), ("1", 0.95), ("+Inf", 1.0)))
    assert events(made, "latency").trouble == "500 ms is not a bucket; nearest: 400 ms and 1 s"


def test_versions_with_other_buckets_are_not_compared(write: Callable[..., Notebook]) -> None:
    made = compared(write(LATENCY), *histogram("v1", ("0.5", 0.9), ("+Inf", 1.0)),
                    *histogram("v2", ("0.4", 0.9), ("1", 0.95), ("+Inf", 1.0)))
    assert events(made, "latency").trouble == "v2 has other buckets: 500 ms is none of them"


def test_a_histogram_without_its_last_bucket_is_said(write: Callable[..., Notebook]) -> None:
    made = compared(write(LATENCY), *histogram("v1", ("0.5", 0.9)), *histogram("v2", ("0.5", 0.9)))
    assert events(made, "latency").trouble == "a histogram without its +Inf bucket"


def test_a_histogram_that_one_arm_lacks_leaves_it_without_events(write: Callable[..., Notebook]) -> None:
    made = compared(write(LATENCY), *histogram("v1", ("0.5", 0.9), ("+Inf", 1.0)))
    found = events(made, "latency")
    assert (found.canary.total_exposure, found.trouble) == (0.0, "")
    _, policy = trial(write(LATENCY), {}, {}, on(), "traffic")
    assert judge(made, policy).verdict is CanaryVerdict.INSUFFICIENT


def test_a_level_has_one_value_for_each_interval_and_gaps_stay_gaps(write: Callable[..., Notebook]) -> None:
    notebook = write(SCORE, max_delta=[{"metric": "score", "relative": "5%"}])
    made = compared(notebook, counter("score_mean", "v1", [0.8] * 900), counter("score_mean", "v2", [0.7] * 100))
    found = metric(made, "score")
    assert isinstance(found, LevelMetric)
    assert set(found.stable) == {0.8}
    # A hundred scrapes are 25 minutes.
    assert found.canary.count(None) == on().count - 25
    assert found.canary[-1] == 0.7


def test_the_share_of_the_requests_is_read_from_the_traffic(write: Callable[..., Notebook]) -> None:
    made = compared(write(RATIO), *requests("v1", 89, 1), *requests("v2", 9, 1))
    assert made.traffic is not None
    mine, others = (sum(n for n in arm if n is not None) for arm in (made.traffic.canary, made.traffic.stable))
    assert mine / others == pytest.approx(1 / 9)


def test_a_weight_is_tested_from_a_minute_after_it_was_in_force_and_not_at_all_where_nobody_says_since_when(
        write: Callable[..., Notebook]) -> None:
    def traffic(given: Weight | None, arm: str = "canary") -> Traffic:
        made, _ = trial(write(RATIO, arm=arm), {}, {}, on(), "rollout", given)
        assert made.traffic is not None
        return made.traffic
    since = traffic(Weight(0.1, BORN + 1800))
    assert (since.asked.count(None), since.asked[-1], since.stated, since.untested) == (30, 0.1, 0.1, "")
    unknown = traffic(Weight(0.1, None))
    assert (set(unknown.asked), unknown.stated) == ({None}, 0.1)
    assert unknown.untested == "10 % asked, but the controller does not say since when, as it does in a pause"
    assert [traffic(Weight(share, None)).untested for share in (0.0, 1.0)] == ["", ""]
    assert traffic(Weight(0.1, None), "shadow").untested == ""
    assert (traffic(None).untested, traffic(None).stated) == ("", None)
    assert traffic(None, "experiment").untested == "nobody says what share it was to take"


def test_without_any_answer_both_arms_are_empty(write: Callable[..., Notebook]) -> None:
    made, policy = trial(write(RATIO, LATENCY), {}, {}, on(), "traffic")
    assert judge(made, policy).verdict is CanaryVerdict.INSUFFICIENT
    assert events(made).canary.total_exposure == 0
