"""Deployments: gradual replacement, revisions and roll-backs, pauses and deadlines."""

from __future__ import annotations

import pytest

from tests.lab.cluster.ground import READY_SECONDS, Ground
from triage.lab.cluster.objects import condition, name_of
from triage.lab.cluster.resources import DEPLOYMENTS, PODS

REVISION = "deployment.kubernetes.io/revision"


@pytest.fixture
def second() -> Ground:
    """Version 2 everywhere, version 1 before it."""
    ground = Ground().with_deployment()
    ground.deploy("2", "chat")
    ground.wait(5 * READY_SECONDS)
    return ground


def versions(ground: Ground) -> dict[str, int]:
    found = [pod.version for pod in ground.cluster.pods("ml", "chat") if pod.ready]
    return {version: found.count(version) for version in sorted(set(found))}


def progress(ground: Ground) -> str:
    entry = condition(ground.deployment, "Progressing")
    return str(entry and entry["reason"])


def test_pods_are_replaced_gradually_and_requests_follow_the_pods() -> None:
    ground = Ground().with_deployment()
    seen = []
    ground.cluster.deploy("ml", "chat", "2")
    for _ in range(60):
        ground.wait(1)
        seen.append(versions(ground))
        assert sum(seen[-1].values()) >= 3
        assert len(ground.cluster.pods("ml", "chat")) <= 5
    assert seen[0] == {"1": 3}
    assert seen[-1] == {"2": 4}
    assert any(len(mixed) == 2 for mixed in seen)
    assert ground.cluster.split("ml", "chat") == {"2": 100}


def test_a_complete_replacement_says_so(second: Ground) -> None:
    status = second.deployment["status"]
    assert progress(second) == "NewReplicaSetAvailable"
    assert status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == 4
    assert status["observedGeneration"] == second.deployment["metadata"]["generation"]
    assert second.deployment["metadata"]["annotations"][REVISION] == "2"


def test_undoing_brings_the_old_set_back_with_the_newest_revision(second: Ground) -> None:
    second.undo(1, "chat")
    second.wait(5 * READY_SECONDS)
    assert versions(second) == {"1": 4}
    revisions = {each["metadata"]["annotations"][REVISION]: each["spec"]["replicas"] for each in second.sets("chat")}
    assert revisions == {"3": 4, "2": 0}


def test_a_template_that_a_typed_client_wrote_out_is_still_the_same(second: Ground) -> None:
    [old] = [each for each in second.sets("chat") if each["metadata"]["annotations"][REVISION] == "1"]
    template = old["spec"]["template"]
    padded = template | {"metadata": template["metadata"] | {"creationTimestamp": None},
                         "spec": template["spec"] | {"containers": [
                             each | {"resources": {}} for each in template["spec"]["containers"]]}}
    second.patch([{"op": "replace", "path": "/spec/template", "value": padded}], strategy="json", resource=DEPLOYMENTS,
                 name="chat")
    second.wait(5 * READY_SECONDS)
    assert len(second.sets("chat")) == 2
    assert versions(second) == {"1": 4}


def test_undoing_to_an_image_that_is_gone_keeps_the_pods_that_serve(second: Ground) -> None:
    second.cluster.break_image("chat:1")
    second.undo(1, "chat")
    second.wait(599)
    assert progress(second) == "ReplicaSetUpdated"
    second.wait(5)
    assert progress(second) == "ProgressDeadlineExceeded"
    assert versions(second) == {"2": 3}
    second.undo(2, "chat")
    second.wait(3 * READY_SECONDS)
    assert versions(second) == {"2": 4}
    assert progress(second) == "NewReplicaSetAvailable"


def test_a_paused_deployment_keeps_its_template_and_can_be_scaled() -> None:
    ground = Ground().with_deployment()
    ground.patch({"spec": {"paused": True}}, resource=DEPLOYMENTS, name="chat")
    ground.deploy("2", "chat")
    assert versions(ground) == {"1": 4}
    ground.patch({"spec": {"replicas": 6}}, resource=DEPLOYMENTS, name="chat")
    ground.wait(READY_SECONDS)
    assert versions(ground) == {"1": 6}
    assert progress(ground) == "DeploymentPaused"
    ground.patch({"spec": {"paused": False}}, resource=DEPLOYMENTS, name="chat")
    ground.wait(5 * READY_SECONDS)
    assert versions(ground) == {"2": 6}


def test_scaling_to_nothing_serves_nobody_and_back_takes_a_start() -> None:
    ground = Ground().with_deployment()
    ground.patch({"spec": {"replicas": 0}}, resource=DEPLOYMENTS, name="chat")
    assert ground.cluster.split("ml", "chat") == {}
    ground.patch({"spec": {"replicas": 2}}, resource=DEPLOYMENTS, name="chat")
    ground.wait(5)
    assert ground.cluster.split("ml", "chat") == {}
    ground.wait(READY_SECONDS)
    assert versions(ground) == {"1": 2}


def test_scaling_is_told_with_the_numbers_before_and_after() -> None:
    ground = Ground().with_deployment(replicas=4)
    ground.patch({"spec": {"replicas": 6}}, resource=DEPLOYMENTS, name="chat")
    ground.wait(READY_SECONDS)
    [name] = [name_of(each) for each in ground.sets("chat")]
    assert ground.told("ScalingReplicaSet") == [f"Scaled up replica set {name} from 0 to 4",
                                                f"Scaled up replica set {name} from 4 to 6"]
    assert len(ground.told("SuccessfulCreate")) == 6


def test_a_pod_that_is_deleted_is_made_anew() -> None:
    ground = Ground().with_deployment()
    [first, *_] = [pod.name for pod in ground.cluster.pods("ml", "chat")]
    ground.cluster.storage.remove(PODS, "ml", first)
    ground.wait(READY_SECONDS)
    names = [pod.name for pod in ground.cluster.pods("ml", "chat")]
    assert first not in names
    assert len(names) == 4


def test_a_strategic_patch_changes_one_field_of_one_container() -> None:
    ground = Ground().with_deployment()
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "chat:9"}]}}}}
    ground.patch(patch, strategy="strategic", resource=DEPLOYMENTS, name="chat")
    [container] = ground.deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "chat:9"
    assert container["readinessProbe"]["initialDelaySeconds"] == 10
