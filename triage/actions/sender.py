"""``HttpSender``: sends one request to a server, once: no retry, no redirect, no second credential.

By hand on httpx, because every client library sends a write again in some case: kr8s 0.20 sent a PATCH four times on a
401, lightkube sends it twice, MLflow's client does on 429 and 5xx. Each request has a connection of its own: on one
that was kept alive, a server's leaving could not be told from a request that was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from triage import __version__
from triage.actions.plan import Request
from triage.actions.system import Fate, Sent
from triage.sources.failures import Received
from triage.sources.http import CONNECT_SECONDS, HttpSource, Reach
from triage.sources.transport_failures import Progress, from_exception

SEND_SECONDS = 15.0
"""Longest wait for the answer to a write. Admission webhooks may take ten seconds each."""
GRANTED_SECONDS = 60.0
"""How long a server's word on what we may do is believed; when it comes to sending, the server is the authority."""
_MAX_BODY = 16 * 2**20
_UNSURE = frozenset({408, *range(500, 600)} - {501})
"""Answers after which the write may have been done: the server gave up, or a proxy lost the server."""


@dataclass(slots=True)
class _Course(Progress):
    """How far one request came."""

    left: bool = field(default=False)
    """Whether a byte of it may have left; a proxy's ``CONNECT`` is none of it."""

    async def trace(self, event: str, told: object) -> None:
        # Not super(): a dataclass with slots is another class than the one that the compiler remembers.
        await Progress.trace(self, event, told)
        if event.endswith("send_request_headers.started") and isinstance(told, dict):
            self.left = self.left or getattr(told.get("request"), "method", b"") != b"CONNECT"


async def _nothing() -> None:
    return None


class HttpSender:
    """Sends to the server that ``source`` reads from, as whom it reads. Opens nothing before the first request.

    ``renew`` is awaited before each request, for credentials that come to an end; its time counts.
    """

    def __init__(self, source: HttpSource, timeout_seconds: float = SEND_SECONDS,
                 renew: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._renew = renew

    async def send(self, request: Request, action_id: str, headers: Sequence[tuple[str, str]] = ()) -> Received | Sent:
        """Send it, once: the answer, or what became of it without one. The server's log finds ``action_id`` in the
        user agent."""
        return await self.exchange(request, request.path, f"action/{action_id}", headers)

    async def exchange(self, request: Request, path: str, purpose: str,
                       headers: Sequence[tuple[str, str]] = ()) -> Received | Sent:
        """Send ``request`` to ``path``, once. ``purpose`` is what the user agent says after our name."""
        course, reach = _Course(), self._source.reach()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._renew()
                reach = self._source.reach()
                return await self._answer(reach, path, request, purpose, course, headers)
        except Exception as error:
            return self._lost(error, course, reach)

    def refused(self, received: Received, path: str, why: str = "") -> Sent:
        """What an answer that is no success means: that nothing was changed, or that this is not known.

        ``why`` in place of the server's words.
        """
        code = received.status
        message = why or self._source.failed(received, path).message
        if code in _UNSURE:
            return Sent(Fate.UNKNOWN, code, f"{message} (HTTP {code}): it may have been done")
        return Sent(Fate.REFUSED, code, f"{message} (HTTP {code}): nothing was changed")

    async def _answer(self, reach: Reach, path: str, request: Request, purpose: str, course: _Course,
                      further: Sequence[tuple[str, str]]) -> Received:
        headers = [pair for pair in reach.headers if pair[0].lower() not in ("user-agent", "accept-encoding")]
        headers += [("User-Agent", f"triage/{__version__} {purpose}"), ("Accept-Encoding", "identity"), *further]
        if request.body:
            headers.append(("Content-Type", request.content_type))
        extensions: dict[str, Any] = {"trace": course.trace}
        if reach.server_name is not None:
            extensions["sni_hostname"] = reach.server_name
        body = bytearray()
        async with httpx.AsyncClient(
                verify=reach.tls, proxy=reach.proxy, trust_env=False, follow_redirects=False, http2=False,
                timeout=httpx.Timeout(self._timeout_seconds, connect=min(CONNECT_SECONDS, self._timeout_seconds)),
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=0)) as http, http.stream(
                request.method, reach.base_url + path, content=request.body.encode(), headers=headers,
                extensions=extensions) as response:
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _MAX_BODY:
                    raise ValueError("the answer is too large")
            return Received(response.status_code, response.headers, bytes(body), 0.0)

    def _lost(self, error: Exception, course: _Course, reach: Reach) -> Sent:
        # A proxy that refuses to connect has passed nothing on.
        left = course.left and not isinstance(error, httpx.ProxyError)
        failure = from_exception(error, course, self._timeout_seconds, reach.target)
        if left:
            return Sent(Fate.UNKNOWN, None, f"{failure.message}: it may have been done")
        return Sent(Fate.NOT_SENT, None, f"{failure.message}: nothing was sent")
