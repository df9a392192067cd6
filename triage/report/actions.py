"""``triage act``: a plan with its guards, each step, and how it ended, as text."""

from __future__ import annotations

from collections.abc import Iterator

from triage.actions.guards.checking import Checked
from triage.actions.guards.checking import Verdict as Found
from triage.actions.history import Deed, Outcome
from triage.actions.lease import Busy
from triage.actions.plan import State, shown_version
from triage.actions.steps import Prepared, Stage, Step
from triage.actions.system import Refusal, Sighting, authenticated
from triage.actions.told_apart import shortened
from triage.actions.under_way import OpenEnd
from triage.report.characters import Characters
from triage.report.times import spoken
from triage.signals.reading import Verdict
from triage.signals.wording import clock_time

VERDICTS = {Found.OK: Verdict.PASS, Found.WARN: Verdict.WARN, Found.BLOCKED: Verdict.FAIL,
            Found.CANNOT_TELL: Verdict.UNKNOWN}
"""How a guard's answer is drawn."""
OUTCOMES = {Outcome.DONE: Verdict.PASS, Outcome.NOT_RECOVERED: Verdict.WARN, Outcome.FAILED: Verdict.FAIL,
            Outcome.REFUSED: Verdict.FAIL, Outcome.UNKNOWN: Verdict.UNKNOWN}
"""How an ending is drawn."""
EXIT = {Outcome.DONE: 0, Outcome.NOT_RECOVERED: 1, Outcome.FAILED: 2, Outcome.REFUSED: 2, Outcome.UNKNOWN: 3}
"""Exit codes of ``triage act``."""
_MOST_OF_A_CHANGE = 200
"""Characters of one changed field; JSON has it whole."""


def plan_lines(prepared: Prepared, characters: Characters) -> Iterator[str]:
    """Everything that has to be seen before it is confirmed."""
    yield from map(characters.say, _plan(prepared, characters))


def _plan(prepared: Prepared, characters: Characters) -> Iterator[str]:
    plan = prepared.plan
    yield f"{plan.title}    plan {plan.short}"
    yield f"  {plan.target.sentence()}, context {plan.target.context}" + (
        " PRODUCTION" if plan.target.production else "")
    yield f"  from     {standing(plan.before)}"
    yield from (f"           {text}" for text in filter(None, [image(plan.before)]))
    yield f"  to       {standing(plan.after)}"
    yield from (f"           {text}" for text in filter(None, [image(plan.after)]))
    for number, (request, rehearsal) in enumerate(zip(plan.requests, prepared.rehearsals, strict=True), 1):
        yield f"  request {number} of {len(plan.requests)}  {request.sentence}"
        yield f"           {request.effect}"
        if request.preconditions:
            yield f"           if {'; '.join(each.sentence for each in request.preconditions)}"
        yield f"           rehearsed: {rehearsal.message}"
        yield from (f"             {shortened(row, _MOST_OF_A_CHANGE)}" for row in rehearsal.diff)
    yield f"  touches  {plan.blast_radius.sentence}"
    yield f"  path     {plan.path}"
    yield f"  undo     {plan.inverse}"
    yield f"  after    {after(prepared)}"
    yield f"  actor    {persons(prepared)}"
    yield f"  reason   {plan.reason or 'none given'}" + (f" ({plan.incident})" if plan.incident else "")
    yield from (f"  {characters.glyph(Verdict.WARN)} {text}" for text in plan.warnings)
    yield from (f"  {guard_line(each, characters)}" for each in prepared.checked)


def guard_line(guard: Checked, characters: Characters) -> str:
    """One guard: glyph, word and sentence, and what has to be typed."""
    asks = f" (to acknowledge: {guard.acknowledgement})" if guard.acknowledgement else ""
    breaks = " (breaking glass overrides it)" if guard.stops and guard.breakable else ""
    return f"{characters.glyph(VERDICTS[guard.verdict])} {guard.verdict}  {guard.name}: {guard.sentence}{asks}{breaks}"


def standing(state: State) -> str:
    """``v8, revision 12, sha256:0123456789ab, 10 %, step 1 of 4``."""
    digest = state.image_digest[:19] or ("digest unknown" if state.image_source else "")
    parts = (shown_version(state.version) if state.version else "",
             "" if state.revision is None else f"revision {state.revision}", digest, state.text)
    return ", ".join(part for part in parts if part) or "as it is"


def image(state: State) -> str:
    """The whole digest and where it comes from, or why it is not known; "" where the system knows no images."""
    return f"{state.image_digest}: {state.image_source}" if state.image_digest else state.image_source


def after(prepared: Prepared) -> str:
    """What must be seen afterwards, and by when."""
    wanted = prepared.plan.verification
    told = f"{wanted.goal}, within {wanted.goal_seconds:.0f} s"
    if not wanted.readings:
        return told
    return f"{told}; {', '.join(wanted.readings)} met again within {wanted.recovery_seconds / 60:.0f} min"


def persons(prepared: Prepared) -> str:
    """Who carries it out and who authenticates them, and who asked for it where that is another."""
    plan, request, identity = prepared.plan, prepared.circumstances.approval, prepared.circumstances.identity
    who = identity if request is not None and isinstance(identity, str) else plan.actor
    told = f"{who}, says {plan.authenticated_by}" if plan.authenticated_by and authenticated(who) else who
    return told if request is None else f"{told}; asked for by {request.requester}"


def step_line(step: Step, requests: int) -> str:
    """One step as it happens."""
    number = "" if step.request is None else f" {step.request + 1} of {requests}"
    return f"{spoken(step.at)}  {step.stage}{number}: {step.sentence}"


def receipt_lines(prepared: Prepared, steps: tuple[Step, ...], contacts: tuple[str, ...],
                  characters: Characters) -> Iterator[str]:
    """How it ended, and whom to call when that is no good end."""
    ending = ended(steps)
    if ending is None or ending.outcome is None:
        return
    glyph = characters.glyph(OUTCOMES[ending.outcome])
    yield characters.say(f"{glyph} {ending.outcome}  {prepared.plan.title}: {ending.sentence}")
    if ending.outcome is not Outcome.REFUSED:
        yield characters.say(f"  in the journal as {prepared.action_id}, plan {prepared.plan.short}")
    if ending.outcome not in (Outcome.DONE, Outcome.REFUSED):
        yield characters.say(f"  {next_step(ending.outcome)}" + (f"; call {', '.join(contacts)}" if contacts else ""))


def next_step(outcome: Outcome) -> str:
    """What to do after an ending that is not good; "" after one that is."""
    return {Outcome.NOT_RECOVERED: "it is where it should be and the readings are not: look for another cause",
            Outcome.FAILED: "look at the target before anything else is done to it",
            Outcome.UNKNOWN: "verify where the target stands before anything else is done to it"}.get(outcome, "")


def ended(steps: tuple[Step, ...]) -> Step | None:
    """The step that says how it ended; None while it goes on."""
    return next((step for step in reversed(steps) if step.stage is Stage.OUTCOME), None)


def refusal_line(refusal: Refusal, characters: Characters) -> str:
    """Why there is no plan."""
    hint = f"\n  {refusal.hint}" if refusal.hint else ""
    return characters.say(f"{characters.glyph(Verdict.FAIL)} not possible: {refusal.message}{hint}")


def begun(deed: Deed, now: float) -> str:
    """``rollback fraud-scorer to v7, begun 14:21 by operator``."""
    return f"{deed.plan.title}, begun {clock_time(deed.begun_at, now)} by {deed.actor}"


def under_way(deed: Deed, held: Busy, now: float) -> str:
    """``rollback fraud-scorer to v7 by operator since 14:21: ana on bastion-1 (process 4711) verifies it``."""
    does = "verifies it" if held.watches else "carries it out"
    return f"{deed.plan.title} by {deed.actor} since {clock_time(deed.begun_at, now)}: {held.claim.holder} {does}"


def open_end_line(end: OpenEnd, found: Sighting | None, now: float, characters: Characters) -> str:
    """An earlier action without a known end: who is at it, or what was found out; ``found`` None: nobody looked."""
    if end.held is not None:
        return characters.say(f"under way: {under_way(end.deed, end.held, now)}")
    told = "with --write it is looked for" if found is None else f"{found.progress}: {found.sentence}"
    return characters.say(f"unknown: verify: {begun(end.deed, now)}; {told}")
