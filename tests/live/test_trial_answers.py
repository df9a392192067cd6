"""What is asked about the answers of both arms, and what becomes of it: classes, mean scores, figures with margins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.live.trials import NOW, Counter, answered, counter, metric, on, rising, stored, written
from triage.facts.replies import MODEL, Part
from triage.live.arms import BEFORE_INTERVALS
from triage.live.trial import trial, trial_questions
from triage.live.trial_answers import worse_side
from triage.notebook.compared import CLASSES, SCORE_MEAN
from triage.notebook.load import Notebook
from triage.signals.canary import CanaryState, CanaryVerdict, EventMetric, LevelMetric, Trial, Worse
from triage.signals.judge import judge

CLASSIFIER = {"counter": "decisions_total", "label": "decision", "values": ["approve", "decline"]}
SUCCESS: Mapping[str, Any] = {"name": "success", "objective": 99.9, "window": "30d", "required": True,
                              "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"}}
SCORES = {"prediction": {"name": "score", "histogram": "score", "reference": {"edges": [0.5], "counts": [10, 10]}}}
Write = Callable[..., Notebook]


@pytest.fixture
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """A notebook with these blocks."""
    return lambda **blocks: written(tmp_path_factory.mktemp("answers"), [SUCCESS], **blocks)


def decided(version: str, **per_scrape: float) -> list[Counter]:
    return [counter("decisions_total", version, rising(n), decision=decision) for decision, n in per_scrape.items()]


def made(notebook: Notebook, *counters: Counter) -> tuple[Trial, CanaryState]:
    grid = on()
    found, policy = trial(notebook, {}, answered(notebook, stored(*counters), grid), grid, "traffic")
    return found, judge(found, policy)


def asked(notebook: Notebook) -> list[tuple[str, Part]]:
    return [(q.objective, q.part) for q, _ in trial_questions(notebook, {}, on(), 60.0)
            if q.objective not in (MODEL, "success")]


def verdict(state: CanaryState, name: str) -> tuple[CanaryVerdict, bool]:
    [found] = [m for m in state.metrics if m.name == name]
    return found.verdict, found.gates


def test_the_share_of_each_class_is_compared_with_that_of_stable(write: Write) -> None:
    notebook = write(canary={"classes": CLASSIFIER, "max_delta": [{"metric": CLASSES, "absolute": "2pt"}]})
    assert asked(notebook) == [(CLASSES, Part.CATEGORIES)]
    found, state = made(notebook, *decided("v1", approve=54, decline=36), *decided("v2", approve=30, decline=30))
    approve = metric(found, "decision approve")
    assert isinstance(approve, EventMetric)
    assert (approve.canary.rate, approve.stable.rate) == pytest.approx((0.5, 0.6))
    assert approve.before.rate == pytest.approx(0.6)
    assert verdict(state, "decision approve") == (CanaryVerdict.FAIL, True)
    assert verdict(state, "decision decline") == (CanaryVerdict.FAIL, True)
    assert state.verdict is CanaryVerdict.FAIL
    assert "off by more than 2 pt" in state.reason


def test_equal_shares_pass(write: Write) -> None:
    notebook = write(canary={"classes": CLASSIFIER, "max_delta": [{"metric": CLASSES, "absolute": "10pt"}]})
    _, state = made(notebook, *decided("v1", approve=54, decline=36), *decided("v2", approve=36, decline=24))
    assert verdict(state, "decision approve") == (CanaryVerdict.PASS, True)
    assert verdict(state, "decision decline") == (CanaryVerdict.PASS, True)


def test_classes_without_a_margin_are_shown_and_decide_nothing(write: Write) -> None:
    _, state = made(write(canary={"classes": CLASSIFIER}), *decided("v1", approve=54, decline=36),
                    *decided("v2", approve=6, decline=54))
    assert verdict(state, "decision approve") == (CanaryVerdict.FAIL, False)
    assert state.verdict is not CanaryVerdict.FAIL


def test_a_class_that_the_canary_never_predicts_is_a_share_of_nothing(write: Write) -> None:
    found, _ = made(write(canary={"classes": CLASSIFIER}), *decided("v1", approve=54, decline=36),
                    *decided("v2", decline=60))
    approve = metric(found, "decision approve")
    assert isinstance(approve, EventMetric)
    assert approve.canary.rate == 0
    assert approve.canary.total_exposure == pytest.approx(on().count * 4 * 60)


def test_classes_that_the_manifest_does_not_name_count_among_all(write: Write) -> None:
    found, _ = made(write(canary={"classes": CLASSIFIER}), *decided("v1", approve=50, decline=30, refer=20),
                    *decided("v2", approve=50, decline=30, refer=20))
    approve = metric(found, "decision approve")
    assert isinstance(approve, EventMetric)
    assert approve.stable.rate == pytest.approx(0.5)


def test_the_categories_of_the_prediction_are_the_classes_where_nothing_else_is_said(write: Write) -> None:
    prediction = {"name": "decision", "categories": "decisions_total", "category_label": "decision",
                  "reference": {"categories": {"approve": 60, "decline": 40}}}
    found, _ = made(write(drift={"prediction": prediction}), *decided("v1", approve=54, decline=36),
                    *decided("v2", approve=36, decline=24))
    assert [m.name for m in found.metrics if m.name.startswith("decision ")] == ["decision approve", "decision decline"]


def scored(version: str, mean: float, seed: int) -> list[Counter]:
    events = np.random.default_rng(seed).poisson(400, 900)
    noise = np.random.default_rng(seed + 1).normal(0, 0.002, 900)
    return [counter("score_sum", version, np.cumsum(events * (mean + noise)).tolist()),
            counter("score_count", version, np.cumsum(events).astype(float).tolist())]


@pytest.mark.parametrize(("mean", "expected"), [(0.3, CanaryVerdict.PASS), (0.36, CanaryVerdict.FAIL)])
def test_the_mean_of_the_scores_is_compared_where_it_has_a_margin(write: Write, mean: float,
                                                                 expected: CanaryVerdict) -> None:
    notebook = write(drift=SCORES, canary={"sustained": "5m", "max_delta": [{"metric": SCORE_MEAN, "relative": "5%"}]})
    assert asked(notebook) == [(SCORE_MEAN, Part.LEVEL)]
    grid = on(NOW + 80)
    answers = answered(notebook, stored(*scored("v1", 0.3, 1), *scored("v2", mean, 3), until=NOW + 60), grid)
    found, policy = trial(notebook, {}, answers, grid, "traffic")
    level = metric(found, SCORE_MEAN)
    assert isinstance(level, LevelMetric)
    assert [v for v in level.stable if v is not None] == pytest.approx([0.3] * grid.count, rel=0.01)
    assert len(level.before) == BEFORE_INTERVALS
    assert verdict(judge(found, policy), SCORE_MEAN) == (expected, True)


def test_the_mean_of_the_scores_is_not_asked_for_without_a_margin(write: Write) -> None:
    assert asked(write(drift=SCORES)) == []


def test_a_proxy_that_counts_is_compared_per_request(write: Write) -> None:
    quality = {"feedback": {"regime": "none"}, "proxies": [{"name": "overridden", "metric": "overrides_total",
                                                            "kind": "counter"}]}
    notebook = write(quality=quality, canary={"max_delta": [{"metric": "overridden", "absolute": "1pt"}]})
    counters = [counter("requests_total", v, rising(n), code="200") for v, n in (("v1", 90.0), ("v2", 60.0))]
    found, state = made(notebook, *counters, counter("overrides_total", "v1", rising(0.9)),
                        counter("overrides_total", "v2", rising(6)))
    share = metric(found, "overridden")
    assert isinstance(share, EventMetric)
    assert (share.canary.rate, share.stable.rate) == pytest.approx((0.1, 0.01))
    assert verdict(state, "overridden") == (CanaryVerdict.FAIL, True)


@pytest.mark.parametrize(("at_least", "at_most", "worse"), [
    (0.8, None, Worse.LOWER), (None, 0.1, Worse.HIGHER), (None, None, Worse.EITHER), (0.1, 0.8, Worse.EITHER)])
def test_a_figure_gets_worse_towards_its_limit(at_least: float | None, at_most: float | None, worse: Worse) -> None:
    assert worse_side(at_least, at_most) is worse


def test_a_canary_whose_quality_is_better_than_the_margin_does_not_fail(write: Write) -> None:
    helpful = {"name": "helpful", "metric": "helpful", "at_least": 0.8}
    quality = {"feedback": {"regime": "instant"}, "metrics": [helpful]}
    notebook = write(quality=quality, canary={"sustained": "5m",
                                              "max_delta": [{"metric": "helpful", "absolute": 0.02}]})
    rng = np.random.default_rng(5)
    gauges = [counter("helpful", v, (mean + rng.normal(0, 0.005, 900)).tolist())
              for v, mean in (("v1", 0.85), ("v2", 0.95))]
    grid = on(NOW + 80)
    found, policy = trial(notebook, {}, answered(notebook, stored(*gauges, until=NOW + 60), grid), grid, "traffic")
    assert verdict(judge(found, policy), "helpful") == (CanaryVerdict.PASS, True)
