"""What was done before, as the journal tells it: cool-down, toggling back, ends that are not known, what served."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from triage.actions.journal import Kind, Record
from triage.actions.plan import Action, Plan, plan_of
from triage.actions.system import Fate, Progress
from triage.text import clean

FLEEING = frozenset({Action.ROLLBACK, Action.ABORT})
"""Actions by which a version is left because of what it did."""
_VERBATIM = frozenset({"body", "path"})
_MOST_TEXT = 20_000


class Outcome(StrEnum):
    """How an action ended."""

    DONE = "done"
    """The target is where the plan wanted it, and what had to recover did."""
    NOT_RECOVERED = "done but not recovered"
    FAILED = "failed"
    """The system refused, or the target is not where the plan wanted it; what was changed is said."""
    UNKNOWN = "unknown"
    """Something was sent, and what became of it, or what it brought, could not be seen."""
    REFUSED = "refused"
    """Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of an action."""

    index: int
    """Its place in the plan, from 0."""
    at: float
    """When its intent was written, Unix seconds."""
    fate: Fate | None
    """None when no result was written: the process ended, or is still waiting."""
    message: str


@dataclass(frozen=True, slots=True)
class Deed:
    """One action of the journal."""

    action_id: str
    plan: Plan
    actor: str
    """Who carried it out, as the target system authenticated it."""
    begun_at: float
    """World time, Unix seconds; so are all others."""
    attempts: tuple[Attempt, ...] = ()
    outcome: Outcome | None = None
    """None while it is under way, or when its process ended before it was written."""
    sentence: str = ""
    """The outcome in a sentence; "" without one."""
    concluded_at: float | None = None
    reconciled: Progress | None = None
    """Where the world was found afterwards; None when nobody looked."""
    approval: str = ""
    """Id of the approval request that it used up; "" without one."""
    break_glass: str = ""
    """Why guards were overridden; "" when none was."""

    @property
    def unresolved(self) -> bool:
        """Whether a request of it may or may not have been done, and nobody has found out since."""
        open_end = any(each.fate is None or each.fate is Fate.UNKNOWN for each in self.attempts)
        return open_end and self.reconciled not in (Progress.REACHED, Progress.ELSEWHERE)

    @property
    def unseen(self) -> bool:
        """Whether nobody saw how it ended, or has found out since: its process was ended or is still at it, its
        watching was interrupted, or what it brought could not be seen."""
        return (self.outcome in (None, Outcome.UNKNOWN)
                and self.reconciled not in (Progress.REACHED, Progress.ELSEWHERE))

    @property
    def open_end(self) -> bool:
        """Whether it has to be looked at: something of it was to be sent, and what became of it is not known."""
        return bool(self.attempts) and (self.unresolved or self.unseen)

    @property
    def changed(self) -> bool:
        """Whether the system did, or may have done, any of its requests."""
        return any(each.fate in (None, Fate.DONE, Fate.UNKNOWN) for each in self.attempts)

    @property
    def moved(self) -> bool:
        """Whether the target is known to have come to where the plan wanted it."""
        return self.outcome in (Outcome.DONE, Outcome.NOT_RECOVERED) or self.reconciled is Progress.REACHED

    @property
    def last_at(self) -> float:
        """When something of it was last sent."""
        return self.attempts[-1].at if self.attempts else self.begun_at


@dataclass(frozen=True, slots=True)
class Service:
    """A stretch of time in which a version took all of a target's traffic, as far as triage's own actions tell."""

    version: str
    start: float
    end: float | None
    """None while it lasts."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan that somebody asked to have approved, or approved before the last person."""

    at: float
    request: str
    """Id of the request."""
    title: str
    """Of the plan."""
    model: str
    incident: str
    requester: str
    approved_by: tuple[str, ...]
    """Those who approved until then, the last of them just now; () when it was asked just now."""


@dataclass(frozen=True, slots=True)
class History:
    """Every action of the journal, oldest first."""

    deeds: tuple[Deed, ...]
    trouble: str = ""
    """Why it cannot be read, as a sentence; "" when it can."""
    asked: tuple[Asked, ...] = ()

    def of(self, key: str) -> tuple[Deed, ...]:
        """Those of one target, by :attr:`~triage.actions.plan.Target.key`."""
        return tuple(deed for deed in self.deeds if deed.plan.target.key == key)

    def recent(self, key: str, since: float) -> tuple[Deed, ...]:
        """Those of a target that changed something, or may have, after ``since``."""
        return tuple(deed for deed in self.of(key) if deed.changed and deed.last_at > since)

    def unresolved(self, key: str) -> tuple[Deed, ...]:
        """Those of a target whose end is not known. Whoever broke the glass later, with a reason, answers for those
        before: what nothing tells of any more must not stand in the way for good."""
        broken = max((deed.begun_at for deed in self.of(key) if deed.break_glass and deed.attempts), default=-math.inf)
        return tuple(deed for deed in self.of(key) if deed.unresolved and deed.last_at > broken)

    def left(self, key: str, version: str, since: float) -> Deed | None:
        """The last action after ``since`` by which the target was brought away from ``version`` because of it; None
        when there is none."""
        return next((deed for deed in reversed(self.recent(key, since)) if version
                     and deed.plan.action in FLEEING and deed.plan.before.version == version
                     and deed.plan.after.version != version), None)

    def served(self, key: str, version: str) -> tuple[Service, ...]:
        """When ``version`` took all traffic of a target: from an action that brought it there to the next that brought
        another."""
        moves = [deed for deed in self.of(key) if deed.moved and deed.plan.action in
                 (Action.ROLLBACK, Action.PROMOTE_FULL, Action.ABORT)]
        ends: Sequence[Deed | None] = [*moves[1:], None]
        return tuple(Service(version, deed.last_at, after.last_at if after else None)
                     for deed, after in zip(moves, ends, strict=False) if deed.plan.after.version == version)

    def approval_used(self, request_id: str) -> bool:
        """Whether an action used this approval request up."""
        return any(deed.approval == request_id for deed in self.deeds)


def history_of(records: Iterable[Record]) -> History:
    """The actions that the journal's ``records`` tell of, oldest first; a record of another version of triage that
    cannot be understood makes it a :attr:`History.trouble`."""
    deeds: dict[str, Deed] = {}
    asked: list[Asked] = []
    trouble = ""
    for record in records:
        try:
            if record.kind == Kind.BEGUN:
                deeds[record.action_id] = _begun(record)
            elif record.kind == Kind.ASKED:
                asked.append(_asked(record))
            elif record.action_id in deeds:
                deeds[record.action_id] = _continued(deeds[record.action_id], record)
        except (KeyError, ValueError, TypeError):
            trouble = trouble or f"record {record.seq} of the journal is not understood"
    return History(tuple(deeds.values()), trouble, tuple(asked))


def cleaned(value: Any) -> Any:
    """What a record holds, every text in it cleaned: whoever can write the journal must not reach a terminal. Bodies
    and paths of requests, which are never shown from here, stay as they were sent."""
    if isinstance(value, Mapping):
        return {key: inner if key in _VERBATIM else cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [cleaned(inner) for inner in value]
    return clean(value, multiline=True, limit=_MOST_TEXT) if isinstance(value, str) else value


def _asked(record: Record) -> Asked:
    fields: Mapping[str, Any] = cleaned(record.fields)
    # Records of older versions do not name the model.
    return Asked(record.at, str(fields["request"]), str(fields["title"]), str(fields.get("model", "")),
                 str(fields.get("incident", "")), str(fields["requester"]),
                 tuple(str(each) for each in fields["approved_by"]))


def _begun(record: Record) -> Deed:
    fields: Mapping[str, Any] = cleaned(record.fields)
    return Deed(clean(record.action_id, limit=40), plan_of(fields["plan"]), str(fields["actor"]), record.at,
                approval=str(fields.get("approval", "")), break_glass=str(fields.get("break_glass", "")))


def _continued(deed: Deed, record: Record) -> Deed:
    fields = cleaned(record.fields)
    if record.kind == Kind.INTENT:
        index = int(fields["request"])
        if index not in range(len(deed.plan.requests)):
            raise ValueError("the plan has no such request")
        return replace(deed, attempts=(*deed.attempts, Attempt(index, record.at, None, "")))
    if record.kind == Kind.RESULT:
        index = int(fields["request"])
        return replace(deed, attempts=tuple(
            replace(each, fate=Fate(fields["fate"]), message=str(fields["message"]))
            if each.index == index and each.fate is None else each for each in deed.attempts))
    if record.kind == Kind.CONCLUDED:
        return replace(deed, outcome=Outcome(fields["outcome"]), sentence=str(fields["sentence"]),
                       concluded_at=record.at)
    if record.kind == Kind.RECONCILED:
        return replace(deed, reconciled=Progress(fields["progress"]))
    return deed
