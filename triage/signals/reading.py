"""``Reading``: one number and its provenance; and the words that qualify it."""

from __future__ import annotations

import math
from enum import StrEnum

from triage.facts.frozen import frozen


class Quality(StrEnum):
    """How far a reading can be relied on. The value is the word in JSON."""

    OK = "ok"
    PENDING = "pending"
    """Absent as the manifest expects: labels are not due yet. Does not gate."""
    NO_TRAFFIC = "no_traffic"
    """The series exist and nothing happened in the window: 0 of 0, neither good nor bad."""
    NO_DATA = "no_data"
    """Asked and answered: there is no such series."""
    STALE = "stale"
    """The newest sample is older than it should be, or the source has not answered for a while."""
    PARTIAL = "partial"
    """The server said that something is missing from its answer."""
    LOW_N = "low_n"
    """Too few events to judge."""
    SUSPECT = "suspect"
    """Impossible or doubtful: more good than all, NaN, a missing numerator of unknown meaning."""
    ERROR = "error"
    """Could not be asked, or the query was refused."""
    WAITING = "waiting"
    """Asked, not answered yet."""


READABLE = frozenset({Quality.OK, Quality.LOW_N})
"""Qualities whose value may decide something. Everything else can only be unknown or worse; ``low_n`` is never met."""
UNHEARD = frozenset({Quality.STALE, Quality.ERROR, Quality.WAITING})
"""Qualities of what the source has not answered about, or not lately."""


class Origin(StrEnum):
    """Where the number came from."""

    RAW = "raw"
    """Computed here from counters and buckets."""
    RULE = "rule"
    """A recording rule of the server (Sloth, Pyrra)."""
    TAPE = "tape"
    """A recording of earlier answers."""


class Verdict(StrEnum):
    """Of a model or of one objective."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    PENDING = "pending"
    """Of one objective only: expected to be absent for now."""
    LOW_N = "low_n"
    """Of one objective only: nothing is wrong, and too few events to say that it is met. Never counted as met."""
    NOT_JUDGED = "not_judged"
    """Of one indicator without an objective."""


class Urgency(StrEnum):
    """Whom it should reach."""

    PAGE = "page"
    TICKET = "ticket"
    NONE = "none"


@frozen(frozen=True, slots=True)
class Reading:
    """One number with everything needed to judge it."""

    value: float | None
    """In ``unit``; None when there is none. Never NaN or infinite."""
    unit: str
    """``ratio`` (0 to 1, of good events), ``s``, ``/s``, ``x`` (burn rate), ``events`` or the manifest's own word."""
    quality: Quality
    n: float | None = None
    """Events (for levels: samples) behind the value."""
    window_seconds: float | None = None
    sampled_at: float | None = None
    """Unix seconds of the newest sample behind it; None when that is not known."""
    origin: Origin = Origin.RAW
    note: str = ""
    """What is wrong or particular, as a sentence without the number; "" when nothing is."""
    at_least: bool = False
    """The true value is this or more: the last bucket of the histogram is saturated."""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("a reading holds finite numbers or None")

    @property
    def bad_events(self) -> float | None:
        """Bad events among ``n``, for shares of good ones; None when they cannot be told."""
        if self.unit != "ratio" or self.value is None or self.n is None:
            return None
        # Rounding takes away what the division left.
        return round((1 - self.value) * self.n, 6)

    def age_seconds(self, now: float) -> float | None:
        """Age of the newest sample at ``now``; never negative (clocks differ); None when unknown."""
        return None if self.sampled_at is None else max(0.0, now - self.sampled_at)
