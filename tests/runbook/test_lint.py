"""The linter of runbooks: a step that names what is not there, and a way that leads nowhere."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import httpx
import pytest

from tests.commands import run
from tests.runbook.examples import FRONT, MANIFEST, TEXT, notebook, only
from triage.runbook.lint import lint, lint_runbooks
from triage.sources.links import reach

TODAY = date(2026, 11, 23)
CELLS = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
    {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "source": source, "outputs": [],
     "execution_count": None}
    for name, tags, source in (("parameters", ["parameters"], "FEATURE = 'amount'"),
                               ("compare-feature", ["diagnostic"], "1"), ("plain", [], "2"))]}


def codes(folder: Path, text: str, manifest: str = MANIFEST, today: date = TODAY) -> list[tuple[str, str, int | None]]:
    made = notebook(folder / "nb", text, manifest)
    (made.path / "notebook.ipynb").write_text(json.dumps(CELLS))
    return [(f.code, f.severity, f.line) for f in lint_runbooks(made, today)]


def sections(text: str) -> str:
    return text + "".join(f"\n## {title}\n" for title in ("Mitigation", "Verify", "Escalate"))


def step(block: str) -> str:
    return sections(only(block).replace("## Diagnosis", "## Meaning\n\n## Impact\n\n## Diagnosis"))


def test_a_runbook_that_is_right_is_passed_over_in_silence(tmp_path: Path) -> None:
    assert codes(tmp_path, TEXT) == []


@pytest.mark.parametrize(("block", "code"), [
    ("kind: assert\nsignal: slo/latencie\nexpect: pass", "unknown-signal"),
    ("kind: assert\nsignal: slo/latency/burn/7m\nexpect: '< 1'", "unknown-signal"),
    ("kind: assert\nsignal: drift\nexpect: pass", "unknown-signal"),
    ("kind: assert\nsignal: drift/amount\nexpect: pass", "unknown-signal"),
    ("kind: assert\nsignal: features\nexpect: pass", "unknown-signal"),
    ("kind: assert\nsignal: quality/accuracy\nexpect: pass", "unknown-signal"),
    ("kind: assert\nsignal: canary/throughput\nexpect: pass", "unknown-signal"),
    ("kind: assert\nexpr: sum(\nexpect: '< 1'", "promql"),
    ("kind: query\nexpr: rate(x)", "promql"),
    ("kind: cell\ncell: compare-features", "unknown-cell"),
    ("kind: cell\ncell: plain", "not-diagnostic"),
    ("kind: cell\ncell: compare-feature\nparams: {FEATURES: x}", "unknown-parameter")])
def test_a_step_that_names_what_does_not_exist_is_an_error(tmp_path: Path, block: str, code: str) -> None:
    assert codes(tmp_path, step(f"id: a\n{block}")) == [(code, "error", 18)]


def test_a_signal_that_exists_is_none(tmp_path: Path) -> None:
    for block in ("signal: slo/latency/burn/1h\nexpect: '< 1'", "signal: canary/latency\nexpect: pass",
                  "signal: alert/Slow\nexpect: pass", "signal: registry\nexpect: not fail"):
        assert codes(tmp_path, step(f"id: a\nkind: assert\n{block}")) == []


def test_an_alert_that_the_manifest_does_not_name_is_an_error(tmp_path: Path) -> None:
    for name, expected in (("Slow", []), ("Slwo", [("unknown-signal", "error", 18)])):
        text = step(f"id: a\nkind: assert\nsignal: alert/{name}\nexpect: pass")
        assert codes(tmp_path, text) == expected


def test_a_cell_of_a_notebook_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    made = notebook(tmp_path, step("id: a\nkind: cell\ncell: x"))
    assert [f.code for f in lint_runbooks(made, TODAY)] == ["unknown-cell"]


@pytest.mark.parametrize(("block", "code"), [
    ("kind: action\naction: rollback\nto: '8'", "rollback-to-itself"),
    ("kind: approve\nrole: risk", "unknown-role")])
def test_a_step_that_cannot_help_is_a_warning(tmp_path: Path, block: str, code: str) -> None:
    assert codes(tmp_path, step(f"id: a\n{block}")) == [(code, "warning", 18)]


@pytest.mark.parametrize(("when", "code"), [
    ("note answered yes", "no-question"), ("ask answered perhaps", "unknown-answer"), ("ask answered YES", "")])
def test_an_answer_that_cannot_be_given_is_an_error(tmp_path: Path, when: str, code: str) -> None:
    text = only("id: note\nkind: note", "id: ask\nkind: ask\nquestion: x\nchoices: [yes, no]",
                f"id: b\nkind: note\nwhen: {when}",
                f"id: c\nkind: branch\nchoices: [{{when: {when}, goto: d}}]", "id: d\nkind: note")
    found = codes(tmp_path, sections(text.replace("## Diagnosis", "## Meaning\n\n## Impact\n\n## Diagnosis")))
    assert [c for c, _, _ in found] == ([code] * 2 if code else [])


@pytest.mark.parametrize(("change", "code", "severity"), [
    (("2026-11-01", "2026-01-01"), "stale-review", "warning"),
    (("[Slow]", "[Slowly, Slow]"), "unknown-alert", "warning"),
    (("## Impact", "## Impacts"), "missing-section", "warning"),
    (("https://wiki", "ftp://wiki"), "link-scheme", "error"),
    (("https://wiki.example/slow", "pages/slow.md"), "dead-link", "warning"),
    (("[Slow]", "[]"), "unanswered-alert", "warning")])
def test_what_is_doubtful_about_the_whole_is_said(tmp_path: Path, change: tuple[str, str], code: str,
                                                  severity: str) -> None:
    assert [(c, s) for c, s, _ in codes(tmp_path, TEXT.replace(*change))] == [(code, severity)]


def test_headings_out_of_order_are_a_warning(tmp_path: Path) -> None:
    text = TEXT.replace("## Meaning", "## X").replace("## Impact", "## Meaning").replace("## X", "## Impact")
    assert [c for c, _, _ in codes(tmp_path, text)] == ["section-order"]


def test_a_link_to_a_file_beside_it_and_to_a_heading_are_fine(tmp_path: Path) -> None:
    text = TEXT.replace("https://wiki.example/slow", "manifest.yaml#L3").replace("**slow**", "[slow](#impact)")
    assert codes(tmp_path, text) == []


@pytest.mark.parametrize(("link", "code"), [
    ("#is-it-the-canary-only", ""), ("#Impact", ""), ("#impacts", "dead-anchor"), ("#there", ""),
    ("more.md#what-it-is", ""), ("more.md#what-it-is-1", ""), ("more.md#what-it-is-2", "dead-anchor"),
    ("more%20of.md", "dead-link"), ("pages", ""), ("broken.md#x", "dead-link")])
def test_a_link_to_a_heading_that_is_not_there_is_a_warning(tmp_path: Path, link: str, code: str) -> None:
    text = TEXT.replace("https://wiki.example/slow", link).replace("People wait.", 'People <a id="there"></a> wait.')
    made = notebook(tmp_path / "nb", text)
    (made.path / "notebook.ipynb").write_text(json.dumps(CELLS))
    (made.path / "more.md").write_text("---\nid: x\n---\n# What *it* is?\n\n## What it is\n")
    (made.path / "broken.md").write_bytes(b"\xff")
    (made.path / "pages").mkdir()
    assert [(f.code, f.severity) for f in lint_runbooks(made, TODAY)] == ([(code, "warning")] if code else [])


@pytest.mark.parametrize(("expr", "also", "found"), [
    ("sum(rate(request_duration_seconds_count[5m])) + up", "[]", []),
    ("sum(rate(queue_seconds_sum[5m]))", "", []),
    ("sum(rate(request_durations_seconds_sum[5m]))", "", [("unknown-metric", "warning")]),
    ("sum(rate(request_durations_seconds_sum[5m]))", "[]", [("unknown-metric", "error")]),
    ("sum(rate(queue_seconds_sum[5m]))", "[]", [("unknown-metric", "error")]),
    ("sum(rate(queue_seconds_sum[5m])) / sum(queue_seconds_count)", "[queue_seconds]", []),
    ('topk(3, {__name__="gone"}) or -max_over_time((gone_too)[1h:5m]) or {__name__=~"any.*"}', "[requests_total]",
     [("unknown-metric", "error")] * 2)])
def test_a_step_that_names_a_metric_that_the_manifest_does_not_state_is_an_error(
        tmp_path: Path, expr: str, also: str, found: list[tuple[str, str]]) -> None:
    manifest = MANIFEST.replace("metrics: {", f"metrics: {{also: {also}, ") if also else MANIFEST
    text = step(f"id: a\nkind: query\nexpr: {json.dumps(expr)}")
    assert [(code, severity) for code, severity, _ in codes(tmp_path, text, manifest)] == found


@pytest.mark.parametrize(("expr", "also", "found"), [
    ("sum(rate(request_duration_seconds_count[5m]))", "", []),
    ("sum(rate(request_duration_seconds_sum[5m])) or ALERTS", "", [("missing-metric", "warning")]),
    ("sum(rate(request_durations_seconds_sum[5m]))", "", [("unknown-metric", "error")]),
    ("sum(queue_seconds)", "", [("unknown-metric", "error")]), ("sum(queue_depth)", "", []),
    ("sum(queue_depth)", "[]", [("unknown-metric", "error")])])
def test_where_prometheus_was_asked_a_metric_that_it_does_not_have_is_said(
        tmp_path: Path, expr: str, also: str, found: list[tuple[str, str]]) -> None:
    manifest = MANIFEST.replace("metrics: {", f"metrics: {{also: {also}, ") if also else MANIFEST
    made = notebook(tmp_path, step(f"id: a\nkind: query\nexpr: {json.dumps(expr)}"), manifest)
    (made.path / "notebook.ipynb").write_text(json.dumps(CELLS))
    there = frozenset({"up", "request_duration_seconds_count", "queue_depth"})
    assert [(f.code, f.severity) for f in lint_runbooks(made, TODAY, None, there)] == found


def test_what_is_recorded_for_an_objective_and_asked_with_own_promql_is_stated(tmp_path: Path) -> None:
    own = """  slos:
    - name: own
      sli: {bad_query: "sum(increase(bad_total[$window]))", total_query: "sum(increase(all_total[$window]))"}
      objective: 99
      recorded: {slo: own}
"""
    manifest = MANIFEST.replace("metrics: {", "metrics: {also: [], ").replace("  slos:\n", own)
    text = step("id: a\nkind: query\nexpr: sum(bad_total) / sum(all_total) + slo:sli_error:ratio_rate5m")
    assert codes(tmp_path, text, manifest) == []


def test_links_are_tried_only_when_somebody_asks(tmp_path: Path) -> None:
    made = notebook(tmp_path, TEXT)
    (made.path / "notebook.ipynb").write_text(json.dumps(CELLS))
    tried: list[str] = []

    def dead(url: str) -> str:
        tried.append(url)
        return "HTTP 404"

    found = lint(tmp_path, TODAY, dead)
    assert tried == ["https://wiki.example/slow"]
    assert [(f.code, f.severity, f.line) for f in found] == [("dead-link", "warning", 14)]
    assert lint(tmp_path, TODAY) == ()


def test_a_folder_holds_runbooks_of_different_names(tmp_path: Path) -> None:
    made = notebook(tmp_path, None, f"{MANIFEST}  runbook: books\n")
    (made.path / "books").mkdir()
    for name in ("a", "b"):
        (made.path / "books" / f"{name}.md").write_text(step("id: a\nkind: note").replace("[Slow]", "[]"))
    assert [f.code for f in lint_runbooks(made, TODAY)] == ["no-alerts", "no-alerts", "duplicate-runbook"]


def test_the_errors_of_a_runbook_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    assert codes(tmp_path, f"{FRONT}\n## Meaning\n\n### A\n\n```triage\nid: a\nkind: nota\n```\n") == [
        ("kind", "error", 14)]


def test_the_command_lints_runbooks_with_their_notebooks(tmp_path: Path) -> None:
    made = notebook(tmp_path, step("id: a\nkind: action\naction: explode"))
    result = run("notebook", "lint", str(made.path))
    assert result.exit_code == 2
    assert "runbook.md:21: error: step a.action: must be one of" in result.stdout


def answering(status: int, *, head: int | None = None) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(
        head if head is not None and request.method == "HEAD" else status))


@pytest.mark.parametrize(("transport", "said"), [
    (answering(200), ""), (answering(404), "HTTP 404"), (answering(403), ""), (answering(200, head=405), ""),
    (answering(410, head=405), "HTTP 410"), (answering(500), "HTTP 500")])
def test_a_page_is_there_when_it_answers(transport: httpx.MockTransport, said: str) -> None:
    assert reach("https://wiki.example/slow", transport) == said


def test_a_server_that_is_not_there_is_said() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused\x1b[2J")

    assert reach("https://wiki.example", httpx.MockTransport(refuse)) == "connection refused␛[2J"
    assert reach("https://[", httpx.MockTransport(refuse))
