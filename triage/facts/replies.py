"""Replies to the small questions that one refresh is made of, addressed so that meaning can be found in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from triage.facts.frozen import frozen
from triage.facts.outcome import Failure
from triage.facts.samples import Sample, Series

Derived = TypeVar("Derived")


class Part(StrEnum):
    """What a question asks for."""

    GOOD = "good"
    BAD = "bad"
    TOTAL = "total"
    BUCKETS = "buckets"
    """Histogram buckets, by ``le``."""
    LEVEL = "level"
    """Present value of a level."""
    LEVEL_BAD = "level-bad"
    """Points in time at which a level was on the wrong side."""
    LEVEL_TOTAL = "level-total"
    """Points in time at which a level was known."""
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    """Percentiles computed by the server, for native histograms."""
    GROUPS = "groups"
    """Bad events by the objective's own label."""
    SAMPLED_AT = "sampled-at"
    """Unix time of the newest sample."""
    RECORDED = "recorded"
    """Error ratios recorded by rules."""
    REQUESTS = "requests"
    """Requests by version."""
    FIRST_SEEN = "first-seen"
    LAST_SEEN = "last-seen"
    BEGAN = "began"
    """Unix time of the first sample of what was there before ``FIRST_SEEN`` looks."""
    CATEGORIES = "categories"
    """Events by category."""
    VALUE_SUM = "value-sum"
    """Sum of the observed values."""
    NULLS = "nulls"
    """Events without a value."""
    RESETS = "resets"
    """Resets of counters."""
    SERIES = "series"
    """Number of series."""
    NATIVE = "native"
    """Number of series that are native histograms, where classic ones were expected."""
    COVERED = "covered"
    """Points in time at which there was a sample."""
    CHANGES = "changes"
    """Changes of a gauge."""
    PUSHED_AT = "pushed-at"
    """Unix time at which it was pushed to a push gateway."""
    KILLED = "killed"
    """Restarts of containers that needed more memory than they may."""


MODEL = ""
"""In place of an objective's name: the question is about the model as a whole."""
LAST_SEEN = "last seen"
VALUE = "business value"
PODS = "its pods"
"""In place of an objective's name, which holds no space."""


class Question(NamedTuple):
    """The address of one question. Looked up a hundred thousand times in a refresh of a thousand models."""

    objective: str
    """Name of the objective, or ``MODEL``."""
    candidate: int
    """Which of the possible metrics; they are tried in order."""
    part: Part
    window_seconds: float = 0.0
    """0 for questions without a window."""


@frozen(frozen=True, slots=True)
class Reply:
    """The last successful reply to a question, and what became of the last try."""

    answered_at: float | None
    """Unix seconds at which the server evaluated it; None when it never answered."""
    stale_after: float
    """Seconds after ``answered_at`` from which it no longer describes the present."""
    samples: tuple[Sample, ...] = ()
    series: tuple[Series, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    """Why the latest try failed; None when it succeeded or has not been made."""
    retry_at: float | None = None
    """After a failure: Unix seconds from which it is asked again. None: with the source, or nothing will be asked."""
    _derived: dict[Hashable, tuple[tuple[tuple[Sample, ...], ...], Any]] | None = field(
        default=None, compare=False, repr=False)
    """None until something is derived: most replies are never asked for it."""

    def derived(self, name: Hashable, make: Callable[[tuple[Sample, ...]], Derived], *beside: Reply) -> Derived:
        """What ``make`` makes of the samples, made once: they are read many times while they are the newest.

        ``name`` says what it is; ``make`` may depend on it and on the samples of the replies ``beside``.
        """
        known = self._derived
        if known is None:
            known = {}
            object.__setattr__(self, "_derived", known)
        elif (found := known.get(name)) is not None and len(found[0]) == len(beside):
            for samples, reply in zip(found[0], beside, strict=True):
                if samples is not reply.samples:
                    break
            else:
                again: Derived = found[1]
                return again
        made = make(self.samples)
        known[name] = tuple([reply.samples for reply in beside]), made
        return made

    def is_stale(self, now: float) -> bool:
        """Whether it is too old at ``now`` (world time)."""
        return self.answered_at is not None and now - self.answered_at > self.stale_after


UNASKED = Reply(None, 0.0)
Replies = Mapping[Question, Reply]
