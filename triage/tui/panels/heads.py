"""The first rows of a part of the debug screen: its name, what it comes to, and what is wrong with the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from triage.facts.outcome import Failure
from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import VERDICT_ROLES, Line, Role, line, wrap
from triage.tui.panels.features import second_of_day
from triage.tui.view import View

SHOWN_AS = {Verdict.FAIL: Verdict.WARN}
"""What is beyond its limit warns; where it must fail the model it is an objective. The reports say the same."""
QUIET = (Verdict.PASS, Verdict.NOT_JUDGED)
"""What needs no reason beside it. Only the first is fine: of the other nothing is expected."""
_LOUD = (Verdict.WARN, Verdict.UNKNOWN, Verdict.LOW_N, Verdict.PENDING)
_Item = TypeVar("_Item")


def shown_as(verdict: Verdict) -> Verdict:
    """The verdict that a figure or a feature view shows for the model."""
    return SHOWN_AS.get(verdict, verdict)


def loudest(items: Sequence[_Item], verdict: Callable[[_Item], Verdict]) -> _Item | None:
    """The first of those that are most in need of a look; None where all are fine."""
    return next((item for wanted in _LOUD for item in items if verdict(item) is wanted), None)


def as_of(answered_at: float | None, view: View, *, stale: bool) -> str:
    """``as of 14:32:40``, with its age once that is too old; "" without an answer."""
    if answered_at is None:
        return ""
    old = f", {wording.coarse_age(max(0.0, view.now - answered_at))} old" if stale else ""
    return f"as of {second_of_day(answered_at, view.now)}{old}"


def head(title: str, worst: tuple[Verdict, str] | None, about: str, view: View, width: int, *,
         stale: bool = False, chosen: bool = False) -> Line:
    """One row that stands for the whole part: ``worst`` is what is not fine, with its glyph; None: all is.

    ``chosen``: the cursor is on the part as a whole.
    """
    loud = line()
    if worst is not None:
        verdict, said = worst
        role = Role.STALE if stale else VERDICT_ROLES[verdict]
        loud = line("  ", (view.look.glyph(verdict), role), " ", (f"({said})" if stale else said, role),
                    (", " if about else "", Role.DIM))
    return line(mark(view, chosen=chosen), (title, Role.HEADING), loud, ("" if worst is not None else "  ", Role.DIM),
                (about, Role.DIM)).fitted(width, view.look.ellipsis)


def failed(failure: Failure | None, view: View, width: int) -> list[Line]:
    """Why there is no newer answer, and what to do; [] when there is one."""
    if failure is None:
        return []
    hint = f"; {failure.hint}" if failure.hint else ""
    said = f"not renewed: {failure.sentence()}{hint}"
    wrapped = wrap(view.look.say(said), max(8, width - 4))[:2]
    return [line(" ", view.look.mark(Verdict.UNKNOWN) if not number else "  ", (text, Role.UNKNOWN))
            .fitted(width, view.look.ellipsis) for number, text in enumerate(wrapped)]


def mark(view: View, *, chosen: bool) -> Line:
    """The cursor, or the room for it."""
    return line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")


def unanswered(failure: Failure | None, view: View) -> tuple[tuple[Verdict, str] | None, str]:
    """What a heading says before a first answer: (what is wrong, what else)."""
    if failure is not None:
        return (Verdict.UNKNOWN, f"not answered: {failure.sentence()}"), ""
    return None, "the picture is paused, p goes on" if view.paused_at is not None else "asked, no answer yet"


def between(low: str, high: str) -> str:
    """``50.02 … 51.98 %``: the unit once."""
    unit = " %"
    return f"{low.removesuffix(unit) if high.endswith(unit) else low} … {high}"


def bracketed(text: str, *, stale: bool) -> tuple[str, Role]:
    """A value in its role; in brackets and dimmed when it no longer describes the present."""
    return (f"({text})", Role.STALE) if stale and text != "-" else (text, Role.PLAIN)
