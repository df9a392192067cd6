"""Rollback of an Argo Rollout: the traffic first (abort), then the template of a named revision."""

from __future__ import annotations

import dataclasses

from triage.actions.plan import BlastRadius, Request, Verification
from triage.actions.rollouts.conditions import (
    ABORTED,
    PAUSED,
    POD_HASH,
    PROMOTING,
    STABLE_HASH,
    TEMPLATE,
    UID,
    Place,
    put,
    remove,
    replace,
)
from triage.actions.rollouts.drafting import (
    SETTLE_SECONDS,
    Draft,
    Seen,
    deadline_seconds,
    percent,
    ready,
    replicas_of,
    state,
)
from triage.actions.rollouts.gitops import owner_warning
from triage.actions.rollouts.prediction import Course, rollback_course
from triage.actions.rollouts.undo import Goal, find_goal, image_warning, in_full, named
from triage.actions.system import Refusal, Wish
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.sources.kubernetes import DEPLOYMENTS, Json
from triage.sources.rollouts.argo import HASH_LABEL
from triage.sources.rollouts.objects import inner, managed_by, text


def undo(wish: Wish, seen: Seen, place: Place, policy: str) -> Draft | Refusal:
    """The plan of a rollback to ``wish.to``, or why there can be none. Pure."""
    facts = seen.facts
    written = _template_place(seen, place)
    if isinstance(written, Refusal):
        return written
    goal = find_goal(wish.to, facts, seen.sets, policy, HASH_LABEL, inner(written.item, "spec", "template"))
    if isinstance(goal, Refusal):
        return goal
    revision = goal.revision
    course = rollback_course(revision, facts)
    under_way = facts.canary is not None and facts.stable is not None and not facts.aborted and facts.observed
    requests = (*((_abort(place, facts),) if under_way else ()), *_writes(written, place, goal, course))
    whole_share = facts.weight_set if facts.canary is not None else 100.0
    moved = 0.0 if facts.aborted else whole_share
    stable = facts.stable
    first = f"{named(stable)} takes all traffic first, then " if under_way and stable is not None and (
        stable.pod_hash != revision.pod_hash) else ""
    return Draft(
        requests, state(seen, revision, f"all traffic to {named(revision)}, no version on its way"),
        f"roll back to {in_full(facts.wanted)}" if facts.wanted is not None and facts.wanted.number is not None
        else "deploy the version that is asked for now again",
        BlastRadius(None if moved is None else moved / 100.0, facts.desired_replicas, replicas_of(revision),
                    f"{percent(moved)} of the requests go to another version; {ready(revision)}"),
        f"{first}{course.sentence}",
        Verification(f"{named(revision)} takes all traffic, all its replicas serve",
                     deadline_seconds(seen.item) + course.seconds, version=revision.version,
                     recovery_seconds=deadline_seconds(seen.item) + course.seconds + SETTLE_SECONDS),
        f"to {in_full(revision)}: {course.sentence}", _warnings(seen, goal, course), recovers=True)


def _template_place(seen: Seen, place: Place) -> Place | Refusal:
    """The object that the pod template is written in."""
    facts = seen.facts
    if not facts.workload:
        return place
    kind, _, name = facts.workload.partition("/")
    if kind != "Deployment":
        return Refusal(f"its template is that of {facts.workload}, which triage does not change",
                       "roll back there; abort takes the traffic off a version that is on its way")
    if isinstance(seen.source, Failure) or seen.source is None:
        why = seen.source.sentence() if isinstance(seen.source, Failure) else "it was not read"
        hint = seen.source.hint if isinstance(seen.source, Failure) else "read it again"
        return Refusal(f"its template is that of {facts.workload}, which cannot be read: {why}", hint)
    return Place(DEPLOYMENTS, place.namespace, name, seen.source, "workload_")


def _abort(place: Place, facts: RolloutFacts) -> Request:
    operations: list[Json] = [remove("/status/promoteFull")] if facts.promoting_fully else []
    tested = (UID, POD_HASH, STABLE_HASH, ABORTED, *((PROMOTING,) if facts.promoting_fully else ()))
    return place.patch([*operations, put("/status/abort", True)], tested, sentence="abort -> true",
                       effect=f"all traffic to {named(facts.stable)} at once", status=True)


def _writes(written: Place, place: Place, goal: Goal, course: Course) -> tuple[Request, ...]:
    """The template, and what keeps the controller from acting on it."""
    operations = [replace("/spec/template", goal.template)]
    said, effect = f"spec.template -> {in_full(goal.revision)}", course.sentence
    by_hand = PAUSED.value(place.item) is True
    if written is place:
        conditions = (UID, POD_HASH, STABLE_HASH, TEMPLATE, *((PAUSED,) if by_hand else ()))
        if by_hand:
            operations.append(put("/spec/paused", False))
            said += ", paused -> false"
        return (written.patch(operations, conditions, sentence=said, effect=effect),)
    request = written.patch(operations, (UID, TEMPLATE), sentence=said, effect=effect)
    # The server that takes it cannot test another object; the Rollout has to be the one that was read all the same.
    request = dataclasses.replace(request, preconditions=(place.expects(UID), *request.preconditions))
    if not by_hand:
        return (request,)
    return (request, place.patch([put("/spec/paused", False)], (UID, PAUSED), sentence="spec.paused -> false",
                                 effect="it goes on"))


def _warnings(seen: Seen, goal: Goal, course: Course) -> tuple[str, ...]:
    facts, target, found = seen.facts, goal.revision, []
    owner = facts.managed_by
    if facts.workload and isinstance(seen.source, dict):
        owner = managed_by(seen.source)
        found.append(f"the template is written in {facts.workload}, which the Rollout takes it from")
    found += owner_warning(owner, named(facts.wanted), "abort is not undone by it (status only): abort now, then "
                           "revert where it is written down")
    if PAUSED.value(seen.item):
        found.append("it is paused by hand: the plan takes the pause back, or the rollback would not end")
    if course.waits_for_person:
        found.append("its steps wait for a person: resume them, or promote fully")
    stable = facts.stable
    if stable is not None and target.created_at is not None and stable.created_at is not None and (
            target.created_at > stable.created_at):
        found.append(f"{named(target)} is newer than {named(stable)}, which serves: this is no way back")
    if not target.ready:
        found.append(f"no replica of {named(target)} is ready: its pods have to start first")
    if not facts.observed:
        found.append("the controller has not seen the present specification")
    if text(inner(seen.item, "spec", "strategy", "blueGreen").get("activeService")) and course.seconds == 0:
        found.append("blue-green: the active service switches when all replicas are ready")
    return (*found, *image_warning(target, seen.images))
