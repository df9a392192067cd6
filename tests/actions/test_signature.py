"""Whether an older version takes today's inputs, by the manifests registered with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.signals.building import notebook
from triage.actions.signature import Signature, compare, registered_signature
from triage.clock import ManualClock
from triage.notebook.manifest import InputField
from triage.sources.registry.folder import FolderClient

TODAY: list[dict[str, Any]] = [{"name": "amount", "type": "float"},
                               {"name": "country", "type": "string", "categories": ["DE", "FR"]}]
SLO = "{name: success, sli: {good: g, total: t}, objective: 99.9}"
INPUTS = "[{name: amount, type: float}, {name: country, type: string, categories: [DE, FR]}]"


def fields(*items: dict[str, Any]) -> list[InputField]:
    return [InputField.model_validate(item) for item in items]


@pytest.mark.parametrize(("goal", "fits", "words"), [
    (TODAY, True, "takes today's 2 inputs"),
    (TODAY[:1], True, "takes today's 2 inputs"),
    ([*TODAY, {"name": "age", "type": "integer"}], False, "age is not sent any more"),
    ([*TODAY, {"name": "age", "type": "integer", "required": False}], True, "takes"),
    ([{"name": "amount", "type": "integer"}], False, "amount was integer and is float"),
    ([{"name": "country", "type": "string", "categories": ["DE"]}], False, "has values that it does not know: FR"),
    ([{"name": "country", "type": "string"}], True, "takes"),
    ([{"name": n, "type": "float"} for n in "abcde"], False, "and 2 more"),
    ([], None, "no manifest names its inputs"),
])
def test_an_older_version_fits_when_it_requires_nothing_that_is_not_sent(goal: list[dict[str, Any]], fits: bool | None,
                                                                        words: str) -> None:
    found = compare(fields(*goal), fields(*TODAY), "7")
    assert found.fits is fits
    assert words in found.sentence


def test_without_inputs_of_today_nothing_can_be_compared() -> None:
    assert compare(fields(*TODAY), [], "7").fits is None


def registry(folder: Path, *, manifest: str | None) -> FolderClient:
    (folder / "registry.yaml").write_text(
        'apiVersion: triage/v1alpha1\nkind: ModelRegistry\nmodels: {m: {versions: [{version: "7"'
        + (", manifest: seven.yaml" if manifest is not None else "") + "}]}}\n")
    if manifest is not None:
        (folder / "seven.yaml").write_text(manifest)
    return FolderClient(folder, None, ManualClock())


def asked(of: FolderClient | None, version: str = "v7", more: str = "registry: {kind: folder, name: m}") -> Signature:
    manifest = notebook(SLO, more=f"{more}\ninputs: {INPUTS}").manifest
    return asyncio.run(registered_signature(of, manifest, version))


def test_the_registered_manifest_is_compared_however_the_version_is_spelt(tmp_path: Path) -> None:
    theirs = ('apiVersion: triage/v1alpha1\nkind: ModelNotebook\n'
              'metadata: {name: m, version: "7", owners: [{name: t, role: on-call}]}\n'
              f'spec:\n  slos: [{SLO}]\n  inputs: {INPUTS}\n')
    assert asked(registry(tmp_path, manifest=theirs)) == Signature(True, "takes today's 2 inputs", "7")


@pytest.mark.parametrize(("manifest", "version", "words"), [
    (None, "7", "no manifest was registered with it"), ("nonsense", "7", "cannot be used"),
    (None, "6", "the registry has no version 6")])
def test_what_is_not_registered_is_not_known(tmp_path: Path, manifest: str | None, version: str, words: str) -> None:
    found = asked(registry(tmp_path, manifest=manifest), version)
    assert found.fits is None
    assert words in found.sentence


def test_without_a_registry_or_a_model_in_it_it_is_not_known(tmp_path: Path) -> None:
    assert "there is no registry" in asked(None).sentence
    assert "there is no registry" in asked(registry(tmp_path, manifest=None), more="").sentence
    other = asked(registry(tmp_path, manifest=None), more="registry: {kind: folder, name: other}")
    assert other.fits is None
