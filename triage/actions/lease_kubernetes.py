"""Leases as objects of a cluster (``coordination.k8s.io/v1``): between everybody who can reach it.

One object ``triage-<target>`` for each target, changed by compare and set on its ``resourceVersion``. The token is its
``leaseTransitions``, so it is never deleted. A lease ends when its holder has not moved it on for its own time. The
machines' clocks need not agree: one that is over by its times is taken when it was not moved on while we looked on, and
one that we have seen stand still for all its time is over, whatever its times say (as client-go has it). Needs get,
create and update on leases in the namespace.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from triage.actions.kubernetes_sender import KubernetesSender
from triage.actions.lease import LEASE_SECONDS, Busy, Claim, Free, Held, NoLease
from triage.actions.plan import Request
from triage.actions.rollouts.conditions import OPTIONS, written
from triage.actions.system import Fate, Sent
from triage.facts.outcome import Failure
from triage.sources.decode import parse_time
from triage.sources.kubernetes import Json, KubernetesClient, Resource
from triage.sources.rollouts.objects import inner, notes_of, text, whole

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_ACTION, _TEXT, _WATCHES = "triage.dev/action", "triage.dev/for", "triage.dev/watches"
_LONGEST_NAME = 100
_IN_THIS_CLUSTER = frozenset({"argo", "deployment"})
"""Systems whose targets lie in the cluster that has the leases."""
_OVER = "the lease ended before it was moved on: this machine was asleep, or the server too slow"


def lease_name(key: str) -> str:
    """``triage-argo-fraud-scorer-3f9ac21e`` of :attr:`~triage.actions.plan.Target.key`.

    For what lies in the cluster itself it is the same for everybody, whatever they call that cluster.
    """
    system, _, rest = key.partition("/")
    cluster, _, place = rest.rpartition("/")
    cluster, _, namespace = cluster.rpartition("/")
    known_as = "/".join((system, namespace, place)) if system in _IN_THIS_CLUSTER else key
    spelt = re.sub(r"[^a-z0-9]+", "-", f"{system}-{place}".lower())[:_LONGEST_NAME].strip("-")
    return f"triage-{spelt}-{hashlib.sha256(known_as.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


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
    watches: bool
    lasts: float
    """Seconds in which its holder has to move it on."""


class KubernetesLeases:
    """Leases in ``namespace`` of the cluster that ``client`` reads from. Raises nothing.

    Times are the machine's, not the clock's of a lab or a replay: what is shared with others needs one time.
    """

    def __init__(self, client: KubernetesClient, namespace: str, *, seconds: float = LEASE_SECONDS,
                 now: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic,
                 wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._client = client
        self._sender = KubernetesSender(client, timeout_seconds=seconds / 3)
        self._namespace = namespace
        self._seconds = seconds
        self._now, self._monotonic, self._wait = now, monotonic, wait
        self._seen: dict[str, tuple[str, float]] = {}
        """Version of each lease that was seen last, and since when (monotonic) it has stood still."""

    async def look(self, key: str) -> Free | Busy | NoLease:
        """As the protocol says."""
        name = lease_name(key)
        found = await self._read(name)
        return found if isinstance(found, NoLease) else self._judged(name, found)

    async def acquire(self, key: str, claim: Claim) -> Held | Busy | NoLease:
        """As the protocol says."""
        name = lease_name(key)
        before = await self._read(name)
        if isinstance(before, NoLease):
            return before
        state = self._judged(name, before)
        if before is not None and isinstance(state, Free) and state.abandoned is not None and (
                not self._stands_still(name, before)):
            # Its holder's clock may be behind ours, and a holder who lives moves it on meanwhile.
            await self._wait(self._seconds / 2)
            again = await self._read(name)
            if isinstance(again, NoLease):
                return again
            if again is not None and again.claim is not None and again.version != before.version:
                return Busy(again.claim, again.since, max(again.until, self._now() + self._seconds), again.watches)
            before, state = again, Free(state.abandoned) if again is not None and again.claim is not None else Free()
        if isinstance(state, Busy):
            return state
        token, now = (0 if before is None else before.token) + 1, self._now()
        sent, item = await self._write(name, before, claim, token, now)
        if sent.fate is Fate.DONE and item is not None:
            return _KubernetesLease(self, name, self._entry(item), claim, now, state.abandoned)
        # It was somebody else's turn, or the answer was lost: the object says which.
        after = await self._read(name)
        if isinstance(after, _Entry):
            if after.token == token and after.claim == claim:
                return _KubernetesLease(self, name, after, claim, now, state.abandoned)
            found = self._judged(name, after)
            if isinstance(found, Busy):
                return found
        return NoLease(f"the Lease {self._namespace}/{name} cannot be taken: {sent.message}")

    async def _read(self, name: str) -> _Entry | NoLease | None:
        found = await self._client.read(LEASES, self._namespace, name)
        if not isinstance(found, Failure):
            return self._entry(found)
        if found.status == 404:
            return None
        return NoLease(f"the Lease {self._namespace}/{name} cannot be read: {found.message}")

    def _stands_still(self, name: str, entry: _Entry) -> bool:
        """Whether we have seen it like this for all the time that its holder has to move it on."""
        version, since = self._seen.get(name, ("", 0.0))
        if version != entry.version:
            self._seen[name] = entry.version, self._monotonic()
            return False
        return self._monotonic() - since >= entry.lasts

    def _judged(self, name: str, entry: _Entry | None) -> Free | Busy:
        if entry is None or entry.claim is None:
            return Free()
        if not self._stands_still(name, entry) and self._now() < entry.until:
            return Busy(entry.claim, entry.since, entry.until, entry.watches)
        return Free(entry.claim)

    async def _write(self, name: str, before: _Entry | None, claim: Claim | None, token: int,
                     since: float, *, watches: bool = False) -> tuple[Sent, Json | None]:
        """Compare and set; ``claim`` None gives it back."""
        spec: Json = {"leaseDurationSeconds": max(1, round(self._seconds)), "leaseTransitions": token,
                      "acquireTime": _micro(since), "renewTime": _micro(self._now())}
        metadata: Json = {"name": name, "namespace": self._namespace}
        if claim is not None:
            spec["holderIdentity"] = claim.holder
            metadata["annotations"] = {_ACTION: claim.action_id, _TEXT: claim.text,
                                       **({_WATCHES: "true"} if watches else {})}
        if before is not None:
            metadata["resourceVersion"] = before.version
        body = written({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
        path = f"{LEASES.path(self._namespace, '' if before is None else name)}?{OPTIONS}"
        request = Request("POST" if before is None else "PUT", path, "application/json", body, f"lease {name}", "")
        return await self._sender.exchange(request, path, f"lease/{name}")

    def _entry(self, item: Json) -> _Entry:
        spec, notes = inner(item, "spec"), notes_of(item)
        holder = text(spec.get("holderIdentity"))
        claim = Claim(holder, text(notes.get(_ACTION), 100), text(notes.get(_TEXT), 400)) if holder else None
        renewed, lasts = parse_time(spec.get("renewTime")), whole(spec.get("leaseDurationSeconds"))
        # One that does not say when it was moved on was written by a person: it is not for us to judge it over.
        lasting = self._seconds if lasts is None else lasts
        until = (self._now() if renewed is None else renewed) + lasting
        return _Entry(text(inner(item, "metadata").get("resourceVersion")), whole(spec.get("leaseTransitions")) or 0,
                      claim, parse_time(spec.get("acquireTime")) or self._now(), until,
                      notes.get(_WATCHES) == "true", lasting)

    async def moved_on(self, name: str, entry: _Entry, claim: Claim, since: float, *, release: bool = False,
                       watches: bool = False) -> _Entry | str:
        """The lease with its end moved on, or given back; else why it is not ours any more."""
        if self._now() >= entry.until and not release:
            newest = await self._read(name)
            other = newest.claim if isinstance(newest, _Entry) and newest.token != entry.token else None
            return _OVER if other is None else f"somebody else has the lease: {other.holder}"
        sent, item = await self._write(name, entry, None if release else claim, entry.token, since, watches=watches)
        if sent.fate is Fate.DONE and item is not None:
            return self._entry(item)
        after = await self._read(name)
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
            return _OVER
        if (release and after.claim is not None) or (watches and not after.watches):
            sent, item = await self._write(name, after, None if release else claim, entry.token, since,
                                           watches=watches)
            return self._entry(item) if sent.fate is Fate.DONE and item is not None else (
                f"the lease could not be {'given back' if release else 'moved on'}: {sent.message}")
        return after


class _KubernetesLease:
    def __init__(self, leases: KubernetesLeases, name: str, entry: _Entry, claim: Claim, since: float,
                 taken_over_from: Claim | None) -> None:
        self._leases, self._name, self._entry, self._claim, self._since = leases, name, entry, claim, since
        self._taken_over_from = taken_over_from
        self._watches = False

    @property
    def token(self) -> int:
        return self._entry.token

    @property
    def taken_over_from(self) -> Claim | None:
        return self._taken_over_from

    async def renew(self) -> str:
        return await self._move(watches=self._watches)

    async def watch(self) -> str:
        # Before it is written: a heartbeat that comes meanwhile says so too.
        self._watches = True
        return await self._move(watches=True)

    async def release(self) -> str:
        return await self._move(release=True)

    async def _move(self, *, release: bool = False, watches: bool = False) -> str:
        found = await self._leases.moved_on(self._name, self._entry, self._claim, self._since, release=release,
                                            watches=watches)
        if isinstance(found, str):
            return found
        self._entry = found
        return ""


def _micro(at: float) -> str:
    """``metav1.MicroTime``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
