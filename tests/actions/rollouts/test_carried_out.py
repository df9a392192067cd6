"""The executor over the lab's cluster: a rollback from plan to outcome, and two engineers at the same moment."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions.building import ARMED
from tests.actions.rollouts.conftest import NOTHING, Stage
from tests.lab.cluster.ground import START
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease import Leases
from triage.actions.lease_files import FileLeases
from triage.actions.lease_kubernetes import KubernetesLeases
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.steps import Stage as At
from triage.actions.system import Fate, Wish
from triage.clock import ManualClock
from triage.facts.outcome import SourceHealth, SourceState
from triage.state_dir import StateDir

ROLLBACK = Wish(Action.ROLLBACK, "errors", "7")


def executor(stage: Stage, folder: Path, leases: Leases | None = None) -> Executor:
    """With a journal of its own, as on another machine; by default with leases that nobody else sees."""
    clock = ManualClock(START)
    snapshot = replace(NOTHING, sources=(SourceHealth("kubernetes", SourceState.OK),))

    async def wait(seconds: float) -> None:
        clock.advance(seconds)
        stage.ground.wait(seconds)
        await asyncio.sleep(0)
    return Executor(
        stage.system, Journal(StateDir(folder, "journal"), clock), leases or FileLeases(
            StateDir(folder, "leases"), folder.name), clock, Policy(approvals=0), lambda: ARMED, lambda: snapshot,
        wait=wait)


async def prepared(of: Executor) -> Prepared:
    found = await of.prepare(ROLLBACK)
    assert isinstance(found, Prepared), found
    return found


async def carried(of: Executor, plan: Prepared) -> list[Step]:
    typed = Confirmation(plan.plan.confirmation, frozenset(plan.acknowledgements))
    return [step async for step in of.carry_out(plan, typed)]


def ended(steps: list[Step]) -> Step:
    return next(step for step in steps if step.stage is At.OUTCOME)


async def test_a_rollback_is_carried_out_to_its_goal(argo: Stage, tmp_path: Path) -> None:
    of = executor(argo, tmp_path)
    plan = await prepared(of)
    assert [each.accepted for each in plan.rehearsals] == [True, True]
    argo.switched.writes.clear()
    steps = await carried(of, plan)
    assert [step.fate for step in steps if step.stage is At.SENT] == [Fate.DONE, Fate.DONE]
    assert ended(steps).outcome is Outcome.DONE
    assert argo.ground.split == {"7": 100}
    assert [body.decode() for _, _, _, body in argo.switched.patches] == [each.body for each in plan.plan.requests]


@pytest.mark.parametrize("leased", [True, False])
async def test_of_two_who_roll_back_at_once_one_does(argo: Stage, tmp_path: Path, leased: bool) -> None:
    leases = KubernetesLeases(argo.client, "ml") if leased else None
    ours, theirs = (executor(argo, tmp_path / name, leases) for name in ("ana", "ben"))
    plans = await prepared(ours), await prepared(theirs)
    argo.switched.writes.clear()
    found = await asyncio.gather(carried(ours, plans[0]), carried(theirs, plans[1]))
    outcomes = [ended(steps).outcome for steps in found]
    assert outcomes.count(Outcome.DONE) == 1, [each.sentence for steps in found for each in steps]
    templates = [body for _, _, _, body in argo.switched.patches
                 if json.loads(body)[-1]["path"] == "/spec/template"]
    assert len(templates) == 1
    assert argo.ground.split == {"7": 100}


async def test_a_token_that_only_reads_is_stopped_before_anything_is_sent(make_stage: Any, tmp_path: Path) -> None:
    from tests.lab.cluster.ground import Ground
    ground = Ground().with_rollout()
    ground.deploy("8")
    stage = make_stage(ground, token="reading")
    of = executor(stage, tmp_path)
    plan = await prepared(of)
    assert any("you may not list" in each.sentence or "you may not patch" in each.sentence for each in plan.stops)
    stage.switched.writes.clear()
    steps = await carried(of, plan)
    assert ended(steps).outcome is Outcome.REFUSED
    assert stage.switched.patches == []
    await stage.client.aclose()
