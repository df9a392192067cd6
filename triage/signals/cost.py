"""What an inference takes and costs: the price of the pods that were there, over the inferences they made. Pure.

``per_1000 = price_per_hour * pod_hours / inferences * 1000``, all of one window. Pods are counted once a minute by the
series of their memory, so pods that wait to be scheduled cost nothing, and a minute without any (a model that scales to
zero, or metrics that are gone) costs nothing either: how much of the window is covered stands with the figure.
"""

from __future__ import annotations

from triage.facts.pod_series import PodAnswers, PodPart
from triage.signals.reading import Quality, Reading
from triage.signals.resources import HOUR, first_value
from triage.signals.resources_model import Cost

MINUTES = 60
COVERED = 0.9
"""Share of the minutes with a pod from which the figure is taken for the whole window's."""
FEW_INFERENCES = 100
"""Fewer of them make a figure that says little."""


def cost(answers: PodAnswers, price_per_hour: float | None, *, stale: bool) -> Cost:
    """Cost and use per inference over the last hour. ``price_per_hour`` is of one replica; None: not known."""
    inferences = first_value(answers, PodPart.INFERENCES)
    minutes, pod_minutes = first_value(answers, PodPart.MINUTES), first_value(answers, PodPart.POD_MINUTES)
    pod_hours = covered = None
    if minutes and pod_minutes is not None:
        # Prometheus before 3.0 counts both ends of a window that begins on a full minute.
        points = max(float(MINUTES), minutes)
        pod_hours, covered = pod_minutes / points * HOUR / 3600.0, minutes / points
    spent = None if price_per_hour is None or pod_hours is None else price_per_hour * pod_hours
    quality, note = _quality(answers, inferences, covered, stale=stale)

    def each(total: float | None, unit: str, missing: str, factor: float = 1.0) -> Reading:
        if total is None:
            untold = quality in (Quality.WAITING, Quality.ERROR)
            return Reading(None, unit, quality if untold else Quality.NO_DATA, inferences, HOUR,
                           note=note if untold else missing)
        if not inferences:
            return Reading(None, unit, quality, inferences, HOUR, note=note)
        return Reading(total / inferences * factor, unit, quality, inferences, HOUR, answers.answered_at, note=note)

    unpriced = ("spec.resources.price_per_hour is not set" if price_per_hour is None else
                "no series tell how many pods there were")
    gpu_seconds = first_value(answers, PodPart.GPU_SECONDS)
    return Cost(HOUR, inferences, pod_hours, covered, price_per_hour, spent,
                each(spent, "per 1,000", unpriced, 1000.0),
                each(first_value(answers, PodPart.CPU_SECONDS), "s", "no series tell the CPU that pods used"),
                each(gpu_seconds, "s", "no series tell how much GPUs were used"))


def _quality(answers: PodAnswers, inferences: float | None, covered: float | None, *,
             stale: bool) -> tuple[Quality, str]:
    if answers.answered_at is None:
        return (Quality.WAITING, "") if answers.failure is None else (Quality.ERROR, answers.failure.sentence())
    if inferences is None:
        return Quality.NO_DATA, "no series count the inferences"
    if inferences <= 0:
        return Quality.NO_TRAFFIC, "no inference within the hour"
    if stale:
        return Quality.STALE, ""
    if answers.warnings:
        return Quality.PARTIAL, answers.warnings[0]
    if covered is not None and covered < COVERED:
        return Quality.PARTIAL, f"pods were seen in {covered * MINUTES:.0f} of {MINUTES} minutes"
    return (Quality.LOW_N, "few inferences") if inferences < FEW_INFERENCES else (Quality.OK, "")
