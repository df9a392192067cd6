"""The guards: each a small pure check of the circumstances, with a verdict and a sentence."""

from __future__ import annotations

from triage.actions.circumstances import Circumstances
from triage.actions.guards import evidence, foundation, past, persons, roles, rules
from triage.actions.guards.checking import Checked, Guard, run

GUARDS: tuple[Guard, ...] = (*foundation.GUARDS, *roles.GUARDS, *evidence.GUARDS, *rules.GUARDS, *persons.GUARDS,
                             *past.GUARDS)
"""All of them, in the order in which they are shown: what stops everything first."""


_AT_HAND = frozenset({"lease", "journal", "roles", "facts", "capacity", "freeze", "gitops", "budget", "trial",
                      "persons", "ends", "cool-down", "toggle"})
"""Guards that look at what is known before a plan is rehearsed and its version looked up."""


def foresee(circumstances: Circumstances) -> tuple[Checked, ...]:
    """The answers of the guards that need no rehearsal and no look into the registry: what a menu can say already."""
    return run((guard for guard in GUARDS if guard.name in _AT_HAND), circumstances)


def check(circumstances: Circumstances) -> tuple[Checked, ...]:
    """The answers of all guards that are about the plan's action."""
    return run(GUARDS, circumstances)
