"""What the controller of Argo Rollouts will do: where a canary stops next, and how a rollback goes. Pure.

Source: Argo Rollouts 1.9, ``docs/features/rollback.md`` and ``isRollbackWithinWindow`` in ``rollout/sync.go``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from triage.actions.rollouts.drafting import duration, percent
from triage.facts.rollouts import Revision, RolloutFacts, Step
from triage.signals.deployed import step_of


@dataclass(frozen=True, slots=True)
class Course:
    """How a change goes."""

    sentence: str
    seconds: float
    """Of the pauses on the way; starting pods and analyses come on top. 0 when it goes at once."""
    waits_for_person: bool
    """Whether it stops on the way until somebody resumes it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a canary stands still next."""

    index: int
    """Of the step; as many as there are steps when nothing is left."""
    weight: float
    """Percent for the canary there."""
    sentence: str


def next_stop(facts: RolloutFacts, start: int) -> Stop:
    """Where a canary comes to that goes on with step ``start``."""
    weight = facts.weight_asked or 0.0
    for index, step in enumerate(facts.steps[start:], start):
        if step.weight is not None:
            weight = step.weight
        elif _stands(step):
            # Counted as everywhere: by the shares of the traffic, not by the controller's own list.
            counted = step_of(replace(facts, step_index=index))
            place = "" if counted is None else f"step {counted[0]} of {counted[1]}: "
            return Stop(index, weight, f"to {place}{percent(weight)}, then {step.text}")
    return Stop(len(facts.steps), 100.0, "through the last step: all traffic, and it becomes the stable version")


def _stands(step: Step) -> bool:
    return step.until_resumed or step.pause_seconds is not None or step.text.startswith("analysis")


def rollback_course(target: Revision, facts: RolloutFacts) -> Course:
    """How going to ``target`` goes: the controller skips the steps only for the stable version and within its window.

    When creation times are not known the slow way is told: it must not be promised faster than it is.
    """
    if not facts.steps:
        return Course("at once: it has no steps", 0.0, False)
    if facts.stable is not None and target.pod_hash == facts.stable.pod_hash:
        return Course("fast: the target is the stable version, the steps are skipped", 0.0, False)
    if _within_window(target, facts):
        return Course(f"fast: within rollbackWindow ({facts.rollback_window} revisions), the steps are skipped", 0.0,
                      False)
    return _slow(facts.steps)


def _slow(steps: Sequence[Step]) -> Course:
    seconds = sum(step.pause_seconds or 0.0 for step in steps)
    persons = sum(step.until_resumed for step in steps)
    analyses = sum(step.text.startswith("analysis") for step in steps)
    parts = [f"slow: all {len(steps)} steps run again",
             f"{duration(seconds)} of pauses" if seconds else "no pause of a set length"]
    if persons:
        parts.append(f"it waits for a person {_times(persons)}")
    if analyses:
        parts.append(f"{analyses} {'analysis' if analyses == 1 else 'analyses'} again")
    return Course(", ".join(parts), seconds, persons > 0)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _within_window(target: Revision, facts: RolloutFacts) -> bool:
    stable = facts.stable
    if not facts.rollback_window or stable is None or stable.created_at is None or target.created_at is None:
        return False
    if not target.created_at < stable.created_at:
        return False
    between = [each for each in facts.revisions
               if each.created_at is None or target.created_at < each.created_at < stable.created_at]
    return len(between) < facts.rollback_window
