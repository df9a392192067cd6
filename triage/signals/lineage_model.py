"""What is registered, approved and aliased beside what serves, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage.facts.frozen import frozen
from triage.facts.versions import Approval
from triage.signals.promise import Promise
from triage.signals.reading import Reading, Urgency, Verdict


class LineageKind(StrEnum):
    """What a finding is about. The value is the word in JSON."""

    NOT_REGISTERED = "not_registered"
    """The registry does not have the model."""
    UNKNOWN_VERSION = "unknown_version"
    """A version serves that the registry does not have."""
    NOT_APPROVED = "not_approved"
    """A version serves that nobody approved."""
    REFUSED = "refused"
    """A version serves that was rejected or withdrawn."""
    NOT_READY = "not_ready"
    """A version serves, or carries an alias, whose registration is not complete."""
    ALIAS_NOT_SERVING = "alias_not_serving"
    """An alias names another version than the servers run."""
    ALIAS_BEHIND = "alias_behind"
    """The stable alias names a version with traffic, and another one has more."""
    ALIAS_MISSING = "alias_missing"
    """No version carries the stable alias."""
    ALIAS_DANGLING = "alias_dangling"
    """An alias names a version that the registry does not have."""
    PROMISE_DIFFERS = "promise_differs"
    PROMISE_ALTERED = "promise_altered"
    PROMISE_ELSEWHERE = "promise_elsewhere"
    """The notebook describes a version that does not serve."""
    ROLLBACK_TARGET = "rollback_target"
    """The last known good version cannot be gone back to."""
    VERSION_NOT_TOLD = "version_not_told"
    """The series do not say which version serves."""
    NOT_KNOWN = "not_known"
    """The registry, or the traffic, cannot be read: nothing is compared."""
    OLD_COPY = "old_copy"
    """The registry was read from a copy that has not been brought up to date for long."""


@dataclass(frozen=True, slots=True)
class LineageFinding:
    """One contradiction between promise, registry and servers."""

    kind: LineageKind
    verdict: Verdict
    """``fail``, ``warn`` or ``unknown``."""
    urgency: Urgency
    text: str
    """The finding in one sentence."""
    hint: str
    """What to do about it."""
    version: str = ""
    """The version it is about, as the registry spells it, else as the series do; "" for the model as a whole."""
    since: float | None = None
    """Unix seconds from which it is known to be so; None when nothing tells (registries keep no time of aliases)."""


@dataclass(frozen=True, slots=True)
class LineageRow:
    """One version: what the registry and the servers say of it."""

    version: str
    """As the registry spells it; as the series do where the registry does not have it."""
    served_as: str
    """As the series spell it; "" when it is not seen there."""
    arm: str
    """``stable``, ``canary`` …, "" for none."""
    share: Reading | None
    """Share of the requests; None when it is not seen."""
    registered: bool
    approval: Approval
    aliases: tuple[str, ...]
    status: str
    stage: str
    created_at: float | None
    source: str
    run_id: str
    description: str


class LinkState(StrEnum):
    """How the places agree. The value is the word in JSON."""

    SAME = "same"
    DIFFERS = "differs"
    MUTABLE = "mutable"
    """Nothing fixes what it is: no version, no digest."""
    NOT_RECORDED = "not_recorded"
    """Named in one place only: there is nothing to compare with."""
    UNKNOWN = "unknown"
    """The registry, or what runs, could not be read."""


@frozen(frozen=True, slots=True)
class LineageLink:
    """One thing that the version was made of."""

    kind: str
    """``version``, ``manifest``, ``run``, ``data``, ``features`` or ``image``."""
    name: str
    """"" where there is one of its kind."""
    promised: str
    """Version or digest in the manifest on disk; "" when it names none."""
    recorded: str
    """The same, as recorded with the registered version; "" when nothing is."""
    running: str
    """What is seen to run; "" when nothing tells."""
    state: LinkState
    note: str = ""
    """What does not match, or why it is not known; "" when all is well."""


@frozen(frozen=True, slots=True)
class Lineage:
    """The comparison for one model."""

    known: bool
    """Whether the registry was read; what serves may still be unknown."""
    rows: tuple[LineageRow, ...]
    """What serves or carries an alias, then the newest others; most traffic first, then newest."""
    findings: tuple[LineageFinding, ...]
    """Most urgent first; empty when everything agrees."""
    promise: Promise | None
    """None when the notebook's version is not registered, or was not compared."""
    read_at: float | None
    """When the registry was read, world time; None when it was not."""
    as_of: float | None = None
    """When the copy was brought up to date that was read; None for a registry that is asked itself."""
    others: int = 0
    """Registered versions that are not among the rows."""
    links: tuple[LineageLink, ...] = ()
    """What the notebook's version was made of, from what runs back to the data; also when the registry is unknown."""

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings; ``pass`` when everything agrees."""
        order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN)
        return min((f.verdict for f in self.findings if f.verdict in order), key=order.index, default=Verdict.PASS)
