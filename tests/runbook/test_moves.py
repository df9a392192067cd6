"""What keys on steps come to."""

from __future__ import annotations

import pytest

from tests.runbook.examples import only, runbook
from tests.runbook.test_path import WELL, checked, done, run_of
from tests.tui import snapshots
from triage.runbook import moves
from triage.runbook.events import Event, EventKind, Outcome
from triage.runbook.intents import OpenPlan, RunCell
from triage.runbook.path import Standing, standings

BOOK = runbook()
BY = "ana@a"


def at(step: str, *events: Event, now: float = 10, text: str | None = None) -> Standing:
    book = BOOK if text is None else runbook(text)
    return next(s for s in standings(book, run_of(*events), now) if s.step.id == step)


def go(step: str, *events: Event, said: str | None = None, now: float = 10) -> moves.Move:
    return moves.go(BOOK, at(step, *events, now=now), BY, now, said)


def test_a_cell_is_begun_and_handed_on() -> None:
    move = go("moved")
    assert move.intent == RunCell("compare-feature", {"FEATURE": "amount"}, "moved")
    assert move.event is not None
    assert move.event.kind is EventKind.BEGAN


FAILED = (*WELL, done("moved", outcome=Outcome.FAILED))
TAKEN = (*FAILED, done("decide", kind=EventKind.TOOK, goto="freeze"))


def test_an_action_only_opens_its_plan_filled_in() -> None:
    move = go("roll-back", *TAKEN)
    assert (move.event, move.intent) == (None, OpenPlan("rollback", "7", "runbook slow, step 7: Roll back",
                                                        "roll-back"))


def test_a_branch_is_taken() -> None:
    move = go("decide", *FAILED)
    assert move.event == Event(EventKind.TOOK, 10, BY, "decide", Outcome.PASSED, "to 6 Freeze the canary", "freeze")


def test_a_failed_check_leads_where_it_says() -> None:
    move = go("stable-well", checked("stable-well", Outcome.FAILED))
    assert move.event == Event(EventKind.TOOK, 10, BY, "stable-well", goto="upstream")


UPSTREAM = (checked("stable-well", Outcome.FAILED), done("stable-well", kind=EventKind.TOOK, goto="upstream"))


@pytest.mark.parametrize("said", [None, "", "maybe", "x"])
def test_a_question_is_asked_until_an_answer_is_one_of_its_choices(said: str | None) -> None:
    assert go("upstream", *UPSTREAM, said=said).prompt == moves.Prompt("Is the feature store down?", ("yes", "no"))


@pytest.mark.parametrize(("said", "answer"), [("yes", "yes"), ("N", "no"), (" Y ", "yes")])
def test_the_beginning_of_an_answer_is_enough(said: str, answer: str) -> None:
    event = go("upstream", *UPSTREAM, said=said).event
    assert event is not None
    assert (event.kind, event.text) == (EventKind.ANSWERED, answer)


def test_an_exact_answer_wins_over_a_longer_one_that_begins_so() -> None:
    text = only("id: a\nkind: ask\nquestion: x\nchoices: [no, not yet]")
    event = moves.go(runbook(text), at("a", text=text), BY, 1, "no").event
    assert event is not None
    assert event.text == "no"


def test_an_approval_names_who_agreed() -> None:
    taken = (*WELL, checked("queue", Outcome.FAILED), done("moved"),
             done("decide", kind=EventKind.TOOK, goto="capacity"))
    assert go("capacity", *taken).prompt is not None
    event = go("capacity", *taken, said="bo, by phone").event
    assert event is not None
    assert (event.kind, event.outcome, event.text) == (EventKind.DONE, Outcome.PASSED, "agreed: bo, by phone")


def test_a_message_is_filled_in_and_copied() -> None:
    snapshot = snapshots.canary_failing()
    events = (*UPSTREAM, Event(EventKind.ANSWERED, 3, BY, "upstream", text="yes"))
    move = moves.go(BOOK, at("tell", *events, now=1000), BY, snapshots.NOW, None, snapshot.models[0])
    assert move.copy.startswith("fraud-scorer is fail, page: ")
    assert "{" not in move.copy
    assert move.event is not None
    assert move.event.kind is EventKind.DONE


def test_a_message_says_what_is_not_known() -> None:
    assert moves.fill("{model} {stable} {reason} {verdict}", None, 0) == (
        "(model not known) no stable version (not known) (not known)")


@pytest.mark.parametrize(("step", "events", "word"), [
    ("queue", (), "looks by itself"),
    ("decide", (), "its turn has not come: not known yet: 4"),
    ("freeze", (), "its turn has not come: if 5 leads here"),
    ("capacity", TAKEN, "does not apply: nothing leads here"),
    ("moved", (Event(EventKind.SKIPPED, 1, BY, "moved", text="x"),), "was skipped; x brings it back"),
    ("moved", (done("moved"),), "is done; x does it again"),
    ("moved", (Event(EventKind.BEGAN, 1, "bo@b", "moved"),), "bo@b began it at"),
    ("moved", (Event(EventKind.CLAIMED, 1, "bo@b", "moved"),), "bo@b is on it; c releases it"),
    ("decide", (*WELL, done("moved")), "no choice holds"),
    ("settle", (*UPSTREAM, Event(EventKind.ANSWERED, 3, BY, "upstream", text="yes")), "over in 9 m 53 s; s skips it"),
])
def test_why_nothing_happens_is_said(step: str, events: tuple[Event, ...], word: str) -> None:
    assert word in go(step, *events).refused


def test_what_failed_can_be_tried_again_at_once() -> None:
    assert go("moved", done("moved", outcome=Outcome.FAILED)).intent is not None


@pytest.mark.parametrize(("said", "outcome", "text"), [
    ("passed: 7 takes it all", Outcome.PASSED, "by hand: 7 takes it all"),
    ("Failed, no pods", Outcome.FAILED, "by hand: no pods")])
def test_what_was_done_elsewhere_is_told(said: str, outcome: Outcome, text: str) -> None:
    event = moves.by_hand(at("freeze", *TAKEN), BY, 10, said).event
    assert event is not None
    assert (event.kind, event.outcome, event.text) == (EventKind.DONE, outcome, text)


@pytest.mark.parametrize("said", [None, "passed", "yes, fine"])
def test_what_was_done_elsewhere_needs_how_and_what(said: str | None) -> None:
    assert moves.by_hand(at("freeze", *TAKEN), BY, 10, said).prompt is not None


@pytest.mark.parametrize(("step", "events", "word"), [
    ("queue", (), "nothing that is done by hand"), ("decide", FAILED, "nothing that is done by hand"),
    ("freeze", (), "its turn has not come"), ("moved", (done("moved"),), "is done"),
    ("moved", (done("moved", outcome=Outcome.FAILED),), "is done; x does it again")])
def test_not_everything_can_be_done_by_hand(step: str, events: tuple[Event, ...], word: str) -> None:
    assert word in moves.by_hand(at(step, *events), BY, 10, "passed: x").refused


@pytest.mark.parametrize(("step", "events", "word"), [
    ("moved", (Event(EventKind.SKIPPED, 1, BY, "moved", text="x"),), "skipped already"),
    ("moved", (done("moved"),), "nothing to skip"),
    ("moved", (Event(EventKind.BEGAN, 1, BY, "moved"),), "nothing to skip"),
    ("capacity", TAKEN, "does not apply")])
def test_why_nothing_is_skipped_is_said(step: str, events: tuple[Event, ...], word: str) -> None:
    assert word in moves.skip(at(step, *events), BY, 10, "reason").refused


def test_a_step_whose_turn_has_not_come_can_be_skipped() -> None:
    assert moves.skip(at("freeze"), BY, 10, "no canary").event == Event(EventKind.SKIPPED, 10, BY, "freeze",
                                                                        text="no canary")


@pytest.mark.parametrize(("step", "events", "word"), [
    ("moved", (), "has not been done"), ("queue", (checked("queue", Outcome.FAILED),), "looks by itself")])
def test_why_nothing_is_done_again_is_said(step: str, events: tuple[Event, ...], word: str) -> None:
    assert word in moves.again(at(step, *events), BY, 10).refused


def test_a_way_taken_can_be_taken_back() -> None:
    assert moves.again(at("stable-well", *UPSTREAM), BY, 10).event == Event(EventKind.AGAIN, 10, BY, "stable-well")


def test_a_claim_is_made_and_released() -> None:
    made = moves.claim(at("moved"), BY, 10).event
    assert made is not None
    assert made.kind is EventKind.CLAIMED
    released = moves.claim(at("moved", made), "bo@b", 11).event
    assert released is not None
    assert released.kind is EventKind.RELEASED
