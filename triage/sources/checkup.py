"""``check_up``: what ``triage doctor`` finds out about every source of a context, and how to mend it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import FolderRegistry
from triage.endpoints import ConfigError, Endpoint, without_userinfo
from triage.facts.outcome import SourceState
from triage.text import clean

MAX_CLOCK_DIFFERENCE = 5.0
"""Seconds from which the ages on the screen mislead."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing a source can or cannot do."""

    state: Literal["ok", "missing", "unknown"]
    what: str
    detail: str = ""
    """What was found, or what follows from its absence."""
    fix: str = ""
    """What to do about it; "" when there is nothing to do."""
    required: bool = False
    """Whether triage is of no use without it."""


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """One source."""

    name: str
    url: str
    """Without user name and password; "" when it is not configured."""
    state: SourceState
    product: str = ""
    """``Prometheus``, ``Thanos`` ...; ``unknown`` when it does not say; "" when it did not answer."""
    version: str = ""
    latency_seconds: float | None = None
    """Median round trip of three cheap requests; None when it did not answer."""
    clock_difference_seconds: float | None = None
    """How far its clock is ahead of ours, to about a second; None when it does not tell the time."""
    error: str = ""
    """Why it does not answer."""
    fix: str = ""
    capabilities: tuple[Capability, ...] = ()
    warnings: tuple[str, ...] = ()
    """What it permits that a context meant for reading should not have."""

    @property
    def ok(self) -> bool:
        return self.state is SourceState.OFF or (self.state is not SourceState.DOWN and not any(
            c.required and c.state == "missing" for c in self.capabilities))


@dataclass(frozen=True, slots=True)
class CheckUp:
    """All sources of a context."""

    context: str
    production: bool
    allow_write: bool
    sources: tuple[SourceCheck, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every configured source answers and can do what triage cannot do without. Warnings do not count."""
        return all(source.ok for source in self.sources)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{source.name}: {warning}" for source in self.sources for warning in source.warnings)


async def check_up(active: Active, clock: Clock) -> CheckUp:
    """Ask every source of the context what it is and can do. Raises nothing: what fails is in the answer.

    Nothing is changed anywhere. To learn whether the credential may create silences, an empty document is posted,
    which no Alertmanager can make a silence of (matchers and comment are required); and to learn whether it may move
    aliases, MLflow is asked for one that it refuses to everybody.
    """
    from triage.notebook.load import load_all
    from triage.sources.checkup_alertmanager import check_alertmanager
    from triage.sources.checkup_haproxy import check_haproxy
    from triage.sources.checkup_kubernetes import check_kubernetes
    from triage.sources.checkup_logs import check_logs
    from triage.sources.checkup_prometheus import check_prometheus
    from triage.sources.checkup_registry import check_registry
    context = active.context

    async def prometheus(endpoint: Endpoint) -> SourceCheck:
        loaded = await asyncio.to_thread(load_all, active.notebooks)
        try:
            return await check_prometheus(endpoint, clock, allow_write=context.allow_write, notebooks=loaded.notebooks)
        except ConfigError as error:
            return _unusable("prometheus", endpoint.url, error)

    async def alertmanager(endpoint: Endpoint | None) -> SourceCheck:
        if endpoint is None:
            return SourceCheck("alertmanager", "", SourceState.OFF, capabilities=(Capability(
                "missing", "silenced and inhibited alerts", "alerts come from Prometheus alone, without silences",
                "add alertmanager: {url: ...} to the context"),))
        try:
            return await check_alertmanager(endpoint, clock, allow_write=context.allow_write)
        except ConfigError as error:
            return _unusable("alertmanager", endpoint.url, error)

    async def registry() -> SourceCheck:
        try:
            return await check_registry(active, clock)
        except ConfigError as error:
            configured = context.registry
            where = "" if configured is None or isinstance(configured, FolderRegistry) else configured.url
            return _unusable("registry", where, error)

    async def kubernetes() -> SourceCheck:
        try:
            return await check_kubernetes(active, clock)
        except ConfigError as error:
            return _unusable("kubernetes", getattr(context.kubernetes, "url", ""), error)

    async def logs() -> SourceCheck:
        try:
            return await check_logs(active, clock)
        except ConfigError as error:
            return _unusable("logs", getattr(context.logs, "url", ""), error)

    # Few have an HAProxy that is asked: it is told of where it is one.
    balancers = () if context.haproxy is None else (check_haproxy(context.haproxy, active, clock),)
    found = await asyncio.gather(prometheus(context.prometheus), alertmanager(context.alertmanager), registry(),
                                 kubernetes(), *balancers, logs())
    return CheckUp(active.name, context.production, context.allow_write, tuple(found))


def _unusable(name: str, url: str, error: ConfigError) -> SourceCheck:
    return SourceCheck(name, clean(without_userinfo(url), limit=300), SourceState.DOWN,
                       error=clean(error.message, limit=400), fix=clean(error.hint, limit=400))
