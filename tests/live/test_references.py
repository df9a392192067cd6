"""References kept with the registered version are read once, scored against, and what stands in their way is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live.conftest import Asked
from tests.live.test_beside import Others, configured, folder, others, polling
from tests.live.test_drift import Notebooks
from triage.clock import ManualClock
from triage.signals.drift_model import FeatureDrift
from triage.signals.drift_verdicts import DriftVerdict

__all__ = ["folder", "others"]
KEPT = json.dumps({"apiVersion": "triage/v1alpha1", "kind": "References", "features": {
    "a": {"edges": [0.5], "counts": [99_990, 10], "data": "training", "at": "2026-11-02"}}})


@pytest.fixture
def watching(folder: Path) -> Path:
    """The model watches one feature, whose reference is the registered one."""
    path = folder / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"]["drift"] = {"features": [{"name": "a", "histogram": "value", "reference": {"registered": True}}]}
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


async def seen(active: Any, clock: ManualClock, looks: int = 1) -> FeatureDrift:
    """The feature after so many looks, a minute from one to the next."""
    async with polling(active, clock) as poller:
        for _ in range(looks):
            snapshot = await poller.refresh_once()
            clock.advance(61)
    drift = snapshot.models[0].drift
    assert drift is not None
    assert drift.state is not None
    return drift.state.features[0]


async def test_a_feature_is_scored_against_what_was_registered_also_when_looked_at_once(
        watching: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.tags["triage.references"] = KEPT
    found = await seen(configured(watching, prometheus, others), clock)
    assert found.reference_from == "version 1 in the registry, from training, taken 2026-11-02"
    assert found.n_reference == 100_000
    assert found.score is not None


async def test_a_version_that_keeps_none_is_told_and_no_feature_called_fine(
        watching: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    found = await seen(configured(watching, prometheus, others), clock)
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert found.sentence == "nothing to compare with: version 1 in the registry keeps none of it"


async def test_references_that_cannot_be_read_are_told_and_not_asked_for_at_every_refresh(
        watching: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.tags["triage.references"] = "features: [no mapping"
    found = await seen(configured(watching, prometheus, others), clock, looks=4)
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert "the registered one cannot be read: " in found.sentence


async def test_a_registry_that_is_down_leaves_what_stands_in_the_manifest(
        watching: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    path = watching / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"]["drift"]["features"][0]["reference"] |= {"edges": [0.5], "counts": [500, 500]}
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    others.down = True
    found = await seen(configured(watching, prometheus, others), clock)
    assert found.reference_from == "the manifest; the registry has given none yet"
    assert found.n_reference == 1000


async def test_nobody_asks_for_references_that_the_manifest_does_not_refer_to(
        folder: Path, notebooks: Notebooks, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    async with polling(configured(folder, prometheus, others), clock) as poller:
        await poller.refresh_once()
    assert others.asked("references") == 0
