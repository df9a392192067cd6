"""A raw asyncio server that answers as badly as one asks it to, and counts what reached it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

CLOSE = object()
"""Returned by a handler that wants the connection closed after what it wrote."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def fields(self) -> dict[str, list[str]]:
        """Fields of the form, or of the query string."""
        return parse_qs(self.body.decode() if self.method == "POST" else urlsplit(self.target).query)


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[object]]


@dataclass
class FaultServer:
    """Serves ``handler`` on loopback; ``async with`` starts and ends it, with everything that hangs in it."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    accepted: int = 0
    requests: list[Request] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    port: int = 0

    async def __aenter__(self) -> FaultServer:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        # What was aborted is closed some turns of the loop later.
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            while (request := await _read(reader, writer)) is not None:
                self.requests.append(request)
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                try:
                    done = await self.handler(request, writer)
                finally:
                    self.under_way -= 1
                await writer.drain()
                if done is CLOSE:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(Exception):
                writer.transport.abort()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        first = await reader.readexactly(1)
        if first == b"\x16":  # A TLS greeting at a plain port: what most servers say to that.
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return None
        head = first + await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def head(status: int, length: int | None, headers: Mapping[str, str] | None = None) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {status} X"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answering(status: int, body: bytes | str = b"", content_type: str = "application/json",
              headers: Mapping[str, str] | None = None) -> Handler:
    """A complete answer, always the same."""
    payload = body.encode() if isinstance(body, str) else body

    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        writer.write(head(status, len(payload), {"Content-Type": content_type, **(headers or {})}) + payload)
        return None
    return handle


def json_answer(document: Any, status: int = 200) -> Handler:
    """``document`` as JSON."""
    return answering(status, json.dumps(document))


VECTOR = {"status": "success", "data": {"resultType": "vector", "result": [
    {"metric": {"__name__": "up", "job": "a"}, "value": [1795400000.5, "1"]}]}}
MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": [
    {"metric": {"job": "a"}, "values": [[1795400000, "1"], [1795400060, "2"]]}]}}
ALERTS = {"status": "success", "data": {"alerts": [
    {"labels": {"alertname": "Slow"}, "annotations": {}, "state": "pending", "activeAt": "2026-11-23T10:00:00Z",
     "value": "1e+00"}]}}
AM_ALERTS = [{"labels": {"alertname": "Slow"}, "annotations": {}, "fingerprint": "abc",
              "startsAt": "2026-11-23T10:00:00Z", "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}}]
GOOD: Mapping[str, Any] = {"/api/v1/query": VECTOR, "/api/v1/query_range": MATRIX, "/api/v1/alerts": ALERTS,
                           "/api/v2/alerts": AM_ALERTS}


async def good(request: Request, writer: asyncio.StreamWriter) -> object:
    """What a healthy server answers at each path."""
    found = GOOD.get(request.path)
    if found is None:
        return await answering(404, "404 page not found\n", "text/plain")(request, writer)
    return await json_answer(found)(request, writer)


async def hang(request: Request, writer: asyncio.StreamWriter) -> object:
    """Takes the request and never answers."""
    await asyncio.Event().wait()
    return CLOSE


async def trickle(request: Request, writer: asyncio.StreamWriter) -> object:
    """Sends a byte every 20 ms: each read succeeds, the whole never ends."""
    writer.write(head(200, 1_000_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def close_at_once(request: Request, writer: asyncio.StreamWriter) -> object:
    """Closes without an answer."""
    return CLOSE


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def reset_at_once(request: Request, writer: asyncio.StreamWriter) -> object:
    """A TCP reset in place of an answer."""
    _reset(writer)
    return CLOSE


async def reset_in_body(request: Request, writer: asyncio.StreamWriter) -> object:
    """A TCP reset after half of the body."""
    writer.write(head(200, 1000) + b'{"status":')
    await writer.drain()
    await asyncio.sleep(0.02)
    _reset(writer)
    return CLOSE


async def cut_short(request: Request, writer: asyncio.StreamWriter) -> object:
    """Fewer bytes than Content-Length announces."""
    body = json.dumps(GOOD.get(request.path, VECTOR)).encode()
    writer.write(head(200, len(body) + 10) + body)
    return CLOSE


async def cut_short_unannounced(request: Request, writer: asyncio.StreamWriter) -> object:
    """Half of the JSON, ended by closing: only the JSON shows that something is missing."""
    body = json.dumps(GOOD.get(request.path, VECTOR)).encode()
    writer.write(head(200, None, {"Connection": "close"}) + body[: len(body) // 2])
    return CLOSE


async def gzip_cut_short(request: Request, writer: asyncio.StreamWriter) -> object:
    """A gzip stream without its end."""
    body = gzip.compress(json.dumps(GOOD.get(request.path, VECTOR)).encode())[:-12]
    writer.write(head(200, len(body), {"Content-Encoding": "gzip"}) + body)
    return None


async def gzip_damaged(request: Request, writer: asyncio.StreamWriter) -> object:
    """Says gzip and is none."""
    writer.write(head(200, 5, {"Content-Encoding": "gzip"}) + b"hello")
    return None


async def gzip_good(request: Request, writer: asyncio.StreamWriter) -> object:
    """A healthy answer, compressed."""
    body = gzip.compress(json.dumps(GOOD.get(request.path, VECTOR)).encode())
    writer.write(head(200, len(body), {"Content-Encoding": "gzip"}) + body)
    return None


def gzip_bomb(size: int) -> Handler:
    """``size`` zero bytes in about a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packer.flush()
    return answering(200, body, headers={"Content-Encoding": "gzip"})


def saying(words: bytes) -> Handler:
    """Something that is no HTTP, then closes."""
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        writer.write(words)
        return CLOSE
    return handle


async def echo_credentials(request: Request, writer: asyncio.StreamWriter) -> object:
    """An error page that quotes what it was sent, as debug pages do."""
    text = "; ".join(f"{k}={v}" for k, v in request.headers.items())
    return await json_answer({"status": "error", "errorType": "internal", "error": f"bad request: {text}"}, 500)(
        request, writer)


async def echo_as_page(request: Request, writer: asyncio.StreamWriter) -> object:
    """The same as a web page."""
    text = "; ".join(f"{k}={v}" for k, v in request.headers.items())
    return await answering(403, f"<html><body><h1>No</h1>{text}</body></html>", "text/html")(request, writer)


async def echo_in_redirect(request: Request, writer: asyncio.StreamWriter) -> object:
    """A redirect that carries the credential along."""
    token = request.headers.get("authorization", "none").split()[-1]
    return await answering(302, b"", headers={"Location": f"https://u:{token}@login.example/{token}?t={token}"})(
        request, writer)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Any:
    """Yields a port whose connections are neither accepted nor refused, as behind a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
