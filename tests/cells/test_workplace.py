"""What cells find of the notebook's folder, and that they change none of it unless they are declared to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cells.books import NOTHING, QUICK, C, run, write
from triage.cells import workplace
from triage.cells.outputs import Text
from triage.cells.protection import Means, means, sentences
from triage.cells.results import Run
from triage.cells.workplace import FILES, Files, files_of, fill

WRITES = """
import os
from pathlib import Path
print("reads", Path("data/sample.txt").read_text())
for name in ("manifest.yaml", "data/sample.txt", "beside.txt", OUTSIDE, SHARED, os.environ["TMPDIR"] + "/x"):
    try:
        with open(name, "a") as file:
            file.write("changed")
        print("wrote", name)
    except OSError as error:
        print(error.strerror, name)
"""
SHARED = Path(f"/dev/shm/triage-test-{os.getpid()}")
SYSTEMS = [pytest.param(means(), id="namespaces", marks=pytest.mark.skipif(
    not means().files, reason="no mount namespaces here")), pytest.param(NOTHING, id="none")]


def ran(folder: Path, system: Means, effects: str) -> tuple[Run, list[str], Path]:
    """The run of a cell that writes here and there, its rows, and the notebook's folder."""
    source = WRITES.replace("OUTSIDE", repr(str(folder / "outside.txt"))).replace("SHARED", repr(str(SHARED)))
    notebook = write(folder / "m", C("ask", source, about={"effects": effects}))
    (folder / "m/data").mkdir()
    (folder / "m/data/sample.txt").write_text("sample")
    try:
        done = run(notebook, "ask", system=system)
    finally:
        left = SHARED.exists()
        SHARED.unlink(missing_ok=True)
    files = files_of(system, notebook.path, changes=effects != "none")
    assert left is (SHARED.parent.is_dir() and files != "read-only")
    text, = done.cells[0].outputs
    assert isinstance(text, Text)
    return done, text.text.splitlines(), folder / "m"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_cell_that_only_reads_changes_nothing_of_the_notebooks_folder(tmp_path: Path, system: Means) -> None:
    done, rows, folder = ran(tmp_path, system, "none")
    assert rows[0] == "reads sample"
    assert "wrote beside.txt" in rows
    assert (folder / "data/sample.txt").read_text() == "sample"
    assert "changed" not in (folder / "manifest.yaml").read_text()
    assert done.protection[-1] == FILES["read-only" if system.files else "copies"]


@pytest.mark.skipif(not means().files, reason="no mount namespaces here")
def test_with_mount_namespaces_it_changes_no_other_files_either(tmp_path: Path) -> None:
    _, rows, _ = ran(tmp_path, means(), "none")
    assert rows[1:3] == [f"Read-only file system {name}" for name in ("manifest.yaml", "data/sample.txt")]
    assert rows[4] == f"Read-only file system {tmp_path / 'outside.txt'}"
    assert [row.split()[0] for row in rows[5:]] == ["wrote", "wrote"]


def test_a_cell_that_is_declared_to_change_something_may(tmp_path: Path) -> None:
    done, _, folder = ran(tmp_path, means(), "corrects the sample")
    assert (folder / "data/sample.txt").read_text() == "samplechanged"
    assert (tmp_path / "outside.txt").read_text() == "changed"
    assert done.protection[-1] == FILES["all"]


def linked(folder: Path) -> None:
    (folder / "elsewhere").symlink_to(folder.parent, target_is_directory=True)


def piped(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def large(folder: Path) -> None:
    with (folder / "weights").open("wb") as file:
        file.truncate(100_000_001)


def many(folder: Path) -> None:
    for number in range(2_001):
        (folder / str(number)).touch()


def plain(folder: Path) -> None:
    (folder / "weights").write_bytes(b"1")
    (folder / "link").symlink_to("weights")
    (folder / "gone").symlink_to("nothing")


@pytest.mark.parametrize(("make", "files"), [
    (plain, "copies"), (linked, "shared"), (piped, "shared"), (large, "shared"), (many, "shared")])
def test_without_namespaces_a_small_folder_is_copied_and_of_another_one_the_truth_is_said(
        tmp_path: Path, make: object, files: Files) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    assert callable(make)
    make(folder)
    assert files_of(NOTHING, folder, changes=False) == files
    assert files_of(NOTHING, folder, changes=True) == "all"
    assert files_of(Means(True, True, True, True), folder, changes=False) == "read-only"


def test_a_copy_holds_what_links_point_to_and_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    folder, work = tmp_path / "m", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    plain(folder)
    fill(folder, work, "copies")
    (work / "link").write_bytes(b"2")
    assert sorted(path.name for path in work.iterdir()) == ["link", "weights"]
    assert (folder / "weights").read_bytes() == b"1"


def test_the_last_sentence_of_what_is_in_force_is_about_files() -> None:
    for files in workplace.FILES.values():
        assert sentences(NOTHING, QUICK, network="none", files=files)[-1] == files
