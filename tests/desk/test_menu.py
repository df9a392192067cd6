"""What the menu says before there is a plan: possible, not possible, not known, and why; without a rehearsal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.desk.site import Gate, Site
from tests.desk.whole import whole
from tests.tui import snapshots, trials
from triage.actions.plan import Action
from triage.clock import ManualClock
from triage.desk.actions import Possible, open_desk
from triage.live.snapshot import Snapshot

NOW = snapshots.NOW
Making = Callable[..., Site]


def failing() -> Snapshot:
    """The version on trial fails."""
    made = snapshots.canary_failing()
    return replace(made, models=(replace(made.models[0], canary=trials.failing(NOW), data_at=NOW - 2),))


def proven() -> Snapshot:
    """It is proven, and every objective is met."""
    made = snapshots.healthy()
    return replace(made, models=(replace(made.models[0], canary=trials.passing(NOW), data_at=NOW - 1),))


async def menu(site: Site, snapshot: Snapshot | None, *, write: bool = True) -> dict[Action, Possible]:
    desk = await open_desk(site.active, site.notebook, ManualClock(NOW), lambda: snapshot, write=write)
    found = {each.action: each for each in await desk.possible()}
    await desk.aclose()
    return found


@pytest.fixture
def site(make_site: Making) -> Site:
    return make_site(start=NOW, lives=False)


@pytest.mark.parametrize("action", [Action.PROMOTE, Action.PROMOTE_FULL, Action.RESUME])
async def test_what_a_guard_will_stop_is_not_possible_and_says_which_and_why(site: Site, action: Action) -> None:
    found = (await menu(site, failing()))[action]
    assert found.is_possible is False
    assert found.sentence.startswith("trial, persons: canary v8 is slower")
    assert found.sentence.endswith("; needs 1 other person: share the plan to be approved")


async def test_what_only_another_person_is_missing_for_says_just_that(site: Site) -> None:
    found = (await menu(site, proven()))[Action.PROMOTE]
    assert (found.is_possible, found.sentence) == (
        False, "persons: needs 1 other person: share the plan to be approved")


async def test_what_cannot_be_told_is_neither_possible_nor_impossible(make_site: Making) -> None:
    site = make_site(start=NOW, lives=False, spec={"promote": {"approvals": 0}})
    found = (await menu(site, None))[Action.PROMOTE]
    assert found.is_possible is None
    assert found.sentence.startswith("facts, budget, trial: nothing has been read about the model yet; ")


async def test_the_safe_direction_stays_possible_and_says_what_it_will_ask(site: Site) -> None:
    found = await menu(site, snapshots.prometheus_lost())
    assert (found[Action.ROLLBACK].is_possible, found[Action.ROLLBACK].asks) == (True, ("facts",))
    assert (found[Action.PAUSE].is_possible, found[Action.PAUSE].asks) == (True, ())


async def test_a_permission_that_is_not_known_makes_no_action_possible(site: Site, gate: Gate) -> None:
    inside = gate.inside
    assert inside is not None

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        if "selfsubjectaccessreviews" in scope.get("path", ""):
            await JSONResponse({"kind": "Status", "message": "try again"}, 503)(scope, receive, send)
        else:
            await inside(scope, receive, send)
    gate.inside = silent
    found = await menu(site, failing())
    for action in (Action.PAUSE, Action.ABORT, Action.ROLLBACK):
        assert found[action].is_possible is None, action
        assert found[action].sentence.startswith("permission: whether you may ")
        assert "is not known: " in found[action].sentence
        # Also where the question before it had failed already and it was not asked any more.
        assert "unavailable: try again" in found[action].sentence
    assert found[Action.PROMOTE].is_possible is False
    assert found[Action.PROMOTE].sentence.startswith("permission, trial, persons: whether you may ")


async def test_a_target_that_cannot_be_read_is_not_known(site: Site, gate: Gate) -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"kind": "Status", "message": "try again"}, 503)(scope, receive, send)
    gate.inside = gone
    found = await menu(site, failing())
    assert found[Action.ABORT].is_possible is None
    assert "cannot be read" in found[Action.ABORT].sentence
    # What no system does is not possible, whoever answers.
    assert found[Action.RETRAIN].is_possible is False


async def test_an_announced_freeze_stands_in_the_menu(make_site: Making) -> None:
    freeze = {"start": "2020-01-01T00:00:00Z", "end": "2040-01-01T00:00:00Z", "reason": "sale"}
    site = make_site(start=NOW, lives=False, actions={"freezes": [freeze]}, spec={"promote": {"approvals": 0}})
    found = await menu(site, proven())
    assert found[Action.PROMOTE].is_possible is False
    assert found[Action.PROMOTE].sentence.startswith("freeze: frozen until")
    assert found[Action.ROLLBACK].asks == ("freeze",)


async def test_without_write_the_menu_says_what_else_is_in_the_way(site: Site) -> None:
    found = await menu(site, failing(), write=False)
    assert found[Action.ROLLBACK].is_possible is True
    assert found[Action.PROMOTE].is_possible is False


async def test_nothing_is_rehearsed_for_the_menu(site: Site, gate: Gate) -> None:
    asked: list[tuple[str, Any]] = []
    inside = gate.inside
    assert inside is not None

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append((scope["method"], scope["path"]))
        await inside(scope, receive, send)
    gate.inside = listening
    await menu(site, failing())
    assert {method for method, _ in asked} <= {"GET", "POST"}
    assert {path.rpartition("/")[2] for method, path in asked if method == "POST"} <= {
        "selfsubjectaccessreviews", "selfsubjectreviews"}


async def test_what_lacks_more_than_a_letter_says_what_it_lacks(make_site: Making) -> None:
    site = make_site(start=NOW, lives=False, spec={"resources": {"replicas": {"min": 2, "max": 9}}})
    found = (await menu(site, failing()))[Action.SCALE]
    assert found.is_possible is True
    assert found.sentence.startswith("from 5 replicas to another number")
    assert "; not as it stands: " in found.sentence


async def test_a_silence_lacks_an_incident_until_one_is_open(tmp_path: Path) -> None:
    with whole("canary-latency", tmp_path, past=False) as lab:
        desk = await lab.desk("fraud-scorer")
        before = {each.action: each for each in await desk.possible()}[Action.SILENCE]
        assert before.sentence == ("hide FraudCanarySlow for a while; not as it stands: a silence belongs to an "
                                   "incident, and none is open")
        after = {each.action: each for each in await desk.possible("INC-0001")}[Action.SILENCE]
        assert (after.is_possible, after.sentence) == (True, "hide FraudCanarySlow for a while")
        await lab.leave()
