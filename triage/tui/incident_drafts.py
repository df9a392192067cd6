"""Files for the drafts of postmortems: a draft that is there already is never written over."""

from __future__ import annotations

import os
from pathlib import Path

from triage.errors import TriageError
from triage.state_dir import StateDir

EXPORTS = "exports"
"""Folder of the state directory for drafts that can be written nowhere else."""
_MOST = 100


def write_beside(folder: Path, name: str, text: str) -> str:
    """Write ``text`` as ``NAME.md`` into ``folder``; as ``NAME-2.md`` and so on where that is there already.

    A draft that somebody has worked on is never written over. Returns the path; raises :class:`TriageError`.
    """
    for number in range(1, _MOST):
        path = folder / _draft(name, number)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            raise TriageError(f"{path} cannot be written: {error.strerror}",
                              f"triage incident export {name} prints it") from None
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        return str(path)
    raise _too_many(folder, name)


def write_kept(folder: StateDir, name: str, text: str) -> str:
    """The same in a folder of the state directory. Raises :class:`~triage.state_dir.StateError` too."""
    for number in range(1, _MOST):
        file = _draft(name, number)
        if folder.create(file, text.encode("utf-8", "replace")):
            return str(folder.path / file)
    raise _too_many(folder.path, name)


def _draft(name: str, number: int) -> str:
    return f"{name}.md" if number == 1 else f"{name}-{number}.md"


def _too_many(folder: Path, name: str) -> TriageError:
    return TriageError(f"{folder} holds a hundred drafts of {name}", "move them away")
