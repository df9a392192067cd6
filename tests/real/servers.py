"""Real servers on loopback: Prometheus, Alertmanager, MLflow, HAProxy, our exporter, each ended by its own process id.

Every server is a context manager. It gets a free port and a folder of its own, is polled until it answers, and is ended
(terminate, wait, kill) however the block is left. Its log stays in its folder and is part of the error when it fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0
MLFLOW_START_SECONDS = 90.0
"""It makes its database's tables first, one migration after the other."""
STOP_SECONDS = 8.0
_POLL_SECONDS = 0.03


class ServerMissing(Exception):
    """A program is not installed on this machine."""


class ServerFailed(Exception):
    """A server ended or did not answer in time; the message holds the end of its log."""


def binary(*names: str) -> str:
    """Path of the first of ``names`` that is installed. Raises :class:`ServerMissing`."""
    # Debian keeps servers in sbin, which is not on every user's PATH.
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        found = shutil.which(name, path=places)
        if found:
            return found
    raise ServerMissing(f"{' or '.join(names)} is not installed")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    name: str
    url: str
    """Base URL, with its path prefix."""
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    def log_tail(self, characters: int = 4000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def stop(self) -> None:
        """End it. Doing so twice is harmless."""
        if self.process.poll() is None:
            # A stopped (frozen) process would not see the request to end.
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        RUNNING.pop(self.process.pid, None)

    def freeze(self) -> None:
        """Let it hang: connections are taken, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        # It stops some time after the signal is sent, and may answer until then.
        tasks = Path(f"/proc/{self.process.pid}/task")
        while any(_state(task) != "T" for task in tasks.iterdir()):
            time.sleep(0.01)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


RUNNING: dict[int, Server] = {}
"""Servers by process id, for reports of failures."""


def _state(task: Path) -> str:
    """Of a thread, as the kernel's one letter."""
    return (task / "stat").read_text().rpartition(") ")[2][0]


def free_port() -> int:
    """A port that nobody listens on just now."""
    port, = free_ports(1)
    return port


def free_ports(number: int) -> list[int]:
    """So many different ones: one after another, the system may give the same twice."""
    with ExitStack() as open_sockets:
        probes = [open_sockets.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return 200 <= int(answer.status) < 300
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def _tied_to_parent(command: Sequence[str]) -> list[str]:
    """``command`` so that the kernel ends it with this process, where the system can."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else list(command)


@contextmanager
def running(name: str, command: Callable[[int], Sequence[str]], folder: Path, *, ready: str, prefix: str = "",
            environ: Mapping[str, str] | None = None, start_seconds: float = START_SECONDS) -> Iterator[Server]:
    """Start ``command(port)`` and wait until ``ready`` (a path under the prefix, or a whole URL) answers 2xx."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    server: Server | None = None
    for _ in range(3):
        port = free_port()
        with log.open("ab") as stream:
            # A session of its own: ctrl-c belongs to whoever uses the servers, who then ends them in order.
            process = subprocess.Popen(_tied_to_parent(command(port)), stdin=subprocess.DEVNULL, stdout=stream,
                                       stderr=stream, cwd=folder, start_new_session=True,
                                       env=None if environ is None else {**os.environ, **environ})
        server = Server(name, f"http://127.0.0.1:{port}{prefix}", folder, process, log)
        RUNNING[process.pid] = server
        try:
            if _wait(server, ready if ready.startswith("http") else server.url + ready, start_seconds):
                break
        except BaseException:
            server.stop()
            raise
        server.stop()
    else:
        raise ServerFailed(f"{name} found no free port\n{server.log_tail() if server else ''}")
    try:
        yield server
    finally:
        server.stop()


def _wait(server: Server, url: str, seconds: float) -> bool:
    """True when it answers, False when somebody else took its port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            if "address already in use" in server.log_tail().lower():
                return False
            raise ServerFailed(f"{server.name} ended with status {server.process.returncode}\n{server.log_tail()}")
        if _answers(url):
            return True
        time.sleep(_POLL_SECONDS)
    raise ServerFailed(f"{server.name} did not answer at {url} within {seconds:g} s\n{server.log_tail()}")


def wait_for(condition: Callable[[], bool], what: str, *watched: Server, seconds: float = START_SECONDS) -> None:
    """Poll until ``condition`` holds. Raises :class:`ServerFailed` naming ``what`` with the logs of ``watched``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            logs = "".join(f"\n--- {s.name}\n{s.log_tail()}" for s in watched)
            raise ServerFailed(f"no {what} within {seconds:g} s{logs}")
        time.sleep(_POLL_SECONDS)


@contextmanager
def prometheus(folder: Path, config: Mapping[str, Any], *, tsdb: Path | None = None, flags: Sequence[str] = (),
               prefix: str = "") -> Iterator[Server]:
    """Prometheus with ``config`` (the content of prometheus.yml) and, if given, a database with history.

    ``prefix`` is the route prefix, such as ``/prom``. Raises :class:`ServerMissing` and :class:`ServerFailed`.
    """
    program = binary("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(dict(config), allow_unicode=False), encoding="utf-8")
    database = tsdb or folder / "tsdb"

    def command(port: int) -> list[str]:
        return [program, f"--config.file={file}", f"--storage.tsdb.path={database}",
                # History lies up to a month back, and nothing of it may be dropped.
                "--storage.tsdb.retention.time=400d", f"--web.listen-address=127.0.0.1:{port}",
                f"--web.route-prefix={prefix or '/'}", "--web.enable-lifecycle", "--log.level=warn",
                # Soon after Alertmanager is found, instead of after a minute.
                "--rules.alert.resend-delay=2s", *flags]

    with running("prometheus", command, folder, ready="/-/ready", prefix=prefix) as server:
        yield server


@contextmanager
def alertmanager(folder: Path, config: Mapping[str, Any], *, prefix: str = "") -> Iterator[Server]:
    """Alertmanager with ``config`` (the content of alertmanager.yml), without a cluster."""
    program = binary("prometheus-alertmanager", "alertmanager")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")

    def command(port: int) -> list[str]:
        return [program, f"--config.file={file}", f"--storage.path={folder / 'data'}", "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{port}", f"--web.route-prefix={prefix or '/'}", "--log.level=warn"]

    with running("alertmanager", command, folder, ready="/-/ready", prefix=prefix) as server:
        yield server


@contextmanager
def mlflow(folder: Path) -> Iterator[Server]:
    """MLflow's tracking server with its registry, on a new SQLite database.

    Raises :class:`ServerMissing` when the extra ``real`` is not installed beside the tests.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise ServerMissing("MLflow is not installed (pip install -e '.[dev,real]')")
    folder.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
                "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
                "--workers", "1"]

    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true",
             # Seven worker processes for evaluations that nobody asks for.
             "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with running("mlflow", command, folder, ready="/health", environ=quiet,
                 start_seconds=MLFLOW_START_SECONDS) as server:
        yield server


@contextmanager
def exporter(folder: Path, world: str, epoch: float) -> Iterator[Server]:
    """The exporter of :mod:`tests.real.exporter` as a process of its own; ``world`` names what it exposes."""
    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "tests.real.exporter", "--world", world, "--epoch", repr(epoch),
                "--port", str(port)]

    path = os.pathsep.join(p for p in (str(PROJECT), os.environ.get("PYTHONPATH", "")) if p)
    with running("exporter", command, folder, ready="/ready", environ={"PYTHONPATH": path}) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Proxies:
    """Reverse proxies in front of one server, by what they do to it."""

    server: Server
    urls: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.urls[name]


PROXY_USER = "oncall"
PROXY_PASSWORD = "open sesame: ü"
_BAD_GATEWAY = ("HTTP/1.0 502 Bad Gateway\r\nConnection: close\r\nContent-Type: text/html\r\n"
                "\r\n<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n"
                "</body></html>\n")

_RULES: Mapping[str, str] = {
    "plain": "default_backend server",
    "readonly": "http-request deny deny_status 405 if METH_POST\n  default_backend server",
    "forbidding": "http-request deny deny_status 403 if METH_POST\n  default_backend server",
    "prefix": ("http-request deny deny_status 404 unless { path_beg /team/prom/ }\n"
               r"  http-request replace-path /team/prom/(.*) /\1" "\n  default_backend server"),
    "auth": "http-request auth realm metrics unless { http_auth(people) }\n  default_backend server",
    "gone": "default_backend nobody",
    # In HTTP mode a complete request ends the wait at once; in TCP mode nothing does.
    "slow": ("mode tcp\n  tcp-request inspect-delay {delay_ms}ms\n  tcp-request content accept if WAIT_END\n"
             "  default_backend raw"),
    "impatient": "default_backend hurried",
    "login": ('http-request return status 200 content-type "text/html; charset=utf-8" '
              'string "<html><title>Sign in</title></html>"'),
    "redirect": "http-request redirect code 302 location http://127.0.0.1:9/login",
    "throttled": "http-request deny deny_status 429",
}


@contextmanager
def haproxy(folder: Path, backend: str, *, delay_seconds: float = 1.5) -> Iterator[Proxies]:
    """HAProxy with one address for each kind of proxy in front of ``backend`` (``127.0.0.1:port``).

    ``plain``; ``readonly`` (405 to POST) and ``forbidding`` (403); ``prefix`` (under ``/team/prom``); ``auth`` (basic);
    ``gone`` (502 with a web page, as do all the others once the backend has ended); ``slow`` (the first answer on a
    connection is late by ``delay_seconds``); ``impatient`` (gives up on the backend after 50 ms: 504); ``login`` (a web
    page with status 200); ``redirect``; ``throttled`` (429).
    """
    program = binary("haproxy")
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "502.http"
    page.write_text(_BAD_GATEWAY)
    ports = dict(zip(_RULES, free_ports(len(_RULES)), strict=True))

    def command(port: int) -> list[str]:
        sections = ["global\n  log stdout format raw local0 warning\n",
                    f'userlist people\n  user {PROXY_USER} insecure-password "{PROXY_PASSWORD}"\n',
                    "defaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n"
                    f"  retries 0\n  errorfile 503 {page}\n",
                    f"frontend health\n  bind 127.0.0.1:{port}\n  monitor-uri /ready\n",
                    f"backend server\n  server one {backend}\n",
                    f"backend raw\n  mode tcp\n  server one {backend}\n",
                    f"backend hurried\n  timeout server 50ms\n  server one {backend}\n",
                    # Port 9 (discard) has no listener on a machine of this century.
                    "backend nobody\n  server one 127.0.0.1:9\n"]
        sections += [f"frontend {name}\n  bind 127.0.0.1:{ports[name]}\n  "
                     f"{rule.replace('{delay_ms}', str(int(delay_seconds * 1000)))}\n" for name, rule in _RULES.items()]
        file = folder / "haproxy.cfg"
        file.write_text("\n".join(sections), encoding="utf-8")
        return [program, "-f", str(file), "-db"]

    with running("haproxy", command, folder, ready="/ready") as server:
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        urls["prefix"] += "/team/prom"
        yield Proxies(server, urls)
