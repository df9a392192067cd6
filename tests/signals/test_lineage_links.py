"""What a version was made of, in three places, and what of it does not match."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.signals.serving_data import revision, rollout
from tests.signals.test_lineage import USUAL, registered, serving
from triage import strict_yaml
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import RegisteredModel, RegisteredVersion, RunInput, TrainingRun
from triage.notebook.manifest import DataReference, Manifest
from triage.signals.lineage_links import agrees, links
from triage.signals.lineage_model import LineageLink, LinkState
from triage.signals.promise import Difference, Promise, PromiseState

GONE = Failure(FailureKind.CONNECT, "connection refused", "is it up?")
TEXT = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {name: fraud, version: "8", owners: [{name: team, role: on-call}]}
spec:
  environment: {python: "3.11", image: IMAGE}
  data:
    - {name: transactions, namespace: warehouse, version: snap-2026-11-02}
    - {name: loose, uri: "s3://bucket/latest"}
  registry: {kind: mlflow, name: fraud}
  drift:
    features:
      - {name: amount, histogram: h, reference: {edges: [1.0], counts: [1, 2], data: transactions}}
      - {name: country, categories: c, reference: {categories: {DE: 1}, data: nowhere}}
  slos: [{name: success, sli: {good: a, total: b}}]
"""
DIGEST = f"sha256:{'4f' * 32}"
OTHER = f"sha256:{'aa' * 32}"
SAME = Promise("8", PromiseState.SAME, "ab" * 32, "ab" * 32)


def manifest(image: str = f"registry.example/fraud@{DIGEST}") -> Manifest:
    return strict_yaml.validate(strict_yaml.parse(TEXT.replace("IMAGE", image), "manifest.yaml"), Manifest)



def made(model: RegisteredModel | Failure | None = None, promise: Promise | None = SAME, image: str | None = None,
         runs: str | None = None) -> dict[tuple[str, str], LineageLink]:
    told = manifest() if image is None else manifest(image)
    facts = None if runs is None else rollout(revision("7", "5d4f6"), revision("8", "7c9f8", image=runs))
    found = links(told, registered() if model is None else model, USUAL, facts, promise)
    return {(link.kind, link.name): link for link in found}


def differs(path: str, was: str) -> Promise:
    return Promise("8", PromiseState.DIFFERS, "ab" * 32, "cd" * 32, (Difference(path, "now", was),))


def test_what_the_registered_manifest_says_too_is_the_same_in_both_places() -> None:
    found = made(runs=f"registry.example/fraud@{DIGEST}")
    assert {link.state for key, link in found.items() if key[1] not in ("loose", "country") and key[0] != "run"} == {
        LinkState.SAME}
    data = found["data", "warehouse.transactions"]
    assert (data.promised, data.recorded) == ("snap-2026-11-02", "snap-2026-11-02")
    assert found["version", ""].running == "7 90 %, 8 10 %"


def test_a_data_version_that_was_another_when_it_was_registered_differs() -> None:
    link = made(promise=differs("spec.data[transactions].version", "snap-2026-09-01"))["data", "warehouse.transactions"]
    assert (link.state, link.recorded) == (LinkState.DIFFERS, "snap-2026-09-01")
    assert "spec.data[transactions].version was another" in link.note


def test_a_change_of_a_whole_block_is_a_change_of_everything_in_it() -> None:
    found = made(promise=differs("spec.drift.features", "[]"))
    assert found["features", "amount"].state is LinkState.DIFFERS
    assert found["data", "warehouse.transactions"].state is LinkState.SAME


def test_data_without_version_or_digest_can_be_changed() -> None:
    link = made()["data", "loose"]
    assert (link.state, link.promised) == (LinkState.MUTABLE, "")


def test_a_reference_of_data_that_the_manifest_does_not_name_differs() -> None:
    assert made()["features", "country"].note == "their reference names nowhere, which spec.data does not have"


@pytest.mark.parametrize(("promised", "runs", "state"), [
    (f"registry.example/fraud@{DIGEST}", f"registry.example/fraud@{DIGEST}", LinkState.SAME),
    (f"registry.example/fraud@{DIGEST}", f"registry.example/fraud@{OTHER}", LinkState.DIFFERS),
    (f"registry.example/fraud:8.0@{DIGEST}", "registry.example/fraud:8.0", LinkState.SAME),
    ("registry.example/fraud:8.0", "registry.example/fraud:8.1", LinkState.DIFFERS),
    ("registry.example/fraud:8.0", "registry.example/fraud:8.0", LinkState.MUTABLE),
    ("registry.example:5000/fraud:8", f"registry.example:5000/fraud@{OTHER}", LinkState.MUTABLE),
    ("registry.example/fraud:8.0", None, LinkState.NOT_RECORDED)])
def test_the_image_that_runs_is_compared_with_the_one_promised(promised: str, runs: str | None,
                                                               state: LinkState) -> None:
    assert made(image=promised, runs=runs)["image", ""].state is state


@pytest.mark.parametrize(("promise", "state"), [
    (SAME, LinkState.SAME), (replace(SAME, state=PromiseState.LAYOUT), LinkState.SAME),
    (replace(SAME, state=PromiseState.ALTERED, note="its digest says ab"), LinkState.DIFFERS),
    (replace(SAME, state=PromiseState.NOT_RECORDED, registered_sha256=""), LinkState.NOT_RECORDED),
    (replace(SAME, state=PromiseState.UNREADABLE, note="not UTF-8"), LinkState.UNKNOWN),
    (None, LinkState.NOT_RECORDED)])
def test_the_manifest_stands_as_it_was_compared(promise: Promise | None, state: LinkState) -> None:
    assert made(promise=promise)["manifest", ""].state is state


def test_without_the_registry_nothing_is_said_to_be_recorded() -> None:
    found = made(GONE, None)
    assert {found[key].state for key in (("manifest", ""), ("data", "warehouse.transactions"), ("version", ""))} == {
        LinkState.UNKNOWN}
    assert "connection refused" in found["manifest", ""].note
    assert ("run", "") not in found


def test_a_version_that_does_not_serve_and_one_that_is_not_registered_differ() -> None:
    elsewhere = links(manifest(), registered(), serving({"6": 1.0}), None, None)[0]
    assert (elsewhere.state, elsewhere.note) == (LinkState.DIFFERS,
                                                 "the notebook describes a version that does not serve")
    other = RegisteredModel("fraud", (RegisteredVersion("7", None),), {}, 0.0)
    unregistered = links(manifest(), other, USUAL, None, None)[0]
    assert (unregistered.state, unregistered.note) == (LinkState.DIFFERS, "the registry does not have it")


def test_the_run_stands_with_where_its_files_are() -> None:
    version = replace(registered().versions[0], run_id="5f3c", source="s3://models/fraud/8")
    run = made(replace(registered(), versions=(version,)))["run", ""]
    assert (run.recorded, run.note) == ("5f3c", "its files are at s3://models/fraud/8")


def read(*inputs: RunInput, promise: Promise | None = None) -> dict[tuple[str, str], LineageLink]:
    told = manifest()
    return {(link.kind, link.name): link
            for link in links(told, registered(), USUAL, None, promise, TrainingRun("5f3c", inputs))}


def test_a_run_that_read_what_is_promised_records_it() -> None:
    found = read(RunInput("transactions", "snap-2026-11-02", "s3://bucket", "training"))
    link = found["data", "warehouse.transactions"]
    assert (link.state, link.recorded, link.note) == (LinkState.SAME, "snap-2026-11-02", "")


@pytest.mark.parametrize("promise", [None, SAME])
def test_a_run_that_read_another_snapshot_differs_whatever_the_manifests_say(promise: Promise | None) -> None:
    found = read(RunInput("warehouse.transactions", "snap-2026-10-05", "", "training"), promise=promise)
    link = found["data", "warehouse.transactions"]
    assert (link.state, link.recorded) == (LinkState.DIFFERS, "snap-2026-10-05")
    assert link.note == "the run read another for training"


@pytest.mark.parametrize("digest", ["1a2b3c4d", "-5577006791947779410", ""])
def test_a_digest_of_another_kind_neither_agrees_nor_contradicts(digest: str) -> None:
    link = read(RunInput("transactions", digest))["data", "warehouse.transactions"]
    assert (link.state, link.recorded) == (LinkState.NOT_RECORDED, digest)


def test_the_beginning_of_a_files_digest_is_compared() -> None:
    promised = DataReference.model_validate({"name": "sample", "sha256": "ab12" * 16})
    assert agrees(promised, RunInput("sample", "sha256:" + "ab12" * 7)) is True
    assert agrees(promised, RunInput("sample", "cd34" * 9)) is False
    assert agrees(promised, RunInput("sample", "snapshot-5")) is None


def test_what_a_run_read_besides_is_told() -> None:
    link = read(RunInput("holdout", "", "https://host/holdout.csv", "evaluation"))["data", "holdout"]
    assert (link.promised, link.recorded, link.state) == ("", "https://host/holdout.csv", LinkState.NOT_RECORDED)
    assert link.note == "the run read it for evaluation, the manifest does not name it"


def test_a_run_that_cannot_be_read_is_unknown_and_takes_nothing_away() -> None:
    model = registered()
    model = replace(model, versions=tuple(replace(v, run_id="5f3c") for v in model.versions))
    found = {link.kind: link for link in links(manifest(), model, USUAL, None, SAME, GONE)}
    assert found["run"].state is LinkState.UNKNOWN
    assert "what it read is not known: connect: connection refused" in found["run"].note
    assert [link.name for link in links(manifest(), model, USUAL, None, SAME, GONE) if link.kind == "data"] == [
        "warehouse.transactions", "loose"]
