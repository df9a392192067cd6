"""``KubernetesClient``: reads objects of a Kubernetes API, and asks it what we may do. It changes nothing.

No client library: each re-sends, watches, runs plugins or writes keys to disk on its own account. What is needed are
three requests on plain JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import Impersonate, Kubeconfig
from triage.endpoints import ConfigError, Endpoint
from triage.facts.outcome import GONE, Failure, FailureKind
from triage.sources.breaker import Breaker
from triage.sources.failures import Product, Received, shape_failure
from triage.sources.impersonation import Headers, impersonation
from triage.text import clean

if TYPE_CHECKING:
    import ssl

    from triage.sources.http import HttpSource, Own
    from triage.sources.kubeconfig_exec import Plugin

Json = dict[str, Any]
"""A JSON object as it came: its texts are not cleaned yet."""
Result = TypeVar("Result")

KUBERNETES = Product("Kubernetes", 6443, "the URL may lack the path prefix of a gateway (Rancher: /k8s/clusters/ID)")
MOST_ITEMS = 500
"""Objects read of one list."""
_RENEW_SECONDS = 10.0
"""Between attempts to read a credential anew that the server does not take."""
_KUBECONFIG_WORDS = (("tls.cert and tls.key", "client-certificate and client-key"), ("tls.cert", "client-certificate"),
                     ("tls.ca", "certificate-authority"),
                     (" in url", " in server"))
"""What a kubeconfig calls what hints about TLS speak of."""
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as its URL names it."""

    group: str
    """"" for the core group."""
    version: str
    plural: str
    kind: str

    @property
    def qualified(self) -> str:
        """``rollouts.argoproj.io``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str, name: str = "") -> str:
        """Path of one object, or of all in a namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{quote(namespace, safe='')}/{self.plural}" + (
            f"/{quote(name, safe='')}" if name else "")


ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("", "v1", "events", "Event")


@dataclass(frozen=True, slots=True)
class Listed:
    """Objects of one kind."""

    items: tuple[Json, ...]
    truncated: bool
    """There are more than :data:`MOST_ITEMS`."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that one may be allowed to do."""

    verb: str
    """``get``, ``list``, ``patch`` ..."""
    resource: Resource
    namespace: str
    """"" for all of them."""
    subresource: str = ""
    name: str = ""
    """One object; "" for all, which a role that names objects does not give."""

    def sentence(self) -> str:
        """``patch rollouts.argoproj.io/status in ml``."""
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource.qualified}{part} in {self.namespace or 'all namespaces'}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The server's answer to a :class:`Permission`."""

    allowed: bool
    reason: str
    """The authorizer's words; often ""."""


def connect(active: Active, clock: Clock) -> KubernetesClient | None:
    """The client of the context's cluster, None when it names none.

    Raises :class:`~triage.config.ConfigError` when the kubeconfig, a certificate or a secret cannot be used.
    """
    from triage.sources.http import Own
    configured = active.context.kubernetes
    if configured is None:
        return None
    if isinstance(configured, Kubeconfig):
        endpoint, own, credential = _from_kubeconfig(configured, active)
    else:
        endpoint, credential = configured, _credential(configured)
        own = Own(headers=_acting_as(configured.impersonate))
    return KubernetesClient(endpoint, clock, own=own, credential=credential,
                            by_kubeconfig=isinstance(configured, Kubeconfig))


def _acting_as(whom: Impersonate | None) -> Headers:
    if whom is None:
        return ()
    return impersonation(whom.user, whom.uid, whom.groups, whom.extra, said="kubernetes.impersonate in triage.yaml")


def _from_kubeconfig(configured: Kubeconfig, active: Active) -> tuple[Endpoint, Own, str]:
    from triage.sources.http import Own
    from triage.sources.kubeconfig import read_login
    from triage.sources.tls import context_of
    path = active.beside_config(configured.kubeconfig)
    login = read_login(path, configured.context, configured.bearer_token)
    where = clean(f"{path} (context {configured.context})", limit=400)
    plugin = login.plugin
    certificate, key = login.certificate, login.key
    if plugin is not None:
        certificate, key = plugin.credential.certificate, plugin.credential.key
    tls = context_of(login.authorities, certificate, key, where=where) if login.server.startswith("https") else None
    endpoint = Endpoint.model_validate({"url": login.server, "proxy": login.proxy})
    own = Own(token=login.token, tls=tls, has_certificate=certificate is not None, server_name=login.server_name,
              headers=_acting_as(configured.impersonate) or login.headers)
    if plugin is not None:
        own = replace(own, token=partial(_printed, plugin, tls, where), expired=plugin.expired,
                      shown=lambda: plugin.credential.certificate)
    return endpoint.model_copy(update={"timeout": configured.timeout}), own, login.credential


def _printed(plugin: Plugin, tls: ssl.SSLContext | None, where: str) -> str:
    """The token that a plugin prints, "" for none; a certificate is shown in new connections from now on."""
    from triage.sources.tls import show_certificate
    credential = plugin.take()
    if credential.certificate is not None and tls is not None:
        show_certificate(tls, credential.certificate, credential.key, where=where)
    return credential.token


def _credential(endpoint: Endpoint) -> str:
    """Where an endpoint's credential comes from, in words; "" when it has none."""
    if endpoint.bearer_token is not None:
        return f"the token from {clean(endpoint.bearer_token.describe(), limit=200)}"
    if endpoint.basic_auth is not None:
        return f"the password from {clean(endpoint.basic_auth.password.describe(), limit=200)}"
    if endpoint.tls.cert is not None:
        return f"the client certificate {clean(endpoint.tls.cert, limit=200)}"
    return "the credential in a header" if endpoint.secret_headers else ""


class KubernetesClient:
    """One Kubernetes API. Behaves as :class:`~triage.sources.prometheus.PrometheusClient` does.

    A credential that the server stops taking is read anew, since tokens expire, and a question that was refused for it
    is then asked once more.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, *, own: Own | None = None, credential: str = "",
                 by_kubeconfig: bool = False, name: str = "kubernetes") -> None:
        # Not at the top: the first frame is drawn before httpx is imported.
        from triage.sources.http import HttpSource
        from triage.sources.http import Own as NoneOwn
        self.name = name
        self.credential = credential
        """Who we are, in words; "" for nobody."""
        self.impersonates = own is not None and any(name.lower() == "impersonate-user" for name, _ in own.headers)
        """Whether the server takes us for somebody else, whom :meth:`identity` then names."""
        self.source: HttpSource = HttpSource(endpoint, clock, KUBERNETES,
                                             replace(own or NoneOwn(), refuses_apart=True))
        self._clock = clock
        self._by_kubeconfig = by_kubeconfig
        self._expired = None if own is None else own.expired
        self._gone: Failure | None = None
        self._renewing = asyncio.Lock()
        self._renewals = 0
        self._renewed_at: float | None = None

    @property
    def requests_sent(self) -> int:
        """Every HTTP request that left, re-sent ones included."""
        return self.source.requests_sent

    @property
    def breaker(self) -> Breaker:
        return self.source.breaker

    async def read(self, resource: Resource, namespace: str, name: str) -> Json | Failure:
        """One object."""
        refused = _bad_name("namespace", namespace) or _bad_name("name", name)
        if refused is not None:
            return refused
        answer = await self._asked(lambda: self.source.get(resource.path(namespace, name), self._decoder(_object)))
        if isinstance(answer, Failure):
            return self._explained(answer, Permission("get", resource, namespace), name)
        return answer

    async def read_all(self, resource: Resource, namespace: str, *, labels: str = "",
                       fields: str = "") -> Listed | Failure:
        """The first :data:`MOST_ITEMS` objects in a namespace that both selectors pick; "" picks all."""
        refused = _bad_name("namespace", namespace)
        if refused is not None:
            return refused
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        params = {"limit": str(MOST_ITEMS)} | {name: text for name, text in selectors.items() if text}
        answer = await self._asked(lambda: self.source.get(resource.path(namespace), self._decoder(_list),
                                                           params=params))
        if isinstance(answer, Failure):
            return self._explained(answer, Permission("list", resource, namespace))
        return answer

    async def may(self, permission: Permission) -> Allowed | Failure:
        """Whether we are allowed to, as the server's authorizer sees it (a SelfSubjectAccessReview changes nothing)."""
        resource = permission.resource
        question = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
            "resourceAttributes": {"namespace": permission.namespace, "verb": permission.verb, "group": resource.group,
                                   "version": resource.version, "resource": resource.plural,
                                   "subresource": permission.subresource, "name": permission.name}}}
        answer = await self._review("authorization.k8s.io/v1/selfsubjectaccessreviews", question)
        if isinstance(answer, Failure):
            return answer
        status = _inner(answer, "status")
        reasons = [clean(status[key], limit=300) for key in ("reason", "evaluationError")
                   if isinstance(status.get(key), str) and status[key]]
        return Allowed(status.get("allowed") is True and status.get("denied") is not True, "; ".join(reasons))

    async def identity(self) -> str | Failure:
        """The user name that the server knows us by (Kubernetes 1.28 and later)."""
        answer = await self._review("authentication.k8s.io/v1/selfsubjectreviews",
                                    {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
        if isinstance(answer, Failure):
            return answer
        name = _inner(_inner(answer, "status"), "userInfo").get("username")
        return clean(name, limit=200) if isinstance(name, str) else ""

    async def about(self) -> tuple[str, Received] | Failure:
        """(server version such as ``v1.32.0``, the answer itself)."""
        def decode(received: Received) -> tuple[str, Received] | Failure:
            document = self.source.json(received)
            if isinstance(document, Failure):
                return document
            version = document.get("gitVersion") if isinstance(document, dict) else None
            if not isinstance(version, str):
                return shape_failure("/version tells no version")
            return clean(version, limit=60), received
        answer = await self._asked(lambda: self.source.get("/version", decode))
        return self._explained(answer) if isinstance(answer, Failure) else answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self.source.aclose()

    async def _review(self, path: str, question: Json) -> Json | Failure:
        body = json.dumps(question).encode()
        answer = await self._asked(lambda: self.source.post_json(f"/apis/{path}", body, self._decoder(_object)))
        return self._explained(answer) if isinstance(answer, Failure) else answer

    def _decoder(self, parse: Callable[[Any], Result | Failure]) -> Callable[[Received], Result | Failure]:
        def decode(received: Received) -> Result | Failure:
            document = self.source.json(received)
            return document if isinstance(document, Failure) else parse(document)
        return decode

    async def renew_expired(self) -> None:
        """Read the credential anew when its known end has come; asked before every request, read or not."""
        if self._expired is not None and self._expired():
            await self._renewed(self._renewals)

    async def _asked(self, ask: Callable[[], Awaitable[Result | Failure]]) -> Result | Failure:
        """Ask, and once more with a new credential when the old one is not taken (only reads come here)."""
        await self.renew_expired()
        renewals = self._renewals
        answer = await ask()
        if isinstance(answer, Failure) and answer.status == 401 and await self._renewed(renewals):
            answer = await ask()
        return answer

    async def _renewed(self, seen: int) -> bool:
        """Whether there is another credential than the one in use after ``seen`` renewals."""
        async with self._renewing:
            if self._renewals != seen:
                return True
            now = self._clock.monotonic()
            if self._renewed_at is not None and now - self._renewed_at < _RENEW_SECONDS:
                return False
            self._renewed_at = now
            try:
                changed = await asyncio.to_thread(self.source.renew)
            except ConfigError:
                return False
            await self.source.close_outdated()
            if changed:
                self._renewals += 1
                self.breaker.reset()
            return changed

    def _explained(self, failure: Failure, asked: Permission | None = None, name: str = "") -> Failure:
        """The same with what to do about it here, where the general hint speaks of queries."""
        message, hint = failure.message, failure.hint
        if failure.kind is FailureKind.CIRCUIT_OPEN and self._gone is not None:
            return replace(failure, message=f"not asked, it failed just before: {self._gone.sentence()}",
                           hint=self._gone.hint)
        if failure.kind is FailureKind.UNAUTHORIZED:
            message = f"{self.credential} is not accepted" if self.credential else "a credential is needed"
            hint = ("it has expired, was revoked, or is of another cluster: renew it" if self.credential else
                    "add bearer_token or a client certificate to kubernetes in triage.yaml")
        elif failure.status == 403 and "system:anonymous" in message:
            hint = "the server knows us as nobody: is the credential of this cluster, and does a proxy take it away?"
        elif failure.status == 403 and asked is not None:
            hint = (f"its role needs {asked.sentence()}; kubectl auth can-i {asked.verb} {asked.resource.qualified} "
                    f"-n {asked.namespace} says whether it has")
        elif failure.status == 404 and asked is not None:
            hint = _not_found_hint(message, asked, name)
        elif failure.status == 410:
            hint = "what was asked for is no longer remembered there: the next refresh reads it anew"
        elif failure.kind is FailureKind.TIMEOUT:
            hint = "the API server or the way to it is slow: the next refresh asks again"
        if self._by_kubeconfig and failure.kind is FailureKind.TLS:
            for ours, theirs in _KUBECONFIG_WORDS:
                hint = hint.replace(ours, theirs)
        explained = replace(failure, message=message, hint=hint)
        if failure.kind in GONE and failure.status != 403:
            self._gone = explained
        return explained


def _not_found_hint(message: str, asked: Permission, name: str) -> str:
    # The server's words for an object end so; a group that is not served gets a page of its own.
    if message.endswith("not found") and "page not found" not in message:
        return (f"is there a {asked.resource.kind} {asked.namespace}/{clean(name, limit=80)} in this cluster? Check "
                "rollout.namespace and rollout.name in the manifest, and the cluster in triage.yaml")
    installed = "is Argo Rollouts installed there" if asked.resource is ROLLOUTS else "is that a Kubernetes API"
    return f"this server has no {asked.resource.qualified}: {installed}, and is it the right cluster?"


def _bad_name(what: str, text: str) -> Failure | None:
    if _NAME.fullmatch(text):
        return None
    return Failure(FailureKind.BAD_QUERY, f'"{clean(text, limit=80)}" is no {what} of a Kubernetes object',
                   f"rollout.{what} in the manifest: lower-case letters, digits, - and . only")


def _object(document: Any) -> Json | Failure:
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        return shape_failure("the answer is no Kubernetes object")
    return document


def _list(document: Any) -> Listed | Failure:
    items = document.get("items") if isinstance(document, dict) else None
    # Go writes an empty list of some kinds as null.
    if not isinstance(document, dict) or not isinstance(items, list | None) or "items" not in document:
        return shape_failure("the answer is no list of Kubernetes objects")
    listed = items or []
    if not all(isinstance(item, dict) and isinstance(item.get("metadata"), dict) for item in listed):
        return shape_failure("the list holds something that is no Kubernetes object")
    return Listed(tuple(listed), bool(_inner(document, "metadata").get("continue")))


def _inner(document: Json, key: str) -> Json:
    inner = document.get(key)
    return inner if isinstance(inner, dict) else {}
