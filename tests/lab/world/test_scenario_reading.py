"""Scenario files are read strictly: everything that is wrong at once, with line, field and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from triage.lab.world.scenario import Scenario, ScenarioError, WeightStep, load, parse

HEAD = "name: made-up\ntitle: t\nsummary: s\n"
TRUTH = "truth: {root_cause: a, right_actions: [{do: nothing, why: b}], why: c}\n"


def read(body: str) -> Scenario:
    return parse(HEAD + body + "\n" + TRUTH, "made-up.yaml")


def problems(body: str, *, truth: str = TRUTH) -> dict[str, str]:
    """What is wrong, by field."""
    with pytest.raises(ScenarioError) as refused:
        parse(HEAD + body + "\n" + truth, "made-up.yaml")
    return {problem.field: f"{problem.message}; {problem.hint}" for problem in refused.value.problems}


def test_times_count_from_the_opening() -> None:
    scenario = read("starts: 40m\nopens_at: '14:05'\nfaults: [{kind: errors, model: fraud-scorer, magnitude: 0.1, "
                    "onset: 10m, ramp: 90s, lasts: 1h}]")
    fault = scenario.faults[0]
    assert (fault.onset, fault.ramp, fault.end) == (-1800.0, 90.0, 1800.0)
    assert scenario.opens_at == 14 * 3600 + 300


def test_a_model_without_a_release_runs_its_usual_version() -> None:
    release = read("").release("fraud-scorer")
    assert (release.stable, release.canary, release.steps) == ("8", None, ())


def test_a_canary_may_have_one_weight_or_several_steps() -> None:
    one = read("releases: [{model: fraud-scorer, stable: '7', canary: '8', since: 3h, weight: 25}]").releases[0]
    more = read("releases: [{model: fraud-scorer, stable: '7', canary: '8', "
                "steps: [{weight: 10, since: 3h}, {weight: 25, since: 1h}]}]").releases[0]
    assert one.steps == (WeightStep(25, 10_800.0),)
    assert more.steps == (WeightStep(10, 10_800.0), WeightStep(25, 3600.0))


@pytest.mark.parametrize(("body", "field", "said"), [
    ("sede: 3", "sede", "did you mean seed"),
    ("seed: -1", "seed", "between 0"),
    ("seed: 1.5", "seed", "whole number"),
    ("opens_on: fraud-scorr", "opens_on", "did you mean fraud-scorer"),
    ("opens_at: 25:00", "opens_at", "must be text"),
    ("opens_at: '25:00'", "opens_at", "no time of day"),
    ("starts: soon", "starts", "no duration"),
    ("starts: -5m", "starts", "negative"),
    ("failure_modes: [F11]", "failure_modes.0", "did you mean F1"),
    ("faults: {kind: errors}", "faults", "must be a list"),
    ("faults: [{kind: eror, model: fraud-scorer}]", "faults.0.kind", "did you mean errors"),
    ("faults: [{kind: errors, model: fraud-scorer}]", "faults.0.magnitude", "is missing"),
    ("faults: [{kind: errors, model: fraud-scorer, magnitude: 2}]", "faults.0.magnitude", "between 0 and 1"),
    ("faults: [{kind: errors, model: fraud-scorer, magnitude: .1, version: '9'}]", "faults.0.version", "6, 7, 8"),
    ("faults: [{kind: errors, model: fraud-scorer, magnitude: .1, feature: amount}]", "faults.0.feature", "remove it"),
    ("faults: [{kind: schema_break, model: fraud-scorer, magnitude: .1}]", "faults.0.feature", "hits one feature"),
    ("faults: [{kind: job_slow, model: fraud-scorer, magnitude: 2}]", "faults.0.model", "churn-ranker"),
    ("releases: [{model: fraud-scorer, since: 3h}]", "releases.0.since", "there is no canary"),
    ("releases: [{model: fraud-scorer, stable: '7', canary: '8'}]", "releases.0.since", "is missing"),
    ("releases: [{model: fraud-scorer, canary: '8', since: 3h}]", "releases.0.canary", "is the stable version too"),
    ("releases: [{model: fraud-scorer, stable: '7', canary: '8', steps: [{weight: 5, since: 1h}, "
     "{weight: 9, since: 2h}]}]", "releases.0.steps", "order of time"),
    ("releases: [{model: fraud-scorer, approved: no, approved_by: x}]", "releases.0.approved_by", "approved is false"),
    ("releases: [{model: fraud-scorer, stable: '7', canary: '8', since: 3h, arm: shadow}]", "releases.0.arm",
     "without a Rollout"),
    ("seed: 1\nseed: 2", "seed", "given twice, first in line 4"),
    ("a: [", "", "is not YAML"),
])
def test_a_mistake_is_named_with_its_field_and_what_to_do(body: str, field: str, said: str) -> None:
    found = problems(body)
    assert said in found[field]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(ScenarioError) as refused:
        parse("name: other\ntitle: t\nopens_on: x\nfaults: [{kind: y}]\n", "made-up.yaml")
    told = [(problem.line, problem.field) for problem in refused.value.problems]
    assert {"name", "opens_on", "faults.0.kind", "faults.0.model", "summary", "truth"} <= {field for _, field in told}
    assert [line for line, _ in told] == sorted(line or 0 for line, _ in told)
    assert "made-up.yaml:3: opens_on is" in str(refused.value)


def test_a_truth_needs_an_action_that_helps() -> None:
    assert "name at least one" in problems("", truth="truth: {root_cause: a, why: c}")["truth.right_actions"]


def test_an_unknown_scenario_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("")
    with pytest.raises(ScenarioError, match=r"two\.yaml: does not exist; known here: one"):
        load("two", tmp_path)
