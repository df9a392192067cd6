"""The way through a runbook: whose turn it is, what is off the way, and why."""

from __future__ import annotations

from tests.runbook.examples import only, runbook
from triage.runbook.events import Event, EventKind, Outcome
from triage.runbook.path import Standing, StepState, current, is_finished, standings
from triage.runbook.run import Run, replay
from triage.runbook.steps import Runbook

BOOK = runbook()
P, R, N = StepState.PENDING, StepState.READY, StepState.NOT_APPLICABLE


def done(step: str, at: float = 1, outcome: Outcome = Outcome.PASSED, kind: EventKind = EventKind.DONE,
         **more: str) -> Event:
    return Event(kind, at, "ana@a", step, outcome, **more)


def checked(step: str, outcome: Outcome, at: float = 1) -> Event:
    return done(step, at, outcome, EventKind.CHECKED)


def run_of(*events: Event) -> Run:
    return replay([Event(EventKind.OPENED, 0, "ana@a"), *events])


def stand(*events: Event, book: Runbook = BOOK, now: float = 10) -> dict[str, Standing]:
    return {s.step.id: s for s in standings(book, run_of(*events), now)}


def states(*events: Event, book: Runbook = BOOK, now: float = 10) -> dict[str, StepState]:
    return {name: s.state for name, s in stand(*events, book=book, now=now).items()}


WELL = (checked("stable-well", Outcome.PASSED), checked("queue", Outcome.PASSED))


def test_before_anything_is_known_the_branch_and_what_it_leads_to_wait() -> None:
    found = stand()
    assert {name: s.state for name, s in found.items()} == {
        "stable-well": R, "queue": R, "traffic": R, "moved": R, "decide": P, "freeze": P, "roll-back": P, "capacity": P,
        "upstream": P, "settle": P, "fast": P, "tell": P, "sleep": P}
    assert (found["decide"].note, found["freeze"].note, found["roll-back"].note) == (
        "not known yet: 4", "if 5 leads here", "if 4 failed and 2 passed")


def test_checks_do_not_hold_up_what_comes_after_them() -> None:
    assert states(checked("queue", Outcome.FAILED))["moved"] is R


def test_a_failed_check_with_another_way_asks_where_to_go_and_holds_the_rest() -> None:
    found = stand(checked("stable-well", Outcome.FAILED))
    assert found["stable-well"].needs_decision
    assert found["stable-well"].leads_to == "upstream"
    assert (found["moved"].state, found["moved"].note) == (P, "after 1")
    here = current(tuple(found.values()))
    assert here is not None
    assert here.step.id == "stable-well"


def test_who_follows_the_failed_check_leaves_what_lies_between() -> None:
    found = stand(checked("stable-well", Outcome.FAILED), done("stable-well", kind=EventKind.TOOK, goto="upstream"))
    assert {name: s.state for name, s in found.items() if s.state is not N} == {
        "stable-well": StepState.FAILED, "upstream": R, "settle": P, "fast": P, "tell": P, "sleep": P}
    assert found["moved"].note == "1 leads past it"


def test_a_branch_takes_the_first_choice_that_holds_and_greys_the_others() -> None:
    found = stand(*WELL, done("moved", outcome=Outcome.FAILED))
    assert (found["decide"].state, found["decide"].leads_to) == (R, "freeze")
    taken = states(*WELL, done("moved", outcome=Outcome.FAILED), done("decide", kind=EventKind.TOOK, goto="freeze"))
    assert (taken["freeze"], taken["roll-back"], taken["capacity"], taken["upstream"]) == (R, R, N, N)


def test_a_branch_that_nothing_leads_on_says_so() -> None:
    found = stand(*WELL, done("moved"))
    assert (found["decide"].state, found["decide"].note) == (StepState.BLOCKED, "no choice holds: skip it, or ask")


def test_whoever_skips_a_branch_chooses_by_hand() -> None:
    skipped = states(*WELL, done("moved"), Event(EventKind.SKIPPED, 2, "ana@a", "decide", text="clear"))
    assert (skipped["freeze"], skipped["capacity"], skipped["upstream"], skipped["roll-back"]) == (R, R, N, N)


def test_a_skipped_step_decides_conditions_as_neither_passed_nor_failed() -> None:
    found = stand(*WELL, Event(EventKind.SKIPPED, 2, "ana@a", "moved", text="no notebook"))
    assert (found["decide"].state, found["roll-back"].state) == (StepState.BLOCKED, N)


def test_a_check_that_knows_nothing_blocks_and_decides_nothing() -> None:
    found = stand(checked("queue", Outcome.UNKNOWN), done("moved", outcome=Outcome.FAILED))
    assert found["queue"].state is StepState.BLOCKED
    assert found["roll-back"].state is P


def test_what_was_done_stays_done_when_the_way_leads_past_it() -> None:
    found = states(done("moved", outcome=Outcome.FAILED), checked("stable-well", Outcome.FAILED),
                   done("stable-well", kind=EventKind.TOOK, goto="upstream"))
    assert (found["moved"], found["queue"]) == (StepState.FAILED, N)


WAITING = only("id: act\nkind: note", "id: settle\nkind: wait\nfor: 10m", "id: b\nkind: note")


def test_a_wait_begins_when_everything_before_it_is_done_and_ends_by_itself() -> None:
    book = runbook(WAITING)
    assert states(book=book) == {"act": R, "settle": P, "b": P}
    running = stand(done("act", 100), book=book, now=699)
    assert (running["settle"].state, running["settle"].ends_at, running["b"].state) == (StepState.RUNNING, 700, P)
    assert states(done("act", 100), book=book, now=700) == {"act": StepState.PASSED, "settle": StepState.PASSED, "b": R}


def test_a_wait_can_be_skipped() -> None:
    book = runbook(WAITING)
    skip = Event(EventKind.SKIPPED, 200, "ana@a", "settle", text="it is down anyway")
    assert states(done("act", 100), skip, book=book, now=201)["b"] is R


def test_the_budget_of_a_step_counts_from_when_it_was_its_turn() -> None:
    book = runbook(only("id: a\nkind: note", "id: b\nkind: note\nbudget: 5m"))
    late = stand(done("a", 100), book=book, now=460)["b"]
    assert [late.left_seconds(at) for at in (100, 399, 460)] == [300, 1, -60]
    over = stand(done("a", 100), done("b", 459), book=book, now=460)["b"]
    assert over.left_seconds(460) is None
    assert stand(book=book, now=460)["a"].left_seconds(460) is None


def test_an_answer_is_compared_without_its_case() -> None:
    answered = Event(EventKind.ANSWERED, 3, "ana@a", "upstream", text="No")
    found = states(checked("stable-well", Outcome.FAILED), done("stable-well", kind=EventKind.TOOK, goto="upstream"),
                   answered, now=1000)
    assert (found["upstream"], found["settle"], found["sleep"]) == (StepState.PASSED, StepState.PASSED, R)


def test_a_way_that_leads_to_a_step_that_is_gone_leads_on() -> None:
    book = runbook(only("id: a\nkind: note", "id: b\nkind: note"))
    assert states(done("a", kind=EventKind.TOOK, goto="gone"), book=book) == {"a": StepState.PASSED, "b": R}


def test_a_runbook_is_finished_when_nothing_is_left() -> None:
    book = runbook(only("id: a\nkind: note", "id: q\nkind: query\nexpr: up"))
    assert not is_finished(standings(book, run_of(), 1))
    found = standings(book, run_of(done("a")), 1)
    assert is_finished(found)
    assert current(found) is None
