"""What the API server keeps, counts and refuses; figures of refusals as measured on kube-apiserver 1.36."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lab.cluster.ground import Ground
from triage.lab.apis.kubernetes_tables import table
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import DEPLOYMENTS, EVENTS, LEASES, ROLLOUTS, Resource
from triage.lab.cluster.validation import findings

ME = Options(manager="me")


@pytest.fixture(scope="module")
def shared() -> Ground:
    """For tests that only ask, or dry-run."""
    return Ground().with_rollout().with_deployment()


def refused(ground: Ground, *args: Any, **options: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ground.patch(*args, **options)
    return caught.value


def lease(name: str = "triage-fraud", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}


def test_a_stale_resource_version_in_a_merge_patch_is_409() -> None:
    ground = Ground().with_rollout()
    stale = ground.rollout["metadata"]["resourceVersion"]
    ground.patch({"metadata": {"annotations": {"a": "b"}}})
    refusal = refused(ground, {"metadata": {"resourceVersion": stale}, "spec": {"paused": True}})
    assert refusal.status() == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Conflict", "code": 409,
        "message": 'Operation cannot be fulfilled on rollouts.argoproj.io "fraud": the object has been modified; '
                   "please apply your changes to the latest version and try again",
        "details": {"name": "fraud", "group": "argoproj.io", "kind": "rollouts"}}


def test_a_failed_test_of_a_json_patch_is_422_byte_for_byte(shared: Ground) -> None:
    patch = [{"op": "test", "path": "/status/stableRS", "value": "another"},
             {"op": "replace", "path": "/spec/replicas", "value": 1}]
    assert refused(shared, patch, strategy="json").status() == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the server rejected our request due to an error in our request", "reason": "Invalid", "details": {},
        "code": 422}
    assert shared.rollout["spec"]["replicas"] == 5


def test_another_uid_is_422_in_a_patch_and_409_in_an_update(shared: Ground) -> None:
    for resource, name, code in ((ROLLOUTS, "fraud", 422), (DEPLOYMENTS, "chat", 422)):
        refusal = refused(shared, {"metadata": {"uid": "another"}}, resource=resource, name=name)
        assert refusal.code == code
        assert "metadata.uid" in refusal.message
    body = copy.deepcopy(shared.rollout) | {"metadata": shared.rollout["metadata"] | {"uid": "another"}}
    with pytest.raises(Refusal, match="Precondition failed: UID") as caught:
        shared.cluster.server.update(ROLLOUTS, "ml", "fraud", "", body, ME)
    assert caught.value.code == 409


def test_an_update_of_a_custom_resource_needs_a_resource_version(shared: Ground) -> None:
    body = copy.deepcopy(shared.rollout)
    del body["metadata"]["resourceVersion"]
    with pytest.raises(Refusal, match="must be specified for an update") as caught:
        shared.cluster.server.update(ROLLOUTS, "ml", "fraud", "", body, ME)
    assert caught.value.code == 422


def test_a_dry_run_answers_the_object_that_would_be_and_stores_nothing(shared: Ground) -> None:
    before = shared.cluster.storage.revision
    outcome = shared.patch({"spec": {"paused": True}}, options=Options("me", dry_run=True))
    assert outcome.item["spec"]["paused"] is True
    assert outcome.item["metadata"]["generation"] == shared.rollout["metadata"]["generation"] + 1
    assert shared.cluster.storage.revision == before
    assert "paused" not in shared.rollout["spec"]


def test_a_status_in_a_write_to_the_object_is_ignored_and_a_spec_in_a_write_to_the_status_too() -> None:
    ground = Ground().with_rollout()
    ground.patch({"status": {"abort": True}})
    assert "abort" not in ground.status
    ground.patch({"spec": {"paused": True}, "metadata": {"annotations": {"a": "b"}}}, subresource="status")
    assert "paused" not in ground.rollout["spec"]
    assert "a" not in ground.rollout["metadata"]["annotations"]


def test_only_a_change_of_the_spec_is_a_new_generation() -> None:
    ground = Ground().with_rollout()
    generation = ground.rollout["metadata"]["generation"]
    ground.patch({"metadata": {"labels": {"team": "payments"}}})
    ground.patch_status(promoteFull=True)
    assert ground.rollout["metadata"]["generation"] == generation
    ground.patch({"spec": {"paused": True}})
    assert ground.rollout["metadata"]["generation"] == generation + 1
    assert ground.status["observedGeneration"] == str(generation + 1)


def test_a_write_that_changes_nothing_is_no_new_version(shared: Ground) -> None:
    before = shared.cluster.storage.revision
    shared.patch({"spec": {"replicas": 5}})
    assert shared.cluster.storage.revision == before


def test_unknown_fields_are_pruned_with_a_warning_and_refused_when_strict(shared: Ground) -> None:
    outcome = shared.patch({"spec": {"pausd": True}})
    assert outcome.warnings == ('unknown field "spec.pausd"',)
    assert "pausd" not in outcome.item["spec"]
    refusal = refused(shared, {"spec": {"pausd": True}}, options=Options("me", strict=True))
    assert refusal.code == 422
    assert 'strict decoding error: unknown field "spec.pausd"' in refusal.message


@pytest.mark.parametrize(("patch", "field"), [
    ({"spec": {"replicas": -1}}, "spec.replicas"),
    ({"spec": {"replicas": "5"}}, "spec.replicas"),
    ({"spec": {"paused": "yes"}}, "spec.paused"),
    ({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 101}]}}}}, "spec.strategy.canary.steps[0].setWeight"),
    ({"spec": {"strategy": {"canary": {"steps": [{"pause": {"duration": "soon"}}]}}}},
     "spec.strategy.canary.steps[0].pause.duration"),
    ({"spec": {"strategy": {"canary": {"steps": [{"analysis": {}}]}}}}, "spec.strategy.canary.steps[0]"),
    ({"spec": {"strategy": {"canary": {"steps": [{"setCanaryScale": {"weight": 101}}]}}}},
     "spec.strategy.canary.steps[0].setCanaryScale"),
    ({"spec": {"strategy": {"canary": {"dynamicStableScale": True}}}}, "spec.strategy.canary.dynamicStableScale"),
    ({"spec": {"strategy": {"canary": {"maxSurge": 0, "maxUnavailable": 0}}}}, "spec.strategy.canary.maxUnavailable"),
    ({"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}}},
     "spec.template.metadata.labels"),
    ({"spec": {"selector": {"matchLabels": {"app.kubernetes.io/version": "7"}}}}, "spec.selector"),
    ({"spec": {"template": {"spec": {"containers": []}}}}, "spec.template.spec.containers"),
    ({"spec": {"restartAt": "now"}}, "spec.restartAt"),
    ({"metadata": {"annotations": {"a": 1}}}, "metadata.annotations"),
    ({"spec": None}, "spec"),
])
def test_what_the_controller_could_not_act_on_is_422_and_names_its_field(shared: Ground, patch: Any,
                                                                        field: str) -> None:
    refusal = refused(shared, patch)
    assert refusal.code == 422
    assert field in [cause["field"] for cause in (refusal.details or {})["causes"]]


@pytest.mark.parametrize("status", [
    {"abort": "yes"}, {"currentStepIndex": -1}, {"currentStepIndex": True}, {"conditions": [1]},
    {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "soon"}]}, {"pauseConditions": "none"},
    {"canary": {"weights": {"canary": {"weight": 900}}}}, {"canary": []},
])
def test_a_status_that_the_controller_could_not_read_is_422(shared: Ground, status: Any) -> None:
    assert refused(shared, {"status": status}, subresource="status").code == 422


@pytest.mark.parametrize(("patch", "message"), [
    ({"metadata": {"name": "other"}}, "does not match the name on the URL"),
    ({"metadata": {"namespace": "other"}}, "does not match the namespace on the request"),
    ({"kind": "Deployment"}, "not Rollout"),
    ([], "a merge patch is an object"),
])
def test_a_patch_into_another_object_is_400(shared: Ground, patch: Any, message: str) -> None:
    refusal = refused(shared, patch)
    assert refusal.code == 400
    assert message in refusal.message


def test_writers_are_known_by_the_fields_that_they_wrote_last() -> None:
    ground = Ground().with_rollout()
    ground.patch({"spec": {"replicas": 4}}, options=Options("argocd-controller"))
    ground.patch({"status": {"abort": True}}, subresource="status", options=Options("triage"))
    by_manager = {entry["manager"]: entry for entry in ground.rollout["metadata"]["managedFields"]}
    assert by_manager["argocd-controller"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert by_manager["triage"]["subresource"] == "status"
    assert "f:replicas" not in by_manager["deployer"]["fieldsV1"]["f:spec"]
    assert "f:template" in by_manager["deployer"]["fieldsV1"]["f:spec"]


def test_a_lease_is_created_once_and_deleted_only_by_who_knows_it() -> None:
    ground = Ground().with_rollout()
    server = ground.cluster.server
    made = server.create(LEASES, "ml", lease(holderIdentity="me", leaseDurationSeconds=30), ME).item
    with pytest.raises(Refusal, match="already exists"):
        server.create(LEASES, "ml", lease(), ME)
    with pytest.raises(Refusal, match="UID in precondition: another"):
        server.delete(LEASES, "ml", "triage-fraud", {"uid": "another"}, ME)
    server.delete(LEASES, "ml", "triage-fraud", {"uid": made["metadata"]["uid"]}, Options(dry_run=True))
    assert server.read(LEASES, "ml", "triage-fraud") == made
    server.delete(LEASES, "ml", "triage-fraud", {"uid": made["metadata"]["uid"]}, ME)
    with pytest.raises(Refusal, match="not found"):
        server.read(LEASES, "ml", "triage-fraud")


def test_two_who_take_over_the_same_lease_do_not_both_succeed() -> None:
    ground = Ground().with_rollout()
    server = ground.cluster.server
    seen = server.create(LEASES, "ml", lease(holderIdentity="me"), ME).item
    for holder, wins in (("first", True), ("second", False)):
        body = seen | {"spec": {"holderIdentity": holder}}
        if wins:
            server.update(LEASES, "ml", "triage-fraud", "", body, ME)
        else:
            with pytest.raises(Refusal, match="has been modified"):
                server.update(LEASES, "ml", "triage-fraud", "", body, ME)
    assert server.read(LEASES, "ml", "triage-fraud")["spec"]["holderIdentity"] == "first"


@pytest.mark.parametrize(("body", "code"), [
    (lease("a") | {"kind": "Rollout"}, 400),
    (lease("a", leaseDurationSeconds=0), 422),
    (lease("a", holderIdentity=""), 422),
    (lease(""), 422),
    (lease("Upper"), 422),
    (lease("a") | {"spec": "mine"}, 422),
    (lease("a") | {"metadata": {"name": "a", "resourceVersion": "3"}}, 400),
    (lease("a") | {"metadata": {"name": "a", "namespace": "other"}}, 400),
])
def test_what_cannot_be_created_says_why(shared: Ground, body: Any, code: int) -> None:
    with pytest.raises(Refusal) as caught:
        shared.cluster.server.create(LEASES, "ml", body, ME)
    assert caught.value.code == code


def test_an_event_is_about_something_in_its_own_namespace(shared: Ground) -> None:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "fraud."}, "reason": "Noted"}
    for more in ({}, {"involvedObject": {"namespace": "other"}},
                 {"involvedObject": {}, "lastTimestamp": "soon"}):
        with pytest.raises(Refusal) as caught:
            shared.cluster.server.create(EVENTS, "ml", event | more, ME)
        assert caught.value.code == 422


def test_nothing_is_created_in_a_namespace_that_does_not_exist(shared: Ground) -> None:
    with pytest.raises(Refusal, match='namespaces "nowhere" not found'):
        shared.cluster.server.create(LEASES, "nowhere", lease(), ME)


def test_a_generated_name_is_new_each_time(shared: Ground) -> None:
    body = lease() | {"metadata": {"generateName": "triage-"}}
    names = {shared.cluster.server.create(LEASES, "ml", body, ME).item["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("triage-") for name in names)


def test_the_scale_of_a_workload_is_read_and_written_alone() -> None:
    ground = Ground().with_deployment()
    scale = ground.cluster.server.read(DEPLOYMENTS, "ml", "chat", "scale")
    assert scale["spec"] == {"replicas": 4}
    assert scale["status"] == {"replicas": 4, "selector": "app.kubernetes.io/name=chat"}
    answer = ground.cluster.server.update(DEPLOYMENTS, "ml", "chat", "scale", scale | {"spec": {"replicas": 6}}, ME)
    assert (answer.item["kind"], answer.item["spec"]) == ("Scale", {"replicas": 6})
    assert ground.deployment["spec"]["replicas"] == 6
    with pytest.raises(Refusal, match="has been modified"):
        ground.cluster.server.update(DEPLOYMENTS, "ml", "chat", "scale", scale | {"spec": {"replicas": 1}}, ME)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 200) | st.sampled_from(["", "x", "10m", "2026-11-02T10:00:00Z", "25%"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([
        "canary", "steps", "setWeight", "pause", "duration", "template", "spec", "metadata", "labels", "containers",
        "name", "image", "matchLabels", "weights", "weight", "reason", "startTime", "type", "readinessProbe",
        "initialDelaySeconds", "revisions", "maxSurge", "trafficRouting", "rollingUpdate"]), inner, max_size=3),
    max_leaves=8)
CONTAINERS = st.lists(st.fixed_dictionaries({}, optional={
    "name": st.just("server") | ANYTHING, "image": st.just("fraud:9") | ANYTHING,
    "readinessProbe": ANYTHING | st.builds(lambda delay: {"initialDelaySeconds": delay}, ANYTHING)}), max_size=2)
TEMPLATES = st.builds(lambda containers, annotations: {"spec": {"containers": containers},
                                                       "metadata": {"annotations": annotations}}, CONTAINERS, ANYTHING)
FIELDS = {"spec": ["replicas", "paused", "strategy", "template", "restartAt", "rollbackWindow", "minReadySeconds",
                   "progressDeadlineSeconds", "revisionHistoryLimit"],
          "status": ["abort", "promoteFull", "pauseConditions", "controllerPause", "currentStepIndex", "conditions",
                     "canary", "stableRS", "currentPodHash", "abortedAt", "restartedAt", "updatedReplicas", "phase"]}


def code_of(ground: Ground, patch: Any, **options: Any) -> int:
    """200, or the code of the refusal; a refusal of the client's fault is the only one allowed."""
    try:
        ground.patch(patch, **options)
    except Refusal as refusal:
        if refusal.code not in (400, 422):
            raise
        return refusal.code
    return 200


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["spec", "status"]).flatmap(
    lambda part: st.tuples(st.just(part), st.dictionaries(st.sampled_from(FIELDS[part]), ANYTHING, max_size=3)))
       | st.tuples(st.just("spec"), st.builds(lambda template: {"template": template}, TEMPLATES)))
def test_no_patch_stops_the_controller_whatever_it_says(change: tuple[str, Any]) -> None:
    part, value = change
    ground = Ground().with_rollout()
    code_of(ground, {part: value}, subresource="status" if part == "status" else "")
    ground.wait(60)
    assert ground.status["observedGeneration"] == str(ground.rollout["metadata"]["generation"])
    assert findings(ROLLOUTS, ground.rollout, None) == []


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS["spec"]), ANYTHING, max_size=3)
       | st.builds(lambda template: {"template": template}, TEMPLATES),
       st.sampled_from(["merge", "strategic"]))
def test_no_patch_stops_the_controller_of_deployments(value: Any, strategy: Any) -> None:
    ground = Ground().with_deployment()
    code_of(ground, {"spec": value}, resource=DEPLOYMENTS, name="chat", strategy=strategy)
    ground.wait(60)
    assert ground.deployment["status"]["observedGeneration"] == ground.deployment["metadata"]["generation"]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([LEASES, EVENTS]), st.dictionaries(
    st.sampled_from(["spec", "involvedObject", "reason", "message", "type", "count", "lastTimestamp", "eventTime",
                     "metadata", "source"]), ANYTHING, max_size=4))
def test_nothing_that_is_created_stops_the_cluster_or_its_tables(resource: Resource, value: dict[str, Any]) -> None:
    ground = Ground().with_rollout()
    named = value.get("metadata") if isinstance(value.get("metadata"), dict) else {}
    body = value | {"apiVersion": resource.api_version, "kind": resource.kind,
                    "metadata": {"name": "a"} | (named or {})}
    with contextlib.suppress(Refusal):
        ground.cluster.server.create(resource, "ml", body, ME)
    rows = table(resource, ground.cluster.storage.all(resource), 1, ground.cluster.time)["rows"]
    assert len(rows) == len(ground.cluster.storage.all(resource))
    ground.wait(7201)
    assert ground.cluster.storage.all(EVENTS) == []
