"""Actions on a Rollout: what exactly is sent, what the controller makes of it, and the traps that are none any more."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.actions.rollouts.conftest import Stage
from tests.lab.cluster.ground import READY_SECONDS, Ground
from triage.actions.plan import Action, Plan, Request
from triage.actions.rollouts.last_action import marked
from triage.actions.system import Fate, Progress
from triage.lab.cluster.access import Access, Rule, User

MAIN = "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud?fieldManager=triage&fieldValidation=Strict"
STATUS = "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud/status?fieldManager=triage&fieldValidation=Strict"


def is_test(path: str, value: Any) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}


MARK = "/metadata/annotations/triage.dev~1last-action"


def operations(request: Request) -> list[dict[str, Any]]:
    """What a request changes: its operations but for its tests and the mark that it leaves."""
    return [each for each in json.loads(request.body) if each["op"] != "test" and each["path"] != MARK]


def rests_on(request: Request) -> dict[str, Any]:
    return {each["path"]: each["value"] for each in json.loads(request.body) if each["op"] == "test"}


async def sent_as_planned(stage: Stage, plan: Plan) -> None:
    """Every request of the plan left once, byte for byte, and said who we are."""
    for (method, path, headers, body), request in zip(stage.switched.patches, plan.requests, strict=True):
        assert (method, path, body.decode(), headers["content-type"]) == (
            request.method, request.path, request.body, "application/json-patch+json")
        assert headers["user-agent"].endswith(" action/a1")
        assert headers["user-agent"].startswith("triage/")


class TestLastAction:
    async def test_whoever_looks_at_the_object_sees_what_was_done_last_and_who_asked_for_it(self, argo: Stage) -> None:
        notes = argo.ground.rollout["metadata"]["annotations"]
        await argo.do(Action.ROLLBACK)
        assert argo.ground.rollout["metadata"]["annotations"] == {
            **notes, "triage.dev/last-action": "rollback fraud-scorer from v8 to v7 by operator: tests",
            "rollout.argoproj.io/revision": "3"}

    async def test_a_status_takes_none(self, argo: Stage) -> None:
        plan = await argo.do(Action.ABORT)
        assert MARK not in plan.requests[0].body
        assert "triage.dev/last-action" not in argo.ground.rollout["metadata"]["annotations"]

    async def test_the_first_annotation_of_an_object_is_somebody_elses(self, argo: Stage) -> None:
        bare = {"metadata": {"name": "fraud"}}
        request = (await argo.plan(Action.ABORT)).requests[0]
        main = replace(request, path=MAIN)
        assert marked(main, bare, "abort") == main
        assert MARK in marked(main, argo.ground.rollout, "abort").body

    async def test_what_a_reason_holds_is_cleaned_and_kept_short(self, argo: Stage) -> None:
        request = replace((await argo.plan(Action.ABORT)).requests[0], path=MAIN)
        said = json.loads(marked(request, argo.ground.rollout, "abort: \x1b[31m" + "x" * 5000).body)[-1]["value"]
        assert "\x1b" not in said
        assert len(said) <= 300


class TestPause:
    async def test_the_request(self, argo: Stage) -> None:
        plan = await argo.do(Action.PAUSE)
        await sent_as_planned(argo, plan)
        uid = argo.ground.rollout["metadata"]["uid"]
        assert (plan.requests[0].path, json.loads(plan.requests[0].body)) == (MAIN, [
            is_test("/metadata/uid", uid), is_test("/spec/paused", None),
            {"op": "add", "path": "/spec/paused", "value": True},
            {"op": "add", "path": MARK, "value": "pause fraud-scorer by operator: tests"}])

    async def test_it_stands_still_beyond_its_pause_step_and_says_so(self, argo: Stage) -> None:
        plan = await argo.do(Action.PAUSE)
        assert await argo.progress(plan) is Progress.REACHED
        assert "the time of the pause step goes on meanwhile: after resuming it may be over at once" in plan.warnings
        argo.ground.wait(3600)
        assert (argo.ground.status["currentStepIndex"], argo.ground.split) == (1, {"7": 90, "8": 10})

    async def test_nobody_needs_to_type_a_name(self, argo: Stage) -> None:
        assert (await argo.plan(Action.PAUSE)).confirmation == ""

    async def test_twice_is_refused(self, argo: Stage) -> None:
        await argo.do(Action.PAUSE)
        assert "paused by hand already" in (await argo.refusal(Action.PAUSE)).message

    async def test_two_who_pause_at_once_pause_once(self, argo: Stage) -> None:
        first, second = await argo.plan(Action.PAUSE), await argo.plan(Action.PAUSE)
        assert [each.fate for each in await argo.send(first) + await argo.send(second)] == [Fate.DONE, Fate.REFUSED]


class TestResume:
    async def test_the_pause_by_hand_is_taken_back_and_nothing_else(self, argo: Stage) -> None:
        await argo.do(Action.PAUSE)
        argo.switched.writes.clear()
        plan = await argo.do(Action.RESUME)
        await sent_as_planned(argo, plan)
        assert [operations(each) for each in plan.requests] == [
            [{"op": "add", "path": "/spec/paused", "value": False}]]
        assert rests_on(plan.requests[0])["/spec/paused"] is True
        assert argo.ground.status["pauseConditions"][0]["reason"] == "CanaryPauseStep"
        assert await argo.progress(plan) is Progress.REACHED

    async def test_without_one_it_ends_the_pause_of_the_step(self, argo: Stage) -> None:
        plan = await argo.do(Action.RESUME)
        assert operations(plan.requests[0]) == [{"op": "remove", "path": "/status/pauseConditions"}]
        argo.ground.wait(READY_SECONDS)
        assert argo.ground.status["currentStepIndex"] == 3
        assert await argo.progress(plan) is Progress.REACHED

    async def test_what_is_not_paused_or_aborted_is_not_resumed(self, argo: Stage) -> None:
        await argo.do(Action.ABORT)
        assert "resuming does nothing" in (await argo.refusal(Action.RESUME)).message
        await argo.do(Action.ROLLBACK)
        argo.ground.wait(READY_SECONDS)
        assert (await argo.refusal(Action.RESUME)).message == "it is not paused"


class TestPromote:
    async def test_the_request_names_the_step_it_rests_on(self, argo: Stage) -> None:
        plan = await argo.plan(Action.PROMOTE)
        status, [request] = argo.ground.status, plan.requests
        assert request.path == STATUS
        assert json.loads(request.body) == [
            is_test("/metadata/uid", argo.ground.rollout["metadata"]["uid"]),
            is_test("/status/currentPodHash", status["currentPodHash"]),
            is_test("/status/stableRS", status["stableRS"]), is_test("/status/currentStepIndex", 1),
            is_test("/status/abort", None), is_test("/status/pauseConditions", status["pauseConditions"]),
            is_test("/spec/paused", None), {"op": "remove", "path": "/status/pauseConditions"}]

    async def test_it_goes_to_the_next_pause_as_predicted(self, argo: Stage) -> None:
        plan = await argo.do(Action.PROMOTE)
        assert plan.path == "to step 2 of 3: 50 %, then pause until resumed"
        assert plan.blast_radius.traffic_share == pytest.approx(0.4)
        argo.ground.wait(1)
        assert argo.ground.status["currentStepIndex"] == 2
        assert await argo.progress(plan) is Progress.UNDER_WAY
        argo.ground.wait(READY_SECONDS)
        assert (argo.ground.status["currentStepIndex"], argo.ground.split) == (3, {"7": 50, "8": 50})
        assert await argo.progress(plan) is Progress.REACHED

    async def test_two_who_promote_at_once_promote_one_step(self, argo: Stage) -> None:
        first, second = await argo.plan(Action.PROMOTE), await argo.plan(Action.PROMOTE)
        assert [each.fate for each in await argo.send(first)] == [Fate.DONE]
        argo.ground.wait(READY_SECONDS)
        [refused] = await argo.send(second)
        assert (refused.fate, refused.code) == (Fate.REFUSED, 422)
        assert "not what the plan rests on any more" in refused.message
        argo.ground.wait(READY_SECONDS)
        assert argo.ground.status["currentStepIndex"] == 3

    async def test_an_old_plan_never_takes_the_canary_back_a_step(self, argo: Stage) -> None:
        plan = await argo.plan(Action.PROMOTE)
        argo.ground.wait(600 + READY_SECONDS)
        assert argo.ground.status["currentStepIndex"] == 3
        assert [each.fate for each in await argo.send(plan)] == [Fate.REFUSED]
        assert argo.ground.status["currentStepIndex"] == 3

    async def test_out_of_a_step_that_is_not_done_it_says_that_the_step_is_skipped(self, make_stage: Any) -> None:
        stage = make_stage(Ground().with_rollout(steps=({"setWeight": 20}, {"pause": {}})))
        stage.ground.cluster.break_image("fraud:8")
        stage.ground.deploy("8")
        plan = await stage.plan(Action.PROMOTE)
        assert operations(plan.requests[0]) == [{"op": "replace", "path": "/status/currentStepIndex", "value": 1}]
        assert plan.warnings == ("the step setWeight 20 is not done: it is skipped",)
        await stage.client.aclose()

    async def test_paused_by_hand_the_step_goes_first_and_the_pause_last(self, argo: Stage) -> None:
        await argo.do(Action.PAUSE)
        argo.switched.writes.clear()
        plan = await argo.do(Action.PROMOTE)
        await sent_as_planned(argo, plan)
        assert [operations(each) for each in plan.requests] == [
            [{"op": "remove", "path": "/status/pauseConditions"}],
            [{"op": "add", "path": "/spec/paused", "value": False}]]
        argo.ground.wait(READY_SECONDS)
        assert argo.ground.status["currentStepIndex"] == 3

    async def test_what_is_aborted_is_not_promoted_not_even_fully(self, argo: Stage) -> None:
        await argo.do(Action.ABORT)
        for action in (Action.PROMOTE, Action.PROMOTE_FULL):
            refusal = await argo.refusal(action)
            assert "promoting fully would ship v8 to everybody" in refusal.message

    async def test_without_another_version_there_is_nothing_to_promote(self, make_stage: Any) -> None:
        stage = make_stage(Ground().with_rollout())
        for action in (Action.PROMOTE, Action.PROMOTE_FULL, Action.ABORT):
            assert "no version is on its way" in (await stage.refusal(action)).message
        await stage.client.aclose()

    async def test_what_the_controller_has_not_seen_is_not_promoted(self, argo: Stage,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(argo.ground.cluster, "advance", lambda now=None: None)
        argo.ground.patch({"spec": {"replicas": 6}})
        for action in (Action.PROMOTE, Action.PROMOTE_FULL):
            assert "has not seen the present specification" in (await argo.refusal(action)).message

    async def test_after_somebody_resumed_it_the_controller_is_waited_for(self, argo: Stage,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(argo.ground.cluster, "advance", lambda now=None: None)
        argo.ground.patch({"status": {"pauseConditions": None}}, subresource="status")
        assert "somebody resumed it just now" in (await argo.refusal(Action.PROMOTE)).message


class TestPromoteFully:
    async def test_the_steps_are_skipped_and_it_becomes_stable(self, argo: Stage) -> None:
        plan = await argo.do(Action.PROMOTE_FULL)
        await sent_as_planned(argo, plan)
        assert plan.requests[0].path == STATUS
        assert operations(plan.requests[0]) == [{"op": "add", "path": "/status/promoteFull", "value": True}]
        assert rests_on(plan.requests[0])["/status/abort"] is None
        assert plan.path.startswith("skips 3 of 4 steps")
        assert await argo.progress(plan) is Progress.UNDER_WAY
        argo.ground.wait(60)
        assert argo.ground.split == {"8": 100}
        assert await argo.progress(plan) is Progress.REACHED

    async def test_paused_by_hand_it_takes_the_pause_back_too(self, argo: Stage) -> None:
        await argo.do(Action.PAUSE)
        plan = await argo.do(Action.PROMOTE_FULL)
        assert operations(plan.requests[1]) == [{"op": "add", "path": "/spec/paused", "value": False}]

    async def test_an_abort_takes_it_back(self, argo: Stage) -> None:
        full = await argo.do(Action.PROMOTE_FULL)
        assert "a full promotion is under way" in (await argo.refusal(Action.PROMOTE)).message
        plan = await argo.do(Action.ABORT)
        assert operations(plan.requests[0]) == [{"op": "remove", "path": "/status/promoteFull"},
                                                {"op": "add", "path": "/status/abort", "value": True}]
        argo.ground.wait(READY_SECONDS)
        assert (argo.ground.status.get("abort"), argo.ground.split) == (True, {"7": 100})
        assert await argo.progress(plan) is Progress.REACHED
        assert await argo.progress(full) is Progress.ELSEWHERE


class TestAbort:
    async def test_all_traffic_goes_back_and_the_plan_says_that_it_is_no_rollback(self, argo: Stage) -> None:
        plan = await argo.do(Action.ABORT)
        await sent_as_planned(argo, plan)
        assert plan.requests[0].path == STATUS
        assert operations(plan.requests[0]) == [{"op": "add", "path": "/status/abort", "value": True}]
        assert any(each.startswith("abort is not rollback: v8 stays") for each in plan.warnings)
        assert (argo.ground.split, argo.ground.status["phase"]) == ({"7": 100}, "Degraded")
        assert argo.ground.rollout["spec"]["template"]["spec"]["containers"][0]["image"] == "fraud:8"
        assert await argo.progress(plan) is Progress.REACHED

    async def test_the_plan_says_who_feels_it(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ABORT)
        assert plan.blast_radius.sentence == "10 % of the requests go from v8 to v7; 5 of 5 replicas of v7 are ready"
        assert plan.blast_radius.traffic_share == pytest.approx(0.1)
        assert plan.blast_radius.capacity_ready == 5
        assert (plan.before.version, plan.after.version, plan.after.revision) == ("8", "7", 1)

    async def test_twice_is_refused_with_what_takes_the_version_out(self, argo: Stage) -> None:
        await argo.do(Action.ABORT)
        refusal = await argo.refusal(Action.ABORT)
        assert refusal.message == "it is aborted already"
        assert "roll back to v7" in refusal.hint

    async def test_a_canary_that_changed_meanwhile_is_not_aborted_by_an_old_plan(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ABORT)
        argo.ground.deploy("9")
        [refused] = await argo.send(plan)
        assert (refused.fate, refused.code) == (Fate.REFUSED, 422)
        assert not argo.ground.status.get("abort")


class TestRetry:
    async def test_an_aborted_version_starts_again_and_the_plan_warns_of_it(self, argo: Stage) -> None:
        await argo.do(Action.ABORT)
        argo.switched.writes.clear()
        plan = await argo.do(Action.RETRY)
        await sent_as_planned(argo, plan)
        assert operations(plan.requests[0]) == [{"op": "replace", "path": "/status/abort", "value": False}]
        assert plan.warnings == ("v8 (revision 2, fraud:8) was aborted: it is started again as it is",)
        argo.ground.wait(READY_SECONDS)
        assert argo.ground.split == {"7": 90, "8": 10}
        assert await argo.progress(plan) is Progress.REACHED

    async def test_what_was_not_aborted_is_not_retried(self, argo: Stage) -> None:
        assert (await argo.refusal(Action.RETRY)).message == "it is not aborted"


class TestRollback:
    async def test_under_way_it_aborts_first_and_then_takes_the_template_back(self, argo: Stage) -> None:
        before = argo.ground.status
        plan = await argo.do(Action.ROLLBACK)
        await sent_as_planned(argo, plan)
        abort, undo = plan.requests
        assert (abort.path, undo.path) == (STATUS, MAIN)
        assert operations(abort) == [{"op": "add", "path": "/status/abort", "value": True}]
        [written] = operations(undo)
        assert (written["op"], written["path"]) == ("replace", "/spec/template")
        assert "rollouts-pod-template-hash" not in written["value"]["metadata"]["labels"]
        assert written["value"]["spec"]["containers"][0]["image"] == "fraud:7"
        assert rests_on(undo) == {
            "/metadata/uid": argo.ground.rollout["metadata"]["uid"], "/status/currentPodHash": before["currentPodHash"],
            "/status/stableRS": before["stableRS"], "/spec/template/spec/containers/0/image": "fraud:8"}
        assert plan.path == "fast: the target is the stable version, the steps are skipped"
        assert await argo.progress(plan) is Progress.REACHED
        assert (argo.ground.split, argo.ground.status["phase"]) == ({"7": 100}, "Healthy")

    async def test_it_names_what_it_goes_to_and_how_to_undo_it(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ROLLBACK, to="7")
        assert (plan.after.version, plan.after.revision) == ("7", 1)
        assert plan.inverse == "roll back to v8 (revision 2, fraud:8)"
        assert "previous" not in json.dumps(plan.content())
        assert any("by tag (fraud:7), not by digest" in each for each in plan.warnings)

    async def test_after_an_abort_only_the_template_is_left_to_write(self, argo: Stage) -> None:
        await argo.do(Action.ABORT)
        plan = await argo.do(Action.ROLLBACK)
        assert [each.path for each in plan.requests] == [MAIN]
        assert plan.blast_radius.traffic_share == 0.0
        assert await argo.progress(plan) is Progress.REACHED

    async def test_after_a_promotion_it_runs_every_step_again_and_the_plan_says_how_long(self, argo: Stage) -> None:
        await argo.do(Action.PROMOTE_FULL)
        argo.ground.wait(120)
        plan = await argo.do(Action.ROLLBACK, to="7")
        assert plan.path == ("slow: all 4 steps run again, about 10 min of pauses, it waits for a person once")
        assert "its steps wait for a person: resume them, or promote fully" in plan.warnings
        argo.ground.wait(READY_SECONDS)
        assert argo.ground.status["currentStepIndex"] == 1
        assert await argo.progress(plan) is Progress.UNDER_WAY
        await argo.do(Action.PROMOTE_FULL)
        argo.ground.wait(60)
        assert await argo.progress(plan) is Progress.REACHED

    async def test_within_the_window_it_skips_the_steps_as_predicted(self, make_stage: Any) -> None:
        stage = make_stage(Ground().with_rollout(rollbackWindow={"revisions": 3}))
        stage.ground.deploy("8")
        await stage.do(Action.PROMOTE_FULL)
        stage.ground.wait(120)
        plan = await stage.do(Action.ROLLBACK, to="7")
        assert plan.path == "fast: within rollbackWindow (3 revisions), the steps are skipped"
        stage.ground.wait(60)
        assert stage.ground.split == {"7": 100}
        assert await stage.progress(plan) is Progress.REACHED
        await stage.client.aclose()

    async def test_after_a_promotion_nobody_guesses_which_version_is_meant(self, argo: Stage) -> None:
        await argo.do(Action.PROMOTE_FULL)
        argo.ground.wait(120)
        refusal = await argo.refusal(Action.ROLLBACK)
        assert refusal.message == "no version to go back to is named"
        assert "v7 (revision 1, fraud:7)" in refusal.hint
        offer = (await argo.offers())[Action.ROLLBACK]
        assert (offer.refusal, offer.sentence) == (None, "to a version that is named: 1 to choose from")

    async def test_the_manifests_last_known_good_is_meant_when_nobody_names_one(self, make_stage: Any) -> None:
        stage = make_stage(Ground().with_rollout(), rollback={"last_known_good": "7"})
        stage.ground.deploy("8")
        await stage.do(Action.PROMOTE_FULL)
        stage.ground.wait(120)
        assert (await stage.plan(Action.ROLLBACK)).after.version == "7"
        await stage.client.aclose()

    async def test_undoing_twice_does_not_toggle_back_to_the_bad_version(self, argo: Stage) -> None:
        await argo.do(Action.ROLLBACK)
        argo.ground.wait(READY_SECONDS)
        assert (await argo.refusal(Action.ROLLBACK)).message == "no version to go back to is named"
        plan = await argo.plan(Action.ROLLBACK, to="8")
        assert "v8 is newer than v7, which serves: this is no way back" in plan.warnings

    @pytest.mark.parametrize(("to", "words"), [
        ("8", "v8 (revision 2, fraud:8) is what the specification asks for already"), ("5", "no ReplicaSet of 5"),
        ("revision:9", "no ReplicaSet of revision:9"), ("\x1b[31m", "no ReplicaSet of ␛[31m")])
    async def test_what_cannot_be_gone_back_to_is_told_with_what_can(self, argo: Stage, to: str, words: str) -> None:
        assert words in (await argo.refusal(Action.ROLLBACK, to=to)).message

    async def test_a_version_of_two_revisions_is_asked_about(self, make_stage: Any) -> None:
        stage = make_stage(Ground().with_rollout())
        stage.ground.cluster.deploy("ml", "fraud", "7", image="fraud:7-rebuilt")
        stage.ground.wait(READY_SECONDS)
        await stage.do(Action.PROMOTE_FULL)
        stage.ground.wait(60)
        stage.ground.deploy("8")
        refusal = await stage.refusal(Action.ROLLBACK, to="7")
        assert refusal.message == "7 names 2 revisions"
        assert refusal.hint == "say which: revision:2 (fraud:7-rebuilt), revision:1 (fraud:7)"
        assert (await stage.plan(Action.ROLLBACK, to="revision:1")).after.revision == 1
        await stage.client.aclose()

    async def test_to_another_than_the_stable_version_the_traffic_goes_to_that_first(self, make_stage: Any) -> None:
        stage = make_stage(Ground().with_rollout())
        for version in ("8", "9"):
            stage.ground.deploy(version)
            if version == "8":
                await stage.do(Action.PROMOTE_FULL)
                stage.ground.wait(60)
        plan = await stage.plan(Action.ROLLBACK, to="7")
        assert plan.path.startswith("v8 takes all traffic first, then slow:")
        await stage.client.aclose()

    async def test_paused_by_hand_the_same_patch_takes_the_pause_back(self, argo: Stage) -> None:
        await argo.do(Action.PAUSE)
        plan = await argo.do(Action.ROLLBACK)
        assert operations(plan.requests[1])[1] == {"op": "add", "path": "/spec/paused", "value": False}
        assert rests_on(plan.requests[1])["/spec/paused"] is True
        argo.ground.wait(READY_SECONDS)
        assert (argo.ground.status["phase"], await argo.progress(plan)) == ("Healthy", Progress.REACHED)

    async def test_a_template_that_somebody_wrote_meanwhile_is_not_overwritten(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ROLLBACK)
        argo.ground.deploy("9")
        assert [each.fate for each in await argo.send(plan)] == [Fate.REFUSED]
        assert argo.ground.rollout["spec"]["template"]["spec"]["containers"][0]["image"] == "fraud:9"
        assert await argo.progress(plan) is Progress.ELSEWHERE

    async def test_who_may_not_see_the_replica_sets_cannot_go_back(self, argo: Stage) -> None:
        few = Rule(("argoproj.io",), ("rollouts",), ("get",))
        argo.ground.cluster.access = Access({"writing": User("few", (few,))})
        refusal = await argo.refusal(Action.ROLLBACK)
        assert refusal.message.startswith("the revisions are not known: forbidden")


class TestOwners:
    @pytest.mark.parametrize(("metadata", "words"), [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD owns it: with self-heal it puts v8 back"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, "Flux owns it: its next reconciliation puts v8 back"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm owns it: the next helm upgrade puts v8 back")])
    async def test_who_would_undo_a_rollback_is_named_with_what_is_not_undone(
            self, argo: Stage, metadata: dict[str, Any], words: str) -> None:
        argo.ground.patch({"metadata": metadata})
        [warning] = [each for each in (await argo.plan(Action.ROLLBACK)).warnings if "owns it" in each]
        assert warning.startswith(words)
        assert "abort now, then revert" in warning
        assert not any("owns it" in each for each in (await argo.plan(Action.ABORT)).warnings)


class TestRehearsal:
    async def test_the_server_says_what_would_change_and_changes_nothing(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ROLLBACK)
        before = argo.ground.rollout
        found = [await argo.system.rehearse(each) for each in plan.requests]
        assert [each.accepted for each in found] == [True, True]
        assert found[0].diff == ("status.abort: (none) -> true",)
        assert "spec.template.spec.containers[server].image: fraud:8 -> fraud:7" in found[1].diff
        assert argo.ground.rollout == before
        assert all("dryRun=All" in path for _, path, _, _ in argo.switched.patches)

    async def test_a_field_that_the_server_does_not_know_is_refused(self, argo: Stage) -> None:
        plan = await argo.plan(Action.PAUSE)
        request = plan.requests[0]
        wrong = Request(request.method, request.path, request.content_type,
                        request.body.replace("/spec/paused\",\"value\":true", "/spec/pausd\",\"value\":true"),
                        request.sentence, request.effect, dry_run_path=request.dry_run_path)
        found = await argo.system.rehearse(wrong)
        assert found.accepted is False
        assert 'unknown field "spec.pausd"' in found.message
        assert (await argo.system.send(wrong, "a1")).fate is Fate.REFUSED


async def test_the_controllers_word_is_believed_only_about_the_present_specification(
        argo: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = await argo.plan(Action.ROLLBACK)
    await argo.send(plan)
    monkeypatch.setattr(argo.ground.cluster, "advance", lambda now=None: None)
    # The status is still about the aborted version.
    assert argo.ground.status["phase"] == "Degraded"
    assert (await argo.seen(plan)).progress is Progress.UNDER_WAY
