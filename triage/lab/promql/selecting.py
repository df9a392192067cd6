"""From selectors to values: the latest sample of each step, or the samples in its window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from triage.lab.promql.errors import failed
from triage.lab.promql.matching import LabelSet, Matcher
from triage.lab.promql.store import Column, Store, Times, Values, is_stale
from triage.lab.promql.values import Batch, Rows, Windows

_MOST_SAMPLES = 50_000_000
"""Prometheus' default for ``--query.max-samples``."""


def refuse_too_many(series: int, steps: int) -> None:
    """Raises QueryError when series at that many steps would not fit into memory."""
    if series * steps > _MOST_SAMPLES:
        raise failed("query processing would load too many samples into memory in query execution")


@dataclass(frozen=True, slots=True)
class _Alike:
    """Series that were sampled at the same times."""

    places: list[int]
    times: Times
    columns: list[Values]


def latest(store: Store, matchers: Sequence[Matcher], at_ms: Times, lookback_ms: int, *, closed: bool,
           timestamps: bool = False) -> Rows:
    """The latest sample of each series at each of ``at_ms``, if it is not older than the lookback and not stale.

    ``closed``: a sample exactly one lookback old still counts (Prometheus 2). ``timestamps`` gives the time of the
    sample in Unix seconds in place of its value.
    """
    if not len(at_ms):
        return Rows.empty(0)
    columns = store.select(matchers, int(at_ms.min()) - lookback_ms, int(at_ms.max()))
    refuse_too_many(len(columns), len(at_ms))
    shape = (len(columns), len(at_ms))
    values, present = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
    for group in _alike((column.key, column.times, column.values) for column in columns):
        index = group.times.searchsorted(at_ms, "right") - 1
        found = group.times[np.maximum(index, 0)]
        age = at_ms - found
        fresh = (index >= 0) & ((age <= lookback_ms) if closed else (age < lookback_ms))
        picked = np.stack([column[index] for column in group.columns])
        present[group.places] = fresh & ~is_stale(picked)
        values[group.places] = found / 1000.0 if timestamps else picked
    return Rows.known([column.key for column in columns], values, present)


def windows(store: Store, matchers: Sequence[Matcher], at_ms: Times, range_ms: int, *, closed: bool) -> Windows:
    """The samples within ``range_ms`` up to each of ``at_ms``, staleness markers left out.

    ``closed``: a sample exactly at the left end belongs to the window (Prometheus 2).
    """
    columns = store.select(matchers, int(at_ms.min()) - range_ms, int(at_ms.max())) if len(at_ms) else []
    series = (_unmarked(column) for column in columns)
    return windowed([item for item in series if len(item[1])], at_ms, range_ms, closed=closed)


def windowed(series: Sequence[tuple[LabelSet, Times, Values]], at_ms: Times, range_ms: int, *,
             closed: bool) -> Windows:
    """Windows over any series of (labels, times, values), none empty, as of a selector or a subquery."""
    refuse_too_many(len(series), len(at_ms))
    starts = at_ms - range_ms
    batches = []
    for group in _alike(series):
        low = group.times.searchsorted(starts, "left" if closed else "right")
        high = group.times.searchsorted(at_ms, "right")
        batches.append(Batch(group.places, group.times, np.stack(group.columns), low, np.maximum(low, high)))
    return Windows([key for key, _, _ in series], batches, starts, at_ms, range_ms)


def _unmarked(column: Column) -> tuple[LabelSet, Times, Values]:
    stale = is_stale(column.values)
    if not stale.any():
        return column.key, column.times, column.values
    return column.key, column.times[~stale], column.values[~stale]


def _alike(series: Iterable[tuple[LabelSet, Times, Values]]) -> list[_Alike]:
    """Put together what was sampled at the same times: most series come from the same scrapes."""
    found: dict[tuple[int, int, int], list[_Alike]] = {}
    for place, (_, times, values) in enumerate(series):
        same = found.setdefault((len(times), int(times[0]), int(times[-1])), [])
        for group in same:
            if np.array_equal(group.times, times):
                group.places.append(place)
                group.columns.append(values)
                break
        else:
            same.append(_Alike([place], times, [values]))
    return [group for same in found.values() for group in same]
