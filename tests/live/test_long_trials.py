"""A canary that is hours and days old: what was proven stays proven, and its start and stable's past stay its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.desk.test_policy import AUTO, paused
from tests.live.long_trials import BORN, DAY, HOUR, Bad, StoreServer, counters, judged, looking, once, world
from triage.actions.plan import Action
from triage.clock import ManualClock
from triage.desk.policy import due
from triage.facts.rollouts import RolloutFacts
from triage.lab.promql.store import Store
from triage.live.trial_asker import AT_FIRST, AT_ONCE
from triage.signals.canary import CanaryVerdict
from triage.signals.canary_words import not_compared
from triage.signals.reading import Verdict

AGES = [3, 11.9, 12.2, 18, 23.5, 23.98, 24.2, 26, 34, 50, 72.5]
"""Hours: around every time at which intervals get longer, and at which the usual look sees its beginning no more."""


@pytest.fixture(scope="module")
def burst() -> Store:
    return world(BORN + 74 * HOUR, bad=Bad())


@pytest.fixture(scope="module")
def equal() -> Store:
    return world(BORN + 15 * DAY, before=3 * DAY)


def at(hours: float) -> ManualClock:
    return ManualClock(BORN + hours * HOUR + 40)


async def test_what_failed_once_fails_at_every_later_look(burst: Store, tmp_path: Path) -> None:
    found = [judged(await once(StoreServer(burst, at(hours)), tmp_path)) for hours in AGES]
    assert {state.verdict for state in found} == {CanaryVerdict.FAIL}
    assert {state.started_at for state in found} == {BORN + 60}
    assert len({state.metrics[0].failed_at for state in found}) == 1
    assert {(state.stable, state.canary, state.known_from) for state in found} == {("v1", "v2", "traffic")}


async def test_a_screen_that_was_open_for_days_says_what_one_look_says(burst: Store, tmp_path: Path) -> None:
    clock = at(AGES[0])
    async with looking(StoreServer(burst, clock), tmp_path) as poller:
        for hours in AGES:
            clock.advance(max(0.0, BORN + hours * HOUR - clock.now()))
            for _ in range(3):
                clock.advance(20)
                shown = await poller.refresh_once()
            assert judged(shown) == judged(await once(StoreServer(burst, ManualClock(shown.at)), tmp_path)), hours


async def test_what_is_past_is_asked_once(burst: Store, tmp_path: Path) -> None:
    clock = at(30)
    server = StoreServer(burst, clock)
    async with looking(server, tmp_path) as poller:
        for _ in range(60):
            await poller.refresh_once()
            clock.advance(60)
    steps = [step for expression, _, _, step in server.ranges if "timestamp(" not in expression]
    # Twelve hours of minutes, twelve of two; then a new interval of four every four minutes.
    assert (steps.count(60.0), steps.count(120.0)) == (1, 1)
    assert 15 <= steps.count(240.0) <= 17
    assert sum("timestamp(" in expression for expression, *_ in server.ranges) == 3


async def test_no_refresh_asks_more_than_a_few_parts_and_nothing_is_said_before_all_are_there(
        burst: Store, tmp_path: Path) -> None:
    clock = at(72)
    server = StoreServer(burst, clock)
    async with looking(server, tmp_path) as poller:
        sent, models = [], []
        for _ in range(4):
            before = len(server.ranges)
            models.append((await poller.refresh_once()).models[0])
            sent.append(len(server.ranges) - before)
            clock.advance(5)
    # A look for the hours in which both began and one for each minute; then intervals of 1, 2, 4 and 8 minutes.
    assert sent == [AT_FIRST, AT_ONCE, 2, 0]
    assert [model.canary is not None and model.canary.state is not None for model in models] == [
        False, False, True, True]
    assert not_compared(models[1]) == "not compared yet: the hours before are being read"


async def test_what_was_answered_in_part_is_asked_again_and_never_kept(burst: Store, tmp_path: Path) -> None:
    clock = at(14)
    server = StoreServer(burst, clock, warn=["v1|v2"])
    async with looking(server, tmp_path) as poller:
        for _ in range(2):
            reading = (await poller.refresh_once()).models[0].canary
            clock.advance(5)
        assert reading is not None
        assert reading.warnings == ("half of it is missing",)
        server.warn = ()
        clock.advance(150)
        reading = (await poller.refresh_once()).models[0].canary
        assert reading is not None
        assert reading.warnings == ()
    assert [step for *_, step in server.ranges] == [60.0, 120.0, 60.0, 120.0]


async def test_a_part_that_fails_leaves_the_verdict_out_until_it_is_there(burst: Store, tmp_path: Path) -> None:
    clock = at(14)
    server = StoreServer(burst, clock, refuse=["[2m15s]"])
    async with looking(server, tmp_path) as poller:
        for _ in range(2):
            reading = (await poller.refresh_once()).models[0].canary
            clock.advance(5)
        assert reading is not None
        assert reading.state is None
        assert reading.failure is not None
        server.refuse = ()
        clock.advance(120)
        assert judged(await poller.refresh_once()).verdict is CanaryVerdict.FAIL


async def test_a_canary_as_good_as_stable_passes_after_days_too(equal: Store, tmp_path: Path) -> None:
    for hours in (30, 100, 300):
        assert judged(await once(StoreServer(equal, at(hours)), tmp_path)).verdict is CanaryVerdict.PASS


@pytest.mark.parametrize(("hours", "retention"), [(14.2 * 24, "400d"), (14.2 * 24, ""), (72, "2d")])
async def test_a_canary_older_than_anything_that_is_seen_does_not_pass(
        hours: float, retention: str, equal: Store, tmp_path: Path) -> None:
    store = equal if retention != "2d" else world(BORN + 73 * HOUR, before=3 * DAY, kept_from=BORN + 24 * HOUR)
    state = judged(await once(StoreServer(store, at(hours), retention), tmp_path, describes="v2"))
    assert state.verdict is CanaryVerdict.ERROR
    assert state.reason.startswith("when v2 began cannot be seen in the 14 d that are looked at, or that the server")
    assert state.both_moved == ""


async def test_where_the_server_refuses_to_look_so_far_back_it_does_not_pass_either(
        equal: Store, tmp_path: Path) -> None:
    server = StoreServer(equal, at(30), refuse=["(min by (model_version) (timestamp("])
    state = judged(await once(server, tmp_path, describes="v2"))
    assert (state.verdict, state.started_at % HOUR) == (CanaryVerdict.ERROR, 60)
    # Until it is a day old the usual look tells.
    server = StoreServer(equal, at(23.7), refuse=["(min by (model_version) (timestamp("])
    assert judged(await once(server, tmp_path, describes="v2")).verdict is CanaryVerdict.PASS


async def test_beside_the_version_that_the_notebook_describes_one_that_nobody_saw_begin_is_a_leftover(
        equal: Store, tmp_path: Path) -> None:
    model = (await once(StoreServer(equal, at(14.2 * 24)), tmp_path)).models[0]
    assert model.canary is None
    assert [version.arm for version in model.versions.items] == ["stable", ""]


async def test_where_the_server_does_not_say_what_it_keeps_the_oldest_version_is_not_dated(tmp_path: Path) -> None:
    store = world(BORN + 31 * HOUR, before=0)
    state = judged(await once(StoreServer(store, at(30), ""), tmp_path, describes="v2"))
    assert state.verdict is CanaryVerdict.ERROR
    assert judged(await once(StoreServer(store, at(30)), tmp_path, describes="v2")).verdict is CanaryVerdict.PASS


async def test_after_a_day_it_has_baked_and_is_promoted(equal: Store, tmp_path: Path) -> None:
    manifest = AUTO.model_copy(update={"metadata": AUTO.metadata.model_copy(update={"name": "m"})})
    for hours, said in ((23.5, "it bakes until"), (24.1, "canary passes"), (100, "canary passes")):
        snapshot = await once(StoreServer(equal, at(hours)), tmp_path)
        made = paused(30)
        rollout = made.models[0].rollout
        assert isinstance(rollout, RolloutFacts)
        last = max(number for number, step in enumerate(rollout.steps) if step.until_resumed or step.pause_seconds)
        since = snapshot.at - 1800
        model = replace(snapshot.models[0], verdict=Verdict.PASS, rollout=replace(
            rollout, step_index=last, pauses=(replace(rollout.pauses[0], since=since),)))
        found = due(manifest, replace(snapshot, models=(model,)))
        assert said in found.sentence, hours
        assert (found.action is Action.PROMOTE) is (hours > 24)


async def test_of_many_models_each_trial_keeps_its_own_intervals_whenever_it_began(tmp_path: Path) -> None:
    """A week apart: as one range query in steps of a minute they would be more points than a server gives."""
    clock = at(8 * 24)
    both = world(clock.now(), before=3 * DAY)
    for labels, times, values in counters(clock.now(), before=3 * DAY, born=BORN + 7.5 * DAY, bad=Bad(), model="n"):
        both.append(labels, times, values)
    server = StoreServer(both, clock)
    async with looking(server, tmp_path, also="n") as poller:
        for _ in range(4):
            snapshot = await poller.refresh_once()
            clock.advance(5)
    states = [model.canary.state for model in snapshot.models if model.canary is not None]
    assert [state is not None and (str(state.verdict), state.started_at) for state in states] == [
        ("pass", BORN + 60), ("fail", BORN + 7.5 * DAY + 60)]
    assert max((end - start) / step for _, start, end, step in server.ranges) < 2000
    assert not any(model.canary is not None and model.canary.failure for model in snapshot.models)
