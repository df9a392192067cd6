"""What a Rollout's steps ask for: weight, pods, the text of a step. Pure; the controller acts on it.

Source: Argo Rollouts' documentation (``docs/features/canary.md``) and the behaviour of its controller 1.9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from triage.lab.cluster.durations import seconds
from triage.lab.cluster.objects import Json
from triage.lab.cluster.rolling import bounds, split_by_weight

Step = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """``spec`` of a Rollout, as far as it concerns the canary."""

    replicas: int
    steps: tuple[Step, ...]
    routed: bool
    """Whether weights are set at the mesh or ingress (``trafficRouting``) and not by numbers of pods."""
    surge: int
    unavailable: int
    scale_down_seconds: float
    """How long the old pods stay after a promotion, with routed traffic."""
    abort_scale_down_seconds: float
    """How long the canary's pods stay after an abort, with routed traffic; 0 means for good."""

    @property
    def end(self) -> int:
        """The index after the last step."""
        return len(self.steps)

    def step(self, index: int) -> Step | None:
        """The step at ``index``, None after the last."""
        return self.steps[index] if index < self.end else None

    def weight(self, index: int) -> int:
        """Percent that the last ``setWeight`` up to and with ``index`` asks for: 100 after the last step, else 0."""
        return 100 if index >= self.end else self._last_weight(index)

    def weight_before(self, index: int) -> int:
        """Percent that held before the step at ``index``."""
        return self._last_weight(min(index, self.end) - 1)

    def _last_weight(self, index: int) -> int:
        weights = [int(step["setWeight"]) for step in self.steps[:index + 1] if "setWeight" in step]
        return weights[-1] if weights else 0

    def canary_pods(self, index: int) -> int | None:
        """Pods that ``setCanaryScale`` asks for at ``index``; None when the weight decides."""
        if not self.routed or index >= self.end:
            return None
        scales = [step["setCanaryScale"] for step in self.steps[:index + 1] if "setCanaryScale" in step]
        if not scales or scales[-1].get("matchTrafficWeight"):
            return None
        if "replicas" in scales[-1]:
            return int(scales[-1]["replicas"])
        return math.ceil(self.replicas * int(scales[-1]["weight"]) / 100)

    def pods(self, index: int) -> tuple[int, int]:
        """(canary, stable) pods that the step at ``index`` ends with."""
        weight = self.weight(index)
        if not self.routed:
            return split_by_weight(self.replicas, weight, self.surge)
        asked = self.canary_pods(index)
        return (math.ceil(self.replicas * weight / 100) if asked is None else asked), self.replicas


def plan_of(rollout: Json) -> Plan:
    """The plan in a valid Rollout."""
    spec = rollout["spec"]
    canary = spec["strategy"]["canary"]
    replicas = int(spec.get("replicas", 1))
    surge, unavailable = bounds(canary, replicas)
    return Plan(replicas, tuple(canary.get("steps") or ()), bool(canary.get("trafficRouting")), surge, unavailable,
                float(canary.get("scaleDownDelaySeconds", 30)), float(canary.get("abortScaleDownDelaySeconds", 30)))


def pause_seconds(step: Step) -> float | None:
    """How long a pause step waits; None when it waits for a person."""
    duration = (step.get("pause") or {}).get("duration")
    return None if duration is None else seconds(duration)


def step_text(step: Step) -> str:
    """A step as Argo's events write it: ``setWeight: 20``, ``pause: 10m``."""
    if "setWeight" in step:
        return f"setWeight: {step['setWeight']}"
    if "pause" in step:
        duration = (step["pause"] or {}).get("duration")
        return "pause" if duration is None else f"pause: {duration}"
    [(name, value)] = step["setCanaryScale"].items()
    return f"setCanaryScale{{{name}: {str(value).lower()}}}"


def canary_weight(status: Json) -> int | None:
    """Percent that the mesh sends to the canary; None without traffic routing."""
    weights = (status.get("canary") or {}).get("weights")
    return int(weights["canary"]["weight"]) if weights else None


def phase(spec: Json, status: Json) -> tuple[str, str]:
    """(``status.phase``, ``status.message``), the first that holds (Argo's ``CalculateRolloutPhase``)."""
    for condition in status.get("conditions") or []:
        if condition["reason"] in ("RolloutAborted", "ProgressDeadlineExceeded"):
            return "Degraded", f"{condition['reason']}: {condition['message']}"
    if spec.get("paused"):
        return "Paused", "manually paused"
    pauses: Sequence[Json] = status.get("pauseConditions") or []
    if pauses:
        return "Paused", str(pauses[0]["reason"])
    return _progress(spec, status)


def _progress(spec: Json, status: Json) -> tuple[str, str]:
    restart = spec.get("restartAt")
    routed = bool(spec["strategy"]["canary"].get("trafficRouting"))
    updated = status.get("updatedReplicas", 0)
    if restart is not None and restart != status.get("restartedAt"):
        return "Progressing", "rollout is restarting"
    if updated < spec.get("replicas", 1):
        return "Progressing", "more replicas need to be updated"
    if status.get("availableReplicas", 0) < updated:
        return "Progressing", "updated replicas are still becoming available"
    if not routed and status.get("replicas", 0) > updated:
        return "Progressing", "old replicas are pending termination"
    if status.get("stableRS", "") in ("", None) or status["stableRS"] != status.get("currentPodHash"):
        return "Progressing", "waiting for all steps to complete"
    return "Healthy", ""
