"""The processes of a run: how many there are, what they use, and their end."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

import psutil

from triage.cells.protection import COOKIE

_SWEEPS = 20
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Use:
    """What the processes below one use together."""

    processes: int
    memory_bytes: int


def use_of(pid: int, enough_bytes: int) -> Use:
    """What the process ``pid`` and everything below it use; nothing when it is gone.

    Memory that several share is counted once where the sum with it is more than ``enough_bytes``: to tell them apart
    is slow, and not needed below that.
    """
    family = _family(pid)
    count = memory = 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            memory += process.memory_info().rss
            count += 1
    return Use(count, memory if memory <= enough_bytes else sum(map(_own_share, family)))


def _own_share(process: psutil.Process) -> int:
    """Bytes of a process, with what it shares divided by those who share it, where the system tells that."""
    try:
        return int(getattr(process.memory_full_info(), "pss", 0)) or int(process.memory_info().rss)
    except psutil.AccessDenied:
        with contextlib.suppress(psutil.Error):
            return int(process.memory_info().rss)
    except psutil.Error:
        pass
    return 0


def end_all(pid: int, run_id: str) -> tuple[int, ...]:
    """Kill the process ``pid``, everything below it, and whatever else carries the run's cookie. Blocks shortly.

    Ids of processes that are left nevertheless; empty as a rule.
    """
    for _ in range(_SWEEPS):
        left = [p for p in [*_family(pid), *_marked(run_id)] if _lives(p)]
        if not left:
            return ()
        # Those that could start others first stand still, then all are killed.
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_PAUSE_SECONDS)
    return tuple(p.pid for p in [*_family(pid), *_marked(run_id)] if _lives(p))


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _marked(run_id: str) -> list[psutil.Process]:
    """Processes of this user whose environment holds the run's cookie."""
    found = []
    me = os.getuid()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.uids().real == me \
                    and process.environ().get(COOKIE) == run_id:
                found.append(process)
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
