"""``Incident``: what the entries of a timeline add up to, whoever wrote them. Pure; replaying them gives the same.

An entry that is not allowed where the incident stands changes nothing and is not counted. That is how two people in
front of two screens agree: of two that tell the same alert the one whose line stands first in the log has told it, and
a hand-off is accepted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from types import MappingProxyType

from triage.incident.entries import HYPOTHESIS_STATES, NO_CHANGE, ROLES, RUNBOOK_CHANGED, SEEN, Entry, Kind, Source

UPDATE_SECONDS = 1800.0
"""Between two status updates, until somebody says otherwise."""
_ENDED = frozenset({Kind.NOTE, Kind.EDITED, Kind.TIME})
"""What is still written after an incident was closed."""
_NO_TEXTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Something that may be the cause."""

    id: str
    number: int
    """From 1, in the order of writing."""
    text: str
    by: str
    at: float
    state: str = "open"
    """``open``, ``confirmed`` or ``refuted``."""
    why: str = ""
    settled_by: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that is missing to go on."""

    id: str
    number: int
    text: str
    by: str
    at: float
    met: str = ""
    """How it was seen to; "" while it is open."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An action of the incident, as its entries tell it."""

    id: str
    title: str
    by: str
    begun_at: float
    state: str
    """The newest word on it."""
    text: str
    at: float
    """When that was said."""
    over: bool
    """Whether nothing more is to come of it."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """The incident was given to somebody."""

    id: str
    giver: str
    receiver: str
    at: float
    document: Mapping[str, str]
    """What the giver says, by field."""
    accepted_by: str = ""
    """"" while it stays with the giver."""
    accepted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """How it was closed."""

    at: float
    by: str
    state: str
    """``runbook changed`` or ``no change needed``."""
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as the timeline shows it, with later corrections applied."""

    entry: Entry
    at: float
    text: str
    edited_by: str = ""
    """Who put it otherwise last; "" when nobody did."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. Empty (``opened_at`` None) before its first entry."""

    id: str
    title: str = ""
    model: str = ""
    context: str = ""
    opened_at: float | None = None
    opened_by: str = ""
    log: tuple[Entry, ...] = ()
    """Every entry that counted, in the order of writing."""
    rows: tuple[Row, ...] = ()
    """The same without corrections, which are applied, in the order of what happened."""
    seen: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)
    """How what the facts tell of stood last: state by ``about``."""
    origins: frozenset[str] = frozenset()
    hypotheses: tuple[Hypothesis, ...] = ()
    needs: tuple[Need, ...] = ()
    deeds: tuple[Deed, ...] = ()
    roles: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)
    """Who has which role; roles that nobody has are missing."""
    people: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Who is on, since when (Unix seconds)."""
    handoffs: tuple[Handoff, ...] = ()
    updated_at: float | None = None
    """When the last status update was given."""
    update_due_at: float = 0.0
    """When the next one is due, Unix seconds."""
    closing: Closing | None = None
    unread: int = 0
    """Lines of its log that are torn or of a kind that this version does not know: what they told is missing."""

    @property
    def told_until(self) -> float:
        """Unix seconds at which the newest of its entries was written; 0 without any."""
        return max((entry.written_at for entry in self.log), default=0.0)

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed."""
        return self.opened_at is not None and self.closing is None

    @property
    def pending_handoff(self) -> Handoff | None:
        """The hand-off that waits to be accepted; None when none does."""
        last = self.handoffs[-1] if self.handoffs else None
        return last if last is not None and not last.accepted_by and self.is_open else None

    @property
    def open_needs(self) -> tuple[Need, ...]:
        """What is missing still."""
        return tuple(need for need in self.needs if not need.met)


def replay(name: str, entries: Iterable[Entry]) -> Incident:
    """The incident ``name`` that ``entries`` add up to, in the order of writing."""
    fold = _Fold(name)
    for entry in entries:
        fold.take(entry)
    return fold.incident()


class _Fold:
    """The incident while its entries are gone through."""

    def __init__(self, name: str) -> None:
        self.head = Incident(name)
        self.log: list[Entry] = []
        self.ids: set[str] = set()
        self.seen: dict[str, str] = {}
        self.origins: set[str] = set()
        self.hypotheses: dict[str, Hypothesis] = {}
        self.needs: dict[str, Need] = {}
        self.deeds: dict[str, Deed] = {}
        self.roles: dict[str, str] = {}
        self.people: dict[str, float] = {}
        self.handoffs: list[Handoff] = []
        self.edits: dict[str, Entry] = {}

    def take(self, entry: Entry) -> None:
        """Let ``entry`` count, if it may."""
        if (self.head.opened_at is None) is not (entry.kind is Kind.OPENED):
            return
        if self.head.closing is not None and entry.kind not in _ENDED:
            return
        if (entry.id and entry.id in self.ids) or (entry.origin and entry.origin in self.origins):
            return
        if not _TAKERS.get(entry.kind, _kept)(self, entry):
            return
        self.log.append(entry)
        self.ids.add(entry.id)
        if entry.origin:
            self.origins.add(entry.origin)

    def incident(self) -> Incident:
        """What it came to."""
        rows = []
        for entry in self.log:
            if entry.kind is Kind.EDITED:
                continue
            edit = self.edits.get(entry.id) if entry.id else None
            rows.append(Row(entry, entry.at, entry.text) if edit is None
                        else Row(entry, edit.at, edit.text or entry.text, edit.by))
        return replace(self.head, log=tuple(self.log), rows=_in_order(rows), seen=MappingProxyType(dict(self.seen)),
                       origins=frozenset(self.origins), hypotheses=tuple(self.hypotheses.values()),
                       needs=tuple(self.needs.values()), deeds=tuple(self.deeds.values()),
                       roles=MappingProxyType({role: self.roles[role] for role in ROLES if role in self.roles}),
                       people=MappingProxyType(dict(self.people)), handoffs=tuple(self.handoffs))


def _in_order(rows: Iterable[Row]) -> tuple[Row, ...]:
    """As it happened; within one second causes before what they bring about, else in the order of writing.

    Sources tell their times to the second, and a refresh sees several of them at once.
    """
    out: list[Row] = []
    for _, same in groupby(sorted(rows, key=lambda row: row.at), key=lambda row: math.floor(row.at)):
        out += _by_cause(list(same))
    return tuple(out)


def _by_cause(second: list[Row]) -> list[Row]:
    """Facts among the places of facts, what is told of an action among those of actions."""
    deeds = list(dict.fromkeys(row.entry.about for row in second if row.entry.kind is Kind.ACTION))
    facts = sorted((row for row in second if row.entry.kind in SEEN), key=lambda row: _CAUSES[row.entry.kind])
    actions = sorted((row for row in second if row.entry.kind is Kind.ACTION), key=lambda row: (
        deeds.index(row.entry.about), _PROGRESS.get(row.entry.state, len(_PROGRESS))))
    next_fact, next_action = iter(facts), iter(actions)
    return [next(next_fact) if row.entry.kind in SEEN else next(next_action) if row.entry.kind is Kind.ACTION else row
            for row in second]


_CAUSES = {Kind.DEPLOYMENT: 0, Kind.ALIAS: 0, Kind.SOURCE: 1, Kind.ALERT: 2, Kind.VERDICT: 3}
_PROGRESS = {"confirmed": 0, "sent": 1}
"""Of an action; its result comes last."""


def _kept(fold: _Fold, entry: Entry) -> bool:
    return bool(entry.text)


def _opened(fold: _Fold, entry: Entry) -> bool:
    fold.head = replace(fold.head, title=entry.text, model=entry.about, context=entry.state, opened_at=entry.at,
                        opened_by=entry.by, update_due_at=entry.at + UPDATE_SECONDS)
    fold.people[entry.by] = entry.at
    return True


def _saw(fold: _Fold, entry: Entry) -> bool:
    if not entry.about or fold.seen.get(entry.about) == entry.state:
        return False
    fold.seen[entry.about] = entry.state
    return True


def _acted(fold: _Fold, entry: Entry) -> bool:
    before = fold.deeds.get(entry.about)
    if not entry.about or (before is not None and before.over):
        return False
    fold.deeds[entry.about] = Deed(
        entry.about, entry.details.get("title", "") or (before.title if before is not None else entry.about),
        before.by if before is not None else entry.by, before.begun_at if before is not None else entry.at,
        entry.state, entry.text, entry.at, entry.details.get("over") == "yes")
    return True


def _believed(fold: _Fold, entry: Entry) -> bool:
    if not entry.text or not entry.id:
        return False
    fold.hypotheses[entry.id] = Hypothesis(entry.id, len(fold.hypotheses) + 1, entry.text, entry.by, entry.at)
    return True


def _settled(fold: _Fold, entry: Entry) -> bool:
    found = fold.hypotheses.get(entry.about)
    if found is None or entry.state not in HYPOTHESIS_STATES or found.state == entry.state:
        return False
    fold.hypotheses[entry.about] = replace(found, state=entry.state, why=entry.text, settled_by=entry.by)
    return True


def _needed(fold: _Fold, entry: Entry) -> bool:
    if not entry.text or not entry.id:
        return False
    fold.needs[entry.id] = Need(entry.id, len(fold.needs) + 1, entry.text, entry.by, entry.at)
    return True


def _met(fold: _Fold, entry: Entry) -> bool:
    found = fold.needs.get(entry.about)
    if found is None or found.met or not entry.text:
        return False
    fold.needs[entry.about] = replace(found, met=entry.text)
    return True


def _joined(fold: _Fold, entry: Entry) -> bool:
    if not entry.by or entry.by in fold.people:
        return False
    fold.people[entry.by] = entry.at
    return True


def _left(fold: _Fold, entry: Entry) -> bool:
    return fold.people.pop(entry.by, None) is not None


def _role(fold: _Fold, entry: Entry) -> bool:
    if entry.about not in ROLES or fold.roles.get(entry.about, "") == entry.state:
        return False
    if entry.state:
        fold.roles[entry.about] = entry.state
    else:
        del fold.roles[entry.about]
    return True


def _timed(fold: _Fold, entry: Entry) -> bool:
    return bool(entry.about and entry.text)


def _updated(fold: _Fold, entry: Entry) -> bool:
    try:
        following = min(86400.0, max(60.0, float(entry.details.get("next_seconds", UPDATE_SECONDS))))
    except ValueError:
        following = UPDATE_SECONDS
    fold.head = replace(fold.head, updated_at=entry.at, update_due_at=entry.at + following)
    return True


def _gave(fold: _Fold, entry: Entry) -> bool:
    if not entry.id or not entry.about or is_same(entry.about, entry.by):
        return False
    fold.handoffs.append(Handoff(entry.id, entry.by, entry.about, entry.at, entry.details))
    return True


def _took(fold: _Fold, entry: Entry) -> bool:
    given = fold.handoffs[-1] if fold.handoffs else None
    if given is None or given.id != entry.about or given.accepted_by or not entry.by or is_same(entry.by, given.giver):
        return False
    fold.handoffs[-1] = replace(given, accepted_by=entry.by, accepted_at=entry.at)
    for role, who in fold.roles.items():
        if is_same(who, given.giver):
            fold.roles[role] = entry.by
    fold.roles.setdefault("commander", entry.by)
    for who in [who for who in fold.people if is_same(who, given.giver)]:
        del fold.people[who]
    fold.people[entry.by] = entry.at
    return True


def _edited(fold: _Fold, entry: Entry) -> bool:
    target = next((each for each in fold.log if each.id and each.id == entry.about), None)
    if target is None or target.source is not Source.PERSON or target.kind is Kind.EDITED:
        return False
    fold.edits[entry.about] = entry
    if target.kind is Kind.HYPOTHESIS and entry.text:
        fold.hypotheses[target.id] = replace(fold.hypotheses[target.id], text=entry.text)
    if target.kind is Kind.NEED and entry.text:
        fold.needs[target.id] = replace(fold.needs[target.id], text=entry.text)
    return True


def _closed(fold: _Fold, entry: Entry) -> bool:
    if entry.state not in (RUNBOOK_CHANGED, NO_CHANGE) or not entry.text.strip():
        return False
    fold.head = replace(fold.head, closing=Closing(entry.at, entry.by, entry.state, entry.text))
    return True


def is_same(one: str, other: str) -> bool:
    """Whether two names are those of one person; the machine does not count."""
    return one.partition("@")[0].strip().casefold() == other.partition("@")[0].strip().casefold()


_TAKERS: Mapping[Kind, Callable[[_Fold, Entry], bool]] = {
    **dict.fromkeys(SEEN, _saw), Kind.OPENED: _opened, Kind.ACTION: _acted, Kind.HYPOTHESIS: _believed,
    Kind.SETTLED: _settled, Kind.NEED: _needed, Kind.MET: _met, Kind.JOINED: _joined, Kind.LEFT: _left,
    Kind.ROLE: _role, Kind.TIME: _timed, Kind.UPDATE: _updated, Kind.HANDOFF: _gave, Kind.ACCEPTED: _took,
    Kind.EDITED: _edited, Kind.CLOSED: _closed}
