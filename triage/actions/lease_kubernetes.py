"""Leases as objects of a cluster (``coordination.k8s.io/v1``): between all who act on it, wherever they sit.

The server decides: each write names the ``resourceVersion`` it was made from, and of two one is a conflict.
``leaseTransitions`` is the token. A holder that is gone has it until ``renewTime`` plus the lease's time; the machines'
clocks must agree to within that. Needs get, create and update on leases in the namespace.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from triage.actions.kubernetes_sender import KubernetesSender
from triage.actions.lease import LEASE_SECONDS, Busy, Claim, Free, Held, NoLease
from triage.actions.plan import Request
from triage.actions.system import Fate, Sent
from triage.facts.outcome import Failure, FailureKind
from triage.sources.kubernetes import Json, KubernetesClient, Resource
from triage.text import clean

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_ACTION, _TEXT = "triage.dev/action", "triage.dev/text"
_CONFLICT = 409


class KubernetesLeases:
    """Leases in ``namespace`` of the cluster that ``client`` reads from. Times are the machine's."""

    def __init__(self, client: KubernetesClient, namespace: str, *, seconds: float = LEASE_SECONDS,
                 now: Callable[[], float] = time.time) -> None:
        self._client, self._sender = client, KubernetesSender(client)
        self._namespace, self._seconds, self._now = namespace, seconds, now

    async def look(self, key: str) -> Free | Busy | NoLease:
        """As the protocol says."""
        found = await self._read(key)
        return NoLease(found.sentence()) if isinstance(found, Failure) else self._judged(found)

    async def acquire(self, key: str, claim: Claim) -> Held | Busy | NoLease:
        """As the protocol says."""
        found = await self._read(key)
        if isinstance(found, Failure):
            return NoLease(found.sentence())
        state = self._judged(found)
        if isinstance(state, Busy):
            return state
        lease = _KubernetesLease(self, key, claim, found, state.abandoned)
        sent = await lease.put(released=False)
        if sent.fate is Fate.DONE:
            return lease
        # The other was faster, or no answer came: whoever stands there now has it.
        there = await self._read(key)
        if isinstance(there, Failure):
            return NoLease(sent.message)
        if lease.adopt(there):
            return lease
        now = self._judged(there)
        return now if isinstance(now, Busy) else NoLease(sent.message)

    async def _read(self, key: str) -> Json | Failure | None:
        """The object; None when there is none yet."""
        found = await self._client.read(LEASES, self._namespace, _name(key))
        return None if isinstance(found, Failure) and found.kind is FailureKind.NOT_FOUND else found

    def _judged(self, item: Json | None) -> Free | Busy:
        spec = _mapping(item, "spec")
        holder = clean(spec.get("holderIdentity") or "", limit=200)
        if not holder:
            return Free()
        notes = _mapping(_mapping(item, "metadata"), "annotations")
        claim = Claim(holder, clean(notes.get(_ACTION, ""), limit=40), clean(notes.get(_TEXT, ""), limit=200))
        since, renewed = _moment(spec.get("acquireTime")), _moment(spec.get("renewTime"))
        duration = spec.get("leaseDurationSeconds")
        lasts = float(duration) if isinstance(duration, int) and not isinstance(duration, bool) else self._seconds
        if renewed is None or self._now() < renewed + lasts:
            # One that does not say when it was renewed is not ours to judge as over.
            return Busy(claim, since or self._now(), (renewed or self._now()) + lasts)
        return Free(claim)


class _KubernetesLease:
    def __init__(self, leases: KubernetesLeases, key: str, claim: Claim, before: Json | None,
                 taken_over_from: Claim | None) -> None:
        self._leases, self._key, self._claim, self._item = leases, key, claim, before
        self._taken_over_from = taken_over_from
        self._since = leases._now()
        transitions = _mapping(before, "spec").get("leaseTransitions")
        self._token = (transitions if isinstance(transitions, int) else 0) + 1

    @property
    def token(self) -> int:
        return self._token

    @property
    def taken_over_from(self) -> Claim | None:
        return self._taken_over_from

    async def renew(self) -> str:
        return await self._written(released=False)

    async def release(self) -> str:
        return await self._written(released=True)

    async def put(self, *, released: bool) -> Sent:
        """Write it, from the version that was read last."""
        leases, name = self._leases, _name(self._key)
        version = _mapping(self._item, "metadata").get("resourceVersion")
        metadata: dict[str, Any] = {"name": name, "namespace": leases._namespace,
                                    "annotations": {_ACTION: self._claim.action_id, _TEXT: self._claim.text}}
        if isinstance(version, str):
            metadata["resourceVersion"] = version
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {
            "holderIdentity": "" if released else self._claim.holder, "leaseTransitions": self._token,
            "leaseDurationSeconds": max(1, round(leases._seconds)), "acquireTime": _spelt(self._since),
            "renewTime": _spelt(leases._now())}}
        create = self._item is None
        path = LEASES.path(leases._namespace, "" if create else name)
        request = Request("POST" if create else "PUT", f"{path}?fieldManager=triage", "application/json",
                          json.dumps(body), "lease", "")
        sent, item = await leases._sender.exchange(request, request.path, f"action/{self._claim.action_id}")
        if sent.fate is Fate.DONE and item is not None:
            self._item = item
        return sent

    def adopt(self, item: Json | None) -> bool:
        """Go on from ``item`` when that is our own lease."""
        spec = _mapping(item, "spec")
        notes = _mapping(_mapping(item, "metadata"), "annotations")
        ours = (spec.get("holderIdentity"), spec.get("leaseTransitions"), notes.get(_ACTION)) == (
            self._claim.holder, self._token, self._claim.action_id)
        if ours:
            self._item = item
        return ours

    async def _written(self, *, released: bool) -> str:
        sent = await self.put(released=released)
        if sent.fate is Fate.DONE:
            return ""
        there = await self._leases._read(self._key)
        if isinstance(there, Failure):
            return sent.message
        if not self.adopt(there):
            state = self._leases._judged(there)
            return f"somebody else has the lease: {state.claim.holder}" if isinstance(state, Busy) else (
                "the lease is not ours any more")
        if sent.code != _CONFLICT:
            return sent.message
        # Two of our own heartbeats met: the object is ours, and its newest version is known now.
        again = await self.put(released=released)
        return "" if again.fate is Fate.DONE else again.message


def _name(key: str) -> str:
    kept = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:40].strip("-") or "target"
    return f"triage-{kept}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _mapping(item: Json | None, key: str) -> Json:
    found = None if item is None else item.get(key)
    return found if isinstance(found, dict) else {}


def _spelt(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(text: Any) -> float | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found.timestamp()
