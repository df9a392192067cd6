"""The Kubernetes API on the wire: codes, bodies and headers; shapes as measured on kube-apiserver 1.36."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.lab.cluster.ground import Ground
from triage.lab.apis.kubernetes import app
from triage.lab.apis.kubernetes_protobuf import PROTOBUF, NotReadable, decode_review
from triage.lab.cluster.access import Access, Rule, User

NAMESPACE = "/apis/argoproj.io/v1alpha1/namespaces/ml"
ROLLOUT = f"{NAMESPACE}/rollouts/fraud"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/ml/leases"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
OPENAPI_ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


async def patch(client: httpx.AsyncClient, body: Any, kind: str = MERGE, path: str = ROLLOUT,
                **query: str) -> httpx.Response:
    return await client.patch(path, content=body if isinstance(body, bytes) else json.dumps(body),
                              headers={"Content-Type": kind}, params=query)


def reader(client: httpx.AsyncClient) -> dict[str, str]:
    return {"Authorization": "Bearer reading"}


# Who asks.

@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer wrong"},
                                     {"Authorization": "Basic writing"}, {"Authorization": "Bearer"}])
@pytest.mark.parametrize("path", ["/version", "/api", "/apis", ROLLOUT, "/openapi/v2", "/apis/nothing/v1/here"])
async def test_without_the_right_token_everything_is_401(client: httpx.AsyncClient, path: str,
                                                                    headers: dict[str, str]) -> None:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                             "message": "Unauthorized", "reason": "Unauthorized", "code": 401}


@pytest.mark.parametrize("dry_run", [{}, {"dryRun": "All"}])
async def test_what_a_user_may_not_do_is_403_even_as_a_dry_run(client: httpx.AsyncClient,
                                                              dry_run: dict[str, str]) -> None:
    client.headers.update(reader(client))
    answer = await patch(client, {"status": {"abort": True}}, path=f"{ROLLOUT}/status", **dry_run)
    assert answer.status_code == 403
    assert answer.json() == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": 'rollouts.argoproj.io "fraud" is forbidden: User "viewer" cannot patch resource "rollouts/status" '
                   'in API group "argoproj.io" in the namespace "ml"',
        "details": {"name": "fraud", "group": "argoproj.io", "kind": "rollouts"}}


async def test_nobody_acts_as_somebody_else_without_the_right_to(client: httpx.AsyncClient) -> None:
    answer = await client.get(ROLLOUT, headers={"Impersonate-User": "viewer"})
    assert answer.status_code == 403
    assert 'cannot impersonate resource "users"' in answer.json()["message"]


async def test_with_the_right_to_a_user_acts_as_somebody_else(ground: Ground) -> None:
    proxy = User("proxy", (Rule(("",), ("users",), ("impersonate",)),))
    ground.cluster.access = Access({"proxy": proxy, "reading": User("viewer")})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app(ground.cluster)), base_url="http://lab",
                                 headers={"Authorization": "Bearer proxy"}) as client:
        codes = [(await client.get(ROLLOUT, headers=headers)).status_code
                 for headers in ({}, {"Impersonate-User": "viewer"}, {"Impersonate-User": "nobody"})]
    assert codes == [403, 200, 403]


async def test_a_review_says_who_may_what(client: httpx.AsyncClient) -> None:
    question = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
        "resourceAttributes": {"namespace": "ml", "verb": "patch", "group": "argoproj.io", "resource": "rollouts",
                               "subresource": "status", "name": "fraud"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    mine = await client.post(path, json=question)
    theirs = await client.post(path, json=question, headers=reader(client))
    assert (mine.status_code, mine.json()["status"]["allowed"]) == (201, True)
    assert (theirs.status_code, theirs.json()["status"]) == (201, {"allowed": False})
    assert theirs.json()["spec"] == question["spec"]


async def test_a_review_of_a_path_knows_the_paths_of_discovery(client: httpx.AsyncClient) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    allowed = []
    for asked in ("/version", "/apis/apps/v1", "/metrics"):
        question = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                    "spec": {"nonResourceAttributes": {"path": asked, "verb": "get"}}}
        allowed.append((await client.post(path, json=question)).json()["status"]["allowed"])
    assert allowed == [True, True, False]


async def test_rules_and_identity_are_told(client: httpx.AsyncClient) -> None:
    rules = await client.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json={
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "ml"}})
    listed = rules.json()["status"]["resourceRules"]
    assert {"verbs": ["patch", "update"], "apiGroups": ["argoproj.io"],
            "resources": ["rollouts", "rollouts/status", "rollouts/scale"]} in listed
    identity = await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    assert identity.json()["status"]["userInfo"]["username"] == "operator"


# Discovery.

async def test_every_kind_that_is_listed_can_be_listed(client: httpx.AsyncClient) -> None:
    groups = (await client.get("/apis")).json()["groups"]
    prefixes = ["/api/v1", *(f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"])]
    listed = []
    for prefix in prefixes:
        for resource in (await client.get(prefix)).json()["resources"]:
            if "list" in resource["verbs"]:
                answer = await client.get(f"{prefix}/{resource['name']}")
                assert answer.status_code == 200
                listed.append(answer.json()["kind"])
    assert {"RolloutList", "ReplicaSetList", "DeploymentList", "PodList", "LeaseList", "EventList",
            "NamespaceList", "HorizontalPodAutoscalerList"} == set(listed)


@pytest.mark.parametrize("path", ["/api/v2", "/apis/batch", "/apis/batch/v1", "/api/v1/namespaces/ml/secrets",
                                  f"{ROLLOUT}/finalizers", f"{ROLLOUT}/status/deep", "/openapi/v3",
                                  "/apis/argoproj.io/v1alpha1/rollouts/fraud"])
async def test_what_the_server_does_not_have_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_the_version_and_the_health_are_told(client: httpx.AsyncClient) -> None:
    assert (await client.get("/version")).json()["major"] == "1"
    assert (await client.get("/readyz")).text == "ok"


# Reading.

async def test_an_object_that_does_not_exist_is_404_in_the_servers_words(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{NAMESPACE}/rollouts/nobody")
    assert answer.status_code == 404
    assert answer.json()["message"] == 'rollouts.argoproj.io "nobody" not found'
    assert answer.json()["details"] == {"name": "nobody", "group": "argoproj.io", "kind": "rollouts"}


async def test_a_list_has_a_resource_version_to_watch_from(client: httpx.AsyncClient, ground: Ground) -> None:
    body = (await client.get(f"{NAMESPACE}/rollouts")).json()
    assert body["metadata"] == {"resourceVersion": str(ground.cluster.storage.revision)}
    assert [item["kind"] for item in body["items"]] == ["Rollout"]
    pods = (await client.get("/api/v1/namespaces/ml/pods")).json()
    assert pods["kind"] == "PodList"
    assert not any("kind" in item for item in pods["items"])


@pytest.mark.parametrize(("labels", "count"), [
    ("app.kubernetes.io/version=7", 5), ("app.kubernetes.io/version==1", 4), ("app.kubernetes.io/version!=7", 4),
    ("app.kubernetes.io/version in (1, 7)", 9), ("app.kubernetes.io/version notin (1,7)", 0),
    ("rollouts-pod-template-hash", 5), ("!rollouts-pod-template-hash", 4), ("nothing!=x", 9),
    ("app.kubernetes.io/name=fraud,app.kubernetes.io/version in (7)", 5),
    ("app.kubernetes.io/name=fraud,pod-template-hash", 0),
])
async def test_labels_select(client: httpx.AsyncClient, labels: str, count: int) -> None:
    answer = await client.get("/api/v1/namespaces/ml/pods", params={"labelSelector": labels})
    assert len(answer.json()["items"]) == count


async def test_fields_select(client: httpx.AsyncClient) -> None:
    one = await client.get(f"{NAMESPACE}/rollouts", params={"fieldSelector": "metadata.name=fraud"})
    none = await client.get(f"{NAMESPACE}/rollouts", params={"fieldSelector": "metadata.name!=fraud"})
    events = await client.get("/api/v1/events", params={"fieldSelector": "involvedObject.name=fraud,type=Normal"})
    assert [len(answer.json()["items"]) for answer in (one, none)] == [1, 0]
    assert {item["involvedObject"]["name"] for item in events.json()["items"]} == {"fraud"}


async def test_scaling_can_be_listed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/namespaces/ml/events", params={"fieldSelector": "reason=ScalingReplicaSet"})
    items = answer.json()["items"]
    assert {(item["involvedObject"]["kind"], item["source"]["component"]) for item in items} == {
        ("Rollout", "rollouts-controller"), ("Deployment", "deployment-controller")}
    assert any(item["message"].startswith("Scaled up ReplicaSet fraud-") for item in items)


@pytest.mark.parametrize("query", [{"labelSelector": "a=(b"}, {"labelSelector": "a b"}, {"fieldSelector": "name"},
                                   {"fieldSelector": "spec.replicas=5"}, {"watch": "1", "resourceVersion": "abc"},
                                   {"watch": "1", "timeoutSeconds": "-1"}])
async def test_a_question_that_cannot_be_read_is_400(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await client.get(f"{NAMESPACE}/rollouts", params=query)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


async def test_a_table_is_given_to_who_prefers_one(client: httpx.AsyncClient) -> None:
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    body = (await client.get(f"{NAMESPACE}/rollouts", headers=accept)).json()
    assert body["kind"] == "Table"
    assert [column["name"] for column in body["columnDefinitions"]] == [
        "Name", "Desired", "Current", "Up-to-date", "Available", "Age"]
    assert body["rows"][0]["cells"] == ["fraud", 5, 5, 5, 5, "26s"]
    assert body["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    single = (await client.get(ROLLOUT, headers=accept, params={"includeObject": "Object"})).json()
    assert single["rows"][0]["object"]["spec"]["replicas"] == 5


async def test_a_form_that_is_not_spoken_is_406(client: httpx.AsyncClient) -> None:
    answer = await client.get(ROLLOUT, headers={"Accept": PROTOBUF})
    assert (answer.status_code, answer.json()["reason"]) == (406, "NotAcceptable")


# Writing.

async def test_a_merge_patch_writes_and_names_its_writer(client: httpx.AsyncClient, ground: Ground) -> None:
    answer = await patch(client, {"spec": {"paused": True}}, fieldManager="triage")
    assert answer.status_code == 200
    assert answer.json()["spec"]["paused"] is True
    assert "triage" in [entry["manager"] for entry in ground.rollout["metadata"]["managedFields"]]
    assert (await client.get(ROLLOUT)).json()["status"]["phase"] == "Paused"


async def test_a_writer_without_a_name_is_named_after_its_program(client: httpx.AsyncClient, ground: Ground) -> None:
    client.headers["User-Agent"] = "argocd-application-controller/v3.1"
    await patch(client, {"spec": {"replicas": 4}})
    assert "argocd-application-controller" in [each["manager"] for each in ground.rollout["metadata"]["managedFields"]]


async def test_a_failed_test_is_422_and_changes_nothing(client: httpx.AsyncClient, ground: Ground) -> None:
    before = ground.cluster.storage.revision
    answer = await patch(client, [{"op": "test", "path": "/metadata/uid", "value": "x"},
                                  {"op": "add", "path": "/spec/paused", "value": True}], JSON_PATCH)
    assert answer.status_code == 422
    assert answer.content == (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server rejected our '
        b'request due to an error in our request","reason":"Invalid","details":{},"code":422}\n')
    assert ground.cluster.storage.revision == before


async def test_a_stale_resource_version_is_409(client: httpx.AsyncClient, ground: Ground) -> None:
    stale = ground.rollout["metadata"]["resourceVersion"]
    await patch(client, {"metadata": {"labels": {"a": "b"}}})
    answer = await patch(client, {"metadata": {"resourceVersion": stale}, "spec": {"paused": True}})
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(("kind", "accepted"), [(STRATEGIC, False), (APPLY, False), ("application/json", False),
                                                ("", False), (f"{MERGE}; charset=utf-8", True)])
async def test_a_patch_of_a_custom_resource_of_another_kind_is_415(client: httpx.AsyncClient, kind: str,
                                                                  accepted: bool) -> None:
    answer = await patch(client, {"spec": {"replicas": 4}}, kind)
    assert answer.status_code == (200 if accepted else 415)
    if not accepted:
        assert answer.json()["reason"] == "UnsupportedMediaType"
        assert STRATEGIC not in answer.json()["message"]


async def test_a_built_in_kind_takes_a_strategic_patch(client: httpx.AsyncClient, ground: Ground) -> None:
    answer = await patch(client, {"spec": {"paused": True}}, STRATEGIC, "/apis/apps/v1/namespaces/ml/deployments/chat")
    assert answer.status_code == 200
    assert ground.deployment["spec"]["paused"] is True


async def test_a_dry_run_shows_and_does_not_store(client: httpx.AsyncClient, ground: Ground) -> None:
    before = ground.cluster.storage.revision
    answer = await patch(client, {"spec": {"paused": True}}, dryRun="All")
    assert answer.json()["spec"]["paused"] is True
    assert ground.cluster.storage.revision == before


@pytest.mark.parametrize("query", [{"dryRun": "all"}, {"dryRun": ""}, {"fieldManager": "x" * 129},
                                   {"fieldValidation": "Loud"}])
async def test_options_that_do_not_exist_are_422_and_write_nothing(client: httpx.AsyncClient, ground: Ground,
                                                                  query: dict[str, str]) -> None:
    before = ground.cluster.storage.revision
    assert (await patch(client, {"spec": {"paused": True}}, **query)).status_code == 422
    assert ground.cluster.storage.revision == before


async def test_an_unknown_field_is_a_warning_in_a_header(client: httpx.AsyncClient) -> None:
    answer = await patch(client, {"spec": {"pausd": True}})
    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.pausd\\""'


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'"text"', b"[]"])
async def test_a_body_that_cannot_be_read_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await patch(client, body)).status_code == 400
    assert (await client.post(LEASES, content=body, headers={"Content-Type": "application/json"})).status_code == 400


@pytest.mark.parametrize(("method", "path"), [
    ("POST", ROLLOUT), ("PUT", f"{NAMESPACE}/rollouts"), ("DELETE", ROLLOUT), ("DELETE", LEASES),
    ("POST", f"{NAMESPACE}/rollouts"), ("POST", "/version"), ("PATCH", "/api"),
    ("POST", "/apis/coordination.k8s.io/v1/leases"), ("POST", f"{ROLLOUT}/status"),
])
async def test_what_is_not_done_to_a_thing_is_405_or_403(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, json={})
    assert answer.status_code in (403, 405)
    assert answer.json()["reason"] in ("MethodNotAllowed", "Forbidden")


async def test_a_lease_lives_from_its_creation_to_its_deletion(client: httpx.AsyncClient) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "triage-fraud"},
             "spec": {"holderIdentity": "me", "leaseDurationSeconds": 30}}
    created = await client.post(LEASES, json=lease)
    again = await client.post(LEASES, json=lease)
    assert (created.status_code, again.status_code, again.json()["reason"]) == (201, 409, "AlreadyExists")
    renewed = await client.put(f"{LEASES}/triage-fraud", json=created.json() | {"spec": {"holderIdentity": "you"}})
    assert renewed.json()["spec"] == {"holderIdentity": "you"}
    late = await client.put(f"{LEASES}/triage-fraud", json=created.json())
    assert late.status_code == 409
    wrong = await client.request("DELETE", f"{LEASES}/triage-fraud", json={"preconditions": {"uid": "x"}})
    assert wrong.status_code == 409
    gone = await client.request("DELETE", f"{LEASES}/triage-fraud")
    assert (gone.status_code, gone.json()["status"], gone.json()["details"]["name"]) == (200, "Success", "triage-fraud")
    assert (await client.get(f"{LEASES}/triage-fraud")).status_code == 404


async def test_an_event_is_left_with_an_object(client: httpx.AsyncClient, ground: Ground) -> None:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "fraud."}, "reason": "TriageAbort",
             "involvedObject": {"kind": "Rollout", "name": "fraud", "namespace": "ml"}, "message": "aborted by me",
             "type": "Normal", "firstTimestamp": "2027-01-15T08:00:20Z", "lastTimestamp": "2027-01-15T08:00:20Z"}
    assert (await client.post("/api/v1/namespaces/ml/events", json=event)).status_code == 201
    assert ground.told("TriageAbort") == ["aborted by me"]


async def test_a_deleted_pod_is_made_anew(client: httpx.AsyncClient, ground: Ground) -> None:
    before = {pod.name for pod in ground.cluster.pods("ml", "chat")}
    gone = await client.request("DELETE", f"/api/v1/namespaces/ml/pods/{min(before)}")
    assert (gone.status_code, gone.json()["kind"]) == (200, "Pod")
    after = {item["metadata"]["name"] for item in (await client.get("/api/v1/pods")).json()["items"]}
    assert min(before) not in after
    assert len(ground.cluster.pods("ml", "chat")) == 4


async def test_the_scale_is_a_thing_of_its_own(client: httpx.AsyncClient, ground: Ground) -> None:
    path = "/apis/apps/v1/namespaces/ml/deployments/chat/scale"
    answer = await patch(client, {"spec": {"replicas": 2}}, path=path)
    assert (answer.json()["kind"], answer.json()["spec"]) == ("Scale", {"replicas": 2})
    assert (await client.get(path)).json()["spec"] == {"replicas": 2}
    assert ground.deployment["spec"]["replicas"] == 2


# Binary forms.

async def test_the_document_of_all_paths_names_the_dry_run_of_every_kind_that_is_patched(
        client: httpx.AsyncClient) -> None:
    binary = await client.get("/openapi/v2", headers={"Accept": OPENAPI_ASKED})
    paths = (await client.get("/openapi/v2", headers={"Accept": "application/json"})).json()["paths"]
    # Go's mime package refuses the @ that clients themselves ask with.
    assert "@" not in binary.headers["Content-Type"]
    assert binary.content.count(b"dryRun") == len(paths) == 5
    assert b'{"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout"}' in binary.content


def test_a_review_in_binary_form_is_read() -> None:
    body = (b"k8s\x00"
            + _field(1, _field(1, b"authorization.k8s.io/v1") + _field(2, b"SelfSubjectAccessReview"))
            + _field(2, _field(1, b"") + _field(2, _field(1, _field(1, b"ml") + _field(2, b"patch")
                                                         + _field(5, b"rollouts"))) + _field(3, b"")))
    assert decode_review(body) == {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": "ml", "verb": "patch", "resource": "rollouts"}}}


@pytest.mark.parametrize("body", [b"", b"{}", b"k8s\x00\x0a\x7f", b"k8s\x00" + b"\xff" * 11, b"k8s\x00\x0b",
                                  b"k8s\x00\x0a\x03\x0a\x01\xff"])
async def test_a_binary_form_that_cannot_be_read_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    with pytest.raises(NotReadable):
        decode_review(body)
    answer = await client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", content=body,
                               headers={"Content-Type": PROTOBUF})
    assert answer.status_code == 400


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value
