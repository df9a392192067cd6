"""The registry of every scenario of the lab, read over HTTP and compared with what serves there: the truth is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.serving import serving
from triage import strict_yaml
from triage.clock import SystemClock
from triage.endpoints import Endpoint
from triage.facts.versions import RegisteredModel
from triage.lab.apis.mlflow import app
from triage.lab.clock import LabClock
from triage.lab.registry import Registry
from triage.lab.world.fleet import FLEET
from triage.lab.world.furnish import furnish_registry
from triage.lab.world.scenario import FOLDER, Release, Scenario, load
from triage.notebook.manifest import Manifest
from triage.signals.lineage import lineage
from triage.signals.lineage_model import LineageFinding, LineageKind
from triage.signals.model import Versions, VersionState
from triage.signals.reading import Quality, Reading, Urgency
from triage.sources.registry.mlflow import MlflowClient

OPENING = 1_795_400_000.0
SCENARIOS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TEXT = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {{name: {name}, version: "{version}", owners: [{{name: team, role: on-call}}]}}
spec:
  registry: {{kind: mlflow, name: {name}}}
  rollback: {{last_known_good: "{good}"}}
  slos: [{{name: success, sli: {{good: a, total: b}}}}]
"""
EXPECTED = {("unapproved", "image-moderation"): {(LineageKind.NOT_APPROVED, "5")},
            ("bad-rollback-target", "fraud-scorer"): {(LineageKind.ROLLBACK_TARGET, "7")}}


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return load(request.param)


@pytest.fixture
def url(scenario: Scenario) -> Iterator[str]:
    registry = Registry(LabClock(OPENING, OPENING))
    furnish_registry(registry, scenario, OPENING)
    with serving(app(registry)) as running:
        yield running


def manifest(name: str, release: Release) -> Manifest:
    """Goes back to the version before the one that serves, as the examples do."""
    versions = FLEET[name].versions
    before = versions[max(0, versions.index(release.stable) - 1)]
    text = TEXT.format(name=name, version=release.stable, good=before)
    return strict_yaml.validate(strict_yaml.parse(text, "manifest.yaml"), Manifest)


def traffic(release: Release) -> Versions:
    """The versions under the labels that the lab's series carry."""
    def seen(version: str, arm: str, share: float) -> VersionState:
        return VersionState(version, arm, Reading(share, "ratio", Quality.OK, 1000.0, 300.0, OPENING), None, OPENING)
    if release.canary is None:
        return Versions("traffic", (seen(release.stable, "stable", 1.0),))
    return Versions("traffic", (seen(release.stable, "stable", 0.9), seen(release.canary, "canary", 0.1)))


async def test_only_what_a_scenario_is_about_is_found(scenario: Scenario, url: str) -> None:
    client = MlflowClient(Endpoint(url=url), SystemClock())
    try:
        models = await client.models(list(FLEET))
        assert client.requests_sent == 2
    finally:
        await client.aclose()
    for name in FLEET:
        release, model = scenario.release(name), models[name]
        assert isinstance(model, RegisteredModel)
        found: tuple[LineageFinding, ...] = lineage(manifest(name, release), model, traffic(release), OPENING).findings
        urgent = {(f.kind, f.version) for f in found if f.urgency is not Urgency.NONE}
        assert urgent == EXPECTED.get((scenario.name, name), set()), (name, [f.text for f in found])


def test_the_scenarios_that_are_expected_exist() -> None:
    assert {name for name, _ in EXPECTED} <= set(SCENARIOS)
    assert Path(FOLDER).is_dir()
