"""Having a plan confirmed on the command line: the name typed, and every guard that cannot tell acknowledged."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from triage.errors import TriageError

if TYPE_CHECKING:
    from triage.actions.steps import Confirmation, Prepared

DEAF_SECONDS = 0.5
"""After a plan stands, so long nothing that is typed counts."""


def confirmation(prepared: Prepared, *, stopped: bool, confirm: str | None = None, acknowledged: Iterable[str] = (),
                 break_glass: str = "", options: bool = True) -> Confirmation:
    """What was typed, or is typed now; whoever cannot be asked has to have said it before.

    ``stopped``: guards stop it whatever is typed. ``confirm`` and ``acknowledged`` are what the command line said,
    where it has ``options`` for that. Raises :class:`~triage.errors.TriageError` when it is not confirmed.
    """
    from triage.actions.steps import Confirmation
    plan = prepared.plan
    said = set(acknowledged)
    if confirm is not None and confirm not in (plan.target.model, plan.confirmation):
        raise TriageError(f"--confirm does not name the target: {plan.target.model}", "read the plan again")
    if stopped:
        # The executor says which; nobody is asked to type for nothing.
        return Confirmation(plan.confirmation, frozenset(said), break_glass)
    missing = [word for word in prepared.acknowledgements if word not in said]
    if (missing or confirm is None) and not sys.stdin.isatty():
        told = (*([f"--confirm {plan.target.model}"] if confirm is None else []),
                *(f"--acknowledge {word}" for word in missing))
        raise TriageError(f"{plan.title} has to be confirmed", "run it from a terminal" + (
            f", or read the plan and add: {' '.join(told)}" if options else ""))
    for word in missing:
        _deaf()
        typed = click.prompt(f'type "without {word}" to go on without it', default="", show_default=False, err=True)
        said.add(typed.strip().removeprefix("without "))
    if confirm is None:
        _typed(prepared)
    return Confirmation(plan.confirmation, frozenset(said), break_glass)


def _typed(prepared: Prepared) -> None:
    """Have the name typed, or a pause confirmed."""
    plan = prepared.plan
    _deaf()
    agreed = (click.prompt(f"type {plan.confirmation} to go on", default="", show_default=False, err=True).strip()
              == plan.confirmation if plan.confirmation else click.confirm(f"{plan.title}?", err=True))
    if not agreed:
        raise TriageError("it was not confirmed: nothing was sent")


def _deaf() -> None:
    """Keys that were typed before anybody can have read what stands here do not count. Where the system has no such
    terminals, they do."""
    time.sleep(DEAF_SECONDS)
    try:
        import termios
    except ImportError:
        return
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
