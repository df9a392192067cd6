"""The part of ``triage doctor`` that examines an HAProxy."""

from __future__ import annotations

import time

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import HaproxySocket
from triage.facts.outcome import Failure, SourceState
from triage.sources.checkup import Capability, SourceCheck
from triage.sources.haproxy import NAME, HaproxyClient

_LEVEL = "level admin on its stats socket"


async def check_haproxy(configured: HaproxySocket, active: Active, clock: Clock) -> SourceCheck:
    """Examine one runtime API. It does not tell the time."""
    client = HaproxyClient(configured, active, clock)
    began = time.perf_counter()
    level = await client.level()
    took = time.perf_counter() - began
    if isinstance(level, Failure):
        return SourceCheck(NAME, client.where, SourceState.DOWN, error=level.sentence(), fix=level.hint)
    reads = level in ("operator", "admin")
    writes = level == "admin"
    found = [Capability("ok", "weights", f"level {level}", required=True) if reads else Capability(
        "missing", "weights", f"level {level}: which version has which traffic is not known", f"give it {_LEVEL}",
        required=True)]
    if active.context.allow_write:
        found.append(Capability("ok", "setting weights") if writes else Capability(
            "missing", "setting weights", f"level {level}: the context allows writing, the socket does not",
            f"give it {_LEVEL}"))
    warnings = () if active.context.allow_write or not writes else (
        "whoever reaches its socket can move traffic, this context too, which is meant for reading: use one of level "
        "operator",)
    return SourceCheck(NAME, client.where, SourceState.OK, "HAProxy", latency_seconds=took, capabilities=tuple(found),
                       warnings=warnings)
