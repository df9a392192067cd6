"""What is read of a Deployment that the lab's controller moves, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.lab.cluster.ground import READY_SECONDS, Ground
from triage.facts.rollouts import Pause, Phase, RolloutFacts, WeightFrom
from triage.lab.cluster.resources import DEPLOYMENTS

State = Callable[..., Awaitable[RolloutFacts]]


async def test_a_deployment_that_is_done_has_one_version(ground: Ground, state: State) -> None:
    ground.with_deployment()
    facts = await state("deployment")
    assert (facts.kind, facts.phase, facts.message, facts.strategy) == ("Deployment", Phase.HEALTHY, "", "rolling")
    assert facts.canary is None
    assert facts.stable is not None
    assert (facts.stable.version, facts.stable.number, facts.stable.available) == ("1", 1, 4)
    assert (facts.steps, facts.step_index, facts.weight_asked, facts.weight_set) == ((), None, None, None)


async def test_while_pods_are_replaced_the_new_version_has_its_pods_share(ground: Ground, state: State) -> None:
    ground.with_deployment().deploy("2", "chat")
    facts = await state("deployment")
    assert facts.stable is not None
    assert facts.canary is not None
    assert (facts.stable.version, facts.canary.version) == ("1", "2")
    serving = (facts.stable.available or 0) + (facts.canary.available or 0)
    assert facts.weight_set == 100.0 * (facts.canary.available or 0) / serving
    assert (facts.weight_from, facts.phase) == (WeightFrom.PODS, Phase.PROGRESSING)


async def test_a_deployment_rolled_back_serves_the_old_version_under_a_new_number(ground: Ground, state: State) -> None:
    ground.with_deployment().deploy("2", "chat")
    ground.wait(5 * READY_SECONDS)
    ground.undo(1, "chat")
    ground.wait(5 * READY_SECONDS)
    facts = await state("deployment")
    assert facts.canary is None
    assert facts.stable is not None
    assert (facts.stable.version, facts.stable.number, facts.stable.earlier_numbers) == ("1", 3, (1,))
    assert [(each.version, each.number) for each in facts.revisions] == [("1", 3), ("2", 2)]
    assert facts.phase is Phase.HEALTHY


async def test_a_template_changed_while_paused_is_wanted_and_runs_nowhere(ground: Ground, state: State) -> None:
    ground.with_deployment()
    ground.patch({"spec": {"paused": True}}, resource=DEPLOYMENTS, name="chat")
    ground.deploy("2", "chat")
    facts = await state("deployment")
    assert facts.stable is not None
    assert facts.canary is not None
    assert (facts.stable.version, facts.canary.version) == ("1", "2")
    assert (facts.canary.replica_set, facts.canary.number, facts.canary.desired) == ("", None, 0)
    assert (facts.pauses, facts.phase, facts.weight_set) == ((Pause("manual"),), Phase.PAUSED, 0.0)


async def test_an_image_that_never_starts_is_degraded_after_its_deadline(ground: Ground, state: State) -> None:
    ground.with_deployment()
    ground.cluster.break_image("chat:2")
    ground.deploy("2", "chat")
    ground.wait(700)
    facts = await state("deployment")
    assert facts.phase is Phase.DEGRADED
    assert facts.message.startswith("ProgressDeadlineExceeded: ")
    assert facts.stable is not None
    assert facts.stable.version == "1"


async def test_pods_that_break_after_it_was_done_are_no_progress(ground: Ground, state: State) -> None:
    ground.with_deployment(replicas=1)
    ground.cluster.crash("ml", ground.cluster.pods("ml", "chat")[0].name)
    ground.wait(1)
    facts = await state("deployment")
    assert (facts.phase, facts.available_replicas) == (Phase.DEGRADED, 0)
    assert facts.message.startswith("MinimumReplicasUnavailable: ")


async def test_who_keeps_it_as_written_elsewhere_is_named(ground: Ground, state: State) -> None:
    ground.with_deployment()
    ground.patch({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}, resource=DEPLOYMENTS, name="chat")
    assert (await state("deployment")).managed_by == "Helm"
