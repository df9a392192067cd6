"""Alertmanager's API v2 over an :class:`~triage.lab.alerting.book.AlertBook`.

Its answers are those of a single server without a cluster. It speaks the classic syntax of matchers.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from triage.lab.alerting.book import AlertBook, HeldAlert
from triage.lab.alerting.matchers import AlertMatcher, MatcherError, parse_matcher, parse_pattern
from triage.lab.alerting.silences import SilenceRefused, UnknownSilence
from triage.lab.apis.alertmanager_bodies import (
    RESOLVE_SECONDS,
    Refused,
    alert_json,
    group_json,
    read_alerts,
    read_silence,
    silence_json,
)
from triage.lab.apis.forms import Parameters, media_type, parameters
from triage.lab.apis.methods import ByMethod, Handler
from triage.lab.promql.regex import Pattern
from triage.lab.wire.times import format_duration, milliseconds

_TRUE = {"true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"}


def app(book: AlertBook, *, version: str = "0.28.1") -> Starlette:
    """The API over ``book``, to be served alone or mounted under a prefix.

    ``version`` is what it says it is and decides what changed between releases: ``mutedBy`` exists from 0.28 on, and
    expiring an unknown silence is 404 from 0.26 on (500 before).
    """
    return _Api(book, version).starlette()


class _Api:
    def __init__(self, book: AlertBook, version: str) -> None:
        self._book = book
        self._version = version
        release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        self._muted = release >= (0, 28)
        self._unknown_status = 404 if release >= (0, 26) else 500

    def starlette(self) -> Starlette:
        api: Mapping[str, Mapping[str, Handler]] = {
            "/api/v2/alerts": {"GET": self._alerts, "POST": self._post_alerts},
            "/api/v2/alerts/groups": {"GET": self._groups},
            "/api/v2/silences": {"GET": self._silences, "POST": self._post_silence},
            "/api/v2/silence/{silence_id}": {"GET": self._silence, "DELETE": self._expire},
            "/api/v2/status": {"GET": self._status},
            "/api/v2/receivers": {"GET": self._receivers},
        }
        probes: Mapping[str, Mapping[str, Handler]] = {
            path: {"GET": _ok, "HEAD": _ok} for path in ("/-/ready", "/-/healthy")}
        made = Starlette(routes=[*(Route(path, ByMethod(handlers, _api_refuses)) for path, handlers in api.items()),
                                 *(Route(path, ByMethod(handlers, _refuses)) for path, handlers in probes.items())],
                         exception_handlers={404: _not_found, Refused: _refused, MatcherError: _bad_matcher})
        made.router.redirect_slashes = False
        return made

    async def _alerts(self, request: Request) -> Response:
        wanted = _wanted(await parameters(request))
        return _json([alert_json(alert, muted=self._muted) for alert in self._book.alerts() if wanted(alert)])

    async def _groups(self, request: Request) -> Response:
        asked = await parameters(request)
        wanted, receiver = _wanted(asked), _receiver(asked)
        answer = []
        for group in self._book.groups():
            if receiver is not None and not receiver.matches(group.receiver):
                continue
            written = group_json(group, muted=self._muted)
            written["alerts"] = [shown for alert, shown in zip(group.alerts, written["alerts"], strict=True)
                                 if wanted(alert)]
            if written["alerts"]:
                answer.append(written)
        return _json(answer)

    async def _post_alerts(self, request: Request) -> Response:
        _check_type(request)
        try:
            notices = read_alerts(await request.body(), self._book.clock.now())
        except ValueError as error:
            return _json(str(error), 400)
        self._book.receive(notices)
        return Response(status_code=200)

    async def _silences(self, request: Request) -> Response:
        matchers = _filters(await parameters(request))
        now = self._book.clock.now()
        # A filter for silences asks for matchers that are the same, not for labels that they would match.
        return _json([silence_json(silence, now) for silence in self._book.silences()
                      if set(matchers) <= set(silence.matchers)])

    async def _silence(self, request: Request) -> Response:
        silence_id = request.path_params["silence_id"]
        if not _is_uuid(silence_id):
            return _no_uuid(silence_id)
        try:
            return _json(silence_json(self._book.silence(silence_id), self._book.clock.now()))
        except UnknownSilence:
            return Response(status_code=404)

    async def _post_silence(self, request: Request) -> Response:
        _check_type(request)
        draft, replaces = read_silence(await request.body())
        try:
            return _json({"silenceID": self._book.put_silence(draft, replaces=replaces)})
        except UnknownSilence as error:
            return _json(str(error), 404)
        except SilenceRefused as error:
            return _json(str(error), 400)

    async def _expire(self, request: Request) -> Response:
        silence_id = request.path_params["silence_id"]
        if not _is_uuid(silence_id):
            return _no_uuid(silence_id)
        try:
            self._book.expire_silence(silence_id)
        except UnknownSilence as error:
            return Response(status_code=404) if self._unknown_status == 404 else _json(str(error), 500)
        return Response(status_code=200)

    async def _status(self, _request: Request) -> Response:
        return _json({
            "cluster": {"peers": [], "status": "disabled"}, "config": {"original": self._configuration()},
            "uptime": milliseconds(self._book.started_at),
            "versionInfo": {"branch": "HEAD", "buildDate": "", "buildUser": "", "goVersion": "",
                            "revision": "", "version": self._version}})

    async def _receivers(self, _request: Request) -> Response:
        return _json([{"name": name} for name in self._book.route.receivers()])

    def _configuration(self) -> str:
        return yaml.safe_dump({
            "global": {"resolve_timeout": format_duration(RESOLVE_SECONDS)}, "route": self._book.route.settings(),
            "receivers": [{"name": name} for name in self._book.route.receivers()], "templates": []}, sort_keys=False)


def _wanted(asked: Parameters) -> Callable[[HeldAlert], bool]:
    """Whether an alert is asked for. Raises MatcherError."""
    matchers, receiver = _filters(asked), _receiver(asked)
    active, silenced = _flag(asked, "active"), _flag(asked, "silenced")

    def wanted(alert: HeldAlert) -> bool:
        return ((silenced if alert.silenced_by else active)
                and all(matcher.matches(alert.labels) for matcher in matchers)
                and (receiver is None or any(map(receiver.matches, alert.receivers))))
    return wanted


def _filters(asked: Parameters) -> list[AlertMatcher]:
    return [parse_matcher(text) for text in asked.every("filter")]


def _receiver(asked: Parameters) -> Pattern | None:
    text = asked.first("receiver")
    try:
        return parse_pattern(text) if text else None
    except MatcherError as error:
        raise MatcherError(f"failed to parse receiver param: {error}") from None


def _flag(asked: Parameters, name: str) -> bool:
    text = asked.first(name)
    return text.lower() in _TRUE if text else True


def _check_type(request: Request) -> None:
    said = media_type(request) or "application/octet-stream"
    if said != "application/json":
        raise Refused(415, f'unsupported media type "{said}", only [application/json] are allowed')


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _no_uuid(text: str) -> Response:
    return _coded(422, 601, f'silenceID in path must be of type uuid: "{text}"')


def _json(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status)


def _coded(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"code": code, "message": message}, status, headers)


def _api_refuses(method: str, allowed: tuple[str, ...]) -> Response:
    names = ",".join(allowed)
    return _coded(405, 405, f"method {method} is not allowed, but [{names}] are", {"Allow": names})


def _refuses(_method: str, allowed: tuple[str, ...]) -> Response:
    return PlainTextResponse("Method Not Allowed\n", 405, {"Allow": ", ".join(sorted((*allowed, "OPTIONS")))})


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("OK")


async def _not_found(request: Request, _error: Exception) -> Response:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if path.startswith("/api/v2/"):
        return _coded(404, 404, f"path {path} was not found")
    return PlainTextResponse("404 page not found\n", 404)


async def _refused(_request: Request, error: Exception) -> Response:
    refused = cast("Refused", error)
    return _coded(422 if refused.code >= 600 else refused.code, refused.code, refused.message)


async def _bad_matcher(_request: Request, error: Exception) -> Response:
    return _json(str(error), 400)
