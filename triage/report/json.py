"""``triage.status/v1``: a snapshot as JSON, for programs.

Keys are always there; what is not known is null, with a ``quality`` beside it that says why. Times are RFC 3339 in
UTC, spans are seconds in keys that end in ``_seconds``, shares are 0 to 1, objectives are percent. Numbers are finite.
Keys may be added within v1; none is taken away or changes its meaning.
"""

from __future__ import annotations

import json
import math
from typing import Any

from triage.facts.alerts import Alert
from triage.facts.outcome import SourceHealth
from triage.live.snapshot import BrokenNotebook, Snapshot
from triage.report.canary_json import canary
from triage.report.closer_json import attributions_json, feature_store_json, labels_json
from triage.report.deployed_json import registry, rollout
from triage.report.drift_json import drift, drift_reading
from triage.report.fleet_json import fleet_json
from triage.report.quality import quality_json
from triage.report.reading_json import reading_json
from triage.report.retrain import retrain_json
from triage.report.serving_json import links_json, serving_json
from triage.report.times import iso
from triage.report.verdicts import Judgement
from triage.signals import wording
from triage.signals.model import AlertGroup, Budget, ModelState, SloState, VersionState

STATUS_SCHEMA = "triage.status/v1"


def status_json(snapshot: Snapshot, indent: int | None = 2) -> str:
    """The snapshot as one document; ``indent`` None makes it one line."""
    return dump(status(snapshot), indent)


def check_json(snapshot: Snapshot, model: str, judged: Judgement, exit_code: int, indent: int | None = 2) -> str:
    """The document of ``status`` with ``check``: what was judged and how the command ends."""
    said = {"model": model, "candidate": judged.candidate, "verdict": str(judged.verdict), "reason": judged.reason,
            "exit_code": exit_code}
    return dump({**status(snapshot), "check": said}, indent)


def dump(document: Any, indent: int | None = 2) -> str:
    """``document`` as JSON text; numbers that are not finite become null."""
    return json.dumps(_finite(document), indent=indent, ensure_ascii=False, allow_nan=False)


def status(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as plain values."""
    return {
        "schema": STATUS_SCHEMA,
        "at": iso(snapshot.at),
        "context": snapshot.context,
        "production": snapshot.production,
        "models": [_model(model, snapshot) for model in snapshot.models],
        "broken": [_broken(item) for item in snapshot.broken],
        "sources": [_source(source, snapshot.at) for source in snapshot.sources],
        "other_models": list(snapshot.other_models),
        "fleet": fleet_json(snapshot.fleet),
    }


def _model(model: ModelState, snapshot: Snapshot) -> dict[str, Any]:
    at = snapshot.at
    return {
        "model": model.name,
        "notebook_version": model.notebook_version,
        "owners": list(model.owners),
        "criticality": model.criticality,
        "verdict": str(model.verdict),
        "urgency": str(model.urgency),
        "urgency_rule": model.urgency_rule,
        "reasons": [{"verdict": str(r.verdict), "urgency": str(r.urgency), "rule": r.rule, "subject": r.subject,
                     "text": r.text} for r in model.reasons],
        "data_at": iso(model.data_at),
        "data_age_seconds": _age(model.data_at, at),
        "last_verdict": None if model.last_verdict is None else str(model.last_verdict),
        "last_verdict_at": iso(model.last_verdict_at),
        "versions": {
            "stable": _arm(model, "stable"),
            "canary": _arm(model, "canary"),
            "known_from": model.versions.known_from,
            "items": [_version(version) for version in model.versions.items],
        },
        "registry": registry(model, at),
        "lineage": links_json(model),
        "rollout": rollout(model, at),
        "slos": [_slo(slo, at) for slo in model.slos],
        "canary": canary(model, at),
        "drift": drift(model),
        "drift_reading": drift_reading(model, at),
        "quality": quality_json(model, at),
        "retrain": retrain_json(model),
        "lasting": [{"trigger": each.trigger, "since": iso(each.since), "read_to": iso(each.read_to),
                     "trouble": each.trouble} for each in model.lasting],
        "feature_store": feature_store_json(model, at),
        "labels": labels_json(model),
        "attributions": attributions_json(model),
        "serving": serving_json(model, at),
        "alerts": [_group(group, at) for group in model.alerts],
        "sources": [_source(source, at) for source in snapshot.sources],
        "runbook": model.runbook,
        "notes": list(model.notes),
    }


def _arm(model: ModelState, name: str) -> str | None:
    version = model.versions.arm(name)
    return None if version is None else version.version


def _version(version: VersionState) -> dict[str, Any]:
    return {"version": version.version, "arm": version.arm, "share": version.share.value,
            "window_seconds": version.share.window_seconds, "quality": str(version.share.quality),
            "first_seen": iso(version.first_seen), "last_seen": iso(version.last_seen)}


def _slo(slo: SloState, at: float) -> dict[str, Any]:
    now = slo.now
    counted = now.unit == "ratio" and now.n is not None
    return {
        "name": slo.name,
        "kind": str(slo.kind),
        "description": slo.description,
        "required": slo.required,
        "verdict": str(slo.verdict),
        "urgency": str(slo.urgency),
        "sentence": slo.sentence,
        "objective": slo.objective,
        "threshold": slo.threshold,
        "threshold_side": slo.threshold_side or None,
        "measures": slo.measures,
        **reading_json(now, at),
        "bad": now.bad_events,
        "total": now.n if counted else None,
        "window": None if now.window_seconds is None else wording.window(now.window_seconds),
        "burn": {wording.window(burn.window_seconds): burn.rate for burn in slo.burns},
        "burns": [{"window": wording.window(burn.window_seconds), "window_seconds": burn.window_seconds,
                   "rate": burn.rate, "n": burn.n, "quality": str(burn.quality), "note": burn.note,
                   "origin": str(burn.origin)}
                  for burn in slo.burns],
        "tiers": [{"urgency": str(tier.urgency), "long": wording.window(tier.long_seconds),
                   "short": wording.window(tier.short_seconds), "threshold": tier.threshold, "firing": tier.firing,
                   "reachable": tier.reachable, "blocked": tier.blocked} for tier in slo.tiers],
        "budget_remaining": None if slo.budget is None else slo.budget.remaining,
        "budget": None if slo.budget is None else _budget(slo.budget),
        "quantiles": [{"version": q.version, "p50": reading_json(q.p50, at), "p95": reading_json(q.p95, at),
                       "p99": reading_json(q.p99, at)} for q in slo.quantiles],
        "by_version": [{"version": v.version, "window": wording.window(v.window_seconds),
                        "window_seconds": v.window_seconds, "bad": v.bad, "total": v.total, "value": v.value}
                       for v in slo.by_version],
        "by_label": slo.by_label,
        "by_group": [{"group": group.group, "bad": group.bad, "total": group.total} for group in slo.by_group],
        "findings": list(slo.findings),
    }


def _budget(budget: Budget) -> dict[str, Any]:
    return {"window": wording.window(budget.window_seconds), "window_seconds": budget.window_seconds,
            "bad": budget.bad, "total": budget.total, "allowed": budget.allowed, "left": budget.left,
            "remaining": budget.remaining, "exhausted_in_seconds": budget.exhausted_in_seconds,
            "covered_seconds": budget.covered_seconds, "quality": str(budget.quality), "note": budget.note,
            "origin": str(budget.origin)}


def _group(group: AlertGroup, at: float) -> dict[str, Any]:
    return {"name": group.name, "version": group.version, "deployment": group.deployment,
            "urgency": str(group.urgency), "state": group.state, "since": iso(group.since),
            "age_seconds": _age(group.since, at), "alerts": [_alert(alert) for alert in group.alerts]}


def _alert(alert: Alert) -> dict[str, Any]:
    return {"fingerprint": alert.fingerprint, "state": str(alert.state), "started_at": iso(alert.started_at),
            "labels": dict(alert.labels), "annotations": dict(alert.annotations),
            "generator_url": alert.generator_url, "silenced_by": list(alert.silenced_by),
            "silenced_until": iso(alert.silenced_until), "inhibited_by": list(alert.inhibited_by), "value": alert.value}


def _source(source: SourceHealth, at: float) -> dict[str, Any]:
    return {"name": source.name, "state": str(source.state), "age_seconds": _age(source.last_ok_at, at),
            "error": source.error, "since": iso(source.since), "next_try_at": iso(source.next_try_at),
            "latency_seconds": source.latency_seconds}


def _broken(item: BrokenNotebook) -> dict[str, Any]:
    return {"name": item.name, "path": item.path, "errors": list(item.errors)}


def _age(then: float | None, at: float) -> float | None:
    return None if then is None else round(max(0.0, at - then), 3)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
