"""The named times of an incident with where each comes from, and what lies between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from triage.incident.entries import Kind
from triage.incident.incident import Incident, Row
from triage.incident.watching import BASELINE, BY_PROMETHEUS, HELD_SINCE, KNOWN_BY, PAGE, badness

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
    """Where it is from, in words; when it is not known what is, or ""."""
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
    """None when one of the two is not known. Negative when they were set by hand that way, and where an incident was
    opened before anything was seen."""
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
            TimeName.FIRST_ACTION: _acted(incident), TimeName.MITIGATED: _mitigated(incident, detected[0]),
            TimeName.RESOLVED: _resolved(incident, detected[0])}


def _detected(incident: Incident) -> _Found:
    """The first alert that pages or verdict that does, whichever is earlier; where nothing pages, the first sign.

    A verdict does not always say since when: then likely an alert that fires for up to two hours more. What was found
    bad at the opening was so at the latest then.
    """
    signs = [row for row in incident.rows if _urgency(row) is not None]
    signs = [row for row in signs if not _is_found(row) or not any(
        other.entry.kind is Kind.ALERT and other.at <= row.at and (_urgency(other) or 0) >= (_urgency(row) or 0)
        for other in signs)]
    if not signs:
        return _NOT
    page = next((row for row in signs if _urgency(row) == PAGE), None)
    edge = page.at if page is not None else incident.opened_at or 0.0
    lately = page if page is not None and page.entry.kind is Kind.ALERT else next(
        (row for row in signs if row.at >= edge - CHANGE_SECONDS), None)
    first = lately or signs[-1]
    if _is_found(first):
        return first.at, f"at the latest, found so when the incident was opened: {first.text}", True
    told = first.entry.details.get(KNOWN_BY, "")
    text = f"{first.text}, {told}" if told else first.text
    likely = lately is None or (page is not None and first is not page) or told == BY_PROMETHEUS
    return first.at, f"likely: {text}" if likely else text, likely


def _urgency(row: Row) -> int | None:
    """How bad an alert or the model's verdict is, from 1; None for what is no sign that something is wrong."""
    entry = row.entry
    if entry.kind is Kind.ALERT and entry.state == "firing":
        return PAGE if entry.details.get("urgency") == "page" else 1
    return badness(entry.state) or None if entry.kind is Kind.VERDICT and entry.about == "verdict" else None


def _is_found(row: Row) -> bool:
    return row.entry.kind is Kind.VERDICT and BASELINE in row.entry.details


def _started(incident: Incident, detected: float | None) -> _Found:
    """The last deployment before the condition of an alert began to hold; without one, when that began. Both are
    likely, not certain: a rule looks back, and its ``for`` passes before it fires."""
    if detected is None:
        return _NOT
    held = [(since, row) for row in incident.rows if row.entry.kind is Kind.ALERT and row.at >= detected
            and (since := _number(row.entry.details.get(HELD_SINCE, ""))) is not None and since <= detected]
    first = min(held, key=lambda each: each[0], default=None)
    edge = detected if first is None else first[0]
    changes = [row for row in incident.rows if row.entry.kind is Kind.DEPLOYMENT
               and BASELINE not in row.entry.details and edge - CHANGE_SECONDS <= row.at <= edge]
    if changes:
        return changes[-1].at, f"likely: {changes[-1].text}", True
    if first is None:
        return None, "not known, at the latest when it was detected", False
    name = first[1].entry.about.split()[1]
    return edge, f"at the latest: since then the condition of {name} holds, {BY_PROMETHEUS}", True


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _acted(incident: Incident) -> _Found:
    for row in incident.rows:
        if row.entry.kind is Kind.ACTION and row.entry.state in SENT:
            return row.at, f"{row.entry.details.get('title') or row.text}, {row.entry.by}", False
    return _NOT


SENT = frozenset({"sent", "verifying", "done", "done but not recovered", "failed", "unknown"})
"""States of an action of which something was sent."""
_MITIGATING = frozenset({"pause", "abort", "rollback"})
_UNDOING = frozenset({"resume", "retry", "promote", "promote-full"})


def _mitigated(incident: Incident, detected: float | None) -> _Found:
    """Since when an action that takes the harm away is done and verified, or the verdict is better: it no longer pages,
    or passes where nothing paged. A relapse that was seen takes it back, and so does going on with what was paused."""
    if detected is None:
        return _NOT
    rows = [row for row in incident.rows if row.at >= detected]
    well = PAGE - 1 if any(_urgency(row) == PAGE for row in rows) else 0
    found: Row | None = None
    floor, stands, known = 0, 0, True
    for row in rows:
        if row.entry.kind is Kind.VERDICT and row.entry.about == "verdict":
            bad = badness(row.entry.state)
            known = bad is not None
            if bad is None:
                continue
            stands = bad
            if found is None:
                found = row if bad <= well and not _is_found(row) else None
            elif bad > max(well, floor):
                found = None
            floor = min(floor, bad)
        elif row.entry.kind is Kind.ACTION and row.entry.state == "done":
            kind = row.entry.details.get("action", "")
            if kind in _MITIGATING and found is None:
                found, floor = row, stands
            elif kind in _UNDOING and stands > well:
                found = None
    if found is None or (found.entry.kind is Kind.VERDICT and not known):
        return _NOT
    verified = f", verified, {found.entry.by}" if found.entry.kind is Kind.ACTION else ""
    return found.at, f"{found.text}{verified}", False


def _resolved(incident: Incident, detected: float | None) -> _Found:
    """Since when the verdict passes, without a relapse that was seen; not while it is unknown."""
    if detected is None:
        return _NOT
    found: Row | None = None
    known = True
    for row in incident.rows:
        if row.entry.kind is Kind.VERDICT and row.entry.about == "verdict" and row.at >= detected:
            known = badness(row.entry.state) is not None
            if known:
                found = (found or row) if row.entry.state.startswith("pass") else None
    return _NOT if found is None or not known else (found.at, found.text, False)
