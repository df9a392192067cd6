"""What the journal's records tell of earlier actions."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.building import DAY, NOW, TARGET, plan
from triage.actions.history import History, Outcome, history_of
from triage.actions.journal import Kind, Record
from triage.actions.plan import Action, Plan, State
from triage.actions.system import Fate, Progress


def record(kind: Kind, action_id: str, at: float, **fields: Any) -> Record:
    return Record(1, at, str(kind), action_id, fields, "", "")


def told(of: Plan, at: float, *, fate: Fate | None = Fate.DONE, outcome: Outcome | None = Outcome.DONE,
         reconciled: Progress | None = None, action_id: str = "") -> list[Record]:
    name = action_id or f"{of.action}-{at:.0f}"
    found = [record(Kind.BEGUN, name, at, plan=of.content(), actor="ana"), record(Kind.INTENT, name, at, request=0)]
    if fate is not None:
        found.append(record(Kind.RESULT, name, at + 1, request=0, fate=str(fate), message="m"))
    if reconciled is not None:
        found.append(record(Kind.RECONCILED, name, at + 2, progress=str(reconciled), sentence="s"))
    if outcome is not None:
        found.append(record(Kind.CONCLUDED, name, at + 3, outcome=str(outcome), sentence="s"))
    return found


def move(action: Action, before: str, after: str) -> Plan:
    return plan(action, before=State(before), after=State(after))


def test_an_action_is_put_together_from_its_records() -> None:
    of = plan()
    deed, = history_of(told(of, NOW)).deeds
    assert (deed.plan, deed.actor, deed.outcome, deed.concluded_at, deed.last_at) == (
        of, "ana", Outcome.DONE, NOW + 3, NOW)
    assert [(a.index, a.fate) for a in deed.attempts] == [(0, Fate.DONE)]


def test_an_intent_without_a_result_is_unresolved_until_somebody_looked() -> None:
    assert history_of(told(plan(), NOW, fate=None, outcome=None)).deeds[0].unresolved
    assert history_of(told(plan(), NOW, fate=Fate.UNKNOWN)).unresolved(TARGET.key)
    for seen, settled in ((Progress.REACHED, True), (Progress.ELSEWHERE, True), (Progress.UNDER_WAY, False),
                          (Progress.CANNOT_TELL, False)):
        found = history_of(told(plan(), NOW, fate=None, outcome=None, reconciled=seen)).deeds[0]
        assert found.unresolved is not settled


def test_an_end_that_is_unknown_is_open_until_somebody_looked() -> None:
    for seen, is_open in ((None, True), (Progress.REACHED, False), (Progress.ELSEWHERE, False),
                          (Progress.UNDER_WAY, True), (Progress.CANNOT_TELL, True)):
        found = history_of(told(plan(), NOW, outcome=Outcome.UNKNOWN, reconciled=seen)).deeds[0]
        assert (found.unresolved, found.open_end) == (False, is_open)
    assert not history_of(told(plan(), NOW, outcome=Outcome.FAILED)).deeds[0].open_end


def test_only_what_changed_something_counts_towards_the_cool_down() -> None:
    records = [*told(plan(), NOW - 100, fate=Fate.REFUSED, outcome=Outcome.FAILED), *told(plan(), NOW - 50),
               *told(plan(), NOW - 40, fate=Fate.UNKNOWN, action_id="u"), *told(plan(), NOW - 5000)]
    assert len(history_of(records).recent(TARGET.key, NOW - 600)) == 2
    assert history_of(records).recent("another", NOW - 600) == ()


def test_a_version_that_was_rolled_back_or_aborted_was_left() -> None:
    of = history_of([*told(move(Action.ROLLBACK, "8", "7"), NOW - 100),
                     *told(move(Action.PROMOTE, "6", "7"), NOW - 50)])
    found = of.left(TARGET.key, "8", NOW - DAY)
    assert found is not None
    assert of.left(TARGET.key, "7", NOW - DAY) is None
    assert of.left(TARGET.key, "6", NOW - DAY) is None
    assert of.left(TARGET.key, "8", NOW - 10) is None
    assert of.left(TARGET.key, "", NOW - DAY) is None


def test_what_served_is_read_from_where_actions_led() -> None:
    of = history_of([*told(move(Action.PROMOTE_FULL, "6", "7"), NOW - 9 * DAY),
                     *told(move(Action.PROMOTE_FULL, "7", "8"), NOW - 2 * DAY),
                     *told(move(Action.ROLLBACK, "8", "7"), NOW - DAY),
                     *told(move(Action.ROLLBACK, "7", "6"), NOW - 100, fate=Fate.UNKNOWN, outcome=Outcome.UNKNOWN)])
    assert [(s.start, s.end) for s in of.served(TARGET.key, "7")] == [
        (NOW - 9 * DAY, NOW - 2 * DAY), (NOW - DAY, None)]
    assert of.served(TARGET.key, "6") == ()


def test_a_record_that_is_not_understood_is_said_and_hides_no_other() -> None:
    records = [*told(plan(), NOW), record(Kind.BEGUN, "x", NOW, plan={"action": "teleport"}, actor="a"),
               record(Kind.INTENT, "rollback-1795400000", NOW, request=7)]
    of = history_of(records)
    assert len(of.deeds) == 1
    assert "is not understood" in of.trouble


def test_no_text_of_the_journal_reaches_a_terminal_as_it_stands() -> None:
    of = plan(reason="x\x1b]0;y\x07", requests=())
    deed, = history_of([record(Kind.BEGUN, "a\x1b", NOW, plan=of.content(), actor="e\x1bve")]).deeds
    assert "\x1b" not in deed.plan.reason + deed.actor + deed.action_id


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.sampled_from(["a", "b"]), st.dictionaries(
    st.sampled_from(["plan", "actor", "request", "fate", "message", "outcome", "sentence", "progress"]),
    st.none() | st.integers(-2, 2) | st.sampled_from(["done", "unknown", "reached", "x"]))), max_size=12))
def test_whatever_stands_in_a_journal_makes_a_history(items: list[tuple[Kind, str, dict[str, Any]]]) -> None:
    records = [*told(plan(), NOW, action_id="a"), *(record(kind, name, NOW, **fields) for kind, name, fields in items)]
    assert isinstance(history_of(records), History)
