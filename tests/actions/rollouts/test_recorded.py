"""What the lab's objects tell of changes that others made, read as any Kubernetes API tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.actions.rollouts.conftest import Stage
from triage.actions.plan import Action, Plan
from triage.actions.rollouts.last_action import LAST_ACTION, LastAction, last_action, mark
from triage.actions.rollouts.recorded import recorded
from triage.actions.system import Change, Recorded
from triage.facts.outcome import Failure
from triage.sources.kubernetes import Json


async def told(stage: Stage) -> Recorded:
    observed = await stage.system.observe()
    assert not isinstance(observed, Failure), observed
    return observed.recorded


async def left(stage: Stage, version: str) -> list[Change]:
    return [each for each in (await told(stage)).changes if each.left == version]


async def test_who_wrote_it_is_told_with_the_time_and_controllers_are_not_among_them(argo: Stage) -> None:
    argo.ground.patch({"spec": {"paused": True}})
    first = (await told(argo)).changes[0]
    assert (first.sentence, first.at) == ("test wrote it (managedFields)", int(argo.ground.clock.at))
    assert not any("controller" in each.sentence for each in (await told(argo)).changes)


async def test_a_new_revision_is_told_by_its_replica_set(argo: Stage) -> None:
    assert any(each.sentence == "v8 was first rolled out (its ReplicaSet)" for each in (await told(argo)).changes)


async def test_an_undo_with_another_tool_is_told_by_the_replica_sets(argo: Stage) -> None:
    assert await left(argo, "v8") == []
    argo.ground.undo(1)
    [change] = await left(argo, "v8")
    assert change.sentence == "revision 3 went from v8 back to v7 of revision 1 (ReplicaSets)"
    assert (change.at, change.why) == (int(argo.ground.clock.at), "")


async def test_an_undo_of_a_deployment_is_told_as_well(chat: Stage) -> None:
    chat.ground.undo(1, "chat")
    [change] = [each for each in (await told(chat)).changes if each.left]
    assert "back to" in change.sentence


async def test_an_abort_with_another_tool_is_told_by_its_status(argo: Stage) -> None:
    argo.ground.patch_status(abort=True)
    argo.ground.wait(1)
    [change] = await left(argo, "v8")
    assert change.sentence == "v8 was aborted (status.abortedAt), by whom is not recorded"
    assert change.at is not None


async def test_a_rollback_with_triage_from_elsewhere_is_told_by_its_mark(argo: Stage) -> None:
    plan = await argo.do(Action.ROLLBACK)
    first, *_ = await left(argo, "v8")
    assert first == Change(int(argo.ground.clock.at), f"rollback from v8 by {plan.actor} (annotation {LAST_ACTION})",
                           "v8", "tests")


async def test_a_mark_of_no_known_time_is_not_taken_for_recent(argo: Stage) -> None:
    await argo.do(Action.ROLLBACK)
    observed = await argo.system.observe()
    assert not isinstance(observed, Failure)
    assert observed.rollout is not None
    item = {"metadata": {"annotations": {LAST_ACTION: "rollback fraud-scorer from v8 to v7 by ana"}}}
    [change] = [each for each in recorded([item], observed.rollout).changes if "annotation" in each.sentence]
    assert (change.at, change.why) == (None, "no reason given")


def noted(text: object) -> Json:
    return {"metadata": {"annotations": {LAST_ACTION: text}}}


@pytest.mark.parametrize(("text", "found"), [
    ("rollback m from v8 to v7 by system:serviceaccount:ml:ci: v8: slow",
     LastAction(Action.ROLLBACK, "v8", "v7", "system:serviceaccount:ml:ci", "v8: slow")),
    ("rollback m to v7 by ana", LastAction(Action.ROLLBACK, "", "v7", "ana", "")),
    ("pause m by ana: look", LastAction(Action.PAUSE, "", "", "ana", "look")),
    ("destroy m by ana", None), ("", None), ("rollback", None), (7, None), (None, None)])
def test_a_mark_is_read_as_it_is_written(text: object, found: LastAction | None) -> None:
    assert last_action(noted(text)) == found


async def test_a_mark_that_is_written_is_read(argo: Stage) -> None:
    plan: Plan = await argo.plan(Action.ROLLBACK)
    assert last_action(noted(mark(plan))) == LastAction(Action.ROLLBACK, "v8", "v7", plan.actor, "tests")
    assert last_action(noted(mark(replace(plan, reason="")))) == LastAction(Action.ROLLBACK, "v8", "v7", plan.actor, "")
