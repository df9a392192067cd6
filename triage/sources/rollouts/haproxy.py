"""Where an HAProxy's backend stands as a rollout: the weights of the servers that the manifest gives to versions."""

from __future__ import annotations

from triage.clock import Clock
from triage.facts.outcome import Failure
from triage.facts.rollouts import Phase, Revision, RolloutFacts, Split, VersionFrom
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
    """The backend as a rollout. Who has all the traffic is stable; of several versions HAProxy knows no roles: stable
    and canary are None, and whoever knows more finds them by the splits (:mod:`triage.signals.roles`)."""
    splits = tuple(_split(version, servers_of(rollout, version, backend), backend) for version in rollout.servers)
    taking = sorted((split for split in splits if split.weight > 0), key=lambda split: -split.weight)
    revisions = {split.version: _revision(rollout, split.version, backend)
                 for split in sorted(splits, key=lambda split: -split.weight)}
    stable = revisions[taking[0].version] if len(taking) == 1 else None
    ready = sum(1 for each in backend.servers if each.ready)
    absent = missing_servers(rollout, backend)
    down = bool(taking) and not any(revisions[split.version].available for split in taking)
    return RolloutFacts(
        "Backend", PLACE, rollout.name, read_at, "", "", None, 0, None, True,
        Phase.DEGRADED if down or not taking or absent else Phase.PROGRESSING if len(taking) > 1 else Phase.HEALTHY,
        f"it has no server {', '.join(absent)}" if absent else "no server has a weight" if not taking
        else f"no server of {' and '.join(split.version for split in taking)} is up" if down else "",
        "canary", len(backend.servers), ready, ready, 0, stable, None, tuple(revisions.values()), splits=splits)


def _split(version: str, servers: tuple[ServerLine, ...], backend: BackendLines) -> Split:
    return Split(version, sum(each.weight for each in servers), sum(each.initial for each in servers),
                 share(servers, backend))


def _revision(rollout: Rollout, version: str, backend: BackendLines) -> Revision:
    servers = servers_of(rollout, version, backend)
    ready = sum(1 for each in servers if each.ready)
    return Revision(version, VersionFrom.MANIFEST, "", "", None, desired=len(rollout.servers[version]),
                    current=len(servers), ready=ready, available=ready)
