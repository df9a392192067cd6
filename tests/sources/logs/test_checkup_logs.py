"""What ``triage doctor`` says of the logs in every condition, and which source a context makes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.serving import serving
from tests.sources.faults import FaultServer, Handler, Request, answering
from triage.clock import ManualClock, SystemClock
from triage.config import Active, Context
from triage.errors import InvalidDocument
from triage.facts.outcome import SourceState
from triage.lab.apis.loki import app
from triage.lab.clock import LabClock
from triage.lab.logs import LogBook
from triage.report.config import show_json
from triage.sources.checkup import Capability, SourceCheck, check_up
from triage.sources.logs.face import log_source

NOW = 1_795_400_000.0


def active(logs: Mapping[str, Any] | None, folder: Path | None = None) -> Active:
    content = {"prometheus": {"url": "http://127.0.0.1:9", "timeout": "100ms"}, "logs": logs}
    return Active("test", Context.model_validate(content), (), None if folder is None else folder / "triage.yaml")


async def checked(logs: Mapping[str, Any] | None, folder: Path | None = None) -> SourceCheck:
    found = await check_up(active(logs, folder), ManualClock(NOW))
    return next(source for source in found.sources if source.name == "logs")


def line(source: SourceCheck, what: str) -> Capability:
    return next(c for c in source.capabilities if c.what == what)


@pytest.fixture(scope="module")
def loki() -> Iterator[str]:
    book = LogBook()
    for i in range(3):
        content = json.dumps({"model_version": "8", "level": "error", "request_id": f"r-{i}", "message": "failed"})
        book.append({"app": "fraud", "namespace": "ml"}, round((NOW - i) * 1e9), content)
    with serving(app(book, LabClock(NOW, 0.0, speed=0.0))) as url:
        yield url


async def test_logs_that_are_not_configured_are_off_and_the_fix_says_how() -> None:
    found = await checked(None)
    assert (found.state, found.ok) == (SourceState.OFF, True)
    assert "logs: {kind: loki" in found.capabilities[0].fix


async def test_a_loki_that_fits_is_all_well(loki: str) -> None:
    found = await checked({"kind": "loki", "url": loki, "model_label": "app"})
    assert (found.state, found.product, found.version, found.ok) == (SourceState.OK, "Loki", "3.5.7", True)
    assert found.latency_seconds is not None
    for what in ("label of the model", "reading lines", "version", "request id", "level"):
        assert line(found, what).state == "ok"
    assert line(found, "version").detail == "in 3 of 3 lines"


async def test_a_label_that_no_stream_has_is_missing_and_a_likely_one_is_named(loki: str) -> None:
    found = await checked({"kind": "loki", "url": loki})
    label = line(found, "label of the model")
    assert (label.state, label.fix) == ("missing", "set logs.model_label: app")
    assert "app, namespace" in label.detail
    assert line(found, "reading lines").state == "unknown"


async def test_a_field_that_no_line_has_is_missing_and_the_fix_names_the_setting(loki: str) -> None:
    found = await checked({"kind": "loki", "url": loki, "model_label": "app", "fields": {"version": ["release"]}})
    assert line(found, "version") == Capability(
        "missing", "version", "in none of 3 lines: lines cannot be told apart by version",
        "write one of release, or set logs.fields.version")


@pytest.mark.parametrize("kind", ["loki", "victorialogs"])
async def test_a_server_that_is_gone_is_down(kind: str) -> None:
    found = await checked({"kind": kind, "url": "http://127.0.0.1:9", "timeout": "200ms"})
    assert (found.state, found.ok) == (SourceState.DOWN, False)
    assert found.error.startswith("connect")


async def test_a_secret_that_is_missing_is_told() -> None:
    found = await checked({"kind": "loki", "url": "http://loki.example", "bearer_token": {"env": "TRIAGE_NOT_SET"}})
    assert found.state is SourceState.DOWN
    assert "TRIAGE_NOT_SET" in found.error
    assert found.url == "http://loki.example"


def victoria(changes: Mapping[str, Handler] | None = None) -> Handler:
    lines = json.dumps({"_time": "2026-11-23T02:13:19Z", "_msg": "x", "model": "fraud", "level": "info"}) + "\n"
    metrics = 'vm_app_version{version="victoria-logs-20261001-tags-v1.36.0-0-g1", short_version="v1.36.0"} 1\n'
    table = {"/select/logsql/query": answering(200, lines, "application/stream+json"),
             "/metrics": answering(200, metrics, "text/plain"), **(changes or {})}

    async def handle(request: Request, writer: Any) -> object:
        return await table[request.path](request, writer)
    return handle


async def test_a_victorialogs_is_examined_by_its_lines() -> None:
    async with FaultServer(victoria()) as server:
        found = await checked({"kind": "victorialogs", "url": server.url})
    assert (found.state, found.product, found.version) == (SourceState.OK, "VictoriaLogs", "v1.36.0")
    assert (line(found, "model").state, line(found, "version").state) == ("ok", "missing")


async def test_a_victorialogs_that_hides_its_version_is_well() -> None:
    async with FaultServer(victoria({"/metrics": answering(403, "no")})) as server:
        found = await checked({"kind": "victorialogs", "url": server.url})
    assert (found.state, found.version, found.ok) == (SourceState.OK, "", True)


async def test_files_are_examined_by_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(json.dumps({"ts": NOW, "msg": "x", "version": "8"}) + "\n")
    found = await checked({"kind": "lines", "path": "a.log"}, tmp_path)
    assert (found.state, found.product, found.url) == (SourceState.OK, "JSON lines", str(tmp_path / "a.log"))
    assert line(found, "version").state == "ok"
    assert line(found, "model") == Capability(
        "missing", "model", "in none of 1 lines: no line is shown for any model",
        "write one of model, model_name, service.name, app, or set logs.fields.model")


async def test_files_that_are_not_there_are_down_with_the_setting_to_check(tmp_path: Path) -> None:
    found = await checked({"kind": "lines", "path": "none.log"}, tmp_path)
    assert (found.state, found.fix) == (SourceState.DOWN, "check logs.path")


@pytest.mark.parametrize(("logs", "name"), [
    ({"kind": "loki", "url": "http://loki"}, "LokiClient"), ({"kind": "lines", "path": "x"}, "LogFileSource"),
    ({"kind": "victorialogs", "url": "http://vl"}, "VictoriaLogsClient")])
async def test_the_configured_source_is_made(logs: dict[str, Any], name: str) -> None:
    source = log_source(active(logs), SystemClock())
    assert source is not None
    assert (type(source).__name__, source.name, source.requests_sent) == (name, "logs", 0)
    await source.aclose()


def test_without_logs_there_is_no_source() -> None:
    assert log_source(active(None), SystemClock()) is None


@pytest.mark.parametrize("logs", [
    {"kind": "loki", "url": "http://loki", "model_label": None},
    {"kind": "loki", "url": "http://loki", "model_label": "service.name"},
    {"kind": "loki", "url": "http://loki", "selector": {"a b": "c"}},
    {"kind": "loki", "url": "http://loki", "fields": {"version": []}},
    {"kind": "lines", "path": ""}, {"kind": "elastic", "url": "http://es"}, {"kind": "lines"}])
def test_logs_that_cannot_work_are_refused(logs: dict[str, Any]) -> None:
    with pytest.raises((ValueError, InvalidDocument)):
        active(logs)


@pytest.mark.parametrize("logs", [
    {"kind": "loki", "url": "http://loki", "bearer_token": {"env": "T"}}, {"kind": "victorialogs", "url": "http://vl"},
    {"kind": "lines", "path": "logs/{model}.jsonl"}])
def test_the_configuration_in_force_shows_them(logs: dict[str, Any], tmp_path: Path) -> None:
    shown = json.loads(show_json(active(logs, tmp_path)))["logs"]
    assert shown["kind"] == logs["kind"]
    assert shown["fields"]["version"][0] == "model_version"
    assert shown.get("path", str(tmp_path / "logs/{model}.jsonl")) == str(tmp_path / "logs/{model}.jsonl")
