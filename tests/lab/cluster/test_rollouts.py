"""A canary's way through its steps, and every way in which people interfere with it (Argo Rollouts 1.9)."""

from __future__ import annotations

import pytest

from tests.lab.cluster.ground import READY_SECONDS, STEPS, Ground
from triage.lab.cluster.objects import Json, name_of, timestamp

SHORT: tuple[Json, ...] = ({"setWeight": 50}, {"pause": {}})
EVERYTHING_ON_7, EVERYTHING_ON_8 = {"7": 100}, {"8": 100}


@pytest.fixture
def paused() -> Ground:
    """Version 8 at 10 percent, in the pause of ten minutes."""
    ground = Ground().with_rollout()
    ground.deploy("8")
    return ground


@pytest.fixture
def aborted(paused: Ground) -> Ground:
    paused.patch_status(abort=True)
    return paused


@pytest.fixture
def promoted() -> Ground:
    """Version 8 is stable, version 7 was before it; one step without an end between them."""
    ground = Ground().with_rollout(steps=SHORT)
    ground.deploy("8")
    ground.patch_status(pauseConditions=None)
    ground.wait(READY_SECONDS)
    ground.wait(60)
    return ground


# The way of a canary that nobody stops.

def test_the_first_version_takes_all_traffic_without_a_step() -> None:
    ground = Ground().with_rollout()
    assert ground.split == EVERYTHING_ON_7
    assert (ground.status["phase"], ground.status["currentStepIndex"]) == ("Healthy", len(STEPS))
    assert ground.status["stableRS"] == ground.status["currentPodHash"]


def test_a_new_version_gets_its_weight_once_its_pods_serve() -> None:
    ground = Ground().with_rollout()
    ground.cluster.deploy("ml", "fraud", "8")
    ground.wait(5)
    assert ground.split == EVERYTHING_ON_7
    assert ground.status["phase"] == "Progressing"
    ground.wait(READY_SECONDS)
    assert ground.split == {"7": 90, "8": 10}
    assert ground.pods("8") == 1


def test_a_pause_with_a_duration_ends_by_itself_and_one_without_waits(paused: Ground) -> None:
    assert (paused.status["phase"], paused.status["message"]) == ("Paused", "CanaryPauseStep")
    assert paused.status["currentStepIndex"] == 1
    paused.wait(600 - READY_SECONDS - 1)
    assert paused.status["currentStepIndex"] == 1
    paused.wait(READY_SECONDS + 2)
    assert paused.status["currentStepIndex"] == 2
    paused.wait(READY_SECONDS)
    assert paused.split == {"7": 50, "8": 50}
    paused.wait(86_400)
    assert (paused.status["phase"], paused.status["currentStepIndex"]) == ("Paused", 3)


def test_the_last_pause_taken_away_leads_to_the_promotion(paused: Ground) -> None:
    paused.wait(660)
    paused.patch_status(pauseConditions=None)
    paused.wait(READY_SECONDS)
    assert paused.split == EVERYTHING_ON_8
    assert paused.status["phase"] == "Healthy"
    assert paused.status["canary"]["weights"]["stable"]["weight"] == 100
    assert paused.pods("7") == 5
    paused.wait(31)
    assert paused.pods("7") == 0


def test_the_generation_that_was_seen_is_text(paused: Ground) -> None:
    assert paused.status["observedGeneration"] == str(paused.rollout["metadata"]["generation"])


def test_scaling_is_told_as_the_controllers_tell_it(paused: Ground) -> None:
    [canary] = [name_of(each) for each in paused.sets() if each["spec"]["replicas"] == 1]
    assert f"Scaled up ReplicaSet {canary} (revision 2) from 0 to 1" in paused.told("ScalingReplicaSet")
    [pod] = [pod.name for pod in paused.cluster.pods("ml", "fraud") if pod.version == "8"]
    assert f"Created pod: {pod}" in paused.told("SuccessfulCreate")
    paused.patch_status(abort=True)
    paused.wait(60)
    assert f"Scaled down ReplicaSet {canary} (revision 2) from 1 to 0" in paused.told("ScalingReplicaSet")
    assert paused.told("SuccessfulDelete") == [f"Deleted pod: {pod}"]


def test_events_tell_the_way(paused: Ground) -> None:
    assert "Rollout updated to revision 2" in paused.told("RolloutUpdated")
    assert paused.told("RolloutStepCompleted") == ["Rollout step 1/4 completed (setWeight: 10)"]
    assert "Traffic weight updated from 0 to 10" in paused.told("TrafficWeightUpdated")
    paused.wait(3601)
    assert paused.told("RolloutUpdated") == []


# Pausing and going on.

def test_a_pause_by_a_person_stops_the_steps_and_leaves_the_weight(paused: Ground) -> None:
    paused.patch({"spec": {"paused": True}})
    paused.wait(3600)
    assert paused.status["currentStepIndex"] == 1
    assert (paused.status["phase"], paused.status["message"]) == ("Paused", "manually paused")
    assert paused.split == {"7": 90, "8": 10}
    paused.patch({"spec": {"paused": False}})
    assert paused.status["currentStepIndex"] == 2


def test_taking_the_pause_away_finishes_the_step_before_its_time(paused: Ground) -> None:
    paused.patch_status(pauseConditions=None)
    assert paused.status["currentStepIndex"] == 2
    assert "controllerPause" not in paused.status


def test_an_index_written_from_an_old_look_goes_backwards(paused: Ground) -> None:
    paused.wait(660)
    assert paused.status["currentStepIndex"] == 3
    paused.patch_status(pauseConditions=None, controllerPause=False, currentStepIndex=1)
    assert paused.status["currentStepIndex"] == 1
    assert paused.split == {"7": 90, "8": 10}


# Aborting.

def test_an_abort_returns_the_traffic_at_once_and_is_degraded(aborted: Ground) -> None:
    assert aborted.split == EVERYTHING_ON_7
    assert aborted.status["phase"] == "Degraded"
    assert aborted.status["message"] == "RolloutAborted: Rollout aborted update to revision 2"
    assert aborted.status["abortedAt"] == timestamp(aborted.cluster.time)
    assert aborted.status["currentStepIndex"] == 0
    assert "pauseConditions" not in aborted.status


def test_an_abort_leaves_the_bad_template_in_place_and_its_pods_for_a_while(aborted: Ground) -> None:
    assert aborted.rollout["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == "8"
    assert aborted.pods("8") == 1
    aborted.wait(31)
    assert aborted.pods("8") == 0
    assert aborted.status["phase"] == "Degraded"


def test_a_retry_sends_the_bad_version_out_again(aborted: Ground) -> None:
    aborted.wait(60)
    aborted.patch_status(abort=False)
    assert "abortedAt" not in aborted.status
    aborted.wait(READY_SECONDS)
    assert aborted.split == {"7": 90, "8": 10}


def test_a_plain_promotion_of_an_aborted_rollout_does_nothing(aborted: Ground) -> None:
    aborted.patch_status(pauseConditions=None, currentStepIndex=1)
    aborted.wait(600)
    assert aborted.split == EVERYTHING_ON_7
    assert aborted.status["currentStepIndex"] == 0


def test_a_full_promotion_overrides_an_abort_and_ships_the_bad_version(aborted: Ground) -> None:
    aborted.wait(60)
    aborted.patch_status(promoteFull=True)
    assert aborted.split == EVERYTHING_ON_7
    aborted.wait(READY_SECONDS)
    assert aborted.split == EVERYTHING_ON_8
    assert aborted.status["phase"] == "Healthy"
    assert not {"promoteFull", "abort", "abortedAt"} & aborted.status.keys()


def test_aborting_without_traffic_routing_brings_the_stable_pods_back() -> None:
    ground = Ground().with_rollout(routed=False)
    ground.deploy("8")
    assert ground.split == {"7": 83, "8": 17}
    ground.wait(660)
    assert ground.split["8"] >= 40
    ground.patch_status(abort=True)
    ground.wait(READY_SECONDS * 3)
    assert ground.split == EVERYTHING_ON_7
    assert (ground.pods("7"), ground.pods("8")) == (5, 0)


# Rolling back.

def test_undoing_a_canary_goes_back_to_stable_without_steps(paused: Ground) -> None:
    paused.undo(1)
    assert paused.split == EVERYTHING_ON_7
    assert (paused.status["phase"], paused.status["currentStepIndex"]) == ("Healthy", len(STEPS))
    assert paused.told("SkipSteps") == ["Rollback to stable"]
    assert paused.pods("8") == 0


def test_undoing_an_aborted_canary_ends_the_abort(aborted: Ground) -> None:
    aborted.undo(1)
    assert "abort" not in aborted.status
    assert aborted.status["phase"] == "Healthy"


def test_undoing_a_promotion_goes_through_every_step(promoted: Ground) -> None:
    promoted.undo(1)
    promoted.wait(READY_SECONDS)
    assert promoted.split == {"8": 50, "7": 50}
    assert promoted.status["phase"] == "Paused"


def test_within_the_rollback_window_undoing_a_promotion_skips_the_steps() -> None:
    ground = Ground().with_rollout(steps=SHORT, rollbackWindow={"revisions": 1})
    ground.deploy("8")
    ground.patch_status(pauseConditions=None)
    ground.wait(READY_SECONDS)
    ground.undo(1)
    ground.wait(READY_SECONDS)
    assert ground.split == EVERYTHING_ON_7
    assert ground.told("SkipSteps") == ["Rollback within window (revision 3)"]


def test_beyond_the_rollback_window_there_are_steps_again() -> None:
    ground = Ground().with_rollout(steps=SHORT, rollbackWindow={"revisions": 1})
    for version in ("8", "9"):
        ground.deploy(version)
        ground.patch_status(pauseConditions=None)
        ground.wait(READY_SECONDS)
    ground.undo(1)
    ground.wait(READY_SECONDS)
    assert ground.split == {"9": 50, "7": 50}


def test_the_version_that_is_rolled_back_to_has_the_newest_revision(promoted: Ground) -> None:
    promoted.undo(1)
    revisions = {each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"]:
                 each["metadata"]["annotations"]["rollout.argoproj.io/revision"]
                 for each in promoted.sets()}
    assert revisions == {"7": "3", "8": "2"}


def test_a_rollback_to_an_image_that_is_gone_never_gets_traffic(promoted: Ground) -> None:
    promoted.cluster.break_image("fraud:7", "ImagePullBackOff")
    promoted.undo(1)
    promoted.wait(601)
    assert promoted.split == EVERYTHING_ON_8
    assert promoted.status["phase"] == "Degraded"
    promoted.cluster.mend_image("fraud:7")
    promoted.wait(READY_SECONDS)
    assert promoted.split == {"8": 50, "7": 50}


# Versions that do not come up.

def test_a_version_that_never_becomes_ready_times_out() -> None:
    ground = Ground().with_rollout(progressDeadlineSeconds=120)
    ground.cluster.break_image("fraud:8", "CrashLoopBackOff")
    ground.deploy("8")
    ground.wait(100)
    assert ground.status["phase"] == "Progressing"
    ground.wait(30)
    assert ground.status["phase"] == "Degraded"
    assert ground.status["message"].startswith("ProgressDeadlineExceeded: ReplicaSet")
    assert ground.split == EVERYTHING_ON_7


def test_a_deadline_may_abort() -> None:
    ground = Ground().with_rollout(progressDeadlineSeconds=120, progressDeadlineAbort=True)
    ground.cluster.break_image("fraud:8")
    ground.deploy("8")
    ground.wait(130)
    assert ground.status["abort"] is True
    assert ground.status["message"] == "RolloutAborted: Rollout aborted update to revision 2"


def test_a_long_pause_is_no_missing_progress() -> None:
    ground = Ground().with_rollout(steps=SHORT, progressDeadlineSeconds=60)
    ground.deploy("8")
    ground.wait(7200)
    assert ground.status["phase"] == "Paused"
    ground.patch_status(pauseConditions=None)
    assert ground.status["phase"] == "Progressing"


def test_a_canary_without_a_pod_that_serves_gets_no_traffic(paused: Ground) -> None:
    [pod] = [pod for pod in paused.cluster.pods("ml", "fraud") if pod.version == "8"]
    paused.cluster.crash("ml", pod.name, "OOMKilled")
    paused.cluster.advance()
    assert paused.split == EVERYTHING_ON_7
    paused.wait(READY_SECONDS)
    assert paused.split == {"7": 90, "8": 10}
    assert [each.restarts for each in paused.cluster.pods("ml", "fraud") if each.version == "8"] == [1]


# Other fields.

def test_a_canary_that_is_overtaken_by_a_newer_one_gives_way(paused: Ground) -> None:
    paused.deploy("9")
    assert paused.split == {"7": 90, "9": 10}
    assert paused.pods("8") == 0


def test_changed_steps_begin_anew(paused: Ground) -> None:
    paused.wait(660)
    paused.patch({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}}})
    assert paused.status["currentStepIndex"] == 1
    assert paused.split == {"7": 80, "8": 20}


def test_without_steps_a_version_goes_out_at_once() -> None:
    ground = Ground().with_rollout(steps=())
    ground.deploy("8")
    assert ground.split == EVERYTHING_ON_8
    assert "currentStepIndex" not in ground.status


@pytest.mark.parametrize(("scale", "pods"), [({"replicas": 4}, 4), ({"weight": 60}, 3),
                                            ({"matchTrafficWeight": True}, 1)])
def test_the_canary_may_have_more_pods_than_its_weight_needs(scale: dict[str, object], pods: int) -> None:
    ground = Ground().with_rollout(steps=[{"setCanaryScale": scale}, {"setWeight": 10}, {"pause": {}}])
    ground.deploy("8")
    assert ground.split == {"7": 90, "8": 10}
    assert ground.pods("8") == pods


def test_a_restart_replaces_every_pod_and_never_all_at_once() -> None:
    ground = Ground().with_rollout()
    before = {pod.name for pod in ground.cluster.pods("ml", "fraud")}
    ground.wait(60)
    ground.patch({"spec": {"restartAt": timestamp(ground.cluster.time)}})
    assert (ground.status["phase"], ground.status["message"]) == ("Progressing", "rollout is restarting")
    for _ in range(6):
        assert sum(pod.ready for pod in ground.cluster.pods("ml", "fraud")) >= 4
        ground.wait(READY_SECONDS)
    assert not before & {pod.name for pod in ground.cluster.pods("ml", "fraud")}
    assert ground.status["phase"] == "Healthy"
    assert ground.status["restartedAt"] == ground.rollout["spec"]["restartAt"]


def test_only_so_many_old_versions_are_kept() -> None:
    ground = Ground().with_rollout(steps=(), revisionHistoryLimit=2)
    for version in ("8", "9", "10", "11"):
        ground.deploy(version)
        ground.wait(60)
    versions = [each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"]
                for each in ground.sets()]
    assert sorted(versions, key=int) == ["9", "10", "11"]
