"""Questions of cells to Prometheus, asked by triage with the context's own credentials, which no cell ever sees.

Only what reads is passed on. Answers go back as they came, so that any Prometheus client in a cell understands them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.clock import Clock
from triage.endpoints import ConfigError, Endpoint
from triage.facts.outcome import Failure
from triage.sources.failures import PROMETHEUS, Received
from triage.text import clean

if TYPE_CHECKING:
    from triage.sources.http import HttpSource

READING = re.compile(r"/api/v1/(?:query|query_range|query_exemplars|series|labels|label/[A-Za-z_][A-Za-z0-9_]*/values"
                     r"|metadata|status/buildinfo)")
"""Paths that cells may ask."""
_FORMS = re.compile(r"/api/v1/(?:query|query_range|query_exemplars|series|labels)")
MOST_QUESTIONS = 500
"""In one run: a cell that asks in a loop must not load the server that everybody else needs now."""
Answered = tuple[int, str]


class PrometheusQuestions:
    """Asks one server, as long as a run lasts."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._source: HttpSource | None = None
        self._count = 0

    async def answer(self, path: str, fields: Sequence[tuple[str, str]]) -> Answered:
        """HTTP status and JSON for a cell. Raises nothing."""
        if READING.fullmatch(path) is None:
            return refusal(403, f"triage passes on questions only, and {clean(path, limit=80)} is none")
        self._count += 1
        if self._count > MOST_QUESTIONS:
            return refusal(429, f"this run has asked {MOST_QUESTIONS} questions, which is all it may")
        try:
            source = self._opened()
        except ConfigError as error:
            return refusal(503, error.message)
        if _FORMS.fullmatch(path):
            found = await source.form(path, list(fields), _text)
        else:
            found = await source.get(path, _text, params=list(fields))
        if isinstance(found, Failure):
            return refusal(found.status if found.status and found.status >= 400 else 503, found.sentence())
        return 200, source.redact(found)

    def _opened(self) -> HttpSource:
        if self._source is None:
            from triage.sources.http import HttpSource
            self._source = HttpSource(self._endpoint, self._clock, PROMETHEUS)
        return self._source

    async def aclose(self) -> None:
        """Close the connections."""
        if self._source is not None:
            await self._source.aclose()


def refusal(status: int, message: str) -> Answered:
    """An error as Prometheus would say it."""
    kind = {400: "bad_data", 403: "forbidden", 404: "not_found", 422: "execution"}.get(status, "unavailable")
    return status, json.dumps({"status": "error", "errorType": kind, "error": message})


def _text(received: Received) -> str | Failure:
    return received.body.decode("utf-8", "replace")
