"""What runbook, cells and journal tell a timeline."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.actions.building import NOW, FileSystem, World, executor, plan
from tests.actions.test_history import told as records
from tests.incident.stories import ANN, T0, opened
from tests.runbook.examples import runbook
from triage.actions.guards.checking import Checked, Verdict
from triage.actions.history import Asked, history_of
from triage.actions.history import Outcome as ActionEnd
from triage.actions.journal import Journal
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared
from triage.actions.system import Fate, Progress, Wish
from triage.cells.capture import Capture, Part
from triage.cells.outputs import CellVerdict
from triage.cells.protocol import Outcome as End
from triage.cells.results import CellRun, Run
from triage.clock import ManualClock
from triage.desk.timeline import JournalReader, of_asked, of_capture, of_cells, of_deed, of_left, of_runbook
from triage.incident.entries import OF_INCIDENT, Entry, Kind, Source
from triage.incident.incident import replay
from triage.incident.times import TimeName, named_times
from triage.runbook.events import Event, EventKind, Outcome
from triage.runbook.steps import Query
from triage.state_dir import StateDir

BOOK = runbook()


def told(*events: Event) -> list[str]:
    return [entry.text for entry in of_runbook(events, BOOK)]


def event(kind: EventKind, **more: object) -> Event:
    made = Event(kind, T0, ANN, step=BOOK.steps[0].id)
    return replace(made, **more)  # type: ignore[arg-type]


def test_steps_are_told_by_number_and_title() -> None:
    first = BOOK.steps[0]
    name = f"step {first.number} {first.title}"
    assert told(event(EventKind.CHECKED, outcome=Outcome.PASSED, text="v8 80.0 %")) == [f"{name} passed: v8 80.0 %"]
    assert told(event(EventKind.SKIPPED, text="known")) == [f"{name} skipped: known"]
    assert told(event(EventKind.DONE, outcome=Outcome.FAILED, text="by hand: no pods")) == [
        f"{name} failed: by hand: no pods"]
    assert told(event(EventKind.ANSWERED, text="yes")) == [f"{name} answered: yes"]
    assert told(event(EventKind.BEGAN, text="cell compare")) == [f"{name} begun: cell compare"]
    second = BOOK.steps[1]
    assert told(event(EventKind.TOOK, goto=second.id)) == [f"{name} leads to {second.number} {second.title}"]


def test_the_run_itself_is_told() -> None:
    for kind, word in ((EventKind.OPENED, "begun"), (EventKind.CLOSED, "ended"), (EventKind.EDITED, "was edited")):
        assert word in told(event(kind, step=""))[0]


@pytest.mark.parametrize("kind", [EventKind.CLAIMED, EventKind.RELEASED, EventKind.AGAIN])
def test_who_is_on_a_step_is_no_news(kind: EventKind) -> None:
    assert told(event(kind)) == []


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.HOLDING])
def test_a_check_that_did_not_come_out_is_no_news(outcome: Outcome) -> None:
    assert told(event(EventKind.CHECKED, outcome=outcome)) == []


def test_a_step_of_another_text_of_the_runbook_is_told_by_its_id() -> None:
    assert told(event(EventKind.DONE, step="gone", outcome=Outcome.PASSED)) == ["step gone passed"]


def test_a_check_brings_its_query_along() -> None:
    step = next(step for step in BOOK.steps if getattr(step.does, "expr", ""))
    entry = next(of_runbook([event(EventKind.CHECKED, step=step.id, outcome=Outcome.PASSED)], BOOK))
    assert entry.details["query"] == getattr(step.does, "expr", "")


def test_a_query_that_was_looked_at_brings_itself_along() -> None:
    step = next(step for step in BOOK.steps if isinstance(step.does, Query))
    entry = next(of_runbook([event(EventKind.LOOKED, step=step.id, text="7 requests/s")], BOOK))
    assert entry.text.endswith(" showed: 7 requests/s")
    assert entry.details["query"] == "sum by (pod) (rate(requests_total[5m]))"


def test_the_same_events_tell_the_same_however_often() -> None:
    events = [event(EventKind.CHECKED, outcome=Outcome.PASSED), event(EventKind.SKIPPED, text="known", id="w")]
    again = [replace(each, id="") for each in events]
    log: list[Entry] = [opened(), *of_runbook(events, BOOK), *of_runbook(again, BOOK)]
    assert len(replay("INC-0001", log).rows) == 3


def test_a_run_of_cells_is_told_with_its_verdict() -> None:
    verdict = CellVerdict("slow", "fail", message="19.7 % take over 500 ms")
    cell = CellRun("compare", "compares", "asked", "0" * 64, End.FINISHED, outputs=(verdict,))
    entry = of_cells(Run("run-1", "fraud-scorer", ("compare",), (cell,), "ended", (), T0, T0 + 5), ANN)
    assert entry.text == "cell compare: fail: 19.7 % take over 500 ms"
    assert (entry.kind, entry.source, entry.state, entry.at) == (Kind.CELL, Source.CELLS, "fail", T0 + 5)
    assert entry.details["compare slow"] == "fail: 19.7 % take over 500 ms"


def test_a_capture_is_told_with_its_digest_and_what_is_not_in_it(tmp_path: Path) -> None:
    part = Part("series.jsonl", "0" * 64, 2_000_000, "12 series")
    made = Capture(tmp_path / "c", "fraud-scorer", "demo", T0 - 21600, T0, 15.0, (part,), "", ("no logs",))
    entry = of_capture(made, T0, "INC-0001", ANN)
    assert entry.text == f"capture of 6h: {tmp_path / 'c'}, 1 files, 2.0 MB; not captured: no logs"
    assert (entry.kind, entry.state, entry.at) == (Kind.CELL, "partial", T0)
    assert entry.details == {"capture": made.digest, "folder": str(tmp_path / "c"), OF_INCIDENT: "INC-0001"}
    assert of_capture(replace(made, missing=()), T0, "", ANN).state == "done"


def acted(folder: Path, fate: Fate = Fate.DONE, *, does: bool = True) -> Journal:
    """One rollback, and its journal."""
    clock = ManualClock()

    async def act() -> Journal:
        of = executor(folder, FileSystem(World(folder / "world"), clock, fate=fate, does=does))
        prepared = await of.prepare(Wish(Action.ROLLBACK, "errors", "7"))
        assert isinstance(prepared, Prepared)
        confirmed = Confirmation("fraud-scorer", frozenset(prepared.acknowledgements), "")
        async for _ in of.carry_out(prepared, confirmed):
            pass
        return of.journal
    return asyncio.run(act())


async def test_a_plan_that_is_shared_to_be_approved_is_told_once(tmp_path: Path) -> None:
    of = executor(tmp_path, FileSystem(World(tmp_path / "world"), ManualClock()))
    prepared = await of.prepare(Wish(Action.ROLLBACK, "errors", "7"))
    assert isinstance(prepared, Prepared)
    await of.ask(prepared, tmp_path / "plan.json")
    reader = JournalReader(of.journal)
    [told] = reader.entries("fraud-scorer", 0.0, NOW)
    assert (told.kind, told.by, told.text) == (
        Kind.DECISION, prepared.plan.actor, "rollback fraud-scorer to v7: another person is asked to approve it")
    assert replay("INC-0001", [replace(opened(), at=0.0), told, told]).rows[-1].text == told.text
    assert reader.entries("churn-ranker", 0.0, NOW) == ()


async def test_a_plan_that_is_left_is_told_with_what_held_it(tmp_path: Path) -> None:
    of = executor(tmp_path, FileSystem(World(tmp_path / "world"), ManualClock()))
    prepared = await of.prepare(Wish(Action.ROLLBACK, "errors", "7"))
    assert isinstance(prepared, Prepared)
    told = of_left(replace(prepared, checked=()), NOW, ANN)
    assert (told.kind, told.state, told.by, told.text) == (
        Kind.PLAN, "left", ANN, f"rollback fraud-scorer to v7: plan {prepared.plan.short} left, nothing was sent")
    assert told.details["digest"] == prepared.plan.digest
    held = replace(prepared, checked=(Checked("lease", Verdict.BLOCKED, "held by ben"),))
    assert of_left(held, NOW, ANN).text.endswith("nothing was sent; held by lease")
    found = replay("INC-0001", [replace(opened(), at=0.0), told, told])
    assert ([row.entry.kind for row in found.rows], found.deeds) == ([Kind.OPENED, Kind.PLAN], ())


def test_one_of_several_who_approve_is_told() -> None:
    entry = of_asked(Asked(NOW, "r1", "promote 8", "fraud-scorer", "INC-0001", "ana", ("ben",)))
    assert (entry.by, entry.text) == ("ben", "promote 8: approved, asked for by ana")
    assert entry.details == {OF_INCIDENT: "INC-0001"}


def test_an_action_is_told_from_its_confirmation_to_its_end(tmp_path: Path) -> None:
    entries = JournalReader(acted(tmp_path)).entries("fraud-scorer", 0.0, NOW)
    assert [entry.state for entry in entries] == ["confirmed", "sent", "done"]
    found = replay("INC-0001", [replace(opened(), at=0.0), *entries])
    assert [(deed.title, deed.state, deed.over) for deed in found.deeds] == [
        ("rollback fraud-scorer to v7", "done", True)]
    first = next(t for t in named_times(found) if t.name is TimeName.FIRST_ACTION)
    assert first.source == "rollback fraud-scorer to v7, ana"
    assert {entry.details["action"] for entry in entries} == {"rollback"}


def test_an_action_that_came_to_nothing_is_over(tmp_path: Path) -> None:
    entries = JournalReader(acted(tmp_path, Fate.UNKNOWN, does=False)).entries("fraud-scorer", 0.0, NOW)
    found = replay("INC-0001", [replace(opened(), at=0.0), *entries])
    assert [(deed.state, deed.over) for deed in found.deeds] == [("found elsewhere", True)]


@pytest.mark.parametrize(("found", "state", "over"), [
    (None, "unknown", False), (Progress.CANNOT_TELL, "found cannot tell", False),
    (Progress.REACHED, "found reached", True)])
def test_an_action_whose_end_is_not_known_is_over_when_somebody_found_out(found: Progress | None, state: str,
                                                                          over: bool) -> None:
    deed, = history_of(records(plan(), NOW, fate=Fate.UNKNOWN, outcome=ActionEnd.UNKNOWN, reconciled=found)).deeds
    made = replay("INC-0001", [replace(opened(), at=0.0), *of_deed(deed, NOW)]).deeds[0]
    assert (made.state, made.over) == (state, over)


def test_the_journal_of_another_model_or_of_earlier_is_left_alone(tmp_path: Path) -> None:
    reader = JournalReader(acted(tmp_path))
    assert reader.entries("churn-ranker", 0.0, NOW) == ()
    assert reader.entries("fraud-scorer", 1e12, NOW) == ()


def test_the_head_names_the_last_record(tmp_path: Path) -> None:
    journal = acted(tmp_path)
    last = journal.records()[-1]
    assert JournalReader(journal).head() == f"{last.seq}:{last.hash}"


def test_the_head_of_a_time_stays_whatever_is_done_later(tmp_path: Path) -> None:
    journal = acted(tmp_path)
    first, last = journal.records()[0], journal.records()[-1]
    reader = JournalReader(journal)
    assert reader.head(last.at) == reader.head()
    assert reader.head(first.at - 1.0) == ""
    then = max(record.at for record in journal.records())
    assert reader.head(then) == f"{last.seq}:{last.hash}"


def test_a_journal_that_grows_is_read_again(tmp_path: Path) -> None:
    journal = Journal(StateDir(tmp_path / "empty", "journal"), ManualClock())
    reader = JournalReader(journal)
    assert reader.head() == ""
    from triage.actions.journal import Kind as RecordKind
    journal.check()
    assert reader.head() == ""
    first = journal.append(RecordKind.REFUSED, "1", {})
    assert reader.head() == f"{first.seq}:{first.hash}"


def test_a_journal_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    journal = acted(tmp_path)
    journal.folder.path.chmod(0o755)
    assert JournalReader(journal).entries("fraud-scorer", 0.0, NOW) == ()
    assert JournalReader(journal).head() == ""


def test_a_request_that_was_just_sent_is_told_with_its_result() -> None:
    deed, = history_of(records(plan(), NOW, fate=None, outcome=None)).deeds
    assert [entry.state for entry in of_deed(deed, NOW + 5)] == ["confirmed"]
    assert [entry.text for entry in of_deed(deed, NOW + 60)][-1].endswith(": sent, no result is written")


def test_what_was_done_for_an_incident_says_so() -> None:
    step = next(of_runbook([event(EventKind.SKIPPED, text="known", incident="INC-0001")], BOOK))
    cell = of_cells(Run("run-1", "m", ("c",), (), "ended", (), T0, incident="INC-0001"), ANN)
    deed, = history_of(records(plan(), NOW, fate=None, outcome=None)).deeds
    action = next(of_deed(replace(deed, plan=replace(deed.plan, incident="INC-0001")), NOW))
    assert [entry.details[OF_INCIDENT] for entry in (step, cell, action)] == ["INC-0001"] * 3
    assert OF_INCIDENT not in next(of_runbook([event(EventKind.SKIPPED, text="known")], BOOK)).details
