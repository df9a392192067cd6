"""Numbers of pods: bounds of a gradual replacement, and pods that stand for a weight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.cluster.durations import seconds
from triage.lab.cluster.rolling import Part, bound, bounds, next_counts, split_by_weight


@pytest.mark.parametrize(("value", "replicas", "up", "pods"), [
    ("25%", 4, True, 1), ("25%", 5, True, 2), ("25%", 5, False, 1), ("25%", 3, False, 0), (2, 10, True, 2),
    ("0%", 9, True, 0),
])
def test_surge_is_rounded_up_and_unavailability_down(value: int | str, replicas: int, up: bool, pods: int) -> None:
    assert bound(value, replicas, up=up) == pods


def test_a_replacement_that_could_neither_surge_nor_miss_a_pod_may_miss_one() -> None:
    assert bounds({"maxSurge": 0, "maxUnavailable": "10%"}, 3) == (0, 1)


@given(st.integers(1, 20), st.lists(st.integers(0, 20), min_size=1, max_size=3), st.integers(0, 5), st.integers(0, 5))
def test_a_replacement_ends_at_its_targets_and_keeps_its_bounds_all_the_way(
        replicas: int, old: list[int], surge: int, unavailable: int) -> None:
    surge, unavailable = (surge, unavailable) if surge or unavailable else (0, 1)
    old = [min(count, replicas) for count in old]
    parts = [Part(0, 0, replicas), *(Part(count, count, 0) for count in old)]
    most, least = max(replicas + surge, sum(old)), min(sum(old), replicas - unavailable)
    for _ in range(100):
        counts = next_counts(parts, replicas, surge, unavailable)
        assert sum(counts) <= most
        parts = [Part(count, min(part.available, count), part.target)
                 for count, part in zip(counts, parts, strict=True)]
        assert sum(part.available for part in parts) >= least
        if [part.replicas for part in parts] == [part.available for part in parts] == [replicas, *[0] * len(old)]:
            return
        parts = [Part(part.replicas, part.replicas, part.target) for part in parts]
    pytest.fail(f"it does not end: {parts}")


@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 5))
def test_pods_that_never_serve_do_not_take_the_place_of_those_that_do(replicas: int, surge: int, missing: int) -> None:
    surge, missing = (surge, missing) if surge or missing else (0, 1)
    parts = [Part(0, 0, replicas), Part(replicas, replicas, 0)]
    for _ in range(50):
        counts = next_counts(parts, replicas, surge, missing)
        parts = [Part(counts[0], 0, replicas), Part(counts[1], counts[1], 0)]
    assert parts[1].available >= replicas - missing


@pytest.mark.parametrize(("replicas", "weight", "surge", "pods"), [
    (10, 10, 1, (1, 9)), (10, 0, 1, (0, 10)), (10, 100, 1, (10, 0)), (5, 10, 1, (1, 5)), (5, 10, 0, (1, 4)),
    (1, 10, 1, (1, 1)), (1, 95, 1, (1, 1)), (1, 10, 0, (0, 1)), (1, 60, 0, (1, 0)), (4, 50, 1, (2, 2)),
    (0, 50, 1, (0, 0)),
])
def test_pods_come_as_near_to_the_weight_as_they_can(replicas: int, weight: int, surge: int,
                                                    pods: tuple[int, int]) -> None:
    assert split_by_weight(replicas, weight, surge) == pods


@given(st.integers(2, 30), st.integers(1, 99), st.integers(0, 2))
def test_between_nothing_and_everything_both_versions_keep_a_pod(replicas: int, weight: int, surge: int) -> None:
    canary, stable = split_by_weight(replicas, weight, surge)
    assert canary >= 1
    assert stable >= 1
    assert canary + stable in (replicas, replicas + min(surge, 1))


@pytest.mark.parametrize(("text", "length"), [
    (90, 90.0), ("90", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5h", 5400.0), (0, 0.0),
    ("soon", None), ("", None), ("10 m", None), (-1, None), (True, None), (None, None), ("m", None), ("٣m", None),
])
def test_durations_are_read_as_argo_rollouts_reads_them(text: object, length: float | None) -> None:
    assert seconds(text) == length
