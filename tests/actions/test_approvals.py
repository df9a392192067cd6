"""Requests for approval as files: what is read from them, what is not believed, and that they are used once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.building import NOW, plan
from triage.actions.approvals import (
    ApprovalError,
    approved,
    ask,
    differences,
    dump,
    parse,
    read,
    remedy,
    use_up,
    write,
)
from triage.actions.plan import Action, BlastRadius, Plan, State, plan_of
from triage.actions.system import Wish

WISH = Wish(Action.PROMOTE, "the trial passed", "8", parameters={"a": "b"})
REQUEST = ask(plan(Action.PROMOTE), WISH, NOW)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    write(approved(REQUEST, "cem", NOW + 5), path)
    found = read(path)
    assert (found.plan, found.wish, found.id, found.expires_at) == (REQUEST.plan, WISH, REQUEST.id, NOW + 900)
    assert (found.requester, found.others("ben"), found.path) == ("ana", frozenset({"cem"}), path)


def test_a_request_is_used_once_whoever_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    write(REQUEST, path)
    assert use_up(read(path)) == ""
    write(REQUEST, tmp_path / "copy.json")
    assert "exists already" in use_up(read(tmp_path / "copy.json"))
    assert use_up(REQUEST) == ""


def test_no_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    write(REQUEST, path)
    with pytest.raises(ApprovalError, match="exists already"):
        write(REQUEST, path)
    with pytest.raises(ApprovalError, match="cannot be written"):
        write(REQUEST, tmp_path / "missing" / "request.json")


def test_a_plan_that_was_changed_in_the_file_is_found() -> None:
    body = json.loads(dump(REQUEST))
    body["plan"]["requests"][0]["path"] = "/rollouts/other"
    with pytest.raises(ApprovalError, match="was changed"):
        parse(json.dumps(body))


@pytest.mark.parametrize("identity", ["../../etc/passwd", "", "A" * 16, 7, None])
def test_an_id_that_would_name_another_file_is_no_id(identity: object) -> None:
    with pytest.raises(ApprovalError, match="cannot be read"):
        parse(json.dumps({**json.loads(dump(REQUEST)), "id": identity}))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"schema": "triage.approval/v1"}',
                                  '{"schema": "triage.approval/v2"}'])
def test_what_is_no_request_is_said(text: str) -> None:
    with pytest.raises(ApprovalError):
        parse(text)


@settings(max_examples=25, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))))
def test_whatever_stands_in_a_request_is_an_error_and_no_crash(junk: object) -> None:
    body = json.loads(dump(REQUEST))
    for field in ("plan", "wish", "approvals", "expires_at", "id"):
        try:
            parse(json.dumps({**body, field: junk}))
        except ApprovalError:
            continue


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ApprovalError, match="cannot be read: No such file"):
        read(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ApprovalError, match="it is not text"):
        read(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b" " * 1_000_001)
    with pytest.raises(ApprovalError, match="too large"):
        read(tmp_path / "large")


def test_what_makes_another_plan_is_named() -> None:
    assert differences(REQUEST.plan, replace(REQUEST.plan, made_at=NOW + 60)) == ()
    other = replace(REQUEST.plan, reason="x", requests=())
    assert differences(REQUEST.plan, other) == ("requests", "reason: errors | x")


ONE, OTHER = (f"sha256:{digit * 64}" for digit in "ab")
UNSEEN = "digest unknown: you may not list pods"


def of_image(digest: str, source: str, **changes: Any) -> Plan:
    return plan(Action.PROMOTE, after=State("8", 3, digest, "all traffic", source), **changes)


def test_where_an_image_was_read_is_not_in_the_digest_and_which_it_is_is() -> None:
    seen = of_image(ONE, "pinned by the pod template")
    assert of_image(ONE, "what the ready pods of revision 3 run").digest == seen.digest
    assert of_image("", "pinned by the pod template").digest != seen.digest
    assert of_image(OTHER, "pinned by the pod template").digest != seen.digest
    assert differences(seen, of_image(ONE, "what the ready pods of revision 3 run")) == ()


def test_an_approver_who_may_not_list_pods_is_told_what_it_takes() -> None:
    asked, mine = of_image(ONE, "what the ready pods of revision 3 run"), of_image("", UNSEEN)
    assert differences(asked, mine) == (f"after image digest: {ONE} | unknown: you may not list pods",)
    assert remedy(asked, mine) == ("approve it as somebody who may list pods: both persons have to see which image "
                                   "runs")
    moved = replace(mine, path="at once, from 40 %")
    assert remedy(asked, moved).endswith("which image runs; have it asked for again")


def test_a_requester_who_may_not_list_pods_is_no_reason_to_approve_as_another() -> None:
    asked, mine = of_image("", UNSEEN), of_image(ONE, "pinned by the pod template")
    assert differences(asked, mine) == (f"after image digest: unknown: who asked may not list pods | {ONE}",)
    assert remedy(asked, mine).startswith("have it asked for again by somebody who may list pods: ")


@pytest.mark.parametrize(("before", "after"), [
    (of_image(ONE, "pinned"), of_image(OTHER, "pinned")), (of_image(ONE, "x"), of_image("", "digest unknown: no pod")),
    (of_image(ONE, "x"), of_image(ONE, "x", reason="another")), (of_image(ONE, "x"), of_image(ONE, "x", actor="eve"))])
def test_what_no_permission_mends_is_asked_for_again(before: Plan, after: Plan) -> None:
    assert remedy(before, after) == "have it asked for again"
    [told] = differences(before, after)
    old, _, new = told.partition(": ")[2].partition(" | ")
    assert old != new


def test_texts_of_the_file_are_harmless_where_they_are_told() -> None:
    [told] = differences(of_image(ONE, "x", reason="\x1b[31mred"), of_image(ONE, "x", reason="b"))
    assert told == "reason: ␛[31mred | b"


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1) | st.integers(0, 1), st.integers(0, 20) | st.none())
def test_a_plan_has_the_same_digest_after_a_journey_through_json(share: float, replicas: int | None) -> None:
    of = plan(blast_radius=BlastRadius(share, replicas, None, "x"))
    assert plan_of(json.loads(json.dumps(of.content()))).digest == of.digest


def test_the_digest_is_of_everything_but_when_it_was_made() -> None:
    of = plan()
    assert replace(of, made_at=NOW + 1).digest == of.digest
    changes: tuple[dict[str, Any], ...] = ({"reason": "x"}, {"actor": "eve"}, {"requests": ()}, {"path": "slow"})
    for change in changes:
        assert replace(of, **change).digest != of.digest
