"""A server on loopback that passes the questions of cells on to the product, which asks Prometheus with its own token.

So a cell needs no credentials and no network: it asks ``$TRIAGE_PROMETHEUS_URL`` as it would ask Prometheus. The
address holds a random word, because every user of the machine can reach loopback.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_ANSWER_SECONDS = 60.0
_POLL_SECONDS = 0.05
_MOST_FORM_BYTES = 1_000_000


class Questions:
    """Serves until it is closed."""

    def __init__(self, ask: Callable[..., None]) -> None:
        """``ask`` is called in the loop's thread with ``id``, ``path`` and ``fields``."""
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Future[tuple[int, str]]] = {}
        self._count = 0
        self._word = secrets.token_urlsafe(18)
        self._server: http.server.ThreadingHTTPServer | None = None

    def serve(self) -> dict[str, str]:
        """Begin; the variables that tell a cell where."""
        questions = self

        class Handler(_Handler):
            def pass_on(self, path: str, fields: list[tuple[str, str]]) -> tuple[int, str]:
                return questions._pass_on(path, fields)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        return {"TRIAGE_PROMETHEUS_URL": f"http://127.0.0.1:{self._server.server_address[1]}/{self._word}"}

    def answered(self, message: Mapping[str, Any]) -> None:
        """The product's answer."""
        future = self._waiting.pop(int(message["id"]), None)
        if future is not None and not future.done():
            future.set_result((int(message["status"]), str(message["body"])))

    def close(self) -> None:
        """Serve no longer."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _pass_on(self, path: str, fields: list[tuple[str, str]]) -> tuple[int, str]:
        prefix, _, rest = path.lstrip("/").partition("/")
        if not secrets.compare_digest(prefix.encode(), self._word.encode()):
            return 404, _refusal("not_found", "there is nothing at this address")
        future: Future[tuple[int, str]] = Future()
        self._loop.call_soon_threadsafe(self._begin, future, f"/{rest}", fields)
        try:
            return future.result(_ANSWER_SECONDS)
        except TimeoutError:
            return 503, _refusal("timeout", "triage had no answer in time")

    def _begin(self, future: Future[tuple[int, str]], path: str, fields: list[tuple[str, str]]) -> None:
        self._count += 1
        self._waiting[self._count] = future
        self._ask(id=self._count, path=path, fields=[list(pair) for pair in fields])


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET and POST forms, as Prometheus takes them."""

    def pass_on(self, path: str, fields: list[tuple[str, str]]) -> tuple[int, str]:
        """Status and JSON of the answer."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._serve(self.rfile.read(min(length, _MOST_FORM_BYTES)))

    def _serve(self, form: bytes) -> None:
        parts = urlsplit(self.path)
        fields = parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(form.decode("utf-8", "replace"),
                                                                            keep_blank_values=True)
        status, text = self.pass_on(parts.path, fields)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def _refusal(kind: str, message: str) -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": message})
