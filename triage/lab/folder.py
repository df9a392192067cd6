"""The private folder of a lab's process, and what is left of those that were killed.

Whoever lives holds a lock on a file in its folder, which the system gives back however the process ends. So a folder
whose file can be locked is of a process that is gone; one without the file may be anybody's, and stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

_PREFIX = "triage-lab-"
_HELD = "held"
_OURS = b"the folder of a triage lab\n"
_EXISTING = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class PrivateFolder:
    """A new folder that only its owner can enter (mode 0700), held until it is removed."""

    def __init__(self) -> None:
        """Make it, and remove those that killed processes of this user left behind."""
        base = Path(tempfile.gettempdir())
        for old in base.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                _remove_if_left(old)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock = os.open(self.path / _HELD, os.O_CREAT | os.O_EXCL | _EXISTING, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Only now: whoever finds the file empty found it before it was locked.
        os.write(self._lock, _OURS)

    def remove(self) -> None:
        """Remove it with all that lies in it; a second call does nothing."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _remove_if_left(folder: Path) -> None:
    """Remove it when it was made by a lab of this user that is gone. Raises :class:`OSError` when that is not known."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(at)
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
            return
        lock = os.open(_HELD, _EXISTING, dir_fd=at)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.read(lock, len(_OURS) + 1) == _OURS:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
    finally:
        os.close(at)
