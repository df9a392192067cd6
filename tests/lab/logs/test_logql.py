"""LogQL: what passes, what a parser makes of a line, and what a query that is not understood says."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.logs.logql import LogQLError, parse, parse_selector

STREAM = {"app": "fraud", "pod": "fraud-7c9-x"}
JSON_LINE = ('{"level":"error","code":503,"took":12.50,"ok":false,"user":{"id":7,"first name":"Ann"},"tags":["a"],'
             '"none":null,"app":"inner","9lives":"cat"}')


def labels(query: str, line: str, stream: dict[str, str] | None = None) -> dict[str, str] | None:
    found = parse(query).process(line, STREAM if stream is None else stream)
    return None if found is None else dict(found)


def passes(query: str, line: str) -> bool:
    return labels(query, line) is not None


@pytest.mark.parametrize(("selector", "selected"), [
    ('{app="fraud"}', True), ('{app="fraud", pod=~"fraud-.+"}', True), ('{app=~"fra"}', False),
    ('{app=~".+", app!="churn"}', True), ('{app="fraud", pod!~"fraud.*"}', False), ('{app="fraud", zone=""}', True),
    ('{app="fraud", zone!=""}', False), ("{app=`fraud`}", True), (' { app = "fraud" } ', True)])
def test_a_selector_compares_whole_values_and_takes_a_missing_label_for_an_empty_one(selector: str,
                                                                                     selected: bool) -> None:
    assert parse_selector(selector).selects(STREAM) is selected


@pytest.mark.parametrize(("query", "kept"), [
    ('{app="fraud"} |= "time"', True), ('{app="fraud"} |= "Time"', False), ('{app="fraud"} != "time"', False),
    ('{app="fraud"} |~ "ti.ed"', True), ('{app="fraud"} |~ `(?i)TIMED\\s+out`', True),
    ('{app="fraud"} !~ "time"', False), ('{app="fraud"} |= "timed" |= "out" != "in"', True),
    ('{app="fraud"} |~ "out.KeyError"', False), ('{app="fraud"} |= "out\\nKeyError"', True)])
def test_a_line_filter_looks_anywhere_in_the_line(query: str, kept: bool) -> None:
    assert passes(query, "request timed out\nKeyError: 'amount'") is kept


def test_json_makes_labels_of_every_value_but_lists_and_null() -> None:
    assert labels('{app="fraud"} | json', JSON_LINE) == {
        **STREAM, "level": "error", "code": "503", "took": "12.50", "ok": "false", "user_id": "7",
        "user_first_name": "Ann", "app_extracted": "inner", "_9lives": "cat"}


@pytest.mark.parametrize("line", ["not json", "[1, 2]", '{"cut": "off', "7", ""])
def test_a_line_that_is_no_json_object_is_kept_and_marked(line: str) -> None:
    found = labels('{app="fraud"} | json', line)
    assert found is not None
    assert found["__error__"] == "JSONParserErr"


def test_what_follows_the_object_is_not_looked_at() -> None:
    assert labels('{app="fraud"} | json', ' {"level": "info"} and so on') == {**STREAM, "level": "info"}


def test_what_could_not_be_parsed_can_be_left_out() -> None:
    query = '{app="fraud"} | json | __error__=""'
    assert not passes(query, "not json")
    assert passes(query, "{}")


def test_logfmt_makes_labels_of_pairs_and_skips_the_rest() -> None:
    line = 'level=warn msg="slow \\"store\\" read" took_ms=250 empty= bare model-version=8 level=error'
    assert labels('{app="fraud"} | logfmt', line) == {
        **STREAM, "level": "error", "msg": 'slow "store" read', "took_ms": "250", "model_version": "8"}


@pytest.mark.parametrize(("condition", "kept"), [
    ('level="error"', True), ('level!="error"', False), ('level=~"err|warn"', False), ('level=~"error|warn"', True),
    ('level!~"err.*"', False), ("code=503", True), ("code==503.0", True), ("code!=503", False), ("code>500", True),
    ("code>=503", True), ("code<503", False), ("code<=502", False), ("took > 12.4", True), ("absent > 0", False),
    ('absent=""', True), ('level="error" and code<500', False), ('level="error", code>500', True),
    ('level="info" or code>500', True), ('level="error" or code<500 and ok="true"', True),
    ('(level="error" or code<500) and ok="true"', False), ('app="fraud"', True)])
def test_a_label_filter_compares_text_and_numbers(condition: str, kept: bool) -> None:
    assert passes(f'{{app="fraud"}} | json | {condition}', JSON_LINE) is kept


def test_a_label_that_is_no_number_is_marked_and_passes_later_comparisons() -> None:
    found = labels('{app="fraud"} | json | level > 1 | code < 1', JSON_LINE)
    assert found is not None
    assert found["__error__"] == "LabelFilterErr"


@pytest.mark.parametrize("query", ['{app="fraud"} | json = "x"', '{app="fraud"} | logfmt != "y"'])
def test_a_label_may_be_named_like_a_parser(query: str) -> None:
    line = "a line"
    assert labels(query, line, {**STREAM, "json": "x", "logfmt": "x"}) is not None


@pytest.mark.parametrize(("query", "message"), [
    ("", "parse error at line 1, col 1: syntax error: unexpected $end, expecting {"),
    ('{app"fraud"}', "parse error at line 1, col 5: syntax error: unexpected STRING, expecting = or =~ or !~ or !="),
    ('{app="fraud"', "parse error at line 1, col 13: syntax error: unexpected $end, expecting } or ,"),
    ('{app="fraud}', "parse error at line 1, col 6: literal not terminated"),
    ('{app="fraud"} error', "parse error at line 1, col 15: syntax error: unexpected IDENTIFIER, expecting | or |= or "
                            "!= or |~ or !~"),
    ('{app="fraud"}\n|= oops', "parse error at line 2, col 4: syntax error: unexpected IDENTIFIER, expecting STRING"),
    ('{app="fraud"} |~ "\\d+"', "parse error at line 1, col 18: invalid char escape"),
    ('{app="fraud"} |~ "(?=a)"', "parse error at line 1, col 18: error parsing regexp: invalid or unsupported Perl "
                                 "syntax: `(?=`"),
    ('{app="fraud"} |~ `(a)\\1`', "parse error at line 1, col 18: error parsing regexp: invalid escape sequence: "
                                  "`\\1`"),
    ('{app="fraud"} | code > "5"', "parse error at line 1, col 24: syntax error: unexpected STRING, expecting NUMBER"),
    ('{app="fraud"} | code =~ 5', "parse error at line 1, col 25: syntax error: unexpected NUMBER, expecting STRING")])
def test_a_query_that_is_not_understood_says_where(query: str, message: str) -> None:
    with pytest.raises(LogQLError) as caught:
        parse(query)
    assert str(caught.value) == message


@pytest.mark.parametrize("query", ["{}", '{app=~".*"}', '{zone!="x"}', '{zone=""}'])
def test_a_selector_that_would_take_every_stream_is_refused(query: str) -> None:
    with pytest.raises(LogQLError, match="queries require at least one regexp or equality matcher"):
        parse(query)


@pytest.mark.parametrize(("query", "what"), [
    ('count_over_time({app="fraud"}[5m])', "a query that computes numbers"),
    ('sum by (app) (rate({app="fraud"}[5m]))', "a query that computes numbers"),
    ('{app="fraud"} | line_format "{{.msg}}"', "line_format"), ('{app="fraud"} | unwrap took', "unwrap"),
    ('{app="fraud"} | json took="a.b"', "an argument of json"),
    ('{app="fraud"} | logfmt --strict', "an argument of logfmt"), ('{app="fraud"} |> "<_> out"', "a pattern filter"),
    ('{app="fraud"} |= "a" or "b"', "a line filter with alternatives"),
    ('{app="fraud"} | json | took > 5ms', "a comparison with a duration or a size"),
    ('{app="fraud"} | json | size > 20MB', "a comparison with a duration or a size"),
    ('{app="fraud"} | drop took', "drop"), ('{app="fraud"} | regexp "(?P<a>x)"', "regexp")])
def test_what_only_loki_knows_is_refused_by_name(query: str, what: str) -> None:
    with pytest.raises(LogQLError, match=r"^parse error at line 1, col \d+: ") as caught:
        parse(query)
    assert f"{what} is not supported by the lab" in str(caught.value)


@given(st.text(alphabet='{}()|=!~<>", abjsonlogfmt.*[]\\`0123456789\n', max_size=40))
def test_any_text_is_read_or_refused(query: str) -> None:
    with suppress(LogQLError):
        assert parse(query).matchers


flat = st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True),
                       st.text(max_size=8) | st.integers() | st.booleans())


@given(flat)
def test_the_labels_of_flat_json_are_its_values_as_written(record: dict[str, str | int | bool]) -> None:
    expected = {key: value if isinstance(value, str) else json.dumps(value) for key, value in record.items()}
    assert labels('{source="x"} | json', json.dumps(record), {}) == {k: v for k, v in expected.items() if v}
