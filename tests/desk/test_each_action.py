"""Each action, from the wish to what the lab makes of it: sent once, obeyed, and its end told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.desk.crew import Crew, going, plan, send
from tests.desk.others import works
from tests.desk.site import NOT_JUDGED, Site
from tests.desk.whole import SECOND, Whole, carried_out, ended, planned, whole
from tests.lab.cluster.ground import READY_SECONDS, START
from triage.actions import approvals
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Prepared, Stage
from triage.actions.system import Progress, Wish
from triage.desk.actions import ActionDesk

MODEL = "fraud-scorer"
ALERT = "FraudCanarySlow"


@dataclass(frozen=True)
class Case:
    """An action on the canary that waits at 10 %."""

    action: Action
    sent: tuple[str, ...]
    """Last words of the paths that its requests go to."""
    shows: Callable[[Crew], Any]
    """What of the lab shows that it obeyed, and what it then is."""
    becomes: Any
    first: tuple[Action, ...] = ()
    """What was done before."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    to: str = ""


def split(crew: Crew) -> Any:
    return crew.ground.split


CASES = (
    Case(Action.PAUSE, ("fraud",), lambda crew: crew.ground.rollout["spec"]["paused"], True),
    Case(Action.RESUME, ("fraud",), lambda crew: crew.ground.rollout["spec"]["paused"], False, (Action.PAUSE,)),
    Case(Action.PROMOTE, ("status",), split, {"7": 50, "8": 50}),
    Case(Action.PROMOTE_FULL, ("status",), split, {"8": 100}),
    Case(Action.ABORT, ("status",), split, {"7": 100}),
    Case(Action.RETRY, ("status",), split, {"7": 90, "8": 10}, (Action.ABORT,)),
    Case(Action.ROLLBACK, ("status", "fraud"), lambda crew: (crew.image, split(crew)), ("fraud:7", {"7": 100})),
    Case(Action.SCALE, ("fraud",), lambda crew: crew.ground.pods("7"), 6, (), {"replicas": "6"}),
)
"""What a Rollout does; what others do has tests of its own below."""
OF_DEPLOYMENTS = (
    Case(Action.PAUSE, ("chat",), lambda crew: crew.ground.deployment["spec"]["paused"], True),
    Case(Action.RESUME, ("chat",), lambda crew: crew.ground.deployment["spec"]["paused"], False, (Action.PAUSE,)),
    Case(Action.ROLLBACK, ("chat",), lambda crew: [crew.ground.pods(version, "chat") for version in "12"], [4, 0],
         to="1"),
    Case(Action.SCALE, ("chat",), lambda crew: crew.ground.pods("2", "chat"), 6, (), {"replicas": "6"}),
)
ELSEWHERE = frozenset({Action.RETRAIN, Action.SILENCE, Action.EXPIRE_SILENCE})


@pytest.fixture
async def crew(make_site: Callable[..., Site], tmp_path: Path) -> AsyncIterator[Crew]:
    spec = {**NOT_JUDGED, "promote": {"approvals": 0}, "resources": {"replicas": {"min": 2, "max": 9}}}
    found = Crew(make_site(start=START, lives=False, spec=spec), tmp_path)
    yield found
    for desk in found.opened:
        await desk.aclose()


@pytest.fixture
async def chat(make_site: Callable[..., Site], tmp_path: Path) -> AsyncIterator[Crew]:
    """The Deployment ``ml/chat``: version 2 has replaced version 1."""
    spec = {**NOT_JUDGED, "promote": {"approvals": 0}, "resources": {"replicas": {"min": 2, "max": 9}},
            "rollout": {"kind": "deployment", "namespace": "ml", "name": "chat"}, "rollback": {}}
    found = Crew(make_site(start=START, lives=False, spec=spec), tmp_path)
    found.ground.with_deployment()
    found.ground.deploy("2", "chat")
    found.ground.wait(60)
    yield found
    for desk in found.opened:
        await desk.aclose()


async def seen_to_its_goal(crew: Crew, case: Case) -> None:
    desk = await crew.desk()
    for action in case.first:
        await send(desk, action)
        crew.ground.wait(60)
    crew.site.gate.changes.clear()
    prepared = await plan(desk, case.action, case.to, **case.parameters)
    assert [rehearsal.accepted for rehearsal in prepared.rehearsals] == [True] * len(prepared.plan.requests)
    assert crew.site.gate.changes == []
    looks = []
    async with going(desk, prepared) as steps:
        async for step in steps:
            if step.stage is Stage.VERIFYING:
                looks.append(step.progress)
            if step.progress is Progress.REACHED:
                break
            assert step.outcome is None, step
    assert looks[-1] is Progress.REACHED
    assert tuple(change.rpartition("/")[2] for change in crew.site.gate.changes) == case.sent
    crew.ground.wait(READY_SECONDS)
    assert case.shows(crew) == case.becomes
    [deed, *_] = reversed((await desk.history()).deeds)
    assert [attempt.index for attempt in deed.attempts] == list(range(len(case.sent)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.action))
async def test_it_is_rehearsed_sent_once_and_seen_to_its_goal(crew: Crew, case: Case) -> None:
    await seen_to_its_goal(crew, case)


@pytest.mark.parametrize("case", OF_DEPLOYMENTS, ids=lambda case: str(case.action))
async def test_what_a_plain_deployment_can_do_it_does(chat: Crew, case: Case) -> None:
    await seen_to_its_goal(chat, case)


def test_each_action_has_its_case() -> None:
    assert {case.action for case in CASES} | ELSEWHERE == set(Action) - {Action.CELL}


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Whole]:
    with whole("canary-latency", tmp_path, past=False) as running:
        running.pace_seconds = 15.0
        yield running
        await running.leave()


async def test_an_alert_is_silenced_in_the_lab_and_heard_again(lab: Whole) -> None:
    def silences() -> list[tuple[str, str]]:
        return [(each.comment, str(each.state)) for each in lab.lab.world.book.silences()]
    desk = await lab.desk(MODEL)
    prepared = await planned(desk, Wish(Action.SILENCE, "known, v8 is aborted", incident="INC-1",
                                        parameters={"alert": ALERT, "duration": "1h"}))
    assert prepared.stops == ()
    assert silences() == []
    outcome, sentence = ended(await carried_out(desk, prepared))
    assert (outcome, lab.ear.changes) == (Outcome.DONE, ["POST /alertmanager/api/v2/silences"]), sentence
    [made] = lab.lab.world.book.silences()
    assert {(each.name, each.value) for each in made.matchers} >= {("alertname", ALERT), ("model", MODEL)}
    assert made.ends_at - lab.lab.clock.now() == pytest.approx(3600, abs=60)
    ending = await planned(desk, Wish(Action.EXPIRE_SILENCE, "v8 comes again"))
    outcome, sentence = ended(await carried_out(desk, ending))
    assert outcome is Outcome.DONE, sentence
    assert lab.ear.changes[1:] == [f"DELETE /alertmanager/api/v2/silence/{made.id}"]


async def test_who_may_not_silence_is_told_by_alertmanager_and_nothing_is_silenced(lab: Whole) -> None:
    desk = await lab.desk(MODEL, token="reads-only")
    prepared = await planned(desk, Wish(Action.SILENCE, "a test", incident="INC-1", parameters={"alert": ALERT}))
    outcome, sentence = ended(await carried_out(desk, prepared))
    assert outcome is Outcome.FAILED
    assert "nothing was changed" in sentence
    assert lab.lab.world.book.silences() == []


RETRAIN = Wish(Action.RETRAIN, "drift is critical since this morning")


def promised(approval: str) -> dict[str, Any]:
    return {"retrain": {"webhook": "ci", "approval": approval, "when": [{"drift": "critical", "sustained": "6h"}]}}


async def test_a_model_is_trained_again_by_the_labs_pipeline_where_the_manifest_asks_nobody_else(lab: Whole) -> None:
    token = {"bearer_token": {"file": str(lab.lab.config.parent / "token")}}
    context = {"webhooks": {"ci": {"url": f"{lab.lab.url}/pipelines", **token, "calls": {"retrain": {
        "path": "/rematerialize", "body": {"model": "{model}"}, "run": {"id": "run", "path": "/runs/{run}"}}}}}}
    desk = await lab.desk(MODEL, context=context, spec=promised("none"))
    prepared = await planned(desk, RETRAIN)
    assert prepared.stops == ()
    outcome, sentence = ended(await carried_out(desk, prepared))
    [run] = lab.lab.world.pipelines.runs
    assert (run.action, run.model, lab.ear.changes) == ("rematerialize", MODEL, ["POST /pipelines/rematerialize"])
    assert outcome is Outcome.DONE, sentence


async def test_training_that_needs_another_person_is_carried_out_by_that_person_and_once(
        lab: Whole, tmp_path: Path) -> None:
    async def of(token: str) -> ActionDesk:
        return await lab.desk(MODEL, token=token, state=token, spec=promised("required"), context=context)
    with works() as pipeline:
        context = pipeline.context("retrain", identity={"kind": "kubernetes"})
        ana = await of("only-of-these-tests")
        asked = await planned(ana, RETRAIN)
        assert [(each.name, each.sentence[:21]) for each in asked.stops] == [("persons", "needs 1 other person:")]
        assert ended(await carried_out(ana, asked))[0] is Outcome.REFUSED
        await ana.share(asked, tmp_path / "retrain.json")
        assert pipeline.calls == []
        # Whoever asked is nobody else.
        own = await ana.prepare_approval(approvals.read(tmp_path / "retrain.json"))
        assert isinstance(own, Prepared)
        assert ended(await carried_out(ana, own))[0] is Outcome.REFUSED
        ben = await of(SECOND)
        approved = await ben.prepare_approval(approvals.read(tmp_path / "retrain.json"))
        assert isinstance(approved, Prepared), approved
        assert approved.plan.digest == asked.plan.digest
        assert ended(await carried_out(ben, approved))[0] is Outcome.DONE
        [call] = pipeline.calls
        assert (call.path, call.body["model"], call.headers["Idempotency-Key"]) == (
            "/do/retrain", MODEL, approved.action_id)


async def test_training_that_needs_another_person_is_not_begun_where_nobody_can_be_told_from_another(
        lab: Whole) -> None:
    with works() as pipeline:
        desk = await lab.desk(MODEL, context=pipeline.context("retrain"), spec=promised("required"))
        outcome, sentence = ended(await carried_out(desk, await planned(desk, RETRAIN)))
        assert (outcome, pipeline.calls) == (Outcome.REFUSED, [])
        assert "persons: " in sentence
