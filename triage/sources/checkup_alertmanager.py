"""The part of ``triage doctor`` that examines an Alertmanager."""

from __future__ import annotations

import asyncio
from typing import Any

from triage.clock import Clock
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, SourceState
from triage.sources.alertmanager import AlertmanagerClient
from triage.sources.checkup import Capability, SourceCheck
from triage.sources.decode import clean_tree
from triage.sources.examination import clock_capability, examine
from triage.sources.failures import Received

_STATUS = "/api/v2/status"


async def check_alertmanager(endpoint: Endpoint, clock: Clock, *, allow_write: bool) -> SourceCheck:
    """Examine one server. Raises :class:`~triage.config.ConfigError` when its secrets cannot be had."""
    client = AlertmanagerClient(endpoint, clock)
    try:
        return await _examined(client, clock, allow_write)
    finally:
        await client.aclose()


async def _examined(client: AlertmanagerClient, clock: Clock, allow_write: bool) -> SourceCheck:
    status: Any = None

    async def cheap() -> Received | Failure:
        nonlocal status
        client.breaker.reset()

        def decode(received: Received) -> tuple[Received, Any]:
            return received, client.source.json(received)
        found = await client.source.get(_STATUS, decode)
        if isinstance(found, Failure):
            return found
        received, document = found
        if isinstance(document, Failure):
            return document
        status = document
        return received

    examined = await examine(cheap, clock)
    if isinstance(examined, Failure):
        return SourceCheck(client.name, client.source.url, SourceState.DOWN, error=examined.sentence(),
                           fix=examined.hint)
    client.breaker.reset()
    alerts, silences = await asyncio.gather(client.alerts(), client.silences())
    client.breaker.reset()
    status = clean_tree(status, limit=100)
    may_write = await _may_write(client)
    about = status.get("versionInfo") if isinstance(status, dict) else None
    version = about.get("version") if isinstance(about, dict) else None
    capabilities = [
        _readable("alerts", alerts, "alerts come from Prometheus alone, without silences", required=True),
        _readable("silences", silences, "who silenced what is not shown", required=False),
        _cluster(status), clock_capability(examined.clock_difference_seconds)]
    if allow_write:
        capabilities.append(_writable(may_write))
    warnings = () if allow_write or not may_write else (
        "this credential can create silences, in a context meant for reading: give it one that cannot, or block POST "
        "and DELETE on the way",)
    return SourceCheck(client.name, client.source.url, SourceState.OK, "Alertmanager",
                       version if isinstance(version, str) else "", examined.latency_seconds,
                       examined.clock_difference_seconds, capabilities=tuple(capabilities), warnings=warnings)


async def _may_write(client: AlertmanagerClient) -> bool | None:
    """Whether this credential gets as far as having its silence examined; None when that cannot be told."""
    answer = await client.source.post_json("/api/v2/silences", b"{}", lambda received: received.status)
    status = answer.status if isinstance(answer, Failure) else answer
    if status in (400, 422, 200):
        return True
    return False if status in (401, 403, 404, 405, 501) else None


def _readable(what: str, answer: Any, consequence: str, *, required: bool) -> Capability:
    if isinstance(answer, Failure):
        return Capability("missing", what, f"{consequence}: {answer.sentence()}", answer.hint, required)
    return Capability("ok", what, f"{len(answer)} now", required=required)


def _cluster(status: Any) -> Capability:
    cluster = status.get("cluster") if isinstance(status, dict) else None
    said = cluster.get("status") if isinstance(cluster, dict) else None
    if said == "disabled":
        return Capability("ok", "cluster", "a single server")
    if said == "ready":
        peers = cluster.get("peers") if isinstance(cluster, dict) else None
        return Capability("ok", "cluster", f"ready, {len(peers) if isinstance(peers, list) else '?'} peers")
    if isinstance(said, str) and said:
        return Capability("missing", "cluster", f"{said}: silences may not have reached it yet",
                          "look at its log and at --cluster.peer")
    return Capability("unknown", "cluster", "it does not say")


def _writable(may_write: bool | None) -> Capability:
    if may_write:
        return Capability("ok", "creating silences")
    if may_write is None:
        return Capability("unknown", "creating silences")
    return Capability("missing", "creating silences", "the context allows writing, the credential does not",
                      "use a credential that may POST to /api/v2/silences")
