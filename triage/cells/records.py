"""What is kept of a run in the state directory: ``run.json``, the executed copy of the notebook, and its pictures.

``cells/MODEL/RUN/`` is written when the run is over; pictures while it goes on, because the screen shows their paths.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from triage.cells.document import Book, Pin
from triage.cells.outputs import Picture, PictureBytes
from triage.cells.results import Run
from triage.state_dir import StateDir, StateError, file_name

RUN_SCHEMA = "triage.cell-run/v1"
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

    def __init__(self, cells: StateDir, model: str, run_id: str) -> None:
        self._folder = cells.folder(file_name(model), file_name(run_id))
        self._pictures = 0

    @property
    def path(self) -> str:
        """Where it is."""
        return str(self._folder.path)

    def picture(self, found: PictureBytes) -> Picture:
        """Save a picture."""
        self._pictures += 1
        if self._pictures > _MOST_PICTURES:
            return Picture(found.kind, len(found.content), "", f"only {_MOST_PICTURES} pictures of a run are kept")
        name = f"picture-{self._pictures}.{found.kind}"
        try:
            self._folder.write(name, found.content)
        except StateError as error:
            return Picture(found.kind, len(found.content), "", error.message)
        return Picture(found.kind, len(found.content), f"{self.path}/{name}")

    def keep(self, run: Run, how: Circumstances, raw: Mapping[str, list[Mapping[str, Any]]],
             sources: Mapping[str, str]) -> None:
        """Write the record and the executed copy. ``raw``: outputs as nbformat has them, ``sources``: as they were run,
        both by cell. Raises :class:`~triage.state_dir.StateError`."""
        about = about_run(run, how)
        self._folder.write("run.json", json.dumps(about, indent=1, ensure_ascii=True).encode())
        copy = _executed(run, how, raw, sources, about)
        self._folder.write("executed.ipynb", json.dumps(copy, indent=1, ensure_ascii=True).encode())


def about_run(run: Run, how: Circumstances) -> dict[str, Any]:
    """``triage.cell-run/v1``: everything that tells what was run, with what, by whom, and how it ended."""
    return {
        "schema": RUN_SCHEMA,
        "run": run.id,
        "model": run.model,
        "context": how.context,
        "actor": how.actor,
        "incident": how.incident or None,
        "notebook": {"path": str(how.book.path), "sha256": how.book.sha256, "pin": how.pin,
                     "pinned_sha256": how.pinned_sha256},
        "parameters": dict(how.parameters),
        "kernel": run.kernel or None,
        "protection": list(run.protection),
        "started_at": _iso(run.started_at),
        "ended_at": None if run.ended_at is None else _iso(run.ended_at),
        "outcome": None if run.outcome is None else str(run.outcome),
        "status": run.status,
        "trouble": run.trouble or None,
        "record": run.record or None,
        "cells": [{
            "id": cell.id, "part": cell.part, "sha256": cell.sha256,
            "outcome": None if cell.outcome is None else str(cell.outcome), "status": cell.status,
            "seconds": cell.seconds, "detail": cell.detail or None, "dropped_bytes": cell.dropped_bytes,
            "verdicts": [asdict(each) for each in cell.verdicts],
            "error": None if cell.raised is None else {"name": cell.raised.name, "value": cell.raised.value},
        } for cell in run.cells],
    }


def _executed(run: Run, how: Circumstances, raw: Mapping[str, list[Mapping[str, Any]]], sources: Mapping[str, str],
              about: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that ran, as a notebook: open it with Jupyter to go on where the run ended."""
    cells = []
    for number, cell in enumerate(run.cells, 1):
        ran = cell.outcome is not None and cell.seconds is not None and cell.seconds > 0
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
