"""Actions on a Deployment: what exactly is sent, what the controller makes of it, and what a Deployment cannot do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.actions.rollouts.conftest import Stage
from tests.lab.cluster.ground import Ground
from triage.actions.plan import Action
from triage.actions.system import Fate, Progress
from triage.lab.cluster.resources import DEPLOYMENTS

PATH = "/apis/apps/v1/namespaces/ml/deployments/chat?fieldManager=triage&fieldValidation=Strict"


async def test_undo_writes_the_template_and_leaves_annotations_alone(chat: Stage) -> None:
    chat.ground.patch({"metadata": {"annotations": {"team": "ml"}}}, resource=DEPLOYMENTS, name="chat")
    plan = await chat.do(Action.ROLLBACK, to="1")
    [request] = plan.requests
    assert (request.method, request.path) == ("PATCH", PATH)
    body = json.loads(request.body)
    assert [each["path"] for each in body] == [
        "/metadata/uid", "/spec/template/spec/containers/0/image", "/spec/paused", "/spec/template",
        "/metadata/annotations/triage.dev~1last-action"]
    assert "pod-template-hash" not in body[-2]["value"]["metadata"]["labels"]
    assert chat.switched.patches[0][3].decode() == request.body
    assert await chat.progress(plan) is Progress.UNDER_WAY
    chat.ground.wait(120)
    assert await chat.progress(plan) is Progress.REACHED
    assert chat.ground.deployment["metadata"]["annotations"]["team"] == "ml"
    assert chat.ground.deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "chat:1"


async def test_an_edit_of_annotations_between_plan_and_request_is_not_lost(chat: Stage) -> None:
    plan = await chat.plan(Action.ROLLBACK, to="1")
    chat.ground.patch({"metadata": {"annotations": {"edited": "meanwhile"}}}, resource=DEPLOYMENTS, name="chat")
    assert [each.fate for each in await chat.send(plan)] == [Fate.DONE]
    assert chat.ground.deployment["metadata"]["annotations"]["edited"] == "meanwhile"


async def test_while_versions_are_replaced_the_one_that_served_is_meant(make_stage: Any) -> None:
    ground = Ground().with_deployment()
    ground.cluster.break_image("chat:2")
    ground.deploy("2", "chat")
    stage = make_stage(ground, "deployment")
    plan = await stage.plan(Action.ROLLBACK)
    assert (plan.before.version, plan.after.version, plan.after.revision) == ("2", "1", 1)
    await stage.client.aclose()


async def test_the_plan_says_how_replicas_are_replaced_and_what_is_not_ready(chat: Stage) -> None:
    plan = await chat.plan(Action.ROLLBACK, to="1")
    assert plan.path == "4 replicas are replaced, at most 25% more and 25% fewer at a time"
    assert "no replica of the target is ready: its pods have to start first" in plan.warnings
    assert (plan.blast_radius.traffic_share, plan.blast_radius.replicas) == (1.0, 4)


async def test_a_version_deployed_meanwhile_is_not_overwritten(chat: Stage) -> None:
    plan = await chat.plan(Action.ROLLBACK, to="1")
    chat.ground.deploy("3", "chat")
    [refused] = await chat.send(plan)
    assert (refused.fate, refused.code) == (Fate.REFUSED, 422)
    assert await chat.progress(plan) is Progress.ELSEWHERE


async def test_paused_it_is_undone_and_goes_on_in_one_request(chat: Stage) -> None:
    await chat.do(Action.PAUSE)
    plan = await chat.do(Action.ROLLBACK, to="1")
    request, = plan.requests
    assert request.sentence.endswith(", spec.paused -> false")
    assert any("takes the pause back" in warning for warning in plan.warnings)
    assert chat.ground.deployment["spec"]["paused"] is False
    chat.ground.wait(600)
    assert await chat.progress(plan) is Progress.REACHED


async def test_what_is_asked_for_already_is_refused(chat: Stage) -> None:
    assert "is what the specification asks for already" in (await chat.refusal(Action.ROLLBACK, to="2")).message


async def test_pause_and_resume_say_what_they_do(chat: Stage) -> None:
    pause = await chat.do(Action.PAUSE)
    uid = chat.ground.deployment["metadata"]["uid"]
    assert json.loads(pause.requests[0].body) == [
        {"op": "test", "path": "/metadata/uid", "value": uid}, {"op": "test", "path": "/spec/paused", "value": None},
        {"op": "add", "path": "/spec/paused", "value": True},
        {"op": "add", "path": "/metadata/annotations/triage.dev~1last-action",
         "value": "pause fraud-scorer by operator: tests"}]
    assert (await chat.progress(pause), (await chat.refusal(Action.PAUSE)).message) == (
        Progress.REACHED, "it is paused already")
    resume = await chat.do(Action.RESUME)
    assert json.loads(resume.requests[0].body)[-2] == {"op": "add", "path": "/spec/paused", "value": False}
    assert (await chat.progress(resume), await chat.progress(pause)) == (Progress.REACHED, Progress.ELSEWHERE)
    assert (await chat.refusal(Action.RESUME)).message == "it is not paused"


async def test_resuming_in_the_middle_says_who_will_feel_it(make_stage: Any) -> None:
    ground = Ground().with_deployment()
    ground.cluster.deploy("ml", "chat", "2")
    ground.wait(1)
    stage = make_stage(ground, "deployment")
    await stage.do(Action.PAUSE)
    plan = await stage.plan(Action.RESUME)
    assert "of the requests" in plan.blast_radius.sentence
    assert plan.requests[0].effect == "replicas are replaced by v2 again"
    await stage.client.aclose()


@pytest.mark.parametrize("action", [Action.ABORT, Action.PROMOTE, Action.PROMOTE_FULL, Action.RETRY])
async def test_what_a_deployment_does_not_know_is_refused_with_what_to_do(chat: Stage, action: Action) -> None:
    await chat.refusal(action)
    assert (await chat.system.granted(action)).allowed is False
