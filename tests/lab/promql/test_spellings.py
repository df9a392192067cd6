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
    (r"\101[\101-\103]\x{41}\x42", "ABAB", "AAA"),
])
def test_an_expression_of_re2_means_the_same_here(pattern: str, matching: str, other: str) -> None:
    assert compiled(pattern).fullmatch(matching)
    assert not compiled(pattern).fullmatch(other)


@pytest.mark.parametrize("pattern", [
    r"\pL", "(", "[", "a**", "a++", "a*+", "x{2}{3}", "a{1001}", "a{1,1001}", "(?=a)", "(?!a)", "(?<=a)", "(?>a)",
    "(?x)a", "(?U)a", "(?#a)", r"(a)\1", r"a\Z", r"\u0041", "(?P<a>x)(?P=a)", "(?P<a>x)(?P<a>y)",
])
def test_what_re2_refuses_or_python_cannot_do_is_refused_with_the_expression(pattern: str) -> None:
    with pytest.raises(ValueError, match="error parsing regexp: ") as caught:
        compiled(pattern)
    assert str(caught.value).endswith(f"`{pattern}`")


@given(st.text())
def test_a_quoted_expression_matches_itself_only(text: str) -> None:
    quoted = "".join(f"\\{c}" if c in r"\.+*?()|[]{}^$" else c for c in text)
    assert compiled(quoted).fullmatch(text)
    assert not compiled(quoted).fullmatch(text + "x")


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
