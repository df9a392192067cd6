"""What a person types, as entries: notes with their prefixes and times, reasons, roles, hand-offs, closing. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from triage.errors import TriageError
from triage.incident.entries import (
    HYPOTHESIS_STATES,
    NO_CHANGE,
    ROLES,
    RUNBOOK_CHANGED,
    TEXT_LIMIT,
    Entry,
    Kind,
    new_id,
)
from triage.incident.incident import Handoff, is_same
from triage.incident.times import TimeName
from triage.notebook.secrets import looks_like
from triage.quantities import parse_duration
from triage.text import clean

PREFIXES = {"!": Kind.DECISION, "?": Kind.HYPOTHESIS, "@": Kind.NEED}
"""What makes a note something else, when it is typed first."""
_CLOCK = re.compile(r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})[ T])?([0-2]?[0-9]):([0-5][0-9])(?::([0-5][0-9]))?(?=\s|$)")
_AGO = re.compile(r"-([0-9]+(?:\.[0-9]+)?(?:s|m|min|h))(?=\s|$)")
ACCEPT = "accept"
"""What is typed to take a hand-off."""
GIVER_HINT = "TRIAGE_PERSON says who is who where all log in as one user"
_AHEAD_SECONDS = 60.0
"""Clocks differ: so far in the future a time is taken for now."""


class NotUnderstood(TriageError):
    """What was typed cannot be an entry."""


def note(typed: str, by: str, now: float) -> Entry:
    """A note; with ``!`` first a decision, ``?`` a hypothesis, ``@`` a need; a time before it dates it back."""
    at, rest = dated(typed, now)
    kind = PREFIXES.get(rest[:1], Kind.NOTE)
    text = rest if kind is Kind.NOTE else rest[1:].strip()
    if kind is not Kind.NOTE and at == now:
        # The time may stand on either side of the sign.
        at, text = dated(text, now)
    return _entry(kind, at, by, _said(text, "a note needs words"), now)


def dated(typed: str, now: float) -> tuple[float, str]:
    """(Unix seconds, the rest) of a text that may begin with ``14:20``, ``2026-11-23 14:20`` or ``-12m`` (ago)."""
    text = clean(typed, limit=TEXT_LIMIT).strip()
    if found := _AGO.match(text):
        try:
            ago = parse_duration(found[1].replace("min", "m"))
        except ValueError:
            raise NotUnderstood(f"{found[0]} is no time ago", "write -12m or -1h") from None
        return now - ago, text[found.end():].strip()
    found = _CLOCK.match(text)
    if found is None:
        return now, text
    here = datetime.fromtimestamp(now, UTC).astimezone()
    try:
        day = datetime.fromisoformat(found[1]).date() if found[1] else here.date()
        moment = datetime(day.year, day.month, day.day, int(found[2]), int(found[3]), int(found[4] or 0)).astimezone()
    except ValueError:
        raise NotUnderstood(f"{found[0]} is no time", "write 14:20, 2026-11-23 14:20, or -12m") from None
    if not found[1] and moment.timestamp() > now + _AHEAD_SECONDS:
        # Shortly after midnight 23:50 was yesterday.
        moment -= timedelta(days=1)
    if moment.timestamp() > now + _AHEAD_SECONDS:
        raise NotUnderstood(f"{found[0]} is yet to come", "notes are about what has happened")
    return min(now, moment.timestamp()), text[found.end():].strip()


def correction(entry: Entry, typed: str, by: str, now: float) -> Entry:
    """The same entry put otherwise; without a time it stays where it is."""
    at, text = dated(typed, now)
    return _entry(Kind.EDITED, entry.at if at == now else at, by, _said(text, "a correction needs words"), now,
                  about=entry.id)


def settle(hypothesis: str, typed: str, by: str, now: float) -> Entry:
    """``confirmed: the digest differs``; also ``refuted`` and ``open``. Why is asked for."""
    word, _, why = clean(typed).strip().partition(" ")
    state = word.rstrip(":,.").casefold()
    fitting = [each for each in HYPOTHESIS_STATES if state and each.startswith(state)]
    if len(fitting) != 1:
        raise NotUnderstood("say confirmed, refuted or open first, then why", "refuted: the digest is the same")
    return replace(_entry(Kind.SETTLED, now, by, _said(why, "say why"), now, about=hypothesis), state=fitting[0])


def meet(need: str, typed: str, by: str, now: float) -> Entry:
    """How a need was seen to."""
    return _entry(Kind.MET, now, by, _said(typed, "say how it was seen to"), now, about=need)


def role(typed: str, by: str, now: float) -> Entry:
    """``commander ann``; without a name the person in front of the screen; ``commander -`` nobody."""
    word, _, who = clean(typed, limit=120).strip().partition(" ")
    fitting = [each for each in ROLES if word and each.startswith(word.casefold())]
    if len(fitting) != 1:
        raise NotUnderstood(f"there is no role {word or 'without a name'}", f"there are: {', '.join(ROLES)}")
    name = who.strip() or by
    state = "" if name == "-" else name
    text = f"{fitting[0]} is {state}" if state else f"nobody is {fitting[0]} any more"
    return replace(_entry(Kind.ROLE, now, by, text, now, about=fitting[0]), state=state)


def time(typed: str, by: str, now: float) -> Entry:
    """``mitigated 14:40 traffic back on v7``: a named time, and how it is known."""
    text = clean(typed).strip()
    name = next((each for each in TimeName if text.casefold().startswith(each)), None)
    if name is None:
        raise NotUnderstood("begin with the name of the time", f"there are: {', '.join(TimeName)}")
    at, why = dated(text[len(name):], now)
    return _entry(Kind.TIME, at, by, _said(why, "say how it is known"), now, about=str(name))


def update(typed: str, by: str, now: float) -> Entry:
    """A status update was given; ``typed`` is when the next one is due: ``30m``."""
    try:
        seconds = parse_duration(clean(typed, limit=40).strip().replace(" ", "").replace("min", "m"))
    except ValueError:
        raise NotUnderstood("when is the next update due", "write 30m or 1h") from None
    if not 60 <= seconds <= 86400:
        raise NotUnderstood("the next update is due in 1m to 24h", "write 30m or 1h")
    return replace(_entry(Kind.UPDATE, now, by, f"status update given, the next one in {seconds / 60:g} min", now),
                   details={"next_seconds": f"{seconds:g}"})


def hand_off(receiver: str, document: Mapping[str, str], by: str, now: float) -> Entry:
    """The incident is given to ``receiver``; it stays with the giver until that one accepts."""
    name = _said(receiver, "say to whom")[:80]
    fields = {field: _said(said, f"the hand-off says nothing of: {field}; write - where there is nothing to say")
              for field, said in document.items()}
    return replace(_entry(Kind.HANDOFF, now, by, f"hands the incident to {name}", now, about=name), details=fields)


def accept(given: Handoff, typed: str, by: str, now: float) -> Entry:
    """``by`` takes the incident: never who gave it, and never by chance."""
    refused = not_for(given, by)
    if refused:
        raise NotUnderstood(refused, GIVER_HINT)
    if clean(typed, limit=40).strip().casefold() != ACCEPT:
        raise NotUnderstood(f"it stays with {given.giver}", f"type {ACCEPT} to take it")
    meant = "" if is_same(given.receiver, by) else f"; it was given to {given.receiver}"
    return _entry(Kind.ACCEPTED, now, by, f"{by} has the incident now{meant}", now, about=given.id)


def not_for(given: Handoff, by: str) -> str:
    """Why ``by`` cannot accept a hand-off; "" when they can."""
    return f"{given.giver} gave it: another person accepts it, in a triage of theirs" if is_same(
        given.giver, by) else ""


def close(typed: str, by: str, now: float) -> Entry:
    """``changed: step 4 names the alias`` or ``none: it said all``: which change of the runbook, or why none."""
    word, _, text = clean(typed).strip().partition(" ")
    said = word.rstrip(":,.").casefold()
    state = {"changed": RUNBOOK_CHANGED, "none": NO_CHANGE}.get(said)
    if state is None:
        raise NotUnderstood("begin with changed (what changes in the runbook) or none (why nothing has to)",
                            "none: every step was there and worked")
    return replace(_entry(Kind.CLOSED, now, by, _said(text, "say which change" if state == RUNBOOK_CHANGED
                                                      else "say why no change is needed"), now), state=state)


def joined(by: str, now: float) -> Entry:
    """Somebody looks at the incident."""
    return _entry(Kind.JOINED, now, by, f"{by} is on", now)


def left(by: str, now: float) -> Entry:
    """Somebody no longer does."""
    return _entry(Kind.LEFT, now, by, f"{by} is off", now)


def _entry(kind: Kind, at: float, by: str, text: str, now: float, about: str = "") -> Entry:
    return Entry(kind, at, now, by, text, about=about, id=new_id())


def _said(text: str, otherwise: str) -> str:
    found = clean(text, limit=TEXT_LIMIT).strip()
    if not found:
        raise NotUnderstood(otherwise)
    secret = looks_like(found)
    if secret is not None:
        raise NotUnderstood(f"this looks like {secret}, and a timeline is read by many: it is not written",
                            "say where it lies instead")
    return found
