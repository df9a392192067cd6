"""Samples in memory: one pair of columns (times, values) per series, found by label matchers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.matching import METRIC_NAME, Labels, LabelSet, Matcher, label_set

Times = NDArray[np.int64]
"""Milliseconds since the Unix epoch, strictly ascending."""
Values = NDArray[np.float64]

STALE_BITS = 0x7FF0000000000002
"""The NaN that ends a series (Prometheus model/value, StaleNaN). Other NaNs are values."""
STALE_MARKER = np.array([STALE_BITS], dtype=np.int64).view(np.float64)
"""One staleness marker, as an array: arithmetic on a scalar would change its bits."""

_FIRST_CAPACITY = 64
_ROWS_HELD = 256
"""Rows that are held back before they are spread over their series."""


def is_stale(values: Values) -> NDArray[np.bool_]:
    """Where ``values`` hold the staleness marker."""
    return np.equal(np.ascontiguousarray(values).view(np.int64), STALE_BITS)


@dataclass(frozen=True, slots=True)
class Column:
    """The samples of one series within a span of time; the arrays are views and must not be written to."""

    key: LabelSet
    times: Times
    values: Values

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.key)


class _Series:
    """One series. What lies between ``begin`` and ``end`` is never written again, so views of it stay true."""

    __slots__ = ("begin", "end", "key", "times", "values")

    def __init__(self, key: LabelSet) -> None:
        self.key = key
        self.begin = self.end = 0
        self.times: Times = np.empty(0, dtype=np.int64)
        self.values: Values = np.empty(0, dtype=np.float64)

    def last_ms(self) -> int | None:
        return int(self.times[self.end - 1]) if self.end > self.begin else None

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        return self.end > self.begin and self.times[self.begin] <= end_ms and self.times[self.end - 1] >= start_ms

    def extend(self, times: Times, values: Values) -> None:
        count = len(times)
        if self.end + count > len(self.times):
            self._grow(count)
        self.times[self.end:self.end + count] = times
        self.values[self.end:self.end + count] = values
        self.end += count

    def push(self, time_ms: int, value: float) -> None:
        if self.end == len(self.times):
            self._grow(1)
        self.times[self.end] = time_ms
        self.values[self.end] = value
        self.end += 1

    def _grow(self, count: int) -> None:
        live = self.end - self.begin
        capacity = max(_FIRST_CAPACITY, live + count, live + live // 2)
        times, values = np.empty(capacity, dtype=np.int64), np.empty(capacity, dtype=np.float64)
        times[:live], values[:live] = self.times[self.begin:self.end], self.values[self.begin:self.end]
        self.times, self.values, self.begin, self.end = times, values, 0, live

    def put_before(self, times: Times, values: Values) -> None:
        self.times = np.concatenate((times, self.times[self.begin:self.end]))
        self.values = np.concatenate((values, self.values[self.begin:self.end]))
        self.begin, self.end = 0, len(self.times)

    def forget(self, oldest_ms: int) -> None:
        self.begin += int(self.times[self.begin:self.end].searchsorted(oldest_ms, "left"))
        if self.begin == self.end:
            self.times, self.values = self.times[:0].copy(), self.values[:0].copy()
            self.begin = self.end = 0

    def between(self, start_ms: int, end_ms: int) -> Column:
        live = self.times[self.begin:self.end]
        low = self.begin + int(live.searchsorted(start_ms, "left"))
        high = self.begin + int(live.searchsorted(end_ms, "right"))
        return Column(self.key, self.times[low:high], self.values[low:high])


@dataclass(slots=True)
class _Rows:
    """Scrapes of the same series that are not yet spread over them."""

    times: list[int] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Description:
    """What an exporter says about a metric (``# TYPE``, ``# HELP``, ``# UNIT``)."""

    kind: str
    help_text: str
    unit: str


class Store:
    """All series of the lab. Safe to use from several threads.

    ``retention_seconds``: how old a sample may be at :meth:`prune`; None keeps everything.
    """

    def __init__(self, retention_seconds: float | None = None) -> None:
        self.retention_seconds = retention_seconds
        self._lock = RLock()
        self._all: list[_Series] = []
        self._handles: dict[LabelSet, int] = {}
        self._postings: dict[str, dict[str, set[int]]] = {}
        self._chosen: dict[tuple[Matcher, ...], list[int]] = {}
        self._rows: dict[tuple[int, ...], _Rows] = {}
        self._in_rows: set[int] = set()
        self._descriptions: dict[str, Description] = {}

    def handle(self, labels: Labels) -> int:
        """The number of the series with these labels, for :meth:`append_row`; valid as long as the store lives."""
        with self._lock:
            key = label_set(labels)
            found = self._handles.get(key)
            if found is None:
                found = self._handles[key] = len(self._all)
                self._all.append(_Series(key))
                for name, value in key:
                    self._postings.setdefault(name, {}).setdefault(value, set()).add(found)
                self._chosen.clear()
            return found

    def append(self, labels: Labels, times_ms: Times, values: Values) -> None:
        """Add samples in ascending order, all after the last one of the series. Raises ValueError otherwise."""
        if len(times_ms) == 0:
            return
        times, column = _checked(labels, times_ms, values)
        with self._lock:
            series = self._open(labels, int(times[0]))
            series.extend(times, column)

    def append_point(self, labels: Labels, time_ms: int, value: float) -> None:
        """Add one sample after the last one of the series. Raises ValueError when it is not after it."""
        with self._lock:
            self._open(labels, time_ms).push(time_ms, value)

    def append_row(self, handles: Sequence[int], time_ms: int, values: Values) -> None:
        """Add one scrape: a sample at the same time for each of ``handles``, none twice.

        Raises ValueError when one of the series already has a sample at that time or later. Call it with the same
        handles each time: rows are held and spread over their series together.
        """
        key = tuple(handles)
        if len(key) != len(values):
            raise ValueError(f"a row of {len(values)} values for {len(key)} series")
        with self._lock:
            rows = self._rows.get(key)
            if rows is not None and len(rows.times) >= _ROWS_HELD:
                self._spread()
                rows = None
            if rows is None:
                if not self._in_rows.isdisjoint(key):
                    self._spread()
                for number in key:
                    _check_order(self._all[number], time_ms)
                rows = self._rows[key] = _Rows()
                self._in_rows.update(key)
            elif time_ms <= rows.times[-1]:
                raise ValueError(f"a row at {time_ms} ms, but the latest is at {rows.times[-1]} ms: rows must ascend")
            rows.times.append(time_ms)
            rows.values.append(np.array(values, dtype=np.float64))

    def prepend(self, labels: Labels, times_ms: Times, values: Values) -> None:
        """Add the older past of a series: ascending, all before its first sample. Raises ValueError otherwise."""
        if len(times_ms) == 0:
            return
        times, column = _checked(labels, times_ms, values)
        with self._lock:
            self._spread()
            series = self._all[self.handle(labels)]
            if series.end > series.begin and times[-1] >= series.times[series.begin]:
                raise ValueError(f"{dict(labels)}: the past ends at {times[-1]} ms, but the series begins at "
                                 f"{series.times[series.begin]} ms: prepend only what lies before")
            series.put_before(times, column)

    def mark_stale(self, labels: Labels, time_ms: int) -> None:
        """End a series: a target or series that was there at the last scrape is gone at this one."""
        with self._lock:
            if label_set(labels) in self._handles:
                self._open(labels, time_ms).extend(np.array([time_ms], dtype=np.int64), STALE_MARKER)

    def prune(self, now_ms: int) -> None:
        """Forget samples older than the retention."""
        if self.retention_seconds is None:
            return
        oldest = now_ms - round(self.retention_seconds * 1000)
        with self._lock:
            self._spread()
            for series in self._all:
                series.forget(oldest)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Column]:
        """The samples within ``[start_ms, end_ms]`` of all series that pass every matcher, in order of their labels.

        Series without a sample in that span are left out. Staleness markers are kept.
        """
        with self._lock:
            self._spread()
            columns = (self._all[number].between(start_ms, end_ms) for number in self._choose(tuple(matchers)))
            return [column for column in columns if len(column.times)]

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[dict[str, str]]:
        """The labels of all series that pass and have samples around ``[start_ms, end_ms]``, in order."""
        return [dict(key) for key in self._keys(matchers, start_ms, end_ms)]

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Every label name of those series, ascending."""
        return sorted({name for key in self._keys(matchers, start_ms, end_ms) for name, _ in key})

    def label_values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Every value of one label of those series, ascending."""
        return sorted({value for key in self._keys(matchers, start_ms, end_ms) for own, value in key if own == name})

    def describe(self, metric: str, kind: str, help_text: str, unit: str = "") -> None:
        """Say what a metric is: ``counter``, ``gauge``, ``histogram``, ``summary``, ``info`` or ``unknown``."""
        with self._lock:
            self._descriptions[metric] = Description(kind, help_text, unit)

    def metadata(self) -> dict[str, Description]:
        """The descriptions, by metric (for histograms the name without ``_bucket``)."""
        with self._lock:
            return dict(self._descriptions)

    def _keys(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[LabelSet]:
        with self._lock:
            self._spread()
            chosen = (self._all[number] for number in self._choose(tuple(matchers)))
            return [series.key for series in chosen if series.overlaps(start_ms, end_ms)]

    def _choose(self, matchers: tuple[Matcher, ...]) -> list[int]:
        found = self._chosen.get(matchers)
        if found is None:
            found = sorted(self._matching(matchers), key=lambda number: self._all[number].key)
            self._chosen[matchers] = found
        return found

    def _matching(self, matchers: Iterable[Matcher]) -> set[int]:
        """Series by the index of label values: those that a matcher asks for, less those that one refuses."""
        found: set[int] | None = None
        refused: set[int] = set()
        for matcher in matchers:
            values = self._postings.get(matcher.name, {})
            if matcher.accepts_missing:
                refused.update(*(ids for value, ids in values.items() if not matcher.matches(value)))
                continue
            if matcher.op == "=":
                passed = values.get(matcher.value, set())
            else:
                passed = set().union(*(ids for value, ids in values.items() if matcher.matches(value)))
            found = passed if found is None else found & passed
        return (set(range(len(self._all))) if found is None else found) - refused

    def _open(self, labels: Labels, time_ms: int) -> _Series:
        number = self.handle(labels)
        if number in self._in_rows:
            self._spread()
        series = self._all[number]
        _check_order(series, time_ms)
        return series

    def _spread(self) -> None:
        """Move the rows that are held to their series."""
        for handles, rows in self._rows.items():
            if len(rows.times) == 1:
                time_ms, row = rows.times[0], rows.values[0]
                for number, value in zip(handles, row.tolist(), strict=True):
                    self._all[number].push(time_ms, value)
            else:
                times = np.array(rows.times, dtype=np.int64)
                columns = np.ascontiguousarray(np.stack(rows.values).T)
                for number, column in zip(handles, columns, strict=True):
                    self._all[number].extend(times, column)
        self._rows.clear()
        self._in_rows.clear()


def _checked(labels: Labels, times_ms: Times, values: Values) -> tuple[Times, Values]:
    times, column = np.asarray(times_ms, dtype=np.int64), np.asarray(values, dtype=np.float64)
    if times.shape != column.shape or times.ndim != 1:
        raise ValueError(f"{dict(labels)}: {times.shape} times for {column.shape} values")
    if np.any(times[1:] <= times[:-1]):
        raise ValueError(f"{dict(labels)}: times must be strictly ascending")
    return times, column


def _check_order(series: _Series, time_ms: int) -> None:
    last = series.last_ms()
    if last is not None and time_ms <= last:
        raise ValueError(f"{dict(series.key)}: a sample at {time_ms} ms, but the latest is at {last} ms: "
                         "samples must ascend")


__all__ = ["METRIC_NAME", "STALE_BITS", "STALE_MARKER", "Column", "Description", "LabelSet", "Labels", "Matcher",
           "Store", "Times", "Values", "is_stale"]
