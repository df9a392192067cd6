"""``AlertmanagerClient``: asks an Alertmanager, API v2 (``api/v2/openapi.yaml``). It reads; silencing is an action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from triage.clock import Clock
from triage.facts.alerts import Alert, AlertGroup, AlertState, Silence
from triage.facts.outcome import Failure
from triage.sources.breaker import Breaker
from triage.sources.decode import NotJson, clean_tree, parse_time
from triage.sources.failures import ALERTMANAGER, Received, shape_failure
from triage.sources.prometheus_answers import LabelCache, OtherShape
from triage.text import clean

if TYPE_CHECKING:
    from triage.endpoints import Endpoint
    from triage.sources.http import HttpSource

Result = TypeVar("Result")
_URL_LIMIT = 4000


class AlertmanagerClient:
    """One Alertmanager. Behaves as :class:`~triage.sources.prometheus.PrometheusClient` does."""

    def __init__(self, endpoint: Endpoint, clock: Clock, *, name: str = "alertmanager") -> None:
        # Not at the top: the first frame is drawn before httpx is imported.
        from triage.sources.http import HttpSource
        self.name = name
        self.source: HttpSource = HttpSource(endpoint, clock, ALERTMANAGER)

    @property
    def requests_sent(self) -> int:
        """Every HTTP request that left, re-sent ones included."""
        return self.source.requests_sent

    @property
    def breaker(self) -> Breaker:
        return self.source.breaker

    async def alerts(self) -> tuple[Alert, ...] | Failure:
        """All alerts that are not resolved, silenced and inhibited ones included."""
        return await self._ask("/api/v2/alerts", parse_alerts)

    async def groups(self) -> tuple[AlertGroup, ...] | Failure:
        """The same as the routes of Alertmanager group them."""
        return await self._ask("/api/v2/alerts/groups", parse_groups)

    async def silences(self) -> tuple[Silence, ...] | Failure:
        """All silences it remembers, expired ones included."""
        return await self._ask("/api/v2/silences", parse_silences)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | Failure:
        """Another endpoint, such as ``/api/v2/status``: decoded JSON, every string cleaned."""
        def parse(document: Any) -> Any | Failure:
            try:
                return clean_tree(document)
            except NotJson:
                return shape_failure("the answer is nested too deep")
        return await self._ask(path, parse, params)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.source.aclose()

    async def _ask(self, path: str, parse: Callable[[Any], Result | Failure],
                   params: Mapping[str, str] | None = None) -> Result | Failure:
        def decode(received: Received) -> Result | Failure:
            document = self.source.json(received)
            return document if isinstance(document, Failure) else parse(document)
        return await self.source.get(path, decode, params=params)


def parse_alerts(document: Any) -> tuple[Alert, ...] | Failure:
    """``GET /alerts``."""
    try:
        return _alerts(document, LabelCache())
    except OtherShape as error:
        return shape_failure(str(error))


def parse_groups(document: Any) -> tuple[AlertGroup, ...] | Failure:
    """``GET /alerts/groups``."""
    cache = LabelCache()
    try:
        groups: list[AlertGroup] = []
        for item in _objects(document, "group"):
            receiver = item.get("receiver")
            name = receiver.get("name") if isinstance(receiver, dict) else ""
            groups.append(AlertGroup(cache.labels(item.get("labels") or {}, "a group"), clean(name or "", limit=200),
                                     _alerts(item.get("alerts"), cache)))
        return tuple(groups)
    except OtherShape as error:
        return shape_failure(str(error))


def parse_silences(document: Any) -> tuple[Silence, ...] | Failure:
    """``GET /silences``."""
    cache = LabelCache()
    try:
        return tuple(_silence(item, cache) for item in _objects(document, "silence"))
    except OtherShape as error:
        return shape_failure(str(error))


def _alerts(document: Any, cache: LabelCache) -> tuple[Alert, ...]:
    return tuple(_alert(item, cache) for item in _objects(document, "alert"))


def _alert(item: dict[str, Any], cache: LabelCache) -> Alert:
    status = item.get("status")
    if not isinstance(status, dict):
        raise OtherShape("an alert has no status")
    silenced, inhibited = _ids(status.get("silencedBy")), _ids(status.get("inhibitedBy"))
    state = AlertState.FIRING
    # mutedBy (0.28 and later) names time intervals of the route: to the reader that is silence.
    if silenced or _ids(status.get("mutedBy")):
        state = AlertState.SILENCED
    elif inhibited:
        state = AlertState.INHIBITED
    elif status.get("state") == "suppressed":
        state = AlertState.SILENCED
    started = parse_time(item.get("startsAt"))
    return Alert(
        fingerprint=_text(item.get("fingerprint"), 64), labels=cache.labels(item.get("labels"), "an alert"),
        annotations=cache.labels(item.get("annotations") or {}, "an alert"), state=state,
        started_at=started if started is not None else parse_time(item.get("updatedAt")) or 0.0,
        generator_url=_text(item.get("generatorURL"), _URL_LIMIT), silenced_by=silenced, inhibited_by=inhibited)


def _silence(item: dict[str, Any], cache: LabelCache) -> Silence:
    status = item.get("status")
    state = status.get("state") if isinstance(status, dict) else None
    matchers: list[tuple[str, str, bool, bool]] = []
    for matcher in _objects(item.get("matchers"), "matcher"):
        # isEqual is missing before 0.22, where every matcher is.
        matchers.append((_text(matcher.get("name"), 1000), _text(matcher.get("value"), 1000),
                         matcher.get("isRegex") is True, matcher.get("isEqual") is not False))
    return Silence(
        id=_text(item.get("id"), 100), state=_text(state, 20), matchers=tuple(matchers),
        starts_at=parse_time(item.get("startsAt")) or 0.0, ends_at=parse_time(item.get("endsAt")) or 0.0,
        created_by=_text(item.get("createdBy"), 200), comment=_text(item.get("comment"), 1000),
        annotations=cache.labels(item.get("annotations") or {}, "a silence"))


def _objects(document: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(document, list):
        raise OtherShape(f"the answer is no list of {what}s")
    if not all(isinstance(item, dict) for item in document):
        raise OtherShape(f"a {what} is no object")
    return document


def _ids(raw: Any) -> tuple[str, ...]:
    return tuple(clean(x, limit=100) for x in raw if isinstance(x, str)) if isinstance(raw, list) else ()


def _text(raw: Any, limit: int) -> str:
    return clean(raw, limit=limit) if isinstance(raw, str) else ""
