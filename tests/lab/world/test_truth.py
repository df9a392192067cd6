"""The samples say what is true of the world, within chance."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.lab.world.conftest import Begun
from triage.lab.cluster.resources import PODS

Ask = Callable[..., dict[str, float]]
WINDOW = 1800.0
ERRORS = ('sum by (model_version) (increase(fraud_requests_total{code=~"5.."}[30m]))'
          ' / sum by (model_version) (increase(fraud_requests_total[30m]))')
REQUESTS = "sum by (model_version) (increase(fraud_requests_total[30m]))"


@pytest.mark.parametrize("what", ["healthy", "bad-rollback-target", "canary-latency",
                                  "faults: [{kind: errors, model: fraud-scorer, magnitude: 0.3}]"])
def test_requests_and_error_ratios_are_those_of_the_truth(world_of: Begun, value_of: Ask, what: str) -> None:
    world = world_of(what)
    truth = world.truth("fraud-scorer", WINDOW)
    requests, errors = (value_of(world, expression, "model_version") for expression in (REQUESTS, ERRORS))
    assert set(requests) == set(truth)
    for version, figures in truth.items():
        # increase() extrapolates over half a scrape at either end.
        assert requests[version] == pytest.approx(figures.requests, abs=5 * math.sqrt(figures.requests) + 60)
        spread = math.sqrt(figures.error_ratio * (1 - figures.error_ratio) / figures.requests)
        assert errors[version] == pytest.approx(figures.error_ratio, abs=5 * spread + 1e-5)


def test_a_fault_of_one_version_leaves_the_other_alone(world_of: Begun, value_of: Ask) -> None:
    world = world_of("canary-latency")
    truth = world.truth("fraud-scorer", WINDOW)
    assert truth["8"].slowdown > 2.8
    assert truth["7"].slowdown < 1.2
    slow = value_of(world, "1 - sum by (model_version) (increase(fraud_request_duration_seconds_bucket{le='0.5'}[30m]))"
                           " / sum by (model_version) (increase(fraud_request_duration_seconds_count[30m]))",
                    "model_version")
    assert slow["8"] > 0.15
    assert slow["7"] < 0.01


def test_a_canary_gets_its_weight_of_the_traffic(world_of: Begun) -> None:
    truth = world_of("canary-latency").truth("fraud-scorer", WINDOW)
    whole = sum(figures.requests for figures in truth.values())
    assert truth["8"].requests / whole == pytest.approx(0.10, abs=0.001)


def test_few_requests_are_few(world_of: Begun, value_of: Ask) -> None:
    world = world_of("low-traffic")
    assert sum(f.requests for f in world.truth("loan-approval", 3600).values()) == pytest.approx(240, abs=110)
    canary = value_of(world, "sum by (model_version) (increase(loan_requests_total[1h]))", "model_version")["3"]
    assert canary < 60


def test_a_feature_on_a_good_day_looks_like_its_reference(world_of: Begun, value_of: Ask) -> None:
    world = world_of("failure_modes: []", seed=1)
    within = value_of(world, "sum by (le) (increase(fraud_feature_value_bucket{feature='amount'}[1h]))"
                             " / on() group_left() sum(increase(fraud_feature_value_count{feature='amount'}[1h]))",
                      "le")
    assert within["40.0"] == pytest.approx((589 + 1428 + 3177 + 4723) / 20_000, abs=0.01)


def test_a_shifted_feature_moves_its_histogram_and_the_scores(world_of: Begun, value_of: Ask) -> None:
    shifted = world_of("faults: [{kind: feature_shift, model: fraud-scorer, feature: amount, magnitude: 3}]", seed=1)
    usual = world_of("failure_modes: []", seed=1)

    def median(world: object, metric: str) -> float:
        return value_of(world, f"histogram_quantile(0.5, sum by (le) (increase({metric}[30m])))", "")[""]

    assert median(shifted, 'fraud_feature_value_bucket{feature="amount"}') > 2.5 * median(
        usual, 'fraud_feature_value_bucket{feature="amount"}')
    assert median(shifted, "fraud_score_bucket") > 1.3 * median(usual, "fraud_score_bucket")


def test_a_stale_view_grows_old_and_its_feature_goes_astray(world_of: Begun, value_of: Ask) -> None:
    world = world_of("features-stale")
    age = value_of(world, "time() - feature_store_updated_timestamp_seconds", "store")
    assert age["credit_bureau"] > 2 * 3600
    assert age["payments_profile"] < 1900


def test_killed_pods_restart_and_say_why(world_of: Begun, value_of: Ask) -> None:
    world = world_of("oom-under-load")
    restarts = value_of(world, 'kube_pod_container_status_restarts_total{namespace="assist"}', "pod")
    assert sum(restarts.values()) >= 3
    reasons = value_of(world, "max by (reason) (kube_pod_container_status_last_terminated_reason)", "reason")
    assert reasons == {"OOMKilled": 1.0}


def test_the_cluster_counts_the_same_restarts_as_the_metrics(new_world: Begun, value_of: Ask) -> None:
    world = new_world("oom-under-load")
    for later in (0, 7, 1500):
        at = world.opening + later
        world.advance(at)
        counted = value_of(world, 'kube_pod_container_status_restarts_total{namespace="assist"}', "pod", at)
        statuses = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]
                    for pod in world.cluster.storage.all(PODS, "assist")}
        assert counted == {name: status["restartCount"] for name, status in statuses.items()}
        assert {status["lastState"]["terminated"]["reason"] for status in statuses.values()} == {"OOMKilled"}
    assert min(counted.values()) >= 3


def test_who_is_killed_is_not_ready_and_is_taken_away_from_the_load_once(new_world: Begun, value_of: Ask) -> None:
    world = new_world("oom-under-load")
    fewest = 4
    for later in range(15, 1500, 45):
        at = world.opening + later
        world.advance(at)
        ready = sum(pod.ready for pod in world.cluster.pods("assist", "chat-assistant-r31"))
        least = value_of(world, "min(container_memory_working_set_bytes{namespace='assist'})", "", at)[""]
        assert (least < 0.1 * 48 * 2**30) == (ready < 4)
        fewest = min(fewest, ready)
    assert fewest in (2, 3)
    assert world.truth("chat-assistant", 900)["chat-assistant-r31"].error_ratio < 0.35


def test_at_night_a_serverless_model_has_no_pods(world_of: Begun, value_of: Ask) -> None:
    night = world_of("failure_modes: []", seed=1, opens_at=3.5 * 3600)
    assert value_of(night, "autoscaler_actual_pods", "revision_name") == {"review-sentiment-predictor-00012": 0.0}
    assert sum(value_of(night, "increase(review_invocations_total[1h])", "revision_name").values()) == 0


def test_a_failed_run_leaves_the_table_old_and_the_reason_in_the_log(world_of: Begun, value_of: Ask) -> None:
    world = world_of("data-gone")
    age = value_of(world, "time() - churn_table_updated_timestamp_seconds", "model")["churn-ranker"]
    assert 26 * 3600 < age < 30 * 3600
    lines = [line.text for line in world.logs.search(lambda labels: labels.get("app") == "churn-ranker", 0, 2 * 10**18)]
    assert any("FileNotFoundError" in line and "request_id" not in line for line in lines)


def test_a_subgroup_suffers_while_the_average_hardly_moves(world_of: Begun, value_of: Ask) -> None:
    helpful = value_of(world_of("subgroup-hidden"), 'chat_helpful_ratio{deployment="chat-assistant-r31"}', "language")
    assert helpful["pl"] < 0.6
    assert helpful["en"] > 0.78


def test_errors_are_in_the_log_with_request_ids_and_stack_traces(world_of: Begun) -> None:
    world = world_of("bad-rollback-target")
    lines = [line.text for line in world.logs.search(
        lambda labels: labels.get("app") == "fraud-scorer" and labels.get("level") == "error", 0, 2 * 10**18)]
    about = [line for line in lines if "merchant_age_days" in line]
    assert 20 < len(about) < 500
    assert all('"request_id": "req-' in line and "Traceback" in line for line in about)


def test_what_cannot_be_scraped_is_down_and_its_series_end(world_of: Begun, value_of: Ask) -> None:
    world = world_of("starts: 10m\nfaults: [{kind: down, model: loan-approval}]", seed=1)
    assert value_of(world, 'up{job="loan-approval"}', "job") == {"loan-approval": 0.0}
    assert value_of(world, "loan_requests_total", "code") == {}
    assert value_of(world, "loan_requests_total", "code", world.opening - 700) != {}
    down = [target for target in world.targets() if target.error]
    assert [target.job for target in down] == ["loan-approval"]


def test_the_time_of_day_is_the_scenarios_whenever_it_is_played(new_world: Begun, value_of: Ask) -> None:
    by_day, by_night = new_world("data-gone"), new_world("data-gone", opens_at=23 * 3600.0 + 17)
    ages = [value_of(world, "time() - churn_table_updated_timestamp_seconds", "model")["churn-ranker"]
            for world in (by_day, by_night)]
    assert ages[0] == pytest.approx(ages[1], abs=1200)
    rates = [sum(f.requests for f in world.truth("chat-assistant", 3600).values()) for world in (by_day, by_night)]
    assert rates[0] == pytest.approx(rates[1], rel=0.15)
