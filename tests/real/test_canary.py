"""Versions on trial whose difference is known, on a real Prometheus: what is worse is found, what is equal is not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.real.known import (
    TRIAL_APPROVED,
    TRIAL_CANARY_PER_SECOND,
    TRIAL_ERROR_RATIO,
    TRIAL_STABLE_PER_SECOND,
    TRIAL_TILTED,
    TRIAL_WORSE_RATIO,
    V1_LATENCY,
    V2_LATENCY,
)
from tests.real.stage import Stage
from tests.real.test_status import document

Canary = dict[str, Any]
Metrics = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def seen(stage: Stage) -> Mapping[str, dict[str, Any]]:
    """What ``triage status --format json`` says of these models."""
    names = ("equal", "worse", "tilted", "steady")
    return {name: document(name, config=stage.config)["models"][0] for name in names}


def by_name(model: Mapping[str, Any]) -> Metrics:
    return {metric["name"]: metric for metric in model["canary"]["metrics"]}


def failed(model: Mapping[str, Any]) -> set[str]:
    return {name for name, metric in by_name(model).items() if metric["gates"] and metric["verdict"] == "fail"}


def test_a_canary_worse_by_a_known_margin_fails_on_it_and_on_nothing_else(seen: Mapping[str, dict[str, Any]]) -> None:
    worse = seen["worse"]
    assert worse["canary"]["verdict"] == "fail"
    assert failed(worse) == {"success"}
    success = by_name(worse)["success"]
    assert success["delta"] == pytest.approx(TRIAL_ERROR_RATIO - TRIAL_WORSE_RATIO, rel=1e-3)
    assert (worse["verdict"], worse["urgency"], worse["urgency_rule"]) == ("fail", "page", "canary")


def test_an_equal_canary_passes_on_everything(seen: Mapping[str, dict[str, Any]]) -> None:
    equal = seen["equal"]
    assert (equal["canary"]["verdict"], equal["verdict"]) == ("pass", "pass")
    assert {m["verdict"] for m in by_name(equal).values() if m["gates"]} == {"pass"}


def test_both_arms_have_the_events_that_were_served_since_the_trial_began(seen: Mapping[str, dict[str, Any]]) -> None:
    canary = seen["equal"]["canary"]
    began, read_to = (datetime.fromisoformat(canary[key]).timestamp() for key in ("since", "read_to"))
    success = by_name(seen["equal"])["success"]
    assert success["n_canary"] == pytest.approx((read_to - began) * TRIAL_CANARY_PER_SECOND, rel=1e-2)
    assert success["n_stable"] / success["n_canary"] == pytest.approx(
        TRIAL_STABLE_PER_SECOND / TRIAL_CANARY_PER_SECOND, rel=1e-2)
    assert success["canary"] == pytest.approx(1 - TRIAL_ERROR_RATIO, abs=1e-5)


def test_a_canary_that_decides_otherwise_fails_on_its_classes_alone(seen: Mapping[str, dict[str, Any]]) -> None:
    tilted = seen["tilted"]
    assert tilted["canary"]["verdict"] == "fail"
    assert failed(tilted) == {"decision approve", "decision decline"}
    approve = by_name(tilted)["decision approve"]
    assert (approve["canary"], approve["stable"]) == pytest.approx((TRIAL_TILTED, TRIAL_APPROVED), rel=1e-3)


def test_a_slower_canary_is_slower_by_ranks_as_its_distribution_says(seen: Mapping[str, dict[str, Any]]) -> None:
    whole = by_name(seen["steady"])["latency p95"]
    assert whole["verdict"] == "fail"
    # The share of pairs in which it takes longer, from the buckets of both: ties count half.
    edges = (0.0, *V1_LATENCY.shares, 1.0), (0.0, *V2_LATENCY.shares, 1.0)
    stable, canary = ([b - a for a, b in itertools.pairwise(e)] for e in edges)
    longer = sum(c * (sum(stable[:i]) + stable[i] / 2) for i, c in enumerate(canary))
    assert whole["effect"] == pytest.approx(longer, abs=1e-3)
    assert failed(seen["steady"]) == {"success", "latency"}
