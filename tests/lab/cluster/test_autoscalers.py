"""HorizontalPodAutoscalers: replicas stay within their bounds, whoever asks for others."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.lab.cluster.ground import READY_SECONDS, Ground
from triage.lab.apis.kubernetes import app
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import AUTOSCALERS

ROLLOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "fraud"}


def autoscaler(least: Any = 2, most: Any = 6, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "fraud", "namespace": "ml"},
            "spec": {"scaleTargetRef": ROLLOUT, "minReplicas": least, "maxReplicas": most, **more}}


def scaled(ground: Ground, replicas: int) -> int:
    ground.patch({"spec": {"replicas": replicas}}, subresource="scale")
    ground.wait(READY_SECONDS)
    assert ground.pods("7") == ground.rollout["spec"]["replicas"]
    return ground.pods("7")


@pytest.mark.parametrize(("asked", "kept"), [(1, 2), (4, 4), (9, 6), (0, 0)])
def test_what_is_asked_for_beyond_the_bounds_is_put_back_but_nothing_at_all_is_left(asked: int, kept: int) -> None:
    ground = Ground().with_rollout()
    ground.cluster.add(autoscaler())
    ground.wait(0)
    assert scaled(ground, asked) == kept


def test_it_acts_when_its_bounds_change_and_names_itself_in_the_object() -> None:
    ground = Ground().with_rollout()
    ground.cluster.add(autoscaler())
    ground.wait(0)
    ground.patch({"spec": {"maxReplicas": 3}}, resource=AUTOSCALERS)
    ground.wait(READY_SECONDS)
    assert ground.pods("7") == 3
    assert "kube-controller-manager" in [each["manager"] for each in ground.rollout["metadata"]["managedFields"]]


def test_one_of_another_workload_or_of_a_kind_that_the_cluster_does_not_have_changes_nothing() -> None:
    ground = Ground().with_rollout()
    for name, aim in (("other", {**ROLLOUT, "name": "other"}), ("set", {**ROLLOUT, "kind": "StatefulSet"})):
        item = autoscaler(1, 1, scaleTargetRef=aim)
        ground.cluster.add(item | {"metadata": {"name": name, "namespace": "ml"}})
    ground.wait(READY_SECONDS)
    assert ground.pods("7") == 5


@pytest.mark.parametrize(("item", "why"), [
    (autoscaler(scaleTargetRef={"kind": "Rollout"}), "spec.scaleTargetRef.name"),
    (autoscaler(0), "must be from 1 to `maxReplicas`"), (autoscaler(7), "must be from 1 to `maxReplicas`"),
    (autoscaler(1, 0), "must be from 1 to 200"), (autoscaler(1, "6"), "must be from 1 to 200"),
    (autoscaler(metrics=[]), "has no metrics to scale by")])
def test_what_is_none_is_refused_with_the_field(item: dict[str, Any], why: str) -> None:
    ground = Ground().with_rollout()
    with pytest.raises(Refusal, match=why):
        ground.cluster.server.create(AUTOSCALERS, "ml", item, Options(manager="test"))


def test_whoever_may_only_read_sees_them_as_kubectl_shows_them_and_changes_none() -> None:
    ground = Ground().with_rollout()
    ground.cluster.add(autoscaler())
    ground.wait(0)
    path = "/apis/autoscaling/v2/namespaces/ml/horizontalpodautoscalers"

    async def asked() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app(ground.cluster)), base_url="http://lab",
                                     headers={"Authorization": "Bearer reading"}) as client:
            table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
            return await client.get(path, headers=table), await client.delete(f"{path}/fraud")
    read, deleted = asyncio.run(asked())
    assert [row["cells"][:4] for row in read.json()["rows"]] == [["fraud", "Rollout/fraud", 2, 6]]
    assert deleted.status_code == 403
