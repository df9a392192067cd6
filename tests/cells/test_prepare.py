"""What is settled before a cell runs: the cells, the values, and what differs from the pinned file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cells.books import C, ipynb, write
from triage.cells.prepare import (
    CellError,
    Prepared,
    diagnostics,
    effects_of,
    is_accepted,
    open_book,
    prepare,
    remember,
)
from triage.cells.words import effects_words
from triage.errors import InvalidDocument
from triage.notebook.load import Notebook
from triage.state_dir import StateDir

CELLS = (C("parameters", "LIMIT = 1", ["parameters"], None), C("load", "data = [1]", [], None),
         C("ask", "print(data)"), C("change", "print(data)", about={"effects": "rebuilds the view"}),
         C("silent", "print(data)", about=None))


def prepared(notebook: Notebook, *names: str, **more: Any) -> Prepared:
    return prepare(notebook, open_book(notebook), names, more.pop("given", {}), more.pop("filled", {}), **more)


def test_a_cell_brings_the_parameters_and_what_it_needs(tmp_path: Path) -> None:
    found = prepared(write(tmp_path, *CELLS), "ask", given={"LIMIT": "5"})
    assert [cell.id for cell in found.chosen.cells] == ["parameters", "load", "ask"]
    assert found.values == {"LIMIT": 5}
    assert (found.pin, found.difference, found.effects, found.seconds) == ("matches", "", (), 180.0)


def test_only_tagged_cells_are_offered(tmp_path: Path) -> None:
    assert [cell.id for cell in diagnostics(open_book(write(tmp_path, *CELLS)))] == ["ask", "change", "silent"]


@pytest.mark.parametrize(("name", "said"), [("change", "change: rebuilds the view"),
                                            ("silent", "silent: it does not say what it changes")])
def test_a_cell_with_effects_says_which(tmp_path: Path, name: str, said: str) -> None:
    assert prepared(write(tmp_path, *CELLS), name).effects == (said,)


def test_what_a_required_cell_changes_counts(tmp_path: Path) -> None:
    cells = (*CELLS, C("truncate", "rows = 0", about={"effects": "truncates the view"}), C("look", "print(rows)"))
    notebook = write(tmp_path, *cells)
    assert prepared(notebook, "look").effects == ("truncate: truncates the view",)
    book = open_book(notebook)
    assert {cell.id: effects_words(cell.id, effects_of(book, cell)) for cell in diagnostics(book)} == {
        "ask": "reads only", "change": "rebuilds the view", "silent": "it does not say what it changes",
        "truncate": "truncates the view", "look": "needs truncate: truncates the view"}


def test_an_unknown_cell_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CellError) as caught:
        prepared(write(tmp_path, *CELLS), "aks")
    assert (caught.value.message, caught.value.hint) == (
        "there is no cell aks in notebook.ipynb", "did you mean ask?")


def test_a_notebook_with_errors_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument):
        prepared(write(tmp_path, C("ask", "1", about={"effekts": "none"})), "ask")


def test_a_requirement_that_is_not_there_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(CellError, match="requires gone, which is not there"):
        prepared(write(tmp_path, C("ask", "1", about={"requires": ["gone"]})), "ask")


def test_another_language_than_python_is_not_run(tmp_path: Path) -> None:
    content = ipynb(*CELLS)
    content["metadata"] = {"language_info": {"name": "R"}}
    with pytest.raises(CellError, match="is written in R"):
        prepared(write(tmp_path, content=content), "ask")


def test_a_file_that_is_not_the_pinned_one_says_so_with_both_digests(tmp_path: Path) -> None:
    notebook = write(tmp_path, *CELLS)
    before = open_book(notebook).sha256
    write(tmp_path, *CELLS[:-1], pinned=False)
    found = prepared(notebook, "ask")
    assert found.pin == "differs"
    assert found.difference == (f"notebook.ipynb has the digest {open_book(notebook).sha256[:12]}, pinned is "
                                f"{before[:12]}; what the pinned file held is not known here")


def test_a_file_that_was_known_when_it_matched_says_which_cells_differ(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state", "cells")
    notebook = write(tmp_path / "m", *CELLS)
    remember(open_book(notebook), notebook.name, state)
    write(tmp_path / "m", CELLS[0], C("load", "data = [9]", [], None), CELLS[2], C("more", "1"), pinned=False)
    said = prepared(notebook, "ask", known=state).difference
    assert said.endswith("; changed: load; new: more; gone: change, silent")


def test_a_file_whose_cells_are_the_same_says_that_the_rest_differs(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state", "cells")
    notebook = write(tmp_path / "m", *CELLS)
    remember(open_book(notebook), notebook.name, state)
    content = ipynb(*CELLS)
    content["metadata"]["edited"] = True
    write(tmp_path / "m", content=content, pinned=False)
    assert "the source of every cell is the same" in prepared(notebook, "ask", known=state).difference


def test_without_a_pin_that_is_said_and_the_registrys_digest_counts(tmp_path: Path) -> None:
    notebook = write(tmp_path, *CELLS, pinned=False)
    assert "nothing pins notebook.ipynb" in prepared(notebook, "ask").difference
    digest = open_book(notebook).sha256
    assert prepared(notebook, "ask", registered_sha256=digest).pin == "matches"
    assert prepared(notebook, "ask", registered_sha256="0" * 64).pin == "differs"


def test_a_digest_is_accepted_from_eight_digits_on(tmp_path: Path) -> None:
    found = prepared(write(tmp_path, *CELLS, pinned=False), "ask")
    digest = found.book.sha256
    assert [is_accepted(found, text) for text in (digest, f"sha256:{digest}", digest[:8].upper(), f" {digest[:12]} ")] \
        == [True] * 4
    assert [is_accepted(found, text) for text in ("", digest[:7], "0" * 8, "yes")] == [False] * 4
