"""Plain Deployments: undo to a named revision, pause, resume. They know no traffic steps, so no abort and no promotion.

Source: kubectl ``pkg/polymorphichelpers/rollback.go`` and ``rollout_status.go``. Unlike kubectl the whole map of
annotations is not written anew: edits of others at the same moment would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from triage.actions.plan import Action, BlastRadius, JsonValue, Plan, Verification
from triage.actions.rollouts.argo_sightings import replaced, replicas_asked, undone
from triage.actions.rollouts.conditions import PAUSED, REPLICAS, TEMPLATE, UID, Place, put, replace, values
from triage.actions.rollouts.drafting import (
    SETTLE_SECONDS,
    STATUS_SECONDS,
    Draft,
    Seen,
    deadline_seconds,
    percent,
    ready,
    replicas_of,
    standing,
    state,
)
from triage.actions.rollouts.gitops import owner_warning
from triage.actions.rollouts.undo import find_goal, image_warning, in_full, named
from triage.actions.rollouts.workload import Workload
from triage.actions.scale import scale_sighting, scaled
from triage.actions.system import Observed, Progress, Refusal, Sighting, Wish
from triage.facts.rollouts import RolloutFacts
from triage.sources.kubernetes import Permission
from triage.sources.rollouts.deployment import DEPLOYMENT, HASH_LABEL
from triage.sources.rollouts.objects import inner, text

_NO_STEPS = "a Deployment has no traffic steps"
_REFUSED = {
    Action.ABORT: Refusal("a Deployment knows no abort", "roll back to the version that served before: name it"),
    Action.PROMOTE: Refusal(f"{_NO_STEPS}: there is nothing to promote", "it replaces its replicas by itself"),
    Action.PROMOTE_FULL: Refusal(f"{_NO_STEPS}: there is nothing to promote", "it replaces its replicas by itself"),
    Action.RETRY: Refusal("a Deployment knows no abort, so none to take back", "deploy the version again"),
}


class DeploymentRollout(Workload):
    """One Deployment."""

    kind = DEPLOYMENT

    def conditions(self, seen: Seen) -> dict[str, JsonValue]:
        return values(seen.item, (UID, TEMPLATE, REPLICAS, PAUSED))

    def permissions(self, action: Action, seen: Seen | None) -> Sequence[Permission]:
        match action:
            case Action.PAUSE | Action.RESUME | Action.SCALE:
                return (self.may_patch(),)
            case Action.ROLLBACK:
                return (self.may_undo(), self.may_patch())
        return ()

    def draft(self, wish: Wish, seen: Seen) -> Draft | Refusal:
        place = Place(self.kind.resource, self.charge.rollout.namespace, self.charge.rollout.name, seen.item)
        match wish.action:
            case Action.PAUSE | Action.RESUME:
                return _pause(seen, place, paused=wish.action is Action.PAUSE)
            case Action.ROLLBACK:
                return _undo(wish, seen, place, self.charge.last_known_good)
            case Action.SCALE:
                return scaled(wish, seen, place, self.charge.bounds)
        return _REFUSED.get(wish.action, Refusal(f"a Deployment has no {wish.action}", ""))

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        facts = observed.rollout
        if facts is None:
            return Sighting(Progress.CANNOT_TELL, "the deployment was not read")
        if (other := replaced(plan, observed)) is not None:
            return other
        match plan.action:
            case Action.PAUSE | Action.RESUME:
                wanted = plan.action is Action.PAUSE
                reached = observed.values.get("paused") is wanted
                return Sighting(Progress.REACHED if reached else Progress.ELSEWHERE,
                                "it is paused" if observed.values.get("paused") is True else "it is not paused")
            case Action.ROLLBACK:
                return undone(plan, facts)
            case Action.SCALE:
                return scale_sighting(replicas_asked(plan), facts)
        return Sighting(Progress.CANNOT_TELL, f"a Deployment has no {plan.action}")


def _pause(seen: Seen, place: Place, *, paused: bool) -> Draft | Refusal:
    facts, now = seen.facts, PAUSED.value(seen.item)
    if now is paused:
        return Refusal("it is paused already", "resume takes it back") if paused else Refusal(
            "it is not paused", "nothing waits to be resumed")
    under_way = facts.canary is not None
    if paused:
        effect = "no further replica is replaced" if under_way else "a version that comes will wait"
    else:
        effect = f"replicas are replaced by {named(facts.canary)} again" if under_way else "versions roll out again"
    share = None if facts.weight_set is None else (100.0 - facts.weight_set) / 100.0
    moved = BlastRadius(0.0, 0, None, "no request changes its version") if paused or not under_way else BlastRadius(
        share, facts.desired_replicas, replicas_of(facts.canary),
        f"{named(facts.canary)} goes from {percent(facts.weight_set)} to 100 % of the requests; {ready(facts.canary)}")
    return Draft(
        (place.patch([put("/spec/paused", paused)], (UID, PAUSED, *(() if paused else (TEMPLATE,))),
                     sentence=f"spec.paused -> {str(paused).lower()}", effect=effect),),
        state(seen, facts.wanted, f"{standing(facts)}, paused by hand" if paused else effect),
        f"{'resume' if paused else 'pause'}: spec.paused -> {str(not paused).lower()}", moved,
        "at once" if paused or not under_way else _rolling(seen, facts),
        Verification("it is paused" if paused else "it is not paused", STATUS_SECONDS),
        f"{'freeze it' if paused else 'let it go on'}: {effect}",
        owner_warning(facts.managed_by, "spec.paused, where what it applies says it,", "change it there as well"))


def _undo(wish: Wish, seen: Seen, place: Place, policy: str) -> Draft | Refusal:
    facts = seen.facts
    goal = find_goal(wish.to, facts, seen.sets, policy, HASH_LABEL, inner(seen.item, "spec", "template"))
    if isinstance(goal, Refusal):
        return goal
    revision = goal.revision
    seconds, path = deadline_seconds(seen.item), _rolling(seen, facts)
    operations, said = [replace("/spec/template", goal.template)], f"spec.template -> {in_full(revision)}"
    if PAUSED.value(seen.item):
        # A template that is written while it is paused does not roll out (kubectl refuses); resumed before, what was
        # frozen would roll on.
        operations.append(put("/spec/paused", False))
        said += ", spec.paused -> false"
    moved = facts.weight_set if facts.canary is not None else 100.0
    return Draft(
        (place.patch(operations, (UID, TEMPLATE, PAUSED), sentence=said, effect=path),),
        state(seen, revision, f"all traffic to {named(revision)}"),
        f"roll back to {in_full(facts.wanted)}" if facts.wanted is not None and facts.wanted.number is not None
        else "deploy the version that is asked for now again",
        BlastRadius(None if moved is None else moved / 100.0, facts.desired_replicas, replicas_of(revision),
                    f"{percent(moved)} of the requests go to another version, replica by replica; {ready(revision)}"),
        path, Verification(f"{named(revision)} takes all traffic, all its replicas serve", seconds,
                           version=revision.version, recovery_seconds=seconds + SETTLE_SECONDS),
        f"to {in_full(revision)}: {path}",
        _warnings(facts, revision.ready, seen) + image_warning(revision, seen.images), recovers=True)


def _rolling(seen: Seen, facts: RolloutFacts) -> str:
    if facts.strategy == "recreate":
        return "all replicas stop, then the new ones start: nothing serves in between"
    rolling = inner(seen.item, "spec", "strategy", "rollingUpdate")
    more, fewer = (text(str(rolling.get(key, "25%")), 20) for key in ("maxSurge", "maxUnavailable"))
    return f"{facts.desired_replicas} replicas are replaced, at most {more} more and {fewer} fewer at a time"


def _warnings(facts: RolloutFacts, target_ready: int | None, seen: Seen) -> tuple[str, ...]:
    found = owner_warning(facts.managed_by, named(facts.wanted), "revert where it is written down as well")
    if facts.strategy == "recreate":
        found += ("it is of the strategy Recreate: no replica serves until the new ones are ready",)
    if not target_ready:
        found += ("no replica of the target is ready: its pods have to start first",)
    if not facts.observed:
        found += ("the controller has not seen the present specification",)
    if PAUSED.value(seen.item):
        found += ("it is paused by hand: the plan takes the pause back, or the rollback would not roll out",)
    return found
