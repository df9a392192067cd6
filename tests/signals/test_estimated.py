"""Quality estimated from scores alone, against the labels that the simulation knows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from triage.signals.estimated import Estimated, NotEstimated, estimate
from triage.signals.histogram import Buckets

INF = math.inf


def histogram(scores: Sequence[float], edges: Sequence[float]) -> Buckets:
    ordered = np.sort(np.asarray(scores))
    counts = [float(np.searchsorted(ordered, edge, "right")) for edge in edges]
    return Buckets((*edges, INF), (*counts, float(len(ordered))))


def even(count: int) -> list[float]:
    return [round((i + 1) / count, 9) for i in range(count)]


SCORES = np.random.default_rng(12).beta(2, 5, 20_000)
TRUTH = np.random.default_rng(13).random(20_000) < SCORES


def estimated(edges: Sequence[float], threshold: float = 0.5) -> Estimated:
    found = estimate(histogram(SCORES.tolist(), edges), threshold, calibrated=True)
    assert isinstance(found, Estimated)
    return found


@pytest.mark.parametrize("count", [10, 20])
def test_the_accuracy_is_that_of_the_exact_scores_within_half_a_bucket(count: int) -> None:
    exact = float(np.where(SCORES > 0.5, SCORES, 1 - SCORES).mean())
    found = estimated(even(count)).figure("accuracy")
    assert found is not None
    assert found.value == pytest.approx(exact, abs=0.002)
    assert found.low <= exact <= found.high
    assert found.high - found.low <= 1 / count + 1e-9


def test_the_estimates_meet_the_labels_when_scores_are_calibrated() -> None:
    found = estimated(even(20))
    said = SCORES > 0.5
    truth = {"accuracy": (said == TRUTH).mean(), "precision": TRUTH[said].mean(), "recall": said[TRUTH].mean(),
             "specificity": (~said)[~TRUTH].mean()}
    for name, value in truth.items():
        one = found.figure(name)
        assert one is not None
        assert one.value == pytest.approx(float(value), abs=0.025)
        assert one.low <= one.value <= one.high


def test_the_area_under_the_curve_is_that_of_ranked_labels() -> None:
    ranks = np.argsort(np.argsort(SCORES)) + 1
    positives = int(TRUTH.sum())
    area = (ranks[TRUTH].sum() - positives * (positives + 1) / 2) / (positives * (20_000 - positives))
    found = estimated(even(20)).figure("auc")
    assert found is not None
    assert found.value == pytest.approx(float(area), abs=0.01)


def test_concept_drift_cannot_be_seen_and_that_is_said() -> None:
    # What a score means was turned round; the scores, and so the estimate, are the same.
    found = estimated(even(20))
    accuracy = found.figure("accuracy")
    assert accuracy is not None
    assert accuracy.value - float(((SCORES > 0.5) == ~TRUTH).mean()) > 0.4
    assert any("no concept drift" in a for a in found.assumptions)
    assert any("calibrated" in a for a in found.assumptions)
    assert "assumes calibrated scores and no concept drift" in found.sentence


def test_a_threshold_inside_a_bucket_is_refused_with_the_nearest_edges() -> None:
    found = estimate(histogram(SCORES.tolist(), even(10)), 0.55)
    assert isinstance(found, NotEstimated)
    assert "nearest: 0.5 and 0.6" in found.reason


def test_scores_that_are_not_calibrated_are_not_used() -> None:
    assert isinstance(estimate(histogram(SCORES.tolist(), even(10)), 0.5, calibrated=False), NotEstimated)
    found = estimate(histogram(SCORES.tolist(), even(10)), 0.5)
    assert isinstance(found, Estimated)
    assert "does not say whether the scores are calibrated" in found.notes[0]


@pytest.mark.parametrize(("scores", "said"), [([1.5] * 200, "above 1"), ([-0.5] * 200, "below 0")])
def test_scores_that_are_no_probabilities_are_refused(scores: list[float], said: str) -> None:
    found = estimate(histogram(scores, [-0.2, 0.5, 1.0]), 0.5)
    assert isinstance(found, NotEstimated)
    assert said in found.reason


def test_few_scores_estimate_nothing() -> None:
    found = estimate(histogram([0.2] * 40, even(10)), 0.5)
    assert isinstance(found, NotEstimated)
    assert found.reason == "40 of 100 scores needed"


def test_wide_buckets_show_in_the_limits_and_are_noted() -> None:
    found = estimate(histogram(SCORES.tolist(), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]), 0.5, calibrated=True)
    assert isinstance(found, Estimated)
    accuracy = found.figure("accuracy")
    assert accuracy is not None
    assert accuracy.high - accuracy.low > 0.15
    assert "spans 0.5" in found.notes[0]


def test_the_scatter_of_a_small_window_is_told() -> None:
    # A coin's accuracy at n = 100 comes out at up to 0.6 by chance.
    found = estimate(Buckets((0.45, 0.5, 0.55, INF), (0.0, 50.0, 100.0, 100.0)), 0.5, calibrated=True)
    assert isinstance(found, Estimated)
    assert found.sampling_half_width == pytest.approx(1.96 * 0.5 / 10, rel=0.01)


def test_a_figure_without_a_denominator_is_left_out() -> None:
    found = estimate(Buckets((0.1, 0.5, INF), (500.0, 500.0, 500.0)), 0.5)
    assert isinstance(found, Estimated)
    assert found.figure("precision") is None
    assert found.figure("accuracy") is not None
