"""The part of ``triage doctor`` that examines where the logs are: Loki, VictoriaLogs or files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import LogFields, LogFiles, LokiLogs, VictoriaLogs
from triage.facts.logs import Level, LogLine, LogLines, LogQuestion
from triage.facts.outcome import Failure, SourceState
from triage.sources.checkup import Capability, SourceCheck
from triage.sources.examination import clock_capability, examine
from triage.sources.failures import Received
from triage.sources.logs.fields import LEVEL_NAMES, Fields
from triage.sources.logs.files import LogFileSource
from triage.sources.logs.loki import LokiClient
from triage.sources.logs.victorialogs import QUERY, VictoriaLogsClient, rfc3339
from triage.text import clean

NAME = "logs"
_SAMPLE_LINES = 100
_SAMPLE_SECONDS = 3600.0
_LIKELY_LABELS = ("service_name", "app", "model", "model_name", "application", "service", "job", "container")
_VERSION = re.compile(rb'^vm_app_version\{[^}]*\bversion="(?P<long>[^"]*)"[^}]*', re.MULTILINE)
_SHORT = re.compile(rb'\bshort_version="([^"]+)"')


async def check_logs(active: Active, clock: Clock) -> SourceCheck:
    """Examine the context's logs. Raises :class:`~triage.config.ConfigError` when their secrets cannot be had."""
    logs = active.context.logs
    if logs is None:
        return SourceCheck(NAME, "", SourceState.OFF, capabilities=(Capability(
            "missing", "lines and stack traces", "logs are not shown",
            "add logs: {kind: loki, url: ...}, {kind: victorialogs, url: ...} or {kind: lines, path: ...} to the "
            "context"),))
    if isinstance(logs, LogFiles):
        return await _files(LogFileSource(logs, active.beside_config(logs.path)), logs, clock)
    if isinstance(logs, LokiLogs):
        loki = LokiClient(logs, clock)
        try:
            return await _loki(loki, logs, clock)
        finally:
            await loki.aclose()
    victoria = VictoriaLogsClient(logs, clock)
    try:
        return await _victoria(victoria, logs, clock)
    finally:
        await victoria.aclose()


async def _loki(client: LokiClient, logs: LokiLogs, clock: Clock) -> SourceCheck:
    labels: Any = None

    async def cheap() -> Received | Failure:
        nonlocal labels
        client.breaker.reset()
        found = await client.source.get("/loki/api/v1/labels", lambda r: (r, client.read(r)))
        if isinstance(found, Failure):
            return found
        received, labels = found
        return labels if isinstance(labels, Failure) else received

    examined = await examine(cheap, clock)
    if isinstance(examined, Failure):
        return SourceCheck(NAME, client.source.url, SourceState.DOWN, error=examined.sentence(), fix=examined.hint)
    client.breaker.reset()
    build, sample = await asyncio.gather(client.get("/loki/api/v1/status/buildinfo"), client.sample(_any_line(clock)))
    version = build.get("version") if isinstance(build, dict) else None
    capabilities = (_label(labels, logs.model_label), *_samples(sample, logs.fields, by_field=logs.model_label is None),
                    clock_capability(examined.clock_difference_seconds))
    return SourceCheck(NAME, client.source.url, SourceState.OK, "Loki", version if isinstance(version, str) else "",
                       examined.latency_seconds, examined.clock_difference_seconds, capabilities=capabilities)


async def _victoria(client: VictoriaLogsClient, logs: VictoriaLogs, clock: Clock) -> SourceCheck:
    async def cheap() -> Received | Failure:
        client.breaker.reset()
        return await client.source.form(QUERY, [
            ("query", "*"), ("limit", "1"), ("start", rfc3339(clock.now() - 60.0))], lambda received: received)

    examined = await examine(cheap, clock)
    if isinstance(examined, Failure):
        return SourceCheck(NAME, client.source.url, SourceState.DOWN, error=examined.sentence(), fix=examined.hint)
    client.breaker.reset()
    sample = await client.sample(_any_line(clock))
    client.breaker.reset()
    # Often closed on the way, which says nothing about the logs.
    version = await client.source.get("/metrics", lambda received: _version(received.body))
    capabilities = (*_samples(sample, logs.fields, by_field=True), clock_capability(examined.clock_difference_seconds))
    return SourceCheck(NAME, client.source.url, SourceState.OK, "VictoriaLogs", version if isinstance(version, str)
                       else "", examined.latency_seconds, examined.clock_difference_seconds, capabilities=capabilities)


async def _files(source: LogFileSource, logs: LogFiles, clock: Clock) -> SourceCheck:
    began = clock.monotonic()
    sample = await source.sample(_any_line(clock))
    elapsed = clock.monotonic() - began
    where = clean(source.path, limit=300)
    if isinstance(sample, Failure):
        return SourceCheck(NAME, where, SourceState.DOWN, error=sample.sentence(), fix=sample.hint)
    remarks = tuple(Capability("missing", "reading everything", remark) for remark in sample.remarks)
    return SourceCheck(NAME, where, SourceState.OK, "JSON lines", "", elapsed, capabilities=(
        *_samples(sample, logs.fields, by_field=not source.by_path), *remarks))


def _any_line(clock: Clock) -> LogQuestion:
    # A little into the future: the line that is being written, and clocks that are ahead.
    return LogQuestion("", clock.now() - _SAMPLE_SECONDS, clock.now() + 60.0, limit=_SAMPLE_LINES)


def _label(labels: Any, wanted: str | None) -> Capability:
    found = labels.get("data") if isinstance(labels, dict) else None
    there = [label for label in found if isinstance(label, str)] if isinstance(found, list) else []
    if wanted is None:
        return Capability("ok", "labels", f"{len(there)} in the last hours")
    if wanted in there:
        return Capability("ok", "label of the model", wanted)
    if not there:
        return Capability("unknown", "label of the model", "no stream in the last hours",
                          "is the tenant the right one (headers: {X-Scope-OrgID: ...})?")
    likely = next((label for label in _LIKELY_LABELS if label in there), None)
    return Capability("missing", "label of the model", f"no stream has {wanted}; there are {', '.join(there[:8])}",
                      f"set logs.model_label: {likely or '...'}")


def _samples(sample: LogLines | Failure, names: LogFields, *, by_field: bool) -> tuple[Capability, ...]:
    """What the newest lines are like."""
    if isinstance(sample, Failure):
        return (Capability("missing", "reading lines", sample.sentence(), sample.hint, required=True),)
    lines = sample.lines
    if not lines:
        return (Capability("unknown", "reading lines", "none in the last hour", required=True),)
    read = Capability("ok", "reading lines", f"the newest {len(lines)} of the last hour", required=True)
    found = [read, _share("version", sum(bool(line.version) for line in lines), lines, names.version,
                          "lines cannot be told apart by version", "logs.fields.version"),
             _share("request id", sum(bool(line.request_id or line.trace_id) for line in lines), lines,
                    names.request_id, "lines of one request cannot be found", "logs.fields.request_id"),
             _share("level", sum(line.level is not Level.UNKNOWN for line in lines), lines, LEVEL_NAMES,
                    "lines cannot be told apart by severity", "")]
    if by_field:
        found.insert(1, _share("model", sum(bool(Fields(line.labels).text(names.model)) for line in lines), lines,
                               names.model, "no line is shown for any model", "logs.fields.model"))
    return tuple(found)


def _share(what: str, count: int, lines: Sequence[LogLine], names: Sequence[str], consequence: str, setting: str
           ) -> Capability:
    if count:
        return Capability("ok", what, f"in {count} of {len(lines)} lines")
    fix = f"write one of {', '.join(names[:4])}" + (f", or set {setting}" if setting else "")
    return Capability("missing", what, f"in none of {len(lines)} lines: {consequence}", fix)


def _version(metrics: bytes) -> str:
    """That of VictoriaLogs, from what it says of itself; "" when it does not."""
    found = _VERSION.search(metrics)
    if not found:
        return ""
    short = _SHORT.search(found[0])
    return clean((short[1] if short else found["long"]).decode("utf-8", errors="replace"), limit=80)
