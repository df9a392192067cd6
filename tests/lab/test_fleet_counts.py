"""Approvals, deploys and retrain runs of thirty days, counted a second time from what the lab's servers say themselves.

The second count asks MLflow's and Kubernetes' APIs plainly and knows nothing of how the product reads them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.lab.conftest import Opening, Standing
from tests.lab.standing import TOKEN, Lab

SCENARIO = "canary-latency"


def asked(running: Lab, path: str, **parameters: str) -> Any:
    answer = httpx.get(f"{running.url}/{path}", params=parameters, trust_env=False,
                       headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def since(running: Lab) -> datetime:
    return datetime.fromtimestamp(running.clock.now(), UTC) - timedelta(days=30)


def of_registry(running: Lab, model: str) -> tuple[int, int]:
    """(versions of the last thirty days that carry an approval, training runs that made versions in that time)."""
    found = asked(running, "mlflow/api/2.0/mlflow/model-versions/search", filter=f"name='{model}'")["model_versions"]
    approved, runs = 0, set()
    for version in found:
        if datetime.fromtimestamp(version["creation_timestamp"] / 1000, UTC) < since(running):
            continue
        approved += {"key": "validation_status", "value": "approved"} in version.get("tags", [])
        run = asked(running, "mlflow/api/2.0/mlflow/runs/get", run_id=version["run_id"])["run"]["info"]
        assert run["end_time"] <= version["creation_timestamp"]
        runs.add(run["run_id"])
    return approved, len(runs)


def has_older_approval(running: Lab, model: str) -> bool:
    found = asked(running, "mlflow/api/2.0/mlflow/model-versions/search", filter=f"name='{model}'")["model_versions"]
    return any({"key": "validation_status", "value": "approved"} in version.get("tags", []) for version in found
               if datetime.fromtimestamp(version["creation_timestamp"] / 1000, UTC) < since(running))


def of_cluster(running: Lab, model: str, namespace: str) -> int:
    """ReplicaSets that a Rollout began in the last thirty days: one for each template that was rolled out."""
    items = asked(running, f"kubernetes/apis/apps/v1/namespaces/{namespace}/replicasets")["items"]
    return sum(datetime.fromisoformat(item["metadata"]["creationTimestamp"]) >= since(running) for item in items
               if item["metadata"]["ownerReferences"][0]["kind"] == "Rollout"
               and item["metadata"]["ownerReferences"][0]["name"] == model)


@pytest.mark.parametrize(("model", "namespace"), [
    ("fraud-scorer", "ml"), ("image-moderation", "vision"), ("loan-approval", "credit")])
def test_what_was_done_in_thirty_days_is_what_the_servers_tell(opening: Opening, standing: Standing, model: str,
                                                               namespace: str) -> None:
    fleet = opening(SCENARIO).fleet
    assert fleet is not None
    [row] = [row for row in fleet.rows if row.name == model]
    approved, runs = of_registry(standing(SCENARIO), model)
    assert runs
    assert (row.activity.approvals, row.activity.retrains) == (approved, runs)
    assert row.activity.deploys == of_cluster(standing(SCENARIO), model, namespace)
    # When a tag was set MLflow does not tell: of an older version nobody knows whether its approval is of this time.
    assert ("approvals" in row.activity.at_least) is has_older_approval(standing(SCENARIO), model)


def test_a_deploy_of_the_last_hour_is_also_among_the_events(opening: Opening, standing: Standing) -> None:
    running = standing(SCENARIO)
    items = asked(running, "kubernetes/api/v1/namespaces/ml/events")["items"]
    told = [item for item in items if item["reason"] == "RolloutUpdated"
            and item["involvedObject"]["name"] == "fraud-scorer"]
    hour = running.clock.now() - 3600
    recent = [item for item in asked(running, "kubernetes/apis/apps/v1/namespaces/ml/replicasets")["items"]
              if datetime.fromisoformat(item["metadata"]["creationTimestamp"]).timestamp() >= hour]
    assert len(told) == len(recent)


def test_the_fleets_counts_are_the_sums_of_its_models(opening: Opening, standing: Standing) -> None:
    fleet = opening(SCENARIO).fleet
    assert fleet is not None
    registered = [of_registry(standing(SCENARIO), row.name) for row in fleet.rows]
    assert (fleet.activity.approvals, fleet.activity.retrains) == tuple(map(sum, zip(*registered, strict=True)))
