"""The guard of the way back, by table: what has all traffic next must not be the version on trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.actions.building import NOW, circumstances, model, observed, plan, revision, rollout, snapshot
from triage.actions.circumstances import Circumstances
from triage.actions.guards import check
from triage.actions.guards.checking import Checked, Verdict
from triage.actions.history import Attempt, Deed, History, Outcome
from triage.actions.plan import Action, State
from triage.actions.system import Fate, Observed
from triage.facts.rollouts import Split

ALONE = Observed(NOW, {"uid": "u-1", "step": 1})
"""A target whose system knows no roles of versions: an alias, a pipeline."""
SHARED = (Split("7", 25, 100, 25.0), Split("8", 75, 100, 75.0), Split("6", 0, 100, 0.0))


def answer(of: Circumstances) -> Checked:
    return next(each for each in check(of) if each.name == "roles")


def said_by(known_from: str) -> Any:
    found = model()
    return snapshot(replace(found, versions=replace(found.versions, known_from=known_from)))


def balanced(**changes: Any) -> Observed:
    return observed(rollout(**({"kind": "Backend", "splits": SHARED, "roles_from": "the registry's alias"} | changes)))


def unknown(**changes: Any) -> dict[str, Any]:
    return {"observed": balanced(stable=None, canary=None, roles_from="", roles_doubt="which is not known"), **changes}


def promoted(action: Action = Action.PROMOTE, version: str = "8", fate: Fate = Fate.DONE) -> History:
    return History((Deed("a" * 16, plan(action, after=State(version)), "ben", NOW - 60,
                         (Attempt(0, NOW - 60, fate, ""),), Outcome.DONE),))


TO_TRIAL = {"plan": plan(after=State("8"))}


@pytest.mark.parametrize(("changes", "words"), [
    ({"plan": plan(after=State("8", 3))}, "v8 (revision 3) is on trial itself"),
    (TO_TRIAL | {"observed": balanced()}, "v8 is on trial itself, and v7 is stable, by the registry's alias"),
    (TO_TRIAL | {"plan": plan(Action.ABORT, after=State("8")), "observed": balanced()}, "v8 is on trial itself"),
    (TO_TRIAL | {"observed": ALONE, "snapshot": said_by("registry")}, "on trial, by the registry"),
    (TO_TRIAL | unknown(history=promoted()), "gave it traffic 1 m 00 s ago, by the journal")])
def test_all_traffic_to_the_version_on_trial_is_blocked(changes: dict[str, Any], words: str) -> None:
    found = answer(circumstances(**changes))
    assert (found.verdict, found.breakable) == (Verdict.BLOCKED, True)
    assert words in found.sentence


@pytest.mark.parametrize(("changes", "words"), [
    (unknown(), "which is not known"),
    (TO_TRIAL | unknown(history=promoted(Action.PROMOTE_FULL)), "which is not known"),
    (TO_TRIAL | unknown(history=promoted(version="7")), "which is not known"),
    (TO_TRIAL | unknown(history=promoted(fate=Fate.REFUSED)), "which is not known"),
    ({"observed": balanced(roles_doubt="the alias is with 8")}, "the alias is with 8"),
    (TO_TRIAL | {"observed": ALONE, "snapshot": said_by("traffic")}, "on trial, by the traffic"),
    ({"observed": ALONE, "snapshot": None}, "has not been read")])
def test_what_is_not_sure_has_to_be_acknowledged(changes: dict[str, Any], words: str) -> None:
    found = answer(circumstances(**changes))
    assert (found.stops, found.acknowledgement) == (False, "roles")
    assert words in found.sentence


@pytest.mark.parametrize("changes", [
    {}, {"observed": balanced()}, {"plan": plan(after=State("6")), **unknown()},
    {"observed": ALONE, "snapshot": said_by("registry")}, {"plan": plan(after=State("6")), "observed": balanced()},
    {"plan": plan(after=State("8", 3)), "observed": observed(rollout(aborted=True))},
    {"plan": plan(after=State("8", 3)), "observed": observed(rollout(stable=revision("8", 3), canary=None))}])
def test_the_version_that_is_stable_or_takes_nothing_is_gone_back_to(changes: dict[str, Any]) -> None:
    assert answer(circumstances(**changes)).verdict is Verdict.OK
