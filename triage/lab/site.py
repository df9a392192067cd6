"""All systems of the lab under one address, each as its own server would answer.

They are ``/prometheus``, ``/alertmanager``, ``/mlflow``, ``/kubernetes``, ``/loki`` and ``/pipelines``. ``/lab`` is the
lab's own: what is played, and which system falls silent. Every request needs a bearer token.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triage.lab.apis import alertmanager, kubernetes, loki, mlflow, pipelines, prometheus
from triage.lab.cluster.access import OPERATE, Access, User
from triage.lab.world.scenario import as_json
from triage.lab.world.world import World

SILENCES = ("refuse", "hang")
"""How a system falls silent: a gateway answers 503 for it, or nobody answers at all."""
_MOST_FORWARD_SECONDS = 6 * 3600.0
"""A world lives so long in some seconds of the machine, in which nobody else is answered."""
_MOST_BODY_BYTES = 3 * 1024 * 1024
"""What kube-apiserver takes; none of the others needs more."""
_ONLY_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_READS_BY_POST = ("/search", "/get-latest-versions")
_GUARDED = frozenset({"alertmanager", "mlflow", "pipelines", "lab"})
"""Systems without permissions of their own: the reading token cannot change them."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens: ``write`` opens everything, ``read`` what changes nothing; ``second`` is another person who may
    change everything, "" for nobody."""

    write: str = field(repr=False)
    read: str = field(repr=False)
    second: str = field(default="", repr=False)

    def knows(self, token: str) -> bool:
        return self.may_write(token) or _is(self.read, token)

    def may_write(self, token: str) -> bool:
        return _is(self.write, token) or (self.second != "" and _is(self.second, token))

    def users(self) -> dict[str, User]:
        """Whom Kubernetes knows each of them as."""
        found = {self.write: User("lab-engineer", OPERATE), self.read: User("lab-viewer")}
        return found | ({self.second: User("lab-colleague", OPERATE)} if self.second else {})


def _is(known: str, token: str) -> bool:
    return hmac.compare_digest(known.encode(), token.encode())


def site(world: World, tokens: Tokens) -> ASGIApp:
    """The whole lab as one application."""
    world.cluster.access = Access(tokens.users())
    systems: dict[str, ASGIApp] = {
        "prometheus": prometheus.app(world.engine, world.clock, ruler=world.ruler, targets=world.targets,
                                     disturbances=world.disturbances, past=world.past),
        "alertmanager": alertmanager.app(world.book),
        "mlflow": mlflow.app(world.registry),
        "kubernetes": kubernetes.app(world.cluster),
        "loki": loki.app(world.logs, world.clock),
        "pipelines": pipelines.app(world.pipelines, world.clock),
    }
    silent: dict[str, str] = {}
    own = _Own(world, silent, frozenset(systems))
    routes = [Mount(f"/{name}", _Silenced(app, name, silent)) for name, app in systems.items()]
    return _Gate(Starlette(routes=[*routes, Mount("/lab", own.app())]), tokens, world)


class _Gate:
    """Lets in who has a token, and dates every answer in the world's time, as its own servers would."""

    def __init__(self, app: ASGIApp, tokens: Tokens, world: World) -> None:
        self._app = app
        self._tokens = tokens
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _MOST_BODY_BYTES:
                raise HTTPException(413, f"Request entity too large: limit is {_MOST_BODY_BYTES}")
            return message

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()),
                                      (b"date", formatdate(self._world.clock.now(), usegmt=True).encode())]
            await send(message)
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, bounded, dated)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        system = scope["path"].lstrip("/").partition("/")[0]
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        known = kind.lower() == "bearer" and self._tokens.knows(token.strip())
        if known and system in _GUARDED and scope["method"] not in _ONLY_READS and not (
                self._tokens.may_write(token.strip()) or scope["path"].endswith(_READS_BY_POST)):
            return PlainTextResponse("this token can only read\n", 403)
        if known or system == "kubernetes":
            # Kubernetes refuses in its own words.
            return None
        return PlainTextResponse("a bearer token is needed\n", 401, {"www-authenticate": 'Bearer realm="lab"'})


class _Silenced:
    """A system that somebody may silence."""

    def __init__(self, app: ASGIApp, name: str, silent: Mapping[str, str]) -> None:
        self._app = app
        self._name = name
        self._silent = silent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        how = self._silent.get(self._name)
        if how == "hang":
            # Until the client goes: its body first, then nothing but its leaving.
            async for _ in _messages(receive):
                pass
            return
        refused = PlainTextResponse("no healthy upstream\n", 503)
        await (self._app if how is None else refused)(scope, receive, send)


async def _messages(receive: Receive) -> AsyncIterator[Message]:
    while (message := await receive())["type"] != "http.disconnect":
        yield message


class _Own:
    """What the lab says about itself."""

    def __init__(self, world: World, silent: dict[str, str], systems: frozenset[str]) -> None:
        self._world = world
        self._silent = silent
        self._systems = systems

    def app(self) -> Starlette:
        return Starlette(routes=[
            Route("/scenario", self._scenario), Route("/clock", self._forward, methods=["PUT"]),
            Route("/complete", self._complete), Route("/silent", self._read),
            Route("/silent/{system}", self._change, methods=["PUT", "DELETE"])])

    async def _scenario(self, request: Request) -> Response:
        """What is being played and the time in it; the truth only when ``?truth=1`` asks for it."""
        document: dict[str, Any] = as_json(self._world.scenario)
        if request.query_params.get("truth") == "1":
            document["truth"] = asdict(self._world.scenario.truth)
        return JSONResponse({"now": self._world.clock.now(), "speed": self._world.clock.speed, "scenario": document})

    async def _forward(self, request: Request) -> Response:
        """Lets a world whose clock stands live on for so many seconds; answers when it has."""
        text, clock = request.query_params.get("forward", ""), self._world.clock
        seconds = float(text) if text.isascii() and text.isdigit() else 0.0
        if not 0 < seconds <= _MOST_FORWARD_SECONDS:
            return JSONResponse({"error": f"forward is a number of seconds, 1 to {_MOST_FORWARD_SECONDS:.0f}"}, 400)
        if clock.speed:
            return JSONResponse({"error": "this clock runs by itself; begin the lab with --speed 0"}, 409)
        clock.forward(seconds)
        self._world.advance(clock.now())
        return JSONResponse({"now": clock.now()})

    async def _complete(self, request: Request) -> Response:
        """Answers when all of the past is there."""
        await self._world.past.wait()
        return JSONResponse({"complete": True})

    async def _read(self, request: Request) -> Response:
        return JSONResponse(self._silent)

    async def _change(self, request: Request) -> Response:
        system = request.path_params["system"]
        if system not in self._systems:
            return JSONResponse({"error": f"no such system; there are: {', '.join(sorted(self._systems))}"}, 404)
        if request.method == "DELETE":
            self._silent.pop(system, None)
        else:
            how = request.query_params.get("how", SILENCES[0])
            if how not in SILENCES:
                return JSONResponse({"error": f"how is one of: {', '.join(SILENCES)}"}, 400)
            self._silent[system] = how
        return JSONResponse(self._silent)
