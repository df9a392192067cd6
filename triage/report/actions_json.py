"""``triage.act/v1`` and ``triage.watch/v1``: plans, guards, steps and outcomes as JSON, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from triage.actions.plan import Plan, State
from triage.actions.steps import Prepared, Step
from triage.actions.system import Refusal, Sighting
from triage.actions.under_way import OpenEnd
from triage.desk.watching import Said
from triage.report.actions import ended
from triage.report.json import dump
from triage.report.times import iso

ACT_SCHEMA = "triage.act/v1"
WATCH_SCHEMA = "triage.watch/v1"


OpenEnds = Sequence[tuple[OpenEnd, Sighting | None]]
"""Earlier actions without a known end, and what was found out; None where nobody looked."""


def act_json(prepared: Prepared, steps: Sequence[Step], *, executed: bool, exit_code: int,
             open_ends: OpenEnds = ()) -> str:
    """A plan, and what became of it; without steps it was only planned."""
    ending = ended(tuple(steps))
    return dump({
        "schema": ACT_SCHEMA, "executed": executed, "exit_code": exit_code, "action_id": prepared.action_id,
        "refusal": None, "plan": _plan(prepared.plan),
        "rehearsals": [{"accepted": r.accepted, "message": r.message, "diff": list(r.diff)}
                       for r in prepared.rehearsals],
        "guards": [{"name": g.name, "verdict": str(g.verdict), "sentence": g.sentence, "stops": g.stops,
                    "acknowledgement": g.acknowledgement or None, "breakable": g.breakable}
                   for g in prepared.checked],
        "steps": [_step(step) for step in steps],
        "outcome": None if ending is None else str(ending.outcome),
        "sentence": None if ending is None else ending.sentence, "open_ends": _ends(open_ends)})


def refusal_json(refusal: Refusal, exit_code: int, open_ends: OpenEnds = ()) -> str:
    """Why there is no plan."""
    return dump({"schema": ACT_SCHEMA, "executed": False, "exit_code": exit_code, "action_id": None,
                 "refusal": {"message": refusal.message, "hint": refusal.hint or None}, "plan": None, "rehearsals": [],
                 "guards": [], "steps": [], "outcome": None, "sentence": None,
                 "open_ends": _ends(open_ends)})


def _ends(open_ends: OpenEnds) -> list[dict[str, Any]]:
    return [{"action_id": end.deed.action_id, "title": end.deed.plan.title, "begun_at": iso(end.deed.begun_at),
             "actor": end.deed.actor, "under_way_by": None if end.held is None else end.held.claim.holder,
             "progress": None if found is None else str(found.progress),
             "sentence": None if found is None else found.sentence} for end, found in open_ends]


def _plan(plan: Plan) -> dict[str, Any]:
    target, radius, wanted = plan.target, plan.blast_radius, plan.verification
    return {
        "digest": plan.digest, "title": plan.title, "action": str(plan.action), "model": target.model,
        "target": {"key": target.key, "context": target.context, "production": target.production,
                   "system": target.system, "kind": target.kind, "cluster": target.cluster,
                   "namespace": target.namespace or None, "name": target.name},
        "from": _state(plan.before), "to": _state(plan.after),
        "requests": [{"method": r.method, "path": r.path, "content_type": r.content_type or None, "body": r.body,
                      "sentence": r.sentence, "effect": r.effect,
                      "preconditions": [{"name": p.name, "expected": p.expected, "sentence": p.sentence}
                                        for p in r.preconditions]} for r in plan.requests],
        "inverse": plan.inverse, "path": plan.path,
        "blast_radius": {"traffic_share": radius.traffic_share, "replicas": radius.replicas,
                         "capacity_ready": radius.capacity_ready, "sentence": radius.sentence},
        "verification": {"goal": wanted.goal, "goal_seconds": wanted.goal_seconds, "readings": list(wanted.readings),
                         "version": wanted.version or None, "recovery_seconds": wanted.recovery_seconds},
        "actor": plan.actor, "authenticated_by": plan.authenticated_by or None, "reason": plan.reason,
        "incident": plan.incident or None, "made_at": iso(plan.made_at),
        "warnings": list(plan.warnings), "persistent": plan.persistent, "confirmation": plan.confirmation or None}


def _state(state: State) -> dict[str, Any]:
    return {"version": state.version or None, "revision": state.revision, "image_digest": state.image_digest or None,
            "image_source": state.image_source or None, "text": state.text}


def _step(step: Step) -> dict[str, Any]:
    return {"at": iso(step.at), "stage": str(step.stage), "sentence": step.sentence, "request": step.request,
            "fate": None if step.fate is None else str(step.fate),
            "progress": None if step.progress is None else str(step.progress),
            "recovery": [{"name": r.name, "recovered": r.recovered, "sentence": r.sentence} for r in step.recovery],
            "deadline": iso(step.deadline), "outcome": None if step.outcome is None else str(step.outcome)}


def said_json(said: Said, model: str) -> str:
    """``triage.watch/v1``: one thing that a watcher says, as one line."""
    wanted, prepared = said.due, said.prepared
    return dump({
        "schema": WATCH_SCHEMA, "at": iso(said.at), "model": model, "what": str(said.what), "sentence": said.sentence,
        "due": None if wanted is None or wanted.action is None else str(wanted.action),
        "automatic": None if wanted is None else wanted.automatic,
        "action_id": None if prepared is None else prepared.action_id,
        "digest": None if prepared is None else prepared.plan.digest,
        "step": None if said.step is None else _step(said.step),
        "outcome": None if said.outcome is None else str(said.outcome)}, None)
