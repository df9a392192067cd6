"""Prometheus' HTTP API, version 1, over an engine and its store (``docs/querying/api.md``).

Its dialect follows the engine's semantics: 3.x by default, 2.42 with the switch for 2.x. It keeps no exemplars and no
statistics of queries, and takes no ``lookback_delta``.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from triage.lab.alerting.ruler import GroupState, Ruler, RuleState
from triage.lab.alerting.rules import AlertingRule
from triage.lab.apis.disturbance import Disturbances, PartialStore
from triage.lab.apis.forms import Parameters, parameters
from triage.lab.apis.methods import ByMethod, Handler
from triage.lab.apis.past import NotedStore, Past
from triage.lab.apis.prometheus_json import (
    ScrapeTarget,
    alert_json,
    encoded,
    failure,
    group_json,
    result_json,
    success,
    target_json,
)
from triage.lab.apis.prometheus_parameters import (
    FARTHEST_SECONDS,
    duration,
    label_name,
    limit_of,
    needed_time,
    optional_time,
    selector,
)
from triage.lab.clock import Clock
from triage.lab.promql.engine import Engine, Result, Semantics
from triage.lab.promql.errors import QueryError
from triage.lab.promql.matching import Matcher
from triage.lab.promql.store import Store
from triage.lab.wire.times import format_duration, nanoseconds

VERSIONS: Mapping[Semantics, str] = {Semantics.V2: "2.42.0", Semantics.V3: "3.5.0"}
"""The release whose answers each of the semantics gives."""
_STATUS = {"bad_data": 400, "execution": 422, "timeout": 503, "canceled": 499, "internal": 500, "not_found": 404}
_DEFAULT_TIMEOUT_SECONDS = 120.0
_TRUNCATED = "results truncated due to limit"


def app(engine: Engine, clock: Clock, *, ruler: Ruler | None = None,
        targets: Callable[[], Sequence[ScrapeTarget]] = tuple, disturbances: Disturbances | None = None,
        past: Past | None = None) -> Starlette:
    """The API over ``engine``, to be served alone or mounted under a prefix.

    ``targets`` is asked for the scrape targets at each request; ``disturbances`` holds what is wrong with the server
    just now; a query that looks further back than ``past`` reaches is answered when all of it is there. Without a
    ``ruler`` there are no rules and no alerts.
    """
    return _Api(engine, clock, ruler, targets, disturbances or Disturbances(), past or Past()).starlette()


class _Api:
    def __init__(self, engine: Engine, clock: Clock, ruler: Ruler | None,
                 targets: Callable[[], Sequence[ScrapeTarget]], disturbances: Disturbances, past: Past) -> None:
        self._whole = engine
        self._clock = clock
        self._groups: Sequence[GroupState] = ruler.groups if ruler else ()
        self._targets = targets
        self._disturbances = disturbances
        self._past = past
        self._version_3 = engine.semantics is Semantics.V3
        self._started_at = clock.now()

    def starlette(self) -> Starlette:
        both: Mapping[str, Handler] = {
            "query": self._query, "query_range": self._query_range, "series": self._series, "labels": self._labels}
        only: Mapping[str, Handler] = {
            "label/{name:path}/values": self._label_values, "metadata": self._metadata, "targets": self._targets_now,
            "rules": self._rules, "alerts": self._alerts, "status/buildinfo": self._build_info,
            "status/runtimeinfo": self._runtime_info, "status/flags": self._flags, "status/config": self._config}
        api: dict[str, dict[str, Handler]] = {f"/api/v1/{path}": {"GET": handler} for path, handler in only.items()}
        api |= {f"/api/v1/{path}": {"GET": handler, "POST": handler} for path, handler in both.items()}
        routes = {path: {**{method: self._ready_only(handler) for method, handler in handlers.items()},
                         "OPTIONS": _options} for path, handlers in api.items()}
        ready = self._ready_only(_says("Prometheus Server is Ready.\n"))
        healthy = _says("Prometheus Server is Healthy.\n")
        # Clients that only want to know whether somebody is there ask for the page that the real one has.
        routes["/"] = {"GET": _says("Prometheus, spoken by the lab. There are no pages here: ask /api/v1/query.\n"),
                       "OPTIONS": _options}
        routes["/-/ready"] = {"GET": ready, "HEAD": ready, "OPTIONS": _options}
        routes["/-/healthy"] = {"GET": healthy, "HEAD": healthy, "OPTIONS": _options}
        made = Starlette(routes=[Route(path, ByMethod(handlers, _refuses)) for path, handlers in routes.items()],
                         exception_handlers={404: _not_found, QueryError: _failed})
        made.router.redirect_slashes = False
        return made

    async def _query(self, request: Request) -> Response:
        asked = await parameters(request)
        at = optional_time(asked, "time", self._clock.now())
        return await self._answer(asked, lambda engine: engine.instant(asked.first("query"), at))

    async def _query_range(self, request: Request) -> Response:
        asked = await parameters(request)
        start, end, step = needed_time(asked, "start"), needed_time(asked, "end"), duration(asked, "step")
        return await self._answer(asked, lambda engine: engine.range(asked.first("query"), start, end, step))

    async def _answer(self, asked: Parameters, evaluate: Callable[[Engine], Result]) -> Response:
        limit = limit_of(asked) if self._version_3 else 0
        timeout = duration(asked, "timeout") if asked.first("timeout") else _DEFAULT_TIMEOUT_SECONDS
        if timeout <= 0:
            raise QueryError("timeout", "query timed out in query queue")
        began = time.monotonic()
        await self._dawdle(timeout)
        disturbance = self._disturbances.current
        result = await self._evaluated(evaluate)
        if time.monotonic() - began > timeout:
            raise QueryError("timeout", "query timed out in query execution")
        content, cut = result_json(result, limit)
        warnings = [*disturbance.warnings, *result.warnings, *([_TRUNCATED] if cut else [])]
        return _json(success(content, warnings, result.infos if self._version_3 else ()))

    async def _evaluated(self, evaluate: Callable[[Engine], Result]) -> Result:
        if self._past.is_complete:
            return evaluate(self._engine())
        noted = NotedStore(self._engine().store, self._past)
        result = evaluate(self._over(noted))
        if self._past.has(noted.needed):
            return result
        await self._past.wait(noted.needed)
        return evaluate(self._engine())

    async def _series(self, request: Request) -> Response:
        asked = await parameters(request)
        if not asked.every("match[]"):
            raise QueryError("bad_data", "no match[] parameter provided")
        return await self._listed(asked, lambda store, matchers, start, end: store.series(matchers, start, end))

    async def _labels(self, request: Request) -> Response:
        return await self._listed(await parameters(request), lambda store, matchers, start, end:
                                  store.label_names(matchers, start, end))

    async def _label_values(self, request: Request) -> Response:
        name = label_name(request.path_params["name"], utf8=self._version_3)
        return await self._listed(await parameters(request), lambda store, matchers, start, end:
                                  store.label_values(name, matchers, start, end))

    async def _listed(self, asked: Parameters,
                      find: Callable[[Store, Sequence[Matcher], int, int], Sequence[Any]]) -> Response:
        """What ``find`` gives for any of the selectors, each thing once, in order."""
        start = optional_time(asked, "start", -FARTHEST_SECONDS)
        end = optional_time(asked, "end", FARTHEST_SECONDS)
        limit = limit_of(asked) if self._version_3 else 0
        selectors = [selector(text) for text in asked.every("match[]")] or [()]
        await self._dawdle(_DEFAULT_TIMEOUT_SECONDS)
        store = self._engine().store
        found = {encoded(item): item for matchers in selectors
                 for item in find(store, matchers, round(start * 1000), round(end * 1000))}
        listed = sorted(found.values(), key=lambda item: sorted(item.items()) if isinstance(item, dict) else item)
        cut = 0 < limit < len(listed)
        warnings = [*self._disturbances.current.warnings, *([_TRUNCATED] if cut else [])]
        return _json(success(encoded(listed[:limit] if cut else listed), warnings))

    async def _metadata(self, request: Request) -> Response:
        asked = await parameters(request)
        numbers = {name: asked.first(name) for name in ("limit", "limit_per_metric")}
        for name, text in numbers.items():
            if text and not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
                raise QueryError("bad_data", f"{name} must be a number")
        described = sorted(self._whole.store.metadata().items())
        if asked.first("metric"):
            described = [(metric, about) for metric, about in described if metric == asked.first("metric")]
        if numbers["limit"] and int(numbers["limit"]) >= 0:
            described = described[:int(numbers["limit"])]
        return _json(success(encoded({metric: [{"type": about.kind, "help": about.help_text, "unit": about.unit}]
                                      for metric, about in described})))

    async def _targets_now(self, request: Request) -> Response:
        asked = await parameters(request)
        state, pool = asked.first("state").lower(), asked.first("scrapePool")
        shown = [] if state == "dropped" else [
            target_json(target) for target in self._targets() if pool in ("", target.job)]
        answer: dict[str, Any] = {"activeTargets": shown, "droppedTargets": []}
        if self._version_3:
            answer["droppedTargetCounts"] = dict.fromkeys(sorted({target.job for target in self._targets()}), 0)
        return _json(success(encoded(answer)))

    async def _rules(self, request: Request) -> Response:
        asked = await parameters(request)
        kind = asked.first("type").lower()
        if kind not in ("", "alert", "record"):
            raise QueryError("bad_data", f'invalid parameter "type": not supported value "{kind}"')
        wanted = {name: set(asked.every(f"{name}[]")) if self._version_3 else set()
                  for name in ("rule_name", "rule_group", "file")}

        def chosen(rule: RuleState) -> bool:
            right_kind = not kind or isinstance(rule.rule, AlertingRule) == (kind == "alert")
            return right_kind and (not wanted["rule_name"] or rule.rule.name in wanted["rule_name"])
        groups = []
        for state in self._groups:
            rules = [rule for rule in state.rules if chosen(rule)]
            named = ((not wanted["rule_group"] or state.group.name in wanted["rule_group"])
                     and (not wanted["file"] or state.group.file in wanted["file"]))
            if named and (rules or not wanted["rule_name"]):
                groups.append(group_json(state, rules))
        return _json(success(encoded({"groups": groups})))

    async def _alerts(self, _request: Request) -> Response:
        memories = [rule.memory for state in self._groups for rule in state.rules]
        active = [alert for memory in memories for alert in list(getattr(memory, "active", {}).values())]
        return _json(success(encoded({"alerts": [alert_json(alert) for alert in active]})))

    async def _build_info(self, _request: Request) -> Response:
        return _json(success(encoded({"version": VERSIONS[self._whole.semantics], "revision": "", "branch": "HEAD",
                                      "buildUser": "", "buildDate": "", "goVersion": ""})))

    async def _runtime_info(self, _request: Request) -> Response:
        started = nanoseconds(self._started_at)
        answer = {"startTime": started, "CWD": "/prometheus", "reloadConfigSuccess": True, "lastConfigTime": started,
                  "corruptionCount": 0, "goroutineCount": 1, "GOMAXPROCS": 1, "GOGC": "", "GODEBUG": "",
                  "storageRetention": self._retention()}
        return _json(success(encoded(answer)))

    async def _flags(self, _request: Request) -> Response:
        return _json(success(encoded({
            "query.lookback-delta": format_duration(self._whole.lookback_seconds),
            "query.timeout": format_duration(_DEFAULT_TIMEOUT_SECONDS),
            "storage.tsdb.retention.time": self._retention(), "web.enable-admin-api": "false",
            "web.enable-lifecycle": "false", "web.enable-remote-write-receiver": "false"})))

    async def _config(self, _request: Request) -> Response:
        targets = self._targets()
        jobs = [{"job_name": job, "scrape_interval": format_duration(next(t for t in targets if t.job == job)
                                                                     .interval_seconds),
                 "static_configs": [{"targets": sorted({t.instance for t in targets if t.job == job})}]}
                for job in sorted({target.job for target in targets})]
        files = sorted({state.group.file for state in self._groups})
        return _json(success(encoded({"yaml": yaml.safe_dump({"rule_files": files, "scrape_configs": jobs},
                                                             sort_keys=False)})))

    def _retention(self) -> str:
        seconds = self._whole.store.retention_seconds
        return "" if seconds is None else format_duration(seconds)

    def _engine(self) -> Engine:
        """The engine over what the server can see just now."""
        disturbance = self._disturbances.current
        return self._over(PartialStore(self._whole.store, disturbance)) if disturbance.lost else self._whole

    def _over(self, store: Store) -> Engine:
        return Engine(store, semantics=self._whole.semantics, lookback_seconds=self._whole.lookback_seconds,
                      max_points=self._whole.max_points, experimental=self._whole.experimental)

    async def _dawdle(self, timeout: float) -> None:
        """Be as slow as the disturbance says. Raises QueryError after ``timeout`` seconds."""
        delay = self._disturbances.current.delay_seconds
        if delay > 0:
            await asyncio.sleep(min(delay, timeout))
        if delay >= timeout:
            raise QueryError("timeout", "query timed out in query execution")

    def _ready_only(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            if self._disturbances.current.unavailable:
                headers = {"X-Prometheus-Stopping": "false"} if self._version_3 else None
                return PlainTextResponse("Service Unavailable", 503, headers)
            return await handler(request)
        return answer


def _json(content: str, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")


async def _failed(_request: Request, error: Exception) -> Response:
    kind, message = getattr(error, "kind", "internal"), getattr(error, "message", str(error))
    return _json(failure(kind, message), _STATUS.get(kind, 500))


async def _not_found(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404)


async def _options(_request: Request) -> Response:
    return Response(status_code=204)


def _says(text: str) -> Handler:
    async def answer(_request: Request) -> Response:
        return PlainTextResponse(text)
    return answer


def _refuses(_method: str, allowed: tuple[str, ...]) -> Response:
    return PlainTextResponse("Method Not Allowed\n", 405, {"Allow": ", ".join(sorted(allowed))})
