"""Who says who we are in place of a system that authenticates nobody, as the configuration names it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from triage.clock import Clock
from triage.config import Active
from triage.config_identity import KubernetesIdentity, OwnIdentity, ServerIdentity, Whoami
from triage.config_sources import Kubeconfig
from triage.endpoints import ConfigError
from triage.facts.outcome import Failure, FailureKind
from triage.sources.failures import Product, Received
from triage.sources.kubernetes import KubernetesClient
from triage.text import clean

if TYPE_CHECKING:
    from triage.sources.http import HttpSource

_LONGEST = 200
_SERVER = Product("the identity server", 443, "check url and path of identity")


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Something that is asked in a system's place."""

    shown: str
    ask: Callable[[], Awaitable[str | Failure]]
    """Our name there."""
    impersonates: bool = False
    """As :attr:`~triage.actions.system.Authority.impersonates`."""
    aclose: Callable[[], Awaitable[None]] = _nothing
    """Closes what was opened for it alone."""


def cluster_name(active: Active, client: KubernetesClient) -> str:
    """What sentences call the cluster of the context."""
    where = active.context.kubernetes
    if isinstance(where, Kubeconfig):
        return clean(where.context, limit=_LONGEST)
    return (where.name if where is not None else "") or client.source.url


def authenticator(identity: OwnIdentity | ServerIdentity | KubernetesIdentity | None, active: Active, clock: Clock,
                  kubernetes: KubernetesClient | None, own: HttpSource | None = None) -> Authenticator | None:
    """What is asked in place of a system, None when nothing is named; ``own`` is how the system itself is asked.

    What cannot be asked (a secret that is not there) answers so: pausing and rolling back need no second person.
    """
    if identity is None:
        return None
    try:
        return _made(identity, active, clock, kubernetes, own)
    except ConfigError as error:
        failure = Failure(FailureKind.UNAUTHORIZED, error.message, error.hint)

    async def fails() -> Failure:
        return failure
    return Authenticator("whom identity names", fails)


def _made(identity: OwnIdentity | ServerIdentity | KubernetesIdentity, active: Active, clock: Clock,
          kubernetes: KubernetesClient | None, own: HttpSource | None) -> Authenticator:
    if isinstance(identity, KubernetesIdentity):
        if kubernetes is None:
            raise ConfigError(f"the context {active.name} names no Kubernetes API, which identity asks",
                              "add kubernetes: {kubeconfig: ~/.kube/config, context: ...} to it")
        return Authenticator(f"Kubernetes {cluster_name(active, kubernetes)}", kubernetes.identity,
                             kubernetes.impersonates)
    if isinstance(identity, OwnIdentity):
        if own is None:
            raise ConfigError("identity of kind whoami needs a server of its own", "use kind server or kubernetes")
        return Authenticator(f"{own.url}{identity.path.partition('?')[0]}", partial(_whoami, identity, own))
    from triage.sources.http import HttpSource
    source = HttpSource(identity, clock, _SERVER)
    return Authenticator(identity.name or source.url, partial(_whoami, identity, source),
                         aclose=source.aclose)


async def _whoami(call: Whoami, source: HttpSource) -> str | Failure:
    def decode(received: Received) -> str | Failure:
        document = source.json(received)
        if isinstance(document, Failure):
            return document
        name = clean(_field(document, call.field), limit=_LONGEST).strip()
        return name or Failure(FailureKind.BROKEN, f"its answer has no name in {call.field}",
                               "check path and field of identity, and its credential", received.status)
    if call.method == "GET":
        return await source.get(call.path, decode)
    return await source.post_json(call.path, json.dumps(call.body or {}).encode(), decode)


def _field(document: Any, path: str) -> str:
    """The text or whole number below the names of ``path``; "" when there is none."""
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return str(document) if isinstance(document, str | int) and not isinstance(document, bool) else ""
