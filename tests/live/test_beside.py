"""The registry and the rollout's controller are asked at a pace of their own, and what befalls one delays nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live.conftest import Asked, Published, active
from tests.sources.faults import FaultServer, Request, answering, json_answer
from triage.clock import ManualClock
from triage.config import Active
from triage.config_sources import Kubeconfig, KubernetesEndpoint, MlflowRegistry
from triage.facts.outcome import Failure, SourceHealth, SourceState
from triage.facts.rollouts import RolloutFacts
from triage.live.poller import Poller
from triage.live.snapshot import Snapshot
from triage.notebook.load import load_all
from triage.report.characters import Characters
from triage.report.console import as_text, console
from triage.report.text import status_text
from triage.signals.model import ModelState
from triage.signals.promise import PromiseState
from triage.signals.reading import Urgency, Verdict

Notebooks = Callable[..., Path]
ROLLOUT = {
    "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
    "metadata": {"name": "m", "namespace": "ml", "uid": "u", "generation": 1},
    "spec": {"replicas": 2, "strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}},
             "selector": {"matchLabels": {"app": "m"}},
             "template": {"metadata": {"labels": {"app": "m", "app.kubernetes.io/version": "v1"}},
                          "spec": {"containers": [{"name": "server", "image": "m:v1"}]}}},
    "status": {"phase": "Healthy", "stableRS": "abc", "currentPodHash": "abc", "observedGeneration": "1",
               "currentStepIndex": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2}}
SET = {"metadata": {"name": "m-abc", "namespace": "ml", "ownerReferences": [{"uid": "u", "controller": True}],
                    "labels": {"app": "m", "app.kubernetes.io/version": "v1", "rollouts-pod-template-hash": "abc"},
                    "annotations": {"rollout.argoproj.io/revision": "1"}},
       "spec": {"replicas": 2, "template": ROLLOUT["spec"]["template"]},  # type: ignore[index]
       "status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}}


@dataclass
class Others:
    """An MLflow and a Kubernetes in one server that know of one model."""

    tags: dict[str, str] = field(default_factory=lambda: {"validation_status": "approved"})
    down: bool = False
    missing: bool = False
    files: int = 404
    """Status with which files of versions are answered."""
    run_id: str = ""
    """The training run of its version."""
    runs_are_gone: bool = False
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is answered while it is clear."""
    server: FaultServer = field(init=False)

    async def handle(self, request: Request, writer: Any) -> object:
        await self.answers.wait()
        if self.down:
            return await answering(503, "down", "text/plain")(request, writer)
        return await json_answer(*self._document(request.path))(request, writer)

    def _document(self, path: str) -> tuple[Any, int]:
        if path.endswith("registered-models/search"):
            return {"registered_models": [] if self.missing else [
                {"name": "m", "aliases": [{"alias": "champion", "version": "1"}]}]}, 200
        if path.endswith("model-versions/search"):
            return {"model_versions": [{"name": "m", "version": "1", "status": "READY", "run_id": self.run_id, "tags": [
                {"key": key, "value": value} for key, value in self.tags.items()]}]}, 200
        if path.endswith("/runs/get") and not self.runs_are_gone:
            return {"run": {"info": {"run_id": "5f3c"}, "inputs": {"dataset_inputs": [
                {"dataset": {"name": "rows", "digest": "snap-4", "source": "{}"}}]}}}, 200
        if path.endswith("/rollouts/m"):
            return ({"kind": "Status", "message": "not found"}, 404) if self.missing else (ROLLOUT, 200)
        if path.endswith("/replicasets"):
            return {"kind": "ReplicaSetList", "metadata": {}, "items": [SET]}, 200
        return {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such file"}, self.files

    def asked(self, part: str) -> int:
        return sum(part in request.path for request in self.server.requests)


@pytest.fixture
async def others() -> AsyncIterator[Others]:
    made = Others()
    made.answers.set()
    async with FaultServer(made.handle) as server:
        made.server = server
        yield made


@pytest.fixture
def folder(notebooks: Notebooks) -> Path:
    """One model whose manifest names a registry and a rollout."""
    root = notebooks(m=2)
    path = root / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"]["registry"] = {"kind": "mlflow", "name": "m"}
    manifest["spec"]["rollout"] = {"kind": "argo", "namespace": "ml", "name": "m"}
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return root


def with_data(folder: Path) -> None:
    """The manifest names what the version was made of."""
    path = folder / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"]["version"] = "1"
    manifest["spec"]["data"] = [{"name": "rows", "version": "snap-3"}]
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))


def configured(folder: Path, prometheus: Asked, others: Others, **changed: Any) -> Active:
    found = active(folder, prometheus.server.url)
    sources = {"registry": MlflowRegistry.model_validate({"kind": "mlflow", "url": others.server.url, "timeout": "1s"}),
               "kubernetes": KubernetesEndpoint.model_validate({"url": others.server.url, "timeout": "1s"})}
    context = found.context.model_copy(update=sources | changed)
    return Active(found.name, context, found.notebooks, None)


@asynccontextmanager
async def polling(wanted: Active, clock: ManualClock, published: Published | None = None,
                  *, goes_on: bool = True) -> AsyncIterator[Poller]:
    poller = Poller(wanted, load_all(wanted.notebooks), clock, published, goes_on=goes_on)
    poller.watch(["m"])
    try:
        yield poller
    finally:
        await poller.aclose()


def source(snapshot: Snapshot, name: str) -> SourceHealth:
    return next(s for s in snapshot.sources if s.name == name)


def only(snapshot: Snapshot) -> ModelState:
    assert len(snapshot.models) == 1
    return snapshot.models[0]


async def test_one_look_waits_for_both(folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    async with polling(configured(folder, prometheus, others), clock, goes_on=False) as poller:
        snapshot = await poller.refresh_once()
    model = only(snapshot)
    assert [source(snapshot, name).state for name in ("registry", "kubernetes")] == [SourceState.OK, SourceState.OK]
    assert isinstance(model.rollout, RolloutFacts)
    assert model.versions.known_from == "rollout"
    assert model.lineage is not None
    assert model.lineage.known
    assert model.lineage.promise is not None
    assert model.lineage.promise.state is PromiseState.NOT_RECORDED
    assert not [r for r in model.reasons if r.rule in ("registry", "rollout", "source")]


async def test_the_registry_is_asked_every_30_s_and_the_controller_at_every_refresh(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    async with polling(configured(folder, prometheus, others), clock) as poller:
        for _ in range(12):
            await poller.refresh_once()
            clock.advance(5)
    assert (others.asked("registered-models"), others.asked("model-versions/search")) == (2, 2)
    assert (others.asked("/rollouts/"), others.asked("/replicasets")) == (12, 12)
    # Where no digest tells, the manifest itself is asked for, and once.
    assert others.asked("get-artifact") == 1


async def test_a_digest_spares_asking_for_the_manifest(folder: Path, prometheus: Asked, others: Others,
                                                       clock: ManualClock) -> None:
    digest = hashlib.sha256((folder / "m" / "manifest.yaml").read_bytes()).hexdigest()
    others.tags["triage.manifest_sha256"] = digest
    async with polling(configured(folder, prometheus, others), clock) as poller:
        model = only(await poller.refresh_once())
    assert model.lineage is not None
    assert model.lineage.promise is not None
    assert model.lineage.promise.state is PromiseState.SAME
    assert others.asked("get-artifact") == 0


async def test_a_missing_approval_is_a_reason(folder: Path, prometheus: Asked, others: Others,
                                              clock: ManualClock) -> None:
    others.tags["validation_status"] = "pending"
    async with polling(configured(folder, prometheus, others), clock) as poller:
        model = only(await poller.refresh_once())
    assert (model.verdict, model.urgency, model.urgency_rule) == (Verdict.WARN, Urgency.TICKET, "registry")
    assert model.reasons[0].text == (
        "version 1 (stable, served as v1) takes 100 % of the requests without approval: validation_status is pending")


async def test_what_hangs_delays_nothing(folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.answers.clear()
    published = Published()
    async with polling(configured(folder, prometheus, others), clock, published) as poller:
        running = asyncio.ensure_future(poller.run())
        await published.until(lambda: bool(published.snapshots) and only(published.snapshots[-1]).verdict
                              is not Verdict.UNKNOWN, seconds=0.9)
        snapshot = published.snapshots[-1]
        assert [source(snapshot, n).state for n in ("registry", "kubernetes")] == [SourceState.WAITING] * 2
        assert only(snapshot).versions.known_from == "waiting"
        others.answers.set()
        await published.until(lambda: only(published.snapshots[-1]).versions.known_from == "rollout")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_controller_that_cannot_be_asked_or_does_not_answer_is_not_waited_for(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.down = True
    nowhere = {"registry": None, "kubernetes": Kubeconfig(kubeconfig=str(folder / "none"), context="c")}
    for changed in ({"registry": None}, nowhere, {"registry": None, "kubernetes": None}):
        async with polling(configured(folder, prometheus, others, **changed), clock) as poller:
            assert only(await poller.refresh_once()).versions.known_from == "traffic"


async def test_the_report_says_that_the_controller_has_not_answered_yet(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.answers.clear()
    async with polling(configured(folder, prometheus, others), clock) as poller:
        snapshot = await poller.refresh_once(patience_seconds=0.5)
        others.answers.set()
    text = as_text(status_text(snapshot, Characters(False)), console(io.StringIO(), 120))
    assert "v1 stable 100 %; the rollout controller has not answered yet" in text


async def test_a_source_that_is_gone_is_said_and_what_it_told_stands_until_it_is_too_old(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    async with polling(configured(folder, prometheus, others), clock) as poller:
        fresh = only(await poller.refresh_once())
        others.down = True
        clock.advance(30)
        snapshot = await poller.refresh_once()
    model = only(snapshot)
    assert (fresh.rollout_is_old, model.rollout_is_old) == (False, True)
    assert [source(snapshot, n).state for n in ("registry", "kubernetes")] == [SourceState.DOWN] * 2
    assert model.verdict is Verdict.WARN
    assert [r.text.split(":")[0] for r in model.reasons if r.rule == "source"] == [
        "Registry does not answer, whether what serves is registered and approved is unknown",
        "Kubernetes does not answer, which version is stable and which on trial is read from the traffic"]
    assert isinstance(model.rollout, RolloutFacts)
    assert model.lineage is not None
    assert model.lineage.read_at is not None
    # The rollout is half a minute old and names nobody any more; aliases change rarely.
    assert model.versions.known_from == "registry"


async def test_what_is_gone_is_not_asked_while_it_is_left_alone_but_at_once_when_told_to(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.down = True
    async with polling(configured(folder, prometheus, others), clock) as poller:
        for _ in range(4):
            await poller.refresh_once()
        before = len(others.server.requests)
        assert before <= 4
        others.down = False
        poller.refresh_now()
        snapshot = await poller.refresh_once()
    assert [source(snapshot, n).state for n in ("registry", "kubernetes")] == [SourceState.OK] * 2


def data(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    lineage = only(snapshot).lineage
    return [] if lineage is None else [(link.name, link.recorded, link.state) for link in lineage.links
                                       if link.kind == "data"]


async def test_the_run_of_the_version_is_asked_once_what_it_read(folder: Path, prometheus: Asked, others: Others,
                                                                 clock: ManualClock) -> None:
    others.run_id = "5f3c"
    with_data(folder)
    async with polling(configured(folder, prometheus, others), clock) as poller:
        await poller.refresh_once()
        clock.advance(60)
        snapshot = await poller.refresh_once()
    assert data(snapshot) == [("rows", "snap-4", "differs")]
    assert others.asked("runs/get") == 1


async def test_a_run_that_is_gone_is_said_and_asked_for_again_after_a_while(folder: Path, prometheus: Asked,
                                                                           others: Others, clock: ManualClock) -> None:
    others.run_id, others.runs_are_gone = "5f3c", True
    with_data(folder)
    async with polling(configured(folder, prometheus, others), clock) as poller:
        await poller.refresh_once()
        clock.advance(60)
        lost = await poller.refresh_once()
        asked = others.asked("runs/get")
        others.runs_are_gone = False
        clock.advance(600)
        found = await poller.refresh_once()
    assert source(lost, "registry").state is SourceState.OK
    assert (asked, data(lost)) == (1, [("rows", "", "not_recorded")])
    assert data(found) == [("rows", "snap-4", "differs")]


async def test_what_is_not_there_is_a_finding_and_no_trouble_of_the_source(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.missing = True
    async with polling(configured(folder, prometheus, others), clock) as poller:
        snapshot = await poller.refresh_once()
    model = only(snapshot)
    assert [source(snapshot, n).state for n in ("registry", "kubernetes")] == [SourceState.OK] * 2
    assert isinstance(model.rollout, Failure)
    assert {r.rule: r.text.split(",")[0].split(":")[0] for r in model.reasons if r.urgency is Urgency.TICKET} == {
        "registry": "the registry has no model m", "rollout": "there is no Rollout ml/m"}


async def test_a_source_that_cannot_be_used_as_configured_takes_nothing_else_along(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    gone = Kubeconfig(kubeconfig=str(folder / "nowhere"), context="prod")
    async with polling(configured(folder, prometheus, others, kubernetes=gone), clock) as poller:
        snapshot = await poller.refresh_once()
    found = source(snapshot, "kubernetes")
    assert found.state is SourceState.DOWN
    assert "cannot be used as configured" in found.error
    assert source(snapshot, "registry").state is SourceState.OK
    assert only(snapshot).versions.known_from == "registry"


async def test_a_source_that_the_models_shown_do_not_name_is_off(
        notebooks: Notebooks, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    async with polling(configured(notebooks(m=2), prometheus, others), clock) as poller:
        snapshot = await poller.refresh_once()
    assert [source(snapshot, n).state for n in ("registry", "kubernetes")] == [SourceState.OFF] * 2
    assert others.server.requests == []
    assert only(snapshot).lineage is not None
    assert not only(snapshot).lineage.known  # type: ignore[union-attr]


async def test_after_a_suspend_both_are_asked_anew_on_new_connections(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    async with polling(configured(folder, prometheus, others), clock) as poller:
        await poller.refresh_once()
        accepted = others.server.accepted
        await poller.reconnect()
        await poller.refresh_once()
    assert others.server.accepted > accepted
    assert others.asked("registered-models") == 2


async def test_a_manifest_that_the_registry_cannot_read_is_a_finding_and_not_asked_for_all_the_time(
        folder: Path, prometheus: Asked, others: Others, clock: ManualClock) -> None:
    others.files = 500
    async with polling(configured(folder, prometheus, others), clock) as poller:
        for _ in range(3):
            snapshot = await poller.refresh_once()
            clock.advance(30)
        assert others.asked("get-artifact") == 1
        clock.advance(600)
        await poller.refresh_once()
    assert others.asked("get-artifact") == 2
    assert source(snapshot, "registry").state is SourceState.OK
    model = only(snapshot)
    assert model.lineage is not None
    assert [f.text.split(":")[0] for f in model.lineage.findings] == [
        "whether manifest.yaml is the one registered with version 1 is not known"]
