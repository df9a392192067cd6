"""``triage watch``: says what is due, acts where it may, leaves to a person what only a person can, and never twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.actions import building
from tests.commands import run
from tests.desk.site import MODEL, NOT_JUDGED, Site
from tests.desk.test_under_way import AT, at_it
from tests.sources.faults import FaultServer, Request, json_answer
from tests.tui import snapshots, trials
from triage.actions.history import Outcome
from triage.actions.steps import Stage
from triage.clock import ManualClock
from triage.desk.actions import ActionDesk, open_desk
from triage.desk.watching import Said, What, watch
from triage.live.channel import ADDRESS
from triage.live.snapshot import Snapshot
from triage.report.actions_json import said_json

NOW = snapshots.NOW
AUTO = {"rollback": {"policy": "auto", "last_known_good": "7"}}


def failing(at: float = NOW) -> Snapshot:
    """The canary fails in the context that the site is."""
    made = snapshots.on_trial_at(lambda _: trials.failing(at))
    return replace(made, at=at, context="prod-eu", production=True)


async def heard(desk: ActionDesk, *given: Snapshot, armed: bool = True,
                before: Callable[[Snapshot], None] = lambda each: None) -> list[Said]:
    """What it says of these snapshots; ``before`` it gets one, that is called with it."""
    left = list(given)
    nothing = asyncio.Event()

    async def newest() -> Snapshot:
        if not left:
            nothing.set()
            await asyncio.Event().wait()
        before(left[0])
        return left.pop(0)

    said: list[Said] = []

    async def listen() -> None:
        async with aclosing(watch(desk, newest, armed=armed)) as saying:
            async for each in saying:
                said.append(each)
    listening = asyncio.ensure_future(listen())
    over = asyncio.ensure_future(nothing.wait())
    await asyncio.wait({listening, over}, return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    await asyncio.gather(listening, over, return_exceptions=True)
    return said


@pytest.fixture
def make_desk(make_site: Callable[..., Site]) -> Callable[..., Any]:
    async def make(*, write: bool = True, snapshot: Snapshot | None = None, **spec: Any) -> ActionDesk:
        site = make_site(start=NOW, lives=False, spec=spec)
        clock = ManualClock(NOW)
        return await open_desk(site.active, site.notebook, clock, lambda: snapshot, write=write)
    return make


async def test_a_manual_policy_is_a_recommendation_and_said_once(make_desk: Callable[..., Any]) -> None:
    desk = await make_desk()
    said = await heard(desk, failing(), failing(NOW + 5), snapshots.healthy())
    assert [each.what for each in said] == [What.RECOMMENDS, What.WAITS]
    assert said[0].sentence.startswith("rollback: canary_fail: ")
    assert said[0].sentence.endswith("the policy is manual")
    await desk.aclose()


async def test_without_write_an_automatic_policy_is_a_recommendation(make_desk: Callable[..., Any], gate: Any) -> None:
    desk = await make_desk(write=False, **AUTO)
    [said] = await heard(desk, failing())
    assert said.what is What.RECOMMENDS
    assert "read-only" in said.sentence
    assert gate.changes == []
    await desk.aclose()


async def test_a_context_that_allows_writing_does_not_arm_it(make_desk: Callable[..., Any], gate: Any) -> None:
    """``allow_write`` is for a person at the keyboard: watching acts only with --write."""
    desk = await make_desk(**AUTO)
    assert desk.mode().allows
    [said] = await heard(desk, failing(), armed=False)
    assert said.what is What.RECOMMENDS
    assert said.sentence.endswith("watching acts only with --write, whatever the context allows")
    assert gate.changes == []
    await desk.aclose()


async def test_a_kill_switch_goes_before_write(make_desk: Callable[..., Any], gate: Any,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await make_desk(**AUTO)
    monkeypatch.setenv("TRIAGE_READONLY", "1")
    [said] = await heard(desk, failing())
    assert said.what is What.RECOMMENDS
    assert "TRIAGE_READONLY is set" in said.sentence
    assert gate.changes == []
    await desk.aclose()


async def test_what_has_to_be_acknowledged_is_left_to_the_person_on_call(make_desk: Callable[..., Any],
                                                                         gate: Any) -> None:
    desk = await make_desk(**AUTO)
    [said] = await heard(desk, failing(), failing(NOW + 5))
    assert said.what is What.HELD
    assert "needs a person (#sre, #payments-ml): " in said.sentence
    assert "facts: " in said.sentence
    assert gate.changes == []
    await desk.aclose()


@pytest.mark.parametrize("armed", [True, False])
async def test_an_end_that_is_not_known_yet_is_looked_for_again_each_minute_and_said_when_it_changed(
        make_site: Callable[..., Site], armed: bool) -> None:
    site = make_site(start=AT, lives=False, spec=NOT_JUDGED)
    async with at_it(site, Stage.VERIFYING):
        pass
    # Somebody deployed meanwhile: what was sent seems to have no effect, and it was sent only just now.
    site.ground.deploy("9")
    site.ground.wait(0)
    clock, asked = ManualClock(AT), []

    def before(each: Snapshot) -> None:
        clock.advance(each.at - clock.now())
        asked.append(site.gate.asked)
    desk = await open_desk(site.active, site.notebook, clock, lambda: None, write=True)
    ages = (1, 6, 59, 61.5, 66, 130, 190)
    said = await heard(desk, *(Snapshot(AT + age, "prod-eu", True, (), (), ()) for age in ages), armed=armed,
                       before=before)
    found = [each for each in said if each.what is What.FOUND]
    assert [(each.at - AT, each.sentence.split(": ")[1]) for each in found] == [(1, "under way"), (61.5, "elsewhere")]
    looks = [later > sooner for sooner, later in pairwise(asked)]
    # Once it is written down there is nothing to look for.
    assert looks == [True, False, False, True, False, not armed]
    assert (await desk.open_ends() == ()) is armed
    await desk.aclose()


async def test_held_back_it_tries_again_after_a_minute(make_desk: Callable[..., Any]) -> None:
    desk = await make_desk(**AUTO)
    said = await heard(desk, failing(), failing(NOW + 30), failing(NOW + 61))
    assert [each.what for each in said] == [What.HELD, What.HELD]
    await desk.aclose()


def words(said: Sequence[Said]) -> list[str]:
    return [str(each.what) for each in said if each.what is not What.STEP]


async def test_a_cause_that_was_answered_is_not_answered_again_after_a_restart(
        make_site: Callable[..., Site]) -> None:
    site = make_site(start=NOW, lives=False, spec=AUTO)
    clock = ManualClock(NOW)
    # Somebody acknowledged and rolled back without seeing what it brought; then the watcher is started.
    desk = await open_desk(site.active, site.notebook, clock, lambda: None, write=True)
    from triage.actions.plan import Action
    from triage.actions.steps import Confirmation, Prepared
    from triage.actions.system import Wish
    prepared = await desk.prepare(Wish(Action.ROLLBACK, "by hand"))
    assert isinstance(prepared, Prepared)
    confirmation = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements))
    outcomes = [step.outcome async for step in desk.carry_out(prepared, confirmation) if step.outcome]
    assert outcomes == [Outcome.UNKNOWN]
    changes = list(site.gate.changes)
    anew = await open_desk(site.active, site.notebook, clock, lambda: None, write=True)
    found, said, later = await heard(anew, failing(), failing(NOW + 601))
    assert found.what is What.FOUND
    assert "rollback fraud-scorer to v7: reached: " in found.sentence
    assert said.what is What.WAITS
    assert "answered by rollback fraud-scorer to v7" in said.sentence
    assert later.what is What.RECOMMENDS
    assert later.sentence.endswith("and still due: a person decides")
    assert site.gate.changes == changes
    assert json.loads(said_json(said, MODEL)) | {"at": ""} == {
        "schema": "triage.watch/v1", "at": "", "model": MODEL, "what": "waits", "sentence": said.sentence,
        "due": "rollback", "automatic": True, "action_id": None, "digest": None, "step": None, "outcome": None}
    await desk.aclose()
    await anew.aclose()


def test_from_the_command_line_it_looks_once_and_ends(site: Site) -> None:
    done = run("watch", MODEL, "--once", "--config", site.config)
    # Prometheus is silent: whether anything is due is not known.
    assert done.exit_code == 3
    assert "waits" in done.stdout
    assert "nothing is decided" in done.stdout
    assert site.gate.changes == []


async def served_for_a_week(request: Request, writer: asyncio.StreamWriter) -> object:
    """Whatever range is asked for, version 7 had all requests in all of it."""
    start, end, step = (float(request.fields[name][0]) for name in ("start", "end", "step"))
    values = [[start + number * step, "1000"] for number in range(round((end - start) / step) + 1)]
    return await json_answer({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"model_version": "7", ADDRESS: "0"}, "values": values}]}})(request, writer)


async def test_an_automatic_policy_is_acted_on_once_with_every_guard_content(make_site: Callable[..., Site]) -> None:
    at = building.NOW
    spec = {**AUTO, "canary": {"steps": [10], "bake": "10m"}}
    good = replace(building.slo("latency"), burns=())
    found = building.model(canary=trials.failing(at), slos=(good,), data_at=at - 1)
    present = replace(building.snapshot(found, at=at), context="prod-eu")
    clock = ManualClock(at)
    async with FaultServer(served_for_a_week) as server:
        site = make_site(start=at, lives=False, spec=spec, prometheus=server.url)
        desk = await open_desk(site.active, site.notebook, clock, lambda: present, write=True)
        said = await heard(desk, present, present)
        await desk.aclose()
    assert words(said)[0] == "ended", [each.sentence for each in said]
    assert [each.outcome for each in said if each.outcome] == [Outcome.DONE]
    assert len(site.gate.changes) == 2
    assert site.ground.split == {"7": 100}


async def test_a_version_of_which_no_past_can_be_seen_is_left_to_a_person(make_site: Callable[..., Site]) -> None:
    at = building.NOW
    site = make_site(start=at, lives=False, spec={**AUTO, "canary": {"steps": [10], "bake": "10m"}})
    found = building.model(canary=trials.failing(at), data_at=at - 1)
    present = replace(building.snapshot(found, at=at), context="prod-eu")
    desk = await open_desk(site.active, site.notebook, ManualClock(at), lambda: present, write=True)
    said = await heard(desk, present)
    await desk.aclose()
    assert words(said) == ["held back"]
    assert "whether it served cannot be seen: prometheus: connect" in said[0].sentence
    assert site.gate.changes == []
