"""Values while they are worked on: every step of a range query at once, as matrices of series by steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.errors import failed
from triage.lab.promql.matching import LabelSet, without_name
from triage.lab.promql.store import Times, Values

Mask = NDArray[np.bool_]

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Numbers:
    """A scalar: one number at each step."""

    values: Values


@dataclass(frozen=True, slots=True)
class Literal:
    """A string."""

    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """An instant vector at each step. The rows keep Prometheus' order where it has one."""

    keys: list[LabelSet]
    values: Values
    """Series by steps; NaN where there is no sample."""
    present: Mask
    """Where there is a sample; a sample may be NaN too."""

    @classmethod
    def empty(cls, steps: int) -> Rows:
        return cls([], np.empty((0, steps)), np.empty((0, steps), dtype=np.bool_))

    @classmethod
    def known(cls, keys: list[LabelSet], values: Values, present: Mask) -> Rows:
        """Rows without those that have no sample at all; what is not present becomes NaN."""
        if present.all():
            return cls(keys, values, present)
        some: Mask = np.any(present, axis=1)
        if not some.all():
            keys = [keys[number] for number in np.flatnonzero(some)]
            values, present = values[some], present[some]
        return cls(keys, np.where(present, values, np.nan), present)

    def with_values(self, values: Values) -> Rows:
        """The same rows with other numbers."""
        return Rows(self.keys, np.where(self.present, values, np.nan), self.present)

    def only(self, mask: Mask) -> Rows:
        """The samples where ``mask`` holds."""
        return Rows.known(self.keys, self.values, self.present & mask)

    def renamed(self, keys: list[LabelSet]) -> Rows:
        """The same rows with other labels. Rows that become one must never have a sample at the same step.

        Prometheus promql/engine.go, rangeEval: series are joined over the steps by their labels, and one step with two
        of them is an error.
        """
        if len(set(keys)) == len(keys):
            return Rows(keys, self.values, self.present)
        places: dict[LabelSet, int] = {}
        of_row = np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.intp)
        counts = np.zeros((len(places), self.values.shape[1]), dtype=np.intp)
        np.add.at(counts, of_row, self.present)
        if np.any(counts > 1):
            raise failed(SAME_LABELS)
        values = np.full(counts.shape, np.nan)
        row, step = np.nonzero(self.present)
        values[of_row[row], step] = self.values[row, step]
        return Rows(list(places), values, counts > 0)

    def unnamed(self, *, across_steps: bool = False) -> Rows:
        """The same rows without their metric names.

        ``across_steps``: two series with the same labels are an error even if they never have a sample at the same
        step, as in Prometheus for functions of range vectors and for the unary minus.
        """
        keys = [without_name(key) for key in self.keys]
        if across_steps and len(set(keys)) < len(keys):
            raise failed(SAME_LABELS)
        return self.renamed(keys)

    def in_order(self, order: Sequence[int]) -> Rows:
        """The rows picked by number."""
        picked = np.asarray(order, dtype=np.intp)
        return Rows([self.keys[i] for i in order], self.values[picked], self.present[picked])


Value = Numbers | Literal | Rows


@dataclass(frozen=True, slots=True)
class Batch:
    """Series that were sampled at the same times, and for each step the slice of samples in its window.

    The window of step ``s`` holds ``values[:, low[s]:high[s]]``.
    """

    places: list[int]
    """Which series of the range vector these are."""
    times: Times
    values: Values
    """Series by samples."""
    low: NDArray[np.intp]
    high: NDArray[np.intp]

    @property
    def counts(self) -> NDArray[np.intp]:
        """Samples in the window of each step."""
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Windows:
    """A range vector at each step: series in batches of equal sample times, without staleness markers."""

    keys: list[LabelSet]
    batches: list[Batch]
    starts_ms: Times
    """Left end of the window of each step."""
    ends_ms: Times
    range_ms: int

    def each(self, function: Callable[[Batch], tuple[Values, Mask]]) -> Rows:
        """Apply a function that gives (values, present) of a batch, both series by steps or broadcast to it."""
        shape = (len(self.keys), len(self.ends_ms))
        values, present = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
        for batch in self.batches:
            values[batch.places], present[batch.places] = function(batch)
        return Rows.known(self.keys, values, present)
