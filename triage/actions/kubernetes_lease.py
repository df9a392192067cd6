"""Leases as objects of the cluster (``coordination.k8s.io/v1``): between everybody who can reach it.

One object ``triage-<target>`` beside the target, changed by compare and set on its ``resourceVersion``. The token is
its ``leaseTransitions``, so it is never deleted. A lease ends when its holder has not moved it on for its own time; the
machines' clocks must agree to within a small part of that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from triage.actions.kubernetes_sender import KubernetesSender
from triage.actions.lease import LEASE_SECONDS, Busy, Claim, Free, Held, NoLease
from triage.actions.plan import Request, Target
from triage.actions.rollouts.conditions import OPTIONS, written
from triage.actions.system import Fate, Sent
from triage.facts.outcome import Failure
from triage.sources.decode import parse_time
from triage.sources.kubernetes import Json, KubernetesClient, Resource
from triage.sources.rollouts.objects import inner, notes_of, text, whole

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_ACTION, _TEXT = "triage.dev/action", "triage.dev/for"
_LONGEST_NAME = 200


def lease_name(target: Target) -> str:
    """``triage-argo-fraud-scorer``: the same for everybody, whatever they call the cluster."""
    name = re.sub(r"[^a-z0-9.-]+", "-", f"triage-{target.system}-{target.name}".lower())
    return name[:_LONGEST_NAME].strip("-.")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands in a Lease."""

    version: str
    """``resourceVersion``."""
    token: int
    claim: Claim | None
    """None when it was given back."""
    since: float
    until: float


class KubernetesLeases:
    """The lease of one target, kept beside it in the cluster. Raises nothing.

    Times are the machine's, not the clock's of a lab or a replay: what is shared with others needs one time.
    """

    def __init__(self, client: KubernetesClient, target: Target, *, seconds: float = LEASE_SECONDS,
                 now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._sender = KubernetesSender(client, timeout_seconds=seconds / 3)
        self._namespace, self._name = target.namespace, lease_name(target)
        self._seconds = seconds
        self._now = now

    async def look(self, key: str) -> Free | Busy | NoLease:
        """As the protocol says; ``key`` is that of the target given."""
        found = await self._read()
        return found if isinstance(found, NoLease) else self._judged(found)

    async def acquire(self, key: str, claim: Claim) -> Held | Busy | NoLease:
        """As the protocol says; ``key`` is that of the target given."""
        before = await self._read()
        if isinstance(before, NoLease):
            return before
        state = self._judged(before)
        if isinstance(state, Busy):
            return state
        token, now = (0 if before is None else before.token) + 1, self._now()
        sent, item = await self._write(before, claim, token, now)
        if sent.fate is Fate.DONE and item is not None:
            return _KubernetesLease(self, _entry(item), claim, now, state.abandoned)
        # It was somebody else's turn, or the answer was lost: the object says which.
        after = await self._read()
        if isinstance(after, _Entry):
            if after.token == token and after.claim == claim:
                return _KubernetesLease(self, after, claim, now, state.abandoned)
            found = self._judged(after)
            if isinstance(found, Busy):
                return found
        return NoLease(f"the Lease {self._namespace}/{self._name} cannot be taken: {sent.message}")

    async def _read(self) -> _Entry | NoLease | None:
        found = await self._client.read(LEASES, self._namespace, self._name)
        if not isinstance(found, Failure):
            return _entry(found)
        if found.status == 404:
            return None
        return NoLease(f"the Lease {self._namespace}/{self._name} cannot be read: {found.message}")

    def _judged(self, entry: _Entry | None) -> Free | Busy:
        if entry is None or entry.claim is None:
            return Free()
        if self._now() < entry.until:
            return Busy(entry.claim, entry.since, entry.until)
        return Free(entry.claim)

    async def _write(self, before: _Entry | None, claim: Claim | None, token: int,
                     since: float) -> tuple[Sent, Json | None]:
        """Compare and set; ``claim`` None gives it back."""
        spec: Json = {"leaseDurationSeconds": max(1, round(self._seconds)), "leaseTransitions": token,
                      "acquireTime": _micro(since), "renewTime": _micro(self._now())}
        metadata: Json = {"name": self._name, "namespace": self._namespace}
        if claim is not None:
            spec["holderIdentity"] = claim.holder
            metadata["annotations"] = {_ACTION: claim.action_id, _TEXT: claim.text}
        if before is not None:
            metadata["resourceVersion"] = before.version
        body = written({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
        method, name = ("POST", "") if before is None else ("PUT", self._name)
        path = f"{LEASES.path(self._namespace, name)}?{OPTIONS}"
        request = Request(method, path, "application/json", body, f"lease {self._name}", "")
        return await self._sender.exchange(request, path, f"lease/{quote(self._name)}")

    async def moved_on(self, entry: _Entry, claim: Claim, since: float, *, release: bool) -> _Entry | str:
        """The lease with its end moved on, or given back; else why it is not ours any more."""
        if self._now() >= entry.until and not release:
            return "the lease ended before it was moved on: this machine was asleep or too slow"
        sent, item = await self._write(entry, None if release else claim, entry.token, since)
        if sent.fate is Fate.DONE and item is not None:
            return _entry(item)
        after = await self._read()
        if isinstance(after, NoLease):
            return after.message
        if after is None:
            return "the lease is gone: somebody deleted it"
        if after.token != entry.token or (after.claim != claim and not (release and after.claim is None)):
            return f"somebody else has the lease: {'nobody' if after.claim is None else after.claim.holder}"
        if after.version == entry.version:
            return f"the lease could not be moved on: {sent.message}"
        # Ours, and another version: an earlier answer was lost, or somebody else put a label on it.
        if not release and self._now() >= after.until:
            return "the lease ended before it was moved on: the server or the way to it is too slow"
        if release and after.claim is not None:
            sent, item = await self._write(after, None, entry.token, since)
            return _entry(item) if sent.fate is Fate.DONE and item is not None else (
                f"the lease could not be given back: {sent.message}")
        return after


class _KubernetesLease:
    def __init__(self, leases: KubernetesLeases, entry: _Entry, claim: Claim, since: float,
                 taken_over_from: Claim | None) -> None:
        self._leases, self._entry, self._claim, self._since = leases, entry, claim, since
        self._taken_over_from = taken_over_from

    @property
    def token(self) -> int:
        return self._entry.token

    @property
    def taken_over_from(self) -> Claim | None:
        return self._taken_over_from

    async def renew(self) -> str:
        return await self._move(release=False)

    async def release(self) -> str:
        return await self._move(release=True)

    async def _move(self, *, release: bool) -> str:
        found = await self._leases.moved_on(self._entry, self._claim, self._since, release=release)
        if isinstance(found, str):
            return found
        self._entry = found
        return ""


def _entry(item: Json) -> _Entry:
    spec, notes = inner(item, "spec"), notes_of(item)
    holder = text(spec.get("holderIdentity"))
    claim = Claim(holder, text(notes.get(_ACTION), 100), text(notes.get(_TEXT), 400)) if holder else None
    renewed = parse_time(spec.get("renewTime"))
    # One that never says when it was moved on is over: nobody would wait for it for ever.
    until = 0.0 if renewed is None else renewed + (whole(spec.get("leaseDurationSeconds")) or 0)
    return _Entry(text(inner(item, "metadata").get("resourceVersion")), whole(spec.get("leaseTransitions")) or 0, claim,
                  parse_time(spec.get("acquireTime")) or 0.0, until)


def _micro(at: float) -> str:
    """``metav1.MicroTime``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
