"""What is known of a model's pods, for the panels: a builder per state of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.notebook.example_data import EXAMPLES
from tests.signals.serving_data import (
    GIB,
    NOW,
    STALE_AFTER,
    answers,
    listed,
    listed_pod,
    per_pod,
    replicas,
    revision,
    rollout,
    sample,
    usual_of,
)
from triage.facts.outcome import Failure, FailureKind
from triage.facts.pod_series import PodAnswers, PodPart
from triage.facts.scaling import ScalingEvent, ScalingFacts
from triage.notebook.load import load_all
from triage.signals.resources_model import ServingReading
from triage.signals.resources_reading import serving

GONE = Failure(FailureKind.TIMEOUT, "no answer within 5 s", "the server or the way to it is slow")
FORBIDDEN = Failure(FailureKind.UNAUTHORIZED, "pods is forbidden", "its role needs list pods in ml", 403)
OLD = tuple(f"fraud-scorer-5d4f6c8b7d-{end}" for end in ("2vq9x", "7ttlp", "k8s2m"))
NEW = "fraud-scorer-7c9f8d5b6c-x2k4p"
PODS = (*OLD, NEW)
[MANIFEST] = [notebook.manifest for notebook in load_all([EXAMPLES]).notebooks if notebook.name == "fraud-scorer"]
ROLLOUT = rollout(revision("7", "5d4f6c8b7d", image_digest=f"sha256:{'4f2a' * 16}"), revision("8", "7c9f8d5b6c"))
WORK = {PodPart.INFERENCES: [sample(144_000.0)], PodPart.RATE: [sample(40.0)], PodPart.POD_MINUTES: [sample(240.0)],
        PodPart.MINUTES: [sample(60.0)], PodPart.CPU_SECONDS: [sample(18_700.0)],
        PodPart.QUEUE_SUM: [sample(144.0)], PodPart.QUEUE_COUNT: [sample(12_000.0)],
        PodPart.ITEMS: [sample(12_000.0)], PodPart.BATCHES: [sample(1_600.0)]}
EVENTS = ScalingFacts(NOW - 3, (
    ScalingEvent(NOW - 1300, "ScalingReplicaSet", "Scaled up ReplicaSet fraud-scorer-7c9f8d5b6c (revision 12) from "
                 "0 to 1", "rollouts-controller"),
    ScalingEvent(NOW - 600, "SuccessfulRescale", "New size: 4; reason: cpu resource utilization (percentage of "
                 "request) above target", "horizontal-pod-autoscaler")))
REPLICAS = (replicas("fraud-scorer-5d4f6c8b7d", *[3.0] * 121), replicas("fraud-scorer-7c9f8d5b6c", *[None] * 78,
                                                                         *[1.0] * 43))


def told(**changed: object) -> PodAnswers:
    """One pod is full, one is throttled, one is not measured any more."""
    found = usual_of(
        PODS, MEMORY=per_pod({OLD[0]: 2 * GIB, OLD[1]: 2.1 * GIB, NEW: 3.8 * GIB, OLD[2]: 2 * GIB}),
        THROTTLED=per_pod({OLD[0]: 30.0, OLD[1]: 1200.0, NEW: 12.0}),
        SEEN=[sample(NOW - (720 if pod == OLD[2] else 10), pod=pod) for pod in PODS],
        RESTARTED=per_pod({OLD[0]: 0.0, OLD[1]: 0.0, NEW: 3.0}))
    made = answers(found | WORK, replicas=REPLICAS, replicas_step=30.0)
    return replace(made, **changed)  # type: ignore[arg-type]


def reading(asked: PodAnswers, *, now: float = NOW, refused: bool = False) -> ServingReading:
    pods = listed(*(listed_pod(pod, pod_hash="5d4f6c8b7d", image_digest=f"sha256:{'4f2a' * 16}") for pod in OLD),
                  listed_pod(NEW, pod_hash="7c9f8d5b6c", restarts=3, last_end="OOMKilled", last_end_at=NOW - 240,
                             oom_killed=True, image_digest=f"sha256:{'9e01' * 16}"))
    return serving(MANIFEST, asked, ("7", "8"), ROLLOUT, FORBIDDEN if refused else pods, EVENTS, 1000.0, now)


def mixed() -> ServingReading:
    """One pod is killed again and again, one is throttled, one is not measured any more."""
    return reading(told())


def well() -> ServingReading:
    """Nothing is the matter, and nobody may list the pods."""
    return reading(answers(usual_of(PODS) | WORK, replicas=REPLICAS), refused=True)


def moved() -> ServingReading:
    """The pods of one version run two images."""
    asked = answers(usual_of(PODS) | WORK, replicas=())
    pods = listed(*(listed_pod(pod, pod_hash="5d4f6c8b7d", image_digest=f"sha256:{digit * 64}")
                    for pod, digit in zip(OLD, "aab", strict=True)))
    return serving(MANIFEST, asked, ("7", "8"), ROLLOUT, pods, EVENTS, 1000.0, NOW)


def stale() -> ServingReading:
    """The last answer is four minutes old, and Prometheus is silent."""
    return reading(told(answered_at=NOW - 240, failure=GONE, replicas_failure=GONE))


def unread() -> ServingReading:
    """Asked, and never answered."""
    return serving(MANIFEST, PodAnswers(STALE_AFTER, failure=GONE, replicas_failure=GONE), (), None, None, None, 15.0,
                   NOW)


def bare() -> ServingReading:
    """Answered, and no series tell of pods; the manifest has no price."""
    manifest = MANIFEST.model_copy(update={"spec": MANIFEST.spec.model_copy(update={"resources": None})})
    return serving(manifest, answers({}, replicas=()), (), None, None, None, 15.0, NOW)


READINGS: Mapping[str, Callable[[], ServingReading]] = {
    "mixed": mixed, "well": well, "moved": moved, "stale": stale, "unread": unread, "bare": bare}
