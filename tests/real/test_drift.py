"""A histogram that is known to have moved, on a real Prometheus: its score is what the events by bucket amount to.

The score is computed a second time here, with numpy from the formulas of the world and without any code of triage.
"""

from __future__ import annotations

import asyncio

import numpy as np
import numpy.typing as npt
import pytest

from tests.real import fraud
from tests.real.stage import Stage
from tests.real.truth import HOUR
from triage.clock import SystemClock
from triage.config import activate
from triage.live.once import take_snapshot
from triage.overrides import Overrides
from triage.signals.drift_model import DriftState, FeatureDrift
from triage.signals.drift_reading import DriftReading, Moved, moved
from triage.signals.drift_verdicts import DriftVerdict

Counts = npt.NDArray[np.float64]
Seen = tuple[DriftReading, dict[str, Moved]]
USUAL = np.array([589, 1428, 3177, 4723, 4739, 3253, 1485, 483, 102, 21], dtype=np.float64)
SHIFTED = np.array([300, 700, 1700, 3000, 4300, 4700, 3300, 1500, 400, 100], dtype=np.float64)
CLOSE = 0.02
"""Relative: ``increase`` stretches what it finds between two scrapes over the window."""


def events(at: float) -> dict[str, Counts]:
    """Events by bucket of each version in the hour before ``at`` seconds from the epoch."""
    stable = sum(fraud.flows("failing")["7", code].between(at - HOUR, at) for code in ("200", "422", "500"))
    # The canary's inputs changed when it began to fail; ten percent of the traffic is its own.
    share = fraud.CANARY_SHARE / (1 - fraud.CANARY_SHARE)
    whole = fraud.flows("failing")["7", "422"]
    scale = stable / whole.between(at - HOUR, at)
    before = whole.between(at - HOUR, fraud.FAILING_SINCE) * scale * share
    since = whole.between(fraud.FAILING_SINCE, at) * scale * share
    return {"7": stable * USUAL / USUAL.sum(),
            "8": before * USUAL / USUAL.sum() + since * SHIFTED / SHIFTED.sum()}


def psi(current: Counts) -> float:
    p, q = (USUAL + 0.5) / (USUAL + 0.5).sum(), (current + 0.5) / (current + 0.5).sum()
    return float(((q - p) * np.log(q / p)).sum())


@pytest.fixture(scope="module")
def seen(stage: Stage) -> Seen:
    """What triage makes of fraud-scorer: the reading, and its features by name."""
    active = activate(Overrides(config=str(stage.config)), {})
    [model] = asyncio.run(take_snapshot(active, ["fraud-scorer"], SystemClock())).models
    assert model.drift is not None
    assert model.drift.failure is None
    assert model.notes == ()
    assert [trigger.condition for trigger in model.retrain] == ["drift critical", "recall beyond its limit"]
    assert model.quality is not None
    assert {f.judged.figure.name for f in model.quality.figures} == {"precision", "recall", "review-rate"}
    return model.drift, {m.feature.feature: m for m in moved(model.drift, model.versions)}


def at(stage: Stage, reading: DriftReading) -> float:
    assert reading.answered_at is not None
    return reading.answered_at - stage.epoch


def amount(state: DriftState | None) -> FeatureDrift:
    assert state is not None
    found = state.feature("amount")
    assert found is not None
    return found


def test_the_score_of_the_version_whose_inputs_moved_is_that_of_its_events(stage: Stage, seen: Seen) -> None:
    reading = seen[0]
    expected = events(at(stage, reading))["8"]
    found = amount(reading.of_version("8"))
    assert found.n_current == pytest.approx(expected.sum(), rel=CLOSE)
    assert found.score == pytest.approx(psi(expected), rel=2 * CLOSE)
    assert found.verdict is (DriftVerdict.DRIFT if psi(expected) >= 0.25 else DriftVerdict.WATCH)


def test_all_versions_together_are_the_sum_of_their_events(stage: Stage, seen: Seen) -> None:
    reading = seen[0]
    both = events(at(stage, reading))
    found = amount(reading.state)
    assert found.n_current == pytest.approx((both["7"] + both["8"]).sum(), rel=CLOSE)
    assert found.score == pytest.approx(psi(both["7"] + both["8"]), rel=0.1)
    assert found.verdict is DriftVerdict.OK


def test_what_moved_in_one_version_alone_is_said_of_it_alone(seen: Seen) -> None:
    assert seen[1]["amount"].where == "only on canary 8, not on 7"


def test_features_that_did_not_move_are_ok_with_the_same_answer(seen: Seen) -> None:
    assert {name: item.verdict for name, item in seen[1].items() if name != "amount"} == {
        "score": DriftVerdict.OK, "merchant_age_days": DriftVerdict.OK, "country": DriftVerdict.OK}
    assert all(item.feature.score is not None and item.feature.score < 0.001
               for name, item in seen[1].items() if name != "amount")
