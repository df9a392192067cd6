"""The alias of a registry, moved in the lab's MLflow: the procedure, its races, and what serves afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.actions.building import ARMED, NOW, reading
from tests.actions.building import model as model_state
from tests.actions.building import snapshot as a_snapshot
from tests.actions.rollouts.conftest import manifest
from tests.lab.serving import serving
from triage.actions.alias import Alias
from triage.actions.circumstances import policy_of
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action, Plan
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Fate, Progress, Refusal, Rehearsal, Sighting, Wish
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.config_actions import ActionSettings
from triage.config_sources import MlflowRegistry
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, SourceState
from triage.lab.apis.mlflow import app
from triage.lab.clock import LabClock
from triage.lab.registry.registry import Registry
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest
from triage.signals.model import Versions, VersionState
from triage.state_dir import StateDir

NAME = "fraud-scorer"


def following(**spec: Any) -> Manifest:
    return manifest("mlflow", "champion", **({"registry": {"kind": "mlflow", "name": NAME}} | spec))


def seen(**shares: float) -> Snapshot:
    """What is counted: shares of the requests by version, ``v7=0.9``."""
    items = tuple(VersionState(name.removeprefix("v"), "", reading(share), None, NOW)
                  for name, share in shares.items())
    return a_snapshot(replace(model_state(), versions=Versions("traffic", items), slos=()))


@dataclass
class Desk:
    """One alias of one model."""

    registry: Registry
    system: Alias
    shown: list[Snapshot | None]
    clock: LabClock
    """Of the registry; it stands."""

    def snapshot(self) -> Snapshot | None:
        return self.shown[-1]

    async def wish(self, action: Action = Action.ROLLBACK, to: str = "") -> Plan | Refusal:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return self.system.plan(Wish(action, "errors", to, "INC-1"), observed, self.snapshot() or a_snapshot(), "ana",
                                NOW)

    async def plan(self, action: Action = Action.ROLLBACK, to: str = "") -> Plan:
        found = await self.wish(action, to)
        assert isinstance(found, Plan), found
        return found

    async def refusal(self, action: Action = Action.ROLLBACK, to: str = "") -> Refusal:
        found = await self.wish(action, to)
        assert isinstance(found, Refusal), found
        assert found.hint
        return found

    async def sighting(self, plan: Plan) -> Sighting:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return self.system.sighting(plan, observed)

    def executor(self, folder: Path) -> Executor:
        clock = ManualClock()

        async def soon(seconds: float) -> None:
            clock.advance(seconds)

        return Executor(self.system, Journal(StateDir(folder / "j"), clock), FileLeases(StateDir(folder / "l"), "host"),
                        clock, policy_of(following(), ActionSettings(), 5.0), lambda: ARMED, self.snapshot, wait=soon)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = LabClock(NOW, 0.0, 0.0)
    registry = Registry(clock)
    registry.add_model(NAME)
    for number in range(3):
        registry.add_version(NAME, source=f"s3://models/{number}")
        registry.set_tag(NAME, "validation_status", "approved", str(number + 1))
    registry.set_alias(NAME, "champion", "3")
    with serving(app(registry)) as url:
        context = Context(prometheus=Endpoint(url=url), registry=MlflowRegistry(kind="mlflow", url=url))
        made: list[Desk] = []
        setting = Setting(following(), Active("prod", context, (), None), ManualClock(),
                          snapshot=lambda: made[0].snapshot())
        system = system_of(replace(setting, active=replace(setting.active, context=context.model_copy(
            update={"production": True}))))
        assert isinstance(system, Alias)
        made.append(Desk(registry, system, [seen(v3=1.0)], clock))
        yield made[0]
        await system.aclose()


async def test_a_rollback_writes_down_what_is_done_keeps_where_it_stood_and_moves_the_alias(desk: Desk) -> None:
    plan = await desk.plan(to="v2")
    assert [each.sentence.partition(" ")[0] for each in plan.requests] == ["tag", "alias", "alias"]
    for request in plan.requests:
        assert (await desk.system.send(request, "a1")).fate is Fate.DONE
    assert desk.registry.model(NAME).aliases == {"champion": 2, "previous_champion": 3}
    (key, note), = desk.registry.model(NAME).tags.items()
    assert key.startswith("triage.rollback.")
    assert json.loads(note) == {"alias": "champion", "from": "3", "to": "2", "actor": "ana", "reason": "errors",
                                "incident": "INC-1"}
    assert (plan.before.version, plan.after.version, plan.inverse) == ("3", "2", "move champion back to v3")
    assert plan.blast_radius.traffic_share == 1.0


async def test_what_cannot_be_seen_is_among_what_has_to_be_met_again(desk: Desk) -> None:
    desk.shown.append(a_snapshot(prometheus=SourceState.DOWN))
    assert (await desk.plan(to="2")).verification.readings == ("success",)


async def test_the_same_plan_has_the_same_digest_later(desk: Desk) -> None:
    first = await desk.plan(to="2")
    assert (await desk.plan(to="2")).digest == first.digest


async def test_an_alias_that_moved_is_not_done_until_the_requests_show_it(desk: Desk) -> None:
    plan = await desk.plan(to="2")
    desk.registry.set_alias(NAME, "champion", "2")
    assert (await desk.sighting(plan)).progress is Progress.UNDER_WAY
    desk.shown.append(seen(v3=0.4, v2=0.6))
    found = await desk.sighting(plan)
    assert (found.progress, found.sentence) == (
        Progress.UNDER_WAY, "champion names v2; v3 still serves 40% of the requests, v2 60%")
    desk.shown.append(seen(v3=0.0, v2=1.0))
    assert (await desk.sighting(plan)).progress is Progress.REACHED


@pytest.mark.parametrize("nothing", [None, "empty", "silent"])
async def test_without_metrics_nobody_says_that_servers_followed(desk: Desk, nothing: str | None) -> None:
    silent = replace(seen(v2=1.0), sources=(replace(seen().sources[0], state=SourceState.DOWN),))
    desk.shown.append({None: None, "empty": seen(), "silent": silent}[nothing])
    plan = await desk.plan(to="2")
    assert "cannot be seen" in plan.warnings[-1]
    desk.registry.set_alias(NAME, "champion", "2")
    assert (await desk.sighting(plan)).progress is Progress.CANNOT_TELL


async def test_somebody_else_who_moved_it_is_named_for_what_it_is(desk: Desk) -> None:
    plan = await desk.plan(to="2")
    assert (await desk.sighting(plan)).sentence == "champion names v3"
    desk.registry.set_alias(NAME, "champion", "1")
    found = await desk.sighting(plan)
    assert (found.progress, found.sentence) == (Progress.ELSEWHERE, "champion names v1: somebody else moved it")


async def carried_out(executor: Executor, wish: Wish) -> list[Step]:
    prepared = await executor.prepare(wish)
    assert isinstance(prepared, Prepared), prepared
    asked = frozenset(each.acknowledgement for each in prepared.checked if each.acknowledgement)
    return [step async for step in executor.carry_out(prepared, Confirmation(NAME, asked, "the drill of today"))]


async def test_a_rollback_through_the_executor_ends_when_the_version_serves(desk: Desk, tmp_path: Path) -> None:
    executor = desk.executor(tmp_path)
    observe, looks = desk.system.observe, []

    async def then_it_serves() -> Any:
        looks.append(1)
        if desk.registry.alias(NAME, "champion") == "2" and len(looks) > 8:
            desk.shown.append(seen(v2=1.0))
        return await observe()

    desk.system.observe = then_it_serves  # type: ignore[method-assign]
    steps = await carried_out(executor, Wish(Action.ROLLBACK, "errors", "2"))
    assert [step.outcome for step in steps if step.outcome] == [Outcome.DONE], steps
    assert any("still serves" in step.sentence for step in steps)


async def test_an_alias_moved_between_two_requests_stops_the_rest(desk: Desk, tmp_path: Path) -> None:
    executor = desk.executor(tmp_path)
    send = desk.system.send

    async def with_a_rival(request: Any, action_id: str) -> Any:
        sent = await send(request, action_id)
        desk.registry.set_alias(NAME, "champion", "1")
        return sent

    desk.system.send = with_a_rival  # type: ignore[method-assign]
    steps = await carried_out(executor, Wish(Action.ROLLBACK, "errors", "2"))
    last = next(step for step in steps if step.outcome)
    assert last.outcome is Outcome.FAILED
    assert "1 of 3 requests done: it has changed since the plan was made" in last.sentence
    assert desk.registry.model(NAME).aliases == {"champion": 1}


@pytest.mark.parametrize(("to", "said"), [
    ("", "no version to go back to is named"), ("9", "has no version 9"), ("3", "names v3 already"),
    ("1", "v1 is rejected: it leaks")])
async def test_a_version_that_cannot_be_gone_back_to_is_refused(desk: Desk, to: str, said: str) -> None:
    desk.registry.set_tag(NAME, "validation_status", "rejected", "1")
    desk.registry.set_tag(NAME, "rejected_reason", "it leaks", "1")
    refusal = await desk.refusal(to=to)
    assert said in refusal.message
    assert refusal.hint == "there are: v2"


async def test_a_version_that_nobody_approved_is_warned_of(desk: Desk) -> None:
    desk.registry.set_tag(NAME, "validation_status", "pending", "2")
    assert (await desk.plan(to="2")).warnings == ("v2 is not approved (validation_status: pending)",)


async def test_promoting_fully_moves_it_to_the_version_on_trial(desk: Desk) -> None:
    assert "nothing is on trial" in (await desk.refusal(Action.PROMOTE_FULL)).message
    desk.registry.set_alias(NAME, "challenger", "2")
    assert (await desk.plan(Action.PROMOTE_FULL)).after.version == "2"
    assert "challenger names v2, not 1" in (await desk.refusal(Action.PROMOTE_FULL, "1")).message


async def test_every_other_action_is_refused_with_a_reason(desk: Desk) -> None:
    observed = await desk.system.observe()
    assert not isinstance(observed, Failure)
    offers = {each.action: each for each in desk.system.offers(observed, a_snapshot())}
    assert set(offers) == set(Action)
    assert offers[Action.ROLLBACK].sentence == "to a version that is named: 2 to choose from"
    for action in set(Action) - desk.system.handled:
        refused = offers[action].refusal
        assert refused is not None
        assert refused.hint
        assert (await desk.refusal(action)) == refused
        assert (await desk.system.granted(action)).allowed is False


async def test_nobody_is_authenticated_by_a_registry_without_users(desk: Desk) -> None:
    assert str(await desk.system.whoami()).startswith("unverified: ")
    assert (await desk.system.granted(Action.ROLLBACK)).allowed


async def test_files_that_are_not_there_are_said_before_the_alias_is_moved(desk: Desk) -> None:
    plan = await desk.plan(to="2")
    found = await desk.system.rehearse(plan.requests[-1])
    assert found.accepted is None
    assert "its files could not be read: " in found.message
    assert (await desk.system.rehearse(plan.requests[0])) == Rehearsal(None, "it has no dry run")


async def test_a_version_that_is_gone_meanwhile_is_refused_by_the_server(desk: Desk) -> None:
    plan = await desk.plan(to="2")
    desk.registry.delete_version(NAME, 2)
    sent = await desk.system.send(plan.requests[-1], "a1")
    assert (sent.fate, sent.code) == (Fate.REFUSED, 404)
    assert desk.registry.alias(NAME, "champion") == "3"


@pytest.mark.parametrize(("spec", "registry", "said"), [
    ({"registry": None}, True, "names no model in MLflow"), ({}, False, "names no MLflow server")])
def test_without_a_registry_there_is_no_alias(spec: dict[str, Any], registry: bool, said: str) -> None:
    url = "http://127.0.0.1:1"
    context = Context(prometheus=Endpoint(url=url),
                      registry=MlflowRegistry(kind="mlflow", url=url) if registry else None)
    found = system_of(Setting(following(**spec), Active("lab", context, (), None), ManualClock()))
    assert isinstance(found, Refusal)
    assert said in found.message


@pytest.mark.parametrize(("status", "allowed"), [(403, False), (401, False), (400, True), (503, None)])
async def test_a_credential_that_only_reads_is_known_before_anything_is_planned(
        status: int, allowed: bool | None) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"error_code": "X", "message": "no"}, status)

    with serving(Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST"])])) as url:
        context = Context(prometheus=Endpoint(url=url), registry=MlflowRegistry(kind="mlflow", url=url))
        system = system_of(Setting(following(), Active("prod", context, (), None), ManualClock()))
        assert isinstance(system, Alias)
        assert (await system.granted(Action.ROLLBACK)).allowed is allowed
        await system.aclose()


async def test_a_user_that_the_registry_knows_is_named() -> None:
    async def user(request: Request) -> Response:
        return JSONResponse({"user": {"id": 1, "username": "ana", "is_admin": False}, "is_basic_auth": True})

    with serving(Starlette(routes=[Route("/api/2.0/mlflow/users/current", user)])) as url:
        context = Context(prometheus=Endpoint(url=url), registry=MlflowRegistry(kind="mlflow", url=url))
        system = system_of(Setting(following(), Active("prod", context, (), None), ManualClock()))
        assert isinstance(system, Alias)
        assert await system.whoami() == "ana"
        await system.aclose()


async def test_whoever_rolled_it_back_from_elsewhere_is_known_by_the_note_and_going_back_is_asked_about(
        desk: Desk, tmp_path: Path) -> None:
    plan = await desk.plan(to="v2")
    for request in plan.requests:
        assert (await desk.system.send(request, "a1")).fate is Fate.DONE
    desk.clock.forward(300)
    desk.registry.update_version(NAME, 2, "looked at it")
    observed = await desk.system.observe()
    assert not isinstance(observed, Failure)
    assert [(each.at, each.left, each.why) for each in observed.recorded.changes] == [
        (None, "v3", "errors"), (NOW + 300, "", "")]
    # The journal of another machine knows nothing of it.
    prepared = await desk.executor(tmp_path).prepare(Wish(Action.ROLLBACK, "again", "3"))
    assert isinstance(prepared, Prepared)
    toggle = next(each for each in prepared.checked if each.name == "toggle")
    assert toggle.acknowledgement == "toggle"
    assert toggle.sentence.startswith("v3 was left, when is not recorded: rollback from v3 by ana (tag triage.")
