"""How far an Argo Rollout is from the goal of a plan. Pure: read from the rollout alone, whoever moved it there.

It has to be the rollout that the plan was made for: one that was deleted and made anew under the same name counts its
revisions and steps from the start, and whatever it says is about something else.
"""

from __future__ import annotations

import json

from triage.actions.plan import Action, JsonValue, Plan
from triage.actions.rollouts.drafting import percent, standing
from triage.actions.rollouts.undo import named
from triage.actions.scale import scale_sighting
from triage.actions.system import Observed, Progress, Sighting
from triage.facts.rollouts import Phase, Revision, RolloutFacts
from triage.signals.spellings import spelt

_IDENTITIES = ("uid", "workload_uid")
"""Preconditions that say which objects a plan was made for."""


def sighting(plan: Plan, observed: Observed) -> Sighting:
    """Of each action of a Rollout."""
    facts = observed.rollout
    if facts is None:
        return Sighting(Progress.CANNOT_TELL, "the rollout was not read")
    if (other := replaced(plan, observed)) is not None:
        return other
    match plan.action:
        case Action.PAUSE:
            return _flag(observed, "paused", wanted=True, done="it is paused by hand")
        case Action.RESUME if expected(plan, "paused") is True:
            return _flag(observed, "paused", wanted=False, done="it is not paused by hand any more")
        case Action.RESUME | Action.PROMOTE:
            return _stepped(plan, observed, facts)
        case Action.PROMOTE_FULL:
            return _promoted(plan, observed, facts)
        case Action.ABORT:
            return _aborted(plan, observed, facts)
        case Action.RETRY:
            return _flag(observed, "aborted", wanted=False, done="it is not aborted any more")
        case Action.ROLLBACK:
            return undone(plan, facts)
        case Action.SCALE:
            return scale_sighting(replicas_asked(plan), facts)
    return Sighting(Progress.CANNOT_TELL, f"this system has no {plan.action}")


def replaced(plan: Plan, observed: Observed) -> Sighting | None:
    """That another object has the name of the one that the plan was made for; None when it is that one, or does not
    say which it is."""
    for name in _IDENTITIES:
        before, now = expected(plan, name), observed.values.get(name)
        if before is not None and now is not None and now != before:
            here = "" if observed.rollout is None else f": {standing(observed.rollout)}"
            return Sighting(Progress.ELSEWHERE, f"another object has taken its name since{here}")
    return None


def expected(plan: Plan, name: str) -> JsonValue:
    """What a precondition of the plan said; None when it has none of this name."""
    return next((each.expected for request in plan.requests for each in request.preconditions if each.name == name),
                None)


def replicas_asked(plan: Plan) -> int:
    """Replicas that a plan of scaling asks for."""
    return next(int(operation["value"]) for request in plan.requests for operation in json.loads(request.body)
                if operation["op"] == "add" and operation["path"] == "/spec/replicas")


def _flag(observed: Observed, name: str, *, wanted: bool, done: str) -> Sighting:
    if observed.values.get(name) is wanted:
        return Sighting(Progress.REACHED, done)
    facts = observed.rollout
    return Sighting(Progress.ELSEWHERE, "" if facts is None else standing(facts))


def _same_version(plan: Plan, observed: Observed) -> bool:
    return observed.values.get("pod_hash") == expected(plan, "pod_hash")


def _stepped(plan: Plan, observed: Observed, facts: RolloutFacts) -> Sighting:
    before = expected(plan, "step")
    if not _same_version(plan, observed) or facts.aborted:
        return Sighting(Progress.ELSEWHERE, standing(facts))
    if facts.canary is None:
        return Sighting(Progress.REACHED, f"{named(facts.stable)} is the stable version")
    if isinstance(before, int) and facts.step_index is not None and facts.step_index > before:
        # The controller leaves a step that sets a weight once the pods for it serve.
        current = facts.steps[facts.step_index:facts.step_index + 1]
        setting = any(step.weight is not None for step in current)
        return Sighting(Progress.UNDER_WAY if setting else Progress.REACHED, standing(facts))
    if observed.values.get("waiting") == expected(plan, "waiting") and expected(plan, "waiting"):
        return Sighting(Progress.ELSEWHERE, f"it waits as before: {standing(facts)}")
    if observed.values.get("paused") is True:
        return Sighting(Progress.ELSEWHERE, "it is paused by hand")
    if not expected(plan, "waiting"):
        return Sighting(Progress.ELSEWHERE, f"the step is as before: {standing(facts)}")
    return Sighting(Progress.UNDER_WAY, standing(facts))


def _promoted(plan: Plan, observed: Observed, facts: RolloutFacts) -> Sighting:
    if not _same_version(plan, observed):
        return Sighting(Progress.ELSEWHERE, standing(facts))
    if observed.values.get("stable_hash") == expected(plan, "pod_hash"):
        return Sighting(Progress.REACHED, f"{named(facts.stable)} is the stable version")
    if facts.aborted or not facts.promoting_fully:
        return Sighting(Progress.ELSEWHERE, standing(facts))
    return Sighting(Progress.UNDER_WAY, f"its pods start: {facts.message or standing(facts)}")


def _aborted(plan: Plan, observed: Observed, facts: RolloutFacts) -> Sighting:
    if not _same_version(plan, observed) or not facts.aborted:
        return Sighting(Progress.ELSEWHERE, standing(facts))
    if facts.weight_set is None:
        return Sighting(Progress.CANNOT_TELL, "it is aborted; nothing says what traffic the aborted version gets")
    if facts.weight_set > 0 or not facts.observed:
        return Sighting(Progress.UNDER_WAY, f"it is aborted; {named(facts.canary)} still has "
                        f"{percent(facts.weight_set)}")
    return Sighting(Progress.REACHED, f"{named(facts.canary)} gets no traffic")


def undone(plan: Plan, facts: RolloutFacts) -> Sighting:
    """Whether the revision that the plan names is asked for, and serves everything."""
    if facts.incomplete is not None:
        return Sighting(Progress.CANNOT_TELL, f"the revisions are not known: {facts.incomplete.sentence()}")
    wanted = facts.wanted
    if not _is_goal(plan, wanted) or wanted is None:
        if not facts.observed:
            return Sighting(Progress.UNDER_WAY, "the controller has not seen the specification yet")
        return Sighting(Progress.ELSEWHERE, standing(facts))
    if facts.aborted or facts.phase is Phase.DEGRADED:
        return Sighting(Progress.ELSEWHERE, f"{named(wanted)} is asked for, and it is degraded: {facts.message}")
    if facts.canary is not None or not facts.observed:
        return Sighting(Progress.UNDER_WAY, standing(facts))
    serving = wanted.available or 0
    if serving < facts.desired_replicas:
        return Sighting(Progress.UNDER_WAY, f"{serving} of {facts.desired_replicas} replicas of {named(wanted)} serve")
    return Sighting(Progress.REACHED, f"{named(wanted)} takes all traffic, {serving} replicas serve")


def _is_goal(plan: Plan, wanted: Revision | None) -> bool:
    """Whether it is the plan's revision, which has a new number once it was gone back to.

    The number alone does not tell: that of a ReplicaSet that was removed is given out again.
    """
    goal = plan.after
    if wanted is None or goal.revision is None or goal.revision not in (wanted.number, *wanted.earlier_numbers):
        return False
    if goal.version and wanted.version and spelt(goal.version, plan.target.model, (wanted.version,)) is None:
        return False
    return goal.image_digest == wanted.image_digest or not (goal.image_digest and wanted.image_digest)
