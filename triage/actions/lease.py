"""Leases: of all who want to change one target, one may at a time.

A lease has a holder, an end that its holder moves on while it works (the *heartbeat*), and a token that grows with
every lease given out, so that a holder who was gone for too long finds out that somebody else came after.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

LEASE_SECONDS = 30.0
"""How long a holder who says nothing keeps a lease, in the machine's seconds."""
HEARTBEATS = 3
"""Heartbeats in a lease's time."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a lease, or wants it."""

    holder: str
    """As it is shown to others: ``ana on bastion-1 (process 4711)``."""
    action_id: str
    text: str
    """What for: ``rollback fraud-scorer to 7``."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else has it."""

    claim: Claim
    since: float
    """World time, Unix seconds."""
    until: float
    """When it ends unless its holder moves it on, Unix seconds."""
    watches: bool = False
    """Whether its holder has sent everything and only watches what comes of it."""

    def sentence(self) -> str:
        """``held by ana on bastion-1 (process 4711): rollback fraud-scorer to 7``."""
        return f"held by {self.claim.holder}{', who verifies' if self.watches else ''}: {self.claim.text}"


@dataclass(frozen=True, slots=True)
class Free:
    """Nobody has it."""

    abandoned: Claim | None = None
    """Who had it last and never gave it back: the end of that action is not known."""


@dataclass(frozen=True, slots=True)
class NoLease:
    """It cannot be told, or not be written: then nobody may act."""

    message: str


class Held(Protocol):
    """A lease that is ours."""

    @property
    def token(self) -> int:
        """Grows with every lease given out for the target."""
        ...

    @property
    def taken_over_from(self) -> Claim | None:
        """Who had it and never gave it back; None when it was free."""
        ...

    async def renew(self) -> str:
        """Move its end on. Returns "" when it is still ours, else a sentence on who has it or what is wrong."""
        ...

    async def watch(self) -> str:
        """Say that everything is sent and that it is only watched from now on what comes of it; moves its end on.
        Returns as :meth:`renew` does."""
        ...

    async def release(self) -> str:
        """Give it back. Returns "" or a sentence on why others have to wait for its end."""
        ...


class Leases(Protocol):
    """Where leases are kept. Raises nothing."""

    async def look(self, key: str) -> Free | Busy | NoLease:
        """Who has the lease of ``key`` (:attr:`~triage.actions.plan.Target.key`) now. Changes nothing."""
        ...

    async def acquire(self, key: str, claim: Claim) -> Held | Busy | NoLease:
        """Take it if nobody has it. Does not wait."""
        ...


@asynccontextmanager
async def kept_alive(held: Held, seconds: float = LEASE_SECONDS) -> AsyncIterator[None]:
    """Heartbeats of ``held`` as long as the block lasts; whoever acts asks :meth:`Held.renew` itself before that."""
    async def beat() -> None:
        while True:
            await asyncio.sleep(seconds / HEARTBEATS)
            await held.renew()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
