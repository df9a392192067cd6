"""The series of one exporter, and a sheet with what happened to them in a window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from triage.lab.world.curves import middles
from triage.lab.world.grid import Floats, Window

Labels = Mapping[str, str]
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Series of one metric that are always written together."""

    name: str
    kind: Kind
    help_text: str
    key: str
    """Name and labels in one text: equal for the same rows of two simulations."""
    series: tuple[Labels, ...]
    """Labels with ``__name__``; R of them."""


@dataclass(frozen=True, slots=True, eq=False)
class HistogramRows(Rows):
    """A classic histogram: its buckets, then ``_sum`` and ``_count``."""

    bounds: Floats
    """Upper bounds without +Inf, (K,)."""
    worth: Floats
    """What an observation in each bucket adds to the sum, (K + 1,)."""


def _key(name: str, labels: Labels) -> str:
    return f"{name}{sorted(labels.items())}"


def _plain(kind: Kind, name: str, help_text: str, labels: Labels, each: Iterable[Labels]) -> Rows:
    return Rows(name, kind, help_text, _key(name, labels), tuple({"__name__": name, **labels, **own} for own in each))


def counter(name: str, help_text: str, labels: Labels, each: Iterable[Labels] = ({},)) -> Rows:
    """A counter with the common ``labels`` and, for each series, its own."""
    return _plain("counter", name, help_text, labels, each)


def gauge(name: str, help_text: str, labels: Labels, each: Iterable[Labels] = ({},)) -> Rows:
    """A gauge with the common ``labels`` and, for each series, its own."""
    return _plain("gauge", name, help_text, labels, each)


def histogram(name: str, help_text: str, labels: Labels, bounds: Sequence[float]) -> HistogramRows:
    """A classic histogram. ``le`` is written as Python's client and Prometheus 3 do: ``1.0``."""
    texts = [repr(float(bound)) for bound in bounds]
    buckets = tuple({"__name__": f"{name}_bucket", **labels, "le": le} for le in (*texts, "+Inf"))
    more = ({"__name__": f"{name}_sum", **labels}, {"__name__": f"{name}_count", **labels})
    return HistogramRows(name, "histogram", help_text, _key(name, labels), buckets + more,
                         np.array(bounds, dtype=np.float64), middles(bounds))


@dataclass(slots=True)
class Sheet:
    """What the series of one exporter did at the T scrapes of a window (T may be 0 when it only ends)."""

    window: Window
    counted: list[tuple[Rows, Floats]] = field(default_factory=list)
    """Increments, (T, R)."""
    levels: list[tuple[Rows, Floats]] = field(default_factory=list)
    """Values, (T, R)."""
    hidden: Floats | None = None
    """(T,) of 0 and 1: at 1 the exporter does not answer. None: it always does."""
    exporter: bool = False
    """Whether it is all that one scrape target shows, so that ``up`` is 0 where it is hidden."""
    ended: Sequence[Rows] = ()
    """Rows that are gone at the first scrape after the window, ``ended_at``."""
    ended_at: float = 0.0

    @property
    def rows(self) -> list[Rows]:
        """All rows on it."""
        return [rows for rows, _ in (*self.counted, *self.levels)]

    def count(self, rows: Rows, increments: Floats) -> None:
        """Events in each step, (T, R), or (T,) for a single series."""
        self.counted.append((rows, increments[:, None] if increments.ndim == 1 else increments))

    def observe(self, rows: HistogramRows, counts: Floats, factor: Floats | float = 1.0,
                poisoned: Floats | None = None) -> None:
        """Observations by bucket, (T, K + 1).

        ``factor``: the true values are that much above their bucket's middle. ``poisoned``: (T,) observations of NaN,
        which count in no bucket and make the sum NaN for good, as in Python's client.
        """
        count = counts.sum(axis=1)
        total = (counts * rows.worth).sum(axis=1) * factor
        if poisoned is not None:
            total = np.where(poisoned > 0, np.nan, total)
        self.counted.append((rows, np.concatenate([counts.cumsum(axis=1), total[:, None], count[:, None]], axis=1)))

    def level(self, rows: Rows, values: Floats | float) -> None:
        """Values: (T, R), (T,) for a single series, (R,) or a number when they stand still."""
        shape = (len(self.window), len(rows.series))
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 1 and shape[1] == 1 and shape[0] == len(array):
            array = array[:, None]
        self.levels.append((rows, array if array.shape == shape else np.broadcast_to(array, shape)))
