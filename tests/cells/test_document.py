"""What is read of a notebook file, and what is said of one that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cells.books import C, ipynb
from triage.cells.document import parse_book, pinned, read_book
from triage.errors import InvalidDocument

HERE = Path("notebook.ipynb")


def book(content: Any) -> Any:
    return parse_book(json.dumps(content, indent=1).encode(), HERE)


def trouble(raw: bytes) -> str:
    with pytest.raises(InvalidDocument) as caught:
        parse_book(raw, HERE)
    return caught.value.findings[0].sentence()


def test_a_cell_says_its_purpose_alerts_limit_and_effects() -> None:
    found = book(ipynb(C("slow", "x = 1", about={"purpose": "Why slow?", "answers": ["Slow"], "time_limit": "2m",
                                                  "effects": "none", "requires": []})))
    cell = found.cell("slow")
    assert (cell.purpose, cell.words.answers, cell.time_limit_seconds, cell.reads_only) == (
        "Why slow?", ["Slow"], 120.0, True)
    assert cell.line is not None


def test_a_cell_that_says_nothing_is_taken_to_change_something() -> None:
    cell = book(ipynb(C("slow", "# What is slow?\nx = 1", about=None))).cell("slow")
    assert not cell.reads_only
    assert (cell.purpose, cell.time_limit_seconds) == ("# What is slow?", 60.0)


def test_an_id_of_its_own_stands_for_the_cells() -> None:
    assert [c.id for c in book(ipynb(C("a1b2", "x", about={"id": "slow"}))).cells] == ["slow"]


def test_cells_without_ids_are_numbered_by_their_place() -> None:
    content = ipynb(C("a", "x"))
    content["cells"].insert(0, {"cell_type": "markdown", "source": "# Title", "metadata": {}})
    del content["cells"][1]["id"]
    assert [c.id for c in book(content).cells] == ["cell-2"]


def test_a_source_written_as_lines_is_one_text() -> None:
    content = ipynb(C("a", ""))
    content["cells"][0]["source"] = ["x = 1\n", "y = 2"]
    assert book(content).cell("a").source == "x = 1\ny = 2"


def test_an_unknown_word_in_the_metadata_is_an_error_with_its_line() -> None:
    found = book(ipynb(C("slow", "x", about={"purpose": "Why?", "effect": "none"})))
    assert "did you mean effects?" in found.findings[0].sentence()
    assert found.findings[0].line == found.cell("slow").line
    assert found.cell("slow").purpose == "Why?"


def test_two_cells_of_one_id_are_an_error() -> None:
    assert "has the id of cell number 1" in book(ipynb(C("a", "x"), C("a", "y"))).findings[0].message


def test_what_a_cell_says_of_itself_is_cleaned() -> None:
    cell = book(ipynb(C("a", "x", tags=["diag\x1b[31m"], about={"purpose": "\x1b]52;c;aGk=\x07"}))).cell("a")
    assert "\x1b" not in cell.purpose + "".join(cell.tags)


@pytest.mark.parametrize(("raw", "said"), [
    (b"\xff\xfe", "is not UTF-8 text"), (b"{", "is not JSON"), (b"[]", "is not a notebook"),
    (b'{"nbformat": 3, "worksheets": []}', "format 3; only format 4"),
    (b'{"nbformat": 4}', "format 4; only format 4"), (b"[" * 100_000, "is not JSON")])
def test_a_file_that_is_no_notebook_says_why(raw: bytes, said: str) -> None:
    assert said in trouble(raw)


def test_a_file_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="cannot be read: No such file"):
        read_book(tmp_path / "none.ipynb")


def test_the_digest_is_that_of_the_bytes_that_were_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(ipynb(C("a", "x"))))
    before = read_book(path)
    path.write_text(json.dumps(ipynb(C("a", "y"))))
    after = read_book(path)
    assert pinned(before, before.sha256) == "matches"
    assert pinned(after, before.sha256) == "differs"
    assert pinned(after, None) == "none"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["nbformat", "cells", "metadata", "triage", "tags", "source", "id", "outputs",
                                         "cell_type", "requires", "purpose"]), inner, max_size=5), max_leaves=12)


@given(st.lists(JSON, max_size=4), JSON)
def test_whatever_stands_in_cells_gives_a_book_or_findings(cells: list[Any], metadata: Any) -> None:
    for cell in cells:
        if isinstance(cell, dict):
            cell["cell_type"] = "code"
    try:
        found = book({"nbformat": 4, "metadata": metadata, "cells": cells})
    except InvalidDocument:
        return
    assert all(isinstance(cell.id, str) and cell.time_limit_seconds > 0 for cell in found.cells)
