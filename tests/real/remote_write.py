"""Samples written into a real Prometheus bit for bit: its remote-write protocol, the only way in for staleness markers.

The message is protobuf (``prompb.WriteRequest``) in a snappy block. A snappy block may consist of one literal, so
nothing has to be compressed, and every sample of this century takes the same 18 bytes, so numpy writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.real.servers import Server, prometheus

STALE = np.array([0x7FF0000000000002], dtype="<u8").view("<f8")[0]
"""Prometheus' staleness marker: a NaN with a bit pattern of its own."""
FLAGS = ("--web.enable-remote-write-receiver", "--storage.tsdb.min-block-duration=365d")
"""For :func:`tests.real.servers.prometheus`: with blocks as long as this, a past of months is taken in any order."""
_BODY_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """One series with its samples."""

    labels: Mapping[str, str]
    """With ``__name__``."""
    times_ms: NDArray[np.int64]
    """Unix milliseconds, ascending."""
    values: NDArray[np.float64]


def write(server: Server, columns: Iterable[Column]) -> None:
    """Write ``columns`` into a Prometheus that was started with :data:`FLAGS`; it holds them when this returns."""
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
               "X-Prometheus-Remote-Write-Version": "0.1.0"}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60.0, headers=headers) as client:
        for body in _bodies(columns):
            answer = client.post("/api/v1/write", content=_snappy(body))
            assert answer.status_code == 204, f"{answer.status_code}: {answer.text}"


def _bodies(columns: Iterable[Column]) -> Iterator[bytes]:
    parts: list[bytes] = []
    for column in columns:
        if len(column.times_ms):
            parts.append(_field(1, _series(column)))
        if sum(map(len, parts)) > _BODY_BYTES:
            yield b"".join(parts)
            parts = []
    if parts:
        yield b"".join(parts)


def _series(column: Column) -> bytes:
    labels = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode()))
                      for name, value in sorted(column.labels.items()) if value)
    return labels + _samples(column.times_ms, column.values)


def _samples(times_ms: NDArray[np.int64], values: NDArray[np.float64]) -> bytes:
    # A varint of six bytes: from the year 1971 to 2109.
    assert times_ms.min() >= 1 << 35
    assert times_ms.max() < 1 << 42
    rows = np.empty((len(times_ms), 18), np.uint8)
    rows[:, 0:3] = (0x12, 16, 0x09)
    rows[:, 3:11] = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
    rows[:, 11] = 0x10
    for byte in range(6):
        rows[:, 12 + byte] = (times_ms >> (7 * byte)) & 0x7F | (0x80 if byte < 5 else 0)
    return rows.tobytes()


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _snappy(body: bytes) -> bytes:
    # 63 << 2: a literal whose length less one follows in four bytes.
    return _varint(len(body)) + bytes([63 << 2]) + (len(body) - 1).to_bytes(4, "little") + body


@contextmanager
def holding(folder: Path, columns: Iterable[Column]) -> Iterator[Server]:
    """A Prometheus that scrapes nothing and holds ``columns``. Raises :class:`~tests.real.servers.ServerMissing`."""
    with prometheus(folder, {"global": {"scrape_interval": "1h"}}, flags=FLAGS) as server:
        write(server, columns)
        yield server
