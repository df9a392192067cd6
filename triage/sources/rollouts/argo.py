"""Argo Rollouts (``argoproj.io/v1alpha1``): where a canary or a blue-green rollout stands.

Source of the rules: Argo Rollouts 1.9, ``utils/rollout/rolloututil.go`` (what a client may believe of the phase) and
``utils/replicaset/canary.go`` (the weight that the steps ask for).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from triage.facts.outcome import Failure
from triage.facts.rollouts import AnalysisRun, Pause, Phase, Revision, RolloutFacts, Step, WeightFrom
from triage.sources.decode import parse_time
from triage.sources.kubernetes import ROLLOUTS, Json, Listed
from triage.sources.rollouts.objects import (
    by_number,
    conditions,
    count,
    inner,
    labels_of,
    managed_by,
    missing,
    notes_of,
    objects,
    owned,
    revision,
    selector_text,
    text,
    whole,
)
from triage.sources.rollouts.reading import RolloutKind

HASH_LABEL = "rollouts-pod-template-hash"
NUMBER_ANNOTATION = "rollout.argoproj.io/revision"
_WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")
_ANALYSES = (("canary", "currentStepAnalysisRunStatus", "step"),
             ("canary", "currentBackgroundAnalysisRunStatus", "background"),
             ("blueGreen", "prePromotionAnalysisRunStatus", "prePromotion"),
             ("blueGreen", "postPromotionAnalysisRunStatus", "postPromotion"))


def rollout_facts(item: Json, sets: Listed | Failure, version_label: str | None, read_at: float) -> RolloutFacts:
    """A Rollout and the ReplicaSets with its labels, as they were read at ``read_at``."""
    metadata, spec, status = inner(item, "metadata"), inner(item, "spec"), inner(item, "status")
    strategy = "canary" if "canary" in inner(spec, "strategy") else "blueGreen" if "blueGreen" in inner(
        spec, "strategy") else ""
    mine = owned(sets, str(metadata.get("uid", "")))
    revisions = by_number(revision(inner(each, "spec", "template"), version_label, replica_set=each,
                                   pod_hash=str(labels_of(each).get(HASH_LABEL, "")),
                                   number_annotation=NUMBER_ANNOTATION) for each in mine)
    stable_hash, wanted_hash = text(status.get("stableRS")), text(status.get("currentPodHash"))
    counted = not isinstance(sets, Failure)
    # Without ReplicaSets the template asked for is all that is known, and it is the wanted version's.
    stable = _of_hash(stable_hash, revisions, inner(spec, "template") if stable_hash == wanted_hash else {},
                      version_label, counted) if stable_hash else None
    canary = _of_hash(wanted_hash, revisions, inner(spec, "template"), version_label, counted) if (
        wanted_hash and wanted_hash != stable_hash) else None
    most = whole(inner(spec, "strategy", "canary", "trafficRouting").get("maxTrafficWeight")) or 100
    steps = tuple(_step(each, most) for each in objects(inner(spec, "strategy", "canary").get("steps")))
    index = max(0, min(whole(status.get("currentStepIndex")) or 0, len(steps)))
    aborted = status.get("abort") is True
    observed, phase, message = _phase(item)
    weight, weight_from = _weight_set(spec, status, strategy, most, canary, revisions)
    replicas = whole(spec.get("replicas"))
    return RolloutFacts(
        kind="Rollout", namespace=text(metadata.get("namespace")), name=text(metadata.get("name")), read_at=read_at,
        uid=text(metadata.get("uid")), resource_version=text(metadata.get("resourceVersion")),
        created_at=parse_time(metadata.get("creationTimestamp")), generation=count(metadata, "generation"),
        observed_generation=whole(status.get("observedGeneration")), observed=observed, phase=phase, message=message,
        strategy=strategy, desired_replicas=1 if replicas is None else replicas,
        ready_replicas=count(status, "readyReplicas"), available_replicas=count(status, "availableReplicas"),
        updated_replicas=count(status, "updatedReplicas"), stable=stable, canary=canary, revisions=revisions,
        incomplete=missing(sets), weight_asked=_weight_asked(steps, index, aborted) if canary and stable else None,
        weight_set=weight, weight_from=weight_from,
        weight_verified=None if canary is None else _flag(inner(status, "canary", "weights"), "verified"),
        steps=steps, step_index=index if steps else None,
        pauses=_pauses(spec, status, steps, index), aborted=aborted, aborted_at=parse_time(status.get("abortedAt")),
        promoting_fully=status.get("promoteFull") is True,
        rollback_window=whole(inner(spec, "rollbackWindow").get("revisions")), analyses=_analyses(status),
        conditions=conditions(status), selector=_selector(item), workload=_workload(spec), managed_by=managed_by(item))


def _selector(item: Json) -> str:
    # With a workloadRef the selector stands in the status alone.
    selector = inner(item, "spec", "selector")
    return selector_text(selector) if selector else text(inner(item, "status").get("selector"), 1000)


def _of_hash(pod_hash: str, revisions: Sequence[Revision], template: Json, version_label: str | None,
             counted: bool) -> Revision:
    """The revision of this hash; made from ``template`` when there is no ReplicaSet of it."""
    found = next((each for each in revisions if each.pod_hash == pod_hash), None)
    return found or revision(template, version_label, pod_hash=pod_hash, counted=counted)


def _phase(item: Json) -> tuple[bool, Phase, str]:
    """(whether the status is about the present specification, phase, message), as clients are to see them."""
    spec, status = inner(item, "spec"), inner(item, "status")
    observed = whole(status.get("observedGeneration"))
    generation = count(inner(item, "metadata"), "generation")
    # A hash stood there before Argo Rollouts 0.10; one of digits alone is larger than any generation.
    if observed is not None and observed < generation:
        return False, Phase.PROGRESSING, "waiting for rollout spec update to be observed"
    if status.get("controllerPause") is True and not objects(status.get("pauseConditions")):
        return True, Phase.PROGRESSING, "waiting for rollout to unpause"
    workload = whole(notes_of(item).get(_WORKLOAD_GENERATION))
    seen = whole(status.get("workloadObservedGeneration"))
    if "workloadRef" in spec and workload is not None and seen is not None and seen != workload:
        return False, Phase.PROGRESSING, "waiting for rollout spec update to be observed for the reference workload"
    try:
        phase = Phase(str(status.get("phase")))
    except ValueError:
        return True, Phase.UNKNOWN, text(status.get("message"), 400) or "the controller has not said where it stands"
    return True, phase, text(status.get("message"), 400)


def _step(step: Json, most: int) -> Step:
    """``most`` is the weight that stands for all requests: not every router counts to 100."""
    weight = whole(step.get("setWeight"))
    if weight is not None:
        return Step(f"setWeight {weight}", weight=100.0 * weight / most)
    if "pause" in step:
        seconds = _seconds(inner(step, "pause").get("duration"))
        if seconds is None:
            return Step("pause until resumed", until_resumed=True)
        return Step(f"pause {text(str(inner(step, 'pause')['duration']), 40)}", pause_seconds=seconds)
    if "analysis" in step:
        names = [text(each.get("templateName"), 80) for each in objects(inner(step, "analysis").get("templates"))]
        return Step(" ".join(["analysis", *names]))
    if "setCanaryScale" in step:
        scale = [f"{text(key, 40)}={text(str(value), 40)}" for key, value in inner(step, "setCanaryScale").items()]
        return Step(" ".join(["setCanaryScale", *scale]))
    return Step(text(next(iter(step), "(empty)"), 80))


def _seconds(duration: Any) -> float | None:
    """Seconds of a pause: a number, or Go's spelling of a duration (``1h30m``). None: it lasts until resumed."""
    if isinstance(duration, int) and not isinstance(duration, bool):
        return float(duration)
    if not isinstance(duration, str):
        return None
    if duration.isascii() and duration.isdigit():
        return float(duration[:12])
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return float(sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts))


def _weight_asked(steps: Sequence[Step], index: int, aborted: bool) -> float | None:
    """Percent that the last weight up to the current step asks for."""
    if not steps:
        return None
    if aborted:
        return 0.0
    if index >= len(steps):
        return 100.0
    return next((step.weight for step in reversed(steps[:index + 1]) if step.weight is not None), 0.0)


def _weight_set(spec: Json, status: Json, strategy: str, most: int, canary: Revision | None,
                revisions: Sequence[Revision]) -> tuple[float | None, WeightFrom | None]:
    if canary is None:
        return None, None
    if strategy == "blueGreen":
        active = inner(status, "blueGreen").get("activeSelector")
        return (100.0 if active == canary.pod_hash else 0.0, WeightFrom.ROUTER) if active else (None, None)
    if inner(spec, "strategy", "canary", "trafficRouting"):
        return _weight_routed(inner(status, "canary", "weights"), most, canary)
    total = sum(each.available or 0 for each in revisions)
    return (100.0 * (canary.available or 0) / total, WeightFrom.PODS) if total else (None, None)


def _weight_routed(weights: Json, most: int, canary: Revision) -> tuple[float | None, WeightFrom | None]:
    """Of what the router was told, the part that goes to the canary's pods."""
    arms = [inner(weights, "canary"), inner(weights, "stable"), *objects(weights.get("additional"))]
    given = [(arm.get("podTemplateHash"), whole(arm.get("weight"))) for arm in arms if arm]
    if not given:
        return None, None
    told = sum(weight or 0 for pod_hash, weight in given if pod_hash == canary.pod_hash)
    if not any(pod_hash for pod_hash, _ in given):
        told = count(arms[0], "weight")
    return 100.0 * told / most, WeightFrom.ROUTER


def _pauses(spec: Json, status: Json, steps: Sequence[Step], index: int) -> tuple[Pause, ...]:
    found = [Pause("manual")] if spec.get("paused") is True else []
    step = steps[index] if index < len(steps) else None
    for each in objects(status.get("pauseConditions")):
        reason, since = text(each.get("reason"), 80), parse_time(each.get("startTime"))
        lasts = step.pause_seconds if reason == "CanaryPauseStep" and step is not None else None
        if reason == "BlueGreenPause":
            lasts = _seconds(inner(spec, "strategy", "blueGreen").get("autoPromotionSeconds"))
        found.append(Pause(reason, since, None if since is None or not lasts else since + lasts))
    return tuple(found)


def _analyses(status: Json) -> tuple[AnalysisRun, ...]:
    runs = [(role, inner(status, part, field)) for part, field, role in _ANALYSES]
    return tuple(AnalysisRun(role, text(run.get("name")), text(run.get("status"), 40), text(run.get("message"), 400))
                 for role, run in runs if run)


def _flag(item: Json, key: str) -> bool | None:
    value = item.get(key)
    return value if isinstance(value, bool) else None


def _workload(spec: Json) -> str:
    reference = inner(spec, "workloadRef")
    return f"{text(reference.get('kind'), 80)}/{text(reference.get('name'))}" if reference else ""


ARGO = RolloutKind(ROLLOUTS, _selector, rollout_facts, HASH_LABEL)
