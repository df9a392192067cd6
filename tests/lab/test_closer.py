"""What the debug screen asks closely is true of the lab's worlds: labels, feature views, attributions, references."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.lab.conftest import Standing
from tests.lab.standing import TOKEN, Lab
from triage.config import activate
from triage.facts.closer_look import CloserLook
from triage.live.once import load_notebooks
from triage.live.poller import Poller
from triage.overrides import Overrides
from triage.signals.closer_reading import CloserReading
from triage.signals.cohorts import Maturity
from triage.signals.estimated import Estimated, NotEstimated
from triage.signals.model import ModelState
from triage.signals.reading import Verdict


def closely(running: Lab, model: str, look: CloserLook) -> tuple[ModelState, CloserReading]:
    """One closer look at one model."""
    async def taken() -> ModelState:
        active = activate(Overrides(config=str(running.config)), {})
        poller = Poller(active, load_notebooks(active), running.clock, goes_on=False)
        try:
            poller.watch([model])
            poller.look_closer(look)
            return (await poller.refresh_once()).models[0]
        finally:
            await poller.aclose()

    found = asyncio.run(taken())
    assert found.closer is not None
    assert (found.closer.scores.failure, found.closer.labels.failure) == (None, None)
    return found, found.closer


def increase(running: Lab, expression: str) -> float:
    """A number computed by the lab's Prometheus itself, apart from what the product asks."""
    answer = httpx.get(f"{running.url}/prometheus/api/v1/query", trust_env=False,
                       params={"query": expression, "time": str(running.clock.now())},
                       headers={"Authorization": f"Bearer {TOKEN}"})
    [sample] = answer.json()["data"]["result"]
    return float(sample["value"][1])


@pytest.fixture(scope="module")
def skewed(standing: Standing) -> tuple[ModelState, CloserReading, float]:
    """fraud-scorer, whose amounts have been in another unit for under three hours; and predictions of a past day."""
    running = standing("skewed-amount")
    model, reading = closely(running, "fraud-scorer", CloserLook("amount"))
    answer = reading.labels.answer
    assert answer is not None
    day = answer.states[-1].cohort
    ago = running.clock.now() - day.end
    return model, reading, increase(running, f"sum(increase(fraud_requests_total[1d] offset {round(ago)}s))")


def test_labels_that_come_after_a_fortnight_are_matched_to_the_day_they_are_about(
        skewed: tuple[ModelState, CloserReading, float]) -> None:
    found = skewed[1].labels.answer
    assert found is not None
    assert [state.maturity for state in found.states[-14:]] == [Maturity.PENDING] * 14
    assert {state.maturity for state in found.states[:-14]} == {Maturity.MATURE}
    # The lab labels 97 of 100 payments, holds 68 of 100 frauds, and 6 of 1,000 payments are frauds.
    assert found.coverage.share == pytest.approx(0.97, abs=0.003)
    figures = {item.figure.name: item.figure.value for item in found.figures}
    assert figures == {"precision": pytest.approx(0.00408 / 0.00988, abs=0.01), "recall": pytest.approx(0.68, abs=0.01)}
    assert found.gap is not None
    assert found.gap.value is not None
    assert found.gap.value.value == pytest.approx(0.00988 - 0.006, abs=0.0002)


def test_the_predictions_of_a_cohort_are_those_that_prometheus_counts(
        skewed: tuple[ModelState, CloserReading, float]) -> None:
    found = skewed[1].labels.answer
    assert found is not None
    assert found.states[-1].cohort.predictions == pytest.approx(skewed[2], rel=1e-6)


def test_the_score_over_time_shows_when_the_feature_moved_and_ends_at_the_present_one(
        skewed: tuple[ModelState, CloserReading, float]) -> None:
    model, reading, _ = skewed
    past = reading.scores.answer
    assert past is not None
    assert past.values[0] is not None
    assert past.values[0] < 0.01
    assert model.drift is not None
    assert model.drift.state is not None
    present = model.drift.state.feature("amount")
    assert present is not None
    assert past.values[-1] == pytest.approx(present.score, rel=0.05)
    first = next(n for n, value in enumerate(past.values) if value is not None and value >= past.critical)
    assert past.start + first * past.step > past.start + 3 * 3600


def test_the_model_listens_more_to_the_feature_that_moved(skewed: tuple[ModelState, CloserReading, float]) -> None:
    found = {item.feature: item for item in skewed[1].attributions.answer or ()}
    assert found["amount"].usual_share == pytest.approx(0.5)
    assert found["amount"].share > 0.6
    assert found["country"].change is not None
    assert found["country"].change < 0


def test_scores_that_are_no_probabilities_estimate_nothing(skewed: tuple[ModelState, CloserReading, float]) -> None:
    assert skewed[0].quality is not None
    assert all(isinstance(item.estimated, NotEstimated) for item in skewed[0].quality.estimates)


def test_a_view_that_stands_still_is_found_and_its_references_come_from_the_registry(standing: Standing) -> None:
    model, reading = closely(standing("features-stale"), "loan-approval", CloserLook("income"))
    assert model.feature_store is not None
    [view] = model.feature_store.views
    assert (view.view, view.verdict) == ("credit_bureau", Verdict.FAIL)
    assert view.freshness.value is not None
    assert 3.3 * 3600 < view.freshness.value < 4 * 3600
    assert any("materialisations failed" in note for note in view.notes)
    assert [r.subject for r in model.reasons if r.rule == "features"] == ["credit_bureau"]
    assert model.drift is not None
    assert model.drift.state is not None
    where = {f.feature: f.reference_from for f in model.drift.state.features}
    assert where["income"] == "version 3 in the registry, from applications, taken 2026-08-31"
    assert where["debt_ratio"] == "the manifest, from applications, taken 2026-08-31"
    # Those who were declined never get a label, and labels come after a month.
    assert reading.labels.answer is not None
    assert not reading.labels.answer.coverage.mature
    assert "due in" in reading.labels.answer.coverage.sentence
    assert model.quality is not None
    parity = next(s.disparity for s in model.quality.slices
                  if (s.version, s.disparity.definition) == ("3", "demographic_parity"))
    assert parity.verdict is Verdict.PASS
    assert {rate.group for rate in parity.rates} == {"18-29", "30-49", "50-64", "65+"}
    assert all(rate.value == pytest.approx(0.62, abs=0.04) for rate in parity.rates)


def test_quality_is_estimated_for_a_calibrated_model_whose_labels_come_after_weeks(standing: Standing) -> None:
    model, reading = closely(standing("healthy"), "churn-ranker", CloserLook())
    assert model.quality is not None
    [estimate] = [item.estimated for item in model.quality.estimates]
    assert isinstance(estimate, Estimated)
    # Of those who leave 32 of 100 are found, and 5.6 of 100 customers are wrong alarms.
    recall, accuracy = estimate.figure("recall"), estimate.figure("accuracy")
    assert recall is not None
    assert recall.value == pytest.approx(0.32, abs=0.02)
    assert accuracy is not None
    assert accuracy.value == pytest.approx(1 - 0.219 * 0.68 - 0.056, abs=0.01)
    assert reading.labels.answer is not None
    assert any("none can be matched yet" in note for note in reading.labels.answer.notes)
    assert model.feature_store is not None
    assert [view.verdict for view in model.feature_store.views] == [Verdict.PASS]
