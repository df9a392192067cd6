"""An ASGI app of the lab served on loopback by a thread of the test's own process, for clients that need a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

_START_SECONDS = 10.0
_END_SECONDS = 10.0


class _Server(uvicorn.Server):
    """Tells when it listens, and when it will not."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.listens.set()


@contextmanager
def serving(app: ASGIApp, certificate: Path | None = None) -> Iterator[str]:
    """Base URL of ``app`` (``http://127.0.0.1:port``, no slash) while the block runs.

    The app runs in one event loop of another thread. When the block is left, requests under way get a second, then they
    are cancelled: a watch without an end does not hold the test up. Raises RuntimeError when it does not start or end.
    ``certificate``, a PEM file of a key and its chain, makes it ``https``: some clients send a token no other way.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        # No logging set-up of its own: it would replace what pytest captures.
        server = _Server(uvicorn.Config(app, loop="asyncio", http="h11", ws="none", log_config=None, access_log=False,
                                        log_level="warning", timeout_graceful_shutdown=1,
                                        ssl_certfile=certificate))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="lab server", daemon=True)
        thread.start()
        try:
            if not server.listens.wait(_START_SECONDS) or not server.started:
                raise RuntimeError("the app did not start: its error is in the log above")
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_END_SECONDS)
            if thread.is_alive():
                raise RuntimeError(f"the app did not end within {_END_SECONDS:g} s")
