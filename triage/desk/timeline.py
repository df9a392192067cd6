"""What runbook, cells and journal tell an incident's timeline: one small function for each kind of event. Pure.

Every entry names the event that it is of, so that whoever tells it, and however often, it counts once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from triage.actions.history import Asked, Deed, Outcome, history_of
from triage.actions.journal import Journal, JournalError
from triage.actions.system import Fate
from triage.cells.results import Run
from triage.cells.words import headline
from triage.incident.entries import OF_INCIDENT, Entry, Kind, Source
from triage.runbook.events import Event, EventKind
from triage.runbook.events import Outcome as StepOutcome
from triage.runbook.steps import Runbook
from triage.state_dir import Stamp, StateError
from triage.text import clean

if TYPE_CHECKING:
    # Only for types: it brings the clients of the sources along.
    from triage.actions.steps import Prepared
    from triage.cells.capture import Capture

_UNTOLD = frozenset({EventKind.CLAIMED, EventKind.RELEASED, EventKind.AGAIN})
PATIENCE_SECONDS = 30.0
"""A request that was sent so lately will have its result soon: it is told then."""
_NEWEST = 3
"""Files of a journal that are watched: all but the newest stay as they are, and there is one beside them to lock."""


def of_runbook(events: Iterable[Event], runbook: Runbook) -> Iterator[Entry]:
    """What happened to a run of ``runbook``, in the order of writing."""
    for event in events:
        said = None if event.kind in _UNTOLD else _step(event, runbook)
        if said is None:
            continue
        told = hashlib.sha256(f"{event.at!r} {event.by} {event.kind} {event.step} {event.outcome}".encode())
        step = runbook.step(event.step) if event.step else None
        query = getattr(step.does, "expr", "") if step is not None else ""
        yield Entry(Kind.STEP, event.at, event.at, event.by, clean(said), Source.RUNBOOK, event.step,
                    str(event.outcome or event.kind),
                    {"runbook": runbook.id, **({"query": query} if query else {}), **_of(event.incident)},
                    origin=f"runbook:{told.hexdigest()[:16]}")


def of_cells(run: Run, by: str) -> Entry:
    """A run of cells that is over."""
    names = ", ".join(run.asked) or "no cell"
    details = {"run": run.id, **({"record": run.record} if run.record else {}), **_of(run.incident)}
    for cell in run.cells:
        for verdict in cell.verdicts:
            details[f"{cell.id} {verdict.id}"] = f"{verdict.status}: {verdict.message}"
    ended = run.ended_at if run.ended_at is not None else run.started_at
    return Entry(Kind.CELL, ended, ended, by, clean(f"cell {names}: {headline(run)}"), Source.CELLS, names,
                 run.status or "no verdict", details, origin=f"cell:{run.id}")


def of_capture(made: Capture, at: float, incident: str, by: str) -> Entry:
    """A capture that ``by`` made at ``at`` (Unix seconds), while ``incident`` was open; "" without one."""
    return Entry(Kind.CELL, at, at, by, made.sentence(), Source.CELLS, "capture",
                 "partial" if made.missing else "done",
                 {"capture": made.digest, "folder": clean(made.folder), **_of(incident)},
                 origin=f"capture:{made.digest[:16]}:{clean(made.folder.name)}")


def of_deed(deed: Deed, now: float) -> Iterator[Entry]:
    """What the journal tells of one action, as of ``now`` (Unix seconds)."""
    plan = deed.plan
    title = {"title": plan.title, "action": str(plan.action), "digest": plan.digest, "target": plan.target.sentence(),
             **_of(plan.incident)}

    def entry(at: float, state: str, text: str, name: str, **more: str) -> Entry:
        return Entry(Kind.ACTION, at, at, deed.actor, clean(text), Source.ACTIONS, deed.action_id, state,
                     {**title, **more}, origin=f"action:{deed.action_id}:{name}")
    reason = f": {plan.reason}" if plan.reason else ""
    yield entry(deed.begun_at, "confirmed", f"{plan.title}, confirmed{reason}", "begun")
    if deed.break_glass:
        yield entry(deed.begun_at, "confirmed", f"GLASS BROKEN for {plan.title}: {deed.break_glass}", "glass")
    for attempt in deed.attempts:
        if attempt.fate is None and now - attempt.at < PATIENCE_SECONDS:
            continue
        fate = "sent, no result is written" if attempt.fate is None else str(attempt.fate)
        message = f", {attempt.message}" if attempt.message and attempt.fate is not Fate.DONE else ""
        yield entry(attempt.at, "sent", f"{plan.requests[attempt.index].sentence}: {fate}{message}",
                    f"{attempt.index}:{attempt.fate or ''}")
    if deed.outcome is not None:
        over = deed.concluded_at if deed.concluded_at is not None else deed.last_at
        yield entry(over, str(deed.outcome), f"{plan.title}: {deed.sentence or deed.outcome}", "end",
                    **({} if deed.outcome is Outcome.UNKNOWN else {"over": "yes"}))
    if deed.reconciled is not None and deed.outcome in (None, Outcome.UNKNOWN):
        settled = {} if deed.unresolved or deed.unseen else {"over": "yes"}
        yield entry(deed.concluded_at or deed.last_at, f"found {deed.reconciled}",
                    f"{plan.title}: found {deed.reconciled}", f"found:{deed.reconciled}", **settled)


def of_asked(asked: Asked) -> Entry:
    """A plan was shared to be approved, or approved by one of several persons."""
    by = asked.approved_by[-1] if asked.approved_by else asked.requester
    said = f"{asked.title}: approved, asked for by {asked.requester}" if asked.approved_by else (
        f"{asked.title}: another person is asked to approve it")
    return Entry(Kind.DECISION, asked.at, asked.at, by, clean(said), Source.ACTIONS, details=_of(asked.incident),
                 origin=f"asked:{asked.request}:{len(asked.approved_by)}")


def of_left(prepared: Prepared, at: float, by: str) -> Entry:
    """``by`` left a plan at ``at`` (Unix seconds) without confirming it: nothing was sent."""
    plan, stops = prepared.plan, prepared.stops
    held = f"; held by {', '.join(each.name for each in stops)}" if stops else ""
    return Entry(Kind.PLAN, at, at, by, clean(f"{plan.title}: plan {plan.short} left, nothing was sent{held}"),
                 Source.ACTIONS, prepared.action_id, "left",
                 {"title": plan.title, "digest": plan.digest, "target": plan.target.sentence(), **_of(plan.incident)},
                 origin=f"left:{prepared.action_id}")


def _of(incident: str) -> Mapping[str, str]:
    return {OF_INCIDENT: incident} if incident else {}


def _step(event: Event, runbook: Runbook) -> str | None:
    """The event in a sentence; None for what is no news to a timeline."""
    found = runbook.step(event.step) if event.step else None
    name = f"step {found.number} {found.title}" if found is not None else f"step {event.step}" if event.step else ""
    more = f": {event.text}" if event.text else ""
    match event.kind:
        case EventKind.OPENED:
            return f"runbook {runbook.title} begun{f', {event.text}' if event.text else ''}"
        case EventKind.CLOSED:
            return f"runbook {runbook.title} ended{more}"
        case EventKind.EDITED:
            return f"runbook {runbook.title} was edited meanwhile"
        case EventKind.CHECKED if event.outcome not in (StepOutcome.PASSED, StepOutcome.FAILED):
            return None
        case EventKind.CHECKED | EventKind.DONE:
            return f"{name} {event.outcome or 'done'}{more}"
        case EventKind.LOOKED:
            return f"{name} showed{more}"
        case EventKind.BEGAN:
            return f"{name} begun{more}"
        case EventKind.ANSWERED:
            return f"{name} answered{more}"
        case EventKind.SKIPPED:
            return f"{name} skipped{more}"
        case EventKind.TOOK:
            target = runbook.step(event.goto)
            return f"{name} leads to {f'{target.number} {target.title}' if target is not None else event.goto}"
    return None


class JournalReader:
    """The journal of one context, read again only where it has grown. Blocks for as long as the disk takes."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stamp: tuple[tuple[str, Stamp | None], ...] | None = None
        self._deeds: tuple[Deed, ...] = ()
        self._asked: tuple[Asked, ...] = ()
        self._heads: tuple[tuple[float, str], ...] = ()

    def head(self, until: float = math.inf) -> str:
        """``12:8f0e...``: number and digest of the last record up to then (Unix seconds), as ``triage journal verify
        --expect-head`` takes it; "" where there is none, and where it cannot be read."""
        self._read()
        return next((head for at, head in reversed(self._heads) if at <= until), "")

    def entries(self, model: str, since: float, now: float) -> tuple[Entry, ...]:
        """What it tells, as of ``now``, of the actions on ``model`` that were begun since then (Unix seconds); nothing
        where it cannot be read: the actions themselves say so then."""
        self._read()
        told = [of_asked(each) for each in self._asked if each.model == model and each.at >= since]
        return (*told, *(entry for deed in self._deeds if deed.plan.target.model == model and deed.begun_at >= since
                         for entry in of_deed(deed, now)))

    def _read(self) -> None:
        try:
            folder = self._journal.folder
            stamp = tuple((name, folder.stamp(name)) for name in folder.files()[-_NEWEST:])
            if stamp != self._stamp:
                records = self._journal.records()
                history = history_of(records)
                self._deeds, self._asked, self._stamp = history.deeds, history.asked, stamp
                self._heads = tuple((record.at, f"{record.seq}:{record.hash}") for record in records)
        except (JournalError, StateError):
            self._deeds, self._asked, self._stamp, self._heads = (), (), None, ()
