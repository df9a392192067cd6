"""``PlainSystem``: what systems share that authenticate nobody themselves and cannot rehearse a request.

Who acts is asked of whom the configuration names in their place, if it names anybody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from triage.actions.identity import Authenticator
from triage.actions.plan import Action, Plan, Request, Target
from triage.actions.system import (
    UNVERIFIED,
    Authority,
    Granted,
    Observed,
    Offer,
    Refusal,
    Rehearsal,
    Sent,
    Sighting,
    Wish,
)
from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot
from triage.person import person


class PlainSystem(ABC):
    """One target. Implements :class:`~triage.actions.system.System` but for what is particular to it."""

    handled: ClassVar[frozenset[Action]]
    """The actions that can be done here at all."""
    shown: ClassVar[str]
    """What it is, for sentences: ``Alertmanager``."""
    hint: ClassVar[str]
    """Where everything else is done."""

    identity_in: str = ""
    """Where triage.yaml names who says who acts; "" where it cannot."""
    identity_kinds: ClassVar[str] = "kubernetes, server or whoami"
    """Who can be named there."""

    def __init__(self, target: Target, clock: Clock, authenticator: Authenticator | None = None) -> None:
        self._target = target
        self._clock = clock
        self._authenticator = authenticator

    @property
    def target(self) -> Target:
        return self._target

    @abstractmethod
    async def observe(self) -> Observed | Failure:
        """Read the target now."""

    @abstractmethod
    def offer(self, action: Action, observed: Observed, snapshot: Snapshot) -> str | Refusal:
        """What a handled action would do now, in a sentence, or why it cannot. Pure."""

    @abstractmethod
    def plan(self, wish: Wish, observed: Observed, snapshot: Snapshot, actor: str, now: float) -> Plan | Refusal:
        """The complete plan. Pure."""

    @abstractmethod
    async def send(self, request: Request, action_id: str) -> Sent:
        """Send it, once."""

    @abstractmethod
    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        """How far the target is from the plan's goal. Pure."""

    @property
    def authority(self) -> Authority:
        """Who is asked in its place."""
        if self._authenticator is not None:
            return Authority(self._authenticator.shown, impersonates=self._authenticator.impersonates)
        return Authority("", f"name {self.identity_in} in triage.yaml (kind: {self.identity_kinds})"
                         if self.identity_in else "")

    async def whoami(self) -> str | Failure:
        """Who we are to whoever is asked in its place; nobody without one."""
        return f"{UNVERIFIED} {person()}" if self._authenticator is None else await self._authenticator.ask()

    async def granted(self, action: Action) -> Granted:
        """It has no way to ask: whoever reaches it may, or is refused when it is sent."""
        if action not in self.handled:
            return Granted(False, self.refusal(action).message)
        return Granted(True, f"{self.shown} cannot be asked who may: it refuses when it is sent, or lets it happen")

    def offers(self, observed: Observed, snapshot: Snapshot) -> tuple[Offer, ...]:
        """Every action, possible or with the reason why not. Pure."""
        found = []
        for action in Action:
            offered = self.offer(action, observed, snapshot) if action in self.handled else self.refusal(action)
            found.append(Offer(action, offered, "") if isinstance(offered, Refusal) else Offer(action, None, offered))
        return tuple(found)

    def refusal(self, action: Action) -> Refusal:
        """Why an action that is not handled cannot be done here."""
        return Refusal(f"{self.shown} knows no {action}", self.hint)

    async def rehearse(self, request: Request) -> Rehearsal:
        """There is no dry run."""
        return Rehearsal(None, f"{self.shown} has no dry run")

    async def aclose(self) -> None:
        """Close what is open: by default only what says who acts."""
        if self._authenticator is not None:
            await self._authenticator.aclose()
