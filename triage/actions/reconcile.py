"""After a crash or a request without an answer: is the world already where the action wanted it?"""

from __future__ import annotations

import asyncio

from triage.actions.carrying import SETTLED_SECONDS
from triage.actions.history import Deed, History
from triage.actions.journal import Journal, JournalError, Kind
from triage.actions.lease import Busy, Claim, Leases, NoLease
from triage.actions.system import Progress, Sighting, System
from triage.facts.outcome import Failure


def open_ends(history: History) -> tuple[Deed, ...]:
    """Actions that have to be looked at, oldest first: a request may or may not have been done, nobody saw the end, or
    the end was that it is unknown.

    Those that are under way in another process are among them until their leases are asked (:func:`reconcile`).
    """
    return tuple(deed for deed in history.deeds if deed.open_end)


async def reconcile(deed: Deed, system: System, journal: Journal, leases: Leases) -> Sighting:
    """Look where the target stands now, and write it down when that settles ``deed``. Sends nothing, ever.

    Settled is what is where it should be, and what shows no effect although its last request is a minute old; all else
    stays open, with the sentence that says why. Raises nothing.
    """
    target = deed.plan.target
    if system.target != target:
        return Sighting(Progress.CANNOT_TELL, f"it was about {target.sentence()}, which this is not")
    claim = Claim(journal.origin.sentence(), deed.action_id, f"looks what became of {deed.plan.action}")
    held = await leases.acquire(target.key, claim)
    if isinstance(held, NoLease):
        return Sighting(Progress.CANNOT_TELL, held.message)
    if isinstance(held, Busy):
        return Sighting(Progress.UNDER_WAY, held.sentence())
    try:
        observed = await system.observe()
        if isinstance(observed, Failure):
            return Sighting(Progress.CANNOT_TELL, f"the target cannot be read: {observed.sentence()}")
        found = system.sighting(deed.plan, observed)
        if found.progress is Progress.ELSEWHERE and journal.clock.now() - deed.last_at < SETTLED_SECONDS:
            return Sighting(Progress.UNDER_WAY, f"{found.sentence}; the request may still be on its way")
        if found.progress in (Progress.REACHED, Progress.ELSEWHERE):
            try:
                await asyncio.to_thread(journal.append, Kind.RECONCILED, deed.action_id, {
                    "progress": str(found.progress), "sentence": found.sentence})
            except JournalError as error:
                return Sighting(Progress.CANNOT_TELL, f"{found.sentence} (not in the journal: {error.message})")
        return found
    finally:
        await held.release()
