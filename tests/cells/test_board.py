"""Messages of a runner become a run: nothing that was told is left out without a word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.cells.board import Board
from triage.cells.outputs import MAX_TEXT, RESULT, CellVerdict, Raised, Table, Text, from_bundle, read_table
from triage.cells.results import CellRun, Run


def heard(*messages: dict[str, Any]) -> CellRun:
    """The cell after these messages."""
    board = Board(Run("r", "m", ("a",), (CellRun("a", "", "asked", ""),), "starting", (), 0.0), lambda run: None, None)
    for message in ({"type": "cell", "id": "a"}, *messages):
        board.heard(message)
    return board.run.cells[0]


def text(piece: str, name: str = "stdout") -> dict[str, Any]:
    return {"type": "stream", "name": name, "text": piece}


END = {"type": "finished", "id": "a", "outcome": "finished", "seconds": 1.0}


def test_all_that_came_of_a_long_text_is_shown() -> None:
    lines = [f"{number:09d}\n" for number in range(25_000)]
    found = heard(*(text("".join(lines[start:start + 1_000])) for start in range(0, 25_000, 1_000)), END)
    assert found.outputs == (Text("".join(lines)),)


@pytest.mark.parametrize("after", [END, text("e", "stderr"), {"type": "output", "data": {"text/plain": "t"}},
                                   {"type": "error", "name": "E", "value": "v", "traceback": []},
                                   {"type": "cell", "id": "b"}])
def test_a_line_without_an_end_is_whole_once_nothing_is_added_to_it(after: dict[str, Any]) -> None:
    before = heard(text("x" * 9_000))
    assert before.outputs == (Text("x" * 4_000),)
    assert heard(text("x" * 9_000), after).outputs[0] == Text("x" * 9_000)


@given(st.lists(st.text(alphabet="ab\n\r\x1b[2J", max_size=12), min_size=1, max_size=8))
def test_pieces_of_a_text_make_the_same_as_the_whole(pieces: list[str]) -> None:
    at_once = heard(text("".join(pieces)), END).outputs
    if "\r" not in "".join(pieces):
        assert heard(*map(text, pieces), END).outputs == at_once


def test_what_is_left_out_of_a_large_representation_is_counted() -> None:
    found = from_bundle({"text/plain": "x" * (MAX_TEXT + 5)})
    assert found == Text("x" * MAX_TEXT, more=5)


def test_hidden_characters_do_not_push_others_out() -> None:
    found = from_bundle({"text/plain": "\u202e" * MAX_TEXT + "y"})
    assert isinstance(found, Text)
    assert (len(found.text), found.more) == (8 * MAX_TEXT, 1)


def test_rows_of_a_table_that_is_too_large_to_be_read_are_counted() -> None:
    row = "<tr><td>" + "v" * 92 + "</td></tr>"
    table = read_table("<table>" + row * 10_000 + "</table><table>" + row * 7 + "</table>")
    assert table is not None
    assert len(table.rows) + table.more_rows == 10_000


def test_of_a_long_traceback_the_end_is_kept() -> None:
    found, = heard({"type": "error", "name": "E", "value": "v", "traceback": ["a" * MAX_TEXT, "the end"]}).outputs
    assert isinstance(found, Raised)
    assert found.traceback.endswith("a\nthe end")


def test_what_a_runner_left_out_is_known() -> None:
    found = heard({"type": "dropped", "bytes": 5, "outputs": 2, "verdicts": 1, "lost": 3})
    assert (found.dropped_bytes, found.dropped_outputs, found.dropped_verdicts, found.lost) == (5, 2, 1, 3)


def test_of_an_output_that_cannot_be_shown_its_kind_is_said() -> None:
    found = heard({"type": "output", "data": {"application/javascript": "alert(1)", "\x1b[2J": ""}},
                  {"type": "output", "data": {}})
    assert found.outputs == (Text("(an output that is not shown here: application/javascript, ␛[2J)"),)


def test_a_verdict_and_a_table_are_what_they_were() -> None:
    found = heard({"type": "output", "data": {RESULT: {"status": "fail"}}},
                  {"type": "output", "data": {"text/html": "<table><tr><td>1</td></tr></table>"}})
    assert [type(each) for each in found.outputs] == [CellVerdict, Table]
