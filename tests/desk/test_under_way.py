"""An action that another triage is at is told as under way for as long as that one lives; its end is unknown after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tests.commands import run
from tests.desk.site import MODEL, NOT_JUDGED, Site
from triage.actions import carrying
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Wish
from triage.actions.under_way import OpenEnd
from triage.clock import ManualClock
from triage.desk.actions import open_desk, unfinished
from triage.desk.watching import What, watch
from triage.live.snapshot import Snapshot

AT = 1_700_000_000.0
KUBERNETES_LEASES = {"leases": {"kind": "kubernetes", "namespace": "ml"}}


@pytest.fixture(params=[{}, KUBERNETES_LEASES], ids=["files", "kubernetes"])
def site(request: pytest.FixtureRequest, make_site: Callable[..., Site]) -> Site:
    return make_site(start=AT, lives=False, spec=NOT_JUDGED, actions=request.param)


@asynccontextmanager
async def at_it(site: Site, stage: Stage) -> AsyncIterator[None]:
    """Another triage, which has come as far as ``stage`` with a rollback."""
    desk = await open_desk(site.active, site.notebook, ManualClock(AT), lambda: None, write=True)
    prepared = await desk.prepare(Wish(Action.ROLLBACK, "v8 is slow"))
    assert isinstance(prepared, Prepared)
    typed = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements))
    async with aclosing(desk.carry_out(prepared, typed)) as steps:
        await _until(steps, stage)
        yield
    await desk.aclose()


async def _until(steps: AsyncGenerator[Step, None], stage: Stage) -> None:
    async for step in steps:
        if step.stage is stage:
            return
    raise AssertionError(f"it ended before {stage}")


async def seen(site: Site) -> OpenEnd:
    [end] = await asyncio.to_thread(unfinished, site.active, ManualClock(AT), MODEL)
    return end


@pytest.mark.parametrize(("stage", "watches"), [(Stage.SENT, False), (Stage.VERIFYING, True)])
async def test_as_long_as_its_lease_lives_it_is_under_way_and_unknown_after(
        site: Site, stage: Stage, watches: bool) -> None:
    async with at_it(site, stage):
        end = await seen(site)
        assert end.held is not None
        assert (end.held.claim.action_id, end.held.watches) == (end.deed.action_id, watches)
    assert (await seen(site)).held is None


async def test_the_command_line_says_under_way_by_whom_and_does_not_look_what_became_of_it(site: Site) -> None:
    def told(*words: Any) -> str:
        return str(run("act", "abort", MODEL, *words, "--config", site.config).stderr)
    async with at_it(site, Stage.VERIFYING):
        for words in ((), ("--write", "--confirm", "fraud")):
            err = await asyncio.to_thread(told, *words)
            assert "triage: under way: rollback fraud-scorer to v7 by operator since " in err
            assert "verifies it\n" in err
            assert "unknown: verify" not in err
    assert "unknown: verify: rollback fraud-scorer to v7, begun" in await asyncio.to_thread(told)


async def test_whoever_looks_what_became_of_an_action_is_not_at_it(
        site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "SETTLED_SECONDS", 0.0)
    async with at_it(site, Stage.VERIFYING):
        pass
    end = await seen(site)
    desk = await open_desk(site.active, site.notebook, ManualClock(AT), lambda: None, write=True)
    [executor] = [each for key, each in desk.executors.items() if key == end.deed.plan.target.key]
    looks = asyncio.Event()
    waits = asyncio.Event()
    observe = executor.system.observe

    async def slow() -> Any:
        looks.set()
        await waits.wait()
        return await observe()
    monkeypatch.setattr(executor.system, "observe", slow)
    finding = asyncio.ensure_future(desk.find_out(end.deed))
    await looks.wait()
    assert (await seen(site)).held is None
    waits.set()
    await finding
    await desk.aclose()


async def test_a_watcher_leaves_the_end_of_an_action_to_whoever_is_at_it(site: Site) -> None:
    async def newest() -> Snapshot:
        return Snapshot(AT, "prod-eu", True, (), (), ())

    async def first() -> What:
        desk = await open_desk(site.active, site.notebook, ManualClock(AT), lambda: None, write=True)
        async with aclosing(watch(desk, newest, armed=False)) as saying:
            said = await anext(saying)
        await desk.aclose()
        return said.what
    async with at_it(site, Stage.VERIFYING):
        assert await first() is What.WAITS
    assert await first() is What.FOUND
