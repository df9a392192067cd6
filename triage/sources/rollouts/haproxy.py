"""Where an HAProxy's backend stands as a rollout: the weights of the servers that the manifest gives to versions."""

from __future__ import annotations

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import Phase, Revision, RolloutFacts, VersionFrom, WeightFrom
from triage.notebook.manifest import Rollout
from triage.sources.haproxy import BackendLines, HaproxyClient, ServerLine

PLACE = "haproxy"
"""What stands where others have a namespace."""


async def state(rollout: Rollout, client: HaproxyClient, clock: Clock) -> RolloutFacts | Failure:
    """The backend that the manifest names, as a rollout."""
    read_at = clock.now()
    found = await client.backend(rollout.name)
    return found if isinstance(found, Failure) else facts(rollout, found, read_at)


def servers_of(rollout: Rollout, version: str, backend: BackendLines) -> tuple[ServerLine, ...]:
    """The servers of one version that the backend has."""
    named = rollout.servers.get(version, ())
    return tuple(server for server in backend.servers if server.name in named)


def missing_servers(rollout: Rollout, backend: BackendLines) -> tuple[str, ...]:
    """Servers that the manifest names and the backend does not have."""
    there = {server.name for server in backend.servers}
    return tuple(name for names in rollout.servers.values() for name in names if name not in there)


def share(servers: tuple[ServerLine, ...], backend: BackendLines) -> float | None:
    """Percent of the backend's requests that go to these servers, by their weights; None when none serves at all."""
    total = sum(each.weight for each in backend.servers if each.serves and not each.backup)
    return 100.0 * sum(each.weight for each in servers if each.serves and not each.backup) / total if total else None


def facts(rollout: Rollout, backend: BackendLines, read_at: float) -> RolloutFacts:
    """The backend as a rollout. Stable is the version with the largest weight, the canary the next that has any."""
    weights = {version: sum(each.weight for each in servers_of(rollout, version, backend))
               for version in rollout.servers}
    order = sorted(weights, key=lambda version: -weights[version])
    taking = [version for version in order if weights[version] > 0]
    revisions = {version: _revision(rollout, version, backend) for version in order}
    stable = revisions[taking[0]] if taking else None
    canary = revisions[taking[1]] if len(taking) > 1 else None
    ready = sum(1 for each in backend.servers if each.ready)
    absent = missing_servers(rollout, backend)
    weight = None if canary is None else share(servers_of(rollout, canary.version, backend), backend)
    down = stable is not None and not stable.available
    return RolloutFacts(
        "Backend", PLACE, rollout.name, read_at, "", "", None, 0, None, True,
        Phase.DEGRADED if down or stable is None or absent else Phase.PROGRESSING if canary else Phase.HEALTHY,
        f"it has no server {', '.join(absent)}" if absent else "no server has a weight" if stable is None
        else f"no server of {stable.version} is up" if down else "",
        "canary", len(backend.servers), ready, ready, 0 if canary is None else canary.available or 0, stable, canary,
        tuple(revisions.values()), weight_set=weight, weight_from=None if weight is None else WeightFrom.ROUTER)


def _revision(rollout: Rollout, version: str, backend: BackendLines) -> Revision:
    servers = servers_of(rollout, version, backend)
    ready = sum(1 for each in servers if each.ready)
    return Revision(version, VersionFrom.MANIFEST, "", "", None, desired=len(rollout.servers[version]),
                    current=len(servers), ready=ready, available=ready)
