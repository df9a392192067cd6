"""``KubernetesSender``: sends one request to a Kubernetes API, once: no retry, no redirect, no second credential.

By hand on httpx, because every client library sends a write again in some case: kr8s 0.20 sent a PATCH four times on a
401, lightkube sends it twice. Each request has a connection of its own: on one that was kept alive, a server's leaving
could not be told from a request that was lost.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from triage import __version__
from triage.actions.plan import Request
from triage.actions.system import Fate, Rehearsal, Sent
from triage.facts.outcome import Failure
from triage.sources.decode import NotJson, load_json
from triage.sources.failures import Received
from triage.sources.http import CONNECT_SECONDS, Reach
from triage.sources.kubernetes import Json, KubernetesClient
from triage.sources.transport_failures import Progress, from_exception
from triage.text import clean

SEND_SECONDS = 15.0
"""Longest wait for the answer to a write. Admission webhooks may take ten seconds each."""
_MAX_BODY = 16 * 2**20
_DOES_NOT_APPLY = "the server rejected our request due to an error in our request"
_NO_DRY_RUN = "does not support dry run"
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
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


class KubernetesSender:
    """Sends to the API that ``client`` reads from, as whom it reads. Opens nothing before the first request."""

    def __init__(self, client: KubernetesClient, timeout_seconds: float = SEND_SECONDS) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def send(self, request: Request, action_id: str) -> Sent:
        """Send it, once. The server's audit log finds ``action_id`` in the user agent."""
        sent, _ = await self.exchange(request, request.path, f"action/{action_id}")
        return sent

    async def rehearse(self, request: Request) -> Json | Rehearsal:
        """The object as it would be, or why the server would not do it."""
        sent, item = await self.exchange(request, request.dry_run_path, "rehearsal")
        if sent.fate is Fate.DONE and item is not None:
            return item
        if sent.fate is Fate.REFUSED and _NO_DRY_RUN not in sent.message:
            return Rehearsal(False, sent.message)
        return Rehearsal(None, f"the server could not rehearse it: {sent.message}")

    async def exchange(self, request: Request, path: str, purpose: str) -> tuple[Sent, Json | None]:
        """Send ``request`` to ``path``, once: what became of it, and the object that was answered when it was done.

        ``purpose`` is what the user agent says after our name.
        """
        course, reach = _Course(), self._client.source.reach()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._client.renew_expired()
                reach = self._client.source.reach()
                received = await self._answer(reach, path, request, purpose, course)
        except Exception as error:
            return self._lost(error, course, reach), None
        return self._answered(received, path)

    async def _answer(self, reach: Reach, path: str, request: Request, purpose: str, course: _Course) -> Received:
        headers = [pair for pair in reach.headers if pair[0].lower() not in ("user-agent", "accept-encoding")]
        headers += [("User-Agent", f"triage/{__version__} {purpose}"), ("Accept-Encoding", "identity")]
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

    def _answered(self, received: Received, path: str) -> tuple[Sent, Json | None]:
        code = received.status
        if 200 <= code < 300:
            try:
                item = load_json(received.body)
            except NotJson:
                item = None
            if not isinstance(item, dict) or not isinstance(item.get("kind"), str) or item.get("status") == "Failure":
                return Sent(Fate.UNKNOWN, code, "the answer is not of a Kubernetes API: it may have been done"), None
            warnings = "; ".join(clean(text, limit=300) for text in _WARNING.findall(
                received.headers.get("warning", "")))
            return Sent(Fate.DONE, code, f"the server warns: {warnings}" if warnings else "done"), item
        failure = self._client.source.failed(received, path)
        if code in _UNSURE:
            return Sent(Fate.UNKNOWN, code, f"{failure.message} (HTTP {code}): it may have been done"), None
        return Sent(Fate.REFUSED, code, f"{_refusal(failure, self._client)} (HTTP {code}): nothing was changed"), None


def _refusal(failure: Failure, client: KubernetesClient) -> str:
    if failure.status == 422 and failure.message.startswith(_DOES_NOT_APPLY):
        return "the target is not what the plan rests on any more: a test of the patch failed"
    if failure.status == 409:
        return f"somebody else changed it at the same time: {failure.message}"
    if failure.status == 401:
        return f"{client.credential} is not accepted" if client.credential else "a credential is needed"
    return failure.message
