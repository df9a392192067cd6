"""What a fleet asks seldom is asked in turns; what is used again there says what it would say if it were made anew."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.conftest import Asked, active
from tests.live.test_fleet import Notebooks
from tests.live.test_fleet import prometheus as prometheus
from tests.sources.faults import answering
from triage.clock import ManualClock
from triage.facts.samples import Sample
from triage.live.channel import ADDRESS, Grouped, by_question, combined
from triage.live.fleet_plan import Batch
from triage.live.fleet_sharing import Shared, share
from triage.live.pacing import Turn, held_back
from triage.live.poller import Poller
from triage.notebook.load import load_all

INTERVAL = 15.0


@given(st.lists(st.sampled_from((30.0, 60.0, 120.0, 300.0)), min_size=1, max_size=6),
       st.sampled_from((5.0, 15.0, 30.0)))
def test_no_refresh_asks_more_than_it_takes_and_nothing_waits_for_long(periods: Sequence[float],
                                                                       interval: float) -> None:
    turns = {number: Turn(0.0) for number in range(len(periods))}
    most = math.ceil(sum(interval / period for period in periods) - 1e-9)
    last = dict.fromkeys(turns, 0.0)
    for refresh in range(200):
        now = refresh * interval
        waiting = held_back({kind: (turn.at, periods[kind]) for kind, turn in turns.items()}, now, interval)
        asked = [kind for kind, turn in turns.items() if turn.is_due(now, interval) and kind not in waiting]
        assert len(asked) <= most
        for kind in asked:
            assert now - last[kind] <= periods[kind] + len(periods) * interval
            last[kind] = now
            turns[kind].begin(now, periods[kind])
    assert all(200 * interval - at <= periods[kind] + (len(periods) + 1) * interval for kind, at in last.items())


def test_what_has_been_due_longest_goes_first() -> None:
    assert held_back({"a": (10.0, 60.0), "b": (0.0, 60.0), "c": (100.0, 60.0)}, 30.0, 15.0) == {"a"}
    assert held_back({}, 30.0, 15.0) == frozenset()


@pytest.mark.parametrize(("turn", "now", "may_wait"), [
    (Turn(), 0.0, False), (Turn(60.0), 60.0, True), (Turn(60.0), 119.0, True), (Turn(60.0), 120.0, False),
    (Turn(60.0, failures=1), 60.0, False)])
def test_only_what_was_answered_and_is_little_overdue_may_wait(turn: Turn, now: float, *, may_wait: bool) -> None:
    assert turn.may_wait(now, 60.0) is may_wait


async def asked_in_turn(poller: Poller, prometheus: Asked, clock: ManualClock, refreshes: int) -> list[list[str]]:
    """Which windows each refresh asked about, one request after the other."""
    out = []
    for _ in range(refreshes):
        clock.advance(INTERVAL)
        before = len(prometheus.expressions)
        await poller.refresh_once(patience_seconds=30.0)
        out.append([next(w for w in ("30d", "3d", "6h", "5m") if f"[{w}]" in e)
                    for e in prometheus.expressions[before:]])
    return out


async def test_what_is_asked_seldom_is_spread_over_the_refreshes_of_a_minute(notebooks: Notebooks, prometheus: Asked,
                                                                             clock: ManualClock) -> None:
    folder = notebooks(one=3, two=3, three=3)
    poller = Poller(active(folder, prometheus.server.url, interval=INTERVAL), load_all([folder]), clock)
    poller.watch_fleet(wanted=True)
    try:
        await poller.refresh_once(patience_seconds=30.0)
        first = [*prometheus.expressions]
        asked = await asked_in_turn(poller, prometheus, clock, 24)
    finally:
        await poller.aclose()
    # Nothing waits at first; then one more at a time: two hours and six, a day and more, and once in five minutes more.
    assert len(first) == 4
    assert all(each.count("5m") == 1 and len(each) <= 2 for each in asked)
    others = [next((w for w in each if w != "5m"), "") for each in asked]
    assert others[:8] == ["", "", "", "6h", "3d", "", "", "6h"]
    assert Counter(others) == {"": 12, "6h": 6, "3d": 5, "30d": 1}


async def test_after_nobody_looked_for_minutes_everything_is_asked_at_once(notebooks: Notebooks, prometheus: Asked,
                                                                           clock: ManualClock) -> None:
    folder = notebooks(one=3, two=3)
    poller = Poller(active(folder, prometheus.server.url, interval=INTERVAL), load_all([folder]), clock)
    poller.watch_fleet(wanted=True)
    try:
        await poller.refresh_once(patience_seconds=30.0)
        clock.advance(700.0)
        [asked] = await asked_in_turn(poller, prometheus, clock, 1)
    finally:
        await poller.aclose()
    assert sorted(asked) == ["30d", "3d", "5m", "6h"]


async def test_what_failed_does_not_wait_for_its_turn(notebooks: Notebooks, prometheus: Asked,
                                                      clock: ManualClock) -> None:
    folder = notebooks(one=3, two=3)
    poller = Poller(active(folder, prometheus.server.url, interval=INTERVAL), load_all([folder]), clock)
    poller.watch_fleet(wanted=True)
    prometheus.fake.fail = lambda e: answering(500, "broken", "text/plain") if "[3d]" in e or "[6h]" in e else None
    try:
        await poller.refresh_once(patience_seconds=30.0)
        prometheus.fake.fail = lambda e: None
        asked = await asked_in_turn(poller, prometheus, clock, 4)
    finally:
        await poller.aclose()
    assert sorted(w for each in asked for w in each if w != "5m") == ["3d", "6h"]
    assert max(map(len, asked)) == 3


@given(st.lists(st.frozensets(st.sampled_from(("m", "n")), max_size=2), min_size=1, max_size=6), st.booleans())
def test_a_query_that_is_sent_again_is_the_one_that_would_be_written_anew(
        free: Sequence[frozenset[str]], listed: bool) -> None:
    asked: tuple[Shared[Hashable], ...] = tuple(share(
        (name, part, f'sum({part}{{m="{name}",n="{name}-x"}})') for name in ("a", "b") for part in ("p", "q")))
    batch = Batch(asked, listed)
    for everything in free:
        text, addresses = batch.query(everything)
        fresh, fresh_addresses = Batch(asked, listed).query(everything)
        assert (text, addresses) == (fresh, fresh_addresses)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(allow_nan=False)), max_size=20))
def test_answers_that_remember_their_questions_are_told_apart_as_by_their_addresses(
        said: Sequence[tuple[int, float]]) -> None:
    questions = ["a", "b", "c"]
    _, addresses = combined([(question, question) for question in questions])
    samples = tuple(Sample({ADDRESS: str(place)}, value, 0.0) for place, value in said)
    by_address = by_question(questions, addresses, samples)
    grouped = Grouped.of({question: found for question, found in by_address.items() if found})
    assert by_question(questions, {}, grouped) == by_address
    assert sorted(sample.value for sample in grouped) == sorted(v for place, v in said if place < len(questions))
