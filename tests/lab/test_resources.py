"""Pods, cost and scaling against the known truth of the lab, over HTTP; every figure is computed a second time.

The second computation asks the lab's Prometheus raw samples and does its own arithmetic on them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.lab.conftest import Standing
from tests.lab.standing import TOKEN, Lab, lab
from triage.config import activate
from triage.lab.cluster.resources import PODS
from triage.lab.world.fleet import FLEET
from triage.lab.world.scenario import Fault, load
from triage.live.once import take_snapshot
from triage.overrides import Overrides
from triage.signals.model import ModelState
from triage.signals.reading import Quality, Verdict
from triage.signals.resources_model import Basis, ServingReading

PRICES = {"fraud-scorer": 0.38, "chat-assistant": 2.9}
"""An hour of one replica, as the example notebooks have it."""


def looked_at(running: Lab, model: str) -> ModelState:
    overrides = Overrides(config=str(running.config))
    snapshot = asyncio.run(take_snapshot(activate(overrides, {}), [model], running.clock, closely=True))
    return snapshot.models[0]


def serving_of(running: Lab, model: str) -> ServingReading:
    reading = looked_at(running, model).serving
    assert reading is not None
    return reading


def raw(running: Lab, selector: str, seconds: float) -> list[list[tuple[float, float]]]:
    """Raw samples of each series up to now: (Unix seconds, value)."""
    answer = httpx.post(f"{running.url}/prometheus/api/v1/query", trust_env=False,
                        headers={"Authorization": f"Bearer {TOKEN}"},
                        data={"query": f"{selector}[{seconds:.0f}s]", "time": str(running.clock.now())})
    assert answer.status_code == 200, answer.text
    return [[(at, float(value)) for at, value in series["values"]] for series in answer.json()["data"]["result"]]


@pytest.fixture(scope="module")
def full(standing: Standing) -> Lab:
    """A model whose pods are killed because their memory is full."""
    return standing("oom-under-load")


@pytest.fixture(scope="module")
def trial(standing: Standing) -> Lab:
    """A rollout with a canary, all pods well."""
    return standing("canary-latency")


def test_pods_that_are_killed_for_want_of_memory_fail_and_are_counted(full: Lab) -> None:
    reading = serving_of(full, "chat-assistant")
    kills = sorted(values[-1][1] - values[0][1] for values in raw(
        full, 'kube_pod_container_status_restarts_total{namespace="assist"}', 3600))
    assert sorted(pod.restarted or 0 for pod in reading.pods) == kills
    assert kills[0] > 0
    assert {pod.verdict for pod in reading.pods} == {Verdict.FAIL}
    assert all(pod.why[0].startswith("OOMKilled") and pod.last_end == "OOMKilled" for pod in reading.pods)
    assert all(pod.memory.whole == 48 * 2.0**30 and pod.memory.basis is Basis.LIMIT for pod in reading.pods)
    assert {pod.version for pod in reading.pods} == {"chat-assistant-r31"}


def test_gpus_queue_and_gpu_time_are_told_of_a_model_that_has_them(full: Lab) -> None:
    reading = serving_of(full, "chat-assistant")
    assert all((pod.gpu.share or 0) > 0.5 and pod.gpu_memory.whole for pod in reading.pods)
    # More arrives than the pods that are left can answer.
    assert reading.queue.value is not None
    assert reading.queue.value > 1.0
    assert reading.cost.gpu_seconds.value is not None


@pytest.mark.parametrize(("name", "model", "requests"), [
    ("trial", "fraud-scorer", 'fraud_requests_total{model="fraud-scorer"}'),
    ("full", "chat-assistant", 'vllm:e2e_request_latency_seconds_count{model_name="chat-assistant"}')])
def test_the_cost_is_the_price_of_the_pods_over_what_they_answered(
        name: str, model: str, requests: str, request: pytest.FixtureRequest) -> None:
    running: Lab = request.getfixturevalue(name)
    cost = serving_of(running, model).cost
    namespace = {"fraud-scorer": "ml", "chat-assistant": "assist"}[model]
    memory = raw(running, f'container_memory_working_set_bytes{{namespace="{namespace}"}}', 3600)
    # Each sample stands for the interval between two scrapes.
    hours = sum(len(values) for values in memory) * 15 / 3600
    answered = sum(max(0.0, b - a) for values in raw(running, requests, 3600)
                   for (_, a), (_, b) in pairwise(values))
    assert (cost.price_per_hour, cost.covered) == (PRICES[model], 1.0)
    assert cost.pod_hours == pytest.approx(hours, rel=0.02)
    assert cost.per_1000.quality is Quality.OK
    assert cost.per_1000.value == pytest.approx(PRICES[model] * hours / answered * 1000, rel=0.03)
    assert cost.per_1000.n == pytest.approx(answered, rel=0.02)


def test_kubernetes_says_which_pods_there_are_which_version_and_image_they_run(trial: Lab) -> None:
    reading = serving_of(trial, "fraud-scorer")
    assert (reading.listed_by, reading.list_failure, reading.findings) == ("kubernetes", None, ())
    versions = [pod.version for pod in reading.pods]
    assert (versions.count("7"), versions.count("8")) == (6, 1)
    images = {pod.version: pod.image_digest for pod in reading.pods}
    assert len(set(images.values())) == 2
    assert all(digest.startswith("sha256:") for digest in images.values())
    assert {pod.verdict for pod in reading.pods} == {Verdict.PASS}


def test_the_use_of_cpu_is_the_rate_of_the_counter_over_the_limit(trial: Lab) -> None:
    reading = serving_of(trial, "fraud-scorer")
    for pod in reading.pods:
        [values] = raw(trial, f'container_cpu_usage_seconds_total{{pod="{pod.name}"}}', 300)
        (first, start), (last, end) = values[0], values[-1]
        assert pod.cpu.used == pytest.approx((end - start) / (last - first), rel=0.02)
        assert pod.cpu.share == pytest.approx((end - start) / (last - first) / 2, rel=0.02)


def test_pods_under_more_load_than_they_can_bear_are_throttled_and_others_are_not(tmp_path: Path) -> None:
    rush = replace(load("healthy"), faults=(Fault("traffic", "fraud-scorer", 3.0, onset=-1200.0),))
    with lab(rush, tmp_path) as running:
        pods = serving_of(running, "fraud-scorer").pods
        others = serving_of(running, "loan-approval").pods
        for pod in pods:
            waited, periods = (
                sum(values[-1][1] - values[0][1] for values in raw(running, f'{name}{{pod="{pod.name}"}}', 300))
                for name in ("container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_periods_total"))
            assert pod.throttled.share == pytest.approx(waited / periods, abs=0.02)
    assert {pod.throttled.verdict for pod in pods} == {Verdict.WARN}
    assert all("throttled in" in " ".join(pod.why) for pod in pods)
    assert {(pod.throttled.share, pod.verdict) for pod in others} == {(0.0, Verdict.PASS)}


def test_a_change_of_the_number_of_pods_is_told_with_its_reason(tmp_path: Path) -> None:
    with lab("healthy", tmp_path) as running:
        answer = httpx.patch(
            f"{running.url}/kubernetes/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud-scorer",
            json={"spec": {"replicas": 9}}, trust_env=False,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/merge-patch+json"})
        assert answer.status_code == 200, answer.text
        running.later(300)
        scaling = serving_of(running, "fraud-scorer").scaling
    newest = scaling[0]
    assert (newest.before, newest.after, newest.version) == (6, 9, "7")
    assert "from 6 to 9" in newest.why


def test_the_lineage_of_a_healthy_model_differs_nowhere(trial: Lab) -> None:
    lineage = looked_at(trial, "fraud-scorer").lineage
    assert lineage is not None
    assert {link.kind for link in lineage.links} == {"version", "image", "manifest", "run", "data", "features"}
    assert all(str(link.state) in ("same", "mutable", "not_recorded") for link in lineage.links)
    image = next(link for link in lineage.links if link.kind == "image")
    assert (image.promised, image.running) == ("registry.example/ml/fraud-scorer:8.0.2",) * 2


@pytest.mark.parametrize(("model", "limit"), [("review-sentiment", 2.0**30), ("churn-ranker", 32 * 2.0**30)])
def test_models_without_a_rollout_have_pods_by_their_series(trial: Lab, model: str, limit: float) -> None:
    reading = serving_of(trial, model)
    member = FLEET[model]
    running = {pod["metadata"]["name"] for pod in trial.world.cluster.storage.all(PODS, member.namespace)}
    assert reading.listed_by == "metrics"
    assert {pod.name for pod in reading.pods} == running
    assert reading.pods
    for pod in reading.pods:
        assert (pod.memory.whole, pod.verdict) == (limit, Verdict.PASS)
        assert pod.cpu.used is not None


def test_a_nightly_worker_is_busy_while_it_works(tmp_path: Path) -> None:
    at_night = replace(load("healthy"), opens_at=4 * 3600.0)
    with lab(at_night, tmp_path) as running:
        [busy] = serving_of(running, "churn-ranker").pods
    assert busy.cpu.share is not None
    assert 0.4 < busy.cpu.share < 0.8


def test_pods_that_an_autoscaler_takes_away_are_shown_as_long_as_there_were(tmp_path: Path) -> None:
    with lab("cold-starts", tmp_path) as running:
        running.later(900.0)
        wanted = raw(running, 'autoscaler_actual_pods{revision_name="review-sentiment-predictor-00012"}', 1800)[0]
        shown: dict[float, int] = {}
        for values in raw(running, 'container_memory_working_set_bytes{namespace="reviews"}', 1800):
            for at, _ in values:
                shown[at] = shown.get(at, 0) + 1
    assert {count for _, count in wanted} >= {0.0, 1.0}
    # A pod that was wanted is there at once, one that is not ends within its grace.
    agree = sum(shown.get(at, 0) == count for at, count in wanted)
    assert agree / len(wanted) > 0.9
