"""Regular expressions and numbers, in Go's spelling and in Python's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.promql.regex import compiled
from triage.lab.wire.numbers import plain_text, read_number, template_text


@pytest.mark.parametrize(("pattern", "matching", "other"), [
    ("a|b", "b", "ab"),
    ("", "", "a"),
    ("[[:digit:]]{3}", "123", "12a"),
    ("[^[:alpha:]]+", "12", "a1"),
    ("[[:^digit:]]+", "abé", "a1"),
    ("[[:alpha:]_]+", "a_", "1"),
    ("[]a]+", "]a", "b"),
    ("[^]a]+", "b", "]"),
    ("[:x]", ":", "y"),
    ("[[:]x", "[x", "ax"),
    ("[a[b]+", "a[b", "c"),
    ("[a&&b]+", "a&b", "c"),
    (r"[\]x]+", "]x", "y"),
    (r"\Qa.b\E+", "a.bb", "axb"),
    ("(?P<n>a)b", "ab", "b"),
    ("(?<n>a)b", "ab", "b"),
    ("(?i)abc|d", "ABC", "x"),
    (r"a\z", "a", "a\n"),
    (r"\d+", "12", "١٢"),
    ("a.b", "a\nb", "ab"),
    (r"[\D]+", "é", "1"),
    (r"\W\w", "éx", "xé"),
    (r"(?i)ün\b.*", "ÜN x", "ünx"),
    ("0{,2}7", "0{,2}7", "007"),
    ("0{2}7", "007", "07"),
    ("a*?b{1,}", "bb", "a"),
    ("[a{2}]+", "{2}", "b"),
    ("[(?]+", "(?", "a"),
    ("(?i:a)b", "Ab", "AB"),
    ("(?s-i:a)", "a", "A"),
    ("[*]*]", "*]", "]]"),
    (r"\p{Greek}\pL", "αb", "ab"),
    ("(?U)a+?", "aa", "b"),
    ("a(?i)b", "aB", "AB"),
    (r"\101[\101-\103]\x{41}\x42", "ABAB", "AAA"),
])
def test_an_expression_of_re2_means_the_same_here(pattern: str, matching: str, other: str) -> None:
    assert compiled(pattern).matches(matching)
    assert not compiled(pattern).matches(other)


@pytest.mark.parametrize(("pattern", "why"), [
    (r"\pX", r"invalid character class range: `\pX`"), ("(", "missing closing ): `(`"), ("[", "missing closing ]: `[`"),
    ("a**", "invalid nested repetition operator: `**`"), ("a++", "invalid nested repetition operator: `++`"),
    ("a*+", "invalid nested repetition operator: `*+`"), ("x{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
    ("*a", "missing argument to repetition operator: `*`"), ("a{1001}", "invalid repeat count: `{1001}`"),
    ("a{1,1001}", "invalid repeat count: `{1,1001}`"), ("(a{1000}){1000}", "invalid repeat count: `{1000}`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"), ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
    ("(?<=a)", "invalid or unsupported Perl syntax: `(?<=`"), ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
    ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"), ("(?#a)", "invalid or unsupported Perl syntax: `(?#`"),
    (r"(a)\1", r"invalid escape sequence: `\1`"), (r"a\Z", r"invalid escape sequence: `\Z`"),
    (r"\u0041", r"invalid escape sequence: `\u`"), (r"\C", r"invalid escape sequence: `\C`"),
    ("(?P<a>x)(?P=a)", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?P<a>x)(?P<a>y)", "duplicate capture group name: `a`"), ("a\\", "trailing backslash at end of expression: ``"),
    ("[z-a]", "invalid character class range: `z-a`"), ("\ud800", "invalid UTF-8: `?`"),
])
def test_what_go_refuses_is_refused_in_its_words(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^error parsing regexp: ") as caught:
        compiled(pattern)
    assert str(caught.value) == f"error parsing regexp: {why}"


def test_no_expression_takes_longer_than_the_text_is_long() -> None:
    # Backtracking would try 2 ** 40 ways.
    for pattern in ("(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*(.*)*(.*)*b"):
        assert not compiled(pattern).matches("a" * 40)
        assert not compiled(pattern).occurs_in("a" * 40)


def test_groups_are_asked_for_by_number_and_by_name() -> None:
    found = compiled(r"(?P<kind>a+)|(b)").match("aa")
    assert found is not None
    assert [found.group(which) for which in (0, 1, 2, 3, "kind", "other")] == ["aa", "aa", "", "", "aa", ""]
    assert compiled("a").match("b") is None


@given(st.text())
def test_a_quoted_expression_matches_itself_only(text: str) -> None:
    quoted = "".join(f"\\{c}" if c in r"\.+*?()|[]{}^$" else c for c in text)
    assert compiled(quoted).matches(text)
    assert not compiled(quoted).matches(text + "x")


@pytest.mark.parametrize(("text", "value"), [
    ("1", 1.0), ("+1.5e3", 1500.0), (".5", 0.5), ("5.", 5.0), ("0x1p+1", 2.0), ("0X.8P0", 0.5), ("1_0", 10.0),
    ("+Inf", math.inf), ("-infinity", -math.inf), ("inf", math.inf),
])
def test_the_bound_of_a_bucket_is_read_as_go_reads_numbers(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", " 2", "2 ", "1__0", "_1", "0x1", "1e", "one", "+", "1,5", "٢"])
def test_what_go_does_not_read_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        read_number(text)


@pytest.mark.parametrize(("value", "full", "short"), [
    (1.0, "1", "1"), (-0.0, "-0", "-0"), (0.1, "0.1", "0.1"), (1e-7, "0.0000001", "1e-07"), (1e6, "1000000", "1e+06"),
    (123456789.0, "123456789", "1.23456789e+08"), (1e30, "1" + "0" * 30, "1e+30"), (math.nan, "NaN", "NaN"),
    (math.inf, "+Inf", "+Inf"), (-math.inf, "-Inf", "-Inf"), (-2.5e-7, "-0.00000025", "-2.5e-07"),
])
def test_numbers_are_written_as_go_writes_them(value: float, full: str, short: str) -> None:
    assert plain_text(value) == full
    assert template_text(value) == short


@given(st.floats(allow_nan=False))
def test_what_is_written_in_full_is_the_same_number(value: float) -> None:
    assert read_number(plain_text(value)) == value
    assert read_number(template_text(value)) == value
