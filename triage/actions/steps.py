"""What goes on between executor and front end: what was prepared, what was confirmed, and each step as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from triage.actions.circumstances import Circumstances
from triage.actions.guards.checking import Checked
from triage.actions.history import Outcome
from triage.actions.moment import Moment
from triage.actions.plan import PLAN_SECONDS, Plan
from triage.actions.system import Fate, Progress, Rehearsal, Wish
from triage.actions.verifying import Recovery
from triage.clock import Clock


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with everything that has to be seen before it is confirmed."""

    action_id: str
    """16 hex digits: names the action in the journal and towards the system. It is carried out once."""
    wish: Wish
    plan: Plan
    checked: tuple[Checked, ...]
    """Every guard that is about it, in the order in which they are shown."""
    rehearsals: tuple[Rehearsal, ...]
    """One per request of the plan."""
    circumstances: Circumstances
    """What the guards looked at."""
    made: Moment
    """When the plan was made."""

    @property
    def stops(self) -> tuple[Checked, ...]:
        """The guards that stop it, whatever is typed; those that breaking glass overrides among them."""
        return tuple(each for each in self.checked if each.stops)

    @property
    def acknowledgements(self) -> tuple[str, ...]:
        """The words that have to be typed besides the confirmation."""
        return tuple(each.acknowledgement for each in self.checked if each.acknowledgement)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What whoever acts typed."""

    typed: str = ""
    """Has to be :attr:`~triage.actions.plan.Plan.confirmation`."""
    acknowledgements: frozenset[str] = frozenset()
    """Names of guards whose findings were read."""
    break_glass: str = ""
    """Why guards that can be overridden are; "" to leave them in force."""


class Stage(StrEnum):
    """Where a step belongs in the order. The value is the word in JSON."""

    LEASE = "lease"
    CHECKED = "checked"
    """The target was read again and every guard asked again."""
    BREAK_GLASS = "break glass"
    """Guards are overridden."""
    INTENT = "intent"
    """It is written down; the request is sent next."""
    SENT = "sent"
    VERIFYING = "verifying"
    OUTCOME = "outcome"
    """How it ended: the last step but for trouble with giving the lease back."""
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, in the order in which it did."""

    at: float
    """World time, Unix seconds."""
    stage: Stage
    sentence: str
    request: int | None = None
    """Place of the request in the plan, from 0; None for steps that are about none."""
    fate: Fate | None = None
    """What became of the request, for :attr:`Stage.SENT`."""
    progress: Progress | None = None
    """Where the target stands, for :attr:`Stage.VERIFYING`."""
    recovery: tuple[Recovery, ...] = ()
    """How the readings do that have to recover, for :attr:`Stage.VERIFYING`."""
    deadline: float | None = None
    """When verifying ends, world time; None for other stages."""
    outcome: Outcome | None = None
    """For :attr:`Stage.OUTCOME` only; ``refused``: nothing was sent."""


def seconds_left(prepared: Prepared, clock: Clock) -> float:
    """Seconds of the machine until the plan expires; 0 or less when it has."""
    return PLAN_SECONDS - prepared.made.seconds_since(clock)


def still_read(acknowledged: frozenset[str], shown: Sequence[Checked], now: Sequence[Checked]) -> frozenset[str]:
    """Those of ``acknowledged``, typed while ``shown`` stood there, that are about what stands there ``now``."""
    return acknowledged - {each.name for each in now if each.acknowledgement and not each.was_read(shown)}


EXPIRED = "the plan has expired: make it again"


def objections(plan: Plan, checked: Sequence[Checked], confirmation: Confirmation, left_seconds: float,
               shown: Sequence[Checked] | None = None) -> tuple[str, ...]:
    """Why the plan, which expires in ``left_seconds``, may not be carried out on this confirmation, as sentences;
    empty when it may.

    ``shown``: the answers of the guards on which it was confirmed, None for ``checked`` themselves. What a guard has
    found since was neither acknowledged then, nor was glass broken for it.

    The executor asks this, whatever a screen has checked before.
    """
    found = []
    if left_seconds <= 0:
        found.append(EXPIRED)
    if confirmation.typed.strip() != plan.confirmation:
        found.append(f"not confirmed: {plan.confirmation} has to be typed" if plan.confirmation
                     else "not confirmed: nothing has to be typed for this")
    for each in checked:
        was_read = shown is None or each.was_read(shown)
        if each.stops and not (each.breakable and confirmation.break_glass.strip() and was_read):
            found.append(f"{each.name}: {each.sentence}")
        elif each.acknowledgement and not (each.acknowledgement in confirmation.acknowledgements and was_read):
            found.append(f"{each.name} has to be acknowledged: {each.sentence}")
    return tuple(found)
