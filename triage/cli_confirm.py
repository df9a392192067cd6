"""Having a plan confirmed on the command line: the target's name typed, and every guard that cannot tell
acknowledged."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from triage.cli_typing import typed
from triage.errors import TriageError

if TYPE_CHECKING:
    from triage.actions.plan import Plan
    from triage.actions.steps import Confirmation, Prepared


def confirmation(prepared: Prepared, *, stopped: bool, confirm: str | None = None, acknowledged: Iterable[str] = (),
                 break_glass: str = "", options: bool = True) -> Confirmation:
    """What was typed, or is typed now; whoever cannot be asked has to have said it before.

    ``stopped``: guards stop it whatever is typed. ``confirm`` and ``acknowledged`` are what the command line said,
    where it has ``options`` for that. Raises :class:`~triage.errors.TriageError` when it is not confirmed, and
    :class:`click.Abort` when whoever is asked breaks it off.
    """
    from triage.actions.steps import Confirmation
    plan = prepared.plan
    name = plan.target.called
    said = set(acknowledged)
    if confirm is not None and confirm != name:
        raise _misnamed(plan, confirm)
    if stopped:
        # The executor says which; nobody is asked to type for nothing.
        return Confirmation(plan.confirmation, frozenset(said), break_glass)
    missing = [word for word in prepared.acknowledgements if word not in said]
    if (missing or confirm is None) and not sys.stdin.isatty():
        told = (*([f"--confirm {shlex.quote(name)}"] if confirm is None else []),
                *(f"--acknowledge {word}" for word in missing))
        raise TriageError(f"{plan.title} has to be confirmed", "run it from a terminal" + (
            f", or read the plan and add: {' '.join(told)}" if options else ""))
    for word in missing:
        said.add(typed(f'type "without {word}" to go on without it').removeprefix("without "))
    if confirm is None and not _agreed(plan):
        raise TriageError("it was not confirmed: nothing was sent")
    return Confirmation(plan.confirmation, frozenset(said), break_glass)


def _misnamed(plan: Plan, confirm: str) -> TriageError:
    target = plan.target
    if confirm == target.model:
        return TriageError(f"--confirm names the model, and the target is {target.sentence()}",
                           f"read the plan again, and say: --confirm {shlex.quote(target.called)}")
    return TriageError(f"--confirm does not name the target: {target.called}", "read the plan again")


def _agreed(plan: Plan) -> bool:
    """Whether the name was typed, or a pause agreed to."""
    if plan.confirmation:
        return typed(f"type {plan.confirmation} to go on") == plan.confirmation
    return typed(f"{plan.title}? [y/N]").lower() in ("y", "yes")
