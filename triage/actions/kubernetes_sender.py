"""``KubernetesSender``: sends one request to a Kubernetes API, once, and reads what the server says to it."""

from __future__ import annotations

import re

from triage.actions.plan import Request
from triage.actions.sender import SEND_SECONDS, HttpSender
from triage.actions.system import Fate, Rehearsal, Sent
from triage.facts.outcome import Failure
from triage.sources.decode import NotJson, load_json
from triage.sources.failures import Received
from triage.sources.kubernetes import Json, KubernetesClient
from triage.text import clean

_DOES_NOT_APPLY = "the server rejected our request due to an error in our request"
_NO_DRY_RUN = "does not support dry run"
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


class KubernetesSender:
    """Sends to the API that ``client`` reads from, as whom it reads. Opens nothing before the first request."""

    def __init__(self, client: KubernetesClient, timeout_seconds: float = SEND_SECONDS) -> None:
        self._client = client
        self._sender = HttpSender(client.source, timeout_seconds, client.renew_expired)

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
        received = await self._sender.exchange(request, path, purpose)
        return (received, None) if isinstance(received, Sent) else self._answered(received, path)

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
        return self._sender.refused(received, path, self._refusal(self._client.source.failed(received, path))), None

    def _refusal(self, failure: Failure) -> str:
        if failure.status == 422 and failure.message.startswith(_DOES_NOT_APPLY):
            return "the target is not what the plan rests on any more: a test of the patch failed"
        if failure.status == 409:
            return f"somebody else changed it at the same time: {failure.message}"
        if failure.status == 401:
            credential = self._client.credential
            return f"{credential} is not accepted" if credential else "a credential is needed"
        return failure.message
