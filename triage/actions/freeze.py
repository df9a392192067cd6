"""What holds every action back: the write mode, the kill switches, and freezes that were announced."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from triage.config import Active
from triage.config_actions import Freeze
from triage.signals.wording import clock_time
from triage.text import clean

READONLY_VARIABLE = "TRIAGE_READONLY"
_OFF = frozenset({"", "0", "false", "no"})
_REASON_BYTES = 500


@dataclass(frozen=True, slots=True)
class WriteMode:
    """Whether anything may be executed, decided in this one place."""

    armed: bool
    killed: bool
    """A kill switch is on: then not even a plan is rehearsed."""
    sentence: str
    doubt: str = ""
    """Why one of the switches cannot be seen, as a sentence; "" when all can."""

    @property
    def allows(self) -> bool:
        """Whether actions may be executed."""
        return self.armed and not self.killed


def write_mode(*, write: bool, context_allows: bool, freeze_file: Path, environ: Mapping[str, str] = os.environ,
               ) -> WriteMode:
    """The mode now; cheap, and asked again right before anything is sent.

    The kill switches go before everything: ``TRIAGE_READONLY`` set to anything but 0, no or false, and the freeze
    file. Then ``--write`` (``write``) or ``allow_write`` of the context (``context_allows``) arms. A freeze file that
    cannot be looked for is a doubt: it does not stop the safe direction.
    """
    if environ.get(READONLY_VARIABLE, "").strip().lower() not in _OFF:
        return WriteMode(False, True, f"{READONLY_VARIABLE} is set: nothing is executed")
    doubt = ""
    try:
        found = freeze_file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        doubt = f"{clean(freeze_file)} cannot be looked for: {clean(error.strerror or error)}"
    else:
        reason = _first_line(freeze_file) if stat.S_ISREG(found.st_mode) else ""
        why = f": {reason}" if reason else ""
        return WriteMode(False, True, f"{clean(freeze_file)} exists: nothing is executed{why}")
    if write or context_allows:
        return WriteMode(True, False, "--write" if write else "the context allows writing", doubt)
    return WriteMode(False, False, "read-only: nothing is executed without --write, or allow_write in the context",
                     doubt)


def mode_of(active: Active, *, write: bool, environ: Mapping[str, str] = os.environ) -> WriteMode:
    """Whether anything may be executed now; ``write`` is what the command line says."""
    context = active.context
    return write_mode(write=write, context_allows=context.allow_write,
                      freeze_file=active.beside_config(context.actions.freeze_file), environ=environ)


def current(freezes: Iterable[Freeze], model: str, now: float) -> tuple[str, ...]:
    """A sentence on each announced freeze that is on at ``now`` for ``model``."""
    return tuple(f"frozen until {clock_time(freeze.ends_at, now)}: {freeze.reason}" for freeze in freezes
                 if freeze.starts_at <= now < freeze.ends_at and (not freeze.models or model in freeze.models))


def _first_line(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            text = stream.read(_REASON_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return clean(text.partition("\n")[0].strip(), limit=200)
