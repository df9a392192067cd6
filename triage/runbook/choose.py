"""Which runbook answers what is going on: by the alerts that fire, else by what the verdict's reasons are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.runbook.steps import Check, Runbook
from triage.signals import wording
from triage.signals.reading import Urgency, Verdict

if TYPE_CHECKING:
    from triage.signals.model import ModelState

_WEIGHT = {Urgency.PAGE: 100, Urgency.TICKET: 10, Urgency.NONE: 1}
_LOUD = frozenset({Verdict.FAIL, Verdict.WARN})


@dataclass(frozen=True, slots=True)
class Match:
    """A runbook and what speaks for it."""

    runbook: Runbook
    why: str
    """``for FraudCanarySlow, since 14:19``; "" when nothing asks for it."""


def choose(runbooks: Sequence[Runbook], model: ModelState, now: float) -> Match:
    """The one of ``runbooks`` (at least one) that fits best; of equals the first."""
    weighed = [(_weight(runbook, model, now), runbook) for runbook in runbooks]
    (_, why), best = max(weighed, key=lambda each: each[0][0])
    return Match(best, why)


def _weight(runbook: Runbook, model: ModelState, now: float) -> tuple[int, str]:
    firing = [group for group in model.alerts if group.name in runbook.alerts and group.state == "firing"]
    if firing:
        first = min(firing, key=lambda group: (-_WEIGHT[group.urgency], group.since))
        more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
        weight = 10_000 + sum(_WEIGHT[group.urgency] for group in firing)
        return weight, f"for {first.name}{more}, since {wording.clock_time(first.since, now)}"
    subjects = {step.does.signal.name for step in runbook.steps
                if isinstance(step.does, Check) and step.does.signal is not None}
    about = [reason for reason in model.reasons if reason.verdict in _LOUD]
    named = [reason for reason in about if reason.subject in subjects]
    if about:
        first_reason = (named or about)[0]
        words = f"for {first_reason.rule}" + (f": {first_reason.subject}" if first_reason.subject else "")
        return 1000 * bool(named) + sum(_WEIGHT[reason.urgency] for reason in named), words
    return 0, ""
