"""Matchers of filters, silences and routes; the table is what Alertmanager 0.25 answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.alerting.matchers import AlertMatcher, MatcherError, parse_matcher


@pytest.mark.parametrize(("text", "expected"), [
    ('alertname="A"', AlertMatcher("alertname", "A")),
    ("alertname=A", AlertMatcher("alertname", "A")),
    (' a != "b" ', AlertMatcher("a", "b", is_equal=False)),
    ('a=~"b|c"', AlertMatcher("a", "b|c", is_regex=True)),
    ("a!~b.*", AlertMatcher("a", "b.*", is_regex=True, is_equal=False)),
    ("alertname=A b", AlertMatcher("alertname", "A b")),
    ("a==b", AlertMatcher("a", "=b")),
    ("a=b=c", AlertMatcher("a", "b=c")),
    ('a=""', AlertMatcher("a", "")),
    ("a=", AlertMatcher("a", "")),
    ("q='x'", AlertMatcher("q", "'x'")),
    ('q="a\\"b\\\\c\\nd"', AlertMatcher("q", 'a"b\\c\nd')),
    ('q=a\\"b', AlertMatcher("q", 'a"b')),
    ("q=a\\qb", AlertMatcher("q", "a\\qb")),
    ("q=a\\", AlertMatcher("q", "a\\")),
    ('q:a="x"', AlertMatcher("q:a", "x")),
])
def test_a_matcher_is_read(text: str, expected: AlertMatcher) -> None:
    assert parse_matcher(text) == expected


@pytest.mark.parametrize(("text", "said"), [
    ("", "bad matcher format: "),
    ("alertname", "bad matcher format: alertname"),
    ('{a="b"}', 'bad matcher format: {a="b"}'),
    ('q-a="x"', 'bad matcher format: q-a="x"'),
    ('"q"="x"', 'bad matcher format: "q"="x"'),
    ('q="x', 'matcher value contains unescaped double quote: "x'),
    ('q=x"', 'matcher value contains unescaped double quote: x"'),
    ('q="x"y', 'matcher value contains unescaped double quote: "x"y'),
    ('q="', 'matcher value contains unescaped double quote: "'),
    ('q="a\\"b', 'matcher value contains unescaped double quote: "a\\"b'),
    ('a="A",b="C"', 'matcher value contains unescaped double quote: "A",b="C"'),
    ('a=~"("', "error parsing regexp: "),
])
def test_what_is_no_matcher_is_refused(text: str, said: str) -> None:
    with pytest.raises(MatcherError) as caught:
        parse_matcher(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(("text", "accepted", "refused"), [
    ("a=b", ["b"], ["", "bb"]), ("a!=b", ["", "c"], ["b"]), ('a=~"b|c"', ["b", "c"], ["bc", "", "xb"]),
    ('a!~"b.*"', ["", "c"], ["b", "bcd"]), ("a=", [""], ["b"]), ('a=~".*"', ["", "b"], []), ("a=~b?", ["", "b"], ["c"]),
])
def test_a_matcher_is_for_the_whole_value(text: str, accepted: list[str], refused: list[str]) -> None:
    matcher = parse_matcher(text)
    assert all(matcher.matches({"a": value} if value else {}) for value in accepted)
    assert not any(matcher.matches({"a": value} if value else {}) for value in refused)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_a_matcher_can_be_written_and_read_again(value: str, is_equal: bool) -> None:
    matcher = AlertMatcher("a", value, is_equal=is_equal)
    assert parse_matcher(str(matcher)) == matcher
