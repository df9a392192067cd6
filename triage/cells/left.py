"""Runs whose triage died before they ended: found by a later start, written down as such, and readable again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from triage.cells.board import DROPPED, Board
from triage.cells.marks import LOCK, MARK, marks
from triage.cells.outputs import Picture, PictureBytes
from triage.cells.protocol import Outcome
from triage.cells.records import COPY, RUN_SCHEMA, picture_name, write_record
from triage.cells.results import Against, CellRun, Run
from triage.state_dir import StateDir, StateError, file_name

_MESSAGES: Mapping[str, Mapping[str, str]] = {
    "stream": {"name": "name", "text": "text"}, "error": {"name": "ename", "value": "evalue", "traceback": "traceback"},
    "display_data": {"data": "data"}}
"""The fields of a runner's message, by those of the output in the executed copy."""
_TYPES = {"display_data": "output"}


def settle_left(cells: StateDir, model: str, context: str) -> tuple[Run, ...]:
    """The runs of ``model`` in ``context`` that nobody watches any more and that have no result, oldest first.

    Their records say from now on that they ended without one, and nobody is told of them again. What a run has put out
    until its triage died is there. Raises :class:`~triage.state_dir.StateError`.
    """
    folder = cells.folder(file_name(model))
    if not marks(cells, model):
        return ()
    found = []
    with folder.locked(LOCK):
        for name in marks(cells, model):
            hold = folder.hold(name)
            if hold is None:
                continue
            try:
                record = folder.folder(name.removesuffix(MARK))
                copy = _read(record)
                if copy is not None and copy["metadata"]["triage_run"]["context"] != context:
                    continue
                run = None if copy is None else _settled(record, copy)
                if run is not None:
                    found.append(run)
                folder.remove(name)
            finally:
                hold.release()
    return tuple(found)


def _read(folder: StateDir) -> dict[str, Any] | None:
    """The executed copy; None when there is none that can be read."""
    try:
        copy = json.loads(folder.read(COPY) or b"")
        return copy if copy["metadata"]["triage_run"]["schema"] == RUN_SCHEMA else None
    except (StateError, ValueError, KeyError, TypeError):
        return None


def _settled(folder: StateDir, copy: dict[str, Any]) -> Run | None:
    """Write down the end of the run in ``folder``; None when that was done, and when it cannot be read."""
    about = copy["metadata"]["triage_run"]
    if about.get("state") != "running":
        return None
    try:
        run = _again(copy, about, folder)
    except (KeyError, TypeError, ValueError):
        return None
    about |= {"state": "ended", "outcome": str(run.outcome), "status": run.status, "record": run.record}
    for cell, said, kept in zip(run.cells, about["cells"], copy["cells"], strict=True):
        said |= {"running": False, "outcome": str(cell.outcome), "status": cell.status}
        kept["metadata"]["triage"]["outcome"] = str(cell.outcome)
    write_record(folder, about, copy)
    return run


def _again(copy: Mapping[str, Any], about: Mapping[str, Any], folder: StateDir) -> Run:
    """The run as it was written down last, over."""
    said = about["cells"]
    cells = tuple(CellRun(each["id"], each.get("purpose", ""), each["part"], each["sha256"]) for each in said)
    first = Run(about["run"], about["model"], tuple(each["id"] for each in said if each["part"] == "asked"), cells,
                "running", tuple(about["protection"]), datetime.fromisoformat(about["started_at"]).timestamp(),
                kernel=about["kernel"] or "", record=str(folder.path), incident=about["incident"] or "",
                against=Against(**capture) if (capture := about["capture"]) else None)
    pictures = 0

    def saved(found: PictureBytes) -> Picture:
        nonlocal pictures
        pictures += 1
        name, size = picture_name(pictures, found.kind), len(found.content)
        if folder.stamp(name) is None:
            return Picture(found.kind, size, "", "it is not there any more")
        return Picture(found.kind, size, f"{folder.path}/{name}")
    board = Board(first, lambda run: None, saved)
    for each, kept in zip(said, copy["cells"], strict=True):
        board.heard({"type": "cell", "id": each["id"]})
        for output in kept["outputs"]:
            kind = output["output_type"]
            board.heard({"type": _TYPES.get(kind, kind),
                         **{field: output.get(theirs) for field, theirs in _MESSAGES.get(kind, {}).items()}})
        # A record of before has fewer of these counts.
        board.heard({"type": "dropped", **{name: each.get(field, 0) for field, name in DROPPED.items()}})
        outcome = each["outcome"] or (
            Outcome.TRIAGE_DIED if each["running"] or each["part"] == "asked" else Outcome.NOT_RUN)
        board.heard({"type": "finished", "id": each["id"], "outcome": outcome, "seconds": each["seconds"],
                     "detail": each["detail"]})
    # When it ended is not known.
    return replace(board.run, phase="ended")
