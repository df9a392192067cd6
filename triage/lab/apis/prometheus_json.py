"""JSON of Prometheus' API: results, alerts, rules and targets in the keys, order and number formats of the real one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Any

from triage.lab.alerting.ruler import GroupState, RuleState
from triage.lab.alerting.rules import AlertingRule
from triage.lab.alerting.states import ActiveAlert, AlertingState
from triage.lab.promql.results import Matrix, Result, Scalar, Text, Vector
from triage.lab.wire.numbers import exponent_text, plain_text, sample_text
from triage.lab.wire.times import format_duration, nanoseconds

ZERO_TIME = "0001-01-01T00:00:00Z"
"""Go's time that was never set."""
_MOST_REMARKS = 10


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """One target that Prometheus scrapes."""

    job: str
    instance: str
    """``host:port``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the target besides ``job`` and ``instance``."""
    metrics_path: str = "/metrics"
    error: str = ""
    """Why the last scrape failed; "" when it went well."""
    scraped_at: float | None = None
    """Unix seconds; None: never."""
    scrape_seconds: float = 0.0
    """How long the last scrape took."""
    interval_seconds: float = 15.0
    timeout_seconds: float = 10.0


def success(content: str, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> str:
    """The envelope around ``content``, which is JSON already."""
    remarks = "".join(f',"{name}":{_text(list(said[:_MOST_REMARKS]))}'
                      for name, said in (("warnings", warnings), ("infos", infos)) if said)
    return f'{{"status":"success","data":{content}{remarks}}}'


def failure(kind: str, message: str) -> str:
    """The envelope of an error; ``kind`` is the ``errorType``."""
    return _text({"status": "error", "errorType": kind, "error": message})


def encoded(content: Any) -> str:
    """``content`` as JSON."""
    return _text(content)


def result_json(result: Result, limit: int = 0) -> tuple[str, bool]:
    """``data`` of a query, and whether series were left out. ``limit``: how many are kept; 0: all."""
    value = result.value
    if isinstance(value, Scalar):
        # Samples have a JSON of their own in Prometheus; scalars and strings are written by Go's.
        point = f'[{_text(_number(value.at))},"{plain_text(value.value)}"]'
        return f'{{"resultType":"scalar","result":{point}}}', False
    if isinstance(value, Text):
        return f'{{"resultType":"string","result":{_text([_number(value.at), value.value])}}}', False
    if isinstance(value, Vector):
        items, cut = _kept(_vector(value), limit)
        return f'{{"resultType":"vector","result":[{",".join(items)}]}}', cut
    items, cut = _kept(_matrix(value), limit)
    return f'{{"resultType":"matrix","result":[{",".join(items)}]}}', cut


def alert_json(alert: ActiveAlert) -> dict[str, Any]:
    """One alert of ``/alerts`` and of ``/rules``."""
    written: dict[str, Any] = {
        "labels": dict(sorted(alert.labels.items())), "annotations": alert.annotations(), "state": alert.phase.value,
        "activeAt": nanoseconds(alert.active_at)}
    if alert.kept_since is not None:
        written["keepFiringSince"] = nanoseconds(alert.kept_since)
    return written | {"value": exponent_text(alert.value)}


def group_json(state: GroupState, rules: Sequence[RuleState]) -> dict[str, Any]:
    """One group of ``/rules`` with those of its rules that are asked for."""
    return {"name": state.group.name, "file": state.group.file, "rules": [_rule_json(rule) for rule in rules],
            "interval": _number(state.group.interval_seconds), "limit": 0, "evaluationTime": state.evaluation_seconds,
            "lastEvaluation": _moment(state.evaluated_at)}


def target_json(target: ScrapeTarget) -> dict[str, Any]:
    """One active target."""
    labels = {"instance": target.instance, "job": target.job, **target.labels}
    interval, timeout = format_duration(target.interval_seconds), format_duration(target.timeout_seconds)
    health = "unknown" if target.scraped_at is None else "down" if target.error else "up"
    url = f"http://{target.instance}{target.metrics_path}"
    return {
        "discoveredLabels": {
            "__address__": target.instance, "__metrics_path__": target.metrics_path, "__scheme__": "http",
            "__scrape_interval__": interval, "__scrape_timeout__": timeout, **target.labels, "job": target.job},
        "labels": dict(sorted(labels.items())), "scrapePool": target.job, "scrapeUrl": url, "globalUrl": url,
        "lastError": target.error, "lastScrape": _moment(target.scraped_at),
        "lastScrapeDuration": target.scrape_seconds, "health": health, "scrapeInterval": interval,
        "scrapeTimeout": timeout}


def _rule_json(state: RuleState) -> dict[str, Any]:
    rule = state.rule
    health = {"health": "unknown" if state.evaluated_at is None else "err" if state.error else "ok"}
    if state.error:
        health["lastError"] = state.error
    evaluation = {"evaluationTime": state.evaluation_seconds, "lastEvaluation": _moment(state.evaluated_at)}
    if isinstance(rule, AlertingRule) and isinstance(state.memory, AlertingState):
        return {"state": state.memory.phase.value, "name": rule.name, "query": rule.expression,
                "duration": _number(rule.for_seconds), "keepFiringFor": _number(rule.keep_firing_seconds),
                "labels": {name: template.text for name, template in sorted(rule.labels.items())},
                "annotations": {name: template.text for name, template in sorted(rule.annotations.items())},
                "alerts": [alert_json(alert) for alert in list(state.memory.active.values())],
                **health, **evaluation, "type": "alerting"}
    labels = {"labels": dict(sorted(rule.labels.items()))} if rule.labels else {}
    return {"name": rule.name, "query": rule.expression, **labels, **health, **evaluation, "type": "recording"}


def _vector(vector: Vector) -> list[str]:
    at = _time(vector.at)
    return [f'{{"metric":{_labels(labels)},"value":[{at},"{sample_text(value)}"]}}' for labels, value in vector.samples]


def _matrix(matrix: Matrix) -> list[str]:
    begun: dict[bytes, list[str]] = {}
    items = []
    for labels, times, values in matrix.series:
        key = times.tobytes()
        if key not in begun:
            # Most series of an answer have samples at the same times.
            begun[key] = [f'[{_time(at)},"' for at in times.tolist()]
        points = '"],'.join(map(add, begun[key], _sample_texts(values.tolist())))
        items.append(f'{{"metric":{_labels(labels)},"values":[{points}"]]}}')
    return items


def _sample_texts(values: list[float]) -> list[str]:
    """Each value as :func:`sample_text` writes it; at once where no exponent and no NaN makes it hard."""
    together = repr(values)[1:-1] + ", "
    if "e" in together or "n" in together:
        return [sample_text(value) for value in values]
    return together.replace(".0, ", ", ").split(", ")[:-1]


def _kept(items: list[str], limit: int) -> tuple[list[str], bool]:
    return (items[:limit], True) if 0 < limit < len(items) else (items, False)


def _labels(labels: Mapping[str, str]) -> str:
    return _text(dict(sorted(labels.items())))


def _time(at: float) -> str:
    """Seconds as Prometheus writes them, to the millisecond."""
    ms = round(at * 1000)
    return str(ms // 1000) if ms % 1000 == 0 else f"{ms / 1000:.3f}"


def _moment(at: float | None) -> str:
    return ZERO_TIME if at is None else nanoseconds(at)


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
