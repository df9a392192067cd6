"""Guards without which nothing is sent: write mode, permission, target, dry run, lease, journal."""

from __future__ import annotations

from triage.actions.circumstances import Circumstances
from triage.actions.guards.checking import (
    EVERY,
    Found,
    Guard,
    Strength,
    blocked,
    cannot_tell,
    ok,
    warn,
)
from triage.actions.lease import Busy, NoLease
from triage.actions.plan import JsonValue
from triage.facts.outcome import Failure

WRITE = "write"
"""Name of the guard that nothing passes without ``--write``."""
IDENTITY = frozenset({"uid"})
"""Preconditions that say which object the target is, and not how it stands."""


def write_mode(circumstances: Circumstances) -> Found:
    """Somebody asked for writing, and no kill switch is on."""
    mode = circumstances.mode
    if not mode.allows:
        return blocked(mode.sentence)
    return cannot_tell(mode.doubt) if mode.doubt else ok(mode.sentence)


def permission(circumstances: Circumstances) -> Found:
    """The target system says that we may."""
    granted = circumstances.granted
    if granted.allowed is None:
        return cannot_tell(granted.sentence)
    return ok(granted.sentence) if granted.allowed else blocked(granted.sentence)


def identity(circumstances: Circumstances) -> Found:
    """It is the target that the plan names, in the context that is on screen."""
    plan, observed = circumstances.plan, circumstances.observed
    if plan.target != circumstances.target:
        return blocked(f"the plan is for {plan.target.sentence()}, and this is {circumstances.target.sentence()}")
    snapshot = circumstances.snapshot
    if snapshot is not None and (snapshot.context, snapshot.production) != (
            plan.target.context, plan.target.production):
        return blocked(f"the screen shows the context {snapshot.context}, and the plan is for {plan.target.context}")
    if isinstance(observed, Failure):
        return cannot_tell(f"{plan.target.sentence()} cannot be read: {observed.sentence()}")
    for precondition in (p for request in plan.requests for p in request.preconditions if p.name in IDENTITY):
        if precondition.name not in observed.values:
            return cannot_tell(f"it does not say its {precondition.name}")
        if not same(observed.values[precondition.name], precondition.expected):
            return blocked("another object has taken its name since the plan was made")
    return ok(plan.target.sentence())


def unchanged(circumstances: Circumstances) -> Found:
    """The target still stands where the plan found it, as far as the first request depends on that."""
    return moved(circumstances, 0)


def moved(circumstances: Circumstances, index: int) -> Found:
    """Whether what request ``index`` depends on is still so."""
    observed = circumstances.observed
    if isinstance(observed, Failure):
        return cannot_tell("where it stands cannot be read", "not read")
    unseen, names = [], []
    requests = circumstances.plan.requests[index:index + 1]
    for precondition in (p for r in requests for p in r.preconditions if p.name not in IDENTITY):
        if precondition.name not in observed.values:
            unseen.append(precondition.sentence)
        elif not same(observed.values[precondition.name], precondition.expected):
            now = observed.values[precondition.name]
            return blocked(f"it has changed since the plan was made: no longer true that {precondition.sentence} "
                           f"({precondition.name} is {_said(now)}); make the plan again")
        else:
            names.append(precondition.sentence)
    if unseen:
        return cannot_tell(f"whether {', '.join(unseen)} cannot be read", *unseen)
    return ok(f"still so: {', '.join(names)}" if names else "it depends on nothing that could have changed")


def rehearsed(circumstances: Circumstances) -> Found:
    """The system, asked to rehearse the requests, did not refuse them."""
    silent = []
    for request, rehearsal in zip(circumstances.plan.requests, circumstances.rehearsals, strict=False):
        if rehearsal.accepted is False:
            return blocked(f"the system refuses it: {rehearsal.message}")
        if rehearsal.accepted is None and request.dry_run_path:
            silent.append(rehearsal.message)
    if silent:
        return cannot_tell(f"it could not be rehearsed: {silent[0]}")
    tried = sum(1 for rehearsal in circumstances.rehearsals if rehearsal.accepted)
    return ok("the system accepts it" if tried else "this system cannot rehearse it")


def lease(circumstances: Circumstances) -> Found:
    """Nobody else is changing the target."""
    found = circumstances.lease
    if isinstance(found, NoLease):
        return cannot_tell(f"whether somebody else is at it cannot be told: {found.message}")
    if isinstance(found, Busy):
        if found.watches and circumstances.passes_watcher:
            return warn(f"{found.claim.holder} verifies {found.claim.text}: this goes on beside it")
        return blocked(found.sentence())
    if found.abandoned is not None:
        return warn(f"{found.abandoned.holder} began and never ended: {found.abandoned.text}")
    return ok("nobody else is at it")


def journal(circumstances: Circumstances) -> Found:
    """What is done can be written down first."""
    look = circumstances.journal
    if look.trouble:
        return blocked(look.trouble)
    return warn(look.warning) if look.warning else ok("it can be written")


def same(a: JsonValue, b: JsonValue) -> bool:
    """Equal, and of the same kind: true is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _said(value: JsonValue) -> str:
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


GUARDS = (
    Guard(WRITE, Strength.FIRM, EVERY, write_mode),
    Guard("permission", Strength.ABSOLUTE, EVERY, permission),
    Guard("target", Strength.ABSOLUTE, EVERY, identity),
    Guard("unchanged", Strength.FIRM, EVERY, unchanged),
    Guard("dry-run", Strength.FIRM, EVERY, rehearsed),
    Guard("lease", Strength.ABSOLUTE, EVERY, lease),
    Guard("journal", Strength.ABSOLUTE, EVERY, journal),
)
