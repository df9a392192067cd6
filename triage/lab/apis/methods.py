"""Endpoints by method, where Starlette's own refusal is not what the real servers say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


class ByMethod:
    """An ASGI endpoint: the handler of the request's method, or what ``refuse(method, allowed)`` answers."""

    def __init__(self, handlers: Mapping[str, Handler],
                 refuse: Callable[[str, tuple[str, ...]], Response]) -> None:
        self._handlers = handlers
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        handler = self._handlers.get(request.method)
        answer = await handler(request) if handler else self._refuse(request.method, tuple(self._handlers))
        await answer(scope, receive, send)
