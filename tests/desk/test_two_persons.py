"""Two persons: one shares the plan, another carries it out under a credential of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.actions import building
from tests.desk.site import TOKEN, Site
from tests.tui import trials
from triage.actions import approvals
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Refusal, Wish
from triage.clock import ManualClock
from triage.desk.actions import ActionDesk, open_desk
from triage.lab.cluster.access import Access

AT = building.NOW
DeskOf = Callable[[str], Awaitable[ActionDesk]]


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site(start=AT, lives=False, spec={"promote": {"approvals": 1}})


@pytest.fixture
async def desk_of(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[DeskOf]:
    """The desk of whoever has this token, with a state directory of their own."""
    opened: list[ActionDesk] = []
    model = building.model(canary=trials.passing(AT), slos=(building.slo("latency"),), data_at=AT - 1)
    present = replace(building.snapshot(model, at=AT), context="prod-eu")

    async def make(token: str) -> ActionDesk:
        monkeypatch.setenv(TOKEN, token)
        clock = ManualClock(AT)

        async def wait(seconds: float) -> None:
            clock.advance(seconds)
            site.ground.wait(seconds)
            await asyncio.sleep(0)
        desk = await open_desk(site.active, site.notebook, clock, lambda: present, write=True,
                               environ={"TRIAGE_STATE": str(tmp_path / token)})
        for executor in desk.executors.values():
            executor.wait = wait
        opened.append(desk)
        return desk
    yield make
    for desk in opened:
        await desk.aclose()


async def plan(desk: ActionDesk, reason: str = "planned step") -> Prepared:
    found = await desk.prepare(Wish(Action.PROMOTE, reason))
    assert isinstance(found, Prepared), found
    return found


async def carried_out(desk: ActionDesk, prepared: Prepared) -> Step:
    steps = [step async for step in desk.carry_out(prepared, Confirmation(prepared.plan.confirmation))]
    return next(step for step in steps if step.outcome is not None)


async def test_alone_nobody_promotes(site: Site, desk_of: DeskOf) -> None:
    desk = await desk_of("writing")
    prepared = await plan(desk)
    assert [each.name for each in prepared.stops] == ["persons"]
    assert (await carried_out(desk, prepared)).outcome is Outcome.REFUSED
    assert site.gate.changes == []


@pytest.mark.parametrize("reason", ["planned step", "a\ttab and\na line", "e\u0301 decomposed ", "\x1b[2J"])
async def test_the_second_person_carries_out_what_the_first_shared_and_sees_the_same_digest(
        site: Site, desk_of: DeskOf, tmp_path: Path, reason: str) -> None:
    first = await desk_of("writing")
    asked = await plan(first, reason)
    await first.share(asked, tmp_path / "promote.json")
    second = await desk_of("second")
    prepared = await second.prepare_approval(approvals.read(tmp_path / "promote.json"))
    assert isinstance(prepared, Prepared)
    assert prepared.plan.digest == asked.plan.digest
    assert prepared.stops == ()
    assert (await carried_out(second, prepared)).outcome is Outcome.DONE
    assert len(site.gate.changes) == 1
    [deed] = (await second.history()).deeds
    assert (deed.actor, deed.plan.actor) == ("approver", "operator")


def without_pods(site: Site, token: str) -> None:
    """Whoever has this token may do all that they might, but for the list of pods."""
    users = dict(site.ground.cluster.access.tokens)
    rules = tuple(replace(rule, resources=_LISTED) if rule.resources == ("*",) else rule for rule in users[token].rules)
    users[token] = replace(users[token], rules=rules)
    site.ground.cluster.access = Access(users)


_LISTED = ("rollouts", "rollouts/status", "replicasets", "deployments", "services", "events", "leases", "analysisruns")


async def test_an_approver_who_may_not_list_pods_is_told_to_be_allowed_to(
        site: Site, desk_of: DeskOf, tmp_path: Path) -> None:
    without_pods(site, "second")
    first = await desk_of("writing")
    asked = await plan(first)
    await first.share(asked, tmp_path / "promote.json")
    found = await (await desk_of("second")).prepare_approval(approvals.read(tmp_path / "promote.json"))
    assert isinstance(found, Refusal)
    assert f"image digest: {asked.plan.after.image_digest} | unknown: you may not list pods" in found.message
    assert found.hint == "approve it as somebody who may list pods: both persons have to see which image runs"
    assert site.gate.changes == []


async def test_two_who_both_may_not_list_pods_see_the_same_plan(site: Site, desk_of: DeskOf, tmp_path: Path) -> None:
    without_pods(site, "writing")
    without_pods(site, "second")
    first = await desk_of("writing")
    asked = await plan(first)
    await first.share(asked, tmp_path / "promote.json")
    prepared = await (await desk_of("second")).prepare_approval(approvals.read(tmp_path / "promote.json"))
    assert isinstance(prepared, Prepared)
    assert (prepared.plan.after.image_digest, prepared.stops) == ("", ())


async def test_who_asked_does_not_approve(site: Site, desk_of: DeskOf, tmp_path: Path) -> None:
    desk = await desk_of("writing")
    await desk.share(await plan(desk), tmp_path / "promote.json")
    prepared = await desk.prepare_approval(approvals.read(tmp_path / "promote.json"))
    assert isinstance(prepared, Prepared)
    assert [each.name for each in prepared.stops] == ["persons"]
    assert site.gate.changes == []


async def test_an_approval_is_used_once(site: Site, desk_of: DeskOf, tmp_path: Path) -> None:
    first = await desk_of("writing")
    await first.share(await plan(first), tmp_path / "promote.json")
    second = await desk_of("second")
    request = approvals.read(tmp_path / "promote.json")
    prepared = await second.prepare_approval(request)
    assert isinstance(prepared, Prepared)
    assert (await carried_out(second, prepared)).outcome is Outcome.DONE
    again = await second.prepare_approval(request)
    assert isinstance(again, Refusal)
    assert "it is not the plan any more" in again.message
    assert len(site.gate.changes) == 1
