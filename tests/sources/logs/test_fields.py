"""Records of all shapes into lines."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.config_sources import LogFields
from triage.facts.logs import Level, LogLine
from triage.sources.logs.fields import MESSAGE_LIMIT, STACK_LIMIT, Reader, as_object, clean_block, spellings
from triage.sources.logs.stacks import read_stack

NOW = 1_795_400_000.25
TRACE = 'Traceback (most recent call last):\n  File "/app/s.py", line 1, in f\n    f()\nValueError: nan'


def read(record: dict[str, Any], labels: dict[str, Any] | None = None, at: float | None = None) -> LogLine:
    return Reader(LogFields()).record(record, labels, at=at)


OPENTELEMETRY = {
    "observedTimestamp": "2026-11-23T02:13:20.25Z", "severityNumber": 17, "body": "prediction failed",
    "traceId": "5b8e", "resource": {"service.name": "fraud", "service.version": "8"},
    "attributes": {"request.id": "r1", "exception.type": "ValueError", "exception.stacktrace": TRACE}}
ECS = {"@timestamp": "2026-11-23T02:13:20.250Z", "log.level": "ERROR", "message": "prediction failed",
       "trace": {"id": "5b8e"}, "service": {"version": "8"}, "requestId": "r1", "error": {"stack_trace": TRACE}}
STRUCTLOG = {"timestamp": "2026-11-23T02:13:20.250Z", "level": "error", "event": "prediction failed",
             "trace_id": "5b8e", "model_version": "8", "request_id": "r1", "exception": [
                 {"exc_type": "ValueError", "exc_value": "nan", "frames": [
                     {"filename": "/app/s.py", "lineno": 1, "name": "f"}]}]}
PYTHON = {"asctime": "x", "time": "2026-11-23 02:13:20,250", "levelname": "ERROR", "message": "prediction failed",
          "model": {"version": 8}, "req_id": "r1", "traceID": "5b8e", "exc_info": TRACE}
PINO = {"time": 1795400000250, "level": 50, "msg": "prediction failed", "version": "8", "x_request_id": "r1",
        "trace_id": "5b8e", "stack": TRACE.split("\n")}
DOCKER = {"log": json.dumps(STRUCTLOG) + "\n", "stream": "stderr", "time": "2026-11-23T03:00:00Z"}


@pytest.mark.parametrize("record", [OPENTELEMETRY, ECS, STRUCTLOG, PYTHON, PINO, DOCKER],
                         ids=["opentelemetry", "ecs", "structlog", "python", "pino", "docker"])
def test_the_usual_shapes_say_the_same(record: dict[str, Any]) -> None:
    line = read(record)
    assert (line.level, line.message, line.version, line.request_id, line.trace_id) == (
        Level.ERROR, "prediction failed", "8", "r1", "5b8e")
    assert line.stack.split("\n")[0] == "Traceback (most recent call last):"
    assert line.stack.endswith("\nValueError: nan")
    assert line.at == (NOW if record is not DOCKER else 1795402800.0)


AS_WRITTEN = {
    "python-json-logger 4": r'''{"asctime": "2026-11-23 02:13:20,250", "levelname": "ERROR", "name": "fraud.server",
        "message": "prediction failed", "exc_info": "Traceback (most recent call last):\n  File \"/app/s.py\", line 1,
 in f\n    f()\nValueError: nan", "model_version": "8", "request_id": "r1", "trace_id": "5b8e",
        "timestamp": "2026-11-23T02:13:20.250000+00:00"}''',
    "ecs-logging 2": r'''{"@timestamp":"2026-11-23T02:13:20.250Z","log.level":"error","message":"prediction failed",
        "ecs.version":"1.6.0","error":{"message":"nan","stack_trace":"  File \"/app/s.py\", line 1, in f\n    f()\n",
        "type":"ValueError"},"log":{"logger":"fraud.server","origin":{"file":{"line":9,"name":"s.py"},"function":"f"},
        "original":"prediction failed"},"model_version":"8","request_id":"r1","trace_id":"5b8e"}''',
    "structlog 25": r'''{"model_version": "8", "request_id": "r1", "trace_id": "5b8e", "event": "prediction failed",
        "level": "error", "timestamp": "2026-11-23T02:13:20.250000Z", "exception": [{"exc_type": "ValueError",
        "exc_value": "nan", "exc_notes": [], "syntax_error": null, "is_cause": false, "frames": [
        {"filename": "/app/s.py", "lineno": 1, "name": "f", "locals": {"x": "nan"}}], "is_group": false,
        "exceptions": []}]}''',
    "loguru 0.7": r'''{"text": "2026-11-23 02:13:20.250 | ERROR    | s:f:1 - prediction failed\nTraceback (most recent
 call last):\n  File \"/app/s.py\", line 1, in f\n    f()\nValueError: nan\n", "record": {"elapsed": {"repr":
        "0:00:00.007", "seconds": 0.007}, "exception": {"type": "ValueError", "value": "nan", "traceback": true},
        "extra": {"model_version": "8", "request_id": "r1", "trace_id": "5b8e"}, "file": {"name": "s.py", "path":
        "/app/s.py"}, "function": "f", "level": {"icon": "x", "name": "ERROR", "no": 40}, "line": 1, "message":
        "prediction failed", "module": "s", "name": "s", "process": {"id": 1, "name": "MainProcess"}, "thread":
        {"id": 1, "name": "MainThread"}, "time": {"repr": "2026-11-23 02:13:20.250000+00:00", "timestamp":
        1795400000.25}}}''',
}
"""What these libraries wrote, in shorter words; the line breaks of this file are not theirs."""


@pytest.mark.parametrize("written", AS_WRITTEN)
def test_what_pythons_libraries_write_is_read(written: str) -> None:
    line = Reader(LogFields()).text(AS_WRITTEN[written].replace("\n ", " ").replace("\n", ""))
    assert (line.at, line.level, line.message) == (NOW, Level.ERROR, "prediction failed")
    assert (line.version, line.request_id, line.trace_id) == ("8", "r1", "5b8e")
    found = read_stack(line.stack)
    assert found is not None
    assert (found.exception, found.message, len(found.frames)) == ("ValueError", "nan", 1)


def test_noughts_are_no_trace() -> None:
    assert read({"message": "x", "trace_id": "0x00000000000000000000000000000000"}).trace_id == ""
    assert read({"message": "x", "trace_id": "0x10"}).trace_id == "0x10"


def test_the_time_that_the_source_keeps_goes_before_that_of_the_line() -> None:
    assert read({"time": "2026-11-23T02:13:20Z"}, at=5.0).at == 5.0


@pytest.mark.parametrize("value", ["soon", None, True, -1, 0, 12, 1e300, float("nan"), "1e999", [], {}])
def test_what_is_no_time_is_none(value: object) -> None:
    assert read({"ts": value}).at is None


@pytest.mark.parametrize("value", [1795400000.25, 1795400000250, 1795400000250000, "1795400000250000000",
                                   "2026-11-23T03:13:20.25+01:00"])
def test_times_are_read_in_every_usual_unit(value: object) -> None:
    assert read({"timestamp": value}).at == pytest.approx(NOW, abs=1e-6)


@pytest.mark.parametrize(("record", "level"), [
    ({"level": "WARN"}, Level.WARNING), ({"severity": "CRITICAL"}, Level.FATAL),
    ({"severity_text": "INFO3"}, Level.INFO),
    ({"level": 30}, Level.INFO), ({"levelno": 30}, Level.WARNING), ({"severity_number": 21}, Level.FATAL),
    ({"level": "loud", "severity": "err"}, Level.ERROR), ({"level": ""}, Level.UNKNOWN), ({}, Level.UNKNOWN),
    ({"level": None}, Level.UNKNOWN), ({"level": [1]}, Level.UNKNOWN), ({"severity_number": 99}, Level.UNKNOWN)])
def test_levels_are_read_from_words_and_numbers(record: dict[str, Any], level: Level) -> None:
    assert read(record).level is level


def test_levels_ascend_and_spellings_hold_what_is_more_severe() -> None:
    assert Level.UNKNOWN.rank < Level.TRACE.rank < Level.INFO.rank < Level.WARNING.rank < Level.FATAL.rank
    assert set(spellings(Level.FATAL)) < set(spellings(Level.ERROR)) < set(spellings(Level.TRACE))


def test_a_line_that_is_no_json_is_its_own_message_with_the_labels_of_its_stream() -> None:
    labels = {"model_version": "8", "pod": "p-1", "level": "error"}
    line = Reader(LogFields()).text("killed by signal 9", labels, at=1.0)
    assert line == LogLine(1.0, Level.ERROR, "killed by signal 9", "8", labels={"pod": "p-1"})


def test_a_line_goes_before_the_labels_of_its_stream_and_nothing_is_said_twice() -> None:
    line = read({"model_version": "9", "model.name": "a"}, {"model_version": "8", "model_name": "a", "pod": "p"})
    assert line.version == "9"
    assert line.labels == {"model.name": "a", "pod": "p"}


def test_a_trace_in_the_message_is_a_stack_trace_and_its_last_words_are_the_message() -> None:
    line = read({"message": TRACE})
    assert (line.message, line.stack) == ("ValueError: nan", TRACE)


def test_the_words_above_a_trace_in_the_message_stay_the_message() -> None:
    line = read({"message": f"prediction failed\n{TRACE}"})
    assert line.message == "prediction failed"
    assert line.stack.endswith("ValueError: nan")


def test_a_field_called_exception_that_holds_a_type_is_a_label() -> None:
    line = read({"message": "x", "exception": "ValueError"})
    assert (line.stack, line.labels) == ("", {"exception": "ValueError"})


def test_the_middle_of_a_long_text_is_left_out_and_said_so() -> None:
    stack = "Traceback (most recent call last):\n" + "x\n" * 20_000 + "E: end"
    line = read({"message": "a" * 9_000 + "z", "exc_info": stack})
    assert line.message.startswith("aaa")
    assert line.message.endswith("z")
    assert "5,001 characters left out" in line.message
    assert len(line.message) < MESSAGE_LIMIT + 60
    assert line.stack.endswith("E: end")
    assert len(line.stack) < STACK_LIMIT + 60


def test_many_fields_and_long_values_are_cut() -> None:
    line = read({f"field{i}": "v" * 5_000 for i in range(500)})
    assert len(line.labels) == 60
    assert max(len(value) for value in line.labels.values()) == 300


HOSTILE = "\x1b]52;c;aGk=\x07\u202e\x9b31m\r\u200b\x00[/][@click=x]\ud800"


def harmless(text: str, *, lines: bool) -> bool:
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return all(unicodedata.category(c) not in hidden or (lines and c == "\n") for c in text)


def test_hostile_text_is_harmless_in_every_field() -> None:
    line = read({"message": f"a\n{HOSTILE}", "exc_info": f"{TRACE}{HOSTILE}", "model_version": HOSTILE,
                 "request_id": HOSTILE, "trace_id": HOSTILE, HOSTILE: HOSTILE, "level": HOSTILE},
                {f"l{HOSTILE}": HOSTILE})
    assert harmless(line.message, lines=True)
    assert harmless(line.stack, lines=True)
    assert line.message.startswith("a\n␛]52")
    for text in (line.version, line.request_id, line.trace_id, *line.labels, *line.labels.values()):
        assert text
        assert harmless(text, lines=False)


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner,
                                                                                max_size=4), max_leaves=20)
KEYS = st.sampled_from(["message", "level", "ts", "exc_info", "exception", "log", "model_version", "severity_number",
                        "attributes", "stack", "request_id", ""])


@given(st.dictionaries(KEYS | st.text(max_size=8), JSON, max_size=8))
def test_no_record_breaks_the_reading(record: dict[str, Any]) -> None:
    line = read(record, {"pod": "p"})
    assert harmless(line.message, lines=True)
    assert harmless(line.stack, lines=True)
    assert all(harmless(text, lines=False) for pair in line.labels.items() for text in pair)


@given(st.text(max_size=400), st.integers(60, 200))
def test_a_cleaned_block_is_bounded_and_cleaning_it_again_changes_nothing(text: str, limit: int) -> None:
    once = clean_block(text, limit)
    assert harmless(once, lines=True)
    assert clean_block(once, 10_000) == once


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a":', "x{}", '{"a":1} trailing', "{" * 100_000, '{"a":' * 100_000,
                                  '{"a":' + "9" * 5000 + "}"])
def test_what_is_no_object_of_json_is_none(text: str) -> None:
    assert as_object(text) is None
