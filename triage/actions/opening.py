"""Opens what actions of a context are recorded in and held back by, as the configuration says."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from triage.actions.anchors import Anchor, FileAnchor, SyslogAnchor
from triage.actions.circumstances import policy_of
from triage.actions.executor import Executor, no_proof
from triage.actions.freeze import mode_of
from triage.actions.journal import Journal, Origin
from triage.actions.lease import Leases
from triage.actions.lease_files import FileLeases
from triage.actions.lease_kubernetes import KubernetesLeases
from triage.actions.proven import Proven
from triage.actions.signature import Signature, registered_signature
from triage.actions.system import System
from triage.clock import Clock
from triage.config import Active
from triage.config_actions import AnchorFile, LeaseKubernetes
from triage.endpoints import ConfigError
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest
from triage.sources.kubernetes import KubernetesClient
from triage.sources.registry.face import Registry
from triage.state_dir import StateDir, state_home


def open_journal(active: Active, clock: Clock, environ: Mapping[str, str] = os.environ) -> Journal:
    """The journal of the context. Touches no file yet.

    Raises :class:`~triage.state_dir.StateError` when no place for it is known.
    """
    settings = active.context.actions.journal
    anchor: Anchor | None = None
    if settings.anchor is not None:
        anchor = (FileAnchor(active.beside_config(settings.anchor.path)) if isinstance(settings.anchor, AnchorFile)
                  else SyslogAnchor())
    return Journal(_folder(active, settings.folder, "journal", environ), clock, anchor)


def open_leases(active: Active, origin: Origin, kubernetes: KubernetesClient | None,
                environ: Mapping[str, str] = os.environ) -> Leases:
    """The leases of the context. Raises :class:`~triage.endpoints.ConfigError` when they lie in a cluster that the
    context does not name, and :class:`~triage.state_dir.StateError` as :func:`open_journal` does."""
    settings = active.context.actions.leases
    if isinstance(settings, LeaseKubernetes):
        if kubernetes is None:
            raise ConfigError("actions.leases are kept in Kubernetes, and the context names no kubernetes",
                              "add kubernetes to the context, or use leases of kind files")
        return KubernetesLeases(kubernetes, settings.namespace)
    return FileLeases(_folder(active, settings.folder, "leases", environ), origin.host)


def open_executor(system: System, active: Active, manifest: Manifest, clock: Clock,
                  snapshot: Callable[[], Snapshot | None], *, write: bool, kubernetes: KubernetesClient | None = None,
                  registry: Registry | None = None, proven: Callable[[float, float], Awaitable[Proven]] = no_proof,
                  environ: Mapping[str, str] = os.environ) -> Executor:
    """The executor for one target of the model of ``manifest``; screen and command line use the same.

    ``snapshot`` gives the newest one, ``write`` is what the command line says, ``proven`` looks back at what served.
    What is given stays the caller's to close. Raises as :func:`open_journal` and :func:`open_leases` do.
    """
    async def signature(version: str) -> Signature:
        return await registered_signature(registry, manifest, version)

    journal = open_journal(active, clock, environ)
    context = active.context
    return Executor(system, journal, open_leases(active, journal.origin, kubernetes, environ), clock,
                    policy_of(manifest, context.actions, context.interval),
                    lambda: mode_of(active, write=write, environ=environ), snapshot, signature, proven=proven)


def _folder(active: Active, named: str | None, default: str, environ: Mapping[str, str]) -> StateDir:
    if named is not None:
        return StateDir(Path(os.path.normpath(active.beside_config(named).absolute())))
    return StateDir(state_home(environ), default)
