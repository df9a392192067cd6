"""What a key on a step comes to: an event, an intent, a question to the person, or why nothing happens. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from triage.runbook.events import Event, EventKind, Outcome
from triage.runbook.intents import Intent, OpenPlan, RunCell
from triage.runbook.path import Standing, StepState
from triage.runbook.run import Status
from triage.runbook.steps import Act, Approve, Branch, Cell, Check, Message, Query, Question, Runbook, Wait
from triage.signals import wording

if TYPE_CHECKING:
    from triage.signals.model import ModelState


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the person has to say first."""

    text: str
    choices: tuple[str, ...] = ()
    """What can be answered; () for any text."""


@dataclass(frozen=True, slots=True)
class Move:
    """What happens; exactly one of ``event``, ``prompt`` and ``refused`` is given, or an intent alone."""

    event: Event | None = None
    intent: Intent | None = None
    """Only to be followed when the event, if there is one, counted."""
    prompt: Prompt | None = None
    refused: str = ""
    """Why nothing happens, and what would help."""
    copy: str = ""
    """Text for the clipboard."""


class Decide(Protocol):
    """Makes a move of a step, on a sheet as it is shown."""

    def __call__(self, runbook: Runbook, standing: Standing, model: ModelState, /) -> Move: ...


def go(runbook: Runbook, standing: Standing, by: str, now: float, said: str | None = None,
       model: ModelState | None = None) -> Move:
    """Do the step: what ``enter`` means. ``said`` is the answer to an earlier prompt."""
    step, state, does = standing.step, standing.state, standing.step.does
    if refused := _not_now(standing, by, now):
        return Move(refused=refused)
    if standing.needs_decision:
        return Move(Event(EventKind.TOOK, now, by, step.id, goto=standing.leads_to))
    match does:
        case Check() | Query():
            return Move(refused="looks by itself with every refresh")
        case Branch():
            if not standing.leads_to:
                return Move(refused=standing.note or "no choice holds")
            return Move(Event(EventKind.TOOK, now, by, step.id, Outcome.PASSED, _led(runbook, standing.leads_to),
                              standing.leads_to))
        case Cell():
            return Move(Event(EventKind.BEGAN, now, by, step.id, text=f"cell {does.cell}"),
                        RunCell(does.cell, does.params, step.id))
        case Act():
            return Move(intent=OpenPlan(does.action, does.to, f"runbook {runbook.id}, step {step.number}: {step.title}",
                                        step.id))
        case Question():
            return _answered(standing, does, by, now, said)
        case Approve():
            if not said or not said.strip():
                return Move(prompt=Prompt(f"who in the role {does.role} agreed, and where"))
            return _done(standing, by, now, f"agreed: {said.strip()}")
        case Message():
            text = fill(does.text, model, now)
            done = _done(standing, by, now, f"message to {does.to}")
            return Move(done.event, copy=text)
    assert state is not StepState.PASSED  # noqa: S101 - _not_now has seen to it
    return _done(standing, by, now, "")


def by_hand(standing: Standing, by: str, now: float, said: str | None = None) -> Move:
    """Say how a step came out that was done elsewhere: ``said`` begins with how, ``failed: no pods left``."""
    if isinstance(standing.step.does, Check | Query | Branch | Wait):
        return Move(refused="is nothing that is done by hand; s skips it")
    if standing.state not in (StepState.READY, StepState.RUNNING, StepState.FAILED):
        return Move(refused=_not_now(standing, by, now) or "is done; x does it again")
    if standing.state is StepState.FAILED:
        return Move(refused="is done; x does it again")
    word, _, text = (said or "").strip().partition(" ")
    outcome = {"passed": Outcome.PASSED, "failed": Outcome.FAILED}.get(word.rstrip(":,.").casefold())
    if outcome is None or not text.strip():
        return Move(prompt=Prompt(f"how did {standing.step.number} come out, and what was seen",
                                  ("passed, and what", "failed, and what")))
    return Move(Event(EventKind.DONE, now, by, standing.step.id, outcome, f"by hand: {text.strip()}"))


def skip(standing: Standing, by: str, now: float, reason: str | None = None) -> Move:
    """Leave the step out; never without a reason, and never does it anything."""
    if standing.state is StepState.SKIPPED:
        return Move(refused="is skipped already; x brings it back")
    if standing.state is StepState.PASSED or standing.record.status is Status.RUNNING:
        return Move(refused="has begun or is done: there is nothing to skip")
    if standing.state is StepState.NOT_APPLICABLE:
        return Move(refused=f"does not apply: {standing.note}")
    if not reason or not reason.strip():
        return Move(prompt=Prompt(f"why skip {standing.step.number} {standing.step.title}"))
    return Move(Event(EventKind.SKIPPED, now, by, standing.step.id, text=reason.strip()))


def again(standing: Standing, by: str, now: float) -> Move:
    """Forget what is recorded of the step, so that it can be done anew."""
    if standing.record.status is Status.NONE and not standing.record.goto:
        return Move(refused="has not been done")
    if isinstance(standing.step.does, Check) and standing.record.status is not Status.SKIPPED \
            and not standing.record.goto:
        return Move(refused="looks by itself with every refresh")
    return Move(Event(EventKind.AGAIN, now, by, standing.step.id))


def claim(standing: Standing, by: str, now: float) -> Move:
    """Say that one is on it; or release the claim, one's own or another's."""
    kind = EventKind.RELEASED if standing.record.claimed_by else EventKind.CLAIMED
    return Move(Event(kind, now, by, standing.step.id))


def fill(text: str, model: ModelState | None, now: float) -> str:
    """A message with its fields filled in; what is not known is said to be."""
    def arm(name: str) -> str:
        found = model.versions.arm(name) if model is not None else None
        return found.version if found is not None else f"no {name} version"

    known = {
        "model": model.name if model is not None else "(model not known)",
        "verdict": wording.headline(model.verdict, model.urgency).lower() if model is not None else "(not known)",
        "reason": model.reasons[0].text if model is not None and model.reasons else "(not known)",
        "stable": arm("stable"), "canary": arm("canary"), "time": wording.clock_time(now)}
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _not_now(standing: Standing, by: str, now: float) -> str:
    record = standing.record
    match standing.state:
        case StepState.PENDING:
            return f"its turn has not come{': ' + standing.note if standing.note else ''}; s skips it"
        case StepState.NOT_APPLICABLE:
            return f"does not apply: {standing.note}"
        case StepState.SKIPPED:
            return "was skipped; x brings it back"
        case StepState.PASSED:
            return "is done; x does it again"
        case StepState.RUNNING if isinstance(standing.step.does, Wait):
            rest = max(0.0, (standing.ends_at or now) - now)
            return f"over in {wording.age(rest)}; s skips it"
        case StepState.RUNNING if not isinstance(standing.step.does, Check):
            since = wording.clock_time(record.since, now)
            return f"{record.by or 'somebody'} began it at {since}; x if nothing comes of it"
        case StepState.FAILED if not standing.needs_decision and not isinstance(standing.step.does, Check | Cell | Act):
            return "is done; x does it again"
    if record.claimed_by and record.claimed_by != by:
        return f"{record.claimed_by} is on it; c releases it"
    return ""


def _answered(standing: Standing, does: Question, by: str, now: float, said: str | None) -> Move:
    wanted = (said or "").strip().casefold()
    fitting = [choice for choice in does.choices if wanted and choice.casefold().startswith(wanted)]
    exact = [choice for choice in fitting if choice.casefold() == wanted]
    if len(exact or fitting) != 1:
        return Move(prompt=Prompt(does.question, does.choices))
    return Move(Event(EventKind.ANSWERED, now, by, standing.step.id, text=(exact or fitting)[0]))


def _done(standing: Standing, by: str, now: float, text: str) -> Move:
    return Move(Event(EventKind.DONE, now, by, standing.step.id, Outcome.PASSED, text))


def _led(runbook: Runbook, target: str) -> str:
    step = runbook.step(target)
    return f"to {step.number} {step.title}" if step is not None else ""
