"""The step machine: what the events of a run add up to, whoever wrote them. Pure; replaying them gives the same run.

An event that is not allowed where the run stands changes nothing. That is how two people in front of two screens agree:
of two that start the same cell the one whose line stands first in the log has started it, and what was skipped before
is not started at all.

A run belongs to one incident: to that under which the first of its events was written. The next incident has a run of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from triage.runbook.events import Event, EventKind, Outcome

ABANDONED_SECONDS = 12 * 3600.0
"""A run in which nothing happened for so long is over: who begins then begins anew."""
ADOPTED_SECONDS = 2 * 3600.0
"""A run that was worked with so shortly before an incident was opened, and for no other, is that incident's run."""


@dataclass(frozen=True, slots=True)
class Case:
    """The incident that is open."""

    id: str
    """"" while none is."""
    opened_at: float = 0.0
    """Unix seconds."""
    since: float = -math.inf
    """When the incident of the model before it was closed, Unix seconds; minus infinity without one."""


NO_CASE = Case("")


class Status(StrEnum):
    """What is recorded of a step."""

    NONE = "none"
    RUNNING = "running"
    """Started, and not known to have ended."""
    HOLDING = "holding"
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Record:
    """What is recorded of one step."""

    status: Status = Status.NONE
    since: float = 0.0
    """Unix seconds at which the status began; 0 with ``none``."""
    by: str = ""
    text: str = ""
    """Result, why it was skipped, or what a query showed first."""
    answer: str = ""
    """Of a question that was answered."""
    goto: str = ""
    """Where the way went from here; "" when it did not part."""
    claimed_by: str = ""
    starts: int = 0
    """How often it was started."""


NOTHING = Record()
_NO_RECORDS: Mapping[str, Record] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Run:
    """One working through of a runbook."""

    opened: Event | None = None
    """None: nobody has begun."""
    records: Mapping[str, Record] = field(default_factory=lambda: _NO_RECORDS)
    digest: str = ""
    """Of the runbook's text that it was last worked with."""
    last_at: float = 0.0
    """Unix seconds of the newest event that counted."""
    closed: bool = False
    incident: str = ""
    """Id of the incident that it belongs to; "" while it belongs to none."""

    @property
    def is_open(self) -> bool:
        """Whether it has begun and not ended."""
        return self.opened is not None and not self.closed

    def is_live(self, now: float) -> bool:
        """Whether it is open at ``now`` (Unix seconds), and not abandoned."""
        return self.is_open and now - self.last_at <= ABANDONED_SECONDS

    def belongs_to(self, case: Case | None) -> bool:
        """Whether it is the run of the incident that is open now; None: it is not known yet which one is."""
        if case is None or self.opened is None:
            return True
        if self.incident:
            return self.incident == case.id
        # What rested since before the incident before this one was over is of that one, or older.
        return self.last_at >= case.since and (not case.id or self.last_at >= case.opened_at - ADOPTED_SECONDS)

    def record(self, step: str) -> Record:
        """What is recorded of the step of this id."""
        return self.records.get(step, NOTHING)


_STATUS_OF = {Outcome.PASSED: Status.PASSED, Outcome.FAILED: Status.FAILED, Outcome.UNKNOWN: Status.UNKNOWN,
              Outcome.HOLDING: Status.HOLDING}


def replay(events: Iterable[Event]) -> Run:
    """The run that the events add up to; of several runs in one log the last."""
    run = Run()
    for event in events:
        run = apply(run, event)
    return run


def apply(run: Run, event: Event) -> Run:
    """``run`` after ``event``; the same object when it is not allowed, or changes nothing."""
    after = _apply(run, event)
    if after is run or after.incident or not event.incident or event.kind is EventKind.CLOSED:
        return after
    return replace(after, incident=event.incident)


def _apply(run: Run, event: Event) -> Run:
    if event.kind is EventKind.OPENED:
        return run if run.is_live(event.at) else Run(event, digest=event.digest, last_at=event.at)
    if not run.is_open:
        return run
    if event.kind is EventKind.CLOSED:
        # Of two that end the run of an incident that is over, the second must not end the one that the first began.
        return replace(run, closed=True, last_at=event.at) if event.incident == run.incident else run
    if event.kind is EventKind.EDITED:
        return run if event.digest == run.digest else replace(run, digest=event.digest, last_at=event.at)
    before = run.record(event.step)
    after = _MOVES[event.kind](before, event)
    if after is None or not event.step:
        return run
    return replace(run, records=MappingProxyType({**run.records, event.step: after}), last_at=event.at)


def _checked(before: Record, event: Event) -> Record | None:
    if event.outcome is None or before.status in (Status.SKIPPED, Status.RUNNING):
        return None
    status = _STATUS_OF[event.outcome]
    return None if before.status is status else _settled(before, status, event)


def _looked(before: Record, event: Event) -> Record | None:
    if before.status is not Status.NONE or before.text or not event.text:
        return None
    return replace(before, text=event.text)


def _began(before: Record, event: Event) -> Record | None:
    if before.status not in (Status.NONE, Status.FAILED, Status.UNKNOWN):
        return None
    return replace(before, status=Status.RUNNING, since=event.at, by=event.by, text=event.text,
                   starts=before.starts + 1)


def _done(before: Record, event: Event) -> Record | None:
    if event.outcome in (None, Outcome.HOLDING) or before.status not in (Status.NONE, Status.RUNNING):
        return None
    return _settled(before, _STATUS_OF[event.outcome], event)


def _answered(before: Record, event: Event) -> Record | None:
    if before.status is not Status.NONE or not event.text:
        return None
    return replace(_settled(before, Status.PASSED, event), answer=event.text)


def _took(before: Record, event: Event) -> Record | None:
    if before.goto or not event.goto or before.status not in (Status.NONE, Status.FAILED):
        return None
    if event.outcome is Outcome.PASSED and before.status is Status.NONE:
        return replace(_settled(before, Status.PASSED, event), goto=event.goto)
    return replace(before, goto=event.goto)


def _skipped(before: Record, event: Event) -> Record | None:
    if before.status in (Status.SKIPPED, Status.RUNNING, Status.PASSED) or not event.text.strip():
        return None
    return _settled(before, Status.SKIPPED, event)


def _again(before: Record, event: Event) -> Record | None:
    if before.status is Status.NONE and not before.goto:
        return None
    return Record(claimed_by=before.claimed_by, starts=before.starts)


def _claimed(before: Record, event: Event) -> Record | None:
    return None if before.claimed_by or not event.by else replace(before, claimed_by=event.by)


def _released(before: Record, event: Event) -> Record | None:
    return replace(before, claimed_by="") if before.claimed_by else None


def _settled(before: Record, status: Status, event: Event) -> Record:
    return replace(before, status=status, since=event.at, by=event.by, text=event.text)


_MOVES: Mapping[EventKind, Callable[[Record, Event], Record | None]] = {
    EventKind.CHECKED: _checked, EventKind.BEGAN: _began, EventKind.DONE: _done, EventKind.ANSWERED: _answered,
    EventKind.TOOK: _took, EventKind.SKIPPED: _skipped, EventKind.AGAIN: _again, EventKind.CLAIMED: _claimed,
    EventKind.RELEASED: _released, EventKind.LOOKED: _looked}
