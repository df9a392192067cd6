"""What a person types."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.incident.stories import ANN
from triage.incident import by_hand
from triage.incident.by_hand import NotUnderstood
from triage.incident.entries import NO_CHANGE, RUNBOOK_CHANGED, Kind
from triage.incident.incident import Handoff

NOW = 1_795_444_380.0
"""23 November 2026, 14:33 UTC."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    clock.tzset()
    yield
    monkeypatch.undo()
    clock.tzset()


@pytest.mark.parametrize(("typed", "kind", "minutes", "text"), [
    ("v8 looks slow", Kind.NOTE, 0, "v8 looks slow"),
    ("! roll back", Kind.DECISION, 0, "roll back"),
    ("?skewed amounts", Kind.HYPOTHESIS, 0, "skewed amounts"),
    ("@ somebody of payments", Kind.NEED, 0, "somebody of payments"),
    ("14:20 support called", Kind.NOTE, -13, "support called"),
    ("14:20:30 support called", Kind.NOTE, -12.5, "support called"),
    ("23:50 first complaint", Kind.NOTE, -883, "first complaint"),
    ("2026-11-23 09:33 deploy", Kind.NOTE, -300, "deploy"),
    ("-12m support called", Kind.NOTE, -12, "support called"),
    ("-1.5h ! wait", Kind.DECISION, -90, "wait"),
    ("! 14:20 roll back", Kind.DECISION, -13, "roll back"),
    ("14:34 clocks differ", Kind.NOTE, 0, "clocks differ"),
    ("99:99 is no clock", Kind.NOTE, 0, "99:99 is no clock"),
])
def test_a_note_may_be_more_and_may_be_dated_back(typed: str, kind: Kind, minutes: float, text: str) -> None:
    found = by_hand.note(typed, ANN, NOW)
    assert (found.kind, found.at, found.text, found.written_at) == (kind, NOW + 60 * minutes, text, NOW)


@pytest.mark.parametrize("typed", ["", "  ", "!", "14:20", "-0m nothing", "2026-13-40 10:00 x", "2026-11-24 10:00 x",
                                   "29:10 late"])
def test_what_cannot_be_a_note_is_said_to_be_none(typed: str) -> None:
    with pytest.raises(NotUnderstood):
        by_hand.note(typed, ANN, NOW)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_note_of_the_past_or_refused(typed: str) -> None:
    try:
        found = by_hand.note(typed, ANN, NOW)
    except NotUnderstood:
        return
    assert found.text
    assert found.at <= NOW


@pytest.mark.parametrize(("typed", "state"), [("confirmed: digest differs", "confirmed"), ("ref no", "refuted"),
                                              ("open again", "open")])
def test_a_hypothesis_is_settled_with_a_reason(typed: str, state: str) -> None:
    assert by_hand.settle("h", typed, ANN, NOW).state == state


@pytest.mark.parametrize("typed", ["", "maybe so", "confirmed"])
def test_a_hypothesis_is_not_settled_without_one(typed: str) -> None:
    with pytest.raises(NotUnderstood):
        by_hand.settle("h", typed, ANN, NOW)


def test_roles_are_taken_given_and_left() -> None:
    assert by_hand.role("oper", ANN, NOW).about == "operations"
    assert by_hand.role("commander", ANN, NOW).state == ANN
    assert by_hand.role("scribe bob", ANN, NOW).state == "bob"
    assert by_hand.role("scribe -", ANN, NOW).state == ""
    with pytest.raises(NotUnderstood, match="there is no role boss"):
        by_hand.role("boss ann", ANN, NOW)
    with pytest.raises(NotUnderstood):
        by_hand.role("com ann", ANN, NOW)


def test_a_named_time_needs_a_name_and_how_it_is_known() -> None:
    found = by_hand.time("impact started 14:00 first complaint", ANN, NOW)
    assert (found.about, found.at, found.text) == ("impact started", NOW - 33 * 60, "first complaint")
    for typed in ("started 14:00", "mitigated 14:00"):
        with pytest.raises(NotUnderstood):
            by_hand.time(typed, ANN, NOW)


@pytest.mark.parametrize("typed", ["", "soon", "5s", "30d"])
def test_an_update_says_when_the_next_one_comes(typed: str) -> None:
    assert by_hand.update("30 min", ANN, NOW).details["next_seconds"] == "1800"
    with pytest.raises(NotUnderstood):
        by_hand.update(typed, ANN, NOW)


def test_a_handoff_says_something_of_every_field() -> None:
    found = by_hand.hand_off("bob", {"do not touch": "-"}, ANN, NOW)
    assert (found.about, found.details["do not touch"]) == ("bob", "-")
    with pytest.raises(NotUnderstood, match="says nothing of: next check"):
        by_hand.hand_off("bob", {"next check": " "}, ANN, NOW)
    with pytest.raises(NotUnderstood):
        by_hand.hand_off(" ", {}, ANN, NOW)


def test_a_handoff_is_taken_by_somebody_else_who_says_so() -> None:
    waits = Handoff("h", ANN, "bob", NOW, {})
    assert by_hand.accept(waits, " Accept", "bob@b", NOW).text == "bob@b has the incident now"
    assert by_hand.accept(waits, "accept", "cy@c", NOW).text == "cy@c has the incident now; it was given to bob"
    with pytest.raises(NotUnderstood, match="it stays with"):
        by_hand.accept(waits, "", "bob@b", NOW)
    with pytest.raises(NotUnderstood, match="another person accepts it"):
        by_hand.accept(waits, "accept", f"{ANN.partition('@')[0]}@elsewhere", NOW)


@pytest.mark.parametrize("typed", ["", "changed", "none:", "done all"])
def test_closing_says_what_changes_in_the_runbook_or_why_nothing(typed: str) -> None:
    assert by_hand.close("changed: step 4 names the alias", ANN, NOW).state == RUNBOOK_CHANGED
    assert by_hand.close("none: it said all", ANN, NOW).state == NO_CHANGE
    with pytest.raises(NotUnderstood):
        by_hand.close(typed, ANN, NOW)


@pytest.mark.parametrize("typed", ["the token is hf_abcdefghijklmnopqrstuvwxyz0123456789",
                                   "14:20 see postgres://app:hunter2@db.example/prod"])
def test_a_secret_is_not_written_down(typed: str) -> None:
    with pytest.raises(NotUnderstood, match="it is not written"):
        by_hand.note(typed, ANN, NOW)
    with pytest.raises(NotUnderstood, match="it is not written"):
        by_hand.hand_off("bob", {"next check": typed}, ANN, NOW)


def test_what_is_typed_is_cleaned() -> None:
    assert "\x1b" not in by_hand.note("see \x1b[31m this", ANN, NOW).text
