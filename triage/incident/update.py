"""Texts for people elsewhere: the status update (conditions, actions, needs) and the fields of a hand-off. Pure.

Times are told in UTC: who reads them may sit anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from triage.incident.entries import Kind
from triage.incident.impact import impact
from triage.incident.incident import Deed, Handoff, Incident
from triage.incident.times import TimeName, named_times
from triage.signals import wording

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState

ASKED = {"do not touch": "what must not be touched (- for nothing)",
         "open questions": "which questions are open (- for none)",
         "next check": "what is looked at next, and when",
         "who was told": "who was told (- for nobody)"}
"""Fields of a hand-off that only the giver knows, and how they are asked for."""
_FEW = 4


def phase(incident: Incident) -> str:
    """``open``, ``mitigated``, ``resolved`` or ``closed``."""
    if incident.closing is not None:
        return "closed"
    reached = {time.name for time in named_times(incident) if time.at is not None}
    if TimeName.RESOLVED in reached:
        return "resolved"
    return "mitigated" if TimeName.MITIGATED in reached else "open"


def status_update(incident: Incident, snapshot: Snapshot | None, model: ModelState | None, now: float) -> str:
    """What is told to those who wait: conditions, actions, needs, and when the next one comes."""
    begun = next((t.at for t in named_times(incident) if t.at is not None), incident.opened_at)
    commander = incident.roles.get("commander", "nobody yet")
    rows = [f"{incident.id} {incident.model} in {incident.context}: {incident.title}",
            f"{phase(incident)}, {wording.age(None if begun is None else now - begun)} since it began, "
            f"commander {commander}, as of {utc(now)}", "", "Conditions"]
    rows += [f"- {text}" for text in conditions(snapshot, model, now)]
    rows += ["", "Actions", *(f"- {text}" for text in actions(incident))]
    rows += ["", "Needs", *([f"- {need.text} ({need.by})" for need in incident.open_needs] or ["- none"])]
    if incident.is_open:
        rows += ["", f"Next update {utc(max(now, incident.update_due_at))}"]
    return "\n".join(rows) + "\n"


def conditions(snapshot: Snapshot | None, model: ModelState | None, now: float) -> list[str]:
    """The verdict, the figures behind it, and how far they can be relied on."""
    if snapshot is None or model is None:
        return ["the model's facts are not here yet"]
    reason = model.reasons[0].text if model.reasons else "no reason was given"
    out = [f"{wording.headline(model.verdict, model.urgency)}: {reason}"]
    for item in impact(model)[:_FEW]:
        before = f", {item.what_before} {item.before}" if item.before != "-" else ""
        held = "" if item.fresh else " (not of the present)"
        out.append(f"{item.name} {item.now}{held}, n {item.n}{before}")
    lost = [source.name for source in snapshot.sources if source.state in ("down", "partial")]
    age = "no data yet" if model.data_at is None else f"data {wording.age(now - model.data_at)} old"
    out.append(f"{age}; not answering in full: {', '.join(lost)}" if lost else age)
    return out


def actions(incident: Incident) -> list[str]:
    """What was done and what goes on, newest first; then what is believed."""
    out = [deed_sentence(deed) for deed in reversed(incident.deeds[-_FEW:])] or ["nothing was changed yet"]
    for row in [row for row in incident.rows if row.entry.kind is Kind.DECISION][-2:]:
        out.append(f"decided {utc(row.at)}: {row.text}")
    for item in incident.hypotheses:
        if item.state != "refuted":
            out.append(f"{'confirmed' if item.state == 'confirmed' else 'hypothesis'}: {item.text}"
                       + (f" ({item.why})" if item.why else ""))
    return out


def deed_sentence(deed: Deed) -> str:
    """``ROLL BACK fraud-scorer to v7: done 14:30 UTC, ann@bastion``."""
    return f"{deed.title}: {deed.state} {utc(deed.at)}, {deed.by}"


def known_fields(incident: Incident, snapshot: Snapshot | None, model: ModelState | None, now: float,
                 locks: str) -> Mapping[str, str]:
    """The fields of a hand-off that nobody has to be asked for; ``locks`` is what holds changes back, in words."""
    tried = [row.text for row in incident.rows if row.entry.kind in (Kind.ACTION, Kind.CELL, Kind.DECISION)]
    flying = [deed_sentence(deed) for deed in incident.deeds if not deed.over]
    silenced = [group.name for group in (model.alerts if model is not None else ()) if group.state == "silenced"]
    believed = [f"{item.text} ({item.state})" for item in incident.hypotheses]
    return {"state": f"{phase(incident)}, opened {utc(incident.opened_at)}: {incident.title}",
            "impact now": "; ".join(conditions(snapshot, model, now)),
            "what was tried": "; ".join(tried[-6:]) or "nothing yet",
            "in flight": "; ".join(flying) or "nothing",
            "hypotheses": "; ".join(believed) or "none",
            "needs": "; ".join(need.text for need in incident.open_needs) or "none",
            "silences": ", ".join(silenced) or "none seen",
            "locks, freezes and leases": locks}


def handoff_text(incident: Incident, handoff: Handoff) -> str:
    """The document that the receiver reads before accepting."""
    rows = [f"{incident.id} {incident.model}: hand-off from {handoff.giver} to {handoff.receiver}, {utc(handoff.at)}",
            *_fields(handoff.document)]
    rows.append(f"accepted by {handoff.accepted_by}, {utc(handoff.accepted_at)}" if handoff.accepted_by
                else f"not accepted yet: it stays with {handoff.giver}")
    return "\n".join(rows) + "\n"


def _fields(document: Mapping[str, str]) -> Iterator[str]:
    for name, said in document.items():
        yield f"{name}: {said}"


def utc(at: float | None) -> str:
    """``14:30 UTC``; ``-`` for None."""
    return "-" if at is None else f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"
