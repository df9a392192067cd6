"""What the entries of a timeline add up to."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.incident.stories import ANN, BOB, T0, alert, entries, entry, logs, opened, verdict
from triage.incident.entries import NO_CHANGE, RUNBOOK_CHANGED, Entry, Kind, Source, read_line, read_log
from triage.incident.incident import Incident, replay


def made(*more: Entry) -> Incident:
    return replay("INC-0001", [opened(), *more])


@given(logs)
def test_replaying_what_counted_gives_the_same_incident(log: list[Entry]) -> None:
    once = replay("INC-0001", log)
    assert replay("INC-0001", once.log) == once


@given(logs)
def test_what_was_written_is_read_as_it_was(log: list[Entry]) -> None:
    content = b"".join(each.line() + b"\n" for each in log)
    assert replay("INC-0001", read_log(content)) == replay("INC-0001", log)


@given(logs, st.integers(0, 400))
def test_a_torn_end_costs_no_more_than_its_line(log: list[Entry], kept: int) -> None:
    content = b"\n".join(each.line() for each in log)
    cut = content[:max(len(log[0].line()), len(content) - kept)]
    whole = cut.count(b"\n")
    assert read_log(cut)[:whole] == tuple(log)[:whole]
    assert len(read_log(cut)) - whole in (0, 1)


@given(logs, entries)
def test_an_entry_that_does_not_count_changes_nothing(log: list[Entry], one: Entry) -> None:
    before, after = replay("INC-0001", log), replay("INC-0001", [*log, one])
    assert (after == before) is (len(after.log) == len(before.log))
    assert after.log[:len(before.log)] == before.log


@given(logs)
def test_telling_twice_what_counted_tells_it_once(log: list[Entry]) -> None:
    told = [each if each.kind is Kind.OPENED else replace(each, origin=f"other:{number}", id=f"id{number}")
            for number, each in enumerate(log)]
    once = replay("INC-0001", told)
    assert replay("INC-0001", [*once.log, *once.log]) == once


@given(logs)
def test_rows_stand_in_the_order_of_what_happened(log: list[Entry]) -> None:
    rows = replay("INC-0001", log).rows
    assert [row.at for row in rows] == sorted(row.at for row in rows)


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_line_is_an_entry_or_none(line: bytes) -> None:
    found = read_line(line)
    assert found is None or isinstance(found, Entry)


def test_foreign_text_is_cleaned_when_it_is_read() -> None:
    found = read_line(entry(Kind.NOTE, text="evil \x1b]52;c;x\x07").line())
    assert found is not None
    assert "\x1b" not in found.text


def test_nothing_counts_before_it_was_opened() -> None:
    assert replay("INC-0001", [alert(1)]) == Incident("INC-0001")


def test_the_same_alert_seen_by_two_screens_is_told_once_and_again_after_it_ended() -> None:
    found = made(alert(1), alert(1.1), alert(5, "ended"), alert(7))
    assert [row.entry.state for row in found.rows if row.entry.kind is Kind.ALERT] == ["firing", "ended", "firing"]


def test_a_note_that_is_dated_back_stands_where_it_belongs() -> None:
    found = made(alert(1), entry(Kind.NOTE, -5, "support heard of it", written_at=T0 + 600))
    assert found.rows[0].text == "support heard of it"
    assert found.rows[0].entry.is_backdated


def test_a_correction_keeps_what_was_said_before_in_the_log() -> None:
    found = made(entry(Kind.NOTE, 1, "v8 is slow", id="n"),
                 entry(Kind.EDITED, 2, "v8 is slow for large amounts", about="n", by=BOB))
    row = found.rows[-1]
    assert (row.text, row.edited_by, row.entry.text) == ("v8 is slow for large amounts", BOB, "v8 is slow")


def test_what_was_seen_by_itself_cannot_be_put_otherwise() -> None:
    found = made(replace(alert(1), id="x"), entry(Kind.EDITED, 2, "nothing happened", about="x"))
    assert found.rows[-1].text == "CanaryLatency firing"


def test_a_hypothesis_is_confirmed_with_a_reason_and_keeps_its_number() -> None:
    found = made(entry(Kind.HYPOTHESIS, 1, "skewed amounts", id="a"), entry(Kind.HYPOTHESIS, 2, "bad image", id="b"),
                 entry(Kind.SETTLED, 3, "digest is the same", about="b", state="refuted", by=BOB))
    assert [(h.number, h.state, h.why) for h in found.hypotheses] == [(1, "open", ""),
                                                                     (2, "refuted", "digest is the same")]


def test_a_need_is_open_until_it_is_met() -> None:
    need = entry(Kind.NEED, 1, "somebody of payments", id="n")
    assert [each.text for each in made(need).open_needs] == ["somebody of payments"]
    assert made(need, entry(Kind.MET, 2, "bob is here", about="n")).open_needs == ()


def test_a_handoff_stays_with_the_giver_until_another_person_accepts_it() -> None:
    mine = entry(Kind.ROLE, 1, about="commander", state=ANN)
    given_ = entry(Kind.HANDOFF, 2, "", about="bob", id="h", details={"next check": "14:50"})
    waiting = made(mine, given_)
    assert waiting.pending_handoff is not None
    assert waiting.roles["commander"] == ANN
    by_herself = made(mine, given_, entry(Kind.ACCEPTED, 3, about="h", by="ann@elsewhere"))
    assert by_herself.pending_handoff is not None
    taken = made(mine, given_, entry(Kind.ACCEPTED, 3, about="h", by=BOB))
    assert taken.pending_handoff is None
    assert taken.roles["commander"] == BOB
    assert set(taken.people) == {BOB}


def test_nobody_hands_an_incident_to_oneself() -> None:
    assert made(entry(Kind.HANDOFF, 2, about="Ann", id="h")).handoffs == ()


def test_closing_needs_a_change_of_the_runbook_or_a_reason() -> None:
    assert made(entry(Kind.CLOSED, 9, "", state=RUNBOOK_CHANGED)).is_open
    assert made(entry(Kind.CLOSED, 9, "over", state="whatever")).is_open
    closed = made(entry(Kind.CLOSED, 9, "it said all", state=NO_CHANGE))
    assert not closed.is_open
    assert closed.closing is not None


def test_after_closing_only_people_write_and_only_notes_corrections_and_times() -> None:
    closed = entry(Kind.CLOSED, 9, "it said all", state=NO_CHANGE)
    found = made(closed, alert(10), entry(Kind.DECISION, 11, "more"), entry(Kind.NOTE, 12, "found in the logs"))
    assert [row.entry.kind for row in found.rows][-1] is Kind.NOTE
    assert len(found.rows) == 3


def test_an_action_is_one_deed_whatever_is_told_of_it() -> None:
    def step(minutes: float, state: str, **details: str) -> Entry:
        return entry(Kind.ACTION, minutes, state, about="3f9a", state=state, source=Source.ACTIONS, details=details)
    found = made(step(1, "confirmed", title="ROLL BACK fraud-scorer to v7"), step(2, "sent"),
                 step(3, "done", over="yes"), step(4, "sent"))
    assert [(d.title, d.state, d.over) for d in found.deeds] == [("ROLL BACK fraud-scorer to v7", "done", True)]


def test_a_status_update_moves_the_next_one() -> None:
    assert made().update_due_at == T0 + 1800
    assert made(entry(Kind.UPDATE, 10, details={"next_seconds": "900"})).update_due_at == T0 + 600 + 900


def test_what_another_log_tells_is_told_once() -> None:
    step = entry(Kind.STEP, 1, "step 1 passed", origin="runbook:1", source=Source.RUNBOOK)
    assert len(made(step, replace(step, id="other")).rows) == 2


def test_verdicts_that_stay_are_no_news() -> None:
    assert len(made(verdict(1, "fail, page"), verdict(2, "fail, page"), verdict(3, "pass")).rows) == 3
