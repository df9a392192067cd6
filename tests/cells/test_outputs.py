"""What cells put out becomes texts, tables, verdicts and pictures that cannot harm a terminal."""

from __future__ import annotations

import base64
import unicodedata
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.cells.outputs import (
    MAX_COLUMNS,
    MAX_ROWS,
    RESULT,
    CellVerdict,
    PictureBytes,
    Table,
    Text,
    clean_text,
    from_bundle,
    raised,
    read_table,
    worst,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n123").decode()


@pytest.mark.parametrize(("bundle", "found"), [
    ({"text/plain": "8"}, Text("8")),
    ({"text/plain": ["a\n", "b"]}, Text("a\nb")),
    ({"text/markdown": "# T", "text/plain": "<M>"}, Text("# T")),
    ({"text/html": "<b>no table</b>", "text/plain": "bold"}, Text("bold")),
    ({"image/png": PNG, "text/plain": "<Figure>"}, PictureBytes("png", b"\x89PNG\r\n\x1a\n123")),
    ({"image/svg+xml": ["<svg>", "</svg>"]}, PictureBytes("svg", b"<svg></svg>")),
    ({"image/png": "not base64!!", "text/plain": "<Figure>"}, Text("<Figure>")),
    ({RESULT: {"id": "a", "status": "warn", "message": "m", "value": 2, "unit": "x", "threshold": 1.5},
      "text/plain": "p"},
     CellVerdict("a", "warn", "m", 2.0, "x", 1.5)),
    ({"application/javascript": "alert(1)"}, None), ({}, None), ("nonsense", None), ({"text/plain": 5}, None)])
def test_of_several_representations_the_most_telling_is_shown(bundle: Any, found: object) -> None:
    assert from_bundle(bundle) == found


@pytest.mark.parametrize(("raw", "status", "value"), [
    ({"status": "fail", "value": float("nan")}, "fail", None),
    ({"status": "splendid", "value": 10**400}, "unknown", None),
    ({"status": "pass", "value": True}, "pass", None), ({"status": "pass", "value": "9"}, "pass", None)])
def test_a_verdict_with_odd_figures_keeps_its_status_and_no_figure(raw: Any, status: str, value: object) -> None:
    found = from_bundle({RESULT: raw})
    assert isinstance(found, CellVerdict)
    assert (found.status, found.value) == (status, value)


@pytest.mark.parametrize(("raw", "why"), [
    ('{"status": "fail"}', "the result cannot be read: it is text, not an object: display the dict itself"),
    ([], "the result cannot be read: it is no object"), (None, "the result cannot be read: it is no object"),
    ({}, "the result has no status, not pass, warn, fail or unknown"),
    ({"state": "fail", "message": "bad"}, "the result has no status, not pass, warn, fail or unknown: bad"),
    ({"status": "FAIL"}, "the result has the status FAIL, not pass, warn, fail or unknown"),
    ({"status": 1}, "the result has the status 1, not pass, warn, fail or unknown")])
def test_a_verdict_that_cannot_be_read_is_unknown_and_says_why(raw: Any, why: str) -> None:
    found = from_bundle({RESULT: raw, "text/plain": "t"})
    assert isinstance(found, CellVerdict)
    assert (found.status, found.message) == ("unknown", why)


def test_the_worst_of_several_verdicts_counts() -> None:
    assert worst(["pass", "unknown", "warn"]) == "warn"
    assert worst([]) is None


def test_a_frame_of_pandas_is_a_table() -> None:
    frame = pd.DataFrame({"n": [1, 2], "share": [0.25, 0.5]}, index=pd.Index(["7", "8"], name="version"))
    page = frame.to_html()
    assert from_bundle({"text/html": page, "text/plain": frame.to_string()}) == Table(
        ("version", "n", "share"), (("7", "1", "0.25"), ("8", "2", "0.50")))


def test_a_large_table_says_what_it_leaves_out() -> None:
    found = read_table(pd.DataFrame({f"c{n}": range(MAX_ROWS + 5) for n in range(MAX_COLUMNS + 2)}).to_html(
        max_rows=None))
    assert found is not None
    assert (len(found.rows), len(found.header), found.more_rows, found.more_columns) == (MAX_ROWS, MAX_COLUMNS, 5, 3)


@pytest.mark.parametrize("page", ["<table>", "<table><tr>", "<td>x</td>", "<table" * 1000,
                                  "<table><thead><tr><th>a</th></tr></thead></table>"])
def test_a_table_without_rows_is_none(page: str) -> None:
    assert read_table(page) is None


def test_only_the_first_table_is_read_and_rows_are_filled() -> None:
    page = "<table><tr><td>a<td>b</td></tr><tr><td>&lt;c&gt;\n d</td></tr></table><table><tr><td>no</td></tr></table>"
    found = read_table(page)
    assert found is not None
    assert [row[0] for row in found.rows][-1] == "<c> d"
    assert len({len(row) for row in found.rows}) == 1


@pytest.mark.parametrize(("text", "shown"), [
    ("\x1b[31mred\x1b[0m", "red"), ("10%\r50%\r100%\n", "100%\n"), ("a\r\nb", "a\nb"), ("\x1b[2Ja", "␛[2Ja")])
def test_colours_go_progress_keeps_its_end_and_other_sequences_are_seen(text: str, shown: str) -> None:
    assert clean_text(text) == shown


@given(st.text(), st.dictionaries(st.sampled_from(["text/plain", "text/html", "text/markdown", "image/png", RESULT]),
                                  st.text() | st.lists(st.text()) | st.dictionaries(st.sampled_from(
                                      ["id", "status", "message", "unit", "value"]), st.text())))
def test_whatever_a_cell_puts_out_holds_no_control_characters(text: str, bundle: dict[str, Any]) -> None:
    found = from_bundle(bundle)
    shown = [clean_text(text), str(raised(text, text, [text]).traceback)]
    if isinstance(found, Text):
        shown.append(found.text)
    elif isinstance(found, CellVerdict):
        shown += [found.id, found.message, found.unit]
    elif isinstance(found, Table):
        shown += [cell for row in (found.header, *found.rows) for cell in row]
    bad = {c for each in shown for c in each if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert bad == set()


@given(st.text(alphabet="<>/tablehdr \"'=&;#x", max_size=300))
def test_no_page_breaks_the_reader_of_tables(page: str) -> None:
    read_table(f"<table>{page}")
