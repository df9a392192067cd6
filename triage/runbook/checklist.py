"""The incident checklist that a model without a runbook of its own gets, made from its notebook.

Five checks that hold for every model in production: version and manifest, objectives and budget, inputs and features,
rollback when the objectives stay broken, diagnostic cells. It is written in the format of runbooks and read like one,
so that it can be saved and made one's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from triage.runbook.document import parse_runbook
from triage.runbook.steps import Runbook
from triage.signals.model import SloKind

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.signals.model import ModelState

CHECKLIST_ID = "incident-checklist"
_REVIEWED = "2026-11-23"
_MOST_OBJECTIVES = 4
_MOST_CELLS = 4
_LONGEST_NAME = 30
"""Characters of a step's name behind its prefix: a name of a step has forty at most."""


def checklist(model: ModelState, notebook: Notebook, cells: Sequence[tuple[str, str]] = ()) -> Runbook:
    """The checklist for ``model``; ``cells`` are (id, purpose) of its diagnostic cells."""
    return parse_runbook(checklist_text(model, notebook, cells), "")


def checklist_text(model: ModelState, notebook: Notebook, cells: Sequence[tuple[str, str]] = ()) -> str:
    """The same as Markdown."""
    judged = [slo for slo in model.slos if slo.objective is not None or slo.threshold is not None]
    required = sorted(judged, key=lambda slo: not slo.required)[:_MOST_OBJECTIVES]
    fresh = [slo for slo in judged if slo.kind is SloKind.FRESHNESS and slo not in required]
    parts = [
        _lines("---", f"id: {CHECKLIST_ID}", "title: Incident checklist",
               f"owner: {_quoted(notebook.manifest.metadata.owners[0].name)}", f"reviewed: {_REVIEWED}", "---", "",
               "# Incident checklist"),
        _heading("Meaning", "This model has no runbook of its own. These are the checks that hold for every model."),
        _heading("Diagnosis"),
        _step("Is the version that serves the one that was approved?",
              "Registry, notebook and servers must name the same version.",
              id="version", kind="assert", signal="registry", expect="not fail"),
        *(_step(f"Does it keep its promise: {slo.name}?", "", id=_id("objective", slo.name), kind="assert",
                signal=f"slo/{slo.name}", expect="not fail") for slo in required),
        *(_step(f"Is there budget left: {slo.name}?", "", id=_id("budget", slo.name), kind="assert",
                signal=f"slo/{slo.name}/budget", expect="> 0") for slo in required if slo.budget is not None),
        *(_step(f"Are the features fresh: {slo.name}?", "", id=_id("fresh", slo.name), kind="assert",
                signal=f"slo/{slo.name}", expect="pass") for slo in fresh),
        *([_step("Have the inputs moved?", "", id="drift", kind="assert", signal="drift", expect="not fail")]
          if model.drift is not None else []),
        *([_step("Is the version on trial worse?", "", id="canary", kind="assert", signal="canary", expect="not fail")]
          if model.canary is not None else []),
        _step("Inputs and feature store", "Look at schema violations, null shares and the feature store's own page.",
              id="inputs", kind="ask", question="Are inputs valid and features fresh?", choices='["yes", "no"]'),
        *(_step(f"Run the cell {name}", purpose, id=_id("cell", name), kind="cell", cell=name)
          for name, purpose in cells[:_MOST_CELLS]),
        _heading("Mitigation"),
        _step("Roll back to the last known good version",
              "If an objective stays broken. It is always the safe direction.", id="roll-back",
              kind="action", action="rollback", **_to(notebook)),
        _heading("Verify"),
        _step("Give it time", "", id="settle", kind="wait", **{"for": "10m"}),
        *(_step(f"Kept again: {slo.name}", "", id=_id("again", slo.name), kind="assert", signal=f"slo/{slo.name}",
                expect="not fail", **{"for": "10m"}) for slo in required),
        _heading("Escalate"),
        _step("Tell the owners", _owners(notebook), id="escalate", kind="note"),
        _step("Write down what happened", "A runbook of its own for this model is the best outcome of this incident.",
              id="write", kind="note"),
    ]
    return "\n".join(parts)


def _to(notebook: Notebook) -> dict[str, str]:
    good = notebook.manifest.spec.rollback.last_known_good
    return {"to": _quoted(good)} if good else {}


def _owners(notebook: Notebook) -> str:
    return "; ".join(f"{owner.name} ({owner.role}) {owner.contact}".rstrip()
                     for owner in notebook.manifest.metadata.owners) + "."


def _heading(title: str, text: str = "") -> str:
    return _lines("", f"## {title}", *(["", _escaped(text)] if text else []))


def _step(title: str, text: str, **block: str) -> str:
    return _lines("", f"### {_escaped(title)}", *(["", _escaped(text)] if text else []), "", "```triage",
                  *_fields(block), "```")


def _fields(block: Mapping[str, str]) -> Iterator[str]:
    for name, value in block.items():
        plain = name in ("kind", "choices", "to", "for", "id", "action")
        yield f"{name}: {value if plain else _quoted(value)}"


def _lines(*rows: str) -> str:
    return "\n".join(rows)


def _quoted(text: str) -> str:
    """As YAML in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    """As Markdown that shows the characters themselves, in one line."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#+!|&~" else c for c in " ".join(text.split()))


def _id(prefix: str, name: str) -> str:
    """A step's name made of another's, which may hold characters that steps do not; of different ones, different."""
    plain = "".join(c if c.isascii() and (c.isdigit() or c.islower()) else "-" for c in name)
    if plain == name and len(plain) < _LONGEST_NAME:
        return f"{prefix}-{plain}"
    return f"{prefix}-{plain[:_LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
