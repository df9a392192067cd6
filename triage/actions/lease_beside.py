"""Taking a target's lease, or the one beside it: whoever only watches what came of an action, which lasts for minutes,
must not keep a colleague from the safe direction.

A target has two leases then: its own, which the watching holder keeps to the end, and a second one *beside* it, so
that of all who act meanwhile one may at a time. Whoever takes either looks at the other one afterwards and steps back
if somebody else acts under it, so that never two act: of two who come at the same moment at least one sees the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from triage.actions.lease import Busy, Claim, Free, Held, Leases, NoLease


def beside(key: str) -> str:
    """The key of the lease beside the one of ``key``."""
    return f"{key}+beside"


@dataclass(slots=True)
class HeldBeside:
    """A lease of ours beside one whose holder only watches. It is a :class:`~triage.actions.lease.Held` that is given
    back once everything is sent: the target stays held by who watched before."""

    held: Held
    watcher: Busy
    _is_over: bool = False

    @property
    def token(self) -> int:
        return self.held.token

    @property
    def taken_over_from(self) -> Claim | None:
        return self.held.taken_over_from

    async def renew(self) -> str:
        return "" if self._is_over else await self.held.renew()

    async def watch(self) -> str:
        return await self.release()

    async def release(self) -> str:
        if self._is_over:
            return ""
        self._is_over = True
        return await self.held.release()


async def look(leases: Leases, key: str) -> Free | Busy | NoLease:
    """Who acts on the target of ``key`` now, else who watches it. Changes nothing."""
    own = await leases.look(key)
    if isinstance(own, NoLease) or (isinstance(own, Busy) and not own.watches):
        return own
    second = await leases.look(beside(key))
    return own if isinstance(second, Free) else second


async def acquire(leases: Leases, key: str, claim: Claim, *, passes: bool) -> Held | Busy | NoLease:
    """Take the lease of ``key``, or, where it ``passes`` a holder who only watches, the one beside it."""
    own = await leases.acquire(key, claim)
    if isinstance(own, Busy) and own.watches and passes:
        second = await leases.acquire(beside(key), claim)
        if isinstance(second, Busy | NoLease):
            return second
        return await _unless_met(leases, key, HeldBeside(second, own))
    if isinstance(own, Busy | NoLease):
        return own
    return await _unless_met(leases, beside(key), own)


async def _unless_met(leases: Leases, other: str, held: Held) -> Held | Busy | NoLease:
    """What is ``held``, unless somebody acts under the ``other`` lease: then it is given back."""
    now = await leases.look(other)
    if isinstance(now, NoLease) or (isinstance(now, Busy) and not now.watches):
        await held.release()
        return now
    return held
