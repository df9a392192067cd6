"""Vector selectors: nothing in a label value can change a query."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.notebook.selector import Matcher, Selector, parse_selector, quote, regex_quote

_LABELS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "__name__")
_VALUES = st.one_of(st.text(max_size=30), st.text(st.sampled_from("\"'\\`{},=~ \n\r\tnx0u]["), max_size=20))
_NAMES = st.one_of(st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,20}", fullmatch=True),
                   st.sampled_from(["gen_ai.server.request.duration", "näme", "a b", 'quo"te', "9lives"]))
_MATCHERS = st.builds(Matcher, _LABELS, st.sampled_from(["=", "!=", "=~", "!~"]), _VALUES)
_SELECTORS = st.builds(Selector, _NAMES, st.lists(_MATCHERS, max_size=4).map(tuple))


@given(_SELECTORS)
def test_what_is_written_is_read_back_the_same(selector: Selector) -> None:
    assert parse_selector(str(selector)) == selector


@given(_SELECTORS)
def test_a_written_selector_is_one_line(selector: Selector) -> None:
    assert "\n" not in str(selector)
    assert "\r" not in str(selector)


@given(_VALUES)
def test_a_quoted_value_has_no_quote_that_ends_it_early(value: str) -> None:
    inside = quote(value)[1:-1]
    assert not re.search(r'(?<!\\)(?:\\\\)*"', inside)


@given(st.text(st.sampled_from("ab.+*?()|[]{}^$\\-"), max_size=20))
def test_a_value_quoted_for_a_regular_expression_matches_itself_only(value: str) -> None:
    assert re.fullmatch(regex_quote(value), value)
    assert not re.fullmatch(regex_quote(value), value + "x")


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    try:
        found = parse_selector(text)
    except ValueError:
        return
    assert parse_selector(str(found)) == found


@pytest.mark.parametrize(("text", "canonical"), [
    ("up", "up"),
    ("  up  ", "up"),
    ("up{}", "up"),
    (":tensorflow:serving:request_count", ":tensorflow:serving:request_count"),
    ('requests_total{code!~"5.."}', 'requests_total{code!~"5.."}'),
    ("requests_total{ code = 'a' , b=~`\\d+`, }", 'requests_total{code="a",b=~"\\\\d+"}'),
    ('{__name__="gen_ai.server.request.duration",a="b"}', '{__name__="gen_ai.server.request.duration",a="b"}'),
    ('{__name__="up"}', "up"),
    ('x{a="\\x41\\u00e9\\U0001F600\\n\\t"}', 'x{a="Aé😀\\n\t"}'),
    ('x{a=~"\\d"}', 'x{a=~"\\\\d"}'),
])
def test_selectors_are_read(text: str, canonical: str) -> None:
    assert str(parse_selector(text)) == canonical


@pytest.mark.parametrize("text", [
    "", "{}", "9a", "a b", "rate(x[5m])", "x[5m]", "x offset 5m", "x{a}", 'x{a="b" c="d"}', 'x{a="b}', 'x{a=="b"}',
    '{a="b"}', '{__name__=~"a.*"}', 'up{__name__="x"}', '{__name__="a",__name__="b"}', 'x{a="b"} or y', "x-y", "sum(x)",
    'x{,a="b"}', '{__name__=""}',
])
def test_what_is_no_vector_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)\n"):
        parse_selector(text)


def test_labels_are_added_as_equality_matchers() -> None:
    assert str(parse_selector('x{a="1"}').where({"b": 'q"}'})) == 'x{a="1",b="q\\"}"}'


def test_a_label_that_is_matched_already_keeps_its_own_matcher() -> None:
    assert str(parse_selector('x{model=""}').where({"model": "m"})) == 'x{model=""}'


def test_a_suffix_goes_to_the_name() -> None:
    assert str(parse_selector('h{a="1"}').suffixed("_bucket")) == 'h_bucket{a="1"}'
