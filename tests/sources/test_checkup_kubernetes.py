"""What ``triage doctor`` says of a Kubernetes API: the lab's, and ones in bad condition."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster.ground import Ground
from tests.lab.serving import serving
from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from triage.clock import SystemClock
from triage.config import Active, Context
from triage.facts.outcome import SourceState
from triage.lab.apis.kubernetes import app
from triage.lab.cluster.access import Access, Rule, User
from triage.sources.checkup import Capability, SourceCheck, check_up
from triage.sources.checkup_kubernetes import check_kubernetes

MANIFEST = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {{name: {name}, version: "8", owners: [{{name: payments, role: on-call}}]}}
spec:
  slos: [{{name: success, sli: {{bad: 'requests_total{{code=~"5.."}}', total: requests_total}}, objective: 99}}]
  rollout: {{kind: {kind}, namespace: {namespace}, name: {name}}}
"""
FRAUD, CHAT = ("argo", "ml", "fraud"), ("deployment", "ml", "chat")


@pytest.fixture
def cluster() -> Iterator[tuple[Ground, str]]:
    ground = Ground().with_rollout().with_deployment()
    with serving(app(ground.cluster)) as url:
        yield ground, url


def context(folder: Path, url: str, rollouts: Sequence[tuple[str, str, str]] = (FRAUD, CHAT), **more: Any) -> Active:
    for kind, namespace, name in rollouts:
        (folder / name).mkdir()
        (folder / name / "manifest.yaml").write_text(MANIFEST.format(kind=kind, namespace=namespace, name=name))
    content = {"prometheus": {"url": url}, "kubernetes": {"url": url, "bearer_token": {"env": "LAB_TOKEN"}}} | more
    return Active("test", Context.model_validate(content), (folder,) if rollouts else (), None)


async def checked(active: Active, token: str, monkeypatch: pytest.MonkeyPatch) -> SourceCheck:
    monkeypatch.setenv("LAB_TOKEN", token)
    return await check_kubernetes(active, SystemClock())


def line(found: SourceCheck, what: str) -> Capability:
    return next(each for each in found.capabilities if each.what == what)


async def test_a_reader_of_a_healthy_cluster_is_told_who_it_is_and_what_it_can(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await checked(context(tmp_path, cluster[1]), "reading", monkeypatch)
    assert (found.state, found.product, found.version, found.warnings) == (
        SourceState.OK, "Kubernetes", "v1.32.0+lab", ())
    assert found.latency_seconds is not None
    assert line(found, "identity").detail == "viewer by the token from env LAB_TOKEN"
    for what in ("get rollouts.argoproj.io in ml", "get deployments.apps in ml", "list replicasets.apps in ml",
                 "list pods in ml", "list events in ml"):
        assert line(found, what).state == "ok"
    assert line(found, "rollouts of the manifests").detail == "2 of 2 looked for, all found"


async def test_who_may_move_rollouts_in_a_context_meant_for_reading_is_warned(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [warning] = (await checked(context(tmp_path, cluster[1]), "writing", monkeypatch)).warnings
    assert "may patch deployments.apps in ml, patch rollouts.argoproj.io in ml" in warning
    assert "patch rollouts.argoproj.io/status in ml" in warning


async def test_in_a_context_meant_for_writing_moving_is_a_capability(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    active = context(tmp_path, cluster[1], allow_write=True)
    found = await checked(active, "writing", monkeypatch)
    assert found.warnings == ()
    assert line(found, "moving rollouts.argoproj.io in ml").state == "ok"
    found = await checked(active, "reading", monkeypatch)
    assert line(found, "moving rollouts.argoproj.io in ml").state == "missing"
    assert line(found, "moving rollouts.argoproj.io in ml").fix == "give the role patch on rollouts and rollouts/status"


async def test_half_of_what_moving_a_rollout_needs_is_not_enough(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, url = cluster
    half = (Rule(("*",), ("*",), ("get", "list")), Rule(("argoproj.io",), ("rollouts",), ("patch",)))
    ground.cluster.access = Access({"half": User("half", half)})
    found = await checked(context(tmp_path, url, allow_write=True), "half", monkeypatch)
    assert line(found, "moving rollouts.argoproj.io in ml").state == "missing"


async def test_what_may_not_be_read_says_what_is_lost_and_which_right_to_give(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, url = cluster
    ground.cluster.access = Access({"few": User("few", (Rule(("argoproj.io",), ("rollouts",), ("get",)),))})
    found = await checked(context(tmp_path, url), "few", monkeypatch)
    assert found.ok
    assert line(found, "get rollouts.argoproj.io in ml").state == "ok"
    assert line(found, "list replicasets.apps in ml").detail == "versions and replicas are not known"
    assert line(found, "list pods in ml").fix == "give the role list on pods"
    assert line(found, "rollouts of the manifests").detail == "not read: ml/chat (forbidden)"


async def test_a_rollout_that_is_not_there_is_named(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    active = context(tmp_path, cluster[1], [FRAUD, ("argo", "ml", "churn")])
    found = line(await checked(active, "reading", monkeypatch), "rollouts of the manifests")
    assert (found.state, found.detail) == ("missing", "not read: ml/churn (not found)")
    assert "rollout.name in the manifest" in found.fix


async def test_without_rollouts_in_the_manifests_it_is_asked_about_all_namespaces(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await checked(context(tmp_path, cluster[1], []), "reading", monkeypatch)
    assert line(found, "get rollouts.argoproj.io in all namespaces").state == "ok"
    assert line(found, "rollouts of the manifests").state == "unknown"


async def test_a_token_that_is_not_taken_is_down_with_a_way_out(
        cluster: tuple[Ground, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await checked(context(tmp_path, cluster[1]), "wrong", monkeypatch)
    assert found.state is SourceState.DOWN
    assert found.error == "unauthorized: the token from env LAB_TOKEN is not accepted"
    assert "renew it" in found.fix


def old_server(reviews: Handler) -> Handler:
    """One that knows ``/version`` and answers every review so."""
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        told = json_answer({"major": "1", "gitVersion": "v1.24.17"})
        return await (told if request.path == "/version" else reviews)(request, writer)
    return handle


async def test_a_server_without_reviews_is_examined_as_far_as_it_goes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(old_server(answering(404, "404 page not found\n", "text/plain"))) as server:
        found = await checked(context(tmp_path, server.url), "any", monkeypatch)
    assert (found.state, found.version) == (SourceState.OK, "v1.24.17")
    assert line(found, "identity").state == "unknown"
    assert line(found, "list pods in ml").state == "unknown"
    assert found.warnings == ()


async def test_a_server_that_knows_us_as_nobody_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = json_answer({"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "system:anonymous"}}}, 201)
    async with FaultServer(old_server(nobody)) as server:
        found = await checked(context(tmp_path, server.url), "any", monkeypatch)
    assert line(found, "identity").state == "missing"


async def test_nothing_but_reads_and_reviews_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(old_server(answering(404, "no"))) as server:
        await checked(context(tmp_path, server.url, allow_write=True), "any", monkeypatch)
    posted = {request.path for request in server.requests if request.method != "GET"}
    assert posted == {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                      "/apis/authentication.k8s.io/v1/selfsubjectreviews"}


async def test_a_context_without_a_cluster_is_well_and_says_what_it_lacks() -> None:
    active = Active("test", Context.model_validate({"prometheus": {"url": "http://prometheus.example"}}), (), None)
    found = await check_kubernetes(active, SystemClock())
    assert (found.state, found.ok) == (SourceState.OFF, True)
    assert "kubeconfig" in found.capabilities[0].fix


async def test_a_kubeconfig_that_cannot_be_used_is_the_clusters_trouble_alone(tmp_path: Path) -> None:
    async with FaultServer(answering(404, "no")) as server:
        content = {"prometheus": {"url": server.url},
                   "kubernetes": {"kubeconfig": str(tmp_path / "none"), "context": "a"}}
        found = await check_up(Active("test", Context.model_validate(content), (), None), SystemClock())
    [kubernetes] = [source for source in found.sources if source.name == "kubernetes"]
    assert kubernetes.state is SourceState.DOWN
    assert "cannot be read" in kubernetes.error
