"""One person's work with a runbook: what opens, what is recorded, what another process sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cells.books import C, write
from tests.runbook.examples import FRONT, TEXT, notebook, only
from tests.tui import snapshots
from triage.facts.expressions import ExpressionsReading
from triage.facts.replies import Reply
from triage.facts.samples import Sample
from triage.live.snapshot import Snapshot
from triage.notebook.load import Notebook, load_notebook
from triage.runbook.events import EventKind, Outcome
from triage.runbook.intents import Place
from triage.runbook.path import StepState
from triage.runbook.run import ABANDONED_SECONDS, ADOPTED_SECONDS, NO_CASE, Case, Status, replay
from triage.runbook.session import RunbookSession, Sheet
from triage.runbook.shelf import Shelf
from triage.runbook.steps import Act, Cell, Check
from triage.signals.model import AlertGroup, VersionCount
from triage.state_dir import StateDir

NOW = snapshots.NOW
SLOW = (snapshots.group(snapshots.alert("Slow")),)


def world(now: float = NOW, *, latency: float = 0.996, queue: float | None = 4.0,
          alerts: Sequence[AlertGroup] = SLOW) -> Snapshot:
    slo = snapshots.latency(now=replace(snapshots.ratio(latency), sampled_at=now - 3),
                            by_version=(VersionCount("v7", 3600, (1 - latency) * 1000, 1000),))
    samples = () if queue is None else (Sample({}, queue, now),)
    asked = {"sum(queue)": Reply(now, 15, samples),
             "sum by (pod) (rate(requests_total[5m]))": Reply(now, 15, (Sample({"pod": "a"}, 7, now),))}
    made = snapshots.with_model(snapshots.canary_failing(), slos=(slo,), alerts=tuple(alerts))
    return replace(made, at=now, expressions=ExpressionsReading("fraud-scorer", asked))


class Person:
    """A session and the notebook that it looks at."""

    def __init__(self, home: Path, book: Notebook, name: str = "ana@a") -> None:
        self.session = RunbookSession(StateDir(home), name)
        self.book = book

    def look(self, snapshot: Snapshot | None = None, now: float = NOW) -> Sheet:
        seen = snapshot or world(now)
        return self.session.look(self.book, seen, seen.models[0], now)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    return notebook(tmp_path / "fraud-scorer")


@pytest.fixture
def ana(home: Path, book: Notebook) -> Person:
    return Person(home, book)


@pytest.fixture
def bo(home: Path, book: Notebook) -> Person:
    return Person(home, book, "bo@b")


def at(step: str) -> Place:
    return Place("prod-eu", "fraud-scorer", "slow", step)


def states(sheet: Sheet) -> dict[str, StepState]:
    return {s.step.id: s.state for s in sheet.standings}


def test_the_runbook_that_answers_the_alert_opens_with_its_checks_looked_at(ana: Person) -> None:
    sheet = ana.look()
    assert (sheet.runbook.id, sheet.current, sheet.begun) == ("slow", "moved", False)
    assert sheet.why.startswith("for Slow, since ")
    assert {name: (seen.outcome, seen.said) for name, seen in sheet.seen.items()} == {
        "stable-well": (Outcome.PASSED, "on v7: 99.6 %, n 1,000"), "queue": (Outcome.PASSED, "4 requests"),
        "traffic": (Outcome.PASSED, "7 requests/s")}
    assert states(sheet)["stable-well"] is StepState.PASSED


def test_looking_writes_nothing(ana: Person, home: Path) -> None:
    ana.look()
    ana.look(world(NOW + 5, queue=50), NOW + 5)
    assert not home.exists()


def test_a_check_says_since_when_it_comes_out_so(ana: Person) -> None:
    ana.look()
    for at, queue in ((NOW + 5, 50.0), (NOW + 10, 51.0)):
        sheet = ana.look(world(at, queue=queue), at)
    standing = sheet.standing("queue")
    assert standing is not None
    assert (standing.state, standing.record.since) == (StepState.FAILED, NOW + 5)
    assert sheet.seen["queue"].said == "51 requests"


def test_a_check_without_an_answer_is_blocked_and_says_why(ana: Person) -> None:
    sheet = ana.look(world(queue=None))
    assert states(sheet)["queue"] is StepState.BLOCKED
    assert sheet.seen["queue"].said == "no data"


def test_the_first_step_brings_what_was_seen_before_it_into_the_log(ana: Person) -> None:
    ana.look()
    result = ana.session.go("moved", NOW + 5)
    assert result.intent is not None
    assert result.sheet is not None
    assert result.sheet.begun
    assert [(e.kind, e.step) for e in ana.session.events()] == [
        (EventKind.OPENED, ""), (EventKind.CHECKED, "stable-well"), (EventKind.CHECKED, "queue"),
        (EventKind.LOOKED, "traffic"), (EventKind.BEGAN, "moved")]
    assert ana.session.events()[1].at == NOW


def test_what_is_written_names_the_incident_that_was_open_then(home: Path, book: Notebook) -> None:
    ana = Person(home, book)
    open_now = {"fraud-scorer": NO_CASE}
    ana.session = RunbookSession(StateDir(home), "ana@a", open_now.__getitem__)
    ana.look()
    ana.session.claim("moved", NOW + 1)
    open_now["fraud-scorer"] = Case("INC-0001", NOW + 2)
    ana.session.claim("moved", NOW + 2)
    assert [(e.kind, e.incident) for e in ana.session.events()][-2:] == [
        (EventKind.CLAIMED, ""), (EventKind.RELEASED, "INC-0001")]


def test_the_next_incident_begins_a_new_run_and_the_old_one_stays_in_the_log(home: Path, book: Notebook) -> None:
    cases: dict[str, Case | None] = {"fraud-scorer": Case("INC-0001", NOW)}
    people = [Person(home, book, name) for name in ("ana@a", "bo@b")]
    for person in people:
        person.session = RunbookSession(StateDir(home), "ana@a", cases.__getitem__)
        person.look()
    ana, bo = people
    ana.session.skip("moved", NOW + 1, "nobody is asked")
    cases["fraud-scorer"] = None
    # While it is not known which incident is open, what was done is not taken away.
    assert states(bo.look(now=NOW + 2))["moved"] is StepState.SKIPPED
    for case in (NO_CASE, Case("INC-0002", NOW + 60)):
        cases["fraud-scorer"] = case
        sheet = bo.look(now=NOW + 61)
        assert (states(sheet)["moved"], sheet.begun) == (StepState.READY, False)
    bo.session.claim("moved", NOW + 62)
    ana.session.claim("moved", NOW + 63)
    assert [(e.kind, e.text, e.incident) for e in bo.session.events() if not e.step] == [
        (EventKind.OPENED, bo.look(now=NOW + 64).why, "INC-0001"), (EventKind.CLOSED, "INC-0001 is closed", "INC-0001"),
        (EventKind.OPENED, bo.look(now=NOW + 64).why, "INC-0002")]
    assert ana.look(now=NOW + 65).run == bo.look(now=NOW + 65).run
    assert bo.session.close(NOW + 66, "over").said == "the next run begins anew"


def test_time_counts_from_when_something_asks_for_the_runbook(ana: Person) -> None:
    well = replace(world(alerts=()), models=(replace(snapshots.healthy().models[0], alerts=()),))
    ana.look(well)
    opened = ana.look(now=NOW + 600).run.opened
    assert opened is not None
    assert (opened.at, opened.text.partition(",")[0]) == (NOW + 600, "for Slow")


def test_another_process_sees_the_same_progress(ana: Person, bo: Person) -> None:
    ana.look()
    bo.look()
    ana.session.go("moved", NOW + 1)
    ana.session.conclude(at("moved"), NOW + 2, Outcome.FAILED, "amount in cents")
    ana.session.go("decide", NOW + 3)
    mine, theirs = ana.look(now=NOW + 5), bo.look(now=NOW + 5)
    assert states(mine) == states(theirs)
    assert mine.run == theirs.run == replay(bo.session.events())
    assert states(theirs)["freeze"] is StepState.READY


def test_progress_survives_a_restart(ana: Person, home: Path, book: Notebook) -> None:
    ana.look()
    ana.session.skip("moved", NOW + 1, "no notebook here")
    before = ana.look(now=NOW + 2)
    after = Person(home, book).look(now=NOW + 3)
    assert states(after) == states(before)
    record = after.run.record("moved")
    assert (record.status, record.text, record.by) == (Status.SKIPPED, "no notebook here", "ana@a")


def test_of_two_that_run_a_cell_at_once_only_one_does(ana: Person, bo: Person) -> None:
    ana.look()
    bo.look()
    first, second = ana.session.go("moved", NOW + 1), bo.session.go("moved", NOW + 1)
    assert first.intent is not None
    assert second.intent is None
    assert "ana@a began it at" in second.said


def test_what_another_skipped_meanwhile_is_not_run(ana: Person, bo: Person) -> None:
    ana.look()
    bo.look()
    ana.session.skip("moved", NOW + 1, "no time")
    result = bo.session.go("moved", NOW + 1)
    assert (result.intent, result.said) == (None, "4 was skipped; x brings it back")


def test_a_skip_without_a_reason_asks_for_one(ana: Person) -> None:
    ana.look()
    result = ana.session.skip("moved", NOW)
    assert result.prompt is not None
    assert result.sheet is not None
    assert not result.sheet.begun


def test_every_later_change_of_a_check_is_recorded_once(ana: Person, bo: Person) -> None:
    ana.look()
    bo.look()
    ana.session.claim("moved", NOW + 1)
    for at, queue in ((5, 4.0), (10, 60.0), (15, 61.0), (20, 3.0)):
        for person in (ana, bo):
            person.look(world(NOW + at, queue=queue), NOW + at)
    recorded = [(e.outcome, e.at - NOW) for e in ana.session.events() if e.step == "queue"]
    assert recorded == [(Outcome.PASSED, 0), (Outcome.FAILED, 10), (Outcome.PASSED, 20)]


def test_who_sees_nothing_does_not_fight_with_who_does(ana: Person, bo: Person) -> None:
    ana.look()
    bo.look()
    ana.session.claim("moved", NOW + 1)
    for at in range(5, 60, 5):
        ana.look(world(NOW + at), NOW + at)
        bo.look(world(NOW + at, queue=None), NOW + at)
    ana.look(now=NOW + 61)
    recorded = [e.outcome for e in ana.session.events() if e.step == "queue"]
    assert recorded == [Outcome.PASSED, Outcome.UNKNOWN, Outcome.PASSED]


HELD = f"""{FRONT}
## Verify

### Fast

```triage
id: fast
kind: assert
signal: slo/latency
expect: ">= 99"
for: 10m
```

### Note

```triage
id: note
kind: note
```
"""


def test_a_check_that_must_hold_passes_when_it_has(home: Path, tmp_path: Path) -> None:
    person = Person(home, notebook(tmp_path / "held", HELD))
    found = [states(person.look(now=NOW + at))["fast"] for at in (0, 30, 60, 300, 360, 420, 480, 540, 600, 605)]
    # Nobody looked between one minute and five: it began anew.
    assert found == [StepState.RUNNING] * 10
    assert [states(person.look(now=NOW + at))["fast"] for at in range(650, 901, 50)] == [
        *[StepState.RUNNING] * 5, StepState.PASSED]


def test_a_check_that_must_hold_begins_anew_when_it_failed(home: Path, tmp_path: Path) -> None:
    person = Person(home, notebook(tmp_path / "held", HELD))
    for at in range(0, 600, 50):
        sheet = person.look(world(NOW + at, latency=0.9 if at == 300 else 0.996), NOW + at)
    assert sheet.run.record("fast").since == NOW + 350
    assert states(sheet)["fast"] is StepState.RUNNING


def test_an_edited_runbook_keeps_what_was_done_and_says_what_changed(ana: Person, book: Notebook) -> None:
    ana.look()
    ana.session.go("moved", NOW + 1)
    ana.session.conclude(at("moved"), NOW + 2, Outcome.PASSED, "alike")
    text = TEXT.replace('expect: "<= 20"', 'expect: "<= 2"').replace("### Sleep", "### Rest")
    gone = text[text.index("### Capacity"):text.index("### Upstream")]
    text = text.replace(gone, "").replace("  - {when: queue failed, goto: capacity}\n", "")
    (book.path / "runbook.md").write_text(text)
    sheet = ana.look(now=NOW + 5)
    assert sheet.run.record("moved").status is Status.PASSED
    assert states(sheet)["queue"] is StepState.FAILED
    assert sheet.changes == ("changed: 2 Is the queue short? (expect)", "changed: 5 What now? (choices)",
                             "changed: 12 Rest (title)", "gone: Capacity")
    assert [e.kind for e in ana.session.events()].count(EventKind.EDITED) == 1


def test_a_runbook_that_is_broken_by_an_edit_stays_as_it_was_and_says_so(ana: Person, bo: Person,
                                                                         book: Notebook) -> None:
    ana.look()
    (book.path / "runbook.md").write_text(only("id: a\nkind: nota"))
    before, anew = ana.look(now=NOW + 5), bo.look(now=NOW + 5)
    assert (before.is_checklist, anew.is_checklist) == (False, True)
    for sheet in (before, anew):
        assert sheet.trouble.startswith("runbook.md:14: step a: has the kind nota, which there is not")
    (book.path / "runbook.md").write_text(TEXT)
    assert ana.look(now=NOW + 10).trouble == ""


def test_a_model_without_a_runbook_gets_the_incident_checklist(home: Path, tmp_path: Path) -> None:
    sheet = Person(home, notebook(tmp_path / "bare", None)).look()
    assert sheet.is_checklist
    assert [s.step.id for s in sheet.standings] == [
        "version", "objective-latency", "budget-latency", "canary", "inputs", "roll-back", "settle", "again-latency",
        "escalate", "write"]
    assert sheet.why
    standing = sheet.standing("roll-back")
    assert standing is not None
    assert standing.step.does == Act("rollback", "7")


@pytest.mark.parametrize("cells", [("errors-EU", "errors-US"), ("errors-in-requests-of-the-batch-path",
                                                                "errors-in-requests-of-the-batch-pool")])
def test_names_that_differ_only_in_what_steps_cannot_be_called_have_steps_of_their_own(
        tmp_path: Path, cells: tuple[str, str]) -> None:
    write(tmp_path / "m", *(C(cell, "1") for cell in cells))
    one, two = (replace(snapshots.latency(), name=name) for name in ("latency_p95", "latency-p95"))
    model = replace(snapshots.healthy().models[0], slos=(one, two))
    found = Shelf(load_notebook(tmp_path / "m")).volumes(model)[-1].runbook
    assert found is not None
    assert {step.does.cell for step in found.steps if isinstance(step.does, Cell)} == set(cells)
    assert {step.does.signal.name for step in found.steps if isinstance(step.does, Check) and step.does.signal
            and step.does.signal.kind == "slo"} == {"latency_p95", "latency-p95"}


def test_what_was_recorded_of_a_step_is_not_said_of_another_kind_of_step(ana: Person, book: Notebook) -> None:
    ana.look()
    ana.session.by_hand("moved", NOW + 1, "passed: seen elsewhere")
    assert ana.look(now=NOW + 2).run.record("moved").status is Status.PASSED
    block = TEXT[TEXT.index("id: moved"):]
    block = block[:block.index("```")]
    edge = block[block.rindex("\n") + 1:]
    text = TEXT.replace(block, f'id: moved\n{edge}kind: action\n{edge}action: rollback\n{edge}')
    (book.path / "runbook.md").write_text(text)
    sheet = ana.look(now=NOW + 5)
    assert sheet.run.record("moved").status is Status.NONE
    ana.session.by_hand("moved", NOW + 6, "passed: rolled back")
    (book.path / "runbook.md").write_text(text.replace("### Sleep", "### Rest"))
    assert ana.look(now=NOW + 8).run.record("moved").status is Status.PASSED


def test_of_several_runbooks_the_one_whose_alert_fires_opens(home: Path, tmp_path: Path) -> None:
    made = notebook(tmp_path / "many", None)
    (made.path / "runbooks").mkdir()
    for name, alert in (("a", "Other"), ("b", "Slow")):
        (made.path / "runbooks" / f"{name}.md").write_text(
            only("id: x\nkind: note", "id: y\nkind: note").replace("id: slow", f"id: {name}").replace(
                "[Slow]", f"[{alert}]"))
    manifest = made.path / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "  runbook: runbooks\n")
    person = Person(home, load_notebook(made.path))
    assert person.look().runbook.id == "b"
    other = (snapshots.group(snapshots.alert("Other")),)
    assert person.look(world(alerts=other)).runbook.id == "a"
    # What is being worked with stays until nothing is left of it.
    person.session.go("x", NOW + 1)
    assert person.look(now=NOW + 2).runbook.id == "a"
    person.session.go("y", NOW + 3)
    assert person.look(world(alerts=other), now=NOW + 4).runbook.id == "a"
    assert person.look(now=NOW + 5).runbook.id == "b"


def test_nothing_asks_for_the_runbook_of_a_model_that_is_well(ana: Person) -> None:
    well = replace(world(alerts=()), models=(replace(snapshots.healthy().models[0], alerts=()),))
    assert ana.look(well).why == ""


def test_a_run_is_ended_by_hand_or_by_time_and_the_next_begins_anew(ana: Person) -> None:
    ana.look()
    ana.session.skip("moved", NOW + 1, "x")
    assert ana.session.close(NOW + 2, "over").said == "the next run begins anew"
    assert states(ana.look(now=NOW + 3))["moved"] is StepState.READY
    assert ana.session.close(NOW + 3, "over").said == "nobody has begun"
    ana.session.skip("moved", NOW + 4, "x")
    later = NOW + 10 + ABANDONED_SECONDS
    assert not ana.look(now=later).begun
    ana.session.claim("moved", later)
    assert ana.look(now=later).run.record("moved").status is Status.NONE


def test_without_a_disk_there_is_still_a_runbook_and_it_says_so(ana: Person, home: Path) -> None:
    home.write_text("a file in the way")
    ana.look()
    result = ana.session.skip("moved", NOW + 1, "x")
    assert result.sheet is not None
    assert states(result.sheet)["moved"] is StepState.SKIPPED
    assert "progress" in result.sheet.trouble
    assert not result.sheet.begun


def test_a_log_that_cannot_be_added_to_refuses_the_step_and_says_why(ana: Person, home: Path) -> None:
    ana.look()
    ana.session.claim("moved", NOW + 1)
    log = next(home.rglob("*.jsonl"))
    log.chmod(0o644)
    result = ana.session.skip("moved", NOW + 2, "x")
    assert "open to other users" in result.said
    log.chmod(0o600)
    assert ana.session.skip("moved", NOW + 3, "x").said == ""
    sheet = ana.look(now=NOW + 4)
    assert (states(sheet)["moved"], sheet.trouble) == (StepState.SKIPPED, "")


def test_keys_before_anything_is_shown_do_nothing(ana: Person) -> None:
    assert ana.session.go("moved", NOW).said == "no runbook is open"
    assert ana.session.close(NOW, "x").sheet is None
    assert ana.session.events() == ()
    ana.look()
    assert ana.session.go("gone", NOW).said == "there is no such step any more"


def test_the_plan_of_an_action_is_begun_and_concluded(ana: Person) -> None:
    ana.look()
    ana.session.go("moved", NOW + 1)
    ana.session.conclude(at("moved"), NOW + 2, Outcome.FAILED, "cents")
    ana.session.go("decide", NOW + 3)
    assert ana.session.go("freeze", NOW + 4).intent is not None
    begun = ana.session.begin("freeze", NOW + 4, "plan pause").sheet
    assert begun is not None
    assert states(begun)["freeze"] is StepState.RUNNING
    left = ana.session.conclude(at("freeze"), NOW + 5, None, "left").sheet
    assert left is not None
    assert states(left)["freeze"] is StepState.READY
    ana.session.begin("freeze", NOW + 6, "plan pause")
    done = ana.session.conclude(at("freeze"), NOW + 7, Outcome.PASSED, "paused at 10 %").sheet
    assert done is not None
    assert states(done)["freeze"] is StepState.PASSED


def test_a_step_is_concluded_where_it_was_begun_whatever_is_shown_by_then(ana: Person, tmp_path: Path) -> None:
    ana.look()
    intent = ana.session.go("moved", NOW + 1).intent
    assert intent is not None
    assert intent.place == at("moved")
    seen, other = world(NOW + 2), notebook(tmp_path / "churn-ranker")
    churn = replace(seen.models[0], name="churn-ranker")
    before = ana.session.look(other, seen, churn, NOW + 2)
    after = ana.session.conclude(at("moved"), NOW + 3, Outcome.FAILED, "cents in fraud").sheet
    assert after is not None
    assert (after.model, states(after), after.begun) == ("churn-ranker", states(before), False)
    assert ana.look(now=NOW + 4).run.record("moved").text == "cents in fraud"


def test_without_a_disk_a_step_is_concluded_in_memory(ana: Person, home: Path) -> None:
    home.write_text("in the way")
    ana.look()
    ana.session.go("moved", NOW + 1)
    after = ana.session.conclude(at("moved"), NOW + 2, Outcome.FAILED, "cents").sheet
    assert after is not None
    assert after.run.record("moved").text == "cents"


def test_opening_an_incident_hours_after_the_runbook_was_begun_keeps_its_progress(home: Path, book: Notebook) -> None:
    cases = {"fraud-scorer": NO_CASE}
    ana = Person(home, book)
    ana.session = RunbookSession(StateDir(home), "ana@a", cases.__getitem__)
    ana.look()
    ana.session.go("moved", NOW + 1)
    late = NOW + ADOPTED_SECONDS + 60
    ana.look(now=late)
    ana.session.conclude(at("moved"), late, Outcome.FAILED, "cents")
    cases["fraud-scorer"] = Case("INC-0001", late + 60)
    sheet = ana.look(now=late + 65)
    assert (sheet.begun, sheet.run.record("moved").text) == (True, "cents")


def test_a_run_that_rested_during_an_incident_is_over_with_it(home: Path, book: Notebook) -> None:
    cases = {"fraud-scorer": NO_CASE}
    ana = Person(home, book)
    ana.session = RunbookSession(StateDir(home), "ana@a", cases.__getitem__)
    ana.look()
    ana.session.skip("moved", NOW + 1, "no time")
    begun = []
    for case in (Case("INC-0001", NOW + 10), Case("", since=NOW + 20), Case("INC-0002", NOW + 30, since=NOW + 20)):
        cases["fraud-scorer"] = case
        begun.append(ana.look(now=NOW + 31).begun)
    assert begun == [True, False, False]
    ana.session.skip("moved", NOW + 32, "no time, once more")
    assert [(e.kind, e.text, e.incident) for e in ana.session.events() if not e.step][1:] == [
        (EventKind.CLOSED, "an incident came after it", ""), (EventKind.OPENED, ana.look(now=NOW + 33).why, "INC-0002")]


def test_what_a_query_showed_is_recorded_once(ana: Person) -> None:
    ana.look()
    ana.session.skip("moved", NOW + 1, "no notebook here")
    ana.look(now=NOW + 5)
    looked = [(e.step, e.text) for e in ana.session.events() if e.kind is EventKind.LOOKED]
    assert looked == [("traffic", "7 requests/s")]
