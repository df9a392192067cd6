"""What is kept of a run in the state directory: ``run.json``, the executed copy of the notebook, and its pictures.

``cells/MODEL/RUN/`` is written when the run begins, at most a moment after each of its outputs, and when it is over: a
triage that is killed leaves what there was until then. Beside it ``cells/MODEL/RUN.running`` is locked while the run
goes on; :mod:`triage.cells.left` tells by it which runs have lost their triage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from triage.cells.document import Book, Pin
from triage.cells.marks import LOCK, MARK
from triage.cells.outputs import Picture, PictureBytes
from triage.cells.results import Run
from triage.state_dir import Hold, StateDir, StateError, file_name

RUN_SCHEMA = "triage.cell-run/v1"
ABOUT, COPY = "run.json", "executed.ipynb"
_MOST_PICTURES = 40


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which a run was started."""

    context: str
    actor: str
    """Who started it, as this machine knows them."""
    incident: str
    """"" without one."""
    book: Book
    pin: Pin
    pinned_sha256: str | None
    parameters: Mapping[str, Any]
    """Injected values by name."""


class Record:
    """The folder of one run."""

    def __init__(self, cells: StateDir, run: Run, how: Circumstances, sources: Mapping[str, str]) -> None:
        """``sources``: as they are run, by cell."""
        self._model = cells.folder(file_name(run.model))
        self._name = file_name(run.id)
        self._folder = self._model.folder(self._name)
        self._how = how
        self._sources = sources
        self._pictures = 0
        self._hold: Hold | None = None

    @property
    def path(self) -> str:
        """Where it is."""
        return str(self._folder.path)

    def begin(self, run: Run) -> None:
        """Write down that it begins. Raises :class:`~triage.state_dir.StateError`."""
        with self._model.locked(LOCK):
            # The mark first: a record without one would be taken for a run that goes on, for ever.
            self._hold = self._model.hold(f"{self._name}{MARK}")
            self.keep(run, {}, run.started_at)

    def end(self, run: Run, raw: Mapping[str, list[Mapping[str, Any]]], now: float) -> None:
        """Write down how it ended. Raises :class:`~triage.state_dir.StateError`."""
        self.keep(run, raw, now)
        self._model.remove(f"{self._name}{MARK}")
        if self._hold is not None:
            self._hold.release()

    def picture(self, found: PictureBytes) -> Picture:
        """Save a picture."""
        self._pictures += 1
        if self._pictures > _MOST_PICTURES:
            return Picture(found.kind, len(found.content), "", f"only {_MOST_PICTURES} pictures of a run are kept")
        name = picture_name(self._pictures, found.kind)
        try:
            self._folder.write(name, found.content)
        except StateError as error:
            return Picture(found.kind, len(found.content), "", error.message)
        return Picture(found.kind, len(found.content), f"{self.path}/{name}")

    def keep(self, run: Run, raw: Mapping[str, list[Mapping[str, Any]]], now: float) -> None:
        """Write the record and the executed copy as the run stands at ``now``, Unix seconds. ``raw``: outputs as
        nbformat has them, by cell. Raises :class:`~triage.state_dir.StateError`."""
        about = {**about_run(run, self._how), "written_at": _iso(now)}
        write_record(self._folder, about, _executed(run, self._how, raw, self._sources, about))


def picture_name(number: int, kind: str) -> str:
    """Name of the file of the ``number``-th picture of a run, from 1 on."""
    return f"picture-{number}.{kind}"


def write_record(folder: StateDir, about: Mapping[str, Any], copy: Mapping[str, Any]) -> None:
    """Write both files; the copy, which holds all of ``about``, first. Raises
    :class:`~triage.state_dir.StateError`."""
    folder.write(COPY, json.dumps(copy, indent=1, ensure_ascii=True).encode())
    folder.write(ABOUT, json.dumps(about, indent=1, ensure_ascii=True).encode())


def about_run(run: Run, how: Circumstances) -> dict[str, Any]:
    """``triage.cell-run/v1``: everything that tells what was run, with what, by whom, and how it ended."""
    return {
        "schema": RUN_SCHEMA,
        "run": run.id,
        "state": "ended" if run.phase == "ended" else "running",
        "model": run.model,
        "context": how.context,
        "actor": how.actor,
        "incident": how.incident or None,
        "notebook": {"path": str(how.book.path), "sha256": how.book.sha256, "pin": how.pin,
                     "pinned_sha256": how.pinned_sha256},
        "parameters": dict(how.parameters),
        "capture": None if run.against is None else asdict(run.against),
        "kernel": run.kernel or None,
        "protection": list(run.protection),
        "started_at": _iso(run.started_at),
        "ended_at": None if run.ended_at is None else _iso(run.ended_at),
        "outcome": None if run.outcome is None else str(run.outcome),
        "status": run.status,
        "trouble": run.trouble or None,
        "record": run.record or None,
        "cells": [{
            "id": cell.id, "purpose": cell.purpose, "part": cell.part, "sha256": cell.sha256, "running": cell.running,
            "outcome": None if cell.outcome is None else str(cell.outcome), "status": cell.status,
            "seconds": cell.seconds, "detail": cell.detail or None, "dropped_bytes": cell.dropped_bytes,
            "dropped_outputs": cell.dropped_outputs, "dropped_verdicts": cell.dropped_verdicts, "lost": cell.lost,
            "verdicts": [asdict(each) for each in cell.verdicts],
            "error": None if cell.raised is None else {"name": cell.raised.name, "value": cell.raised.value},
        } for cell in run.cells],
    }


def _executed(run: Run, how: Circumstances, raw: Mapping[str, list[Mapping[str, Any]]], sources: Mapping[str, str],
              about: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that ran, as a notebook: open it with Jupyter to go on where the run ended."""
    cells = []
    for number, cell in enumerate(run.cells, 1):
        ran = cell.running or (cell.outcome is not None and cell.seconds is not None and cell.seconds > 0)
        cells.append({"cell_type": "code", "id": file_name(cell.id)[:64].replace(".", "-"),
                      "metadata": {"tags": [cell.part], "triage": {"sha256": cell.sha256,
                                                                   "outcome": str(cell.outcome or "")}},
                      "execution_count": number if ran else None, "source": sources.get(cell.id, ""),
                      "outputs": list(raw.get(cell.id, ()))})
    return {"nbformat": 4, "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": how.book.kernel or "python3", "display_name": "Python 3"},
                         "language_info": {"name": how.book.language}, "triage_run": about}, "cells": cells}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
