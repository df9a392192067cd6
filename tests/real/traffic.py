"""``python -m tests.real.traffic``: a model server with counters; and HAProxy and requests in front of several of them.

The server answers ``/predict`` with 200, or with 500 after ``POST /worse`` until ``POST /better``; ``/metrics`` counts.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.real.servers import PROJECT, Server, binary, free_ports, running


class ModelServer(ThreadingHTTPServer):
    """One version of a model."""

    daemon_threads = True

    def __init__(self, port: int, model: str, version: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.labels = f'model="{model}",model_version="{version}"'
        self.fails = False
        self.counts = Counter({"200": 0, "500": 0})
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/predict":
            code = 500 if self.server.fails else 200
            with self.server.lock:
                self.server.counts[str(code)] += 1
            self._answer(code, "0.5\n")
            return
        rows = "".join(f'requests_total{{{self.server.labels},code="{code}"}} {count}\n'
                       for code, count in self.server.counts.items())
        self._answer(200, f"# TYPE requests_total counter\n{rows}")

    def do_POST(self) -> None:
        self.server.fails = self.path == "/worse"
        self._answer(200, "")

    def _answer(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Thousands of requests would fill the log."""


@contextmanager
def model_server(folder: Path, model: str, version: str) -> Iterator[Server]:
    """One version of ``model`` as a process of its own."""
    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "tests.real.traffic", "--model", model, "--version", version, "--port", str(port)]

    path = os.pathsep.join(p for p in (str(PROJECT), os.environ.get("PYTHONPATH", "")) if p)
    with running(f"model-{version}", command, folder, ready="/ready", environ={"PYTHONPATH": path}) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Balancer:
    """HAProxy in front of servers, with its runtime API."""

    server: Server
    url: str
    socket: Path
    address: str
    """The runtime API again, over TCP."""


@contextmanager
def balancer(folder: Path, weights: Mapping[str, tuple[Server, int]], *, balance: str = "roundrobin",
             level: str = "admin") -> Iterator[Balancer]:
    """HAProxy with one backend ``fraud`` of servers with weights. Raises :class:`~tests.real.servers.ServerMissing`."""
    program = binary("haproxy")
    folder.mkdir(parents=True, exist_ok=True)
    socket = folder / "admin.sock"
    front, runtime = free_ports(2)
    lines = "\n".join(f"  server {name} {urlsplit(server.url).netloc} check inter 200ms weight {weight}"
                      for name, (server, weight) in weights.items())

    def command(port: int) -> list[str]:
        file = folder / "haproxy.cfg"
        file.write_text(f"""
global
  log stdout format raw local0 warning
  stats socket {socket} mode 600 level {level}
  stats socket ipv4@127.0.0.1:{runtime} level {level}
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend health
  bind 127.0.0.1:{port}
  monitor-uri /ready
frontend in
  bind 127.0.0.1:{front}
  default_backend fraud
backend fraud
  balance {balance}
{lines}
""", encoding="utf-8")
        return [program, "-f", str(file), "-db"]

    with running("haproxy", command, folder, ready="/ready") as server:
        yield Balancer(server, f"http://127.0.0.1:{front}", socket, f"127.0.0.1:{runtime}")


@dataclass
class Load:
    """Requests to one address, from several threads, until it is ended."""

    url: str
    pause_seconds: float = 0.04
    """Between two requests of one thread; may be changed while it runs."""
    threads: int = 2
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def under_way(self) -> Iterator[Load]:
        """Requests are sent while the block runs."""
        with ExitStack() as stack:
            for _ in range(self.threads):
                thread = threading.Thread(target=self._send, daemon=True)
                thread.start()
                stack.callback(thread.join, 10.0)
            stack.callback(self._end.set)
            yield self

    def _send(self) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=5.0)
        while not self._end.wait(self.pause_seconds):
            try:
                connection.request("GET", "/predict")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one version until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.traffic", description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    ModelServer(options.port, options.model, options.version).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
