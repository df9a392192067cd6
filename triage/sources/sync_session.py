"""``Session``: an :class:`HttpSource` in the place of the ``requests`` session that PrometheusConnect brings.

Left alone, the library follows redirects with the credentials, reads answers of any size, takes proxies from the
environment, puts long queries into the URL even for POST, and reports failures as the bytes that came back. Through
this session its requests have the same limits, certificates and failures as all others.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from triage.facts.outcome import Failure
from triage.sources.decode import NotJson, clean_tree
from triage.sources.failures import Received, shape_failure
from triage.sources.http import HttpSource


class Unanswered(Exception):
    """A request failed; carries the :class:`Failure` through the library's code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence())
        self.failure = failure


class Reply:
    """As much of ``requests.Response`` as PrometheusConnect reads. Only successes get this far."""

    def __init__(self, status_code: int, document: Any) -> None:
        self.status_code = status_code
        self.ok = True
        self.content = b""
        self._document = document

    def json(self) -> Any:
        """The cleaned document."""
        return self._document


class Session:
    """As much of ``requests.Session`` as PrometheusConnect uses; a context manager, for outside of event loops."""

    cert: str | None = None
    verify = True

    def __init__(self, source: HttpSource, base: str) -> None:
        self._base = base
        self.proxies: dict[str, str] = {}
        self._source = source
        self._runner = asyncio.Runner()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._runner.run(self._source.aclose())
        self._runner.close()

    def mount(self, prefix: str, adapter: object) -> None:
        """Nothing: the library's retries are not wanted."""

    def close(self) -> None:
        """Nothing: the context manager closes."""

    def get(self, url: str, **options: Any) -> Reply:
        return self.request("GET", url, **options)

    def request(self, method: str, url: str, *, params: Any = None, **_: Any) -> Reply:
        """Send it. Raises :class:`Unanswered`, also when the document is not one of the Prometheus API."""
        path = url.removeprefix(self._base)
        fields = [(str(name), str(value)) for name, value in dict(params or {}).items()]
        source = self._source

        def decode(received: Received) -> Any | Failure:
            document = source.json(received)
            if isinstance(document, Failure):
                return document
            if not isinstance(document, dict) or "data" not in document or document.get("status") != "success":
                return source.failed(received, path, document) if isinstance(document, dict) and (
                    document.get("status") == "error") else shape_failure("it is JSON, but not of the Prometheus API")
            try:
                return clean_tree(document)
            except NotJson:
                return shape_failure("the answer is nested too deep")

        ask = source.form(path, fields, decode) if method == "POST" else source.get(path, decode, params=fields)
        answer = self._runner.run(ask)
        if isinstance(answer, Failure):
            raise Unanswered(answer)
        return Reply(200, answer)
