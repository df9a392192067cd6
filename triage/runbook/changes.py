"""What differs between two texts of a runbook, step by step: for whoever works with one that was edited meanwhile."""

from __future__ import annotations

from dataclasses import fields

from triage.runbook.steps import Runbook, Step

_SHOWN = 8


def changes(before: Runbook, after: Runbook) -> tuple[str, ...]:
    """Each difference in one sentence, steps by their present number; () when a reader would see none."""
    out = []
    for step in after.steps:
        old = before.step(step.id)
        if old is None:
            out.append(f"new: {step.number} {step.title}")
        elif old != step:
            out.append(f"changed: {step.number} {step.title} ({', '.join(_differing(old, step))})")
    out += [f"gone: {step.title}" for step in before.steps if after.step(step.id) is None]
    common = [step.id for step in before.steps if after.step(step.id) is not None]
    if common != [step.id for step in after.steps if before.step(step.id) is not None]:
        out.append("the order of the steps")
    if not out and (before.sections, before.title) != (after.sections, after.title):
        out.append("the text between the steps")
    return tuple(out if len(out) <= _SHOWN else [*out[:_SHOWN - 1], f"and {len(out) - _SHOWN + 1} more"])


_WORDS = {"prose": "text", "budget_seconds": "budget", "hold_seconds": "for", "expect": "expect"}


def _differing(old: Step, new: Step) -> list[str]:
    """Names of what differs, as the runbook writes them."""
    names: list[str] = []
    if old.kind != new.kind:
        names.append("kind")
    else:
        names += [field.name for field in fields(new.does)
                  if getattr(old.does, field.name) != getattr(new.does, field.name)]
    names += [field.name for field in fields(new)
              if field.compare and field.name != "does" and getattr(old, field.name) != getattr(new, field.name)]
    return [_WORDS.get(name, name) for name in names]
