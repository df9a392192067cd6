"""Timelines in sentences: the same on the screen, in the list and in the postmortem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.incident.entries import SEEN, Kind, Source
from triage.incident.incident import Incident, Row
from triage.incident.watching import BASELINE

FLAPPING = 3
"""So many changes of one thing within :data:`FLAPPING_SECONDS` are told as one row."""
FLAPPING_SECONDS = 600.0


_SENTENCES: Mapping[Kind, str] = {
    Kind.OPENED: "{incident} opened: {text}", Kind.DECISION: "decided: {text}",
    Kind.HYPOTHESIS: "hypothesis {number}: {text}", Kind.SETTLED: "hypothesis {number} {state}: {text}",
    Kind.NEED: "need {number}: {text}", Kind.MET: "need {number} met: {text}",
    Kind.TIME: "{about} at this time: {text}", Kind.CLOSED: "closed, {state}: {text}"}
"""Kinds whose text is not a sentence by itself."""


@dataclass(frozen=True, slots=True)
class Told:
    """One row as it is told: an entry, or several of something that came and went."""

    row: Row
    """The first one."""
    text: str
    until: float | None = None
    """When the last of several was."""


def short(person: str) -> str:
    """A name without its machine."""
    return person.partition("@")[0]


def sentence(row: Row, incident: Incident) -> str:
    """What an entry says, without its time; who said it only of what a person wrote."""
    entry, text = row.entry, row.text
    number = {item.id: item.number for item in incident.hypotheses} | {
        need.id: need.number for need in incident.needs}
    if entry.kind in _SENTENCES:
        text = _SENTENCES[entry.kind].format(text=text, incident=incident.id, about=entry.about, state=entry.state,
                                             number=number.get(entry.id, number.get(entry.about, "")))
    named = entry.kind in (Kind.JOINED, Kind.LEFT, Kind.ACCEPTED) or (
        entry.kind is Kind.ROLE and entry.state == entry.by)
    who = "" if entry.source is not Source.PERSON or named else f", {short(entry.by)}"
    edited = f" (put so by {short(row.edited_by)})" if row.edited_by else ""
    return f"{'found: ' if is_found(row) else ''}{text}{who}{edited}"


def is_found(row: Row) -> bool:
    """Whether it tells how something was found at the opening, and not what happened."""
    return BASELINE in row.entry.details


def told(incident: Incident, *, whole: bool = False) -> tuple[Told, ...]:
    """The rows to be read, in the order of what happened: what comes and goes is told once, with how often it did.

    ``whole``: every entry on its own, also everything that was found at the opening and not only the verdict.
    """
    rows = [row for row in incident.rows if whole or not is_found(row) or row.entry.kind is Kind.VERDICT]
    if whole:
        return tuple(Told(row, sentence(row, incident)) for row in rows)
    out: list[Told] = []
    gathered: set[int] = set()
    for index, row in enumerate(rows):
        if index in gathered:
            continue
        same = _flaps(rows, index) if row.entry.kind in SEEN else []
        if len(same) < FLAPPING:
            out.append(Told(row, sentence(row, incident)))
            continue
        gathered.update(same)
        last = rows[same[-1]]
        subject = row.entry.about.partition(" ")[2] or row.entry.about
        out.append(Told(row, f"{subject} changed {len(same)} times, at last: {sentence(last, incident)}",
                        last.at))
    return tuple(out)


def unread_sentence(incident: Incident) -> str:
    """That a part of its log is not in it; for an incident with unread lines."""
    lines = "1 line of its log" if incident.unread == 1 else f"{incident.unread} lines of its log"
    return f"{lines} cannot be read, torn or by a newer triage: what was told there is missing"


def _flaps(rows: Sequence[Row], first: int) -> list[int]:
    """Places of what is about the same thing, each soon after the one before."""
    about, at = rows[first].entry.about, rows[first].at
    out = []
    for index in range(first, len(rows)):
        row = rows[index]
        if row.at - at > FLAPPING_SECONDS:
            break
        if row.entry.about == about and row.entry.kind is rows[first].entry.kind:
            out.append(index)
            at = row.at
    return out
