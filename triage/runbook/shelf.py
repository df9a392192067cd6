"""The runbooks of one model's notebook, read again where they changed, with the checklist where there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from triage.cells.document import read_book
from triage.errors import Finding, InvalidDocument, TriageError
from triage.notebook.load import is_file, is_folder
from triage.runbook.checklist import checklist_text
from triage.runbook.document import digest, parse_runbook, read_text
from triage.runbook.steps import Runbook

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.signals.model import ModelState

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Volume:
    """One runbook as it was read."""

    runbook: Runbook | None
    """None when it cannot be used."""
    text: str
    digest: str
    findings: tuple[Finding, ...] = ()
    """Why it cannot be used; beside a runbook: why its present text cannot, this being the one before."""
    is_checklist: bool = False

    @property
    def trouble(self) -> str:
        """The first of what is wrong, as a sentence; "" when nothing is."""
        return self.findings[0].sentence() if self.findings else ""


def runbook_files(notebook: Notebook) -> tuple[Path, ...]:
    """The files that ``spec.runbook`` names: itself, or every ``.md`` file of the folder, sorted; () without any."""
    name = notebook.manifest.spec.runbook
    if name is None:
        return ()
    path = notebook.path / name
    if not is_folder(path):
        return (path,)
    try:
        return tuple(sorted(file for file in path.glob("*.md") if is_file(file)))
    except OSError:
        return ()


def read_volume(path: Path, display: str) -> Volume:
    """The runbook at ``path``; what is wrong with it is in the volume. ``display`` is how it is named to people."""
    text = ""
    try:
        text = read_text(path, display)
        return Volume(parse_runbook(text, display), text, digest(text))
    except InvalidDocument as error:
        return Volume(None, text, digest(text), tuple(error.findings))


class Shelf:
    """Keeps what was read of one notebook until it changes on the disk."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._read: dict[Path, tuple[_Stamp | None, Volume]] = {}
        self._cells: tuple[tuple[str, str], ...] | None = None
        self._checklist: Volume | None = None

    def volumes(self, model: ModelState) -> tuple[Volume, ...]:
        """Every runbook of the notebook, also those that cannot be used; the checklist when none can."""
        found = []
        for path in runbook_files(self._notebook):
            stamp = _stamp(path)
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                volume = read_volume(path, path.name)
                if volume.runbook is None and known is not None:
                    # Broken by an edit: whoever works with it goes on with what could be read before.
                    volume = replace(known[1], findings=volume.findings)
                known = stamp, volume
                self._read[path] = known
            found.append(known[1])
        if not any(volume.runbook for volume in found):
            found.append(self._made(model))
        return tuple(found)

    def _made(self, model: ModelState) -> Volume:
        text = checklist_text(model, self._notebook, self._diagnostic_cells())
        if self._checklist is None or self._checklist.text != text:
            self._checklist = Volume(parse_runbook(text, ""), text, digest(text), is_checklist=True)
        return self._checklist

    def _diagnostic_cells(self) -> tuple[tuple[str, str], ...]:
        if self._cells is None:
            try:
                book = read_book(self._notebook.path / self._notebook.manifest.spec.notebook.path)
                self._cells = tuple((cell.id, cell.purpose) for cell in book.tagged("diagnostic"))
            except TriageError:
                # The checklist is of use without cells; the linter says what is wrong with them.
                self._cells = ()
        return self._cells


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
