"""Series of known truth: how many events had happened at any time, by formula.

Time is counted in seconds from an *epoch* (the start of a test or of the stage): history lies below zero, what is
scraped live lies above. The exporter and the history evaluate the same formulas, so one continues the other without a
step, and every increase between two times can be computed here and compared with what a server says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["counter", "gauge", "histogram"]

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
FOREVER = math.inf
LONG_AGO = -61 * DAY
"""Before any window that ends in 30 days of history."""
RECENTLY = -2 * DAY
"""For series that nobody reads with windows of weeks: less history to write."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A swing of a rate around its mean: of ``amplitude`` (share of the mean) and ``period`` seconds."""

    amplitude: float
    period: float
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Events that happen at a known rate."""

    pieces: tuple[tuple[float, float], ...]
    """(second from which, mean events per second), ascending. Before the first one nothing happens."""
    waves: tuple[Wave, ...] = ()

    def __post_init__(self) -> None:
        if sum(wave.amplitude for wave in self.waves) >= 1:
            raise ValueError("the waves take the rate below zero: counters would fall")

    def total(self, at: Array) -> Array:
        """Events from the beginning until each time."""
        events = np.zeros_like(at)
        ends = [start for start, _ in self.pieces[1:]] + [FOREVER]
        for (start, per_second), end in zip(self.pieces, ends, strict=True):
            if per_second:
                inside = np.clip(at, start, end)
                events += per_second * (self._weight(inside) - self._weight(np.full(1, start)))
        return events

    def between(self, start: float, end: float) -> float:
        """Events from ``start`` to ``end``."""
        first, last = self.total(np.array([start, end], dtype=np.float64))
        return float(last - first)

    def scaled(self, factor: float) -> Flow:
        """The same with ``factor`` times as many events."""
        return Flow(tuple((start, rate * factor) for start, rate in self.pieces), self.waves)

    def _weight(self, at: Array) -> Array:
        swing = np.zeros_like(at)
        for wave in self.waves:
            turn = 2 * math.pi / wave.period
            swing -= wave.amplitude / turn * np.cos(turn * at + wave.phase)
        return at + swing


def steady(per_second: float, since: float = LONG_AGO) -> Flow:
    """Events at one rate."""
    return Flow(((since, per_second),))


@dataclass(frozen=True, slots=True)
class Line:
    """One series."""

    name: str
    labels: Mapping[str, str]
    value: Callable[[Array], Array]
    """Value at each time, where the series exists."""
    family: str
    kind: Kind = "gauge"
    begin: float = -FOREVER
    end: float = FOREVER
    unix_time: bool = False
    """The value is a time: the epoch is added when it is exposed."""

    def key(self) -> str:
        """Name and labels as the text formats write them."""
        inside = ",".join(f'{k}="{_escaped(v)}"' for k, v in self.labels.items())
        return f"{self.name}{{{inside}}}" if inside else self.name

    def exists(self, at: float) -> bool:
        """Whether it is exposed at a time."""
        return self.begin <= at <= self.end


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def counter(name: str, labels: Mapping[str, str], flow: Flow, *, begin: float = -FOREVER, end: float = FOREVER,
            resets: Sequence[float] = (), base: float = 0.0) -> Line:
    """A counter of ``flow`` that starts at ``base`` and falls to zero at each of ``resets``."""
    def value(at: Array) -> Array:
        events = base + flow.total(at)
        for reset in resets:
            events = np.where(at >= reset, flow.total(at) - flow.total(np.full(1, reset)), events)
        return events
    return Line(name, labels, value, name, "counter", begin, end)


def gauge(name: str, labels: Mapping[str, str], value: Callable[[Array], Array] | float, *, begin: float = -FOREVER,
          end: float = FOREVER) -> Line:
    """A gauge with one value, or one that follows a formula."""
    if callable(value):
        return Line(name, labels, value, name, "gauge", begin, end)
    level = value
    return Line(name, labels, lambda at: np.full_like(at, level), name, "gauge", begin, end)


@dataclass(frozen=True, slots=True)
class Shape:
    """A distribution as a histogram sees it."""

    bounds: tuple[float, ...]
    """Upper bounds without +Inf."""
    shares: tuple[float, ...]
    """Share of observations at or under each bound."""
    mean: float

    def share_within(self, bound: float) -> float:
        """Share of observations at or under a bound that is a bucket."""
        return self.shares[self.bounds.index(bound)]


def lognormal(bounds: Sequence[float], median: float, sigma: float) -> Shape:
    """A log-normal distribution, the usual look of latencies."""
    shares = tuple(0.5 * (1 + math.erf(math.log(b / median) / (sigma * math.sqrt(2)))) for b in bounds)
    return Shape(tuple(bounds), shares, median * math.exp(sigma * sigma / 2))


def counted(bounds: Sequence[float], counts: Sequence[float]) -> Shape:
    """A distribution given as events per bucket; ``counts`` has one more than ``bounds``."""
    whole = sum(counts)
    shares = tuple(sum(counts[:i + 1]) / whole for i in range(len(bounds)))
    middles = [b * 0.75 for b in bounds] + [bounds[-1] * 1.5]
    return Shape(tuple(bounds), shares, sum(m * c for m, c in zip(middles, counts, strict=True)) / whole)


def histogram(name: str, labels: Mapping[str, str], parts: Iterable[tuple[Flow, Shape]], *, begin: float = -FOREVER,
              end: float = FOREVER) -> list[Line]:
    """A classic histogram of observations that come in one or more flows, each with its own distribution.

    All shapes must have the same bounds.
    """
    mixed = tuple(parts)
    bounds = mixed[0][1].bounds

    def summed(weight: Callable[[Shape], float]) -> Callable[[Array], Array]:
        weights = [(flow, weight(shape)) for flow, shape in mixed]
        return lambda at: np.sum([flow.total(at) * share for flow, share in weights], axis=0)

    def within(bound: float) -> Callable[[Array], Array]:
        return summed(lambda shape: shape.share_within(bound))

    return histogram_of_counts(name, labels, {bound: within(bound) for bound in bounds}, summed(lambda s: 1.0),
                               summed(lambda s: s.mean), begin=begin, end=end)


def histogram_of(name: str, labels: Mapping[str, str], events: Callable[[Array], Array], shape: Shape, *,
                 begin: float = -FOREVER) -> list[Line]:
    """A classic histogram of events counted by a formula, all with one distribution."""
    def scaled(factor: float) -> Callable[[Array], Array]:
        return lambda at: events(at) * factor

    return histogram_of_counts(name, labels, {b: scaled(shape.share_within(b)) for b in shape.bounds}, events,
                               scaled(shape.mean), begin=begin)


def histogram_of_counts(name: str, labels: Mapping[str, str], within: Mapping[float, Callable[[Array], Array]],
                        count: Callable[[Array], Array], total: Callable[[Array], Array], *, begin: float = -FOREVER,
                        end: float = FOREVER) -> list[Line]:
    """A classic histogram by formulas: observations ``within`` each bound, their count and their sum."""
    def line(suffix: str, more: Mapping[str, str], value: Callable[[Array], Array]) -> Line:
        return Line(name + suffix, {**labels, **more}, value, name, "histogram", begin, end)

    return [*(line("_bucket", {"le": f"{bound:g}"}, value) for bound, value in within.items()),
            line("_bucket", {"le": "+Inf"}, count), line("_sum", {}, total), line("_count", {}, count)]


@dataclass(frozen=True, slots=True)
class NativeLine:
    """A native histogram of schema 0."""

    name: str
    labels: Mapping[str, str]
    flow: Flow
    first_bucket: int
    """Index ``i`` of the first bucket, ``(2**(i-1), 2**i]``."""
    shares: tuple[float, ...]
    """Share of the observations in each bucket from the first on."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to scrape: a job with one instance."""

    job: str
    lines: tuple[Line, ...]
    native: tuple[NativeLine, ...] = ()
    """Native histograms; they have no history, because promtool's text format cannot carry them."""
    up_until: float = FOREVER
    """From then on it answers 503: the process behind it is gone."""

    @property
    def instance(self) -> str:
        """Value of the label ``instance``, the same in history and live, whatever port is in use."""
        return f"{self.job}-0:8000"

    @property
    def path(self) -> str:
        return f"/{self.job}/metrics"
