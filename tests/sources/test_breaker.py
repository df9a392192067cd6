"""When a source that is gone may be asked again."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from triage.clock import ManualClock
from triage.facts.outcome import GONE, FailureKind
from triage.sources.breaker import CAP_SECONDS, Breaker, BreakerState

QUERY_KINDS = sorted(set(FailureKind) - GONE)
GONE_KINDS = sorted(GONE - {FailureKind.CIRCUIT_OPEN})


def opened(clock: ManualClock, chance: float = 0.5) -> Breaker:
    breaker = Breaker(clock, lambda: chance)
    assert breaker.allow()
    breaker.record_failure(FailureKind.CONNECT)
    return breaker


@pytest.mark.parametrize("kind", GONE_KINDS)
def test_one_failure_of_a_gone_source_opens_it(kind: FailureKind) -> None:
    breaker = Breaker(ManualClock(), lambda: 0.5)
    breaker.record_failure(kind)
    assert not breaker.allow()
    assert breaker.next_try_in() == 0.5


@pytest.mark.parametrize("kind", QUERY_KINDS)
def test_a_bad_or_slow_query_never_opens_it(kind: FailureKind) -> None:
    breaker = Breaker(ManualClock(), lambda: 0.5)
    for _ in range(20):
        breaker.record_failure(kind)
    assert breaker.allow()
    assert breaker.next_try_in() is None


def test_after_the_wait_exactly_one_request_goes_through() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(0.49)
    assert not breaker.allow()
    clock.advance(0.02)
    assert [breaker.allow() for _ in range(5)] == [True, False, False, False, False]
    assert breaker.state is BreakerState.HALF_OPEN


def test_the_wait_doubles_up_to_the_cap() -> None:
    clock = ManualClock()
    breaker = Breaker(clock, lambda: 0.999999)
    waits = []
    for _ in range(8):
        assert breaker.allow()
        breaker.record_failure(FailureKind.UNAVAILABLE)
        wait = breaker.next_try_in()
        assert wait is not None
        waits.append(round(wait))
        clock.advance(wait)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_failures_of_requests_already_under_way_do_not_lengthen_the_wait() -> None:
    breaker = opened(ManualClock())
    for _ in range(10):
        breaker.record_failure(FailureKind.CONNECT)
    assert breaker.next_try_in() == 0.5


def test_a_success_closes_it_and_forgets_the_failures() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(1)
    assert breaker.allow()
    breaker.record_success()
    assert breaker.state is BreakerState.CLOSED
    breaker.record_failure(FailureKind.CONNECT)
    assert breaker.next_try_in() == 0.5


def test_a_late_timeout_of_an_older_request_is_no_sign_of_life() -> None:
    breaker = opened(ManualClock())
    breaker.record_failure(FailureKind.TIMEOUT)
    assert breaker.state is BreakerState.OPEN


def test_a_probe_that_was_cancelled_leaves_its_place_to_the_next() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(1)
    assert breaker.allow()
    breaker.record_abandoned()
    assert breaker.allow()


def test_a_reset_after_a_suspend_lets_everything_through() -> None:
    breaker = opened(ManualClock())
    breaker.reset()
    assert breaker.allow()
    assert breaker.allow()


def test_a_suspend_alone_does_not_end_the_wait() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.sleep_through(3600)
    assert not breaker.allow()


class BreakerMachine(RuleBasedStateMachine):
    """Any order of outcomes and waits keeps the promises."""

    @initialize(chance=st.floats(0, 1, exclude_max=True))
    def start(self, chance: float) -> None:
        self.clock = ManualClock()
        self.breaker = Breaker(self.clock, lambda: chance)
        self.probing = False

    @rule()
    def ask(self) -> None:
        before = self.breaker.state
        allowed = self.breaker.allow()
        assert allowed if before is BreakerState.CLOSED else True
        assert not allowed if before is BreakerState.HALF_OPEN else True
        self.probing = self.breaker.state is BreakerState.HALF_OPEN

    @rule(kind=st.sampled_from(GONE_KINDS))
    def fail(self, kind: FailureKind) -> None:
        self.breaker.record_failure(kind)
        assert self.breaker.state is BreakerState.OPEN

    @rule(kind=st.sampled_from(QUERY_KINDS))
    def complain(self, kind: FailureKind) -> None:
        before = self.breaker.state
        self.breaker.record_failure(kind)
        if before is BreakerState.CLOSED:
            assert self.breaker.state is BreakerState.CLOSED

    @rule()
    def succeed(self) -> None:
        self.breaker.record_success()
        assert self.breaker.allow()

    @precondition(lambda self: self.breaker.state is BreakerState.HALF_OPEN)
    @rule()
    def abandon(self) -> None:
        self.breaker.record_abandoned()
        assert self.breaker.allow()

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def the_wait_is_bounded(self) -> None:
        wait = self.breaker.next_try_in()
        assert wait is None or 0 <= wait <= CAP_SECONDS
        assert (wait is None) == (self.breaker.state is BreakerState.CLOSED)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
