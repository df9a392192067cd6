"""Lines of files from their ends, in bounded pieces, and which files belong together.

By hand: what reads files backwards in packages does it line by line in text mode, without a bound on a line's length.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 32 * 1024
LONGEST_LINE = 256 * 1024
MOST_FILES = 64
_LOG_NAME = re.compile(r"\.(?:jsonl|ndjson|json|log)(?:[.-][\w.-]*)?$", re.ASCII | re.IGNORECASE)
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4"})


@dataclass(slots=True)
class Allowance:
    """How much may still be read, over all files of one question, and what was left out."""

    left: int
    """Bytes."""
    overlong: int = 0
    """Lines that were longer than :data:`LONGEST_LINE`."""
    foreign: int = 0
    """Files that are not of JSON lines."""
    shrunk: bool = False
    """A file was cut while it was read."""
    spent: bool = False
    """Something was not read because nothing was left."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files of a log."""

    paths: tuple[Path, ...]
    """Changed last comes first."""
    left_out: tuple[str, ...] = field(default=())
    """What was left out and why."""


def log_files(path: Path, changed_since: float) -> Found:
    """The file at ``path`` with its rotated ones, or the log files in the folder ``path``.

    Files not changed since then (Unix seconds) hold nothing newer. Raises OSError when there is nothing there.
    """
    if path.is_dir():
        near = [entry for entry in _entries(path) if _LOG_NAME.search(entry.name)]
    else:
        near = [entry for entry in _entries(path.parent) if entry.name == path.name
                or entry.name.startswith((f"{path.name}.", f"{path.name}-"))]
        if not near:
            path.stat()
    compressed = 0
    changed: list[tuple[float, str, Path]] = []
    for entry in near:
        try:
            # Not that of the directory entry: it may be a link, as the kubelet makes them.
            found = entry.stat()
        except OSError:
            # Rotated away since the folder was read.
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_mtime < changed_since:
            continue
        if entry.suffix.lower() in _COMPRESSED:
            compressed += 1
        else:
            changed.append((found.st_mtime, entry.name, entry))
    paths = tuple(entry for _, _, entry in sorted(changed, reverse=True))
    left_out = []
    if compressed:
        left_out.append(f"{compressed} compressed file{'s' if compressed > 1 else ''} not read")
    if len(paths) > MOST_FILES:
        left_out.append(f"only the {MOST_FILES} files changed last are read, of {len(paths)}")
    return Found(paths[:MOST_FILES], tuple(left_out))


def _entries(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [folder / entry.name for entry in entries]


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A file that is open, as it was when it was opened."""

    descriptor: int
    size: int
    """Bytes."""
    changed_at: float
    """Unix seconds."""
    identity: tuple[int, int]
    """Device and inode: what stays when it is renamed."""


def open_log(path: Path) -> OpenLog | None:
    """A regular file; None for anything else. Raises OSError. The caller closes the descriptor."""
    # Without O_NONBLOCK a named pipe would hold up the program for good.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    return OpenLog(descriptor, found.st_size, found.st_mtime, (found.st_dev, found.st_ino))


def lines_backwards(descriptor: int, size: int, allowance: Allowance) -> Iterator[bytes]:
    """The lines of the first ``size`` bytes, last first, without their ends.

    The first is what follows the last end of line: empty, or a line that is being written. It ends early, and says so
    in ``allowance``, when that is spent or the file shrinks below what was to be read.
    """
    position = size
    tail = b""
    skipping = False
    while position > 0:
        take = min(PIECE, position, allowance.left)
        if take <= 0:
            allowance.spent = True
            return
        piece = os.pread(descriptor, take, position - take)
        allowance.left -= take
        if len(piece) < take or os.fstat(descriptor).st_size < position:
            allowance.shrunk = True
            return
        position -= take
        lines = (piece + tail).split(b"\n")
        tail = lines[0]
        for line in reversed(lines[1:]):
            if skipping:
                skipping = False
            else:
                yield line
        if len(tail) > LONGEST_LINE:
            allowance.overlong += not skipping
            skipping, tail = True, b""
    if size and not skipping:
        yield tail
