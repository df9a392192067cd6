"""The samples of a world: a function of the seed and of time, complete, and one with its own past."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.lab.world.conftest import Begun
from triage.lab.promql.matching import Matcher
from triage.lab.promql.store import Column, is_stale
from triage.lab.world.scenario import available
from triage.lab.world.world import World

EVERYTHING = [Matcher("__name__", "=~", ".+")]


def everything(world: World, start: float, end: float) -> list[Column]:
    return world.store.select(EVERYTHING, round(start * 1000), round(end * 1000))


def counters(columns: list[Column]) -> Iterator[Column]:
    return (column for column in columns if column.labels["__name__"].endswith(("_total", "_count", "_bucket")))


def assert_equal(left: list[Column], right: list[Column]) -> None:
    assert [column.key for column in left] == [column.key for column in right]
    for one, other in zip(left, right, strict=True):
        assert one.times.tolist() == other.times.tolist(), one.key
        np.testing.assert_array_equal(one.values, other.values, err_msg=str(one.key))


def test_equal_seeds_give_equal_samples_whatever_the_pattern_of_ticks(new_world: Begun) -> None:
    steady, jerky = new_world("canary-latency"), new_world("canary-latency")
    end = steady.opening + 1200
    for at in np.arange(steady.opening, end + 1, 15.0):
        steady.advance(float(at))
    for at in (jerky.opening + 7, jerky.opening + 7.5, jerky.opening + 400, end):
        jerky.advance(at)
    assert_equal(everything(steady, steady.began_at, end), everything(jerky, jerky.began_at, end))


def test_another_seed_gives_other_samples(world_of: Begun) -> None:
    one, other = (everything(world_of("healthy", seed=seed), 0, 2e9) for seed in (1, 2))
    requests = [next(c for c in counters(columns) if c.labels["__name__"] == "fraud_requests_total")
                for columns in (one, other)]
    assert requests[0].values.tolist() != requests[1].values.tolist()


def test_an_hour_has_the_same_traffic_in_a_world_that_opens_an_hour_later(new_world: Begun) -> None:
    # Nothing depends on the opening here: no faults, no releases.
    early, late = (new_world("failure_modes: []", seed=3, opens_at=hour * 3600.0) for hour in (10, 11))
    start = late.began_at
    shared = {column.key: column for column in everything(late, start, early.opening)}
    found = 0
    for column in counters(everything(early, start + 1, early.opening)):
        if column.labels["__name__"] == "fraud_requests_total":
            found += 1
            np.testing.assert_array_equal(np.diff(column.values), np.diff(shared[column.key].values))
    assert found == 4


@pytest.mark.parametrize("scenario", available())
def test_every_rule_can_be_evaluated(world_of: Begun, scenario: str) -> None:
    world = world_of(scenario)
    assert [state.error for group in world.ruler.groups for state in group.rules if state.error] == []


def test_buckets_never_exceed_the_next_wider_one(world_of: Begun) -> None:
    world = world_of("nan-outputs")
    by_series: dict[tuple[tuple[str, str], ...], list[tuple[float, Column]]] = {}
    for column in everything(world, world.began_at, world.opening):
        if "le" in column.labels:
            rest = tuple(item for item in column.key if item[0] != "le")
            by_series.setdefault(rest, []).append((float(column.labels["le"]), column))
    assert len(by_series) > 20
    for buckets in by_series.values():
        ordered = [column for _, column in sorted(buckets, key=lambda bucket: bucket[0])]
        values = np.stack([column.values[~is_stale(column.values)] for column in ordered])
        assert (np.diff(values, axis=0) >= 0).all()


def test_counters_go_on_without_a_reset_from_the_older_days_into_the_newer_hours(new_world: Begun) -> None:
    world = new_world("canary-latency")
    world.make_past()
    world.advance(world.opening + 30)
    seam = round(world.began_at * 1000)
    crossing = 0
    for column in counters(everything(world, 0, 2e9)):
        values = column.values[~is_stale(column.values)]
        assert (np.diff(values) >= 0).all(), column.key
        crossing += bool(column.times[0] < seam < column.times[-1])
    assert crossing > 200


def test_the_older_days_reach_back_thirty_days_every_five_minutes(new_world: Begun) -> None:
    world = new_world("healthy")
    world.make_past()
    columns = world.store.select([Matcher("__name__", "=", "loan_requests_total"), Matcher("code", "=", "200"),
                                  Matcher("model_version", "=", "3")], 0, round(world.began_at * 1000))
    times = columns[0].times
    assert set(np.diff(times)) == {300_000}
    # Version 3 is three weeks old; version 2 was there before.
    assert world.opening - times[0] / 1000 == pytest.approx(21 * 86_400, abs=600)


def test_a_world_stays_small(new_world: Begun) -> None:
    world = new_world("healthy")
    assert len(everything(world, world.began_at, world.opening)) < 1500


def test_sums_of_histograms_are_poisoned_by_nan_as_in_a_real_client(world_of: Begun) -> None:
    world = world_of("nan-outputs")
    sums = world.store.select([Matcher("__name__", "=", "moderation_confidence_sum"), Matcher("version", "=", "5")],
                              0, round(world.opening * 1000))
    assert np.isnan(sums[0].values[-1])
    counts = world.store.select([Matcher("__name__", "=", "moderation_confidence_count"),
                                 Matcher("version", "=", "5")], 0, round(world.opening * 1000))
    assert np.isfinite(counts[0].values).all()
