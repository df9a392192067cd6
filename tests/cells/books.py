"""Notebooks with given cells, written into a folder; and runs of them with a real kernel."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triage.cells.prepare import open_book, prepare
from triage.cells.protection import Limits, Means
from triage.cells.questions import refusal
from triage.cells.results import Run
from triage.cells.run import Setting, run_cells
from triage.cells.supervise import Answer, Stop
from triage.clock import SystemClock
from triage.notebook.load import Notebook, load_notebook
from triage.state_dir import StateDir

MODEL = "scorer"
NOTHING = Means(False, False, True)
"""A system without namespaces."""
QUICK = Limits(interrupt_seconds=0.4)


@dataclass(frozen=True)
class C:
    """A cell of a test."""

    id: str
    source: str
    tags: Sequence[str] = ("diagnostic",)
    about: Mapping[str, Any] | None = field(default_factory=lambda: {"effects": "none"})


def ipynb(*cells: C) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}}, "cells": [
            {"cell_type": "code", "id": cell.id, "source": cell.source, "outputs": [], "execution_count": None,
             "metadata": {"tags": list(cell.tags), **({} if cell.about is None else {"triage": dict(cell.about)})}}
            for cell in cells]}


def write(folder: Path, *cells: C, pinned: bool = True, notebook: str = "", content: Any = None,
          name: str = MODEL) -> Notebook:
    """A model notebook of these cells; ``notebook``: more lines of ``spec.notebook``."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = json.dumps(content if content is not None else ipynb(*cells), indent=1).encode()
    (folder / "notebook.ipynb").write_bytes(raw)
    pin = f"    sha256: {hashlib.sha256(raw).hexdigest()}\n" if pinned else ""
    (folder / "manifest.yaml").write_text(f"""\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {{name: {name}, version: "2", owners: [{{name: team, role: model-owner}}]}}
spec:
  notebook:
    path: notebook.ipynb
{pin}{notebook}  metrics: {{preset: triton}}
""")
    return load_notebook(folder)


async def nobody(path: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str]:
    return refusal(503, "no Prometheus is configured")


def run(notebook: Notebook, *names: str, given: Mapping[str, str] | None = None,
        filled: Mapping[str, Any] | None = None, limits: Limits = QUICK, system: Means | None = None,
        state: StateDir | None = None, answer: Answer = nobody, stop: Stop | None = None,
        see: Callable[[Run], None] = lambda run: None, facts: str = "") -> Run:
    """Run cells by name and wait for the end."""
    prepared = prepare(notebook, open_book(notebook), names, given or {}, filled or {}, state)
    setting = Setting("test", state, limits=limits, system=system, facts=facts)
    return asyncio.run(run_cells(prepared, setting, SystemClock(), answer, stop or Stop(), see))
