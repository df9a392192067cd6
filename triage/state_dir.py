"""The state directory: what triage remembers between two starts, in files that only their owner can read.

Names are looked up folder by folder through descriptors and never through a symlink, so that nobody who can write
next to it can lead a write astray. A file is replaced as a whole or not at all; a log grows by one line per write.
All calls block for as long as the disk takes.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from triage.errors import TriageError
from triage.text import clean

MAX_BYTES = 64_000_000
"""Bytes read of one file; a larger one was not written by triage."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_ASTRAY = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR})
_LOG = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AGAIN_SECONDS = 0.005
"""Between two tries to get a lock."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class StateError(TriageError):
    """Something in the state directory cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file changed, without reading it."""

    size_bytes: int
    modified_nanoseconds: int
    inode: int


class Hold:
    """A lock that is held; the end of the process releases it too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let others have it; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def state_home(environ: Mapping[str, str]) -> Path:
    """Where the state is kept: ``TRIAGE_STATE``, else ``XDG_STATE_HOME/triage``, else ``~/.local/state/triage``.

    A relative ``XDG_STATE_HOME`` counts as none (XDG Base Directory Specification). Raises :class:`StateError` when
    the home directory is not known either.
    """
    try:
        if own := environ.get("TRIAGE_STATE"):
            return Path(own).expanduser().absolute()
        home = Path(environ.get("XDG_STATE_HOME", ""))
        if home.is_absolute():
            return home / "triage"
        return Path("~/.local/state/triage").expanduser().absolute()
    except RuntimeError:
        raise StateError("the state directory is not known: this user has no home directory",
                         "set TRIAGE_STATE to a directory of your own") from None


def file_name(text: str) -> str:
    """``text`` as the name of a file: itself where that is possible, else what is left of it and a digest of it all.

    Different texts get different names.
    """
    if _NAME.fullmatch(text) and not re.search(r"\.[0-9a-f]{12}$", text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:60] or "name"
    return f"{kept}.{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


class StateDir:
    """A folder of the state directory, made when something is first written into it.

    ``file`` is always one name as :func:`file_name` makes them, never a path. Every method raises
    :class:`StateError` when the disk, the permissions, a symlink or another owner is in the way.
    """

    def __init__(self, home: Path, *folders: str) -> None:
        self._home = home
        self._folders = tuple(_checked(folder) for folder in folders)

    @property
    def path(self) -> Path:
        """Where it is, to be shown; it may not exist yet."""
        return self._home.joinpath(*self._folders)

    def folder(self, *names: str) -> StateDir:
        """The folder ``names`` inside this one."""
        return StateDir(self._home, *self._folders, *names)

    def files(self) -> tuple[str, ...]:
        """Names of the files in this folder, sorted; none when it was never written to."""
        with self._opened("list", "", create=False) as folder:
            if folder is None:
                return ()
            with os.scandir(folder) as entries:
                return tuple(sorted(entry.name for entry in entries
                                    if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)))

    def read(self, file: str) -> bytes | None:
        """The content of ``file``; None when there is none."""
        with self._opened("read", file, create=False) as folder:
            if folder is None:
                return None
            try:
                descriptor = os.open(_checked(file), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                                     dir_fd=folder)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as stream:
                _must_be_ours(stream.fileno(), self.path / file)
                content = stream.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise StateError(f"{self._shown(file)} is larger than {MAX_BYTES:,} bytes", "move it away")
            return content

    def stamp(self, file: str) -> Stamp | None:
        """What to compare to see whether ``file`` changed; None when there is none."""
        with self._opened("read", file, create=False) as folder:
            if folder is None:
                return None
            try:
                found = os.stat(_checked(file), dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None
            return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)

    def write(self, file: str, content: bytes) -> None:
        """Replace ``file``: whoever reads it sees the old content or the new, and the new one survives a power cut."""
        with self._opened("write", file, create=True) as folder:
            assert folder is not None  # noqa: S101 - create=True gives a folder or raises
            name = _checked(file)
            new = self._written_aside(folder, name, content)
            try:
                os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(new, dir_fd=folder)
                raise
            os.fsync(folder)

    def append(self, file: str, line: bytes, wait_seconds: float = 5.0) -> None:
        """Add ``line`` (without its end) to the log ``file``, on the disk when this returns.

        One write, at the end of the file as it is then, while others wait: two processes lose nothing of each other,
        also in a folder that two machines share, where the end of a file is not known without a lock. Who locks it for
        longer than ``wait_seconds``, as a log shipper may, is not waited for: :class:`StateError`. What an earlier
        write left torn (a full disk) is closed with a newline first, so a torn line spoils no other.
        """
        if b"\n" in line:
            raise ValueError("a line of a log holds no newline")
        with self._opened("write", file, create=True) as folder:
            assert folder is not None  # noqa: S101 - create=True gives a folder or raises
            descriptor = os.open(_checked(file), _LOG, 0o600, dir_fd=folder)
            try:
                _must_be_ours(descriptor, self.path / file)
                self._lock(descriptor, file, wait_seconds)
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                record = (b"\n" if torn else b"") + line + b"\n"
                if os.write(descriptor, record) != len(record):
                    raise StateError(f"{self._shown(file)} could not be written in full", "free some disk space")
                os.fsync(descriptor)
                if size == 0:
                    os.fsync(folder)
            finally:
                os.close(descriptor)

    def create(self, file: str, content: bytes) -> bool:
        """Write ``file`` unless there is one. False when there is: of several processes exactly one gets True."""
        with self._opened("write", file, create=True) as folder:
            assert folder is not None  # noqa: S101 - create=True gives a folder or raises
            name = _checked(file)
            new = self._written_aside(folder, name, content)
            try:
                os.link(new, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                return False
            finally:
                os.unlink(new, dir_fd=folder)
            os.fsync(folder)
            return True

    def probe(self, file: str) -> None:
        """That a line could be added to ``file`` now, without adding one; an empty file may be left."""
        with self._opened("write", file, create=True) as folder:
            assert folder is not None  # noqa: S101 - create=True gives a folder or raises
            descriptor = os.open(_checked(file), _LOG, 0o600, dir_fd=folder)
            try:
                _must_be_ours(descriptor, self.path / file)
            finally:
                os.close(descriptor)

    def remove(self, file: str) -> None:
        """Remove ``file``; nothing happens when there is none."""
        with self._opened("remove", file, create=False) as folder, suppress(FileNotFoundError):
            if folder is not None:
                os.unlink(_checked(file), dir_fd=folder)

    def hold(self, file: str) -> Hold | None:
        """Lock ``file`` against every other process, until released or until this process ends, however it ends.

        None when somebody else holds it. ``file`` serves for nothing but this and stays empty.
        """
        with self._opened("lock", file, create=True) as folder:
            assert folder is not None  # noqa: S101 - create=True gives a folder or raises
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(_checked(file), flags, 0o600, dir_fd=folder)
            try:
                _must_be_ours(descriptor, self.path / file)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            return Hold(descriptor)

    @contextmanager
    def locked(self, file: str, wait_seconds: float = 5.0) -> Iterator[None]:
        """Hold ``file``, waiting for others for ``wait_seconds`` at most; then :class:`StateError`."""
        until = time.monotonic() + wait_seconds
        while (hold := self.hold(file)) is None:
            if time.monotonic() > until:
                raise self._held_up(file, wait_seconds, "see which triage hangs, and end it")
            time.sleep(_AGAIN_SECONDS)
        try:
            yield
        finally:
            hold.release()

    def _lock(self, descriptor: int, file: str, wait_seconds: float) -> None:
        """Lock what is open, until it is closed, waiting for others for ``wait_seconds`` at most."""
        until = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise self._held_up(file, wait_seconds, "see what else writes that file or keeps it locked "
                                        "(lslocks), and end it") from None
            except OSError:
                # Where the file system knows no locks, a single write at the end is the best there is.
                return
            time.sleep(_AGAIN_SECONDS)

    def _held_up(self, file: str, wait_seconds: float, hint: str) -> StateError:
        return StateError(f"{self._shown(file)} has been locked by another process for {wait_seconds:g} s", hint)

    @contextmanager
    def _opened(self, what: str, file: str, *, create: bool) -> Iterator[int | None]:
        """A descriptor of this folder; None when it does not exist and is not to be made. Says OSErrors for people."""
        held: list[int] = []
        try:
            try:
                if create:
                    self._home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.append(self._enter(str(self._home), None, create, self._home))
                for depth, name in enumerate(self._folders, 1):
                    held.append(self._enter(name, held[-1], create, self._home.joinpath(*self._folders[:depth])))
            except FileNotFoundError:
                if create:
                    raise
                yield None
                return
            yield held[-1]
        except OSError as error:
            reason = "it is a symlink, or something in its place" if error.errno in _ASTRAY else error.strerror
            raise StateError(f"cannot {what} {self._shown(file)}: {clean(reason or error)}",
                             "check that directory, or set TRIAGE_STATE to another one") from None
        finally:
            for descriptor in reversed(held):
                os.close(descriptor)

    @staticmethod
    def _written_aside(folder: int, name: str, content: bytes) -> str:
        """Name of a new file beside ``name`` with ``content``, on the disk."""
        new = f".{name[:100]}.{secrets.token_hex(6)}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600,
                             dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            os.unlink(new, dir_fd=folder)
            raise
        return new

    def _enter(self, name: str, parent: int | None, create: bool, path: Path) -> int:
        if create:
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
        try:
            _must_be_ours(descriptor, path, is_file=False)
        except StateError:
            os.close(descriptor)
            raise
        return descriptor

    def _shown(self, file: str) -> str:
        return clean(self.path / file if file else self.path)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} names no file: pass it through file_name()")
    return name


def _must_be_ours(descriptor: int, path: Path, *, is_file: bool = True) -> None:
    """Raises :class:`StateError` where ``path``, opened as ``descriptor``, is another's or open to others."""
    found, shown = os.fstat(descriptor), clean(path)
    if found.st_uid != os.geteuid():
        raise StateError(f"{shown} belongs to another user", "set TRIAGE_STATE to a directory of your own")
    if is_file and not stat.S_ISREG(found.st_mode):
        raise StateError(f"{shown} is not a file", "move it away")
    if found.st_mode & 0o077:
        raise StateError(f"{shown} is open to other users", f"chmod {'600' if is_file else '700'} it")
