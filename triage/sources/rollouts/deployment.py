"""Plain Deployments (``apps/v1``): the template asked for, and the templates of before by their revisions.

A Deployment knows no stable and no canary. While it replaces pods, the template asked for is the version on its way,
and the one that serves most of the others is what the traffic would go back to. Source of the rules: kubectl
``rollout_status.go`` and ``rollback.go``, Kubernetes ``deployment_util.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

from triage.facts.outcome import Failure
from triage.facts.rollouts import Pause, Phase, Revision, RolloutCondition, RolloutFacts, WeightFrom
from triage.sources.decode import parse_time
from triage.sources.kubernetes import DEPLOYMENTS, Json, Listed
from triage.sources.rollouts.objects import (
    by_number,
    conditions,
    count,
    inner,
    labels_of,
    managed_by,
    missing,
    notes_of,
    owned,
    revision,
    selector_text,
    text,
    whole,
)
from triage.sources.rollouts.reading import RolloutKind

HASH_LABEL = "pod-template-hash"
NUMBER_ANNOTATION = "deployment.kubernetes.io/revision"
_STRATEGIES = {"RollingUpdate": "rolling", "Recreate": "recreate"}


def deployment_facts(item: Json, sets: Listed | Failure, version_label: str | None, read_at: float) -> RolloutFacts:
    """A Deployment and the ReplicaSets with its labels, as they were read at ``read_at``."""
    metadata, spec, status = inner(item, "metadata"), inner(item, "spec"), inner(item, "status")
    mine = owned(sets, str(metadata.get("uid", "")))
    revisions = by_number(revision(inner(each, "spec", "template"), version_label, replica_set=each,
                                   pod_hash=str(labels_of(each).get(HASH_LABEL, "")),
                                   number_annotation=NUMBER_ANNOTATION) for each in mine)
    unread = isinstance(sets, Failure)
    wanted = _wanted(item, mine, revisions, version_label, unread)
    others = [each for each in revisions if each is not wanted and (each.desired or each.current)]
    stable = max(others, key=lambda each: (each.available or 0, each.number or 0), default=None)
    canary: Revision | None = wanted
    if stable is None and not (unread and count(status, "replicas") > count(status, "updatedReplicas")):
        stable, canary = wanted, None
    total = sum(each.available or 0 for each in revisions)
    weight = 100.0 * (canary.available or 0) / total if canary is not None and total else None
    said = conditions(status)
    observed_generation, generation = whole(status.get("observedGeneration")), count(metadata, "generation")
    observed = observed_generation is not None and observed_generation >= generation
    phase, message = _phase(spec, status, said, observed)
    replicas = whole(spec.get("replicas"))
    return RolloutFacts(
        kind="Deployment", namespace=text(metadata.get("namespace")), name=text(metadata.get("name")), read_at=read_at,
        uid=text(metadata.get("uid")), resource_version=text(metadata.get("resourceVersion")),
        created_at=parse_time(metadata.get("creationTimestamp")), generation=generation,
        observed_generation=observed_generation, observed=observed, phase=phase, message=message,
        strategy=_STRATEGIES.get(str(inner(spec, "strategy").get("type")), ""),
        desired_replicas=1 if replicas is None else replicas, ready_replicas=count(status, "readyReplicas"),
        available_replicas=count(status, "availableReplicas"), updated_replicas=count(status, "updatedReplicas"),
        stable=stable, canary=canary, revisions=revisions, incomplete=missing(sets), weight_set=weight,
        weight_from=None if weight is None else WeightFrom.PODS,
        pauses=(Pause("manual"),) if spec.get("paused") is True else (), conditions=said,
        selector=_selector(item), managed_by=managed_by(item))


def _selector(item: Json) -> str:
    return selector_text(inner(item, "spec", "selector"))


def _wanted(item: Json, sets: Sequence[Json], revisions: Sequence[Revision], version_label: str | None,
            unread: bool) -> Revision:
    """The revision of the template asked for. A paused or unseen template has no ReplicaSet yet."""
    template = inner(item, "spec", "template")
    made = revision(template, version_label, pod_hash="", counted=not unread)
    if unread:
        return made
    same = next((each for each in sets if _without_hash(inner(each, "spec", "template")) == _without_hash(template)),
                None)
    name = None if same is None else text(inner(same, "metadata").get("name"))
    status = inner(item, "status")
    seen = (whole(status.get("observedGeneration")) or 0) >= count(inner(item, "metadata"), "generation")
    if same is None and seen and inner(item, "spec").get("paused") is not True:
        # The controller compares templates with every default filled in; its own number says which one it found.
        number = whole(notes_of(item).get(NUMBER_ANNOTATION))
        return next((each for each in revisions if number is not None and each.number == number), made)
    return next((each for each in revisions if name is not None and each.replica_set == name), made)


def _without_hash(template: Json) -> Json:
    kept = {key: value for key, value in labels_of(template).items() if key != HASH_LABEL}
    return {**template, "metadata": {**inner(template, "metadata"), "labels": kept}}


def _phase(spec: Json, status: Json, said: Sequence[RolloutCondition], observed: bool) -> tuple[Phase, str]:
    """(phase, why): kubectl's rules of ``rollout status`` in the words of Argo Rollouts."""
    if not observed:
        return Phase.PROGRESSING, "waiting for deployment spec update to be observed"
    by_type = {each.type: each for each in said}
    progress, failure = by_type.get("Progressing"), by_type.get("ReplicaFailure")
    if progress is not None and progress.reason == "ProgressDeadlineExceeded":
        return Phase.DEGRADED, f"{progress.reason}: {progress.message}"
    if failure is not None and failure.status == "True":
        return Phase.DEGRADED, f"{failure.reason}: {failure.message}"
    if spec.get("paused") is True:
        return Phase.PAUSED, "manually paused"
    wanted, replicas = whole(spec.get("replicas")), count(status, "replicas")
    wanted = 1 if wanted is None else wanted
    updated, available = count(status, "updatedReplicas"), count(status, "availableReplicas")
    if updated < wanted:
        return Phase.PROGRESSING, f"{updated} of {wanted} new replicas have been updated"
    if replicas > updated:
        return Phase.PROGRESSING, f"{replicas - updated} old replicas are pending termination"
    if available < updated:
        serving = by_type.get("Available")
        if (progress is not None and progress.reason == "NewReplicaSetAvailable" and serving is not None
                and serving.status == "False"):
            # It was complete once: what is missing now has broken, and nothing is under way.
            return Phase.DEGRADED, f"{serving.reason}: {serving.message}"
        return Phase.PROGRESSING, f"{available} of {updated} updated replicas are available"
    return Phase.HEALTHY, ""


DEPLOYMENT = RolloutKind(DEPLOYMENTS, _selector, deployment_facts, HASH_LABEL)
