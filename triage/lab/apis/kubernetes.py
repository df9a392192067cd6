"""The Kubernetes API over the lab's cluster: who asks, what for, and the answer in the server's shapes.

Source: the Kubernetes API reference and what kube-apiserver 1.36 was seen to answer. What this server does not have is
refused as a server without it refuses: server-side apply (415), watch lists (422), kinds it does not know (404).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from triage.lab.apis import kubernetes_discovery as discovery
from triage.lab.apis.forms import media_type
from triage.lab.apis.json_bodies import read_json
from triage.lab.apis.kubernetes_openapi import openapi_v2
from triage.lab.apis.kubernetes_options import delete_options, watch_of, write_options
from triage.lab.apis.kubernetes_protobuf import PROTOBUF, NotReadable, decode_review
from triage.lab.apis.kubernetes_reviews import review
from triage.lab.apis.kubernetes_selectors import selection
from triage.lab.apis.kubernetes_tables import table, wants_table
from triage.lab.apis.kubernetes_watch import stream
from triage.lab.cluster import Cluster, refusals
from triage.lab.cluster.access import Question, User
from triage.lab.cluster.apiserver import Outcome, Strategy
from triage.lab.cluster.objects import Json, uid_of
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import NAMESPACES, PODS, REVIEWS, Resource, at_path

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PATCHES: dict[str, Strategy] = {"application/json-patch+json": "json", "application/merge-patch+json": "merge",
                                 "application/strategic-merge-patch+json": "strategic"}
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Target:
    """What the path of a request names."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def question(self, verb: str) -> Question:
        return Question(verb, self.resource.group, self.resource.plural, self.namespace, self.name, self.subresource)


def app(cluster: Cluster) -> Starlette:
    """The API of ``cluster``, to be mounted under any prefix. Users and their tokens are the cluster's ``access``."""
    api = _Api(cluster)
    routes = [
        Route("/version", api.about, methods=_METHODS),
        Route("/healthz", api.about, methods=_METHODS),
        Route("/livez", api.about, methods=_METHODS),
        Route("/readyz", api.about, methods=_METHODS),
        Route("/openapi/{version}", api.openapi, methods=_METHODS),
        Route("/api", api.about, methods=_METHODS),
        Route("/apis", api.about, methods=_METHODS),
        Route("/apis/{group}", api.group, methods=_METHODS),
        Route("/api/{version}", api.resources, methods=_METHODS),
        Route("/apis/{group}/{version}", api.resources, methods=_METHODS),
        Route("/api/{version}/{path:path}", api.objects, methods=_METHODS),
        Route("/apis/{group}/{version}/{path:path}", api.objects, methods=_METHODS),
    ]
    return Starlette(routes=routes, exception_handlers={Refusal: _refused})  # type: ignore[dict-item]


async def _refused(_request: Request, refusal: Refusal) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="kubernetes-master"'} if refusal.code == 401 else {}
    return _answer(refusal.status(), refusal.code, headers=headers)


class _Api:
    """Handlers. Each lets the cluster live up to now before it looks."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def about(self, request: Request) -> Response:
        self._enter(request, read_only=True)
        match request.url.path.rpartition("/")[2]:
            case "version":
                return _answer(discovery.VERSION)
            case "api":
                return _answer(discovery.core_versions())
            case "apis":
                return _answer(discovery.groups())
        return PlainTextResponse("ok")

    async def openapi(self, request: Request) -> Response:
        self._enter(request, read_only=True)
        version, accepted = request.path_params["version"], request.headers.get("accept", "")
        if version != "v2":
            return _no_page()
        body, kind = openapi_v2(protobuf="proto-openapi" in accepted)
        return Response(body, media_type=kind)

    async def group(self, request: Request) -> Response:
        self._enter(request, read_only=True)
        found = discovery.group(request.path_params["group"])
        return _no_page() if found is None else _answer(found)

    async def resources(self, request: Request) -> Response:
        self._enter(request, read_only=True)
        parts = request.path_params
        found = discovery.resources(parts.get("group", ""), parts["version"])
        return _no_page() if found is None else _answer(found)

    async def objects(self, request: Request) -> Response:
        user = self._enter(request)
        target = _target(request)
        if target is None:
            return _no_page()
        verb = _verb(request, target)
        question = target.question(verb)
        if not user.may(question):
            raise refusals.forbidden(target.resource, target.name, question.refused(user.name))
        served = ("get", "patch", "update") if target.subresource else target.resource.verbs
        if verb not in served:
            raise refusals.method_not_allowed()
        _check_accept(request)
        if verb in ("get", "list", "watch"):
            return self._read(request, target, verb)
        body = await request.body()
        if verb == "delete":
            return self._delete(request, target, body)
        if target.resource in REVIEWS:
            return _answer(review(user, target.resource, _review_body(request, body)), 201)
        return self._write(request, target, verb, body)

    def _read(self, request: Request, target: _Target, verb: str) -> Response:
        query = request.query_params
        table_of = query.get("includeObject", "Metadata") if wants_table(request.headers.get("accept", "")) else ""
        if verb == "get":
            place = (target.resource, target.namespace, target.name, target.subresource)
            item = self._cluster.server.read(*place)
            if table_of and not target.subresource:
                revision = int(item["metadata"]["resourceVersion"])
                return _answer(table(target.resource, [item], revision, self._cluster.time, include=table_of))
            return _answer(item)
        matches = selection(target.resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if verb == "watch":
            watch = watch_of(query, target.resource, target.namespace, matches, table_of)
            return StreamingResponse(stream(self._cluster, watch), media_type=_JSON)
        items = [item for item in self._cluster.storage.all(target.resource, target.namespace) if matches(item)]
        revision = self._cluster.storage.revision
        if table_of:
            return _answer(table(target.resource, items, revision, self._cluster.time, include=table_of))
        return _answer(_list(target.resource, items, revision))

    def _write(self, request: Request, target: _Target, verb: str, body: bytes) -> Response:
        options = write_options(request.query_params, request.headers.get("user-agent", ""))
        place = (target.resource, target.namespace, target.name, target.subresource)
        if verb == "create":
            outcome = self._cluster.server.create(target.resource, target.namespace, _json_body(request, body), options)
        elif verb == "update":
            outcome = self._cluster.server.update(*place, _json_body(request, body), options)
        else:
            strategy = _strategy(request, target.resource)
            outcome = self._cluster.server.patch(*place, strategy, _decoded(body, "error decoding patch"), options)
        return _answer(outcome.item, 201 if verb == "create" else 200, headers=_warnings(outcome))

    def _delete(self, request: Request, target: _Target, body: bytes) -> Response:
        preconditions, options = delete_options(request.query_params, _decoded(body or b"{}", "error decoding options"))
        gone = self._cluster.server.delete(target.resource, target.namespace, target.name, preconditions, options)
        if target.resource is PODS:
            return _answer(gone)
        details = {"name": target.name, "group": target.resource.group, "kind": target.resource.plural,
                   "uid": uid_of(gone)}
        return _answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    def _enter(self, request: Request, *, read_only: bool = False) -> User:
        """Who asks. Raises a 401, 403 or 405 :class:`Refusal`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = self._cluster.access.user(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise refusals.unauthorized()
        wanted = request.headers.get("impersonate-user")
        if wanted is not None:
            question = Question("impersonate", "", "users", name=wanted)
            if not user.may(question):
                raise Refusal(403, "Forbidden", f'users "{wanted}" is forbidden: {question.refused(user.name)}',
                              {"name": wanted, "kind": "users"})
            user = self._cluster.access.named(wanted)
        if read_only and request.method != "GET":
            raise refusals.method_not_allowed()
        self._cluster.advance()
        return user


def _target(request: Request) -> _Target | None:
    """What the path names, None for what this server does not have."""
    group, version = request.path_params.get("group", ""), request.path_params["version"]
    parts = request.path_params["path"].strip("/").split("/")
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    resource = at_path(group, version, parts[0])
    if resource is None or len(parts) > 3 or "" in parts or (namespace and not resource.namespaced):
        return None
    name, subresource = [*parts[1:], "", ""][:2]
    if subresource and subresource not in resource.subresources:
        return None
    if resource.namespaced and name and not namespace:
        return None
    return _Target(resource, name if resource is NAMESPACES else namespace, name, subresource)


def _verb(request: Request, target: _Target) -> str:
    """What is asked, in the authorizer's word. Raises a 405 :class:`Refusal` for what is done to nothing."""
    named = bool(target.name)
    if request.method == "GET":
        watching = request.query_params.get("watch", "") in ("1", "true")
        return "watch" if watching and not named else "get" if named else "list"
    verbs = {("POST", False): "create", ("PUT", True): "update", ("PATCH", True): "patch", ("DELETE", True): "delete",
             ("DELETE", False): "deletecollection"}
    if request.method == "POST" and target.resource.namespaced and not target.namespace:
        raise refusals.method_not_allowed()
    if (request.method, named) not in verbs:
        raise refusals.method_not_allowed()
    return verbs[request.method, named]


def _check_accept(request: Request) -> None:
    accepted = request.headers.get("accept", "*/*")
    if not any(kind in accepted for kind in ("json", "*/*", "application/*")):
        raise refusals.not_acceptable()


def _strategy(request: Request, resource: Resource) -> Strategy:
    known = [kind for kind in _PATCHES if not (resource.custom and _PATCHES[kind] == "strategic")]
    if media_type(request) not in known:
        raise refusals.unsupported_media_type(known)
    return _PATCHES[media_type(request)]


def _review_body(request: Request, body: bytes) -> Json:
    if media_type(request) != PROTOBUF:
        return _json_body(request, body)
    try:
        return decode_review(body)
    except NotReadable as error:
        raise refusals.bad_request(f"the object provided is unrecognized: {error}") from None


def _json_body(request: Request, body: bytes) -> Json:
    if media_type(request) not in ("", _JSON):
        raise refusals.unsupported_media_type([_JSON])
    value = _decoded(body, "the object provided is unrecognized (must be of type Object)")
    if not isinstance(value, dict):
        raise refusals.bad_request("the object provided is unrecognized (must be of type Object)")
    return value


def _decoded(body: bytes, otherwise: str) -> Any:
    try:
        return read_json(body)
    except ValueError as error:
        raise refusals.bad_request(f"{otherwise}: {error}") from None


def _list(resource: Resource, items: Sequence[Json], revision: int) -> Json:
    if not resource.custom:
        # Typed lists say the kind once.
        items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(revision)}, "items": items}


def _warnings(outcome: Outcome) -> dict[str, str]:
    texts = [json.dumps(warning, ensure_ascii=True) for warning in outcome.warnings]
    return {"Warning": ", ".join(f"299 - {text}" for text in texts)} if texts else {}


def _answer(body: Json, code: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, separators=(",", ":")) + "\n"
    return Response(text, code, {"Cache-Control": "no-cache, private"} | (headers or {}), _JSON)


def _no_page() -> Response:
    return PlainTextResponse("404 page not found\n", 404)
