"""Questions in LogQL and LogsQL: what they select, and that no value gets out of its quotes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triage.config_sources import LokiLogs, VictoriaLogs
from triage.facts.logs import Level, LogQuestion
from triage.lab.logs import logql as lab
from triage.sources.logs import logql, logsql

HOSTILE = '"} | line_format `{{.x}}` \\ " \n\t\x00 é 🙂 [(.*)] '


def loki(**settings: Any) -> LokiLogs:
    return LokiLogs.model_validate({"kind": "loki", "url": "http://loki", "model_label": "app", **settings})


def victoria(**settings: Any) -> VictoriaLogs:
    return VictoriaLogs.model_validate({"kind": "victorialogs", "url": "http://vl", **settings})


def asking(**wanted: Any) -> LogQuestion:
    return LogQuestion(**{"model": "fraud", "since": 0.0, "until": 10.0, **wanted})


def kept(question: LogQuestion, line: str, labels: dict[str, str] | None = None, **settings: Any) -> bool:
    """Whether the lab's Loki keeps the line."""
    query = lab.parse(logql.lines_query(loki(**settings), question))
    stream = {"app": "fraud", **(labels or {})}
    return query.selects(stream) and query.process(line, stream) is not None


def test_the_plain_question_is_a_selector() -> None:
    assert logql.lines_query(loki(), asking()) == '{app="fraud"}'
    assert logql.lines_query(loki(selector={"namespace": "ml"}), asking()) == '{namespace="ml", app="fraud"}'


def test_a_version_is_found_in_the_line_and_in_the_labels() -> None:
    assert kept(asking(version="8"), '{"model_version":"8"}')
    assert kept(asking(version="8"), "plain", {"model_version": "8"})
    assert kept(asking(version="8"), '{"service.version":"8"}')
    assert not kept(asking(version="8"), '{"model_version":"80"}')
    assert not kept(asking(version="8"), "plain 8")


def test_the_first_name_that_a_line_has_counts() -> None:
    assert not kept(asking(version="8"), '{"model_version":"7","version":"8"}')
    assert kept(asking(version="7"), '{"model_version":"7","version":"8"}')


def test_a_request_is_found_by_its_id_or_that_of_its_trace() -> None:
    assert kept(asking(request_id="r-1"), '{"request_id":"r-1"}')
    assert kept(asking(request_id="r-1"), '{"trace_id":"r-1","request_id":"other"}')
    assert not kept(asking(request_id="r-1"), '{"request_id":"r-10","message":"after r-1"}')


def test_a_level_is_found_however_it_is_spelt() -> None:
    for word in ("error", "ERROR", "Err", "critical", "FATAL"):
        assert kept(asking(level=Level.ERROR), json.dumps({"severity": word}))
    for word in ("info", "warning", "", "errors"):
        assert not kept(asking(level=Level.ERROR), json.dumps({"severity": word}))
    assert kept(asking(level=Level.WARNING), "plain", {"detected_level": "warn"})


@pytest.mark.parametrize("text", ['said "no"', "50 % (half) [a] {b}", "C:\\x", "é", "a.b*", "tab\there"])
def test_free_text_is_found_as_written_in_json_and_plain_lines_in_whatever_case(text: str) -> None:
    question = asking(text=text.upper())
    assert kept(question, json.dumps({"message": f"it {text} so"}, ensure_ascii=False))
    assert kept(question, f"it {text} so")
    assert not kept(question, "it is something else")


def test_traces_are_asked_for_by_what_they_look_like() -> None:
    query = lab.parse(logql.traces_query(loki(), asking(version="8")))
    stream = {"app": "fraud", "model_version": "8"}
    assert query.process('{"exc_info":"Traceback (most recent call last):\\n  File"}', stream) is not None
    assert query.process('{"stack":"E: x\\n\\tat a.B.c(B.java:1)\\n"}', stream) is not None
    assert query.process('{"exception":[{"exc_type":"ValueError","frames":[]}]}', stream) is not None
    assert query.process(r'{"error":{"stack_trace":"  File \"/app/s.py\", line 1, in f\n"}}', stream) is not None
    assert query.process('{"message":"at home (or not)"}', stream) is None


def test_structured_metadata_is_asked_for_without_a_parser_and_without_looking_into_the_line() -> None:
    query = logql.traces_query(loki(structured_metadata=True), asking(request_id="r-1", version="8"))
    assert "| json" not in query
    assert "|=" not in query
    stream = {"app": "fraud", "service_version": "8", "trace_id": "r-1", "exception_stacktrace": "Traceback"}
    assert lab.parse(query).process("failed", stream) is not None
    assert lab.parse(query).process("failed", {**stream, "exception_stacktrace": ""}) is None


def test_a_model_without_a_label_is_found_by_its_field() -> None:
    query = lab.parse(logql.lines_query(loki(model_label=None, selector={"job": "triton"}), asking()))
    assert query.process('{"model":"fraud"}', {"job": "triton"}) is not None
    assert query.process('{"model":"churn"}', {"job": "triton"}) is None


@given(st.text(), st.text())
@example(HOSTILE, HOSTILE)
def test_no_value_gets_out_of_its_quotes_in_logql(value: str, text: str) -> None:
    question = asking(model=value or "x", version=value, request_id=value, text=text, level=Level.INFO)
    query = lab.parse(logql.lines_query(loki(), question))
    assert [(matcher.name, matcher.value) for matcher in query.matchers] == [("app", sent(value) or "x")]
    parser_and_level, id_and_fields = 2, 3
    assert len(query.stages) == parser_and_level + (id_and_fields if value else 0) + bool(text)


@given(st.text())
@example(HOSTILE)
def test_a_string_of_logql_is_read_back_as_it_was(text: str) -> None:
    assert json.loads(logql.quoted(text)) == sent(text)
    assert "\n" not in logql.quoted(text)


@given(st.text(min_size=1))
@example(HOSTILE)
def test_a_literal_matches_itself_alone(text: str) -> None:
    assert re.fullmatch(logql.literal(text), text)
    assert not re.fullmatch(logql.literal(text), text + text)


STRING = r'"(?:[^"\\\n]|\\.)*"'
CONDITION = rf"{STRING}:(?:=|~|){STRING}"


@given(st.text(), st.text())
@example(HOSTILE, HOSTILE)
def test_no_value_gets_out_of_its_quotes_in_logsql(value: str, text: str) -> None:
    question = asking(model=value, version=value, request_id=value, text=text, level=Level.INFO)
    settings = victoria(selector={"name space": value})
    for query in (logsql.lines_query(settings, question), logsql.traces_query(settings, question)):
        skeleton = re.sub(CONDITION, "C", query)
        assert re.fullmatch(r"(?:C|\(|\)| and | or )+", skeleton)


def test_a_question_in_logsql_names_fields_and_values_in_quotes() -> None:
    settings = victoria(fields={"model": ["service.name"], "version": ["model_version", "version"]})
    assert logsql.lines_query(settings, asking(version="8")) == (
        '(("service.name":="fraud")) and (("model_version":="8") or ("model_version":"" and "version":="8"))')
    assert logsql.sample_query(settings) == "*"


def sent(text: str) -> str:
    """As far as UTF-8 can say it."""
    return text.encode("utf-8", errors="replace").decode()
