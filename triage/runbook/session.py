"""``RunbookSession``: one person's work with the runbooks of the models looked at, and the sheet that shows it.

Reads and writes the disk, so it lives in a thread of its own; one call at a time. Before anybody has done a step
nothing is written: checks are looked at in memory. From the first step on every change of a check is recorded too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from triage.errors import InvalidDocument
from triage.runbook import moves
from triage.runbook.changes import changes
from triage.runbook.checks import Seen, look
from triage.runbook.choose import choose
from triage.runbook.document import parse_runbook
from triage.runbook.events import Event, EventKind, Outcome
from triage.runbook.intents import Intent, Place
from triage.runbook.moves import Move, Prompt
from triage.runbook.path import Standing, current, is_finished, standings
from triage.runbook.progress import Progress
from triage.runbook.run import NO_CASE, Case, Run, Status, apply, replay
from triage.runbook.shelf import Shelf, Volume
from triage.runbook.steps import Check, Query, Runbook
from triage.state_dir import StateDir, StateError

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.notebook.load import Notebook
    from triage.signals.model import ModelState

HOLDING_GAP_SECONDS = 60.0
"""A check that must hold for a while begins anew when nobody has looked for longer than this."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A runbook and how its steps stand, ready to be shown."""

    model: str
    runbook: Runbook
    why: str
    """``for FraudCanarySlow, since 14:19``; "" when nothing asks for it."""
    standings: tuple[Standing, ...]
    seen: Mapping[str, Seen]
    """What the checks and numbers came to, by step; those that are not looked at are missing."""
    current: str
    """Id of the step that is next; "" when nothing is left to do."""
    run: Run
    """Nobody has begun while its ``opened`` is a moment of this process only; see ``begun``."""
    begun: bool
    """Whether somebody has begun to work through it."""
    is_checklist: bool = False
    changes: tuple[str, ...] = ()
    """How it differs from the text that the run began with."""
    trouble: str = ""
    """What keeps it from being read or written as it should; "" when nothing does."""
    looked_at: float = 0.0
    """Unix seconds."""

    def standing(self, step: str) -> Standing | None:
        """How the step of this id stands; None when there is none."""
        return next((standing for standing in self.standings if standing.step.id == step), None)

    def is_of(self, other: Sheet | None) -> bool:
        """Whether ``other`` shows the same runbook of the same model."""
        return other is not None and (self.model, self.runbook.id) == (other.model, other.runbook.id)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return is_finished(self.standings)


@dataclass(frozen=True, slots=True)
class Result:
    """What a key came to."""

    sheet: Sheet | None
    said: str = ""
    """For the person, in a few words."""
    prompt: Prompt | None = None
    intent: Intent | None = None
    copy: str = ""


@dataclass
class _Desk:
    """What this process knows of one runbook of one model."""

    progress: Progress
    virtual: list[Event] = field(default_factory=list)
    """What would be in the log if somebody had begun."""
    last: dict[str, Outcome] = field(default_factory=dict)
    """What each check came to when this process looked last."""
    last_looked: float = float("-inf")
    unread: str = ""
    """Why the log cannot be read; "" when it can."""
    unwritten: str = ""
    """Why nothing could be added to it the last time; "" when it could."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the sheet shown last was made of."""

    snapshot: Snapshot
    model: ModelState
    volume: Volume
    trouble: str
    """Of the runbooks' files."""
    desk: _Desk
    sheet: Sheet


class RunbookSession:
    """The runbooks of one context, for one person."""

    def __init__(self, state: StateDir, by: str,
                 incident: Callable[[str], Case | None] = lambda model: NO_CASE) -> None:
        """``by`` is who works here, as ``user@host``; ``incident`` gives the incident of a model that is open; None
        while that is not known."""
        self._state = state
        self._by = by
        self._incident = incident
        self._shelves: dict[str, tuple[Notebook, Shelf]] = {}
        self._desks: dict[tuple[str, str, str], _Desk] = {}
        self._shown: _Shown | None = None

    def look(self, notebook: Notebook, snapshot: Snapshot, model: ModelState, now: float) -> Sheet:
        """The runbook that fits ``model`` (as it is shown) best, looked at ``now`` (Unix seconds)."""
        volumes = self._shelf(model.name, notebook).volumes(model)
        volume, why = self._choose(volumes, snapshot.context, model, now)
        trouble = next((each.trouble for each in volumes if each.trouble), "")
        return self._sheet(snapshot, model, volume, why, trouble, now)

    def go(self, step: str, now: float, said: str | None = None) -> Result:
        """Do a step of the sheet that was shown last."""
        return self._move(step, now, lambda runbook, standing, model: moves.go(
            runbook, standing, self._by, now, said, model))

    def by_hand(self, step: str, now: float, said: str | None = None) -> Result:
        """Say how a step came out that was done elsewhere."""
        return self._move(step, now, lambda runbook, standing, model: moves.by_hand(standing, self._by, now, said))

    def skip(self, step: str, now: float, reason: str | None = None) -> Result:
        """Leave a step out."""
        return self._move(step, now, lambda runbook, standing, model: moves.skip(standing, self._by, now, reason))

    def again(self, step: str, now: float) -> Result:
        """Do a step anew."""
        return self._move(step, now, lambda runbook, standing, model: moves.again(standing, self._by, now))

    def claim(self, step: str, now: float) -> Result:
        """Say that one is on it, or release it."""
        return self._move(step, now, lambda runbook, standing, model: moves.claim(standing, self._by, now))

    def begin(self, step: str, now: float, text: str) -> Result:
        """An intent was taken up: the plan of an action is open."""
        return self._move(step, now, lambda runbook, standing, model: Move(
            Event(EventKind.BEGAN, now, self._by, step, text=text)))

    def conclude(self, place: Place, now: float, outcome: Outcome | None, text: str) -> Result:
        """How the intent of the step at ``place`` came out, whatever is shown by now; None: it was not carried out, and
        the step is as before. The sheet is the one that is shown."""
        kind = EventKind.AGAIN if outcome is None else EventKind.DONE
        event = Event(kind, now, self._by, place.step, outcome, text)
        desk = self._desk(place.context, place.model, place.runbook)
        said = ""
        if self._run(desk).is_live(now):
            try:
                desk.progress.write([event])
                desk.unwritten = ""
            except StateError as error:
                desk.unwritten = said = _not_kept(error)
        elif desk.virtual:
            desk.virtual.append(event)
        shown = self._shown
        return Result(self._again(shown, now) if shown is not None else None, said)

    def close(self, now: float, why: str) -> Result:
        """End the run: who begins the next time begins anew."""
        shown = self._shown
        if shown is None or not shown.sheet.begun:
            return Result(shown.sheet if shown is not None else None, "nobody has begun")
        said = "the next run begins anew"
        if not self._write(shown, Event(EventKind.CLOSED, now, self._by, text=why, incident=shown.sheet.run.incident)):
            said = shown.desk.unwritten or "somebody else has closed it"
        return Result(self._again(shown, now), said)

    def events(self) -> tuple[Event, ...]:
        """Everything recorded of the runbook shown last, in the order of writing."""
        return self._shown.desk.progress.events() if self._shown is not None else ()

    def _shelf(self, model: str, notebook: Notebook) -> Shelf:
        known = self._shelves.get(model)
        if known is None or known[0] is not notebook:
            known = notebook, Shelf(notebook)
            self._shelves[model] = known
        return known[1]

    def _choose(self, volumes: Sequence[Volume], context: str, model: ModelState,
                now: float) -> tuple[Volume, str]:
        """What is being worked with stays, until it is finished and another one fits; else what fits best."""
        usable = {volume.runbook.id: volume for volume in volumes if volume.runbook is not None}
        match = choose([volume.runbook for volume in usable.values() if volume.runbook is not None], model, now)
        for name, volume in usable.items():
            run, runbook = self._run(self._desk(context, model.name, name)), volume.runbook
            if runbook is None or not self._goes_on(run, model.name, now):
                continue
            fits = match.runbook.id == name
            if fits or not match.why or not is_finished(standings(runbook, run, now)):
                return volume, match.why if fits else ""
        return usable[match.runbook.id], match.why

    def _desk(self, context: str, model: str, runbook: str) -> _Desk:
        key = context, model, runbook
        if key not in self._desks:
            self._desks[key] = _Desk(Progress(self._state, context, model, runbook, lambda: self._incident(model)))
        return self._desks[key]

    def _run(self, desk: _Desk) -> Run:
        """The recorded run; when it cannot be read, none, and why."""
        try:
            found = desk.progress.run()
        except StateError as error:
            desk.unread = f"progress cannot be read: {error.message} ({error.hint})"
            return Run()
        desk.unread = ""
        return found

    def _sheet(self, snapshot: Snapshot, model: ModelState, volume: Volume, why: str, trouble: str,
               now: float) -> Sheet:
        runbook = volume.runbook
        assert runbook is not None  # noqa: S101 - _choose gives usable volumes only
        desk = self._desk(snapshot.context, model.name, runbook.id)
        recorded = self._run(desk)
        begun = self._goes_on(recorded, model.name, now)
        if begun:
            desk.virtual.clear()
            run = recorded
        else:
            self._ready(desk, why, volume, now)
            run = replay(desk.virtual)
        found, seen = standings(runbook, run, now), {}
        for standing in found:
            if standing.is_looked_at and isinstance(standing.step.does, Check | Query):
                seen[standing.step.id] = look(snapshot, model, standing.step.does, now)
        news = self._news(desk, run, found, seen, now)
        if begun and run.digest != volume.digest:
            news += [*self._other_steps(desk, run, runbook, now),
                     Event(EventKind.EDITED, now, self._by, digest=volume.digest)]
            with suppress(StateError):
                # The next edit is compared with it.
                desk.progress.keep_text(volume.digest, volume.text)
        if news:
            run = self._record(desk, run, news, begun=begun)
            found = standings(runbook, run, now)
        desk.last_looked = now
        next_step = current(found)
        sheet = Sheet(model.name, runbook, why, found, seen, next_step.step.id if next_step is not None else "", run,
                      begun, volume.is_checklist, self._changes(desk, run, volume) if begun else (),
                      desk.unread or desk.unwritten or trouble, now)
        self._shown = _Shown(snapshot, model, volume, trouble, desk, sheet)
        return sheet

    def _goes_on(self, run: Run, model: str, now: float) -> bool:
        """Whether the recorded run is the one to work with: it is neither over nor that of another incident."""
        return run.is_live(now) and run.belongs_to(self._incident(model))

    def _ready(self, desk: _Desk, why: str, volume: Volume, now: float) -> None:
        """Have a beginning in memory; time counts since something asks for the runbook."""
        if not desk.virtual:
            desk.virtual.append(Event(EventKind.OPENED, now, self._by, text=why, digest=volume.digest))
        elif why and not desk.virtual[0].text:
            desk.virtual[0] = replace(desk.virtual[0], at=now, text=why)

    def _news(self, desk: _Desk, run: Run, found: Sequence[Standing], seen: Mapping[str, Seen],
              now: float) -> list[Event]:
        """What changed of the checks since this process looked last, and what queries showed first, if it is not
        recorded yet."""
        news = []
        rested = now - desk.last_looked > HOLDING_GAP_SECONDS
        for standing in found:
            name, does = standing.step.id, standing.step.does
            if name in seen and isinstance(does, Query) and not run.record(name).text and (
                    seen[name].outcome is Outcome.PASSED):
                news.append(Event(EventKind.LOOKED, now, self._by, name, text=seen[name].said))
            if name not in seen or not isinstance(does, Check):
                continue
            outcome, record = seen[name].outcome, run.record(name)
            status = record.status
            if outcome is None:
                continue
            if outcome is Outcome.PASSED and does.hold_seconds and status is not Status.PASSED:
                if status is Status.HOLDING and rested:
                    news.append(Event(EventKind.CHECKED, now, self._by, name, Outcome.UNKNOWN, "nobody looked"))
                    status = Status.UNKNOWN
                held = status is Status.HOLDING and now - record.since >= does.hold_seconds
                outcome = Outcome.PASSED if held else Outcome.HOLDING
            changed = desk.last.get(name) is not outcome or rested
            desk.last[name] = outcome
            # What nobody knew, or was done anew, is recorded whatever this process saw before.
            if (changed or status in (Status.NONE, Status.UNKNOWN)) and str(status) != str(outcome):
                news.append(Event(EventKind.CHECKED, now, self._by, name, outcome, seen[name].said))
        return news

    def _record(self, desk: _Desk, run: Run, news: Sequence[Event], *, begun: bool) -> Run:
        for event in news:
            run = apply(run, event)
        if not begun:
            desk.virtual += news
            return run
        try:
            desk.progress.write(news)
            desk.unwritten = ""
            return desk.progress.run()
        except StateError as error:
            desk.unwritten = _not_kept(error)
            return run

    def _changes(self, desk: _Desk, run: Run, volume: Volume) -> tuple[str, ...]:
        first = run.opened.digest if run.opened is not None else ""
        if volume.runbook is None or not first or first == volume.digest or volume.is_checklist:
            return ()
        before = _kept(desk, first)
        return ("edited since it was begun",) if before is None else changes(before, volume.runbook)

    def _other_steps(self, desk: _Desk, run: Run, runbook: Runbook, now: float) -> list[Event]:
        """What is recorded of a step that is of another kind now was said of something else: it is to be done again."""
        before = _kept(desk, run.digest)
        return [] if before is None else [
            Event(EventKind.AGAIN, now, self._by, step.id) for step in runbook.steps
            if (old := before.step(step.id)) is not None and old.kind != step.kind
            and run.record(step.id).status not in (Status.NONE, Status.RUNNING)]

    def _move(self, step: str, now: float, decide: moves.Decide) -> Result:
        if self._shown is None:
            return Result(None, "no runbook is open")
        sheet = self._again(self._shown, now)
        standing = sheet.standing(step)
        if standing is None:
            return Result(sheet, "there is no such step any more")
        move = decide(sheet.runbook, standing, self._shown.model)
        if move.prompt is not None or move.refused:
            return Result(sheet, f"{standing.step.number} {move.refused}" if move.refused else "", move.prompt)
        if move.event is not None and not self._write(self._shown, move.event):
            sheet = self._again(self._shown, now)
            return Result(sheet, sheet.trouble or f"{standing.step.number} was changed by somebody else: look again")
        intent = move.intent
        if intent is not None:
            intent = replace(intent, place=Place(self._shown.snapshot.context, sheet.model, sheet.runbook.id, step))
        return Result(self._again(self._shown, now), "", None, intent, move.copy)

    def _write(self, shown: _Shown, event: Event) -> bool:
        """Record ``event``; whether it counted. The first of a run brings what came before it along."""
        desk, begun = shown.desk, shown.sheet.begun
        try:
            if not begun:
                desk.progress.keep_text(shown.volume.digest, shown.volume.text)
            counted = desk.progress.write([event] if begun else [*self._ended(desk, event), *desk.virtual, event])
        except StateError as error:
            desk.unwritten = _not_kept(error)
            if not begun:
                # Without a disk there is still a runbook to work through.
                desk.virtual.append(event)
            return not begun
        desk.unwritten = ""
        desk.virtual.clear()
        return counted

    def _ended(self, desk: _Desk, event: Event) -> Sequence[Event]:
        """What ends the run of an incident that is over, before another one begins."""
        run = desk.progress.run()
        why = f"{run.incident} is closed" if run.incident else "an incident came after it"
        return () if not run.is_live(event.at) else (
            Event(EventKind.CLOSED, event.at, self._by, text=why, incident=run.incident),)

    def _again(self, shown: _Shown, now: float) -> Sheet:
        """The sheet that was shown last, with what was recorded since."""
        return self._sheet(shown.snapshot, shown.model, shown.volume, shown.sheet.why, shown.trouble, now)


def _not_kept(error: StateError) -> str:
    return f"progress is not kept: {error.message} ({error.hint})"


def _kept(desk: _Desk, digest: str) -> Runbook | None:
    """The runbook of a text that was kept; None when it was not, or cannot be read."""
    try:
        text = desk.progress.kept_text(digest)
        return None if text is None else parse_runbook(text, "")
    except (StateError, InvalidDocument):
        return None
