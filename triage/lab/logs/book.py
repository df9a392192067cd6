"""The log lines of the world: ordered by time whatever the order they come in, and bounded in number."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

DEFAULT_MAX_LINES = 200_000


@dataclass(slots=True, eq=False)
class Stream:
    """Lines with the same labels."""

    labels: Mapping[str, str]
    count: int = 0
    """How many of its lines are held."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    time_ns: int
    """Nanoseconds since the Unix epoch."""
    stream: Stream
    text: str

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of its stream."""
        return self.stream.labels


class LogBook:
    """The newest ``max_lines`` lines of all streams together. Safe to write from one thread and read from another."""

    def __init__(self, max_lines: int = DEFAULT_MAX_LINES) -> None:
        if max_lines < 1:
            raise ValueError(f"a log book of {max_lines} lines holds nothing: give at least 1")
        self._max_lines = max_lines
        self._streams: dict[frozenset[tuple[str, str]], Stream] = {}
        self._lines: list[Line] = []
        self._dropped = 0
        """How many lines at the start of the list are gone; deleting one would move all the others."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._lines) - self._dropped

    def append(self, labels: Mapping[str, str], time_ns: int, line: str) -> None:
        """Add a line. Of the same time, the one that came later is the later one; the oldest goes when full."""
        key = frozenset(labels.items())
        with self._lock:
            stream = self._streams.get(key)
            if stream is None:
                stream = self._streams[key] = Stream(dict(labels))
            stream.count += 1
            added = Line(time_ns, stream, line)
            if not self._lines or self._lines[-1].time_ns <= time_ns:
                self._lines.append(added)
            else:
                insort_right(self._lines, added, lo=self._dropped, key=_time)
            if len(self) > self._max_lines:
                self._drop_oldest()

    def search(self, wanted: Callable[[Mapping[str, str]], bool], start_ns: int, end_ns: int, *,
               newest_first: bool = True) -> Iterator[Line]:
        """Lines of the streams whose labels are ``wanted``, from ``start_ns`` on and before ``end_ns``, in order."""
        lines = self._between(start_ns, end_ns)
        decided: dict[Stream, bool] = {}
        for line in reversed(lines) if newest_first else lines:
            stream = line.stream
            if stream not in decided:
                decided[stream] = wanted(stream.labels)
            if decided[stream]:
                yield line

    def streams(self, start_ns: int, end_ns: int) -> list[Mapping[str, str]]:
        """The labels of every stream with a line from ``start_ns`` on and before ``end_ns``."""
        return [stream.labels for stream in dict.fromkeys(line.stream for line in self._between(start_ns, end_ns))]

    def _between(self, start_ns: int, end_ns: int) -> list[Line]:
        with self._lock:
            first = bisect_left(self._lines, start_ns, lo=self._dropped, key=_time)
            return self._lines[first:bisect_left(self._lines, end_ns, lo=first, key=_time)]

    def _drop_oldest(self) -> None:
        stream = self._lines[self._dropped].stream
        stream.count -= 1
        if not stream.count:
            del self._streams[frozenset(stream.labels.items())]
        self._dropped += 1
        if self._dropped * 4 > self._max_lines:
            del self._lines[:self._dropped]
            self._dropped = 0


def _time(line: Line) -> int:
    return line.time_ns
