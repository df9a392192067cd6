"""The cluster as the world uses it: pasts, futures, splits and pods."""

from __future__ import annotations

import pytest

from tests.lab.cluster.ground import READY_SECONDS, START, STEPS, Ground, Watch
from triage.lab.cluster import Cluster
from triage.lab.cluster.manifests import deployment, rollout
from triage.lab.cluster.objects import moment
from triage.lab.cluster.resources import EVENTS, NAMESPACES, PODS, ROLLOUTS

MINUTE, DAY = 60.0, 86_400.0


def with_canary(cluster: Cluster, name: str = "fraud", *, stable_since: float, canary_since: float) -> None:
    """Version 7 since a time, and version 8 on trial since another."""
    cluster.add(rollout("ml", name, "7", image=f"{name}:7", replicas=5, steps=STEPS), at=stable_since)
    cluster.deploy("ml", name, "8", at=canary_since)


def test_a_canary_that_began_minutes_ago_has_gone_through_those_minutes() -> None:
    cluster = Cluster(Watch())
    with_canary(cluster, stable_since=START - 30 * DAY, canary_since=START - 5 * MINUTE)
    cluster.advance()
    status = cluster.storage.get(ROLLOUTS, "ml", "fraud")["status"]
    assert cluster.split("ml", "fraud") == {"7": 90, "8": 10}
    assert (status["phase"], status["currentStepIndex"]) == ("Paused", 1)
    assert cluster.storage.get(ROLLOUTS, "ml", "fraud")["metadata"]["creationTimestamp"] == "2026-12-16T08:00:00Z"
    assert {event["reason"] for event in cluster.storage.all(EVENTS)} == {
        "RolloutUpdated", "TrafficWeightUpdated", "RolloutStepCompleted", "RolloutPaused", "ScalingReplicaSet",
        "SuccessfulCreate"}


def test_pasts_may_be_told_in_any_order_and_futures_wait() -> None:
    clock = Watch()
    cluster = Cluster(clock)
    with_canary(cluster, "late", stable_since=START - DAY, canary_since=START + 5 * MINUTE)
    with_canary(cluster, "early", stable_since=START - 2 * DAY, canary_since=START - 5 * MINUTE)
    cluster.advance()
    assert (cluster.split("ml", "late"), cluster.split("ml", "early")) == ({"7": 100}, {"7": 90, "8": 10})
    clock.at += 6 * MINUTE
    cluster.advance()
    assert cluster.split("ml", "late") == {"7": 90, "8": 10}


def test_the_split_is_known_for_every_time_of_the_past() -> None:
    cluster = Cluster(Watch())
    with_canary(cluster, stable_since=START - DAY, canary_since=START - 20 * MINUTE)
    cluster.advance()
    assert cluster.split("ml", "fraud", at=START - DAY - 1) == {}
    assert cluster.split("ml", "fraud", at=START - 20 * MINUTE) == {"7": 100}
    assert cluster.split("ml", "fraud", at=START - 15 * MINUTE) == {"7": 90, "8": 10}
    changes = [split for _, split in cluster.splits("ml", "fraud")]
    assert changes == [{}, {"7": 100}, {"7": 90, "8": 10}, {"7": 50, "8": 50}]


def test_advancing_in_one_step_or_in_many_is_the_same() -> None:
    histories = []
    for step in (1.0, 17.0, 3600.0):
        ground = Ground().with_rollout()
        ground.cluster.deploy("ml", "fraud", "8")
        end = ground.clock.at + 3600
        while ground.clock.at < end:
            ground.clock.at = min(ground.clock.at + step, end)
            ground.cluster.advance()
        histories.append((ground.cluster.splits("ml", "fraud"), ground.cluster.storage.revision, ground.status))
    assert histories[0] == histories[1] == histories[2]


def test_versions_that_are_deployments_of_one_application_share_its_requests() -> None:
    ground = Ground()
    for version, replicas in (("r30", 1), ("r31", 3)):
        ground.cluster.add(deployment("assist", f"chat-{version}", version, image=f"chat:{version}", replicas=replicas,
                                      application="chat", start_seconds=10))
    ground.wait(READY_SECONDS)
    assert ground.cluster.split("assist", "chat") == {"r30": 25, "r31": 75}
    assert ground.cluster.split("assist", "chat-r30") == {"r30": 100}
    assert [pod.version for pod in ground.cluster.pods("assist", "chat")].count("r31") == 3


def test_the_past_cannot_be_changed_any_more() -> None:
    ground = Ground().with_rollout()
    with pytest.raises(ValueError, match="a past is made before advancing"):
        ground.cluster.deploy("ml", "fraud", "8", at=START)


def test_a_kind_that_the_cluster_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="v1 Secret: the lab's cluster knows no such kind"):
        Ground().cluster.add({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})


def test_pods_of_nobody_are_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="there is no Rollout or Deployment nobody in the namespace ml"):
        Ground().cluster.pods("ml", "nobody")


def test_a_namespace_comes_with_its_first_object() -> None:
    ground = Ground().with_rollout()
    assert ground.cluster.storage.get(NAMESPACES, "", "ml")["status"] == {"phase": "Active"}


def test_a_pod_that_ran_out_of_memory_says_so_and_serves_again_after_a_start() -> None:
    ground = Ground().with_rollout()
    [pod, *_] = ground.cluster.pods("ml", "fraud")
    ground.cluster.crash("ml", pod.name)
    [container] = ground.cluster.storage.get(PODS, "ml", pod.name)["status"]["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff"}}
    assert (container["lastState"]["terminated"]["reason"], container["restartCount"]) == ("OOMKilled", 1)
    ground.wait(READY_SECONDS)
    [again] = [each for each in ground.cluster.pods("ml", "fraud") if each.name == pod.name]
    assert (again.ready, again.restarts) == (True, 1)


def test_a_crash_may_be_told_of_the_past_and_is_over_when_its_time_was() -> None:
    ground = Ground().with_rollout()
    [name, *_] = [pod.name for pod in ground.cluster.pods("ml", "fraud")]
    ground.wait(1000)
    for ago in (900, 200):
        ground.cluster.crash("ml", name, at=ground.clock.at - ago, down_seconds=75)
    ground.cluster.advance()
    [pod] = [each for each in ground.cluster.pods("ml", "fraud") if each.name == name]
    assert (pod.restarts, pod.ready, pod.out_of_memory) == (2, True, False)
    assert pod.ready_since == ground.clock.at - 125
    [container] = ground.cluster.storage.get(PODS, "ml", name)["status"]["containerStatuses"]
    ended = container["lastState"]["terminated"]
    assert moment(ended["startedAt"]) == ground.clock.at - 825


def test_a_crash_to_come_waits_and_spares_a_pod_that_is_gone_by_then() -> None:
    ground = Ground().with_rollout()
    first, second, *_ = [pod.name for pod in ground.cluster.pods("ml", "fraud")]
    for name in (first, second):
        ground.cluster.crash("ml", name, at=ground.clock.at + 60, down_seconds=75)
    ground.cluster.storage.remove(PODS, "ml", first)
    ground.wait(59)
    assert [pod.restarts for pod in ground.cluster.pods("ml", "fraud")] == [0] * 5
    ground.wait(2)
    down = [pod for pod in ground.cluster.pods("ml", "fraud") if pod.out_of_memory]
    assert [(pod.name, pod.restarts) for pod in down] == [(second, 1)]


def test_pods_of_one_template_do_not_become_ready_in_the_same_second() -> None:
    ground = Ground().with_rollout(replicas=8)
    ready = {pod.ready_since for pod in ground.cluster.pods("ml", "fraud")}
    assert len(ready) > 1
    assert all(since is not None and 10 <= since - START <= 12 for since in ready)


def test_the_same_history_has_the_same_names() -> None:
    assert Ground().with_rollout().cluster.pods("ml", "fraud") == Ground().with_rollout().cluster.pods("ml", "fraud")
