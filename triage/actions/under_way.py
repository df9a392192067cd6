"""Of actions without a known end: which are under way in a process that lives, since that one's lease does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from triage.actions.history import Deed
from triage.actions.lease import Busy, Leases
from triage.actions.lease_beside import beside


@dataclass(frozen=True, slots=True)
class OpenEnd:
    """An action of the journal whose end is not written there."""

    deed: Deed
    held: Busy | None
    """The lease of whoever is at it; None when nobody is: then its end is not known and has to be found out."""


async def looked_up(deeds: Iterable[Deed], leases: Leases) -> tuple[OpenEnd, ...]:
    """The leases of the ``deeds``, looked at and not touched. Raises nothing: where the leases cannot be read, nobody
    is known to be at it."""
    return tuple([OpenEnd(deed, await _held(deed, leases)) for deed in deeds])


async def _held(deed: Deed, leases: Leases) -> Busy | None:
    key = deed.plan.target.key
    for each in (key, beside(key)):
        found = await leases.look(each)
        # Whoever looks what became of an action holds its lease in its name as well, and is not at it.
        if isinstance(found, Busy) and (found.claim.action_id, found.claim.text) == (deed.action_id, deed.plan.title):
            return found
    return None
