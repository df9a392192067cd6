"""What serves beside what is registered, told by the product with the lab's MLflow and the real one as registry."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.live.conftest import FakePrometheus
from tests.real.tracking import Tracking
from tests.sources.faults import FaultServer
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.config_sources import MlflowRegistry
from triage.endpoints import Endpoint
from triage.facts.outcome import SourceState
from triage.live.once import take_snapshot
from triage.live.snapshot import Snapshot
from triage.signals.model import ModelState
from triage.signals.promise import PromiseState
from triage.signals.reading import Urgency, Verdict

NOW = 1_795_400_100.0


@dataclass(frozen=True, slots=True)
class Ground:
    """A model that serves as v1, and its registry."""

    tracking: Tracking
    name: str
    folder: Path
    prometheus: str

    def register(self, **tags: str) -> str:
        """Add a version; of a run where the server keeps files, so that it can look for its manifest."""
        run = self.tracking.post("runs/create", experiment_id="0", start_time=1)
        source = f"{run.json()['run']['info']['artifact_uri']}/model" if run.status_code == 200 else "s3://models/m"
        more = {"run_id": run.json()["run"]["info"]["run_id"]} if run.status_code == 200 else {}
        return self.tracking.add_version(self.name, source, tags=[{"key": k, "value": v} for k, v in tags.items()],
                                         **more)

    def alias(self, alias: str, version: str) -> None:
        self.tracking.post("registered-models/alias", name=self.name, alias=alias, version=version).raise_for_status()

    @property
    def digest(self) -> str:
        return hashlib.sha256((self.folder / "manifest.yaml").read_bytes()).hexdigest()

    async def look(self) -> tuple[Snapshot, ModelState]:
        registry = MlflowRegistry.model_validate({"kind": "mlflow", "url": self.tracking.url, "timeout": "30s"})
        context = Context(prometheus=Endpoint(url=self.prometheus), registry=registry)
        snapshot = await take_snapshot(Active("real", context, (self.folder,), None), None, ManualClock(NOW))
        assert [s.state for s in snapshot.sources if s.name == "registry"] == [SourceState.OK], snapshot.sources
        return snapshot, snapshot.models[0]


@pytest.fixture
async def ground(tracking: Tracking, tmp_path: Path) -> AsyncIterator[Ground]:
    name = tracking.add_model()
    manifest = {"apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
                "metadata": {"name": "m", "version": "1", "owners": [{"name": "t", "role": "on-call"}]},
                "spec": {"metrics": {"selector": {"model": "m"}, "scrape_interval": "15s"},
                         "registry": {"kind": "mlflow", "name": name},
                         "slos": [{"name": "success", "objective": 99.9, "window": "30d", "required": True,
                                   "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"}}]}}
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    (tmp_path / "notebook.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    fake = FakePrometheus(ManualClock(NOW))
    fake.held.set()
    async with FaultServer(fake.handle) as server:
        yield Ground(tracking, name, tmp_path, server.url)


async def test_an_approved_version_under_the_stable_alias_is_quiet(ground: Ground) -> None:
    ground.alias("champion", ground.register(validation_status="approved", approved_by="model-risk",
                                             **{"triage.manifest_sha256": ground.digest}))
    _, model = await ground.look()
    assert model.verdict is Verdict.PASS, model.reasons
    assert model.versions.known_from == "registry"
    assert model.lineage is not None
    assert model.lineage.findings == ()
    assert model.lineage.promise is not None
    assert model.lineage.promise.state is PromiseState.SAME


@pytest.mark.parametrize(("tags", "said"), [({}, "it has no tag validation_status"),
                                            ({"validation_status": "pending"}, "validation_status is pending")])
async def test_a_missing_approval_is_reported(ground: Ground, tags: dict[str, str], said: str) -> None:
    ground.alias("champion", ground.register(**tags))
    _, model = await ground.look()
    assert (model.verdict, model.urgency, model.urgency_rule) == (Verdict.WARN, Urgency.TICKET, "registry")
    assert model.reasons[0].text == ("version 1 (stable, served as v1) takes 100 % of the requests without approval: "
                                     + said)


async def test_an_alias_that_moved_while_the_servers_did_not_is_reported(ground: Ground) -> None:
    ground.register(validation_status="approved")
    ground.alias("champion", ground.register(validation_status="approved"))
    _, model = await ground.look()
    assert model.versions.known_from == "traffic"
    assert [r.text for r in model.reasons if r.rule == "registry"] == [
        "the alias champion names version 2, which takes no requests: version 1 (stable, served as v1) takes 100 % of "
        "the requests"]


async def test_a_manifest_that_was_changed_after_it_was_registered_is_reported(ground: Ground) -> None:
    ground.alias("champion", ground.register(validation_status="approved",
                                             **{"triage.manifest_sha256": ground.digest}))
    path = ground.folder / "manifest.yaml"
    path.write_text(path.read_text() + "# easier\n")
    _, model = await ground.look()
    said = [r.text for r in model.reasons if r.rule == "registry"]
    assert len(said) == 1
    assert said[0].startswith("the promise you read is not the one that was deployed")


async def test_a_version_that_is_not_registered_is_reported(ground: Ground) -> None:
    _, model = await ground.look()
    assert [r.text for r in model.reasons if r.rule == "registry"] == [
        "version v1 (stable) takes 100 % of the requests, and the registry does not have it",
        "no version carries the alias champion: a server that starts now finds nothing to load"]
