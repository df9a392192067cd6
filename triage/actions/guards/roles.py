"""The guard of the way back: all traffic must not go to the version that is on trial.

Abort and rollback get the evidence of a safe direction, and are asked less. That is right only while what they lead to
is not the version that somebody wants to get rid of.
"""

from __future__ import annotations

from triage.actions.circumstances import Circumstances
from triage.actions.guards.checking import Found, Guard, Strength, blocked, cannot_tell, ok, warn
from triage.actions.history import Deed
from triage.actions.plan import Action, State, shown_version
from triage.facts.rollouts import RolloutFacts
from triage.signals.canary_words import ON_TRIAL
from triage.signals.wording import age


def way_back(circumstances: Circumstances) -> Found:
    """What the traffic goes back to is not itself on trial."""
    goal, rollout = circumstances.plan.after, circumstances.rollout
    if rollout is None:
        return _by_arms(circumstances)
    if not rollout.splits:
        return _by_controller(goal, rollout)
    version = shown_version(goal.version)
    if not any(split.weight > 0 and split.version == goal.version for split in rollout.splits):
        return ok(f"{version} has no traffic: it is not on trial")
    if rollout.roles_unknown:
        brought = _promoted(circumstances, goal.version)
        return cannot_tell(rollout.roles_doubt, "nobody knows") if brought is None else blocked(
            f"{version} is on trial: {brought.plan.title} by {brought.actor} gave it traffic "
            f"{age(circumstances.now - brought.last_at)} ago, by the journal")
    return _by_roles(goal.version, rollout)


def _by_controller(goal: State, rollout: RolloutFacts) -> Found:
    canary = rollout.canary
    if canary is None or rollout.aborted or goal.revision is None or goal.revision != canary.number:
        return ok("its controller has another version on trial, or none")
    return blocked(f"{shown_version(goal.version)} (revision {canary.number}) is on trial itself: promote is what "
                   "gives it more traffic")


def _by_roles(goal: str, rollout: RolloutFacts) -> Found:
    stable = "" if rollout.stable is None else rollout.stable.version
    by = f", by {rollout.roles_from}" if rollout.roles_from else ""
    if goal != stable:
        return blocked(f"{shown_version(goal)} is on trial itself, and {shown_version(stable)} is stable{by}: promote "
                       "is what gives it more traffic")
    if rollout.roles_doubt:
        return warn(rollout.roles_doubt, "contradicted", ask=True)
    return ok(f"{shown_version(goal)} is stable{by}")


def _by_arms(circumstances: Circumstances) -> Found:
    """By the roles that the registry or the requests give."""
    goal, model = circumstances.plan.after.version, circumstances.model
    if model is None:
        return cannot_tell("which version is on trial has not been read", "not read")
    trial = next((v.version for v in model.versions.items if v.arm in ON_TRIAL), None)
    if trial is None or circumstances.spelt(goal, [trial]) is None:
        return ok(f"{shown_version(goal)} is not on trial")
    told = f"{shown_version(goal)} is itself on trial, by the {model.versions.known_from}"
    # Who has fewer requests than another need not be on trial.
    return blocked(told) if model.versions.known_from == "registry" else warn(told, "by the traffic", ask=True)


def _promoted(circumstances: Circumstances, version: str) -> Deed | None:
    """The newest action on the target that changed something, where it gave ``version`` a share of the traffic."""
    last = next((deed for deed in reversed(circumstances.history.of(circumstances.plan.target.key)) if deed.changed),
                None)
    return last if last is not None and last.plan.action is Action.PROMOTE and (
        last.plan.after.version == version) else None


GUARDS = (Guard("roles", Strength.BREAKABLE, frozenset({Action.ROLLBACK, Action.ABORT}), way_back),)
