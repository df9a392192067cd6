"""An action while it is carried out and watched, and its receipt at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.tui.line import BLANK, VERDICT_ROLES, Line, Role, line, wrap

if TYPE_CHECKING:
    from triage.actions.steps import Prepared, Step
    from triage.signals.reading import Verdict
    from triage.tui.look import Look

_AT = 10


@dataclass(frozen=True, slots=True)
class Course:
    """One action that was confirmed."""

    prepared: Prepared
    steps: tuple[Step, ...]
    contacts: tuple[str, ...] = ()
    """Whom to call when it did not help."""
    now: float = 0.0
    """World time, Unix seconds."""
    began_at: float = 0.0
    """When it was confirmed, world time, Unix seconds."""
    trouble: str = ""
    """Why nothing more comes of it although it has no outcome; "" otherwise."""

    @property
    def ending(self) -> Step | None:
        """The step that says how it ended; None while it goes on."""
        from triage.report.actions import ended
        return ended(self.steps)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.ending is not None or bool(self.trouble)


def course(shown: Course, look: Look, width: int) -> list[Line]:
    """Every step once, the newest look at the target and at the readings, then the receipt."""
    out: list[Line] = []
    ending = shown.ending
    for step in _told(shown.steps):
        # The receipt says how the readings are in the end.
        if ending is None or not step.recovery:
            out += _step(step, shown, look, width)
    if shown.trouble:
        out += [BLANK, *(line((text, Role.UNKNOWN)) for text in wrap(look.say(shown.trouble), width))]
    if ending is not None:
        out += [BLANK, *_receipt(ending, shown, look, width)]
    return out


def _told(steps: Sequence[Step]) -> list[Step]:
    """Without what is said in the receipt, and of looks that follow one another the last one of each kind."""
    from triage.actions.steps import Stage
    kept: list[Step] = []
    for step in steps:
        if step.stage is Stage.OUTCOME:
            continue
        again = kept and step.stage is Stage.VERIFYING and kept[-1].stage is Stage.VERIFYING
        if again and bool(kept[-1].recovery) == bool(step.recovery):
            kept.pop()
        kept.append(step)
    return kept


def _step(step: Step, shown: Course, look: Look, width: int) -> list[Line]:
    from triage.actions.steps import Stage
    from triage.actions.system import Fate, Progress
    from triage.signals.reading import Verdict
    from triage.signals.wording import clock_time
    verdict = Verdict.PASS
    if step.fate is not None:
        verdict = {Fate.DONE: Verdict.PASS, Fate.UNKNOWN: Verdict.UNKNOWN}.get(step.fate, Verdict.FAIL)
    if step.stage is Stage.BREAK_GLASS:
        verdict = Verdict.WARN
    if step.stage is Stage.VERIFYING:
        verdict = Verdict.PASS if step.progress is Progress.REACHED and not step.recovery else Verdict.PENDING
    number = "" if step.request is None else f" {step.request + 1} of {len(shown.prepared.plan.requests)}"
    head = line(look.mark(verdict), (f"{clock_time(step.at, shown.now):<{_AT}}", Role.DIM))
    if step.recovery:
        left = "" if step.deadline is None or shown.is_over else f", {_left(step.deadline - shown.now)}"
        gone = "" if step.progress is Progress.REACHED else f"; its target: {step.progress}"
        out = [line(head, (f"watching the readings{left}{gone}", Role.PLAIN)).fitted(width, look.ellipsis)]
        for each in step.recovery:
            state = {True: Verdict.PASS, False: Verdict.WARN, None: Verdict.UNKNOWN}[each.recovered]
            out += _wrapped(line("  ", look.mark(state)), each.sentence, look, width)
        return out
    return _wrapped(line(head, (f"{step.stage}{number}  ", Role.DIM)), step.sentence, look, width)


def _wrapped(head: Line, text: str, look: Look, width: int) -> list[Line]:
    rows = wrap(look.say(text), max(8, width - head.width)) or [""]
    return [line(head if not number else " " * head.width, row).fitted(width, look.ellipsis)
            for number, row in enumerate(rows)]


def _left(seconds: float) -> str:
    from triage.signals.wording import age
    return f"{age(seconds)} left" if seconds > 0 else "its time is over"


def _receipt(ending: Step, shown: Course, look: Look, width: int) -> list[Line]:
    from triage.actions.history import Outcome
    from triage.report.actions import OUTCOMES, next_step
    outcome = ending.outcome or Outcome.UNKNOWN
    verdict: Verdict = OUTCOMES[outcome]
    head = line(look.mark(verdict), (f"{str(outcome).upper()}  ", VERDICT_ROLES[verdict]))
    out = _wrapped(head, ending.sentence, look, width)
    plan = shown.prepared.plan
    if outcome is not Outcome.REFUSED:
        out += _wrapped(line("  "), f"in the journal as plan {plan.short}", look, width)
    if (more := next_step(outcome)):
        called = f"; call {', '.join(shown.contacts)}" if shown.contacts else ""
        out += _wrapped(line("  "), f"{more}{called}", look, width)
    return out
