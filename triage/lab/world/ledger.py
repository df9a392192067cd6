"""Writing sheets into the store: counters are summed up, exporters that end are marked stale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.store import Store
from triage.lab.world.grid import Floats
from triage.lab.world.rows import Rows, Sheet


def milliseconds(at: float) -> int:
    """A time as samples carry it."""
    return round(at * 1000)


def _stamps(times: list[Floats]) -> NDArray[np.int64]:
    return np.rint(np.concatenate(times) * 1000).astype(np.int64)


class Ledger:
    """The counters' totals, and the samples on their way to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._totals: dict[str, Floats] = {}
        self._chunks: dict[str, tuple[Rows, list[Floats], list[Floats]]] = {}
        self._open: set[str] = set()
        """Keys of rows whose newest sample is no staleness marker."""
        self._described: set[str] = set()
        self._handles: dict[str, list[int]] = {}

    def start(self, totals: Mapping[str, Floats]) -> None:
        """Let counters begin at these values, (R,) by the rows' key."""
        self._totals.update(totals)

    def add(self, sheet: Sheet) -> None:
        """Note what happened; :meth:`flush` or :meth:`scrape` writes it."""
        if len(sheet.window):
            for rows, increments in sheet.counted:
                self._note(sheet, rows, self._summed(rows, increments))
            for rows, values in sheet.levels:
                self._note(sheet, rows, values)
        for rows in sheet.ended:
            self._totals.pop(rows.key, None)
            self._end(rows, sheet.ended_at)

    def _summed(self, rows: Rows, increments: Floats) -> Floats:
        before = self._totals.get(rows.key)
        # One after the other, so that sums of many scrapes and of each by itself are rounded alike.
        whole = increments if before is None else np.concatenate([before[None, :], increments])
        values = whole.cumsum(axis=0)[0 if before is None else 1:]
        self._totals[rows.key] = values[-1]
        return values

    def _note(self, sheet: Sheet, rows: Rows, values: Floats) -> None:
        times = sheet.window.times
        if sheet.hidden is None or not sheet.hidden.any():
            self._put(rows, times, values)
            return
        changes = np.flatnonzero(np.diff(sheet.hidden)) + 1
        for first, end in zip([0, *changes], [*changes, len(times)], strict=True):
            if sheet.hidden[first]:
                self._end(rows, float(times[first]))
            else:
                self._put(rows, times[first:end], values[first:end])

    def _put(self, rows: Rows, times: Floats, values: Floats) -> None:
        if rows.name not in self._described:
            self._described.add(rows.name)
            self._store.describe(rows.name, rows.kind, rows.help_text)
        _, all_times, all_values = self._chunks.setdefault(rows.key, (rows, [], []))
        all_times.append(times)
        all_values.append(values)
        self._open.add(rows.key)

    def _end(self, rows: Rows, at: float) -> None:
        if rows.key in self._open:
            self._open.discard(rows.key)
            self._write(rows.key)
            for labels in rows.series:
                self._store.mark_stale(labels, milliseconds(at))

    def _write(self, key: str) -> None:
        if key in self._chunks:
            rows, times, values = self._chunks.pop(key)
            stamps = _stamps(times)
            for labels, column in zip(rows.series, np.concatenate(values).T, strict=True):
                self._store.append(labels, stamps, column)

    def flush(self) -> None:
        """Write everything noted, series by series."""
        for key in list(self._chunks):
            self._write(key)

    def scrape(self, at: float) -> None:
        """Write what was noted, which must be one scrape at ``at``, all series at once."""
        handles: list[int] = []
        values: list[Floats] = []
        for key, (rows, _, columns) in self._chunks.items():
            found = self._handles.get(key)
            if found is None:
                found = self._handles[key] = [self._store.handle(labels) for labels in rows.series]
            handles += found
            values.append(columns[0][0])
        self._chunks.clear()
        if handles:
            self._store.append_row(handles, milliseconds(at), np.concatenate(values))


class PastLedger:
    """The older days: counters are counted back from where the newer ones begin."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chunks: dict[str, tuple[Rows, bool, list[Floats], list[Floats]]] = {}

    def add(self, sheet: Sheet) -> None:
        """Note what happened in a window; windows must come in order."""
        if len(sheet.window):
            seen = np.ones(len(sheet.window), dtype=bool) if sheet.hidden is None else sheet.hidden == 0
            for rows, increments in sheet.counted:
                self._note(rows, True, sheet.window.times, increments)
            for rows, values in sheet.levels:
                self._note(rows, False, sheet.window.times[seen], values[seen])

    def _note(self, rows: Rows, counts: bool, times: Floats, values: Floats) -> None:
        _, _, all_times, all_values = self._chunks.setdefault(rows.key, (rows, counts, [], []))
        all_times.append(times)
        all_values.append(values)

    def write(self, starts: Mapping[str, Floats]) -> None:
        """Prepend everything noted. ``starts``: where the newer counters began; what is not there has ended before."""
        for key, (rows, counts, times, values) in self._chunks.items():
            columns = np.concatenate(values)
            if counts:
                summed = columns.cumsum(axis=0)
                columns = np.maximum(starts.get(key, summed[-1]) - (summed[-1] - summed), 0.0)
            stamps = _stamps(times)
            for labels, column in zip(rows.series, columns.T, strict=True):
                self._store.prepend(labels, stamps, column)
        self._chunks.clear()
