"""The named times of an incident with where each comes from, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage.incident.entries import Kind
from triage.incident.incident import Incident, Row
from triage.incident.watching import BASELINE

CHANGE_SECONDS = 7200.0
"""A deployment so long before an incident is thought of as its beginning."""


class TimeName(StrEnum):
    """The times that are kept, in their order."""

    IMPACT_STARTED = "impact started"
    DETECTED = "detected"
    ACKNOWLEDGED = "acknowledged"
    FIRST_ACTION = "first action"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class NamedTime:
    """One of them."""

    name: TimeName
    at: float | None
    """Unix seconds; None when it is not known, or has not come."""
    source: str
    """Where it is from, in words; "" when it is not known."""
    by_hand: bool = False
    estimate: bool = False
    """Whether it is only likely, and nobody has confirmed it."""
    automatic: float | None = None
    """What it was before somebody set it by hand; None when nothing was known."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The time between two of them."""

    name: str
    """``MTTD`` …; of one incident, not a mean."""
    about: str
    """From what to what."""
    seconds: float | None
    """None when one of the two is not known. Negative when they were set by hand that way."""
    estimate: bool = False


def named_times(incident: Incident) -> tuple[NamedTime, ...]:
    """All of them, in their order. What a person says counts before what was seen."""
    seen = _automatic(incident)
    out = []
    for name in TimeName:
        at, source, estimate = seen[name]
        said = [row for row in incident.rows if row.entry.kind is Kind.TIME and row.entry.about == name]
        if said:
            # The last one written, wherever it stands in time.
            last = max(said, key=lambda row: row.entry.written_at)
            out.append(NamedTime(name, last.at, f"{last.text}, {last.edited_by or last.entry.by}", True, False, at))
        else:
            out.append(NamedTime(name, at, source, estimate=estimate and at is not None))
    return tuple(out)


def measures(times: tuple[NamedTime, ...]) -> tuple[Measure, ...]:
    """What lies between them."""
    by_name = {time.name: time for time in times}

    def between(name: str, first: TimeName, second: TimeName) -> Measure:
        one, two = by_name[first], by_name[second]
        seconds = None if one.at is None or two.at is None else two.at - one.at
        return Measure(name, f"{first} to {second}", seconds, one.estimate or two.estimate)
    return (between("MTTD", TimeName.IMPACT_STARTED, TimeName.DETECTED),
            between("MTTA", TimeName.DETECTED, TimeName.ACKNOWLEDGED),
            between("time to first action", TimeName.DETECTED, TimeName.FIRST_ACTION),
            between("time to mitigate", TimeName.IMPACT_STARTED, TimeName.MITIGATED),
            between("time to resolve", TimeName.IMPACT_STARTED, TimeName.RESOLVED))


_Found = tuple[float | None, str, bool]
_NOT: _Found = (None, "", False)


def _automatic(incident: Incident) -> dict[TimeName, _Found]:
    detected = _detected(incident)
    return {TimeName.IMPACT_STARTED: _started(incident, detected[0]), TimeName.DETECTED: detected,
            TimeName.ACKNOWLEDGED: _NOT if incident.opened_at is None
            else (incident.opened_at, f"opened by {incident.opened_by}", False),
            TimeName.FIRST_ACTION: _acted(incident), TimeName.MITIGATED: _better(incident, detected[0], whole=False),
            TimeName.RESOLVED: _better(incident, detected[0], whole=True)}


def _detected(incident: Incident) -> _Found:
    """The first alert or verdict that pages. A verdict that paged already when the incident was opened does not say
    since when: then likely the first alert that fires, if one does."""
    firing: Row | None = None
    for row in incident.rows:
        entry = row.entry
        if entry.kind is Kind.ALERT and entry.state == "firing":
            if entry.details.get("urgency") == "page":
                return row.at, row.text, False
            firing = firing or row
        if entry.kind is Kind.VERDICT and is_page(entry.state):
            if firing is not None and row.at - firing.at <= CHANGE_SECONDS:
                return firing.at, f"likely: {firing.text}", True
            return row.at, row.text, False
    return _NOT


def _started(incident: Incident, detected: float | None) -> _Found:
    """The last deployment before it was detected; likely, not certain."""
    if detected is None:
        return _NOT
    changes = [row for row in incident.rows if row.entry.kind is Kind.DEPLOYMENT
               and BASELINE not in row.entry.details and detected - CHANGE_SECONDS <= row.at <= detected]
    return (changes[-1].at, f"likely: {changes[-1].text}", True) if changes else _NOT


def _acted(incident: Incident) -> _Found:
    for row in incident.rows:
        if row.entry.kind is Kind.ACTION and row.entry.state in SENT:
            return row.at, f"{row.entry.details.get('title') or row.text}, {row.entry.by}", False
    return _NOT


SENT = frozenset({"sent", "verifying", "done", "done but not recovered", "failed", "unknown"})
"""States of an action of which something was sent."""


def _better(incident: Incident, detected: float | None, *, whole: bool) -> _Found:
    """Since when the verdict no longer pages (``whole``: passes), without a relapse."""
    if detected is None:
        return _NOT
    found: Row | None = None
    for row in incident.rows:
        if row.entry.kind is not Kind.VERDICT or row.entry.about != "verdict" or row.at < detected:
            continue
        state = row.entry.state
        good = state.startswith("pass") if whole else not is_page(state) and not state.startswith("unknown")
        found = (found or row) if good else None
    return _NOT if found is None else (found.at, found.text, False)


def is_page(state: str) -> bool:
    """Whether a verdict, as an entry writes it, calls a person."""
    return state.endswith(", page")
