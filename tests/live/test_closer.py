"""What only a closer look needs is asked while somebody looks, in two requests, and what it becomes is the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.live.conftest import NOW, Asked, active
from tests.live.test_drift import ONE, OTHER, SAME, TWO, Notebooks
from tests.signals.building import SUCCESS, notebook
from tests.sources.faults import answering
from triage.clock import ManualClock
from triage.facts.closer_look import CloserLook
from triage.facts.replies import Part, Question
from triage.facts.samples import Sample, Series
from triage.live.asker import Look
from triage.live.drift import DRIFT
from triage.live.labels import COHORTS, cohort_start, label_past, label_questions, labels
from triage.live.poller import Poller
from triage.live.retrain import Past
from triage.live.scores import (
    ATTRIBUTED,
    attributed,
    attribution_questions,
    only,
    score_past,
    score_questions,
    scores,
)
from triage.notebook.load import load_all

HOUR, DAY = 3600.0, 86400.0
DELAYED = ("quality: {feedback: {regime: delayed, expected_delay: 14d, labels: labels_total}, "
           "slices: [{name: region, values: [DE, FR], outcomes: labelled_total, fairness: [error_rate]}]}")
CALIBRATED = ("quality: {calibrated: true, feedback: {regime: instant, labels: labels_total, "
              "predictions: 'decided_total{what=\"yes\"}', cohort: 2h}}\n" + TWO)
WORTH = "attributions: {gauge: worth, feature_label: input, reference: {a: 1, b: 1}}"


def expressions(more: str) -> dict[tuple[int, Part], str]:
    return {(q.candidate, q.part): text for q, text in label_questions(notebook(SUCCESS, more=more))}


def test_cohorts_are_days_of_whole_increases_up_to_the_last_full_one() -> None:
    at = label_past(notebook(SUCCESS, more=DELAYED), NOW)
    assert at is not None
    assert (at.step, at.count) == (DAY, 14 + 28)
    assert at.end % DAY == 0
    assert NOW - DAY < at.end <= NOW


def test_instant_feedback_is_looked_at_by_the_hour_or_as_the_manifest_says() -> None:
    at = label_past(notebook(SUCCESS, more=DELAYED.replace("delayed, expected_delay: 14d", "instant")), NOW)
    assert at is not None
    assert at.step == HOUR
    at = label_past(notebook(SUCCESS, more=CALIBRATED), NOW)
    assert at is not None
    assert at.step == 2 * HOUR


@pytest.mark.parametrize("days", [14, 89, 90, 120, 400])
def test_however_late_labels_are_those_that_came_in_time_are_seen(days: int) -> None:
    book = notebook(SUCCESS, more=DELAYED.replace("14d", f"{days}d"))
    at = label_past(book, NOW)
    assert at is not None
    thousand = [Series({}, at.times, (1000.0,) * at.count)]
    asked = {q.part: q for q, _ in label_questions(book)}
    found = labels(book, {asked[Part.TOTAL]: thousand, asked[Part.GOOD]: thousand}, at, NOW)
    assert found is not None
    assert found.coverage.sentence == f"28 mature cohorts up to {days} d ago, 100 % of the labels in"


def test_nothing_is_asked_where_no_labels_are_counted() -> None:
    book = notebook(SUCCESS, more="quality: {feedback: {regime: none}}")
    assert (label_past(book, NOW), label_questions(book), labels(book, {}, _past(), NOW)) == (None, (), None)


def _past() -> Past:
    found = label_past(notebook(SUCCESS, more=DELAYED), NOW)
    assert found is not None
    return found


def test_predictions_labels_and_outcomes_are_asked_in_one_combined_query() -> None:
    asked = expressions(DELAYED)
    assert asked[0, Part.TOTAL] == 'sum(increase(requests_total{model="m"}[1d]))'
    assert asked[0, Part.GOOD] == 'sum(increase(labels_total{model="m"}[1d]))'
    assert asked[0, Part.GROUPS] == 'sum by (outcome) (increase(labelled_total{model="m"}[1d]))'
    assert (0, Part.VALUE_SUM) not in asked


def test_the_manifest_says_which_predictions_get_labels_and_calibrated_scores_are_summed() -> None:
    asked = expressions(CALIBRATED)
    assert asked[0, Part.TOTAL] == 'sum(increase(decided_total{what="yes",model="m"}[2h]))'
    assert asked[0, Part.VALUE_SUM].startswith('sum(increase(score_sum{model="m"}[2h])) / sum(increase(score_count')


def test_labels_of_a_fortnight_later_belong_to_the_day_they_are_about() -> None:
    book, at = notebook(SUCCESS, more=DELAYED), _past()

    def every(part: Part, value: float, **found: str) -> tuple[Question, list[Series]]:
        return Question(COHORTS, 0, part, DAY), [Series(found, at.times, tuple(value for _ in at.times))]

    outcomes = [Series({"outcome": name}, at.times, tuple(count for _ in at.times))
                for name, count in (("tp", 60.0), ("fp", 20.0), ("fn", 40.0), ("tn", 9000.0))]
    found = labels(book, dict([every(Part.TOTAL, 10_000.0), every(Part.GOOD, 9_700.0)]) | {
        Question(COHORTS, 0, Part.GROUPS, DAY): outcomes}, at, NOW)
    assert found is not None
    assert [len(found.coverage.mature), found.coverage.pending] == [28, 14]
    assert {item.figure.name: item.figure.value for item in found.figures} == {
        "precision": pytest.approx(0.75), "recall": pytest.approx(0.6)}


BY_DAY = DELAYED.replace("labels: labels_total", "labels: labels_total, cohort_label: day")


def test_labels_told_by_prediction_day_are_asked_as_they_stand() -> None:
    asked = expressions(BY_DAY)
    assert asked[0, Part.GOOD] == 'sum by (day) (labels_total{model="m"})'
    assert asked[0, Part.GROUPS] == 'sum by (day, outcome) (labelled_total{model="m"})'
    assert asked[0, Part.TOTAL].startswith("sum(increase(")


def test_labels_told_by_prediction_day_are_of_that_day_whenever_they_came() -> None:
    book, at = notebook(SUCCESS, more=BY_DAY), _past()
    days = [datetime.fromtimestamp(time - DAY, UTC) for time in at.times]
    # The older half is in, also where the exporter has forgotten it; of the younger, a third.
    told, outcomes = [], []
    for number, day in enumerate(days):
        count, until = (9_700.0, 30) if number < 21 else (3_000.0, len(at.times))
        told.append(Series({"day": f"{day:%Y-%m-%d}"}, at.times[:until], (1.0,) * (until - 1) + (count,)))
        outcomes += [Series({"day": f"{day.timestamp():.0f}", "outcome": name}, at.times, (value,) * len(at.times))
                     for name, value in (("tp", 60.0), ("fp", 20.0), ("fn", 40.0), ("tn", 9000.0))]
    told.append(Series({"day": "unknown"}, at.times, (5.0,) * len(at.times)))
    found = labels(book, {
        Question(COHORTS, 0, Part.TOTAL, DAY): [Series({}, at.times, (10_000.0,) * len(at.times))],
        Question(COHORTS, 0, Part.GOOD, DAY): told, Question(COHORTS, 0, Part.GROUPS, DAY): outcomes}, at, NOW)
    assert found is not None
    assert [len(found.coverage.mature), found.coverage.overdue, found.coverage.pending] == [21, 7, 14]
    assert found.coverage.share == pytest.approx(0.97)
    assert found.states[0].figure is not None
    assert found.states[0].figure.value == pytest.approx(0.75)
    assert found.notes == ("labels are told by the time of their predictions (day)",)


@pytest.mark.parametrize(("text", "start"), [
    ("2026-11-02", 1793577600.0), ("2026-11-02T14:30Z", 1793577600.0), ("2026-11-02T14:30:00+02:00", 1793577600.0),
    ("1793580000", 1793577600.0), ("yesterday", None), ("", None), ("7", None), ("9" * 40, None)])
def test_a_cohort_is_named_by_a_day_a_time_or_unix_seconds(text: str, start: float | None) -> None:
    assert cohort_start(text, DAY) == start


@given(st.text(max_size=30))
def test_no_value_of_a_label_breaks_its_reading(text: str) -> None:
    start = cohort_start(text, HOUR)
    assert start is None or start % HOUR == 0


def test_only_the_chosen_feature_is_asked_about() -> None:
    book = notebook(SUCCESS, more=TWO)
    asked = {q.part: text for q, text in score_questions(book, CloserLook("b"))}
    assert set(asked) == {Part.BUCKETS}
    assert 'feature=~"b|"' in asked[Part.BUCKETS]
    prediction = only(book, CloserLook("score", is_prediction=True))
    assert prediction is not None
    assert prediction.manifest.spec.drift is not None
    assert prediction.manifest.spec.drift.features == []


@pytest.mark.parametrize("wanted", [CloserLook(), CloserLook("nobody"), CloserLook("a", is_prediction=True)])
def test_what_is_not_watched_has_no_past(wanted: CloserLook) -> None:
    book = notebook(SUCCESS, more=TWO)
    assert score_questions(book, wanted) == ()
    assert scores(book, wanted, {}, score_past(book, HOUR, NOW)) is None
    assert score_questions(notebook(SUCCESS), CloserLook("a")) == ()


def test_the_past_holds_several_windows_and_ends_where_the_charts_do() -> None:
    book = notebook(SUCCESS, more=ONE)
    at = score_past(book, 900.0, NOW)
    assert at.end - at.start == pytest.approx(6 * HOUR, abs=at.step)
    assert at.end <= NOW
    assert score_past(book, DAY, NOW).end - score_past(book, DAY, NOW).start == pytest.approx(DAY, abs=2000)


def test_the_score_rises_when_the_feature_moves_and_is_unknown_where_there_was_nothing() -> None:
    book = notebook(SUCCESS, more=ONE)
    at = score_past(book, HOUR, NOW)
    times = at.times[5:]
    rows = [tuple(accumulate(SAME if time < NOW - 2 * HOUR else OTHER)) for time in times]
    series = [Series({"feature": "a", "le": le}, times, tuple(row[number] for row in rows))
              for number, le in enumerate(("1", "2", "3", "+Inf"))]
    found = scores(book, CloserLook("a"), {Question(DRIFT, 0, Part.BUCKETS, HOUR): series}, at)
    assert found is not None
    assert found.values[:5] == (None,) * 5
    assert found.values[5] == pytest.approx(0.0, abs=0.01)
    last = found.values[-1]
    assert last is not None
    assert last > found.critical


def test_attributions_are_means_by_feature_of_a_gauge_or_of_a_histogram() -> None:
    book = notebook(SUCCESS, more=WORTH)
    [(question, text)] = attribution_questions(book)
    assert (question.objective, text) == (ATTRIBUTED, 'avg by (input) (worth{model="m"})')
    [(_, text)] = attribution_questions(notebook(SUCCESS, more="attributions: {histogram: worth}"))
    assert text == ('sum by (feature) (increase(worth_sum{model="m"}[1h])) / '
                    'sum by (feature) (increase(worth_count{model="m"}[1h]))')
    assert attribution_questions(notebook(SUCCESS)) == ()
    found = attributed(book, [Sample({"input": "a"}, 3.0, NOW), Sample({"input": "b"}, 1.0, NOW)])
    assert [(item.feature, item.share, item.usual_share) for item in found] == [("a", 0.75, 0.5), ("b", 0.25, 0.5)]
    assert attributed(notebook(SUCCESS), []) == ()


@pytest.fixture
def folder(notebooks: Notebooks) -> Path:
    """One model that watches two features, counts labels and exports attributions."""
    root = notebooks(m=1)
    path = root / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"] |= yaml.safe_load(f"{TWO}\n{DELAYED}\n{WORTH}")
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return root


@asynccontextmanager
async def polling(folder: Path, prometheus: Asked, clock: ManualClock) -> AsyncIterator[Poller]:
    poller = Poller(active(folder, prometheus.server.url), load_all([folder]), clock)
    poller.watch(["m"])
    try:
        yield poller
    finally:
        await poller.aclose()


def ranges(prometheus: Asked) -> dict[str, int]:
    """How often scores and labels were asked for."""
    asked = [r.fields["query"][0] for r in prometheus.server.requests if r.path.endswith("query_range")]
    return {"scores": sum("worth{" in text for text in asked), "labels": sum("labels_total" in text for text in asked)}


async def test_nobody_looks_closely_and_nothing_is_asked(folder: Path, prometheus: Asked, clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        snapshot = await poller.refresh_once()
    assert ranges(prometheus) == {"scores": 0, "labels": 0}
    assert snapshot.models[0].closer is None


async def test_a_closer_look_costs_two_requests_and_each_has_its_own_pace(folder: Path, prometheus: Asked,
                                                                          clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        await poller.refresh_once()
        before = poller.requests_sent
        poller.look_closer(CloserLook("a"))
        snapshot = await poller.refresh_once()
        assert ranges(prometheus) == {"scores": 1, "labels": 1}
        assert poller.requests_sent - before <= 2 + 5
        clock.advance(700)
        await poller.refresh_once()
        assert ranges(prometheus) == {"scores": 2, "labels": 2}
        await poller.refresh_once()
        assert ranges(prometheus) == {"scores": 2, "labels": 2}
    closer = snapshot.models[0].closer
    assert closer is not None
    assert closer.labels.answer is not None
    assert closer.attributions.answer == ()
    assert closer.scores.answer is not None
    assert set(closer.scores.answer.values) == {None}


async def test_another_feature_is_asked_at_once_and_the_labels_stay(folder: Path, prometheus: Asked,
                                                                    clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        poller.look_closer(CloserLook("a"))
        await poller.refresh_once()
        poller.look_closer(CloserLook("b"))
        snapshot = await poller.refresh_once()
    assert ranges(prometheus) == {"scores": 2, "labels": 1}
    closer = snapshot.models[0].closer
    assert closer is not None
    assert closer.scores.answer is not None
    assert closer.scores.answer.feature == "b"
    assert closer.labels.answer is not None


async def test_who_looks_away_is_asked_for_no_more_and_shown_nothing_old(folder: Path, prometheus: Asked,
                                                                         clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        poller.look_closer(CloserLook("a"))
        await poller.refresh_once()
        poller.look_closer(None)
        clock.advance(3600)
        snapshot = await poller.refresh_once()
    assert ranges(prometheus) == {"scores": 1, "labels": 1}
    assert snapshot.models[0].closer is None


async def test_what_is_under_way_is_given_up_when_somebody_looks_away(folder: Path, prometheus: Asked,
                                                                      clock: ManualClock) -> None:
    prometheus.fake.hold = lambda expression: "worth{" in expression
    async with polling(folder, prometheus, clock) as poller:
        poller.look_closer(CloserLook("a"))
        waiting = asyncio.ensure_future(poller.refresh_once(2.0))
        while not ranges(prometheus)["scores"]:
            await asyncio.sleep(0.01)
        poller.look_closer(None)
        await waiting
        snapshot = await poller.refresh_once()
    assert snapshot.models[0].closer is None


async def test_a_refusal_is_told_keeps_what_was_known_and_befalls_nothing_else(folder: Path, prometheus: Asked,
                                                                               clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        poller.look_closer(CloserLook("a"))
        await poller.refresh_once()
        prometheus.fake.fail = lambda text: answering(503, "down") if "labels_total" in text or "worth{" in text \
            else None
        clock.advance(700)
        snapshot = await poller.refresh_once()
    [model] = snapshot.models
    assert model.closer is not None
    assert model.closer.labels.failure is not None
    assert model.closer.labels.answer is not None
    assert model.closer.scores.failure is not None
    assert model.closer.attributions.failure is not None


async def test_what_failed_is_asked_again_when_everything_is(folder: Path, prometheus: Asked,
                                                             clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        prometheus.fake.fail = lambda text: answering(500, "no") if "worth{" in text else None
        poller.look_closer(CloserLook("a"))
        await poller.refresh_once()
        prometheus.fake.fail = lambda text: None
        poller.refresh_now()
        snapshot = await poller.refresh_once()
    closer = snapshot.models[0].closer
    assert closer is not None
    assert closer.scores.failure is None


async def test_what_is_asked_once_a_minute_is_asked_again_when_something_was_done_to_the_world(
        folder: Path, prometheus: Asked, clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        before = (await poller.refresh_once()).models[0].drift
        clock.advance(5)
        poller.refresh_now()
        not_yet = (await poller.refresh_once()).models[0].drift
        poller.world_changed()
        after = (await poller.refresh_once()).models[0].drift
    assert before is not None
    assert not_yet is not None
    assert after is not None
    assert (before.answered_at, not_yet.answered_at, after.answered_at) == (NOW, NOW, NOW + 5)


async def test_the_end_of_the_charts_is_the_end_of_the_score(folder: Path, prometheus: Asked,
                                                             clock: ManualClock) -> None:
    async with polling(folder, prometheus, clock) as poller:
        poller.look_closer(CloserLook("a"))
        poller.watch(["m"], Look(3600.0, NOW - DAY))
        snapshot = await poller.refresh_once()
    closer = snapshot.models[0].closer
    assert closer is not None
    known = closer.scores.answer
    assert known is not None
    assert known.start + known.step * (len(known.values) - 1) <= NOW - DAY

