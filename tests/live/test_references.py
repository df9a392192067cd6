"""References kept with the registered version are read once, scored against, and what stands in their way is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live.conftest import Asked, parts
from tests.live.test_beside import Others, configured, folder, others, polling
from tests.live.test_drift import Notebooks
from tests.sources.faults import Handler, Request, json_answer
from triage.clock import ManualClock
from triage.signals.drift_model import FeatureDrift
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.retrain import TriggerState

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


def past_of_one_feature(prometheus: Asked) -> Callable[[], int]:
    """Let the server answer what triggers look back at: nearly all under 0.5, always. How often it was asked."""
    asked = 0

    def answer(expression: str) -> Handler | None:
        return matrix if "sum by (feature, le)" in expression else None

    async def matrix(request: Request, writer: Any) -> object:
        nonlocal asked
        asked += 1
        start, end, step = (float(request.fields[name][0]) for name in ("start", "end", "step"))
        [address] = [address for address, text in parts(request.fields["query"][0]) if "_bucket" in text]
        times = [start + number * step for number in range(round((end - start) / step) + 1)]
        return await json_answer({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"triage_question": address, "feature": "a", "le": le}, "values": [[t, count] for t in times]}
            for le, count in (("0.5", "99990"), ("+Inf", "100000"))]}})(request, writer)

    prometheus.fake.fail = answer
    return lambda: asked


@pytest.fixture
def retraining(watching: Path) -> Path:
    """The model is trained anew when that feature drifts."""
    path = watching / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"]["retrain"] = {"when": [{"drift": "critical", "sustained": "6h"}]}
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return watching


@pytest.mark.parametrize(("counts", "state"), [
    ("[10, 99990]", TriggerState.ASKED), ("[99990, 10]", TriggerState.QUIET)])
async def test_retrain_triggers_are_judged_by_what_was_registered_also_when_looked_at_once(
        retraining: Path, prometheus: Asked, others: Others, clock: ManualClock, counts: str,
        state: TriggerState) -> None:
    others.tags["triage.references"] = KEPT.replace("[99990, 10]", counts)
    asked = past_of_one_feature(prometheus)
    async with polling(configured(retraining, prometheus, others), clock) as poller:
        [trigger] = (await poller.refresh_once()).models[0].retrain
    assert (trigger.state, asked()) == (state, 1)


async def test_a_registry_that_answers_late_has_the_past_judged_again_and_not_asked_again(
        retraining: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.tags["triage.references"] = KEPT.replace("[99990, 10]", "[10, 99990]")
    asked = past_of_one_feature(prometheus)
    others.answers.clear()
    async with polling(configured(retraining, prometheus, others), clock) as poller:
        async def told() -> TriggerState:
            async with asyncio.timeout(10):
                while not (found := (await poller.refresh_once(0.1)).models[0].retrain):
                    pass
            return found[0].state

        assert await told() is TriggerState.UNKNOWN
        others.answers.set()
        clock.advance(5)
        await poller.refresh_once()
        await poller.refresh_once()
        assert await told() is TriggerState.ASKED
    assert asked() == 1
