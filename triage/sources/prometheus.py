"""``PrometheusClient``: asks a server that speaks the Prometheus HTTP API (``docs/querying/api.md``)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from triage.clock import Clock
from triage.facts.alerts import Alert
from triage.facts.outcome import Failure
from triage.facts.samples import Answer
from triage.sources.breaker import Breaker
from triage.sources.decode import OFF_LOOP_BYTES, NotJson, clean_tree
from triage.sources.failures import PROMETHEUS, Received, shape_failure
from triage.sources.prometheus_answers import Envelope, OtherShape, open_envelope, parse_alerts, parse_answer

if TYPE_CHECKING:
    from triage.endpoints import Endpoint
    from triage.sources.http import HttpSource
    from triage.sources.prometheus_vectors import KnownLabels

Result = TypeVar("Result")
_SERVER_SHARE = 0.95
"""The server is told to give up a little before us: then it says so, and the connection stays usable."""


class PrometheusClient:
    """One Prometheus, or a server that speaks its API.

    Making it reads the secrets and imports httpx; it raises :class:`~triage.config.ConfigError` when a secret or a
    certificate cannot be had. Its questions raise nothing: trouble is returned as a :class:`Failure`. While the breaker
    is open nothing is sent and the failure is ``CIRCUIT_OPEN``. Nothing that timed out is ever sent again.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, *, name: str = "prometheus") -> None:
        # Not at the top: the first frame is drawn before httpx is imported.
        from triage.sources.http import HttpSource
        self.name = name
        self.source: HttpSource = HttpSource(endpoint, clock, PROMETHEUS)
        self._clock = clock

    @property
    def requests_sent(self) -> int:
        """Every HTTP request that left, re-sent and refused ones included."""
        return self.source.requests_sent

    @property
    def breaker(self) -> Breaker:
        return self.source.breaker

    async def query(self, expression: str, *, at: float | None = None, timeout: float | None = None,
                    labels: KnownLabels | None = None) -> Answer | Failure:
        """Evaluate ``expression`` at one time: ``at`` in Unix seconds, None for the server's present.

        A scalar comes as one sample without labels; an expression such as ``m[5m]`` as series. ``labels``: those of the
        last answer to the same, kept up to date; what has the same ones again gets the very same object.
        """
        limit = self.source.timeout if timeout is None else timeout
        fields = [("query", expression), ("timeout", _seconds(limit * _SERVER_SHARE))]
        if at is not None:
            fields.append(("time", _seconds(at)))
        whole = self._decoder("/api/v1/query", lambda e: parse_answer(
            e, self._clock.now(), at, is_range=False, known=() if labels is None else labels.in_order))
        return await self._ask("/api/v1/query", fields, limit,
                               whole if labels is None else partial(self._read_again, whole, labels, at))

    async def query_range(self, expression: str, *, start: float, end: float, step: float,
                          timeout: float | None = None) -> Answer | Failure:
        """Evaluate ``expression`` every ``step`` seconds from ``start`` to ``end``, both included, in Unix seconds."""
        limit = self.source.timeout if timeout is None else timeout
        fields = [("query", expression), ("start", _seconds(start)), ("end", _seconds(end)), ("step", _seconds(step)),
                  ("timeout", _seconds(limit * _SERVER_SHARE))]
        return await self._ask("/api/v1/query_range", fields, limit, self._decoder(
            "/api/v1/query_range", lambda e: parse_answer(e, self._clock.now(), end, is_range=True)))

    async def alerts(self) -> tuple[Alert, ...] | Failure:
        """Pending and firing alerts of the server's own rules; their ``fingerprint`` is ""."""
        return await self.source.get("/api/v1/alerts", self._decoder("/api/v1/alerts", parse_alerts))

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | Failure:
        """``data`` of another endpoint, such as ``/api/v1/status/buildinfo``: decoded JSON, every string cleaned."""
        return await self.source.get(path, self._decoder(path, _tree), params=params)

    def read(self, received: Received, path: str) -> Any | Failure:
        """``data`` of an answer that was had by other means, as :meth:`get` gives it."""
        return self._decoder(path, _tree)(received)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.source.aclose()

    async def _ask(self, path: str, fields: list[tuple[str, str]], limit: float,
                   decode: Callable[[Received], Answer | Failure]) -> Answer | Failure:
        began = self._clock.monotonic()
        answer = await self.source.form(path, fields, decode, timeout=limit)
        if isinstance(answer, Failure):
            return answer
        return replace(answer, elapsed_seconds=self._clock.monotonic() - began)

    def _read_again(self, whole: Callable[[Received], Answer | Failure], labels: KnownLabels, at: float | None,
                    received: Received) -> Answer | Failure:
        """What was received, by the bytes that are as they were where that can be; else by ``whole``."""
        from triage.sources.prometheus_vectors import read_vector

        answer: Answer | Failure | None = read_vector(received.body, labels, at, self.source.redact)
        if answer is None:
            answer = whole(received)
            labels.by_spelling, labels.spelt = {}, None
            labels.in_order = () if isinstance(answer, Failure) else [sample.labels for sample in answer.samples]
        return answer

    def _document(self, received: Received) -> Any | Failure:
        """What was received as JSON: large answers by the reader that takes half the time."""
        if len(received.body) >= OFF_LOOP_BYTES:
            from pydantic_core import from_json

            # What it does not read, the usual one reads or names.
            with contextlib.suppress(ValueError):
                return from_json(received.body)
        return self.source.json(received)

    def _decoder(self, path: str, parse: Callable[[Envelope], Result | Failure]
                 ) -> Callable[[Received], Result | Failure]:
        def decode(received: Received) -> Result | Failure:
            document = self._document(received)
            if isinstance(document, Failure):
                return document
            if isinstance(document, dict) and document.get("status") == "error":
                return self.source.failed(received, path, document)
            try:
                return parse(open_envelope(document, self.source.redact))
            except OtherShape as error:
                return shape_failure(str(error), received.status)
        return decode


def _tree(envelope: Envelope) -> Any | Failure:
    try:
        return clean_tree(envelope.data)
    except NotJson:
        return shape_failure("the answer is nested too deep")


def _seconds(value: float) -> str:
    """Unix time or seconds as the API reads them, to the millisecond and never zero for a short one."""
    return f"{max(value, 0.001) if 0 < value < 1 else value:.3f}"
