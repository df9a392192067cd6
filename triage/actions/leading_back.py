"""Whether more traffic for what is on trial is the last part of a rollback: then it is the safe direction.

Argo Rollouts walks through every step of a rollback that its ``rollbackWindow`` does not cover, and can stand at a
pause until somebody promotes. What is on trial then is the version that was served before, and whoever has begun to go
back to it needs no second person to get there.
"""

from __future__ import annotations

from triage.actions.history import Deed, History
from triage.actions.plan import Action, JsonValue, Plan
from triage.facts.rollouts import RolloutFacts

_ONWARD = frozenset({Action.PROMOTE, Action.PROMOTE_FULL, Action.RESUME})


def leading_back(plan: Plan, rollout: RolloutFacts | None, history: History) -> Deed | None:
    """The rollback of the journal that ``plan`` brings on; None when it is none's.

    The revision on trial has to be the very one that the rollback made: of the same object, of the version and image
    that it names, and the next number after the revision that it left. A version of the same name that was deployed
    later is not it.
    """
    if plan.action not in _ONWARD or rollout is None or rollout.canary is None:
        return None
    last = next((deed for deed in reversed(history.of(plan.target.key))
                 if deed.changed and deed.plan.action is Action.ROLLBACK), None)
    if last is None or not _uids(last.plan) <= {rollout.uid}:
        return None
    canary, goal, left = rollout.canary, last.plan.after, last.plan.before.revision
    is_its_revision = (left is not None and canary.number == left + 1 and goal.revision in canary.earlier_numbers
                       and _may_be_one(canary.image_digest, goal.image_digest))
    return last if is_its_revision and plan.after.version == goal.version == canary.version else None


def _uids(plan: Plan) -> set[JsonValue]:
    """Of the object that the plan was made for; none where it does not say."""
    return {each.expected for request in plan.requests for each in request.preconditions if each.name == "uid"}


def _may_be_one(pinned: str, planned: str) -> bool:
    """Whether two digests of one template are not two images: what is not pinned is not known of a new revision."""
    return not pinned or not planned or pinned == planned
