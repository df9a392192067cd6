"""Rows that are drawn only where they are looked at are the same rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triage.tui.line import Line, line
from triage.tui.stack import Block, Stack, block_of


def made(heights: list[int]) -> tuple[Stack, list[Line]]:
    rows = [[line(f"{number}.{row}") for row in range(height)] for number, height in enumerate(heights)]
    return Stack([block_of(each) for each in rows]), [row for each in rows for row in each]


@given(st.lists(st.integers(0, 5), max_size=6), st.none() | st.integers(-40, 40), st.none() | st.integers(-40, 40))
def test_a_slice_is_that_of_the_list(heights: list[int], start: int | None, stop: int | None) -> None:
    stack, rows = made(heights)
    assert (len(stack), list(stack), stack[start:stop]) == (len(rows), rows, rows[start:stop])
    if rows:
        assert (stack[0], stack[-1]) == (rows[0], rows[-1])


def test_only_what_is_looked_at_is_drawn() -> None:
    asked: list[tuple[int, int]] = []

    def draw(start: int, stop: int) -> list[Line]:
        asked.append((start, stop))
        return [line(str(row)) for row in range(start, stop)]
    stack = Stack([Block(1_000_000, draw), block_of([line("end")])])
    assert [row.text for row in stack[-3:]] == ["999998", "999999", "end"]
    assert asked == [(999_998, 1_000_000)]
