"""A target that is deleted and made anew under the same name is not the one that the plan brought to its goal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions.building import NOW, TARGET, executor, observed, plan, request, revision, rollout
from tests.actions.rollouts.conftest import Stage
from tests.actions.test_executor import carried, outcome, prepared, system
from triage.actions.history import Outcome
from triage.actions.plan import Action, Precondition, State
from triage.actions.reconcile import sight
from triage.actions.rollouts.argo_sightings import sighting
from triage.actions.system import Observed, Progress
from triage.facts.rollouts import RolloutFacts
from triage.lab.cluster.objects import name_of
from triage.lab.cluster.resources import DEPLOYMENTS, REPLICA_SETS, ROLLOUTS, Resource

V9 = revision("9", 2, available=10)
NEW = rollout(uid="u-2", stable=V9, canary=None, revisions=(V9,), weight_asked=0.0, weight_set=None)
"""Of another uid: its revision 2 is v9, and the plan's was v7."""


def removed(stage: Stage, resource: Resource, name: str) -> None:
    """Delete an object with its ReplicaSets, as a garbage collector does."""
    storage = stage.ground.cluster.storage
    storage.remove(resource, "ml", name)
    for each in stage.ground.sets(name):
        storage.remove(REPLICA_SETS, "ml", name_of(each))


@pytest.mark.parametrize(("action", "to"), [
    (Action.ROLLBACK, "1"), (Action.PAUSE, ""), (Action.SCALE, "")], ids=["rollback", "pause", "scale"])
async def test_a_deployment_made_anew_is_another_object(make_stage: Any, chat: Stage, action: Action, to: str) -> None:
    stage = make_stage(chat.ground, "deployment", resources={"replicas": {"min": 2, "max": 6}})
    done = await stage.do(action, to, **({"replicas": "6"} if action is Action.SCALE else {}))
    stage.ground.wait(120)
    assert await stage.progress(done) is Progress.REACHED
    removed(stage, DEPLOYMENTS, "chat")
    stage.ground.with_deployment("9", replicas=6, paused=action is Action.PAUSE)
    found = await stage.seen(done)
    assert found.progress is Progress.ELSEWHERE
    assert found.sentence == "another object has taken its name since: v9 has all traffic" + (
        ", paused (manual)" if action is Action.PAUSE else "")
    await stage.client.aclose()


@pytest.mark.parametrize("action", [Action.ROLLBACK, Action.ABORT, Action.PAUSE, Action.PROMOTE_FULL])
async def test_a_rollout_made_anew_is_another_object(argo: Stage, action: Action) -> None:
    done = await argo.do(action)
    removed(argo, ROLLOUTS, "fraud")
    argo.ground.with_rollout("9", paused=action is Action.PAUSE)
    found = await argo.seen(done)
    assert found.progress is Progress.ELSEWHERE
    assert found.sentence.startswith("another object has taken its name since: v9 has all traffic")


@pytest.mark.parametrize(("version", "digest"), [("9", ""), ("", "sha256:bbb"), ("7", "sha256:bbb")])
def test_a_number_that_was_given_out_again_is_not_the_version_that_was_gone_back_to(version: str, digest: str) -> None:
    there = replace(revision(version, 2, available=10), image_digest=digest)
    facts = rollout(stable=there, canary=None, revisions=(there,), weight_asked=None, weight_set=None)
    of = plan(Action.ROLLBACK, after=State("7", 2, "sha256:aaa"))
    assert sighting(of, observed(facts)).progress is Progress.ELSEWHERE


@pytest.mark.parametrize("version", ["7", "v7", ""])
def test_the_version_that_was_gone_back_to_is_known_by_its_number_however_it_is_spelt(version: str) -> None:
    there = revision(version, 2, available=10)
    facts = rollout(stable=there, canary=None, revisions=(there,), weight_asked=None, weight_set=None)
    assert sighting(plan(Action.ROLLBACK), observed(facts)).progress is Progress.REACHED


def test_the_object_that_the_template_is_taken_from_counts_too() -> None:
    of = plan(Action.ROLLBACK, requests=(request("x", Precondition("workload_uid", "w-1", "it is the same object")),))
    facts: RolloutFacts = rollout(canary=None)
    assert sighting(of, Observed(NOW, {"workload_uid": "w-2"}, facts)).sentence.startswith("another object")
    assert sighting(of, Observed(NOW, {}, facts)).progress is not Progress.ELSEWHERE


async def test_made_anew_while_it_is_verified_it_is_not_called_done(tmp_path: Path) -> None:
    of_system = system(tmp_path)
    of_system.sighting = sighting  # type: ignore[method-assign]
    of = executor(tmp_path, of_system)

    async def made_anew() -> None:
        of_system.facts = NEW
        of_system.world.put(uid="u-2")

    of_system.before_send = made_anew
    steps = await carried(of, await prepared(of))
    assert outcome(steps).outcome is Outcome.FAILED
    assert "another object has taken its name since: v9 has all traffic" in outcome(steps).sentence
    deed = (await of.history()).deeds[-1]
    assert (deed.moved, deed.plan.target) == (False, TARGET)
    assert (await sight(deed, of_system, of.clock, of.leases)).progress is not Progress.REACHED
