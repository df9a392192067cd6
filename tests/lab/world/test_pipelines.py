"""What people let pipelines do, and what it does to the world."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab.world.conftest import Begun
from triage.lab.world.pipelines import PipelineError
from triage.lab.world.world import World

Ask = Callable[..., dict[str, float]]
CHAT = 'sum(rate(http_requests_total{model_name="chat-assistant"}[1m]))'
KILLED = 'sum(increase(kube_pod_container_status_restarts_total{namespace="assist"}[5m]))'
AGE = "time() - feature_store_updated_timestamp_seconds"
LOWEST = ("sum(increase(loan_feature_value_bucket{feature='debt_ratio', le='0.05'}[1h]))"
          " / sum(increase(loan_feature_value_count{feature='debt_ratio'}[1h]))")
"""Share of the values that old rows have as well as those that are missing in them."""


def age(world: World, value_of: Ask, at: float, store: str = "credit_bureau") -> float:
    world.advance(at)
    return value_of(world, AGE, "store", at)[store]


def test_load_that_is_shed_does_not_reach_the_model_and_its_pods_live(new_world: Begun, value_of: Ask) -> None:
    world = new_world("oom-under-load")
    before = value_of(world, CHAT, "")[""]
    assert value_of(world, KILLED, "")[""] > 0
    world.pipelines.start("shed-load", "chat-assistant", {"share": 0.4})
    at = world.opening + 900
    world.advance(at)
    assert value_of(world, CHAT, "", at)[""] == pytest.approx(0.6 * before, rel=0.15)
    assert value_of(world, KILLED, "", at)[""] == 0
    assert world.truth("chat-assistant", 300)["chat-assistant-r31"].error_ratio < 0.005


def test_load_comes_back_when_it_is_not_shed_any_more(new_world: Begun, value_of: Ask) -> None:
    world = new_world("healthy")
    before = value_of(world, CHAT, "")[""]
    world.pipelines.start("shed-load", "chat-assistant", {"share": 0.9})
    world.advance(world.opening + 120)
    assert value_of(world, CHAT, "", world.opening + 120)[""] < 0.2 * before
    # A shed load is replaced, not shed twice.
    at = world.opening + 300
    again = new_world("healthy")
    for share in (0.5, 0.5, 0):
        again.pipelines.start("shed-load", "chat-assistant", {"share": share})
    again.advance(at)
    assert value_of(again, CHAT, "", at)[""] == pytest.approx(before, rel=0.15)


def test_a_view_that_is_filled_again_is_fresh_after_its_run_and_stays_so(new_world: Begun, value_of: Ask) -> None:
    world = new_world("features-stale")
    old = age(world, value_of, world.opening)
    assert old > 2 * 3600
    off = value_of(world, LOWEST, "")[""]
    world.pipelines.start("rematerialize", "loan-approval", {})
    assert age(world, value_of, world.opening + 60) > old
    assert age(world, value_of, world.opening + 120) < 60
    later = world.opening + 2 * 3600
    assert age(world, value_of, later) < 1900
    assert value_of(world, LOWEST, "", later)[""] < 0.75 * off


def test_a_view_in_order_can_be_filled_too(new_world: Begun, value_of: Ask) -> None:
    world = new_world("healthy")
    before = age(world, value_of, world.opening, "payments_profile")
    assert before > 150
    world.pipelines.start("rematerialize", "fraud-scorer", {})
    assert age(world, value_of, world.opening + 90, "payments_profile") == before + 90
    assert age(world, value_of, world.opening + 120, "payments_profile") == 25


@pytest.mark.parametrize(("action", "model", "parameters", "why"), [
    ("explode", "fraud-scorer", {}, "there is no pipeline explode; there are: shed-load, rematerialize"),
    ("shed-load", "nobody", {"share": 0.1}, "there is no model nobody"),
    ("shed-load", "fraud-scorer", {}, "takes a share from 0 to 0.95"),
    ("shed-load", "fraud-scorer", {"share": "0.5"}, "takes a share"),
    ("shed-load", "fraud-scorer", {"share": True}, "takes a share"),
    ("shed-load", "fraud-scorer", {"share": 1}, "takes a share"),
    ("shed-load", "fraud-scorer", {"share": 0.1, "for": "1h"}, "nothing else"),
    ("rematerialize", "chat-assistant", {}, "chat-assistant reads no feature view"),
    ("rematerialize", "loan-approval", {"store": "credit_bureau"}, "takes no parameters"),
])
def test_what_cannot_be_run_says_why(world_of: Begun, action: str, model: str, parameters: dict[str, object],
                                     why: str) -> None:
    pipelines = world_of("healthy").pipelines
    with pytest.raises(PipelineError, match=why):
        pipelines.start(action, model, parameters)
    assert pipelines.runs == []


def test_a_repeated_key_starts_nothing_new(new_world: Begun) -> None:
    pipelines = new_world("healthy").pipelines
    first = pipelines.start("shed-load", "fraud-scorer", {"share": 0.2}, key="a")
    assert pipelines.start("shed-load", "fraud-scorer", {"share": 0.2}, key="a") is first
    with pytest.raises(PipelineError, match="belongs to run 1"):
        pipelines.start("shed-load", "fraud-scorer", {"share": 0.3}, key="a")
    assert pipelines.start("shed-load", "fraud-scorer", {"share": 0.2}).number == 2
    assert [run.number for run in pipelines.runs] == [1, 2]
