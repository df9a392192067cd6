"""YAML from people: every mistake is found, with its line, and no document can hurt."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from triage.errors import Finding, InvalidDocument
from triage.quantities import Duration
from triage.strict_yaml import MAX_BYTES, Document, dotted, load, parse, validate


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    name: str
    wait: Duration = Field(1.0, validate_default=False)
    share: float = Field(0.5, gt=0, le=1)


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str
    parts: list[Part] = Field([], min_length=1)


def findings(text: str) -> list[Finding]:
    with pytest.raises(InvalidDocument) as caught:
        validate(parse(text, "doc.yaml"), Whole)
    return list(caught.value.findings)


def outcome(make: Callable[[], Document]) -> tuple[Finding, ...] | None:
    """Findings of a document that is refused, None for one that is read."""
    try:
        validate(make(), Whole)
    except InvalidDocument as error:
        return tuple(error.findings)
    return None


def test_a_good_document_is_read() -> None:
    whole = validate(parse("title: x\nparts:\n- {name: a, wait: 5m}\n", "doc.yaml"), Whole)
    assert (whole.title, whole.parts[0].wait) == ("x", 300.0)


def test_all_errors_come_at_once_with_file_line_field_and_hint() -> None:
    found = findings("titel: x\nparts:\n  - name: a\n    wait: 5\n    share: 2\n  - nam: b\n")
    assert [(f.file, f.line, f.field, f.message, f.hint) for f in found] == [
        ("doc.yaml", 1, "titel", "is not a known field", "did you mean title?"),
        ("doc.yaml", 1, "title", "is missing", "add title"),
        ("doc.yaml", 4, "parts[0].wait", "is not a duration: 5",
         "write a number and a unit, such as 500ms, 30s, 5m, 1h30m or 30d"),
        ("doc.yaml", 5, "parts[0].share", "must be at most 1, not 2", ""),
        ("doc.yaml", 6, "parts[1].nam", "is not a known field", "did you mean name?"),
        ("doc.yaml", 6, "parts[1].name", "is missing", "add name"),
    ]


def test_a_duplicate_key_names_both_lines() -> None:
    (found,) = findings("title: x\nparts: [{name: a}]\ntitle: y\n")
    assert (found.code, found.line, found.message) == ("duplicate-key", 3, "is given twice, first in line 1")


def test_a_duplicate_key_does_not_hide_other_errors() -> None:
    assert {f.code for f in findings("title: x\ntitle: y\nparts: []\n")} == {"duplicate-key", "too-short"}


@pytest.mark.parametrize(("text", "code"), [
    ("title: !!python/object/apply:os.system [ls]\nparts: [{name: a}]\n", "tag"),
    ("title: !secret x\nparts: [{name: a}]\n", "tag"),
    ("title: !!binary aGk=\nparts: [{name: a}]\n", "tag"),
    ("title: x\nparts: [!!set {name: a}]\n", "tag"),
    ("title: !!int ''\nparts: [{name: a}]\n", "tag"),
    ("title: !!bool maybe\nparts: [{name: a}]\n", "tag"),
    ("base: &b {name: a}\ntitle: x\nparts: [{<<: *b}]\n", "merge-key"),
    ("title: x\nparts: [{name: a}]\n? [a, b]\n: 1\n", "key"),
])
def test_what_is_not_plain_data_is_refused(text: str, code: str) -> None:
    assert code in {f.code for f in findings(text)}


@pytest.mark.parametrize(("text", "code"), [
    ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n"
                                              for p, c in zip("abcdefgh", "bcdefghi", strict=True)), "too-large"),
    ("a: &a [*a]\n", "too-deep"),
    ("[" * 40 + "]" * 40, "too-deep"),
    ("[" * 20_000, "yaml"),
    ("a: " + "9" * 5000, "tag"),
    ("a: [1\nb: 2\n", "yaml"),
    ("a: 1\n---\nb: 2\n", "yaml"),
    ("a: \x00", "yaml"),
    ("a: *nothing\n", "yaml"),
])
def test_a_document_that_would_hurt_is_refused_quickly(text: str, code: str) -> None:
    begin = time.monotonic()
    with pytest.raises(InvalidDocument) as caught:
        validate(parse(text, "doc.yaml"), Whole)
    assert code in {f.code for f in caught.value.findings}
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(("text", "value"), [
    ("no", "no"), ("on", "on"), ("yes", "yes"), ("true", True), ("False", False), ("2026-11-02", "2026-11-02"),
    ("1:30", "1:30"), ("010", "010"), ("0x10", "0x10"), ("1_000", "1_000"), ("12", 12), ("-3", -3), ("1.5", 1.5),
    ("1e-4", 1e-4), (".5", 0.5), ("~", None), ("null", None), ("", None), ("'5'", "5"), (".inf", float("inf")),
])
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    assert parse(f"a: {text}\n", "doc.yaml").content == {"a": value}


def test_numbers_that_are_none_are_refused() -> None:
    assert [f.message for f in findings("title: x\nparts: [{name: a, share: .nan}]\n")] == ["must be a finite number"]


def test_foreign_text_is_cleaned_where_it_enters() -> None:
    assert parse('a: "\\e[31mred\\u202E"\n', "doc.yaml").content == {"a": "␛[31mred{u+202e}"}


def test_an_empty_document_is_one_finding_and_not_one_per_field() -> None:
    assert [(f.field, f.message, f.code) for f in findings("")] == [("", "is empty", "empty")]
    assert [f.field for f in findings("{}")] == ["title"]


def test_a_list_where_a_mapping_is_meant_is_said_so() -> None:
    assert [f.message for f in findings("- a\n- b\n")] == ["must be a mapping, not a list"]


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def test_a_folder_in_place_of_a_file_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"a: 1\n" * (MAX_BYTES // 4))
    with pytest.raises(InvalidDocument, match="larger than"):
        load(file)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"a: 1\nb: gr\xfc\xdfe\n")
    with pytest.raises(InvalidDocument) as caught:
        load(file)
    assert [(f.line, f.code) for f in caught.value.findings] == [(2, "encoding")]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(file).content == {"a": 1}


@pytest.mark.parametrize(("path", "text"), [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), ((0, 1), "[0][1]")])
def test_a_path_is_written_with_dots_and_indices(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


def test_the_line_of_a_missing_field_is_its_parents() -> None:
    document = parse("a:\n  b:\n    c: 1\n", "doc.yaml")
    assert document.line(("a", "b", "x", "y")) == 2


_YAMLISH = st.text(st.sampled_from("ab:-[]{},&*!<>|?#%@`'\"\\ \n\t0.19~e=\x1b\ufeff\u2028é"), max_size=80)


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=200), _YAMLISH))
def test_no_text_raises_anything_but_findings(text: str) -> None:
    found = outcome(lambda: parse(text, "doc.yaml"))
    assert found is None or (found and all(f.file == "doc.yaml" and f.message for f in found))


@settings(max_examples=200)
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["title", "parts", "name", "wait", "share", "x"]), inner, max_size=4),
                    max_leaves=12))
def test_no_content_raises_anything_but_findings(content: object) -> None:
    document = parse("{}", "doc.yaml")
    document.content = content
    assert outcome(lambda: document) != ()
