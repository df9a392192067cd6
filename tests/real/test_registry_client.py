"""Our client of MLflow at the lab and at MLflow: it reads the same facts from both."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.real.tracking import Tracking
from triage.clock import SystemClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, FailureKind, SourceState
from triage.facts.versions import ApprovalStatus, DocumentKind, RegisteredModel, RunInput, TrainingRun
from triage.lab.registry import DataInput, Run
from triage.sources.checkup import SourceCheck
from triage.sources.checkup_registry import check_registry
from triage.sources.registry.mlflow import MlflowClient

MANIFEST = "kind: ModelNotebook  # ü\n"


@pytest.fixture
async def client(tracking: Tracking) -> AsyncIterator[MlflowClient]:
    made = MlflowClient(Endpoint.model_validate({"url": tracking.url, "timeout": "30s"}), SystemClock())
    yield made
    await made.aclose()


async def read(client: MlflowClient, name: str) -> RegisteredModel:
    found = (await client.models([name]))[name]
    assert isinstance(found, RegisteredModel), found
    return found


def alias(tracking: Tracking, name: str, alias: str, version: str) -> None:
    tracking.post("registered-models/alias", name=name, alias=alias, version=version).raise_for_status()


async def test_a_model_is_read_with_its_versions_aliases_and_tags(tracking: Tracking, client: MlflowClient) -> None:
    name = tracking.add_model(description="card fraud", tags=[{"key": "team", "value": "payments"}])
    tracking.add_version(name, run_id="abc", description="retrained",
                         tags=[{"key": "validation_status", "value": "approved"},
                               {"key": "approved_by", "value": "model-risk"}])
    tracking.add_version(name, tags=[{"key": "validation_status", "value": "pending"}])
    alias(tracking, name, "champion", "1")
    alias(tracking, name, "Champion", "1")
    alias(tracking, name, "challenger", "2")
    found = await read(client, name)
    assert (found.name, found.description, found.tags) == (name, "card fraud", {"team": "payments"})
    assert found.aliases == {"Champion": "1", "champion": "1", "challenger": "2"}
    assert [(v.version, v.aliases) for v in found.versions] == [("2", ("challenger",)), ("1", ("Champion", "champion"))]
    first = found.versions[1]
    assert (first.run_id, first.description, first.status, first.stage) == ("abc", "retrained", "READY", "")
    assert first.source == "s3://models/fraud"
    assert first.created_at is not None
    assert abs(first.created_at - SystemClock().now()) < 600
    approval = first.approval("validation_status", "approved_by")
    assert (approval.status, approval.by) == (ApprovalStatus.APPROVED, "model-risk")
    assert found.versions[0].approval("validation_status", "approved_by").status is ApprovalStatus.PENDING
    assert found.complete


async def test_a_refresh_costs_two_requests_however_many_models(tracking: Tracking, client: MlflowClient) -> None:
    names = [tracking.add_model() for _ in range(3)]
    for name in names[:2]:
        tracking.add_version(name)
    await read(client, names[0])
    assert client.requests_sent == 2
    found = await client.models(names)
    assert client.requests_sent == 4
    assert [len(m.versions) for m in found.values() if isinstance(m, RegisteredModel)] == [1, 1, 0]


async def test_versions_are_in_order_of_their_numbers(tracking: Tracking, client: MlflowClient) -> None:
    name = tracking.add_model()
    for _ in range(11):
        tracking.add_version(name)
    assert [v.version for v in (await read(client, name)).versions] == [str(n) for n in range(11, 0, -1)]


async def test_pages_are_followed_to_the_end(tracking: Tracking, client: MlflowClient,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.sources.registry.mlflow.PAGE_SIZE", 2)
    name = tracking.add_model()
    for _ in range(5):
        tracking.add_version(name)
    found = await read(client, name)
    assert [v.version for v in found.versions] == ["5", "4", "3", "2", "1"]
    assert found.complete
    monkeypatch.setattr("triage.sources.registry.mlflow.MAX_PAGES", 2)
    found = await read(client, name)
    assert [v.version for v in found.versions] == ["5", "4", "3", "2"]
    assert not found.complete


@pytest.mark.parametrize("name", ["nobody", "it's nobody", 'no"body', "a'b\"c", "a/b", "", "x" * 4000])
async def test_a_model_that_is_not_there_does_not_hide_the_others(tracking: Tracking, client: MlflowClient,
                                                                  name: str) -> None:
    there = tracking.add_model()
    found = await client.models([name, there])
    missing = found[name]
    assert isinstance(missing, Failure)
    assert missing.kind is FailureKind.NOT_FOUND
    assert "spec.registry.name" in missing.hint
    assert isinstance(found[there], RegisteredModel)


async def test_a_name_with_a_quote_is_found(tracking: Tracking, client: MlflowClient) -> None:
    name = f"it's {uuid4().hex}"
    tracking.post("registered-models/create", name=name).raise_for_status()
    assert (await read(client, name)).name == name


async def test_a_deleted_version_takes_its_alias_along(tracking: Tracking, client: MlflowClient) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    alias(tracking, name, "champion", "1")
    tracking.delete("model-versions/delete", name=name, version="1").raise_for_status()
    found = await read(client, name)
    assert (found.versions, found.aliases) == ((), {})


async def test_hostile_texts_are_harmless(tracking: Tracking, client: MlflowClient) -> None:
    name = tracking.add_model()
    tracking.add_version(name, description="\x1b]52;c;aGk=\x07", tags=[{"key": "note", "value": "[red]\u202ex"}])
    version = (await read(client, name)).versions[0]
    assert "\x1b" not in version.description
    assert version.tags["note"] == "[red]{u+202e}x"


async def test_a_document_in_a_tag_comes_along(tracking: Tracking, client: MlflowClient) -> None:
    digest = hashlib.sha256(MANIFEST.encode()).hexdigest()
    name = tracking.add_model()
    tracking.add_version(name, tags=[{"key": "triage.manifest", "value": MANIFEST},
                                     {"key": "triage.manifest_sha256", "value": digest.upper()}])
    version = (await read(client, name)).versions[0]
    assert version.manifest_sha256 == digest
    assert "triage.manifest" not in version.tags
    sent = client.requests_sent
    found = await client.document(name, version, DocumentKind.MANIFEST)
    assert client.requests_sent == sent
    assert found is not None
    assert not isinstance(found, Failure)
    assert (found.content, found.sha256) == (MANIFEST.encode(), digest)


async def test_a_version_without_documents_has_none(tracking: Tracking, client: MlflowClient) -> None:
    name = tracking.add_model()
    run = tracking.post("runs/create", experiment_id="0", start_time=1)
    if run.status_code == 200:
        info = run.json()["run"]["info"]
        tracking.add_version(name, f"{info['artifact_uri']}/model", run_id=info["run_id"])
    else:
        tracking.add_version(name)
    version = (await read(client, name)).versions[0]
    for kind in DocumentKind:
        assert await client.document(name, version, kind) is None


async def test_a_document_among_the_files_is_read_once_for_its_digest(tracking: Tracking,
                                                                      client: MlflowClient) -> None:
    run = tracking.post("runs/create", experiment_id="0", start_time=1)
    if run.status_code != 200:
        pytest.skip(reason="the lab keeps no files")
    info = run.json()["run"]["info"]
    name = tracking.add_model()
    folder = info["artifact_uri"].removeprefix("mlflow-artifacts:")
    tracking.http.put(f"/api/2.0/mlflow-artifacts/artifacts{folder}/model/triage/manifest.yaml",
                      content=MANIFEST.encode()).raise_for_status()
    digest = hashlib.sha256(MANIFEST.encode()).hexdigest()
    tracking.add_version(name, f"{info['artifact_uri']}/model", run_id=info["run_id"],
                         tags=[{"key": "triage.manifest_sha256", "value": digest}])
    version = (await read(client, name)).versions[0]
    sent = client.requests_sent
    for _ in range(2):
        found = await client.document(name, version, DocumentKind.MANIFEST)
        assert not isinstance(found, Failure)
        assert found is not None
        assert found.sha256 == version.manifest_sha256
    assert client.requests_sent == sent + 1


async def test_the_run_of_a_version_tells_what_it_read(tracking: Tracking, client: MlflowClient) -> None:
    run_id = tracking.add_run(Run(
        "9c2e", "nightly", started_ms=1_795_000_000_000, tags={"triage.data.customers": "partition 2026-09-14"},
        params={"triage.data.transactions": "of yesterday", "triage.data.prices": "v3"}, inputs=(
            DataInput("transactions", "snap-2026-11-02", "s3", '{"uri": "s3://warehouse/transactions"}', "training"),
            DataInput("holdout", "1a2b3c4d", "http", '{"url": "https://host/holdout.csv"}'))))
    name = tracking.add_model()
    tracking.add_version(name, run_id=run_id)
    [version] = (await read(client, name)).versions
    assert await client.run(version) == TrainingRun(run_id, (
        RunInput("transactions", "snap-2026-11-02", "s3://warehouse/transactions", "training"),
        RunInput("holdout", "1a2b3c4d", "https://host/holdout.csv"),
        RunInput("customers", "partition 2026-09-14"), RunInput("prices", "v3")))


async def test_a_version_without_a_run_has_none_and_one_whose_run_is_gone_says_so(tracking: Tracking,
                                                                                 client: MlflowClient) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    [version] = (await read(client, name)).versions
    assert await client.run(version) is None
    gone = await client.run(replace(version, run_id="nobody"))
    assert isinstance(gone, Failure)
    assert gone.kind is FailureKind.NOT_FOUND


async def test_another_host_name_is_refused_with_what_to_do(tracking: Tracking) -> None:
    client = MlflowClient(Endpoint(url=tracking.url, headers={"Host": "mlflow.example:5000"}), SystemClock())
    try:
        found = (await client.models(["fraud"]))["fraud"]
    finally:
        await client.aclose()
    assert isinstance(found, Failure)
    if found.kind is FailureKind.NOT_FOUND:
        pytest.skip(reason="the lab takes every name")
    assert found.kind is FailureKind.FORBIDDEN
    assert "Invalid Host header" in found.message
    assert "127.0.0.1" in found.hint
    assert "--allowed-hosts" in found.hint


async def test_a_wrong_path_is_named(tracking: Tracking) -> None:
    client = MlflowClient(Endpoint(url=f"{tracking.url}/mlflow"), SystemClock())
    try:
        found = (await client.models(["fraud"]))["fraud"]
    finally:
        await client.aclose()
    assert isinstance(found, Failure)
    assert "prefix" in found.hint


async def checked(tracking: Tracking, *, allow_write: bool = False) -> SourceCheck:
    context = Context.model_validate({"prometheus": {"url": "http://127.0.0.1:9"}, "allow_write": allow_write,
                                      "registry": {"kind": "mlflow", "url": tracking.url, "timeout": "30s"}})
    found = await check_registry(Active("test", context, (), None), SystemClock())
    assert found.state is SourceState.OK, found.error
    return found


async def test_doctor_tells_version_latency_and_what_works(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    found = await checked(tracking)
    assert found.product == "MLflow"
    assert found.version.startswith("3.")
    assert found.latency_seconds is not None
    states = {c.what: c.state for c in found.capabilities}
    assert states["models"] == states["versions"] == states["aliases"] == "ok"
    assert found.ok


async def test_doctor_warns_of_a_server_that_lets_anybody_move_aliases_and_changes_nothing(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    before = tracking.get("registered-models/get", name=name).json()
    assert "move aliases" in (await checked(tracking)).warnings[0]
    assert (await checked(tracking, allow_write=True)).warnings == ()
    assert tracking.get("registered-models/get", name=name).json() == before

