"""The action menu: every action with its letter: what is possible now, what is not, what is not known, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.signals.reading import Verdict
from triage.tui.line import BLANK, Line, Role, line, wrap
from triage.tui.panels.plan import Parts, shorten

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
    elsewhere: tuple[str, ...] = ()
    """Actions that somebody else is at, each a sentence."""
    full: bool = False
    """Whether everything is said in full, however many rows that takes."""


POSSIBLE, NOT_NOW, NOT_KNOWN = "POSSIBLE NOW", "NOT POSSIBLE NOW", "NOT KNOWN WHETHER POSSIBLE"
HELD_BACK = "POSSIBLE ONCE WRITING IS ON"
_ASKED = "ASKED, NO ANSWER YET"


Versions = list[list[Line]]
"""Of one letter: its rows in full, and cut to one row where these are more."""


def menu(shown: Menu, look: Look, width: int, most: int) -> tuple[list[Line], bool]:
    """The letters by what they come to: possible, not possible and why, not known and why; and whether anything is
    cut because not all of it fits into ``most`` rows. What can be done is shortened before what cannot."""
    top = _top(shown, look, width)
    groups = _groups(shown, look, width)
    parts: Parts = {"top": [[*top, *(line((title, Role.HEADING)) for title, _ in groups)]]}
    parts |= {letter: list(versions) for _, entries in groups for letter, versions in entries.items()}
    if not shown.full:
        # The longest first: so the fewest are cut.
        shorten(parts, [letter for _, entries in groups
                        for letter in sorted(entries, key=lambda each: -len(entries[each][0]))], most)
    out = list(top)
    for title, entries in groups:
        out += [*([BLANK] if out else []), line((title, Role.HEADING)),
                *(row for letter in entries for row in parts[letter][0])]
    return out, any(len(parts[letter]) < len(versions) for _, entries in groups for letter, versions in entries.items())


def _top(shown: Menu, look: Look, width: int) -> list[Line]:
    """What it is about, and before the letters what is under way: where not all rows fit, these are seen."""
    targets = dict.fromkeys(each.target.sentence() for each in shown.possible or () if each.target is not None)
    out = [line((text, Role.DIM)) for target in targets for text in wrap(look.say(target), width)]
    out += [line((text, Role.DIM)) for text in wrap(look.say(shown.mode), width) if shown.mode]
    if shown.trouble:
        out += [line((text, Role.UNKNOWN)) for text in wrap(look.say(shown.trouble), width)]
    if shown.under_way:
        out += _entry("w", "watch", shown.under_way, Role.PLAIN, look, width)[0]
    for text in shown.elsewhere:
        out += _entry(look.glyph(Verdict.PENDING), "under way", text, Role.PLAIN, look, width)[0]
    for text in shown.open_ends:
        out += _entry("v", "unknown: verify", text, Role.UNKNOWN, look, width)[0]
    return out


def _groups(shown: Menu, look: Look, width: int) -> list[tuple[str, dict[str, Versions]]]:
    """(heading, versions by letter) of each group in which there is something."""
    possible = HELD_BACK if shown.mode else POSSIBLE
    groups: dict[str, dict[str, Versions]] = {possible: {}, _ASKED: {}, NOT_KNOWN: {}, NOT_NOW: {}}
    by_action = {str(each.action): each for each in shown.possible or ()}
    for letter, action in LETTERS.items():
        found = by_action.get(action)
        if found is None:
            title, text, role = (NOT_KNOWN if shown.trouble else _ASKED), "", Role.DIM
        elif found.is_possible:
            asks = f"; asks: {', '.join(found.asks)}" if found.asks else ""
            title, text, role = possible, found.sentence + asks, Role.PLAIN
        else:
            title, role = (NOT_KNOWN, Role.UNKNOWN) if found.is_possible is None else (NOT_NOW, Role.DIM)
            # What holds everything back is said once, above.
            text = "" if found.sentence == shown.mode else found.sentence
        groups[title][letter] = _entry(letter, WORDS[action], text, role, look, width)
    groups[possible]["x"] = _entry("x", "run a cell", "the cells screen: what can be asked of the notebook", Role.PLAIN,
                                   look, width)
    groups[possible]["p"] = _entry("p", "approve a plan", "that another person shared as a file", Role.PLAIN, look,
                                   width)
    return [(title, entries) for title, entries in groups.items() if entries]


def _entry(letter: str, word: str, text: str, role: Role, look: Look, width: int) -> Versions:
    said = look.say(text)
    rows = wrap(said, max(8, width - _LABEL - 3)) or [""]
    pressed, strong = (Role.DIM, Role.DIM) if role is Role.DIM else (Role.ACCENT, Role.STRONG)
    head = line((letter, pressed), "  ", (f"{word:<{_LABEL}}", strong))
    full = [line(head if not number else " " * head.width, (row, role)).fitted(width, look.ellipsis)
            for number, row in enumerate(rows)]
    return [full, [line(head, (said, role)).fitted(width, look.ellipsis)]] if len(full) > 1 else [full]
