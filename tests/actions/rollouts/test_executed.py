"""The executor on the lab's Rollout: one engineer, two who share a Lease of the cluster, two who share nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.actions.rollouts.conftest import Stage
from tests.lab.cluster.ground import START
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.freeze import WriteMode
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease import Leases
from triage.actions.lease_files import FileLeases
from triage.actions.lease_kubernetes import KubernetesLeases
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.steps import Stage as At
from triage.actions.system import Wish
from triage.clock import ManualClock
from triage.state_dir import StateDir

ARMED = WriteMode(True, False, "--write")


def executor(stage: Stage, folder: Path, leases: Leases | None = None) -> Executor:
    """An engineer with a state directory of their own; what they wait for passes in the lab."""
    clock = ManualClock(START)

    async def wait(seconds: float) -> None:
        clock.advance(seconds)
        stage.ground.wait(seconds)
        await asyncio.sleep(0)

    return Executor(stage.system, Journal(StateDir(folder, "journal"), clock),
                    leases or FileLeases(StateDir(folder, "leases"), "bastion"), clock, Policy(), lambda: ARMED,
                    lambda: None, wait=wait)


async def prepared(of: Executor) -> Prepared:
    found = await of.prepare(Wish(Action.ROLLBACK, "v8 is slow", "7"))
    assert isinstance(found, Prepared), found
    return found


async def carried(of: Executor, plan: Prepared) -> list[Step]:
    confirmation = Confirmation(plan.plan.confirmation, frozenset(plan.acknowledgements))
    return [step async for step in of.carry_out(plan, confirmation)]


def outcomes(*courses: list[Step]) -> list[str]:
    return sorted(str(step.outcome) for steps in courses for step in steps if step.outcome is not None)


async def test_a_rollback_is_planned_acknowledged_and_verified_without_prometheus(argo: Stage, tmp_path: Path) -> None:
    of = executor(argo, tmp_path)
    plan = await prepared(of)
    assert "facts" in plan.acknowledgements
    assert [c.name for c in plan.checked if c.stops] == []
    assert all(rehearsal.accepted for rehearsal in plan.rehearsals)
    before = len(argo.switched.patches)
    steps = await carried(of, plan)
    [outcome] = [step for step in steps if step.outcome]
    assert (outcome.outcome, outcome.sentence) == (Outcome.UNKNOWN, (
        "v7 takes all traffic, all its replicas serve; every objective cannot be seen: nothing was read of it"))
    assert len(argo.switched.patches) - before == len(plan.plan.requests)
    assert (await of.history()).deeds[0].plan.digest == plan.plan.digest


async def test_of_two_who_share_one_lease_of_the_cluster_one_acts(argo: Stage, tmp_path: Path) -> None:
    first, second = (executor(argo, tmp_path / name, KubernetesLeases(argo.client, "ml")) for name in "ab")
    plans = await prepared(first), await prepared(second)
    before = len(argo.switched.patches)
    courses = await asyncio.gather(carried(first, plans[0]), carried(second, plans[1]))
    assert outcomes(*courses) == [Outcome.REFUSED, Outcome.UNKNOWN]
    assert len(argo.switched.patches) - before == len(plans[0].plan.requests)
    refused = next(step for steps in courses for step in steps if step.outcome is Outcome.REFUSED)
    assert "held by" in refused.sentence


async def test_of_two_who_share_nothing_the_second_is_found_out_by_what_it_rests_on(argo: Stage,
                                                                                    tmp_path: Path) -> None:
    first, second = executor(argo, tmp_path / "a"), executor(argo, tmp_path / "b")
    plans = await prepared(first), await prepared(second)
    assert outcomes(await carried(first, plans[0])) == [Outcome.UNKNOWN]
    before = len(argo.switched.patches)
    steps = await carried(second, plans[1])
    assert outcomes(steps) == [Outcome.REFUSED]
    assert any("it has changed since the plan was made" in step.sentence for step in steps)
    assert len(argo.switched.patches) == before


async def test_of_two_who_share_nothing_and_act_at_once_the_server_lets_one_through(argo: Stage,
                                                                                   tmp_path: Path) -> None:
    first, second = executor(argo, tmp_path / "a"), executor(argo, tmp_path / "b")
    plans = await prepared(first), await prepared(second)
    ready = asyncio.Barrier(2)

    async def meet(of: Executor, plan: Prepared) -> list[Step]:
        steps = []
        confirmation = Confirmation(plan.plan.confirmation, frozenset(plan.acknowledgements))
        async for step in of.carry_out(plan, confirmation):
            steps.append(step)
            if step.stage is At.CHECKED:
                await ready.wait()
        return steps

    found = outcomes(*await asyncio.gather(meet(first, plans[0]), meet(second, plans[1])))
    assert found == [Outcome.FAILED, Outcome.UNKNOWN]
