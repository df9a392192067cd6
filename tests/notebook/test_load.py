"""Loading: a broken notebook never hides the good ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.notebook.conftest import WriteNotebook
from triage.errors import InvalidDocument
from triage.notebook.load import Loaded, load_all, load_notebook


def names(loaded: Loaded) -> list[str]:
    return [n.name for n in loaded.notebooks]


def broken(loaded: Loaded) -> list[tuple[str, list[str]]]:
    return [(b.name, [f.code for f in b.findings]) for b in loaded.broken]


def test_a_notebook_is_its_folder_or_its_manifest(write_notebook: WriteNotebook) -> None:
    folder = write_notebook("a")
    for path in (folder, folder / "manifest.yaml"):
        notebook = load_notebook(path)
        assert (notebook.name, notebook.path) == ("m", folder)
        assert [o.slo.name for o in notebook.objectives] == ["success"]


def test_the_short_ending_is_found_too(write_notebook: WriteNotebook) -> None:
    assert load_notebook(write_notebook("a", file="manifest.yml")).name == "m"


def test_the_document_keeps_the_lines(write_notebook: WriteNotebook) -> None:
    document = load_notebook(write_notebook("a")).document
    assert document.line(("spec", "slos", 0, "objective")) == 7


def test_a_missing_notebook_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="does not exist"):
        load_notebook(tmp_path / "none")


def test_folders_are_searched_three_deep_and_in_order(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    for depth, name in (("b", "second"), ("a/x", "first"), ("c/x/y", "third"), ("d/x/y/z", "too-deep")):
        write_notebook(depth, name=name)
    assert names(load_all([tmp_path])) == ["first", "second", "third"]


def test_a_notebook_is_not_searched_for_others(write_notebook: WriteNotebook) -> None:
    outer = write_notebook("a", name="outer")
    write_notebook("a/old", name="inner")
    assert names(load_all([outer])) == ["outer"]


def test_hidden_folders_are_skipped(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    write_notebook("a")
    write_notebook(".ipynb_checkpoints", name="old")
    assert names(load_all([tmp_path])) == ["m"]


def test_loops_of_links_end(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    folder = write_notebook("models/a")
    (folder.parent / "loop").symlink_to(tmp_path, target_is_directory=True)
    (folder.parent / "self").symlink_to("self")
    assert names(load_all([tmp_path])) == ["m"]
    assert load_all([tmp_path]).broken == ()


def test_the_same_notebook_given_twice_is_read_once(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    folder = write_notebook("a")
    loaded = load_all([folder, tmp_path, folder / "manifest.yaml"])
    assert (names(loaded), broken(loaded)) == (["m"], [])


def test_a_broken_one_stands_beside_the_good_ones(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    write_notebook("a", name="good")
    write_notebook("b", name="bad", spec="spec: {slos: [{name: x}]}\n")
    write_notebook("c", name="fine")
    loaded = load_all([tmp_path])
    assert names(loaded) == ["good", "fine"]
    assert broken(loaded) == [("bad", ["missing"])]


def test_a_broken_one_without_a_readable_name_is_called_by_its_folder(tmp_path: Path) -> None:
    for folder, text in (("nonsense", "{"), ("empty", ""), ("list", "- a"), ("number", "metadata: {name: 5}")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.yaml").write_text(text, "utf-8")
    assert [b.name for b in load_all([tmp_path]).broken] == ["empty", "list", "nonsense", "number"]


def test_a_hostile_name_is_shown_harmlessly(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/manifest.yaml").write_text('metadata: {name: "\\e]0;owned\\a\\nx"}', "utf-8")
    (found,) = load_all([tmp_path]).broken
    assert found.name == "␛]0;owned␇ x"
    assert all(f.sentence().isprintable() for f in found.findings)


def test_the_second_notebook_of_a_model_says_where_the_first_is(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    first, second = write_notebook("a"), write_notebook("b")
    loaded = load_all([tmp_path])
    (found,) = loaded.broken
    assert (loaded.notebooks[0].path, found.path, found.name) == (first, second, "m")
    assert [(f.code, f.line, f.field) for f in found.findings] == [("duplicate-model", 3, "metadata.name")]
    assert str(first / "manifest.yaml") in found.findings[0].message


def test_a_path_without_a_notebook_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    loaded = load_all([tmp_path / "nothing", tmp_path / "nowhere"])
    assert broken(loaded) == [("nothing", ["no-notebook"]), ("nowhere", ["missing"])]


def test_a_name_that_no_preset_knows_is_found_when_loading(write_notebook: WriteNotebook) -> None:
    folder = write_notebook("a", spec="spec: {metrics: {preset: vlm}}\n")
    with pytest.raises(InvalidDocument) as caught:
        load_notebook(folder)
    assert [(f.code, f.line, f.field) for f in caught.value.findings] == [("unknown-preset", 4, "spec.metrics.preset")]


@pytest.mark.parametrize("name", ["x" * 300, "a\x00b", "\x1b[2J"])
def test_a_path_that_cannot_be_is_said_so(tmp_path: Path, name: str) -> None:
    (found,) = load_all([tmp_path / name]).broken
    assert [f.code for f in found.findings] in (["missing"], ["unreadable"])
    assert (found.name + found.findings[0].sentence()).isprintable()
    with pytest.raises(InvalidDocument):
        load_notebook(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_that_cannot_be_read_is_broken(tmp_path: Path, write_notebook: WriteNotebook) -> None:
    write_notebook("a")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    loaded = load_all([tmp_path])
    assert names(loaded) == ["m"]
    assert broken(loaded) == [("locked", ["unreadable"])]


def test_a_manifest_that_is_a_folder_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "a/manifest.yaml").mkdir(parents=True)
    assert broken(load_all([tmp_path / "a"])) == [("a", ["no-notebook"])]
