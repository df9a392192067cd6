"""What people do to the cluster and the registry changes the traffic, and the symptoms follow with a delay."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab.world.conftest import Begun
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.resources import DEPLOYMENTS, ROLLOUTS, Resource
from triage.lab.world.world import World

Ask = Callable[..., dict[str, float]]
ERRORS = ('sum by (model_version) (rate(fraud_requests_total{code=~"5.."}[1m]))'
          ' / sum by (model_version) (rate(fraud_requests_total[1m]))')
TRAFFIC = "sum by (model_version) (rate(fraud_requests_total[1m]))"
SLOW = ("1 - sum(rate(fraud_request_duration_seconds_bucket{le='0.5'}[5m]))"
        " / sum(rate(fraud_request_duration_seconds_count[5m]))")


def abort(world: World) -> None:
    world.cluster.server.patch(ROLLOUTS, "ml", "fraud-scorer", "status", "merge", {"status": {"abort": True}},
                               Options(manager="test"))


def test_an_abort_takes_the_traffic_from_the_canary(new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-latency")
    before = value_of(world, TRAFFIC, "model_version")
    assert before["8"] > 4
    abort(world)
    world.advance(world.opening + 300)
    after = value_of(world, TRAFFIC, "model_version", world.opening + 300)
    assert set(after) == {"7"}
    assert after["7"] > before["7"]


def test_the_symptom_goes_as_the_windows_forget_it_and_not_at_once(new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-latency")
    ill = value_of(world, SLOW, "")[""]
    abort(world)
    world.advance(world.opening + 600)
    soon, later = (value_of(world, SLOW, "", world.opening + at)[""] for at in (60, 600))
    assert soon > 0.6 * ill
    assert later < 0.4 * ill


def test_nobody_is_refused_while_a_canary_drains(new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-latency")
    abort(world)
    world.advance(world.opening + 120)
    assert max(value_of(world, 'increase(fraud_requests_total{code="503"}[3m])', "model_version",
                        world.opening + 120).values()) == 0


def test_a_rollback_to_a_good_version_ends_the_errors(new_world: Begun, value_of: Ask) -> None:
    world = new_world("bad-rollback-target")
    assert value_of(world, ERRORS, "model_version")["8"] > 0.03
    world.cluster.deploy("ml", "fraud-scorer", "6", image="registry.example/ml/fraud-scorer:6.0.0")
    world.advance(world.opening + 120)
    world.cluster.server.patch(ROLLOUTS, "ml", "fraud-scorer", "status", "merge", {"status": {"promoteFull": True}},
                               Options(manager="test"))
    world.advance(world.opening + 600)
    assert world.cluster.split("ml", "fraud-scorer") == {"6": 100.0}
    after = value_of(world, ERRORS, "model_version", world.opening + 600)
    assert set(after) == {"6"}
    assert after["6"] < 0.005


def test_a_rollback_to_a_bad_version_makes_it_worse(new_world: Begun, value_of: Ask) -> None:
    world = new_world("bad-rollback-target")
    assert 0.03 < value_of(world, ERRORS, "model_version")["8"] < 0.5
    world.cluster.deploy("ml", "fraud-scorer", "7", image="registry.example/ml/fraud-scorer:7.0.0")
    world.advance(world.opening + 300)
    # One release back is within the rollout's window: it gets all the traffic at once.
    assert world.cluster.split("ml", "fraud-scorer") == {"7": 100.0}
    assert value_of(world, ERRORS, "model_version", world.opening + 300)["7"] > 0.95


def test_an_alias_moves_the_traffic_of_a_model_without_a_rollout(new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-quality")
    world.registry.delete_alias("chat-assistant", "challenger")
    world.advance(world.opening + 300)
    traffic = value_of(world, 'sum by (deployment) (rate(http_requests_total{model_name="chat-assistant"}[1m]))',
                       "deployment", world.opening + 300)
    assert set(traffic) == {"chat-assistant-r30"}
    assert [pod for pod in world.cluster.pods("assist", "chat-assistant-r31") if pod.ready] == []


def test_an_alias_that_names_nothing_leaves_the_traffic_where_it_was(new_world: Begun, value_of: Ask) -> None:
    world = new_world("failure_modes: []", seed=1)
    world.registry.delete_alias("chat-assistant", "champion")
    world.advance(world.opening + 60)
    traffic = value_of(world, 'sum by (deployment) (rate(http_requests_total{model_name="chat-assistant"}[1m]))',
                       "deployment", world.opening + 60)
    assert traffic["chat-assistant-r31"] > 3


def test_a_batch_takes_its_alias_when_its_next_run_starts(new_world: Begun, value_of: Ask) -> None:
    world = new_world("failure_modes: []", seed=1, opens_at=2.5 * 3600)
    world.registry.set_alias("churn-ranker", "champion", "12")

    def ran(at: float) -> set[str]:
        return set(value_of(world, "model_build_info{model='churn-ranker'}", "model_version", at))

    world.advance(world.opening + 600)
    assert ran(world.opening + 600) == {"13"}
    world.advance(world.opening + 2400)
    assert ran(world.opening + 2400) == {"12"}


def test_a_shadow_ranks_beside_the_stable_version_until_its_alias_goes(new_world: Begun, value_of: Ask) -> None:
    release = "{model: churn-ranker, stable: '12', canary: '13', since: 3d, weight: 100, arm: shadow}"
    world = new_world(f"releases: [{release}]", seed=1, opens_at=2.5 * 3600)

    def rows(at: float) -> dict[str, float]:
        return value_of(world, "increase(churn_rows_scored_total[85m])", "model_version", at)

    world.advance(world.opening + 2 * 3600)
    both = rows(world.opening + 2 * 3600)
    assert both["12"] > 15_000
    assert both["13"] > 15_000
    world.registry.delete_alias("churn-ranker", "challenger")
    world.advance(world.opening + 26 * 3600)
    assert set(rows(world.opening + 26 * 3600)) == {"12"}


def test_the_world_goes_on_when_workloads_and_models_are_deleted(new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-quality")
    server = world.cluster.server
    server.delete(ROLLOUTS, "ml", "fraud-scorer", {}, Options(manager="test"))
    server.delete(DEPLOYMENTS, "assist", "chat-assistant-r31", {}, Options(manager="test"))
    world.registry.delete_model("review-sentiment")
    world.registry.delete_alias("chat-assistant", "challenger")
    world.advance(world.opening + 900)
    assert value_of(world, TRAFFIC, "model_version", world.opening + 900) == {}
    assert value_of(world, "up{job='review-sentiment'}", "job", world.opening + 900) == {"review-sentiment": 1.0}


def test_the_registry_knows_who_approved_what(world_of: Begun) -> None:
    open_review = world_of("unapproved").registry.version("image-moderation", 5)
    assert open_review.tags["validation_status"] == "pending"
    assert "approved_by" not in open_review.tags
    usual = world_of("canary-latency").registry
    assert usual.version("fraud-scorer", 8).tags == {"validation_status": "approved", "approved_by": "model-risk"}
    assert usual.alias("fraud-scorer", "champion") == "7"
    assert usual.alias("fraud-scorer", "challenger") == "8"


def test_a_withdrawn_version_says_so_in_the_registry(world_of: Begun) -> None:
    withdrawn = world_of("bad-rollback-target").registry.version("fraud-scorer", 7)
    assert withdrawn.tags["validation_status"] == "withdrawn"


def test_a_canary_of_minutes_has_a_rollout_at_its_step(world_of: Begun) -> None:
    world = world_of("canary-latency")
    assert world.cluster.split("ml", "fraud-scorer") == {"7": 90.0, "8": 10.0}
    versions = {pod.version for pod in world.cluster.pods("ml", "fraud-scorer") if pod.ready}
    assert versions == {"7", "8"}


def scale(world: World, resource: Resource, namespace: str, name: str, replicas: int) -> None:
    world.cluster.server.patch(resource, namespace, name, "scale", "merge", {"spec": {"replicas": replicas}},
                               Options(manager="test"))


def test_more_pods_take_the_load_and_nobody_is_killed_any_more(new_world: Begun, value_of: Ask) -> None:
    world = new_world("oom-under-load")
    ill = world.truth("chat-assistant", 600)["chat-assistant-r31"]
    assert ill.wait_seconds > 1
    scale(world, DEPLOYMENTS, "assist", "chat-assistant-r31", 7)
    at = world.opening + 900
    world.advance(at)
    assert len(value_of(world, 'kube_pod_container_resource_limits{namespace="assist"}', "pod", at)) == 7
    assert value_of(world, 'sum(increase(kube_pod_container_status_restarts_total{namespace="assist"}[5m]))', "",
                    at)[""] == 0
    well = world.truth("chat-assistant", 300)["chat-assistant-r31"]
    assert (well.wait_seconds, well.error_ratio < 0.005) == (0, True)
    # A pod that has just come has never been killed.
    assert min(value_of(world, 'kube_pod_container_status_restarts_total{namespace="assist"}', "pod", at).values()) == 0


def test_fewer_pods_than_the_load_needs_make_it_slow_until_they_are_back(new_world: Begun) -> None:
    world = new_world("healthy")
    assert world.truth("image-moderation", 300)["5"].slowdown < 1.3
    scale(world, ROLLOUTS, "vision", "image-moderation", 1)
    world.advance(world.opening + 600)
    short = world.truth("image-moderation", 300)["5"]
    assert short.wait_seconds > 0
    assert short.slowdown > 2
    scale(world, ROLLOUTS, "vision", "image-moderation", 3)
    world.advance(world.opening + 1500)
    well = world.truth("image-moderation", 300)["5"]
    assert (well.wait_seconds, well.slowdown < 1.3) == (0, True)


def test_a_promoted_canary_gets_all_of_the_traffic_and_its_symptom_all_of_the_requests(
        new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-latency")
    ill = value_of(world, SLOW, "")[""]
    world.cluster.server.patch(ROLLOUTS, "ml", "fraud-scorer", "status", "merge", {"status": {"promoteFull": True}},
                               Options(manager="test"))
    at = world.opening + 900
    world.advance(at)
    assert set(value_of(world, TRAFFIC, "model_version", at)) == {"8"}
    assert value_of(world, SLOW, "", at)[""] > 5 * ill


def test_the_next_step_shifts_the_weight_and_the_traffic_with_it(new_world: Begun, value_of: Ask) -> None:
    world = new_world("canary-latency")
    world.cluster.server.patch(ROLLOUTS, "ml", "fraud-scorer", "status", "merge",
                               {"status": {"pauseConditions": None}}, Options(manager="test"))
    at = world.opening + 600
    world.advance(at)
    assert world.cluster.split("ml", "fraud-scorer") == {"7": 75.0, "8": 25.0}
    traffic = value_of(world, TRAFFIC, "model_version", at)
    assert abs(traffic["8"] / sum(traffic.values()) - 0.25) < 0.04
