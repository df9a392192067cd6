"""Labels by prediction time from plain counters: which cohorts are mature, what they say, what cannot be matched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.signals.cohorts import Maturity, Waiting
from triage.signals.labels_reading import Counted, LabelHistory, Promised, label_history
from triage.signals.quality import Confusion

DAY = 86400.0
MONDAY = 1_795_392_000.0
"""2026-11-23 00:00 UTC."""
FORTNIGHT = Promised(DAY, Waiting(14 * DAY, 0.95), figures=("recall", "precision"))
RIGHT = Confusion(68.0, 58.0, 32.0, 9812.0)


def counted(days: int = 30, *, share: float = 0.97, delay_days: int = 14, counts: Confusion | None = RIGHT) -> Counted:
    """Ten thousand predictions a day up to Monday, and labels of ``share`` of them that came a delay later."""
    starts = [MONDAY - (days - number) * DAY for number in range(days)]
    labelled = [start for start in starts if start + (delay_days + 1) * DAY <= MONDAY]
    shift = delay_days * DAY
    return Counted(dict.fromkeys(starts, 10_000.0), {start + shift: 10_000 * share for start in labelled},
                   {} if counts is None else {start + shift: counts for start in labelled}, {})


def history(found: Counted, promised: Promised = FORTNIGHT) -> LabelHistory:
    return label_history(found, promised, MONDAY + 3600)


def test_cohorts_whose_labels_are_in_are_mature_and_the_others_are_awaited() -> None:
    found = history(counted())
    stand = [state.maturity for state in found.states]
    assert (stand.count(Maturity.MATURE), stand.count(Maturity.PENDING)) == (16, 14)
    assert found.coverage.share == pytest.approx(0.97)


def test_only_mature_cohorts_have_a_figure() -> None:
    found = history(counted())
    assert [state.figure is not None for state in found.states] == [True] * 16 + [False] * 14
    first = found.states[0].figure
    assert first is not None
    assert first.name == "recall"
    assert first.value == pytest.approx(0.68)
    assert [item.figure.name for item in found.figures] == ["recall", "precision"]


def test_labels_that_should_be_in_and_are_not_are_told_and_make_no_figure() -> None:
    found = history(counted(share=0.6))
    assert {state.maturity for state in found.states[:15]} == {Maturity.OVERDUE}
    assert found.figures[0].figure.value is None
    assert "60.00 % of the labels, 95.00 % expected" in found.coverage.notes[0]


def test_of_a_sample_all_labels_are_in_when_the_sample_is() -> None:
    made = counted(share=0.15)
    assert history(made, replace(FORTNIGHT, sampled=0.15)).coverage.share == pytest.approx(1.0)
    assert not history(made).coverage.mature


def test_more_labels_than_predictions_are_no_cohort() -> None:
    made = counted()
    oldest = min(made.predictions)
    found = history(replace(made, predictions={**made.predictions, oldest: 300.0}))
    assert found.states[0].cohort.start == oldest + DAY
    assert found.notes[0].startswith("1 cohort left out, with more labels than predictions")


def test_labels_that_come_after_the_servers_memory_are_told() -> None:
    found = history(counted(days=30, delay_days=56), Promised(DAY, Waiting(56 * DAY, 0.9)))
    assert not found.coverage.mature
    assert any("the server holds predictions of 30 d, and labels come after 56 d" in note for note in found.notes)


def test_positive_decisions_are_compared_with_positive_labels_where_scores_are_no_probabilities() -> None:
    found = history(counted())
    assert found.gap is not None
    assert found.gap.value is not None
    assert found.gap.value.value == pytest.approx((126 - 100) / 9700, rel=0.05)
    assert found.predicted_by == "positive decisions"


def test_calibrated_scores_are_compared_by_their_mean() -> None:
    made = counted()
    scored = replace(made, mean_score=dict.fromkeys(made.predictions, 0.02))
    found = history(scored, replace(FORTNIGHT, calibrated=True))
    assert found.gap is not None
    assert [week.predicted for week in found.gap.weeks] == [pytest.approx(0.02)] * 3
    assert found.predicted_by == "mean score"


def test_without_outcomes_there_is_coverage_and_no_figure() -> None:
    found = history(counted(counts=None))
    assert (found.figures, found.gap, found.predicted_by) == ((), None, "")
    assert found.coverage.share == pytest.approx(0.97)


def test_instant_feedback_is_matched_to_its_own_hour() -> None:
    starts = [MONDAY - number * 3600 for number in range(1, 5)]
    made = Counted(dict.fromkeys(starts, 800.0), dict.fromkeys(starts, 100.0), {}, {})
    found = label_history(made, Promised(3600.0, Waiting(0.0, 0.1)), MONDAY)
    assert len(found.coverage.mature) == 4
    assert found.notes == ()


def test_nothing_at_all_is_told_too() -> None:
    found = history(Counted({}, {}, {}, {}))
    assert found.states == ()
    assert found.coverage.sentence == "no predictions to wait for"


@given(st.dictionaries(st.integers(0, 40), st.floats(0, 1e6), max_size=30),
       st.dictionaries(st.integers(0, 40), st.floats(0, 1e6), max_size=30), st.floats(0, 30), st.booleans())
def test_whatever_was_counted_coverage_is_a_share_and_cohorts_are_in_order(
        predictions: dict[int, float], labels: dict[int, float], delay: float, calibrated: bool) -> None:
    def at(days: dict[int, float]) -> dict[float, float]:
        return {MONDAY - 40 * DAY + day * DAY: value for day, value in days.items()}

    found = label_history(Counted(at(predictions), at(labels), {}, {}),
                          Promised(DAY, Waiting(delay * DAY), calibrated=calibrated), MONDAY)
    assert found.coverage.share is None or 0 <= found.coverage.share <= 1
    starts = [state.cohort.start for state in found.states]
    assert starts == sorted(starts)
