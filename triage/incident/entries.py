"""The entries of a timeline, written one a line; the incident is what they add up to."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from triage.clock import is_date
from triage.text import clean

FORMAT = 1
TEXT_LIMIT = 2000
"""Characters kept of one text."""
_DETAILS = 60
_NONE: Mapping[str, str] = MappingProxyType({})


class Kind(StrEnum):
    """What an entry says. The value is the word in the log."""

    OPENED = "opened"
    """The first one; ``text`` is the title, ``about`` the model, ``state`` the context."""
    ALERT = "alert"
    """``about`` names it, ``state`` is ``firing``, ``silenced`` … or ``ended``."""
    VERDICT = "verdict"
    """Of the model, or of its canary; ``details`` hold the numbers it rests on."""
    SOURCE = "source"
    """A source is lost, or answers again."""
    DEPLOYMENT = "deployment"
    """A version took traffic, more or less of it, or the rollout stands elsewhere."""
    ALIAS = "alias"
    """An alias of the registry names another version."""
    STEP = "step"
    """Of the runbook."""
    CELL = "cell"
    """A run of a diagnostic cell, ``state`` is its verdict; or a capture, ``done`` or ``partial``."""
    ACTION = "action"
    """``about`` is the action's id, ``state`` how far it is, ``details["title"]`` what it is."""
    PLAN = "plan"
    """The plan of an action was read and left: ``about`` is the action's id, ``state`` is ``left``."""
    NOTE = "note"
    DECISION = "decision"
    HYPOTHESIS = "hypothesis"
    """Somebody believes ``text``."""
    SETTLED = "settled"
    """Of the hypothesis ``about``: ``state`` is ``open``, ``confirmed`` or ``refuted``, ``text`` says why."""
    NEED = "need"
    """Something is missing to go on."""
    MET = "met"
    """The need ``about`` is seen to."""
    JOINED = "joined"
    LEFT = "left"
    ROLE = "role"
    """``about`` is the role, ``state`` who has it from now on; "" nobody."""
    TIME = "time"
    """By hand: the time named ``about`` was at ``at``; ``text`` says how that is known."""
    UPDATE = "update"
    """A status update was given; ``details["next_seconds"]`` until the next one."""
    HANDOFF = "handoff"
    """``by`` gives the incident to ``about``; ``details`` are the document. It counts once accepted."""
    ACCEPTED = "accepted"
    """``by`` takes the hand-off ``about``."""
    EDITED = "edited"
    """The entry ``about`` is put otherwise; what it said before stays in the log."""
    CLOSED = "closed"
    """``state`` is ``runbook changed`` or ``no change needed``, ``text`` which change, or why none."""


class Source(StrEnum):
    """Where an entry comes from. The value is the word in the log and in the export."""

    FACTS = "facts"
    """Seen in what the sources answered."""
    RUNBOOK = "runbook"
    CELLS = "cells"
    ACTIONS = "actions"
    PERSON = "person"


OF_INCIDENT = "incident"
"""Detail of what another log tells: the incident that was open when it was written there."""
SEEN = frozenset({Kind.ALERT, Kind.VERDICT, Kind.SOURCE, Kind.DEPLOYMENT, Kind.ALIAS})
"""Kinds that tell how something stands: the same once more is no news, whoever says it."""
HYPOTHESIS_STATES = ("open", "confirmed", "refuted")
ROLES = ("commander", "operations", "communication", "scribe")
"""Google SRE, managing incidents: command, operations, communication, planning."""
RUNBOOK_CHANGED = "runbook changed"
NO_CHANGE = "no change needed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. All texts are cleaned."""

    kind: Kind
    at: float
    """When it happened, world time in Unix seconds; of a note that was dated back, before ``written_at``."""
    written_at: float
    """When it was written down."""
    by: str
    """Who did it, else whose triage saw it, as ``user@host``."""
    text: str = ""
    source: Source = Source.PERSON
    about: str = ""
    state: str = ""
    details: Mapping[str, str] = field(default_factory=lambda: _NONE)
    origin: str = ""
    """Names what it tells of in another log, so that it is told once; "" when it is told only here."""
    id: str = ""

    @property
    def is_backdated(self) -> bool:
        """Whether it was written down a minute or more after it happened."""
        return self.written_at - self.at >= 60.0

    def line(self) -> bytes:
        """As it is written: one line of JSON, without its end."""
        content = {"v": FORMAT, "kind": self.kind, "at": self.at, "written_at": self.written_at, "by": self.by,
                   "text": self.text, "source": self.source, "about": self.about, "state": self.state,
                   "details": dict(self.details), "origin": self.origin, "id": self.id}
        return json.dumps({key: value for key, value in content.items() if value not in ("", {})},
                          ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def new_id() -> str:
    """A name for an entry that no other one has."""
    return secrets.token_hex(6)


def read_line(line: bytes) -> Entry | None:
    """The entry in ``line``; None where it is torn, or of a kind that this version does not know."""
    try:
        content = json.loads(line)
        if not isinstance(content, dict) or content.get("v") != FORMAT:
            return None
        at, written_at = float(content["at"]), float(content["written_at"])
        given = content.get("details", {})
        details = {clean(key, limit=80): clean(value, limit=TEXT_LIMIT)
                   for key, value in list(given.items())[:_DETAILS]} if isinstance(given, dict) else {}
        texts = {name: clean(content.get(name, ""), limit=TEXT_LIMIT)
                 for name in ("by", "text", "about", "state", "origin", "id")}
        if not (is_date(at) and is_date(written_at)):
            return None
        return Entry(Kind(content["kind"]), at, written_at, source=Source(content.get("source", "person")),
                     details=details, **texts)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_log(content: bytes) -> tuple[Entry, ...]:
    """The entries of a log in the order of writing, without what cannot be read."""
    return tuple(entry for line in content.split(b"\n") if (entry := read_line(line)) is not None)
