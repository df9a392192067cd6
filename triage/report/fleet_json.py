"""The fleet's part of ``triage.status/v1``: a row for each model, worst first, and what the rows add up to."""

from __future__ import annotations

from typing import Any

from triage.report.times import iso
from triage.signals.fleet import FleetRow, FleetState, Score
from triage.signals.fleet_activity import Activity


def fleet_json(fleet: FleetState | None) -> dict[str, Any] | None:
    """None where a single model was asked about."""
    if fleet is None:
        return None
    return {
        "verdicts": {str(verdict): count for verdict, count in fleet.verdicts.items()},
        "top_burn": [row.name for row in fleet.top],
        "activity_30d": {**_activity(fleet.activity), "known_of": dict(fleet.told)},
        "asked_every_seconds": fleet.asked_every_seconds,
        "rows": [_row(row) for row in fleet.rows],
    }


def _row(row: FleetRow) -> dict[str, Any]:
    trial, value, seen = row.trial, row.value, row.last_seen
    return {
        "model": row.name,
        "broken": row.is_broken,
        "verdict": str(row.verdict),
        "urgency": str(row.urgency),
        "reason": row.reason,
        "owner": row.owner or None,
        "health": _score(row.health),
        "budget": _score(row.budget),
        "burn": _score(row.burn),
        "trial": None if trial is None else {"version": trial.version, "arm": trial.arm, "share": trial.share,
                                             "verdict": trial.verdict or None, "more_seconds": trial.more_seconds},
        "drift": {"drifting": row.drift.drifting, "warning": row.drift.warning, "unknown": row.drift.unknown,
                  "total": row.drift.total, "verdict": None if row.drift.verdict is None else str(row.drift.verdict)},
        "alerts": {"page": row.pages, "ticket": row.tickets, "other": row.other_alerts},
        "deployed": {"at": iso(row.deploy.at), "before": iso(row.deploy.before), "version": row.deploy.version or None,
                     "source": row.deploy.source or None},
        "seen_at": iso(row.seen_at),
        "last_seen": None if seen is None else {"newest_at": iso(seen.newest_at), "oldest_at": iso(seen.oldest_at),
                                                "within_seconds": seen.within_seconds, "quality": str(seen.quality),
                                                "note": seen.note},
        "activity_30d": {**_activity(row.activity), "approvals_from": row.activity.approvals_from or None},
        "value": None if value is None else {
            "name": value.name, "value": value.now.value, "unit": value.now.unit, "quality": str(value.now.quality),
            "window_seconds": value.now.window_seconds, "week_before": value.week_before, "change": value.change,
            "against": value.quality_name or None, "against_value": value.quality_text or None,
            "against_verdict": None if value.quality_verdict is None else str(value.quality_verdict)},
    }


def _score(score: Score) -> dict[str, Any]:
    return {"value": score.value, "slo": score.slo or None, "quality": str(score.quality), "n": score.n,
            "note": score.why}


def _activity(activity: Activity) -> dict[str, Any]:
    return {"approvals": activity.approvals, "deploys": activity.deploys, "retrains": activity.retrains,
            "at_least": sorted(activity.at_least)}
