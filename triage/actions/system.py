"""``System``: what every system that can be changed offers: to look, to plan, to rehearse, to send one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from triage.actions.plan import Action, JsonValue, Plan, Request, Target
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.live.snapshot import Snapshot
from triage.text import clean

UNVERIFIED = "unverified:"
"""What the name of somebody begins with whom nobody authenticated."""
ANONYMOUS = "system:anonymous"
"""What Kubernetes calls whoever shows no credential."""


def authenticated(identity: str) -> bool:
    """Whether ``identity`` is the name of somebody who was authenticated."""
    return bool(identity) and identity != ANONYMOUS and not identity.startswith(UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Authority:
    """Who says who we are to a system, in words."""

    shown: str
    """``Kubernetes prod-eu``; "" where there is nobody."""
    remedy: str = ""
    """What makes somebody say it, where nobody does; "" where nothing would."""
    impersonates: bool = False
    """Whether we have it take us for somebody else: the name is then one that we chose."""


NOBODY = Authority("")
"""Nobody says who we are."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a target that its system recorded, whoever made it and with whatever tool."""

    at: float | None
    """World time, Unix seconds; None where it is not recorded."""
    sentence: str
    """What, and where it stands: ``kubectl-edit wrote it (managedFields)``."""
    left: str = ""
    """Version (``v8``) that was gone away from; "" when none is known to be."""
    why: str = ""
    """Why it was left, as whoever did it said; "" when it is not told."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a system tells of changes, besides the journal."""

    changes: tuple[Change, ...] = ()
    source: str = ""
    """Where it was read: ``its managedFields and ReplicaSets``; "" when the system records none."""
    missing: str = ""
    """What it does not record, as a sentence; "" when nothing is known to be missing."""


NOTHING_RECORDED = Recorded()


@dataclass(frozen=True, slots=True)
class Observed:
    """The target, read just now. What preconditions are compared with."""

    at: float
    """World time of the read, Unix seconds."""
    values: Mapping[str, JsonValue]
    """By the names that preconditions use."""
    rollout: RolloutFacts | None = None
    """The rollout, for systems that have one."""
    recorded: Recorded = field(default=NOTHING_RECORDED, kw_only=True)
    """What the system tells of changes of it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for."""

    action: Action
    reason: str = ""
    to: str = ""
    """Version to go to; "" for the one the policy and the facts name, which the plan then says."""
    incident: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Further figures, such as ``replicas`` of a scaling, ``matchers`` and ``duration`` of a silence."""

    def cleaned(self) -> Wish:
        """The same in characters that a journal and a request for approval give back as they are."""
        return replace(self, reason=clean(self.reason), to=clean(self.to), incident=clean(self.incident),
                       parameters={clean(name): clean(value) for name, value in self.parameters.items()})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there can be no plan."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Whether an action is possible now."""

    action: Action
    refusal: Refusal | None
    """None when it is possible as far as the system is concerned; guards come later."""
    sentence: str
    """What it would do now: ``all traffic to v7, v8 stays in the specification``."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The server's answer to whether we may."""

    allowed: bool | None
    """None when the server could not be asked, which blocks. A system that has no way to ask answers True and says
    so: whoever reaches it may."""
    sentence: str
    """``you may patch rollouts/status (as platform-oncall)``."""


class Fate(StrEnum):
    """What became of a request."""

    DONE = "done"
    """The server said that it did it."""
    REFUSED = "refused"
    """The server said that it did not; nothing was changed."""
    NOT_SENT = "not sent"
    """No byte of it left: no connection. Nothing was changed."""
    UNKNOWN = "unknown"
    """It left, and no answer came: it may have been done."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of one request."""

    fate: Fate
    code: int | None
    """HTTP status; None without one."""
    message: str
    """The server's words, cleaned, or what happened instead."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the server says it would do."""

    accepted: bool | None
    """None when the system has no dry run, or it could not be asked."""
    message: str
    diff: tuple[str, ...] = ()
    """Lines of the difference between now and then: ``spec.template...image: a -> b``."""


class Progress(StrEnum):
    """How far the target is from a plan's goal."""

    REACHED = "reached"
    UNDER_WAY = "under way"
    ELSEWHERE = "elsewhere"
    """It stands where the plan would not bring it: nothing was done, or somebody else did something."""
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at the target after the requests."""

    progress: Progress
    sentence: str
    final: bool = False
    """Whether a later look would say the same: nothing is waited for."""


@runtime_checkable
class Recalls(Protocol):
    """A system that has to be told what became of a request of an earlier process, to look for what it began."""

    def recall(self, plan: Plan, answers: Sequence[str]) -> None:
        """``answers``: what was written down of the requests that were done, in their order."""
        ...


class System(Protocol):
    """One target of one model. Raises nothing: trouble is a :class:`Failure`, a refusal, or a fate."""

    @property
    def target(self) -> Target: ...

    async def observe(self) -> Observed | Failure:
        """Read the target now, from the system itself."""
        ...

    @property
    def authority(self) -> Authority:
        """Who says who we are."""
        ...

    async def whoami(self) -> str | Failure:
        """Who we are, as the authority authenticates us; ``unverified: NAME`` where there is none."""
        ...

    async def granted(self, action: Action) -> Granted:
        """Whether we may do it, as the server says."""
        ...

    def offers(self, observed: Observed, snapshot: Snapshot) -> tuple[Offer, ...]:
        """Every action of the language, possible or with the reason why not. Pure."""
        ...

    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        """The complete plan. Pure: the same input gives the same digest."""
        ...

    async def rehearse(self, request: Request) -> Rehearsal:
        """Let the server rehearse it, where it can; changes nothing."""
        ...

    async def send(self, request: Request, action_id: str) -> Sent:
        """Send it, once, without any retry, redirect or re-authentication. Only the executor calls this."""
        ...

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        """How far the target is from the plan's goal. Pure."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
