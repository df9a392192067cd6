"""The step machine: no path executes a skipped step, and the events alone say where a run stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.runbook.examples import ALL_IDS, runbook
from triage.runbook import moves
from triage.runbook.events import Event, EventKind, Outcome, read_line, read_log
from triage.runbook.moves import Move
from triage.runbook.path import Standing, StepState, current, standings
from triage.runbook.run import ABANDONED_SECONDS, ADOPTED_SECONDS, NO_CASE, Case, Run, Status, apply, replay
from triage.runbook.steps import Act, Cell

TEXTS = st.text(max_size=20)
EVENTS = st.builds(Event, st.sampled_from(EventKind), st.floats(0, 1e6), st.sampled_from(["ana@a", "bo@b", ""]),
                   st.sampled_from([*ALL_IDS[:5], ""]), st.one_of(st.none(), st.sampled_from(Outcome)),
                   st.sampled_from(["", "because"]), st.sampled_from(["", "freeze", "gone"]), st.just("d"),
                   st.sampled_from(["", "INC-0001", "INC-0002"]))
BOOK = runbook()


def event(kind: EventKind, step: str = "a", at: float = 1, **more: object) -> Event:
    return Event(kind, at, "ana@a", step, **more)  # type: ignore[arg-type]


OPENED = event(EventKind.OPENED, "", 0)


def after(*events: Event) -> Run:
    return replay([OPENED, *events])


@given(st.lists(EVENTS, max_size=30))
def test_replaying_what_was_written_gives_the_same_run(events: list[Event]) -> None:
    written = b"".join(each.line() + b"\n" for each in events)
    read = read_log(written)
    assert read == tuple(events)
    assert replay(read) == replay(events)


@given(st.lists(EVENTS, max_size=30), st.integers(0, 30))
def test_a_run_can_be_replayed_in_parts(events: list[Event], cut: int) -> None:
    run = replay(events[:cut])
    for each in events[cut:]:
        run = apply(run, each)
    assert run == replay(events)


@given(st.lists(EVENTS, max_size=40))
def test_a_skipped_step_is_never_started_nor_done(events: list[Event]) -> None:
    run = Run()
    for each in events:
        before, run = run, apply(run, each)
        for step in ALL_IDS:
            if run.opened is before.opened and before.record(step).status is Status.SKIPPED:
                assert run.record(step).starts == before.record(step).starts
                assert run.record(step).status in (Status.SKIPPED, Status.NONE)
                assert run.record(step).status is Status.SKIPPED or each.kind is EventKind.AGAIN


@given(st.lists(EVENTS, max_size=40))
def test_what_is_not_allowed_changes_nothing(events: list[Event]) -> None:
    run = Run()
    for each in events:
        run = apply(run, each)
        # The same event a second time: what may be repeated is only to begin a run or a step anew.
        again = apply(run, each)
        assert again == run or each.kind in (EventKind.RELEASED, EventKind.CLAIMED, EventKind.OPENED, EventKind.DONE,
                                             EventKind.BEGAN)


@given(st.binary(max_size=80))
def test_no_line_breaks_the_reader(line: bytes) -> None:
    read_line(line)


@pytest.mark.parametrize("line", [
    b"", b"{", b"[]", b'{"v": 2, "kind": "opened", "at": 1}', b'{"v": 1, "kind": "flew", "at": 1}',
    b'{"v": 1, "kind": "opened"}', b'{"v": 1, "kind": "opened", "at": "x"}', b'{"v": 1, "kind": "opened", "at": 1e999}',
    b'{"v":1,"kind":"done","at":1,"outcome":"x"}'])
def test_what_is_torn_or_unknown_is_left_out(line: bytes) -> None:
    assert read_line(line) is None
    assert read_log(OPENED.line() + b"\n" + line + b"\n" + OPENED.line()) == (OPENED, OPENED)


def test_texts_of_a_log_are_cleaned() -> None:
    read = read_line(event(EventKind.SKIPPED, text="\x1b[2J").line())
    assert read is not None
    assert read.text == "␛[2J"


def test_nothing_counts_before_somebody_begins_nor_after_the_end() -> None:
    note = event(EventKind.DONE, outcome=Outcome.PASSED)
    assert replay([note]) == Run()
    closed = after(event(EventKind.CLOSED, ""), note)
    assert (closed.closed, closed.record("a").status) == (True, Status.NONE)


def test_of_two_that_start_a_cell_the_first_has_started_it() -> None:
    run = after(event(EventKind.BEGAN), event(EventKind.BEGAN, at=2))
    assert (run.record("a").status, run.record("a").starts, run.record("a").since) == (Status.RUNNING, 1, 1)


def test_a_second_beginning_counts_only_when_the_first_was_abandoned() -> None:
    first = after(event(EventKind.DONE, outcome=Outcome.PASSED))
    assert apply(first, event(EventKind.OPENED, "", 100)) is first
    late = apply(first, event(EventKind.OPENED, "", 2 + ABANDONED_SECONDS))
    assert (late.record("a").status, late.is_live(3 + ABANDONED_SECONDS)) == (Status.NONE, True)


def test_a_run_belongs_to_the_incident_of_its_first_event_that_has_one() -> None:
    run = after(event(EventKind.CLAIMED), event(EventKind.RELEASED, incident="INC-0001"),
                event(EventKind.CLAIMED, incident="INC-0002"))
    assert run.incident == "INC-0001"
    assert [run.belongs_to(case) for case in (Case("INC-0001", 9), Case("INC-0002", 9), NO_CASE, None)] == [
        True, False, False, True]


def test_a_run_that_was_begun_for_none_belongs_to_the_incident_that_is_opened_soon_after() -> None:
    run = after(event(EventKind.CLAIMED))
    assert [run.belongs_to(case) for case in (Case("INC-0001", 1 + ADOPTED_SECONDS),
                                              Case("INC-0001", 2 + ADOPTED_SECONDS), NO_CASE)] == [True, False, True]


def test_a_run_that_was_begun_long_before_and_worked_with_lately_belongs_to_the_incident() -> None:
    run = after(event(EventKind.CLAIMED), event(EventKind.RELEASED, at=ADOPTED_SECONDS))
    assert run.belongs_to(Case("INC-0001", ADOPTED_SECONDS + 60))


def test_a_run_that_rested_while_an_incident_was_open_is_not_that_of_the_next() -> None:
    run = after(event(EventKind.CLAIMED))
    assert [run.belongs_to(case) for case in (Case("INC-0001", 10), Case("INC-0002", 30, 20), Case("", since=20))] == [
        True, False, False]


def test_a_query_keeps_what_it_showed_first_and_is_never_done() -> None:
    run = after(event(EventKind.LOOKED, text="7 requests/s"), event(EventKind.LOOKED, text="9 requests/s"))
    assert (run.record("a").text, run.record("a").status) == ("7 requests/s", Status.NONE)


def test_of_two_that_end_the_run_of_an_old_incident_the_second_does_not_end_the_new_one() -> None:
    ends = event(EventKind.CLOSED, "", incident="INC-0001")
    first, second = (event(EventKind.OPENED, "", incident=name) for name in ("INC-0001", "INC-0002"))
    run = replay([first, ends, second, event(EventKind.CLAIMED, incident="INC-0002"), ends])
    assert (run.is_open, run.incident, run.record("a").claimed_by) == (True, "INC-0002", "ana@a")


def test_a_skip_needs_a_reason() -> None:
    assert after(event(EventKind.SKIPPED)).record("a").status is Status.NONE
    assert after(event(EventKind.SKIPPED, text=" ")).record("a").status is Status.NONE
    assert after(event(EventKind.SKIPPED, text="no canary")).record("a").text == "no canary"


def test_a_check_keeps_the_moment_from_which_it_came_out_so() -> None:
    run = after(*(event(EventKind.CHECKED, at=at, outcome=outcome, text=str(at)) for at, outcome in (
        (1, Outcome.PASSED), (2, Outcome.PASSED), (3, Outcome.FAILED), (4, Outcome.FAILED))))
    assert (run.record("a").since, run.record("a").text, run.record("a").status) == (3, "3", Status.FAILED)


def test_a_claim_is_held_until_it_is_released_and_survives_another_try() -> None:
    run = after(event(EventKind.CLAIMED), Event(EventKind.CLAIMED, 2, "bo@b", "a"),
                event(EventKind.DONE, outcome=Outcome.FAILED), event(EventKind.AGAIN))
    assert run.record("a").claimed_by == "ana@a"
    assert apply(run, Event(EventKind.RELEASED, 3, "bo@b", "a")).record("a").claimed_by == ""


class Working(RuleBasedStateMachine):
    """Two people press any keys in any order on any steps, while the checks come out as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log: list[Event] = [OPENED]
        self.carried_out: list[str] = []
        self.skipped: set[str] = set()

    def found(self) -> tuple[Standing, ...]:
        return standings(BOOK, replay(self.log), self.now)

    def press(self, step: str, key: Callable[[Standing], Move]) -> None:
        standing = next(s for s in self.found() if s.step.id == step)
        move = key(standing)
        assert bool(move.event or move.intent) + bool(move.prompt) + bool(move.refused) == 1
        before = replay(self.log)
        if move.event is not None:
            self.log.append(move.event)
            if replay(self.log) is before or replay(self.log) == before:
                self.log.pop()
                return
        if move.intent is not None:
            assert standing.state not in (StepState.SKIPPED, StepState.PENDING, StepState.NOT_APPLICABLE)
            self.carried_out.append(step)
            assert step not in self.skipped

    @rule(step=st.sampled_from(ALL_IDS), by=st.sampled_from(["ana@a", "bo@b"]),
          said=st.sampled_from([None, "", "yes", "n", "x"]))
    def go(self, step: str, by: str, said: str | None) -> None:
        self.press(step, lambda s: moves.go(BOOK, s, by, self.now, said))

    @rule(step=st.sampled_from(ALL_IDS), reason=st.sampled_from([None, " ", "no time"]))
    def skip(self, step: str, reason: str | None) -> None:
        self.press(step, lambda s: moves.skip(s, "ana@a", self.now, reason))
        if replay(self.log).record(step).status is Status.SKIPPED:
            self.skipped.add(step)

    @rule(step=st.sampled_from(ALL_IDS))
    def again(self, step: str) -> None:
        self.press(step, lambda s: moves.again(s, "bo@b", self.now))
        if replay(self.log).record(step).status is not Status.SKIPPED:
            self.skipped.discard(step)

    @rule(step=st.sampled_from(ALL_IDS))
    def claim(self, step: str) -> None:
        self.press(step, lambda s: moves.claim(s, "bo@b", self.now))

    @rule(step=st.sampled_from(ALL_IDS), said=st.sampled_from([None, "passed", "passed: fine", "failed, late"]))
    def by_hand(self, step: str, said: str | None) -> None:
        self.press(step, lambda s: moves.by_hand(s, "bo@b", self.now, said))

    @rule(seconds=st.sampled_from([1.0, 300.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: any(s.is_looked_at for s in self.found()))
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def checked(self, data: st.DataObject, outcome: Outcome) -> None:
        looked = [s.step.id for s in self.found() if s.is_looked_at and s.step.kind == "assert"]
        if looked:
            self.log.append(Event(EventKind.CHECKED, self.now, "ana@a", data.draw(st.sampled_from(looked)), outcome))

    @rule(step=st.sampled_from(["moved"]), outcome=st.sampled_from([Outcome.PASSED, Outcome.FAILED]))
    def ended(self, step: str, outcome: Outcome) -> None:
        if replay(self.log).record(step).status is Status.RUNNING:
            self.log.append(Event(EventKind.DONE, self.now, "ana@a", step, outcome, "said"))

    @invariant()
    def a_skipped_step_stays_skipped_until_it_is_brought_back(self) -> None:
        by_id = {s.step.id: s for s in self.found()}
        for step in self.skipped:
            assert by_id[step].state is StepState.SKIPPED

    @invariant()
    def every_step_stands_somewhere_and_off_the_way_nothing_asks_for_anybody(self) -> None:
        found = self.found()
        assert [s.step.id for s in found] == list(ALL_IDS)
        here = current(found)
        assert here is None or here.state in (StepState.READY, StepState.RUNNING, StepState.BLOCKED) \
            or here.needs_decision

    @invariant()
    def nothing_but_a_cell_or_an_action_is_handed_on(self) -> None:
        kinds = {s.step.id: s.step.does for s in self.found()}
        assert all(isinstance(kinds[step], Cell | Act) for step in self.carried_out)


TestWorking = Working.TestCase
TestWorking.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
