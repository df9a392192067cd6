"""``serving`` of ``triage.status/v1``: the pods of a model, their work, what an inference costs."""

from __future__ import annotations

from typing import Any

from triage.report.reading_json import reading_json
from triage.report.times import iso
from triage.signals.model import ModelState
from triage.signals.resources_model import Cost, PodState, ServingReading, Use


def serving_json(model: ModelState, at: float) -> dict[str, Any] | None:
    """None where it was not asked for: a closer look asks. Shares are 0 to 1, memory is bytes, CPU is cores."""
    found = model.serving
    if found is None:
        return None
    return {
        "answered_at": iso(found.answered_at), "stale": found.is_stale(at),
        "error": "" if found.failure is None else found.failure.sentence(), "warnings": list(found.warnings),
        "pods": [_pod(pod) for pod in found.pods], "pods_known_from": found.listed_by,
        "pods_listed_at": iso(found.listed_at), "pods_truncated": found.truncated,
        "pods_error": "" if found.list_failure is None else found.list_failure.sentence(),
        "throughput": reading_json(found.throughput, at), "queue_time": reading_json(found.queue, at),
        "batch_size": {**reading_json(found.batch, at), "promised": found.batch_promised},
        "cost": _cost(found.cost, at),
        "scaling": [{"at": iso(each.at), "before": each.before, "after": each.after, "version": each.version,
                     "why": each.why} for each in found.scaling],
        "scaling_note": found.scaling_note,
        "findings": [{"verdict": str(each.verdict), "text": each.text, "hint": each.hint} for each in found.findings],
        "variants": _variants(found),
    }


def links_json(model: ModelState) -> list[dict[str, Any]]:
    """What the notebook's version was made of; [] before anything is known."""
    found = model.lineage
    return [] if found is None else [
        {"kind": each.kind, "name": each.name, "promised": each.promised or None, "recorded": each.recorded or None,
         "running": each.running or None, "state": str(each.state), "note": each.note} for each in found.links]


def _pod(pod: PodState) -> dict[str, Any]:
    return {
        "name": pod.name, "version": pod.version or None, "verdict": str(pod.verdict), "why": list(pod.why),
        "cpu": _use(pod.cpu), "memory": _use(pod.memory), "throttled": {**_use(pod.throttled), "n": pod.throttled.n},
        "gpu": _use(pod.gpu), "gpu_memory": _use(pod.gpu_memory), "restarts": pod.restarts,
        "restarts_1h": pod.restarted, "phase": pod.phase or None, "ready": pod.ready,
        "created_at": iso(pod.created_at), "sampled_at": iso(pod.sampled_at), "last_end": pod.last_end or None,
        "last_end_at": iso(pod.last_end_at), "node": pod.node or None, "image_digest": pod.image_digest or None,
    }


def _use(use: Use) -> dict[str, Any]:
    return {"used": use.used, "of": use.whole, "basis": str(use.basis) or None, "share": use.share,
            "verdict": str(use.verdict)}


def _cost(cost: Cost, at: float) -> dict[str, Any]:
    return {
        "window_seconds": cost.window_seconds, "inferences": cost.inferences, "pod_hours": cost.pod_hours,
        "covered": cost.covered, "price_per_hour": cost.price_per_hour, "spent": cost.spent,
        "per_1000_inferences": reading_json(cost.per_1000, at),
        "cpu_seconds_per_inference": reading_json(cost.cpu_seconds, at),
        "gpu_seconds_per_inference": reading_json(cost.gpu_seconds, at),
    }


def _variants(found: ServingReading) -> list[dict[str, Any]]:
    return [{"name": each.name or None, "cpu": each.cpu or None, "memory_bytes": each.memory_bytes, "gpu": each.gpu,
             "batch": each.batch, "price_per_hour": each.price_per_hour, "price_share": each.price_share}
            for each in found.variants]
