"""The folder in which cells work: what of the notebook's folder is there, and which files they can change from it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from triage.cells.protection import Means

Files = Literal["read-only", "copies", "shared", "all"]
"""Which files a run can change: none but its own, none of the notebook's folder, those too, and those on purpose."""
FILES: Mapping[Files, str] = {
    "read-only": "files: those that you can read; none can be changed but its own",
    "copies": "files: those that you can read and change; of the notebook's folder it has copies",
    "shared": "files: those that you can read and change, the notebook's folder too, which cannot be copied",
    "all": "files: those that you can read and change, as it is declared to change something"}
"""Each in a sentence."""
_MOST_BYTES = 100_000_000
_MOST_FILES = 2_000
"""A larger folder is not copied for every run."""


def files_of(found: Means, notebook: Path, *, changes: bool) -> Files:
    """Which files a run can change. ``notebook``: the notebook's folder; ``changes``: whether the run is declared to
    change something."""
    if changes:
        return "all"
    if found.files:
        return "read-only"
    return "copies" if _can_be_copied(notebook) else "shared"


def fill(notebook: Path, work: Path, files: Files) -> None:
    """Everything of the notebook's folder appears in ``work``. What a cell writes beside it goes with the run. Raises
    OSError when there is no room for it."""
    if files == "copies":
        shutil.copytree(notebook.resolve(), work, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        return
    for entry in notebook.resolve().iterdir():
        with suppress(OSError):
            (work / entry.name).symlink_to(entry)


def _can_be_copied(folder: Path) -> bool:
    """Whether it is small, and holds only files and folders that can be read."""
    size = count = 0
    for parent, folders, names in os.walk(folder.resolve()):
        count += len(folders) + len(names)
        if any(Path(parent, name).is_symlink() or not os.access(Path(parent, name), os.R_OK) for name in folders):
            return False
        for name in names:
            path = Path(parent, name)
            try:
                about = path.stat()
            except FileNotFoundError:
                # A link to nothing.
                continue
            except OSError:
                return False
            if not stat.S_ISREG(about.st_mode) or not os.access(path, os.R_OK):
                return False
            size += about.st_size
        if size > _MOST_BYTES or count > _MOST_FILES:
            return False
    return True
