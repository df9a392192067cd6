"""Where runs are kept, and the marks of those that go on. Every start looks for them, so little is loaded here."""

from __future__ import annotations

from triage.state_dir import StateDir, file_name

CELLS = "cells"
"""Folder of the state directory."""
MARK = ".running"
"""Ends the name of the file that is locked while a run goes on."""
LOCK = "lock"
"""Held for a moment by whoever begins a run, and by whoever looks for what was left."""


def marks(cells: StateDir, model: str) -> tuple[str, ...]:
    """Names of the marks of ``model``: of runs that go on, and of those whose triage died. ``cells``: the folder
    :data:`CELLS`. Raises :class:`~triage.state_dir.StateError`."""
    return tuple(name for name in cells.folder(file_name(model)).files() if name.endswith(MARK))
