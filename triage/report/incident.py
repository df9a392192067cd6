"""``triage incident``: the incidents of a context and one of them whole, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from triage.incident.entries import Entry
from triage.incident.incident import Incident
from triage.incident.times import measures, named_times
from triage.incident.update import deed_sentence, phase
from triage.incident.words import short, told, unread_sentence
from triage.report.json import dump
from triage.report.times import iso, spoken
from triage.signals import wording

INCIDENT_SCHEMA = "triage.incident/v1"
LIST_SCHEMA = "triage.incidents/v1"


def list_lines(incidents: Iterable[Incident]) -> Iterator[str]:
    """A line each, oldest first."""
    for each in incidents:
        yield f"{each.id}  {spoken(each.opened_at)}  {phase(each):<9}  {each.model}  {each.title}"
        if each.unread:
            yield f"{'':10}{unread_sentence(each)}"


def list_json(incidents: Iterable[Incident], unread: Mapping[str, str]) -> str:
    """``triage.incidents/v1``; ``unread`` says why the others cannot be read, by name."""
    return dump({"schema": LIST_SCHEMA, "incidents": [_head(each) for each in incidents], "unread": dict(unread)})


def show_lines(incident: Incident) -> Iterator[str]:
    """One incident: state, times, people, what is believed and done, timeline."""
    yield f"{incident.id}  {incident.model} in {incident.context}  {phase(incident)}"
    yield f"  {incident.title}"
    roles = ", ".join(f"{role} {short(who)}" for role, who in incident.roles.items()) or "no roles are taken"
    yield f"  {roles}; on: {', '.join(map(short, incident.people)) or 'nobody'}"
    yield ""
    times = named_times(incident)
    for time in times:
        likely = "likely, " if time.estimate else ""
        yield f"  {time.name:<15} {spoken(time.at):<24} {likely}{time.source}".rstrip()
    for item in measures(times):
        if item.seconds is not None:
            yield f"  {item.name:<21} {wording.age(item.seconds)}{' (likely)' if item.estimate else ''}"
    yield ""
    yield from (f"  hypothesis {item.number} {item.state}: {item.text}{f' ({item.why})' if item.why else ''}"
                for item in incident.hypotheses)
    yield from (f"  need {need.number}: {need.text}" for need in incident.open_needs)
    yield from (f"  {deed_sentence(deed)}" for deed in incident.deeds)
    if incident.closing is not None:
        yield f"  closed {spoken(incident.closing.at)}, {incident.closing.state}: {incident.closing.text}"
    if incident.unread:
        yield f"  {unread_sentence(incident)}"
    yield ""
    yield from (f"{spoken(each.row.at)}  {each.text}" for each in told(incident, whole=True))


def incident_json(incident: Incident) -> str:
    """``triage.incident/v1``."""
    times = named_times(incident)
    return dump({
        "schema": INCIDENT_SCHEMA, **_head(incident), "roles": dict(incident.roles), "people": list(incident.people),
        "times": [{"name": str(t.name), "at": iso(t.at), "source": t.source, "by_hand": t.by_hand,
                   "estimate": t.estimate, "automatic": iso(t.automatic)} for t in times],
        "measures": [{"name": m.name, "seconds": m.seconds, "estimate": m.estimate} for m in measures(times)],
        "hypotheses": [{"number": h.number, "text": h.text, "state": h.state, "why": h.why, "by": h.by}
                       for h in incident.hypotheses],
        "needs": [{"number": n.number, "text": n.text, "by": n.by, "met": n.met or None} for n in incident.needs],
        "actions": [{"id": d.id, "title": d.title, "by": d.by, "state": d.state, "at": iso(d.at), "over": d.over}
                    for d in incident.deeds],
        "handoffs": [{"giver": h.giver, "receiver": h.receiver, "at": iso(h.at), "document": dict(h.document),
                      "accepted_by": h.accepted_by or None, "accepted_at": iso(h.accepted_at)}
                     for h in incident.handoffs],
        "timeline": [_entry(row.entry, row.at, row.text) for row in incident.rows]})


def _head(incident: Incident) -> dict[str, Any]:
    closing = incident.closing
    return {"id": incident.id, "model": incident.model, "context": incident.context, "title": incident.title,
            "state": phase(incident), "unread_lines": incident.unread, "opened_at": iso(incident.opened_at),
            "opened_by": incident.opened_by,
            "closed": None if closing is None else {"at": iso(closing.at), "by": closing.by, "how": closing.state,
                                                    "text": closing.text}}


def _entry(entry: Entry, at: float, text: str) -> Mapping[str, Any]:
    return {"at": iso(at), "written_at": iso(entry.written_at), "kind": str(entry.kind), "source": str(entry.source),
            "by": entry.by, "text": text, "about": entry.about or None, "state": entry.state or None,
            "details": dict(entry.details)}
