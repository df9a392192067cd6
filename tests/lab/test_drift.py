"""What moved in the lab's worlds is found by name, where it moved, and nothing is found where nothing did."""

from __future__ import annotations

import pytest

from tests.lab.conftest import Opening
from tests.lab.standing import lab
from triage.live.snapshot import Snapshot
from triage.signals.drift_reading import DriftReading, Moved, drifting, moved
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.model import ModelState
from triage.signals.reading import Verdict
from triage.signals.retrain import TriggerState

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def worlds(opening: Opening) -> dict[str, Snapshot]:
    """What the product says at the opening of the scenarios in which something moved."""
    return {name: opening(name) for name in ("slow-drift", "drift-both-arms", "skewed-amount")}


def of(snapshot: Snapshot, name: str) -> tuple[ModelState, DriftReading]:
    model = snapshot.model(name)
    assert model is not None
    assert model.drift is not None
    assert model.drift.failure is None
    return model, model.drift


def by_name(snapshot: Snapshot, name: str) -> dict[str, Moved]:
    model, reading = of(snapshot, name)
    return {item.feature.feature: item for item in moved(reading, model.versions)}


def test_weeks_of_slow_drift_are_found_although_yesterday_looked_like_today(worlds: dict[str, Snapshot]) -> None:
    found = by_name(worlds["slow-drift"], "review-sentiment")
    assert found["review_length"].verdict is DriftVerdict.DRIFT
    assert found["review_length"].where == ""
    model, _ = of(worlds["slow-drift"], "review-sentiment")
    assert [t.state for t in model.retrain if t.condition == "drift critical"] == [TriggerState.BUILDING]


def test_what_both_versions_see_is_not_the_new_versions_doing(worlds: dict[str, Snapshot]) -> None:
    found = by_name(worlds["drift-both-arms"], "image-moderation")
    assert found["brightness"].verdict is DriftVerdict.DRIFT
    assert found["brightness"].where == "on 4 and 5 alike: rolling back would not help"
    assert found["width_px"].verdict is DriftVerdict.OK
    assert {arm.version: arm.feature.verdict for arm in found["brightness"].arms} == {
        "4": DriftVerdict.DRIFT, "5": DriftVerdict.DRIFT}


def test_a_feature_in_another_unit_is_found_and_its_neighbours_are_not(worlds: dict[str, Snapshot]) -> None:
    found = by_name(worlds["skewed-amount"], "fraud-scorer")
    assert {name: item.verdict for name, item in found.items()} == {
        "amount": DriftVerdict.DRIFT, "score": DriftVerdict.DRIFT, "merchant_age_days": DriftVerdict.OK,
        "country": DriftVerdict.OK}


def test_models_that_nothing_happened_to_do_not_drift(worlds: dict[str, Snapshot]) -> None:
    touched = {"slow-drift": "review-sentiment", "drift-both-arms": "image-moderation", "skewed-amount": "fraud-scorer"}
    for name, snapshot in worlds.items():
        for model in snapshot.models:
            if model.name != touched[name]:
                assert model.drift is not None
                assert not drifting(model.drift, model.versions), (name, model.name)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_a_healthy_world_every_feature_is_known_and_none_drifts(
        seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    with lab("healthy", tmp_path_factory.mktemp("healthy"), seed=seed) as running:
        snapshot = running.snapshot()
    for model in snapshot.models:
        _, reading = of(snapshot, model.name)
        assert reading.state is not None
        assert {f.verdict for f in reading.state.features} == {DriftVerdict.OK}, model.name


def test_one_subgroup_that_is_worse_is_named(opening: Opening) -> None:
    snapshot = opening("subgroup-hidden")
    model = snapshot.model("chat-assistant")
    assert model is not None
    assert model.quality is not None
    worse = [s for s in model.quality.present(model.versions).slices if s.disparity.verdict is Verdict.FAIL]
    assert [(s.label, s.disparity.definition) for s in worse] == [("language", "helpful")]
    assert " in pl, " in worse[0].disparity.sentence
    others = [s.disparity.verdict for m in snapshot.models if m is not model and m.quality is not None
              for s in m.quality.present(m.versions).slices]
    # Labels of a version that is younger than its labels' delay are awaited.
    assert set(others) <= {Verdict.PASS, Verdict.PENDING}
    assert Verdict.PASS in others
