"""Configuration of the real servers: scraping, recording rules as Sloth and Pyrra make them, alerts, routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.real.known import HOSTILE_LABELS
from tests.real.truth import Target

Rule = Mapping[str, Any]

SILENCED_ALERT = "SteadyNoise"
SILENCE_COMMENT = "INC-0412: known noise of \x1b[31mv1[/]"


def _alert(name: str, expr: str, severity: str, summary: str, **more: Any) -> dict[str, Any]:
    labels = {"severity": severity, **more.pop("labels", {})}
    annotations = {"summary": summary, **more.pop("annotations", {})}
    return {"alert": name, "expr": expr, "labels": labels, "annotations": annotations, **more}


def _error_ratio(metric: str, labels: str, window: str) -> str:
    by = "sum by (model, model_version, deployment) "
    return (f'{by}(rate({metric}{{{labels},code=~"5.."}}[{window}]))\n  / '
            f"{by}(rate({metric}{{{labels}}}[{window}]))")


KNOWN_ALERTS: tuple[Rule, ...] = (
    _alert("SteadyCanaryErrors", _error_ratio("requests_total", 'model="steady"', "5m") + " > 0.01", "critical",
           "{{ $labels.model }} {{ $labels.model_version }} fails {{ $value | humanizePercentage }} of requests",
           annotations={"runbook_url": "https://runbooks.example/steady#errors"}, labels={"team": "payments"}),
    _alert("SteadyInfo", 'model_build_info{model="steady",model_version="v2"} == 1', "info",
           "Inhibited by SteadyCanaryErrors"),
    _alert(SILENCED_ALERT, 'model_build_info{model="steady",model_version="v1"} == 1', "warning", "Silenced"),
    _alert("IdleWithoutTraffic", 'sum by (model, model_version) (rate(requests_total{model="idle"}[5m])) == 0',
           "ticket", "No requests for an hour", **{"for": "1h"}),
    _alert("Hostile", "hostile_info == 1", "warning", "\x1b]0;owned\x07[bold red]title[/] \u202eesrever",
           annotations={"long": "y" * 10_000, "runbook_url": "javascript:alert(1)\x1b[2J",
                        "description": "\n".join(HOSTILE_LABELS[k] for k in ("escape", "markup", "bidi", "newline"))}),
    _alert("NeverFires", 'requests_total{model="nobody"} > 0', "critical", "Stays inactive"),
)

_FRAUD = 'model="fraud-scorer"'
EXAMPLE_ALERTS: tuple[Rule, ...] = (
    _alert("FraudCanaryErrors",
           f'{_error_ratio("fraud_requests_total", _FRAUD, "5m")} > 0.01', "page",
           "fraud-scorer {{ $labels.model_version }} fails {{ $value | humanizePercentage }} of requests",
           annotations={"runbook_url": "https://runbooks.example/fraud-scorer#errors"}, **{"for": "10s"}),
    _alert("FraudCanarySlow",
           "1 - sum by (model, model_version, deployment) "
           '(rate(fraud_request_duration_seconds_bucket{model="fraud-scorer",le="0.5"}[5m]))\n  / '
           "sum by (model, model_version, deployment) "
           '(rate(fraud_request_duration_seconds_count{model="fraud-scorer"}[5m])) > 0.05', "ticket",
           "fraud-scorer {{ $labels.model_version }}: {{ $value | humanizePercentage }} of answers take over 500 ms",
           **{"for": "15m"}),
    _alert("FraudSchemaViolations",
           'sum by (model, model_version, deployment, feature) (increase(fraud_schema_violations_total[15m])) > 0',
           "ticket", "fraud-scorer {{ $labels.model_version }}: {{ $value | humanize }} inputs with an invalid "
           "{{ $labels.feature }}"),
    _alert("ChatQueueLong", 'vllm:num_requests_waiting{model_name="chat-assistant"} > 20', "ticket",
           "chat-assistant: {{ $value }} requests wait", **{"for": "10m"}),
    _alert("ChatErrors",
           'sum by (model_name, deployment) (rate(http_requests_total{model_name="chat-assistant",status="5xx"}[5m]))\n'
           '  / sum by (model_name, deployment) (rate(http_requests_total{model_name="chat-assistant"}[5m])) > 0.02',
           "page", "chat-assistant fails {{ $value | humanizePercentage }} of requests"),
    _alert("ChurnTableStale", 'time() - churn_table_updated_timestamp_seconds{model="churn-ranker"} > 26 * 3600',
           "ticket", "churn-ranker: the table is {{ $value | humanizeDuration }} old"),
)


def sloth(service: str, slo: str, bad: str, total: str, windows: Iterable[str]) -> tuple[Rule, ...]:
    """Recording rules with Sloth's names and labels. ``bad`` and ``total`` are vector selectors."""
    return tuple({"record": f"slo:sli_error:ratio_rate{window}",
                  "expr": f"sum(rate({bad}[{window}])) / sum(rate({total}[{window}]))",
                  "labels": {"sloth_id": f"{service}-{slo}", "sloth_service": service, "sloth_slo": slo,
                             "sloth_window": window}} for window in windows)


def pyrra(slo: str, metric: str, bad: str, labels: Mapping[str, str], windows: Iterable[str]) -> tuple[Rule, ...]:
    """Recording rules with Pyrra's names: ``burnrate`` is its word for the error ratio. ``bad`` is a matcher."""
    own = ",".join(f'{k}="{v}"' for k, v in labels.items())
    return tuple({"record": f"{metric.removesuffix('_total')}:burnrate{window}",
                  "expr": f"sum(rate({metric}{{{own},{bad}}}[{window}])) / sum(rate({metric}{{{own}}}[{window}]))",
                  "labels": {**labels, "slo": slo}} for window in windows)


def rules_file(path: Path, groups: Mapping[str, Iterable[Rule]], interval: str = "1s") -> Path:
    """Write rule groups to ``path``; the groups with recordings of long windows are evaluated every 15 s."""
    content = {"groups": [{"name": name, "interval": "15s" if name.startswith("record") else interval,
                           "rules": [dict(rule) for rule in rules]} for name, rules in groups.items()]}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def prometheus_config(targets: Iterable[Target], exporter_url: str, *, rules: Path | None = None,
                      alertmanager_url: str | None = None, scrape_interval: str = "1s") -> dict[str, Any]:
    """prometheus.yml: every target of the exporter, with the instance label that its history has."""
    address = exporter_url.removeprefix("http://")
    config: dict[str, Any] = {
        "global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval, "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": t.job, "metrics_path": t.path,
             "static_configs": [{"targets": [address], "labels": {"instance": t.instance}}]}
            for t in targets],
    }
    if rules is not None:
        config["rule_files"] = [str(rules)]
    if alertmanager_url is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [
            {"targets": [alertmanager_url.removeprefix("http://")]}]}]}
    return config


def alertmanager_config() -> dict[str, Any]:
    """alertmanager.yml: two receivers that tell nobody, grouping that lacks the version, one inhibition."""
    return {
        "route": {"receiver": "quiet", "group_by": ["alertname", "model"], "group_wait": "0s", "group_interval": "1s",
                  "routes": [{"receiver": "pager", "matchers": ['severity=~"critical|page"']}]},
        "receivers": [{"name": "quiet"}, {"name": "pager"}],
        "inhibit_rules": [{"source_matchers": ['severity="critical"'], "target_matchers": ['severity="info"'],
                           "equal": ["model", "model_version"]}],
    }
