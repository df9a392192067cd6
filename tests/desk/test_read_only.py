"""Without ``--write`` the executor refuses every action, whatever is typed, and opens no connection for it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.desk.site import Site
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Refusal, Wish
from triage.clock import ManualClock
from triage.desk.actions import ActionDesk, open_desk


@pytest.fixture
async def desk(make_site: Callable[..., Site]) -> AsyncIterator[ActionDesk]:
    clock = ManualClock()
    site = make_site(start=clock.now(), lives=False)
    opened = await open_desk(site.active, site.notebook, clock, lambda: None, write=False)
    yield opened
    await opened.aclose()


async def steps_of(desk: ActionDesk, prepared: Prepared) -> list[Step]:
    confirmation = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements), "because")
    return [step async for step in desk.carry_out(prepared, confirmation)]


@pytest.mark.parametrize("action", list(Action))
async def test_every_action_is_refused_and_no_socket_is_opened_for_it(
        desk: ActionDesk, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    rollback = await desk.prepare(Wish(Action.ROLLBACK, "test"))
    assert isinstance(rollback, Prepared)
    planned = await desk.prepare(Wish(action, "test", parameters={"replicas": "6"})) if (
        action is not Action.CELL) else Refusal("", "")
    # What cannot be planned here is forged: the executor must not depend on how the plan came about.
    prepared = planned if isinstance(planned, Prepared) else replace(
        rollback, plan=replace(rollback.plan, action=action), checked=(), action_id=str(action))
    opened: list[object] = []

    def refuse(self: socket.socket, *address: Any) -> None:
        opened.append(address)
        raise OSError("no connection in this test")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "socketpair", refuse)
    [step] = await steps_of(desk, prepared)
    assert step.outcome is Outcome.REFUSED
    assert "write: read-only" in step.sentence
    assert opened == []


async def test_a_kill_switch_goes_before_everything_even_before_asking(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    site = make_site(start=clock.now(), lives=False)
    desk = await open_desk(site.active, site.notebook, clock, lambda: None, write=True)
    prepared = await desk.prepare(Wish(Action.PAUSE))
    assert isinstance(prepared, Prepared)
    asked = site.gate.asked
    monkeypatch.setenv("TRIAGE_READONLY", "1")
    found = await desk.prepare(Wish(Action.PAUSE))
    assert isinstance(found, Refusal)
    assert {each.is_possible for each in await desk.possible()} == {False}
    [step] = await steps_of(desk, prepared)
    assert step.outcome is Outcome.REFUSED
    assert site.gate.asked == asked
    await desk.aclose()


async def test_the_menu_says_what_is_possible_and_why_the_rest_is_not(desk: ActionDesk) -> None:
    found = {each.action: each for each in await desk.possible()}
    assert [action for action in (Action.PAUSE, Action.ABORT, Action.ROLLBACK) if not found[action].is_possible] == []
    assert "v7" in found[Action.ROLLBACK].sentence
    assert not found[Action.RETRY].is_possible
    assert found[Action.RETRY].sentence == "it is not aborted"
    assert "pipeline" in found[Action.RETRAIN].sentence
    assert Action.CELL not in found


async def test_who_may_only_read_is_offered_nothing(make_site: Callable[..., Site]) -> None:
    clock = ManualClock()
    site = make_site(start=clock.now(), lives=False, token="reading")
    desk = await open_desk(site.active, site.notebook, clock, lambda: None, write=True)
    found = {each.action: each for each in await desk.possible()}
    assert {each.is_possible for each in found.values()} == {False}
    assert "you may not" in found[Action.ABORT].sentence
    await desk.aclose()
