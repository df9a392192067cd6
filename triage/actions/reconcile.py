"""After a crash or a request without an answer: is the world already where the action wanted it?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from triage.actions.carrying import SETTLED_SECONDS
from triage.actions.history import Deed, History
from triage.actions.journal import Journal, JournalError, Kind
from triage.actions.lease import Busy, Claim, Leases, NoLease
from triage.actions.system import Fate, Progress, Recalls, Sighting, System
from triage.actions.uninterrupted import finished
from triage.clock import Clock
from triage.facts.outcome import Failure

_SETTLED = frozenset({Progress.REACHED, Progress.ELSEWHERE})
_NOT_RECORDED = "only seen, not written down: read-only"


def open_ends(history: History) -> tuple[Deed, ...]:
    """Actions that have to be looked at, oldest first: a request may or may not have been done, nobody saw the end, or
    the end was that it is unknown.

    Those that are under way in another process are among them until their leases are asked (:func:`reconcile`).
    """
    return tuple(deed for deed in history.deeds if deed.open_end)


async def reconcile(deed: Deed, system: System, journal: Journal, leases: Leases) -> Sighting:
    """Look where the target stands now, and write it down when that settles ``deed``. Sends nothing, ever.

    Settled is what is where it should be, and what shows no effect although its last request is a minute old; all else
    stays open, with the sentence that says why. What the target is called here, which model's and whether production,
    may have changed since: it is the same by its key. Raises nothing.
    """
    key = deed.plan.target.key
    if system.target.key != key:
        return _not_this(deed)
    claim = Claim(journal.origin.sentence(), deed.action_id, f"looks what became of {deed.plan.action}")
    held = await leases.acquire(key, claim)
    if isinstance(held, NoLease):
        return Sighting(Progress.CANNOT_TELL, held.message)
    if isinstance(held, Busy):
        return Sighting(Progress.UNDER_WAY, held.sentence())
    try:
        found = await _seen(deed, system, journal.clock)
        if found.progress in _SETTLED:
            try:
                await asyncio.to_thread(journal.append, Kind.RECONCILED, deed.action_id, {
                    "progress": str(found.progress), "sentence": found.sentence})
            except JournalError as error:
                return Sighting(Progress.CANNOT_TELL, f"{found.sentence} (not in the journal: {error.message})")
        return found
    finally:
        await finished(held.release())


async def sight(deed: Deed, system: System, clock: Clock, leases: Leases) -> Sighting:
    """The same for whoever may only read: takes no lease, writes nothing down, and says so. Raises nothing."""
    if system.target.key != deed.plan.target.key:
        return _not_this(deed)
    held = await leases.look(deed.plan.target.key)
    if isinstance(held, Busy):
        return Sighting(Progress.UNDER_WAY, held.sentence())
    found = await _seen(deed, system, clock)
    return replace(found, sentence=f"{found.sentence} ({_NOT_RECORDED})") if found.progress in _SETTLED else found


async def _seen(deed: Deed, system: System, clock: Clock) -> Sighting:
    if isinstance(system, Recalls):
        system.recall(deed.plan, [each.message for each in deed.attempts if each.fate is Fate.DONE])
    observed = await system.observe()
    if isinstance(observed, Failure):
        return Sighting(Progress.CANNOT_TELL, f"the target cannot be read: {observed.sentence()}")
    found = system.sighting(deed.plan, observed)
    if found.progress is Progress.ELSEWHERE and clock.now() - deed.last_at < SETTLED_SECONDS:
        return Sighting(Progress.UNDER_WAY, f"{found.sentence}; the request may still be on its way")
    return found


def _not_this(deed: Deed) -> Sighting:
    return Sighting(Progress.CANNOT_TELL, f"it was about {deed.plan.target.sentence()}, which this is not")
