"""Every scenario of the lab loads, covers what it says, and tells its truth about things that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.notebook_data import NOTEBOOKS
from tests.notebook.example_data import EXAMPLES
from triage.lab.world.fleet import FLEET
from triage.lab.world.scenario import FOLDER, Scenario, available, load
from triage.notebook.load import Notebook, load_all

NAMES = available()
BOOKS: dict[str, Notebook] = {book.name: book for book in load_all([EXAMPLES, NOTEBOOKS]).notebooks}


@pytest.fixture(params=NAMES)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return load(request.param)


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 12
    assert "healthy" in NAMES


def test_together_they_cover_every_failure_mode_and_every_story_of_the_seed_document() -> None:
    covered = {mode for name in NAMES for mode in load(name).failure_modes}
    assert covered == {f"F{number}" for number in range(1, 11)} | {f"S{number}" for number in range(1, 5)}


def test_no_two_of_them_are_the_same_world() -> None:
    seeds = [load(name).seed for name in NAMES]
    assert len(set(seeds)) == len(seeds)


def test_only_the_healthy_one_and_the_unapproved_one_are_without_a_fault() -> None:
    assert [name for name in NAMES if not load(name).faults] == ["healthy", "unapproved"]


def test_it_opens_on_the_model_that_it_is_about(scenario: Scenario) -> None:
    assert scenario.opens_on is not None
    touched = {fault.model for fault in scenario.faults} | {release.model for release in scenario.releases}
    assert scenario.opens_on in touched


def test_its_truth_says_what_helps_what_harms_and_why(scenario: Scenario) -> None:
    truth = scenario.truth
    assert truth.root_cause
    assert truth.why
    assert truth.right_actions
    assert truth.harmful_actions
    for action in (*truth.right_actions, *truth.harmful_actions):
        assert action.why.endswith("."), action


def test_no_action_is_right_and_harmful_at_once(scenario: Scenario) -> None:
    right = {(a.do, a.model, a.to) for a in scenario.truth.right_actions}
    assert right.isdisjoint({(a.do, a.model, a.to) for a in scenario.truth.harmful_actions})


def test_a_rollback_names_a_version_that_is_not_the_present_one(scenario: Scenario) -> None:
    for action in (*scenario.truth.right_actions, *scenario.truth.harmful_actions):
        if action.do == "rollback":
            assert action.model is not None
            release = scenario.release(action.model)
            assert action.to is not None
            assert action.to != (release.canary or release.stable)


def test_a_right_rollback_leads_to_a_version_that_is_well(scenario: Scenario) -> None:
    for action in scenario.truth.right_actions:
        if action.do == "rollback":
            hurt = [f for f in scenario.faults if f.model == action.model and f.version in (None, action.to)]
            assert hurt == []


def test_a_harmful_rollback_meets_the_fault_again_or_gives_up_what_is_well(scenario: Scenario) -> None:
    for action in scenario.truth.harmful_actions:
        if action.do == "rollback":
            mine = [f for f in scenario.faults if f.model == action.model]
            assert not mine or any(f.version in (None, action.to) for f in mine)


def test_the_summary_does_not_give_the_cause_away(scenario: Scenario) -> None:
    cause = {word for word in scenario.truth.root_cause.lower().split() if len(word) > 7}
    said = {word for word in scenario.summary.lower().split() if len(word) > 7}
    assert len(cause & said - set(FLEET) - {"version", "payments", "image-moderation"}) <= 1


def test_a_fault_of_a_feature_is_about_one_that_the_manifest_watches(scenario: Scenario) -> None:
    for fault in scenario.faults:
        if fault.feature is not None:
            spec = BOOKS[fault.model].manifest.spec
            assert fault.feature in {field.name for field in spec.inputs} | {
                feature.name for feature in (spec.drift.features if spec.drift else ())}


def test_a_fault_of_a_subgroup_is_about_one_that_the_manifest_compares(scenario: Scenario) -> None:
    for fault in scenario.faults:
        if fault.subgroup is not None:
            quality = BOOKS[fault.model].manifest.spec.quality
            assert quality is not None
            assert fault.subgroup in {value for group in quality.slices for value in group.values}


def test_the_fleet_is_what_the_notebooks_describe() -> None:
    assert set(FLEET) == set(BOOKS)
    for name, member in FLEET.items():
        manifest = BOOKS[name].manifest
        known = {manifest.metadata.version, manifest.spec.rollback.last_known_good}
        assert known <= set(member.versions), name
        assert member.stable == manifest.metadata.version
        assert manifest.spec.quality is not None
        assert {value for group in manifest.spec.quality.slices for value in group.values} == set(member.subgroups)
        assert manifest.spec.drift is not None
        assert {feature.name for feature in manifest.spec.drift.features} == set(member.features)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_scenario_file_is_readable_in_a_terminal(path: Path) -> None:
    assert max(map(len, path.read_text("utf-8").splitlines())) <= 120
