"""``python -m tests.real.exporter``: exposes the formulas of a world as ``/JOB/metrics``, in the present.

``POST /JOB/down`` and ``POST /JOB/up`` take one target away and bring it back.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from tests.real import native, worlds
from tests.real.truth import Line, NativeLine, Target

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(lines: Iterable[Line], at: float, epoch: float) -> str:
    """Prometheus text format of ``lines`` at ``at`` seconds from ``epoch``."""
    moment = np.array([at])
    families: dict[str, list[str]] = {}
    for line in lines:
        if line.exists(at):
            rows = families.setdefault(line.family, [f"# TYPE {line.family} {line.kind}"])
            value = float(line.value(moment)[0]) + (epoch if line.unix_time else 0.0)
            rows.append(f"{line.key()} {_number(value)}")
    return "".join(f"{row}\n" for rows in families.values() for row in rows)


def native_exposition(line: NativeLine, at: float) -> bytes:
    """Prometheus protobuf format of ``line`` at ``at`` seconds from the epoch. Buckets hold whole events."""
    events = float(line.flow.total(np.array([at]))[0])
    counts = [int(events * share) for share in line.shares]
    total = sum(n * 0.75 * 2.0 ** (line.first_bucket + i) for i, n in enumerate(counts))
    return native.family(line.name, line.labels, line.first_bucket, counts, total)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("+Inf" if value > 0 else "-Inf") if math.isinf(value) else repr(value)


class Exporter(ThreadingHTTPServer):
    """Serves the targets of one world."""

    daemon_threads = True

    def __init__(self, port: int, targets: Iterable[Target], epoch: float) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.targets = {t.job: t for t in targets}
        self.epoch = epoch
        self.down: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Exporter
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ready":
            self._answer(200, "ready\n")
            return
        job, _, rest = self.path.strip("/").partition("/")
        target = self.server.targets.get(job)
        if target is None or rest != "metrics":
            self._answer(404, "no such target\n")
            return
        at = time.time() - self.server.epoch
        if job in self.server.down or at > target.up_until:
            self._answer(503, "gone\n")
            return
        if target.native and "protobuf" in self.headers.get("Accept", ""):
            body = b"".join(native_exposition(line, at) for line in target.native)
            self._answer(200, body, native.CONTENT_TYPE)
            return
        self._answer(200, exposition(target.lines, at, self.server.epoch))

    def do_POST(self) -> None:
        job, _, wish = self.path.strip("/").partition("/")
        if job not in self.server.targets or wish not in ("up", "down"):
            self._answer(404, "no such target\n")
            return
        (self.server.down.add if wish == "down" else self.server.down.discard)(job)
        self._answer(200, f"{job} is {wish}\n")

    def _answer(self, status: int, content: str | bytes, content_type: str = CONTENT_TYPE) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes come every second; a log of them tells nothing."""


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", required=True, choices=sorted(worlds.WORLDS))
    parser.add_argument("--epoch", type=float, required=True, help="Unix time that the formulas count from")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    world = worlds.WORLDS[options.world]()
    with Exporter(options.port, world.targets, options.epoch) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
