"""Answers about pods as series give them, and the pods that Kubernetes lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triage.facts.pod_series import PodAnswers, PodPart, PodQuestion
from triage.facts.rollouts import Phase, PodFacts, PodsFacts, Revision, RolloutFacts, VersionFrom
from triage.facts.samples import Sample, Series

NOW = 1_795_444_380.0
"""23 November 2026, 14:33 UTC."""
STALE_AFTER = 45.0
GIB = 2.0**30
POD = "fraud-scorer-7c9f8-x2k4p"


def sample(value: float, **labels: str) -> Sample:
    return Sample(labels, value, NOW)


def per_pod(values: Mapping[str, float], **labels: str) -> list[Sample]:
    """One sample for each pod, of its container ``server``."""
    return [sample(value, pod=pod, container="server", **labels) for pod, value in values.items()]


def answers(found: Mapping[PodPart, Sequence[Sample]], **more: Any) -> PodAnswers:
    return PodAnswers(STALE_AFTER, {PodQuestion(part): tuple(samples) for part, samples in found.items()},
                      **{"answered_at": NOW, **more})


def usual(**changed: Sequence[Sample]) -> dict[PodPart, list[Sample]]:
    """What is asked of a pod that is well: 1.3 of 2 cores, 2 of 4 GiB, no throttling, no restart."""
    return usual_of((POD,), **changed)


def usual_of(pods: Sequence[str], **changed: Sequence[Sample]) -> dict[PodPart, list[Sample]]:
    """The same of several pods."""
    found = {
        PodPart.CPU: per_pod(dict.fromkeys(pods, 1.3)), PodPart.MEMORY: per_pod(dict.fromkeys(pods, 2 * GIB)),
        PodPart.LIMITS: [*per_pod(dict.fromkeys(pods, 2.0), resource="cpu"),
                         *per_pod(dict.fromkeys(pods, 4 * GIB), resource="memory")],
        PodPart.PERIODS: per_pod(dict.fromkeys(pods, 3000.0)), PodPart.THROTTLED: per_pod(dict.fromkeys(pods, 30.0)),
        PodPart.RESTARTS: per_pod(dict.fromkeys(pods, 0.0)), PodPart.RESTARTED: per_pod(dict.fromkeys(pods, 0.0)),
        PodPart.SEEN: [sample(NOW - 10, pod=pod) for pod in pods]}
    return found | {PodPart[name]: list(samples) for name, samples in changed.items()}


def listed_pod(name: str = POD, **changed: Any) -> PodFacts:
    return PodFacts(**{"name": name, "pod_hash": "7c9f8", "phase": "Running", "ready": True, "created_at": NOW - 86400,
                       "ready_since": NOW - 86000, "restarts": 0, "node": "node-a", **changed})


def listed(*pods: PodFacts, read_at: float = NOW - 3) -> PodsFacts:
    return PodsFacts(read_at, tuple(pods))


def revision(version: str, pod_hash: str, **more: Any) -> Revision:
    return Revision(version, VersionFrom.LABEL, "app.kubernetes.io/version", pod_hash, 1,
                    **{"image": f"registry.example/fraud:{version}", "replica_set": f"fraud-scorer-{pod_hash}", **more})


def rollout(*revisions: Revision) -> RolloutFacts:
    stable = revisions[0] if revisions else None
    return RolloutFacts("Rollout", "ml", "fraud-scorer", NOW - 3, "uid", "1", NOW - 90 * 86400, 12, 12, True,
                        Phase.HEALTHY, "", "canary", 2, 2, 2, 2, stable, None, revisions)


def replicas(name: str, *counts: float | None, step: float = 30.0, start: float = NOW - 3600) -> Series:
    """The pods of one set over the grid; None: it had none."""
    points = [(start + n * step, count) for n, count in enumerate(counts) if count is not None]
    return Series({"set": name}, tuple(at for at, _ in points), tuple(count for _, count in points))
