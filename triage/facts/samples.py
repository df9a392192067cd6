"""Samples and series, as a Prometheus-compatible server answered them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from triage.facts.frozen import frozen

Labels = Mapping[str, str]
NO_LABELS: Labels = MappingProxyType({})


class Sample(NamedTuple):
    """One element of an instant vector. A tuple: fifty thousand of them come with every refresh of a large fleet."""

    labels: Labels
    """Cleaned names and values, ``__name__`` included where the server sent it."""
    value: float
    """May be NaN or infinite: what was sent is kept, judging it is for ``signals``."""
    at: float
    """Unix seconds of the evaluation (not of the scrape)."""


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """A native histogram in an answer: its totals. The buckets are asked for with ``histogram_fraction``."""

    labels: Labels
    at: float
    count: float
    total: float
    """Sum of the observations, in the metric's own unit."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range answer; missing steps are simply absent, as on the wire."""

    labels: Labels
    times: tuple[float, ...]
    """Unix seconds, ascending."""
    values: tuple[float, ...]
    """As long as ``times``; NaN and infinities kept."""


@frozen(frozen=True, slots=True)
class Answer:
    """One successful answer to one query."""

    evaluated_at: float
    """Unix seconds that the query was evaluated for; the end of the range for range queries."""
    samples: tuple[Sample, ...] = ()
    series: tuple[Series, ...] = ()
    native: tuple[NativeHistogram, ...] = ()
    warnings: tuple[str, ...] = ()
    """What the server says is missing (Thanos: stores that did not answer). Any makes a reading *partial*."""
    infos: tuple[str, ...] = ()
    """Remarks of the server about the query, such as a rate of something that is no counter."""
    elapsed_seconds: float = field(default=0.0, compare=False)
    """Wall time from asking to parsed; not part of what was said."""

    @property
    def partial(self) -> bool:
        """Whether the server said that something is missing."""
        return bool(self.warnings)
