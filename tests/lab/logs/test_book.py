"""The log book: in order whatever the order of writing, and never larger than it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.logs import LogBook

APPS = ("fraud", "churn", "chat")
written = st.lists(st.tuples(st.sampled_from(APPS), st.integers(0, 20)), max_size=60)


def everything(_labels: object) -> bool:
    return True


def texts(book: LogBook, start: int = 0, end: int = 100, *, newest_first: bool = False) -> list[str]:
    return [line.text for line in book.search(everything, start, end, newest_first=newest_first)]


@given(written, st.integers(1, 80))
def test_holds_the_newest_lines_in_order_of_time(lines: list[tuple[str, int]], most: int) -> None:
    book = LogBook(most)
    for number, (app, at) in enumerate(lines):
        book.append({"app": app}, at, f"{at} {number}")
    # Whatever is dropped when it is full is the oldest of that moment, so what remains depends on the order of writing.
    kept: list[tuple[int, int]] = []
    for number, (_, at) in enumerate(lines):
        kept = sorted([*kept, (at, number)])[-most:]
    assert texts(book) == [f"{at} {number}" for at, number in kept]
    assert len(book) == len(kept)


@given(written)
def test_newest_first_is_the_other_way_round(lines: list[tuple[str, int]]) -> None:
    book = LogBook()
    for app, at in lines:
        book.append({"app": app}, at, str(at))
    assert texts(book, newest_first=True) == texts(book)[::-1]


def test_the_start_belongs_to_the_range_and_the_end_does_not() -> None:
    book = LogBook()
    for at in (1, 2, 3):
        book.append({"app": "fraud"}, at, str(at))
    assert texts(book, 1, 3) == ["1", "2"]


def test_only_lines_of_wanted_streams_are_found() -> None:
    book = LogBook()
    book.append({"app": "fraud", "pod": "a"}, 1, "one")
    book.append({"app": "churn"}, 2, "two")
    book.append({"pod": "a", "app": "fraud"}, 3, "three")
    found = list(book.search(lambda labels: labels["app"] == "fraud", 0, 9, newest_first=False))
    assert [line.text for line in found] == ["one", "three"]
    assert found[0].stream is found[1].stream


def test_a_stream_whose_lines_are_all_gone_is_gone() -> None:
    book = LogBook(2)
    for at, app in enumerate(("fraud", "churn", "churn")):
        book.append({"app": app}, at, "line")
    assert book.streams(0, 9) == [{"app": "churn"}]


def test_streams_without_a_line_in_the_range_are_not_listed() -> None:
    book = LogBook()
    book.append({"app": "fraud"}, 1, "line")
    book.append({"app": "churn"}, 5, "line")
    assert book.streams(4, 9) == [{"app": "churn"}]


def test_a_book_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LogBook(0)
