"""Which promotion brings a rollback on to its goal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.actions.building import NOW, plan, revision, rollout
from triage.actions.history import Attempt, Deed, History
from triage.actions.leading_back import leading_back
from triage.actions.plan import Action, State
from triage.actions.system import Fate

BACK = Deed("a1", plan(Action.ROLLBACK), "ana", NOW - 60, (Attempt(0, NOW - 60, Fate.DONE, "done"),))
ON_TRIAL = replace(revision("7", 4), earlier_numbers=(2,))
ONWARD = plan(Action.PROMOTE_FULL, before=State("8", 3), after=State("7", 4))


@pytest.mark.parametrize(("uid", "found"), [("u-1", BACK), ("u-2", None)], ids=["the same object", "made anew"])
def test_a_rollback_of_another_object_of_the_same_name_leads_nowhere(uid: str, found: Deed | None) -> None:
    there = rollout(uid=uid, stable=revision("8", 3), canary=ON_TRIAL)
    assert leading_back(ONWARD, there, History((BACK,))) == found


@pytest.mark.parametrize("trial", [
    replace(ON_TRIAL, number=5), replace(ON_TRIAL, earlier_numbers=()), replace(ON_TRIAL, version="9")],
    ids=["deployed later", "never gone back to", "another version"])
def test_another_revision_than_the_rollback_made_is_on_trial_as_any_other(trial: object) -> None:
    assert leading_back(ONWARD, rollout(stable=revision("8", 3), canary=trial), History((BACK,))) is None
