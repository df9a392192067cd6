"""What holds changes of a model back, in words: for whoever takes an incident over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from tests.desk.site import Site
from triage.actions.freeze import READONLY_VARIABLE
from triage.actions.lease import Claim
from triage.clock import ManualClock
from triage.config_actions import Freeze
from triage.desk import locks as module
from triage.desk.actions import ActionDesk, open_desk
from triage.desk.locks import locks

Opened = tuple[Site, ActionDesk, ManualClock]


@pytest.fixture
async def opened(make_site: Callable[..., Site]) -> AsyncIterator[Opened]:
    clock = ManualClock()
    site = make_site(start=clock.now(), lives=False)
    desk = await open_desk(site.active, site.notebook, clock, lambda: None, write=True)
    yield site, desk, clock
    await desk.aclose()


async def test_where_nothing_holds_changes_back_nothing_is_said(opened: Opened) -> None:
    site, desk, clock = opened
    assert await locks(desk, site.active, clock.now()) == ()


async def test_a_lease_a_freeze_and_a_kill_switch_are_told(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    site, desk, clock = opened
    now = clock.now()
    freeze = Freeze(start="1970-01-01T00:00:00Z", end="2036-01-01T00:00:00Z", reason="audit")
    context = site.active.context
    frozen = replace(site.active, context=context.model_copy(
        update={"actions": context.actions.model_copy(update={"freezes": [freeze]})}))
    key, executor = next(iter(desk.executors.items()))
    held = await executor.leases.acquire(key, Claim("ben on bastion", "3f", "rollback fraud-scorer to 7"))
    assert hasattr(held, "release")
    monkeypatch.setenv(READONLY_VARIABLE, "1")
    found = await locks(desk, frozen, now)
    assert found[0] == f"{READONLY_VARIABLE} is set: nothing is executed"
    assert found[1].startswith("frozen until ")
    assert found[2:] == ("lease held by ben on bastion: rollback fraud-scorer to 7",)
    await held.release()


async def test_leases_that_do_not_answer_are_said_not_to_be_known(opened: Opened,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    site, desk, clock = opened
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)

    class Hanging:
        async def look(self, key: str) -> None:
            await asyncio.Event().wait()
    for key, executor in desk.executors.items():
        desk.executors[key] = replace(executor, leases=Hanging())  # type: ignore[arg-type]
    assert await locks(desk, site.active, clock.now()) == ("leases not known: no answer in 0.01 s",)
