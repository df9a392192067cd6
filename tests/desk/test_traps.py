"""The traps of Argo Rollouts (its plugin's and its controller's), walked into in the lab: through desk, guards and
executor none of them does harm. Some are sprung as the plugin would spring them, to show that they are there.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.desk.crew import Crew, do, going, plan, refusal, send, until
from tests.desk.site import NOT_JUDGED, Site
from tests.lab.cluster.ground import READY_SECONDS, START, Ground
from triage.actions.guards.checking import Verdict
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Stage
from triage.actions.system import Progress
from triage.lab.cluster.refusals import Refusal as Refused

OWNED = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "fraud:argoproj.io/Rollout:ml/fraud"}}}


@pytest.fixture
async def crew(make_site: Callable[..., Site], tmp_path: Path) -> AsyncIterator[Crew]:
    spec = {**NOT_JUDGED, "promote": {"approvals": 0}}
    found = Crew(make_site(start=START, lives=False, spec=spec), tmp_path)
    yield found
    for desk in found.opened:
        await desk.aclose()


async def test_trap_1_abort_is_not_rollback_the_bad_version_stays_asked_for_and_comes_with_a_retry(crew: Crew) -> None:
    desk = await crew.desk()
    prepared = await send(desk, Action.ABORT)
    assert ("abort is not rollback: v8 stays in the specification, and retry starts it again"
            in prepared.plan.warnings)
    assert (crew.ground.split, crew.image, crew.ground.status["phase"]) == ({"7": 100}, "fraud:8", "Degraded")
    retry = await plan(desk, Action.RETRY)
    assert "v8 (revision 2, fraud:8) was aborted: it is started again as it is" in retry.plan.warnings
    [toggle] = [each for each in retry.checked if each.name == "toggle"]
    assert (toggle.verdict, "this leads back to it" in toggle.sentence) == (Verdict.BLOCKED, True)
    assert (await do(desk, Action.ROLLBACK)).sentence.startswith("v7 takes all traffic, all its replicas serve; ")
    assert (crew.image, crew.ground.status["phase"]) == ("fraud:7", "Healthy")


async def test_trap_2_promoting_an_aborted_version_in_full_would_ship_it_to_everybody(crew: Crew) -> None:
    desk = await crew.desk()
    await send(desk, Action.ABORT)
    before = list(crew.site.gate.changes)
    assert "promoting fully would ship v8 to everybody" in (await refusal(desk, Action.PROMOTE_FULL)).message
    assert crew.site.gate.changes == before
    # As the plugin does it.
    crew.ground.patch_status(promoteFull=True)
    crew.ground.wait(600)
    assert crew.ground.split == {"8": 100}


async def test_trap_3_promoting_an_aborted_version_by_a_step_would_do_nothing(crew: Crew) -> None:
    desk = await crew.desk()
    await send(desk, Action.ABORT)
    before = list(crew.site.gate.changes)
    assert "promoting one step does nothing" in (await refusal(desk, Action.PROMOTE)).message
    assert crew.site.gate.changes == before
    crew.ground.patch_status(pauseConditions=None)
    crew.ground.wait(600)
    assert crew.ground.split == {"7": 100}


async def test_trap_4_a_full_promotion_right_after_a_rollback_would_be_about_what_nobody_has_seen_yet(
        crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await crew.desk()
    with monkeypatch.context() as still:
        # The controller does not get to it.
        still.setattr(crew.ground.cluster, "advance", lambda now=None: None)
        await send(desk, Action.ROLLBACK)
        assert "has not seen the present specification" in (await refusal(desk, Action.PROMOTE_FULL)).message
    crew.ground.wait(READY_SECONDS)
    assert "no version is on its way" in (await refusal(desk, Action.PROMOTE_FULL)).message
    assert [each.rpartition("/")[2] for each in crew.site.gate.changes] == ["status", "fraud"]


@pytest.mark.parametrize("late", [False, True], ids=["before they look again", "at the very moment"])
async def test_trap_5_two_who_promote_promote_one_step(crew: Crew, late: bool) -> None:
    ana, ben = await crew.desk("ana"), await crew.desk("ben")
    second = await plan(ben, Action.PROMOTE)
    async with going(ben, second) as steps:
        if late:
            # He has looked again under his lease, and only the server can tell the two apart.
            await until(steps, Stage.INTENT)
        await send(ana, Action.PROMOTE)
        crew.ground.wait(READY_SECONDS)
        outcome = await until(steps, Stage.OUTCOME)
    assert outcome.outcome is (Outcome.FAILED if late else Outcome.REFUSED)
    assert ("nothing was changed" if late else "unchanged: it has changed since the plan was made") in outcome.sentence
    crew.ground.wait(READY_SECONDS)
    assert (crew.ground.status["currentStepIndex"], crew.ground.split) == (3, {"7": 50, "8": 50})


async def test_trap_5_two_patches_are_not_one_what_changes_between_them_stops_the_second(crew: Crew) -> None:
    desk = await crew.desk()
    await send(desk, Action.PAUSE)
    prepared = await plan(desk, Action.PROMOTE)
    assert len(prepared.plan.requests) == 2
    async with going(desk, prepared) as steps:
        assert (await until(steps, Stage.SENT)).sentence == "done"
        crew.ground.deploy("9")
        outcome = await until(steps, Stage.OUTCOME)
    assert outcome.outcome is Outcome.FAILED
    assert "1 of 2 requests done: it has changed since the plan was made" in outcome.sentence
    # The pause by hand is still there, so that nothing goes on unseen.
    assert crew.ground.rollout["spec"]["paused"] is True


async def test_trap_6_rolling_back_twice_does_not_toggle_to_the_bad_version(crew: Crew) -> None:
    desk = await crew.desk()
    await do(desk, Action.ROLLBACK)
    crew.ground.wait(READY_SECONDS)
    changes = list(crew.site.gate.changes)
    assert "fraud:7) is what the specification asks for already" in (await refusal(desk, Action.ROLLBACK)).message
    back = await plan(desk, Action.ROLLBACK, "8")
    assert "v8 is newer than v7, which serves: this is no way back" in back.plan.warnings
    [toggle] = [each for each in back.checked if each.name == "toggle"]
    assert (toggle.verdict, toggle.stops) == (Verdict.BLOCKED, True)
    typed = Confirmation(back.plan.confirmation, frozenset(back.acknowledgements))
    assert [step.outcome async for step in desk.carry_out(back, typed)] == [Outcome.REFUSED]
    assert crew.site.gate.changes == changes
    # As the plugin's undo without a revision does it: the second-highest number is now the bad version's.
    revision = "rollout.argoproj.io/revision"
    numbers = sorted(int(each["metadata"]["annotations"][revision]) for each in crew.ground.sets())
    crew.ground.undo(numbers[-2])
    assert crew.image == "fraud:8"


async def test_trap_7_a_rollback_after_the_full_promotion_walks_every_step_and_is_not_called_done_before(
        crew: Crew) -> None:
    desk = await crew.desk()
    crew.ground.patch_status(promoteFull=True)
    crew.ground.wait(600)
    prepared = await plan(desk, Action.ROLLBACK, "7")
    assert prepared.plan.path == "slow: all 4 steps run again, about 10 min of pauses, it waits for a person once"
    assert "its steps wait for a person: resume them, or promote fully" in prepared.plan.warnings
    assert prepared.plan.verification.goal_seconds > 600
    async with going(desk, prepared) as steps:
        looks = []
        async for step in steps:
            if step.stage is Stage.VERIFYING:
                looks.append(step.progress)
            if step.stage is Stage.VERIFYING and step.at > START + 60:
                break
    assert set(looks) == {Progress.UNDER_WAY}
    assert crew.ground.split == {"7": 10, "8": 90}


async def test_trap_8_what_gitops_puts_back_is_seen_and_an_abort_is_not_put_back(crew: Crew) -> None:
    crew.ground.patch(OWNED)
    desk = await crew.desk()

    def heals() -> None:
        if crew.image == "fraud:7":
            crew.ground.patch({"spec": {"template": healthy}})
    healthy = crew.ground.rollout["spec"]["template"]
    prepared = await plan(desk, Action.ROLLBACK)
    [owner] = [each for each in prepared.checked if each.name == "gitops"]
    assert (owner.acknowledgement, "Argo CD owns it and may undo this" in owner.sentence) == ("gitops", True)
    async with going(desk, prepared) as steps:
        async for step in steps:
            if step.progress is Progress.REACHED:
                crew.meanwhile = heals
            outcome = step if step.outcome is not None else None
            if outcome is not None:
                break
    assert outcome is not None
    assert (outcome.outcome, crew.image) == (Outcome.FAILED, "fraud:8")
    assert "it was there and was taken back" in outcome.sentence
    abort = await plan(desk, Action.ABORT)
    [owner] = [each for each in abort.checked if each.name == "gitops"]
    assert (owner.verdict, owner.sentence) == (
        Verdict.OK, "Argo CD owns it, and does not undo a change of its status")


async def test_trap_9_the_lab_runs_no_analyses_so_two_of_them_in_a_row_are_seen_in_the_shapes_only() -> None:
    with pytest.raises(Refused, match="a step of this cluster is one of setWeight, pause, setCanaryScale"):
        Ground().with_rollout(steps=({"analysis": {}}, {"analysis": {}}))


async def test_an_abort_ends_the_full_promotion_that_would_take_it_back(crew: Crew) -> None:
    desk = await crew.desk()
    await send(desk, Action.PROMOTE_FULL)
    await send(desk, Action.ABORT)
    crew.ground.wait(600)
    assert (crew.ground.split, crew.ground.status.get("promoteFull")) == ({"7": 100}, None)


async def test_a_rollback_of_what_is_paused_by_hand_comes_to_its_end(crew: Crew) -> None:
    desk = await crew.desk()
    await send(desk, Action.PAUSE)
    outcome = await do(desk, Action.ROLLBACK)
    assert (crew.image, crew.ground.split, crew.ground.status["phase"]) == ("fraud:7", {"7": 100}, "Healthy")
    assert "v7 takes all traffic" in outcome.sentence


def test_each_trap_has_a_test() -> None:
    """The nine of the reference that this part was written from."""
    names = [name for name, _ in inspect.getmembers(sys.modules[__name__], inspect.isfunction)]
    assert {name.split("_")[2] for name in names if name.startswith("test_trap_")} == set("123456789")
