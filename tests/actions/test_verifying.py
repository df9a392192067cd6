"""What has to be met after an action, and what is said of it while it cannot be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.actions.building import NOW, TARGET, FileSystem, executor, model, plan, reading, slo, snapshot
from tests.actions.test_executor import carried, outcome, prepared, system
from triage.actions.carrying import BLIND_SECONDS
from triage.actions.history import Outcome
from triage.actions.plan import Verification
from triage.actions.steps import Step
from triage.actions.verifying import EVERY, recovery, to_recover
from triage.facts.outcome import SourceState
from triage.live.snapshot import Snapshot
from triage.signals.model import SloState
from triage.signals.reading import Quality, Verdict

NAME = TARGET.model


def unknown(name: str, quality: Quality) -> SloState:
    return replace(slo(name, verdict=Verdict.UNKNOWN, burns=False), now=reading(None, quality))


@pytest.mark.parametrize(("quality", "expected"), [
    (Quality.ERROR, ("errors",)), (Quality.STALE, ("errors",)), (Quality.WAITING, ("errors",)),
    (Quality.NO_TRAFFIC, ()), (Quality.LOW_N, ()), (Quality.NO_DATA, ())], ids=str)
def test_what_is_not_known_for_want_of_an_answer_has_to_be_seen(quality: Quality, expected: tuple[str, ...]) -> None:
    assert to_recover(snapshot(model(slos=(slo(), unknown("errors", quality)))), NAME) == expected


def test_a_burn_rate_that_was_not_answered_keeps_an_objective_from_being_seen() -> None:
    found = slo(verdict=Verdict.UNKNOWN, quality=Quality.ERROR, rate=None)
    assert to_recover(snapshot(model(slos=(found,))), NAME) == ("success",)


def test_what_fails_is_always_among_it_and_what_is_met_is_not() -> None:
    burns = slo("burns", rate=3.0, verdict=Verdict.WARN)
    found = model(slos=(slo(), slo("errors", verdict=Verdict.FAIL), burns))
    assert to_recover(snapshot(found), NAME) == ("errors", "burns")


def test_of_a_silent_prometheus_what_was_met_before_is_not_seen_either() -> None:
    assert to_recover(snapshot(prometheus=SourceState.DOWN), NAME) == ("success",)


def test_of_the_unseen_only_what_is_required_unless_nothing_is() -> None:
    optional = replace(unknown("speed", Quality.ERROR), required=False)
    needed = unknown("errors", Quality.ERROR)
    shown_only = replace(optional, name="shown", objective=None, verdict=Verdict.NOT_JUDGED)
    assert to_recover(snapshot(model(slos=(needed, optional, shown_only))), NAME) == ("errors",)
    assert to_recover(snapshot(model(slos=(optional, shown_only))), NAME) == ("speed",)


@pytest.mark.parametrize("nothing", [None, replace(snapshot(), models=())], ids=["no snapshot", "no model"])
def test_where_nothing_was_read_every_objective_has_to_be_seen_and_is_judged_once_it_is(
        nothing: Snapshot | None) -> None:
    assert to_recover(nothing, NAME) == (EVERY,)
    made = plan(verification=Verification("v7 takes all traffic", 60.0, (EVERY,), "7", 600.0))
    [blind] = recovery(made, nothing, NOW)
    assert (blind.recovered, blind.sentence) == (None, "every objective cannot be seen: nothing was read of it")
    seen = snapshot(model(slos=(slo(), slo("errors", rate=9.0)), data_at=NOW + 5))
    assert [(each.name, each.recovered) for each in recovery(made, seen, NOW)] == [("success", True), ("errors", False)]


def lost() -> Snapshot:
    return snapshot(model(slos=(unknown("success", Quality.ERROR),)), prometheus=SourceState.DOWN)


async def ended(tmp_path: Path, later: Callable[[float], Snapshot]) -> tuple[Step, float]:
    """How a rollback ends that was planned without Prometheus, and after how many seconds; ``later`` is what is seen
    once its target is there, by the seconds since."""
    of = executor(tmp_path, system(tmp_path, readings=to_recover(lost(), NAME)), shown=lost())
    assert isinstance(of.system, FileSystem)
    made = await prepared(of)
    begun = of.clock.now()
    of.snapshot = lambda: later(of.clock.now() - begun)
    last = outcome(await carried(of, made))
    return last, last.at - begun


async def test_while_prometheus_stays_silent_the_end_is_unknown_and_soon(tmp_path: Path) -> None:
    last, seconds = await ended(tmp_path, lambda _: lost())
    assert last.outcome is Outcome.UNKNOWN
    assert last.sentence == "v7 takes all traffic; success cannot be seen: prometheus does not answer"
    assert BLIND_SECONDS <= seconds < 2 * BLIND_SECONDS


@pytest.mark.parametrize(("rate", "expected"), [(0.4, Outcome.DONE), (9.0, Outcome.NOT_RECOVERED)])
async def test_when_prometheus_comes_back_it_is_judged_as_usual(
        tmp_path: Path, rate: float, expected: Outcome) -> None:
    def later(seconds: float) -> Snapshot:
        return lost() if seconds < BLIND_SECONDS / 2 else snapshot(model(slos=(slo(rate=rate),), data_at=NOW + 9e3))
    last, _ = await ended(tmp_path, later)
    assert last.outcome is expected, last.sentence


async def test_a_prometheus_that_falls_silent_after_the_plan_is_waited_for_to_the_deadline(tmp_path: Path) -> None:
    def later(seconds: float) -> Snapshot:
        found = lost()
        return replace(found, sources=tuple(replace(each, since=NOW + 1e3) for each in found.sources))
    last, seconds = await ended(tmp_path, later)
    assert last.outcome is Outcome.UNKNOWN
    assert seconds >= plan().verification.recovery_seconds
