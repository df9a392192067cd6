"""Guards about what was done before: ends that are not known, too much at once, and going back and forth."""

from __future__ import annotations

from triage.actions.circumstances import Circumstances
from triage.actions.guards.checking import EVERY, Found, Guard, Strength, blocked, cannot_tell, ok, warn
from triage.actions.plan import Action, shown_version
from triage.signals.wording import age, span

TOGGLE_SECONDS = 86400.0
"""How long a version that was rolled back or aborted is not gone back to."""


def ends(circumstances: Circumstances) -> Found:
    """Every earlier action on the target has a known end."""
    history, key = circumstances.history, circumstances.plan.target.key
    open_ends = history.unresolved(key)
    if open_ends:
        last = open_ends[-1]
        ago = age(circumstances.now - last.last_at)
        return cannot_tell(f"the end of {last.plan.title} by {last.actor}, {ago} ago, is not known: look where the "
                           "target stands")
    return cannot_tell(history.trouble) if history.trouble else ok("every earlier action has a known end")


def cool_down(circumstances: Circumstances) -> Found:
    """Not too much was done to the target just now."""
    history, policy, plan = circumstances.history, circumstances.policy, circumstances.plan
    if history.trouble:
        return cannot_tell(history.trouble)
    seconds = policy.cool_down_seconds
    recent = len(history.recent(plan.target.key, circumstances.now - seconds))
    if recent < policy.cool_down_actions:
        return ok(f"{recent} of {policy.cool_down_actions} actions in {span(seconds)}")
    told = f"{recent} actions on it in {span(seconds)} already"
    # Too much is not too little known: the safe direction is asked about and not stopped.
    return warn(told, ask=True) if circumstances.is_safe else blocked(told)


def back_and_forth(circumstances: Circumstances) -> Found:
    """It does not lead back to a version that was left because of what it did."""
    history, plan = circumstances.history, circumstances.plan
    if history.trouble:
        return cannot_tell(history.trouble)
    version = plan.after.version
    left = history.left(plan.target.key, version, circumstances.now - TOGGLE_SECONDS)
    if left is not None:
        why = left.plan.reason or "no reason given"
        return blocked(f"{shown_version(version)} was left {age(circumstances.now - left.last_at)} ago "
                       f"({left.plan.action} by {left.actor}: {why}): this leads back to it")
    return ok(f"{shown_version(version)} was not left in the last 24 h" if version else "it leads to no other version")


GUARDS = (
    Guard("ends", Strength.BREAKABLE, EVERY - {Action.PAUSE, Action.SILENCE, Action.EXPIRE_SILENCE}, ends),
    Guard("cool-down", Strength.BREAKABLE,
          EVERY - {Action.PAUSE, Action.ABORT, Action.SILENCE, Action.EXPIRE_SILENCE, Action.CELL}, cool_down),
    Guard("toggle", Strength.BREAKABLE,
          frozenset({Action.ROLLBACK, Action.PROMOTE, Action.PROMOTE_FULL, Action.RETRY, Action.RESUME}),
          back_and_forth),
)
