"""Counters of a trial that are lost for a while, or for good: what is not known is neither zero nor counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.trials import BORN, answered, counter, on, rising, stored, written
from triage.facts.replies import Part, Question
from triage.facts.samples import Series
from triage.live.arms import BEFORE_INTERVALS
from triage.live.gaps import lost, together
from triage.live.trial import trial, trial_questions
from triage.notebook.load import Notebook
from triage.signals.canary import CanaryState, CanaryVerdict, Policy
from triage.signals.deployed import Weight
from triage.signals.judge import judge
from triage.signals.wording import clock_time

GRID = on(BORN + 4 * 3600 + 20)
"""Of four hours."""
LENGTH = BEFORE_INTERVALS + GRID.count
NONE = (None,) * BEFORE_INTERVALS
BLOCKED = {"bad": "blocked_total", "total": "requests_total", "absent": "zero"}
ANSWERED = {"good": "answered_total", "total": "requests_total"}
BY_CODE = {"good": 'requests_total{code="200"}', "total": "requests_total"}
Column = Sequence[float | None]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Notebook]:
    """A notebook with one objective, which may be half a point worse."""
    def made(sli: dict[str, Any], **blocks: Any) -> Notebook:
        margin = {"max_delta": [{"metric": "it", "absolute": "0.5pt"}], "min_events": 200}
        return written(tmp_path, [{"name": "it", "sli": sli, "objective": 99.0}],
                       **{"canary": {**margin, **blocks.pop("canary", {})}, **blocks})
    return made


def during(column: Column, lost_from: int, lost_to: int) -> tuple[float | None, ...]:
    """``column`` with nothing known from one minute of the trial to another."""
    return tuple(None if lost_from <= n - BEFORE_INTERVALS < lost_to else value for n, value in enumerate(column))


def poisson(mean: float, seed: int, *, canary: bool = False) -> tuple[float | None, ...]:
    drawn: list[float | None] = [*np.random.default_rng(seed).poisson(mean, LENGTH).astype(float).tolist()]
    return (*NONE, *drawn[BEFORE_INTERVALS:]) if canary else tuple(drawn)


def judged(notebook: Notebook, *given: Weight, **columns: tuple[Column, Column]) -> CanaryState:
    """``columns``: by part the values of canary and stable."""
    found: dict[Question, list[Series]] = {}
    for question, _ in trial_questions(notebook, {}, GRID, GRID.step):
        found[question] = [
            Series({"model_version": version, **({"decision": "yes"} if question.part is Part.CATEGORIES else {})},
                   tuple(GRID.first_asked + n * GRID.step for n, v in enumerate(column) if v is not None),
                   tuple(v for v in column if v is not None))
            for version, column in zip(("v2", "v1"), columns.get(question.part.name.lower(), ()), strict=False)]
    return judge(*trial(notebook, {}, found, GRID, "traffic", *given))


TOTAL: tuple[Column, Column] = ((*NONE, *(100.0,) * GRID.count), (900.0,) * LENGTH)


def test_a_counter_of_failures_that_stops_is_no_pass_and_says_what_is_missing(write: Callable[..., Notebook]) -> None:
    notebook = write(BLOCKED)
    worse, before = poisson(1.9, 1, canary=True), poisson(9.0, 2)
    assert judged(notebook, bad=(worse, before), total=TOTAL).verdict is CanaryVerdict.FAIL
    found = judged(notebook, bad=(during(worse, 10, 999), during(before, 10, 999)), total=TOTAL)
    assert found.verdict is CanaryVerdict.ERROR
    assert "no bad series of v2 since " in found.reason
    assert "no bad series of v1 since " in found.reason


def test_a_failure_that_was_proven_stays_when_its_counter_is_lost(write: Callable[..., Notebook]) -> None:
    worse, before = poisson(6.0, 1, canary=True), poisson(9.0, 2)
    found = judged(write(BLOCKED), bad=(during(worse, 120, 999), before), total=TOTAL)
    assert found.verdict is CanaryVerdict.FAIL


@pytest.mark.parametrize("gaps", [[(60, 75)], [(20 * n, 20 * n + 7) for n in range(1, 10)]])
def test_a_counter_of_good_events_that_is_lost_for_a_while_is_no_failure(write: Callable[..., Notebook],
                                                                        gaps: list[tuple[int, int]]) -> None:
    good: Column = (*NONE, *(100.0,) * GRID.count)
    for start, end in gaps:
        # In the minutes around it half of them were seen.
        good = tuple(50.0 if n - BEFORE_INTERVALS in (start - 1, end) else v
                     for n, v in enumerate(during(good, start, end)))
    found = judged(write(ANSWERED), good=(good, (900.0,) * LENGTH), total=TOTAL)
    assert found.verdict is CanaryVerdict.PASS
    assert "100 %" in found.metrics[0].sentence


def test_a_lost_counter_beside_another_that_together_are_all_events_is_not_zero(write: Callable[..., Notebook]) -> None:
    sli = {"good": "answered_total", "bad": "failed_total"}
    good, bad = poisson(99.0, 1, canary=True), poisson(1.0, 2, canary=True)
    others = poisson(891.0, 3), poisson(9.0, 4)
    found = judged(write(sli), good=(during(good, 60, 80), others[0]), bad=(bad, others[1]))
    assert found.verdict is CanaryVerdict.PASS
    assert found.metrics[0].n_canary == pytest.approx(100 * (GRID.count - 23), rel=0.01)


def test_what_one_metric_no_longer_shows_beside_its_other_series_did_not_happen(
        write: Callable[..., Notebook]) -> None:
    """A pod with the only errors was replaced: its series are gone, and the others of the same scrapes go on."""
    sli = {"bad": 'requests_total{code="500"}', "total": "requests_total"}
    found = judged(write(sli), bad=(during((*NONE, *(0.2,) * GRID.count), 60, 999), poisson(2.0, 1)), total=TOTAL)
    assert found.verdict is CanaryVerdict.PASS
    assert found.metrics[0].n_canary == 100 * GRID.count


def test_a_version_that_is_no_longer_scraped_is_an_error_and_one_that_comes_back_is_judged_again(
        write: Callable[..., Notebook]) -> None:
    notebook = write(BY_CODE)

    def without(start: int, end: int) -> CanaryState:
        seen = (during(TOTAL[0], start, end), TOTAL[1])
        return judged(notebook, good=seen, total=seen)
    gone = without(GRID.count - 20, 999)
    assert gone.verdict is CanaryVerdict.ERROR
    assert "no series of v2 since " in gone.reason
    assert without(GRID.count - 40, GRID.count - 20).verdict is CanaryVerdict.PASS
    assert without(GRID.count - 3, 999).verdict is CanaryVerdict.PASS


def test_an_arm_that_is_not_scraped_takes_its_share_of_the_requests_all_the_same(
        write: Callable[..., Notebook]) -> None:
    notebook = write(BY_CODE, canary={"arm": "experiment"})
    mine, others = poisson(500.0, 1, canary=True), poisson(500.0, 2)
    half = Weight(0.5, BORN - 3600)
    for canary in (mine, during(mine, 100, 130)):
        found = judged(notebook, half, requests=(canary, others), good=(canary, others), total=(canary, others))
        assert (found.verdict, found.split) == (CanaryVerdict.PASS, "")
        assert found.weight_real == pytest.approx(0.5, abs=0.02)
    away = during(mine, GRID.count - 30, 999)
    assert judged(notebook, half, requests=(away, others)).weight_real is None


def test_how_much_of_a_trial_nobody_saw_is_counted(write: Callable[..., Notebook]) -> None:
    notebook = write(BY_CODE)

    def unknown(canary: Column, stable: Column) -> float | None:
        return judged(notebook, requests=(canary, stable), good=TOTAL, total=TOTAL).unknown_seconds
    assert unknown(*TOTAL) == 0.0
    # With the interval beside each edge, in which one of the two may have stopped.
    assert unknown(during(TOTAL[0], 100, 130), TOTAL[1]) == 32 * 60
    assert unknown(during(TOTAL[0], 100, 130), during(TOTAL[1], 90, 110)) == 42 * 60
    assert unknown((None,) * LENGTH, TOTAL[1]) is None
    assert judged(notebook, good=TOTAL, total=TOTAL).unknown_seconds is None


def test_a_level_and_a_histogram_that_stop_are_errors(write: Callable[..., Notebook]) -> None:
    mine, others = poisson(500.0, 1, canary=True), poisson(500.0, 2)
    notebook = write({"gauge": "temperature", "at_most": 900.0},
                     canary={"max_delta": [{"metric": "it", "relative": "50%"}]})
    assert judged(notebook, level=(mine, others)).verdict is CanaryVerdict.PASS
    found = judged(notebook, level=(during(mine, GRID.count - 20, 999), others))
    assert (found.verdict, "no series of v2 since " in found.reason) == (CanaryVerdict.ERROR, True)


def test_a_mean_of_nothing_is_no_loss(write: Callable[..., Notebook]) -> None:
    """Without requests the mean of the scores is no number, and its series go on."""
    mine, others = poisson(500.0, 1, canary=True), poisson(500.0, 2)
    notebook = write({"gauge": "temperature", "at_most": 900.0},
                     canary={"max_delta": [{"metric": "it", "relative": "50%"}]})
    idle = tuple(v if v is None or n % 5 == 0 else math.nan for n, v in enumerate(mine))
    found = judged(notebook, level=(idle, others))
    assert found.verdict is CanaryVerdict.INSUFFICIENT
    assert "more values of both" in found.reason


def test_a_counted_proxy_that_stops_is_an_error(write: Callable[..., Notebook]) -> None:
    quality = {"feedback": {"regime": "none"},
               "proxies": [{"name": "overridden", "metric": "overrides_total", "kind": "counter"}]}
    notebook = write(BY_CODE, quality=quality,
                     canary={"max_delta": [{"metric": "overridden", "absolute": "2pt"}], "min_events": 200})
    mine, others = poisson(1.0, 1, canary=True), poisson(9.0, 2)
    whole = {"requests": TOTAL, "good": TOTAL, "total": TOTAL}
    assert judged(notebook, bad=(mine, others), **whole).verdict is CanaryVerdict.PASS
    found = judged(notebook, bad=(during(mine, 100, 999), others), **whole)
    assert found.verdict is CanaryVerdict.ERROR
    assert "no overridden series of v2 since " in found.reason


def test_what_a_server_says_of_a_counter_that_stopped_is_read_so(write: Callable[..., Notebook]) -> None:
    store = stored(counter("requests_total", "v1", rising(90)), counter("requests_total", "v2", rising(10, 240)),
                   counter("blocked_total", "v1", rising(0.2)))
    early = counter("blocked_total", "v2", rising(0.02, 120))
    store.append(dict(early[0]), np.array([round(1000 * (BORN + 15 * n)) for n in range(120)], dtype=np.int64),
                 np.array(early[1]))
    notebook, grid = write(BLOCKED), on()
    found = judge(*trial(notebook, {}, answered(notebook, store, grid), grid, "traffic"))
    assert found.verdict is CanaryVerdict.ERROR
    assert "no bad series of v2 since " in found.reason
    # Half an hour was counted, of which the last minute in part.
    assert found.metrics[0].n_canary == pytest.approx(40 * 28)


columns = st.lists(st.tuples(st.none() | st.floats(0, 9), st.none() | st.floats(0, 9)), min_size=1, max_size=30)


@given(columns, st.booleans())
def test_either_all_counters_are_known_of_an_interval_or_none(rows: list[tuple[float | None, float | None]],
                                                              one_metric: bool) -> None:
    raw = tuple(zip(*rows, strict=True))
    found = together(*raw, one_metric=one_metric)
    for (one, other), was in zip(zip(*found, strict=True), rows, strict=True):
        assert (one is None) is (other is None)
        for now, before in zip((one, other), was, strict=True):
            assert now is None or now == (before or 0.0)


@given(columns, columns)
def test_what_was_known_of_an_interval_stays_so_when_more_comes(rows: list[tuple[float | None, float | None]],
                                                                more: list[tuple[float | None, float | None]]) -> None:
    early, late = (together(*zip(*some, strict=True), one_metric=False) for some in (rows, [*rows, *more]))
    for before, after in zip(early, late, strict=True):
        assert all(now == was for was, now in zip(before, after, strict=False) if was is not None)


def test_before_a_counter_counts_for_the_first_time_it_is_zero_and_a_gap_hides_its_neighbours() -> None:
    whole = (1.0,) * 8
    part = (None, None, 2.0, 2.0, None, 2.0, 2.0, 2.0)
    assert together(part, whole, one_metric=False)[0] == (0.0, 0.0, 2.0, None, None, None, 2.0, None)
    assert together(part, whole, one_metric=True)[0] == (0.0, 0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 2.0)
    assert together((None,) * 8, whole, one_metric=False) == ((*(0.0,) * 7, None), (*whole[:7], None))
    assert together((None,) * 8, (None,) * 8, one_metric=True) == ((None,) * 8,) * 2


def test_a_scrape_that_failed_is_no_loss_and_one_in_two_is_said_with_how_many() -> None:
    def said(newest: Sequence[float | None]) -> str:
        return lost("v2", {"": (*NONE, *(1.0,) * (GRID.count - len(newest)), *newest)}, GRID, Policy())
    assert said((None, 1.0, None, 1.0, None)) == ""
    assert said((None, None, None, 1.0) * 3) == "no series of v2 in 7 m 00 s of the last 10 min"
    assert said((None,) * 7) == f"no series of v2 since {clock_time(GRID.end - 420)}"
    assert lost("v2", {"": (*NONE, *(None,) * GRID.count)}, GRID, Policy()) == ""
