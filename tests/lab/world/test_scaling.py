"""What scales the pods of a model, and where one can read of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab.world.conftest import Begun
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.objects import moment
from triage.lab.cluster.resources import DEPLOYMENTS, EVENTS
from triage.lab.world.world import World

Ask = Callable[..., dict[str, float]]
REVISION = "review-sentiment-predictor-00012"
DEPLOYMENT = f"{REVISION}-deployment"
COLD = "increase(review_cold_starts_total[10m])"


def replicas(world: World) -> int:
    return int(world.cluster.storage.get(DEPLOYMENTS, "reviews", DEPLOYMENT)["spec"]["replicas"])


def keep(world: World, pods: str) -> None:
    world.cluster.server.patch(DEPLOYMENTS, "reviews", DEPLOYMENT, "", "merge",
                               {"metadata": {"annotations": {"autoscaling.knative.dev/min-scale": pods}}},
                               Options(manager="test"))


def test_a_serverless_deployment_has_the_pods_that_its_autoscaler_reports(new_world: Begun, value_of: Ask) -> None:
    world = new_world("cold-starts")
    seen = set()
    for later in range(0, 900, 15):
        world.advance(world.opening + later)
        reported = value_of(world, "autoscaler_actual_pods", "revision_name", world.opening + later)
        assert reported == {REVISION: replicas(world)}
        seen.add(replicas(world))
    assert {0, 1} <= seen


def test_the_last_hour_of_cold_starts_can_be_read_as_events(world_of: Begun) -> None:
    world = world_of("cold-starts")
    told = {event["message"].split()[1]: event for event in world.cluster.storage.all(EVENTS, "reviews")
            if event["reason"] == "ScalingReplicaSet"}
    assert set(told) == {"up", "down"}
    for event in told.values():
        assert event["source"] == {"component": "deployment-controller"}
        assert event["involvedObject"]["name"] == DEPLOYMENT
        assert event["count"] > 5
        assert 0 <= world.opening - moment(event["lastTimestamp"]) < 3600


def test_at_night_its_deployment_is_empty(world_of: Begun) -> None:
    assert replicas(world_of("failure_modes: []", seed=1, opens_at=3.5 * 3600)) == 0


def test_a_pod_that_is_kept_ends_the_cold_starts(new_world: Begun, value_of: Ask) -> None:
    world = new_world("cold-starts")
    assert value_of(world, COLD, "revision_name")[REVISION] > 3
    keep(world, "1")
    at = world.opening + 1200
    world.advance(at)
    assert value_of(world, COLD, "revision_name", at)[REVISION] == 0
    assert value_of(world, "min_over_time(autoscaler_actual_pods[10m])", "revision_name", at)[REVISION] >= 1
    assert value_of(world, "increase(review_invocations_total[10m])", "revision_name", at)[REVISION] > 10


def test_what_is_no_number_of_pods_keeps_none(new_world: Begun) -> None:
    world = new_world("failure_modes: []", seed=1, opens_at=3.5 * 3600)
    for nonsense in ("-1", "many", "0"):
        keep(world, nonsense)
        world.advance(world.opening + 60)
        assert replicas(world) == 0
    keep(world, "2")
    world.advance(world.opening + 120)
    assert replicas(world) == 2
