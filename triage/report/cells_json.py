"""Cells and their runs as JSON: ``triage.cells/v1``, and ``triage.cell-run/v1`` with the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from triage.cells.document import Book, Cell, Pin
from triage.cells.outputs import Output
from triage.cells.prepare import effects_of
from triage.cells.records import Circumstances, about_run
from triage.cells.results import Run
from triage.report.json import dump

LIST_SCHEMA = "triage.cells/v1"


def list_json(model: str, book: Book, cells: Sequence[Cell], pin: Pin) -> str:
    """The cells that can be run by name. ``effects``: what a cell says of itself, ``changes``: what running it changes
    with all that it needs."""
    return dump({"schema": LIST_SCHEMA, "model": model,
                 "notebook": {"path": str(book.path), "sha256": book.sha256, "pin": pin},
                 "cells": [{"id": cell.id, "purpose": cell.purpose, "answers": list(cell.words.answers),
                            "requires": cell.words.requires, "effects": cell.words.effects,
                            "changes": list(changes := effects_of(book, cell)), "reads_only": not changes,
                            "time_limit_seconds": cell.time_limit_seconds,
                            "sha256": cell.sha256, "tags": sorted(cell.tags)} for cell in cells]})


def run_json(run: Run, how: Circumstances) -> str:
    """The record of a run, and what its cells put out."""
    outputs = {cell.id: [_output(each) for each in cell.outputs] for cell in run.cells if cell.outputs}
    return dump({**about_run(run, how), "outputs": outputs})


def _output(output: Output) -> dict[str, Any]:
    return {"kind": type(output).__name__.lower(), **asdict(output)}
