"""Rollouts as the lab has none: a template by reference, blue-green, analyses; objects as an API gives them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from tests.actions.building import circumstances
from tests.actions.rollouts.conftest import NOTHING, manifest
from tests.sources.faults import FaultServer, Request, json_answer
from tests.sources.test_kubernetes import status
from triage.actions.guards.checking import Verdict
from triage.actions.guards.foundation import unchanged
from triage.actions.plan import Action, Plan
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.rollouts.workload import Workload
from triage.actions.system import Progress, Refusal, Wish
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.sources.kubernetes import KubernetesClient

Json = dict[str, Any]
NOW = 1_800_000_000.0


def template(version: str, **labels: str) -> Json:
    return {"metadata": {"labels": {"app": "fraud", "app.kubernetes.io/version": version} | labels},
            "spec": {"containers": [{"name": "server", "image": f"fraud@sha256:{version:0>64}"},
                                    {"name": "sidecar", "image": "envoy:1"}]}}


def replica_set(version: str, number: int, pod_hash: str, created: str) -> Json:
    return {"metadata": {"name": f"fraud-{pod_hash}", "creationTimestamp": created,
                         "annotations": {"rollout.argoproj.io/revision": str(number)},
                         "labels": {"rollouts-pod-template-hash": pod_hash},
                         "ownerReferences": [{"uid": "u1", "controller": True}]},
            "spec": {"replicas": 2, "template": template(version, **{"rollouts-pod-template-hash": pod_hash})},
            "status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}}


SETS = [replica_set("7", 1, "aaa", "2026-11-01T00:00:00Z"), replica_set("8", 2, "bbb", "2026-11-02T00:00:00Z")]


def rollout(strategy: Json, state: Json, **spec: Any) -> Json:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "fraud", "namespace": "ml", "uid": "u1", "generation": 3},
            "spec": {"replicas": 2, "strategy": strategy, "selector": {"matchLabels": {"app": "fraud"}},
                     "template": template("8")} | spec,
            "status": {"observedGeneration": "3", "currentPodHash": "bbb", "stableRS": "aaa", "phase": "Progressing"}
            | state}


async def answered(item: Json, *, deployment: Json | Failure | None = None,
                   autoscalers: list[Json] | None = None, **spec: Any) -> tuple[Workload, Any, list[Request]]:
    """The system and what it observed of these objects."""
    async def handle(request: Request, writer: Any) -> object:
        if request.path.endswith("/replicasets"):
            return await json_answer({"kind": "List", "metadata": {}, "items": SETS})(request, writer)
        if request.path.endswith("/horizontalpodautoscalers"):
            found = status(403, "Forbidden", "no") if autoscalers is None else json_answer(
                {"kind": "List", "metadata": {}, "items": autoscalers})
            return await found(request, writer)
        if "/deployments/" in request.path:
            return await (json_answer(deployment) if isinstance(deployment, dict) else status(
                403, "Forbidden", "you may not"))(request, writer)
        return await json_answer(item)(request, writer)
    async with FaultServer(handle) as server:
        endpoint = Endpoint.model_validate({"url": server.url})
        client = KubernetesClient(endpoint, ManualClock(NOW))
        active = Active("lab", Context(prometheus=endpoint), (), None)
        system = system_of(Setting(manifest(**spec), active, ManualClock(NOW), client))
        assert isinstance(system, Workload)
        observed = await system.observe()
        await client.aclose()
    assert not isinstance(observed, Failure), observed
    return system, observed, server.requests


async def planned(item: Json, action: Action, to: str = "", parameters: dict[str, str] | None = None,
                  **more: Any) -> Plan | Refusal:
    system, observed, _ = await answered(item, **more)
    return system.plan(Wish(action, to=to, parameters=parameters or {}), observed, NOTHING, "ana", NOW)


def changes(plan: Plan | Refusal) -> list[tuple[str, list[Json]]]:
    """(path without query, operations but for tests) of each request."""
    assert isinstance(plan, Plan), plan
    return [(each.path.partition("?")[0].removeprefix("/apis/"),
             [op for op in json.loads(each.body) if op["op"] != "test"]) for each in plan.requests]


CANARY: Json = {"canary": {"steps": [{"setWeight": 20}, {"analysis": {"templates": [{"templateName": "ok"}]}},
                                     {"analysis": {"templates": [{"templateName": "ok"}]}}, {"pause": {}}]}}


def waiting(reason: str, index: int) -> Json:
    """Stands at a step because the controller paused it."""
    return {"currentStepIndex": index, "controllerPause": True, "pauseConditions": [
        {"reason": reason, "startTime": "2026-11-02T00:00:00Z"}]}


STATUS = "argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud/status"


class TestAnalyses:
    async def test_an_inconclusive_analysis_is_left_by_the_next_step(self) -> None:
        state = waiting("InconclusiveAnalysisRun", 1)
        for action in (Action.PROMOTE, Action.RESUME):
            assert changes(await planned(rollout(CANARY, state), action)) == [(STATUS, [
                {"op": "remove", "path": "/status/pauseConditions"},
                {"op": "replace", "path": "/status/currentStepIndex", "value": 2},
                {"op": "add", "path": "/status/controllerPause", "value": False}])]

    async def test_a_running_analysis_is_skipped_and_two_in_a_row_are_warned_of(self) -> None:
        plan = await planned(rollout(CANARY, {"currentStepIndex": 1}), Action.PROMOTE)
        assert changes(plan) == [(STATUS, [{"op": "replace", "path": "/status/currentStepIndex", "value": 2}])]
        assert isinstance(plan, Plan)
        assert plan.warnings == (
            "the step analysis ok is not done: it is skipped",
            "the next step is an analysis too: Argo Rollouts does not promote out of two in a row properly "
            "(argo-rollouts#1203)")

    async def test_out_of_an_inconclusive_analysis_into_another_one_is_warned_of(self) -> None:
        for action in (Action.PROMOTE, Action.RESUME):
            plan = await planned(rollout(CANARY, waiting("InconclusiveAnalysisRun", 1)), action)
            assert isinstance(plan, Plan)
            assert plan.warnings == (
                "the next step is an analysis too: Argo Rollouts does not promote out of two in a row properly "
                "(argo-rollouts#1203)",)

    async def test_out_of_a_pause_into_two_analyses_is_warned_of(self) -> None:
        steps = {"canary": {"steps": [{"pause": {}}, *CANARY["canary"]["steps"]]}}
        plan = await planned(rollout(steps, waiting("CanaryPauseStep", 0)), Action.PROMOTE)
        assert isinstance(plan, Plan)
        assert plan.warnings == (
            "two analyses in a row come next (analysis ok, analysis ok): Argo Rollouts does not promote out of two in "
            "a row properly (argo-rollouts#1203), so let both end by themselves",)

    async def test_a_pause_before_the_pair_is_no_reason_to_speak_of_it_yet(self) -> None:
        steps = {"canary": {"steps": [{"pause": {}}, {"pause": {}}, *CANARY["canary"]["steps"]]}}
        plan = await planned(rollout(steps, waiting("CanaryPauseStep", 0)), Action.PROMOTE)
        assert isinstance(plan, Plan)
        assert plan.warnings == ()

    async def test_an_analysis_that_began_while_it_waits_is_said(self) -> None:
        runs = {"currentStepAnalysisRunStatus": {"name": "step-2", "status": "Running"},
                "currentBackgroundAnalysisRunStatus": {"name": "bg-1", "status": "Pending"}}
        state = waiting("InconclusiveAnalysisRun", 2) | {"canary": runs}
        plan = await planned(rollout(CANARY, state), Action.PROMOTE)
        assert isinstance(plan, Plan)
        assert set(plan.warnings) == {
            "the analysis step-2 began while it waits: the promotion does not wait for its verdict",
            "the analysis bg-1 goes on and may still abort it"}

    async def test_a_full_promotion_says_that_analyses_will_not_run(self) -> None:
        plan = await planned(rollout(CANARY, {"currentStepIndex": 0}), Action.PROMOTE_FULL)
        assert isinstance(plan, Plan)
        assert "an analysis that has not run will not run" in plan.warnings

    async def test_a_pause_says_that_a_running_analysis_may_still_abort(self) -> None:
        state = {"currentStepIndex": 1, "canary": {"currentBackgroundAnalysisRunStatus": {
            "name": "bg-1", "status": "Running"}}}
        plan = await planned(rollout(CANARY, state), Action.PAUSE)
        assert isinstance(plan, Plan)
        assert plan.warnings == ("the analysis bg-1 goes on and may still abort it",)

    async def test_a_slow_rollback_counts_its_analyses(self) -> None:
        item = rollout(CANARY, {"currentStepIndex": 4, "stableRS": "bbb"})
        plan = await planned(item, Action.ROLLBACK, "7")
        assert isinstance(plan, Plan)
        assert plan.path == ("slow: all 4 steps run again, no pause of a set length, it waits for a person once, "
                             "2 analyses again")


class TestBlueGreen:
    BLUE: ClassVar[Json] = {"blueGreen": {"activeService": "fraud"}}
    WAITS: ClassVar[Json] = {
        "pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2026-11-02T00:00:00Z"}],
        "controllerPause": True, "blueGreen": {"activeSelector": "aaa"}}

    async def test_a_promotion_ends_its_pause(self) -> None:
        plan = await planned(rollout(self.BLUE, self.WAITS), Action.PROMOTE)
        assert changes(plan) == [(STATUS, [{"op": "remove", "path": "/status/pauseConditions"}])]
        assert isinstance(plan, Plan)
        assert plan.path == "the active service switches to v8"

    async def test_without_a_pause_there_is_nothing_to_promote(self) -> None:
        assert isinstance(await planned(rollout(self.BLUE, {}), Action.PROMOTE), Refusal)


class TestTemplateByReference:
    OWN: ClassVar[Json] = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"}}
    DEPLOYMENT: ClassVar[Json] = {
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "fraud", "uid": "u9"},
        "spec": {"template": template("8")}}

    def item(self, **more: Any) -> Json:
        found = rollout(CANARY, {"currentStepIndex": 0, "selector": "app=fraud"} | more, **self.OWN)
        del found["spec"]["template"]
        return found

    async def test_a_rollback_writes_the_template_of_the_deployment(self) -> None:
        plan = await planned(self.item(), Action.ROLLBACK, deployment=self.DEPLOYMENT)
        assert changes(plan) == [
            (STATUS, [{"op": "add", "path": "/status/abort", "value": True}]),
            ("apps/v1/namespaces/ml/deployments/fraud", [
                {"op": "replace", "path": "/spec/template", "value": template("7")}])]
        assert isinstance(plan, Plan)
        tests = [op["path"] for op in json.loads(plan.requests[1].body) if op["op"] == "test"]
        assert tests == ["/metadata/uid", "/spec/template/spec/containers/0/image",
                         "/spec/template/spec/containers/1/image"]
        assert [each.name for each in plan.requests[1].preconditions] == ["uid", "workload_uid", "workload_template"]
        assert "the template is written in Deployment/fraud, which the Rollout takes it from" in plan.warnings

    async def test_every_precondition_is_something_that_is_observed(self) -> None:
        system, observed, _ = await answered(self.item(), deployment=self.DEPLOYMENT)
        plan = system.plan(Wish(Action.ROLLBACK), observed, NOTHING, "ana", NOW)
        assert isinstance(plan, Plan)
        for request in plan.requests:
            for each in request.preconditions:
                assert observed.values[each.name] == each.expected

    async def test_what_the_deployment_asks_for_already_is_refused(self) -> None:
        found = await planned(self.item(), Action.ROLLBACK, deployment=self.DEPLOYMENT | {
            "spec": {"template": template("7")}})
        assert isinstance(found, Refusal)
        assert "asks for already" in found.message

    async def test_a_deployment_that_cannot_be_read_is_not_written(self) -> None:
        found = await planned(self.item(), Action.ROLLBACK)
        assert isinstance(found, Refusal)
        assert found.message.startswith("its template is that of Deployment/fraud, which cannot be read: forbidden")

    async def test_its_owner_is_the_one_who_would_undo_it(self) -> None:
        owned = copy.deepcopy(self.DEPLOYMENT)
        owned["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
        plan = await planned(self.item(), Action.ROLLBACK, deployment=owned)
        assert isinstance(plan, Plan)
        assert any(each.startswith("Argo CD owns it") for each in plan.warnings)

    async def test_a_template_of_another_kind_is_not_changed_and_abort_still_works(self) -> None:
        item = self.item()
        item["spec"]["workloadRef"]["kind"] = "PodTemplate"
        found = await planned(item, Action.ROLLBACK)
        assert isinstance(found, Refusal)
        assert "abort takes the traffic off" in found.hint
        assert isinstance(await planned(item, Action.ABORT), Plan)


HPA: list[Json] = [{"metadata": {"name": "fraud"}, "spec": {
    "scaleTargetRef": {"kind": "Rollout", "name": "fraud"}, "minReplicas": 2, "maxReplicas": 12}}]


class TestScale:
    BOUNDS: ClassVar[Json] = {"resources": {"replicas": {"min": 2, "max": 6}}}

    async def of(self, replicas: str, autoscalers: list[Json] | None = None) -> Plan | Refusal:
        return await planned(rollout(CANARY, {"currentStepIndex": 4, "stableRS": "bbb"}), Action.SCALE, "", {
            "replicas": replicas}, autoscalers=autoscalers, **self.BOUNDS)

    async def test_the_request_rests_on_the_number_it_changes(self) -> None:
        plan = await self.of("4", [])
        assert isinstance(plan, Plan)
        assert json.loads(plan.requests[0].body) == [
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "test", "path": "/spec/replicas", "value": 2}, {"op": "add", "path": "/spec/replicas", "value": 4}]
        assert (plan.inverse, plan.warnings) == ("scale to 2", ())

    @pytest.mark.parametrize(("replicas", "words"), [
        ("7", "outside of what is allowed"), ("1", "outside of what is allowed"), ("2", "has 2 replicas already"),
        ("", "no number of replicas is named"), ("-1", "is no number"), ("many", "is no number"),
        ("٣", "is no number"), ("9" * 50, "is no number")])
    async def test_only_a_number_within_the_bounds_is_taken(self, replicas: str, words: str) -> None:
        found = await self.of(replicas, [])
        assert isinstance(found, Refusal)
        assert words in found.message
        assert "the manifest allows 2 to 6" in found.hint

    async def test_an_autoscaler_that_would_undo_it_is_named(self) -> None:
        found = await self.of("4", HPA)
        assert isinstance(found, Refusal)
        assert "HorizontalPodAutoscaler fraud (2 to 12 replicas)" in found.message

    async def test_an_autoscaler_that_comes_after_the_plan_stops_it(self) -> None:
        plan = await self.of("4", [])
        assert isinstance(plan, Plan)
        item = rollout(CANARY, {"currentStepIndex": 4, "stableRS": "bbb"})
        for there, verdict in ((HPA, Verdict.BLOCKED), (None, Verdict.CANNOT_TELL), ([], Verdict.OK)):
            _, observed, _ = await answered(item, autoscalers=there, **self.BOUNDS)
            found = unchanged(replace(circumstances(Action.SCALE, plan=plan), observed=observed))
            assert found.verdict is verdict, found
        assert "no HorizontalPodAutoscaler sets the replicas" in found.sentence

    async def test_an_autoscaler_that_cannot_be_looked_for_is_said(self) -> None:
        plan = await self.of("4", None)
        assert isinstance(plan, Plan)
        assert [each.name for each in plan.requests[0].preconditions] == ["uid", "replicas"]
        assert any("is not known: forbidden" in each for each in plan.warnings)

    async def test_down_is_warned_of(self) -> None:
        item = rollout(CANARY, {"currentStepIndex": 4, "stableRS": "bbb"}, replicas=5)
        plan = await planned(item, Action.SCALE, "", {"replicas": "3"}, autoscalers=[], **self.BOUNDS)
        assert isinstance(plan, Plan)
        assert any("must take all requests" in each for each in plan.warnings)

    async def test_without_bounds_nobody_is_asked_about_autoscalers(self) -> None:
        _, _, requests = await answered(rollout(CANARY, {}))
        assert len(requests) == 2

    async def test_it_is_offered_as_a_choice(self) -> None:
        system, observed, _ = await answered(rollout(CANARY, {"currentStepIndex": 4, "stableRS": "bbb"}),
                                             autoscalers=[], **self.BOUNDS)
        [offer] = [each for each in system.offers(observed, NOTHING) if each.action is Action.SCALE]
        assert (offer.refusal, offer.sentence) == (
            None, "from 2 replicas to another number, the manifest allows 2 to 6")

    async def test_it_is_reached_when_all_of_them_serve(self) -> None:
        plan = await self.of("4", [])
        assert isinstance(plan, Plan)
        for replicas, serving, progress in ((2, 2, Progress.ELSEWHERE), (4, 3, Progress.UNDER_WAY),
                                            (4, 4, Progress.REACHED)):
            system, observed, _ = await answered(rollout(CANARY, {
                "currentStepIndex": 4, "stableRS": "bbb", "availableReplicas": serving}, replicas=replicas))
            assert system.sighting(plan, observed).progress is progress
