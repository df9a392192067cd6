"""Guards about what was done before: ends that are not known, too much at once, and going back and forth.

What triage did from here, the journal knows. What others did, and with other tools, is known as far as the target
system records it (:class:`~triage.actions.system.Recorded`); each sentence names the source of what it says.
"""

from __future__ import annotations

from triage.actions.circumstances import Circumstances
from triage.actions.guards.checking import EVERY, Found, Guard, Strength, blocked, cannot_tell, ok, warn
from triage.actions.history import FLEEING
from triage.actions.plan import Action, shown_version
from triage.actions.system import NOTHING_RECORDED, Change, Recorded
from triage.facts.outcome import Failure
from triage.signals.wording import age, span

TOGGLE_SECONDS = 86400.0
"""How long a version that was rolled back or aborted is not gone back to."""
_SAME_SECONDS = 30.0
"""Records of one change, in the journal and in the system, may lie so far apart."""
_UNREAD = "the journal"


def ends(circumstances: Circumstances) -> Found:
    """Every earlier action on the target has a known end."""
    history, key = circumstances.history, circumstances.plan.target.key
    open_ends = history.unresolved(key)
    if open_ends:
        last = open_ends[-1]
        ago = age(circumstances.now - last.last_at)
        return cannot_tell(f"the end of {last.plan.title} by {last.actor}, {ago} ago, is not known: look where the "
                           "target stands", *(deed.action_id for deed in open_ends))
    return cannot_tell(history.trouble, _UNREAD) if history.trouble else ok("every earlier action has a known end")


def cool_down(circumstances: Circumstances) -> Found:
    """Not too much was done to the target just now."""
    history, policy, plan = circumstances.history, circumstances.policy, circumstances.plan
    if history.trouble:
        return cannot_tell(history.trouble, _UNREAD)
    seconds, records = policy.cool_down_seconds, recorded(circumstances)
    own = history.recent(plan.target.key, circumstances.now - seconds)
    others = by_others(records, [each.at for deed in own for each in deed.attempts], circumstances.now - seconds)
    recent = len(own) + len(others)
    if recent < policy.cool_down_actions:
        return ok(f"{recent} of {policy.cool_down_actions} actions in {span(seconds)}, by {_sources(records)}")
    number = "1 action" if recent == 1 else f"{recent} actions"
    told = f"{number} on it in {span(seconds)} already, {len(own) if others else 'all'} by this journal"
    if others:
        last = others[0]
        told += f", the others by {records.source}: {last.sentence}, {age(circumstances.now - (last.at or 0.0))} ago"
    # Too much is not too little known: the safe direction is asked about and not stopped.
    return warn(told, ask=True) if circumstances.is_safe else blocked(told)


def recorded(circumstances: Circumstances) -> Recorded:
    """What the target system tells of changes; nothing when it could not be read."""
    observed = circumstances.observed
    return NOTHING_RECORDED if isinstance(observed, Failure) else observed.recorded


def by_others(records: Recorded, own: list[float], since: float) -> list[Change]:
    """The changes after ``since`` that are none of ``own`` (times of our requests), each once, newest first."""
    known, found = list(own), []
    for change in records.changes:
        if change.at is not None and change.at > since and all(abs(change.at - at) > _SAME_SECONDS for at in known):
            known.append(change.at)
            found.append(change)
    return found


def _sources(records: Recorded) -> str:
    here = f"this journal and {records.source}" if records.source else "this journal alone"
    return f"{here}: {records.missing}" if records.missing else here


def back_and_forth(circumstances: Circumstances) -> Found:
    """It does not lead back to a version that was left because of what it did."""
    history, plan = circumstances.history, circumstances.plan
    if history.trouble:
        return cannot_tell(history.trouble, _UNREAD)
    version = plan.after.version
    left = history.left(plan.target.key, version, circumstances.now - TOGGLE_SECONDS)
    if left is not None:
        why = left.plan.reason or "no reason given"
        return blocked(f"{shown_version(version)} was left {age(circumstances.now - left.last_at)} ago "
                       f"({left.plan.action} by {left.actor}: {why}): this leads back to it")
    if not version:
        return ok("it leads to no other version")
    records, goal = recorded(circumstances), shown_version(version)
    for change in (each for each in records.changes if each.left == goal):
        if (change.at is None or not change.why) and _known(circumstances, goal):
            continue
        if change.at is None:
            return warn(f"{goal} was left, when is not recorded: {_told(change)}: this leads back to it",
                        change.sentence, ask=True)
        if change.at > circumstances.now - TOGGLE_SECONDS:
            told = f"{goal} was left {age(circumstances.now - change.at)} ago: {_told(change)}: this leads back to it"
            return blocked(told) if change.why else warn(told, change.sentence, ask=True)
    return ok(f"{goal} was not left in the last 24 h, by {_sources(records)}")


def _known(circumstances: Circumstances, version: str) -> bool:
    """Whether the journal has the action that left ``version``, and so tells when it was."""
    return any(deed.changed and deed.plan.action in FLEEING and shown_version(deed.plan.before.version) == version
               for deed in circumstances.history.of(circumstances.plan.target.key))


def _told(change: Change) -> str:
    return f"{change.sentence}: {change.why}" if change.why else change.sentence


GUARDS = (
    Guard("ends", Strength.BREAKABLE, EVERY - {Action.PAUSE, Action.SILENCE, Action.EXPIRE_SILENCE}, ends),
    Guard("cool-down", Strength.BREAKABLE,
          EVERY - {Action.PAUSE, Action.ABORT, Action.SILENCE, Action.EXPIRE_SILENCE, Action.CELL}, cool_down),
    Guard("toggle", Strength.BREAKABLE,
          frozenset({Action.ROLLBACK, Action.PROMOTE, Action.PROMOTE_FULL, Action.RETRY, Action.RESUME}),
          back_and_forth),
)
