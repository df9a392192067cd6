"""What an inference costs: price, pods and inferences of one window, and what is missing of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.serving_data import NOW, STALE_AFTER, answers, sample
from triage.facts.outcome import Failure, FailureKind
from triage.facts.pod_series import PodAnswers, PodPart, PodQuestion
from triage.facts.samples import Sample
from triage.signals.cost import cost
from triage.signals.reading import Quality
from triage.signals.resources_model import Cost

GONE = Failure(FailureKind.TIMEOUT, "no answer within 5 s")


def told(**parts: float) -> PodAnswers:
    return answers({PodPart[name]: [sample(value)] for name, value in parts.items()})


def usual(**changed: float) -> PodAnswers:
    return told(**{"INFERENCES": 12_000.0, "POD_MINUTES": 180.0, "MINUTES": 60.0, "CPU_SECONDS": 600.0} | changed)


def made(found: PodAnswers, price: float | None = 0.4, *, stale: bool = False) -> Cost:
    return cost(found, price, stale=stale)


def test_it_is_the_price_of_the_pods_that_were_there_over_the_inferences_they_made() -> None:
    found = made(usual())
    assert (found.pod_hours, found.covered) == (3.0, 1.0)
    assert found.spent == pytest.approx(1.2)
    assert found.per_1000.value == pytest.approx(0.4 * 3 / 12_000 * 1000)
    assert (found.per_1000.quality, found.per_1000.n, found.per_1000.window_seconds) == (Quality.OK, 12_000, 3600)
    assert found.cpu_seconds.value == pytest.approx(0.05)


def test_without_a_price_the_use_is_told_and_the_cost_says_what_is_missing() -> None:
    found = made(usual(), None)
    assert (found.per_1000.value, found.per_1000.quality) == (None, Quality.NO_DATA)
    assert found.per_1000.note == "spec.resources.price_per_hour is not set"
    assert found.cpu_seconds.value is not None


def test_pods_that_serve_nobody_cost_and_no_inference_has_a_price() -> None:
    found = made(usual(INFERENCES=0.0))
    assert found.spent == pytest.approx(1.2)
    assert found.per_1000.value is None
    assert (found.per_1000.quality, found.per_1000.note) == (Quality.NO_TRAFFIC, "no inference within the hour")


def test_an_hour_that_is_half_covered_says_so() -> None:
    found = made(usual(MINUTES=30.0, POD_MINUTES=90.0))
    assert (found.pod_hours, found.covered, found.per_1000.quality) == (1.5, 0.5, Quality.PARTIAL)
    assert found.per_1000.note == "pods were seen in 30 of 60 minutes"


def test_both_ends_of_an_hour_counted_are_no_more_than_an_hour() -> None:
    # Prometheus 2 counts 61 points where the window begins on a full minute.
    assert made(usual(MINUTES=61.0, POD_MINUTES=183.0)).pod_hours == pytest.approx(3.0)


@pytest.mark.parametrize(("found", "quality", "note"), [
    (PodAnswers(STALE_AFTER), Quality.WAITING, ""),
    (PodAnswers(STALE_AFTER, failure=GONE), Quality.ERROR, GONE.sentence()),
    (told(POD_MINUTES=60.0, MINUTES=60.0), Quality.NO_DATA, "no series count the inferences"),
    (told(INFERENCES=50.0), Quality.NO_DATA, "no series tell how many pods there were"),
    (usual(INFERENCES=50.0), Quality.LOW_N, "few inferences")])
def test_what_is_missing_is_said(found: PodAnswers, quality: Quality, note: str) -> None:
    reading = made(found).per_1000
    assert (reading.quality, reading.note) == (quality, note)
    assert (reading.value is None) == (quality is not Quality.LOW_N)


def test_an_old_answer_and_a_partial_one_are_told_as_such() -> None:
    assert made(usual(), stale=True).per_1000.quality is Quality.STALE
    partial = PodAnswers(STALE_AFTER, usual().found, NOW, ("a store did not answer",))
    assert (made(partial).per_1000.quality, made(partial).per_1000.note) == (Quality.PARTIAL, "a store did not answer")


def test_counters_of_one_candidate_are_added_up_and_the_first_that_has_data_counts() -> None:
    found: dict[PodQuestion, tuple[Sample, ...]]
    found = {PodQuestion(PodPart.INFERENCES, 1, term): (sample(value),) for term, value in enumerate((900.0, 100.0))}
    found |= {PodQuestion(PodPart.INFERENCES, 2): (sample(7.0),), PodQuestion(PodPart.INFERENCES, 0): ()}
    assert made(PodAnswers(STALE_AFTER, found, NOW)).inferences == 1000.0


@given(st.floats(0.01, 1e4), st.floats(1, 1e9), st.floats(1, 1e5), st.integers(1, 61))
def test_what_is_spent_is_what_all_inferences_cost(price: float, inferences: float, pod_minutes: float,
                                                   minutes: int) -> None:
    found = made(usual(INFERENCES=inferences, POD_MINUTES=pod_minutes, MINUTES=float(minutes)), price)
    assert found.per_1000.value is not None
    assert found.per_1000.value * inferences / 1000 == pytest.approx(found.spent)
