"""Reading a git repository with the ``git`` program: nothing in the repository can make it run something.

Hooks, file-system monitors, external diffs, text conversions and transports that a repository's own configuration may
name are turned off; only plumbing that prints is called; nothing is fetched and nothing is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from triage.facts.outcome import Failure, FailureKind
from triage.text import clean

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 32 * 2**20
NO_REPOSITORY = "is no git repository"
_SETTINGS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.sshCommand=false", "core.pager=cat",
             "protocol.allow=never", "gpg.program=false", "submodule.recurse=false")


async def run(folder: Path, *arguments: str) -> bytes | Failure:
    """What ``git -C folder arguments`` prints; off the event loop, within :data:`TIMEOUT_SECONDS`."""
    command = ["git", "--no-pager", "--no-optional-locks", "--no-replace-objects", "-C", str(folder)]
    for setting in _SETTINGS:
        command += ["-c", setting]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=_environment(), limit=256 * 1024)
    except FileNotFoundError:
        return Failure(FailureKind.CONNECT, "the program git is not installed here",
                       "install git, or keep the registry in registry.yaml")
    except OSError as error:
        return Failure(FailureKind.CONNECT, f"git cannot be started: {clean(error.strerror or error, limit=100)}")
    pipes = [asyncio.create_task(_read(stream)) for stream in (process.stdout, process.stderr)]
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            out, err = await asyncio.gather(*pipes)
            status = await process.wait()
    except _TooMuch:
        return Failure(FailureKind.TOO_LARGE, f"git printed more than {MAX_BYTES:,} bytes",
                       "keep the registry in a repository of its own")
    except TimeoutError:
        return Failure(FailureKind.TIMEOUT, f"git did not answer within {TIMEOUT_SECONDS:g} s",
                       "is the folder on a network file system that hangs?")
    finally:
        if process.returncode is None or not all(pipe.done() for pipe in pipes):
            await asyncio.shield(_ended(process, pipes))
    return out if status == 0 else _failure(err.decode("utf-8", errors="replace"), folder)


async def _ended(process: asyncio.subprocess.Process, pipes: list[asyncio.Task[bytes]]) -> None:
    """Kill it. What it has printed must be read, or asyncio would wait for the pipes for good."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    for pipe in pipes:
        pipe.cancel()
    await asyncio.gather(*pipes, return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(256 * 1024):
                    continue
            await process.wait()


def _environment() -> dict[str, str]:
    """Ours without git's own variables: they could point to another repository, or to programs to run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none", "GIT_ATTR_NOSYSTEM": "1"}


class _TooMuch(Exception):
    """More than :data:`MAX_BYTES` were printed."""


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    """Everything. Raises :class:`_TooMuch`."""
    out = bytearray()
    while stream is not None and (piece := await stream.read(256 * 1024)):
        out += piece
        if len(out) > MAX_BYTES:
            raise _TooMuch
    return bytes(out)


def _failure(said: str, folder: Path) -> Failure:
    lowered = said.lower()
    line = next((text for text in said.splitlines() if text.strip()), "git ended with an error")
    message = clean(line.removeprefix("fatal: "), limit=300)
    if "dubious ownership" in lowered:
        return Failure(FailureKind.FORBIDDEN, f"the repository {clean(folder, limit=200)} belongs to somebody else",
                       f"if you trust it: git config --global --add safe.directory {clean(folder, limit=200)}")
    if "not a git repository" in lowered or "cannot change to" in lowered:
        return Failure(FailureKind.CONNECT, f"{clean(folder, limit=200)} {NO_REPOSITORY}", "check registry.path")
    if any(words in lowered for words in ("does not exist in", "exists on disk, but not in", "not a valid object name",
                                          "invalid object name", "bad file")):
        return Failure(FailureKind.NOT_FOUND, message)
    return Failure(FailureKind.INTERNAL, f"git: {message}", "run git fsck in it")
