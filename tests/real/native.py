"""Native histograms on the wire: Prometheus' protobuf exposition, the only one that carries them.

Written by hand because the few fields needed (``io.prometheus.client.MetricFamily``, from client_model's
``metrics.proto``) do not pay for a protobuf compiler among the test dependencies.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
_HISTOGRAM = 4
_VARINT, _FIXED64, _BYTES = 0, 1, 2


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if not value:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | _FIXED64) + struct.pack("<d", value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def family(name: str, labels: Mapping[str, str], first_bucket: int, counts: Sequence[int], total: float) -> bytes:
    """One native histogram of schema 0: bucket ``i`` holds the observations in ``(2**(i-1), 2**i]``.

    ``counts`` are those of the buckets from ``first_bucket`` on, ``total`` the sum of all observations.
    """
    pairs = b"".join(_message(1, _message(1, k.encode()) + _message(2, v.encode())) for k, v in labels.items())
    deltas = [b - a for a, b in zip([0, *counts], counts, strict=False)]
    span = _integer(1, _zigzag(first_bucket)) + _integer(2, len(counts))
    histogram = (_integer(1, sum(counts)) + _double(2, total) + _integer(5, _zigzag(0)) + _double(6, 1e-9)
                 + _integer(7, 0) + _message(12, span) + b"".join(_integer(13, _zigzag(d)) for d in deltas))
    content = (_message(1, name.encode()) + _message(2, b"Native.") + _integer(3, _HISTOGRAM)
               + _message(4, pairs + _message(7, histogram)))
    return _varint(len(content)) + content
