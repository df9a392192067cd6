"""``registry`` and ``rollout`` of ``triage.status/v1``: what is registered and approved, where the rollout stands."""

from __future__ import annotations

from typing import Any

from triage.facts.outcome import Failure
from triage.facts.rollouts import Revision
from triage.report.times import iso
from triage.signals.deployed import stands, step_of
from triage.signals.lineage_model import LineageFinding, LineageRow
from triage.signals.model import ModelState
from triage.signals.promise import Promise

_ROLLOUT_KEYS = ("kind", "namespace", "name", "read_at", "age_seconds", "phase", "message", "stands", "strategy",
                 "observed", "stable", "canary", "step", "weight", "paused", "aborted", "aborted_at", "replicas",
                 "managed_by")


def registry(model: ModelState, at: float) -> dict[str, Any] | None:
    """None where there is no registry, or nothing was heard of it yet.

    ``known`` is false when it could not be read; then a finding says why.
    """
    found = model.lineage
    if found is None or not (found.known or found.findings):
        return None
    return {
        "known": found.known, "verdict": str(found.verdict), "read_at": iso(found.read_at),
        "age_seconds": _age(found.read_at, at), "as_of": iso(found.as_of),
        "versions": [_row(row) for row in found.rows], "other_versions": found.others,
        "findings": [_finding(finding) for finding in found.findings],
        "promise": None if found.promise is None else _promise(found.promise),
    }


def rollout(model: ModelState, at: float) -> dict[str, Any] | None:
    """None where the manifest names none that is read, or nothing was heard of it yet.

    Weights are shares, 0 to 1. ``error`` says why it was never read; then everything else is null.
    """
    found = model.rollout
    if found is None:
        return None
    if isinstance(found, Failure):
        return {"error": found.sentence(), **dict.fromkeys(_ROLLOUT_KEYS)}
    step = step_of(found)
    told = {
        "kind": found.kind, "namespace": found.namespace, "name": found.name, "read_at": iso(found.read_at),
        "age_seconds": _age(found.read_at, at), "phase": str(found.phase), "message": found.message,
        "stands": stands(found, at), "strategy": found.strategy, "observed": found.observed,
        "stable": _revision(found.stable), "canary": _revision(found.canary),
        "step": None if step is None else {"number": step[0], "of": step[1]},
        "weight": {"asked": _share(found.weight_asked), "set": _share(found.weight_set),
                   "from": None if found.weight_from is None else str(found.weight_from)},
        "paused": [{"reason": p.reason, "since": iso(p.since), "until": iso(p.until)} for p in found.pauses],
        "aborted": found.aborted, "aborted_at": iso(found.aborted_at),
        "replicas": {"desired": found.desired_replicas, "ready": found.ready_replicas,
                     "available": found.available_replicas, "updated": found.updated_replicas},
        "managed_by": found.managed_by,
    }
    return {"error": "", **{key: told[key] for key in _ROLLOUT_KEYS}}


def _row(row: LineageRow) -> dict[str, Any]:
    return {"version": row.version, "served_as": row.served_as or None, "arm": row.arm,
            "share": row.share.value if row.share is not None else None, "registered": row.registered,
            "approval": {"status": str(row.approval.status), "by": row.approval.by, "word": row.approval.word,
                         "reason": row.approval.reason},
            "aliases": list(row.aliases), "status": row.status, "created_at": iso(row.created_at),
            "source": row.source, "run_id": row.run_id}


def _finding(finding: LineageFinding) -> dict[str, Any]:
    return {"kind": str(finding.kind), "verdict": str(finding.verdict), "urgency": str(finding.urgency),
            "text": finding.text, "hint": finding.hint, "version": finding.version or None,
            "since": iso(finding.since)}


def _promise(promise: Promise) -> dict[str, Any]:
    return {"version": promise.version, "state": str(promise.state), "on_disk_sha256": promise.on_disk_sha256,
            "registered_sha256": promise.registered_sha256 or None, "note": promise.note,
            "differences": [{"path": d.path, "on_disk": d.on_disk, "registered": d.registered}
                            for d in promise.differences]}


def _revision(revision: Revision | None) -> dict[str, Any] | None:
    return None if revision is None else {
        "version": revision.version or None, "version_from": str(revision.version_from), "number": revision.number,
        "image": revision.image, "ready": revision.ready, "desired": revision.desired}


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _age(then: float | None, at: float) -> float | None:
    return None if then is None else round(max(0.0, at - then), 3)
