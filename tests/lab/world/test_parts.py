"""Distributions, draws, faults, memory and plans: the arithmetic under the world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.promql.matching import Matcher
from triage.lab.promql.store import Store, is_stale
from triage.lab.world.curves import Curve, mixed
from triage.lab.world.draws import Drawn, Wander
from triage.lab.world.effects import Effects, strength
from triage.lab.world.grid import DAY, FINE, PAST, Window
from triage.lab.world.ledger import Ledger
from triage.lab.world.memory import UNSTRESSED, occupied
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Sheet, counter
from triage.lab.world.scenario import Fault, Release, WeightStep

OPENING = 1_795_341_600.0


def fault(**fields: object) -> Fault:
    return Fault(**{"kind": "latency", "model": "fraud-scorer", "magnitude": 3.0, "onset": -600.0,  # type: ignore[arg-type]
                    **fields})


def test_an_unstretched_curve_gives_its_reference_back() -> None:
    counts = (1964, 1774, 2942, 4407, 2995, 3287, 1476, 1155)
    curve = Curve.counted((3, 6, 12, 24, 36, 60, 84), counts)
    shares = curve.shares(np.array([3, 6, 12, 24, 36, 60, 84.0]))
    np.testing.assert_allclose(shares, np.array(counts) / sum(counts), atol=1e-12)


@given(factors=st.lists(st.floats(0.01, 100), min_size=1, max_size=5), part=st.floats(0, 1))
def test_shares_are_shares_however_a_curve_is_stretched_and_mixed(factors: list[float], part: float) -> None:
    curve = Curve.lognormal(0.1, 0.6)
    bounds = np.array([0.05, 0.1, 0.5, 1.0])
    shares = mixed(curve.shares(bounds, np.array(factors)), curve.shares(bounds), part)
    assert (shares >= 0).all()
    np.testing.assert_allclose(np.atleast_2d(shares).sum(axis=1), 1.0)


def test_half_of_a_lognormal_lies_under_its_median() -> None:
    assert Curve.lognormal(0.2, 0.5).shares(np.array([0.2]))[0] == pytest.approx(0.5)
    assert Curve.lognormal(0.2, 0.5).shares(np.array([0.4]), 2.0)[0] == pytest.approx(0.5)


@given(cuts=st.lists(st.integers(1, 39), max_size=4))
def test_a_stream_does_not_care_in_how_many_pieces_it_is_read(cuts: list[int]) -> None:
    means = np.linspace(0.2, 300, 40)
    shares = np.array([0.5, 0.3, 0.2])

    def drawn(edges: list[int]) -> tuple[list[float], list[list[float]]]:
        source = Drawn(7)
        source.enter("block")
        pieces = [means[a:b] for a, b in zip([0, *edges], [*edges, 40], strict=True)]
        counts = [source.events("requests", piece) for piece in pieces]
        splits = [source.split("codes", count, shares) for count in counts]
        return np.concatenate(counts).tolist(), np.concatenate(splits).tolist()

    assert drawn(sorted(set(cuts))) == drawn([])


def test_what_is_told_apart_is_all_there() -> None:
    source = Drawn(1)
    source.enter("b")
    counts = source.events("n", np.full(50, 120.0))
    parts = source.split("k", counts, np.array([0.9, 0.09, 0.01]))
    np.testing.assert_array_equal(parts.sum(axis=1), counts)


def test_a_slow_swing_is_the_same_whenever_it_is_asked() -> None:
    times = np.arange(0, 90_000.0, 15) + OPENING
    whole = Wander(3, "x", 600.0)(times)
    np.testing.assert_allclose(Wander(3, "x", 600.0)(times[2000:2010]), whole[2000:2010])
    assert whole.std() == pytest.approx(1.0, abs=0.35)


def test_blocks_tile_the_grid() -> None:
    windows = list(FINE.windows(OPENING - 5000, OPENING + 5000))
    times = np.concatenate([window.times for window in windows])
    assert set(np.diff(times)) == {15.0}
    assert (times[0], times[-1]) == (OPENING - 4995, OPENING + 4995)
    assert len({window.block for window in windows}) == len(windows)
    assert all(len(window) <= 240 for window in windows)
    assert {w.block for w in PAST.windows(0, DAY)}.isdisjoint(window.block for window in windows)


def test_a_fault_grows_over_its_ramp_and_ends_when_it_says() -> None:
    times = OPENING + np.array([-601.0, -600, -450, -300, 0, 60])
    assert strength(fault(ramp=300.0, end=60.0), OPENING, times).tolist() == [0, 0, 0.5, 1, 1, 0]


def test_faults_of_a_version_leave_the_others_alone() -> None:
    effects = Effects([fault(version="8"), fault(magnitude=2.0)], OPENING)
    now = np.array([OPENING])
    assert effects.factor("latency", now, "8")[0] == pytest.approx(6.0)
    assert effects.factor("latency", now, "7")[0] == pytest.approx(2.0)
    assert effects.factor("errors", now, "7").tolist() == [1.0]


def test_shares_of_several_faults_never_exceed_one() -> None:
    effects = Effects([fault(kind="errors", magnitude=0.7), fault(kind="errors", magnitude=0.6)], OPENING)
    assert effects.share("errors", np.array([OPENING]))[0] == pytest.approx(1 - 0.3 * 0.4)


def test_processes_that_need_too_much_are_killed_again_and_again() -> None:
    need = np.full(240, 1.2)
    memory = occupied(need, 15.0, UNSTRESSED, 4)
    assert max(float(memory.kills(pod).sum()) for pod in range(4)) >= 7
    assert 0 < 1 - memory.available.mean() < 0.3
    halves = occupied(need[:98], 15.0, UNSTRESSED, 4)
    rest = occupied(need[98:], 15.0, halves.after, 4)
    np.testing.assert_array_equal(np.concatenate([halves.share(2), rest.share(2)]), memory.share(2))
    np.testing.assert_array_equal(np.concatenate([halves.available, rest.available]), memory.available)


def test_processes_with_enough_memory_are_left_alone() -> None:
    memory = occupied(np.full(10, 0.7), 15.0, UNSTRESSED, 4)
    assert memory.kills(0).tolist() == [0]
    assert memory.available.tolist() == [1]
    assert memory.share(3)[0] == 0.7


def test_shares_before_the_opening_follow_the_release() -> None:
    release = Release("fraud-scorer", "7", 10 * DAY, "8", (WeightStep(10, 3600), WeightStep(50, 600)))
    shares = Plan.of(release, OPENING).shares(OPENING - np.array([11 * DAY, 7200.0, 1800.0, 0.0]))
    # Versions 6, 7 and 8, oldest first.
    np.testing.assert_allclose(shares, np.array([[1, 0, 0, 0], [0, 1, 0.9, 0.5], [0, 0, 0.1, 0.5]], dtype=np.float64))


def test_a_shadow_gets_a_copy() -> None:
    release = Release("churn-ranker", "12", 30 * DAY, "13", (WeightStep(100, 3 * DAY),), arm="shadow")
    assert Plan.of(release, OPENING).shares(np.array([OPENING]))[:, 0].tolist() == [1.0, 1.0]


def sheet(first: int, *increments: float, hidden: list[float] | None = None) -> Sheet:
    times = np.arange(first, first + len(increments), dtype=np.float64) * 15
    made = Sheet(Window(times, 15.0, "b"))
    made.count(ROWS, np.array(increments))
    made.hidden = None if hidden is None else np.array(hidden)
    return made


ROWS = counter("c_total", "Counted.", {"a": "b"})


def columns(store: Store) -> tuple[list[int], list[float | None]]:
    found = store.select([Matcher("__name__", "=", "c_total")], 0, 10**12)[0]
    return found.times.tolist(), [None if gone else value for gone, value in
                                  zip(is_stale(found.values), found.values.tolist(), strict=True)]


def test_a_ledger_sums_up_and_goes_on_where_it_was_started() -> None:
    store = Store()
    ledger = Ledger(store)
    ledger.start({ROWS.key: np.array([100.0])})
    ledger.add(sheet(1, 1, 2))
    ledger.flush()
    ledger.add(sheet(3, 5))
    ledger.scrape(45.0)
    assert columns(store) == ([15_000, 30_000, 45_000], [101, 103, 108])


def test_what_cannot_be_scraped_is_marked_stale_and_counts_on() -> None:
    store = Store()
    ledger = Ledger(store)
    ledger.add(sheet(1, 1, 1, 1, 1, hidden=[0, 1, 1, 0]))
    ledger.flush()
    assert columns(store) == ([15_000, 30_000, 60_000], [1, None, 4])


def test_what_ends_is_marked_stale_and_begins_anew() -> None:
    store = Store()
    ledger = Ledger(store)
    ending = sheet(1, 7)
    ending.ended, ending.ended_at = ending.rows, 30.0
    ledger.add(ending)
    ledger.add(sheet(9, 2))
    ledger.flush()
    assert columns(store) == ([15_000, 30_000, 135_000], [7, None, 2])
