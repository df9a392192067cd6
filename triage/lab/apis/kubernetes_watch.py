"""Watches: the log of changes as a stream of JSON lines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from triage.lab.apis.kubernetes_selectors import Matches
from triage.lab.apis.kubernetes_tables import table
from triage.lab.cluster import Cluster
from triage.lab.cluster.objects import Json, namespace_of
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import Resource
from triage.lab.cluster.storage import Change

_POLL_SECONDS = 0.05
_BOOKMARK_SECONDS = 60.0
"""How often kube-apiserver sends a bookmark, about."""
_DEFAULT_SECONDS = 1800.0
"""kube-apiserver's ``--min-request-timeout``: how long a watch lives that does not say."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a client wants to see."""

    resource: Resource
    namespace: str
    matches: Matches
    since: int | None
    """Resource version to go on from; None begins with everything that exists."""
    timeout_seconds: float | None
    """Of the machine's time, as clients count; None for the server's default."""
    bookmarks: bool
    table_of: str = ""
    """Not empty: objects come as tables, with this much of each object (``Metadata``)."""


async def stream(cluster: Cluster, watch: Watch) -> AsyncIterator[bytes]:
    """Events as they happen, until the time is over. A forgotten beginning ends it with an ERROR event (410)."""
    began = time.monotonic()
    ends = began + (_DEFAULT_SECONDS if watch.timeout_seconds is None else watch.timeout_seconds)
    next_bookmark = began + _BOOKMARK_SECONDS
    revision = cluster.storage.revision if watch.since is None else watch.since
    if watch.since is None:
        for item in cluster.storage.all(watch.resource, watch.namespace):
            if watch.matches(item):
                yield _line("ADDED", _shown(cluster, watch, item))
    while True:
        cluster.advance()
        try:
            changes = cluster.storage.since(revision)
        except Refusal as refusal:
            yield _line("ERROR", refusal.status())
            return
        revision = max(revision, cluster.storage.revision)
        for change in changes:
            if kind := _kind(watch, change):
                yield _line(kind, _shown(cluster, watch, change.item))
        now = time.monotonic()
        if watch.bookmarks and (now >= next_bookmark or now >= ends):
            yield _line("BOOKMARK", _bookmark(watch.resource, revision))
            next_bookmark = now + _BOOKMARK_SECONDS
        if now >= ends:
            return
        await asyncio.sleep(min(_POLL_SECONDS, ends - now))


def _shown(cluster: Cluster, watch: Watch, item: Json) -> Json:
    if not watch.table_of:
        return item
    revision = int(item["metadata"]["resourceVersion"])
    return table(watch.resource, [item], revision, cluster.time, include=watch.table_of)


def _kind(watch: Watch, change: Change) -> str:
    """The change as this watch sees it: an object that no longer matches is gone, one that begins to match is new.

    Empty for a change that is not its business.
    """
    if change.resource is not watch.resource or watch.namespace not in ("", namespace_of(change.item)):
        return ""
    matched = change.before is not None and watch.matches(change.before)
    matches = change.kind != "DELETED" and watch.matches(change.item)
    if matches:
        return "MODIFIED" if matched else "ADDED"
    return "DELETED" if matched else ""


def _bookmark(resource: Resource, revision: int) -> Json:
    return {"kind": resource.kind, "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(revision), "creationTimestamp": None}}


def _line(kind: str, item: Json) -> bytes:
    return json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n"
