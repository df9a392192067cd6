"""The part of ``triage doctor`` that examines a Prometheus, or a server that speaks its API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from triage.clock import Clock
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, FailureKind, SourceState
from triage.facts.samples import Answer
from triage.quantities import parse_duration
from triage.sources.checkup import Capability, SourceCheck
from triage.sources.checkup_scrapes import scrape_intervals
from triage.sources.decode import parse_time
from triage.sources.examination import clock_capability, examine
from triage.sources.failures import Received
from triage.sources.fingerprint import Backend, BackendKind, fingerprint
from triage.sources.prometheus import PrometheusClient

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

_SLO_WINDOW = 30 * 86400.0
_LISTED = 3


async def check_prometheus(endpoint: Endpoint, clock: Clock, *, allow_write: bool,
                           notebooks: Sequence[Notebook] = ()) -> SourceCheck:
    """Examine one server, and how often it samples the models of ``notebooks``.

    Raises :class:`~triage.config.ConfigError` when its secrets cannot be had.
    """
    client = PrometheusClient(endpoint, clock)
    try:
        return await _examined(client, clock, allow_write, notebooks)
    finally:
        await client.aclose()


async def _examined(client: PrometheusClient, clock: Clock, allow_write: bool,
                    notebooks: Sequence[Notebook]) -> SourceCheck:
    async def cheap() -> Received | Failure:
        client.breaker.reset()
        found = await client.source.form("/api/v1/query", [("query", "1")],
                                         lambda received: (received, client.read(received, "/api/v1/query")))
        if isinstance(found, Failure):
            return found
        received, answer = found
        return answer if isinstance(answer, Failure) else received

    examined = await examine(cheap, clock)
    if isinstance(examined, Failure):
        return SourceCheck(client.name, client.source.url, SourceState.DOWN, error=examined.sentence(),
                           fix=examined.hint)
    asked = _Asker(client)
    build_info, ready, answer, alerts, rules, targets, runtime, flags, native, remarks, scrapes = await asyncio.gather(
        asked(lambda: client.get("/api/v1/status/buildinfo")),
        asked(lambda: client.source.get("/-/ready", lambda received: received.status)),
        asked(lambda: client.query_range("1", start=clock.now() - 60, end=clock.now(), step=15)),
        asked(client.alerts),
        asked(lambda: client.get("/api/v1/rules")),
        asked(lambda: client.get("/api/v1/targets", {"state": "active"})),
        asked(lambda: client.get("/api/v1/status/runtimeinfo")),
        asked(lambda: client.get("/api/v1/status/flags")),
        asked(lambda: client.query("histogram_fraction(0, 1, vector(1))")),
        asked(lambda: client.query("rate(up[5m])")),
        scrape_intervals(lambda expression: asked(lambda: client.query(expression)), notebooks))
    backend = fingerprint(None if isinstance(build_info, Failure) else build_info, examined.headers)
    their_now = clock.now() + (examined.clock_difference_seconds or 0.0)
    capabilities = (
        Capability("ok", "query", required=True),
        _range(answer), _method(client.source.get_only), _ready(ready),
        clock_capability(examined.clock_difference_seconds),
        _readable("alerts", alerts, "pending alerts are not shown"), _rules(rules, their_now), _targets(targets),
        *((scrapes,) if scrapes is not None else ()),
        _retention(runtime), _native(native), _infos(remarks, backend))
    return SourceCheck(client.name, client.source.url, SourceState.OK, backend.kind.value, backend.version,
                       examined.latency_seconds, examined.clock_difference_seconds, capabilities=capabilities,
                       warnings=() if allow_write else _write_warnings(flags))


class _Asker:
    """Asks past the breaker: one endpoint that a proxy does not serve must not hide what the others say."""

    def __init__(self, client: PrometheusClient) -> None:
        self._client = client

    async def __call__(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        self._client.breaker.reset()
        answer = await ask()
        if isinstance(answer, Failure) and answer.kind is FailureKind.CIRCUIT_OPEN:
            self._client.breaker.reset()
            answer = await ask()
        return answer


def _range(answer: Any) -> Capability:
    if isinstance(answer, Answer):
        return Capability("ok", "range queries", required=True)
    return Capability("missing", "range queries", f"no trends and no canary analysis: {answer.sentence()}", answer.hint,
                      required=True)


def _method(get_only: bool | None) -> Capability:
    if get_only:
        return Capability("missing", "POST", "a proxy refuses it: long queries may not fit into a URL",
                          "let POST to /api/v1/query and /api/v1/query_range through")
    return Capability("ok", "POST")


def _ready(ready: Any) -> Capability:
    if not isinstance(ready, Failure):
        return Capability("ok", "ready")
    if ready.kind is FailureKind.UNAVAILABLE:
        return Capability("missing", "ready", "it answers queries and says that it is not ready", ready.hint)
    return Capability("unknown", "ready", "/-/ready is not served")


def _readable(what: str, answer: Any, consequence: str) -> Capability:
    if not isinstance(answer, Failure):
        return Capability("ok", what, f"{len(answer)} now")
    state: Any = "missing" if answer.kind in (FailureKind.NOT_FOUND, FailureKind.FORBIDDEN) else "unknown"
    return Capability(state, what, f"{consequence}: {answer.sentence()}", answer.hint)


def _rules(rules: Any, their_now: float) -> Capability:
    what = "rules"
    if isinstance(rules, Failure):
        return Capability("unknown", what, f"whether recording and alerting rules are evaluated: {rules.sentence()}")
    groups = _objects(rules, "groups")
    if not groups:
        return Capability("ok", what, "no rule groups")
    broken: list[str] = []
    late: list[str] = []
    for group in groups:
        name = str(group.get("name", ""))
        interval = group.get("interval")
        last = parse_time(group.get("lastEvaluation"))
        period = float(interval) if isinstance(interval, int | float) and abs(interval) < 1e9 else 60.0
        if last is not None and their_now - last > 3 * period + 60:
            late.append(f"{name}: last evaluated {their_now - last:.0f} s ago, due every {period:g} s")
        for rule in _objects(group, "rules"):
            if rule.get("health") == "err":
                broken.append(f"{name}/{rule.get('name', '')}: {rule.get('lastError', '')}")
    if broken or late:
        detail = _listed(broken, "failing") + ("; " if broken and late else "") + _listed(late, "late")
        return Capability("missing", what, detail, "alerts and recorded windows that depend on them are wrong: mend "
                          "the rules, or look at the server's load")
    return Capability("ok", what, f"{len(groups)} groups, all evaluated")


def _targets(targets: Any) -> Capability:
    what = "targets"
    if isinstance(targets, Failure):
        return Capability("unknown", what, f"whether everything is scraped: {targets.sentence()}")
    listed = _objects(targets, "activeTargets")
    if not listed:
        return Capability("unknown", what, "none listed")
    down = [t for t in listed if t.get("health") == "down"]
    said = {t["scrapeInterval"] for t in listed if isinstance(t.get("scrapeInterval"), str)}
    intervals = sorted(said, key=_seconds)
    every = f", scraped every {intervals[0]}" if intervals else ""
    every += f" to {intervals[-1]}" if len(intervals) > 1 else ""
    up = sum(t.get("health") == "up" for t in listed)
    if down:
        reasons = [f"{t.get('scrapePool', '')} {t.get('scrapeUrl', '')}: {t.get('lastError', '')}" for t in down]
        return Capability("missing", what, f"{up} up, {_listed(reasons, 'down')}{every}",
                          "models served there show no data: mend or remove the targets")
    return Capability("ok", what, f"{up} up{every}")


def _retention(runtime: Any) -> Capability:
    said = runtime.get("storageRetention") if isinstance(runtime, dict) else None
    if not isinstance(said, str) or not said:
        return Capability("unknown", "retention", "how far back it remembers")
    seconds = _seconds(said.partition(" ")[0])
    if 0 < seconds < _SLO_WINDOW:
        return Capability("missing", "retention", f"it remembers {said}: longer error budgets are read over that only",
                          "raise --storage.tsdb.retention.time, or use a shorter window in the SLOs")
    return Capability("ok", "retention", said)


def _native(answer: Any) -> Capability:
    what = "native histograms"
    if isinstance(answer, Answer):
        return Capability("ok", what)
    if answer.kind in (FailureKind.BAD_QUERY, FailureKind.EXECUTION):
        return Capability("missing", what, "indicators with native: true cannot be read",
                          "use classic histograms, or Prometheus 2.40 or newer")
    return Capability("unknown", what, answer.sentence())


def _infos(answer: Any, backend: Backend) -> Capability:
    what = "remarks on queries"
    if isinstance(answer, Answer) and answer.infos:
        return Capability("ok", what)
    if backend.kind is BackendKind.PROMETHEUS and backend.release is not None:
        if backend.release >= (2, 48):
            return Capability("ok", what)
        return Capability("missing", what, f"{backend.version} makes none: a rate of something that is no counter goes "
                          "unnoticed", "Prometheus 2.54 or newer tells")
    return Capability("unknown", what)


def _write_warnings(flags: Any) -> tuple[str, ...]:
    if not isinstance(flags, dict):
        return ()
    warnings = []
    if flags.get("web.enable-admin-api") == "true":
        warnings.append("the admin API is on: whoever reaches it, this context too, can delete series "
                        "(start it without --web.enable-admin-api)")
    if flags.get("web.enable-lifecycle") == "true":
        warnings.append("the lifecycle API is on: whoever reaches it, this context too, can reload or stop the server "
                        "(start it without --web.enable-lifecycle, or block /-/reload and /-/quit on the way)")
    return tuple(warnings)


def _objects(document: Any, key: str) -> list[dict[str, Any]]:
    """The objects in the list at ``key``; [] when there is none."""
    found = document.get(key) if isinstance(document, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _listed(items: list[str], what: str) -> str:
    if not items:
        return ""
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return f"{len(items)} {what} ({'; '.join(items[:_LISTED])}{more})"


def _seconds(text: str) -> float:
    try:
        # Prometheus writes years, which triage's own durations do not have.
        years, _, rest = text.rpartition("y")
        return (float(years) * 365 * 86400 if years else 0.0) + (parse_duration(rest) if rest else 0.0)
    except ValueError:
        return 0.0
