"""``watch``: holds a canary's promise: says what the policy asks for, and does it where the manifest leaves that to it.

It acts through the same executor with the same guards as a person, and types nothing that only a person can: a guard
that has to be acknowledged stops it, and it says so. What was done stands in the journal, so that one that is started
anew does nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

from triage.actions.history import Outcome
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Refusal, Wish
from triage.desk.actions import ActionDesk
from triage.desk.policy import Due, answered, due
from triage.live.snapshot import Snapshot

AGAIN_SECONDS = 60.0
"""After an action that was not carried out, how long until it is tried again; nothing of it was sent. So often it is
also looked what became of an action without a known end."""


_UNARMED = "read-only: watching acts only with --write, whatever the context allows"
_FIGURES = re.compile(r"[-+]?\d[\d.,:]*")


class What(StrEnum):
    """What the watcher has to say."""

    WAITS = "waits"
    RECOMMENDS = "recommends"
    """A person has to do it."""
    FOUND = "found out"
    """What became of an action that nobody saw the end of."""
    STEP = "step"
    ENDED = "ended"
    """An action of its own came to its end."""
    HELD = "held back"
    """It would act, and may not."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that it says; what has not changed is not said again."""

    at: float
    """World time, Unix seconds."""
    what: What
    sentence: str
    due: Due | None = None
    prepared: Prepared | None = None
    """The plan that it carries out or would."""
    step: Step | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class _Looked:
    """A look at an action without a known end."""

    at: float
    """World time, Unix seconds."""
    kind: str
    """What was found, without its figures."""


async def watch(desk: ActionDesk, newest: Callable[[], Awaitable[Snapshot]], *,
                armed: bool) -> AsyncGenerator[Said, None]:
    """Watch until the iterator is closed. ``newest`` waits for a snapshot, the first time for the present one.

    ``armed`` False: it only recommends, also where the configuration lets a person change the world: nobody is there
    who would have asked for it, and so it writes nothing either.
    """
    last, refused_at = "", float("-inf")
    looked: dict[str, _Looked] = {}
    while True:
        snapshot = await newest()
        for end in await desk.standing():
            # As long as somebody is at it, its end is theirs to see.
            before = looked.get(end.deed.action_id)
            if end.held is not None or (before is not None and snapshot.at - before.at < AGAIN_SECONDS):
                continue
            found = await desk.find_out(end.deed, records=armed)
            sentence = f"{end.deed.plan.title}: {found.progress}: {found.sentence}"
            # What is settled and written down stands no more; all else may be settled at the next look.
            looked[end.deed.action_id] = now = _Looked(snapshot.at, _FIGURES.sub("#", sentence))
            if before is None or before.kind != now.kind:
                yield Said(snapshot.at, What.FOUND, sentence)
        wanted = due(desk.manifest, snapshot)
        said = await _judged(desk, wanted, snapshot.at, armed=armed)
        if said is not None:
            # Figures move with every look; what they mean does not.
            if (kind := _FIGURES.sub("#", f"{said.what} {said.sentence}")) != last:
                yield said
            last = kind
            continue
        if snapshot.at - refused_at < AGAIN_SECONDS:
            continue
        last = ""
        async with aclosing(_acted(desk, wanted, snapshot.at)) as course:
            async for each in course:
                if each.what is What.HELD or each.outcome is Outcome.REFUSED:
                    refused_at = snapshot.at
                yield each


async def _judged(desk: ActionDesk, wanted: Due, at: float, *, armed: bool) -> Said | None:
    """What there is to say; None when it has to act."""
    if wanted.action is None:
        return Said(at, What.WAITS, wanted.sentence, wanted)
    system = desk.systems.get(wanted.action)
    history = await desk.history()
    key = "" if system is None or isinstance(system, Refusal) else system.target.key
    before = answered(wanted, history.of(key))
    if before is not None:
        told = f"answered by {before.plan.title} ({before.action_id}): {before.outcome or 'its end is not known'}"
        helps = before.moved or before.outcome is None
        if helps and at - before.last_at < desk.manifest.spec.canary.sustained:
            return Said(at, What.WAITS, f"{wanted.sentence}; {told}", wanted)
        # What was done once for this cause is not done again: whoever put the version back may have had reasons.
        return Said(at, What.RECOMMENDS, f"{wanted.action}: {wanted.sentence}; {told}, and still due: a person decides",
                    wanted)
    if not wanted.automatic:
        return Said(at, What.RECOMMENDS, f"{wanted.action}: {wanted.sentence}; the policy is manual", wanted)
    mode = desk.mode()
    if not armed and not mode.killed:
        return Said(at, What.RECOMMENDS, f"{wanted.action}: {wanted.sentence}; {_UNARMED}", wanted)
    if not mode.allows:
        return Said(at, What.RECOMMENDS, f"{wanted.action}: {wanted.sentence}; {mode.sentence}", wanted)
    return None


async def _acted(desk: ActionDesk, wanted: Due, at: float) -> AsyncGenerator[Said, None]:
    if wanted.action is None:
        return
    prepared = await desk.prepare(Wish(wanted.action, f"policy: {wanted.sentence}"))
    if isinstance(prepared, Refusal):
        yield Said(at, What.HELD, f"{wanted.action}: {prepared.message}", wanted)
        return
    held = [f"{each.name}: {each.sentence}" for each in prepared.checked if each.stops or each.acknowledgement]
    if held:
        # A machine reads nothing: what a person has to acknowledge, a person does.
        calls = ", ".join(desk.contacts())
        yield Said(at, What.HELD, f"{prepared.plan.title} is due and needs a person ({calls}): {'; '.join(held)}",
                   wanted, prepared)
        return
    last = ""
    async with aclosing(desk.carry_out(prepared, Confirmation(prepared.plan.confirmation))) as steps:
        async for step in steps:
            if step.sentence == last:
                continue
            last = step.sentence
            if step.stage is Stage.OUTCOME:
                yield Said(step.at, What.ENDED, f"{prepared.plan.title}: {step.outcome}: {step.sentence}", wanted,
                           prepared, step, step.outcome)
            else:
                yield Said(step.at, What.STEP, f"{step.stage}: {step.sentence}", wanted, prepared, step)
