"""Without ``--write`` the executor refuses every action, whatever is typed, and opens no connection for it; what became
of an action is looked at, and nothing is written: no request that changes anything, no lease, no journal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.commands import run
from tests.desk.site import MODEL, NOT_JUDGED, Site
from tests.desk.test_under_way import AT, KUBERNETES_LEASES, at_it
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Refusal, Wish
from triage.clock import ManualClock
from triage.desk.actions import ActionDesk, open_desk
from triage.desk.watching import Said, What, watch
from triage.live.snapshot import Snapshot


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


def written(site: Site, sent: list[str]) -> Mapping[str, bytes]:
    """Everything in the state directory, what is sent to the cluster besides questions being kept in ``sent``."""
    inside = site.gate.inside
    assert inside is not None

    async def kept(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "GET":
            sent.append(f"{scope['method']} {scope['path']}")
        await inside(scope, receive, send)
    site.gate.inside = kept
    return files(site)


def files(site: Site) -> Mapping[str, bytes]:
    home = Path(site.environment["TRIAGE_STATE"])
    return {str(each.relative_to(home)): each.read_bytes() for each in home.rglob("*") if each.is_file()}


@pytest.fixture(params=[{}, KUBERNETES_LEASES], ids=["files", "kubernetes"])
async def left(request: pytest.FixtureRequest, make_site: Callable[..., Site]) -> Site:
    """A rollback was sent there, and whoever was at it is gone; the leases know nobody."""
    site = make_site(start=AT, lives=False, spec=NOT_JUDGED, actions=request.param)
    async with at_it(site, Stage.VERIFYING):
        pass
    return site


async def first(site: Site, *, write: bool, armed: bool) -> Said:
    """What a watcher says first."""
    async def newest() -> Snapshot:
        return Snapshot(AT, "prod-eu", True, (), (), ())
    desk = await open_desk(site.active, site.notebook, ManualClock(AT), lambda: None, write=write)
    async with aclosing(watch(desk, newest, armed=armed)) as saying:
        said = await anext(saying)
    await desk.aclose()
    return said


@pytest.mark.parametrize(("write", "armed", "killed"), [
    (False, False, False), (True, False, False), (True, True, True)],
    ids=["read-only", "a context that allows writing", "kill switch"])
async def test_a_watcher_that_may_not_write_only_looks_what_became_of_an_action(
        left: Site, write: bool, armed: bool, killed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if killed:
        monkeypatch.setenv("TRIAGE_READONLY", "1")
    sent: list[str] = []
    before = written(left, sent)
    said = await first(left, write=write, armed=armed)
    assert said.what is What.FOUND
    assert said.sentence.startswith("rollback fraud-scorer to v7: reached: ")
    assert said.sentence.endswith("(only seen, not written down: read-only)")
    assert (sent, files(left)) == ([], before)


async def test_a_watcher_that_may_write_writes_down_what_it_found(left: Site) -> None:
    before = written(left, [])
    said = await first(left, write=True, armed=True)
    assert said.what is What.FOUND
    assert "not written down" not in said.sentence
    assert files(left) != before


async def test_watch_from_the_command_line_writes_nothing_without_write(
        left: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_READONLY", "1")
    sent: list[str] = []
    before = written(left, sent)
    done = await asyncio.to_thread(run, "watch", MODEL, "--once", "--config", left.config)
    # Prometheus is silent: whether anything is due is not known.
    assert done.exit_code == 3, done.stderr
    assert "not written down: read-only" in done.stdout
    assert (sent, files(left)) == ([], before)
