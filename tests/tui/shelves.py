"""Shelves of cells as the screen is shown them: one for each thing that can be said of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.cells.books import C, ipynb
from tests.tui.snapshots import NOW
from triage.cells.document import Cell, parse_book
from triage.cells.outputs import CellVerdict, Output, Picture, Raised, Table, Text
from triage.cells.protection import Limits, Means, sentences
from triage.cells.protocol import Outcome
from triage.cells.results import Against, CellRun, Phase, Run
from triage.cells.workplace import FILES
from triage.desk.cells import Listing, listing_of
from triage.tui.shelf import Shelf

CELLS = (
    ("compare-feature", "Compare a feature between two versions, overall and by country", ("CanaryLatency",), "none"),
    ("drift-reference", "PSI of the features and the score against the training reference", ("FeatureAge",), "none"),
    ("slowest-requests", "The slowest requests and what they have in common", ("CanaryLatency", "Slow"), "none"),
    ("rebuild-features", "Fill the feature view anew from the warehouse", (), "fills the feature view"))
IN_FORCE = sentences(Means(True, True, True, True), Limits(), network="none", files=FILES["read-only"])


def _listing(pin: str = "matches") -> Listing:
    raw = json.dumps(ipynb(C("parameters", 'FEATURE = "amount"\nVERSION = "8"', ["parameters"], None), *(
        C(name, f"ask('{name}')", about={"purpose": purpose, "answers": list(answers), "effects": effects})
        for name, purpose, answers, effects in CELLS)), indent=1).encode()
    book = parse_book(raw, Path("notebook.ipynb"))
    return listing_of("fraud-scorer", book, "differs" if pin == "differs" else "matches", IN_FORCE)


def _run(cell: str, *outputs: Output, outcome: Outcome | None = Outcome.FINISHED, phase: Phase = "ended",
         detail: str = "", dropped: int = 0, trouble: str = "", record: str = "/state/cells/fraud-scorer/20261123T1432Z"
         ) -> Run:
    ended = phase == "ended"
    cells = (CellRun("setup", "", "prerequisite", "", Outcome.FINISHED, seconds=0.41),
             CellRun(cell, "", "asked", "", outcome if ended else None, not ended, 0.21 if ended else None, detail,
                     outputs, dropped))
    return Run("20261123T143200Z-3f9a1c", "fraud-scorer", (cell,), cells, phase, IN_FORCE, NOW - 42,
               NOW - 40 if ended else None, trouble, "Python 3.11.7", record if ended else "")


TABLE = Table(("country", "7", "8"), (("DE", "38.29", "40.28"), ("PL", "40.33", "3408.00")), 3)
FAIL = CellVerdict("compare-feature", "fail", "median amount from PL is 85 times as high on 8 as on 7", 84.5, "x", 5.0)


THEN = Against("/captures/INC-0412", "c75d626e2a83" + "0" * 52, NOW - 90_000, NOW - 3_600)


def _shelf(*runs: Run, pin: str = "matches", values: Mapping[str, str] | None = None) -> Shelf:
    return Shelf("fraud-scorer", _listing(pin), runs={run.asked[0]: run for run in runs}, values=values or {})


def _hostile() -> Run:
    bad = "[red]not markup[/red] ␛]52;c; {u+202e}"
    return _run("compare-feature", Text(f"{bad}\n" * 3), Text("\ttabs\tand wide 東京 " * 20),
                Table((bad,) * 9, ((bad,) * 9,)), CellVerdict(bad, "warn", bad), Picture("png", 5, "", bad),
                outcome=Outcome.FINISHED, record=bad)


SHELVES: Mapping[str, Callable[[], Shelf]] = {
    "reading": lambda: Shelf("fraud-scorer"),
    "unusable": lambda: Shelf("fraud-scorer", Listing("fraud-scorer", None, (), (), "none", IN_FORCE, (
        "notebook.ipynb: cannot be read: Permission denied (check spec.notebook.path and its permissions)",))),
    "no-notebook": lambda: Shelf("fraud-scorer", trouble="there is no notebook of fraud-scorer that can be used"),
    "none": lambda: Shelf("fraud-scorer", Listing("fraud-scorer", parse_book(
        b'{"nbformat": 4, "cells": [], "metadata": {}}', Path("notebook.ipynb")), (), (), "matches", IN_FORCE)),
    "fresh": _shelf,
    "failed": lambda: _shelf(_run("compare-feature", Text("amount by version\n" * 2), TABLE, FAIL)),
    "running": lambda: _shelf(_run("compare-feature", Text("loading 1\nloading 2\n"), phase="running"),
                              values={"FEATURE": "amount", "VERSION": "8"}),
    "stopped": lambda: _shelf(
        _run("compare-feature", Text("x" * 300), outcome=Outcome.TIME_LIMIT, dropped=99_000_000,
             detail="did not heed the interrupt for 3 s, so its kernel was killed"),
        _run("drift-reference", outcome=Outcome.MEMORY_LIMIT, detail="everything it had started was killed")),
    "raised": lambda: _shelf(_run("compare-feature", Text("warning\n", True), Raised(
        "KeyError", "'region'", "Traceback (most recent call last)\nCell In[4], line 3\nKeyError: 'region'"),
        outcome=Outcome.RAISED), pin="differs"),
    "picture": lambda: _shelf(_run("compare-feature", Picture("png", 9, "/state/cells/picture-1.png"),
                                   CellVerdict("c", "pass", "", 0.31, "PSI", 0.25))),
    "broken": lambda: _shelf(_run("compare-feature", outcome=Outcome.NOT_RUN,
                                  trouble="the kernel did not come up, or did not end, in time")),
    "hostile": lambda: _shelf(_hostile()),
    "past": lambda: replace(_shelf(replace(_run("compare-feature", Text("1.0\n"), FAIL), against=THEN)), against=THEN,
                            captures=2),
    "captured": lambda: replace(_shelf(), captures=1, capture="capture of 24h: /captures/INC-0412, 4 files, 1.3 MB"),
    "left": lambda: _shelf(replace(_run("compare-feature", Text("loading 1\n"), outcome=Outcome.TRIAGE_DIED),
                                   ended_at=None)),
}


def chosen(shelf: Shelf) -> str:
    cells: tuple[Cell, ...] = shelf.cells
    return cells[0].id if cells else ""
