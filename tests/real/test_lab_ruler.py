"""The lab's ruler against ``promtool test rules``: the same alerts and recordings at every evaluation."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real.conftest import Promtool
from triage.lab.alerting.ruler import Ruler
from triage.lab.alerting.rules import parse_rules
from triage.lab.alerting.states import Phase
from triage.lab.promql.engine import Engine, Semantics, Vector
from triage.lab.promql.store import Store

STEP = 15
STEPS = 60
RULES = """
groups:
  - name: recordings
    interval: 15s
    rules:
      - {record: "model:errors", expr: "sum by (model) (errors) * 2", labels: {window: now}}
      - {record: "model:errors:high", expr: "model:errors > 12"}
      - {record: "fleet:errors", expr: "sum(model:errors)"}
  - name: alerts
    interval: 15s
    rules:
      - {alert: AtOnce, expr: errors > 5}
      - {alert: Waits, expr: errors > 5, for: 1m}
      - {alert: Keeps, expr: errors > 5, keep_firing_for: 45s}
      - alert: Both
        expr: errors > 5
        for: 30s
        keep_firing_for: 30s
        labels: {severity: page, model: "{{ $labels.model }}!", pod: ""}
        annotations: {summary: "{{ $labels.model }} {{ $value | humanize }} {{ printf \\"%.1f\\" $value }}"}
      - {alert: ByValue, expr: errors > 5, for: 15s, labels: {value: "{{ $value }}"}}
      - {alert: Recorded, expr: "model:errors:high > 0", for: 30s}
      - {alert: OfAlerts, expr: 'count(ALERTS{alertstate="firing",alertname="Waits"}) > 1'}
      - {alert: Scalar, expr: "vector(time()) % 120 > 60", for: 15s}
"""
ALERTS = ("AtOnce", "Waits", "Keeps", "Both", "ByValue", "Recorded", "OfAlerts", "Scalar")
QUESTIONS = ('ALERTS{alertstate="pending"}', 'ALERTS{alertstate="firing"}', "ALERTS_FOR_STATE",
             # A NaN equals nothing, not even what promtool expects.
             '{__name__=~"model:.*|fleet:.*"} >= 0')


def drawn(seed: int) -> dict[str, list[str]]:
    """Samples of a few series as promtool's tests write them: numbers, ``_`` for none, ``stale`` for an end."""
    draw = random.Random(seed)
    series = {}
    for model in ("fraud", "churn", "chat", "loan"):
        current = "0"
        samples: list[str] = []
        for _ in range(STEPS + 1):
            if draw.random() < 0.25:
                current = draw.choice(["0", "5", "6", "9.25", "1234.5", "NaN", "_", "stale"])
            # A series ends once; then it is not there.
            samples.append("_" if current == "stale" and samples and samples[-1] in ("stale", "_") else current)
        series[model] = samples
    return series


def lab_with(series: dict[str, list[str]]) -> tuple[Engine, Ruler]:
    store = Store()
    for model, samples in series.items():
        labels = {"__name__": "errors", "model": model, "pod": "p"}
        for number, sample in enumerate(samples):
            if sample == "stale":
                store.mark_stale(labels, number * STEP * 1000)
            elif sample != "_":
                store.append_point(labels, number * STEP * 1000, float(sample))
    engine = Engine(store, semantics=Semantics.V2)
    return engine, Ruler(engine, store, parse_rules(RULES, "rules.yaml"))


def told(engine: Engine, ruler: Ruler) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the lab says at every step, as the expectations of promtool's tests."""
    alerts: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for number in range(STEPS + 1):
        at = float(number * STEP)
        ruler.advance(at)
        for name in ALERTS:
            firing = [alert for alert in ruler.alerts() if alert.rule.name == name and alert.phase is Phase.FIRING]
            alerts.append({"eval_time": f"{number * STEP}s", "alertname": name, "exp_alerts": [
                {"exp_labels": {k: v for k, v in alert.labels.items() if k != "alertname"},
                 "exp_annotations": alert.annotations()} for alert in firing]})
        for question in QUESTIONS:
            vector = engine.instant(question, at).value
            assert isinstance(vector, Vector)
            answers.append({"eval_time": f"{number * STEP}s", "expr": question, "exp_samples": [
                {"labels": _selector(labels), "value": value} for labels, value in vector.samples]})
    return alerts, answers


def _selector(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


@pytest.mark.parametrize("seed", range(6))
def test_promtool_expects_what_the_lab_says(promtool: Promtool, tmp_path: Path, seed: int) -> None:
    series = drawn(seed)
    alerts, answers = told(*lab_with(series))
    assert sum(bool(alert["exp_alerts"]) for alert in alerts) > 30
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({
        "rule_files": ["rules.yaml"], "evaluation_interval": f"{STEP}s",
        "group_eval_order": ["recordings", "alerts"],
        "tests": [{"interval": f"{STEP}s", "alert_rule_test": alerts, "promql_expr_test": answers, "input_series": [
            {"series": f'errors{{model="{model}",pod="p"}}', "values": " ".join(samples)}
            for model, samples in series.items()]}]}), encoding="utf-8")
    done = promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]


@pytest.mark.parametrize("seed", range(6))
def test_a_backfill_tells_what_single_steps_tell(seed: int) -> None:
    series = drawn(seed)
    engine, ruler = lab_with(series)
    told(engine, ruler)
    at_once, backfilled = lab_with(series)
    backfilled.backfill(0.0, float(STEPS * STEP))
    for question in (*QUESTIONS, "ALERTS"):
        for number in range(STEPS + 1):
            first, second = (e.instant(question, float(number * STEP)).value for e in (engine, at_once))
            assert repr(first) == repr(second)
    assert [(a.labels, a.phase, a.active_at, a.fired_at) for a in ruler.alerts()] == [
        (a.labels, a.phase, a.active_at, a.fired_at) for a in backfilled.alerts()]
