"""``HaproxyClient``: asks the runtime API of an HAProxy over its Unix or TCP socket: one command, one connection.

No library speaks it that is kept up; the protocol is one line there and text back until the connection is closed. The
table of ``show stat`` is CSV, read by the standard library.
"""

from __future__ import annotations

import asyncio
import csv
import errno
from dataclasses import dataclass
from pathlib import Path

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import HaproxySocket
from triage.facts.outcome import Failure, FailureKind
from triage.sources.breaker import Breaker
from triage.sources.failures import shape_failure
from triage.text import clean

NAME = "haproxy"
MOST_BYTES = 4 * 2**20
_PERMISSION = "Permission denied"
_UNKNOWN = "Unknown command"


class NotConnected(OSError):
    """No byte of the command left."""


@dataclass(frozen=True, slots=True)
class ServerLine:
    """One server of a backend, as ``show stat`` and ``show servers state`` tell it. Texts are cleaned."""

    name: str
    status: str
    """``UP``, ``UP 1/2``, ``no check``, ``DRAIN``, ``MAINT``, ``DOWN`` ..."""
    weight: int
    """In force, 0 to 256."""
    initial: int
    """As the configuration has it: what 100 % is."""
    backup: bool
    sessions: int

    @property
    def ready(self) -> bool:
        """Whether it would serve if it had a weight. A server drained by hand keeps its weight, and would not."""
        return self.serves or (self.status.startswith("DRAIN") and self.weight == 0)

    @property
    def serves(self) -> bool:
        """Whether requests go to it by its weight."""
        return self.status.startswith(("UP", "no check"))


@dataclass(frozen=True, slots=True)
class BackendLines:
    """One backend."""

    name: str
    algorithm: str
    """``roundrobin``, ``source`` ...; "" where the socket may not tell it (below level operator)."""
    servers: tuple[ServerLine, ...]


class HaproxyClient:
    """One HAProxy. Raises nothing: trouble is a :class:`Failure`."""

    def __init__(self, configured: HaproxySocket, active: Active, clock: Clock) -> None:
        self.breaker = Breaker(clock)
        self.timeout = configured.timeout
        self._path: Path | None = None if configured.socket is None else active.beside_config(configured.socket)
        self._address = configured.address or ""

    @property
    def where(self) -> str:
        """The socket, cleaned."""
        return clean(self._path if self._path is not None else self._address, limit=200)

    async def backend(self, name: str) -> BackendLines | Failure:
        """One backend with its servers."""
        answers = await asyncio.gather(self._ask("show stat"), self._ask(f"show servers state {name}"))
        stat, state = answers
        if isinstance(stat, Failure) or isinstance(state, Failure):
            return stat if isinstance(stat, Failure) else state if isinstance(state, Failure) else shape_failure("")
        try:
            return parse_backend(name, stat, state)
        except LookupError as error:
            return Failure(FailureKind.NOT_FOUND, str(error.args[0]), "check rollout.name and rollout.servers in the "
                           "manifest, and haproxy in triage.yaml", 404)
        except ValueError as error:
            return shape_failure(f"{self.where} does not answer as HAProxy: {error}")

    async def level(self) -> str | Failure:
        """What this socket may do: ``user``, ``operator`` or ``admin``."""
        answer = await self._ask("show cli level")
        return answer if isinstance(answer, Failure) else clean(answer.replace("#", "").strip(), limit=40)

    async def exchange(self, command: str) -> str:
        """Send one command, once; its answer as it came.

        Raises :class:`NotConnected` when it cannot have been done, else OSError, TimeoutError or ValueError.
        """
        async with asyncio.timeout(self.timeout):
            try:
                reader, writer = await self._connected()
            except (OSError, TimeoutError) as error:
                raise NotConnected(getattr(error, "errno", None), _why(error)) from None
            try:
                writer.write(f"{command}\n".encode())
                await writer.drain()
                body = await reader.read(MOST_BYTES)
                while piece := await reader.read(MOST_BYTES):
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise ValueError("the answer is too large")
            finally:
                writer.close()
        if not body:
            # HAProxy's silence is an empty line. Without it the connection was cut.
            raise ConnectionError("the connection was closed without an answer")
        return body.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """Every command has a connection of its own: nothing is open."""

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._path is not None:
            return await asyncio.open_unix_connection(str(self._path))
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))

    async def _ask(self, command: str) -> str | Failure:
        if not self.breaker.allow():
            return Failure(FailureKind.CIRCUIT_OPEN, f"{self.where} was not asked: it failed just before")
        try:
            answer = await self.exchange(command)
        except (OSError, TimeoutError, ValueError) as error:
            kind = FailureKind.TIMEOUT if isinstance(error, TimeoutError) else FailureKind.CONNECT
            self.breaker.record_failure(kind)
            return Failure(kind, f"{self.where}: {_why(error)}", "is HAProxy up, and may you use its socket (stats "
                           "socket in haproxy.cfg)?")
        self.breaker.record_success()
        if answer.startswith((_PERMISSION, _UNKNOWN)):
            return Failure(FailureKind.FORBIDDEN, f"HAProxy refuses {command}: {clean(answer.strip(), limit=120)}",
                           "give the socket the level operator (admin to act)", 403)
        return answer


def parse_backend(name: str, stat: str, state: str) -> BackendLines:
    """A backend of the answers to ``show stat`` and ``show servers state``.

    Raises LookupError when there is none of that name, ValueError when the answers are none of HAProxy's.
    """
    rows = list(csv.DictReader(stat.lstrip("# ").strip().splitlines()))
    if not rows or not {"pxname", "svname", "status", "weight"} <= set(rows[0]):
        raise ValueError("no table of statistics")
    of_it = [row for row in rows if row["pxname"] == name]
    if not any(row["svname"] == "BACKEND" for row in of_it):
        raise LookupError(f"HAProxy has no backend {clean(name, limit=80)}")
    initial = _initial(state)
    servers = []
    for row in of_it:
        if row["svname"] in ("BACKEND", "FRONTEND"):
            continue
        # weight is that in force while a server starts slowly, uweight the one that was set (since 2.0).
        weight = int(row.get("uweight") or row["weight"] or 0)
        servers.append(ServerLine(
            clean(row["svname"], limit=100), clean(row["status"] or "", limit=40), weight,
            initial.get(row["svname"], weight), row.get("bck") == "1", int(row.get("scur") or 0)))
    backend = next(row for row in of_it if row["svname"] == "BACKEND")
    return BackendLines(clean(name, limit=100), clean(backend.get("algo") or "", limit=40), tuple(servers))


def _initial(state: str) -> dict[str, int]:
    lines = state.splitlines()
    header = next((line.lstrip("# ").split() for line in lines if line.startswith("#")), None)
    if header is None or "srv_name" not in header or "srv_iweight" not in header:
        raise ValueError("no state of servers")
    name, weight = header.index("srv_name"), header.index("srv_iweight")
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {row[name]: int(row[weight]) for row in rows if len(row) > max(name, weight)}


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = getattr(error, "errno", None)
    said = {errno.ENOENT: "there is no such socket", errno.EACCES: "its socket may not be used by you",
            errno.ECONNREFUSED: "nothing listens there"}.get(number or 0)
    return said or clean(getattr(error, "strerror", None) or error or type(error).__name__, limit=120)
