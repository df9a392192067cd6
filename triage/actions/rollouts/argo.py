"""Argo Rollouts: pause, resume, promote, abort, retry and undo, by the requests that its kubectl plugin sends.

Source: Argo Rollouts 1.9, ``pkg/kubectl-argo-rollouts/cmd/<verb>/<verb>.go``. The plugin sends merge patches without
any precondition; here each is a JSON patch that tests what it rests on, so that two engineers who promote at the same
moment promote one step and not two. Where the plugin's semantics are a trap, the plan says so or there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from triage.actions.plan import Action, BlastRadius, JsonValue, Plan, Verification
from triage.actions.rollouts.argo_sightings import sighting
from triage.actions.rollouts.argo_undo import undo
from triage.actions.rollouts.conditions import (
    ABORTED,
    PAUSED,
    POD_HASH,
    PROMOTING,
    REPLICAS,
    STABLE_HASH,
    STEP,
    TEMPLATE,
    UID,
    WAITING,
    Place,
    put,
    remove,
    replace,
    values,
)
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
from triage.actions.rollouts.prediction import next_stop
from triage.actions.rollouts.undo import in_full, named
from triage.actions.rollouts.workload import Workload
from triage.actions.scale import scaled
from triage.actions.system import Observed, Refusal, Sighting, Wish
from triage.facts.rollouts import AnalysisRun, RolloutFacts, Step
from triage.sources.kubernetes import DEPLOYMENTS, Json, Permission
from triage.sources.rollouts.argo import ARGO

_CONDITIONS = (UID, TEMPLATE, REPLICAS, POD_HASH, STABLE_HASH, STEP, ABORTED, PROMOTING, PAUSED, WAITING)
_INCONCLUSIVE = "InconclusiveAnalysisRun"
_UNDER_WAY = frozenset({"Running", "Pending"})
"""What an analysis that has not ended is called."""
_NO_CANARY = "no version is on its way"


class ArgoRollout(Workload):
    """One Rollout of Argo Rollouts."""

    kind = ARGO

    def conditions(self, seen: Seen) -> dict[str, JsonValue]:
        found = values(seen.item, _CONDITIONS)
        if isinstance(seen.source, dict):
            found |= values(seen.source, (UID, TEMPLATE), "workload_")
        return found

    def permissions(self, action: Action, seen: Seen | None) -> Sequence[Permission]:
        spec, status = self.may_patch(), self.may_patch("status")
        match action:
            case Action.PAUSE | Action.SCALE:
                return (spec,)
            case Action.ABORT | Action.RETRY:
                return (status,)
            case Action.RESUME | Action.PROMOTE | Action.PROMOTE_FULL:
                if seen is None:
                    return (status, spec)
                by_hand = PAUSED.value(seen.item) is True
                if action is Action.RESUME:
                    return (spec,) if by_hand else (status,)
                return (status, spec) if by_hand else (status,)
            case Action.ROLLBACK:
                workload = "" if seen is None else seen.facts.workload.partition("/")[2]
                written = Permission("patch", DEPLOYMENTS, self.charge.rollout.namespace, "",
                                     workload) if workload else spec
                return (self.may_undo(), written, status)
        return ()

    def draft(self, wish: Wish, seen: Seen) -> Draft | Refusal:
        place = Place(self.kind.resource, self.charge.rollout.namespace, self.charge.rollout.name, seen.item)
        match wish.action:
            case Action.ROLLBACK:
                return undo(wish, seen, place, self.charge.last_known_good)
            case Action.SCALE:
                return scaled(wish, seen, place, self.charge.bounds)
            case action if action in _DRAFTS:
                return _DRAFTS[action](seen, place)
        return Refusal(f"Argo Rollouts has no {wish.action}", "")

    def sighting(self, plan: Plan, observed: Observed) -> Sighting:
        return sighting(plan, observed)


def _pause(seen: Seen, place: Place) -> Draft | Refusal:
    facts = seen.facts
    if PAUSED.value(seen.item):
        return Refusal("it is paused by hand already", "resume takes the pause back")
    warnings = [_may_abort(each) for each in facts.analyses if each.status in _UNDER_WAY]
    if facts.pauses:
        warnings.append("the time of the pause step goes on meanwhile: after resuming it may be over at once")
    if facts.promoting_fully:
        warnings.append("a full promotion is under way: its pods are already there, only its end waits")
    warnings += owner_warning(facts.managed_by, "the pause, where what it applies says spec.paused,",
                              "pause it there as well")
    stays = "the weights stay where they are" if facts.canary else "a version that comes will wait"
    return Draft(
        (place.patch([put("/spec/paused", True)], (UID, PAUSED), sentence="spec.paused -> true", effect=stays),),
        state(seen, facts.wanted, f"{standing(facts)}, paused by hand"), "resume: spec.paused -> false",
        BlastRadius(0.0, 0, None, "no request changes its version"), "at once: no further step begins",
        Verification("it is paused by hand", STATUS_SECONDS), f"freeze it: {stays}", tuple(warnings))


def _resume(seen: Seen, place: Place) -> Draft | Refusal:
    facts = seen.facts
    if facts.aborted:
        return Refusal("it is aborted: resuming does nothing", f"retry starts {named(facts.canary)} again")
    if not PAUSED.value(seen.item):
        if not facts.pauses:
            return Refusal("it is not paused", "nothing waits to be resumed")
        return _continued(seen, place)
    waits = [pause for pause in facts.pauses if pause.reason != "manual"]
    warnings: list[str] = []
    if any(pause.until is not None for pause in waits):
        warnings.append("the time of its pause step went on meanwhile: the next step may begin at once")
    warnings += owner_warning(facts.managed_by, "spec.paused, where what it applies says it,",
                              "resume it there as well")
    goes_on = f"it waits in {facts.pauses[-1].reason} as before" if waits else "its steps go on"
    return Draft(
        (place.patch([put("/spec/paused", False)], (UID, POD_HASH, PAUSED), sentence="spec.paused -> false",
                     effect=goes_on),),
        state(seen, facts.wanted, goes_on), "pause: spec.paused -> true", _risk(facts, facts.weight_asked), goes_on,
        Verification("it is not paused by hand any more", STATUS_SECONDS, version=_version(facts)),
        f"take the pause by hand back: {goes_on}", tuple(warnings))


def _promote(seen: Seen, place: Place) -> Draft | Refusal:
    return _refuse_promotion(seen.facts) or _continued(seen, place)


def _refuse_promotion(facts: RolloutFacts) -> Refusal | None:
    if not facts.observed:
        return Refusal("the controller has not seen the present specification: its step is not about it",
                       "wait until it has; a promotion now would do nothing, or promote something else")
    if facts.canary is None:
        return Refusal(_NO_CANARY, "there is nothing to promote")
    if facts.aborted:
        return Refusal(f"it is aborted: promoting one step does nothing, promoting fully would ship "
                       f"{named(facts.canary)} to everybody", "retry starts it again at its first step")
    if facts.promoting_fully:
        return Refusal("a full promotion is under way", "abort takes it back")
    return None


def _continued(seen: Seen, place: Place) -> Draft | Refusal:
    """On with the next step, as the plugin's ``promote`` does it in each of the controller's states."""
    facts = seen.facts
    status = seen.item.get("status", {})
    waiting = [pause for pause in facts.pauses if pause.reason != "manual"]
    index = facts.step_index
    if facts.strategy == "canary" and (index is None or index >= len(facts.steps)):
        return Refusal("no step is left", "it becomes the stable version when all its replicas serve")
    if not waiting and status.get("controllerPause") is True:
        return Refusal("somebody resumed it just now, and the controller has not acted yet", "look again in a moment")
    if not waiting and facts.strategy != "canary":
        return Refusal("it does not wait for a promotion", "its analyses or its pods are not done yet")
    operations: list[Json] = [remove("/status/pauseConditions")] if waiting else []
    said = "pauseConditions -> none" if waiting else ""
    begins = (index or 0) + 1
    inconclusive = any(pause.reason == _INCONCLUSIVE for pause in waiting)
    if facts.strategy == "canary" and (inconclusive or not waiting):
        operations.append(replace("/status/currentStepIndex", begins))
        said = f"{said}, currentStepIndex {index} -> {begins}".removeprefix(", ")
        if inconclusive and "controllerPause" in status:
            operations.append(put("/status/controllerPause", False))
    canary = facts.strategy == "canary"
    stop = next_stop(facts, begins) if canary else None
    effect = stop.sentence if stop else f"the active service switches to {named(facts.canary)}"
    conditions = (UID, POD_HASH, STABLE_HASH, *((STEP,) if canary else ()), ABORTED, WAITING, PAUSED)
    requests = [place.patch(operations, conditions, sentence=said, effect=effect, status=True)]
    by_hand = PAUSED.value(seen.item) is True
    if by_hand:
        # First the step, then the pause by hand: between the two it stands still.
        requests.append(place.patch([put("/spec/paused", False)], (UID, POD_HASH, PAUSED),
                                    sentence="spec.paused -> false", effect="it goes on"))
    return Draft(
        tuple(requests), state(seen, facts.canary, effect), f"no single step goes back; abort: all traffic to "
        f"{named(facts.stable)}", _risk(facts, stop.weight if stop else 100.0), effect,
        Verification(effect, deadline_seconds(seen.item), version=_version(facts)),
        f"on with {named(facts.canary)}: {effect}",
        (*_step_warnings(facts, index, waiting=bool(waiting), skips=not waiting or inconclusive), *(owner_warning(
            facts.managed_by, "spec.paused, where what it applies says it,", "resume it there as well") if by_hand
            else ())))


def _step_warnings(facts: RolloutFacts, index: int | None, *, waiting: bool, skips: bool) -> tuple[str, ...]:
    """What to know of the step that is left; ``skips``: the step is counted as done, whatever runs in it."""
    found: list[str] = []
    if index is not None and not waiting and index < len(facts.steps):
        found.append(f"the step {facts.steps[index].text} is not done: it is skipped")
    for run in facts.analyses if waiting else ():
        if run.status in _UNDER_WAY:
            found.append(f"the analysis {run.name} began while it waits: the promotion does not wait for its verdict"
                         if skips and run.role == "step" else _may_abort(run))
    if index is not None:
        found += _two_analyses(facts, index)
    return tuple(found)


def _two_analyses(facts: RolloutFacts, index: int) -> Iterator[str]:
    """Whether the step that is left, or the one that it stands at next, is the first of two analyses in a row."""
    improperly = "Argo Rollouts does not promote out of two in a row properly (argo-rollouts#1203)"
    steps = facts.steps
    if _is_analysis(steps, index):
        if _is_analysis(steps, index + 1):
            yield f"the next step is an analysis too: {improperly}"
        return
    ahead = next_stop(facts, index + 1).index
    if _is_analysis(steps, ahead) and _is_analysis(steps, ahead + 1):
        yield (f"two analyses in a row come next ({steps[ahead].text}, {steps[ahead + 1].text}): {improperly}, so let "
               "both end by themselves")


def _is_analysis(steps: Sequence[Step], index: int) -> bool:
    return index < len(steps) and steps[index].text.startswith("analysis")


def _may_abort(run: AnalysisRun) -> str:
    return f"the analysis {run.name} goes on and may still abort it"


def _promote_fully(seen: Seen, place: Place) -> Draft | Refusal:
    facts = seen.facts
    refusal = _refuse_promotion(facts)
    if refusal is not None:
        return refusal
    requests = [place.patch(
        [put("/status/promoteFull", True)], (UID, POD_HASH, STABLE_HASH, ABORTED, PROMOTING),
        sentence="promoteFull -> true", effect=f"all traffic to {named(facts.canary)}", status=True)]
    if PAUSED.value(seen.item):
        requests.append(place.patch([put("/spec/paused", False)], (UID, PAUSED), sentence="spec.paused -> false",
                                    effect="it goes on"))
    left = len(facts.steps) - (facts.step_index or 0)
    back = "nothing" if facts.stable is None else f"roll back to {in_full(facts.stable)}; its steps may run again"
    return Draft(
        tuple(requests), state(seen, facts.canary, "all traffic, stable"), back, _risk(facts, 100.0),
        f"skips {left} of {len(facts.steps)} steps and every analysis; as soon as its pods serve",
        Verification(f"{named(facts.canary)} is the stable version", deadline_seconds(seen.item),
                     version=_version(facts)),
        f"all traffic to {named(facts.canary)}, {left} steps skipped",
        ("an analysis that has not run will not run",) if any(
            step.text.startswith("analysis") for step in facts.steps[facts.step_index or 0:]) else ())


def _abort(seen: Seen, place: Place) -> Draft | Refusal:
    facts = seen.facts
    if facts.canary is None:
        hint = "roll back to a version that is named" if facts.stable else "it has no stable version yet"
        return Refusal(f"{_NO_CANARY}: there is nothing to abort", hint)
    if facts.stable is None:
        return Refusal("there is no stable version that the traffic could go back to", "wait until it serves")
    if facts.aborted:
        return Refusal("it is aborted already", f"{named(facts.canary)} stays in the specification: roll back to "
                       f"{named(facts.stable)} to take it out")
    operations: list[Json] = []
    conditions = [UID, POD_HASH, STABLE_HASH, ABORTED]
    warnings = [f"abort is not rollback: {named(facts.canary)} stays in the specification, and retry starts it again"]
    if facts.promoting_fully:
        # The controller takes an abort back while it promotes fully.
        operations.append(remove("/status/promoteFull"))
        conditions.append(PROMOTING)
        warnings.append("a full promotion is under way and would take the abort back: the same patch ends it")
    if not facts.observed:
        warnings.append("the controller has not seen the present specification: it may start the version in it anew")
    operations.append(put("/status/abort", True))
    return Draft(
        (place.patch(operations, conditions, sentence="abort -> true", status=True,
                     effect=f"all traffic to {named(facts.stable)} at once"),),
        state(seen, facts.stable, f"all traffic; {named(facts.canary)} aborted, still in the specification"),
        f"retry: {named(facts.canary)} again from its first step",
        BlastRadius(_share(facts.weight_set), facts.canary.desired, replicas_of(facts.stable),
                    f"{percent(facts.weight_set)} of the requests go from {named(facts.canary)} to "
                    f"{named(facts.stable)}; {ready(facts.stable)}"),
        "at once", Verification(f"{named(facts.canary)} gets no traffic", STATUS_SECONDS, version=facts.stable.version,
                                recovery_seconds=SETTLE_SECONDS),
        f"all traffic to {named(facts.stable)}; {named(facts.canary)} stays in the specification", tuple(warnings),
        recovers=True)


def _retry(seen: Seen, place: Place) -> Draft | Refusal:
    facts = seen.facts
    if not facts.aborted or facts.canary is None:
        return Refusal("it is not aborted", "retry starts an aborted version again")
    if not facts.observed:
        return Refusal("the controller has not seen the present specification", "look again in a moment")
    stop = next_stop(facts, 0)
    return Draft(
        (place.patch([replace("/status/abort", False)], (UID, POD_HASH, STABLE_HASH, ABORTED),
                     sentence="abort -> false", effect=stop.sentence, status=True),),
        state(seen, facts.canary, stop.sentence), f"abort: all traffic to {named(facts.stable)}",
        _risk(facts, stop.weight),
        stop.sentence, Verification(f"{named(facts.canary)} is not aborted any more", STATUS_SECONDS,
                                    version=_version(facts)),
        f"start {named(facts.canary)} again: {stop.sentence}",
        (f"{in_full(facts.canary)} was aborted: it is started again as it is",))


_DRAFTS: Mapping[Action, Callable[[Seen, Place], Draft | Refusal]] = {
    Action.PAUSE: _pause, Action.RESUME: _resume, Action.PROMOTE: _promote, Action.PROMOTE_FULL: _promote_fully,
    Action.ABORT: _abort, Action.RETRY: _retry}


def _risk(facts: RolloutFacts, weight: float | None) -> BlastRadius:
    """Who feels it when the canary comes to ``weight`` percent."""
    now = facts.weight_set
    share = None if weight is None or now is None else max(0.0, weight - now) / 100.0
    comes = f"{named(facts.canary)} goes from {percent(now)} to {percent(weight)} of the requests"
    return BlastRadius(share, None, replicas_of(facts.canary), f"{comes}; {ready(facts.canary)}")


def _share(weight: float | None) -> float | None:
    return None if weight is None else weight / 100.0


def _version(facts: RolloutFacts) -> str:
    return facts.canary.version if facts.canary is not None else ""
