"""Foreign text comes out harmless, whatever it was."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.text import LIMIT, clean

_TRICKY = ("\x1b\x07\r\n\t\x7f\x9b\u202e\u2066\u200d\u200b\ufe0f\u0301\u0327\u0958"
           "\u2028\ufeff\U000e0041")
_HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from(_TRICKY)))
_FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(_HOSTILE)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not [c for c in clean(text) if unicodedata.category(c) in _FORBIDDEN]


@given(_HOSTILE)
def test_several_lines_keep_only_line_breaks_and_tabs(text: str) -> None:
    assert not [c for c in clean(text, multiline=True) if unicodedata.category(c) in _FORBIDDEN and c not in "\n\t"]


@given(_HOSTILE, st.booleans(), st.integers(min_value=1, max_value=40))
def test_cleaning_twice_changes_nothing(text: str, multiline: bool, limit: int) -> None:
    once = clean(text, multiline=multiline, limit=limit)
    assert clean(once, multiline=multiline, limit=limit) == once


@given(_HOSTILE, st.booleans(), st.integers(min_value=1, max_value=40))
def test_the_length_is_bounded(text: str, multiline: bool, limit: int) -> None:
    assert len(clean(text, multiline=multiline, limit=limit)) <= limit


@given(_HOSTILE)
def test_one_line_is_one_line(text: str) -> None:
    assert len(clean(text).splitlines()) <= 1


@pytest.mark.parametrize(("text", "shown"), [
    ("plain", "plain"),
    ("\x1b[31mred", "␛[31mred"),
    ("del\x7f", "del␡"),
    ("\x9b2J", "{u+009b}2J"),
    ("abc\u202edcba", "abc{u+202e}dcba"),
    ("a\u200bb", "a{u+200b}b"),
    ("one\ntwo\tthree", "one two three"),
    ("non\u00a0breaking", "non breaking"),
    ("⚠\ufe0f disk", "⚠ disk"),
    ("e\u0301", "é"),
    ("größe 99 %", "größe 99 %"),
])
def test_hidden_characters_become_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_line_breaks_stay_where_several_lines_are_wanted() -> None:
    assert clean("one\r\ntwo\n\tthree", multiline=True) == "one\ntwo\n\tthree"


def test_a_tower_of_marks_is_cut_to_four() -> None:
    assert len(clean("x" + "\u0335" * 500)) == 5


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert clean("y" * 10_000) == "y" * (LIMIT - 1) + "…"


def test_what_is_no_text_is_shown_as_text() -> None:
    assert clean(3.5) == "3.5"
