"""The guards: each a small pure check of the circumstances, with a verdict and a sentence."""

from __future__ import annotations

from triage.actions.circumstances import Circumstances
from triage.actions.guards import evidence, foundation, past, persons, rules
from triage.actions.guards.checking import Checked, Guard, run

GUARDS: tuple[Guard, ...] = (*foundation.GUARDS, *evidence.GUARDS, *rules.GUARDS, *persons.GUARDS,
                             *past.GUARDS)
"""All of them, in the order in which they are shown: what stops everything first."""


def check(circumstances: Circumstances) -> tuple[Checked, ...]:
    """The answers of all guards that are about the plan's action."""
    return run(GUARDS, circumstances)
