"""Pipelines told by HTTP: what is sent, how it is escaped, and what is known of it afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.actions.building import ARMED, NOW, reading
from tests.actions.building import model as model_state
from tests.actions.building import snapshot as a_snapshot
from tests.actions.rollouts.conftest import manifest
from tests.lab.serving import serving
from triage.actions.circumstances import policy_of
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action, Plan
from triage.actions.reconcile import open_ends, reconcile
from triage.actions.rollouts.by_kind import Setting
from triage.actions.steps import Confirmation, Prepared, Stage
from triage.actions.system import Fate, Progress, Refusal, System, Wish
from triage.actions.systems import ROUTES
from triage.actions.webhook import Pipeline
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.config_actions import ActionSettings
from triage.config_webhooks import Webhook, filled, fills
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.lab.apis.pipelines import app as lab_pipelines
from triage.lab.world.effects import Effects
from triage.lab.world.pipelines import Pipelines
from triage.live.snapshot import Snapshot
from triage.signals.model import Versions, VersionState
from triage.state_dir import StateDir

CALLS: dict[str, Any] = {
    "rollback": {"path": "/deploy/{model}?version={to}&why={reason}", "method": "PUT",
                 "body": {"from": "{from}", "to": "{to}", "note": {"who": "{actor}", "why": ["{reason}", 1, True]}}},
    "retrain": {"path": "/train", "body": {"model": "{model}", "reason": "{reason}"}},
}


def seen(*, canary: str = "8", **shares: float) -> Snapshot:
    items = tuple(VersionState(name.removeprefix("v"), "canary" if name == f"v{canary}" else "stable", reading(share),
                               None, NOW) for name, share in shares.items())
    return a_snapshot(replace(model_state(), versions=Versions("traffic", items), slos=()))


def routed(action: Action, around: Setting) -> System | Refusal:
    """The system that the action is the business of, as the desk finds it."""
    return next(make for actions, make in ROUTES if action in actions)(around)


@dataclass
class Works:
    """A pipeline that keeps what it is told, or the lab's."""

    url: str
    asked: list[tuple[str, str, dict[str, str], bytes]]
    clock: ManualClock
    answer: list[Callable[[], Response]]
    systems: list[Pipeline]
    shown: list[Snapshot | None]

    def system(self, action: Action = Action.ROLLBACK, calls: dict[str, Any] | None = None, prefix: str = "",
               **spec: Any) -> Pipeline:
        webhook = Webhook.model_validate({"url": self.url + prefix, "calls": calls or CALLS})
        context = Context(production=True, prometheus=Endpoint(url=self.url), webhooks={"ci": webhook})
        promised = manifest("webhook", "ci", retrain={"webhook": "ci"}, **spec)
        found = routed(action, Setting(promised, Active("prod", context, (), None), self.clock,
                                       snapshot=lambda: self.shown[-1]))
        assert isinstance(found, Pipeline), found
        self.systems.append(found)
        return found

    async def wish(self, system: Pipeline, action: Action, to: str = "", reason: str = "errors") -> Plan | Refusal:
        observed = await system.observe()
        assert not isinstance(observed, Failure), observed
        return system.plan(Wish(action, reason, to), observed, a_snapshot(), "unverified: ana@x", self.clock.now())

    async def plan(self, system: Pipeline, action: Action, to: str = "", reason: str = "errors") -> Plan:
        found = await self.wish(system, action, to, reason)
        assert isinstance(found, Plan), found
        return found

    async def progress(self, system: Pipeline, plan: Plan) -> Progress:
        observed = await system.observe()
        assert not isinstance(observed, Failure), observed
        return system.sighting(plan, observed).progress


@asynccontextmanager
async def works() -> AsyncIterator[Works]:
    asked: list[tuple[str, str, dict[str, str], bytes]] = []
    answer: list[Callable[[], Response]] = [lambda: JSONResponse({"id": 7}, 202)]

    async def take(request: Request) -> Response:
        raw = request.scope["raw_path"].decode() + "?" + request.url.query
        asked.append((request.method, raw, dict(request.headers), await request.body()))
        return answer[-1]()

    clock = ManualClock()
    runs = Pipelines(clock, {"fraud-scorer": Effects((), NOW)}, NOW)
    routes = [Mount("/lab", lab_pipelines(runs, clock)),
              Route("/{rest:path}", take, methods=["GET", "POST", "PUT"])]
    with serving(Starlette(routes=routes)) as url:
        made = Works(url, asked, clock, answer, [], [seen(v7=0.9, v8=0.1)])
        try:
            yield made
        finally:
            for system in made.systems:
                await system.aclose()


@pytest.fixture
async def ci() -> AsyncIterator[Works]:
    async with works() as made:
        yield made


async def test_what_is_filled_in_is_escaped_for_where_it_stands(ci: Works) -> None:
    nasty = 'x"}, "evil": "/../?a=b&c=d#e {to} \u202e'
    system = ci.system()
    plan = await ci.plan(system, Action.ROLLBACK, "7", nasty)
    assert (await system.send(plan.requests[0], "a1")).fate is Fate.DONE
    (method, raw, headers, body), = ci.asked
    assert (method, headers["idempotency-key"], headers["content-type"]) == ("PUT", "a1", "application/json")
    where = urlsplit(raw)
    assert where.path == "/deploy/fraud-scorer"
    assert parse_qs(where.query) == {"version": ["7"], "why": [nasty]}
    assert json.loads(body) == {"from": "8", "to": "7", "note": {"who": "unverified: ana@x", "why": [nasty, 1, True]}}


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_value_leaves_its_place_in_a_path(model: str, reason: str) -> None:
    from urllib.parse import quote
    values = {"model": quote(model, safe="", errors="replace"), "reason": quote(reason, safe="", errors="replace")}
    path = filled("/a/{model}/b?why={reason}&x=1", values)
    assert fills("/a/{model}/b?why={reason}&x=1", path)
    assert urlsplit(path).path.count("/") == 3
    assert unquote(path.partition("why=")[2].removesuffix("&x=1"), errors="replace") == unquote(
        values["reason"], errors="replace")


async def test_a_rollback_by_a_pipeline_is_done_when_the_requests_show_it(ci: Works) -> None:
    system = ci.system()
    plan = await ci.plan(system, Action.ROLLBACK)
    assert (plan.before.version, plan.after.version) == ("8", "7")
    assert await ci.progress(system, plan) is Progress.UNDER_WAY
    await system.send(plan.requests[0], "a1")
    assert await ci.progress(system, plan) is Progress.UNDER_WAY
    ci.shown.append(seen(v7=1.0, v8=0.0))
    assert await ci.progress(system, plan) is Progress.REACHED
    ci.shown.append(None)
    assert await ci.progress(system, plan) is Progress.CANNOT_TELL


async def test_retraining_waits_for_the_approval_that_the_manifest_asks_for(ci: Works, tmp_path: Path) -> None:
    outcomes = []
    for approval in ("required", "none"):
        promised = manifest("webhook", "ci", retrain={"webhook": "ci", "approval": approval})
        executor = Executor(ci.system(Action.RETRAIN), Journal(StateDir(tmp_path / approval), ci.clock), FileLeases(
            StateDir(tmp_path / "l"), "host"), ci.clock, policy_of(promised, ActionSettings(), 5.0), lambda: ARMED,
            lambda: ci.shown[-1])
        prepared = await executor.prepare(Wish(Action.RETRAIN, "drift"))
        assert isinstance(prepared, Prepared), prepared
        steps = [step async for step in executor.carry_out(prepared, Confirmation(prepared.plan.confirmation))]
        outcomes.append(next(step.outcome for step in steps if step.outcome))
    assert outcomes == [Outcome.REFUSED, Outcome.DONE], steps
    assert [raw for _, raw, _, _ in ci.asked] == ["/train?"]


async def test_a_call_that_was_taken_is_not_made_again_at_once(ci: Works) -> None:
    system = ci.system(Action.RETRAIN)
    plan = await ci.plan(system, Action.RETRAIN)
    assert await ci.progress(system, plan) is Progress.CANNOT_TELL
    await system.send(plan.requests[0], "a1")
    assert await ci.progress(system, plan) is Progress.REACHED
    ci.clock.advance(3600)
    assert await ci.progress(system, plan) is Progress.CANNOT_TELL


async def test_the_run_that_a_call_started_is_looked_at(ci: Works) -> None:
    look = {"id": "run", "path": "/runs/{run}", "failed": ["broken"]}
    system = ci.system(Action.RETRAIN, {"retrain": {"path": "/rematerialize", "body": {"model": "{model}"},
                                                    "run": look}}, "/lab")
    plan = await ci.plan(system, Action.RETRAIN)
    sent = await system.send(plan.requests[0], "a1")
    assert (sent.fate, sent.message) == (Fate.DONE, "run 1"), sent
    observed = await system.observe()
    assert not isinstance(observed, Failure)
    assert system.sighting(plan, observed).sentence == "run 1: running"
    again = await system.send(plan.requests[0], "a1")
    assert again.message == "run 1"


async def test_a_run_that_failed_is_no_success(ci: Works) -> None:
    ci.answer.append(lambda: JSONResponse({"id": "r/1", "status": "failed"}, 201))
    system = ci.system(Action.RETRAIN, {"retrain": {"path": "/train", "run": {"path": "/runs/{run}"}}})
    plan = await ci.plan(system, Action.RETRAIN)
    await system.send(plan.requests[0], "a1")
    assert await ci.progress(system, plan) is Progress.ELSEWHERE
    assert ci.asked[-1][1] == "/runs/r%2F1?"


@pytest.mark.parametrize(("status", "fate"), [(400, Fate.REFUSED), (303, Fate.UNKNOWN), (503, Fate.UNKNOWN)])
async def test_an_answer_that_is_no_success_is_told_for_what_it_is(ci: Works, status: int, fate: Fate) -> None:
    ci.answer.append(lambda: Response("no", status, headers={"Location": "/elsewhere"}))
    system = ci.system()
    plan = await ci.plan(system, Action.ROLLBACK, "7")
    sent = await system.send(plan.requests[0], "a1")
    assert (sent.fate, sent.code) == (fate, status)
    assert len(ci.asked) == 1


async def test_what_has_no_call_is_refused_with_where_to_add_it(ci: Works) -> None:
    system = ci.system(rollback={"last_known_good": "7"})
    observed = await system.observe()
    assert not isinstance(observed, Failure)
    offers = {each.action: each for each in system.offers(observed, a_snapshot())}
    assert {action for action, offer in offers.items() if offer.refusal is None} == {Action.ROLLBACK}
    refused = offers[Action.PAUSE].refusal
    assert refused == Refusal("webhooks.ci in triage.yaml has no call pause", "add it to its calls")
    assert (await system.granted(Action.PAUSE)).allowed is False
    assert (await system.granted(Action.RETRAIN)).allowed is False
    ci.shown.append(seen(canary="", v7=1.0))
    assert "serves already" in str(await ci.wish(system, Action.ROLLBACK))


async def test_without_metrics_the_plan_says_that_nothing_will_be_seen(ci: Works) -> None:
    ci.shown.append(None)
    plan = await ci.plan(ci.system(), Action.ROLLBACK, "7")
    assert "cannot be seen" in plan.warnings[0]
    assert plan.requests[0].preconditions == ()


@pytest.mark.parametrize("spec", [{"rollout": {"kind": "webhook", "name": "nowhere"}}, {"retrain": {"webhook": "no"}}])
def test_a_webhook_that_the_configuration_does_not_have_is_named(spec: dict[str, Any]) -> None:
    context = Context(prometheus=Endpoint(url="http://127.0.0.1:1"))
    refusal = routed(Action.RETRAIN if "retrain" in spec else Action.ROLLBACK,
                     Setting(manifest(**spec), Active("prod", context, (), None), ManualClock()))
    assert isinstance(refusal, Refusal)
    assert "has no webhook n" in refusal.message


def test_without_a_pipeline_there_is_no_retraining() -> None:
    context = Context(prometheus=Endpoint(url="http://127.0.0.1:1"))
    found = routed(Action.RETRAIN, Setting(manifest(), Active("prod", context, (), None), ManualClock()))
    assert isinstance(found, Refusal)
    assert "names no pipeline" in found.message


@pytest.mark.parametrize(("call", "said"), [
    ({"path": "/x/{version}"}, "unknown variable: {version}"), ({"path": "x"}, "is no path"),
    ({"path": "/x y"}, "is no path"), ({"path": "/x", "body": {"a": ["{b}"]}}, "unknown variable: {b}"),
    ({"path": "/x", "run": {"path": "/runs/{id}"}}, "unknown variable: {id}")])
def test_a_call_that_cannot_be_made_is_an_error_of_the_configuration(call: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Webhook.model_validate({"url": "http://ci.example", "calls": {"retrain": call}})
    assert said in str(error.value)


def test_the_idempotency_header_is_not_set_twice() -> None:
    with pytest.raises(ValidationError, match="sets the idempotency header"):
        Webhook.model_validate({"url": "http://ci.example", "calls": {"retrain": {"path": "/x"}},
                                "headers": {"idempotency-key": "1"}})


def of_now(ci: Works) -> Snapshot:
    """What is known, just asked."""
    found, now = ci.shown[-1], ci.clock.now()
    assert found is not None
    return replace(found, at=now, models=tuple(replace(each, data_at=now) for each in found.models))


def trainer(ci: Works, tmp_path: Path) -> Executor:
    """A new process's, over the same journal."""
    promised = manifest("webhook", "ci", retrain={"webhook": "ci", "approval": "none"})
    calls = {"retrain": {"path": "/train", "run": {"path": "/runs/{run}"}}}
    made = Executor(ci.system(Action.RETRAIN, calls), Journal(StateDir(tmp_path / "journal"), ci.clock),
                    FileLeases(StateDir(tmp_path / "leases"), "host"), ci.clock,
                    policy_of(promised, ActionSettings(), 5.0), lambda: ARMED, lambda: of_now(ci))

    async def wait(seconds: float) -> None:
        ci.clock.advance(seconds)
    made.wait = wait
    return made


async def test_the_run_that_an_earlier_process_began_is_looked_for_by_its_number(ci: Works, tmp_path: Path) -> None:
    ci.answer.append(lambda: JSONResponse({"id": "7", "status": "running"}, 201))
    of = trainer(ci, tmp_path)
    prepared = await of.prepare(Wish(Action.RETRAIN, "drift"))
    assert isinstance(prepared, Prepared)
    async with aclosing(of.carry_out(prepared, Confirmation(prepared.plan.confirmation))) as steps:
        async for step in steps:
            if step.stage is Stage.SENT:
                break
    ci.clock.advance(86400)
    later = trainer(ci, tmp_path)
    deed, = open_ends(await later.history())
    found = await reconcile(deed, later.system, later.journal, later.leases)
    assert (found.progress, found.sentence) == (Progress.REACHED, "run 7: running")
    assert ci.asked[-1][1] == "/runs/7?"
    assert open_ends(await later.history()) == ()


async def test_a_call_that_nobody_answered_stops_the_next_one_until_somebody_has_broken_the_glass(
        ci: Works, tmp_path: Path) -> None:
    ci.answer.append(lambda: Response("", 504))
    of = trainer(ci, tmp_path)
    prepared = await of.prepare(Wish(Action.RETRAIN, "drift"))
    assert isinstance(prepared, Prepared)
    assert [step.outcome async for step in of.carry_out(prepared, Confirmation(prepared.plan.confirmation))][-2] is (
        Outcome.UNKNOWN)
    ci.answer.append(lambda: JSONResponse({"id": "8"}, 201))
    for broken in (True, False):
        ci.clock.advance(2 * 86400)
        prepared = await of.prepare(Wish(Action.RETRAIN, "drift again"))
        assert isinstance(prepared, Prepared)
        assert [each.name for each in prepared.stops] == (["ends"] if broken else [])
        word = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements),
                            "the pipeline has no run of that day" if broken else "")
        assert [step.outcome async for step in of.carry_out(prepared, word)][-2] is Outcome.DONE
