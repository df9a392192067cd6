"""Pods are asked about while somebody looks closely: one request for the present, one for the pods over time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.live.conftest import NOW, Asked, active
from tests.sources.faults import FaultServer, Request, answering, json_answer
from triage.clock import ManualClock
from triage.config import Active
from triage.config_sources import KubernetesEndpoint
from triage.facts.closer_look import CloserLook
from triage.facts.outcome import Failure
from triage.facts.pod_series import PodPart
from triage.lab.promql.engine import Engine
from triage.lab.promql.results import Vector
from triage.lab.promql.store import Store
from triage.live.once import load_notebooks
from triage.live.poller import Poller
from triage.live.resources import (
    RESOURCES_SECONDS,
    killed_questions,
    pod_questions,
    pod_selector,
    replicas_expression,
)
from triage.notebook.load import Notebook, load_all
from triage.notebook.serving import PodSeries
from triage.signals.resources_model import ServingReading

Notebooks = Callable[..., Path]
CLOSELY = CloserLook(pods=True)
MEMORY = "container_memory_working_set_bytes"


def changed(folder: Path, **spec: Any) -> Path:
    path = folder / "m" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"] |= spec
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


def only(folder: Path) -> Notebook:
    [notebook] = load_all([folder]).notebooks
    return notebook


def asked_now(prometheus: Asked) -> int:
    return sum(MEMORY in r.fields["query"][0] for r in prometheus.server.requests if r.path.endswith("/query"))


def asked_over_time(prometheus: Asked) -> int:
    return sum(MEMORY in r.fields["query"][0] for r in prometheus.server.requests if r.path.endswith("/query_range"))


def serving(poller: Poller) -> ServingReading | None:
    return poller.snapshot().models[0].serving


async def test_nothing_is_asked_before_somebody_looks_closely_and_nothing_after(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    wanted = active(notebooks(m=2), prometheus.server.url)
    poller = Poller(wanted, load_notebooks(wanted), clock)
    try:
        poller.watch(["m"])
        await poller.refresh_once()
        assert (asked_now(prometheus), asked_over_time(prometheus), serving(poller)) == (0, 0, None)
        poller.look_closer(CLOSELY)
        await poller.refresh_once()
        assert (asked_now(prometheus), asked_over_time(prometheus)) == (1, 1)
        assert serving(poller) is not None
        poller.look_closer(None)
        clock.advance(60)
        await poller.refresh_once()
        assert (asked_now(prometheus), asked_over_time(prometheus), serving(poller)) == (1, 1, None)
    finally:
        await poller.aclose()


async def test_each_question_has_its_own_pace(notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    wanted = active(notebooks(m=2), prometheus.server.url)
    poller = Poller(wanted, load_notebooks(wanted), clock)
    try:
        poller.watch(["m"])
        poller.look_closer(CLOSELY)
        counts = []
        for seconds in (5.0, 5.0, RESOURCES_SECONDS, 30.0, 0.0):
            await poller.refresh_once()
            counts.append((asked_now(prometheus), asked_over_time(prometheus)))
            clock.advance(seconds)
    finally:
        await poller.aclose()
    # Fifteen seconds, and as often as another half minute is full.
    assert counts == [(1, 1), (1, 1), (1, 1), (2, 1), (3, 2)]


async def test_what_fails_is_told_with_what_was_known_before(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    wanted = active(notebooks(m=1), prometheus.server.url)
    poller = Poller(wanted, load_notebooks(wanted), clock)
    try:
        poller.watch(["m"])
        poller.look_closer(CLOSELY)
        await poller.refresh_once()
        prometheus.fake.fail = lambda text: answering(500, "broken", "text/plain") if MEMORY in text else None
        clock.advance(31)
        await poller.refresh_once()
        reading = serving(poller)
    finally:
        await poller.aclose()
    assert reading is not None
    assert isinstance(reading.failure, Failure)
    assert (reading.answered_at, reading.is_stale(NOW + 31)) == (NOW, False)
    assert reading.is_stale(NOW + 60)


async def test_the_objectives_stay_readable_when_the_pods_are_not(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    prometheus.fake.refuse = lambda text: MEMORY in text
    wanted = active(notebooks(m=2), prometheus.server.url)
    poller = Poller(wanted, load_notebooks(wanted), clock)
    try:
        poller.watch(["m"])
        await poller.refresh_once()
        before = poller.snapshot().models[0].verdict
        poller.look_closer(CLOSELY)
        await poller.refresh_once()
        model = poller.snapshot().models[0]
    finally:
        await poller.aclose()
    assert model.verdict == before
    assert model.serving is not None
    assert "too complicated" in model.serving.cost.per_1000.note or model.serving.failure is not None


@pytest.mark.parametrize(("spec", "series", "selector"), [
    ({}, "memory_bytes", f'{MEMORY}{{pod=~"m-.+",container!~"|POD"}}'),
    ({"rollout": {"kind": "argo", "namespace": "ml", "name": "fraud.v1"}}, "limits",
     'kube_pod_container_resource_limits{namespace="ml",pod=~"fraud\\\\.v1-.+"}'),
    ({"rollout": {"kind": "none", "name": "m"}, "metrics": {"selector": {"model": "m", "namespace": "batch"}}},
     "restarts", 'kube_pod_container_status_restarts_total{namespace="batch",pod=~"m-.+"}'),
    ({"resources": {"pods": {"cluster": "eu"}, "pod_names": "scorer-[0-9]+"}}, "gpu_percent",
     'DCGM_FI_DEV_GPU_UTIL{cluster="eu",pod=~"scorer-[0-9]+"}'),
    ({"resources": {"series": {"memory_bytes": 'my_memory{pod="one"}'}}}, "memory_bytes", 'my_memory{pod="one"}')])
def test_pods_are_found_by_namespace_and_name_unless_the_manifest_says_how(
        notebooks: Notebooks, spec: dict[str, Any], series: PodSeries, selector: str) -> None:
    assert str(pod_selector(only(changed(notebooks(m=1), **spec)).manifest, series)) == selector


def test_exporters_whose_own_labels_were_kept_are_read_too(notebooks: Notebooks) -> None:
    book = only(changed(notebooks(m=1), rollout={"kind": "argo", "namespace": "ml", "name": "m"}))
    by_part = {question.part: expression for question, expression in pod_questions(book)}
    assert 'exported_namespace="ml",exported_pod=~"m-.+"' in by_part[PodPart.RESTARTS]
    assert '"pod", "$1", "exported_pod", "(.+)"' in by_part[PodPart.GPU]
    # cAdvisor is scraped from the kubelet, whose labels are the pods' own.
    assert "exported" not in by_part[PodPart.MEMORY]


def test_queue_and_batches_come_from_the_preset_or_the_manifest(notebooks: Notebooks) -> None:
    folder = notebooks(m=1)
    plain = {question.part for question, _ in pod_questions(only(folder))}
    assert not plain & {PodPart.QUEUE_COUNT, PodPart.BATCHES}
    triton = only(changed(folder, metrics={"preset": "triton", "selector": {"job": "m"}}))
    asked = {question.part: expression for question, expression in pod_questions(triton)}
    assert "nv_inference_queue_duration_us" in asked[PodPart.QUEUE_SUM]
    assert asked[PodPart.QUEUE_SUM].endswith("* 1e-06")
    assert "nv_inference_exec_count" in asked[PodPart.BATCHES]
    own = only(changed(folder, resources={"queue_time": {"histogram": "wait_ms", "unit": "ms"},
                                          "batch_size": {"gauge": "batch_items"}}))
    asked = {question.part: expression for question, expression in pod_questions(own)}
    assert "wait_ms_sum" in asked[PodPart.QUEUE_SUM]
    assert asked[PodPart.BATCH].startswith("avg(batch_items")
    assert PodPart.BATCHES not in asked


def test_no_question_is_asked_twice(notebooks: Notebooks) -> None:
    book = only(changed(notebooks(m=1), metrics={"preset": "triton", "selector": {"job": "m"}}))
    questions = [question for question, _ in pod_questions(book)]
    assert len(questions) == len(set(questions))
    assert "count by (set)" in replicas_expression(book.manifest)


ROLLOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
           "metadata": {"name": "m", "namespace": "ml", "uid": "u", "generation": 1},
           "spec": {"replicas": 1, "strategy": {"canary": {}}, "selector": {"matchLabels": {"app": "m"}},
                    "template": {"metadata": {"labels": {"app": "m", "app.kubernetes.io/version": "v1"}},
                                 "spec": {"containers": [{"name": "server", "image": "m:v1"}]}}},
           "status": {"phase": "Healthy", "stableRS": "abc", "currentPodHash": "abc", "observedGeneration": "1"}}
POD = {"metadata": {"name": "m-abc-x1", "namespace": "ml", "labels": {"rollouts-pod-template-hash": "abc"}},
       "spec": {"containers": [{"name": "server"}]},
       "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
           {"name": "server", "restartCount": 2, "state": {"running": {}}}]}}


class Cluster:
    """A Kubernetes with one rollout of one pod; ``refused`` are paths that are forbidden."""

    def __init__(self) -> None:
        self.refused: tuple[str, ...] = ()
        self.paths: list[str] = []

    async def handle(self, request: Request, writer: asyncio.StreamWriter) -> object:
        self.paths.append(request.path)
        end = request.path.rsplit("/", 1)[-1]
        if end in self.refused:
            return await json_answer({"kind": "Status", "message": f"{end} is forbidden"}, 403)(request, writer)
        items = {"pods": [POD], "replicasets": [], "events": []}
        document = ROLLOUT if end == "m" else {"kind": "List", "metadata": {}, "items": items[end]}
        return await json_answer(document)(request, writer)


def with_cluster(folder: Path, prometheus: Asked, url: str) -> Active:
    found = active(changed(folder, rollout={"kind": "argo", "namespace": "ml", "name": "m"}), prometheus.server.url)
    cluster = KubernetesEndpoint.model_validate({"url": url, "timeout": "1s"})
    return Active(found.name, found.context.model_copy(update={"kubernetes": cluster}), found.notebooks, None)


async def test_pods_and_events_are_read_from_the_cluster_only_for_a_closer_look(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    cluster = Cluster()
    async with FaultServer(cluster.handle) as server:
        wanted = with_cluster(notebooks(m=1), prometheus, server.url)
        poller = Poller(wanted, load_notebooks(wanted), clock, goes_on=False)
        try:
            poller.watch(["m"])
            await poller.refresh_once()
            assert not any(path.endswith(("/pods", "/events")) for path in cluster.paths)
            poller.look_closer(CLOSELY)
            await poller.refresh_once()
            reading = serving(poller)
        finally:
            await poller.aclose()
    assert sum(path.endswith(("/pods", "/events")) for path in cluster.paths) == 2
    assert reading is not None
    assert (reading.listed_by, [(pod.name, pod.restarts) for pod in reading.pods]) == ("kubernetes", [("m-abc-x1", 2)])


async def test_whoever_may_not_list_pods_is_told_so_and_the_cluster_counts_as_answering(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    cluster = Cluster()
    cluster.refused = ("pods", "events")
    async with FaultServer(cluster.handle) as server:
        wanted = with_cluster(notebooks(m=1), prometheus, server.url)
        poller = Poller(wanted, load_notebooks(wanted), clock, goes_on=False)
        try:
            poller.watch(["m"])
            poller.look_closer(CLOSELY)
            await poller.refresh_once()
            snapshot = poller.snapshot()
        finally:
            await poller.aclose()
    reading = snapshot.models[0].serving
    assert reading is not None
    assert reading.listed_by == "metrics"
    assert isinstance(reading.list_failure, Failure)
    assert "list pods" in reading.list_failure.hint
    assert [str(s.state) for s in snapshot.sources if s.name == "kubernetes"] == ["ok"]



async def test_killed_pods_are_asked_for_in_the_same_request_as_what_is_asked_once_a_minute(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    plain, folder = notebooks(plain=1), notebooks(m=1)
    changed(folder, rollout={"kind": "argo", "namespace": "ml", "name": "fraud"})
    sent = {}
    for name in ("plain", "m"):
        prometheus.server.requests.clear()
        poller = Poller(active(plain, prometheus.server.url), load_all([plain]), clock)
        poller.watch([name])
        await poller.refresh_once()
        await poller.aclose()
        sent[name] = [r.fields["query"][0] for r in prometheus.server.requests if "query" in r.fields]
    assert len(sent["m"]) == len(sent["plain"])
    assert ["OOMKilled" in expression for expression in sent["plain"]] == [False] * len(sent["plain"])
    [day] = [expression for expression in sent["m"] if "OOMKilled" in expression]
    assert "min_over_time(timestamp(" in day


def killed_now(folder: Path, *series: tuple[dict[str, str], list[float]]) -> dict[str, float]:
    """Pods and how often they were killed, of what a server with these series (by minute, up to now) answers."""
    store = Store()
    for labels, values in series:
        times = [round(1000 * (NOW - 60.0 * (len(values) - 1 - n))) for n in range(len(values))]
        store.append(labels, np.array(times, dtype=np.int64), np.array(values))
    [asked] = killed_questions(only(folder))
    vector = Engine(store).instant(asked.expression, NOW).value
    assert isinstance(vector, Vector)
    return {labels["pod"]: value for labels, value in vector.samples}


def container(pod: str, restarts: list[float], reason: str, **moved: str) -> list[tuple[dict[str, str], list[float]]]:
    of = {"namespace": "ml", "pod": pod, "container": "server"} | moved
    return [({"__name__": "kube_pod_container_status_restarts_total", **of}, restarts),
            ({"__name__": "kube_pod_container_status_last_terminated_reason", "reason": reason, **of},
             [1.0] * len(restarts))]


def test_a_container_counts_that_was_restarted_in_the_last_half_hour_for_want_of_memory(notebooks: Notebooks) -> None:
    folder = changed(notebooks(m=1), rollout={"kind": "argo", "namespace": "ml", "name": "fraud"})
    lately, before = [4.0] * 40 + [5.0, 5.0, 6.0], [4.0] * 5 + [6.0] * 40
    assert killed_now(folder, *container("fraud-7f-a", lately, "OOMKilled"),
                      *container("fraud-7f-b", before, "OOMKilled"), *container("fraud-7f-c", lately, "Error"),
                      *container("chat-1-a", lately, "OOMKilled"),
                      *container("exporter", lately, "OOMKilled", exported_pod="fraud-7f-d",
                                 exported_namespace="ml", exported_container="server")) == {
                          "fraud-7f-a": 2.0, "fraud-7f-d": 2.0}


@pytest.mark.parametrize(("spec", "known"), [
    ({}, False), ({"rollout": {"kind": "none", "name": "m"}}, False),
    ({"rollout": {"kind": "deployment", "name": "m"}}, True),
    ({"resources": {"pods": {"namespace": "ml", "app": "fraud"}}}, True),
])
def test_whose_pods_are_not_named_is_not_asked(notebooks: Notebooks, spec: dict[str, Any], known: bool) -> None:
    assert bool(killed_questions(only(changed(notebooks(m=1), **spec)))) is known
