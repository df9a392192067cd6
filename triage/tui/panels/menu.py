"""The action menu: every action with its letter, what it would do now, and why it is not possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.tui.line import BLANK, Line, Role, line, wrap

if TYPE_CHECKING:
    from triage.desk.actions import Possible
    from triage.tui.look import Look

LETTERS = {"f": "pause", "b": "abort", "r": "rollback", "u": "resume", "m": "promote", "M": "promote-full",
           "t": "retry", "c": "scale", "s": "silence", "e": "expire-silence", "n": "retrain"}
"""Which letter is which action, the safe direction first."""
WORDS = {"pause": "freeze", "abort": "abort", "rollback": "roll back", "resume": "resume", "promote": "promote a step",
         "promote-full": "promote in full", "retry": "retry", "scale": "scale", "silence": "silence an alert",
         "expire-silence": "end a silence", "retrain": "retrain"}
"""As the menu calls them."""
_LABEL = 19


@dataclass(frozen=True, slots=True)
class Menu:
    """What the menu shows."""

    mode: str
    """Why nothing is carried out, as a sentence; "" where it is, and before that is known."""
    possible: tuple[Possible, ...] | None
    """None while the systems are asked."""
    trouble: str = ""
    """Why nothing can be said; "" otherwise."""
    under_way: str = ""
    """The action that is being carried out, as a sentence; "" for none."""
    open_ends: tuple[str, ...] = ()
    """Actions of which it is not known how they ended, each a sentence."""


def menu(shown: Menu, look: Look, width: int) -> list[Line]:
    """One row per action, the reason under it where it does not fit; the letter is what is pressed."""
    out: list[Line] = []
    targets = dict.fromkeys(each.target.sentence() for each in shown.possible or () if each.target is not None)
    out += [line((text, Role.DIM)) for target in targets for text in wrap(target, width)]
    out += [line((text, Role.DIM)) for text in wrap(shown.mode, width) if shown.mode]
    if shown.trouble:
        out += [line((text, Role.UNKNOWN)) for text in wrap(shown.trouble, width)]
    # Before the actions: where not all rows fit, these are seen.
    if shown.under_way:
        out += _row("w", "watch", shown.under_way, Role.PLAIN, width, look)
    for text in shown.open_ends:
        out += _row("v", "unknown: verify", text, Role.UNKNOWN, width, look)
    by_action = {str(each.action): each for each in shown.possible or ()}
    out.append(BLANK)
    for letter, action in LETTERS.items():
        found = by_action.get(action)
        if found is None:
            out.append(_row(letter, WORDS[action], "" if shown.trouble else "being asked", Role.DIM, width, look)[0])
        elif found.is_possible:
            out += _row(letter, WORDS[action], found.sentence, Role.PLAIN, width, look)
        else:
            out += _row(letter, WORDS[action], f"not now: {found.sentence}", Role.DIM, width, look)[:1]
    out += _row("x", "run a cell", "the cells screen: what can be asked of the notebook", Role.PLAIN, width, look)
    out += _row("p", "approve a plan", "that another person shared as a file", Role.PLAIN, width, look)
    return out


def _row(letter: str, word: str, text: str, role: Role, width: int, look: Look) -> list[Line]:
    said = wrap(look.say(text), max(8, width - _LABEL - 3)) or [""]
    said = [*said[:1], " ".join(said[1:])] if len(said) > 1 else said
    head = line((letter, Role.ACCENT if role is not Role.DIM else Role.DIM), "  ",
                (f"{word:<{_LABEL}}", Role.STRONG if role is not Role.DIM else Role.DIM))
    return [line(head, (said[0], role)).fitted(width, look.ellipsis),
            *(line(" " * (_LABEL + 3), (more, role)).fitted(width, look.ellipsis) for more in said[1:])]
