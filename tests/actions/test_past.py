"""What the target system records of other people's changes: cool-down, going back and forth, and the source of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.actions.building import DAY, NOW, circumstances, observed
from tests.actions.test_guards import LOST, deed, found
from triage.actions.alias import recorded as registry_recorded
from triage.actions.guards.checking import Verdict
from triage.actions.history import History
from triage.actions.plan import Action
from triage.actions.system import Change, Recorded
from triage.facts.versions import RegisteredModel, RegisteredVersion

EMPTY = History(())
SOURCE = "its managedFields and ReplicaSets"


def known(*changes: Change, history: History = EMPTY, missing: str = "") -> dict[str, object]:
    return {"observed": replace(observed(), recorded=Recorded(changes, "" if missing else SOURCE, missing)),
            "history": history}


def wrote(who: str, ago: float) -> Change:
    return Change(NOW - ago, f"{who} wrote it (managedFields)")


THREE = (wrote("kubectl-edit", 60), wrote("argocd-controller", 180), wrote("helm", 400))


def test_what_others_did_with_other_tools_counts() -> None:
    answer = found("cool-down", circumstances(Action.PROMOTE, **known(*THREE)))
    assert answer.verdict is Verdict.BLOCKED
    assert answer.sentence == ("3 actions on it in 10 min already, 0 by this journal, the others by its "
                               "managedFields and ReplicaSets: kubectl-edit wrote it (managedFields), 1 m 00 s ago")


def test_the_way_back_is_only_asked_about() -> None:
    answer = found("cool-down", circumstances(Action.ROLLBACK, **known(*THREE)))
    assert (answer.verdict, answer.acknowledgement) == (Verdict.WARN, "cool-down")


def test_one_change_in_journal_and_system_is_one() -> None:
    own = History((deed(at=NOW - 60),))
    answer = found("cool-down", circumstances(Action.PROMOTE, **known(
        wrote("triage", 55), wrote("kubectl-edit", 300), wrote("deployer", 310), history=own)))
    assert answer.sentence == "2 of 3 actions in 10 min, by this journal and its managedFields and ReplicaSets"


@pytest.mark.parametrize("change", [wrote("kubectl-edit", 601), Change(None, "somebody moved it")])
def test_what_is_over_or_has_no_time_is_not_counted(change: Change) -> None:
    assert found("cool-down", circumstances(Action.PROMOTE, **known(change))).sentence.startswith("0 of 3")


def test_a_system_that_records_nothing_is_said_to() -> None:
    of = circumstances(Action.PROMOTE, **known(missing="HAProxy records no changes of weights"))
    assert found("cool-down", of).sentence == ("0 of 3 actions in 10 min, by this journal alone: HAProxy records no "
                                               "changes of weights")
    assert found("toggle", of).sentence == ("v7 was not left in the last 24 h, by this journal alone: HAProxy records "
                                            "no changes of weights")


def test_a_target_that_cannot_be_read_tells_nothing() -> None:
    assert "by this journal alone" in found("cool-down", circumstances(Action.PROMOTE, observed=LOST)).sentence


ROLLED_BACK = Change(NOW - 3600, "rollback from v7 by ana (annotation triage.dev/last-action)", "v7", "v7 loses orders")


def test_a_version_that_somebody_else_rolled_back_is_not_gone_back_to() -> None:
    answer = found("toggle", circumstances(Action.ROLLBACK, **known(ROLLED_BACK)))
    assert answer.verdict is Verdict.BLOCKED
    assert answer.breakable
    assert answer.sentence == ("v7 was left 1 h 00 m ago: rollback from v7 by ana (annotation triage.dev/last-action): "
                               "v7 loses orders: this leads back to it")


@pytest.mark.parametrize(("change", "words"), [
    (replace(ROLLED_BACK, why=""), "v7 was left 1 h 00 m ago"),
    (replace(ROLLED_BACK, at=None), "v7 was left, when is not recorded")])
def test_what_is_not_known_of_it_is_asked_about(change: Change, words: str) -> None:
    for action in (Action.ROLLBACK, Action.PROMOTE_FULL):
        answer = found("toggle", circumstances(action, **known(change)))
        assert (answer.verdict, answer.acknowledgement) == (Verdict.WARN, "toggle")
        assert words in answer.sentence


@pytest.mark.parametrize("changes", [
    known(replace(ROLLED_BACK, at=NOW - DAY - 1)), known(replace(ROLLED_BACK, left="v9")),
    known(replace(ROLLED_BACK, at=None), history=History((deed(before="7", after="6", at=NOW - 3 * DAY),))),
    known(replace(ROLLED_BACK, why=""), history=History((deed(before="7", after="6", at=NOW - 3 * DAY),)))])
def test_another_version_and_another_day_hold_nothing_back(changes: dict[str, object]) -> None:
    answer = found("toggle", circumstances(Action.ROLLBACK, **changes))
    assert (answer.verdict, answer.sentence) == (
        Verdict.OK, "v7 was not left in the last 24 h, by this journal and its managedFields and ReplicaSets")


def model(tags: dict[str, str], *, updated: float | None = None, here: str = "7") -> RegisteredModel:
    versions = tuple(RegisteredVersion(name, NOW - DAY, updated_at=updated) for name in ("8", "7"))
    return RegisteredModel("fraud", versions, {"champion": here}, NOW, tags)


NOTE = '{"actor": "ana", "alias": "champion", "from": "8", "incident": "", "reason": "slow", "to": "7"}'
KEY = "triage.rollback.0123456789ab"


def test_the_note_that_a_rollback_left_in_the_registry_tells_others_of_it() -> None:
    found_there = registry_recorded(model({KEY: NOTE}), "champion")
    assert found_there.changes == (Change(None, f"rollback from v8 by ana (tag {KEY})", "v8", "slow"),)
    assert found_there.missing == "MLflow does not record who moved an alias, or when"


@pytest.mark.parametrize("tags", [
    {KEY: NOTE.replace("champion", "shadow")}, {KEY: "["}, {KEY: "7"}, {KEY: NOTE.replace('"ana"', "7")},
    {"triage.promote-full.0123456789ab": NOTE}, {"other": NOTE}, {}])
def test_other_tags_tell_nothing(tags: dict[str, str]) -> None:
    assert registry_recorded(model(tags), "champion").changes == ()


def test_a_note_of_a_rollback_that_the_alias_has_left_again_tells_nothing() -> None:
    assert registry_recorded(model({KEY: NOTE}, here="8"), "champion").changes == ()


def test_when_the_entry_of_what_is_served_was_changed_counts() -> None:
    [change] = registry_recorded(model({}, updated=NOW - 60), "champion").changes
    assert change == Change(NOW - 60, "the entry of v7 was changed (its last_updated_timestamp)")
    assert registry_recorded(model({}, updated=NOW - DAY), "champion").changes == ()
