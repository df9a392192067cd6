"""What the manifest's policy asks for, by snapshots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.commands import EXAMPLES
from tests.tui import snapshots, trials
from triage.actions.plan import Action
from triage.desk.policy import due
from triage.facts.rollouts import Pause, RolloutFacts
from triage.live.snapshot import Snapshot
from triage.notebook.load import load_notebook
from triage.notebook.manifest import Manifest
from triage.signals.canary import CanaryVerdict
from triage.signals.lasting import Lasting
from triage.signals.reading import Verdict

NOW = snapshots.NOW
EXAMPLE = load_notebook(EXAMPLES / "fraud-scorer").manifest


def manifest(**parts: dict[str, Any]) -> Manifest:
    """The example with other values in parts of its ``spec``."""
    spec = EXAMPLE.spec
    return EXAMPLE.model_copy(update={"spec": spec.model_copy(update={
        name: getattr(spec, name).model_copy(update=values) for name, values in parts.items()})})


AUTO = manifest(rollback={"policy": "auto"}, promote={"policy": "auto"})


def paused(minutes: float, *, until: float | None = None, reason: str = "CanaryPauseStep") -> Snapshot:
    """A canary that passes and waits at its first step for so long."""
    made = snapshots.deployed("paused")
    rollout = made.models[0].rollout
    assert isinstance(rollout, RolloutFacts)
    since = None if reason == "manual" else NOW - minutes * 60
    return snapshots.with_model(made, rollout=replace(rollout, pauses=(Pause(reason, since, until),)))


def failed(**changes: Any) -> Snapshot:
    """The judge says that the canary failed."""
    made = snapshots.on_trial_at(trials.failing)
    state = made.models[0].canary
    assert state is not None
    assert state.state is not None
    return snapshots.with_model(made, canary=replace(state, state=replace(state.state, **changes)))


def test_a_failed_canary_is_to_be_rolled_back_and_by_whom_the_manifest_says() -> None:
    found = due(EXAMPLE, failed())
    assert (found.action, found.automatic) == (Action.ROLLBACK, False)
    assert found.sentence.startswith("canary_fail: ")
    assert due(AUTO, failed()).automatic


def test_a_broken_rollout_rule_is_to_be_rolled_back() -> None:
    found = due(AUTO, snapshots.canary_failing())
    assert (found.action, found.automatic) == (Action.ROLLBACK, True)
    assert found.sentence.startswith(("rollout_rule: ", "canary_fail: "))


def test_a_trigger_that_the_manifest_does_not_name_makes_nothing_due() -> None:
    assert due(manifest(rollback={"when": []}), failed()).action is None


RULE_ONLY = manifest(rollback={"policy": "auto", "when": ["rollout_rule"]})


def breaking(*lasting: Lasting) -> Snapshot:
    """The canary breaks the rollout rule, in a trial that is much older than anything has to last."""
    made = snapshots.canary_failing()
    old = tuple(replace(v, first_seen=NOW - 36_000) if v.arm == "canary" else v
                for v in made.models[0].versions.items)
    return snapshots.with_model(made, canary=None, versions=replace(made.models[0].versions, items=old),
                                lasting=lasting)


def test_a_rule_that_held_for_as_long_as_it_must_is_acted_on() -> None:
    found = due(RULE_ONLY, breaking(Lasting("rollout_rule", NOW - 660, NOW - 20, 60.0)))
    assert (found.action, found.automatic, found.since) == (Action.ROLLBACK, True, NOW - 36_000)
    assert found.sentence.endswith("; for 11 min and more")


@pytest.mark.parametrize(("lasting", "said"), [
    ((), "since when it holds is asked"),
    ((Lasting("slo_breach", NOW - 6000, NOW, 60.0),), "since when it holds is asked"),
    ((Lasting("rollout_rule", NOW - 660, NOW - 300, 60.0),), "since when it holds is asked"),
    ((Lasting("rollout_rule", None, NOW - 20, 60.0),), "begins to hold only now"),
    ((Lasting("rollout_rule", NOW - 480, NOW - 20, 60.0),), "and has to last until "),
    ((Lasting("rollout_rule", None, NOW, 60.0, "overloaded"),), "since when it holds cannot be read: overloaded"),
    ((Lasting("rollout_rule", NOW - 660, NOW - 300, 60.0, "overloaded"),), "cannot be read: overloaded"),
])
def test_the_age_of_the_trial_is_not_how_long_the_rule_was_broken(lasting: tuple[Lasting, ...], said: str) -> None:
    found = due(RULE_ONLY, breaking(*lasting))
    assert found.action is None
    assert found.sentence.startswith("rollout_rule: ")
    assert said in found.sentence


def test_a_trigger_that_still_has_to_last_does_not_hide_one_that_has() -> None:
    slow = replace(snapshots.canary_failing().models[0].slos[0], required=True, verdict=Verdict.FAIL)
    made = snapshots.with_model(breaking(Lasting("rollout_rule", NOW - 60, NOW, 60.0),
                                         Lasting("slo_breach", NOW - 660, NOW, 60.0)), slos=(slow,))
    found = due(manifest(rollback={"when": ["rollout_rule", "slo_breach"]}), made)
    assert found.action is Action.ROLLBACK
    assert found.sentence.startswith("slo_breach: ")


@pytest.mark.parametrize(("made", "said"), [
    (snapshots.healthy, "no version is on trial"),
    (snapshots.prometheus_lost, "prometheus does not answer: nothing is decided"),
    (snapshots.trial_begun, "not judged yet"),
    (lambda: snapshots.on_trial_at(trials.few), "canary insufficient"),
    (lambda: snapshots.on_trial_at(trials.stale), "not judged yet"),
])
def test_what_is_not_known_decides_nothing(made: Any, said: str) -> None:
    found = due(AUTO, made())
    assert found.action is None
    assert said in found.sentence


def test_a_shadow_that_fails_is_not_rolled_back() -> None:
    assert due(AUTO, snapshots.on_trial_at(trials.shadow)).action is None


def test_a_canary_that_passes_and_stood_long_enough_is_promoted_a_step() -> None:
    found = due(AUTO, paused(11))
    assert (found.action, found.automatic, found.since) == (Action.PROMOTE, True, NOW - 660)
    assert not due(EXAMPLE, paused(11)).automatic


@pytest.mark.parametrize(("made", "said"), [
    (lambda: paused(4), "it stays at this step until "),
    (lambda: paused(11, until=NOW + 120), "its rollout goes on by itself at "),
    (lambda: paused(11, reason="manual"), "it was paused by hand"),
])
def test_a_canary_that_passes_waits_for_its_time(made: Any, said: str) -> None:
    found = due(AUTO, made())
    assert found.action is None
    assert said in found.sentence


def test_before_all_traffic_it_bakes_for_as_long_as_the_manifest_says() -> None:
    made = paused(30)
    rollout = made.models[0].rollout
    assert isinstance(rollout, RolloutFacts)
    last = max(number for number, step in enumerate(rollout.steps) if step.until_resumed or step.pause_seconds)
    at_last = snapshots.with_model(made, rollout=replace(rollout, step_index=last))
    found = due(AUTO, at_last)
    assert found.action is None
    assert "before it takes all traffic it bakes until" in found.sentence
    assert due(manifest(promote={"policy": "auto"}, canary={"bake": 60.0}), at_last).action is Action.PROMOTE


def test_a_canary_is_not_promoted_into_a_model_that_fails() -> None:
    model = snapshots.canary_failing().models[0]
    made = snapshots.with_model(paused(30), verdict=model.verdict, reasons=model.reasons[1:] or model.reasons)
    found = due(manifest(rollback={"when": ["canary_fail"]}, promote={"policy": "auto"}), made)
    assert found.action is None


def test_the_worst_word_of_the_judge_is_the_one_that_counts() -> None:
    assert due(AUTO, failed(verdict=CanaryVerdict.ERROR)).action is None
