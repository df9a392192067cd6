"""The same content in a real server and in the lab: what the contract suites of both ask."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import yaml

from tests.lab.serving import serving
from tests.real import rules, servers
from tests.real.servers import binary, wait_for
from triage.lab.alerting.book import AlertBook
from triage.lab.alerting.matchers import parse_matcher
from triage.lab.alerting.routing import Route
from triage.lab.alerting.ruler import Ruler
from triage.lab.alerting.rules import parse_rules
from triage.lab.apis import alertmanager, prometheus
from triage.lab.apis.prometheus_json import ScrapeTarget
from triage.lab.clock import LabClock
from triage.lab.promql.engine import Engine, Semantics
from triage.lab.promql.store import Store

STEP = 15
COUNT = 241

SERIES: tuple[tuple[str, dict[str, str], Callable[[int], float]], ...] = (
    ("calls_total", {"code": "200", "model": "fraud", "model_version": "v1"}, lambda n: n * 30.0),
    ("calls_total", {"code": "500", "model": "fraud", "model_version": "v1"}, lambda n: n * 3.0),
    ("calls_total", {"code": "200", "model": "churn", "model_version": "v2"}, lambda n: n * 15.0),
    ("temperature", {"model": "fraud"}, lambda n: 1.5),
    ("odd", {"kind": "nan"}, lambda n: float("nan")),
    ("odd", {"kind": "inf"}, lambda n: float("inf")),
    ("odd", {"kind": "ninf"}, lambda n: float("-inf")),
    ("big", {}, lambda n: 1e21),
    ("wide", {}, lambda n: 123456789012345680.0),
    ("small", {}, lambda n: 1e-7),
    ("thin", {}, lambda n: 0.00001),
    ("long", {"text": 'a"b\\c\nd <é>'}, lambda n: 0.1 + 0.2),
    ("halves", {}, lambda n: n / 2),
)
"""(name, labels, value of the nth sample); one sample each 15 s for an hour."""

RULES = {"groups": [
    {"name": "contract", "interval": "1s", "rules": [
        {"alert": "Always", "expr": "vector(1.5) > 1", "labels": {"severity": "page"},
         "annotations": {"summary": "at {{ $value | humanizePercentage }}"}},
        {"alert": "Held", "expr": "vector(1)", "for": "1h", "keep_firing_for": "5m"},
        {"alert": "Never", "expr": "vector(1) > 2", "for": "90s"},
        {"record": "contract:value", "expr": "vector(3)", "labels": {"a": "b"}},
        {"record": "contract:plain", "expr": "vector(4)"},
        {"record": "contract:broken",
         "expr": 'vector(1) * on () (vector(1) or label_replace(vector(1), "a", "y", "", ""))'},
    ]}]}


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the two servers."""

    name: str
    url: str
    end: int = 0
    """Unix seconds of the last sample."""


@contextmanager
def real_prometheus(folder: Path) -> Iterator[Peer]:
    """Debian's Prometheus with the samples and rules, one target that is up and one that is down."""
    end = int(time.time()) // STEP * STEP
    text = folder / "samples.om"
    text.write_text("".join(_openmetrics(end)), encoding="utf-8")
    subprocess.run([binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text),
                    str(folder / "tsdb")], check=True, capture_output=True)
    rule_file = folder / "contract.yaml"
    rule_file.write_text(yaml.safe_dump(RULES), encoding="utf-8")
    with servers.exporter(folder / "exporter", "known", float(end)) as exporter:
        config = rules.prometheus_config((), exporter.url, rules=rule_file)
        up = {"targets": [exporter.url.removeprefix("http://")], "labels": {"zone": "eu"}}
        config["scrape_configs"] = [
            {"job_name": "up", "metrics_path": "/steady/metrics", "static_configs": [up]},
            {"job_name": "down", "static_configs": [{"targets": ["127.0.0.1:9"]}]}]
        with servers.prometheus(folder / "prometheus", config, tsdb=folder / "tsdb",
                                flags=["--scrape.discovery-reload-interval=1s"]) as server:
            def settled() -> bool:
                targets = httpx.get(f"{server.url}/api/v1/targets", trust_env=False).json()["data"]["activeTargets"]
                alerts = httpx.get(f"{server.url}/api/v1/alerts", trust_env=False).json()["data"]["alerts"]
                return sorted(target["health"] for target in targets) == ["down", "up"] and len(alerts) == 2
            wait_for(settled, "scraped targets and alerts", server)
            yield Peer("real", server.url, end)


@contextmanager
def lab_prometheus(semantics: Semantics = Semantics.V2) -> Iterator[Peer]:
    """The lab with the same."""
    now = time.time()
    end = int(now) // STEP * STEP
    store = Store(retention_seconds=400 * 86400.0)
    times = np.array(_times(end), dtype=np.int64) * 1000
    for name, labels, value in SERIES:
        store.append({"__name__": name, **labels}, times, np.array([value(n) for n in range(COUNT)]))
    store.describe("requests_total", "counter", "Requests.")
    store.describe("temperature", "gauge", "")
    clock = LabClock(now, now)
    engine = Engine(store, semantics=semantics)
    ruler = Ruler(engine, store, parse_rules(yaml.safe_dump(RULES), "contract.yaml"))
    ruler.advance(clock.now())
    targets = (ScrapeTarget("up", "127.0.0.1:8000", {"zone": "eu"}, "/steady/metrics", scraped_at=now),
               ScrapeTarget("down", "127.0.0.1:9", error="connection refused", scraped_at=now))
    with serving(prometheus.app(engine, clock, ruler=ruler, targets=lambda: targets)) as url:
        yield Peer("lab", url, end)


ROUTE = Route("quiet", ("alertname", "model"), routes=(
    Route("pager", matchers=(parse_matcher('severity="page"'),), goes_on=True),
    Route("tickets", ("model",), (parse_matcher('severity=~"page|ticket"'),)),
    Route("each", ("...",), (parse_matcher('severity="each"'),))))


@contextmanager
def real_alertmanager(folder: Path) -> Iterator[Peer]:
    """Debian's Alertmanager with the routes and without a cluster."""
    root = {**ROUTE.settings(), "group_wait": "0s", "group_interval": "1s"}
    root.pop("continue")
    config = {"route": root, "receivers": [{"name": name} for name in ROUTE.receivers()]}
    with servers.alertmanager(folder, config) as server:
        yield Peer("real", server.url)


@contextmanager
def lab_alertmanager(version: str = "0.25.0") -> Iterator[Peer]:
    """The lab with the same, in the dialect of the same release."""
    now = time.time()
    with serving(alertmanager.app(AlertBook(LabClock(now, now), route=ROUTE), version=version)) as url:
        yield Peer("lab", url)


def _times(end: int) -> list[int]:
    return [end - STEP * (COUNT - 1 - n) for n in range(COUNT)]


def _openmetrics(end: int) -> Iterator[str]:
    for name, labels, value in SERIES:
        escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in labels.items()}
        own = ",".join(f'{k}="{v}"' for k, v in escaped.items())
        for n, at in enumerate(_times(end)):
            text = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(value(n)), repr(value(n)))
            yield f"{name}{{{own}}} {text} {at}\n"
    yield "# EOF\n"
