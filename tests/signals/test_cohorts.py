"""Late labels: only matured cohorts count, coverage is told, and the weekly gap weighs recent weeks more."""

from __future__ import annotations

import pytest

from triage.signals.cohorts import (
    WEEK,
    Cohort,
    Maturity,
    Waiting,
    cohorts_by_delay,
    coverage,
    maturity,
    realised,
    week_of,
    weekly_gap,
)
from triage.signals.quality import Confusion

DAY = 86400.0
NOW = week_of(1_800_000_000.0) + 3 * DAY
WAITING = Waiting(14 * DAY, 0.95)


def cohort(days_ago: float, *, covered: float = 1.0, n: float = 1000.0, recall: float = 0.7,
           predicted: float | None = None, positives: float | None = None) -> Cohort:
    """A day's cohort that ended ``days_ago``; one in ten is positive."""
    labels = n * covered
    true = labels / 10 if positives is None else positives
    counts = Confusion(true * recall, labels * 0.02, true * (1 - recall), labels * 0.98 - true)
    return Cohort(NOW - (days_ago + 1) * DAY, NOW - days_ago * DAY, n, labels, counts, predicted)


@pytest.mark.parametrize(("days_ago", "covered", "state"), [
    (20, 0.99, Maturity.MATURE), (20, 0.80, Maturity.OVERDUE), (5, 0.30, Maturity.PENDING), (5, 0.97, Maturity.MATURE),
    (-0.5, 1.0, Maturity.PENDING)])
def test_coverage_makes_a_cohort_comparable_and_the_delay_tells_whether_it_is_late(days_ago: float, covered: float,
                                                                                  state: Maturity) -> None:
    assert maturity(cohort(days_ago, covered=covered), WAITING, NOW) is state


def test_an_immature_cohort_is_never_compared_with_a_mature_one() -> None:
    # Frauds that are reported within days are the blatant ones: of them the model finds nearly all.
    early = cohort(3, covered=0.3, recall=0.99)
    found = realised("recall", [cohort(21), cohort(20), early], WAITING, NOW)
    assert found.figure.value == pytest.approx(0.7)
    assert found.figure.n == pytest.approx(200)
    assert found.coverage.pending == 1
    assert (found.start, found.end) == (NOW - 22 * DAY, NOW - 20 * DAY)


def test_coverage_stands_with_the_figure() -> None:
    found = coverage([cohort(21, covered=0.96), cohort(20, covered=0.98)], WAITING, NOW)
    assert found.share == pytest.approx(0.97)
    assert found.sentence == "2 mature cohorts up to 20 d ago, 97.00 % of the labels in"


def test_before_any_cohort_is_mature_it_says_when_labels_are_due() -> None:
    found = realised("recall", [cohort(5, covered=0.2), cohort(4, covered=0.1)], WAITING, NOW)
    assert found.figure.value is None
    assert found.pending == "no cohort is mature: labels are due in 9 d"
    assert found.coverage.next_due_at == NOW + 9 * DAY


def test_labels_that_are_overdue_are_not_pending() -> None:
    found = realised("recall", [cohort(30, covered=0.4)], WAITING, NOW)
    assert found.pending == ""
    assert found.coverage.overdue == 1
    assert "what came early is no fair sample" in found.coverage.notes[0]


def test_a_fall_of_coverage_from_its_usual_level_is_said() -> None:
    lower = Waiting(14 * DAY, 0.5)
    usual = [cohort(d, covered=0.97) for d in (24, 23, 22, 21)]
    found = coverage([*usual, cohort(20, covered=0.7)], lower, NOW)
    assert "coverage fell to 70.00 % from its usual 97.00 %" in found.notes
    assert not coverage([*usual, cohort(20, covered=0.95)], lower, NOW).notes


def test_a_cohort_without_predictions_is_left_out() -> None:
    found = coverage([cohort(20), cohort(19, n=0.0)], WAITING, NOW)
    assert len(found.mature) == 1


def test_labels_of_plain_counters_belong_to_the_predictions_of_one_delay_before() -> None:
    days = [NOW - 20 * DAY + i * DAY for i in range(20)]
    labels = {day: 960.0 for day in days if day >= days[14]}
    found = cohorts_by_delay(dict.fromkeys(days, 1000.0), labels, DAY, 14 * DAY)
    assert [c.labels for c in found] == [960.0] * 6 + [0.0] * 14
    assert {maturity(c, WAITING, NOW) for c in found[:6]} == {Maturity.MATURE}
    assert {maturity(c, WAITING, NOW) for c in found[6:]} == {Maturity.PENDING}


def test_weeks_begin_on_mondays() -> None:
    monday = 1_795_996_800.0  # Monday 30 November 2026, 00:00 UTC
    assert week_of(monday) == monday
    assert week_of(monday + WEEK - 1) == monday
    assert week_of(monday - 1) == monday - WEEK


def weeks(*gaps: float, n: float = 7000.0, newest_weeks_ago: int = 3) -> list[Cohort]:
    """One cohort a week, oldest first, that predicts this much more than the 10 % of positives that come."""
    found = []
    for index, gap in enumerate(reversed(gaps)):
        start = week_of(NOW) - (newest_weeks_ago + index) * WEEK
        found.append(Cohort(start, start + WEEK, n, n, None, n * (0.1 + gap), n * 0.1))
    return found


def test_the_gap_is_predicted_less_observed_by_week() -> None:
    found = weekly_gap(weeks(0.0, 0.01, 0.03), WAITING, NOW)
    assert [w.gap for w in found.weeks] == pytest.approx([0.0, 0.01, 0.03])
    assert all(w.observed_low < 0.1 < w.observed_high for w in found.weeks)


def test_recent_weeks_count_more() -> None:
    rising = weekly_gap(weeks(0.0, 0.0, 0.0, 0.04), WAITING, NOW, half_life_weeks=1)
    falling = weekly_gap(weeks(0.04, 0.0, 0.0, 0.0), WAITING, NOW, half_life_weeks=1)
    assert [w.weight for w in rising.weeks] == pytest.approx([1 / 8, 1 / 4, 1 / 2, 1])
    assert rising.value is not None
    assert falling.value is not None
    assert rising.value.value == pytest.approx(0.04 * 8 / 15)
    assert falling.value.value == pytest.approx(0.04 / 15)


def test_a_thin_week_does_not_outvote_a_full_one() -> None:
    thin = weeks(0.1, n=70.0)[0]
    found = weekly_gap([weeks(0.0, 0.0)[1], thin], WAITING, NOW, half_life_weeks=1000)
    assert found.value is not None
    assert found.value.value == pytest.approx(0.1 * 70 / 7070, rel=1e-2)


def test_a_gap_beyond_chance_is_told_with_its_direction() -> None:
    found = weekly_gap(weeks(0.03, 0.03), WAITING, NOW)
    assert found.sentence.startswith("predicts 3.00 % more positives than come (±0.50 %)")
    thin = weekly_gap(weeks(0.001, n=700.0), WAITING, NOW)
    assert thin.sentence.startswith("predicted and observed agree within ±2.")


def test_immature_weeks_are_left_out_of_the_gap() -> None:
    young = weeks(0.2, newest_weeks_ago=1)[0]
    young = Cohort(young.start, young.end, young.predictions, young.predictions * 0.3, None, 500.0, 100.0)
    found = weekly_gap([*weeks(0.0, 0.0), young], WAITING, NOW)
    assert found.immature == 1
    assert found.value is not None
    assert found.value.value == pytest.approx(0)


def test_without_a_mature_week_there_is_no_gap() -> None:
    found = weekly_gap([], WAITING, NOW)
    assert found.value is None
    assert found.sentence == "no mature week yet"


def test_days_are_summed_into_their_week() -> None:
    monday = week_of(NOW) - 4 * WEEK
    days = [Cohort(monday + i * DAY, monday + (i + 1) * DAY, 1000, 1000, None, 120, 100) for i in range(7)]
    found = weekly_gap(days, WAITING, NOW)
    assert len(found.weeks) == 1
    assert found.n == 7000
