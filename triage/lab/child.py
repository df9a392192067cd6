"""The lab as a child process: started in a few milliseconds, reached over loopback, gone when its parent is gone.

The parent opens the listening socket and hands it down, so that the address is known at once and the first request
waits in the socket's queue, not in a loop that tries again and again.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from types import TracebackType

from triage.lab.clock import LabClock
from triage.lab.folder import PrivateFolder

FEATURES = ("promql-experimental-functions",)
"""What ``--enable-feature`` of Prometheus names and the lab knows."""
TOKENS_VARIABLE = "TRIAGE_LAB_TOKENS"
"""Environment variable by which the child gets its bearer tokens: command lines can be read by everybody."""
_BACKLOG = 128
_STOP_SECONDS = 2.0
_COMPLETE_SECONDS = 60.0
_LOG_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Birth:
    """What the child is told."""

    scenario: str
    clock: LabClock
    seed: int | None = None
    """None: the scenario's own."""
    features: tuple[str, ...] = ()
    """Prometheus' features that its Prometheus has (:data:`FEATURES`)."""

    def arguments(self) -> list[str]:
        """As arguments of ``python -m triage.lab.serve``."""
        out = ["--scenario", self.scenario, "--starts-at", repr(self.clock.starts_at),
               "--anchor", repr(self.clock.anchor), "--speed", repr(self.clock.speed)]
        out += [part for feature in self.features for part in ("--enable-feature", feature)]
        return out if self.seed is None else [*out, "--seed", str(self.seed)]


class LabProcess:
    """A running lab. Leaving the ``with`` block ends it; so does the end of this process, in whatever way."""

    def __init__(self, birth: Birth, port: int = 0) -> None:
        """Start it on ``port`` of loopback, 0 for any free one. Raises :class:`OSError` when the port is taken."""
        self.birth = birth
        self.token, self.read_token, self.second_token = (secrets.token_urlsafe(24) for _ in range(3))
        """Bearer tokens: of somebody who may change the world, of somebody who may not, and of another who may."""
        self._folder = PrivateFolder()
        self.folder = self._folder.path
        """A private folder (mode 0700) that goes with the process."""
        self._log = self.folder / "lab.log"
        try:
            self.url, self._process = self._start(port)
        except BaseException:
            self._folder.remove()
            raise

    def _start(self, port: int) -> tuple[str, subprocess.Popen[bytes]]:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", port))
            listening.listen(_BACKLOG)
            environment = {**os.environ, TOKENS_VARIABLE: f"{self.token} {self.read_token} {self.second_token}"}
            with self._log.open("wb") as log:
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", "triage.lab.serve", "--fd", str(listening.fileno()), "--with-parent",
                     str(self.folder), *self.birth.arguments()],
                    stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=(listening.fileno(),), env=environment,
                    # Keys that the terminal turns into signals are for the parent.
                    start_new_session=True)
            return f"http://127.0.0.1:{listening.getsockname()[1]}", process

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def failure(self) -> str | None:
        """The end of its log when it has ended by itself, None while it runs."""
        if self._process.poll() is None:
            return None
        return self._log.read_text(errors="replace")[-_LOG_CHARACTERS:].strip() or f"status {self._process.returncode}"

    def silence(self, system: str, how: str | None) -> None:
        """Let a system (``prometheus``) fall silent: ``refuse``, ``hang``, or None to let it answer again."""
        self._own(f"/lab/silent/{system}" + (f"?how={how}" if how else ""), "PUT" if how else "DELETE", _STOP_SECONDS)

    def forward(self, seconds: int) -> None:
        """Let a world whose clock stands live on for so long. Raises :class:`OSError` when it does not stand."""
        self._own(f"/lab/clock?forward={seconds}", "PUT", _COMPLETE_SECONDS)

    def wait_until_complete(self) -> None:
        """Until all of the past is there. Raises :class:`OSError` when the lab ended or takes too long."""
        self._own("/lab/complete", "GET", _COMPLETE_SECONDS)

    def _own(self, path: str, method: str, timeout_seconds: float) -> None:
        request = urllib.request.Request(  # noqa: S310
            self.url + path, method=method, headers={"Authorization": f"Bearer {self.token}"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=timeout_seconds):
            pass

    def stop(self) -> None:
        """End it and remove its folder. Doing so twice is harmless."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.remove()

    def __enter__(self) -> LabProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()
