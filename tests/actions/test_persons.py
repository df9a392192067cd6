"""The guard that asks for other persons, and what the owners of shared files prove about them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.building import NOW, circumstances, plan
from tests.actions.test_guards import LOST, deed, found
from triage.actions.approvals import ApprovalRequest, Approved, approved, ask, changed, read, write
from triage.actions.circumstances import Policy
from triage.actions.file_owners import Owner, Proof, proof
from triage.actions.guards.checking import Verdict
from triage.actions.history import History
from triage.actions.plan import Action
from triage.actions.system import Authority, Wish, authenticated

REQUEST = ApprovalRequest("r" * 16, plan(Action.PROMOTE), Wish(Action.PROMOTE), NOW + 600)
ANA, BEN, CEM = (Owner(1000 + number, name) for number, name in enumerate(("ana", "ben", "cem")))


@pytest.mark.parametrize(("changes", "words"), [
    ({}, "needs 1 other person"),
    ({"approval": REQUEST}, "ana asked for it and may not approve it"),
    ({"approval": REQUEST, "identity": LOST}, "cannot be read"),
    ({"approval": REQUEST, "identity": "unverified: ben"}, "nobody says who you are"),
    ({"approval": REQUEST, "identity": "system:anonymous"}, "use a credential of your own"),
    ({"approval": REQUEST, "identity": ""}, "nobody says who you are"),
    ({"identity": "unverified: ben", "authority": Authority("", "name haproxy.identity in triage.yaml")},
     "told from another: name haproxy.identity in triage.yaml"),
    ({"approval": REQUEST, "identity": "ben", "authority": Authority("Kubernetes prod-eu", impersonates=True)},
     "you are ben by impersonation"),
    ({"plan": plan(Action.PROMOTE, actor="unverified: ana@x"), "identity": "ben"}, "nobody authenticated"),
    ({"approval": replace(REQUEST, expires_at=NOW - 60), "identity": "ben"}, "has ended"),
    ({"approval": replace(REQUEST, expires_at=NOW + 86400), "identity": "ben"}, "holds longer than any does"),
    ({"approval": replace(REQUEST, plan=plan(Action.PROMOTE, reason="other")), "identity": "ben"}, "another plan"),
    ({"approval": REQUEST, "identity": "ben", "history": History((deed(approval="r" * 16),))}, "used already"),
    ({"approval": REQUEST, "identity": "ben", "policy": Policy(approvals=2)}, "1 of 2 other persons"),
    ({"approval": replace(REQUEST, approvals=tuple(Approved(by, NOW) for by in ("ana", "ben", "unverified: c"))),
      "identity": "ben", "policy": Policy(approvals=2)}, "1 of 2"),
    ({"approval": replace(REQUEST, approvals=(Approved("cem", NOW),), owners=(ANA, ANA)), "identity": "ben",
      "policy": Policy(approvals=2), "uid": BEN.uid}, "ana owns the file of ana and that of cem, beside other users"),
    ({"approval": replace(REQUEST, owners=(replace(ANA, is_open=True),)), "identity": "ben", "uid": BEN.uid},
     "can be written by others than ana"),
    ({"approval": replace(REQUEST, owners=(BEN,)), "identity": "ben", "uid": BEN.uid,
      "policy": Policy(approvals=1, needs_owners=True)}, "actions.two_persons: os-users"),
])
def test_one_person_alone_may_not_promote(changes: dict[str, Any], words: str) -> None:
    answer = found("persons", circumstances(Action.PROMOTE, **{"policy": Policy(approvals=1), **changes}))
    assert answer.stops
    assert words in answer.sentence


@pytest.mark.parametrize(("needed", "approvals", "owners"), [
    (1, (), (ANA,)), (2, (Approved("cem", NOW),), (ANA, CEM))])
@pytest.mark.parametrize("strict", [False, True])
def test_another_person_may(needed: int, approvals: tuple[Approved, ...], owners: tuple[Owner, ...],
                            strict: bool) -> None:
    answer = found("persons", circumstances(
        Action.PROMOTE, policy=Policy(approvals=needed, needs_owners=strict), identity="ben", uid=BEN.uid,
        approval=replace(REQUEST, approvals=approvals, owners=owners)))
    assert answer.verdict is Verdict.OK
    assert "asked for by ana" in answer.sentence
    assert "the file of ana belongs to ana" in answer.sentence


def test_where_one_user_holds_every_file_it_is_said_that_only_the_file_names_who_asked() -> None:
    answer = found("persons", circumstances(
        Action.PROMOTE, policy=Policy(approvals=1), identity="ben", uid=BEN.uid,
        approval=replace(REQUEST, owners=(BEN,))))
    assert (answer.verdict, answer.stops, answer.acknowledgement) == (Verdict.WARN, False, "")
    assert answer.sentence == ("asked for by ana, approved by ben; who asked is known from the file alone: your "
                               "own user owns it")


def test_retraining_asks_for_the_approval_that_its_own_policy_wants() -> None:
    assert found("persons", circumstances(Action.RETRAIN, policy=Policy(approvals=0, retrain_approvals=1))).stops
    assert not found("persons", circumstances(Action.RETRAIN, policy=Policy(retrain_approvals=0))).stops


@pytest.mark.parametrize(("owners", "uid", "strength", "words"), [
    ((ANA, CEM), BEN.uid, Proof.PROVEN, "the file of a belongs to ana; the file of c belongs to cem"),
    ((ANA, ANA), BEN.uid, Proof.CONTRADICTED, "ana owns the file of a and that of c"),
    ((BEN, CEM), BEN.uid, Proof.CONTRADICTED, "ben owns the file of a and runs this, beside other users"),
    ((BEN, BEN), BEN.uid, Proof.NAMED, "approved before is known from the files alone: your own user owns them"),
    ((None, CEM), BEN.uid, Proof.NAMED, "the file of a is not beside it"),
    ((None, BEN), BEN.uid, Proof.NAMED, "the file of a is not beside it"),
    ((ANA, CEM), 0, Proof.NAMED, "root writes as anybody"),
    ((ANA, replace(CEM, is_open=True)), BEN.uid, Proof.CONTRADICTED, "the file of c can be written by others"),
    ((), BEN.uid, Proof.NAMED, "it is no file"),
])
def test_what_owners_prove(owners: tuple[Owner | None, ...], uid: int, strength: Proof, words: str) -> None:
    found_strength, sentence = proof(("a", "c"), owners, "b", uid)
    assert (found_strength, words in sentence) == (strength, True), sentence


@given(st.lists(st.none() | st.builds(Owner, st.integers(0, 4), st.just("u"), st.booleans()), max_size=4),
       st.integers(0, 4))
def test_nothing_is_proven_unless_every_file_is_of_another_user(owners: list[Owner | None], uid: int) -> None:
    persons = [f"p{number}" for number in range(len(owners))]
    strength, _ = proof(persons, owners, "me", uid)
    uids = [uid, *(None if owner is None else owner.uid for owner in owners)]
    is_clean = bool(owners) and None not in uids and len(set(uids)) == len(uids) and uid != 0 and not any(
        owner is not None and owner.is_open for owner in owners)
    assert (strength is Proof.PROVEN) == is_clean


@pytest.mark.parametrize(("name", "known"), [
    ("ana", True), ("system:serviceaccount:ml:ci", True), ("", False), ("system:anonymous", False),
    ("unverified: ana@x", False)])
def test_a_name_that_nobody_vouches_for_is_none(name: str, known: bool) -> None:
    assert authenticated(name) is known


def shared(folder: Path) -> tuple[Path, Path]:
    """A request, and an approval that was added to it."""
    first, second = folder / "promote.json", folder / "promote-2.json"
    write(ask(plan(Action.PROMOTE), Wish(Action.PROMOTE), NOW), first)
    write(approved(read(first), "cem", NOW), second)
    return first, second


def test_a_file_is_read_with_the_owners_of_all_that_it_answers(tmp_path: Path) -> None:
    first, second = shared(tmp_path)
    assert [owner and (owner.uid, owner.is_open) for owner in read(second).owners] == [(os.geteuid(), False)] * 2
    assert (read(second).answers, read(second).persons) == ("promote.json", ("ana", "cem"))
    first.chmod(0o666)
    assert [owner and owner.is_open for owner in read(second).owners] == [True, False]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owners_are_those_of_the_file_system(tmp_path: Path) -> None:
    first, second = shared(tmp_path)
    os.chown(first, 4711, -1)
    os.chown(second, 4712, -1)
    request = read(second)
    assert [owner and (owner.uid, owner.name) for owner in request.owners] == [(4711, "4711"), (4712, "4712")]
    assert proof(request.persons, request.owners, "ben", 4713)[0] is Proof.PROVEN


def test_what_an_approval_answers_and_is_not_beside_it_proves_nothing(tmp_path: Path) -> None:
    first, second = shared(tmp_path)
    first.unlink()
    assert read(second).owners[0] is None
    write(ask(plan(Action.PROMOTE), Wish(Action.PROMOTE), NOW), first)
    # Another request in its place is not the one that was answered.
    assert read(second).owners[0] is None


def test_a_file_that_was_changed_after_it_was_shown_is_found(tmp_path: Path) -> None:
    first, second = shared(tmp_path)
    request = read(second)
    assert changed(request) == ""
    first.chmod(0o622)
    assert "was changed since it was read" in changed(request)
    second.unlink()
    assert "cannot be read" in changed(request)
    assert changed(replace(request, path=None)) == ""
