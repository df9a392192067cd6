"""While an action is verified, which lasts for minutes: a colleague can pause and abort, and bring a rollback on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.actions import building
from tests.desk.site import TOKEN, Site
from triage.actions.guards.checking import Verdict
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Wish
from triage.clock import ManualClock
from triage.desk.actions import ActionDesk, open_desk
from triage.facts.versions import ApprovalStatus
from triage.live.snapshot import Snapshot

AT = building.NOW
KUBERNETES_LEASES = {"leases": {"kind": "kubernetes", "namespace": "ml"}}


@dataclass(slots=True)
class People:
    """Opens the desks of people who share a cluster, each with a state directory, a credential and a clock."""

    site: Site
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    opened: list[ActionDesk]

    def snapshot(self) -> Snapshot:
        found = building.model(slos=(building.slo("latency", remaining=-0.2),), data_at=AT - 1)
        return replace(building.snapshot(found, at=AT), context="prod-eu")

    async def desk(self, token: str, state: str = "") -> ActionDesk:
        self.monkeypatch.setenv(TOKEN, token)
        clock = ManualClock(AT)

        async def wait(seconds: float) -> None:
            clock.advance(seconds)
            self.site.ground.wait(seconds)
            await asyncio.sleep(0)
        desk = await open_desk(self.site.active, self.site.notebook, clock, self.snapshot, write=True,
                               environ={"TRIAGE_STATE": str(self.folder / (state or token))})
        for executor in desk.executors.values():
            executor.wait = wait
        self.opened.append(desk)
        return desk


@pytest.fixture(params=[{}, KUBERNETES_LEASES], ids=["files", "kubernetes"])
async def people(request: pytest.FixtureRequest, make_site: Callable[..., Site], tmp_path: Path,
                 monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    """Where version 8 was promoted in full and version 7 is gone back to, step by step. With leases in files they
    share the state directory, else nothing but the cluster."""
    actions: Mapping[str, Any] = request.param
    site = make_site(start=AT, lives=False, spec={"promote": {"approvals": 1}}, actions=actions)
    site.ground.patch_status(promoteFull=True)
    site.ground.wait(600)
    assert site.ground.split == {"8": 100}
    found = People(site, tmp_path, monkeypatch, [])
    yield found
    for desk in found.opened:
        await desk.aclose()


def shared(people: People) -> str:
    return "" if people.site.actions else "one"


async def planned(desk: ActionDesk, action: Action, to: str = "") -> Prepared:
    found = await desk.prepare(Wish(action, "v8 is slow", to))
    assert isinstance(found, Prepared), found
    return found


def confirmation(prepared: Prepared) -> Confirmation:
    return Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements))


async def until(stage: Stage, steps: AsyncGenerator[Step, None]) -> Step:
    async for step in steps:
        if step.stage is stage:
            return step
    raise AssertionError(f"it ended before {stage}")


async def ended(desk: ActionDesk, prepared: Prepared) -> Step:
    async with aclosing(desk.carry_out(prepared, confirmation(prepared))) as steps:
        return await until(Stage.OUTCOME, steps)


def lease_of(prepared: Prepared) -> tuple[Verdict, str]:
    return next((each.verdict, each.sentence) for each in prepared.checked if each.name == "lease")


async def test_a_colleague_pauses_and_aborts_beside_whoever_verifies_and_does_nothing_else(people: People) -> None:
    ana, ben = await people.desk("writing", shared(people)), await people.desk("second", shared(people))
    back = await planned(ana, Action.ROLLBACK, "7")
    async with aclosing(ana.carry_out(back, confirmation(back))) as verifying:
        await until(Stage.SENT, verifying)
        # It is not watched yet: whoever comes now has to wait.
        assert lease_of(await planned(ben, Action.PAUSE))[0] is Verdict.BLOCKED
        await until(Stage.VERIFYING, verifying)
        pause = await planned(ben, Action.PAUSE)
        assert lease_of(pause)[0] is Verdict.WARN
        assert "verifies rollback fraud-scorer to v7: this goes on beside it" in lease_of(pause)[1]
        assert (await ended(ben, pause)).outcome is Outcome.DONE
        other = await planned(ben, Action.ROLLBACK, "8")
        assert lease_of(other)[0] is Verdict.BLOCKED
        assert "who verifies: rollback fraud-scorer to v7" in lease_of(other)[1]
        abort = await planned(ben, Action.ABORT)
        assert lease_of(abort)[0] is Verdict.WARN
        async with aclosing(ben.carry_out(abort, confirmation(abort))) as steps:
            assert "beside" in (await until(Stage.LEASE, steps)).sentence
            await until(Stage.VERIFYING, steps)
    assert people.site.ground.status["abort"] is True


async def test_a_rollback_that_waits_at_a_pause_is_brought_on_by_one_person_while_it_is_verified(
        people: People) -> None:
    ana = await people.desk("writing")
    back = await planned(ana, Action.ROLLBACK, "7")
    assert any("its steps wait for a person" in each for each in back.plan.warnings)
    async with aclosing(ana.carry_out(back, confirmation(back))) as verifying:
        async for step in verifying:
            if step.stage is Stage.VERIFYING and "step 1 of 3, paused" in step.sentence:
                break
        onward = await planned(ana, Action.PROMOTE_FULL)
        assert onward.stops == ()
        told = {each.name: each.sentence for each in onward.checked}
        assert told["persons"].startswith("no other person is needed to bring on rollback fraud-scorer to v7, plan ")
        assert told["trial"] == "v7 is no trial: rollback fraud-scorer to v7 goes back to it"
        assert told["budget"] == "it leads back: a spent budget is a reason to go on"
        assert (await ended(ana, onward)).outcome is Outcome.DONE
        outcome = await until(Stage.OUTCOME, verifying)
    assert outcome.outcome is Outcome.DONE
    assert people.site.ground.split == {"7": 100}


async def test_without_the_rollback_in_the_journal_a_promotion_needs_its_persons(people: People) -> None:
    ana = await people.desk("writing", "one")
    back = await planned(ana, Action.ROLLBACK, "7")
    async with aclosing(ana.carry_out(back, confirmation(back))) as verifying:
        await until(Stage.VERIFYING, verifying)
    people.site.ground.wait(60)
    ben = await people.desk("writing", "another")
    assert "persons" in {each.name for each in (await planned(ben, Action.PROMOTE)).stops}
    again = await people.desk("writing", "one")
    assert "persons" not in {each.name for each in (await planned(again, Action.PROMOTE)).stops}


async def test_a_version_that_is_deployed_after_the_rollback_is_on_trial_as_any_other(people: People) -> None:
    ana = await people.desk("writing", "one")
    back = await planned(ana, Action.ROLLBACK, "7")
    async with aclosing(ana.carry_out(back, confirmation(back))) as verifying:
        await until(Stage.VERIFYING, verifying)
    for version in ("9", "7"):
        people.site.ground.deploy(version)
        people.site.ground.wait(60)
        promote = await planned(ana, Action.PROMOTE)
        assert promote.plan.after.version == version
        assert {"persons", "budget"} <= {each.name for each in promote.stops}


async def test_evidence_against_the_version_that_came_since_still_stops_it(people: People) -> None:
    ana = await people.desk("writing", "one")
    back = await planned(ana, Action.ROLLBACK, "7")
    async with aclosing(ana.carry_out(back, confirmation(back))) as verifying:
        await until(Stage.VERIFYING, verifying)
    people.site.ground.wait(60)
    rejected = building.model(lineage=building.lineage(ApprovalStatus.REJECTED), data_at=AT - 1)
    for executor in ana.executors.values():
        executor.policy = replace(executor.policy, registered=True)
        executor.snapshot = lambda: replace(building.snapshot(rejected, at=AT), context="prod-eu")
    promote = await planned(ana, Action.PROMOTE)
    assert [each.name for each in promote.stops] == ["trial"]
    assert "v7 is not good: rejected" in promote.stops[0].sentence
